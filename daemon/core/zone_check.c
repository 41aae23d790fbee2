/* SPDX-License-Identifier: MIT */

/*
 * Doubting a zone: is each page free in the index or in one block of the ledger, and never both?
 *
 * The pages are gone through a leaf at a time, which is where the two meet: the blocks among 64
 * words say which of the leaf's bits must be set. A block of 64 pages and more is a bit at a higher
 * level; below it the leaves must be full and the words zero. What a check needs to know of the
 * pages before it, whether a large block reaches into them, is found by looking at the few heads
 * that such a block could have. So a check can be done in slices while the zone is in use.
 */

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "core/ledger.h"
#include "core/zone.h"

static int fault(struct zone_fault *ret, uint32_t pfn, const char *what)
{
	*ret = (struct zone_fault){ .pfn = pfn, .what = what };
	return -EUCLEAN;
}

/* Where the large block that covers the leaf at base ends, if it starts before it; else base. */
static uint32_t covered_until(const struct zone *zone, uint32_t base)
{
	for (unsigned order = INDEX_LEVEL_SHIFT + 1; order <= zone->index.max_order; order++) {
		uint32_t head = base & ~((UINT32_C(1) << order) - 1);
		uint32_t word = zone->words[head];

		if (head < base && word && word_order(word) == order)
			return head + (UINT32_C(1) << order);
	}
	return base;
}

static const char *check_word(const struct zone *zone, uint32_t pfn, uint32_t word)
{
	unsigned order = word_order(word);

	switch (word_kind(word)) {
	case WORD_PAGE:
		if (word_slot(word) >= zone->nr_slots)
			return "a block's holder is no slot";
		break;
	case WORD_HOLE:
		break;
	case WORD_LEAVING:
		return "a batch free was left half done";
	default:
		return "a block is of no known kind";
	}
	if (order > zone->index.max_order)
		return "a block is larger than the largest order";
	if (pfn & ((UINT32_C(1) << order) - 1))
		return "a block is not aligned to its order";
	if (UINT32_C(1) << order > zone->index.nr_pages - pfn)
		return "a block ends behind the zone";
	return NULL;
}

/* Leaves between the pages and the level of a large block belong to the block as a whole. */
static bool is_full_below(const struct zone *zone, uint32_t pfn, unsigned order)
{
	for (unsigned i = 1; i < index_level_of(order); i++) {
		unsigned shift = (i + 1) * INDEX_LEVEL_SHIFT;

		for (uint32_t leaf = 0; leaf < UINT32_C(1) << (order - shift); leaf++)
			if (zone->index.levels[i].leaves[(pfn >> shift) + leaf] != LEAF_FULL)
				return false;
	}
	return true;
}

/*
 * Which of the 64 pages at base are held. *covered is where the last large block ends and moves
 * when another starts here.
 */
static int held_pages(const struct zone *zone, uint32_t base, uint32_t *covered, uint64_t *ret_held,
		      struct zone_fault *ret)
{
	uint64_t held = *covered > base ? LEAF_FULL : 0;

	for (unsigned i = 0; i < LEAF_UNITS; i++) {
		uint32_t pfn = base + i, word = zone->words[pfn];
		const char *what;

		if (!word)
			continue;
		if (pfn >= zone->index.nr_pages)
			return fault(ret, pfn, "a block starts behind the zone");
		if (held >> i & 1)
			return fault(ret, pfn, "a block starts within another");
		what = check_word(zone, pfn, word);
		if (what)
			return fault(ret, pfn, what);
		if (word_order(word) < INDEX_LEVEL_SHIFT) {
			held |= leaf_mask(i, word_order(word));
			continue;
		}
		if (!is_full_below(zone, pfn, word_order(word)))
			return fault(ret, pfn, "a leaf below a large block is not full");
		held = LEAF_FULL;
		*covered = pfn + (UINT32_C(1) << word_order(word));
	}
	*ret_held = held;
	return 0;
}

/* Index against ledger, for one leaf. */
static int check_free(const struct zone *zone, uint32_t base, uint64_t held, bool is_covered,
		      struct zone_fault *ret)
{
	uint32_t nr_pages = zone->index.nr_pages - base;
	uint64_t all = nr_pages < LEAF_UNITS ? (UINT64_C(1) << nr_pages) - 1 : LEAF_FULL;
	uint64_t free = index_free_pages(&zone->index, base);
	uint64_t leaf = zone->index.levels[0].leaves[base / LEAF_UNITS];

