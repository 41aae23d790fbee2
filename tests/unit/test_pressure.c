/* SPDX-License-Identifier: MIT */
/* When a zone is said to be short, and until when. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "service/log.h"
#include "service/pressure.h"
#include "support/service_fixture.h"
#include "support/zone_fixture.h"

#define MIN 100u
#define LOW 200u
#define HIGH 300u

static int setup(void **state)
{
	const struct zone_watermarks marks = { MIN, LOW, HIGH };
	struct fixture *fixture = fixture_new(SERVICE_COMMIT_TOUCH);

	log_set_level(LOG_EMERG);
	for (unsigned i = 0; i < 2; i++)
		zone_set_watermarks(fixture->service.pools.pools[0].zones[i].zone, &marks);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX];

/* From node 0 alone; returns how many pages were granted. Their runs are in runs[]. */
static unsigned take(struct fixture_client *client, uint32_t pool, unsigned count, bool high)
{
	struct message request = { .type = MESSAGE_ALLOC };
	unsigned nr_blocks = 0;

	request.u.alloc.pool = pool;
	request.u.alloc.count = count;
	request.u.alloc.placement.policy = MESSAGE_POLICY_BIND;
	request.u.alloc.placement.high = high;
	const struct message *reply = fixture_call(client, &request);
	if (reply->status != MESSAGE_STATUS_OK)
		return 0;
	for (size_t i = 0; i < reply->u.granted.nr_runs; i++) {
		runs[i] = reply->u.granted.runs[i];
		nr_blocks += (unsigned)__builtin_popcountll(runs[i].mask);
	}
	return nr_blocks;
}

/* Frees single pages of the first 64 runs that were taken. */
static void give_back(struct fixture_client *client, uint32_t pool, unsigned count)
{
	struct message request = { .type = MESSAGE_FREE };
	struct message_run run;

	request.u.free.pool = pool;
	request.u.free.runs = &run;
	request.u.free.nr_runs = 1;
	for (size_t i = 0; count > 0; i++)
		for (; runs[i].mask && count > 0; runs[i].mask &= runs[i].mask - 1, count--) {
			run = (struct message_run){ runs[i].base, runs[i].mask & -runs[i].mask };
			assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
		}
}

static void test_pressure_follows_the_watermarks(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	const struct pools_zone *zone = &fixture->service.pools.pools[0].zones[0];
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);

	take(client, pool, FIXTURE_ZONE_PAGES - LOW - 1, false);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_NONE);
	take(client, pool, 1, false);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_LOW);
	assert_int_equal(zone->demand.level, POOL_DEMAND_NONE); /* nobody has lacked anything */
	assert_int_equal(take(client, pool, LOW, false), LOW - MIN);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_MIN);
	assert_int_equal(zone->demand.level, POOL_DEMAND_MIN);
	assert_int_equal(zone->demand.nr_pages, HIGH);
	assert_int_equal(take(client, pool, 1, false), 0);
	assert_int_equal(take(client, pool, MIN + 1, true), MIN);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_MIN);
	assert_int_equal(pressure_of(zone + 1), MESSAGE_PRESSURE_NONE);
	fixture_client_free(client);
}

static void test_pressure_lasts_until_high(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	const struct pools_zone *zone = &fixture->service.pools.pools[0].zones[0];
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);

	take(client, pool, FIXTURE_ZONE_PAGES - MIN, false);
	assert_int_equal(zone->demand.level, POOL_DEMAND_LOW);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_MIN);
	give_back(client, pool, 1);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_LOW);
	give_back(client, pool, HIGH - MIN - 2);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_LOW);
	give_back(client, pool, 1);
	assert_int_equal(zone_nr_free(zone->zone), HIGH);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_NONE);
	give_back(client, pool, 1);
	assert_int_equal(take(client, pool, 1, false), 1); /* finds the zone at ease */
	assert_int_equal(zone->demand.level, POOL_DEMAND_NONE);
	take(client, pool, 50, false);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_NONE); /* on its way down */
	fixture_client_free(client);
}

/* A block that is too large for what is free adjacent is no shortness of the zone. */
static void test_pressure_is_not_of_one_size(void **state)
{
	struct fixture *fixture = *state;
	struct pools_pool *pool = &fixture->service.pools.pools[0];
	const struct pool_demand order = { .level = POOL_DEMAND_ORDER,
					   .nr_pages = 512,
					   .order = 9 };
	const struct pool_demand limit = { .level = POOL_DEMAND_LIMIT, .nr_pages = 1 };

	pressure_note(pool, &order);
	pressure_note(pool, &limit);
	assert_int_equal(pool->zones[0].demand.level, POOL_DEMAND_NONE);
	assert_int_equal(pressure_of(&pool->zones[0]), MESSAGE_PRESSURE_NONE);
}

/*
 * What the contiguous area has free does not end the shortness of those who can't have it: else
 * each of their requests would find it anew, and tell the log.
 */
static void test_pressure_of_the_unmovable_lasts_without_contiguous_pages(void **state)
{
	const struct zone_config config = { .nr_pages = FIXTURE_ZONE_PAGES,
					    .contiguous_pages = FIXTURE_ZONE_PAGES / 2,
					    .max_order = FIXTURE_MAX_ORDER,
					    .nr_slots = 4 };
	const struct service_pool_config pool_config = { .name = "lent" };
	const struct word_owner owner = { .slot = 1 };
	struct pool_demand demand = { .level = POOL_DEMAND_LOW, .nr_pages = HIGH };
	struct zone_fixture *fixture = zone_fixture_new(&config);
	static struct pools_pool pool;
	struct pools_zone *zone = &pool.zones[0];

	(void)state;
	pool = (struct pools_pool){ .config = &pool_config, .nr_zones = 1 };
	zone->zone = pool.core.zones[0] = &fixture->zone;
	zone_set_watermarks(zone->zone, &(struct zone_watermarks){ MIN, LOW, HIGH });
	for (unsigned i = 0; i < FIXTURE_ZONE_PAGES / 2; i++)
		zone_fixture_grant(fixture, 0, owner);
	assert_true(zone_nr_free(zone->zone) > HIGH);
	pressure_note(&pool, &demand);
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_LOW);
	demand.nr_pages = 1; /* the next one is not told, so it is not kept either */
	pressure_note(&pool, &demand);
	assert_int_equal(zone->demand.nr_pages, HIGH);

	/* A movable one would have been served. */
	zone->demand.mobility = MOBILITY_MOVABLE;
	assert_int_equal(pressure_of(zone), MESSAGE_PRESSURE_NONE);
	zone_fixture_free(fixture);
}

#define PRESSURE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PRESSURE_TEST(test_pressure_follows_the_watermarks),
		PRESSURE_TEST(test_pressure_lasts_until_high),
		PRESSURE_TEST(test_pressure_is_not_of_one_size),
		PRESSURE_TEST(test_pressure_of_the_unmovable_lasts_without_contiguous_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
