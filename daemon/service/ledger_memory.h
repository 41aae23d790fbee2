/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Memory for the core's metadata: the ledger, which must outlive the daemon's process, in a sealed
 * memfd of its own that no client ever sees; the index, which can be rebuilt, in private pages.
 */

#include <stddef.h>

struct ledger_memory {
	void *memory; /* zeroed, page aligned */
	size_t size_bytes;
	int fd; /* of the memfd; owned */
};

#define LEDGER_MEMORY_NULL                                                                         \
	(struct ledger_memory)                                                                     \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* `name` as /proc shows it. Backs the first backed_bytes. 0 or a negative errno. */
int ledger_memory_init(struct ledger_memory *ledger, const char *name, size_t size_bytes,
		       size_t backed_bytes);
/* Backs a part of it. For any thread, also while others use it. 0 or -errno. */
int ledger_memory_back(const struct ledger_memory *ledger, size_t offset, size_t size_bytes);
/* Accepts LEDGER_MEMORY_NULL, and leaves it so. */
void ledger_memory_deinit(struct ledger_memory *ledger);

/* Zeroed private pages; NULL when memory is short. Accepts NULL to free. Returns NULL. */
void *index_memory_new(size_t size_bytes);
void *index_memory_free(void *memory, size_t size_bytes);
