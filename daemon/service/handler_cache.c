/* SPDX-License-Identifier: MIT */
/*
 * Requests about caches: make one, unmake it, give its empty slabs back, and which there are behind
 * a general purpose allocator.
 *
 * A cache is its pool's: who may write the pool may make and unmake caches, and a cache stays when
 * its maker goes. A handle names it on every connection, and means nothing any more once the cache
 * is gone, whoever has its place by then.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/pool_object.h"
#include "proto/message.h"
#include "service/handlers.h"
#include "service/pools.h"

_Static_assert((int)CACHE_CTOR == MESSAGE_CACHE_CTOR && (int)CACHE_DEBUG == MESSAGE_CACHE_DEBUG &&
		       (int)CACHE_MERGE == MESSAGE_CACHE_MERGE,
	       "the protocol has the core's flags");
_Static_assert(CACHE_NAME_BYTES_MAX == MESSAGE_NAME_BYTES_MAX, "names are as long as any");
_Static_assert(CACHE_NR_GENERAL <= MESSAGE_CACHES_MAX, "all general caches fit one reply");

#define HANDLER_CACHE_FLAGS (CACHE_CTOR | CACHE_DEBUG | CACHE_MERGE)

uint32_t handler_find_cache(struct call *call, const struct pools_pool *pool, uint32_t handle,
			    struct message *reply)
{
	uint32_t number = cache_number(&pool->caches, handle);

	if (number == CACHES_MAX)
		handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND,
			       "pool '%s' has no such cache: it was destroyed", pool->config->name);
	return number;
}

static struct message_cache_info handler_cache_info(const struct pools_pool *pool, uint32_t number)
{
	const struct cache_table *table = &pool->caches;
	const struct cache_layout *layout = &table->layouts[cache_target(table, number)];

	return (struct message_cache_info){
		.cache = cache_handle(table, number),
		.object_bytes = layout->object_bytes,
		.stride_bytes = layout->stride_bytes,
		.slab_order = layout->order,
		.flags = table->records[number].flags,
	};
}

/* False when there can be no such cache in this pool: then *reply is the refusal. */
static bool handler_check_config(struct call *call, const struct pools_pool *pool,
				 const struct cache_config *config, struct message *reply)
{
	struct cache_layout layout;

	if (!config->name[0])
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "a cache needs a name");
	else if (strncmp(config->name, CACHE_GENERAL_PREFIX, strlen(CACHE_GENERAL_PREFIX)) == 0)
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
			       "names that begin with '%s' are the pool's own",
			       CACHE_GENERAL_PREFIX);
	else if (config->flags & ~(unsigned)HANDLER_CACHE_FLAGS)
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "it has unknown flags, 0x%x",
			       config->flags & ~(unsigned)HANDLER_CACHE_FLAGS);
	else if (cache_lay_out(config, &layout))
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
			       "objects have 1 to %u bytes and start at multiples of a power of "
			       "two from %u to %u, not %u bytes at multiples of %u",
			       CACHE_OBJECT_BYTES_MAX, CACHE_ALIGN_MIN, CACHE_ALIGN_MAX,
			       config->object_bytes, config->align);
	else if (layout.order > pool->max_order)
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
			       "objects of %u bytes come from blocks of order %u, above this "
			       "pool's largest, %u",
			       config->object_bytes, layout.order, pool->max_order);
	else
		return true;
	return false;
}

static enum dispatch_result handler_refuse_create(struct call *call, const struct pools_pool *pool,
						  const char *name, int error,
						  struct message *reply)
{
	static const char *const mobilities[] = { "unmovable", "movable", "reclaimable" };
	const struct cache_record *there;

