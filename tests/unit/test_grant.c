/* SPDX-License-Identifier: MIT */
/* Requests that allocate and free: what is told, what waits for memory, and what goes back. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/service_fixture.h"

static int setup(void **state)
{
	*state = fixture_new(SERVICE_COMMIT_TOUCH); /* all grants are told at once */
	return 0;
}

static int setup_waiting(void **state)
{
	*state = fixture_new(SERVICE_COMMIT_GRANT); /* the first of a chunk waits for its memory */
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct message make_alloc(uint32_t pool, unsigned order, uint32_t count)
{
	struct message request = { .type = MESSAGE_ALLOC };

	request.u.alloc.pool = pool;
	request.u.alloc.order = order;
	request.u.alloc.count = count;
	return request;
}

static struct message make_free(uint32_t pool, unsigned order, const struct message_run *runs,
				size_t nr_runs)
{
	struct message request = { .type = MESSAGE_FREE };

	request.u.free.pool = pool;
	request.u.free.order = order;
	request.u.free.runs = runs;
	request.u.free.nr_runs = nr_runs;
	return request;
}

static unsigned count_blocks(const struct message *reply)
{
	unsigned nr_blocks = 0;

	assert_int_equal(reply->type, MESSAGE_GRANTED);
	for (size_t i = 0; i < reply->u.granted.nr_runs; i++)
		nr_blocks += (unsigned)__builtin_popcountll(reply->u.granted.runs[i].mask);
	return nr_blocks;
}

static void test_grant_blocks_come_and_go(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);

	for (unsigned order = 0; order <= FIXTURE_MAX_ORDER; order++) {
		struct message request = make_alloc(pool, order, 2);
		const struct message *reply = fixture_call(client, &request);

		assert_int_equal(reply->status, MESSAGE_STATUS_OK);
		assert_int_equal(count_blocks(reply), 2);
		assert_int_equal(fixture_held_pages(client), 2u << order);
		request = make_free(pool, order, reply->u.granted.runs, reply->u.granted.nr_runs);
		assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
		assert_int_equal(fixture_held_pages(client), 0);
	}
	fixture_client_free(client);
}

static void test_grant_partial_batch_is_a_success(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = make_alloc(pool, 3, MESSAGE_BATCH_BLOCKS_MAX);

	assert_int_equal(count_blocks(fixture_call(client, &request)), 2 * FIXTURE_ZONE_PAGES / 8);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NO_MEMORY,
			       "no free block of order 3");
	fixture_client_free(client);
}

static void test_grant_follows_the_node(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = make_alloc(pool, 0, 1);

	request.u.alloc.placement.node = 1;
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(page_address_zone(reply->u.granted.runs[0].base), 1);

	request.u.alloc.placement.node = 7; /* a hint that can't be followed */
	reply = fixture_call(client, &request);
	assert_int_equal(page_address_zone(reply->u.granted.runs[0].base), 0);
	request.u.alloc.placement.bind = true;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "no node 7");
	request.u.alloc.placement.node = UINT32_MAX;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "no node");

	request = make_alloc(pool, 0, 2 * FIXTURE_ZONE_PAGES);
	request.u.alloc.placement.node = 1;
	request.u.alloc.placement.bind = true;
	assert_int_equal(count_blocks(fixture_call(client, &request)), FIXTURE_ZONE_PAGES - 1);
	fixture_client_free(client);
}

static unsigned zone_of(const struct message *reply)
{
	assert_int_equal(reply->type, MESSAGE_GRANTED);
	return page_address_zone(reply->u.granted.runs[0].base);
}

static void test_grant_follows_the_policy(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	const struct pool *core = &fixture->service.pools.pools[0].core;
	struct message request = make_alloc(fixture_open(client, FIXTURE_POOL, false), 0, 1);
	struct message_placement *placement = &request.u.alloc.placement;

	placement->policy = MESSAGE_POLICY_BIND;
	placement->node = 1;
	placement->nodes = 1; /* not looked at */
	assert_int_equal(zone_of(fixture_call(client, &request)), 1);
	placement->policy = MESSAGE_POLICY_PREFERRED;
	assert_int_equal(zone_of(fixture_call(client, &request)), 1);
	placement->policy = MESSAGE_POLICY_MASK;
	assert_int_equal(zone_of(fixture_call(client, &request)), 0);
	placement->nodes = 1u << 1 | UINT64_C(1) << 63;
	placement->node = 0;
	assert_int_equal(zone_of(fixture_call(client, &request)), 1);
	placement->policy = MESSAGE_POLICY_INTERLEAVE;
	assert_int_equal(zone_of(fixture_call(client, &request)), 1);
	placement->nodes = UINT64_C(1) << 63;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "none of the nodes");
	placement->nodes = 0;
	request.u.alloc.count = 128;
	assert_int_equal(count_blocks(fixture_call(client, &request)), 128);
	assert_int_equal(core->counters[0].interleave, 64);
	assert_int_equal(core->counters[1].interleave, 65);
	assert_int_equal(core->policies[POOL_INTERLEAVE].granted, 129);
	fixture_client_free(client);
}

