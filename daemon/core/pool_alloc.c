/* SPDX-License-Identifier: MIT */

/*
 * Granting pages of a pool.
 *
 * The usual request is served by the zone that it prefers, and costs little more than the zone
 * does; all others walk the zones (pool_walk.c). Either way the limits are charged first, and what
 * was charged and not granted is given back to them.
 */

#include <assert.h>

#include "core/pool.h"
#include "core/pool_walk.h"
#include "core/quota.h"
#include "core/zone.h"
#include "core/zone_warm.h"

/* Brings the runs of each zone together, the zones in the order in which they came. */
static void gather_runs(struct page_run *runs, size_t nr_runs)
{
	for (size_t end = 0; end < nr_runs;) {
		unsigned zone = page_address_zone(runs[end].base);

		for (size_t i = end; i < nr_runs; i++) {
			struct page_run run = runs[i];

			if (page_address_zone(run.base) != zone)
				continue;
			runs[i] = runs[end];
			runs[end++] = run;
		}
	}
}

static void uncharge(struct pool *pool, const struct pool_request *request, uint64_t nr_pages)
{
	if (pool->quota)
		quota_uncharge(pool->quota, request->owner.slot, nr_pages << PAGE_SHIFT);
}

/* What a walk is for: blocks of one order, or all pages of an exact request as one. */

struct goods {
	struct page_run *runs;
	size_t *nr_runs;
};

static size_t room(const struct pool_walk *walk, const struct zone *zone, enum zone_mark mark)
{
	return zone_room(zone, mark, walk->nr_pages, walk->mobility) / walk->nr_pages;
}

static size_t take_blocks(struct pool_walk *walk, struct zone *zone, size_t count)
{
	const struct goods *goods = walk->data;

	return zone_alloc_bulk(zone, walk->order, count, walk->request->owner, goods->runs,
			       goods->nr_runs);
}

static size_t take_exact(struct pool_walk *walk, struct zone *zone, size_t count)
{
	const struct goods *goods = walk->data;
	uint32_t pfn;

	assert(count == 1);
	(void)count;
	if (zone_alloc_exact(zone, walk->nr_pages, walk->request->owner, &pfn))
		return 0;
	goods->runs[(*goods->nr_runs)++] =
		(struct page_run){ .base = page_address(zone->index_in_pool, pfn), .mask = 1 };
	return 1;
}

static uint64_t no_bytes(const struct pool_walk *walk, const struct zone *zone)
{
	(void)walk;
	(void)zone;
	return 0;
}

static const struct pool_goods blocks = { room, take_blocks, no_bytes };
static const struct pool_goods exact = { room, take_exact, no_bytes };

/*
 * The usual case needs no walk: the preferred zone has enough above low, and the limits allow all.
 * What a zone has room for is less than what its pool has free, so to ask the limits with that is
 * to be on the safe side. False when it is another case; then nothing has changed.
 */
static inline bool charge_near(struct pool *pool, const struct pool_request *request,
			       unsigned order, size_t count)
{
	const uint64_t nr_pages = (uint64_t)count << order;
	uint64_t room;

	assert(order <= PAGE_ORDER_MAX);
	if (request->policy == POOL_INTERLEAVE ||
	    !(request->allowed & pool->in_use & pool_zone_bit(request->preferred)))
		return false;
	room = zone_room(pool->zones[request->preferred], ZONE_MARK_LOW, UINT32_C(1) << order,
			 (enum mobility)request->owner.mobility);
	if (nr_pages > room)
		return false;
	return !pool->quota || quota_try_charge(pool->quota, request->owner.slot,
						nr_pages << PAGE_SHIFT, room << PAGE_SHIFT);
}

/* Takes what was charged; if that is not there, all that the zone has of the order. */
static inline size_t take_near(struct pool *pool, const struct pool_request *request,
			       unsigned order, size_t count, struct page_run *runs, size_t *nr_runs)
{
	const unsigned zone = request->preferred;
	struct pool_zone_counters *counters = &pool->counters[zone];
	size_t granted = 1;
	uint32_t pfn;

	if (count != 1)
		granted = zone_alloc_bulk(pool->zones[zone], order, count, request->owner, runs,
					  nr_runs);
	else if (zone_alloc_warm(pool->zones[zone], order, request->owner, &pfn) ||
		 zone_alloc(pool->zones[zone], order, request->owner, &pfn) == 0)
		runs[(*nr_runs)++] = (struct page_run){ page_address(zone, pfn), 1 };
	else
		granted = 0;
	if (granted < count)
		uncharge(pool, request, (uint64_t)(count - granted) << order);
	counters->hit += granted;
	if (zone == request->local)
		counters->local += granted;
	else
		counters->other += granted;
	pool->policies[request->policy].granted += granted;
	return granted;
}

/* Serves what the preferred zone could not, if it was asked. */
static __attribute__((noinline)) size_t
serve_rest(struct pool *pool, const struct pool_request *request, unsigned order, size_t count,
	   bool was_asked, struct page_run *runs, size_t *nr_runs, struct pool_demand *ret)
{
	const size_t first_run = *nr_runs;
	struct goods goods = { runs, nr_runs };
	struct pool_walk walk = {
		.pool = pool,
		.request = request,
		.goods = &blocks,
		.data = &goods,
		.unit_bytes = PAGE_BYTES << order,
		.nr_unit_blocks = 1,
		.order = order,
		.nr_pages = UINT32_C(1) << order,
		.units_per_block = 1,
		.mobility = (enum mobility)request->owner.mobility,
		.fragmented = was_asked ? pool_zone_bit(request->preferred) : 0,
	};

	*ret = pool_walk_serve(&walk, count);
	if (walk.served & (walk.served - 1)) /* more than one */
		gather_runs(runs + first_run, *nr_runs - first_run);
	return walk.granted;
}

size_t pool_alloc_bulk(struct pool *pool, const struct pool_request *request, unsigned order,
		       size_t count, struct page_run *runs, size_t *nr_runs,
		       struct pool_demand *ret)
{
	const bool is_near = charge_near(pool, request, order, count);
	size_t granted = 0;

	if (is_near)
		granted = take_near(pool, request, order, count, runs, nr_runs);
	if (is_near && granted == count) {
		*ret = (struct pool_demand){ .zone = request->preferred };
		return count;
	}
	return granted +
	       serve_rest(pool, request, order, count - granted, is_near, runs, nr_runs, ret);
}

int pool_alloc_exact(struct pool *pool, const struct pool_request *request, uint32_t nr_pages,
		     uint64_t *ret_address, struct pool_demand *ret)
{
	struct page_run run;
	size_t nr_runs = 0;
	struct goods goods = { &run, &nr_runs };
	struct pool_walk walk = {
		.pool = pool,
		.request = request,
		.goods = &exact,
		.data = &goods,
		.unit_bytes = (uint64_t)nr_pages << PAGE_SHIFT,
		.nr_unit_blocks = (unsigned)__builtin_popcount(nr_pages),
		.order = page_order_of(nr_pages),
		.nr_pages = nr_pages,
		.units_per_block = 1,
		.mobility = (enum mobility)request->owner.mobility,
	};

	assert(nr_pages > 0);
	*ret = pool_walk_serve(&walk, 1);
	if (!walk.granted)
		return ZONE_E_FULL;
	*ret_address = run.base;
	return 0;
}
