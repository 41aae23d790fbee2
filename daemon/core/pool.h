/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A pool's zones, one a node, and in which order a request walks them: the preferred zone, then
 * the others by distance, near before far. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/page.h"
#include "core/word.h"

struct zone;

#define POOL_ZONES_MAX 64u

/* Where a request wants its pages. */
struct pool_placement {
	unsigned preferred; /* zone index */
	uint64_t allowed;   /* bit i: zone i may serve it; UINT64_MAX for all */
};

/* numastat's words, in blocks. */
struct pool_zone_counters {
	uint64_t hit;     /* granted here, as preferred */
	uint64_t miss;    /* granted here, though another zone was preferred */
	uint64_t foreign; /* preferred here, granted elsewhere */
};

struct pool {
	unsigned nr_zones;
	struct zone *zones[POOL_ZONES_MAX]; /* borrowed */
	uint8_t zonelist[POOL_ZONES_MAX]
			[POOL_ZONES_MAX]; /* by preferred zone: indices, near to far */
	struct pool_zone_counters counters[POOL_ZONES_MAX];
};

/*
 * `zones` are borrowed and must outlive the pool; distances is nr_zones x nr_zones, row i the
 * distances from zone i as numa_distance() gives them. Equal distances keep index order, turned
 * so that each zone starts behind itself. 0 or -EINVAL.
 */
int pool_init(struct pool *pool, struct zone *const *zones, unsigned nr_zones,
	      const uint8_t *distances);

/*
 * As zone_alloc_bulk(), over the zones of the placement in turn. Returns the number of blocks
 * granted; runs carry their zone in their page address.
 */
size_t pool_alloc_bulk(struct pool *pool, struct pool_placement placement, unsigned order,
		       size_t count, struct word_owner owner, struct page_run *runs,
		       size_t *nr_runs);

/* 0 with *ret_address a page address, or ZONE_E_FULL. */
int pool_alloc_exact(struct pool *pool, struct pool_placement placement, uint32_t nr_pages,
		     struct word_owner owner, uint64_t *ret_address);

/*
 * Frees all blocks of the runs, which may lie in several zones, or none. 0 or a zone_error.
 */
int pool_free_bulk(struct pool *pool, unsigned order, unsigned slot, const struct page_run *runs,
		   size_t nr_runs);
int pool_free_exact(struct pool *pool, uint64_t address, uint32_t nr_pages, unsigned slot);

/* Pages that a slot holds in all zones. */
uint64_t pool_held_pages(const struct pool *pool, unsigned slot);

/* 0, or -EUCLEAN naming the zone and the fault. For tests. */
struct zone_fault;
int pool_validate(const struct pool *pool, unsigned *ret_zone, struct zone_fault *ret);
