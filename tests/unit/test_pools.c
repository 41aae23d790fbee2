/* SPDX-License-Identifier: MIT */
/* From a configuration and a topology to zones: sizes, orders, nodes, and what is refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/zone.h"
#include "service/backing.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/pools.h"
#include "service/topology.h"
#include "service/worker.h"

#define NR_SLOTS 8u
#define MIB (UINT64_C(1) << 20)

struct fixture {
	struct loop *loop;
	struct worker_pool *workers;
	struct topology topology;
	struct service_config config;
	struct service_pool_config pool_config;
	struct pools pools;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	log_set_level(LOG_EMERG);
	assert_int_equal(loop_new(&fixture->loop), 0);
	assert_int_equal(worker_pool_new(fixture->loop, 1, &fixture->workers), 0);
	assert_int_equal(topology_init(&fixture->topology, 3), 0);
	strcpy(fixture->pool_config.name, "default");
	fixture->pool_config.size.bytes = 4 * MIB;
	fixture->pool_config.nodes = UINT64_MAX;
	fixture->pool_config.page_bytes = PAGE_BYTES;
	fixture->pool_config.max_order = PAGE_ORDER_MAX;
	fixture->config.pools = &fixture->pool_config;
	fixture->config.nr_pools = 1;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	worker_pool_free(fixture->workers);
	pools_deinit(&fixture->pools);
	loop_free(fixture->loop);
	free(fixture);
	return 0;
}

static int make_pools(struct fixture *fixture)
{
	return pools_init(&fixture->pools, &fixture->config, &fixture->topology, fixture->workers,
			  NR_SLOTS);
}

static void test_pools_have_a_zone_a_node(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(make_pools(fixture), 0);
	const struct pools_pool *pool = pools_find(&fixture->pools, "default");
	assert_non_null(pool);
	assert_null(pools_find(&fixture->pools, "defaul"));
	assert_int_equal(pool->nr_zones, 3);
	assert_int_equal(pools_count_zones(&fixture->pools), 3);
	assert_int_equal(pools_size_bytes(&fixture->pools), 12 * MIB);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(zone_nr_pages(pool->zones[i].zone), 1024);
		assert_int_equal(backing_node(pool->zones[i].backing), i);
		assert_int_equal(pool->nearest_zones[i], i);
	}
	assert_string_equal(pool->zones[2].name, "node2");
	assert_int_equal(pool->max_order, 10); /* what fits into 4 MiB */
	assert_int_equal(pools_held_pages(&fixture->pools, 1), 0);
}

static void test_pools_may_live_on_some_nodes_only(void **state)
{
	struct fixture *fixture = *state;

	fixture->pool_config.nodes = UINT64_C(1) << 2 | UINT64_C(1) << 0;
	fixture->pool_config.max_order = 3;
	assert_int_equal(make_pools(fixture), 0);
	const struct pools_pool *pool = &fixture->pools.pools[0];
	assert_int_equal(pool->nr_zones, 2);
	assert_int_equal(backing_node(pool->zones[0].backing), 0);
	assert_int_equal(backing_node(pool->zones[1].backing), 2);
	assert_int_equal(pool->max_order, 3);
}

/* Node 1 has memory, though none in this pool; node 40 has none at all. */
static void test_pools_know_the_nearest_zone_of_every_node(void **state)
{
	struct fixture *fixture = *state;

	fixture->pool_config.nodes = UINT64_C(1) << 2 | UINT64_C(1) << 0;
	fixture->topology.distances[1][2] = 15;
	fixture->topology.distances[40][0] = 31;
	assert_int_equal(make_pools(fixture), 0);
	const struct pools_pool *pool = &fixture->pools.pools[0];
	assert_int_equal(pool->nearest_zones[0], 0);
	assert_int_equal(pool->nearest_zones[1], 1);
	assert_int_equal(pool->nearest_zones[2], 1);
	assert_int_equal(pool->nearest_zones[40], 1);
	assert_int_equal(pool->nearest_zones[41], 0);
}

