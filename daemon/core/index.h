/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The index: which pages of a zone are free, as a radix-64 bitmap buddy with mobility groups. How
 * it works is told in index.c. It knows nothing of ledger words and owners.
 *
 * The caller gives the memory and asserts nothing wrong: freeing what is free already, or claiming
 * what is not, is a bug of ours. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/page.h"

#define INDEX_NR_LEVELS 4u
#define INDEX_NR_GROUPS NR_MOBILITIES
#define INDEX_NR_CLASSES 6u /* that are filed */

#define INDEX_PAGEBLOCK_ORDER 9u /* 2 MiB */
#define INDEX_PAGEBLOCK_PAGES (UINT32_C(1) << INDEX_PAGEBLOCK_ORDER)
#define INDEX_PAGEBLOCK_LEAVES 8u

/*
 * What a leaf has to give: 0 nothing, 1 + k when its largest free run is of 2^k units. A leaf that
 * is all free has the class behind the last that its level files (index_full_class()).
 */
#define INDEX_CLASS_EMPTY 0u

/* A bitmap word for each class that is filed; those of class c at c - 1. */
struct index_classes {
	uint64_t of[INDEX_NR_CLASSES];
};

/* One cache line: where 64 leaves are filed. */
struct index_file {
	/* A bit a leaf: it is of group 1, of group 2; of group 0 if it is of neither. */
	uint64_t groups[INDEX_NR_GROUPS - 1];
	struct index_classes leaves; /* a bit a leaf: it is in that class */
};

struct index_level {
	uint64_t *leaves;
	uint8_t *leaf_classes;
	struct index_file *files;
	/* By group: a bit a file word that has a leaf of the group; and a bit a word of those. */
	struct index_classes *sums[INDEX_NR_GROUPS];
	struct index_classes *tops[INDEX_NR_GROUPS];
	uint32_t nr_leaves;
	uint32_t nr_tops;
	uint8_t classes[INDEX_NR_GROUPS]; /* bit c: some leaf of the group is filed under class c */
};

struct index {
	struct index_level levels[INDEX_NR_LEVELS];
	uint32_t nr_pages;
	uint32_t nr_free;
};

/* Bytes of the memory that index_init() needs, a multiple of 64. */
size_t index_bytes(uint32_t nr_pages);

/*
 * Makes an index of 1 .. 2^28 pages, none of them free. `memory` is 64-byte aligned and zeroed.
 * What is free comes by index_load(), or by gives of up to order 5: a larger block must have been
 * taken or claimed before it can be given.
 */
void index_init(struct index *index, uint32_t nr_pages, void *memory);

/*
 * Loading: what is free is told a pageblock at a time, each once, in any order, right after
 * index_init(); pageblocks that are not told have nothing free. leaves[i] are the free pages of its
 * i-th 64 pages; all ones also where 64 pages and more are held as one block. Bit i of whole: those
 * 64 pages are free as a whole. index_load_end() must follow; blocks of order 9 and above that are
 * held are then still free, to be claimed.
 */
void index_load(struct index *index, uint32_t pageblock,
		const uint64_t leaves[INDEX_PAGEBLOCK_LEAVES], unsigned whole, enum mobility group);
void index_load_end(struct index *index);

/*
 * Takes a free block of 2^order pages from the pageblocks of a group, or from one that is free as a
 * whole, and then is the group's. Its pfn, or PAGE_NONE.
 */
uint32_t index_take(struct index *index, unsigned order, enum mobility group);

/*
 * As index_take(), but takes all blocks of the order, 0 .. 5, that one run of 64 pages has: a bit
 * for the first page of each, relative to *ret_base. 0 when there is none.
 */
uint64_t index_take_leaf(struct index *index, unsigned order, enum mobility group,
			 uint32_t *ret_base);

/*
 * Finds another group's pageblock with the largest free block, of at least 2^order pages (order 0
 * .. 8), and hands the whole pageblock over to `group` if half of it is free. The group that
 * index_take() will then find a block in, or INDEX_NR_GROUPS if there is none.
 */
unsigned index_steal(struct index *index, unsigned order, enum mobility group);

/*
 * Takes nr_pages adjacent pages, at the start of a block that holds them and is taken for no more
 * than that: for each bit of nr_pages a block, the largest first. The first pfn, or PAGE_NONE.
 */
uint32_t index_take_exact(struct index *index, uint32_t nr_pages, enum mobility group);

