/* SPDX-License-Identifier: MIT */

/*
 * The index of free pages: a buddy allocator in bitmaps.
 *
 * Four levels of the same thing. At level 0 a bit is a page, and a leaf, a 64-bit word, knows the
 * free blocks of orders 0 to 5 among its 64 pages: a block is a run of ones at a multiple of its
 * size, so nothing is split or merged within a leaf, and no order of a block is stored. A leaf all
 * of ones is handed up: it is one bit of a leaf of the next level. A leaf of level 1 has but 8 bits
 * and is a pageblock, 2 MiB (orders 6 to 8); levels 2 (9 to 14) and 3 (15 to 18) have 64 again.
 * Merging is eager, so that the set of free pages alone determines the free blocks: an index can be
 * thrown away and made again from the ledger.
 *
 *	level 1		... 0 0 1 0 ...		bit 2 set: leaf 2 below is free as a whole
 *			       /
 *	level 0		leaf 0  leaf 1  leaf 2	...
 *			1101..  0000..	1111..
 *
 * Nobody writes to the leaves below a block that is free or held at a higher level: they stay all
 * ones, and mean what the bit above them says. That is why taking 1 GiB costs what a page does.
 *
 * To find a leaf, each level files its leaves by class, the order of the largest block they have:
 * a bitmap a class with two 64-ary summaries, so a lookup is three loads and no walk (but for the
 * last summary, which is up to 16 words at 1 TiB). The bitmap words of all classes of 64 leaves
 * share a cache line, so that changing class touches one.
 * A request takes the smallest class that fits, in it the lowest leaf, in it the smallest block
 * that fits, the lowest of them: what is large stays whole and memory stays dense.
 *
 * Mobility. A pageblock that is neither free nor held as a whole belongs to a group, and so do its
 * leaves at levels 0 and 1. All groups share the files: two masks in the file's line tell whose a
 * leaf is, and only the summaries are kept by group. A request looks in its own group, then takes a
 * free pageblock, which becomes its group's until it is free again; index_steal() is what remains.
 * Above, where blocks are whole pageblocks, there are no groups (all masks are zero).
 *
 * Invariants (index_validate() proves them): every leaf that has something, but not all (at the
 * top, all too), is in exactly the file of its class; summaries and masks say what is below them; a
 * bit at level n + 1 is set only if the leaf below is full; no bit beyond the last unit is set.
 *
 * What is avoided: lists through the pages' metadata (a cache miss a neighbour), orders stored a
 * page (they would have to be right after a crash), branches that depend on how a leaf is filled.
 * Splitting and merging all the way when one block comes and goes is avoided above (warm.c).
 */

#include <assert.h>

#include "core/filing.h"
#include "core/index.h"
#include "core/leaf.h"

#define TOPS_MAX 16u /* words of the last summary, of 2^28 pages */

struct layout {
	size_t leaves, leaf_classes, files, sums[INDEX_NR_GROUPS], tops[INDEX_NR_GROUPS];
};

/* Words of 64 bits for so many bits. */
static uint32_t nr_words(uint32_t nr_bits)
{
	return nr_bits / 64 + (nr_bits % 64 != 0);
}

/* Also those that the zone ends in: whatever has a page has a leaf at each level. */
static uint32_t nr_leaves(uint32_t nr_pages, unsigned level)
{
	return ((nr_pages - 1) >> index_unit_shift(level + 1)) + 1;
}

static size_t layout_add(size_t *size_bytes, size_t nr, size_t element_bytes)
{
	size_t at = *size_bytes;

	*size_bytes += (nr * element_bytes + 63) & ~(size_t)63;
	return at;
}

static void layout_add_level(struct layout *layout, size_t *size_bytes, uint32_t nr_pages,
			     unsigned level)
{
	uint32_t n = nr_leaves(nr_pages, level);

	layout->leaves = layout_add(size_bytes, n, sizeof(uint64_t));
	layout->leaf_classes = layout_add(size_bytes, n, 1);
	n = nr_words(n);
	layout->files = layout_add(size_bytes, n, sizeof(struct index_file));
	n = nr_words(n);
	for (unsigned group = 0; group < filing_nr_groups(level); group++) {
		layout->sums[group] = layout_add(size_bytes, n, sizeof(struct index_classes));
		layout->tops[group] =
			layout_add(size_bytes, nr_words(n), sizeof(struct index_classes));
	}
	assert(nr_words(n) <= TOPS_MAX);
}

size_t index_bytes(uint32_t nr_pages)
{
	struct layout layout;
	size_t size_bytes = 0;

	for (unsigned i = 0; i < INDEX_NR_LEVELS; i++)
		layout_add_level(&layout, &size_bytes, nr_pages, i);
	return size_bytes;
}

