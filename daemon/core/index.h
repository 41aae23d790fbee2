/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The index: which pages of a zone are free, as a radix-64 bitmap buddy. How it works is told in
 * index.c. It knows nothing of ledger words and owners.
 *
 * The caller gives the memory and asserts nothing wrong: freeing what is free already, or claiming
 * what is not, is a bug of ours. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/page.h"

#define INDEX_NR_LEVELS 4u
#define INDEX_LEVEL_SHIFT 6u /* 64 units a leaf; each is a leaf of the level below */

/*
 * What a leaf has to give: 0 nothing, 1 + k when its largest free run is of 2^k units, and when it
 * is all free, INDEX_CLASS_FULL.
 */
#define INDEX_CLASS_EMPTY 0u
#define INDEX_CLASS_FULL 7u
#define INDEX_NR_CLASSES 8u

/* One cache line: a bitmap word for each class. Those of the empty and the full are never used. */
struct index_classes {
	uint64_t of[INDEX_NR_CLASSES];
};

struct index_level {
	uint64_t *leaves;            /* nr_leaves + 1; the last is always zero */
	uint8_t *leaf_classes;       /* the open leaf counts as empty */
	struct index_classes *files; /* a bit a leaf: it is in that class */
	struct index_classes *sums;  /* a bit a word of files: it is not zero */
	struct index_classes *tops;  /* a bit a word of sums, likewise; at most 16 lines */
	uint32_t nr_leaves;
	uint32_t open; /* the leaf in no file; nr_leaves: none */
	uint32_t nr_tops;
	uint8_t classes;   /* bit c: some leaf is filed under class c */
	uint8_t better;    /* bit c: leaves of class c go before the open one, as last seen */
	uint8_t order_max; /* of a block at this level: 5, or less at the top */
	uint8_t class_max; /* INDEX_CLASS_FULL, but at the top, where nothing is handed up */
};

struct index {
	struct index_level levels[INDEX_NR_LEVELS];
	uint32_t nr_pages;
	uint32_t nr_free;
	unsigned top; /* the highest level in use */
	unsigned max_order;
};

/* The largest order that a zone of nr_pages can have, at most max_order. */
unsigned index_clip_order(uint32_t nr_pages, unsigned max_order);

/* Bytes of the memory that index_init() needs, a multiple of 64. */
size_t index_bytes(uint32_t nr_pages, unsigned max_order);

/*
 * Makes an index with all of 1 .. 2^28 pages free. `memory` is 64-byte aligned and may hold
 * anything. max_order is clipped as above.
 */
void index_init(struct index *index, uint32_t nr_pages, unsigned max_order, void *memory);

/* Takes a free block of 2^order pages, order <= max_order. Its pfn, or PAGE_NONE. */
uint32_t index_take(struct index *index, unsigned order);

/*
 * Takes up to `count` single pages out of one run of 64: the pages of *ret_base + i for each bit i
 * of the mask returned. 0 when nothing is free.
 */
uint64_t index_take_pages(struct index *index, size_t count, uint32_t *ret_base);

/*
 * Takes nr_pages adjacent pages, at the start of a block that holds them and is taken for no more
 * than that: for each bit of nr_pages a block, the largest first. The first pfn, or PAGE_NONE.
 */
uint32_t index_take_exact(struct index *index, uint32_t nr_pages);

/* Gives a block back. */
void index_give(struct index *index, uint32_t pfn, unsigned order);

/* Gives blocks of one order back, those of a page_run that starts at pfn. */
void index_give_run(struct index *index, uint32_t pfn, unsigned order, uint64_t mask);

/*
 * Gives pages of one leaf back: base + i for each bit i of the mask, which has nr_pages of them.
 * base is a multiple of 64.
 */
void index_give_pages(struct index *index, uint32_t base, uint64_t mask, uint32_t nr_pages);

/* Takes this very block, which must be free. */
void index_claim(struct index *index, uint32_t pfn, unsigned order);

/* Which of the 64 pages from `base` on, a multiple of 64, are free. */
uint64_t index_free_pages(const struct index *index, uint32_t base);

/*
 * Counts free blocks by order, looking at no more than max_leaves leaves a call. *cursor starts at
 * 0 and is the caller's to keep between calls, as nr_blocks is. True when all are counted.
 */
bool index_count(const struct index *index, uint32_t max_leaves, uint32_t *cursor,
		 uint64_t nr_blocks[PAGE_NR_ORDERS]);

/* The order of the largest free block, or -1. */
int index_largest(const struct index *index);

/*
 * Checks that a leaf is filed where it belongs and nowhere else, that the summaries above it agree
 * and that it is handed up to the next level when it is full, and only then. A static string that
 * says what is wrong, or NULL.
 */
const char *index_check_leaf(const struct index *index, unsigned level, uint32_t leaf);

/* All leaves of all levels so, and everything else that must hold within the index. */
const char *index_validate(const struct index *index);

/* The level that serves blocks of this order, and the order in units of that level. */
static inline unsigned index_level_of(unsigned order)
{
	return order / INDEX_LEVEL_SHIFT;
}

static inline unsigned index_order_within(unsigned order)
{
	return order % INDEX_LEVEL_SHIFT;
}

/*
 * index_take() of a single page when the open leaf serves it, without a call; else PAGE_NONE, and
 * index_take() is to be asked. No leaf open is the leaf behind the last: nothing is ever free
 * there.
 */
static inline uint32_t index_take_open_page(struct index *index)
{
	struct index_level *level = &index->levels[0];
	uint64_t word = level->leaves[level->open];

	if (!word || level->classes & level->better)
		return PAGE_NONE;
	level->leaves[level->open] = word & (word - 1);
	index->nr_free--;
	return level->open << INDEX_LEVEL_SHIFT | (uint32_t)__builtin_ctzll(word);
}
