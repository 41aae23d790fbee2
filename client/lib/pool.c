/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing pools. A client opens a pool once, however often it is asked to: the handles
 * are counted, so libraries in one program share the mapping without knowing of each other. A
 * read-only opening is another one, as its mapping must not be writable.
 */

#include "lib/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cache.h"
#include "lib/client.h"
#include "lib/connection.h"
#include "lib/general.h"
#include "lib/struct_size.h"
#include "pagepool.h"
#include "proto/text.h"

#define POOL_NAME_DEFAULT "default"

/* What the daemon answered, out of its arena; the fds are ours to close. */
struct opened {
	uint32_t number;
	unsigned nr_segments;
	struct message_segment segments[MESSAGE_ZONES_MAX];
	int fds[MESSAGE_ZONES_MAX];
};

static int accept_opened(const struct ppc_reply *reply, void *data)
{
	struct opened *opened = data;
	size_t nr_segments = reply->message->u.pool_opened.nr_segments;

	if (nr_segments == 0 || nr_segments > MESSAGE_ZONES_MAX || nr_segments != reply->nr_fds ||
	    reply->message->u.pool_opened.max_order > PP_ORDER_MAX)
		return -EPROTO;
	opened->number = reply->message->u.pool_opened.pool;
	opened->nr_segments = (unsigned)nr_segments;
	memcpy(opened->segments, reply->message->u.pool_opened.segments,
	       nr_segments * sizeof(opened->segments[0]));
	memcpy(opened->fds, reply->fds, nr_segments * sizeof(opened->fds[0]));
	return 0;
}

static int call_open(struct pp_client *client, const char *name, bool read_only, struct opened *ret)
{
	struct ppc_call call = { .reply_type = MESSAGE_POOL_OPENED,
				 .accept = accept_opened,
				 .data = ret };

	call.request.type = MESSAGE_POOL_OPEN;
	call.request.u.pool_open.name = name;
	call.request.u.pool_open.read_only = read_only;
	return ppc_connection_call(client->connection, &call);
}

/*
 * Not while something granted too late may have to go back to this pool, which takes the right to
 * name it. A pool that stays open holds nothing, and ends with the client.
 */
static void call_close(struct pp_client *client, uint32_t number)
{
	struct ppc_call call = { .request.type = MESSAGE_POOL_CLOSE, .reply_type = MESSAGE_NONE };

	if (ppc_connection_owes_pool(client->connection, number))
		return;
	call.request.u.pool_close.pool = number;
	ppc_connection_call(client->connection, &call);
}

static int map_opened(struct pp_pool *pool, const struct opened *opened)
{
	int error;

	pool->number = opened->number;
	error = ppc_mapping_init(&pool->mapping, opened->segments, opened->fds, opened->nr_segments,
				 pool->is_read_only);
	for (unsigned i = 0; i < opened->nr_segments; i++)
		close(opened->fds[i]);
	return error;
}

static int open_first(struct pp_client *client, const char *name, bool read_only,
		      struct pp_pool **ret)
{
	struct pp_pool *pool = calloc(1, sizeof(*pool));
	struct opened opened;
	int error;

	if (!pool)
		return -ENOMEM;
	pool->client = client;
	pool->is_read_only = read_only;
	memcpy(pool->name, name, strlen(name));
	error = call_open(client, name, read_only, &opened);
	if (!error) {
		error = map_opened(pool, &opened);
		if (error == -EPROTO)
			ppc_connection_abort(client->connection);
		else if (error)
			call_close(client, opened.number);
	}
	if (error) {
		ppc_pool_free(pool);
		return error;
	}
	pool->next = client->pools;
	client->pools = pool;
	*ret = pool;
	return 0;
}

static struct pp_pool *find_open(struct pp_client *client, const char *name, bool read_only)
{
	struct pp_pool *pool = client->pools;

	while (pool && (pool->is_read_only != read_only || strcmp(pool->name, name) != 0))
		pool = pool->next;
	return pool;
}

int pp_pool_open(struct pp_client *client, const char *name, unsigned flags, struct pp_pool **ret)
{
	bool read_only = flags & PP_POOL_READONLY;
	struct pp_pool *pool;
	int error = 0;

	if (!name)
		name = POOL_NAME_DEFAULT;
	if (!client || !ret || (flags & ~PP_POOL_READONLY) || *name == '\0' ||
	    !text_is_printable(name, MESSAGE_NAME_BYTES_MAX))
		return -EINVAL;
	if (!ppc_client_is_ours(client))
		return -EOWNERDEAD;
	pthread_mutex_lock(&client->pools_lock);
	pool = find_open(client, name, read_only);
	if (!pool)
		error = open_first(client, name, read_only, &pool);
	if (!error) {
		pool->nr_opens++;
		*ret = pool;
	}
	pthread_mutex_unlock(&client->pools_lock);
	return error;
}

