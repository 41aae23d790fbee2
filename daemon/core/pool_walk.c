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
 *
 * What caches keep in empty slabs is nobody's need: when a walk ends short, they give it back, and
 * the rest is walked for once more.
 */

#include "core/pool_walk.h"

#include "core/quota.h"
#include "core/zone_object.h"

/* The zone of the set that is nearest to `from`; POOL_ZONE_NONE if it has none. */
static unsigned nearest(const struct pool *pool, unsigned from, uint64_t set)
{
	for (unsigned i = 0; i < pool->nr_zones; i++)
		if (set & pool_zone_bit(pool->zonelist[from][i]))
			return pool->zonelist[from][i];
	return POOL_ZONE_NONE;
}

static size_t room_above(const struct pool_walk *walk, unsigned zone, enum zone_mark mark)
{
	return walk->goods->room(walk, walk->pool->zones[zone], mark);
}

static void count_grant(const struct pool_walk *walk, unsigned zone, size_t count)
{
	struct pool *pool = walk->pool;
	const struct pool_request *request = walk->request;
	struct pool_zone_counters *counters = &pool->counters[zone];
	uint64_t nr_blocks = (uint64_t)count * walk->nr_unit_blocks;

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

/* Takes from one zone what it has above the mark, and no more than the share lacks. */
static void visit(struct pool_walk *walk, unsigned zone, enum zone_mark mark)
{
	size_t count = room_above(walk, zone, mark), granted;

	if (count > walk->rest)
		count = walk->rest;
	if (count == 0 || walk->fragmented & pool_zone_bit(zone))
		return;
	granted = walk->goods->take(walk, walk->pool->zones[zone], count);
	if (granted < count)
		walk->fragmented |= pool_zone_bit(zone);
	if (granted == 0)
		return;
	walk->served |= pool_zone_bit(zone);
	walk->rest -= granted;
	walk->granted += granted;
	count_grant(walk, zone, granted);
}

static void visit_all(struct pool_walk *walk, enum zone_mark mark)
{
	const uint8_t *list = walk->pool->zonelist[walk->intended];

	for (unsigned i = 0; i < walk->pool->nr_zones && walk->rest; i++)
		if (walk->allowed & pool_zone_bit(list[i]))
			visit(walk, list[i], mark);
}

/* One share of the batch, or all of it. */
static void walk_zones(struct pool_walk *walk, unsigned intended, size_t count)
{
	const struct pool_request *request = walk->request;

	walk->intended = intended;
	walk->rest = count;
	if (walk->short_zone == POOL_ZONE_NONE && room_above(walk, intended, ZONE_MARK_LOW) < count)
		walk->short_zone = intended;
	if (walk->allowed == pool_zone_bit(intended)) {
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

static void walk_in_turn(struct pool_walk *walk, size_t count)
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

static void walk_all(struct pool_walk *walk, size_t count)
{
	if (walk->request->policy == POOL_INTERLEAVE)
		walk_in_turn(walk, count);
	else
		walk_zones(walk, walk->intended, count);
}

/* Pages that are back from empty slabs. */
static uint64_t shrink_caches(struct pool_walk *walk)
{
	uint64_t nr_pages = 0;

	for (uint64_t zones = walk->allowed; zones; zones &= zones - 1)
		nr_pages += zone_shrink_caches(walk->pool->zones[__builtin_ctzll(zones)]);
	return nr_pages;
}

/*
 * Charges what the limits allow of so many units; returns how many these are. *ret_limits names
 * those that allow no more. They may have none to name though pages are lacking.
 */
static size_t charge(const struct pool_walk *walk, size_t count, uint64_t *ret_limits)
{
	struct quota *quota = walk->pool->quota;
	const unsigned slot = walk->request->owner.slot;
	uint64_t free_bytes = 0, room;

	if (!quota)
		return count;
	for (uint64_t zones = walk->pool->in_use; zones; zones &= zones - 1) {
		const struct zone *zone = walk->pool->zones[__builtin_ctzll(zones)];

		free_bytes += (zone_nr_free(zone) + zone_nr_empty_pages(zone)) * PAGE_BYTES +
			      walk->goods->free_bytes(walk, zone);
	}
	room = quota_room(quota, slot, free_bytes) / walk->unit_bytes;
	if (count > room) {
		/* Blamed for the first unit that they don't allow, not for all of them. */
		*ret_limits = quota_refuse(quota, slot, (room + 1) * walk->unit_bytes, free_bytes);
		count = room;
	}
	quota_charge(quota, slot, count * walk->unit_bytes);
	return count;
}

static void uncharge(const struct pool_walk *walk, size_t count)
{
	if (walk->pool->quota)
		quota_uncharge(walk->pool->quota, walk->request->owner.slot,
			       count * walk->unit_bytes);
}

/* Pages that must come back to a zone before it has so many to grant and is still at high. */
static uint64_t lack(const struct pool_walk *walk, unsigned zone, uint64_t nr_pages)
{
	const struct zone *lacking = walk->pool->zones[zone];
	uint64_t wanted = zone_watermarks(lacking).high + nr_pages;
	uint64_t there = zone_room(lacking, ZONE_MARK_NONE, walk->nr_pages, walk->mobility);

	return wanted > there ? wanted - there : 0;
}

/* What a walk lacked that left `missing` units ungranted. */
static struct pool_demand demand_of(const struct pool_walk *walk, size_t missing, uint64_t limits)
{
	unsigned lacking = walk->short_zone != POOL_ZONE_NONE ? walk->short_zone : walk->intended;
	uint64_t nr_blocks = (missing + walk->units_per_block - 1) / walk->units_per_block;
	struct pool_demand demand = {
		.zone = lacking,
		.nr_pages = nr_blocks * walk->nr_pages,
		.order = walk->order,
		.mobility = walk->mobility,
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

struct pool_demand pool_walk_serve(struct pool_walk *walk, size_t count)
{
	const struct pool_request *request = walk->request;
	uint64_t limits = 0;
	size_t charged = charge(walk, count, &limits);

	walk->allowed = request->allowed & walk->pool->in_use;
	walk->short_zone = POOL_ZONE_NONE;
	walk->intended = nearest(walk->pool, request->preferred, walk->allowed);
	if (walk->allowed)
		walk_all(walk, charged);
	if (walk->granted < charged && walk->allowed && shrink_caches(walk)) {
		walk->fragmented = 0;
		walk_all(walk, charged - walk->granted);
	}

	uncharge(walk, charged - walk->granted);
	if (walk->granted < count)
		walk->pool->policies[request->policy].failed++;
	/* Limits are to blame only if the zones gave all that they allow. */
	return demand_of(walk, count - walk->granted, walk->granted == charged ? limits : 0);
}
