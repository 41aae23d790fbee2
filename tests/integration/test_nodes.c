/* SPDX-License-Identifier: MIT */
/* Zones of several nodes (invented ones): preference, binding, falling back, interleaving. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/daemon.h"

#define NODE_BYTES (UINT64_C(8) << 20)
#define NODE_PAGES (NODE_BYTES / PP_PAGE_SIZE)

static struct daemon server;
static struct pp_client *client;
static struct pp_pool *pool;
static struct peer watcher;

static int setup(void **state)
{

	(void)state;
	daemon_start(&server, "topology = fake:3",
		     "[pool default]\nsize = 8M\n"
		     "[pool one]\nsize = 8M\nnodes = 2\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	daemon_stop(&server);
	return 0;
}

static int open_pool(void **state)
{
	(void)state;
	client = daemon_connect(&server, "test");
	assert_int_equal(pp_pool_open(client, NULL, 0, &pool), 0);
	peer_hello(&watcher, &server, "watcher");
	return 0;
}

static int close_pool(void **state)
{
	(void)state;
	pp_client_free(client);
	peer_await_free(&watcher, "default", 3 * NODE_BYTES);
	peer_assert_check_clean(&watcher);
	peer_close(&watcher);
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

	(void)state;
	assert_int_equal(pp_alloc_bulk(pool, 0, PP_NODE(1), addrs, NODE_PAGES + 100),
			 NODE_PAGES + 100);
	for (size_t i = 0; i < NODE_PAGES; i++)
		assert_int_equal(zone_of(addrs[i]), 1);
	/* Equally far ones are taken in turn, from the full one's next neighbour on. */
	for (size_t i = NODE_PAGES; i < NODE_PAGES + 100; i++)
		assert_int_equal(zone_of(addrs[i]), 2);
	after = peer_pool_info(&watcher, "default");
	assert_int_equal(after.zones[1].foreign, foreign + 100);
	assert_int_equal(after.zones[2].miss, miss + 100);
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
		NODES_TEST(test_nodes_interleaving_takes_them_in_turn),
		NODES_TEST(test_nodes_an_exact_block_lies_in_one_zone),
		NODES_TEST(test_nodes_a_pool_may_live_on_some_only),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
