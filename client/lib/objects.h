/* SPDX-License-Identifier: MIT */
#pragma once

/* Objects of a cache: one batch from the daemon, one batch back to it. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/object_runs.h"

struct pp_pool;

/*
 * Up to `count` objects (of at most what the daemon takes at once), zeroed with PP_ZERO. Returns
 * how many, at least 1, or a negative errno. With `raw`, of a bit for each of `count`, bit i is set
 * when objects[i] has to be constructed.
 */
ssize_t ppc_objects_alloc(struct pp_pool *pool, const struct ppc_cache_info *cache, unsigned flags,
			  void **objects, size_t count, uint64_t *raw);

/* Frees all of them or none, as constructed. `runs` is room for `count` of them. */
int ppc_objects_free(struct pp_pool *pool, const struct ppc_cache_info *cache, void *const *objects,
		     size_t count, struct message_run *runs);
