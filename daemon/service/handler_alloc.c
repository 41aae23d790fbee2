/* SPDX-License-Identifier: MIT */
/*
 * Requests that allocate: blocks of one order, and exact sizes.
 *
 * They check what was asked for, translate nodes to zones, let the core choose the pages, and leave
 * the rest (real memory, others' data, the reply) to grant.c. A batch that the pool can serve in
 * part is a success with fewer blocks; not even one is a refusal that says what is in the way:
 * nothing free, a watermark, no adjacent pages, or a limit.
 *
 * Each block carries the request's tag, so that the ledger can tell of which request it came.
 */

#include <stdio.h>

#include "core/pool.h"
#include "core/zone.h"
#include "proto/message.h"
#include "service/backing.h"
#include "service/grant.h"
#include "service/handlers.h"
#include "service/pressure.h"
#include "service/state.h"

#define HANDLER_WANTED_BYTES 64u
#define HANDLER_WHERE_BYTES (SERVICE_NAME_BYTES_MAX + 32u)
#define HANDLER_LACK_BYTES 96u

_Static_assert((int)POOL_PREFERRED == MESSAGE_POLICY_PREFERRED &&
		       (int)POOL_BIND == MESSAGE_POLICY_BIND &&
		       (int)POOL_INTERLEAVE == MESSAGE_POLICY_INTERLEAVE &&
		       (int)POOL_MASK == MESSAGE_POLICY_MASK,
	       "the protocol counts policies as the core does");
_Static_assert((int)MOBILITY_UNMOVABLE == MESSAGE_UNMOVABLE &&
		       (int)MOBILITY_MOVABLE == MESSAGE_MOVABLE &&
		       (int)MOBILITY_RECLAIMABLE == MESSAGE_RECLAIMABLE,
	       "and mobilities");

/* The zone of a node, or POOL_ZONE_NONE if this pool has none there. */
static unsigned handler_zone_of(const struct pools_pool *pool, uint32_t node)
{
	if (node >= SERVICE_NODES_MAX)
		return POOL_ZONE_NONE;

	unsigned zone = pool->nearest_zones[node];
	return backing_node(pool->zones[zone].backing) == node ? zone : POOL_ZONE_NONE;
}

/* The zones that a request may be served from, as bits; 0 when it names none of this pool. */
static uint64_t handler_allowed_zones(const struct pools_pool *pool,
				      const struct message_placement *placement)
{
	uint64_t zones = 0;

	if (placement->policy == MESSAGE_POLICY_PREFERRED || placement->nodes == 0)
		return UINT64_MAX;
	for (unsigned i = 0; i < pool->nr_zones; i++)
		zones |= (placement->nodes >> backing_node(pool->zones[i].backing) & 1) << i;
	return zones;
}

/* False when it can't be served at all: then *reply is the refusal. */
static bool handler_place(struct call *call, const struct pools_pool *pool,
			  const struct message_placement *placement, struct pool_request *ret,
			  struct message *reply)
{
	bool is_bound = placement->bind || placement->policy == MESSAGE_POLICY_BIND;
	unsigned zone = handler_zone_of(pool, placement->node);

	if (is_bound && zone == POOL_ZONE_NONE) {
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "pool '%s' has no node %u",
			       pool->config->name, placement->node);
		return false;
	}
	if (zone == POOL_ZONE_NONE)
		zone = placement->node < SERVICE_NODES_MAX ? pool->nearest_zones[placement->node]
							   : 0;
	ret->policy = is_bound ? POOL_BIND : (enum pool_policy)placement->policy;
	ret->preferred = zone;
	ret->local = handler_zone_of(pool, placement->cpu_node);
	ret->allowed = is_bound ? UINT64_C(1) << zone : handler_allowed_zones(pool, placement);
	ret->is_high = placement->high;
	if (ret->allowed)
		return true;
	handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
		       "pool '%s' has none of the nodes asked for", pool->config->name);
	return false;
}

/* What keeps a zone that lacks a block of so many pages from having one, as words behind that. */
static const char *handler_say_lack(struct zone *zone, const struct pool_request *request,
				    const struct pool_demand *demand, uint32_t nr_pages,
				    char text[HANDLER_LACK_BYTES])
{
	uint32_t room =
		zone_room(zone, ZONE_MARK_NONE, nr_pages, (enum mobility)request->owner.mobility);
	int largest = zone_largest_free(zone);

	if (demand->level == POOL_DEMAND_ORDER && largest < (int)demand->order)
		snprintf(text, HANDLER_LACK_BYTES, ": the largest free block is of order %d",
			 largest);
	else if (demand->level == POOL_DEMAND_MIN && room >= nr_pages)
		snprintf(text, HANDLER_LACK_BYTES,
			 " above its watermarks: what is left is kept for PP_HIGH");
	else
		snprintf(text, HANDLER_LACK_BYTES, "%s",
			 largest >= (int)demand->order ? " outside of the contiguous area" : "");
	return text;
}

