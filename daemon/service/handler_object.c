/* SPDX-License-Identifier: MIT */
/*
 * Requests that allocate and free objects.
 *
 * They go the way of those for pages: the core chooses the objects, grant.c makes them ready and
 * tells them, and each object of a free is held against its own word, all or none. So what one
 * process was granted no other can free, and nothing that clients write into a slab tells the
 * daemon anything.
 *
 * What is freed into a debug cache is looked at and poisoned first, by a thread (object_check.c).
 *
 * The words of objects lie in a part of the ledger that is backed as it is needed, before it is
 * needed: a request that finds little of it left has more backed first, of one zone a round of the
 * loop.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "core/pool_object.h"
#include "core/zone.h"
#include "proto/message.h"
#include "service/client.h"
#include "service/grant.h"
#include "service/handlers.h"
#include "service/object_check.h"
#include "service/pools.h"
#include "service/pressure.h"

#define HANDLER_WANTED_BYTES (MESSAGE_NAME_BYTES_MAX + 64u)

_Static_assert(MESSAGE_CACHE_ANY == ZONE_CACHE_ANY, "the protocol says it as the core does");

/* The zone has pages for another slab, and nowhere to say whose its objects are. */
static bool handler_lacks_words(const struct zone *zone, const struct cache_layout *layout,
				const struct pool_demand *demand)
{
	return zone && demand->level == POOL_DEMAND_ORDER &&
	       zone_slab_room(zone) * SLAB_UNIT_WORDS < layout->nr_words;
}

/* Not even one was granted. */
static enum dispatch_result handler_refuse_objects(struct call *call, const struct pools_pool *pool,
						   const struct pool_request *ask, uint32_t number,
						   const struct pool_demand *demand,
						   struct message *reply)
{
	const struct cache_table *table = &pool->caches;
	char wanted[HANDLER_WANTED_BYTES];

	if (handler_lacks_words(pool->core.zones[demand->zone],
				&table->layouts[cache_target(table, number)], demand))
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "the ledger of pool '%s' has no room for more objects",
				      pool->config->name);
	snprintf(wanted, sizeof(wanted), "free block of order %u for more of cache '%s'",
		 demand->order, table->records[number].name);
	return handler_refuse_alloc(call, pool, ask, demand, UINT32_C(1) << demand->order, wanted,
				    reply);
}

enum dispatch_result handler_alloc_objects(struct call *call, const struct message *request,
					   struct message *reply)
{
	static struct object_run runs[MESSAGE_BATCH_BLOCKS_MAX];
	uint32_t count = request->u.alloc_objects.count;
	struct pool_request ask;
	struct pool_demand demand;
	size_t nr_runs = 0;

	struct pools_pool *pool =
		handler_find_writable_pool(call, request->u.alloc_objects.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	uint32_t number = handler_find_cache(call, pool, request->u.alloc_objects.cache, reply);
	if (number == CACHES_MAX)
		return DISPATCH_REPLY;
	if (count == 0)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "it asks for no object");
	if (count > MESSAGE_BATCH_BLOCKS_MAX)
		return handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
				      "a request is for up to %u objects, not %u",
				      MESSAGE_BATCH_BLOCKS_MAX, count);
	if (!handler_place(call, pool, request->id, &request->u.alloc_objects.placement, &ask,
			   reply))
		return DISPATCH_REPLY;
	if (!pools_make_slab_room(pool, ask.allowed))
		return DISPATCH_MORE;

	const struct cache_layout *layout =
		&pool->caches.layouts[cache_target(&pool->caches, number)];
	if (layout->flags & CACHE_DEBUG && call->client->nr_grants >= OBJECT_CHECK_GRANTS_MAX)
		return DISPATCH_AGAIN;
	ask.owner.mobility = layout->mobility;
	size_t nr_objects =
		pool_alloc_objects(&pool->core, &ask, number, count, runs, &nr_runs, &demand);
	pressure_note(pool, &demand);
	if (!nr_objects)
		return handler_refuse_objects(call, pool, &ask, number, &demand, reply);

	const struct granted granted = {
		.pool = pool, .layout = layout, .objects = runs, .nr_runs = nr_runs
	};
	return grant_tell(call, request->id, &granted, reply);
}