static void test_pools_sizes_are_rounded_and_parts_are_of_the_node(void **state)
{
	struct fixture *fixture = *state;

	fixture->pool_config.size = (struct service_size){ .permyriad = 1250 };
	fixture->pool_config.watermark_min = (struct service_size){ .permyriad = 100 };
	fixture->pool_config.watermark_high = (struct service_size){ .bytes = 12345 };
	for (unsigned i = 0; i < 3; i++)
		fixture->topology.nodes[i].mem_bytes = 80 * MIB + 1000;
	assert_int_equal(make_pools(fixture), 0);
	const struct pools_zone *zone = &fixture->pools.pools[0].zones[1];
	assert_int_equal(backing_size_bytes(zone->backing), 10 * MIB);
	assert_int_equal(zone->min_bytes, 10 * MIB / 100);
	assert_int_equal(zone->high_bytes, 12345);
}

static void test_pools_refuse_what_can_not_be(void **state)
{
	struct fixture *fixture = *state;

	fixture->pool_config.nodes = UINT64_C(1) << 5;
	assert_int_equal(make_pools(fixture), -EINVAL);
	fixture->pool_config.nodes = 0;
	assert_int_equal(make_pools(fixture), -EINVAL);
	fixture->pool_config.nodes = UINT64_MAX;

	fixture->pool_config.size.bytes = PAGE_BYTES - 1;
	assert_int_equal(make_pools(fixture), -EINVAL);
	fixture->pool_config.size.bytes = UINT64_MAX - 4096;
	assert_int_equal(make_pools(fixture), -EINVAL);
	assert_int_equal(fixture->pools.nr_pools, 0);

	fixture->pool_config.size.bytes = PAGE_BYTES; /* the smallest */
	assert_int_equal(make_pools(fixture), 0);
	assert_int_equal(fixture->pools.pools[0].max_order, 0);
}

/* What pools_init() warns of on standard error. */
static void make_pools_and_read_log(struct fixture *fixture, char *ret, size_t size)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	int error;

	assert_non_null(file);
	log_set_level(LOG_WARNING);
	dup2(fileno(file), STDERR_FILENO);
	error = make_pools(fixture);
	dup2(saved, STDERR_FILENO);
	log_set_level(LOG_EMERG);
	close(saved);
	rewind(file);
	ret[fread(ret, 1, size - 1, file)] = '\0';
	fclose(file);
	assert_int_equal(error, 0);
	pools_deinit(&fixture->pools);
}

/* Invented nodes share the host's memory: each may take the whole. */
static void test_pools_warn_of_more_than_the_node_has(void **state)
{
	struct fixture *fixture = *state;
	char text[1024];

	fixture->pool_config.size.bytes = 600 * MIB;
	fixture->pool_config.nodes = UINT64_C(1) << 1;
	for (unsigned i = 0; i < 3; i++)
		fixture->topology.nodes[i].mem_bytes = 200 * MIB;
	make_pools_and_read_log(fixture, text, sizeof(text));
	assert_string_equal(text, "");

	fixture->topology.nodes[0].mem_bytes = 112 * MIB;
	make_pools_and_read_log(fixture, text, sizeof(text));
	assert_string_equal(text, "pagepoold: pool 'default': 0.6 GiB on node 1, which has 0.5 "
				  "GiB: grants will fail when memory is out\n");

	fixture->pool_config.commit = SERVICE_COMMIT_TOUCH;
	make_pools_and_read_log(fixture, text, sizeof(text));
	assert_non_null(strstr(text, "who touches it is killed"));

	fixture->pool_config.commit = SERVICE_COMMIT_START; /* fails, and says so itself */
	make_pools_and_read_log(fixture, text, sizeof(text));
	assert_string_equal(text, "");
}

#define POOLS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POOLS_TEST(test_pools_have_a_zone_a_node),
		POOLS_TEST(test_pools_may_live_on_some_nodes_only),
		POOLS_TEST(test_pools_know_the_nearest_zone_of_every_node),
		POOLS_TEST(test_pools_sizes_are_rounded_and_parts_are_of_the_node),
		POOLS_TEST(test_pools_refuse_what_can_not_be),
		POOLS_TEST(test_pools_warn_of_more_than_the_node_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
