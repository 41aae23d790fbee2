/* SPDX-License-Identifier: MIT */
/*
 * Requests that allocate pages: blocks of one order, and exact sizes.
 *
 * They check what was asked for, have it translated to zones (handler_place.c), let the core choose
 * the pages, and leave the rest (real memory, others' data, the reply) to grant.c.
 */

#include <stdio.h>

#include "core/pool.h"
#include "proto/message.h"
#include "service/grant.h"
#include "service/handlers.h"
#include "service/pools.h"
#include "service/pressure.h"

#define HANDLER_WANTED_BYTES 64u

enum dispatch_result handler_alloc(struct call *call, const struct message *request,
				   struct message *reply)
{
	static struct page_run runs[MESSAGE_BATCH_BLOCKS_MAX];
	unsigned order = request->u.alloc.order;
	uint32_t count = request->u.alloc.count;
	char wanted[HANDLER_WANTED_BYTES];
	struct pool_request ask;
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
	if (!handler_place(call, pool, request->id, &request->u.alloc.placement, &ask, reply))
		return DISPATCH_REPLY;

	size_t nr_blocks =
		pool_alloc_bulk(&pool->core, &ask, order, count, runs, &nr_runs, &demand);
	pressure_note(pool, &demand);
	if (!nr_blocks) {
		snprintf(wanted, sizeof(wanted), "free block of order %u", order);
		return handler_refuse_alloc(call, pool, &ask, &demand, UINT32_C(1) << order, wanted,
					    reply);
	}

	const struct granted granted = {
		.pool = pool, .order = order, .pages = runs, .nr_runs = nr_runs
	};
	return grant_tell(call, request->id, &granted, reply);
}

enum dispatch_result handler_alloc_exact(struct call *call, const struct message *request,
					 struct message *reply)
{
	uint32_t nr_pages = request->u.alloc_exact.nr_pages;
	char wanted[HANDLER_WANTED_BYTES];
	struct pool_request ask;
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
	if (!handler_place(call, pool, request->id, &request->u.alloc_exact.placement, &ask, reply))
		return DISPATCH_REPLY;

	int error = pool_alloc_exact(&pool->core, &ask, nr_pages, &run.base, &demand);
	pressure_note(pool, &demand);
	if (error) {
		snprintf(wanted, sizeof(wanted), "%u adjacent free pages", nr_pages);
		return handler_refuse_alloc(call, pool, &ask, &demand, nr_pages, wanted, reply);
	}

	const struct granted granted = {
		.pool = pool, .nr_pages = nr_pages, .pages = &run, .nr_runs = 1
	};
	return grant_tell(call, request->id, &granted, reply);
}
