/* SPDX-License-Identifier: MIT */

/* Where a request goes among a pool's zones, how it is counted, and what it is said to lack. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/pool_fixture.h"

#define NR_ZONES POOL_FIXTURE_ZONES
#define NR_PAGES POOL_FIXTURE_PAGES
#define SLOT POOL_FIXTURE_SLOT
#define OTHER POOL_FIXTURE_OTHER

/* The marks of every zone, in tests that set them. */
#define MIN 10u
#define LOW 20u
#define HIGH 30u

static int setup_marks(void **state)
{
	const struct zone_watermarks marks = { MIN, LOW, HIGH };
	struct pool_fixture *fixture;

	pool_fixture_setup(state);
	fixture = *state;
	for (unsigned i = 0; i < NR_ZONES; i++)
		zone_set_watermarks(&fixture->zones[i], &marks);
	return 0;
}

/* Somebody else takes all but so many pages of a zone; that is not counted. */
static void leave_free(struct pool_fixture *fixture, unsigned zone, uint32_t nr_pages)
{
	struct pool_request request = pool_high(pool_bind(zone));
	size_t count = zone_nr_free(&fixture->zones[zone]) - nr_pages;

	request.owner.slot = OTHER;
	assert_int_equal(pool_take(fixture, request, 0, count), count);
	memset(fixture->pool.counters, 0, sizeof(fixture->pool.counters));
	memset(fixture->pool.policies, 0, sizeof(fixture->pool.policies));
}

/* Where it goes. */

static void test_pool_falls_back_by_distance(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool *pool = &fixture->pool;

	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, NR_PAGES * 2 + 10),
			 NR_PAGES * 2 + 10);
	pool_assert_free(fixture, NR_PAGES - 10, 0, 0, NR_PAGES);
	assert_int_equal(page_address_zone(fixture->runs[0].base), 1);
	assert_int_equal(page_address_zone(fixture->runs[fixture->nr_runs - 1].base), 0);
	assert_int_equal(pool->counters[1].hit, NR_PAGES);
	assert_int_equal(pool->counters[1].foreign, NR_PAGES + 10);
	assert_int_equal(pool->counters[2].miss, NR_PAGES);
	assert_int_equal(pool->counters[0].miss, 10);
	assert_int_equal(pool_held_pages(pool, SLOT), NR_PAGES * 2 + 10);
	pool_give_back(fixture, 0);
	assert_int_equal(pool_held_pages(pool, SLOT), 0);
}

static void test_pool_stays_within_allowed_zones(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool_request request = pool_mask(1, 1u << 1 | 1u << 3);
	uint64_t address = 77;

	assert_int_equal(pool_take(fixture, request, 0, NR_PAGES * 3), NR_PAGES * 2);
	pool_assert_free(fixture, NR_PAGES, 0, NR_PAGES, 0);
	assert_int_equal(pool_alloc_exact(&fixture->pool, &request, 3, &address, &fixture->demand),
			 ZONE_E_FULL);
	assert_int_equal(address, 77);
	assert_int_equal(pool_take(fixture, pool_mask(1, 0), 0, 1), 0);
	assert_int_equal(pool_take(fixture, pool_bind(1), 0, 1), 0);
	assert_int_equal(pool_take(fixture, pool_bind(2), 0, 1), 1);
	assert_int_equal(page_address_zone(fixture->runs[0].base), 2);
}

/* Who prefers what it does not allow means the nearest that it does. */
static void test_pool_takes_the_nearest_allowed_zone_as_meant(void **state)
{
	struct pool_fixture *fixture = *state;

	assert_int_equal(pool_take(fixture, pool_mask(1, 1u << 0 | 1u << 3), 2, 4), 4);
	pool_assert_free(fixture, NR_PAGES - 16, NR_PAGES, NR_PAGES, NR_PAGES);
	assert_int_equal(fixture->pool.counters[0].hit, 4);
	assert_int_equal(fixture->pool.counters[1].foreign, 0);
}

