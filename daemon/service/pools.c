/* SPDX-License-Identifier: MIT */
/*
 * The daemon's pools.
 *
 * A zone is three memories and the core's zone over them: the segment that clients map, the ledger
 * that says who owns what of it, and the index that is derived from the ledger. They are made
 * together and go together; nothing is shared between pools.
 *
 * Sizes are settled here: what the configuration gives as a part of a node becomes bytes, rounded
 * down to whole pages of the segment. So are distances: a request names a node of the host, and
 * that may have no memory, or none in this pool; then the nearest zone takes its place.
 */

#include "service/pools.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/zone.h"
#include "proto/message.h"
#include "service/backing.h"
#include "service/log.h"
#include "service/topology.h"

#define POOLS_MEMFD_NAME_BYTES 128u
#define POOLS_GIB 1073741824.0

static uint64_t pools_resolve_size(const struct service_size *size, uint64_t whole_bytes)
{
	if (!size->permyriad)
		return size->bytes;
	return whole_bytes / 10000 * size->permyriad +
	       whole_bytes % 10000 * size->permyriad / 10000;
}

static int pools_zone_size(const struct service_pool_config *config, unsigned node,
			   uint64_t node_bytes, uint64_t *ret_bytes)
{
	uint64_t size_bytes = pools_resolve_size(&config->size, node_bytes);

	size_bytes -= size_bytes % config->page_bytes;
	if (size_bytes == 0) {
		log_error("pool '%s': its size on node %u is below one page of %" PRIu64
			  " KiB: give it a larger size",
			  config->name, node, config->page_bytes >> 10);
		return -EINVAL;
	}
	if (size_bytes >> PAGE_SHIFT > ZONE_PAGES_MAX) {
		log_error("pool '%s': %" PRIu64 " GiB on node %u is above the largest zone, %u GiB",
			  config->name, size_bytes >> 30, node,
			  (unsigned)(ZONE_PAGES_MAX >> (30 - PAGE_SHIFT)));
		return -EINVAL;
	}
	*ret_bytes = size_bytes;
	return 0;
}

/* Invented nodes share the host's memory, so there it is the whole that a zone may take. */
static uint64_t pools_node_bytes(const struct topology *topology, unsigned position)
{
	uint64_t whole_bytes = 0;

	if (topology->nodes[position].host_node >= 0)
		return topology->nodes[position].mem_bytes;
	for (unsigned i = 0; i < topology->nr_nodes; i++)
		whole_bytes += topology->nodes[i].mem_bytes;
	return whole_bytes;
}

/* With commit = start the start itself fails. */
static void pools_warn_of_size(const struct service_pool_config *config,
			       const struct topology *topology, unsigned position,
			       uint64_t size_bytes)
{
	uint64_t node_bytes = pools_node_bytes(topology, position);

	if (config->commit == SERVICE_COMMIT_START || size_bytes <= node_bytes)
		return;
	log_warning("pool '%s': %.1f GiB on node %u, which has %.1f GiB: %s when memory is out",
		    config->name, (double)size_bytes / POOLS_GIB, topology->nodes[position].node,
		    (double)node_bytes / POOLS_GIB,
		    config->commit == SERVICE_COMMIT_TOUCH ? "who touches it is killed"
							   : "grants will fail");
}

/* The core's zone with its two memories. */
static int pools_zone_init_core(struct pools_zone *zone, const struct service_pool_config *config,
				const struct zone_config *zone_config)
{
	char name[POOLS_MEMFD_NAME_BYTES];

	snprintf(name, sizeof(name), "pagepool-ledger:%s:%s", config->name, zone->name);
	int error = ledger_memory_init(&zone->ledger, name, zone_ledger_bytes(zone_config));
	if (error < 0)
		return error;

	zone->index_bytes = zone_index_bytes(zone_config);
	zone->index = index_memory_new(zone->index_bytes);
	zone->zone = calloc(1, sizeof(*zone->zone));
	if (!zone->index || !zone->zone)
		return -ENOMEM;
	return zone_init(zone->zone, zone_config, zone->ledger.memory, zone->index);
}

static int pools_zone_init_backing(struct pools_zone *zone,
				   const struct service_pool_config *config, unsigned node,
				   int host_node, uint64_t size_bytes, struct worker_pool *workers)
{
	char name[POOLS_MEMFD_NAME_BYTES];

	snprintf(name, sizeof(name), "pagepool:%s:%s", config->name, zone->name);
	const struct backing_config backing_config = {
		.name = name,
		.node = node,
		.host_node = host_node,
		.size_bytes = size_bytes,
		.page_bytes = config->page_bytes,
		.commit = config->commit,
		.scrub = config->scrub,
	};
	return backing_new(&backing_config, workers, &zone->backing);
}

