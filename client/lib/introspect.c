/* SPDX-License-Identifier: MIT */
/*
 * Questions of pagepoolctl: any request, its reply whole. The connection's own arena is used again
 * by the next reply that comes, so the answer is decoded a second time into an arena of the
 * asker's; these calls are rare.
 */

#include "lib/introspect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/client.h"
#include "lib/connection.h"
#include "lib/endpoint.h"
#include "proto/codec.h"
#include "proto/message.h"

#define WHY_BYTES 256u

struct ppc_info {
	struct pp_client *client; /* borrowed */
	struct codec_arena arena;
	struct message reply;
	char why[WHY_BYTES];
};

int ppc_info_new(struct pp_client *client, struct ppc_info **ret)
{
	struct ppc_info *info = calloc(1, sizeof(*info));

	if (!info)
		return -ENOMEM;
	info->client = client;
	info->arena.size_bytes = CODEC_ARENA_BYTES;
	info->arena.memory = malloc(CODEC_ARENA_BYTES);
	if (!info->arena.memory) {
		ppc_info_free(info);
		return -ENOMEM;
	}
	*ret = info;
	return 0;
}

struct ppc_info *ppc_info_free(struct ppc_info *info)
{
	if (info)
		free(info->arena.memory);
	free(info);
	return NULL;
}

static int accept_reply(const struct ppc_reply *reply, void *data)
{
	struct ppc_info *info = data;
	const char *why;
	int error = codec_decode_reply(reply->bytes, reply->size_bytes, &info->arena, &info->reply,
				       &why);

	return error ? -EPROTO : 0;
}

/* The reply that each request is answered with. */
static enum message_type reply_type(enum message_type request)
{
	switch (request) {
	case MESSAGE_POOL_STAT:
		return MESSAGE_POOL_INFO;
	case MESSAGE_GET_STATUS:
		return MESSAGE_STATUS_INFO;
	case MESSAGE_LIST_CLIENTS:
		return MESSAGE_CLIENT_LIST;
	case MESSAGE_LIST_BLOCKS:
		return MESSAGE_BLOCK_LIST;
	case MESSAGE_CHECK:
		return MESSAGE_CHECK_RESULT;
	case MESSAGE_LIST_LIMITS:
		return MESSAGE_LIMIT_LIST;
	case MESSAGE_RELOAD:
		return MESSAGE_RELOAD_RESULT;
	case MESSAGE_PLAN_CONTIGUOUS:
		return MESSAGE_CONTIGUOUS_PLAN;
	case MESSAGE_LIST_CACHES:
		return MESSAGE_CACHE_LIST;
	case MESSAGE_CHECK_OBJECTS:
		return MESSAGE_OBJECT_FAULTS;
	default:
		return MESSAGE_NONE;
	}
}

int ppc_info_call(struct ppc_info *info, struct message *request, const struct message **ret_reply)
{
	struct ppc_call call = { .request = *request,
				 .reply_type = reply_type(request->type),
				 .accept = accept_reply,
				 .data = info,
				 .why = info->why,
				 .why_bytes = sizeof(info->why) };
	int error = -EOWNERDEAD;

	info->why[0] = '\0';
	if (ppc_client_is_ours(info->client))
		error = ppc_connection_call(info->client->connection, &call);
	request->id = call.request.id;
	if (error && info->why[0] == '\0')
		strncpy(info->why, strerror(-error), sizeof(info->why) - 1);
	if (!error)
		*ret_reply = &info->reply;
	return error;
}

const char *ppc_info_error(const struct ppc_info *info)
{
	return info->why;
}

int ppc_socket_find(const char *socket, char *ret, size_t size_bytes)
{
	struct sockaddr_un address;
	int error = ppc_endpoint_find(socket, &address);

	if (error)
		return error;
	if (strlen(address.sun_path) >= size_bytes)
		return -ENAMETOOLONG;
	strcpy(ret, address.sun_path);
	return 0;
}