static void test_pool_goes_far_before_a_zone_is_raided(void **state)
{
	struct pool_fixture *fixture = *state;

	leave_free(fixture, 1, LOW + 1);
	leave_free(fixture, 2, LOW + 2);
	leave_free(fixture, 0, LOW + 3);
	leave_free(fixture, 3, LOW + 4);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, 3), 3); /* 1 + 2 */
	pool_assert_free(fixture, LOW + 3, LOW, LOW, LOW + 4);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, 7), 7); /* 3 + 4 */
	pool_assert_free(fixture, LOW, LOW, LOW, LOW);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, 1), 1);
	pool_assert_free(fixture, LOW, LOW - 1, LOW, LOW);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, NR_PAGES), LOW - 1 - MIN);
	pool_assert_free(fixture, LOW, MIN, LOW, LOW);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, 1), 0);
	pool_assert_free(fixture, LOW, MIN, LOW, LOW);
}

/* A whole batch at once: the near zone's reserve comes last, and its runs still follow each other.
 */
static void test_pool_batch_brings_the_runs_of_a_zone_together(void **state)
{
	struct pool_fixture *fixture = *state;
	unsigned seen[NR_ZONES] = { 0 };
	size_t count;

	count = pool_take(fixture, pool_prefer(1), 0, NR_ZONES * NR_PAGES);
	assert_int_equal(count, NR_ZONES * (NR_PAGES - LOW) + LOW - MIN);
	for (size_t i = 0; i < fixture->nr_runs; i++) {
		unsigned zone = page_address_zone(fixture->runs[i].base);

		if (i == 0 || page_address_zone(fixture->runs[i - 1].base) != zone)
			seen[zone]++;
	}
	for (unsigned zone = 0; zone < NR_ZONES; zone++)
		assert_int_equal(seen[zone], 1);
	assert_int_equal(page_address_zone(fixture->runs[0].base), 1);
	pool_give_back(fixture, 0);
	pool_assert_free(fixture, NR_PAGES, NR_PAGES, NR_PAGES, NR_PAGES);
}

/* Where there is one zone only, a batch is one request of it, whatever marks it passes. */
static void test_pool_batch_of_one_zone_is_not_cut_at_the_marks(void **state)
{
	struct pool_fixture *fixture = *state;

	assert_int_equal(pool_take(fixture, pool_high(pool_bind(2)), 2, 64), 64);
	assert_int_equal(fixture->nr_runs, 1);
	assert_true(fixture->runs[0].mask == UINT64_MAX);
	pool_assert_demand(fixture, POOL_DEMAND_LOW, 2, HIGH);
}

static void test_pool_protects_zones_from_who_could_go_elsewhere(void **state)
{
	struct pool_fixture *fixture = *state;

	for (unsigned i = 0; i < NR_ZONES; i++)
		leave_free(fixture, i, LOW);
	assert_int_equal(pool_take(fixture, pool_prefer(0), 0, NR_PAGES), LOW - MIN);
	pool_assert_free(fixture, MIN, LOW, LOW, LOW);
	assert_int_equal(pool_take(fixture, pool_mask(0, 1u << 0 | 1u << 1), 0, NR_PAGES),
			 LOW - MIN);
	pool_assert_free(fixture, MIN, MIN, LOW, LOW);
	assert_int_equal(pool_take(fixture, pool_bind(2), 0, NR_PAGES), LOW - MIN);
	pool_assert_free(fixture, MIN, MIN, MIN, LOW);
	assert_int_equal(pool_take(fixture, pool_interleave(UINT64_MAX), 0, NR_PAGES), LOW - MIN);
	pool_assert_free(fixture, MIN, MIN, MIN, MIN);
}

static void test_pool_high_requests_go_below_min(void **state)
{
	struct pool_fixture *fixture = *state;

	for (unsigned i = 0; i < NR_ZONES; i++)
		leave_free(fixture, i, MIN + i);
	assert_int_equal(pool_take(fixture, pool_prefer(3), 0, 4), 3);
	pool_assert_free(fixture, MIN, MIN + 1, MIN + 2, MIN);
	/* What others still have above min goes first, near before far. */
	assert_int_equal(pool_take(fixture, pool_high(pool_prefer(3)), 0, 3), 3);
	pool_assert_free(fixture, MIN, MIN, MIN, MIN);
	assert_int_equal(pool_take(fixture, pool_high(pool_prefer(3)), 0, MIN + 1), MIN + 1);
	pool_assert_free(fixture, MIN - 1, MIN, MIN, 0);
	assert_int_equal(pool_take(fixture, pool_high(pool_bind(1)), 0, MIN + 1), MIN);
	assert_int_equal(pool_take(fixture, pool_high(pool_prefer(1)), 0, NR_PAGES), 2 * MIN - 1);
	pool_assert_free(fixture, 0, 0, 0, 0);
}

