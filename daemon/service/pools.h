/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The daemon's pools: for each configured pool and each of its nodes a zone with the memory behind
 * it, and over the zones the core's pool.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/pool.h"
#include "service/ledger_memory.h"
#include "service/pools_zone.h"
#include "service/service.h"

struct message_policy_info;
struct message_pool_info;
struct message_zone_info;
struct topology;
struct zone_counts;
struct worker_pool;

struct pools_pool {
	const struct service_pool_config *config; /* borrowed */
	unsigned max_order;                       /* the largest that some zone can grant */
	unsigned nr_zones;
	struct pools_zone zones[POOL_ZONES_MAX];
	uint8_t nearest_zones[SERVICE_NODES_MAX]; /* by node: its own zone where it has one */
	struct ledger_memory caches_ledger;
	void *caches_index;
	struct cache_table caches;
	struct pool core;
};

struct pools {
	struct pools_pool *pools; /* in the order of the configuration */
	unsigned nr_pools;
};

/*
 * Makes all pools; backs nothing yet. `nr_slots` is the size of the slot table. The configuration
 * and `workers` are borrowed. 0, or a negative errno that has been logged with what to do.
 */
int pools_init(struct pools *pools, const struct service_config *config,
	       const struct topology *topology, struct worker_pool *workers, unsigned nr_slots);
/* Accepts a zeroed or half-built one. No job of a backing may be running. */
void pools_deinit(struct pools *pools);

/* NULL when there is none of this name. */
struct pools_pool *pools_find(const struct pools *pools, const char *name);

/* What a slot is charged in all pools. */
uint64_t pools_held_bytes(const struct pools *pools, unsigned slot);
uint64_t pools_size_bytes(const struct pools *pools);

/* After a zone's size has changed. */
void pools_update_max_order(struct pools_pool *pool);

/*
 * Before objects are granted from these zones, bits: sees to memory for their words, of one zone a
 * call. True when all have enough or can't have more; they then grant what there is room for. Where
 * there was no memory it is not tried again before pools_decay().
 */
bool pools_make_slab_room(struct pools_pool *pool, uint64_t zones);

/* Once a second: what raises watermarks for a while, or keeps from trying again, wears off. */
void pools_decay(const struct pools *pools);

unsigned pools_count_zones(const struct pools *pools);

/*
 * What the protocol says of a zone, but for its groups, in as many calls as zone_count_free() takes
 * with this max_pages, cursor and counts. Strings are borrowed. True when *info is whole, and
 * *counts too. Of a zone that is out of use nothing is counted.
 */
bool pools_describe_zone(const struct pools_pool *pool, unsigned zone, uint32_t max_pages,
			 uint32_t *cursor, struct zone_counts *counts,
			 struct message_zone_info *info);
/*
 * The same of a pool, from its zones, which are borrowed, as `policies` is: room for
 * POOL_NR_POLICIES. held_bytes are those of `slot`.
 */
void pools_describe(const struct pools_pool *pool, unsigned slot,
		    const struct message_zone_info *zones, struct message_policy_info *policies,
		    struct message_pool_info *ret);
