/* SPDX-License-Identifier: MIT */

/*
 * The index of free pages: a buddy allocator in bitmaps.
 *
 * Four levels of the same thing. At level 0 a bit is a page, and a leaf, a 64-bit word, knows the
 * free blocks of orders 0 to 5 among its 64 pages: a block is a run of ones at a multiple of its
 * size, so nothing is split or merged within a leaf, and no order of a block is stored. A leaf all
 * of ones is handed up: it is one bit of a leaf of level 1, which knows orders 6 to 11 in the same
 * way, and so on up to order 18 at level 3. Merging is eager, so that the set of free pages alone
 * determines the free blocks: an index can be thrown away and made again from the ledger.
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
 * a bitmap a class with two 64-ary summaries, so a lookup is three loads and never a walk. The
 * bitmap words of all classes of 64 leaves share a cache line, so that changing class touches one.
 * A request takes the smallest class that fits, in it the lowest leaf, in it the smallest block
 * that fits, the lowest of them: what is large stays whole and memory stays dense.
 *
 * At each level one leaf is open: in no file, first served among leaves of its class, its class
 * computed when somebody asks. What is taken and given back again and again, of whatever order,
 * touches the word of the open leaf and nothing else; in particular an open leaf that has become
 * full is not handed up, or a single page going back and forth would split and merge its way
 * through all levels each time. It is filed when another leaf is opened, or when a large block
 * can't be found without it (index_settle()).
 *
 * Invariants (index_validate() proves them): every leaf but the open one is in exactly the file of
 * its class; summaries and masks say what is below them; a bit at level n + 1 is set only if the
 * leaf below is full and filed so; bits beyond the last unit are never set.
 *
 * What is avoided: lists through the pages' metadata (a cache miss a neighbour), orders stored a
 * page (they would have to be right after a crash), branches that depend on how a leaf is filled.
 * A free is mostly a wait for the cache, so it is kept short: the processor then waits for several.
 */

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/index.h"
#include "core/leaf.h"

#define TOPS_MAX 16u

struct layout {
	size_t leaves[INDEX_NR_LEVELS], leaf_classes[INDEX_NR_LEVELS], files[INDEX_NR_LEVELS];
	size_t sums[INDEX_NR_LEVELS], tops[INDEX_NR_LEVELS];
	size_t size_bytes;
};

/* Words of 64 bits for so many bits. */
static uint32_t nr_words(uint32_t nr_bits)
{
	return nr_bits / 64 + (nr_bits % 64 != 0);
}

static uint32_t nr_leaves(uint32_t nr_pages, unsigned level)
{
	return nr_words(nr_pages >> level * INDEX_LEVEL_SHIFT);
}

static size_t layout_add(struct layout *layout, size_t size_bytes)
{
	size_t at = layout->size_bytes;

	layout->size_bytes += (size_bytes + 63) & ~(size_t)63;
	return at;
}

static struct layout layout_make(uint32_t nr_pages, unsigned top)
{
	const size_t line = sizeof(struct index_classes);
	struct layout layout = { .size_bytes = 0 };

	for (unsigned i = 0; i <= top; i++) {
		uint32_t n = nr_leaves(nr_pages, i);

		layout.leaves[i] = layout_add(&layout, (n + 1) * sizeof(uint64_t));
		layout.leaf_classes[i] = layout_add(&layout, n);
		n = nr_words(n);
		layout.files[i] = layout_add(&layout, n * line);
		n = nr_words(n);
		layout.sums[i] = layout_add(&layout, n * line);
		n = nr_words(n);
		layout.tops[i] = layout_add(&layout, n * line);
		assert(n <= TOPS_MAX);
	}
	return layout;
}

unsigned index_clip_order(uint32_t nr_pages, unsigned max_order)
{
	unsigned largest = 31u - (unsigned)__builtin_clz(nr_pages);

	return max_order < largest ? max_order : largest;
}

