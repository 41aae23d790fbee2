/* SPDX-License-Identifier: MIT */
/*
 * Which blocks stand in the way of a large one in the contiguous area of a zone.
 *
 * The core finds the place with the least in its way and the ledger tells what lies there. Nothing
 * is moved and nothing kept: by the time of the reply it may be different.
 */

#include <inttypes.h>

#include "core/zone.h"
#include "proto/message.h"
#include "service/backing.h"
#include "service/handlers.h"
#include "service/state.h"

/* NULL, and *reply is the refusal. */
static const struct pools_pool *handler_plan_pool(struct call *call, const struct message *request,
						  unsigned *ret_zone, struct message *reply)
{
	const char *name = request->u.plan_contiguous.pool;
	uint32_t node = request->u.plan_contiguous.node;
	const struct pools_pool *pool = pools_find(&call->service->pools, name);

	if (!pool) {
		handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND, "there is no pool '%s'",
			       name);
		return NULL;
	}
	for (unsigned i = 0; i < pool->nr_zones; i++)
		if (backing_node(pool->zones[i].backing) == node) {
			*ret_zone = i;
			return pool;
		}
	handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND, "pool '%s' has no node %" PRIu32,
		       name, node);
	return NULL;
}

/* The first blocks that are held within the plan's place. */
static size_t handler_plan_blocks(const struct pools_pool *pool, unsigned index,
				  const struct zone_plan *plan, struct message_block_info *infos)
{
	const struct zone *zone = pool->core.zones[index];
	uint32_t end = plan->pfn + (UINT32_C(1) << plan->order), cursor = plan->pfn;
	struct zone_block block;
	size_t nr_infos = 0;

	while (nr_infos < HANDLER_BLOCKS_MAX && cursor < end &&
	       zone_next_block(zone, -1, end - cursor, &cursor, &block))
		infos[nr_infos++] = handler_describe_block(pool, index, &block, -1);
	return nr_infos;
}

enum dispatch_result handler_plan_contiguous(struct call *call, const struct message *request,
					     struct message *reply)
{
	static struct message_block_info infos[HANDLER_BLOCKS_MAX]; /* until it is encoded */
	uint32_t order = request->u.plan_contiguous.order;
	struct zone_plan plan;
	unsigned index = 0;

	const struct pools_pool *pool = handler_plan_pool(call, request, &index, reply);
	if (!pool)
		return DISPATCH_REPLY;
	struct zone *zone = pool->core.zones[index];
	if (!zone)
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "%s of pool '%s' is out of use: its ledger is damaged",
				      pool->zones[index].name, pool->config->name);
	if (zone_plan_contiguous(zone, order, &plan))
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "the contiguous area of %s of pool '%s', %u MiB, has no "
				      "place for a block of order %" PRIu32,
				      pool->zones[index].name, pool->config->name,
				      zone_nr_contiguous(zone) >> (20 - PAGE_SHIFT), order);

	reply->type = MESSAGE_CONTIGUOUS_PLAN;
	reply->u.contiguous_plan.page = page_address(index, plan.pfn);
	reply->u.contiguous_plan.order = plan.order;
	reply->u.contiguous_plan.held_blocks = plan.nr_blocks;
	reply->u.contiguous_plan.held_pages = plan.nr_pages;
	reply->u.contiguous_plan.blocks = infos;
	reply->u.contiguous_plan.nr_blocks = handler_plan_blocks(pool, index, &plan, infos);
	return DISPATCH_REPLY;
}