void index_init(struct index *index, uint32_t nr_pages, void *memory)
{
	uint8_t *base = memory;
	size_t size_bytes = 0;

	*index = (struct index){ .nr_pages = nr_pages };
	for (unsigned i = 0; i < INDEX_NR_LEVELS; i++) {
		struct index_level *level = &index->levels[i];
		struct layout layout;

		layout_add_level(&layout, &size_bytes, nr_pages, i);
		level->leaves = (uint64_t *)(base + layout.leaves);
		level->leaf_classes = base + layout.leaf_classes;
		level->files = (struct index_file *)(base + layout.files);
		level->nr_leaves = nr_leaves(nr_pages, i);
		level->nr_tops = nr_words(nr_words(nr_words(level->nr_leaves)));
		for (unsigned group = 0; group < filing_nr_groups(i); group++) {
			level->sums[group] = (struct index_classes *)(base + layout.sums[group]);
			level->tops[group] = (struct index_classes *)(base + layout.tops[group]);
		}
	}
}

/* Giving. */

/* In line whatever else the file has: each caller is of one level, and level_raise() is rare. */
static __attribute__((always_inline)) inline void level_give(struct index *index, unsigned i,
							     uint32_t unit, unsigned order);

static __attribute__((noinline)) void hand_up(struct index *index, unsigned i, uint32_t leaf)
{
	level_give(index, i + 1, leaf, 0);
}

/*
 * Giving this run has made a free run that is larger than those of the leaf's class, or as large as
 * runs get at this level. It is no larger than that: its buddy is as large as it, and would have
 * been of a higher class before.
 */
static __attribute__((noinline)) void level_raise(struct index *index, unsigned i, uint32_t leaf,
						  unsigned order)
{
	unsigned class = index->levels[i].leaf_classes[leaf];

	if (class == index_full_class(i) - (i == FILING_TOP))
		return;
	class = (class > order ? class : order) + 1;
	filing_set(index, i, leaf, class);
	if (class == index_full_class(i))
		hand_up(index, i, leaf);
}

/*
 * Sets the bits of a run. The largest run of a leaf of class c is of order c - 1, so it gets to
 * another class exactly if this makes a free run of order c. Often a leaf had nothing: then what it
 * has now is this run.
 */
static inline void level_give(struct index *index, unsigned i, uint32_t unit, unsigned order)
{
	struct index_level *level = &index->levels[i];
	uint32_t leaf = filing_leaf(i, unit);
	uint64_t old = level->leaves[leaf], mask = leaf_mask(filing_place(i, unit), order);

	assert(!(old & mask));
	level->leaves[leaf] = old | mask;
	if (!old) {
		level->leaf_classes[leaf] = (uint8_t)(order + 1);
		filing_add(level, leaf, order + 1);
	} else if (!(~(old | mask) & leaf_mask(filing_place(i, unit), level->leaf_classes[leaf]))) {
		level_raise(index, i, leaf, order);
	}
}

/* Sets any bits of a leaf. */
static void level_give_mask(struct index *index, unsigned i, uint32_t leaf, uint64_t mask)
{
	struct index_level *level = &index->levels[i];
	unsigned class;

	assert(!(level->leaves[leaf] & mask));
	level->leaves[leaf] |= mask;
	class = filing_class(i, level->leaves[leaf]);
	filing_set(index, i, leaf, class);
	if (class == index_full_class(i))
		hand_up(index, i, leaf);
}

static __attribute__((noinline)) void give_large(struct index *index, uint32_t pfn, unsigned order)
{
	unsigned i = index_level_of(order);

	level_give(index, i, pfn >> index_unit_shift(i), order - index_unit_shift(i));
}

void index_give(struct index *index, uint32_t pfn, unsigned order)
{
	index->nr_free += UINT32_C(1) << order;
	if (order <= LEAF_ORDER_MAX)
		level_give(index, 0, pfn, order);
	else
		give_large(index, pfn, order);
}

void index_expect(const struct index *index, uint32_t pfn, unsigned order)
{
	unsigned i = index_level_of(order);
	const struct index_level *level = &index->levels[i];
	uint32_t leaf = pfn >> index_unit_shift(i + 1);

	__builtin_prefetch(&level->leaves[leaf], 1);
	__builtin_prefetch(&level->leaf_classes[leaf], 1);
	__builtin_prefetch(&level->files[leaf / 64], 1);
}

void index_give_pages(struct index *index, uint32_t base, uint64_t mask)
{
	index->nr_free += (uint32_t)__builtin_popcountll(mask);
	level_give_mask(index, 0, base / LEAF_UNITS, mask);
}

void index_give_run(struct index *index, uint32_t pfn, unsigned order, uint64_t mask)
{
	unsigned i = index_level_of(order), within = order - index_unit_shift(i);
	uint32_t first = pfn >> index_unit_shift(i), leaf = filing_leaf(i, first);
	uint64_t units = 0;

	for (; mask; mask &= mask - 1) {
		uint32_t unit = first + ((uint32_t)__builtin_ctzll(mask) << within);

		if (filing_leaf(i, unit) != leaf) {
			if (units)
				level_give_mask(index, i, leaf, units);
			leaf = filing_leaf(i, unit);
			units = 0;
		}
		units |= leaf_mask(filing_place(i, unit), within);
		index->nr_free += UINT32_C(1) << order;
	}
	if (units)
		level_give_mask(index, i, leaf, units);
}

/* Taking. */

static uint32_t level_take(struct index *index, unsigned i, unsigned order, unsigned group);