size_t index_bytes(uint32_t nr_pages, unsigned max_order)
{
	unsigned top = index_level_of(index_clip_order(nr_pages, max_order));

	return layout_make(nr_pages, top).size_bytes;
}

/* Files. */

static inline void file_add(struct index_level *level, uint32_t leaf, unsigned class)
{
	uint32_t file = leaf / 64, sum = file / 64;
	uint64_t old;

	old = level->files[file].of[class];
	level->files[file].of[class] = old | UINT64_C(1) << leaf % 64;
	if (old)
		return;
	old = level->sums[sum].of[class];
	level->sums[sum].of[class] = old | UINT64_C(1) << file % 64;
	if (old)
		return;
	level->tops[sum / 64].of[class] |= UINT64_C(1) << sum % 64;
	level->classes |= (uint8_t)(1u << class);
}

static inline void file_remove(struct index_level *level, uint32_t leaf, unsigned class)
{
	uint32_t file = leaf / 64, sum = file / 64;

	assert(level->files[file].of[class] & UINT64_C(1) << leaf % 64);
	if (level->files[file].of[class] &= ~(UINT64_C(1) << leaf % 64))
		return;
	if (level->sums[sum].of[class] &= ~(UINT64_C(1) << file % 64))
		return;
	level->tops[sum / 64].of[class] &= ~(UINT64_C(1) << sum % 64);
	for (uint32_t top = 0; top < level->nr_tops; top++)
		if (level->tops[top].of[class])
			return;
	level->classes &= (uint8_t) ~(1u << class);
}

/* The lowest leaf of a class that has one. */
static inline uint32_t file_first(const struct index_level *level, unsigned class)
{
	uint32_t i = 0;

	assert(level->classes & 1u << class);
	while (!level->tops[i].of[class])
		i++;
	i = i * 64 + (uint32_t)__builtin_ctzll(level->tops[i].of[class]);
	i = i * 64 + (uint32_t)__builtin_ctzll(level->sums[i].of[class]);
	return i * 64 + (uint32_t)__builtin_ctzll(level->files[i].of[class]);
}

static bool has_file(unsigned class)
{
	return class != INDEX_CLASS_EMPTY && class != INDEX_CLASS_FULL;
}

static void set_class(struct index_level *level, uint32_t leaf, unsigned class)
{
	unsigned old = level->leaf_classes[leaf];

	if (has_file(old))
		file_remove(level, leaf, old);
	if (has_file(class))
		file_add(level, leaf, class);
	level->leaf_classes[leaf] = (uint8_t) class;
}

static unsigned class_of(const struct index_level *level, uint64_t leaf)
{
	unsigned class = leaf ? leaf_class(leaf) : INDEX_CLASS_EMPTY;

	return class < level->class_max ? class : level->class_max;
}

/* Making one. */

/* Sets the first nr_bits bits of an array of zeros. */
static void set_bits(uint64_t *words, uint32_t nr_bits)
{
	memset(words, 0xff, nr_bits / 64 * sizeof(*words));
	if (nr_bits % 64)
		words[nr_bits / 64] = (UINT64_C(1) << nr_bits % 64) - 1;
}

/* All free: every leaf but a shorter last one is full, and so, below the top, handed up. */
static void level_init(struct index_level *level, uint32_t nr_units)
{
	set_bits(level->leaves, nr_units);
	for (uint32_t leaf = 0; leaf < level->nr_leaves; leaf++)
		set_class(level, leaf, class_of(level, level->leaves[leaf]));
}