/* Not even one block was granted: `demand` says why. nr_pages is that of an exact request, or 0. */
static enum dispatch_result handler_refuse_alloc(struct call *call, const struct pools_pool *pool,
						 const struct pool_request *request,
						 const struct pool_demand *demand,
						 uint32_t nr_pages, struct message *reply)
{
	struct zone *zone = pool->core.zones[demand->zone];
	bool is_bound = request->policy == POOL_BIND;
	char where[HANDLER_WHERE_BYTES], wanted[HANDLER_WANTED_BYTES], text[HANDLER_LACK_BYTES];

	if (demand->level == POOL_DEMAND_LIMIT)
		return handler_refuse_limits(call, pool, demand->limits, reply);
	snprintf(where, sizeof(where), "%s%spool '%s'",
		 is_bound ? pool->zones[demand->zone].name : "", is_bound ? " of " : "",
		 pool->config->name);
	if (!zone)
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "%s is out of use: its ledger is damaged", where);
	if (nr_pages)
		snprintf(wanted, sizeof(wanted), "%u adjacent free pages", nr_pages);
	else
		snprintf(wanted, sizeof(wanted), "free block of order %u", demand->order);
	return handler_refuse(
		call, reply, MESSAGE_STATUS_NO_MEMORY, "%s has no %s%s", where, wanted,
		handler_say_lack(zone, request, demand,
				 nr_pages ? nr_pages : UINT32_C(1) << demand->order, text));
}

static struct word_owner handler_owner(const struct call *call, uint64_t id,
				       const struct message_placement *placement)
{
	return (struct word_owner){
		.slot = call->client->slot,
		.tag = id % WORD_NR_TAGS,
		.mobility = placement->mobility,
	};
}

enum dispatch_result handler_alloc(struct call *call, const struct message *request,
				   struct message *reply)
{
	static struct page_run runs[MESSAGE_BATCH_BLOCKS_MAX];
	unsigned order = request->u.alloc.order;
	uint32_t count = request->u.alloc.count;
	const struct message_placement *placement = &request->u.alloc.placement;
	struct pool_request ask = { .owner = handler_owner(call, request->id, placement) };
	struct pool_demand demand;
	size_t nr_runs = 0;

	struct pools_pool *pool = handler_find_writable_pool(call, request->u.alloc.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	if (order > pool->max_order)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "order %u is above this pool's largest, %u", order,
				      pool->max_order);
	if (count == 0)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "it asks for no block");
	if (count > MESSAGE_BATCH_BLOCKS_MAX)
		return handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
				      "a request is for up to %u blocks, not %u",
				      MESSAGE_BATCH_BLOCKS_MAX, count);
	if (!handler_place(call, pool, placement, &ask, reply))
		return DISPATCH_REPLY;

	size_t granted = pool_alloc_bulk(&pool->core, &ask, order, count, runs, &nr_runs, &demand);
	pressure_note(pool, &demand);
	if (!granted)
		return handler_refuse_alloc(call, pool, &ask, &demand, 0, reply);

	const struct grant_pages pages = {
		.pool = pool, .order = order, .runs = runs, .nr_runs = nr_runs
	};
	return grant_tell(call, request->id, &pages, reply);
}

enum dispatch_result handler_alloc_exact(struct call *call, const struct message *request,
					 struct message *reply)
{
	uint32_t nr_pages = request->u.alloc_exact.nr_pages;
	const struct message_placement *placement = &request->u.alloc_exact.placement;
	struct pool_request ask = { .owner = handler_owner(call, request->id, placement) };
	struct pool_demand demand;
	struct page_run run = { .mask = 1 };

	struct pools_pool *pool =
		handler_find_writable_pool(call, request->u.alloc_exact.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	if (nr_pages == 0 || nr_pages > UINT32_C(1) << pool->max_order)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "this pool gives 1 to %u adjacent pages, not %u",
				      1u << pool->max_order, nr_pages);
	if (!handler_place(call, pool, placement, &ask, reply))
		return DISPATCH_REPLY;

	int error = pool_alloc_exact(&pool->core, &ask, nr_pages, &run.base, &demand);
	pressure_note(pool, &demand);
	if (error)
		return handler_refuse_alloc(call, pool, &ask, &demand, nr_pages, reply);

	const struct grant_pages pages = {
		.pool = pool, .nr_pages = nr_pages, .runs = &run, .nr_runs = 1
	};
	return grant_tell(call, request->id, &pages, reply);
}
