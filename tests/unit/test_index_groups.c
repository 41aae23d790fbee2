/* SPDX-License-Identifier: MIT */

/* Mobility groups in the index: whose a pageblock is, how it changes hands, and what is stolen. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/index.h"
#include "core/leaf.h"
#include "support/index_fixture.h"
#include "support/index_model.h"

#define UNMOVABLE MOBILITY_UNMOVABLE
#define MOVABLE MOBILITY_MOVABLE
#define RECLAIMABLE MOBILITY_RECLAIMABLE

static const enum mobility all[] = { UNMOVABLE, MOVABLE, RECLAIMABLE };

#define PAGES INDEX_PAGEBLOCK_PAGES

static void assert_group(const struct index *index, uint32_t pageblock, unsigned group)
{
	index_fixture_assert_valid(index);
	assert_int_equal(index_pageblock(index, pageblock), group);
}

/* Makes a free pageblock a group's by holding all of its pages. */
static void hold_pageblock(struct index *index, uint32_t pageblock, enum mobility group)
{
	for (uint32_t i = 0; i < INDEX_PAGEBLOCK_LEAVES; i++)
		index_claim(index, pageblock * PAGES + i * LEAF_UNITS, 6, group);
	assert_group(index, pageblock, group);
}

/* Gives the first pages of a pageblock that is held in blocks of 64 pages. */
static void give_pages(struct index *index, uint32_t pageblock, uint32_t nr_pages)
{
	uint32_t pfn = pageblock * PAGES;

	for (; nr_pages >= LEAF_UNITS; nr_pages -= LEAF_UNITS, pfn += LEAF_UNITS)
		index_give(index, pfn, 6);
	if (!nr_pages)
		return;
	index_give(index, pfn, 6);
	index_claim_pages(index, pfn, LEAF_FULL << nr_pages);
}

static void test_index_groups_own_pageblock_first(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;

	(void)state;
	index_fixture_init_free(&fixture, 8 * PAGES);
	assert_int_equal(index_take(index, 0, UNMOVABLE), 0);
	assert_int_equal(index_take(index, 0, MOVABLE), PAGES);
	assert_int_equal(index_take(index, 0, RECLAIMABLE), 2 * PAGES);
	for (unsigned i = 0; i < 3; i++) {
		assert_group(index, i, all[i]);
		assert_int_equal(index_take(index, 0, all[i]), i * PAGES + 1);
		/* Larger ones of the same group too, and only then a free pageblock. */
		for (uint32_t n = 1; n < 8; n++)
			assert_int_equal(index_take(index, 6, all[i]), i * PAGES + n * LEAF_UNITS);
		assert_int_equal(index_take(index, 6, all[i]), (3 + i) * PAGES);
		assert_group(index, 3 + i, all[i]);
	}
	assert_group(index, 7, INDEX_PAGEBLOCK_FREE);
	index_fixture_deinit(&fixture);
}

/* In whatever form pages are asked for, the pageblock that was free is the asker's. */
static void test_index_groups_free_pageblock_becomes_the_askers(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;
	uint32_t base;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		index_fixture_init_free(&fixture, 8 * PAGES);
		assert_true(index_take_leaf(index, 2, all[i], &base) == LEAF_STARTS_2);
		assert_group(index, 0, all[i]);
		index_claim(index, PAGES + 77, 0, all[i]);
		assert_group(index, 1, all[i]);
		index_claim(index, 2 * PAGES + 256, 8, all[i]);
		assert_group(index, 2, all[i]);
		assert_int_equal(index_take_exact(index, PAGES + 3, all[i]), 4 * PAGES);
		assert_group(index, 4, INDEX_PAGEBLOCK_HELD);
		assert_group(index, 5, all[i]);
		index_claim_pages(index, 3 * PAGES, 1);
		assert_group(index, 3, UNMOVABLE);
		index_fixture_deinit(&fixture);
	}
}

