/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How this process came to what lies in a page: a word for each page that a pool's mapping has room
 * for. Thread-safe but for init and deinit.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/mapping.h"

struct ppc_origins {
	uint32_t *words;                 /* owned mapping of size_bytes */
	size_t first[MESSAGE_ZONES_MAX]; /* each zone's first word */
	size_t size_bytes;
};

/* All pages are of no origin. 0 or a negative errno. */
int ppc_origins_init(struct ppc_origins *origins, const struct ppc_mapping *mapping);
void ppc_origins_deinit(struct ppc_origins *origins);

/*
 * An origin is a class of objects that the page's slab is of, or the number of pages of the block
 * that starts there, or none.
 */
#define PPC_ORIGIN_NONE 0u
#define PPC_ORIGIN_CLASSES_MAX 255u
#define PPC_ORIGIN_PAGES_SHIFT 8u

static inline uint32_t ppc_origin_from_class(unsigned class)
{
	return class + 1;
}

static inline uint32_t ppc_origin_from_pages(uint32_t nr_pages)
{
	return nr_pages << PPC_ORIGIN_PAGES_SHIFT;
}

/* 0 when it is no block of pages. */
static inline uint32_t ppc_origin_pages(uint32_t origin)
{
	return origin >> PPC_ORIGIN_PAGES_SHIFT;
}

/* Of an origin that is a class. */
static inline unsigned ppc_origin_class(uint32_t origin)
{
	return origin - 1;
}

/* The word of the page that the byte at an offset is in; the offset is one of the mapping. */
static inline uint32_t *ppc_origins_word(const struct ppc_origins *origins, uint64_t offset)
{
	uint64_t page = offset >> PPC_PAGE_SHIFT;
	uint64_t pfn = page & ((UINT64_C(1) << PPC_ZONE_SHIFT) - 1);

	return &origins->words[origins->first[page >> PPC_ZONE_SHIFT] + pfn];
}

static inline uint32_t ppc_origins_get(const struct ppc_origins *origins, uint64_t offset)
{
	return __atomic_load_n(ppc_origins_word(origins, offset), __ATOMIC_RELAXED);
}

/*
 * Only of what was just granted, so that nobody else can be about to set another. Who learns of an
 * address learns it after this, which is why no order is asked for. Stores what is new alone: most
 * objects lie in a page that has its word already, and reading costs no memory.
 */
static inline void ppc_origins_set(struct ppc_origins *origins, uint64_t offset, uint32_t origin)
{
	uint32_t *word = ppc_origins_word(origins, offset);

	if (__atomic_load_n(word, __ATOMIC_RELAXED) != origin)
		__atomic_store_n(word, origin, __ATOMIC_RELAXED);
}
