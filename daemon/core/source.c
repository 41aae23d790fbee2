/* SPDX-License-Identifier: MIT */

/*
 * Where pages come from. A request is served by the first of these that can:
 *
 *   1. what is warm (warm.h; the caller has looked)
 *   2. its own group's pageblocks, or a free pageblock, which becomes its group's
 *   3. the contiguous area, if it can be moved or reclaimed, or is of whole pageblocks, which is
 *      what the area is for; before 2, once more of the area is free than of the rest
 *   4. all of these again after everything warm was merged
 *   5. another group's pageblocks (a steal): that with the largest free block changes groups as a
 *      whole if half of it is free; if not, what fits best is taken from that group
 *
 * This is the order of the kernel's page allocator (mm/page_alloc.c), but that free pageblocks are
 * nobody's: what is free as a whole needs no stealing.
 *
 * Where pages go: to the warm stacks; when one is full its older half goes to the index, prefetched
 * first, so that the misses overlap. Pages beyond the zone's edge go out of use instead.
 *
 * Out of use are the pages beyond the zone's edge that nobody holds. The index has them as held,
 * single pages without a word, so that nothing in it knows of sizes. The edge moves towards the
 * zone's size a slice a time. While it is still beyond it, a take that finds pages between the two
 * gives them back and takes what lies below the size, of whatever group.
 */

#include <assert.h>

#include "core/leaf.h"
#include "core/ledger.h"
#include "core/source.h"

/* A steal's share in the watermarks. */
#define BOOST_PAGES INDEX_PAGEBLOCK_PAGES

/* Steals. */

static void boost_watermarks(struct zone *zone)
{
	uint32_t max = zone->watermarks.high + zone->watermarks.high / 2;

	/* A zone of a few pageblocks would be all boost. */
	if (zone->nr_pages < 4 * BOOST_PAGES)
		return;
	zone->boost = zone->boost + BOOST_PAGES < max ? zone->boost + BOOST_PAGES : max;
}

/* The group in whose pageblocks a request will be served; INDEX_NR_GROUPS if in none. */
static unsigned steal(struct zone *zone, struct index *index, unsigned order,
		      enum mobility mobility)
{
	unsigned group = INDEX_NR_GROUPS;

	if (order < INDEX_PAGEBLOCK_ORDER)
		group = index_steal(index, order, mobility);
	if (group == INDEX_NR_GROUPS)
		return group;
	zone->counters.steals++;
	zone->counters.claims += group == (unsigned)mobility;
	boost_watermarks(zone);
	return group;
}

/* Taking, of whatever form. */

struct request {
	unsigned order;    /* of the block that must be there */
	uint32_t nr_pages; /* to take of it; 0: all blocks of the order that a leaf has */
	enum mobility mobility;
};

struct taken {
	uint32_t pfn;    /* or the leaf's first */
	uint64_t starts; /* of the blocks in the leaf; 0 for adjacent pages */
};

static bool take_from(struct index *index, const struct request *request, unsigned group,
		      struct taken *ret)
{
	if (!request->nr_pages) {
		ret->starts =
			index_take_leaf(index, request->order, (enum mobility)group, &ret->pfn);
		return ret->starts != 0;
	}
	ret->starts = 0;
	ret->pfn = index_take_exact(index, request->nr_pages, (enum mobility)group);
	return ret->pfn != PAGE_NONE;
}

/* Both parts of the zone, in which order they are to be asked; returns how many. */
static unsigned choose_parts(struct zone *zone, const struct request *request,
			     struct index *ret_parts[2])
{
	bool is_first = request->mobility != MOBILITY_UNMOVABLE &&
			zone->contiguous.nr_free > zone->index.nr_free;

	ret_parts[0] = ret_parts[1] = &zone->index;
	if (!zone_may_use_contiguous(zone, request->nr_pages, request->mobility))
		return 1;
	ret_parts[!is_first] = &zone->contiguous;
	return 2;
}

static bool take_own(struct zone *zone, const struct request *request, struct taken *ret)
{
	struct index *parts[2];
	unsigned nr_parts = choose_parts(zone, request, parts);

	for (unsigned i = 0; i < nr_parts; i++)
		if (take_from(parts[i], request, request->mobility, ret))
			return true;
	return false;
}

static bool take_stolen(struct zone *zone, const struct request *request, struct taken *ret)
{
	struct index *parts[2];
	unsigned nr_parts = choose_parts(zone, request, parts);

	for (unsigned i = 0; i < nr_parts; i++) {
		unsigned group = steal(zone, parts[i], request->order, request->mobility);

		if (group < INDEX_NR_GROUPS && take_from(parts[i], request, group, ret))
			return true;
	}
	return false;
}

static bool take_any(struct zone *zone, const struct request *request, struct taken *ret)
{
	if (take_own(zone, request, ret))
		return true;
	zone_settle(zone);
	return take_own(zone, request, ret) || take_stolen(zone, request, ret);
}

