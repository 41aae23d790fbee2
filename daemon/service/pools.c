/* SPDX-License-Identifier: MIT */
/*
 * The daemon's pools: for each a zone on each of its nodes, and nothing is shared between pools.
 *
 * Distances are settled here: a request names a node of the host, and that may have no memory, or
 * none in this pool; then the nearest zone takes its place.
 *
 * The caches are a pool's and not a zone's: their table has a ledger of its own, backed as a whole.
 */

#include "service/pools.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/zone.h"
#include "proto/message.h"
#include "service/backing.h"
#include "service/log.h"
#include "service/sizing.h"
#include "service/topology.h"

#define POOLS_GIB 1073741824.0
#define POOLS_CACHES_NAME_BYTES (sizeof("pagepool-caches:") + SERVICE_NAME_BYTES_MAX)

/* With commit = start the start itself fails. */
static void pools_warn_of_size(const struct service_pool_config *config,
			       const struct topology *topology, unsigned position,
			       uint64_t size_bytes)
{
	uint64_t node_bytes = sizing_node_bytes(topology, position);

	if (config->commit == SERVICE_COMMIT_START || size_bytes <= node_bytes)
		return;
	log_warning("pool '%s': %.1f GiB on node %u, which has %.1f GiB: %s when memory is out",
		    config->name, (double)size_bytes / POOLS_GIB, topology->nodes[position].node,
		    (double)node_bytes / POOLS_GIB,
		    config->commit == SERVICE_COMMIT_TOUCH ? "who touches it is killed"
							   : "grants will fail");
}

static int pools_add_zone(struct pools_pool *pool, const struct topology *topology,
			  unsigned position, struct worker_pool *workers, unsigned nr_slots)
{
	const struct service_pool_config *config = pool->config;
	const struct pools_zone_place place = {
		.index = pool->nr_zones,
		.node = topology->nodes[position].node,
		.host_node = topology->nodes[position].host_node,
		.caches = &pool->caches,
	};
	struct pools_zone *zone = &pool->zones[pool->nr_zones];
	char why[SIZING_WHY_BYTES];
	struct sizing sizing;

	int error = sizing_resolve(config, topology, position, &sizing, why);
	if (error < 0) {
		log_error("pool '%s': %s", config->name, why);
		return error;
	}
	pools_warn_of_size(config, topology, position, sizing.size_bytes);

	pool->nr_zones++; /* from here on pools_deinit() takes it down */
	return pools_zone_init(zone, config, &place, &sizing, nr_slots, workers);
}

void pools_update_max_order(struct pools_pool *pool)
{
	pool->max_order = 0;
	for (unsigned i = 0; i < pool->nr_zones; i++)
		if (zone_max_order(pool->zones[i].zone) > pool->max_order)
			pool->max_order = zone_max_order(pool->zones[i].zone);
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
		zones[i] = pool->zones[i].damage[0] ? NULL : pool->zones[i].zone;
		for (unsigned j = 0; j < pool->nr_zones; j++)
			distances[i * pool->nr_zones + j] = pools_distance(
				topology, backing_node(pool->zones[i].backing), &pool->zones[j]);
	}
	pools_find_nearest(pool, topology);
	return pool_init(&pool->core, zones, pool->nr_zones, distances);
}

static int pools_open_caches(struct pools_pool *pool)
{
	const unsigned general_flags = pool->config->debug_objects ? CACHE_DEBUG : 0;
	const size_t size_bytes = cache_ledger_bytes(CACHES_MAX);
	char name[POOLS_CACHES_NAME_BYTES];
	uint32_t number;

	snprintf(name, sizeof(name), "pagepool-caches:%s", pool->config->name);
	int error = ledger_memory_init(&pool->caches_ledger, name, size_bytes, size_bytes);
	if (error < 0)
		return error;
	pool->caches_index = index_memory_new(cache_index_bytes(CACHES_MAX));
	if (!pool->caches_index)
		return -ENOMEM;
	error = cache_table_open(&pool->caches, CACHES_MAX, general_flags,
				 pool->caches_ledger.memory, pool->caches_index, &number);
	assert(error == 0); /* it is a fresh one */
	return error;
}

