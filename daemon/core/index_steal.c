/* SPDX-License-Identifier: MIT */

/*
 * Taking from another group's pageblocks, when a request's own group has nothing and no pageblock
 * is free.
 *
 * The largest block is what the victim is chosen by: the more of a pageblock is free, the sooner it
 * can be had as a whole, and then groups stay apart. Half of it free is enough, as in the kernel:
 * what is held there of the other group goes some day, what comes from now on is of this one.
 */

#include <stdbool.h>

#include "core/filing.h"
#include "core/index.h"
#include "core/leaf.h"

/* Whom to take from: the first of these that has a block of the largest order. */
static const uint8_t fallbacks[INDEX_NR_GROUPS][INDEX_NR_GROUPS - 1] = {
	[MOBILITY_UNMOVABLE] = { MOBILITY_RECLAIMABLE, MOBILITY_MOVABLE },
	[MOBILITY_MOVABLE] = { MOBILITY_RECLAIMABLE, MOBILITY_UNMOVABLE },
	[MOBILITY_RECLAIMABLE] = { MOBILITY_UNMOVABLE, MOBILITY_MOVABLE },
};

/* A pageblock of another group with the largest block of a level. PAGE_NONE if there is none. */
static uint32_t find_victim(const struct index *index, unsigned i, unsigned order, unsigned group)
{
	const struct index_level *level = &index->levels[i];

	for (unsigned class = index_order_max(i) + 1; class > order; class --)
		for (unsigned n = 0; n < INDEX_NR_GROUPS - 1; n++) {
			unsigned victim = fallbacks[group][n];

			if (level->classes[victim] & 1u << class)
				return filing_first(level, class, victim) >>
				       (INDEX_PAGEBLOCK_ORDER - index_unit_shift(i + 1));
		}
	return PAGE_NONE;
}

static unsigned pageblock_free_pages(const struct index *index, uint32_t pageblock)
{
	unsigned nr_pages = 0;

	for (uint32_t i = 0; i < INDEX_PAGEBLOCK_LEAVES; i++) {
		uint32_t leaf = pageblock * INDEX_PAGEBLOCK_LEAVES + i;

		if (leaf < index->levels[0].nr_leaves)
			nr_pages += (unsigned)__builtin_popcountll(
				index_free_pages(index, leaf * LEAF_UNITS));
	}
	return nr_pages;
}

static void level_refile(struct index_level *level, unsigned i, uint32_t leaf, bool is_in)
{
	unsigned class;

	if (leaf >= level->nr_leaves)
		return;
	class = level->leaf_classes[leaf];
	if (!filing_has(i, class))
		return;
	if (is_in)
		filing_add(level, leaf, class);
	else
		filing_remove(level, leaf, class);
}

static void refile(struct index *index, uint32_t pageblock, bool is_in)
{
	level_refile(&index->levels[1], 1, pageblock, is_in);
	for (uint32_t i = 0; i < INDEX_PAGEBLOCK_LEAVES; i++)
		level_refile(&index->levels[0], 0, pageblock * INDEX_PAGEBLOCK_LEAVES + i, is_in);
}

unsigned index_steal(struct index *index, unsigned order, enum mobility group)
{
	uint32_t pageblock = find_victim(index, 1, order > 6 ? order - 6 : 0, group);
	unsigned victim;

	if (pageblock == PAGE_NONE && order <= LEAF_ORDER_MAX)
		pageblock = find_victim(index, 0, order, group);
	if (pageblock == PAGE_NONE)
		return INDEX_NR_GROUPS;
	victim = filing_group(&index->levels[1].files[pageblock / 64], pageblock);
	if (pageblock_free_pages(index, pageblock) < INDEX_PAGEBLOCK_PAGES / 2)
		return victim;
	refile(index, pageblock, false);
	filing_set_group(index, pageblock, group);
	refile(index, pageblock, true);
	return group;
}
