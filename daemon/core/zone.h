/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A zone: the pages of one segment under one buddy allocator.
 *
 * The truth is the ledger, one word a page (core/word.h). Everything else in here is index: derived
 * from the words, thrown away and rebuilt at will. A zone owns neither of the two memories: the
 * caller gives both to zone_open() and keeps them until the zone is no longer used.
 *
 * Not thread-safe: one loop owns a zone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/index.h"
#include "core/page.h"
#include "core/share.h"
#include "core/slab.h"
#include "core/warm.h"
#include "core/word.h"

/* Why a request is refused. In every case nothing has changed. */
enum zone_error {
	ZONE_E_RANGE = 1,  /* not pages of this zone */
	ZONE_E_ALIGN,      /* not a multiple of the order, or no such order */
	ZONE_E_NOT_HEAD,   /* no allocated block starts there: free already, or the inside of one */
	ZONE_E_ORDER,      /* a block starts there, of another order */
	ZONE_E_NOT_HELD,   /* a block starts there, held by somebody else */
	ZONE_E_TWICE,      /* the batch names it twice */
	ZONE_E_FULL,       /* no free block is large enough */
	ZONE_E_DAMAGED,    /* the ledger can't be true */
	ZONE_E_HELD,       /* who is to share it holds it already */
	ZONE_E_SHARES,     /* the table of share records is full */
	ZONE_E_NOT_OBJECT, /* no object of a slab starts there */
	ZONE_E_CACHE       /* one starts there, of another cache */
};

struct zone_config {
	unsigned index;            /* of the zone in its pool: the top bits of its page addresses */
	uint32_t nr_pages;         /* 1 .. capacity_pages: the size of a fresh zone */
	uint32_t capacity_pages;   /* up to ZONE_PAGES_MAX, to grow into; 0: as nr_pages */
	uint32_t contiguous_pages; /* the first so many, lent to what can be moved or reclaimed: a
				    * multiple of a pageblock, at most nr_pages; or 0 */
	unsigned max_order;        /* 0 .. PAGE_ORDER_MAX; no larger block is handed out. One larger
				    * than the capacity means the largest that fits */
	unsigned nr_slots;         /* client slots, 1 .. WORD_NR_SLOTS */
	uint32_t nr_shares;        /* share records, up to WORD_NR_SHARES: a shared block needs one
				    * for every SHARE_HOLDERS holders; 0: no block is shared */
	uint32_t nr_slab_units;    /* room for objects, SLAB_UNIT_WORDS a unit: a multiple of
				    * SLAB_ROOM_UNITS up to SLAB_UNITS_MAX; 0: no objects */
	const struct cache_table *caches; /* of the objects; outlives the zone */
};

#define ZONE_PAGES_MAX (UINT32_C(1) << 28) /* 1 TiB */

/* What has happened since zone_open(). */
struct zone_counters {
	uint64_t allocs;   /* pages granted */
	uint64_t frees;    /* pages freed, by whom ever */
	uint64_t released; /* pages of these that zone_release() freed, for the dead */
	uint64_t failures; /* requests that were not served, or not whole */
	uint64_t steals;   /* requests served from another group's pageblock */
	uint64_t claims;   /* of these, those that made the pageblock their group's */
};

/* Where a zone gets short, in pages. */
struct zone_watermarks {
	uint32_t min, low, high;
};

enum zone_mark { ZONE_MARK_NONE = 0, ZONE_MARK_MIN, ZONE_MARK_LOW, ZONE_MARK_HIGH };

/* What is wrong, as found first by zone_open(), zone_check() and zone_validate(). */
struct zone_fault {
	uint32_t pfn;
	const char *what; /* a static string */
};

/* An allocated block, as zone_next_block() reports it. */
struct zone_block {
	uint32_t pfn;
	unsigned order;
	enum word_kind kind;
	struct word_owner owner; /* of a shared block: the slot asked for, or any of its holders; of
				  * a slab the daemon */
};

/* What a client slot holds in a zone. */
struct zone_holder {
	uint32_t nr_pages;
	uint32_t nr_counted; /* scratch of zone_validate() */
	uint64_t regions;    /* a bit a region in which it was granted something */
};

/* What a client slot holds in objects of a zone. */
struct zone_object_holder {
	uint64_t nr_objects;
	uint64_t bytes;
	uint64_t nr_counted, bytes_counted; /* scratch of zone_validate() */
};

struct ledger_header;

/* Read it through the functions below. */
struct zone {
	uint32_t *words;             /* the ledger */
	struct zone_holder *holders; /* by slot */
	uint32_t limit;              /* no block that starts below it reaches beyond the edge */
	uint32_t nr_slots;
	unsigned max_order;
	unsigned region_order;
	struct zone_counters counters;
	struct warm warm;
	struct index index;      /* what is free, but for the contiguous area */
	struct index contiguous; /* what is free there: the pages below nr_contiguous */
	uint32_t nr_contiguous;
	uint32_t nr_pages; /* the size */
	uint32_t edge;     /* what the index knows ends here; on its way to nr_pages */
	uint32_t capacity;
	uint32_t nr_recovered; /* pages that were held when the zone was opened */
	uint32_t nr_holes;     /* pages */
	uint32_t nr_draining;  /* pages */
	uint32_t boost;        /* pages */
	unsigned index_in_pool;
	struct zone_watermarks watermarks;
	struct share_table shares;
	struct slab_table slabs;
	struct zone_object_holder *object_holders; /* by slot; NULL: no objects */
	struct ledger_header *header;
};

