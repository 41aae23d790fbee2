/* SPDX-License-Identifier: MIT */
/*
 * Which NUMA nodes there are to hold zones: those that have memory and that this process may
 * allocate from (a cpuset may say no). Nodes with processors only get no zone; requests from there
 * go to the nearest that has memory.
 *
 * On a host with one node the node's memory is the host's: there the host's own figure is taken,
 * as the kernel's per-node one leaves out what was added later on some virtual machines.
 */

#include "service/topology.h"

#include <errno.h>
#include <numa.h>
#include <unistd.h>

#include "service/log.h"

/* ACPI's distances, in tenths of the local one. */
#define DISTANCE_LOCAL 10
#define DISTANCE_REMOTE 20

static uint64_t host_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void set_flat_distances(struct topology *topology)
{
	for (unsigned i = 0; i < SERVICE_NODES_MAX; i++)
		for (unsigned j = 0; j < SERVICE_NODES_MAX; j++)
			topology->distances[i][j] = i == j ? DISTANCE_LOCAL : DISTANCE_REMOTE;
}

static void init_fake(struct topology *topology, unsigned nr_nodes)
{
	topology->nr_nodes = nr_nodes;
	for (unsigned i = 0; i < nr_nodes; i++) {
		topology->nodes[i].node = i;
		topology->nodes[i].host_node = -1;
		topology->nodes[i].mem_bytes = host_bytes() / nr_nodes;
	}
	set_flat_distances(topology);
}

static void find_nodes(struct topology *topology)
{
	struct bitmask *allowed = numa_get_mems_allowed();

	for (int node = 0; node <= numa_max_node(); node++) {
		long long size = numa_node_size64(node, NULL);

		if (size <= 0 || !numa_bitmask_isbitset(allowed, (unsigned)node))
			continue;
		if (topology->nr_nodes == SERVICE_NODES_MAX || node >= (int)SERVICE_NODES_MAX) {
			log_warning("nodes from %d on are left out: more than %u are not served",
				    node, SERVICE_NODES_MAX);
			break;
		}
		topology->nodes[topology->nr_nodes].node = (unsigned)node;
		topology->nodes[topology->nr_nodes].host_node = node;
		topology->nodes[topology->nr_nodes].mem_bytes = (uint64_t)size;
		topology->nr_nodes++;
	}
	numa_bitmask_free(allowed);
}

static void read_distances(struct topology *topology)
{
	set_flat_distances(topology);
	for (int i = 0; i < (int)SERVICE_NODES_MAX; i++) {
		for (int j = 0; j < (int)SERVICE_NODES_MAX; j++) {
			int distance = numa_distance(i, j);

			if (distance > 0 && distance <= UINT8_MAX) /* 0: the host does not know */
				topology->distances[i][j] = (uint8_t)distance;
		}
	}
}

int topology_init(struct topology *topology, unsigned fake_nodes)
{
	if (fake_nodes > SERVICE_NODES_MAX)
		return -EINVAL;
	*topology = (struct topology){ 0 };
	if (fake_nodes > 0) {
		init_fake(topology, fake_nodes);
		return 0;
	}
	if (numa_available() < 0) {
		init_fake(topology, 1);
		return 0;
	}
	find_nodes(topology);
	if (topology->nr_nodes == 0)
		return -ENODEV;
	if (topology->nr_nodes == 1)
		topology->nodes[0].mem_bytes = host_bytes();
	read_distances(topology);
	return 0;
}