/* The leaf to take a run of this order from. PAGE_NONE if there is none. */
static inline uint32_t find_leaf(struct index *index, unsigned i, unsigned order, unsigned group)
{
	const struct index_level *level = &index->levels[i];
	unsigned of = i < FILING_GROUPED_LEVELS ? group : 0;
	unsigned fitting = level->classes[of] & -(2u << order);
	uint32_t leaf;

	if (fitting)
		return filing_first(level, (unsigned)__builtin_ctz(fitting), of);
	if (i == FILING_TOP)
		return PAGE_NONE;
	leaf = level_take(index, i + 1, 0, group);
	if (leaf != PAGE_NONE && i + 1 == FILING_GROUPED_LEVELS)
		filing_set_group(index, leaf, group);
	return leaf;
}

/* Takes a run of 2^order units of this level. */
static uint32_t level_take(struct index *index, unsigned i, unsigned order, unsigned group)
{
	struct index_level *level = &index->levels[i];
	uint32_t leaf = find_leaf(index, i, order, group);
	unsigned place;

	if (leaf == PAGE_NONE)
		return PAGE_NONE;
	place = leaf_choose(leaf_runs(level->leaves[leaf], order), order, index_order_max(i));
	level->leaves[leaf] &= ~leaf_mask(place, order);
	filing_set(index, i, leaf, filing_class(i, level->leaves[leaf]));
	return leaf << index_leaf_shift(i) | place;
}

uint32_t index_take(struct index *index, unsigned order, enum mobility group)
{
	unsigned i = index_level_of(order);
	uint32_t unit;

	assert(order <= PAGE_ORDER_MAX);
	unit = level_take(index, i, order - index_unit_shift(i), group);
	if (unit == PAGE_NONE)
		return PAGE_NONE;
	index->nr_free -= UINT32_C(1) << order;
	return unit << index_unit_shift(i);
}

uint64_t index_take_leaf(struct index *index, unsigned order, enum mobility group,
			 uint32_t *ret_base)
{
	uint64_t starts, taken, *word;
	uint32_t leaf;

	assert(order <= LEAF_ORDER_MAX);
	leaf = find_leaf(index, 0, order, group);
	if (leaf == PAGE_NONE)
		return 0;
	word = &index->levels[0].leaves[leaf];
	starts = leaf_runs(*word, order);
	/* From the first bit of each run up to, but without, the bit behind its last. */
	taken = (starts << (1u << order)) - starts;
	*word &= ~taken;
	filing_set(index, 0, leaf, filing_class(0, *word));
	index->nr_free -= (uint32_t)__builtin_popcountll(taken);
	*ret_base = leaf * LEAF_UNITS;
	return starts;
}

/* Clears bits of a leaf that are set, be the leaf handed up or not. */
static void level_claim(struct index *index, unsigned i, uint32_t leaf, uint64_t mask,
			unsigned group)
{
	struct index_level *level = &index->levels[i];

	assert((level->leaves[leaf] & mask) == mask);
	if (level->leaf_classes[leaf] == index_full_class(i)) {
		level_claim(index, i + 1, filing_leaf(i + 1, leaf),
			    UINT64_C(1) << filing_place(i + 1, leaf), group);
		if (i + 1 == FILING_GROUPED_LEVELS)
			filing_set_group(index, leaf, group);
	}
	level->leaves[leaf] &= ~mask;
	filing_set(index, i, leaf, filing_class(i, level->leaves[leaf]));
}

void index_claim(struct index *index, uint32_t pfn, unsigned order, enum mobility group)
{
	unsigned i = index_level_of(order);
	uint32_t unit = pfn >> index_unit_shift(i);

	index->nr_free -= UINT32_C(1) << order;
	level_claim(index, i, filing_leaf(i, unit),
		    leaf_mask(filing_place(i, unit), order - index_unit_shift(i)), group);
}

void index_claim_pages(struct index *index, uint32_t base, uint64_t mask)
{
	if (!mask)
		return;
	index->nr_free -= (uint32_t)__builtin_popcountll(mask);
	level_claim(index, 0, base / LEAF_UNITS, mask, MOBILITY_UNMOVABLE);
}

/*
 * The leaves below a large block tell nothing of its parts while it is held, so its tail can't be
 * given back. The block is given back as a whole, and its parts are claimed.
 */
void index_trim(struct index *index, uint32_t pfn, uint32_t nr_pages, enum mobility group)
{
	unsigned order = page_order_of(nr_pages);

	if (nr_pages == UINT32_C(1) << order)
		return;
	index_give(index, pfn, order);
	while (nr_pages) {
		unsigned part = page_order_within(nr_pages);

		index_claim(index, pfn, part, group);
		pfn += UINT32_C(1) << part;
		nr_pages -= UINT32_C(1) << part;
	}
}

uint32_t index_take_exact(struct index *index, uint32_t nr_pages, enum mobility group)
{
	uint32_t pfn = index_take(index, page_order_of(nr_pages), group);

	if (pfn != PAGE_NONE)
		index_trim(index, pfn, nr_pages, group);
	return pfn;
}
