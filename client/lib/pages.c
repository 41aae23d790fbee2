/* SPDX-License-Identifier: MIT */
/*
 * Blocks of one order, one or many: every call is a batch, and one page is a batch of one. A longer
 * list is cut into batches of what the daemon takes at once (lib/batches.h).
 *
 * What can be seen to be wrong from here (alignment, not in the pool) costs no round trip; the
 * daemon checks all of it again, since it can't know what we checked. The pool's largest order is
 * its to know: it changes with the pool's size.
 */

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/batches.h"
#include "lib/client.h"
#include "lib/connection.h"
#include "lib/general.h"
#include "lib/placement.h"
#include "lib/pool.h"
#include "lib/runs.h"
#include "pagepool.h"

/* What the blocks of a call have in common. */
struct blocks {
	struct pp_pool *pool;
	unsigned order, flags;
};

/* A batch on its way: where its blocks go to. */
struct batch {
	const struct blocks *blocks;
	void **addrs;
	size_t count;
	ssize_t nr_granted;
};

static int accept_granted(const struct ppc_reply *reply, void *data)
{
	struct batch *batch = data;

	batch->nr_granted = ppc_runs_to_addresses(
		&batch->blocks->pool->mapping, batch->blocks->order, reply->message->u.granted.runs,
		reply->message->u.granted.nr_runs, batch->addrs, batch->count);
	return batch->nr_granted < 0 ? -EPROTO : 0;
}

static ssize_t alloc_batch(void *data, void **addrs, size_t count)
{
	const struct blocks *blocks = data;
	struct batch batch = { .blocks = blocks, .addrs = addrs, .count = count };
	struct ppc_call call = { .request.type = MESSAGE_ALLOC,
				 .reply_type = MESSAGE_GRANTED,
				 .accept = accept_granted,
				 .data = &batch };
	int error;

	call.request.u.alloc.pool = blocks->pool->number;
	call.request.u.alloc.order = blocks->order;
	call.request.u.alloc.count = (uint32_t)count;
	error = ppc_placement_init(&call.request.u.alloc.placement, blocks->pool, blocks->flags);
	if (!error)
		error = ppc_connection_call(blocks->pool->client->connection, &call);
	if (error)
		return error;
	ppc_general_disown(blocks->pool, addrs, (size_t)batch.nr_granted);
	if (blocks->flags & PP_ZERO) {
		for (ssize_t i = 0; i < batch.nr_granted; i++)
			memset(addrs[i], 0, (size_t)PP_PAGE_SIZE << blocks->order);
	}
	return batch.nr_granted;
}

ssize_t pp_alloc_bulk(struct pp_pool *pool, unsigned order, unsigned flags, void **addrs,
		      size_t count)
{
	struct blocks blocks = { .pool = pool, .order = order, .flags = flags };
	int error = ppc_pool_check_writable(pool);

	if (error)
		return error;
	if (!addrs || count == 0 || count > SSIZE_MAX || order > PP_ORDER_MAX)
		return -EINVAL;
	return ppc_batches_alloc(pool->client->batch_blocks, addrs, count, alloc_batch, &blocks);
}

void *pp_alloc_pages(struct pp_pool *pool, unsigned order, unsigned flags)
{
	void *addr;
	ssize_t nr_granted = pp_alloc_bulk(pool, order, flags, &addr, 1);

	if (nr_granted < 0) {
		errno = (int)-nr_granted;
		return NULL;
	}
	return addr;
}

static int call_free(const struct blocks *blocks, void *const *addrs, size_t count,
		     struct message_run *runs)
{
	struct ppc_call call = { .request.type = MESSAGE_FREE, .reply_type = MESSAGE_NONE };
	ssize_t nr_runs =
		ppc_runs_from_addresses(&blocks->pool->mapping, blocks->order, addrs, count, runs);

	if (nr_runs < 0)
		return (int)nr_runs;
	call.request.u.free.pool = blocks->pool->number;
	call.request.u.free.order = blocks->order;
	call.request.u.free.runs = runs;
	call.request.u.free.nr_runs = (size_t)nr_runs;
	return ppc_connection_call(blocks->pool->client->connection, &call);
}

static int free_batch(void *data, void *const *addrs, size_t count)
{
	struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX];

	return call_free(data, addrs, count, runs);
}

int pp_free_bulk(struct pp_pool *pool, unsigned order, void *const *addrs, size_t count)
{
	struct blocks blocks = { .pool = pool, .order = order };
	int error = ppc_pool_check_writable(pool);

	if (error)
		return error;
	if (!addrs || order > PP_ORDER_MAX)
		return -EINVAL;
	return ppc_batches_free(pool->client->batch_blocks, addrs, count, free_batch, &blocks);
}

int pp_free_pages(struct pp_pool *pool, void *addr, unsigned order)
{
	struct blocks blocks = { .pool = pool, .order = order };
	struct message_run run;
	int error = ppc_pool_check_writable(pool);

	if (error)
		return error;
	return order > PP_ORDER_MAX ? -EINVAL : call_free(&blocks, &addr, 1, &run);
}