/* Of the block taken for nr_pages, gives back what is behind them; splits them as above. */
void index_trim(struct index *index, uint32_t pfn, uint32_t nr_pages, enum mobility group);

/*
 * As index_take(), but only what ends by the page `end`: for when the rest is about to leave. A
 * block that is free across `end` is not looked into.
 */
uint32_t index_take_below(struct index *index, unsigned order, enum mobility group, uint32_t end);

/* Gives a block back. */
void index_give(struct index *index, uint32_t pfn, unsigned order);

/* Tells the processor that a block will soon be given back. */
void index_expect(const struct index *index, uint32_t pfn, unsigned order);

/* Gives blocks of one order back, those of a page_run that starts at pfn. */
void index_give_run(struct index *index, uint32_t pfn, unsigned order, uint64_t mask);

/* Gives pages of one leaf back: base + i for each bit i. base is a multiple of 64. */
void index_give_pages(struct index *index, uint32_t base, uint64_t mask);

/* Takes this very block, which must be free. A pageblock that was free becomes the group's. */
void index_claim(struct index *index, uint32_t pfn, unsigned order, enum mobility group);

/*
 * Takes free pages of one leaf: base + i for each bit i. base is a multiple of 64. A pageblock that
 * was free becomes that of what is unmovable.
 */
void index_claim_pages(struct index *index, uint32_t base, uint64_t mask);

/* Which of the 64 pages from `base` on, a multiple of 64, are free. */
uint64_t index_free_pages(const struct index *index, uint32_t base);

/* What a pageblock is to others: a group's, or of none as it is one piece. */
enum index_pageblock {
	INDEX_PAGEBLOCK_UNMOVABLE = MOBILITY_UNMOVABLE,
	INDEX_PAGEBLOCK_MOVABLE = MOBILITY_MOVABLE,
	INDEX_PAGEBLOCK_RECLAIMABLE = MOBILITY_RECLAIMABLE,
	INDEX_PAGEBLOCK_FREE, /* as a whole */
	INDEX_PAGEBLOCK_HELD, /* as a block of its own, or a part of one */
	INDEX_NR_PAGEBLOCKS
};

enum index_pageblock index_pageblock(const struct index *index, uint32_t pageblock);

/* Free blocks by the kind of their pageblock and order. */
struct index_counts {
	uint64_t blocks[INDEX_NR_PAGEBLOCKS][PAGE_NR_ORDERS];
	uint64_t pageblocks[INDEX_NR_PAGEBLOCKS];
};

/*
 * Adds up the free blocks and the pageblocks of the pages from start up to end, outside of which
 * nothing is free, looking at no more than about max_leaves leaves a call. *cursor and *counts
 * start at 0 and are the caller's to keep between calls. True when all are counted.
 */
bool index_count(const struct index *index, uint32_t start, uint32_t end, uint32_t max_leaves,
		 uint32_t *cursor, struct index_counts *counts);

/* The order of the largest free block, or -1. */
int index_largest(const struct index *index);

/*
 * Checks that a leaf is filed where it belongs and nowhere else, that the summaries above it agree
 * and that nothing is handed up to the next level unless it is full. A static string that says what
 * is wrong, or NULL.
 */
const char *index_check_leaf(const struct index *index, unsigned level, uint32_t leaf);

/* All leaves of all levels so, and everything else that must hold within the index. */
const char *index_validate(const struct index *index);

/*
 * The shape of the levels: pages of a unit, units of a leaf (both as powers of two), and the
 * largest order that is served there, in units. Level 1 has a leaf a pageblock.
 */
static inline unsigned index_unit_shift(unsigned level)
{
	static const uint8_t shifts[INDEX_NR_LEVELS + 1] = { 0, 6, 9, 15, 21 };

	return shifts[level];
}

static inline unsigned index_leaf_shift(unsigned level)
{
	return level == 1 ? 3 : 6;
}

static inline unsigned index_order_max(unsigned level)
{
	static const uint8_t orders[INDEX_NR_LEVELS] = { 5, 2, 5, PAGE_ORDER_MAX - 15 };

	return orders[level];
}

static inline unsigned index_full_class(unsigned level)
{
	return index_order_max(level) + 2;
}

/* The level that serves blocks of this order. */
static inline unsigned index_level_of(unsigned order)
{
	return (order >= 6) + (order >= 9) + (order >= 15);
}