/* Blocks of whole pageblocks are nobody's, held or free. */
static void test_index_groups_whole_pageblocks_are_nobodys(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;

	(void)state;
	index_fixture_init_free(&fixture, 8 * PAGES);
	assert_int_equal(index_take(index, 10, MOVABLE), 0);
	assert_group(index, 0, INDEX_PAGEBLOCK_HELD);
	assert_group(index, 1, INDEX_PAGEBLOCK_HELD);
	assert_group(index, 2, INDEX_PAGEBLOCK_FREE);
	index_give(index, 0, 10);
	assert_group(index, 1, INDEX_PAGEBLOCK_FREE);
	index_fixture_deinit(&fixture);
}

/* A group's pageblock that is all free again serves anybody. */
static void test_index_groups_pageblock_is_nobodys_when_free_again(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;

	(void)state;
	index_fixture_init_free(&fixture, PAGES);
	for (unsigned i = 0; i < 9; i++) {
		unsigned order = i % INDEX_PAGEBLOCK_ORDER;
		enum mobility group = all[i % 3];

		assert_int_equal(index_take(index, order, group), 0);
		assert_group(index, 0, group);
		assert_int_equal(index_take(index, 0, all[(i + 1) % 3]), PAGE_NONE);
		index_give(index, 0, order);
		assert_group(index, 0, INDEX_PAGEBLOCK_FREE);
	}
	index_fixture_deinit(&fixture);
}

static void test_index_groups_does_not_take_from_others(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;
	uint32_t base = PAGE_NONE;

	(void)state;
	index_fixture_init_free(&fixture, PAGES);
	index_claim(index, 0, 0, MOVABLE);
	for (unsigned order = 0; order < INDEX_PAGEBLOCK_ORDER; order++)
		assert_int_equal(index_take(index, order, UNMOVABLE), PAGE_NONE);
	assert_true(index_take_leaf(index, 0, RECLAIMABLE, &base) == 0);
	assert_int_equal(index_take_exact(index, 3, RECLAIMABLE), PAGE_NONE);
	assert_int_equal(index->nr_free, PAGES - 1);
	assert_int_equal(index_largest(index), INDEX_PAGEBLOCK_ORDER - 1);
	index_fixture_deinit(&fixture);
}

/* Steals. */

/* Half of the pageblock is what it takes. */
static void test_index_groups_steal_claims_half_free_pageblock(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;

	(void)state;
	for (uint32_t nr_free = 1; nr_free < PAGES; nr_free++) {
		bool is_claimed = nr_free >= PAGES / 2;

		index_fixture_init_free(&fixture, PAGES);
		hold_pageblock(index, 0, MOVABLE);
		give_pages(index, 0, nr_free);
		assert_int_equal(index_steal(index, 0, RECLAIMABLE),
				 is_claimed ? RECLAIMABLE : MOVABLE);
		assert_group(index, 0, is_claimed ? RECLAIMABLE : MOVABLE);
		assert_int_equal(index->nr_free, nr_free);
		assert_int_not_equal(index_take(index, 0, is_claimed ? RECLAIMABLE : MOVABLE),
				     PAGE_NONE);
		index_fixture_deinit(&fixture);
	}
}

static void test_index_groups_steal_takes_pageblock_with_largest_block(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;

	(void)state;
	index_fixture_init_free(&fixture, 3 * PAGES);
	for (uint32_t i = 0; i < 3; i++)
		hold_pageblock(index, i, i == 1 ? RECLAIMABLE : MOVABLE);
	/* The reclaimable one comes first, but for a larger block elsewhere. */
	give_pages(index, 1, 448);
	index_claim(index, PAGES, 7, RECLAIMABLE);
	index_claim(index, PAGES + 256, 6, RECLAIMABLE);
	give_pages(index, 2, 256);
	assert_int_equal(index_steal(index, 0, UNMOVABLE), UNMOVABLE);
	assert_group(index, 2, UNMOVABLE);
	assert_group(index, 1, RECLAIMABLE);
	assert_group(index, 0, MOVABLE);
	index_fixture_deinit(&fixture);
}

