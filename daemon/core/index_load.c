/* SPDX-License-Identifier: MIT */

/*
 * Making an index from what is known to be free, a pageblock at a time.
 *
 * This is what opening a zone costs, so it is one pass: what a pageblock tells is final for levels
 * 0 and 1, and is one bit of level 2. Levels 2 and 3 are small, and are filed at the end.
 */

#include <string.h>

#include "core/filing.h"
#include "core/index.h"
#include "core/leaf.h"

static void load_whole(struct index *index, uint32_t pageblock)
{
	const uint32_t first = pageblock * INDEX_PAGEBLOCK_LEAVES;

	memset(&index->levels[0].leaves[first], 0xff, INDEX_PAGEBLOCK_LEAVES * sizeof(uint64_t));
	memset(&index->levels[0].leaf_classes[first], (int)index_full_class(0),
	       INDEX_PAGEBLOCK_LEAVES);
	index->levels[1].leaves[pageblock] = (UINT64_C(1) << INDEX_PAGEBLOCK_LEAVES) - 1;
	index->levels[1].leaf_classes[pageblock] = (uint8_t)index_full_class(1);
	index->levels[2].leaves[filing_leaf(2, pageblock)] |= filing_bit(pageblock);
	index->nr_free += INDEX_PAGEBLOCK_PAGES;
}

static void load_leaf(struct index *index, unsigned i, uint32_t leaf, uint64_t word)
{
	struct index_level *level = &index->levels[i];
	unsigned class = filing_class(i, word);

	level->leaves[leaf] = word;
	level->leaf_classes[leaf] = (uint8_t) class;
	if (filing_has(i, class))
		filing_add(level, leaf, class);
}

void index_load(struct index *index, uint32_t pageblock,
		const uint64_t leaves[INDEX_PAGEBLOCK_LEAVES], unsigned whole, enum mobility group)
{
	const uint32_t first = pageblock * INDEX_PAGEBLOCK_LEAVES;

	if (whole == 0xff) {
		load_whole(index, pageblock);
		return;
	}
	filing_set_group(index, pageblock, group);
	for (unsigned i = 0; i < INDEX_PAGEBLOCK_LEAVES; i++) {
		if (!leaves[i])
			continue;
		load_leaf(index, 0, first + i, leaves[i]);
		if (leaves[i] != LEAF_FULL)
			index->nr_free += (uint32_t)__builtin_popcountll(leaves[i]);
	}
	load_leaf(index, 1, pageblock, whole);
	index->nr_free += (uint32_t)__builtin_popcount(whole) * LEAF_UNITS;
}

void index_load_end(struct index *index)
{
	for (unsigned i = FILING_GROUPED_LEVELS; i < INDEX_NR_LEVELS; i++)
		for (uint32_t leaf = 0; leaf < index->levels[i].nr_leaves; leaf++) {
			uint64_t word = index->levels[i].leaves[leaf];

			load_leaf(index, i, leaf, word);
			if (word == LEAF_FULL && i < FILING_TOP)
				index->levels[i + 1].leaves[filing_leaf(i + 1, leaf)] |=
					filing_bit(leaf);
		}
}
