/* SPDX-License-Identifier: MIT */
/*
 * Requests about pools: open and close.
 *
 * Opening is where trust is decided: the pool's access lists are held against what the kernel said
 * of the peer, and only then do descriptors of its segments leave the daemon. A handle is the
 * pool's index and the way it was opened, so opening twice gives the same handle, and what a handle
 * allows can be told from it alone. Closing takes only the right to name the pool; blocks stay held
 * until they are freed or the client ends.
 *
 * A descriptor that was sent counts against the daemon until it is received. So who does not read
 * gets no more of them.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/message.h"
#include "service/access.h"
#include "service/backing.h"
#include "service/handlers.h"
#include "service/log.h"
#include "service/state.h"

_Static_assert(2 * SERVICE_POOLS_MAX <= 32, "a client's handles are bits of 32");
_Static_assert(POOL_ZONES_MAX <= FRAME_FDS_MAX, "a descriptor a zone fits one frame");
_Static_assert(POOL_ZONES_MAX <= MESSAGE_ZONES_MAX, "all zones of a pool fit one reply");

enum dispatch_result handler_refuse(struct call *call, struct message *reply, unsigned status,
				    const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(call->text, sizeof(call->text), format, arguments);
	va_end(arguments);
	reply->type = MESSAGE_NONE;
	reply->status = (enum message_status)status;
	reply->error = call->text;
	return DISPATCH_REPLY;
}

struct pools_pool *handler_find_pool(struct call *call, uint32_t handle, struct message *reply)
{
	if (handle >= 32 || !(call->client->opened >> handle & 1)) {
		handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND,
			       "pool %u is not open on this connection", handle);
		return NULL;
	}
	return &call->service->pools.pools[handle >> 1];
}

struct pools_pool *handler_find_writable_pool(struct call *call, uint32_t handle,
					      struct message *reply)
{
	struct pools_pool *pool = handler_find_pool(call, handle, reply);

	if (pool && handle == handler_pool_handle(handle >> 1, true)) {
		handler_refuse(call, reply, MESSAGE_STATUS_ACCESS,
			       "pool '%s' was opened for reading only", pool->config->name);
		return NULL;
	}
	return pool;
}

/* True when the peer may open the pool; else *reply is the refusal. */
static bool handler_allow_open(struct call *call, const struct pools_pool *pool, bool read_only,
			       struct message *reply)
{
	const struct access_peer *peer = &call->client->peer.credentials;

	if (access_list_allows(&pool->config->access, peer))
		return true;
	bool may_read = access_list_allows(&pool->config->read_access, peer);
	if (may_read && read_only)
		return true;
	if (may_read)
		handler_refuse(call, reply, MESSAGE_STATUS_ACCESS,
			       "pool '%s' is for reading only for uid %u", pool->config->name,
			       (unsigned)peer->uid);
	else
		handler_refuse(call, reply, MESSAGE_STATUS_ACCESS, "pool '%s' is not for uid %u",
			       pool->config->name, (unsigned)peer->uid);
	return false;
}

/* Opens a descriptor a zone; they are closed after the reply, whatever it is. */
static int handler_open_segments(struct call *call, const struct pools_pool *pool, bool read_only,
				 struct message_segment *segments)
{
	for (unsigned i = 0; i < pool->nr_zones; i++) {
		const struct backing *backing = pool->zones[i].backing;

		int fd = backing_open_fd(backing, read_only);
		if (fd < 0)
			return fd;
		call->fds[call->nr_fds++] = fd;
		segments[i] = (struct message_segment){
			.node = backing_node(backing),
			.size_bytes = backing_size_bytes(backing),
			.capacity_bytes = backing_capacity_bytes(backing),
			.page_bytes = backing_page_bytes(backing),
		};
	}
	return 0;
}

static void handler_close_segments(struct call *call)
{
	while (call->nr_fds)
		close(call->fds[--call->nr_fds]);
}

enum dispatch_result handler_pool_open(struct call *call, const struct message *request,
				       struct message *reply)
{
	static struct message_segment segments[POOL_ZONES_MAX]; /* until the reply is encoded */
	const char *name = request->u.pool_open.name;
	bool read_only = request->u.pool_open.read_only;
	const struct pools *pools = &call->service->pools;

	const struct pools_pool *pool = pools_find(pools, name);
	if (!pool)
		return handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND,
				      "there is no pool '%s'", name);
	if (!handler_allow_open(call, pool, read_only, reply)) {
		const struct access_peer *peer = &call->client->peer.credentials;

		log_print_caused(LOG_NOTICE,
				 "refused pool '%s' to '%s' (pid %d, uid %u): "
				 "not on its access list",
				 name, call->client->name, (int)peer->pid, (unsigned)peer->uid);
		return DISPATCH_REPLY;
	}

	if (!clients_allow_fds(&call->service->clients, call->client, pool->nr_zones))
		return handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
				      "too many descriptors were sent and not read");

	int error = handler_open_segments(call, pool, read_only, segments);
	if (error < 0) {
		log_print_caused(LOG_ERR, "pool '%s': can't open a segment for client %u: %s", name,
				 call->client->slot, strerror(-error));
		handler_close_segments(call);
		return handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
				      "the daemon can't open pool '%s' again: %s", name,
				      strerror(-error));
	}

	uint32_t handle = handler_pool_handle((unsigned)(pool - pools->pools), read_only);
	call->client->opened |= UINT32_C(1) << handle;
	reply->type = MESSAGE_POOL_OPENED;
	reply->u.pool_opened.pool = handle;
	reply->u.pool_opened.max_order = pool->max_order;
	reply->u.pool_opened.segments = segments;
	reply->u.pool_opened.nr_segments = pool->nr_zones;
	return DISPATCH_REPLY;
}

enum dispatch_result handler_pool_close(struct call *call, const struct message *request,
					struct message *reply)
{
	uint32_t handle = request->u.pool_close.pool;

	if (handler_find_pool(call, handle, reply))
		call->client->opened &= ~(UINT32_C(1) << handle);
	return DISPATCH_REPLY;
}
