/* SPDX-License-Identifier: MIT */

/*
 * Looking at an index without changing it: what is free, in blocks of what size, and whether all
 * of it hangs together.
 *
 * One thing has to be thought of: full leaves that are open are not handed up, though the blocks
 * that they would merge into are as free as any. A survey pretends that they were: from level to
 * level it carries the units that would be set if each level handed its open leaf up.
 */

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/index.h"
#include "core/leaf.h"

/* Leaves whose counts fit a byte: a byte of the sums below counts 8 units of each at most. */
#define BATCH_LEAVES 31u

static bool is_handed_up(const struct index *index, unsigned i, uint32_t leaf)
{
	const struct index_level *level = &index->levels[i];

	return level->leaves[leaf] == LEAF_FULL && leaf != level->open && i < index->top;
}

static bool is_unit_free(const struct index *index, unsigned i, uint32_t unit)
{
	uint32_t leaf = unit / LEAF_UNITS;

	if (!(index->levels[i].leaves[leaf] >> unit % LEAF_UNITS & 1))
		return false;
	return !is_handed_up(index, i, leaf) || is_unit_free(index, i + 1, leaf);
}

uint64_t index_free_pages(const struct index *index, uint32_t base)
{
	uint32_t leaf = base / LEAF_UNITS;

	if (is_handed_up(index, 0, leaf) && !is_unit_free(index, 1, leaf))
		return 0;
	return index->levels[0].leaves[leaf];
}

/* Counting. */

/* Sums of bytes, a word an order: the free runs of that order in up to BATCH_LEAVES leaves. */
struct byte_counts {
	uint64_t of[LEAF_ORDER_MAX + 1];
};

/*
 * Adds a leaf's free runs of each order. That is a population count for each, but the higher the
 * order, the fewer bits can be set, so the first steps of the counting are done already: runs of
 * order 3 and more are at most one a byte.
 */
static inline void count_leaf(struct byte_counts *counts, uint64_t leaf)
{
	const uint64_t pairs = UINT64_C(0x3333333333333333);
	const uint64_t nibbles = UINT64_C(0x0f0f0f0f0f0f0f0f);
	uint64_t runs = leaf, sum;

	sum = runs - (runs >> 1 & LEAF_STARTS_1);
	sum = (sum & pairs) + (sum >> 2 & pairs);
	counts->of[0] += (sum + (sum >> 4)) & nibbles;
	runs = leaf_join(runs, 0);
	sum = (runs & pairs) + (runs >> 2 & pairs);
	counts->of[1] += (sum + (sum >> 4)) & nibbles;
	runs = leaf_join(runs, 1);
	counts->of[2] += (runs + (runs >> 4)) & nibbles;
	runs = leaf_join(runs, 2);
	counts->of[3] += runs;
	runs = leaf_join(runs, 3);
	counts->of[4] += runs;
	runs = leaf_join(runs, 4);
	counts->of[5] += runs;
}

static void add_counts(const struct byte_counts *counts, uint64_t ret_nr_runs[LEAF_ORDER_MAX + 1])
{
	for (unsigned order = 0; order <= LEAF_ORDER_MAX; order++)
		for (uint64_t sum = counts->of[order]; sum; sum >>= 8)
			ret_nr_runs[order] += sum & 0xff;
}

/* Units of a level that are free, though their bit is not set: one at most from each level below.
 */
struct carried {
	unsigned nr;
	uint32_t units[INDEX_NR_LEVELS];
};

/* A leaf as it would be, and zero for one that is, or would be, handed up. */
static inline uint64_t surveyed_leaf(const struct index *index, unsigned i,
				     const struct carried *carried, uint32_t leaf)
{
	uint64_t word = index->levels[i].leaves[leaf];

	for (unsigned n = 0; n < carried->nr; n++)
		if (carried->units[n] / LEAF_UNITS == leaf)
			word |= UINT64_C(1) << carried->units[n] % LEAF_UNITS;
	return word == LEAF_FULL && i < index->top ? 0 : word;
}

static void carry_leaf(const struct index *index, unsigned i, const struct carried *carried,
		       uint32_t leaf, struct carried *next)
{
	if (leaf == index->levels[i].nr_leaves || surveyed_leaf(index, i, carried, leaf) ||
	    !index->levels[i].leaves[leaf])
		return;
	for (unsigned n = 0; n < next->nr; n++)
		if (next->units[n] == leaf)
			return;
	next->units[next->nr++] = leaf;
}

