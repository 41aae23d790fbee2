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
#include "core/zone_slab.h"

static int fault(struct zone_fault *ret, uint32_t pfn, const char *what)
{
	*ret = (struct zone_fault){ .pfn = pfn, .what = what };
	return -EUCLEAN;
}

static const struct index *part_of(const struct zone *zone, uint32_t pfn)
{
	return pfn < zone->nr_contiguous ? &zone->contiguous : &zone->index;
}

/* Leaves between the pages and the level of a large block belong to the block as a whole. */
static bool is_full_below(const struct zone *zone, uint32_t pfn, unsigned order)
{
	const struct index *index = part_of(zone, pfn);

	for (unsigned i = 1; i < index_level_of(order); i++) {
		unsigned shift = index_unit_shift(i + 1);

		for (uint32_t leaf = 0; leaf < UINT32_C(1) << (order - shift); leaf++)
			if (index->levels[i].leaf_classes[(pfn >> shift) + leaf] !=
			    index_full_class(i))
				return false;
	}
	return true;
}

static int check_head(const struct zone *zone, uint32_t pfn, uint32_t word, struct zone_fault *ret)
{
	const char *what = ledger_check_word(zone, pfn, word);

	if (!what && word_kind(word) == WORD_LEAVING)
		what = "a batch free was left half done";
	if (!what && word_kind(word) == WORD_SHARED)
		what = zone_share_check(zone, pfn);
	if (!what && word_kind(word) == WORD_SLAB)
		what = slab_check(&zone->slabs, word_share(word), pfn);
	if (!what && word_order(word) >= LEDGER_LEAF_ORDER &&
	    !is_full_below(zone, pfn, word_order(word)))
		what = "a leaf below a large block is not full";
	return what ? fault(ret, pfn, what) : 0;
}

/*
 * Which of the 64 pages at base are held. *covered is where the last large block ends and moves
 * when another starts here. *looked grows by the words of objects that were looked at.
 */
static int held_pages(const struct zone *zone, uint32_t base, uint32_t *covered, uint32_t *looked,
		      uint64_t *ret_held, struct zone_fault *ret)
{
	uint64_t held = *covered > base ? LEAF_FULL : 0;

	for (unsigned i = 0; i < LEAF_UNITS; i++) {
		uint32_t pfn = base + i, word = zone->words[pfn];
		int r;

		if (!word)
			continue;
		if (held >> i & 1)
			return fault(ret, pfn, "a block starts within another");
		r = check_head(zone, pfn, word, ret);
		if (r)
			return r;
		if (word_kind(word) == WORD_SLAB)
			*looked += zone_object_nr_words(zone, word);
		if (word_order(word) < LEDGER_LEAF_ORDER) {
			held |= leaf_mask(i, word_order(word));
			continue;
		}
		held = LEAF_FULL;
		*covered = pfn + (UINT32_C(1) << word_order(word));
	}
	*ret_held = held;
	return 0;
}

/* Index against ledger, for one leaf. Nothing is free beyond the edge. */
static int check_free(const struct zone *zone, uint32_t base, uint64_t held, bool is_covered,
		      struct zone_fault *ret)
{
	uint64_t all = leaf_between(base, 0, zone->edge);
	uint64_t free = index_free_pages(part_of(zone, base), base);
	uint64_t leaf = part_of(zone, base)->levels[0].leaves[base / LEAF_UNITS];

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
	const struct index *index = part_of(zone, base);

	for (unsigned i = 0; i < INDEX_NR_LEVELS; i++) {
		unsigned shift = index_unit_shift(i + 1);
		const char *what;

		if (base & ((UINT32_C(1) << shift) - 1))
			break;
		what = index_check_leaf(index, i, base >> shift);
		if (what)
			return fault(ret, base, what);
	}
	return 0;
}

int zone_check(struct zone *zone, uint32_t max_pages, uint32_t *cursor, struct zone_fault *ret)
{
	const uint32_t end = zone->header->end;
	uint32_t base = *cursor - *cursor % LEAF_UNITS, covered = 0;

	zone_settle(zone);
	if (base < end)
		covered = ledger_covered_until(zone, base);
	for (uint32_t looked = 0; base < end && looked < max_pages; looked += LEAF_UNITS) {
		uint64_t held;
		int r = held_pages(zone, base, &covered, &looked, &held, ret);

		if (!r)
			r = check_free(zone, base, held, covered > base, ret);
		if (!r)
			r = check_index(zone, base, ret);
		if (r)
			return r;
		base += LEAF_UNITS;
	}
	*cursor = base < end ? base : zone->capacity;
	return 0;
}

/* Sums a block into its holders' counts, what is held or hole, and what drains. */
struct sums {
	uint32_t nr_held, nr_holes, nr_draining;
};

