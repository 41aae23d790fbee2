/* SPDX-License-Identifier: MIT */

/*
 * A pool's zones: the order in which they are tried, and what comes back to them.
 *
 * Each zone has a zonelist: itself, then the others by distance. Requests walk it (pool_alloc.c). A
 * page address says its zone, so frees need no walk. What was charged to a holder's limits when it
 * was granted is uncharged here, when the zone has taken it back, and nowhere else.
 *
 * A zone that is out of use keeps its place, so that the others keep their page addresses.
 */

#include <errno.h>
#include <stdbool.h>

#include "core/pool.h"
#include "core/quota.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "core/zone_warm.h"

/* Is zone `a` to be asked before zone `b` by those who prefer zone `from`? */
static bool is_before(const struct pool *pool, const uint8_t *distances, unsigned from, unsigned a,
		      unsigned b)
{
	unsigned n = pool->nr_zones;

	if (a == from || b == from)
		return a == from;
	if (distances[from * n + a] != distances[from * n + b])
		return distances[from * n + a] < distances[from * n + b];
	/* Not all fall back to the same one: a turn of the indices, starting behind oneself. */
	return (a + n - from) % n < (b + n - from) % n;
}

static void fill_zonelist(struct pool *pool, const uint8_t *distances, unsigned from)
{
	uint8_t *list = pool->zonelist[from];

	for (unsigned zone = 0; zone < pool->nr_zones; zone++) {
		unsigned at = zone;

		for (; at > 0 && is_before(pool, distances, from, zone, list[at - 1]); at--)
			list[at] = list[at - 1];
		list[at] = (uint8_t)zone;
	}
}

int pool_init(struct pool *pool, struct zone *const *zones, unsigned nr_zones,
	      const uint8_t *distances)
{
	if (nr_zones == 0 || nr_zones > POOL_ZONES_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < nr_zones; i++)
		if (zones[i] && zones[i]->index_in_pool != i)
			return -EINVAL;
	*pool = (struct pool){ .nr_zones = nr_zones };
	for (unsigned i = 0; i < nr_zones; i++) {
		pool->zones[i] = zones[i];
		pool->in_use |= (uint64_t) !!zones[i] << i;
	}
	for (unsigned i = 0; i < nr_zones; i++)
		fill_zonelist(pool, distances, i);
	return 0;
}

static struct zone *find_zone(const struct pool *pool, uint64_t address)
{
	unsigned zone = page_address_zone(address);

	return zone < pool->nr_zones ? pool->zones[zone] : NULL;
}

static inline void uncharge(struct pool *pool, unsigned slot, uint64_t nr_pages)
{
	if (pool->quota)
		quota_uncharge(pool->quota, slot, nr_pages << PAGE_SHIFT);
}

static __attribute__((noinline)) int free_many(struct pool *pool, unsigned order, unsigned slot,
					       const struct page_run *runs, size_t nr_runs)
{
	uint64_t nr_blocks = 0;

	for (size_t i = 0; i < nr_runs; i++) {
		struct zone *zone = find_zone(pool, runs[i].base);
		int r = ZONE_E_RANGE;

		if (zone && i + ZONE_RUNS_AHEAD < nr_runs)
			zone_expect(zone, &runs[i + ZONE_RUNS_AHEAD]); /* likely of this zone too */
		if (zone)
			r = zone_leave(zone, order, slot, &runs[i]);
		if (r) {
			while (i-- > 0)
				zone_leave_cancel(find_zone(pool, runs[i].base), order, &runs[i]);
			return r;
		}
	}
	for (size_t i = 0; i < nr_runs; i++) {
		zone_leave_finish(find_zone(pool, runs[i].base), order, slot, &runs[i]);
		nr_blocks += (uint64_t)__builtin_popcountll(runs[i].mask);
	}
	uncharge(pool, slot, nr_blocks << order);
	return 0;
}

