/* SPDX-License-Identifier: MIT */

/*
 * A model of the index that keeps nothing but the truth: what is derived (which units of a level
 * are free, what classes leaves are of) is made again from the pages for every question. It counts
 * on leaf.h, which has tests of its own.
 */

#include "support/index_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/leaf.h"

#define NR_GROUPED_LEVELS 2u
#define TOP (INDEX_NR_LEVELS - 1)

static uint32_t nr_leaves_of(const struct index_model *model, unsigned level)
{
	return ((model->nr_pages - 1) >> index_unit_shift(level + 1)) + 1;
}

static void *allocate(size_t nr, size_t element_bytes)
{
	void *memory = calloc(nr, element_bytes);

	assert_non_null(memory);
	return memory;
}

void index_model_init(struct index_model *model, uint32_t nr_pages)
{
	*model = (struct index_model){ .nr_pages = nr_pages, .nr_free = nr_pages };
	for (unsigned i = 0; i < INDEX_NR_LEVELS; i++)
		model->units[i] = allocate(nr_leaves_of(model, i), sizeof(uint64_t));
	model->free = model->units[0];
	model->heads = allocate(nr_leaves_of(model, 0), sizeof(uint64_t));
	model->orders = allocate(nr_pages, 1);
	model->groups = allocate(nr_leaves_of(model, 1), 1);
	for (uint32_t leaf = 0; leaf < nr_leaves_of(model, 0); leaf++)
		model->free[leaf] = leaf_between(leaf * LEAF_UNITS, 0, nr_pages);
}

void index_model_deinit(struct index_model *model)
{
	for (unsigned i = 0; i < INDEX_NR_LEVELS; i++)
		free(model->units[i]);
	free(model->heads);
	free(model->orders);
	free(model->groups);
}

/* Pages. */

static bool is_page_free(const struct index_model *model, uint32_t pfn)
{
	return pfn < model->nr_pages && model->free[pfn / 64] >> pfn % 64 & 1;
}

bool index_model_is_free(const struct index_model *model, uint32_t pfn, unsigned order)
{
	if (order >= 6) {
		for (uint32_t i = 0; i < UINT32_C(1) << (order - 6); i++)
			if (pfn / 64 + i >= nr_leaves_of(model, 0) ||
			    model->free[pfn / 64 + i] != LEAF_FULL)
				return false;
		return true;
	}
	for (uint32_t i = 0; i < UINT32_C(1) << order; i++)
		if (!is_page_free(model, pfn + i))
			return false;
	return true;
}

static void flip_pages(struct index_model *model, uint32_t pfn, unsigned order)
{
	if (order < 6)
		model->free[pfn / 64] ^= leaf_mask(pfn % 64, order);
	for (uint32_t i = 0; order >= 6 && i < UINT32_C(1) << (order - 6); i++)
		model->free[pfn / 64 + i] ^= LEAF_FULL;
	model->heads[pfn / 64] ^= UINT64_C(1) << pfn % 64;
}

void index_model_hold(struct index_model *model, uint32_t pfn, unsigned order, unsigned group)
{
	uint32_t pageblock = pfn / INDEX_PAGEBLOCK_PAGES;

	assert_int_equal(pfn & ((UINT32_C(1) << order) - 1), 0);
	assert_true(index_model_is_free(model, pfn, order));
	if (order < INDEX_PAGEBLOCK_ORDER &&
	    index_model_pageblock(model, pageblock) == INDEX_PAGEBLOCK_FREE)
		model->groups[pageblock] = (uint8_t)group;
	flip_pages(model, pfn, order);
	model->orders[pfn] = (uint8_t)order;
	model->nr_free -= UINT32_C(1) << order;
}

void index_model_free(struct index_model *model, uint32_t pfn)
{
	assert_true(model->heads[pfn / 64] >> pfn % 64 & 1);
	flip_pages(model, pfn, model->orders[pfn]);
	model->nr_free += UINT32_C(1) << model->orders[pfn];
}

