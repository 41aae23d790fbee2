/* SPDX-License-Identifier: MIT */
/*
 * Pages from a daemon that follows a script: what goes over the wire, what is refused without a
 * word on it, and what a lying daemon can't do.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/scripted.h"

#define ZONE_PAGES SCRIPTED_ZONE_PAGES
#define ZONE_BYTES SCRIPTED_ZONE_BYTES
#define ZONE1_PAGE (UINT64_C(1) << 44)

/* The script would abort on a request. */
static void test_pool_wrong_arguments_cost_no_round_trip(void **state)
{
	struct scripted_fixture fixture;
	struct pp_pool *pool;
	uint8_t *base;
	void *addrs[2];

	(void)state;
	scripted_fixture_open(&fixture, scripted_pool_only, NULL);
	pool = fixture.pool;
	base = pp_from_offset(pool, 0);
	assert_null(pp_alloc_pages(pool, PP_ORDER_MAX + 1, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(pp_alloc_pages(NULL, 0, 0));
	assert_null(pp_alloc_pages(pool, 0, 0x8000));
	assert_null(pp_alloc_pages(pool, 0, PP_MOVABLE | PP_RECLAIMABLE));
	assert_null(pp_alloc_pages(pool, 0, PP_INTERLEAVE | PP_THISNODE));
	assert_null(pp_alloc_pages(pool, 0, PP_INTERLEAVE | PP_NODE(1)));
	assert_null(pp_alloc_pages(pool, 0, PP_NODE(PP_NODES_MAX)));
	assert_null(pp_alloc_exact(pool, 0, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(pp_alloc_exact(pool, ((size_t)1 << 30) + 1, 0));
	assert_null(pp_alloc_exact(pool, SIZE_MAX, 0));
	assert_int_equal(pp_alloc_bulk(pool, 0, 0, NULL, 1), -EINVAL);
	assert_int_equal(pp_alloc_bulk(pool, 0, 0, addrs, 0), -EINVAL);
	assert_int_equal(pp_alloc_bulk(pool, 0, 0, addrs, SIZE_MAX), -EINVAL);

	assert_int_equal(pp_free_pages(pool, NULL, 0), -EINVAL);
	assert_int_equal(pp_free_pages(pool, base + 1, 0), -EINVAL);
	assert_int_equal(pp_free_pages(pool, base + PP_PAGE_SIZE, 1), -EINVAL);
	assert_int_equal(pp_free_pages(pool, base, PP_ORDER_MAX + 1), -EINVAL);
	assert_int_equal(pp_free_bulk(pool, PP_ORDER_MAX + 1, addrs, 1), -EINVAL);
	assert_int_equal(pp_free_pages(pool, base, 9), -EINVAL); /* the zone is smaller */
	assert_int_equal(pp_free_pages(NULL, base, 0), -EINVAL);
	assert_int_equal(pp_free_exact(pool, base, 0), -EINVAL);
	assert_int_equal(pp_free_exact(pool, base + 1, 1), -EINVAL);
	assert_int_equal(pp_free_exact(pool, base, ZONE_BYTES + 1), -EINVAL);
	assert_int_equal(pp_free_exact(pool, NULL, 1), -EINVAL);
	assert_int_equal(pp_free_bulk(pool, 0, NULL, 1), -EINVAL);
	assert_int_equal(pp_free_bulk(pool, 0, addrs, 0), 0);
	scripted_fixture_close(&fixture);
}

/* Grants. */

static void script_alloc_lie(struct scripted *daemon, void *data)
{
	const struct message_run *run = data;
	struct message request;

	scripted_welcome(daemon);
	scripted_open_pool(daemon, 2, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_grant(daemon, request.id, run->base, run->mask);
	scripted_expect_end(daemon);
}

static void test_pool_grants_that_lie_end_the_connection(void **state)
{
	struct message_run lies[] = { { ZONE_PAGES, 1 },
				      { 2 * ZONE1_PAGE, 1 },
				      { 2, 0x3 },
				      { ZONE_PAGES - 2, 0x2 },
				      { UINT64_MAX - 1, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct scripted_fixture fixture;

		scripted_fixture_open(&fixture, script_alloc_lie, &lies[i]);
		assert_null(pp_alloc_pages(fixture.pool, 1, 0));
		assert_int_equal(errno, EPROTO);
		assert_null(pp_alloc_pages(fixture.pool, 1, 0));
		assert_int_equal(errno, EPROTO);
		scripted_fixture_close(&fixture);
	}
}

static void script_exact(struct scripted *daemon, void *data)
{
	struct message request, reply = { .type = MESSAGE_GRANTED_EXACT, .error = "" };

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 2, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_ALLOC_EXACT, &request);
	SCRIPT_CHECK(request.u.alloc_exact.nr_pages == 3);
	reply.id = request.id;
	reply.u.granted_exact.page = ZONE1_PAGE | (ZONE_PAGES - 3);
	scripted_reply(daemon, &reply, NULL, 0);
	scripted_expect(daemon, MESSAGE_FREE_EXACT, &request);
	SCRIPT_CHECK(request.u.free_exact.nr_pages == 3);
	SCRIPT_CHECK(request.u.free_exact.page == (ZONE1_PAGE | (ZONE_PAGES - 3)));
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_expect(daemon, MESSAGE_ALLOC_EXACT, &request);
	reply.id = request.id;
	reply.u.granted_exact.page = ZONE_PAGES - 2; /* for three pages */
	scripted_reply(daemon, &reply, NULL, 0);
	scripted_expect_end(daemon);
}

static void test_pool_exact_counts_pages_and_catches_lies(void **state)
{
	struct scripted_fixture fixture;
	uint8_t *addr;

	(void)state;
	scripted_fixture_open(&fixture, script_exact, NULL);
	addr = pp_alloc_exact(fixture.pool, 2 * PP_PAGE_SIZE + 1, PP_ZERO);
	assert_non_null(addr);
	assert_true(pp_to_offset(fixture.pool, addr) ==
		    (ZONE1_PAGE | (ZONE_PAGES - 3)) * PP_PAGE_SIZE);
	assert_int_equal(pp_free_exact(fixture.pool, addr, 2 * PP_PAGE_SIZE + 1), 0);
	assert_null(pp_alloc_exact(fixture.pool, 3 * PP_PAGE_SIZE, 0));
	assert_int_equal(errno, EPROTO);
	scripted_fixture_close(&fixture);
}

static void script_zero(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	for (unsigned i = 0; i < 2; i++) {
		scripted_expect(daemon, MESSAGE_ALLOC, &request);
		scripted_grant(daemon, request.id, 4, 1);
	}
	scripted_goodbye(daemon);
}

static void test_pool_zero_means_zeros_in_the_whole_block(void **state)
{
	struct scripted_fixture fixture;
	uint8_t *addr;

	(void)state;
	scripted_fixture_open(&fixture, script_zero, NULL);
	addr = pp_from_offset(fixture.pool, 0);
	memset(addr, 0xaa, 16 * PP_PAGE_SIZE);
	addr = pp_alloc_pages(fixture.pool, 2, 0);
	assert_int_equal(addr[0], 0xaa);
	addr = pp_alloc_pages(fixture.pool, 2, PP_ZERO);
	for (size_t i = 0; i < 4 * PP_PAGE_SIZE; i++)
		assert_int_equal(addr[i], 0);
	assert_int_equal(addr[-1], 0xaa);
	assert_int_equal(addr[4 * PP_PAGE_SIZE], 0xaa);
	scripted_fixture_close(&fixture);
}

#define SMALL_BATCH 4u

static void script_batches(struct scripted *daemon, void *data)
{
	static const unsigned counts[] = { 4, 4, 2 };
	struct message request;

	(void)data;
	daemon->limits.batch_blocks = SMALL_BATCH;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	for (unsigned i = 0; i < 3; i++) {
		scripted_expect(daemon, MESSAGE_ALLOC, &request);
		SCRIPT_CHECK(request.u.alloc.count == counts[i]);
		SCRIPT_CHECK(request.u.alloc.order == 0 && request.u.alloc.pool == 4);
		scripted_grant(daemon, request.id, 4 * i, (1u << counts[i]) - 1);
	}
	for (unsigned i = 0; i < 3; i++) {
		scripted_expect(daemon, MESSAGE_FREE, &request);
		SCRIPT_CHECK(request.u.free.nr_runs == 1 && request.u.free.runs[0].base == 0);
		SCRIPT_CHECK(request.u.free.runs[0].mask == (uint64_t)((1u << counts[i]) - 1)
								    << 4 * i);
		scripted_reply_status(daemon, request.id,
				      i == 1 ? MESSAGE_STATUS_INVALID : MESSAGE_STATUS_OK);
	}
	/* The second batch finds the pool empty. */
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_grant(daemon, request.id, 0, 0xf);
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_NO_MEMORY);
	/* Fewer than asked for: nothing more is asked. */
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_grant(daemon, request.id, 0, 0x7);
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_NO_MEMORY);
	scripted_goodbye(daemon);
}

static void test_pool_bulk_goes_in_batches(void **state)
{
	struct scripted_fixture fixture;
	void *addrs[10];

	(void)state;
	scripted_fixture_open(&fixture, script_batches, NULL);
	assert_int_equal(pp_alloc_bulk(fixture.pool, 0, 0, addrs, 10), 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(pp_to_offset(fixture.pool, addrs[i]), i * PP_PAGE_SIZE);
	/* One batch is refused, the others are freed all the same. */
	assert_int_equal(pp_free_bulk(fixture.pool, 0, addrs, 10), -EINVAL);
	assert_int_equal(pp_alloc_bulk(fixture.pool, 0, 0, addrs, 10), 4);
	assert_int_equal(pp_alloc_bulk(fixture.pool, 0, 0, addrs, 10), 3);
	assert_int_equal(pp_alloc_bulk(fixture.pool, 0, 0, addrs, 10), -ENOMEM);
	scripted_fixture_close(&fixture);
}

/* Placement. */

#define NR_PLACEMENTS 9u

/* Takes each placement that is asked for down, for the test to look at. */
static void script_placements(struct scripted *daemon, void *data)
{
	struct message_placement *asked = data;
	struct message request;

	scripted_welcome(daemon);
	scripted_open_pool(daemon, 2, ZONE_BYTES);
	for (unsigned i = 0; i < NR_PLACEMENTS; i++) {
		scripted_expect(daemon, MESSAGE_ALLOC, &request);
		asked[i] = request.u.alloc.placement;
		scripted_grant(daemon, request.id, 0, 1);
	}
	scripted_goodbye(daemon);
}

static void test_pool_flags_go_over_the_wire(void **state)
{
	const unsigned flags[NR_PLACEMENTS] = {
		0,
		PP_NODE(63) | PP_THISNODE,
		PP_NODE(1),
		PP_INTERLEAVE,
		PP_NOWAIT,
		PP_HIGH,
		PP_MOVABLE,
		PP_THISNODE,
		PP_RECLAIMABLE,
	};
	struct message_placement asked[NR_PLACEMENTS];
	struct scripted_fixture fixture;

	(void)state;
	scripted_fixture_open(&fixture, script_placements, asked);
	for (size_t i = 0; i < NR_PLACEMENTS; i++)
		assert_non_null(pp_alloc_pages(fixture.pool, 0, flags[i]));
	scripted_fixture_close(&fixture);

	assert_int_equal(asked[0].policy, MESSAGE_POLICY_PREFERRED);
	assert_int_equal(asked[0].node, asked[0].cpu_node);
	assert_int_equal(asked[0].mobility, MESSAGE_UNMOVABLE);
	assert_false(asked[0].bind || asked[0].high || asked[0].no_wait);
	assert_int_equal(asked[1].policy, MESSAGE_POLICY_BIND);
	assert_int_equal(asked[1].node, 63);
	assert_true(asked[1].bind); /* for older daemons */
	assert_int_equal(asked[2].policy, MESSAGE_POLICY_PREFERRED);
	assert_int_equal(asked[2].node, 1);
	assert_int_equal(asked[3].policy, MESSAGE_POLICY_INTERLEAVE);
	assert_true(asked[4].no_wait);
	assert_true(asked[5].high);
	assert_int_equal(asked[6].mobility, MESSAGE_MOVABLE);
	assert_int_equal(asked[7].policy, MESSAGE_POLICY_BIND);
	assert_int_equal(asked[7].node, asked[7].cpu_node);
	assert_int_equal(asked[8].mobility, MESSAGE_RECLAIMABLE);
	for (size_t i = 0; i < NR_PLACEMENTS; i++)
		assert_true(asked[i].nodes == 0);
}

static void test_pool_node_mask_goes_with_every_request(void **state)
{
	struct message_placement asked[NR_PLACEMENTS];
	struct scripted_fixture fixture;
	struct pp_pool *pool;

	(void)state;
	scripted_fixture_open(&fixture, script_placements, asked);
	pool = fixture.pool;
	assert_int_equal(pp_pool_set_nodes(pool, 1u << 1), 0);
	assert_non_null(pp_alloc_pages(pool, 0, 0));
	assert_non_null(pp_alloc_pages(pool, 0, PP_NODE(0))); /* a preference */
	assert_non_null(pp_alloc_pages(pool, 0, PP_INTERLEAVE));
	assert_non_null(pp_alloc_pages(pool, 0, PP_NODE(1) | PP_THISNODE));
	assert_null(pp_alloc_pages(pool, 0, PP_NODE(0) | PP_THISNODE));
	assert_int_equal(errno, EINVAL);
	assert_null(pp_alloc_pages(pool, 0, PP_NODE(63) | PP_THISNODE));
	assert_int_equal(errno, EINVAL);
	assert_null(pp_alloc_exact(pool, 1, PP_NODE(0) | PP_THISNODE));
	assert_int_equal(errno, EINVAL);

	/* Nodes that it does not have are ignored, but not all of them can be. */
	assert_int_equal(pp_pool_set_nodes(pool, UINT64_MAX), 0);
	assert_non_null(pp_alloc_pages(pool, 0, 0));
	assert_int_equal(pp_pool_set_nodes(pool, UINT64_C(1) << 63), -EINVAL);
	assert_non_null(pp_alloc_pages(pool, 0, 0)); /* as before */
	assert_int_equal(pp_pool_set_nodes(pool, 0), 0);
	assert_non_null(pp_alloc_pages(pool, 0, 0));
	assert_non_null(pp_alloc_pages(pool, 0, PP_INTERLEAVE));
	assert_non_null(pp_alloc_pages(pool, 0, PP_NODE(0) | PP_THISNODE));
	assert_int_equal(pp_pool_set_nodes(NULL, 0), -EINVAL);
	scripted_fixture_close(&fixture);

	assert_int_equal(asked[0].policy, MESSAGE_POLICY_MASK);
	assert_int_equal(asked[0].nodes, 1u << 1);
	assert_int_equal(asked[1].policy, MESSAGE_POLICY_MASK);
	assert_int_equal(asked[1].node, 0);
	assert_int_equal(asked[1].nodes, 1u << 1);
	assert_int_equal(asked[2].policy, MESSAGE_POLICY_INTERLEAVE);
	assert_int_equal(asked[2].nodes, 1u << 1);
	assert_int_equal(asked[3].policy, MESSAGE_POLICY_BIND);
	assert_int_equal(asked[4].policy, MESSAGE_POLICY_MASK);
	assert_int_equal(asked[4].nodes, 0x3);
	assert_int_equal(asked[5].nodes, 0x3);
	assert_int_equal(asked[6].policy, MESSAGE_POLICY_PREFERRED);
	assert_int_equal(asked[6].nodes, 0);
	assert_int_equal(asked[7].policy, MESSAGE_POLICY_INTERLEAVE);
	assert_int_equal(asked[7].nodes, 0);
	assert_int_equal(asked[8].policy, MESSAGE_POLICY_BIND);
}

/* A pool that has grown may have larger blocks than when it was opened; its daemon knows. */
static void script_large_order(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	SCRIPT_CHECK(request.u.alloc.order == PP_ORDER_MAX);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_INVALID);
	scripted_goodbye(daemon);
}

static void test_pool_leaves_the_largest_order_to_the_daemon(void **state)
{
	struct scripted_fixture fixture;

	(void)state;
	scripted_fixture_open(&fixture, script_large_order, NULL);
	assert_null(pp_alloc_pages(fixture.pool, PP_ORDER_MAX, 0));
	assert_int_equal(errno, EINVAL);
	scripted_fixture_close(&fixture);
}

static void script_limit(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_LIMIT);
	scripted_goodbye(daemon);
}

static void test_pool_past_a_limit_is_told_from_no_memory(void **state)
{
	struct scripted_fixture fixture;

	(void)state;
	scripted_fixture_open(&fixture, script_limit, NULL);
	assert_null(pp_alloc_pages(fixture.pool, 0, 0));
	assert_int_equal(errno, EDQUOT);
	scripted_fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool_wrong_arguments_cost_no_round_trip),
		cmocka_unit_test(test_pool_grants_that_lie_end_the_connection),
		cmocka_unit_test(test_pool_exact_counts_pages_and_catches_lies),
		cmocka_unit_test(test_pool_zero_means_zeros_in_the_whole_block),
		cmocka_unit_test(test_pool_bulk_goes_in_batches),
		cmocka_unit_test(test_pool_flags_go_over_the_wire),
		cmocka_unit_test(test_pool_node_mask_goes_with_every_request),
		cmocka_unit_test(test_pool_leaves_the_largest_order_to_the_daemon),
		cmocka_unit_test(test_pool_past_a_limit_is_told_from_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
