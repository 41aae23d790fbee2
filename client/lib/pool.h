/* SPDX-License-Identifier: MIT */
#pragma once

/* What is behind a struct pp_pool, for the library's other files. */

#include <stdbool.h>
#include <stdint.h>

#include "lib/mapping.h"
#include "proto/message.h"

struct pp_client;

struct pp_pool {
	struct pp_client *client; /* borrowed: it outlives its pools */
	struct pp_pool *next;
	unsigned nr_opens;  /* under the client's pools_lock */
	unsigned next_turn; /* atomic: whose zone's turn it is to be preferred */
	uint32_t number;    /* on this connection */
	uint32_t max_order;
	bool is_read_only;
	char name[MESSAGE_NAME_BYTES_MAX + 1];
	struct ppc_mapping mapping;
};

/* Unmaps and frees it, saying nothing to the daemon. */
struct pp_pool *ppc_pool_free(struct pp_pool *pool);

/*
 * Whether pages may be asked for and given back through it: 0, -EINVAL for NULL, -EOWNERDEAD or
 * -EACCES.
 */
int ppc_pool_check_writable(const struct pp_pool *pool);