bool index_model_find_held(const struct index_model *model, uint32_t pfn, uint32_t *ret_pfn)
{
	const uint32_t nr = nr_leaves_of(model, 0);
	uint64_t heads = model->heads[pfn / 64] & LEAF_FULL << pfn % 64;

	for (uint32_t i = 0; i <= nr; i++) {
		uint32_t leaf = (pfn / 64 + i) % nr;

		if (i)
			heads = model->heads[leaf];
		if (heads) {
			*ret_pfn = leaf * LEAF_UNITS + (uint32_t)__builtin_ctzll(heads);
			return true;
		}
	}
	return false;
}

/* Choosing. */

static uint64_t full_leaf(unsigned level)
{
	return level == 1 ? 0xff : LEAF_FULL;
}

/* Fills in the units of the levels above the pages. */
static void derive_units(const struct index_model *model)
{
	for (unsigned i = 1; i < INDEX_NR_LEVELS; i++) {
		const unsigned shift = index_leaf_shift(i);

		memset(model->units[i], 0, nr_leaves_of(model, i) * sizeof(uint64_t));
		for (uint32_t unit = 0; unit < nr_leaves_of(model, i - 1); unit++)
			if (model->units[i - 1][unit] == full_leaf(i - 1))
				model->units[i][unit >> shift] |= UINT64_C(1)
								  << (unit & ((1u << shift) - 1));
	}
}

/* 1 + the order of the largest free run of a leaf; 0 for one that is someone else's to tell of. */
static unsigned class_of(const struct index_model *model, unsigned i, uint32_t leaf)
{
	unsigned class = leaf_class(model->units[i][leaf]), last = index_order_max(i) + 1;

	if (class > last)
		return i == TOP ? last : 0;
	return class;
}

static unsigned group_of(const struct index_model *model, unsigned i, uint32_t leaf)
{
	return model->groups[i ? leaf : leaf / INDEX_PAGEBLOCK_LEAVES];
}

static uint32_t choose_at(const struct index_model *model, unsigned i, unsigned order,
			  unsigned group)
{
	unsigned best = UINT8_MAX, place;
	uint32_t best_leaf = PAGE_NONE;

	for (uint32_t leaf = 0; leaf < nr_leaves_of(model, i); leaf++) {
		unsigned class = class_of(model, i, leaf);

		if (class <= order || class >= best)
			continue;
		if (i < NR_GROUPED_LEVELS && group_of(model, i, leaf) != group)
			continue;
		best = class;
		best_leaf = leaf;
	}
	if (best_leaf == PAGE_NONE)
		return PAGE_NONE;
	place = leaf_choose(leaf_runs(model->units[i][best_leaf], order), order,
			    index_order_max(i));
	return ((best_leaf << index_leaf_shift(i)) + place) << index_unit_shift(i);
}

uint32_t index_model_choose(const struct index_model *model, unsigned order, unsigned group)
{
	unsigned first = index_level_of(order);
	uint32_t pfn = PAGE_NONE;

	derive_units(model);
	for (unsigned i = first; i < INDEX_NR_LEVELS && pfn == PAGE_NONE; i++)
		pfn = choose_at(model, i, i == first ? order - index_unit_shift(i) : 0, group);
	return pfn;
}

/* Stealing. */

/* The lowest leaf of a level and group that has no larger free run than this, of 2^order units. */
static uint32_t find_class(const struct index_model *model, unsigned i, unsigned order,
			   unsigned group)
{
	for (uint32_t leaf = 0; leaf < nr_leaves_of(model, i); leaf++)
		if (group_of(model, i, leaf) == group && class_of(model, i, leaf) == order + 1)
			return leaf;
	return PAGE_NONE;
}

static uint32_t find_victim(const struct index_model *model, unsigned order, unsigned group)
{
	/* Reclaimable ones first, but if they ask themselves; movable ones last. */
	static const unsigned victims[INDEX_NR_GROUPS][2] = { { 2, 1 }, { 2, 0 }, { 0, 1 } };

	for (unsigned size = INDEX_PAGEBLOCK_ORDER; size-- > order;) {
		unsigned i = index_level_of(size);

		for (unsigned n = 0; n < 2; n++) {
			uint32_t leaf =
				find_class(model, i, size - index_unit_shift(i), victims[group][n]);

			if (leaf != PAGE_NONE)
				return i ? leaf : leaf / INDEX_PAGEBLOCK_LEAVES;
		}
	}
	return PAGE_NONE;
}