void index_init(struct index *index, uint32_t nr_pages, unsigned max_order, void *memory)
{
	unsigned clipped = index_clip_order(nr_pages, max_order);
	unsigned top = index_level_of(clipped);
	struct layout layout = layout_make(nr_pages, top);
	uint8_t *base = memory;

	memset(memory, 0, layout.size_bytes);
	*index = (struct index){
		.nr_pages = nr_pages, .nr_free = nr_pages, .top = top, .max_order = clipped
	};
	for (unsigned i = 0; i <= top; i++) {
		struct index_level *level = &index->levels[i];

		level->leaves = (uint64_t *)(base + layout.leaves[i]);
		level->leaf_classes = base + layout.leaf_classes[i];
		level->files = (struct index_classes *)(base + layout.files[i]);
		level->sums = (struct index_classes *)(base + layout.sums[i]);
		level->tops = (struct index_classes *)(base + layout.tops[i]);
		level->nr_leaves = level->open = nr_leaves(nr_pages, i);
		level->nr_tops = nr_words(nr_words(nr_words(level->nr_leaves)));
		level->order_max = LEAF_ORDER_MAX;
		level->class_max = INDEX_CLASS_FULL;
		if (i == top) {
			level->order_max = (uint8_t)index_order_within(clipped);
			level->class_max = level->order_max + 1;
		}
		level_init(level, nr_pages >> i * INDEX_LEVEL_SHIFT);
	}
}

/* Giving. */

static void level_give(struct index *index, unsigned i, uint32_t unit, unsigned order);

/* Files a leaf under its new class, and hands it up if that is the class of the full. */
static void level_file(struct index *index, unsigned i, uint32_t leaf, unsigned class)
{
	set_class(&index->levels[i], leaf, class);
	if (class == INDEX_CLASS_FULL)
		level_give(index, i + 1, leaf, 0);
}

/*
 * Giving this run has made a free run that is larger than those of the leaf's class, or as large as
 * runs get at this level.
 */
static __attribute__((noinline)) void level_raise(struct index *index, unsigned i, uint32_t unit,
						  unsigned order)
{
	struct index_level *level = &index->levels[i];
	uint32_t leaf = unit / LEAF_UNITS;
	unsigned class = level->leaf_classes[leaf];

	if (class == level->class_max)
		return;
	class = (class > order ? class : order) + 1;
	while (class < level->class_max && !(~level->leaves[leaf] & leaf_mask(unit, class)))
		class += 1;
	level_file(index, i, leaf, class);
}

/*
 * Sets the bits of a run. The largest run of a leaf of class c is of order c - 1, so it gets to
 * another class exactly if this makes a free run of order c. Often a leaf had nothing: then what it
 * has now is this run.
 */
static inline void level_give(struct index *index, unsigned i, uint32_t unit, unsigned order)
{
	struct index_level *level = &index->levels[i];
	uint32_t leaf = unit / LEAF_UNITS;
	uint64_t old = level->leaves[leaf], mask = leaf_mask(unit, order);

	assert(!(old & mask));
	level->leaves[leaf] = old | mask;
	if (leaf == level->open)
		return;
	if (!old) {
		level->leaf_classes[leaf] = (uint8_t)(order + 1);
		file_add(level, leaf, order + 1);
	} else if (!(~(old | mask) & leaf_mask(unit, level->leaf_classes[leaf]))) {
		level_raise(index, i, unit, order);
	}
}

/* Sets any bits of a leaf. */
static void level_give_mask(struct index *index, unsigned i, uint32_t leaf, uint64_t mask)
{
	struct index_level *level = &index->levels[i];
	unsigned class;

	assert(!(level->leaves[leaf] & mask));
	level->leaves[leaf] |= mask;
	if (leaf == level->open)
		return;
	class = class_of(level, level->leaves[leaf]);
	if (class != level->leaf_classes[leaf])
		level_file(index, i, leaf, class);
}

static __attribute__((noinline)) void give_large(struct index *index, uint32_t pfn, unsigned order)
{
	unsigned i = index_level_of(order);

	level_give(index, i, pfn >> i * INDEX_LEVEL_SHIFT, index_order_within(order));
}

