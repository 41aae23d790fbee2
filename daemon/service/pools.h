/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The daemon's pools: for each configured pool and each of its nodes a zone with the memory behind
 * it, and over the zones the core's pool.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/pool.h"
#include "service/ledger_memory.h"
#include "service/service.h"

struct backing;
struct message_pool_info;
struct message_zone_info;
struct topology;
struct worker_pool;

struct pools_zone {
	struct zone *zone;       /* owned, as all below */
	struct backing *backing; /* the pages */
	struct ledger_memory ledger;
	void *index;
	size_t index_bytes;
	char name[16]; /* "node0" */
	uint64_t min_bytes, low_bytes, high_bytes;
};

struct pools_pool {
	const struct service_pool_config *config; /* borrowed */
	unsigned max_order;                       /* the largest that some zone can grant */
	unsigned nr_zones;
	struct pools_zone zones[POOL_ZONES_MAX];
	uint8_t nearest_zones[SERVICE_NODES_MAX]; /* by node: its own zone where it has one */
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

/* Pages that a slot holds in all pools. */
uint64_t pools_held_pages(const struct pools *pools, unsigned slot);
uint64_t pools_size_bytes(const struct pools *pools);

unsigned pools_count_zones(const struct pools *pools);

/*
 * What the protocol says of a zone, in as many calls as zone_count_free() takes with this max_pages
 * and cursor. Strings are borrowed. True when *info is whole.
 */
bool pools_describe_zone(const struct pools_pool *pool, unsigned zone, uint32_t max_pages,
			 uint32_t *cursor, struct message_zone_info *info);
/* The same of a pool, from its zones, which are borrowed; held_bytes are those of `slot`. */
void pools_describe(const struct pools_pool *pool, unsigned slot,
		    const struct message_zone_info *zones, struct message_pool_info *ret);