/* Takes it out of the client's list; one store, so that a fork at any moment leaves a whole list.
 */
static void unlink_pool(struct pp_client *client, const struct pp_pool *pool)
{
	struct pp_pool **link = &client->pools;

	while (*link != pool)
		link = &(*link)->next;
	*link = pool->next;
}

struct pp_pool *ppc_pool_free(struct pp_pool *pool)
{
	ppc_caches_free(pool->caches);
	ppc_general_free(pool->general);
	ppc_mapping_deinit(&pool->mapping);
	free(pool);
	return NULL;
}

struct pp_pool *pp_pool_close(struct pp_pool *pool)
{
	struct pp_client *client;
	bool is_ours;

	if (!pool)
		return NULL;
	client = pool->client;
	is_ours = ppc_client_is_ours(client);
	/* In a forked child there is one thread, and a lock that another held would never open. */
	if (is_ours)
		pthread_mutex_lock(&client->pools_lock);
	if (--pool->nr_opens == 0) {
		unlink_pool(client, pool);
		if (is_ours)
			call_close(client, pool->number);
		ppc_pool_free(pool);
	}
	if (is_ours)
		pthread_mutex_unlock(&client->pools_lock);
	return NULL;
}

int ppc_pool_check_writable(const struct pp_pool *pool)
{
	if (!pool)
		return -EINVAL;
	if (!ppc_client_is_ours(pool->client))
		return -EOWNERDEAD;
	return pool->is_read_only ? -EACCES : 0;
}

/* Nodes without a zone are forgotten: more than that, and a mask of them alone would mean "all". */
int pp_pool_set_nodes(struct pp_pool *pool, uint64_t nodes)
{
	int error = ppc_pool_check_writable(pool);
	uint64_t present;

	if (error)
		return error;
	present = nodes & ppc_mapping_nodes(&pool->mapping);
	if (nodes && !present)
		return -EINVAL;
	__atomic_store_n(&pool->nodes, present, __ATOMIC_RELAXED);
	return 0;
}

static int accept_stat(const struct ppc_reply *reply, void *data)
{
	const struct message_pool_info *info = &reply->message->u.pool_info;
	struct pp_pool_stat *stat = data;

	stat->size_bytes = info->size_bytes;
	stat->free_bytes = info->free_bytes;
	stat->held_bytes = info->held_bytes;
	stat->nr_zones = (unsigned)info->nr_zones;
	stat->max_order = info->max_order;
	for (size_t i = 0; i < info->nr_zones; i++)
		stat->committed_bytes += info->zones[i].committed_bytes;
	return 0;
}

int pp_pool_stat(struct pp_pool *pool, struct pp_pool_stat *ret)
{
	struct pp_pool_stat stat = { 0 };
	struct ppc_call call = { .request.type = MESSAGE_POOL_STAT,
				 .reply_type = MESSAGE_POOL_INFO,
				 .accept = accept_stat,
				 .data = &stat };
	int error;

	if (!pool || !ret || ret->struct_size < sizeof(ret->struct_size))
		return -EINVAL;
	if (!ppc_client_is_ours(pool->client))
		return -EOWNERDEAD;
	call.request.u.pool_stat.pool = pool->number;
	error = ppc_connection_call(pool->client->connection, &call);
	if (!error)
		ppc_struct_give(ret, &stat, sizeof(stat));
	return error;
}

pp_offset pp_to_offset(struct pp_pool *pool, const void *addr)
{
	pp_offset offset = PP_OFFSET_INVALID;

	if (!pool || !ppc_client_is_ours(pool->client)) {
		errno = pool ? EOWNERDEAD : EINVAL;
		return PP_OFFSET_INVALID;
	}
	offset = ppc_mapping_to_offset(&pool->mapping, addr);
	if (offset == PP_OFFSET_INVALID)
		errno = EINVAL;
	return offset;
}

void *pp_from_offset(struct pp_pool *pool, pp_offset offset)
{
	void *addr;

	if (!pool || !ppc_client_is_ours(pool->client)) {
		errno = pool ? EOWNERDEAD : EINVAL;
		return NULL;
	}
	addr = ppc_mapping_from_offset(&pool->mapping, offset);
	if (!addr)
		errno = EINVAL;
	return addr;
}
