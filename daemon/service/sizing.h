/* SPDX-License-Identifier: MIT */
#pragma once

/* What a pool's configured sizes come to on one node: at the start, and again at each reload. */

#include <stdint.h>

#include "service/service.h"

struct topology;

#define SIZING_WHY_BYTES 192u

struct sizing {
	uint64_t size_bytes;     /* a multiple of the pool's page, at least one */
	uint64_t capacity_bytes; /* what the zone may ever grow to; likewise, at least the size */
	uint64_t contiguous_bytes;
	uint64_t min_bytes, low_bytes, high_bytes;
};

/*
 * The zone of `config` on the node at this position of the topology. 0, or -EINVAL when that can't
 * be, and `why` says so; then *ret is untouched.
 */
int sizing_resolve(const struct service_pool_config *config, const struct topology *topology,
		   unsigned position, struct sizing *ret, char why[SIZING_WHY_BYTES]);

/* The memory that a node's zones can be made of: invented nodes share the host's. */
uint64_t sizing_node_bytes(const struct topology *topology, unsigned position);
