/* SPDX-License-Identifier: MIT */
/*
 * From what people write to bytes.
 *
 * A size may be a part of a node, a watermark a part of a zone: here both become bytes, rounded
 * down to whole pages of what backs the pool. It is done once for each zone at the start and once
 * at each reload, by the same rules and with the same words for what can't be.
 *
 * Capacity is the room that a zone is made with. It costs address space and nothing else, so it is
 * all that the node has; who configures more than that gets as much room as he asks for.
 */

#include "service/sizing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/zone.h"
#include "service/size.h"
#include "service/topology.h"

#define PAGEBLOCK_BYTES ((uint64_t)INDEX_PAGEBLOCK_PAGES << PAGE_SHIFT)
#define ZONE_BYTES_MAX ((uint64_t)ZONE_PAGES_MAX << PAGE_SHIFT)

__attribute__((format(printf, 2, 3))) static int refuse(char why[SIZING_WHY_BYTES],
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, SIZING_WHY_BYTES, format, args);
	va_end(args);
	return -EINVAL;
}

uint64_t sizing_node_bytes(const struct topology *topology, unsigned position)
{
	uint64_t whole_bytes = 0;

	if (topology->nodes[position].host_node >= 0)
		return topology->nodes[position].mem_bytes;
	for (unsigned i = 0; i < topology->nr_nodes; i++)
		whole_bytes += topology->nodes[i].mem_bytes;
	return whole_bytes;
}

static uint64_t round_down(uint64_t bytes, uint64_t page_bytes)
{
	return bytes - bytes % page_bytes;
}

static uint64_t find_capacity(const struct service_pool_config *config,
			      const struct topology *topology, unsigned position,
			      uint64_t size_bytes)
{
	uint64_t capacity_bytes = sizing_node_bytes(topology, position);

	if (capacity_bytes > ZONE_BYTES_MAX)
		capacity_bytes = ZONE_BYTES_MAX;
	capacity_bytes = round_down(capacity_bytes, config->page_bytes);
	return capacity_bytes < size_bytes ? size_bytes : capacity_bytes;
}

static int check(const struct service_pool_config *config, unsigned node,
		 const struct sizing *sizing, char why[SIZING_WHY_BYTES])
{
	if (sizing->size_bytes == 0)
		return refuse(why,
			      "its size on node %u is below one page of %" PRIu64
			      " KiB: give it a larger size",
			      node, config->page_bytes >> 10);
	if (sizing->size_bytes > ZONE_BYTES_MAX)
		return refuse(why,
			      "%" PRIu64 " GiB on node %u is above the largest zone, %" PRIu64
			      " GiB",
			      sizing->size_bytes >> 30, node, ZONE_BYTES_MAX >> 30);
	if (sizing->high_bytes > sizing->size_bytes)
		return refuse(why,
			      "its high watermark of %" PRIu64 " KiB is above its size on node %u, "
			      "%" PRIu64 " KiB",
			      sizing->high_bytes >> 10, node, sizing->size_bytes >> 10);
	if (sizing->contiguous_bytes > sizing->size_bytes)
		return refuse(why,
			      "its contiguous area of %" PRIu64 " KiB is larger than its size on "
			      "node %u, %" PRIu64 " KiB",
			      sizing->contiguous_bytes >> 10, node, sizing->size_bytes >> 10);
	return 0;
}

int sizing_resolve(const struct service_pool_config *config, const struct topology *topology,
		   unsigned position, struct sizing *ret, char why[SIZING_WHY_BYTES])
{
	uint64_t size_bytes =
		round_down(size_resolve(&config->size, topology->nodes[position].mem_bytes),
			   config->page_bytes);
	const struct sizing sizing = {
		.size_bytes = size_bytes,
		.capacity_bytes = find_capacity(config, topology, position, size_bytes),
		.contiguous_bytes =
			round_down(size_resolve(&config->contiguous, size_bytes), PAGEBLOCK_BYTES),
		.min_bytes = size_resolve(&config->watermark_min, size_bytes),
		.low_bytes = size_resolve(&config->watermark_low, size_bytes),
		.high_bytes = size_resolve(&config->watermark_high, size_bytes),
	};

	int error = check(config, topology->nodes[position].node, &sizing, why);
	if (error == 0)
		*ret = sizing;
	return error;
}