static int pools_add_zone(struct pools_pool *pool, const struct topology *topology,
			  unsigned position, struct worker_pool *workers, unsigned nr_slots)
{
	const struct service_pool_config *config = pool->config;
	struct pools_zone *zone = &pool->zones[pool->nr_zones];
	unsigned node = topology->nodes[position].node;
	uint64_t size_bytes;

	int error = pools_zone_size(config, node, topology->nodes[position].mem_bytes, &size_bytes);
	if (error < 0)
		return error;
	pools_warn_of_size(config, topology, position, size_bytes);

	const struct zone_config zone_config = {
		.index = pool->nr_zones,
		.nr_pages = (uint32_t)(size_bytes >> PAGE_SHIFT),
		.max_order = config->max_order,
		.nr_slots = nr_slots,
	};
	zone->ledger = LEDGER_MEMORY_NULL;
	snprintf(zone->name, sizeof(zone->name), "node%u", node);
	pool->nr_zones++; /* from here on pools_deinit() takes it down */

	zone->min_bytes = pools_resolve_size(&config->watermark_min, size_bytes);
	zone->low_bytes = pools_resolve_size(&config->watermark_low, size_bytes);
	zone->high_bytes = pools_resolve_size(&config->watermark_high, size_bytes);

	error = pools_zone_init_core(zone, config, &zone_config);
	if (error < 0) {
		log_error("pool '%s': no memory for the ledger of %s (%zu KiB): %s", config->name,
			  zone->name, zone_ledger_bytes(&zone_config) >> 10, strerror(-error));
		return error;
	}
	if (zone_max_order(zone->zone) > pool->max_order)
		pool->max_order = zone_max_order(zone->zone);
	return pools_zone_init_backing(zone, config, node, topology->nodes[position].host_node,
				       size_bytes, workers);
}

static int pools_check_nodes(const struct service_pool_config *config,
			     const struct topology *topology)
{
	uint64_t present = 0;

	for (unsigned i = 0; i < topology->nr_nodes; i++)
		present |= UINT64_C(1) << topology->nodes[i].node;
	if (config->nodes == UINT64_MAX || (config->nodes && !(config->nodes & ~present)))
		return 0;

	uint64_t missing = config->nodes & ~present;
	if (missing)
		log_error("pool '%s': node %d does not exist here or has no memory", config->name,
			  __builtin_ctzll(missing));
	else
		log_error("pool '%s': no node is given", config->name);
	return -EINVAL;
}

static uint8_t pools_distance(const struct topology *topology, unsigned node,
			      const struct pools_zone *zone)
{
	return topology->distances[node][backing_node(zone->backing)];
}

static void pools_find_nearest(struct pools_pool *pool, const struct topology *topology)
{
	for (unsigned node = 0; node < SERVICE_NODES_MAX; node++) {
		uint8_t *nearest = &pool->nearest_zones[node];

		for (unsigned i = 1; i < pool->nr_zones; i++)
			if (pools_distance(topology, node, &pool->zones[i]) <
			    pools_distance(topology, node, &pool->zones[*nearest]))
				*nearest = (uint8_t)i;
	}
}

/* The core's pool over the zones, by the distances of their nodes. */
static int pools_link_zones(struct pools_pool *pool, const struct topology *topology)
{
	uint8_t distances[POOL_ZONES_MAX * POOL_ZONES_MAX];
	struct zone *zones[POOL_ZONES_MAX];

	for (unsigned i = 0; i < pool->nr_zones; i++) {
		zones[i] = pool->zones[i].zone;
		for (unsigned j = 0; j < pool->nr_zones; j++)
			distances[i * pool->nr_zones + j] = pools_distance(
				topology, backing_node(pool->zones[i].backing), &pool->zones[j]);
	}
	pools_find_nearest(pool, topology);
	return pool_init(&pool->core, zones, pool->nr_zones, distances);
}

static int pools_pool_init(struct pools_pool *pool, const struct service_pool_config *config,
			   const struct topology *topology, struct worker_pool *workers,
			   unsigned nr_slots)
{
	pool->config = config;
	int error = pools_check_nodes(config, topology);
	if (error < 0)
		return error;

	for (unsigned i = 0; i < topology->nr_nodes; i++) {
		if (!(config->nodes >> topology->nodes[i].node & 1))
			continue;
		error = pools_add_zone(pool, topology, i, workers, nr_slots);
		if (error < 0)
			return error;
	}
	return pools_link_zones(pool, topology);
}

int pools_init(struct pools *pools, const struct service_config *config,
	       const struct topology *topology, struct worker_pool *workers, unsigned nr_slots)
{
	pools->pools = calloc(config->nr_pools, sizeof(*pools->pools));
	if (!pools->pools)
		return -ENOMEM;

	for (size_t i = 0; i < config->nr_pools; i++) {
		pools->nr_pools++;
		int error = pools_pool_init(&pools->pools[i], &config->pools[i], topology, workers,
					    nr_slots);
		if (error < 0) {
			pools_deinit(pools);
			return error;
		}
	}
	return 0;
}