	if (error == CACHE_E_FULL)
		return handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
				      "pool '%s' has as many caches as it can have, %u",
				      pool->config->name, CACHES_MAX);
	if (error != CACHE_E_EXISTS)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID, "there can't be one");
	there = &pool->caches.records[cache_table_find(&pool->caches, name)];
	return handler_refuse(call, reply, MESSAGE_STATUS_EXISTS,
			      "cache '%s' was made otherwise: of %u bytes at multiples of %u, %s, "
			      "with%s constructor%s",
			      name, there->object_bytes, there->align, mobilities[there->mobility],
			      there->flags & CACHE_CTOR ? "" : "out",
			      there->flags & CACHE_DEBUG ? ", with red zones" : "");
}

enum dispatch_result handler_create_cache(struct call *call, const struct message *request,
					  struct message *reply)
{
	struct cache_config config = {
		.name = request->u.create_cache.name,
		.object_bytes = request->u.create_cache.object_bytes,
		.align = request->u.create_cache.align,
		.flags = request->u.create_cache.flags,
		.mobility = (enum mobility)request->u.create_cache.mobility,
	};
	uint32_t number = CACHES_MAX;

	struct pools_pool *pool =
		handler_find_writable_pool(call, request->u.create_cache.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	if (pool->config->debug_objects)
		config.flags |= CACHE_DEBUG;
	if (!handler_check_config(call, pool, &config, reply))
		return DISPATCH_REPLY;

	int error = pool_create_cache(&pool->core, &config, &number);
	if (error)
		return handler_refuse_create(call, pool, config.name, error, reply);
	reply->type = MESSAGE_CACHE_OPENED;
	reply->u.cache_opened = handler_cache_info(pool, number);
	return DISPATCH_REPLY;
}

enum dispatch_result handler_destroy_cache(struct call *call, const struct message *request,
					   struct message *reply)
{
	struct zone_cache_stat stat;

	struct pools_pool *pool =
		handler_find_writable_pool(call, request->u.destroy_cache.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	uint32_t number = handler_find_cache(call, pool, request->u.destroy_cache.cache, reply);
	if (number == CACHES_MAX)
		return DISPATCH_REPLY;

	const char *name = pool->caches.records[number].name;
	if (number < CACHE_NR_GENERAL)
		return handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
				      "cache '%s' is the pool's own", name);
	for (unsigned i = 0; i < pool->nr_zones; i++)
		if (pool->zones[i].damage[0])
			return handler_refuse(call, reply, MESSAGE_STATUS_BUSY,
					      "%s is set aside: it may hold objects of cache '%s'",
					      pool->zones[i].name, name);
	if (pool_destroy_cache(&pool->core, number) == 0)
		return DISPATCH_REPLY;
	pool_stat_cache(&pool->core, number, &stat);
	return handler_refuse(call, reply, MESSAGE_STATUS_BUSY,
			      "%" PRIu64 " objects of cache '%s' are held", stat.objects_active,
			      name);
}

enum dispatch_result handler_shrink_cache(struct call *call, const struct message *request,
					  struct message *reply)
{
	struct pools_pool *pool =
		handler_find_writable_pool(call, request->u.shrink_cache.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;
	uint32_t number = handler_find_cache(call, pool, request->u.shrink_cache.cache, reply);
	if (number == CACHES_MAX)
		return DISPATCH_REPLY;

	reply->type = MESSAGE_CACHE_SHRUNK;
	reply->u.cache_shrunk.pages = pool_shrink_cache(&pool->core, number);
	return DISPATCH_REPLY;
}

enum dispatch_result handler_general_caches(struct call *call, const struct message *request,
					    struct message *reply)
{
	static struct message_cache_info infos[CACHE_NR_GENERAL]; /* until it is encoded */
	const struct pools_pool *pool =
		handler_find_pool(call, request->u.general_caches.pool, reply);
	if (!pool)
		return DISPATCH_REPLY;

	for (uint32_t i = 0; i < CACHE_NR_GENERAL; i++)
		infos[i] = handler_cache_info(pool, i);
	reply->type = MESSAGE_CACHE_TABLE;
	reply->u.cache_table.caches = infos;
	reply->u.cache_table.nr_caches = CACHE_NR_GENERAL;
	return DISPATCH_REPLY;
}
