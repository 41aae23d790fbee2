/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A zone: the pages of one segment under one buddy allocator.
 *
 * The truth is the ledger, one word a page (core/word.h). Everything else in here is index: derived
 * from the words, thrown away and rebuilt at will. A zone owns neither of the two memories: the
 * caller gives both to zone_init() and keeps them until the zone is no longer used.
 *
 * Not thread-safe: one loop owns a zone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/index.h"
#include "core/page.h"
#include "core/word.h"

/* Why a block can't be freed. In every case nothing has changed. */
enum zone_error {
	ZONE_E_RANGE = 1, /* not pages of this zone */
	ZONE_E_ALIGN,     /* not a multiple of the order, or no such order */
	ZONE_E_NOT_HEAD,  /* no allocated block starts there: free already, or the inside of one */
	ZONE_E_ORDER,     /* a block starts there, of another order */
	ZONE_E_NOT_HELD,  /* a block starts there, held by somebody else */
	ZONE_E_TWICE,     /* the batch names it twice */
	ZONE_E_FULL       /* no free block is large enough */
};

struct zone_config {
	unsigned index;     /* of the zone in its pool: the top bits of its page addresses */
	uint32_t nr_pages;  /* 1 .. ZONE_PAGES_MAX */
	unsigned max_order; /* 0 .. PAGE_ORDER_MAX; no larger block is handed out or kept free. One
			     * larger than the zone means the largest that fits */
	unsigned nr_slots;  /* client slots, 1 .. WORD_NR_SLOTS */
};

#define ZONE_PAGES_MAX (UINT32_C(1) << 28) /* 1 TiB */

/* What has happened since zone_init(), in blocks unless the name says otherwise. */
struct zone_counters {
	uint64_t allocs;
	uint64_t frees;
	uint64_t failures;       /* requests that were not served, or not whole */
	uint64_t pages_released; /* by zone_release(), for the dead */
};

/* What zone_check() and zone_validate() found wrong first. */
struct zone_fault {
	uint32_t pfn;
	const char *what; /* a static string */
};

/* An allocated block, as zone_next_block() reports it. */
struct zone_block {
	uint32_t pfn;
	unsigned order;
	enum word_kind kind;
	struct word_owner owner;
};

/* What a client slot holds in a zone. */
struct zone_holder {
	uint32_t nr_pages;
	uint32_t nr_counted; /* scratch of zone_validate() */
};

/* Read it through the functions below. */
struct zone {
	struct index index;
	uint32_t *words;             /* the ledger */
	struct zone_holder *holders; /* by slot */
	uint64_t *regions;           /* by slot: a bit a GiB in which it was granted something */
	uint32_t region_words;       /* of each slot */
	uint32_t nr_holes;           /* pages */
	uint32_t nr_slots;
	unsigned index_in_pool;
	struct zone_counters counters;
};

/* Bytes of the two memories that a zone of this shape needs; both are multiples of 64. */
size_t zone_ledger_bytes(const struct zone_config *config);
size_t zone_index_bytes(const struct zone_config *config);

/*
 * Makes a fresh zone, all of it free, in `zone`. `ledger` and `index` are 64-byte aligned, of at
 * least the bytes above; the ledger must be zeroed. 0, or -EINVAL for an impossible shape.
 */
int zone_init(struct zone *zone, const struct zone_config *config, void *ledger, void *index);

/*
 * Grants one block of 2^order pages, the lowest that fits best. Stores its pfn in *ret_pfn.
 * 0 or ZONE_E_FULL.
 */
int zone_alloc(struct zone *zone, unsigned order, struct word_owner owner, uint32_t *ret_pfn);

/*
 * Grants up to `count` blocks of one order. Appends to `runs`, which must have room for `count`
 * more after *nr_runs entries, and advances *nr_runs. Returns the number of blocks granted, fewer
 * than `count` only when no more fit.
 */
size_t zone_alloc_bulk(struct zone *zone, unsigned order, size_t count, struct word_owner owner,
		       struct page_run *runs, size_t *nr_runs);

