/* SPDX-License-Identifier: MIT */
#pragma once

/* What is behind a struct pp_client, for the library's other files. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/process.h"
#include "proto/message.h"

struct pp_pool;
struct ppc_connection;

struct pp_client {
	struct ppc_process process;
	struct ppc_connection *connection; /* owned */
	uint32_t id;                       /* as the daemon counts its clients */
	struct message_limits limits;      /* as the daemon told them */
	uint32_t batch_blocks;             /* in one request: the least that all limits allow */
	char daemon_version[MESSAGE_TEXT_BYTES_MAX + 1];
	/* Pools, their counts and their lists of caches; held while a pool is opened or closed. */
	pthread_mutex_t pools_lock;
	struct pp_pool *pools; /* owned */
};

/* False in a child of the process that made the client. */
static inline bool ppc_client_is_ours(const struct pp_client *client)
{
	return ppc_process_is_owner(&client->process);
}
