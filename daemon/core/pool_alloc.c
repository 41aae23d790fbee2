/* SPDX-License-Identifier: MIT */

/*
 * Where a request is served.
 *
 * A request intends one zone: the nearest to the one it prefers that it allows. It walks the zones
 * near to far, and may walk them more than once, each time farther down:
 *
 *	to low	every allowed zone
 *	to min	the intended zone
 *	to min	every allowed zone, if the request may not go anywhere else
 *	to zero	every allowed zone, if the request is a high one
 *
 * So a far zone with pages to spare is taken from before a near one is raided; and what a zone
 * keeps between low and min is for those who intend it, not for those who were driven here by want
 * elsewhere. Who names the zones that it allows, or takes them in turn, intends all of them.
 *
 * Interleaving is many requests: each zone is intended for an even share of the batch, starting
 * with the one whose turn it is, which also gets what does not divide. A share that its zone can't
 * serve falls back like any other request.
 *
 * The watermarks count pages; a zone that has pages enough and yet no block is not asked again.
 *
 * Limits come first: the batch is cut to what they allow and charged before the walk, and what the
 * walk did not find is given back after it. In between nobody else runs.
 */

#include <assert.h>

#include "core/pool.h"
#include "core/quota.h"
#include "core/zone.h"
#include "core/zone_warm.h"

/* A request on its way. A block is 2^order pages, or all pages of an exact request. */
struct walk {
	struct pool *pool;
	const struct pool_request *request;
	uint64_t allowed; /* zones, and in use */
	unsigned order;
	uint32_t nr_pages; /* of a block */
	bool is_exact;
	struct page_run *runs;
	size_t *nr_runs;

	/* Of the share at hand. */
	unsigned intended; /* a zone */
	size_t rest;       /* blocks */

	/* Of all shares. */
	size_t granted;      /* blocks */
	uint64_t served;     /* zones that granted something */
	uint64_t fragmented; /* zones that had the pages and no block */
	unsigned short_zone; /* the first intended one with too little above low, POOL_ZONE_NONE */
};

static uint64_t zone_bit(unsigned zone)
{
	return UINT64_C(1) << zone;
}

/* The zone of the set that is nearest to `from`; POOL_ZONE_NONE if it has none. */
static unsigned nearest(const struct pool *pool, unsigned from, uint64_t set)
{
	for (unsigned i = 0; i < pool->nr_zones; i++)
		if (set & zone_bit(pool->zonelist[from][i]))
			return pool->zonelist[from][i];
	return POOL_ZONE_NONE;
}

static enum mobility mobility_of(const struct walk *walk)
{
	return (enum mobility)walk->request->owner.mobility;
}

/* Blocks that a zone may grant, by its pages alone. */
static size_t room_above(const struct walk *walk, unsigned zone, enum zone_mark mark)
{
	return zone_room(walk->pool->zones[zone], mark, walk->nr_pages, mobility_of(walk)) /
	       walk->nr_pages;
}

static void count_grant(const struct walk *walk, unsigned zone, size_t count)
{
	struct pool *pool = walk->pool;
	const struct pool_request *request = walk->request;
	struct pool_zone_counters *counters = &pool->counters[zone];
	uint64_t nr_blocks = count;

	if (walk->is_exact)
		nr_blocks = (uint64_t)__builtin_popcount(walk->nr_pages);
	if (zone == walk->intended) {
		counters->hit += nr_blocks;
		counters->interleave += request->policy == POOL_INTERLEAVE ? nr_blocks : 0;
	} else {
		counters->miss += nr_blocks;
		pool->counters[walk->intended].foreign += nr_blocks;
	}
	*(zone == request->local ? &counters->local : &counters->other) += nr_blocks;
	pool->policies[request->policy].granted += nr_blocks;
}

