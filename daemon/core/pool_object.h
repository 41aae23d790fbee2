/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Objects of a pool: the caches of all its zones, where a request for objects is served, and what
 * it is charged. The policies are those for pages (core/pool.h): a zone serves objects as it would
 * serve the pages of a slab, but objects that are free in its slabs already need no pages and no
 * watermark. Limits count an object with the stride of its cache; slabs are nobody's, so who keeps
 * one object in each of many is charged little for many pages. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/pool.h"
#include "core/zone_object.h"

/*
 * Makes a cache for the pool, or finds it; see cache_table_add(), of which these are the answers.
 */
int pool_create_cache(struct pool *pool, const struct cache_config *config, uint32_t *ret_number);

/*
 * Unmakes a name, and with the last name for it the cache, whose slabs are given back. 0, or
 * POOL_E_BUSY while objects of it are held; then nothing has changed.
 */
#define POOL_E_BUSY 1
int pool_destroy_cache(struct pool *pool, uint32_t number);

/* Gives empty slabs back; returns the pages that became free. */
uint64_t pool_shrink_cache(struct pool *pool, uint32_t number);

/*
 * Grants up to `count` objects of a cache (number of a name) and charges them. As
 * pool_alloc_bulk(); the owner's mobility does not count. *ret tells what is lacking, in pages and
 * the order of a slab.
 */
size_t pool_alloc_objects(struct pool *pool, const struct pool_request *request, uint32_t number,
			  size_t count, struct object_run *runs, size_t *nr_runs,
			  struct pool_demand *ret);

/*
 * Frees all objects of the runs, of the cache (number of a name, or ZONE_CACHE_ANY), or none. 0 or
 * a zone_error as zone_leave_objects() gives it, with the offset of the object in *ret_offset.
 */
int pool_free_objects(struct pool *pool, uint32_t number, const struct zone_leaver *leaver,
		      const struct object_run *runs, size_t nr_runs, uint64_t *ret_offset);

/* Constructed objects of a grant have been cleared. Their bits are set in the runs' raw. */
void pool_forget_constructed(struct pool *pool, struct object_run *runs, size_t nr_runs);

/* What the pool has of a cache, all zones together. */
void pool_stat_cache(const struct pool *pool, uint32_t number, struct zone_cache_stat *ret);
