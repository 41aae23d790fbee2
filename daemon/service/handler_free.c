/* SPDX-License-Identifier: MIT */
/*
 * Requests that free: blocks of one order, and exact sizes.
 *
 * The core holds each of them against its ledger, and frees all or none. A client's frees wait
 * until none of its grants is being backed or zeroed by a helper thread: a block that the client
 * guessed could else be somebody else's when the helper gets to it.
 */

#include <stdint.h>

#include "core/pool.h"
#include "core/zone.h"
#include "proto/message.h"
#include "service/handlers.h"
#include "service/state.h"

/* The one place where the core's refusals become the protocol's. */
static enum dispatch_result handler_refuse_free(struct call *call, struct message *reply, int error,
						unsigned order)
{
	switch (error) {
	case ZONE_E_RANGE:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "it names pages that are not in the pool");
	case ZONE_E_ALIGN:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "it names a page where no block of order %u can start",
				      order);
	case ZONE_E_NOT_HEAD:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "no allocated block starts at a page that it names: it is "
				      "free already, or inside a block");
	case ZONE_E_ORDER:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "a block that it names is not of order %u", order);
	case ZONE_E_NOT_HELD:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "a block that it names is not this client's");
	case ZONE_E_TWICE:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "it names a block twice");
	}
	return handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "it can't be freed");
}

static size_t handler_copy_runs(const struct message_run *runs, size_t nr_runs,
				struct page_run *ret)
{
	size_t nr_blocks = 0;

	for (size_t i = 0; i < nr_runs; i++) {
		ret[i] = (struct page_run){ runs[i].base, runs[i].mask };
		nr_blocks += (size_t)__builtin_popcountll(runs[i].mask);
	}
	return nr_blocks;
}

enum dispatch_result handler_free(struct call *call, const struct message *request,
				  struct message *reply)
{
	static struct page_run runs[MESSAGE_BATCH_BLOCKS_MAX];
	unsigned order = request->u.free.order;
	size_t nr_runs = request->u.free.nr_runs;

	struct pools_pool *pool = handler_find_writable_pool(call, request->u.free.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	if (call->client->nr_grants)
		return DISPATCH_AGAIN;
	if (order > PAGE_ORDER_MAX)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "order %u is above the largest, %u", order, PAGE_ORDER_MAX);
	size_t nr_blocks = SIZE_MAX;
	if (nr_runs <= MESSAGE_BATCH_BLOCKS_MAX)
		nr_blocks = handler_copy_runs(request->u.free.runs, nr_runs, runs);
	if (nr_blocks > MESSAGE_BATCH_BLOCKS_MAX)
		return handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
				      "a request frees up to %u blocks", MESSAGE_BATCH_BLOCKS_MAX);
	if (nr_blocks == 0)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "it names no block");

	int error = pool_free_bulk(&pool->core, order, call->client->slot, runs, nr_runs);
	return error ? handler_refuse_free(call, reply, error, order) : DISPATCH_REPLY;
}

enum dispatch_result handler_free_exact(struct call *call, const struct message *request,
					struct message *reply)
{
	uint32_t nr_pages = request->u.free_exact.nr_pages;

	struct pools_pool *pool =
		handler_find_writable_pool(call, request->u.free_exact.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	if (call->client->nr_grants)
		return DISPATCH_AGAIN;
	if (nr_pages == 0 || nr_pages > UINT32_C(1) << PAGE_ORDER_MAX)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "an exact allocation has 1 to %u pages, not %u",
				      1u << PAGE_ORDER_MAX, nr_pages);

	int error = pool_free_exact(&pool->core, request->u.free_exact.page, nr_pages,
				    call->client->slot);
	if (error == ZONE_E_ORDER || error == ZONE_E_ALIGN)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "no exact allocation of %u pages starts there", nr_pages);
	return error ? handler_refuse_free(call, reply, error, 0) : DISPATCH_REPLY;
}
