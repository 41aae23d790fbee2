/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Where the index files its leaves: the way from a class and a group to the lowest leaf of them and
 * back. Private to index*.c; index.c tells the idea.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/index.h"
#include "core/leaf.h"

#define FILING_TOP (INDEX_NR_LEVELS - 1)
#define FILING_GROUPED_LEVELS 2u /* whose leaves belong to a group */

static inline unsigned filing_nr_groups(unsigned i)
{
	return i < FILING_GROUPED_LEVELS ? INDEX_NR_GROUPS : 1;
}

static inline uint64_t filing_bit(uint32_t n)
{
	return UINT64_C(1) << n % 64;
}

/* The group of a leaf, 0 .. 2. */
static inline unsigned filing_group(const struct index_file *file, uint32_t leaf)
{
	return (unsigned)(file->groups[0] >> leaf % 64 & 1) |
	       (unsigned)(file->groups[1] >> leaf % 64 & 1) << 1;
}

/* The leaves of a group. */
static inline uint64_t filing_mask(const struct index_file *file, unsigned group)
{
	return group == 0 ? ~(file->groups[0] | file->groups[1]) : file->groups[group - 1];
}

static inline void filing_add(struct index_level *level, uint32_t leaf, unsigned class)
{
	uint32_t file = leaf / 64, sum = file / 64;
	struct index_file *line = &level->files[file];
	unsigned group = filing_group(line, leaf);
	uint64_t old = line->leaves.of[class - 1];

	line->leaves.of[class - 1] = old | filing_bit(leaf);
	if (old & filing_mask(line, group))
		return;
	old = level->sums[group][sum].of[class - 1];
	level->sums[group][sum].of[class - 1] = old | filing_bit(file);
	if (old)
		return;
	level->tops[group][sum / 64].of[class - 1] |= filing_bit(sum);
	level->classes[group] |= (uint8_t)(1u << class);
}

static inline void filing_remove(struct index_level *level, uint32_t leaf, unsigned class)
{
	uint32_t file = leaf / 64, sum = file / 64;
	struct index_file *line = &level->files[file];
	unsigned group = filing_group(line, leaf);

	assert(line->leaves.of[class - 1] & filing_bit(leaf));
	if ((line->leaves.of[class - 1] &= ~filing_bit(leaf)) & filing_mask(line, group))
		return;
	if (level->sums[group][sum].of[class - 1] &= ~filing_bit(file))
		return;
	level->tops[group][sum / 64].of[class - 1] &= ~filing_bit(sum);
	for (uint32_t top = 0; top < level->nr_tops; top++)
		if (level->tops[group][top].of[class - 1])
			return;
	level->classes[group] &= (uint8_t) ~(1u << class);
}

/* The lowest leaf of a class that has one. */
static inline uint32_t filing_first(const struct index_level *level, unsigned class, unsigned group)
{
	const struct index_file *line;
	uint32_t i = 0;

	assert(level->classes[group] & 1u << class);
	while (!level->tops[group][i].of[class - 1])
		i++;
	i = i * 64 + (uint32_t)__builtin_ctzll(level->tops[group][i].of[class - 1]);
	i = i * 64 + (uint32_t)__builtin_ctzll(level->sums[group][i].of[class - 1]);
	line = &level->files[i];
	return i * 64 +
	       (uint32_t)__builtin_ctzll(line->leaves.of[class - 1] & filing_mask(line, group));
}

/* Leaves that have nothing, and those that are handed up, are in no file. */
static inline bool filing_has(unsigned i, unsigned class)
{
	return class != INDEX_CLASS_EMPTY && class != index_full_class(i);
}

/* Moves a leaf to the file of its new class. */
static inline void filing_set(struct index *index, unsigned i, uint32_t leaf, unsigned class)
{
	struct index_level *level = &index->levels[i];
	unsigned old = level->leaf_classes[leaf];

	if (class == old)
		return;
	if (filing_has(i, old))
		filing_remove(level, leaf, old);
	if (filing_has(i, class))
		filing_add(level, leaf, class);
	level->leaf_classes[leaf] = (uint8_t) class;
}

/* At the top nothing is handed up: a full leaf is of the class of the largest order. */
static inline unsigned filing_class(unsigned i, uint64_t leaf)
{
	unsigned class = leaf ? leaf_class(leaf) : INDEX_CLASS_EMPTY;

	if (i == FILING_TOP && class > index_order_max(i) + 1)
		class = index_order_max(i) + 1;
	return class;
}

static inline uint32_t filing_leaf(unsigned i, uint32_t unit)
{
	return unit >> index_leaf_shift(i);
}

static inline unsigned filing_place(unsigned i, uint32_t unit)
{
	return unit & ((1u << index_leaf_shift(i)) - 1);
}

static inline void filing_set_groups(struct index_file *file, uint64_t leaves, unsigned group)
{
	for (unsigned i = 0; i < INDEX_NR_GROUPS - 1; i++)
		file->groups[i] = (file->groups[i] & ~leaves) | (group == i + 1 ? leaves : 0);
}

/* None of the pageblock's leaves may be filed. */
static inline void filing_set_group(struct index *index, uint32_t pageblock, unsigned group)
{
	const uint32_t leaf = pageblock * INDEX_PAGEBLOCK_LEAVES;

	filing_set_groups(&index->levels[1].files[pageblock / 64], filing_bit(pageblock), group);
	filing_set_groups(&index->levels[0].files[leaf / 64], UINT64_C(0xff) << leaf % 64, group);
}