void index_give(struct index *index, uint32_t pfn, unsigned order)
{
	index->nr_free += UINT32_C(1) << order;
	if (order <= LEAF_ORDER_MAX)
		level_give(index, 0, pfn, order);
	else
		give_large(index, pfn, order);
}

void index_give_pages(struct index *index, uint32_t base, uint64_t mask, uint32_t nr_pages)
{
	index->nr_free += nr_pages;
	level_give_mask(index, 0, base / LEAF_UNITS, mask);
}

void index_give_run(struct index *index, uint32_t pfn, unsigned order, uint64_t mask)
{
	unsigned i = index_level_of(order), within = index_order_within(order);
	uint32_t first = pfn >> i * INDEX_LEVEL_SHIFT, leaf = first / LEAF_UNITS;
	uint64_t units = 0;

	for (; mask; mask &= mask - 1) {
		uint32_t unit = first + ((uint32_t)__builtin_ctzll(mask) << within);

		if (unit / LEAF_UNITS != leaf) {
			if (units)
				level_give_mask(index, i, leaf, units);
			leaf = unit / LEAF_UNITS;
			units = 0;
		}
		units |= leaf_mask(unit, within);
		index->nr_free += UINT32_C(1) << order;
	}
	if (units)
		level_give_mask(index, i, leaf, units);
}

/* The open leaf. */

/* Files it, and hands it up if it is full. Empty it is filed already, and so is none. */
static inline void level_close(struct index *index, unsigned i)
{
	struct index_level *level = &index->levels[i];
	uint32_t leaf = level->open;
	uint64_t word = level->leaves[leaf];

	level->open = level->nr_leaves;
	if (word)
		level_file(index, i, leaf, class_of(level, word));
}

/* Opens a leaf of this class. While it is open it counts as empty, so that it is in no file. */
static inline void level_open(struct index *index, unsigned i, uint32_t leaf, unsigned class)
{
	struct index_level *level = &index->levels[i];

	level_close(index, i);
	set_class(level, leaf, INDEX_CLASS_EMPTY);
	level->open = leaf;
	level->better = (uint8_t)((1u << class) - 2);
}

/* Taking. */

static uint32_t level_take(struct index *index, unsigned i, unsigned order);

/* Bits of the classes of filed leaves that have a run of this order. */
static unsigned fitting_classes(const struct index_level *level, unsigned order)
{
	return level->classes & -(2u << order);
}

/*
 * Sees to it that the open leaf is the one to take a run of this order from. It is not if it has
 * none, or if a leaf of a smaller class has one. False if there is no such leaf.
 */
static inline bool level_prepare(struct index *index, unsigned i, unsigned order, bool has_run)
{
	struct index_level *level = &index->levels[i];
	unsigned fitting = fitting_classes(level, order);
	uint32_t leaf;

	if (has_run) {
		unsigned class = class_of(level, level->leaves[level->open]);

		level->better = (uint8_t)((1u << class) - 2);
		fitting &= level->better;
		if (!fitting)
			return true;
	}
	if (fitting) {
		unsigned class = (unsigned)__builtin_ctz(fitting);

		level_open(index, i, file_first(level, class), class);
		return true;
	}
	leaf = i < index->top ? level_take(index, i + 1, 0) : PAGE_NONE;
	if (leaf == PAGE_NONE)
		return false;
	level_open(index, i, leaf, INDEX_CLASS_FULL);
	return true;
}

/* Takes a run of 2^order units of this level. */
static uint32_t level_take(struct index *index, unsigned i, unsigned order)
{
	struct index_level *level = &index->levels[i];
	uint64_t runs = leaf_runs(level->leaves[level->open], order);
	unsigned unit;

	if (!runs || fitting_classes(level, order) & level->better) {
		if (!level_prepare(index, i, order, runs != 0))
			return PAGE_NONE;
		runs = leaf_runs(level->leaves[level->open], order);
	}
	unit = leaf_choose(runs, order, level->order_max);
	level->leaves[level->open] &= ~leaf_mask(unit, order);
	return level->open * LEAF_UNITS + unit;
}

