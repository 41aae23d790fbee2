/* SPDX-License-Identifier: MIT */
/*
 * Where a request that allocates is served, and why it was not.
 *
 * A request names nodes of the host, the core knows zones of a pool; a node that has none in this
 * pool stands for the nearest that has. Each block and each object carries the request's tag, so
 * that the ledger can tell of which request it came.
 *
 * A batch that the pool can serve in part is a success with fewer. Not even one is a refusal that
 * says what is in the way: nothing free, a watermark, no adjacent pages, or a limit.
 */

#include <stdio.h>

#include "core/pool.h"
#include "core/zone.h"
#include "proto/message.h"
#include "service/backing.h"
#include "service/handlers.h"
#include "service/state.h"

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

bool handler_place(struct call *call, const struct pools_pool *pool, uint64_t id,
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
	*ret = (struct pool_request){
		.policy = is_bound ? POOL_BIND : (enum pool_policy)placement->policy,
		.preferred = zone,
		.local = handler_zone_of(pool, placement->cpu_node),
		.allowed = is_bound ? UINT64_C(1) << zone : handler_allowed_zones(pool, placement),
		.is_high = placement->high,
		.owner = {
			.slot = call->client->slot,
			.tag = id % WORD_NR_TAGS,
			.mobility = placement->mobility,
		},
	};
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

enum dispatch_result handler_refuse_alloc(struct call *call, const struct pools_pool *pool,
					  const struct pool_request *request,
					  const struct pool_demand *demand, uint32_t nr_pages,
					  const char *wanted, struct message *reply)
{
	struct zone *zone = pool->core.zones[demand->zone];
	bool is_bound = request->policy == POOL_BIND;
	char where[HANDLER_WHERE_BYTES], text[HANDLER_LACK_BYTES];

	if (demand->level == POOL_DEMAND_LIMIT)
		return handler_refuse_limits(call, pool, demand->limits, reply);
	snprintf(where, sizeof(where), "%s%spool '%s'",
		 is_bound ? pool->zones[demand->zone].name : "", is_bound ? " of " : "",
		 pool->config->name);
	if (!zone)
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "%s is out of use: its ledger is damaged", where);
	return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY, "%s has no %s%s", where,
			      wanted, handler_say_lack(zone, request, demand, nr_pages, text));
}
