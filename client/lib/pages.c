/* SPDX-License-Identifier: MIT */
/*
 * Blocks of one order, one or many: every call is a batch, and one page is a batch of one. A longer
 * list is cut into batches of what the daemon takes at once.
 *
 * What can be seen to be wrong from here (alignment, not in the pool) costs no round trip; the
 * daemon checks all of it again, since it can't know what we checked. The pool's largest order is
 * its to know: it changes with the pool's size.
 */

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/client.h"
#include "lib/connection.h"
#include "lib/placement.h"
#include "lib/pool.h"
#include "lib/runs.h"
#include "pagepool.h"

/* A batch on its way: where its blocks go to. */
struct batch {
	const struct pp_pool *pool;
	unsigned order;
	void **addrs;
	size_t count;
	ssize_t nr_granted;
};

static int accept_granted(const struct ppc_reply *reply, void *data)
{
	struct batch *batch = data;

	batch->nr_granted = ppc_runs_to_addresses(
		&batch->pool->mapping, batch->order, reply->message->u.granted.runs,
		reply->message->u.granted.nr_runs, batch->addrs, batch->count);
	return batch->nr_granted < 0 ? -EPROTO : 0;
}

static ssize_t alloc_batch(struct pp_pool *pool, unsigned order, unsigned flags, void **addrs,
			   size_t count)
{
	struct batch batch = { .pool = pool, .order = order, .addrs = addrs, .count = count };
	struct ppc_call call = { .reply_type = MESSAGE_GRANTED,
				 .accept = accept_granted,
				 .data = &batch };
	int error;

	call.request.type = MESSAGE_ALLOC;
	call.request.u.alloc.pool = pool->number;
	call.request.u.alloc.order = order;
	call.request.u.alloc.count = (uint32_t)count;
	error = ppc_placement_init(&call.request.u.alloc.placement, pool, flags);
	if (!error)
		error = ppc_connection_call(pool->client->connection, &call);
	if (error)
		return error;
	if (flags & PP_ZERO) {
		for (ssize_t i = 0; i < batch.nr_granted; i++)
			memset(addrs[i], 0, (size_t)PP_PAGE_SIZE << order);
	}
	return batch.nr_granted;
}

ssize_t pp_alloc_bulk(struct pp_pool *pool, unsigned order, unsigned flags, void **addrs,
		      size_t count)
{
	ssize_t nr_granted = ppc_pool_check_writable(pool);
	size_t done = 0;

	if (nr_granted < 0)
		return nr_granted;
	if (!addrs || count == 0 || count > SSIZE_MAX || order > PP_ORDER_MAX)
		return -EINVAL;
	while (done < count) {
		size_t left = count - done;
		size_t batch_blocks = pool->client->batch_blocks;

		if (batch_blocks > left)
			batch_blocks = left;
		nr_granted = alloc_batch(pool, order, flags, addrs + done, batch_blocks);
		if (nr_granted > 0)
			done += (size_t)nr_granted;
		if (nr_granted < (ssize_t)batch_blocks)
			break;
	}
	return done > 0 ? (ssize_t)done : nr_granted;
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

static int call_free(struct pp_pool *pool, unsigned order, const struct message_run *runs,
		     size_t nr_runs)
{
	struct ppc_call call = { .request.type = MESSAGE_FREE, .reply_type = MESSAGE_NONE };

	call.request.u.free.pool = pool->number;
	call.request.u.free.order = order;
	call.request.u.free.runs = runs;
	call.request.u.free.nr_runs = nr_runs;
	return ppc_connection_call(pool->client->connection, &call);
}

/* At most MESSAGE_BATCH_BLOCKS_MAX blocks. */
static int free_batch(struct pp_pool *pool, unsigned order, void *const *addrs, size_t count)
{
	struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX];
	ssize_t nr_runs = ppc_runs_from_addresses(&pool->mapping, order, addrs, count, runs);

	return nr_runs < 0 ? (int)nr_runs : call_free(pool, order, runs, (size_t)nr_runs);
}

int pp_free_bulk(struct pp_pool *pool, unsigned order, void *const *addrs, size_t count)
{
	int error, first_error = ppc_pool_check_writable(pool);

	if (first_error)
		return first_error;
	if (!addrs || order > PP_ORDER_MAX)
		return -EINVAL;
	for (size_t done = 0; done < count;) {
		size_t left = count - done;
		size_t batch_blocks = pool->client->batch_blocks;

		if (batch_blocks > left)
			batch_blocks = left;
		error = free_batch(pool, order, addrs + done, batch_blocks);
		if (error && !first_error)
			first_error = error;
		if (error && error != -EINVAL)
			break;
		done += batch_blocks;
	}
	return first_error;
}

int pp_free_pages(struct pp_pool *pool, void *addr, unsigned order)
{
	struct message_run run;
	int error = ppc_pool_check_writable(pool);

	if (error)
		return error;
	if (order > PP_ORDER_MAX ||
	    ppc_runs_from_addresses(&pool->mapping, order, &addr, 1, &run) < 0)
		return -EINVAL;
	return call_free(pool, order, &run, 1);
}