static void test_grant_counts_by_the_node_of_the_caller(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	const struct pool_zone_counters *counters = fixture->service.pools.pools[0].core.counters;
	struct message request = make_alloc(fixture_open(client, FIXTURE_POOL, false), 0, 1);

	request.u.alloc.placement.node = 1;
	request.u.alloc.placement.cpu_node = 1;
	assert_int_equal(zone_of(fixture_call(client, &request)), 1);
	assert_int_equal(counters[1].local, 1);
	request.u.alloc.placement.cpu_node = 0;
	assert_int_equal(zone_of(fixture_call(client, &request)), 1);
	request.u.alloc.placement.cpu_node = 5; /* has no memory in this pool */
	assert_int_equal(zone_of(fixture_call(client, &request)), 1);
	request.u.alloc.placement.cpu_node = UINT32_MAX;
	assert_int_equal(zone_of(fixture_call(client, &request)), 1);
	assert_int_equal(counters[1].local, 1);
	assert_int_equal(counters[1].other, 3);
	fixture_client_free(client);
}

/* Holds every second page of a node. */
static void test_grant_says_when_adjacent_pages_are_lacking(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message_run runs[FIXTURE_ZONE_PAGES / 64];
	struct message request = make_alloc(pool, 0, FIXTURE_ZONE_PAGES);
	struct message exact = { .type = MESSAGE_ALLOC_EXACT };

	request.u.alloc.placement.bind = true;
	assert_int_equal(count_blocks(fixture_call(client, &request)), FIXTURE_ZONE_PAGES);
	for (size_t i = 0; i < FIXTURE_ZONE_PAGES / 64; i++)
		runs[i] = (struct message_run){ .base = i * 64,
						.mask = UINT64_C(0x5555555555555555) };
	request = make_free(pool, 0, runs, FIXTURE_ZONE_PAGES / 64);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);

	request = make_alloc(pool, 2, 1);
	request.u.alloc.placement.bind = true;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NO_MEMORY,
			       "node0 of pool 'default' has no free block of order 2: the largest "
			       "free block is of order 0");
	exact.u.alloc_exact.pool = pool;
	exact.u.alloc_exact.nr_pages = 3;
	exact.u.alloc_exact.placement.bind = true;
	fixture_assert_refused(fixture_call(client, &exact), MESSAGE_STATUS_NO_MEMORY,
			       "no 3 adjacent free pages: the largest");
	fixture_client_free(client);
}

static void test_grant_keeps_what_is_below_min(void **state)
{
	const struct zone_watermarks marks = { .min = 10, .low = 20, .high = 30 };
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	struct message request = make_alloc(fixture_open(client, FIXTURE_POOL, false), 0, 2000);
	struct message exact = { .type = MESSAGE_ALLOC_EXACT };

	for (unsigned i = 0; i < 2; i++)
		zone_set_watermarks(fixture->service.pools.pools[0].zones[i].zone, &marks);
	request.u.alloc.placement.policy = MESSAGE_POLICY_INTERLEAVE;
	assert_int_equal(count_blocks(fixture_call(client, &request)), 2000);
	assert_int_equal(count_blocks(fixture_call(client, &request)),
			 2 * FIXTURE_ZONE_PAGES - 2000 - 20);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NO_MEMORY,
			       "pool 'default' has no free block of order 0 above its watermarks: "
			       "what is left is kept for PP_HIGH");
	exact.u.alloc_exact.pool = request.u.alloc.pool;
	exact.u.alloc_exact.nr_pages = 3;
	fixture_assert_refused(fixture_call(client, &exact), MESSAGE_STATUS_NO_MEMORY,
			       "no 3 adjacent free pages above its watermarks");
	request.u.alloc.placement.high = true;
	assert_int_equal(count_blocks(fixture_call(client, &request)), 20);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NO_MEMORY,
			       "pool 'default' has no free block of order 0");
	assert_null(strstr(client->error, "PP_HIGH"));
	fixture_client_free(client);
}

