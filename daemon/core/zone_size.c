/* SPDX-License-Identifier: MIT */

/*
 * What a zone consists of: its size, its holes, and what may be had of its contiguous area.
 *
 * The size is one word of the ledger's header; its store is the resize, and what follows brings the
 * index after it in slices (source.c). A daemon that dies in between finds the new size and has the
 * pages in or out of use at once, as they are when nobody holds them.
 */

#include <assert.h>

#include "core/ledger.h"
#include "core/source.h"
#include "core/zone.h"
#include "core/zone_slab.h"

/* Size. */

static void store_size(struct zone *zone, uint32_t nr_pages)
{
	if (nr_pages > zone->header->end)
		__atomic_store_n(&zone->header->end, nr_pages, __ATOMIC_RELEASE);
	__atomic_store_n(&zone->header->nr_pages, nr_pages, __ATOMIC_RELEASE);
	zone->nr_pages = nr_pages;
}

int zone_resize(struct zone *zone, uint32_t nr_pages)
{
	if (nr_pages < 1 || nr_pages < zone->nr_contiguous || nr_pages > zone->capacity)
		return ZONE_E_RANGE;
	zone_settle(zone);
	store_size(zone, nr_pages);
	source_set_limit(zone);
	return 0;
}

bool zone_resize_step(struct zone *zone, uint32_t max_pages)
{
	const uint32_t edge = zone->edge;

	if (source_is_retiring(zone)) {
		source_retire(zone, max_pages);
		zone_object_move_edge(zone, zone->edge, edge);
	} else {
		source_grow(zone, max_pages);
		zone_object_move_edge(zone, edge, zone->edge);
	}
	return zone->edge == zone->nr_pages;
}

/* Holes. */

static bool is_range_free(const struct zone *zone, uint32_t start, uint32_t end)
{
	for (uint32_t base = start - start % LEAF_UNITS; base < end; base += LEAF_UNITS)
		if (leaf_between(base, start, end) & ~source_free_pages(zone, base))
			return false;
	return true;
}

/* The largest block that starts at `start` and ends by `end`. */
static unsigned first_order(uint32_t start, uint32_t end, unsigned max_order)
{
	unsigned order = page_order_within(end - start);

	if (start && (unsigned)__builtin_ctz(start) < order)
		order = (unsigned)__builtin_ctz(start);
	return order < max_order ? order : max_order;
}

/* All in one part of the zone. */
static void mark_blocks(struct zone *zone, uint32_t pfn, uint32_t end)
{
	const struct word_owner owner = { .slot = WORD_SLOT_DAEMON };

	while (pfn < end) {
		unsigned order = first_order(pfn, end, zone->max_order);

		index_claim(source_index(zone, pfn), pfn, order, MOBILITY_UNMOVABLE);
		ledger_store(zone, pfn, word_make(WORD_HOLE, owner, order));
		pfn += UINT32_C(1) << order;
	}
}

int zone_mark_hole(struct zone *zone, uint32_t pfn, uint32_t nr_pages)
{
	const uint32_t usable = zone->edge < zone->nr_pages ? zone->edge : zone->nr_pages;
	uint32_t end = pfn + nr_pages;
	uint32_t border = pfn > zone->nr_contiguous ? pfn : zone->nr_contiguous;

	if (nr_pages == 0 || pfn >= usable || nr_pages > usable - pfn)
		return ZONE_E_RANGE;
	zone_settle(zone);
	if (!is_range_free(zone, pfn, end))
		return ZONE_E_NOT_HEAD;
	if (border > end)
		border = end;
	mark_blocks(zone, pfn, border);
	mark_blocks(zone, border, end);
	zone->nr_holes += nr_pages;
	return 0;
}

/* The contiguous area. */

#define PLAN_NONE UINT32_MAX /* pages of a place that can't be had */

static uint32_t count_held(const struct index *index, uint32_t pageblock)
{
	const uint32_t first = pageblock * INDEX_PAGEBLOCK_PAGES;
	uint32_t nr_held = 0;

	switch (index_pageblock(index, pageblock)) {
	case INDEX_PAGEBLOCK_FREE:
		return 0;
	case INDEX_PAGEBLOCK_HELD:
		return INDEX_PAGEBLOCK_PAGES;
	default:
		break;
	}
	for (uint32_t base = first; base < first + INDEX_PAGEBLOCK_PAGES; base += LEAF_UNITS)
		nr_held += (uint32_t)__builtin_popcountll(~index_free_pages(index, base));
	return nr_held;
}

/*
 * Pages of the blocks in a place, told from the index: all places are asked. One within a larger
 * block costs what the one at that block's head does, and is left to it.
 */
static uint32_t count_in_the_way(const struct zone *zone, uint32_t pfn, unsigned order)
{
	const uint32_t first = pfn / INDEX_PAGEBLOCK_PAGES;
	const uint32_t end = first + (UINT32_C(1) << (order - INDEX_PAGEBLOCK_ORDER));
	uint32_t nr_held = 0;

	if (index_pageblock(&zone->contiguous, first) == INDEX_PAGEBLOCK_HELD) {
		if (ledger_across(zone, pfn) < pfn)
			return PLAN_NONE;
		if (word_order(zone->words[pfn]) > order)
			return UINT32_C(1) << word_order(zone->words[pfn]);
	}
	for (uint32_t pageblock = first; pageblock < end; pageblock++)
		nr_held += count_held(&zone->contiguous, pageblock);
	return nr_held;
}

/* Counts a place's blocks. False if one of them, maybe a hole, can't be made to go. */
static bool plan_blocks(const struct zone *zone, struct zone_plan *plan)
{
	const uint32_t end = plan->pfn + (UINT32_C(1) << plan->order);
	const uint32_t unmovable = (uint32_t)MOBILITY_UNMOVABLE << WORD_MOBILITY_SHIFT;

	for (uint32_t base = plan->pfn; plan->nr_pages && base < end; base += LEAF_UNITS) {
		const uint32_t *words = zone->words + base;
		uint64_t heads = ~ledger_find(words, UINT32_MAX, 0);

		if (heads & ledger_find(words, LEDGER_MOBILITY_MASK, unmovable))
			return false;
		plan->nr_blocks += (uint32_t)__builtin_popcountll(heads);
	}
	return true;
}

/* Only a place that is better than all before has its words read. */
int zone_plan_contiguous(struct zone *zone, unsigned order, struct zone_plan *ret)
{
	struct zone_plan best = { .nr_pages = PLAN_NONE };

	if (order < INDEX_PAGEBLOCK_ORDER || order > zone->max_order ||
	    zone->nr_contiguous < UINT32_C(1) << order)
		return ZONE_E_FULL;
	zone_settle(zone);
	for (uint32_t pfn = 0; pfn <= zone->nr_contiguous - (UINT32_C(1) << order) && best.nr_pages;
	     pfn += UINT32_C(1) << order) {
		struct zone_plan plan = { .pfn = pfn, .order = order };

		plan.nr_pages = count_in_the_way(zone, pfn, order);
		if (plan.nr_pages < best.nr_pages && plan_blocks(zone, &plan))
			best = plan;
	}
	if (best.nr_pages == PLAN_NONE)
		return ZONE_E_FULL;
	*ret = best;
	return 0;
}