/* Of blocks of one size the first in this order, and of a group's the lowest. */
static void test_index_groups_steal_falls_back_in_order(void **state)
{
	static const enum mobility victims[INDEX_NR_GROUPS][2] = {
		[MOBILITY_UNMOVABLE] = { RECLAIMABLE, MOVABLE },
		[MOBILITY_MOVABLE] = { RECLAIMABLE, UNMOVABLE },
		[MOBILITY_RECLAIMABLE] = { UNMOVABLE, MOVABLE },
	};

	(void)state;
	for (unsigned group = 0; group < INDEX_NR_GROUPS; group++)
		for (uint32_t nr_free = 1; nr_free <= 256; nr_free *= 2) {
			struct index_fixture fixture;
			struct index *index = &fixture.index;

			index_fixture_init_free(&fixture, 4 * PAGES);
			for (uint32_t i = 0; i < 4; i++) {
				hold_pageblock(index, i, victims[group][i < 2]);
				give_pages(index, i, nr_free);
			}
			if (nr_free < 256) {
				assert_int_equal(index_steal(index, 0, (enum mobility)group),
						 victims[group][0]);
			} else {
				assert_int_equal(index_steal(index, 0, (enum mobility)group),
						 group);
				assert_group(index, 2, group);
				assert_group(index, 3, victims[group][0]);
			}
			assert_group(index, 0, victims[group][1]);
			index_fixture_deinit(&fixture);
		}
}

static void test_index_groups_steal_refuses_without_block(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;

	(void)state;
	for (unsigned order = 1; order < INDEX_PAGEBLOCK_ORDER; order++) {
		index_fixture_init_free(&fixture, 2 * PAGES);
		hold_pageblock(index, 0, MOVABLE);
		hold_pageblock(index, 1, UNMOVABLE);
		give_pages(index, 0, UINT32_C(1) << (order - 1));
		/* One's own is not stolen, however large. */
		give_pages(index, 1, 256);
		assert_int_equal(index_steal(index, order, UNMOVABLE), INDEX_NR_GROUPS);
		assert_int_not_equal(index_steal(index, order - 1, UNMOVABLE), INDEX_NR_GROUPS);
		index_fixture_deinit(&fixture);
	}
}

/* What is free as a whole, or held so, is no group's to be stolen from. */
static void test_index_groups_steal_leaves_whole_pageblocks(void **state)
{
	struct index_fixture fixture;

	(void)state;
	index_fixture_init_free(&fixture, 4 * PAGES);
	index_claim(&fixture.index, 0, 9, MOVABLE);
	assert_int_equal(index_steal(&fixture.index, 0, RECLAIMABLE), INDEX_NR_GROUPS);
	assert_int_equal(index_steal(&fixture.index, 8, RECLAIMABLE), INDEX_NR_GROUPS);
	index_fixture_deinit(&fixture);
}

/* Leaves of all classes, in pageblocks at every place of a file; the last one is cut short. */
static void test_index_groups_regrouping_keeps_files_right(void **state)
{
	const uint32_t nr_pages = 130 * PAGES + 400;
	struct index_fixture fixture;
	struct index *index = &fixture.index;
	struct index_model model;

	(void)state;
	index_fixture_init_free(&fixture, nr_pages);
	index_model_init(&model, nr_pages);
	for (uint32_t pfn = 0; pfn < nr_pages; pfn += PAGES) {
		enum mobility group = all[pfn / PAGES % 2];

		for (unsigned order = 0; order < 7; order++) {
			index_claim(index, pfn + (UINT32_C(1) << order), order, group);
			index_model_hold(&model, pfn + (UINT32_C(1) << order), order, group);
		}
	}
	index_model_assert_agrees(&model, index);
	for (unsigned i = 0; i < 131; i++) {
		assert_int_equal(index_steal(index, i % 3, RECLAIMABLE),
				 index_model_steal(&model, i % 3, RECLAIMABLE));
		index_model_assert_agrees(&model, index);
	}
	assert_int_equal(index_steal(index, 0, RECLAIMABLE), INDEX_NR_GROUPS);
	for (uint32_t pfn = 0; pfn < nr_pages; pfn += PAGES)
		for (unsigned order = 0; order < 7; order++)
			index_give(index, pfn + (UINT32_C(1) << order), order);
	index_fixture_assert_valid(index);
	assert_int_equal(index->nr_free, nr_pages);
	index_model_deinit(&model);
	index_fixture_deinit(&fixture);
}