/* Bytes of the two memories that a zone of this shape needs; both are multiples of 64. */
size_t zone_ledger_bytes(const struct zone_config *config);
size_t zone_index_bytes(const struct zone_config *config);

/*
 * Opens a zone. `ledger` and `index` are 64-byte aligned, of at least the bytes above; the index is
 * zeroed. A ledger that is zeroed is that of a fresh zone, all of it free. Any other is recovered:
 * what is derived is made again from its words alone, in one pass, and its own size and largest
 * order count, not those of the configuration. 0, -EINVAL for an impossible shape, or
 * ZONE_E_DAMAGED with *ret filled; then the ledger is as it was and the zone must not be used.
 */
int zone_open(struct zone *zone, const struct zone_config *config, void *ledger, void *index,
	      struct zone_fault *ret);

/*
 * Grants one block of 2^order pages: the one of this order and mobility that was freed last, if it
 * is still at hand, else the lowest that fits best. Stores its pfn in *ret_pfn. 0 or ZONE_E_FULL.
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
 * Tells the processor that a run will soon be checked: many words then come out of memory at once.
 * Worth it ZONE_RUNS_AHEAD runs before. The run may be anything.
 */
#define ZONE_RUNS_AHEAD 12u
static inline void zone_expect(const struct zone *zone, const struct page_run *run)
{
	__builtin_prefetch(&zone->words[(uint32_t)run->base], 1);
}

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
 * Lets another slot hold a block that `slot` holds, of the mobility that the block has. From then
 * on it is each holder's own: whatever frees blocks ends the hold of the slot that it is done for,
 * and the block is free when nobody holds it. It counts in full for each of them. 0, or a
 * zone_error as for zone_free(), ZONE_E_HELD or ZONE_E_SHARES, and then nothing has changed.
 */
int zone_share(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot,
	       struct word_owner other);

/*
 * Takes free pages out of use for good. 0, or ZONE_E_RANGE, or ZONE_E_NOT_HEAD when a page of them
 * is not free; then nothing has changed.
 */
int zone_mark_hole(struct zone *zone, uint32_t pfn, uint32_t nr_pages);

/*
 * Frees what `slot` holds, objects too, looking at no more than about max_pages words a call.
 * *cursor starts at 0 and is the caller's to keep between calls; blocks granted to `slot` meanwhile
 * may be missed, so grant it none. True when all is free.
 */
bool zone_release(struct zone *zone, unsigned slot, uint32_t max_pages, uint32_t *cursor);

/*
 * Walks allocated blocks in address order, all (slot < 0) or those of one slot and the slabs that
 * it has objects in, from *cursor on, looking at no more than about max_pages words. True with *ret
 * filled and *cursor behind the block; false with *cursor where to go on, or at the zone's capacity
 * when the walk is over.
 */
bool zone_next_block(const struct zone *zone, int slot, uint32_t max_pages, uint32_t *cursor,
		     struct zone_block *ret);

/*
 * The holders of the block that starts at pfn, one a call, in no order. *cursor starts at 0. False
 * when there are no more, or when no block starts there. If holders come and go between calls, some
 * may be missed.
 */
bool zone_next_holder(const struct zone *zone, uint32_t pfn, uint32_t *cursor,
		      struct word_owner *ret);

/*
 * Watermarks. A zone never looks at them itself: whoever places requests asks how much there is
 * room for.
 */
void zone_set_watermarks(struct zone *zone, const struct zone_watermarks *watermarks);

/* As they count now: low and high are raised by the boost. */
static inline struct zone_watermarks zone_watermarks(const struct zone *zone)
{
	const struct zone_watermarks *set = &zone->watermarks;

	return (struct zone_watermarks){ .min = set->min,
					 .low = set->low + zone->boost,
					 .high = set->high + zone->boost };
}

/*
 * The boost, in pages: grows by a pageblock with every steal, up to one and a half times the high
 * watermark, so that reclaim sets in before groups mix further. zone_decay() halves it.
 */
uint32_t zone_boost(const struct zone *zone);
void zone_decay(struct zone *zone);

/* Free pages, wherever they are. */
static inline uint32_t zone_nr_free(const struct zone *zone)
{
	uint64_t held = zone->nr_recovered + zone->counters.allocs - zone->counters.frees;

	return zone->edge + zone->nr_draining - zone->nr_holes - (uint32_t)held;
}

/* What can't be moved may have whole pageblocks of it, and no smaller part of an exact size. */
static inline bool zone_may_use_contiguous(const struct zone *zone, uint32_t nr_pages,
					   enum mobility mobility)
{
	return zone->nr_contiguous && (mobility != MOBILITY_UNMOVABLE ||
				       (nr_pages && nr_pages % INDEX_PAGEBLOCK_PAGES == 0));
}