	if (free & held)
		return fault(ret, base + (uint32_t)__builtin_ctzll(free & held),
			     "a held page is free in the index");
	if (all & ~held & ~free)
		return fault(ret, base + (uint32_t)__builtin_ctzll(all & ~held & ~free),
			     "a free page is not in the index");
	if (leaf != (is_covered ? LEAF_FULL : all & ~held))
		return fault(ret, base, "a leaf is handed up that is neither free nor held as one");
	return 0;
}

/* The leaves of all levels that start at this page. */
static int check_index(const struct zone *zone, uint32_t base, struct zone_fault *ret)
{
	for (unsigned i = 0; i <= zone->index.top; i++) {
		unsigned shift = (i + 1) * INDEX_LEVEL_SHIFT;
		const char *what;

		if (base & ((UINT32_C(1) << shift) - 1))
			break;
		if (base >> shift >= zone->index.levels[i].nr_leaves)
			break;
		what = index_check_leaf(&zone->index, i, base >> shift);
		if (what)
			return fault(ret, base, what);
	}
	return 0;
}

int zone_check(const struct zone *zone, uint32_t max_pages, uint32_t *cursor,
	       struct zone_fault *ret)
{
	const uint32_t nr_pages = zone->index.nr_pages;
	uint32_t base = *cursor - *cursor % LEAF_UNITS, covered = 0;

	if (base < nr_pages)
		covered = covered_until(zone, base);
	for (uint32_t looked = 0; base < nr_pages && looked < max_pages; looked += LEAF_UNITS) {
		uint64_t held;
		int r = held_pages(zone, base, &covered, &held, ret);

		if (!r)
			r = check_free(zone, base, held, covered > base, ret);
		if (!r)
			r = check_index(zone, base, ret);
		if (r)
			return r;
		base += LEAF_UNITS;
	}
	*cursor = base < nr_pages ? base : nr_pages;
	return 0;
}

/* Sums a block into its holder's count, or the holes. */
static int count_block(const struct zone *zone, const struct zone_block *block, uint32_t *nr_holes,
		       struct zone_fault *ret)
{
	unsigned slot = block->owner.slot;
	uint32_t nr_pages = UINT32_C(1) << block->order;

	if (block->kind == WORD_HOLE) {
		*nr_holes += nr_pages;
		return 0;
	}
	zone->holders[slot].nr_counted += nr_pages;
	if (!(*ledger_region(zone, slot, block->pfn) & ledger_region_bit(block->pfn)))
		return fault(ret, block->pfn, "a block lies where its holder has no region bit");
	return 0;
}

static int check_sums(const struct zone *zone, struct zone_fault *ret)
{
	struct zone_block block;
	uint32_t nr_holes = 0, cursor = 0;
	uint64_t nr_pages = zone->index.nr_free;

	for (unsigned slot = 0; slot < zone->nr_slots; slot++)
		zone->holders[slot].nr_counted = 0;
	while (zone_next_block(zone, -1, ZONE_PAGES_MAX, &cursor, &block)) {
		int r = count_block(zone, &block, &nr_holes, ret);

		if (r)
			return r;
	}
	for (unsigned slot = 0; slot < zone->nr_slots; slot++) {
		if (zone->holders[slot].nr_pages != zone->holders[slot].nr_counted)
			return fault(ret, 0, "what a slot holds adds up to another sum");
		nr_pages += zone->holders[slot].nr_pages;
	}
	if (nr_holes != zone->nr_holes)
		return fault(ret, 0, "the holes add up to another sum");
	if (nr_pages + nr_holes != zone->index.nr_pages)
		return fault(ret, 0, "free, held and holes are not the zone");
	return 0;
}

int zone_validate(const struct zone *zone, struct zone_fault *ret)
{
	const char *what = index_validate(&zone->index);
	uint32_t cursor = 0;
	int r;

	if (what)
		return fault(ret, 0, what);
	r = zone_check(zone, ZONE_PAGES_MAX, &cursor, ret);
	return r ? r : check_sums(zone, ret);
}