/*
 * Grants nr_pages adjacent pages: takes the next power of two and gives the tail back at once.
 * What is kept is a sequence of blocks, largest first. 0, or ZONE_E_FULL, also for no pages at all
 * and for more than a block of the largest order.
 */
int zone_alloc_exact(struct zone *zone, uint32_t nr_pages, struct word_owner owner,
		     uint32_t *ret_pfn);

/* Frees a block that `slot` holds. 0 or a zone_error, and then nothing has changed. */
int zone_free(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot);

/*
 * Frees all blocks of the runs, or none: one that is wrong, or named twice, leaves all of them
 * held. Runs of another zone are ZONE_E_RANGE.
 */
int zone_free_bulk(struct zone *zone, unsigned order, unsigned slot, const struct page_run *runs,
		   size_t nr_runs);

/*
 * The two rounds of a batch free, run by run, for batches that span zones. zone_leave() checks and
 * marks all blocks of a run, or none: 0 or a zone_error. Marked runs must then all be given to
 * zone_leave_cancel(), and are held as before, or to zone_leave_finish(), and are free.
 */
int zone_leave(struct zone *zone, unsigned order, unsigned slot, const struct page_run *run);
void zone_leave_cancel(struct zone *zone, unsigned order, const struct page_run *run);
void zone_leave_finish(struct zone *zone, unsigned order, unsigned slot,
		       const struct page_run *run);

/* Frees what zone_alloc_exact() of this size granted. All or nothing. */
int zone_free_exact(struct zone *zone, uint32_t pfn, uint32_t nr_pages, unsigned slot);

/*
 * Takes free pages out of use for good. 0, or ZONE_E_RANGE, or ZONE_E_NOT_HEAD when a page of them
 * is not free; then nothing has changed.
 */
int zone_mark_hole(struct zone *zone, uint32_t pfn, uint32_t nr_pages);

/*
 * Frees what `slot` holds, looking at no more than about max_pages words a call. *cursor starts at
 * 0 and is the caller's to keep between calls; blocks granted to `slot` meanwhile may be missed, so
 * grant it none. True when all is free.
 */
bool zone_release(struct zone *zone, unsigned slot, uint32_t max_pages, uint32_t *cursor);

/*
 * Walks allocated blocks in address order, all (slot < 0) or those of one slot, from *cursor on,
 * looking at no more than max_pages words. True with *ret filled and *cursor behind the block;
 * false with *cursor where to go on, or at nr_pages when the walk is over.
 */
bool zone_next_block(const struct zone *zone, int slot, uint32_t max_pages, uint32_t *cursor,
		     struct zone_block *ret);

/* Sizes and counts. */
uint32_t zone_nr_pages(const struct zone *zone);
uint32_t zone_nr_free(const struct zone *zone);  /* pages */
uint32_t zone_nr_holes(const struct zone *zone); /* pages */
unsigned zone_max_order(const struct zone *zone);
uint64_t zone_held_pages(const struct zone *zone, unsigned slot);
const struct zone_counters *zone_counters(const struct zone *zone);

/*
 * Counts free blocks by order, looking at the index of no more than about max_pages a call: 8 GiB
 * take up to 0.3 ms. *cursor starts at 0 and is the caller's to keep between calls, as nr_blocks
 * is. True when all are counted. If the zone changes between calls, the sum is that of no one
 * moment.
 */
bool zone_count_free(const struct zone *zone, uint32_t max_pages, uint32_t *cursor,
		     uint64_t nr_blocks[PAGE_NR_ORDERS]);

/* The order of the largest free block, or -1. */
int zone_largest_free(const struct zone *zone);

/*
 * Checks index against ledger for the pages from *cursor on, at most about max_pages of them;
 * advances *cursor, which ends at nr_pages. The zone may change between calls. 0 or -EUCLEAN with
 * *ret filled.
 */
int zone_check(const struct zone *zone, uint32_t max_pages, uint32_t *cursor,
	       struct zone_fault *ret);

/*
 * Proves every invariant at once, counters and per-slot sums included. For tests; reads the whole
 * zone. 0 or -EUCLEAN with *ret filled.
 */
int zone_validate(const struct zone *zone, struct zone_fault *ret);