/* What is carried on from level i to the next. */
static struct carried carry_on(const struct index *index, unsigned i, const struct carried *carried)
{
	struct carried next = { .nr = 0 };

	carry_leaf(index, i, carried, index->levels[i].open, &next);
	for (unsigned n = 0; n < carried->nr; n++)
		carry_leaf(index, i, carried, carried->units[n] / LEAF_UNITS, &next);
	return next;
}

/* Adds the free runs of each order in some leaves of a level. */
static void count_runs(const struct index *index, unsigned i, const struct carried *carried,
		       uint32_t leaf, uint32_t end, uint64_t nr_runs[LEAF_ORDER_MAX + 1])
{
	while (leaf < end) {
		struct byte_counts counts = { .of = { 0 } };

		for (unsigned n = 0; n < BATCH_LEAVES && leaf < end; n++, leaf++) {
			uint64_t word = surveyed_leaf(index, i, carried, leaf);

			if (word)
				count_leaf(&counts, word);
		}
		add_counts(&counts, nr_runs);
	}
}

/* The same in blocks: a run that is half of a run of the next order is no block of its own. */
static void count_blocks(const struct index *index, unsigned i, const struct carried *carried,
			 uint32_t leaf, uint32_t end, uint64_t nr_blocks[PAGE_NR_ORDERS])
{
	uint64_t nr_runs[LEAF_ORDER_MAX + 1] = { 0 };
	unsigned first = i * INDEX_LEVEL_SHIFT;

	count_runs(index, i, carried, leaf, end, nr_runs);
	for (unsigned k = 0; k <= LEAF_ORDER_MAX && first + k <= index->max_order; k++) {
		nr_blocks[first + k] += nr_runs[k];
		if (k < LEAF_ORDER_MAX && first + k < index->max_order)
			nr_blocks[first + k] -= 2 * nr_runs[k + 1];
	}
}

/* The cursor numbers the leaves of all levels, from the lowest level on. */
bool index_count(const struct index *index, uint32_t max_leaves, uint32_t *cursor,
		 uint64_t nr_blocks[PAGE_NR_ORDERS])
{
	struct carried carried = { .nr = 0 };
	uint32_t below = 0; /* leaves of the levels below */

	if (*cursor == 0)
		memset(nr_blocks, 0, PAGE_NR_ORDERS * sizeof(*nr_blocks));
	for (unsigned i = 0; i <= index->top; i++) {
		uint32_t end = below + index->levels[i].nr_leaves;

		if (*cursor < end) {
			uint32_t n = end - *cursor < max_leaves ? end - *cursor : max_leaves;

			count_blocks(index, i, &carried, *cursor - below, *cursor - below + n,
				     nr_blocks);
			*cursor += n;
			max_leaves -= n;
		}
		if (*cursor < end)
			return false;
		below = end;
		carried = carry_on(index, i, &carried);
	}
	return true;
}

static int largest_in(const struct index_level *level, uint64_t word)
{
	unsigned class = leaf_class(word);

	return (int)(class < level->class_max ? class : level->class_max) - 1;
}

/* The largest order within a level, or -1. */
static int largest_of_level(const struct index *index, unsigned i, const struct carried *carried)
{
	const struct index_level *level = &index->levels[i];
	unsigned classes = level->classes & ((1u << INDEX_CLASS_FULL) - 2);
	int largest = classes ? 30 - __builtin_clz(classes) : -1;

	for (unsigned n = 0; n <= carried->nr; n++) {
		uint32_t leaf = n ? carried->units[n - 1] / LEAF_UNITS : level->open;
		int order = leaf == level->nr_leaves
				    ? -1
				    : largest_in(level, surveyed_leaf(index, i, carried, leaf));

		if (order > largest)
			largest = order;
	}
	return largest;
}

int index_largest(const struct index *index)
{
	struct carried carried = { .nr = 0 };
	int largest = -1;

	for (unsigned i = 0; i <= index->top; i++) {
		int within = largest_of_level(index, i, &carried);

		if (within >= 0)
			largest = (int)(i * INDEX_LEVEL_SHIFT) + within;
		carried = carry_on(index, i, &carried);
	}
	return largest;
}

/* Checking. */

static uint64_t bit_of(uint32_t n)
{
	return UINT64_C(1) << n % 64;
}