static void test_grant_does_without_a_zone_that_is_out_of_use(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	struct pool *core = &fixture->service.pools.pools[0].core;
	struct message request = make_alloc(fixture_open(client, FIXTURE_POOL, false), 0, 1);

	core->zones[1] = NULL;
	core->in_use = 1;
	request.u.alloc.placement.node = 1;
	assert_int_equal(zone_of(fixture_call(client, &request)), 0);
	request.u.alloc.placement.policy = MESSAGE_POLICY_BIND;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NO_MEMORY,
			       "node1 of pool 'default' is out of use");
	fixture_client_free(client);
}

static void test_grant_refuses_what_makes_no_sense(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = make_alloc(pool, FIXTURE_MAX_ORDER + 1, 1);

	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "order 10 is above this pool's largest, 9");
	request = make_alloc(pool, UINT32_MAX, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "above");
	request = make_alloc(pool, 0, 0);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "no block");
	request = make_alloc(pool, 0, MESSAGE_BATCH_BLOCKS_MAX + 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_LIMIT, "2048");
	assert_int_equal(fixture_held_pages(client), 0);
	fixture_client_free(client);
}

static void test_grant_exact_comes_and_goes(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_ALLOC_EXACT };
	struct message back = { .type = MESSAGE_FREE_EXACT };

	request.u.alloc_exact.pool = fixture_open(client, FIXTURE_POOL, false);
	request.u.alloc_exact.nr_pages = 301;
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(reply->type, MESSAGE_GRANTED_EXACT);
	assert_int_equal(fixture_held_pages(client), 301);

	back.u.free_exact.pool = request.u.alloc_exact.pool;
	back.u.free_exact.page = reply->u.granted_exact.page;
	back.u.free_exact.nr_pages = 299; /* cuts a block */
	assert_int_equal(fixture_call(client, &back)->status, MESSAGE_STATUS_INVALID);
	back.u.free_exact.nr_pages = 0;
	assert_int_equal(fixture_call(client, &back)->status, MESSAGE_STATUS_INVALID);
	back.u.free_exact.nr_pages = 301;
	assert_int_equal(fixture_call(client, &back)->status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_held_pages(client), 0);
	assert_int_equal(fixture_call(client, &back)->status, MESSAGE_STATUS_INVALID);

	request.u.alloc_exact.nr_pages = 0;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_INVALID);
	request.u.alloc_exact.nr_pages = (1u << FIXTURE_MAX_ORDER) + 1;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "512");
	fixture_client_free(client);
}

static void test_grant_free_names_what_is_wrong(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *thief = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = make_alloc(pool, 2, 1);
	struct message_run run = fixture_call(client, &request)->u.granted.runs[0];
	struct message_run wrong = { .base = run.base + 1, .mask = 1 };
	const struct message_run twice[] = { run, run };
	struct message_run many[MESSAGE_BATCH_BLOCKS_MAX / 64 + 1];
	const struct zone *zone = ((struct fixture *)*state)->service.pools.pools[0].zones[0].zone;

	fixture_open(thief, FIXTURE_POOL, false);
	request = make_free(pool, 2, &run, 1);
	fixture_assert_refused(fixture_call(thief, &request), MESSAGE_STATUS_INVALID,
			       "not this client's");
	request = make_free(pool, 1, &run, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "not of order 1");
	request = make_free(pool, 2, &wrong, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "can start");
	request = make_free(pool, 0, &wrong, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "inside");
	wrong.base = page_address(0, zone_capacity(zone));
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "not in the pool");
	wrong.base = page_address(200, 0);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "not in the pool");
	request = make_free(pool, 2, twice, 2);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "twice");
	wrong.mask = 0;
	request = make_free(pool, 0, &wrong, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "no block");
	request = make_free(pool, 99, &run, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "order 99");
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
		many[i] = (struct message_run){ .base = i * 64, .mask = UINT64_MAX };
	request = make_free(pool, 0, many, sizeof(many) / sizeof(many[0]));
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_LIMIT, "2048");

	assert_int_equal(fixture_held_pages(client), 4);
	request = make_free(pool, 2, &run, 1);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	fixture_client_free(client);
	fixture_client_free(thief);
}

static void test_grant_waits_for_its_memory(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = make_alloc(pool, 0, 1);
	unsigned nr_replies = client->nr_replies;

	assert_int_equal(fixture_serve(client, &request), SESSION_NEXT);
	assert_int_equal(client->nr_replies, nr_replies);
	assert_int_equal(fixture_held_pages(client), 1);
	fixture_await(client, nr_replies + 1);
	assert_int_equal(client->reply.id, request.id);
	assert_int_equal(count_blocks(&client->reply), 1);

	/* The chunk is there now. */
	client->nr_wanted = 0;
	assert_int_equal(fixture_serve(client, &request), SESSION_NEXT);
	assert_int_equal(client->nr_replies, nr_replies + 2);
	fixture_client_free(client);
}