/*
 * Pages that can be granted to requests for so many adjacent pages, of this mobility, before free
 * pages fall below the mark. What is free in the contiguous area counts for those that may use it:
 * the movable and the reclaimable, and whoever wants whole pageblocks.
 */
static inline uint32_t zone_room(const struct zone *zone, enum zone_mark mark, uint32_t nr_pages,
				 enum mobility mobility)
{
	const struct zone_watermarks marks = zone_watermarks(zone);
	const uint32_t kept[] = { [ZONE_MARK_MIN] = marks.min,
				  [ZONE_MARK_LOW] = marks.low,
				  [ZONE_MARK_HIGH] = marks.high };
	uint32_t nr_free = zone_nr_free(zone);

	if (!zone_may_use_contiguous(zone, nr_pages, mobility))
		nr_free -= zone->contiguous.nr_free;
	return nr_free > kept[mark] ? nr_free - kept[mark] : 0;
}

/*
 * Makes nr_pages the zone's size, contiguous_pages or 1 .. capacity: one store in the ledger. 0 or
 * ZONE_E_RANGE. New pages come into use, and free ones beyond the size leave it, by
 * zone_resize_step(), which looks at no more than about max_pages a call; true when nothing is left
 * to do. What is held beyond the size is draining: it leaves when it is freed.
 */
int zone_resize(struct zone *zone, uint32_t nr_pages);
bool zone_resize_step(struct zone *zone, uint32_t max_pages);

/* Blocks that stand in the way of one in the contiguous area. */
struct zone_plan {
	uint32_t pfn; /* of the block that could be had */
	unsigned order;
	uint32_t nr_blocks; /* held, to be found with zone_next_block() */
	uint32_t nr_pages;  /* of them */
};

/*
 * Finds the place in the contiguous area where a block of this order could be had by moving or
 * reclaiming the fewest pages, in one go: 64 GiB take up to 2.5 ms. Changes nothing. 0, or
 * ZONE_E_FULL if there is no such place.
 */
int zone_plan_contiguous(struct zone *zone, unsigned order, struct zone_plan *ret);

/* Sizes and counts, in pages. */
static inline uint32_t zone_capacity(const struct zone *zone)
{
	return zone->capacity;
}

uint32_t zone_nr_pages(const struct zone *zone); /* the size */
uint32_t zone_nr_holes(const struct zone *zone);
uint32_t zone_nr_draining(const struct zone *zone); /* holes too, which stay */
uint32_t zone_nr_contiguous(const struct zone *zone);
uint32_t zone_nr_contiguous_free(const struct zone *zone); /* but for what is warm */
unsigned zone_max_order(const struct zone *zone);
uint64_t zone_held_pages(const struct zone *zone, unsigned slot);
uint32_t zone_nr_shares(const struct zone *zone); /* share records in use */
const struct zone_counters *zone_counters(const struct zone *zone);

/* Whose a pageblock is. */
enum zone_group {
	ZONE_GROUP_UNMOVABLE = MOBILITY_UNMOVABLE,
	ZONE_GROUP_MOVABLE = MOBILITY_MOVABLE,
	ZONE_GROUP_RECLAIMABLE = MOBILITY_RECLAIMABLE,
	ZONE_GROUP_CONTIGUOUS, /* the contiguous area's, whatever it holds */
	ZONE_GROUP_FREE,       /* nobody's: free as a whole */
	ZONE_GROUP_HELD,       /* nobody's: held as a block of its own, or a part of one */
	ZONE_NR_GROUPS
};

/* Free blocks by order, in all and by group. */
struct zone_counts {
	uint64_t free_blocks[PAGE_NR_ORDERS];
	struct zone_group_counts {
		uint64_t nr_pageblocks;
		uint64_t free_blocks[PAGE_NR_ORDERS];
	} groups[ZONE_NR_GROUPS];
	struct index_counts scratch[2];
};

/*
 * Counts free blocks, looking at the index of no more than about max_pages a call: 8 GiB take up to
 * 0.3 ms. *cursor starts at 0 and is the caller's to keep between calls, as *counts is. True when
 * all are counted. If the zone changes between calls, the sum is that of no one moment.
 */
bool zone_count_free(struct zone *zone, uint32_t max_pages, uint32_t *cursor,
		     struct zone_counts *counts);

/* The order of the largest free block, or -1. */
int zone_largest_free(struct zone *zone);

/* Merges what was freed last with its neighbours; see core/warm.h. */
void zone_settle(struct zone *zone);

/*
 * Checks index against ledger for the pages from *cursor on, at most about max_pages of them;
 * advances *cursor, which ends at the zone's capacity. The zone may change between calls. 0 or
 * -EUCLEAN with *ret filled.
 */
int zone_check(struct zone *zone, uint32_t max_pages, uint32_t *cursor, struct zone_fault *ret);

/*
 * Proves every invariant at once, counters and per-slot sums included. For tests; reads the whole
 * zone, and settles it. 0 or -EUCLEAN with *ret filled.
 */
int zone_validate(struct zone *zone, struct zone_fault *ret);