static const char *check_file(const struct index_level *level, uint32_t leaf, unsigned class,
			      bool is_in)
{
	uint32_t file = leaf / 64, sum = file / 64;
	uint64_t filed = level->files[file].of[class], summed = level->sums[sum].of[class];
	uint64_t topped = level->tops[sum / 64].of[class];

	if (!(filed & bit_of(leaf)) != !is_in)
		return is_in ? "a leaf is not in the file of its class"
			     : "a leaf is in the file of another class";
	if (!(summed & bit_of(file)) != !filed)
		return "a first summary is wrong";
	if (!(topped & bit_of(sum)) != !summed)
		return "a second summary is wrong";
	if (topped && !(level->classes & 1u << class))
		return "the mask of classes lacks one";
	return NULL;
}

static const char *check_filing(const struct index_level *level, uint32_t leaf)
{
	unsigned right = leaf_class(level->leaves[leaf]);

	if (right > level->class_max)
		right = level->class_max;
	if (leaf == level->open)
		right = INDEX_CLASS_EMPTY;
	if (level->leaf_classes[leaf] != right)
		return "a leaf's class is wrong";
	for (unsigned class = 0; class < INDEX_NR_CLASSES; class += 1) {
		bool is_in =
			class == right && class != INDEX_CLASS_EMPTY && class != INDEX_CLASS_FULL;
		const char *what = check_file(level, leaf, class, is_in);

		if (what)
			return what;
	}
	return NULL;
}

const char *index_check_leaf(const struct index *index, unsigned i, uint32_t leaf)
{
	const struct index_level *level = &index->levels[i];
	uint32_t nr_units = index->nr_pages >> i * INDEX_LEVEL_SHIFT;
	uint32_t units = nr_units - leaf * LEAF_UNITS;

	if (units < LEAF_UNITS && level->leaves[leaf] >> units)
		return "units beyond the end are free";
	if (i < index->top && !is_handed_up(index, i, leaf) &&
	    leaf < index->nr_pages >> (i + 1) * INDEX_LEVEL_SHIFT &&
	    index->levels[i + 1].leaves[leaf / LEAF_UNITS] & bit_of(leaf))
		return "a leaf is handed up that is not full";
	return check_filing(level, leaf);
}

static uint32_t nr_set(const struct index_classes *lines, uint32_t nr_lines, unsigned class)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < nr_lines; i++)
		nr += (uint32_t)__builtin_popcountll(lines[i].of[class]);
	return nr;
}

/* What no check of a leaf sees: bits of leaves and lines that do not exist. */
static const char *check_totals(const struct index_level *level, unsigned class)
{
	uint32_t nr_files = (level->nr_leaves + 63) / 64, nr_sums = (nr_files + 63) / 64;
	uint32_t nr_leaves = 0, nr_used_files = 0, nr_used_sums = 0;

	for (uint32_t leaf = 0; leaf < level->nr_leaves; leaf++)
		nr_leaves += level->leaf_classes[leaf] == class;
	for (uint32_t file = 0; file < nr_files; file++)
		nr_used_files += level->files[file].of[class] != 0;
	for (uint32_t sum = 0; sum < nr_sums; sum++)
		nr_used_sums += level->sums[sum].of[class] != 0;
	if (nr_leaves != nr_set(level->files, nr_files, class))
		return "a file has a leaf that does not exist";
	if (nr_used_files != nr_set(level->sums, nr_sums, class) ||
	    nr_used_sums != nr_set(level->tops, level->nr_tops, class))
		return "a summary has something that does not exist";
	if (!nr_leaves != !(level->classes & 1u << class))
		return "the mask of classes is wrong";
	return NULL;
}

static const char *validate_level(const struct index *index, unsigned i)
{
	const struct index_level *level = &index->levels[i];
	const char *what = NULL;

	if (level->open > level->nr_leaves)
		return "no such leaf is open";
	if (level->leaves[level->nr_leaves])
		return "the leaf behind the last is not empty";
	for (uint32_t leaf = 0; leaf < level->nr_leaves && !what; leaf++)
		what = index_check_leaf(index, i, leaf);
	for (unsigned class = 1; class < INDEX_CLASS_FULL && !what; class += 1)
		what = check_totals(level, class);
	return what;
}

const char *index_validate(const struct index *index)
{
	uint64_t nr_free = 0;

	for (unsigned i = 0; i <= index->top; i++) {
		const char *what = validate_level(index, i);

		if (what)
			return what;
	}
	for (uint32_t base = 0; base < index->nr_pages; base += LEAF_UNITS)
		nr_free += (uint64_t)__builtin_popcountll(index_free_pages(index, base));
	return nr_free == index->nr_free ? NULL : "the number of free pages is wrong";
}
