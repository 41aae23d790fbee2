/* SPDX-License-Identifier: MIT */
#pragma once

/* The caches behind pp_malloc(), and what it gave. */

#include <stddef.h>
#include <stdint.h>

#include "lib/object_runs.h"
#include "lib/origins.h"
#include "lib/pool.h"

#define PPC_GENERAL_BYTES_MAX 32768u /* larger sizes are pages, whatever caches there are */
#define PPC_GENERAL_STEP_SHIFT 4u    /* sizes are looked up by multiples of 16 bytes */
#define PPC_GENERAL_STEPS (PPC_GENERAL_BYTES_MAX >> PPC_GENERAL_STEP_SHIFT)

struct ppc_general {
	unsigned nr_classes;
	size_t bytes_max; /* that objects are used for; a multiple of the step */
	uint8_t class_of[PPC_GENERAL_STEPS + 1];
	struct ppc_cache_info classes[PPC_ORIGIN_CLASSES_MAX]; /* by size */
	struct ppc_origins origins;
};

/* The pool's, which the first caller asks the daemon for. 0 or a negative errno. Thread-safe. */
int ppc_general_get(struct pp_pool *pool, struct ppc_general **ret);
struct ppc_general *ppc_general_free(struct ppc_general *general);

/* The pool's, or NULL when nothing was ever asked of them. */
static inline struct ppc_general *ppc_general_peek(const struct pp_pool *pool)
{
	return __atomic_load_n(&pool->general, __ATOMIC_ACQUIRE); /* pairs with the publishing */
}

/* The class for a size of 1 to bytes_max. */
static inline unsigned ppc_general_class(const struct ppc_general *general, size_t size_bytes)
{
	size_t step = (1u << PPC_GENERAL_STEP_SHIFT) - 1;

	return general->class_of[(size_bytes + step) >> PPC_GENERAL_STEP_SHIFT];
}

/* Blocks of pages that were just granted, but not to pp_malloc(), are not pp_free()'s. */
void ppc_general_disown(const struct pp_pool *pool, void *const *addrs, size_t count);
