/* SPDX-License-Identifier: MIT */
/* The host's nodes, and invented ones. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/topology.h"

static uint64_t host_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void test_topology_host_has_a_node_with_memory(void **state)
{
	struct topology topology;
	uint64_t sum = 0;

	(void)state;
	assert_int_equal(topology_init(&topology, 0), 0);
	assert_in_range(topology.nr_nodes, 1, SERVICE_NODES_MAX);
	for (unsigned i = 0; i < topology.nr_nodes; i++) {
		assert_true(topology.nodes[i].mem_bytes > 0);
		assert_true(topology.nodes[i].host_node == -1 ||
			    topology.nodes[i].host_node == (int)topology.nodes[i].node);
		assert_true(i == 0 || topology.nodes[i].node > topology.nodes[i - 1].node);
		sum += topology.nodes[i].mem_bytes;
	}
	assert_true(topology.nr_nodes > 1 || sum == host_bytes());
}

static void test_topology_host_nodes_are_nearest_to_themselves(void **state)
{
	struct topology topology;

	(void)state;
	assert_int_equal(topology_init(&topology, 0), 0);
	for (unsigned i = 0; i < SERVICE_NODES_MAX; i++) {
		assert_int_equal(topology.distances[i][i], 10);
		for (unsigned j = 0; j < SERVICE_NODES_MAX; j++)
			assert_true(i == j || topology.distances[i][j] > topology.distances[i][i]);
	}
}

static void test_topology_fake_divides_the_host(void **state)
{
	struct topology topology;

	(void)state;
	assert_int_equal(topology_init(&topology, 3), 0);
	assert_int_equal(topology.nr_nodes, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(topology.nodes[i].node, i);
		assert_int_equal(topology.nodes[i].host_node, -1);
		assert_int_equal(topology.nodes[i].mem_bytes, host_bytes() / 3);
		for (unsigned j = 0; j < 3; j++)
			assert_int_equal(topology.distances[i][j], i == j ? 10 : 20);
	}
}

static void test_topology_fake_has_a_limit(void **state)
{
	struct topology topology = { .nr_nodes = 77 };

	(void)state;
	assert_int_equal(topology_init(&topology, SERVICE_NODES_MAX + 1), -EINVAL);
	assert_int_equal(topology.nr_nodes, 77);
	assert_int_equal(topology_init(&topology, SERVICE_NODES_MAX), 0);
	assert_int_equal(topology.nr_nodes, SERVICE_NODES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_topology_host_has_a_node_with_memory),
		cmocka_unit_test(test_topology_host_nodes_are_nearest_to_themselves),
		cmocka_unit_test(test_topology_fake_divides_the_host),
		cmocka_unit_test(test_topology_fake_has_a_limit),
	};

	return cmocka_run_group_tests_name("topology", tests, NULL, NULL);
}
