/* SPDX-License-Identifier: MIT */

/*
 * Objects of a pool.
 *
 * A request for objects walks the zones as one for pages does (pool_walk.c); what a zone has room
 * for is what is free in its slabs, which needs no page, and what its pages above the mark would
 * make in new slabs. Frees come with offsets that say their zone, and are checked in all zones
 * before any is carried out.
 *
 * A batch of frees is mostly of objects that were granted long ago, in slabs here and there. So
 * all pages' words are told to the processor first, then all objects' words, and the checks find
 * both in the cache.
 */

#include "core/pool_object.h"

#include <assert.h>
#include <string.h>

#include "core/pool_walk.h"
#include "core/quota.h"
#include "core/zone.h"

/* Caches. */

int pool_create_cache(struct pool *pool, const struct cache_config *config, uint32_t *ret_number)
{
	return cache_table_add(pool->caches, config, ret_number);
}

static struct zone *zone_of(const struct pool *pool, unsigned i)
{
	return pool->in_use >> i & 1 ? pool->zones[i] : NULL;
}

#define FOR_EACH_ZONE(zone, pool)                                                                  \
	for (unsigned zone_i = 0; zone_i < (pool)->nr_zones; zone_i++)                             \
		for (struct zone *zone = zone_of(pool, zone_i); zone; zone = NULL)

void pool_stat_cache(const struct pool *pool, uint32_t number, struct zone_cache_stat *ret)
{
	uint32_t cache = cache_target(pool->caches, number);

	*ret = (struct zone_cache_stat){ 0 };
	FOR_EACH_ZONE(zone, pool)
	{
		struct zone_cache_stat stat;

		zone_stat_cache(zone, cache, &stat);
		ret->objects_active += stat.objects_active;
		ret->objects_total += stat.objects_total;
		ret->slabs_full += stat.slabs_full;
		ret->slabs_partial += stat.slabs_partial;
		ret->slabs_empty += stat.slabs_empty;
	}
}

uint64_t pool_shrink_cache(struct pool *pool, uint32_t number)
{
	uint64_t nr_pages = 0;

	FOR_EACH_ZONE(zone, pool)
	nr_pages += zone_shrink_cache(zone, cache_target(pool->caches, number));
	return nr_pages;
}

int pool_destroy_cache(struct pool *pool, uint32_t number)
{
	struct zone_cache_stat stat;

	if (cache_table_is_last(pool->caches, number)) {
		pool_stat_cache(pool, number, &stat);
		if (stat.objects_active)
			return POOL_E_BUSY;
		pool_shrink_cache(pool, number);
	}
	cache_table_remove(pool->caches, number);
	return 0;
}

/* Granting. */

struct goods {
	uint32_t cache;
	struct object_run *runs;
	size_t *nr_runs;
};

static uint32_t new_slabs(const struct pool_walk *walk, const struct zone *zone,
			  enum zone_mark mark)
{
	return zone_room(zone, mark, walk->nr_pages, walk->mobility) >> walk->order;
}

static size_t room(const struct pool_walk *walk, const struct zone *zone, enum zone_mark mark)
{
	const struct goods *goods = walk->data;

	return zone_nr_free_objects(zone, goods->cache) +
	       (size_t)new_slabs(walk, zone, mark) * walk->units_per_block;
}

/* New slabs are as many as the zone was found to have room for. */
static size_t take(struct pool_walk *walk, struct zone *zone, size_t count)
{
	const struct goods *goods = walk->data;
	uint64_t nr_free = zone_nr_free_objects(zone, goods->cache);
	uint64_t nr_new = count > nr_free ? count - nr_free : 0;
	uint32_t max_slabs =
		(uint32_t)((nr_new + walk->units_per_block - 1) / walk->units_per_block);

	return zone_alloc_objects(zone, goods->cache, count, walk->request->owner, max_slabs,
				  goods->runs, goods->nr_runs);
}

static uint64_t free_bytes(const struct pool_walk *walk, const struct zone *zone)
{
	const struct goods *goods = walk->data;

	return zone_nr_partial_objects(zone, goods->cache) * walk->unit_bytes;
}

