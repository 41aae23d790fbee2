/* SPDX-License-Identifier: MIT */
#pragma once

/* Adjacent pages, for the library's other files: the pool is one that may be written. */

#include <stddef.h>
#include <stdint.h>

struct pp_pool;

/* Pages that hold size_bytes, or 0 for a size that can't be asked for. */
uint32_t ppc_exact_pages(size_t size_bytes);

int ppc_exact_alloc(struct pp_pool *pool, uint32_t nr_pages, unsigned flags, void **ret);
int ppc_exact_free(struct pp_pool *pool, const void *addr, uint32_t nr_pages);