static int free_cold(struct zone *zone, uint64_t pfn, unsigned order, unsigned slot)
{
	if (pfn >= zone_capacity(zone)) /* what is draining lies beyond the size */
		return ZONE_E_RANGE;
	return zone_free(zone, (uint32_t)pfn, order, slot);
}

/* A block alone needs no two rounds, and mostly not even a call. */
int pool_free_bulk(struct pool *pool, unsigned order, unsigned slot, const struct page_run *runs,
		   size_t nr_runs)
{
	struct zone *zone;
	uint64_t pfn;
	int r = 0;

	if (nr_runs != 1 || !runs->mask || runs->mask & (runs->mask - 1))
		return free_many(pool, order, slot, runs, nr_runs);
	zone = find_zone(pool, runs->base);
	pfn = page_address_pfn(runs->base);
	pfn += (uint64_t)__builtin_ctzll(runs->mask) << order % 32; /* no such order is refused */
	if (!zone)
		return ZONE_E_RANGE;
	if (pfn > UINT32_MAX || !zone_free_warm(zone, (uint32_t)pfn, order, slot))
		r = free_cold(zone, pfn, order, slot);
	if (r == 0)
		uncharge(pool, slot, UINT64_C(1) << order);
	return r;
}

int pool_free_exact(struct pool *pool, uint64_t address, uint32_t nr_pages, unsigned slot)
{
	struct zone *zone = find_zone(pool, address);
	uint64_t pfn = page_address_pfn(address);
	int r = ZONE_E_RANGE;

	if (zone && pfn < zone_capacity(zone)) /* what is draining lies beyond the size */
		r = zone_free_exact(zone, (uint32_t)pfn, nr_pages, slot);
	if (r == 0)
		uncharge(pool, slot, nr_pages);
	return r;
}

static uint64_t held_bytes(const struct zone *zone, unsigned slot)
{
	return (zone_held_pages(zone, slot) << PAGE_SHIFT) + zone_held_object_bytes(zone, slot);
}

bool pool_release(struct pool *pool, unsigned zone, unsigned slot, uint32_t max_pages,
		  uint32_t *cursor)
{
	struct zone *from = pool->zones[zone];
	uint64_t held = held_bytes(from, slot);
	bool is_done = zone_release(from, slot, max_pages, cursor);

	if (pool->quota)
		quota_uncharge(pool->quota, slot, held - held_bytes(from, slot));
	return is_done;
}

uint64_t pool_held_pages(const struct pool *pool, unsigned slot)
{
	uint64_t nr_pages = 0;

	for (uint64_t zones = pool->in_use; zones; zones &= zones - 1)
		nr_pages += zone_held_pages(pool->zones[__builtin_ctzll(zones)], slot);
	return nr_pages;
}

uint64_t pool_held_bytes(const struct pool *pool, unsigned slot)
{
	uint64_t nr_bytes = 0;

	for (uint64_t zones = pool->in_use; zones; zones &= zones - 1)
		nr_bytes += held_bytes(pool->zones[__builtin_ctzll(zones)], slot);
	return nr_bytes;
}

static int validate_charges(const struct pool *pool, unsigned *ret_zone, struct zone_fault *ret)
{
	for (unsigned slot = 0; slot < pool->quota->nr_slots; slot++) {
		if (slot == WORD_SLOT_DAEMON ||
		    pool->quota->slots[slot].nr_bytes == pool_held_bytes(pool, slot))
			continue;
		*ret_zone = 0;
		*ret = (struct zone_fault){ .what = "a slot is not charged what it holds" };
		return -EUCLEAN;
	}
	return 0;
}

int pool_validate(const struct pool *pool, unsigned *ret_zone, struct zone_fault *ret)
{
	for (unsigned i = 0; i < pool->nr_zones; i++) {
		int r = pool->zones[i] ? zone_validate(pool->zones[i], ret) : 0;

		if (r) {
			*ret_zone = i;
			return r;
		}
	}
	return pool->quota ? validate_charges(pool, ret_zone, ret) : 0;
}
