/* SPDX-License-Identifier: MIT */

/*
 * Taking from the lower part of an index alone, while the rest is on its way out of use.
 *
 * No lookup by address is needed. A class's lowest leaf is what its file finds, so if that leaf has
 * nothing below the end, no leaf of the class has; and what is taken from a higher level lies below
 * the end as a whole. Apart from index.c, so that the common lookup pays nothing for it.
 */

#include "core/filing.h"
#include "core/index.h"
#include "core/leaf.h"

/* `end` is a unit of this level. */
static uint32_t level_take_below(struct index *index, unsigned i, unsigned order, unsigned group,
				 uint32_t end)
{
	struct index_level *level = &index->levels[i];
	unsigned of = i < FILING_GROUPED_LEVELS ? group : 0, place;
	unsigned fitting = level->classes[of] & -(2u << order);
	uint32_t leaf = PAGE_NONE;
	uint64_t runs = 0;

	for (; fitting && !runs; fitting &= fitting - 1) {
		leaf = filing_first(level, (unsigned)__builtin_ctz(fitting), of);
		runs = level->leaves[leaf] & leaf_between(leaf << index_leaf_shift(i), 0, end);
		runs = leaf_runs(runs, order);
	}
	if (!runs && i < FILING_TOP) {
		leaf = level_take_below(index, i + 1, 0, group, end >> index_leaf_shift(i));
		if (leaf == PAGE_NONE)
			return PAGE_NONE;
		if (i + 1 == FILING_GROUPED_LEVELS)
			filing_set_group(index, leaf, group);
		runs = leaf_runs(level->leaves[leaf], order);
	}
	if (!runs)
		return PAGE_NONE;
	place = leaf_choose(runs, order, index_order_max(i));
	level->leaves[leaf] &= ~leaf_mask(place, order);
	filing_set(index, i, leaf, filing_class(i, level->leaves[leaf]));
	return leaf << index_leaf_shift(i) | place;
}

uint32_t index_take_below(struct index *index, unsigned order, enum mobility group, uint32_t end)
{
	unsigned i = index_level_of(order), shift = index_unit_shift(i);
	uint32_t unit = level_take_below(index, i, order - shift, group, end >> shift);

	if (unit == PAGE_NONE)
		return PAGE_NONE;
	index->nr_free -= UINT32_C(1) << order;
	return unit << shift;
}
