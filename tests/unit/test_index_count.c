/* SPDX-License-Identifier: MIT */

/* The index of free pages: its counts, in slices and in part, and its largest block. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/index.h"
#include "core/leaf.h"
#include "support/index_fixture.h"

#define GROUP MOBILITY_UNMOVABLE /* where groups do not matter */
#define NR_TAKEN 20000u

static uint32_t pages_of(unsigned order)
{
	return UINT32_C(1) << order;
}

static void leave_a_mess(struct index *index)
{
	static uint32_t taken[NR_TAKEN];

	for (unsigned i = 0; i < NR_TAKEN; i++)
		taken[i] = index_take(index, i % 8, (enum mobility)(i / 8 % INDEX_NR_GROUPS));
	for (unsigned i = 0; i < NR_TAKEN; i += 3)
		if (taken[i] != PAGE_NONE)
			index_give(index, taken[i], i % 8);
}

/* In slices of any size the sum is the same, short last leaves included. */
static void test_index_counts_in_slices(void **state)
{
	struct index_counts whole;
	struct index_fixture fixture;
	struct index *index = &fixture.index;

	(void)state;
	index_fixture_init_free(&fixture, 300001);
	leave_a_mess(index);
	index_fixture_count(index, &whole);
	for (uint32_t max_leaves = 1; max_leaves < 10000; max_leaves = max_leaves * 3 + 1) {
		struct index_counts sliced = { 0 };
		uint32_t cursor = 0, nr_slices = 1;

		while (!index_count(index, 0, index->nr_pages, max_leaves, &cursor, &sliced))
			nr_slices++;
		assert_memory_equal(&sliced, &whole, sizeof(whole));
		assert_int_equal(nr_slices, (cursor + max_leaves - 1) / max_leaves);
		assert_true(index_count(index, 0, index->nr_pages, 1, &cursor, &sliced));
		assert_memory_equal(&sliced, &whole, sizeof(whole));
	}
	index_fixture_deinit(&fixture);
}

/* Many leaves in a row that have nearly all of their pages free. */
static void test_index_counts_full_bytes(void **state)
{
	const uint32_t nr_leaves = 1024;
	struct index_counts counts;
	struct index_fixture fixture;

	(void)state;
	index_fixture_init_free(&fixture, nr_leaves * LEAF_UNITS);
	for (uint32_t i = 0; i < nr_leaves; i++)
		index_claim(&fixture.index, i * LEAF_UNITS, 0, GROUP);
	index_fixture_count(&fixture.index, &counts);
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
		assert_int_equal(counts.blocks[GROUP][order],
				 order <= LEAF_ORDER_MAX ? nr_leaves : 0);
	for (uint32_t i = 0; i < nr_leaves; i++)
		for (unsigned order = 1; order <= LEAF_ORDER_MAX; order++)
			index_claim(&fixture.index, i * LEAF_UNITS + pages_of(order), order, GROUP);
	index_fixture_count(&fixture.index, &counts);
	assert_int_equal(counts.blocks[GROUP][0], nr_leaves);
	assert_int_equal(fixture.index.nr_free, nr_leaves);
	index_fixture_deinit(&fixture);
}

/* Only what lies between start and end is looked at, which is all that is free. */
static void test_index_counts_part_of_it(void **state)
{
	struct index_counts counts = { 0 };
	struct index_fixture fixture;
	uint32_t cursor = 0;

	(void)state;
	index_fixture_init(&fixture, 300000);
	index_fixture_give(&fixture, 70 * 512, 200 * 512 + 5);
	assert_true(
		index_count(&fixture.index, 70 * 512, 200 * 512 + 5, UINT32_MAX, &cursor, &counts));
	assert_int_equal(counts.pageblocks[INDEX_PAGEBLOCK_FREE], 130);
	assert_int_equal(counts.pageblocks[INDEX_PAGEBLOCK_UNMOVABLE], 1);
	assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_UNMOVABLE][0], 1);
	assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_UNMOVABLE][2], 1);
	/* 70 .. 71, 72 .. 79, 80 .. 95, 96 .. 127, 128 .. 191, 192 .. 199 */
	for (unsigned order = 9; order <= PAGE_ORDER_MAX; order++)
		assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_FREE][order],
				 order == 12 ? 2 : order == 10 || (order > 12 && order < 16));
	cursor = 0;
	assert_true(index_count(&fixture.index, 5, 5, 1, &cursor, &counts));
	assert_int_equal(cursor, 0);
	index_fixture_deinit(&fixture);
}

/* Of each order in turn nothing larger is left. */
static void test_index_tells_largest_block(void **state)
{
	struct index_fixture fixture;

	(void)state;
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
		uint32_t size = pages_of(order);

		index_fixture_init_free(&fixture, 4 * size);
		for (uint32_t i = 0; i < 4; i++)
			index_claim(&fixture.index, i * size, order, MOBILITY_RECLAIMABLE);
		assert_int_equal(index_largest(&fixture.index), -1);
		index_give(&fixture.index, size, order);
		assert_int_equal(index_largest(&fixture.index), order);
		index_give(&fixture.index, 2 * size, order);
		assert_int_equal(index_largest(&fixture.index), order);
		index_give(&fixture.index, 3 * size, order);
		assert_int_equal(index_largest(&fixture.index),
				 order < PAGE_ORDER_MAX ? order + 1 : order);
		index_fixture_deinit(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_counts_in_slices),
		cmocka_unit_test(test_index_counts_full_bytes),
		cmocka_unit_test(test_index_counts_part_of_it),
		cmocka_unit_test(test_index_tells_largest_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