/* Not claimed, the pageblock stays the other's, and is used up block by block. */
static void test_index_groups_steal_of_single_blocks(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;

	(void)state;
	index_fixture_init_free(&fixture, PAGES);
	hold_pageblock(index, 0, UNMOVABLE);
	give_pages(index, 0, 200);
	for (uint32_t left = 200; left; left--) {
		unsigned group = index_steal(index, 0, MOVABLE);

		assert_int_equal(group, UNMOVABLE);
		assert_int_not_equal(index_take(index, 0, (enum mobility)group), PAGE_NONE);
		assert_int_equal(index->nr_free, left - 1);
	}
	assert_int_equal(index_steal(index, 0, MOVABLE), INDEX_NR_GROUPS);
	assert_group(index, 0, UNMOVABLE);
	index_fixture_deinit(&fixture);
}

/* Counts go by whose the pageblock is. */
static void test_index_groups_are_counted_apart(void **state)
{
	struct index_counts counts = { 0 };
	struct index_fixture fixture;
	struct index *index = &fixture.index;
	uint32_t cursor = 0;

	(void)state;
	index_fixture_init_free(&fixture, 16 * PAGES + 1);
	index_claim(index, 0, 0, MOVABLE);
	index_claim(index, 2 * PAGES, 8, RECLAIMABLE);
	index_claim(index, 4 * PAGES, 10, RECLAIMABLE);
	assert_true(index_count(index, 0, index->nr_pages, UINT32_MAX, &cursor, &counts));
	assert_int_equal(counts.pageblocks[INDEX_PAGEBLOCK_UNMOVABLE], 1);
	assert_int_equal(counts.pageblocks[INDEX_PAGEBLOCK_MOVABLE], 1);
	assert_int_equal(counts.pageblocks[INDEX_PAGEBLOCK_RECLAIMABLE], 1);
	assert_int_equal(counts.pageblocks[INDEX_PAGEBLOCK_HELD], 2);
	assert_int_equal(counts.pageblocks[INDEX_PAGEBLOCK_FREE], 12);
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
		const bool is_pageblock = order >= INDEX_PAGEBLOCK_ORDER;

		assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_UNMOVABLE][order], order == 0);
		assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_MOVABLE][order], !is_pageblock);
		assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_RECLAIMABLE][order], order == 8);
		assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_FREE][order],
				 order == 9 ? 2 : order == 10 || order == 12);
		assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_HELD][order], 0);
	}
	index_fixture_deinit(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_groups_own_pageblock_first),
		cmocka_unit_test(test_index_groups_free_pageblock_becomes_the_askers),
		cmocka_unit_test(test_index_groups_whole_pageblocks_are_nobodys),
		cmocka_unit_test(test_index_groups_pageblock_is_nobodys_when_free_again),
		cmocka_unit_test(test_index_groups_does_not_take_from_others),
		cmocka_unit_test(test_index_groups_steal_claims_half_free_pageblock),
		cmocka_unit_test(test_index_groups_steal_takes_pageblock_with_largest_block),
		cmocka_unit_test(test_index_groups_steal_falls_back_in_order),
		cmocka_unit_test(test_index_groups_steal_refuses_without_block),
		cmocka_unit_test(test_index_groups_steal_leaves_whole_pageblocks),
		cmocka_unit_test(test_index_groups_regrouping_keeps_files_right),
		cmocka_unit_test(test_index_groups_steal_of_single_blocks),
		cmocka_unit_test(test_index_groups_are_counted_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