static void put_back(struct zone *zone, const struct request *request, const struct taken *taken)
{
	uint32_t pfn = taken->pfn;

	for (uint64_t starts = taken->starts; starts; starts &= starts - 1)
		index_give(&zone->index, pfn + (uint32_t)__builtin_ctzll(starts), request->order);
	for (uint32_t left = request->nr_pages; left;) {
		unsigned part = page_order_within(left);

		index_give(&zone->index, pfn, part);
		pfn += UINT32_C(1) << part;
		left -= UINT32_C(1) << part;
	}
}

/* One block, below the size. */
static bool take_below(struct zone *zone, const struct request *request, unsigned group,
		       struct taken *ret)
{
	uint32_t pfn = index_take_below(&zone->index, request->order, (enum mobility)group,
					zone->nr_pages);

	if (pfn == PAGE_NONE)
		return false;
	if (request->nr_pages) {
		index_trim(&zone->index, pfn, request->nr_pages, (enum mobility)group);
		*ret = (struct taken){ .pfn = pfn };
	} else {
		*ret = (struct taken){ .pfn = pfn - pfn % LEAF_UNITS,
				       .starts = UINT64_C(1) << pfn % LEAF_UNITS };
	}
	return true;
}

static bool take_below_or_contiguous(struct zone *zone, const struct request *request,
				     struct taken *ret)
{
	bool both = zone_may_use_contiguous(zone, request->nr_pages, request->mobility);

	for (unsigned n = 0; n < NR_MOBILITIES; n++) {
		unsigned group = (request->mobility + n) % NR_MOBILITIES;

		if (take_below(zone, request, group, ret) ||
		    (both && take_from(&zone->contiguous, request, group, ret)))
			return true;
	}
	return false;
}

/* Without the first page to go, no block is free across the size. */
static bool take_retiring(struct zone *zone, const struct request *request, struct taken *ret)
{
	const uint32_t first = zone->nr_pages;
	bool is_free, is_taken;

	zone_settle(zone);
	is_free = source_free_pages(zone, first - first % LEAF_UNITS) >> first % LEAF_UNITS & 1;
	if (is_free)
		index_claim(&zone->index, first, 0, request->mobility);
	is_taken = take_below_or_contiguous(zone, request, ret);
	if (is_free)
		index_give(&zone->index, first, 0);
	return is_taken;
}

static bool take(struct zone *zone, const struct request *request, struct taken *ret)
{
	uint32_t last;

	if (!take_any(zone, request, ret))
		return false;
	last = ret->pfn + (request->nr_pages ? request->nr_pages : LEAF_UNITS) - 1;
	if (!source_is_retiring(zone) || last < zone->nr_pages)
		return true;
	put_back(zone, request, ret);
	return take_retiring(zone, request, ret);
}

uint32_t source_take(struct zone *zone, unsigned order, enum mobility mobility)
{
	const struct request request = { order, UINT32_C(1) << order, mobility };
	struct taken taken;

	return take(zone, &request, &taken) ? taken.pfn : PAGE_NONE;
}

uint32_t source_take_exact(struct zone *zone, uint32_t nr_pages, enum mobility mobility)
{
	const struct request request = { page_order_of(nr_pages), nr_pages, mobility };
	struct taken taken;

	return take(zone, &request, &taken) ? taken.pfn : PAGE_NONE;
}

uint64_t source_take_leaf(struct zone *zone, unsigned order, enum mobility mobility,
			  uint32_t *ret_base)
{
	const struct request request = { order, 0, mobility };
	struct taken taken;

	if (!take(zone, &request, &taken))
		return 0;
	*ret_base = taken.pfn;
	return taken.starts;
}

/* What is smaller than a leaf comes by the leaf. */
uint32_t source_refill(struct zone *zone, unsigned order, enum mobility mobility)
{
	struct warm_leaf *leaf;
	uint32_t pfn = PAGE_NONE;

	if (order > LEAF_ORDER_MAX)
		return source_take(zone, order, mobility);
	leaf = &zone->warm.leaves[order][mobility];
	leaf->starts = source_take_leaf(zone, order, mobility, &leaf->base);
	warm_pick(&zone->warm, order, mobility, &pfn);
	return pfn;
}

uint32_t source_get(struct zone *zone, unsigned order, enum mobility mobility)
{
	uint32_t pfn;

	if (warm_pop(&zone->warm, order, mobility, &pfn) ||
	    warm_pick(&zone->warm, order, mobility, &pfn))
		return pfn;
	return source_refill(zone, order, mobility);
}

/* Putting. */

static void flush(struct zone *zone, unsigned order, unsigned count)
{
	uint32_t pfns[WARM_BLOCKS_MAX];
	unsigned n = warm_shift(&zone->warm, order, count, pfns);

	for (unsigned i = 0; i < n; i++)
		index_expect(source_index(zone, pfns[i]), pfns[i], order);
	for (unsigned i = 0; i < n; i++)
		index_give(source_index(zone, pfns[i]), pfns[i], order);
}

