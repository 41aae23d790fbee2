/* SPDX-License-Identifier: MIT */

/*
 * A zone's shape and its numbers. The index (index.c) says which pages are free, the ledger
 * (word.h) who holds the others; a zone keeps the two in step:
 *
 *   zone_open.c   makes the index from the ledger, at every start
 *   zone_alloc.c  takes blocks out of the free and stores their words; source.c finds them
 *   zone_free.c   clears words and brings blocks back
 *   zone_share.c  lets a block have several holders
 *   zone_walk.c   goes through what is held: for the dead, and for the curious
 *   zone_size.c   grows, shrinks, marks holes and plans for the contiguous area
 *   zone_check.c  doubts all of it
 *
 * Order of stores: a grant takes the block out of the index, then stores its word, and is made by
 * that store. A free clears the word, and then the index may have the block. The index dies with
 * the process, so only the order of the ledger's words counts, and it counts where one request has
 * several words: each word is a block that is granted, or not; none needs another.
 *
 * Beside the words a zone counts the pages that each slot holds, and keeps a bitmap of the regions,
 * of 1 GiB or more, in which the slot was ever granted something. A client's death then costs a
 * look at those regions alone, and ends as soon as the count is zero.
 *
 * Invariants (zone_validate() proves them): each page below the edge is free (in the index, or
 * warm), or of exactly one block in the ledger; beyond it, of one block or out of use; free, held
 * and hole pages add up; every block's region bit is set.
 */

#include <assert.h>

#include "core/ledger.h"
#include "core/zone.h"

uint32_t zone_nr_pages(const struct zone *zone)
{
	return zone->nr_pages;
}

uint32_t zone_nr_holes(const struct zone *zone)
{
	return zone->nr_holes;
}

uint32_t zone_nr_draining(const struct zone *zone)
{
	return zone->nr_draining;
}

uint32_t zone_nr_contiguous(const struct zone *zone)
{
	return zone->nr_contiguous;
}

uint32_t zone_nr_contiguous_free(const struct zone *zone)
{
	return zone->contiguous.nr_free;
}

unsigned zone_max_order(const struct zone *zone)
{
	unsigned largest = page_order_within(zone->nr_pages);

	return zone->max_order < largest ? zone->max_order : largest;
}

uint64_t zone_held_pages(const struct zone *zone, unsigned slot)
{
	assert(slot < zone->nr_slots);
	return zone->holders[slot].nr_pages;
}

const struct zone_counters *zone_counters(const struct zone *zone)
{
	return &zone->counters;
}

/* Watermarks. */

void zone_set_watermarks(struct zone *zone, const struct zone_watermarks *watermarks)
{
	zone->watermarks = *watermarks;
}

uint32_t zone_boost(const struct zone *zone)
{
	return zone->boost;
}

void zone_decay(struct zone *zone)
{
	zone->boost /= 2;
}

/* Counting. */

/* Blocks above the largest order are so many of that. */
static void add_blocks(const struct zone *zone, const uint64_t blocks[PAGE_NR_ORDERS],
		       enum zone_group group, struct zone_counts *counts)
{
	const unsigned max_order = zone_max_order(zone);

	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++) {
		unsigned as = order < max_order ? order : max_order;
		uint64_t nr = blocks[order] << (order - as);

		counts->groups[group].free_blocks[as] += nr;
		counts->free_blocks[as] += nr;
	}
}

static void sum_up(const struct zone *zone, struct zone_counts *counts)
{
	const struct index_counts *general = &counts->scratch[0];
	const struct index_counts *contiguous = &counts->scratch[1];
	static const enum zone_group groups[INDEX_NR_PAGEBLOCKS] = {
		[INDEX_PAGEBLOCK_UNMOVABLE] = ZONE_GROUP_UNMOVABLE,
		[INDEX_PAGEBLOCK_MOVABLE] = ZONE_GROUP_MOVABLE,
		[INDEX_PAGEBLOCK_RECLAIMABLE] = ZONE_GROUP_RECLAIMABLE,
		[INDEX_PAGEBLOCK_FREE] = ZONE_GROUP_FREE,
		[INDEX_PAGEBLOCK_HELD] = ZONE_GROUP_HELD,
	};

	for (unsigned kind = 0; kind < INDEX_NR_PAGEBLOCKS; kind++) {
		add_blocks(zone, general->blocks[kind], groups[kind], counts);
		add_blocks(zone, contiguous->blocks[kind], ZONE_GROUP_CONTIGUOUS, counts);
		counts->groups[groups[kind]].nr_pageblocks += general->pageblocks[kind];
		counts->groups[ZONE_GROUP_CONTIGUOUS].nr_pageblocks += contiguous->pageblocks[kind];
	}
}

#define COUNT_CONTIGUOUS (UINT32_C(1) << 31) /* in the cursor: the general part is done */

bool zone_count_free(struct zone *zone, uint32_t max_pages, uint32_t *cursor,
		     struct zone_counts *counts)
{
	const uint32_t max_leaves = max_pages / LEAF_UNITS + 1;
	uint32_t at = *cursor & ~COUNT_CONTIGUOUS;

	zone_settle(zone);
	if (*cursor == 0)
		*counts = (struct zone_counts){ 0 };
	if (*cursor & COUNT_CONTIGUOUS) {
		if (!index_count(&zone->contiguous, 0, zone->nr_contiguous, max_leaves, &at,
				 &counts->scratch[1])) {
			*cursor = at | COUNT_CONTIGUOUS;
			return false;
		}
	} else {
		if (!index_count(&zone->index, zone->nr_contiguous, zone->edge, max_leaves, &at,
				 &counts->scratch[0])) {
			*cursor = at;
			return false;
		}
		*cursor = COUNT_CONTIGUOUS;
		if (zone->nr_contiguous)
			return false;
	}
	sum_up(zone, counts);
	return true;
}

int zone_largest_free(struct zone *zone)
{
	int general, contiguous = -1, largest;

	zone_settle(zone);
	general = index_largest(&zone->index);
	if (zone->nr_contiguous)
		contiguous = index_largest(&zone->contiguous);
	largest = general > contiguous ? general : contiguous;
	return largest < (int)zone->max_order ? largest : (int)zone->max_order;
}
