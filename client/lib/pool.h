/* SPDX-License-Identifier: MIT */
#pragma once

/* What is behind a struct pp_pool, for the library's other files. */

#include <stdbool.h>
#include <stdint.h>

#include "lib/mapping.h"
#include "proto/message.h"

struct pp_cache;
struct pp_client;
struct ppc_general;

struct pp_pool {
	struct pp_client *client; /* borrowed: it outlives its pools */
	struct pp_pool *next;
	unsigned nr_opens; /* under the client's pools_lock */
	uint64_t nodes;    /* atomic: that requests keep to; 0: all */
	uint32_t number;   /* on this connection */
	bool is_read_only;
	char name[MESSAGE_NAME_BYTES_MAX + 1];
	struct ppc_mapping mapping;
	struct pp_cache *caches;     /* owned; under the client's pools_lock */
	struct ppc_general *general; /* atomic: owned; made by the first pp_malloc() */
};

/* Unmaps and frees it, saying nothing to the daemon. */
struct pp_pool *ppc_pool_free(struct pp_pool *pool);

/*
 * Whether pages may be asked for and given back through it: 0, -EINVAL for NULL, -EOWNERDEAD or
 * -EACCES.
 */
int ppc_pool_check_writable(const struct pp_pool *pool);