void zone_settle(struct zone *zone)
{
	for (unsigned order = 0; order <= zone->max_order; order++)
		flush(zone, order, WARM_BLOCKS_MAX);
	for (unsigned mobility = 0; mobility < NR_MOBILITIES; mobility++)
		for (unsigned order = 0; order <= LEAF_ORDER_MAX; order++) {
			uint32_t pfn;

			while (warm_pick(&zone->warm, order, (enum mobility)mobility, &pfn))
				index_give(source_index(zone, pfn), pfn, order);
		}
}

void source_put(struct zone *zone, uint32_t pfn, unsigned order, uint32_t word)
{
	if (pfn >= zone->limit) {
		source_put_run(zone, pfn, order, 1);
		return;
	}
	if (warm_push(&zone->warm, order, word, pfn))
		return;
	flush(zone, order, warm_max(order) / 2);
	warm_push(&zone->warm, order, word, pfn);
}

void source_put_pages(struct zone *zone, uint32_t base, uint64_t mask)
{
	uint64_t gone = mask & leaf_between(base, zone->edge, zone->capacity);

	mask &= ~gone;
	if (mask)
		index_give_pages(source_index(zone, base), base, mask);
	if (gone) {
		zone->nr_draining -= (uint32_t)__builtin_popcountll(gone);
		source_set_limit(zone);
	}
}

/* What is to go out of use is given to the index all the same: it takes whole blocks only. */
static void put_beyond(struct zone *zone, uint32_t pfn, unsigned order)
{
	uint32_t end = pfn + (UINT32_C(1) << order);
	uint32_t start = pfn > zone->edge ? pfn : zone->edge;

	index_give(&zone->index, pfn, order);
	for (uint32_t base = start - start % LEAF_UNITS; base < end; base += LEAF_UNITS) {
		uint64_t gone = leaf_between(base, start, end);

		zone->nr_draining -= (uint32_t)__builtin_popcountll(gone);
		index_claim_pages(&zone->index, base, gone);
	}
}

/* No block lies across the end of the contiguous area, but a run of them may. */
static void put_both_parts(struct zone *zone, uint32_t pfn, unsigned order, uint64_t mask)
{
	uint32_t nr_below = ((zone->nr_contiguous - 1 - pfn) >> order) + 1;
	uint64_t below = mask & ((UINT64_C(1) << nr_below) - 1);

	if (below)
		source_put_run(zone, pfn, order, below);
	source_put_run(zone, pfn + (nr_below << order), order, mask >> nr_below);
}

void source_put_run(struct zone *zone, uint32_t pfn, unsigned order, uint64_t mask)
{
	uint32_t end = pfn + ((64u - (uint32_t)__builtin_clzll(mask)) << order);

	if (pfn < zone->nr_contiguous && end > zone->nr_contiguous) {
		put_both_parts(zone, pfn, order, mask);
		return;
	}
	if (end <= zone->edge) {
		index_give_run(source_index(zone, pfn), pfn, order, mask);
		return;
	}
	for (; mask; mask &= mask - 1)
		put_beyond(zone, pfn + ((uint32_t)__builtin_ctzll(mask) << order), order);
	source_set_limit(zone);
}

/* Changing size, a leaf at a time. */

void source_set_limit(struct zone *zone)
{
	uint32_t usable = zone->nr_pages < zone->edge ? zone->nr_pages : zone->edge;

	zone->limit = ledger_across(zone, usable);
}

void source_retire(struct zone *zone, uint32_t max_pages)
{
	for (uint32_t looked = 0; source_is_retiring(zone) && looked < max_pages;
	     looked += LEAF_UNITS) {
		uint32_t base = (zone->edge - 1) & ~(LEAF_UNITS - 1);
		uint64_t gone = leaf_between(base, zone->nr_pages, zone->edge);
		uint64_t free = index_free_pages(&zone->index, base) & gone;

		index_claim_pages(&zone->index, base, free);
		zone->nr_draining += (uint32_t)__builtin_popcountll(gone & ~free);
		zone->edge = base > zone->nr_pages ? base : zone->nr_pages;
	}
	source_set_limit(zone);
}

void source_grow(struct zone *zone, uint32_t max_pages)
{
	for (uint32_t looked = 0; zone->edge < zone->nr_pages && looked < max_pages;
	     looked += LEAF_UNITS) {
		uint32_t base = zone->edge & ~(LEAF_UNITS - 1), end = base + LEAF_UNITS;
		uint64_t held = ledger_held_pages(zone, base), in;

		end = end < zone->nr_pages ? end : zone->nr_pages;
		in = leaf_between(base, zone->edge, end);
		zone->nr_draining -= (uint32_t)__builtin_popcountll(in & held);
		zone->edge = end;
		if (in & ~held)
			index_give_pages(&zone->index, base, in & ~held);
	}
	source_set_limit(zone);
}
