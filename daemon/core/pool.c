/* SPDX-License-Identifier: MIT */

/*
 * A pool's zones and where a request goes.
 *
 * Each zone has a zonelist: itself, then the others by distance. A request walks the list of the
 * zone it prefers, past those that it does not allow, until it is served; what one zone can't serve
 * whole, the next one continues. A page address says its zone, so frees need no walk.
 */

#include <errno.h>
#include <stdbool.h>

#include "core/pool.h"
#include "core/zone.h"

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
		if (zones[i]->index_in_pool != i)
			return -EINVAL;
	*pool = (struct pool){ .nr_zones = nr_zones };
	for (unsigned i = 0; i < nr_zones; i++)
		pool->zones[i] = zones[i];
	for (unsigned i = 0; i < nr_zones; i++)
		fill_zonelist(pool, distances, i);
	return 0;
}

static void count_grant(struct pool *pool, unsigned preferred, unsigned zone, uint64_t nr_blocks)
{
	if (zone == preferred) {
		pool->counters[zone].hit += nr_blocks;
		return;
	}
	pool->counters[zone].miss += nr_blocks;
	pool->counters[preferred].foreign += nr_blocks;
}

static bool is_allowed(struct pool_placement placement, unsigned zone)
{
	return placement.allowed >> zone & 1;
}

size_t pool_alloc_bulk(struct pool *pool, struct pool_placement placement, unsigned order,
		       size_t count, struct word_owner owner, struct page_run *runs,
		       size_t *nr_runs)
{
	const uint8_t *list = pool->zonelist[placement.preferred];
	size_t granted = 0;

	for (unsigned i = 0; i < pool->nr_zones && granted < count; i++) {
		size_t n;

		if (!is_allowed(placement, list[i]))
			continue;
		n = zone_alloc_bulk(pool->zones[list[i]], order, count - granted, owner, runs,
				    nr_runs);
		count_grant(pool, placement.preferred, list[i], n);
		granted += n;
	}
	return granted;
}

int pool_alloc_exact(struct pool *pool, struct pool_placement placement, uint32_t nr_pages,
		     struct word_owner owner, uint64_t *ret_address)
{
	const uint8_t *list = pool->zonelist[placement.preferred];

	for (unsigned i = 0; i < pool->nr_zones; i++) {
		uint32_t pfn;

		if (!is_allowed(placement, list[i]) ||
		    zone_alloc_exact(pool->zones[list[i]], nr_pages, owner, &pfn))
			continue;
		count_grant(pool, placement.preferred, list[i],
			    (uint64_t)__builtin_popcount(nr_pages));
		*ret_address = page_address(list[i], pfn);
		return 0;
	}
	return ZONE_E_FULL;
}

static struct zone *find_zone(const struct pool *pool, uint64_t address)
{
	unsigned zone = page_address_zone(address);

	return zone < pool->nr_zones ? pool->zones[zone] : NULL;
}

int pool_free_bulk(struct pool *pool, unsigned order, unsigned slot, const struct page_run *runs,
		   size_t nr_runs)
{
	for (size_t i = 0; i < nr_runs; i++) {
		struct zone *zone = find_zone(pool, runs[i].base);
		int r = zone ? zone_leave(zone, order, slot, &runs[i]) : ZONE_E_RANGE;

		if (r) {
			while (i-- > 0)
				zone_leave_cancel(find_zone(pool, runs[i].base), order, &runs[i]);
			return r;
		}
	}
	for (size_t i = 0; i < nr_runs; i++)
		zone_leave_finish(find_zone(pool, runs[i].base), order, slot, &runs[i]);
	return 0;
}

int pool_free_exact(struct pool *pool, uint64_t address, uint32_t nr_pages, unsigned slot)
{
	struct zone *zone = find_zone(pool, address);
	uint64_t pfn = page_address_pfn(address);

	if (!zone || pfn >= zone_nr_pages(zone))
		return ZONE_E_RANGE;
	return zone_free_exact(zone, (uint32_t)pfn, nr_pages, slot);
}

uint64_t pool_held_pages(const struct pool *pool, unsigned slot)
{
	uint64_t nr_pages = 0;

	for (unsigned i = 0; i < pool->nr_zones; i++)
		nr_pages += zone_held_pages(pool->zones[i], slot);
	return nr_pages;
}

int pool_validate(const struct pool *pool, unsigned *ret_zone, struct zone_fault *ret)
{
	for (unsigned i = 0; i < pool->nr_zones; i++) {
		int r = zone_validate(pool->zones[i], ret);

		if (r) {
			*ret_zone = i;
			return r;
		}
	}
	return 0;
}