static void test_grant_of_two_zones_waits_for_both(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = make_alloc(pool, 0, FIXTURE_ZONE_PAGES + 9);

	assert_int_equal(count_blocks(fixture_call(client, &request)), FIXTURE_ZONE_PAGES + 9);
	assert_int_equal(client->client.nr_grants, 0);
	fixture_client_free(client);
}

static void test_grant_that_waits_holds_back_frees(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	const struct message_run guess = { .base = 0, .mask = 1 };
	struct message alloc = make_alloc(pool, 0, 1), request = make_free(pool, 0, &guess, 1);
	struct message exact = { .type = MESSAGE_FREE_EXACT };
	unsigned nr_replies = client->nr_replies;

	exact.u.free_exact.pool = pool;
	exact.u.free_exact.nr_pages = 1;
	assert_int_equal(fixture_serve(client, &alloc), SESSION_NEXT);
	assert_int_equal(fixture_serve(client, &request), SESSION_AGAIN);
	assert_int_equal(fixture_serve(client, &exact), SESSION_AGAIN);
	assert_int_equal(fixture_held_pages(client), 1);
	fixture_await(client, nr_replies + 1);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	fixture_client_free(client);
}

static void test_grant_that_nobody_waits_for_goes_back(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *gone = fixture_client_greeted(fixture, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(fixture, FIXTURE_UID);
	client_send_fn send = gone->client.send;
	uint32_t pool = fixture_open(gone, FIXTURE_POOL, false);
	struct message request = make_alloc(pool, 4, 2);
	unsigned nr_replies = gone->nr_replies;

	fixture_open(other, FIXTURE_POOL, false);
	assert_int_equal(fixture_serve(gone, &request), SESSION_NEXT);
	assert_int_equal(fixture_held_pages(gone), 32);
	gone->client.send = NULL; /* the connection is over */

	request = make_alloc(pool, 0, 1); /* of the same chunk: done after the first */
	assert_int_equal(fixture_call(other, &request)->status, MESSAGE_STATUS_OK);
	assert_int_equal(gone->nr_replies, nr_replies);
	assert_int_equal(fixture_held_pages(gone), 0);
	assert_int_equal(gone->client.nr_laters, 0);
	gone->client.send = send;
	fixture_client_free(gone);
	fixture_client_free(other);
}

static void test_grant_that_waits_holds_back_the_sweep(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message alloc = make_alloc(pool, 0, 5), goodbye = { .type = MESSAGE_GOODBYE };
	unsigned nr_replies = client->nr_replies;

	assert_int_equal(fixture_serve(client, &alloc), SESSION_NEXT);
	fixture_serve(client, &goodbye);
	assert_int_equal(client->client.state, CLIENT_DYING);
	assert_int_equal(fixture_held_pages(client), 5);
	fixture_await(client, nr_replies + 2); /* the grant, then the answer to goodbye */
	assert_int_equal(client->reply.id, goodbye.id);
	assert_int_equal(fixture_held_pages(client), 0);
	assert_int_equal(client->client.state, CLIENT_SWEPT);
	fixture_client_free(client);
}

#define GRANT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define GRANT_WAITING_TEST(name) cmocka_unit_test_setup_teardown(name, setup_waiting, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GRANT_TEST(test_grant_blocks_come_and_go),
		GRANT_TEST(test_grant_partial_batch_is_a_success),
		GRANT_TEST(test_grant_follows_the_node),
		GRANT_TEST(test_grant_follows_the_policy),
		GRANT_TEST(test_grant_counts_by_the_node_of_the_caller),
		GRANT_TEST(test_grant_says_when_adjacent_pages_are_lacking),
		GRANT_TEST(test_grant_keeps_what_is_below_min),
		GRANT_TEST(test_grant_does_without_a_zone_that_is_out_of_use),
		GRANT_TEST(test_grant_refuses_what_makes_no_sense),
		GRANT_TEST(test_grant_exact_comes_and_goes),
		GRANT_TEST(test_grant_free_names_what_is_wrong),
		GRANT_WAITING_TEST(test_grant_waits_for_its_memory),
		GRANT_WAITING_TEST(test_grant_of_two_zones_waits_for_both),
		GRANT_WAITING_TEST(test_grant_that_waits_holds_back_frees),
		GRANT_WAITING_TEST(test_grant_that_nobody_waits_for_goes_back),
		GRANT_WAITING_TEST(test_grant_that_waits_holds_back_the_sweep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