static int count_block(const struct zone *zone, const struct zone_block *block, struct sums *sums,
		       struct zone_fault *ret)
{
	uint32_t nr_pages = UINT32_C(1) << block->order;
	uint32_t start = block->pfn > zone->edge ? block->pfn : zone->edge;
	uint32_t end = block->pfn + nr_pages, cursor = 0;
	struct word_owner owner;

	if (end > start)
		sums->nr_draining += end - start;
	if (block->kind == WORD_HOLE) {
		sums->nr_holes += nr_pages;
		return 0;
	}
	sums->nr_held += nr_pages;
	while (zone_next_holder(zone, block->pfn, &cursor, &owner)) {
		struct zone_holder *holder = &zone->holders[owner.slot];

		holder->nr_counted += nr_pages;
		if (!(holder->regions & ledger_region_bit(zone, block->pfn)))
			return fault(ret, block->pfn,
				     "a block lies where its holder has no region bit");
	}
	return 0;
}

static int check_sums(const struct zone *zone, struct zone_fault *ret)
{
	struct zone_block block;
	struct sums sums = { 0, 0, 0 };
	uint32_t cursor = 0;
	uint64_t nr_free = zone->index.nr_free + zone->contiguous.nr_free;

	if (nr_free != zone_nr_free(zone))
		return fault(ret, 0, "the free pages add up to another sum");
	for (unsigned slot = 0; slot < zone->nr_slots; slot++)
		zone->holders[slot].nr_counted = 0;
	while (zone_next_block(zone, -1, ZONE_PAGES_MAX, &cursor, &block)) {
		int r = count_block(zone, &block, &sums, ret);

		if (r)
			return r;
	}
	for (unsigned slot = 0; slot < zone->nr_slots; slot++)
		if (zone->holders[slot].nr_pages != zone->holders[slot].nr_counted)
			return fault(ret, 0, "what a slot holds adds up to another sum");
	if (sums.nr_holes != zone->nr_holes)
		return fault(ret, 0, "the holes add up to another sum");
	if (sums.nr_draining != zone->nr_draining)
		return fault(ret, 0, "what drains adds up to another sum");
	if (nr_free + sums.nr_held + sums.nr_holes - sums.nr_draining != zone->edge)
		return fault(ret, 0, "free, held and holes are not the zone");
	return 0;
}

static int check_warm_block(const struct zone *zone, uint32_t pfn, unsigned order,
			    struct zone_fault *ret)
{
	uint32_t end = pfn + (UINT32_C(1) << order);

	if (end > zone->edge || pfn & ((UINT32_C(1) << order) - 1))
		return fault(ret, pfn, "a warm block can't be one");
	for (uint32_t at = pfn; at < end; at++)
		if (zone->words[at])
			return fault(ret, at, "a warm page is held");
	return 0;
}

static int check_warm_leaf(const struct zone *zone, const struct warm_leaf *leaf, unsigned order,
			   struct zone_fault *ret)
{
	for (uint64_t starts = leaf->starts; starts; starts &= starts - 1) {
		uint32_t pfn = leaf->base + (uint32_t)__builtin_ctzll(starts);
		int r = check_warm_block(zone, pfn, order, ret);

		if (r)
			return r;
	}
	return 0;
}

static int check_warm(const struct zone *zone, struct zone_fault *ret)
{
	int r = 0;

	for (unsigned order = 0; order < PAGE_NR_ORDERS && !r; order++) {
		const struct warm_stack *stack = &zone->warm.stacks[order];

		for (uint32_t n = 0; n < stack->nr && !r; n++)
			r = check_warm_block(zone, warm_pfn(stack->entries[n]), order, ret);
	}
	for (unsigned i = 0; i < NR_MOBILITIES * (LEAF_ORDER_MAX + 1) && !r; i++) {
		unsigned mobility = i / (LEAF_ORDER_MAX + 1), order = i % (LEAF_ORDER_MAX + 1);

		r = check_warm_leaf(zone, &zone->warm.leaves[order][mobility], order, ret);
	}
	return r;
}

int zone_validate(struct zone *zone, struct zone_fault *ret)
{
	const char *what;
	uint32_t cursor = 0;
	int r = check_warm(zone, ret);

	if (r)
		return r;
	zone_settle(zone);
	what = index_validate(&zone->index);
	if (!what && zone->nr_contiguous)
		what = index_validate(&zone->contiguous);
	if (what)
		return fault(ret, 0, what);
	r = zone_check(zone, ZONE_PAGES_MAX, &cursor, ret);
	if (r)
		return r;
	what = zone_share_validate(zone);
	if (!what)
		what = zone_object_validate(zone);
	return what ? fault(ret, 0, what) : check_sums(zone, ret);
}
