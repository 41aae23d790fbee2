/* SPDX-License-Identifier: MIT */
/*
 * Requests that allocate: blocks of one order, and exact sizes.
 *
 * They check what was asked for, translate the node to a zone, let the core choose the pages, and
 * leave the rest (real memory, others' data, the reply) to grant.c. A batch that the pool can serve
 * in part is a success with fewer blocks; not even one is no memory.
 *
 * Each block carries the request's tag, so that the ledger can tell of which request it came.
 */

#include "core/pool.h"
#include "core/zone.h"
#include "proto/message.h"
#include "service/backing.h"
#include "service/grant.h"
#include "service/handlers.h"
#include "service/state.h"

/* False when it can't be served at all: then *reply is the refusal. */
static bool handler_place(struct call *call, const struct pools_pool *pool,
			  const struct message_placement *placement, struct pool_placement *ret,
			  struct message *reply)
{
	unsigned zone = 0;

	if (placement->node < SERVICE_NODES_MAX)
		zone = pool->nearest_zones[placement->node];
	if (placement->bind && backing_node(pool->zones[zone].backing) != placement->node) {
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "pool '%s' has no node %u",
			       pool->config->name, placement->node);
		return false;
	}
	ret->preferred = zone;
	ret->allowed = placement->bind ? UINT64_C(1) << zone : UINT64_MAX;
	return true;
}

static struct word_owner handler_owner(const struct call *call, uint64_t id)
{
	return (struct word_owner){
		.slot = (uint16_t)call->client->slot,
		.tag = (uint16_t)(id % WORD_NR_TAGS),
	};
}

enum dispatch_result handler_alloc(struct call *call, const struct message *request,
				   struct message *reply)
{
	static struct page_run runs[MESSAGE_BATCH_BLOCKS_MAX];
	unsigned order = request->u.alloc.order;
	uint32_t count = request->u.alloc.count;
	struct pool_placement placement;
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
	if (!handler_place(call, pool, &request->u.alloc.placement, &placement, reply))
		return DISPATCH_REPLY;

	if (!pool_alloc_bulk(&pool->core, placement, order, count, handler_owner(call, request->id),
			     runs, &nr_runs))
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "pool '%s' has no free block of order %u", pool->config->name,
				      order);

	const struct grant_pages pages = {
		.pool = pool, .order = order, .runs = runs, .nr_runs = nr_runs
	};
	return grant_tell(call, request->id, &pages, reply);
}

enum dispatch_result handler_alloc_exact(struct call *call, const struct message *request,
					 struct message *reply)
{
	uint32_t nr_pages = request->u.alloc_exact.nr_pages;
	struct pool_placement placement;
	struct page_run run = { .mask = 1 };

	struct pools_pool *pool =
		handler_find_writable_pool(call, request->u.alloc_exact.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	if (nr_pages == 0 || nr_pages > UINT32_C(1) << pool->max_order)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "this pool gives 1 to %u adjacent pages, not %u",
				      1u << pool->max_order, nr_pages);
	if (!handler_place(call, pool, &request->u.alloc_exact.placement, &placement, reply))
		return DISPATCH_REPLY;

	if (pool_alloc_exact(&pool->core, placement, nr_pages, handler_owner(call, request->id),
			     &run.base))
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "pool '%s' has no %u adjacent free pages", pool->config->name,
				      nr_pages);

	const struct grant_pages pages = {
		.pool = pool, .nr_pages = nr_pages, .runs = &run, .nr_runs = 1
	};
	return grant_tell(call, request->id, &pages, reply);
}