unsigned index_model_steal(struct index_model *model, unsigned order, unsigned group)
{
	uint32_t pageblock;
	unsigned nr_free = 0;

	derive_units(model);
	pageblock = find_victim(model, order, group);
	if (pageblock == PAGE_NONE)
		return INDEX_NR_GROUPS;
	for (uint32_t i = 0; i < INDEX_PAGEBLOCK_PAGES; i++)
		nr_free += is_page_free(model, pageblock * INDEX_PAGEBLOCK_PAGES + i);
	if (nr_free >= INDEX_PAGEBLOCK_PAGES / 2)
		model->groups[pageblock] = (uint8_t)group;
	return model->groups[pageblock];
}

/* Counting and comparing. */

/* Held by a block of whole pageblocks: nothing is free, and the head is here or before. */
static bool is_held_whole(const struct index_model *model, uint32_t pageblock)
{
	uint32_t pfn = pageblock * INDEX_PAGEBLOCK_PAGES;

	for (unsigned order = INDEX_PAGEBLOCK_ORDER; order <= PAGE_ORDER_MAX; order++) {
		uint32_t head = pfn & ~((UINT32_C(1) << order) - 1);

		if (model->heads[head / 64] >> head % 64 & 1 && model->orders[head] >= order)
			return true;
	}
	return false;
}

enum index_pageblock index_model_pageblock(const struct index_model *model, uint32_t pageblock)
{
	if (index_model_is_free(model, pageblock * INDEX_PAGEBLOCK_PAGES, INDEX_PAGEBLOCK_ORDER))
		return INDEX_PAGEBLOCK_FREE;
	if (is_held_whole(model, pageblock))
		return INDEX_PAGEBLOCK_HELD;
	return (enum index_pageblock)model->groups[pageblock];
}

/* The largest block of pages that are free and starts here. */
static unsigned order_at(const struct index_model *model, uint32_t pfn)
{
	unsigned order = 0;

	while (order < PAGE_ORDER_MAX && !(pfn >> order & 1) &&
	       index_model_is_free(model, pfn + (UINT32_C(1) << order), order))
		order++;
	return order;
}

void index_model_count(const struct index_model *model, struct index_counts *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < nr_leaves_of(model, 1); i++)
		ret->pageblocks[index_model_pageblock(model, i)]++;
	for (uint32_t pfn = 0; pfn < model->nr_pages;) {
		unsigned order, kind;

		if (!is_page_free(model, pfn)) {
			pfn++;
			continue;
		}
		order = order_at(model, pfn);
		kind = index_model_pageblock(model, pfn / INDEX_PAGEBLOCK_PAGES);
		ret->blocks[kind][order]++;
		pfn += UINT32_C(1) << order;
	}
}

static int largest_of(const struct index_counts *counts)
{
	for (int order = PAGE_ORDER_MAX; order >= 0; order--)
		for (unsigned kind = 0; kind < INDEX_NR_PAGEBLOCKS; kind++)
			if (counts->blocks[kind][order])
				return order;
	return -1;
}

void index_model_assert_agrees(const struct index_model *model, const struct index *index)
{
	struct index_counts expected, counts = { 0 };
	uint32_t cursor = 0;
	const char *what = index_validate(index);

	if (what)
		fail_msg("%s", what);
	assert_int_equal(index->nr_free, model->nr_free);
	for (uint32_t leaf = 0; leaf < nr_leaves_of(model, 0); leaf++)
		assert_true(index_free_pages(index, leaf * LEAF_UNITS) == model->free[leaf]);
	for (uint32_t i = 0; i < nr_leaves_of(model, 1); i++)
		assert_int_equal(index_pageblock(index, i), index_model_pageblock(model, i));
	index_model_count(model, &expected);
	assert_true(index_count(index, 0, index->nr_pages, UINT32_MAX, &cursor, &counts));
	assert_memory_equal(&counts, &expected, sizeof(counts));
	assert_int_equal(index_largest(index), largest_of(&expected));
}