/* Hands up what full leaves are open below a level. False if there are none. */
static bool index_settle(struct index *index, unsigned below)
{
	bool settled = false;

	for (unsigned i = 0; i < below; i++) {
		struct index_level *level = &index->levels[i];

		if (level->leaves[level->open] != LEAF_FULL)
			continue;
		level_close(index, i);
		settled = true;
	}
	return settled;
}

static __attribute__((noinline)) uint32_t take_large(struct index *index, unsigned order)
{
	unsigned i = index_level_of(order), within = index_order_within(order);
	uint32_t unit = level_take(index, i, within);

	if (unit == PAGE_NONE && index_settle(index, i))
		unit = level_take(index, i, within);
	return unit == PAGE_NONE ? PAGE_NONE : unit << i * INDEX_LEVEL_SHIFT;
}

uint32_t index_take(struct index *index, unsigned order)
{
	uint32_t pfn;

	assert(order <= index->max_order);
	if (order <= LEAF_ORDER_MAX)
		pfn = level_take(index, 0, order);
	else
		pfn = take_large(index, order);
	if (pfn != PAGE_NONE)
		index->nr_free -= UINT32_C(1) << order;
	return pfn;
}

uint64_t index_take_pages(struct index *index, size_t count, uint32_t *ret_base)
{
	struct index_level *level = &index->levels[0];
	uint64_t left, taken;

	if (count == 0 || !level_prepare(index, 0, 0, level->leaves[level->open] != 0))
		return 0;
	taken = left = level->leaves[level->open];
	if (count >= LEAF_UNITS)
		left = 0;
	for (; left && count; count--)
		left &= left - 1;
	taken &= ~left;
	level->leaves[level->open] = left;
	index->nr_free -= (uint32_t)__builtin_popcountll(taken);
	*ret_base = level->open * LEAF_UNITS;
	return taken;
}

/* Clears bits of a leaf that are set, be the leaf handed up or not. */
static void level_claim(struct index *index, unsigned i, uint32_t leaf, uint64_t mask)
{
	struct index_level *level = &index->levels[i];
	bool is_handed_up = leaf != level->open && level->leaf_classes[leaf] == INDEX_CLASS_FULL;

	assert((level->leaves[leaf] & mask) == mask);
	level->leaves[leaf] &= ~mask;
	if (leaf != level->open)
		set_class(level, leaf, class_of(level, level->leaves[leaf]));
	if (is_handed_up)
		level_claim(index, i + 1, leaf / LEAF_UNITS, UINT64_C(1) << leaf % LEAF_UNITS);
}

void index_claim(struct index *index, uint32_t pfn, unsigned order)
{
	unsigned i = index_level_of(order);
	uint32_t unit = pfn >> i * INDEX_LEVEL_SHIFT;

	index_settle(index, i);
	index->nr_free -= UINT32_C(1) << order;
	level_claim(index, i, unit / LEAF_UNITS, leaf_mask(unit, index_order_within(order)));
}

/*
 * The leaves below a large block tell nothing of its parts while it is held, so its tail can't be
 * given back. The block is found by taking it, given back as a whole, and its parts are claimed.
 */
uint32_t index_take_exact(struct index *index, uint32_t nr_pages)
{
	unsigned order = page_order_of(nr_pages);
	uint32_t pfn = index_take(index, order), at = pfn;

	if (pfn == PAGE_NONE || nr_pages == UINT32_C(1) << order)
		return pfn;
	index_give(index, pfn, order);
	while (nr_pages) {
		unsigned part = 31u - (unsigned)__builtin_clz(nr_pages);

		index_claim(index, at, part);
		at += UINT32_C(1) << part;
		nr_pages -= UINT32_C(1) << part;
	}
	return pfn;
}
