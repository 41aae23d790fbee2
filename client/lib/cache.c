/* SPDX-License-Identifier: MIT */
/*
 * Caches by name, and objects out of them, many at once or one, which is a batch of one.
 *
 * A cache is the pool's and known by its name; a handle is how this process came to it: its number,
 * its layout, and the constructor, which the daemon never sees. So two handles for one cache know
 * nothing of each other, and each runs the constructor that it was made with.
 *
 * The daemon says of each object that it grants whether it is raw, that is to be constructed. Those
 * are constructed by the thread that asked, before it gets any of them, with no lock held: so a
 * constructor may take its time, and may call the library. Should the process die amid that, the
 * objects are held by it, and whoever gets what a dead client held gets it raw.
 */

#include "lib/cache.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/batches.h"
#include "lib/client.h"
#include "lib/connection.h"
#include "lib/objects.h"
#include "lib/pool.h"
#include "lib/struct_size.h"
#include "pagepool.h"
#include "proto/text.h"

#define GENERAL_PREFIX "malloc-" /* names of the caches behind pp_malloc() */
#define OBJECT_BYTES_MAX ((size_t)2 << 20)
#define ALIGN_MIN 8u
#define ALIGN_MAX 4096u
#define MOBILITY_FLAGS (PP_MOVABLE | PP_RECLAIMABLE)
#define CONFIG_FLAGS (PP_CACHE_DEBUG | PP_CACHE_MERGE | MOBILITY_FLAGS)

struct pp_cache {
	struct pp_pool *pool;  /* borrowed: it outlives its caches */
	struct pp_cache *next; /* of the pool's */
	struct ppc_cache_info info;
	void (*ctor)(void *object); /* may be NULL */
};

/* Handles. */

static void link_cache(struct pp_cache *cache)
{
	struct pp_pool *pool = cache->pool;

	pthread_mutex_lock(&pool->client->pools_lock);
	cache->next = pool->caches;
	pool->caches = cache;
	pthread_mutex_unlock(&pool->client->pools_lock);
}

static void unlink_cache(const struct pp_cache *cache)
{
	struct pp_client *client = cache->pool->client;
	struct pp_cache **link = &cache->pool->caches;
	bool is_ours = ppc_client_is_ours(client);

	/* In a forked child there is one thread, and a lock that another held would never open. */
	if (is_ours)
		pthread_mutex_lock(&client->pools_lock);
	while (*link != cache)
		link = &(*link)->next;
	*link = cache->next;
	if (is_ours)
		pthread_mutex_unlock(&client->pools_lock);
}

void ppc_caches_free(struct pp_cache *caches)
{
	while (caches) {
		struct pp_cache *next = caches->next;

		free(caches);
		caches = next;
	}
}

struct pp_cache *pp_cache_close(struct pp_cache *cache)
{
	if (!cache)
		return NULL;
	unlink_cache(cache);
	free(cache);
	return NULL;
}

/* Making and unmaking. */

static bool config_is_sound(const struct pp_cache_config *config)
{
	size_t align = config->align;

	if (!config->name || *config->name == '\0' ||
	    !text_is_printable(config->name, MESSAGE_NAME_BYTES_MAX) ||
	    strncmp(config->name, GENERAL_PREFIX, strlen(GENERAL_PREFIX)) == 0)
		return false;
	if (config->object_size == 0 || config->object_size > OBJECT_BYTES_MAX)
		return false;
	if (align > ALIGN_MAX || (align & (align - 1)) != 0)
		return false;
	return !(config->flags & ~CONFIG_FLAGS) &&
	       (config->flags & MOBILITY_FLAGS) != MOBILITY_FLAGS;
}

static int config_copy(struct pp_cache_config *config, const struct pp_cache_config *from)
{
	int error;

	*config = (struct pp_cache_config){ 0 };
	if (!from)
		return -EINVAL;
	error = ppc_struct_take(config, sizeof(*config), from);
	if (!error && !config_is_sound(config))
		error = -EINVAL;
	if (config->align < ALIGN_MIN) /* the daemon knows no less */
		config->align = ALIGN_MIN;
	return error;
}

struct opening {
	struct ppc_cache_info info;
	size_t object_size; /* that was asked for */
};

static int accept_opened(const struct ppc_reply *reply, void *data)
{
	struct opening *opening = data;

	if (!ppc_cache_info_init(&opening->info, &reply->message->u.cache_opened) ||
	    opening->info.object_bytes < opening->object_size)
		return -EPROTO;
	return 0;
}

static int call_create(struct pp_pool *pool, const struct pp_cache_config *config,
		       struct ppc_cache_info *ret)
{
	struct opening opening = { .object_size = config->object_size };
	struct ppc_call call = { .request.type = MESSAGE_CREATE_CACHE,
				 .reply_type = MESSAGE_CACHE_OPENED,
				 .accept = accept_opened,
				 .data = &opening };
	int error;

