/* SPDX-License-Identifier: MIT */

/*
 * Looking at an index without changing it: what is free, in blocks of what size, in whose
 * pageblocks, and whether all of it hangs together.
 */

#include <assert.h>
#include <stdbool.h>

#include "core/filing.h"
#include "core/index.h"
#include "core/leaf.h"

/* Leaves whose counts fit a byte: a byte of the sums below counts 8 units of each at most. */
#define BATCH_LEAVES 31u

static bool is_handed_up(const struct index *index, unsigned i, uint32_t leaf)
{
	return i < FILING_TOP && index->levels[i].leaf_classes[leaf] == index_full_class(i);
}

static bool is_unit_free(const struct index *index, unsigned i, uint32_t unit)
{
	uint32_t leaf = filing_leaf(i, unit);

	if (!(index->levels[i].leaves[leaf] >> filing_place(i, unit) & 1))
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

enum index_pageblock index_pageblock(const struct index *index, uint32_t pageblock)
{
	if (is_handed_up(index, 1, pageblock))
		return is_unit_free(index, 2, pageblock) ? INDEX_PAGEBLOCK_FREE
							 : INDEX_PAGEBLOCK_HELD;
	return (enum index_pageblock)filing_group(&index->levels[1].files[pageblock / 64],
						  pageblock);
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

/* The same in blocks of a level: a run that is half of a run of the next order is none. */
static void add_blocks(const struct byte_counts *counts, unsigned i,
		       uint64_t nr_blocks[PAGE_NR_ORDERS])
{
	const unsigned first = index_unit_shift(i), order_max = index_order_max(i);
	uint64_t nr_runs[LEAF_ORDER_MAX + 2] = { 0 };

	for (unsigned order = 0; order <= order_max; order++)
		for (uint64_t sum = counts->of[order]; sum; sum >>= 8)
			nr_runs[order] += sum & 0xff;
	for (unsigned order = 0; order <= order_max; order++)
		nr_blocks[first + order] +=
			nr_runs[order] - (order < order_max ? 2 * nr_runs[order + 1] : 0);
}

/* The kinds of pageblock that the blocks of a level are counted under. */
static unsigned kind_of_leaf(const struct index *index, unsigned i, uint32_t leaf)
{
	if (i >= FILING_GROUPED_LEVELS)
		return INDEX_PAGEBLOCK_FREE;
	return filing_group(&index->levels[i].files[leaf / 64], leaf);
}

/* At most BATCH_LEAVES of them. */
static void count_leaves(const struct index *index, unsigned i, uint32_t leaf, uint32_t end,
			 struct index_counts *counts)
{
	struct byte_counts sums[INDEX_PAGEBLOCK_FREE + 1] = { 0 };

	for (; leaf < end; leaf++) {
		uint64_t word = index->levels[i].leaves[leaf];

		if (word && !is_handed_up(index, i, leaf))
			count_leaf(&sums[kind_of_leaf(index, i, leaf)], word);
	}
	for (unsigned kind = 0; kind <= INDEX_PAGEBLOCK_FREE; kind++)
		add_blocks(&sums[kind], i, counts->blocks[kind]);
}

static void count_range(const struct index *index, unsigned i, uint32_t leaf, uint32_t end,
			struct index_counts *counts)
{
	for (uint32_t next; leaf < end; leaf = next) {
		next = end - leaf < BATCH_LEAVES ? end : leaf + BATCH_LEAVES;
		count_leaves(index, i, leaf, next, counts);
		for (uint32_t pageblock = leaf; i == 1 && pageblock < next; pageblock++)
			counts->pageblocks[index_pageblock(index, pageblock)]++;
	}
}

/* The cursor numbers the leaves of all levels, from the lowest level on. */
bool index_count(const struct index *index, uint32_t start, uint32_t end_page, uint32_t max_leaves,
		 uint32_t *cursor, struct index_counts *counts)
{
	uint32_t below = 0; /* leaves of the levels below */

	for (unsigned i = 0; i < INDEX_NR_LEVELS && start < end_page; i++) {
		uint32_t first = start >> index_unit_shift(i + 1);
		uint32_t last = (end_page - 1) >> index_unit_shift(i + 1);
		uint32_t end = below + last - first + 1;

		if (*cursor < end) {
			uint32_t n = end - *cursor < max_leaves ? end - *cursor : max_leaves;
			uint32_t leaf = first + *cursor - below;

			count_range(index, i, leaf, leaf + n, counts);
			*cursor += n;
			max_leaves -= n;
		}
		if (*cursor < end)
			return false;
		below = end;
	}
	return true;
}

int index_largest(const struct index *index)
{
	for (unsigned i = INDEX_NR_LEVELS; i-- > 0;) {
		const struct index_level *level = &index->levels[i];
		unsigned classes = 0;

		for (unsigned group = 0; group < INDEX_NR_GROUPS; group++)
			classes |= level->classes[group];
		if (classes)
			return (int)index_unit_shift(i) + 30 - __builtin_clz(classes);
	}
	return -1;
}

/* Checking. */

static const char *check_file(const struct index_level *level, uint32_t leaf, unsigned class,
			      bool is_in)
{
	uint32_t file = leaf / 64, sum = file / 64;
	const struct index_file *line = &level->files[file];
	unsigned group = filing_group(line, leaf);
	uint64_t filed = line->leaves.of[class - 1], summed, topped;

	if (group >= INDEX_NR_GROUPS)
		return "a leaf is of two groups";
	summed = level->sums[group][sum].of[class - 1];
	topped = level->tops[group][sum / 64].of[class - 1];
	if (!(filed & filing_bit(leaf)) != !is_in)
		return is_in ? "a leaf is not in the file of its class"
			     : "a leaf is in the file of another class";
	if (!(summed & filing_bit(file)) != !(filed & filing_mask(line, group)))
		return "a first summary is wrong";
	if (!(topped & filing_bit(sum)) != !summed)
		return "a second summary is wrong";
	if (topped && !(level->classes[group] & 1u << class))
		return "the mask of classes lacks one";
	return NULL;
}

static const char *check_filing(const struct index_level *level, unsigned i, uint32_t leaf)
{
	unsigned right = filing_class(i, level->leaves[leaf]);

	if (level->leaf_classes[leaf] != right)
		return "a leaf's class is wrong";
	for (unsigned class = 1; class <= INDEX_NR_CLASSES; class += 1) {
		bool is_in = class == right && filing_has(i, class);
		const char *what = check_file(level, leaf, class, is_in);

		if (what)
			return what;
	}
	return NULL;
}

/* The leaves of a pageblock are all of its group, and leaves above of none. */
static const char *check_group(const struct index *index, unsigned i, uint32_t leaf)
{
	const struct index_file *file = &index->levels[i].files[leaf / 64];
	uint32_t pageblock = leaf / INDEX_PAGEBLOCK_LEAVES;

	if (i >= FILING_GROUPED_LEVELS)
		return filing_group(file, leaf) ? "a leaf above pageblocks is of a group" : NULL;
	if (i == 0 && filing_group(file, leaf) !=
			      filing_group(&index->levels[1].files[pageblock / 64], pageblock))
		return "a leaf is of another group than its pageblock";
	return NULL;
}

const char *index_check_leaf(const struct index *index, unsigned i, uint32_t leaf)
{
	const struct index_level *level = &index->levels[i];
	uint32_t first = leaf << index_unit_shift(i + 1); /* page */
	uint32_t units = (index->nr_pages - first) >> index_unit_shift(i);
	const char *what;

	if (units > 1u << index_leaf_shift(i))
		units = 1u << index_leaf_shift(i);
	if (units < LEAF_UNITS && level->leaves[leaf] >> units)
		return "units beyond the end are free";
	if (i < FILING_TOP && !is_handed_up(index, i, leaf) &&
	    index->levels[i + 1].leaves[filing_leaf(i + 1, leaf)] >> filing_place(i + 1, leaf) & 1)
		return "a leaf is handed up that is not full";
	what = check_group(index, i, leaf);
	return what ? what : check_filing(level, i, leaf);
}

/* What no check of a leaf sees: bits of files and summaries that do not exist. */
static const char *check_totals(const struct index_level *level, unsigned class, unsigned group)
{
	uint32_t nr_files = (level->nr_leaves + 63) / 64, nr_sums = (nr_files + 63) / 64;
	uint32_t nr_used_files = 0, nr_used_sums = 0, nr_files_set = 0, nr_sums_set = 0;

	for (uint32_t file = 0; file < nr_files; file++)
		nr_used_files += (level->files[file].leaves.of[class - 1] &
				  filing_mask(&level->files[file], group)) != 0;
	for (uint32_t sum = 0; sum < nr_sums; sum++) {
		uint64_t bits = level->sums[group][sum].of[class - 1];

		nr_used_sums += bits != 0;
		nr_files_set += (uint32_t)__builtin_popcountll(bits);
	}
	for (uint32_t top = 0; top < level->nr_tops; top++)
		nr_sums_set +=
			(uint32_t)__builtin_popcountll(level->tops[group][top].of[class - 1]);
	if (nr_used_files != nr_files_set || nr_used_sums != nr_sums_set)
		return "a summary has something that does not exist";
	if (!nr_files_set != !(level->classes[group] & 1u << class))
		return "the mask of classes is wrong";
	return NULL;
}

static const char *check_files(const struct index_level *level, unsigned class)
{
	uint32_t nr_leaves = 0, nr_filed = 0;

	for (uint32_t leaf = 0; leaf < level->nr_leaves; leaf++)
		nr_leaves += (level->files[leaf / 64].leaves.of[class - 1] & filing_bit(leaf)) != 0;
	for (uint32_t file = 0; file < (level->nr_leaves + 63) / 64; file++)
		nr_filed += (uint32_t)__builtin_popcountll(level->files[file].leaves.of[class - 1]);
	return nr_leaves == nr_filed ? NULL : "a file has a leaf that does not exist";
}

/* Bits of classes that are not filed, and of groups that a level does not have. */
static const char *check_masks(const struct index_level *level, unsigned i)
{
	const unsigned filed = (2u << INDEX_NR_CLASSES) - 2;

	for (unsigned group = 0; group < INDEX_NR_GROUPS; group++)
		if (level->classes[group] & ~(group < filing_nr_groups(i) ? filed : 0))
			return "the mask of classes has one that does not exist";
	return NULL;
}

static const char *validate_level(const struct index *index, unsigned i)
{
	const struct index_level *level = &index->levels[i];
	const char *what = check_masks(level, i);

	for (uint32_t leaf = 0; leaf < level->nr_leaves && !what; leaf++)
		what = index_check_leaf(index, i, leaf);
	for (unsigned class = 1; class <= INDEX_NR_CLASSES && !what; class += 1) {
		what = check_files(level, class);
		for (unsigned group = 0; group < filing_nr_groups(i) && !what; group++)
			what = check_totals(level, class, group);
	}
	return what;
}

const char *index_validate(const struct index *index)
{
	uint64_t nr_free = 0;

	for (unsigned i = 0; i < INDEX_NR_LEVELS; i++) {
		const char *what = validate_level(index, i);

		if (what)
			return what;
	}
	for (uint32_t base = 0; base < index->nr_pages; base += LEAF_UNITS)
		nr_free += (uint64_t)__builtin_popcountll(index_free_pages(index, base));
	return nr_free == index->nr_free ? NULL : "the number of free pages is wrong";
}
