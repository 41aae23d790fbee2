/* SPDX-License-Identifier: MIT */
#pragma once

/* Lists of any length, cut into batches that the daemon takes at once. */

#include <stddef.h>
#include <sys/types.h>

/* Fills addrs with up to `count` of what `data` describes: how many (at least 1), or an errno. */
typedef ssize_t (*ppc_alloc_batch_fn)(void *data, void **addrs, size_t count);
/* Frees all of them or none. */
typedef int (*ppc_free_batch_fn)(void *data, void *const *addrs, size_t count);

/*
 * Until `count` are there, or a batch comes short: what was granted is granted. Returns how many,
 * or the first batch's error.
 */
ssize_t ppc_batches_alloc(size_t batch_blocks, void **addrs, size_t count,
			  ppc_alloc_batch_fn alloc_batch, void *data);

/*
 * All batches; one that is refused for what it names keeps none of the others from being freed.
 * 0, or the first error.
 */
int ppc_batches_free(size_t batch_blocks, void *const *addrs, size_t count,
		     ppc_free_batch_fn free_batch, void *data);
