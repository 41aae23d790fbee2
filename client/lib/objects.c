/* SPDX-License-Identifier: MIT */
/*
 * The two requests about objects, behind named and general caches alike.
 *
 * What is freed here has been constructed, if it is the way of its cache, as nothing that is raw
 * ever reaches a caller: so no free says which objects are raw, but that of a grant which came too
 * late for anybody (lib/late.c).
 */

#include "lib/objects.h"

#include <errno.h>
#include <string.h>

#include "lib/client.h"
#include "lib/connection.h"
#include "lib/placement.h"
#include "lib/pool.h"
#include "pagepool.h"

/* A batch on its way: where its objects go to. */
struct batch {
	const struct pp_pool *pool;
	const struct ppc_cache_info *cache;
	void **objects;
	size_t count;
	uint64_t *raw;
	ssize_t nr_granted;
};

static int accept_granted(const struct ppc_reply *reply, void *data)
{
	size_t nr_runs = reply->message->u.granted_objects.nr_runs;
	size_t nr_raw = reply->message->u.granted_objects.nr_raw;
	struct batch *batch = data;

	if (nr_raw != 0 && nr_raw != nr_runs)
		return -EPROTO;
	batch->nr_granted = ppc_object_runs_to_addresses(
		&batch->pool->mapping, batch->cache, reply->message->u.granted_objects.runs,
		nr_runs, nr_raw ? reply->message->u.granted_objects.raw : NULL, batch->objects,
		batch->count, batch->raw);
	return batch->nr_granted < 0 ? -EPROTO : 0;
}

ssize_t ppc_objects_alloc(struct pp_pool *pool, const struct ppc_cache_info *cache, unsigned flags,
			  void **objects, size_t count, uint64_t *raw)
{
	struct batch batch = {
		.pool = pool, .cache = cache, .objects = objects, .count = count, .raw = raw
	};
	struct ppc_call call = { .request.type = MESSAGE_ALLOC_OBJECTS,
				 .reply_type = MESSAGE_GRANTED_OBJECTS,
				 .accept = accept_granted,
				 .data = &batch };
	int error;

	if (raw)
		memset(raw, 0, (count + PPC_RAW_WORD_BITS - 1) / PPC_RAW_WORD_BITS * sizeof(*raw));
	call.request.u.alloc_objects.pool = pool->number;
	call.request.u.alloc_objects.cache = cache->number;
	call.request.u.alloc_objects.count = (uint32_t)count;
	error = ppc_placement_init(&call.request.u.alloc_objects.placement, pool, flags);
	if (!error)
		error = ppc_connection_call(pool->client->connection, &call);
	if (error)
		return error;
	if (flags & PP_ZERO) {
		for (ssize_t i = 0; i < batch.nr_granted; i++)
			memset(objects[i], 0, cache->object_bytes);
	}
	return batch.nr_granted;
}

int ppc_objects_free(struct pp_pool *pool, const struct ppc_cache_info *cache, void *const *objects,
		     size_t count, struct message_run *runs)
{
	struct ppc_call call = { .request.type = MESSAGE_FREE_OBJECTS, .reply_type = MESSAGE_NONE };
	ssize_t nr_runs =
		ppc_object_runs_from_addresses(&pool->mapping, cache, objects, count, runs);

	if (nr_runs < 0)
		return (int)nr_runs;
	call.request.u.free_objects.pool = pool->number;
	call.request.u.free_objects.cache = cache->number;
	call.request.u.free_objects.runs = runs;
	call.request.u.free_objects.nr_runs = (size_t)nr_runs;
	return ppc_connection_call(pool->client->connection, &call);
}