/* The name of the cache that the object at an offset is of. */
static const char *handler_cache_at(const struct pools_pool *pool, uint64_t offset)
{
	const struct zone *zone = pool->core.zones[page_address_zone(offset >> PAGE_SHIFT)];
	const struct cache_table *table = &pool->caches;
	struct zone_slab slab = { 0 };
	uint32_t i;

	if (!zone_find_object(zone, offset, &slab, &i))
		return "";
	return table->records[cache_table_name(table, slab.cache)].name;
}

/* The one place where the core's refusals become the protocol's; offset is the object's. */
static enum dispatch_result handler_refuse_free_objects(struct call *call,
							const struct pools_pool *pool,
							uint32_t number, int error, uint64_t offset,
							struct message *reply)
{
	switch (error) {
	case ZONE_E_RANGE:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "offset 0x%" PRIx64 " is not in the pool", offset);
	case ZONE_E_NOT_OBJECT:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "no object starts at offset 0x%" PRIx64, offset);
	case ZONE_E_CACHE:
		return handler_refuse(
			call, reply, MESSAGE_STATUS_INVALID,
			"the object at offset 0x%" PRIx64 " is of cache '%s', not '%s'", offset,
			handler_cache_at(pool, offset), pool->caches.records[number].name);
	case ZONE_E_NOT_HEAD:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "the object at offset 0x%" PRIx64 " is free already", offset);
	case ZONE_E_NOT_HELD:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "the object at offset 0x%" PRIx64 " is not this client's",
				      offset);
	case ZONE_E_TWICE:
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "it names the object at offset 0x%" PRIx64 " twice", offset);
	}
	return handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "it can't be freed");
}

/* Returns how many objects they name. */
static size_t handler_copy_objects(const struct message *request, struct object_run *ret)
{
	const struct message_run *runs = request->u.free_objects.runs;
	const uint64_t *raw = request->u.free_objects.raw;
	size_t nr_objects = 0;

	for (size_t i = 0; i < request->u.free_objects.nr_runs; i++) {
		ret[i] = (struct object_run){
			.base = runs[i].base,
			.mask = runs[i].mask,
			.raw = request->u.free_objects.nr_raw ? raw[i] : 0,
		};
		nr_objects += (size_t)__builtin_popcountll(runs[i].mask);
	}
	return nr_objects;
}

/* What to free, as the core has it: false when it makes no sense, and *reply is the refusal. */
static bool handler_take_free(struct call *call, const struct message *request,
			      struct object_run *ret, struct message *reply)
{
	size_t nr_runs = request->u.free_objects.nr_runs, nr_raw = request->u.free_objects.nr_raw;
	size_t nr_objects = SIZE_MAX;

	if (nr_raw && nr_raw != nr_runs) {
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
			       "it has %zu masks of raw objects for %zu runs", nr_raw, nr_runs);
		return false;
	}
	if (nr_runs <= MESSAGE_BATCH_BLOCKS_MAX)
		nr_objects = handler_copy_objects(request, ret);
	if (nr_objects > MESSAGE_BATCH_BLOCKS_MAX)
		handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
			       "a request frees up to %u objects", MESSAGE_BATCH_BLOCKS_MAX);
	else if (nr_objects == 0)
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "it names no object");
	return nr_objects > 0 && nr_objects <= MESSAGE_BATCH_BLOCKS_MAX;
}

enum dispatch_result handler_free_objects(struct call *call, const struct message *request,
					  struct message *reply)
{
	static struct object_run runs[MESSAGE_BATCH_BLOCKS_MAX];
	size_t nr_runs = request->u.free_objects.nr_runs;
	uint32_t number = ZONE_CACHE_ANY;
	uint64_t offset = 0;

	struct pools_pool *pool =
		handler_find_writable_pool(call, request->u.free_objects.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	if (call->client->nr_grants)
		return DISPATCH_AGAIN;
	if (request->u.free_objects.cache != MESSAGE_CACHE_ANY)
		number = handler_find_cache(call, pool, request->u.free_objects.cache, reply);
	if (number == CACHES_MAX || !handler_take_free(call, request, runs, reply))
		return DISPATCH_REPLY;

	int error = object_check_free(call, request->id, pool, number, runs, nr_runs);
	if (error == -EINPROGRESS)
		return DISPATCH_LATER;
	if (error < 0)
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "the daemon has no memory to look at the objects");
	const struct zone_leaver leaver = client_leaver(call->client);
	error = pool_free_objects(&pool->core, number, &leaver, runs, nr_runs, &offset);
	return error ? handler_refuse_free_objects(call, pool, number, error, offset, reply)
		     : DISPATCH_REPLY;
}
