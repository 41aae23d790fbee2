/* SPDX-License-Identifier: MIT */
/*
 * A client's life: connect, hello, goodbye.
 *
 * At hello both sides name the versions they speak, and the daemon tells its limits; ours are held
 * to the smaller of the two. Ending is a goodbye, not a hang-up: the daemon frees what we hold at
 * once and says so, where it would keep the blocks of a socket that merely closed for as long as
 * the process lives.
 *
 * In a forked child only memory, mappings and the descriptor are let go: the socket is shared with
 * the parent, so a word on it would end the parent's session.
 */

#include "lib/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/connection.h"
#include "lib/endpoint.h"
#include "lib/introspect.h"
#include "lib/pool.h"
#include "lib/struct_size.h"
#include "pagepool.h"
#include "proto/text.h"

#define TIMEOUT_MS_DEFAULT 30000

/* The rest of a frame beside its runs, generously. */
#define FRAME_SPARE_BYTES 128u

const char *pp_version(void)
{
	return PAGEPOOL_VERSION;
}

static int config_copy(struct pp_client_config *config, const struct pp_client_config *from)
{
	int error;

	*config = (struct pp_client_config){ .timeout_ms = TIMEOUT_MS_DEFAULT };
	if (!from)
		return 0;
	error = ppc_struct_take(config, sizeof(*config), from);
	if (error)
		return error;
	if ((config->flags & ~PP_CLIENT_NO_THREAD) || config->timeout_ms < -1)
		return -EINVAL;
	if (config->name && !text_is_printable(config->name, MESSAGE_NAME_BYTES_MAX))
		return -EINVAL;
	if (config->timeout_ms == 0)
		config->timeout_ms = TIMEOUT_MS_DEFAULT;
	return 0;
}

static int accept_welcome(const struct ppc_reply *reply, void *data)
{
	const struct message_limits *limits = &reply->message->u.welcome.limits;
	uint32_t version = reply->message->u.welcome.version;
	uint32_t frame_blocks, batch_blocks = limits->batch_blocks;
	struct pp_client *client = data;

	if (version < MESSAGE_VERSION_MIN || version > MESSAGE_VERSION)
		return -EPROTO;
	if (limits->frame_bytes < FRAME_SPARE_BYTES + sizeof(struct message_run))
		return -EPROTO;
	frame_blocks = (limits->frame_bytes - FRAME_SPARE_BYTES) / sizeof(struct message_run);
	if (batch_blocks > frame_blocks)
		batch_blocks = frame_blocks;
	if (batch_blocks > MESSAGE_BATCH_BLOCKS_MAX)
		batch_blocks = MESSAGE_BATCH_BLOCKS_MAX;
	if (batch_blocks == 0 || limits->in_flight == 0)
		return -EPROTO;
	client->batch_blocks = batch_blocks;
	client->limits = *limits;
	client->id = reply->message->u.welcome.client;
	snprintf(client->daemon_version, sizeof(client->daemon_version), "%s",
		 reply->message->u.welcome.daemon_version);
	return 0;
}

/* The program's name, up to where the protocol lets it through: a file may be called anything. */
static void program_name(char ret[MESSAGE_NAME_BYTES_MAX + 1])
{
	snprintf(ret, MESSAGE_NAME_BYTES_MAX + 1, "%s", program_invocation_short_name);
	for (size_t length = strlen(ret); !text_is_printable(ret, length); length--)
		ret[length - 1] = '\0';
}

static int say_hello(struct pp_client *client, const char *name)
{
	char program[MESSAGE_NAME_BYTES_MAX + 1];
	struct ppc_call call = { .reply_type = MESSAGE_WELCOME,
				 .accept = accept_welcome,
				 .data = client };
	int error;

	if (!name) {
		program_name(program);
		name = program;
	}
	call.request.type = MESSAGE_HELLO;
	call.request.u.hello.version_min = MESSAGE_VERSION_MIN;
	call.request.u.hello.version_max = MESSAGE_VERSION;
	call.request.u.hello.name = name;
	error = ppc_connection_call(client->connection, &call);
	if (!error)
		ppc_connection_set_limits(client->connection, &client->limits);
	return error;
}

static int connect_client(struct pp_client *client, const struct pp_client_config *config)
{
	struct sockaddr_un address;
	int fd, error = ppc_endpoint_find(config->socket, &address);

	if (error)
		return error;
	fd = ppc_endpoint_connect(&address, config->timeout_ms);
	if (fd < 0)
		return fd;
	error = ppc_connection_new(fd, config->timeout_ms, &client->connection);
	if (error)
		return error;
	return say_hello(client, config->name);
}

static struct pp_client *free_quietly(struct pp_client *client)
{
	while (client->pools) {
		struct pp_pool *pool = client->pools;

		client->pools = pool->next;
		ppc_pool_free(pool);
	}
	ppc_connection_free(client->connection);
	free(client);
	return NULL;
}

int pp_client_new(struct pp_client **ret, const struct pp_client_config *config)
{
	struct pp_client_config checked;
	struct pp_client *client;
	int error;

	if (!ret)
		return -EINVAL;
	error = config_copy(&checked, config);
	if (error)
		return error;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	error = ppc_process_init(&client->process);
	if (!error)
		error = -pthread_mutex_init(&client->pools_lock, NULL);
	if (!error)
		error = connect_client(client, &checked);
	if (error) {
		free_quietly(client);
		return error;
	}
	*ret = client;
	return 0;
}

struct pp_client *pp_client_free(struct pp_client *client)
{
	struct ppc_call call = { .request.type = MESSAGE_GOODBYE, .reply_type = MESSAGE_NONE };

	if (!client)
		return NULL;
	/* Whatever the answer, or none: the daemon ends the session when the process ends. */
	if (ppc_client_is_ours(client))
		ppc_connection_call(client->connection, &call);
	return free_quietly(client);
}

int pp_client_fd(const struct pp_client *client)
{
	if (!client)
		return -EINVAL;
	if (!ppc_client_is_ours(client))
		return -EOWNERDEAD;
	return ppc_connection_fd(client->connection);
}

int pp_client_dispatch(struct pp_client *client, int timeout_ms)
{
	if (!client || timeout_ms < -1)
		return -EINVAL;
	if (!ppc_client_is_ours(client))
		return -EOWNERDEAD;
	return ppc_connection_dispatch(client->connection, timeout_ms);
}

const char *ppc_client_daemon_version(const struct pp_client *client)
{
	return client->daemon_version;
}

uint32_t ppc_client_id(const struct pp_client *client)
{
	return client->id;
}