static void pools_zone_deinit(struct pools_zone *zone)
{
	zone->backing = backing_free(zone->backing);
	free(zone->zone);
	zone->index = index_memory_free(zone->index, zone->index_bytes);
	ledger_memory_deinit(&zone->ledger);
}

void pools_deinit(struct pools *pools)
{
	for (unsigned i = 0; i < pools->nr_pools; i++)
		for (unsigned j = 0; j < pools->pools[i].nr_zones; j++)
			pools_zone_deinit(&pools->pools[i].zones[j]);
	free(pools->pools);
	*pools = (struct pools){ 0 };
}

struct pools_pool *pools_find(const struct pools *pools, const char *name)
{
	for (unsigned i = 0; i < pools->nr_pools; i++)
		if (strcmp(pools->pools[i].config->name, name) == 0)
			return &pools->pools[i];
	return NULL;
}

unsigned pools_count_zones(const struct pools *pools)
{
	unsigned nr_zones = 0;

	for (unsigned i = 0; i < pools->nr_pools; i++)
		nr_zones += pools->pools[i].nr_zones;
	return nr_zones;
}

uint64_t pools_held_pages(const struct pools *pools, unsigned slot)
{
	uint64_t nr_pages = 0;

	for (unsigned i = 0; i < pools->nr_pools; i++)
		nr_pages += pool_held_pages(&pools->pools[i].core, slot);
	return nr_pages;
}

uint64_t pools_size_bytes(const struct pools *pools)
{
	uint64_t size_bytes = 0;

	for (unsigned i = 0; i < pools->nr_pools; i++)
		for (unsigned j = 0; j < pools->pools[i].nr_zones; j++)
			size_bytes += backing_size_bytes(pools->pools[i].zones[j].backing);
	return size_bytes;
}

static enum message_pressure pools_zone_pressure(const struct pools_zone *zone, uint64_t free_bytes)
{
	if (free_bytes < zone->min_bytes)
		return MESSAGE_PRESSURE_MIN;
	return free_bytes < zone->low_bytes ? MESSAGE_PRESSURE_LOW : MESSAGE_PRESSURE_NONE;
}

static void pools_fill_zone_info(const struct pools_pool *pool, unsigned index,
				 struct message_zone_info *info)
{
	const struct pools_zone *zone = &pool->zones[index];
	const struct pool_zone_counters *placed = &pool->core.counters[index];
	const struct zone_counters *counters = zone_counters(zone->zone);
	uint64_t free_bytes = (uint64_t)zone_nr_free(zone->zone) << PAGE_SHIFT;

	struct message_zone_info numbers = {
		.name = zone->name,
		.node = backing_node(zone->backing),
		.size_bytes = backing_size_bytes(zone->backing),
		.free_bytes = free_bytes,
		.committed_bytes = backing_committed_bytes(zone->backing),
		.hole_bytes = (uint64_t)zone_nr_holes(zone->zone) << PAGE_SHIFT,
		.page_bytes = backing_page_bytes(zone->backing),
		.min_bytes = zone->min_bytes,
		.low_bytes = zone->low_bytes,
		.high_bytes = zone->high_bytes,
		.pressure = pools_zone_pressure(zone, free_bytes),
		.allocs = counters->allocs,
		.frees = counters->frees,
		.failures = counters->failures,
		.hit = placed->hit,
		.miss = placed->miss,
		.foreign = placed->foreign,
	};
	memcpy(numbers.free_blocks, info->free_blocks, sizeof(numbers.free_blocks));
	*info = numbers;
}

bool pools_describe_zone(const struct pools_pool *pool, unsigned index, uint32_t max_pages,
			 uint32_t *cursor, struct message_zone_info *info)
{
	_Static_assert(MESSAGE_NR_ORDERS == PAGE_NR_ORDERS, "the protocol tells all orders");
	if (!zone_count_free(pool->zones[index].zone, max_pages, cursor, info->free_blocks))
		return false;
	pools_fill_zone_info(pool, index, info);
	return true;
}

void pools_describe(const struct pools_pool *pool, unsigned slot,
		    const struct message_zone_info *zones, struct message_pool_info *ret)
{
	*ret = (struct message_pool_info){
		.name = pool->config->name,
		.held_bytes = pool_held_pages(&pool->core, slot) << PAGE_SHIFT,
		.max_order = pool->max_order,
		.zones = zones,
		.nr_zones = pool->nr_zones,
	};
	for (unsigned i = 0; i < pool->nr_zones; i++) {
		ret->size_bytes += zones[i].size_bytes;
		ret->free_bytes += zones[i].free_bytes;
	}
}