	call.request.u.create_cache.pool = pool->number;
	call.request.u.create_cache.name = config->name;
	call.request.u.create_cache.object_bytes = (uint32_t)config->object_size;
	call.request.u.create_cache.align = (uint32_t)config->align;
	call.request.u.create_cache.flags =
		(config->ctor ? MESSAGE_CACHE_CTOR : 0u) |
		(config->flags & PP_CACHE_DEBUG ? MESSAGE_CACHE_DEBUG : 0u) |
		(config->flags & PP_CACHE_MERGE ? MESSAGE_CACHE_MERGE : 0u);
	call.request.u.create_cache.mobility = config->flags & PP_MOVABLE ? MESSAGE_MOVABLE
					       : config->flags & PP_RECLAIMABLE
						       ? MESSAGE_RECLAIMABLE
						       : MESSAGE_UNMOVABLE;
	error = ppc_connection_call(pool->client->connection, &call);
	if (!error)
		*ret = opening.info;
	return error;
}

int pp_cache_create(struct pp_pool *pool, const struct pp_cache_config *config,
		    struct pp_cache **ret)
{
	int error = ppc_pool_check_writable(pool);
	struct pp_cache_config checked;
	struct pp_cache *cache;

	if (error)
		return error;
	if (!ret)
		return -EINVAL;
	error = config_copy(&checked, config);
	if (error)
		return error;
	cache = calloc(1, sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	cache->pool = pool;
	cache->ctor = checked.ctor;
	error = call_create(pool, &checked, &cache->info);
	if (error) {
		free(cache);
		return error;
	}
	link_cache(cache);
	*ret = cache;
	return 0;
}

static int check_cache(const struct pp_cache *cache)
{
	return cache ? ppc_pool_check_writable(cache->pool) : -EINVAL;
}

int pp_cache_destroy(struct pp_cache *cache)
{
	struct ppc_call call = { .request.type = MESSAGE_DESTROY_CACHE,
				 .reply_type = MESSAGE_NONE };
	int error = check_cache(cache);

	if (error)
		return error;
	call.request.u.destroy_cache.pool = cache->pool->number;
	call.request.u.destroy_cache.cache = cache->info.number;
	error = ppc_connection_call(cache->pool->client->connection, &call);
	if (!error)
		pp_cache_close(cache);
	return error;
}

int pp_cache_shrink(struct pp_cache *cache)
{
	struct ppc_call call = { .request.type = MESSAGE_SHRINK_CACHE,
				 .reply_type = MESSAGE_CACHE_SHRUNK };
	int error = check_cache(cache);

	if (error)
		return error;
	call.request.u.shrink_cache.pool = cache->pool->number;
	call.request.u.shrink_cache.cache = cache->info.number;
	return ppc_connection_call(cache->pool->client->connection, &call);
}

/* Objects. */

#define RAW_WORDS (MESSAGE_BATCH_BLOCKS_MAX / PPC_RAW_WORD_BITS)

struct request {
	const struct pp_cache *cache;
	unsigned flags;
};

static void construct(const struct pp_cache *cache, void *const *objects, size_t count,
		      const uint64_t *raw)
{
	for (size_t i = 0; i < count; i += PPC_RAW_WORD_BITS)
		for (uint64_t word = raw[i / PPC_RAW_WORD_BITS]; word; word &= word - 1)
			cache->ctor(objects[i + (size_t)__builtin_ctzll(word)]);
}

static ssize_t alloc_batch(void *data, void **objects, size_t count)
{
	const struct request *request = data;
	const struct pp_cache *cache = request->cache;
	uint64_t raw[RAW_WORDS];
	ssize_t nr_granted = ppc_objects_alloc(cache->pool, &cache->info, request->flags, objects,
					       count, cache->ctor ? raw : NULL);

	if (nr_granted > 0 && cache->ctor)
		construct(cache, objects, (size_t)nr_granted, raw);
	return nr_granted;
}

ssize_t pp_cache_alloc_bulk(struct pp_cache *cache, unsigned flags, void **objects, size_t count)
{
	struct request request = { .cache = cache, .flags = flags };
	int error = check_cache(cache);

	if (error)
		return error;
	if (!objects || count == 0 || count > SSIZE_MAX || (flags & MOBILITY_FLAGS) ||
	    ((flags & PP_ZERO) && cache->ctor))
		return -EINVAL;
	return ppc_batches_alloc(cache->pool->client->batch_blocks, objects, count, alloc_batch,
				 &request);
}

void *pp_cache_alloc(struct pp_cache *cache, unsigned flags)
{
	void *object;
	ssize_t nr_granted = pp_cache_alloc_bulk(cache, flags, &object, 1);

	if (nr_granted < 0) {
		errno = (int)-nr_granted;
		return NULL;
	}
	return object;
}

static int free_batch(void *data, void *const *objects, size_t count)
{
	struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX];
	const struct pp_cache *cache = data;

	return ppc_objects_free(cache->pool, &cache->info, objects, count, runs);
}

int pp_cache_free_bulk(struct pp_cache *cache, void *const *objects, size_t count)
{
	int error = check_cache(cache);

	if (error)
		return error;
	if (!objects)
		return -EINVAL;
	return ppc_batches_free(cache->pool->client->batch_blocks, objects, count, free_batch,
				cache);
}

int pp_cache_free(struct pp_cache *cache, void *object)
{
	struct message_run run;
	int error = check_cache(cache);

	return error ? error : ppc_objects_free(cache->pool, &cache->info, &object, 1, &run);
}
