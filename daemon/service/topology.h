/* SPDX-License-Identifier: MIT */
#pragma once

/* The host's NUMA nodes that have memory, or invented ones for tests (topology = fake:N). */

#include <stdint.h>

#include "service/service.h"

struct topology {
	unsigned nr_nodes;
	struct {
		unsigned node;      /* as users name it */
		int host_node;      /* to bind to; -1 when invented */
		uint64_t mem_bytes; /* the node's memory, for sizes in percent */
	} nodes[SERVICE_NODES_MAX];
	/* From node to node, also of nodes without memory: requests come from there too. */
	uint8_t distances[SERVICE_NODES_MAX][SERVICE_NODES_MAX];
};

/* fake_nodes 0 asks the host. Without NUMA support: one node 0, unbound. 0 or a negative errno. */
int topology_init(struct topology *topology, unsigned fake_nodes);
