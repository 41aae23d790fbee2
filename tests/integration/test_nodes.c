/* SPDX-License-Identifier: MIT */
/* Zones of several nodes (invented ones): preference, binding, masks, falling back, interleaving.
 */

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/daemon.h"

#define NODE_BYTES (UINT64_C(8) << 20)
#define NODE_PAGES (NODE_BYTES / PP_PAGE_SIZE)
#define LOW_PAGES 100u

static struct daemon server;
static struct pp_client *client;
static struct pp_pool *pool;
static struct peer watcher;

static int setup(void **state)
{
	daemon_start(&server, "topology = fake:3",
		     "[pool default]\nsize = 8M\nwatermark = 0 400K 800K\n"
		     "[pool one]\nsize = 8M\nnodes = 2\n");
	*state = &server;
	return 0;
}

static int open_pool(void **state)
{
	(void)state;
	pool = daemon_open_pool(&server, "test", &client);
	peer_hello(&watcher, &server, "watcher");
	return 0;
}

static int close_pool(void **state)
{
	(void)state;
	pp_client_free(client);
	peer_finish(&watcher, "default", 3 * NODE_BYTES);
	return 0;
}

static unsigned zone_of(const void *addr)
{
	return (unsigned)(pp_to_offset(pool, addr) >> 56);
}

static void test_nodes_a_named_node_is_preferred(void **state)
{
	(void)state;
	for (unsigned node = 0; node < 3; node++) {
		void *block = pp_alloc_pages(pool, 3, PP_NODE(node));

		assert_non_null(block);
		assert_int_equal(zone_of(block), node);
	}
}

static void test_nodes_a_full_node_falls_back_and_is_counted(void **state)
{
	static void *addrs[NODE_PAGES + 100];
	struct message_pool_info before = peer_pool_info(&watcher, "default"), after;
	uint64_t foreign = before.zones[1].foreign, miss = before.zones[2].miss;
	uint64_t hit = before.zones[1].hit, granted = before.policies[0].granted;

	(void)state;
	assert_int_equal(pp_alloc_bulk(pool, 0, PP_NODE(1), addrs, NODE_PAGES + 100),
			 NODE_PAGES + 100);
	/* The preferred node is not raided while others have more. */
	for (size_t i = 0; i < NODE_PAGES - LOW_PAGES; i++)
		assert_int_equal(zone_of(addrs[i]), 1);
	/* Equally far ones are taken in turn, from the full one's next neighbour on. */
	for (size_t i = NODE_PAGES - LOW_PAGES; i < NODE_PAGES + 100; i++)
		assert_int_equal(zone_of(addrs[i]), 2);
	after = peer_pool_info(&watcher, "default");
	assert_int_equal(after.zones[1].hit, hit + NODE_PAGES - LOW_PAGES);
	assert_int_equal(after.zones[1].foreign, foreign + 100 + LOW_PAGES);
	assert_int_equal(after.zones[2].miss, miss + 100 + LOW_PAGES);
	assert_int_equal(after.policies[MESSAGE_POLICY_PREFERRED].granted,
			 granted + NODE_PAGES + 100);
}

/* All from one CPU of a real node, which the pool's first node stands for. */
static void test_nodes_count_blocks_by_the_asking_cpu(void **state)
{
	struct message_pool_info before = peer_pool_info(&watcher, "default"), after;
	uint64_t local = before.zones[0].local, other = before.zones[1].other;
	unsigned cpu, node;

	(void)state;
	assert_int_equal(getcpu(&cpu, &node), 0);
	if (node != 0) {
		print_message("skipped: this process runs on node %u\n", node);
		skip();
	}
	assert_non_null(pp_alloc_pages(pool, 0, 0));
	assert_non_null(pp_alloc_pages(pool, 0, PP_NODE(1)));
	after = peer_pool_info(&watcher, "default");
	assert_int_equal(after.zones[0].local, local + 1);
	assert_int_equal(after.zones[1].other, other + 1);
}

static void test_nodes_a_bound_request_does_not_fall_back(void **state)
{
	static void *addrs[NODE_PAGES + 1];

	(void)state;
	assert_int_equal(pp_alloc_bulk(pool, 0, PP_NODE(2) | PP_THISNODE, addrs, NODE_PAGES + 1),
			 NODE_PAGES);
	assert_null(pp_alloc_pages(pool, 0, PP_NODE(2) | PP_THISNODE));
	assert_int_equal(errno, ENOMEM);
	assert_non_null(pp_alloc_pages(pool, 0, PP_NODE(2)));
}

static void test_nodes_a_node_that_is_not_there_is_refused_when_bound(void **state)
{
	(void)state;
	assert_null(pp_alloc_pages(pool, 0, PP_NODE(9) | PP_THISNODE));
	assert_int_equal(errno, EINVAL);
	assert_non_null(pp_alloc_pages(pool, 0, PP_NODE(9)));
}

static void test_nodes_interleaving_takes_them_in_turn(void **state)
{
	unsigned counts[3] = { 0 };

	(void)state;
	for (int i = 0; i < 30; i++) {
		void *block = pp_alloc_pages(pool, 0, PP_INTERLEAVE);

		assert_non_null(block);
		counts[zone_of(block)]++;
	}
	for (unsigned node = 0; node < 3; node++)
		assert_int_equal(counts[node], 10);
}