static size_t take(struct walk *walk, unsigned zone, size_t count)
{
	struct zone *from = walk->pool->zones[zone];
	uint32_t pfn;

	if (!walk->is_exact)
		return zone_alloc_bulk(from, walk->order, count, walk->request->owner, walk->runs,
				       walk->nr_runs);
	if (zone_alloc_exact(from, walk->nr_pages, walk->request->owner, &pfn))
		return 0;
	walk->runs[(*walk->nr_runs)++] =
		(struct page_run){ .base = page_address(zone, pfn), .mask = 1 };
	return 1;
}

/* Takes from one zone what it has above the mark, and no more than the share lacks. */
static void visit(struct walk *walk, unsigned zone, enum zone_mark mark)
{
	size_t count = room_above(walk, zone, mark), granted;

	if (count > walk->rest)
		count = walk->rest;
	if (count == 0 || walk->fragmented & zone_bit(zone))
		return;
	granted = take(walk, zone, count);
	if (granted < count)
		walk->fragmented |= zone_bit(zone);
	if (granted == 0)
		return;
	walk->served |= zone_bit(zone);
	walk->rest -= granted;
	walk->granted += granted;
	count_grant(walk, zone, granted);
}

static void visit_all(struct walk *walk, enum zone_mark mark)
{
	const uint8_t *list = walk->pool->zonelist[walk->intended];

	for (unsigned i = 0; i < walk->pool->nr_zones && walk->rest; i++)
		if (walk->allowed & zone_bit(list[i]))
			visit(walk, list[i], mark);
}

/* One share of the batch, or all of it. */
static void walk_zones(struct walk *walk, unsigned intended, size_t count)
{
	const struct pool_request *request = walk->request;

	walk->intended = intended;
	walk->rest = count;
	if (walk->short_zone == POOL_ZONE_NONE && room_above(walk, intended, ZONE_MARK_LOW) < count)
		walk->short_zone = intended;
	if (walk->allowed == zone_bit(intended)) {
		/* It must go all the way down here, so it may do so at once. */
		visit(walk, intended, request->is_high ? ZONE_MARK_NONE : ZONE_MARK_MIN);
		return;
	}
	visit_all(walk, ZONE_MARK_LOW);
	visit(walk, intended, ZONE_MARK_MIN);
	if (request->policy != POOL_PREFERRED || request->is_high)
		visit_all(walk, ZONE_MARK_MIN);
	if (request->is_high)
		visit_all(walk, ZONE_MARK_NONE);
}

/* The first zone of a set, not empty, from `zone` on and around. */
static unsigned next_in_turn(uint64_t set, unsigned zone)
{
	uint64_t behind = set & (UINT64_MAX << zone);

	return (unsigned)__builtin_ctzll(behind ? behind : set);
}

static void walk_in_turn(struct walk *walk, size_t count)
{
	struct pool *pool = walk->pool;
	size_t nr_zones = (size_t)__builtin_popcountll(walk->allowed);
	size_t share = count / nr_zones, extra = count % nr_zones;
	unsigned zone = pool->turn;

	for (size_t i = 0; i < nr_zones && (share || i < extra); i++) {
		zone = next_in_turn(walk->allowed, zone);
		walk_zones(walk, zone, share + (i < extra));
		zone = (zone + 1) % POOL_ZONES_MAX;
		if (i < extra)
			pool->turn = zone;
	}
}

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

/*
 * Charges what the limits allow of so many blocks; returns how many these are. *ret_limits names
 * those that allow no more. They may have none to name though pages are lacking.
 */
static size_t charge(const struct walk *walk, size_t count, uint64_t *ret_limits)
{
	struct quota *quota = walk->pool->quota;
	const unsigned slot = walk->request->owner.slot;
	const uint64_t block_bytes = (uint64_t)walk->nr_pages << PAGE_SHIFT;
	uint64_t free_bytes = 0, room;

	if (!quota)
		return count;
	for (uint64_t zones = walk->pool->in_use; zones; zones &= zones - 1)
		free_bytes += zone_nr_free(walk->pool->zones[__builtin_ctzll(zones)]) * PAGE_BYTES;
	room = quota_room(quota, slot, free_bytes) / block_bytes;
	if (count > room) {
		/* Blamed for the first block that they don't allow, not for all of them. */
		*ret_limits = quota_refuse(quota, slot, (room + 1) * block_bytes, free_bytes);
		count = room;
	}
	quota_charge(quota, slot, count * block_bytes);
	return count;
}