static int pools_pool_init(struct pools_pool *pool, const struct service_pool_config *config,
			   const struct topology *topology, struct worker_pool *workers,
			   unsigned nr_slots)
{
	pool->config = config;
	pool->caches_ledger = LEDGER_MEMORY_NULL;
	int error = pools_check_nodes(config, topology);
	if (error < 0)
		return error;
	error = pools_open_caches(pool);
	if (error < 0) {
		log_error("pool '%s': can't make its table of caches: %s", config->name,
			  strerror(-error));
		return error;
	}

	for (unsigned i = 0; i < topology->nr_nodes; i++) {
		if (!(config->nodes >> topology->nodes[i].node & 1))
			continue;
		error = pools_add_zone(pool, topology, i, workers, nr_slots);
		if (error < 0)
			return error;
	}
	pools_update_max_order(pool);
	error = pools_link_zones(pool, topology);
	pool->core.caches = &pool->caches;
	return error;
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

static void pools_pool_deinit(struct pools_pool *pool)
{
	for (unsigned i = 0; i < pool->nr_zones; i++)
		pools_zone_deinit(&pool->zones[i]);
	pool->caches_index = index_memory_free(pool->caches_index, cache_index_bytes(CACHES_MAX));
	ledger_memory_deinit(&pool->caches_ledger);
}

void pools_deinit(struct pools *pools)
{
	for (unsigned i = 0; i < pools->nr_pools; i++)
		pools_pool_deinit(&pools->pools[i]);
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

static void pools_add_slab_room(const struct pools_pool *pool, struct pools_zone *zone)
{
	int error = pools_zone_add_slab_room(zone);

	if (error < 0 && !zone->is_room_told)
		log_warning("pool '%s': %s has no memory for the ledger of more objects: %s",
			    pool->config->name, zone->name, strerror(-error));
	zone->is_room_short = zone->is_room_told = error < 0;
}

bool pools_make_slab_room(struct pools_pool *pool, uint64_t zones)
{
	bool is_tried = false;

	for (uint64_t left = zones & pool->core.in_use; left; left &= left - 1) {
		struct pools_zone *zone = &pool->zones[__builtin_ctzll(left)];

		if (zone->is_room_short || !pools_zone_wants_slab_room(zone))
			continue;
		if (is_tried)
			return false;
		pools_add_slab_room(pool, zone);
		is_tried = true;
	}
	return true;
}

void pools_decay(const struct pools *pools)
{
	for (unsigned i = 0; i < pools->nr_pools; i++)
		for (unsigned j = 0; j < pools->pools[i].nr_zones; j++) {
			struct pools_zone *zone = &pools->pools[i].zones[j];

			zone_decay(zone->zone);
			zone->is_room_short = false;
		}
}

unsigned pools_count_zones(const struct pools *pools)
{
	unsigned nr_zones = 0;

	for (unsigned i = 0; i < pools->nr_pools; i++)
		nr_zones += pools->pools[i].nr_zones;
	return nr_zones;
}

uint64_t pools_held_bytes(const struct pools *pools, unsigned slot)
{
	uint64_t nr_bytes = 0;

	for (unsigned i = 0; i < pools->nr_pools; i++)
		nr_bytes += pool_held_bytes(&pools->pools[i].core, slot);
	return nr_bytes;
}

uint64_t pools_size_bytes(const struct pools *pools)
{
	uint64_t size_bytes = 0;

	for (unsigned i = 0; i < pools->nr_pools; i++)
		for (unsigned j = 0; j < pools->pools[i].nr_zones; j++)
			size_bytes += backing_size_bytes(pools->pools[i].zones[j].backing);
	return size_bytes;
}

bool pools_describe_zone(const struct pools_pool *pool, unsigned index, uint32_t max_pages,
			 uint32_t *cursor, struct zone_counts *counts,
			 struct message_zone_info *info)
{
	const struct pool_zone_counters *placed = &pool->core.counters[index];
	struct zone *zone = pool->core.zones[index];

	_Static_assert(MESSAGE_NR_ORDERS == PAGE_NR_ORDERS, "the protocol tells all orders");
	if (zone && !zone_count_free(zone, max_pages, cursor, counts))
		return false;
	*info = (struct message_zone_info){ 0 };
	if (zone)
		memcpy(info->free_blocks, counts->free_blocks, sizeof(info->free_blocks));
	pools_zone_describe(&pool->zones[index], info);
	info->hit = placed->hit;
	info->miss = placed->miss;
	info->foreign = placed->foreign;
	info->interleave = placed->interleave;
	info->local = placed->local;
	info->other = placed->other;
	return true;
}

void pools_describe(const struct pools_pool *pool, unsigned slot,
		    const struct message_zone_info *zones, struct message_policy_info *policies,
		    struct message_pool_info *ret)
{
	for (unsigned i = 0; i < POOL_NR_POLICIES; i++)
		policies[i] = (struct message_policy_info){
			.granted = pool->core.policies[i].granted,
			.failed = pool->core.policies[i].failed,
		};
	*ret = (struct message_pool_info){
		.name = pool->config->name,
		.held_bytes = pool_held_bytes(&pool->core, slot),
		.max_order = pool->max_order,
		.zones = zones,
		.nr_zones = pool->nr_zones,
		.policies = policies,
		.nr_policies = POOL_NR_POLICIES,
	};
	for (unsigned i = 0; i < pool->nr_zones; i++) {
		ret->size_bytes += zones[i].size_bytes;
		ret->free_bytes += zones[i].free_bytes;
	}
}