static void test_pool_serves_exact_from_the_next_zone(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool *pool = &fixture->pool;
	struct pool_request request = pool_prefer(2);
	uint64_t first, second;

	assert_int_equal(pool_alloc_exact(pool, &request, 200, &first, &fixture->demand), 0);
	assert_int_equal(first, page_address(2, 0));
	assert_int_equal(fixture->demand.level, POOL_DEMAND_NONE);
	assert_int_equal(pool_alloc_exact(pool, &request, 200, &second, &fixture->demand), 0);
	assert_int_equal(second, page_address(3, 0));
	assert_int_equal(pool_held_pages(pool, SLOT), 400);
	assert_int_equal(pool->counters[2].hit, 3); /* 128 + 64 + 8 */
	assert_int_equal(pool->counters[3].miss, 3);
	assert_int_equal(pool_free_exact(pool, first, 199, SLOT), ZONE_E_ORDER);
	assert_int_equal(pool_free_exact(pool, page_address(9, 0), 200, SLOT), ZONE_E_RANGE);
	assert_int_equal(pool_free_exact(pool, page_address(2, NR_PAGES), 1, SLOT), ZONE_E_RANGE);
	assert_int_equal(pool_free_exact(pool, first, 200, SLOT), 0);
	assert_int_equal(pool_free_exact(pool, first, 200, SLOT), ZONE_E_NOT_HEAD);
	assert_int_equal(pool_free_exact(pool, second, 200, SLOT), 0);
	pool_assert_sound(pool);
}

static void test_pool_exact_keeps_to_the_marks(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool_request request = pool_bind(0);
	uint64_t address;

	assert_int_equal(pool_alloc_exact(&fixture->pool, &request, NR_PAGES - MIN + 1, &address,
					  &fixture->demand),
			 ZONE_E_FULL);
	pool_assert_demand(fixture, POOL_DEMAND_MIN, 0, HIGH + 1 - MIN);
	assert_int_equal(fixture->demand.order, 8);
	assert_int_equal(pool_alloc_exact(&fixture->pool, &request, NR_PAGES - MIN, &address,
					  &fixture->demand),
			 0);
	pool_assert_demand(fixture, POOL_DEMAND_LOW, 0, HIGH - MIN);
	pool_assert_sound(&fixture->pool);
}

/* In turn. */

static void test_pool_interleaves_one_by_one(void **state)
{
	struct pool_fixture *fixture = *state;

	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(pool_take(fixture, pool_interleave(UINT64_MAX), 1, 1), 1);
		assert_int_equal(page_address_zone(fixture->runs[0].base), i % NR_ZONES);
	}
	/* The turn is the pool's, whatever a request allows. */
	assert_int_equal(pool_take(fixture, pool_interleave(1u << 1 | 1u << 3), 0, 1), 1);
	assert_int_equal(page_address_zone(fixture->runs[0].base), 3);
	assert_int_equal(pool_take(fixture, pool_interleave(1u << 1 | 1u << 3), 0, 1), 1);
	assert_int_equal(page_address_zone(fixture->runs[0].base), 1);
	for (unsigned i = 0; i < 4; i++) {
		struct pool_request request = pool_interleave(UINT64_MAX);
		uint64_t address;

		assert_int_equal(
			pool_alloc_exact(&fixture->pool, &request, 3, &address, &fixture->demand),
			0);
		assert_int_equal(page_address_zone(address), (2 + i) % NR_ZONES);
	}
}

static void test_pool_spreads_a_batch_evenly(void **state)
{
	struct pool_fixture *fixture = *state;

	assert_int_equal(pool_take(fixture, pool_interleave(UINT64_MAX), 0, 42), 42);
	pool_assert_free(fixture, NR_PAGES - 11, NR_PAGES - 11, NR_PAGES - 10, NR_PAGES - 10);
	assert_int_equal(pool_take(fixture, pool_interleave(UINT64_MAX), 0, 42), 42);
	pool_assert_free(fixture, NR_PAGES - 21, NR_PAGES - 21, NR_PAGES - 21, NR_PAGES - 21);
	assert_int_equal(pool_take(fixture, pool_interleave(UINT64_MAX), 0, 3), 3);
	assert_int_equal(pool_take(fixture, pool_interleave(UINT64_MAX), 0, 3), 3);
	pool_assert_free(fixture, NR_PAGES - 23, NR_PAGES - 23, NR_PAGES - 22, NR_PAGES - 22);
	assert_int_equal(pool_take(fixture, pool_interleave(1u << 1 | 1u << 2), 2, 6), 6);
	pool_assert_free(fixture, NR_PAGES - 23, NR_PAGES - 35, NR_PAGES - 34, NR_PAGES - 22);
	for (unsigned i = 0; i < NR_ZONES; i++) {
		const struct pool_zone_counters *counters = &fixture->pool.counters[i];

		assert_int_equal(counters->interleave, counters->hit);
		assert_int_equal(counters->miss + counters->foreign, 0);
	}
}