static void uncharge(struct pool *pool, const struct pool_request *request, uint64_t nr_pages)
{
	if (pool->quota)
		quota_uncharge(pool->quota, request->owner.slot, nr_pages << PAGE_SHIFT);
}

/* Pages that must come back to a zone before it has so many to grant and is still at high. */
static uint64_t lack(const struct walk *walk, unsigned zone, uint64_t nr_pages)
{
	const struct zone *lacking = walk->pool->zones[zone];
	uint64_t wanted = zone_watermarks(lacking).high + nr_pages;
	uint64_t there = zone_room(lacking, ZONE_MARK_NONE, walk->nr_pages, mobility_of(walk));

	return wanted > there ? wanted - there : 0;
}

/* What a walk lacked that left `missing` blocks ungranted. */
static struct pool_demand demand_of(const struct walk *walk, size_t missing, uint64_t limits)
{
	unsigned lacking = walk->short_zone != POOL_ZONE_NONE ? walk->short_zone : walk->intended;
	struct pool_demand demand = {
		.zone = lacking,
		.nr_pages = (uint64_t)missing * walk->nr_pages,
		.order = walk->order,
		.mobility = mobility_of(walk),
	};

	if (!walk->allowed) {
		demand.level = POOL_DEMAND_MIN;
		demand.zone = walk->request->preferred;
	} else if (limits) {
		demand.level = POOL_DEMAND_LIMIT;
		demand.limits = limits;
	} else if (missing && walk->fragmented) {
		demand.level = POOL_DEMAND_ORDER;
		demand.zone = nearest(walk->pool, walk->intended, walk->fragmented);
	} else if (missing || walk->short_zone != POOL_ZONE_NONE) {
		demand.level = missing ? POOL_DEMAND_MIN : POOL_DEMAND_LOW;
		demand.nr_pages = lack(walk, lacking, demand.nr_pages);
	}
	if (demand.nr_pages == 0)
		demand.level = POOL_DEMAND_NONE;
	return demand;
}

static struct pool_demand serve(struct walk *walk, size_t count)
{
	const struct pool_request *request = walk->request;
	uint64_t limits = 0;
	size_t charged = charge(walk, count, &limits);

	walk->allowed = request->allowed & walk->pool->in_use;
	walk->short_zone = POOL_ZONE_NONE;
	walk->intended = nearest(walk->pool, request->preferred, walk->allowed);
	if (walk->allowed && request->policy == POOL_INTERLEAVE)
		walk_in_turn(walk, charged);
	else if (walk->allowed)
		walk_zones(walk, walk->intended, charged);

	uncharge(walk->pool, request, (uint64_t)(charged - walk->granted) * walk->nr_pages);
	if (walk->granted < count)
		walk->pool->policies[request->policy].failed++;
	/* Limits are to blame only if the zones gave all that they allow. */
	return demand_of(walk, count - walk->granted, walk->granted == charged ? limits : 0);
}

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
	    !(request->allowed & pool->in_use & zone_bit(request->preferred)))
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
	struct walk walk = {
		.pool = pool,
		.request = request,
		.order = order,
		.nr_pages = UINT32_C(1) << order,
		.runs = runs,
		.nr_runs = nr_runs,
		.fragmented = was_asked ? zone_bit(request->preferred) : 0,
	};

	*ret = serve(&walk, count);
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
	struct walk walk = {
		.pool = pool,
		.request = request,
		.order = page_order_of(nr_pages),
		.nr_pages = nr_pages,
		.is_exact = true,
		.runs = &run,
		.nr_runs = &nr_runs,
	};

	assert(nr_pages > 0);
	*ret = serve(&walk, 1);
	if (!walk.granted)
		return ZONE_E_FULL;
	*ret_address = run.base;
	return 0;
}