static void test_nodes_interleaving_spreads_a_batch(void **state)
{
	struct message_pool_info before = peer_pool_info(&watcher, "default"), after;
	uint64_t interleave = before.zones[2].interleave;
	unsigned counts[3] = { 0 };
	void *addrs[300];

	(void)state;
	assert_int_equal(pp_alloc_bulk(pool, 0, PP_INTERLEAVE, addrs, 300), 300);
	for (size_t i = 0; i < 300; i++)
		counts[zone_of(addrs[i])]++;
	for (unsigned node = 0; node < 3; node++)
		assert_int_equal(counts[node], 100);
	after = peer_pool_info(&watcher, "default");
	assert_int_equal(after.zones[2].interleave, interleave + 100);
}

static void test_nodes_a_mask_keeps_requests_within(void **state)
{
	static void *addrs[2 * NODE_PAGES + 1];
	unsigned counts[3] = { 0 };

	(void)state;
	assert_int_equal(pp_pool_set_nodes(pool, 1u << 9), -EINVAL);
	assert_int_equal(pp_pool_set_nodes(pool, 1u << 1 | 1u << 2 | 1u << 9), 0);
	assert_int_equal(zone_of(pp_alloc_pages(pool, 0, PP_NODE(2))), 2);
	assert_int_not_equal(zone_of(pp_alloc_pages(pool, 0, PP_NODE(0))), 0);
	assert_null(pp_alloc_pages(pool, 0, PP_NODE(0) | PP_THISNODE));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(pp_alloc_bulk(pool, 0, PP_INTERLEAVE, addrs, 10), 10);
	for (size_t i = 0; i < 10; i++)
		counts[zone_of(addrs[i])]++;
	assert_int_equal(counts[0], 0);
	assert_int_equal(counts[1], 5);
	assert_int_equal(counts[2], 5);

	/* 12 are held already; node 0 is not touched though all of it is free. */
	assert_int_equal(pp_alloc_bulk(pool, 0, 0, addrs, 2 * NODE_PAGES + 1), 2 * NODE_PAGES - 12);
	for (size_t i = 0; i < 2 * NODE_PAGES - 12; i++)
		assert_int_not_equal(zone_of(addrs[i]), 0);
	assert_null(pp_alloc_pages(pool, 0, 0));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(pp_pool_set_nodes(pool, 0), 0);
	assert_int_equal(zone_of(pp_alloc_pages(pool, 0, 0)), 0);
}

/* What a client says that is one version older. */
static void test_nodes_bind_without_a_policy_is_understood(void **state)
{
	struct message request = { .type = MESSAGE_ALLOC }, reply;
	struct peer peer;

	(void)state;
	peer_hello(&peer, &server, "older");
	request.u.alloc.pool = peer_open_pool(&peer, "default");
	request.u.alloc.count = 1;
	request.u.alloc.placement.node = 2;
	request.u.alloc.placement.bind = true;
	peer_call(&peer, &request, &reply);
	assert_int_equal(reply.type, MESSAGE_GRANTED);
	assert_int_equal(reply.u.granted.runs[0].base >> 44, 2);
	request.id = 0;
	request.u.alloc.placement.node = 9;
	peer_call(&peer, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_INVALID);
	request.id = 0;
	request.u.alloc.placement = (struct message_placement){ .policy = MESSAGE_POLICY_MASK,
								.nodes = UINT64_C(1) << 63 };
	peer_call(&peer, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_INVALID);
	/* It is this process's, which lives on. */
	request = (struct message){ .type = MESSAGE_GOODBYE };
	peer_call(&peer, &request, &reply);
	peer_close(&peer);
}

static void test_nodes_an_exact_block_lies_in_one_zone(void **state)
{
	(void)state;
	assert_non_null(pp_alloc_exact(pool, NODE_BYTES - PP_PAGE_SIZE, PP_NODE(0)));
	assert_int_equal(zone_of(pp_alloc_exact(pool, 5 * PP_PAGE_SIZE, PP_NODE(0))), 1);
	assert_null(pp_alloc_exact(pool, 2 * NODE_BYTES, 0));
}

static void test_nodes_a_pool_may_live_on_some_only(void **state)
{
	struct message_pool_info info = peer_pool_info(&watcher, "one");

	(void)state;
	assert_int_equal(info.nr_zones, 1);
	assert_int_equal(info.zones[0].node, 2);
	assert_int_equal(info.size_bytes, NODE_BYTES);
}

int main(void)
{
#define NODES_TEST(name) cmocka_unit_test_setup_teardown(name, open_pool, close_pool)
	const struct CMUnitTest tests[] = {
		NODES_TEST(test_nodes_a_named_node_is_preferred),
		NODES_TEST(test_nodes_a_full_node_falls_back_and_is_counted),
		NODES_TEST(test_nodes_a_bound_request_does_not_fall_back),
		NODES_TEST(test_nodes_a_node_that_is_not_there_is_refused_when_bound),
		NODES_TEST(test_nodes_count_blocks_by_the_asking_cpu),
		NODES_TEST(test_nodes_interleaving_takes_them_in_turn),
		NODES_TEST(test_nodes_interleaving_spreads_a_batch),
		NODES_TEST(test_nodes_a_mask_keeps_requests_within),
		NODES_TEST(test_nodes_bind_without_a_policy_is_understood),
		NODES_TEST(test_nodes_an_exact_block_lies_in_one_zone),
		NODES_TEST(test_nodes_a_pool_may_live_on_some_only),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
