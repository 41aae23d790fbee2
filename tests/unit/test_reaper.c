/* SPDX-License-Identifier: MIT */
/* What the dying held is freed: all of it, nothing else, and never much at once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/service_fixture.h"

#define ZONE_PAGES (UINT32_C(1) << 17)
#define NR_BATCHES 40u /* of single pages: more than one slice of a sweep */

static int setup(void **state)
{
	*state = fixture_new_large(ZONE_PAGES);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void take_pages(struct fixture_client *client, unsigned nr_batches)
{
	struct message request = { .type = MESSAGE_ALLOC };

	request.u.alloc.pool = fixture_open(client, FIXTURE_POOL, false);
	request.u.alloc.count = MESSAGE_BATCH_BLOCKS_MAX;
	while (nr_batches--)
		assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
}

static uint64_t free_pages(const struct fixture *fixture)
{
	const struct pools_pool *pool = &fixture->service.pools.pools[0];

	return zone_nr_free(pool->zones[0].zone) + zone_nr_free(pool->zones[1].zone);
}

static void test_reaper_frees_in_slices_what_a_client_held(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *dying = fixture_client_greeted(fixture, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(fixture, FIXTURE_UID);
	struct message goodbye = { .type = MESSAGE_GOODBYE };

	take_pages(other, 1);
	take_pages(dying, NR_BATCHES);
	unsigned nr_replies = dying->nr_replies;
	dying->nr_wanted = 0;
	fixture_serve(dying, &goodbye);
	assert_int_equal(dying->nr_replies, nr_replies); /* not within the request */
	assert_int_equal(fixture_held_pages(dying), NR_BATCHES * MESSAGE_BATCH_BLOCKS_MAX);

	fixture_await(dying, nr_replies + 1);
	assert_int_equal(dying->reply.status, MESSAGE_STATUS_OK);
	assert_int_equal(dying->client.state, CLIENT_SWEPT);
	assert_int_equal(fixture_held_pages(dying), 0);
	assert_int_equal(fixture_held_pages(other), MESSAGE_BATCH_BLOCKS_MAX);
	assert_int_equal(free_pages(fixture), 2 * ZONE_PAGES - MESSAGE_BATCH_BLOCKS_MAX);
	fixture_client_free(dying);
	fixture_client_free(other);
	assert_int_equal(free_pages(fixture), 2 * ZONE_PAGES);
}

/* The smallest objects, of two clients in the same slabs. */
static void test_reaper_frees_objects_in_slices_too(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *dying = fixture_client_greeted(fixture, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(fixture, FIXTURE_UID);
	struct message goodbye = { .type = MESSAGE_GOODBYE };
	uint32_t pool = fixture_open(dying, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(dying, pool, "x", 16, 0);
	struct message request = fixture_alloc_objects(pool, cache, 1000);

	fixture_open(other, FIXTURE_POOL, false);
	for (unsigned i = 0; i < NR_BATCHES; i++) {
		assert_int_equal(fixture_count_objects(fixture_call(dying, &request)), 1000);
		assert_int_equal(fixture_count_objects(fixture_call(other, &request)), 1000);
	}
	unsigned nr_replies = dying->nr_replies;
	dying->nr_wanted = 0;
	fixture_serve(dying, &goodbye);
	assert_int_equal(dying->nr_replies, nr_replies);
	assert_int_equal(fixture_held_bytes(dying), NR_BATCHES * 16000);
	fixture_await(dying, nr_replies + 1);
	assert_int_equal(dying->client.state, CLIENT_SWEPT);
	assert_int_equal(fixture_held_bytes(dying), 0);
	assert_int_equal(fixture_held_bytes(other), NR_BATCHES * 16000);
	fixture_client_free(dying);
	fixture_client_free(other);
}

static void test_reaper_is_done_at_once_with_who_held_nothing(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message goodbye = { .type = MESSAGE_GOODBYE };
	unsigned nr_replies = client->nr_replies;

	fixture_serve(client, &goodbye);
	assert_int_equal(client->nr_replies, nr_replies + 1);
	assert_int_equal(client->client.state, CLIENT_SWEPT);
	fixture_client_free(client);
}

#define REAPER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		REAPER_TEST(test_reaper_frees_in_slices_what_a_client_held),
		REAPER_TEST(test_reaper_frees_objects_in_slices_too),
		REAPER_TEST(test_reaper_is_done_at_once_with_who_held_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