static void test_pool_share_of_a_full_zone_falls_back(void **state)
{
	struct pool_fixture *fixture = *state;
	const struct pool_zone_counters *counters = fixture->pool.counters;

	leave_free(fixture, 1, LOW);
	assert_int_equal(pool_take(fixture, pool_interleave(UINT64_MAX), 0, 40), 40);
	pool_assert_free(fixture, NR_PAGES - 10, LOW, NR_PAGES - 20, NR_PAGES - 10);
	assert_int_equal(counters[1].hit, 0);
	assert_int_equal(counters[1].foreign, 10);
	assert_int_equal(counters[2].hit, 10);
	assert_int_equal(counters[2].interleave, 10);
	assert_int_equal(counters[2].miss, 10);
	pool_assert_demand(fixture, POOL_DEMAND_LOW, 1, HIGH - LOW);
}

/* Counters. */

static void test_pool_counts_in_the_words_of_numastat(void **state)
{
	struct pool_fixture *fixture = *state;
	const struct pool_zone_counters *counters = fixture->pool.counters;
	const struct pool_policy_counters *policies = fixture->pool.policies;
	struct pool_request request = pool_prefer(0);

	request.local = 1;
	assert_int_equal(pool_take(fixture, request, 1, 3), 3);
	assert_int_equal(counters[0].hit, 3);
	assert_int_equal(counters[0].local, 0);
	assert_int_equal(counters[0].other, 3);
	request.local = 0;
	assert_int_equal(pool_take(fixture, request, 1, 2), 2);
	assert_int_equal(counters[0].local, 2);
	request.local = POOL_ZONE_NONE;
	assert_int_equal(pool_take(fixture, request, 1, 4), 4);
	assert_int_equal(counters[0].other, 7);

	request = pool_bind(2);
	request.local = 3;
	assert_int_equal(pool_take(fixture, request, 0, NR_PAGES + 1), NR_PAGES);
	request.policy = POOL_PREFERRED;
	request.allowed = UINT64_MAX;
	assert_int_equal(pool_take(fixture, request, 0, 1), 1); /* falls back to where it runs */
	assert_int_equal(counters[3].miss, 1);
	assert_int_equal(counters[3].local, 1);
	assert_int_equal(counters[2].foreign, 1);
	assert_int_equal(counters[2].other, NR_PAGES);

	assert_int_equal(pool_take(fixture, pool_mask(2, 1u << 2), 0, 1), 0);
	assert_int_equal(pool_take(fixture, pool_interleave(1u << 3), 0, 2), 2);
	assert_int_equal(policies[POOL_PREFERRED].granted, 10);
	assert_int_equal(policies[POOL_PREFERRED].failed, 0);
	assert_int_equal(policies[POOL_BIND].granted, NR_PAGES);
	assert_int_equal(policies[POOL_BIND].failed, 1);
	assert_int_equal(policies[POOL_MASK].granted, 0);
	assert_int_equal(policies[POOL_MASK].failed, 1);
	assert_int_equal(policies[POOL_INTERLEAVE].granted, 2);
}

/* Demands. */

static void test_pool_demands_nothing_above_low(void **state)
{
	struct pool_fixture *fixture = *state;

	assert_int_equal(pool_take(fixture, pool_bind(2), 0, NR_PAGES - LOW), NR_PAGES - LOW);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_NONE);
	assert_int_equal(fixture->demand.zone, 2);
}