size_t pool_alloc_objects(struct pool *pool, const struct pool_request *request, uint32_t number,
			  size_t count, struct object_run *runs, size_t *nr_runs,
			  struct pool_demand *ret)
{
	static const struct pool_goods objects = { room, take, free_bytes };
	struct goods goods = { cache_target(pool->caches, number), runs, nr_runs };
	const struct cache_layout *layout = &pool->caches->layouts[goods.cache];
	struct pool_walk walk = {
		.pool = pool,
		.request = request,
		.goods = &objects,
		.data = &goods,
		.unit_bytes = layout->stride_bytes,
		.order = layout->order,
		.nr_pages = UINT32_C(1) << layout->order,
		.units_per_block = layout->nr_objects,
		.mobility = layout->mobility,
	};

	*ret = pool_walk_serve(&walk, count);
	return walk.granted;
}

/* Freeing. */

static struct zone *find_zone(const struct pool *pool, const struct object_run *run)
{
	unsigned zone = page_address_zone(run->base >> PAGE_SHIFT);

	return zone < pool->nr_zones ? pool->zones[zone] : NULL;
}

static void expect_all(const struct pool *pool, uint32_t cache, const struct object_run *runs,
		       size_t nr_runs)
{
	for (size_t i = 0; i < nr_runs; i++) {
		const struct zone *zone = find_zone(pool, &runs[i]);

		if (zone)
			zone_expect_slab(zone, &runs[i]);
	}
	for (size_t i = 0; i < nr_runs; i++) {
		const struct zone *zone = find_zone(pool, &runs[i]);

		if (zone)
			zone_expect_objects(zone, cache, &runs[i]);
	}
}

/* The object of a run that an error is about. Without a slab there, the run's first. */
static uint64_t offset_at(const struct pool *pool, const struct object_run *run, unsigned at)
{
	struct zone *zone = find_zone(pool, run);
	struct zone_slab slab;

	if (!zone || !zone_find_slab(zone, page_address_pfn(run->base >> PAGE_SHIFT), &slab))
		return run->base;
	return run->base + (uint64_t)at * pool->caches->layouts[slab.cache].stride_bytes;
}

/* Few runs at a time, so that what was told to the processor is still there. */
#define RUNS_AHEAD 256u

int pool_free_objects(struct pool *pool, uint32_t number, const struct zone_leaver *leaver,
		      const struct object_run *runs, size_t nr_runs, uint64_t *ret_offset)
{
	const uint32_t cache =
		number == ZONE_CACHE_ANY ? ZONE_CACHE_ANY : cache_target(pool->caches, number);
	uint64_t freed_bytes = 0;

	for (size_t i = 0; i < nr_runs; i++) {
		struct zone *zone = find_zone(pool, &runs[i]);
		uint64_t bytes;
		unsigned at = 0;
		int r = ZONE_E_RANGE;

		if (i % RUNS_AHEAD == 0)
			expect_all(pool, cache, &runs[i],
				   nr_runs - i < RUNS_AHEAD ? nr_runs - i : RUNS_AHEAD);
		if (zone)
			r = zone_leave_objects(zone, cache, leaver->slot, &runs[i], &bytes, &at);
		if (r) {
			*ret_offset = offset_at(pool, &runs[i], at);
			while (i-- > 0)
				zone_cancel_objects(find_zone(pool, &runs[i]), &runs[i]);
			return r;
		}
		freed_bytes += bytes;
	}
	for (size_t i = 0; i < nr_runs; i++)
		zone_finish_objects(find_zone(pool, &runs[i]), leaver, &runs[i]);
	if (pool->quota)
		quota_uncharge(pool->quota, leaver->slot, freed_bytes);
	return 0;
}

void pool_forget_constructed(struct pool *pool, struct object_run *runs, size_t nr_runs)
{
	for (size_t i = 0; i < nr_runs; i++) {
		zone_forget_constructed(find_zone(pool, &runs[i]), &runs[i]);
		runs[i].raw = runs[i].mask;
	}
}