static void test_pool_demands_what_is_missing_to_high(void **state)
{
	struct pool_fixture *fixture = *state;

	leave_free(fixture, 1, LOW + 2);
	/* Served elsewhere: the zone still lacks what would have served it. */
	assert_int_equal(pool_take(fixture, pool_prefer(1), 2, 1), 1);
	assert_int_equal(page_address_zone(fixture->runs[0].base), 2);
	pool_assert_demand(fixture, POOL_DEMAND_LOW, 1, HIGH - LOW - 2);
	assert_int_equal(fixture->demand.order, 2);
	/* Served from below low. */
	assert_int_equal(pool_take(fixture, pool_bind(1), 0, 5), 5);
	pool_assert_demand(fixture, POOL_DEMAND_LOW, 1, HIGH - LOW + 3);
	/* Served in part. */
	assert_int_equal(pool_take(fixture, pool_bind(1), 0, 10), LOW - 3 - MIN);
	pool_assert_demand(fixture, POOL_DEMAND_MIN, 1, HIGH - MIN + 10 - (LOW - 3 - MIN));
	assert_int_equal(pool_take(fixture, pool_bind(1), 3, 2), 0);
	pool_assert_demand(fixture, POOL_DEMAND_MIN, 1, HIGH - MIN + 16);
	assert_int_equal(fixture->demand.order, 3);
}

/* A large block is more than the zone's room, though the zone is at ease. */
static void test_pool_demands_nothing_of_a_zone_at_ease(void **state)
{
	struct pool_fixture *fixture = *state;

	assert_int_equal(pool_take(fixture, pool_bind(1), 7, 1), 1);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 7, 1), 1);
	assert_int_equal(page_address_zone(fixture->runs[0].base), 2);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_NONE);
}

static void test_pool_demands_an_order_of_a_fragmented_zone(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool_request request = pool_high(pool_bind(2));
	uint64_t address;

	pool_fragment(fixture, 2);
	assert_int_equal(pool_take(fixture, request, 1, 3), 0);
	pool_assert_demand(fixture, POOL_DEMAND_ORDER, 2, 6);
	assert_int_equal(fixture->demand.order, 1);
	/* It has been asked once, not for every mark. */
	assert_int_equal(zone_counters(&fixture->zones[2])->failures, 1);
	assert_int_equal(pool_alloc_exact(&fixture->pool, &request, 5, &address, &fixture->demand),
			 ZONE_E_FULL);
	pool_assert_demand(fixture, POOL_DEMAND_ORDER, 2, 5);
	assert_int_equal(fixture->demand.order, 3);
	assert_int_equal(pool_take(fixture, pool_prefer(2), 1, 1), 1); /* elsewhere */
	assert_int_equal(fixture->demand.level, POOL_DEMAND_NONE);
	/* Of several zones the nearest: the others are down to their marks. */
	leave_free(fixture, 1, MIN);
	assert_int_equal(pool_take(fixture, pool_mask(1, 1u << 1 | 1u << 2), 4, 1), 0);
	pool_assert_demand(fixture, POOL_DEMAND_ORDER, 2, 16);
}

#define POOL_TEST(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, pool_fixture_setup, pool_fixture_teardown)
#define MARKS_TEST(name) cmocka_unit_test_setup_teardown(name, setup_marks, pool_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_pool_falls_back_by_distance),
		POOL_TEST(test_pool_stays_within_allowed_zones),
		POOL_TEST(test_pool_takes_the_nearest_allowed_zone_as_meant),
		MARKS_TEST(test_pool_goes_far_before_a_zone_is_raided),
		MARKS_TEST(test_pool_batch_brings_the_runs_of_a_zone_together),
		MARKS_TEST(test_pool_batch_of_one_zone_is_not_cut_at_the_marks),
		MARKS_TEST(test_pool_protects_zones_from_who_could_go_elsewhere),
		MARKS_TEST(test_pool_high_requests_go_below_min),
		POOL_TEST(test_pool_serves_exact_from_the_next_zone),
		MARKS_TEST(test_pool_exact_keeps_to_the_marks),
		POOL_TEST(test_pool_interleaves_one_by_one),
		POOL_TEST(test_pool_spreads_a_batch_evenly),
		MARKS_TEST(test_pool_share_of_a_full_zone_falls_back),
		POOL_TEST(test_pool_counts_in_the_words_of_numastat),
		MARKS_TEST(test_pool_demands_nothing_above_low),
		MARKS_TEST(test_pool_demands_what_is_missing_to_high),
		MARKS_TEST(test_pool_demands_nothing_of_a_zone_at_ease),
		MARKS_TEST(test_pool_demands_an_order_of_a_fragmented_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
