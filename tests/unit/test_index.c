/* SPDX-License-Identifier: MIT */

/* The index of free pages: which block is chosen, and what merges. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/index.h"
#include "core/leaf.h"
#include "support/index_fixture.h"

#define GROUP MOBILITY_UNMOVABLE /* where groups do not matter */

static uint32_t pages_of(unsigned order)
{
	return UINT32_C(1) << order;
}

static void test_index_is_held_at_first(void **state)
{
	struct index_fixture fixture;
	struct index_counts counts;
	uint32_t base;

	(void)state;
	index_fixture_init(&fixture, 100000);
	assert_int_equal(fixture.index.nr_free, 0);
	assert_int_equal(index_largest(&fixture.index), -1);
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
		assert_int_equal(index_take(&fixture.index, order, GROUP), PAGE_NONE);
	assert_true(index_take_leaf(&fixture.index, 0, GROUP, &base) == 0);
	assert_int_equal(index_take_exact(&fixture.index, 3, GROUP), PAGE_NONE);
	assert_int_equal(index_steal(&fixture.index, 0, GROUP), INDEX_NR_GROUPS);
	index_fixture_count(&fixture.index, &counts);
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
		assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_FREE][order], 0);
	index_fixture_deinit(&fixture);
}

static void test_index_hands_out_fresh_pages_in_order(void **state)
{
	const uint32_t nr_pages = 4 * 64 * 64;
	struct index_fixture fixture;

	(void)state;
	index_fixture_init_free(&fixture, nr_pages);
	for (uint32_t i = 0; i < nr_pages; i++)
		assert_int_equal(index_take(&fixture.index, 0, GROUP), i);
	assert_int_equal(index_take(&fixture.index, 0, GROUP), PAGE_NONE);
	assert_int_equal(index_largest(&fixture.index), -1);
	index_fixture_assert_valid(&fixture.index);
	for (uint32_t i = nr_pages; i-- > 0;)
		index_give(&fixture.index, i, 0);
	index_fixture_assert_all_free(&fixture.index);
	index_fixture_deinit(&fixture);
}

/* What does not fill a pageblock belongs to a group already, and is used up first. */
static void test_index_takes_remainder_first(void **state)
{
	static const uint32_t expected[] = { 1222, 1220, 1221, 1216, 1217 };
	struct index_fixture fixture;

	(void)state;
	index_fixture_init_free(&fixture, 1223);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(index_take(&fixture.index, 0, GROUP), expected[i]);
	assert_int_equal(index_take(&fixture.index, 6, GROUP), 1152);
	assert_int_equal(index_take(&fixture.index, 6, GROUP), 1024);
	assert_int_equal(index_take(&fixture.index, 6, GROUP), 1088);
	assert_int_equal(index_take(&fixture.index, 6, GROUP), 0);
	index_fixture_deinit(&fixture);
}

static void test_index_serves_each_order_to_the_end(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
		uint32_t size = pages_of(order);
		struct index_fixture fixture;

		index_fixture_init_free(&fixture, 3 * size);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(index_take(&fixture.index, order, GROUP) % size, 0);
		assert_int_equal(fixture.index.nr_free, 0);
		assert_int_equal(index_take(&fixture.index, order, GROUP), PAGE_NONE);
		index_fixture_assert_valid(&fixture.index);
		for (uint32_t i = 0; i < 3; i++)
			index_give(&fixture.index, i * size, order);
		index_fixture_assert_all_free(&fixture.index);
		index_fixture_deinit(&fixture);
	}
}

static void test_index_refuses_what_does_not_fit(void **state)
{
	struct index_fixture fixture;

	(void)state;
	for (unsigned order = 1; order <= PAGE_ORDER_MAX; order++) {
		index_fixture_init_free(&fixture, pages_of(order) - 1);
		assert_int_equal(index_take(&fixture.index, order, GROUP), PAGE_NONE);
		assert_int_equal(index_largest(&fixture.index), order - 1);
		assert_int_equal(index_take(&fixture.index, order - 1, GROUP), 0);
		assert_int_equal(index_take(&fixture.index, order - 1, GROUP), PAGE_NONE);
		index_fixture_deinit(&fixture);
	}
}

static void test_index_prefers_smallest_then_lowest(void **state)
{
	struct index_fixture fixture;

	(void)state;
	index_fixture_init(&fixture, 256);
	index_give(&fixture.index, 16, 4);
	index_give(&fixture.index, 66, 1);
	index_give(&fixture.index, 130, 1);
	index_give(&fixture.index, 140, 0);
	index_give(&fixture.index, 71, 0);
	assert_int_equal(index_take(&fixture.index, 1, GROUP), 66);
	assert_int_equal(index_take(&fixture.index, 0, GROUP), 71);
	assert_int_equal(index_take(&fixture.index, 0, GROUP), 140);
	assert_int_equal(index_take(&fixture.index, 1, GROUP), 130);
	assert_int_equal(index_take(&fixture.index, 0, GROUP), 16);
	index_fixture_assert_valid(&fixture.index);
	index_fixture_deinit(&fixture);
}

/* The same at each level: the block behind the largest one is used up before that is broken. */
static void test_index_breaks_no_larger_block_than_needed(void **state)
{
	struct index_fixture fixture;

	(void)state;
	for (unsigned order = 0; order + 2 < PAGE_ORDER_MAX; order++) {
		uint32_t size = pages_of(order);

		index_fixture_init_free(&fixture, pages_of(PAGE_ORDER_MAX) + 4 * size);
		assert_int_equal(index_take(&fixture.index, order, GROUP),
				 pages_of(PAGE_ORDER_MAX));
		assert_int_equal(index_largest(&fixture.index), PAGE_ORDER_MAX);
		for (uint32_t i = 1; i < 4; i++)
			assert_int_equal(index_take(&fixture.index, order, GROUP),
					 pages_of(PAGE_ORDER_MAX) + i * size);
		assert_int_equal(index_largest(&fixture.index), PAGE_ORDER_MAX);
		assert_int_equal(index_take(&fixture.index, order, GROUP), 0);
		assert_int_equal(index_largest(&fixture.index), PAGE_ORDER_MAX - 1);
		index_fixture_deinit(&fixture);
	}
}

/* One page is held: of each order above there is one block less, until it is back. */
static void test_index_merges_at_every_level(void **state)
{
	static const uint32_t pages[] = { 0, 1, 63, 64, 511, 512, 32767, 32768, 200000, 262143 };
	struct index_fixture fixture;
	struct index_counts counts;

	(void)state;
	index_fixture_init_free(&fixture, pages_of(PAGE_ORDER_MAX));
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		index_claim(&fixture.index, pages[i], 0, GROUP);
		index_fixture_assert_valid(&fixture.index);
		index_fixture_count(&fixture.index, &counts);
		for (unsigned order = 0; order < PAGE_ORDER_MAX; order++)
			assert_int_equal(counts.blocks[GROUP][order] +
						 counts.blocks[INDEX_PAGEBLOCK_FREE][order],
					 1);
		index_give(&fixture.index, pages[i], 0);
		index_fixture_assert_all_free(&fixture.index);
	}
	index_fixture_deinit(&fixture);
}

/* Two of the largest order stay two. */
static void test_index_does_not_merge_beyond_largest_order(void **state)
{
	struct index_fixture fixture;
	struct index_counts counts;

	(void)state;
	index_fixture_init_free(&fixture, 9 * pages_of(PAGE_ORDER_MAX));
	index_fixture_count(&fixture.index, &counts);
	assert_int_equal(counts.blocks[INDEX_PAGEBLOCK_FREE][PAGE_ORDER_MAX], 9);
	assert_int_equal(index_largest(&fixture.index), PAGE_ORDER_MAX);
	/* One that has lost its neighbour is no smaller than others, so the lowest is next. */
	index_claim(&fixture.index, 2 * pages_of(PAGE_ORDER_MAX), PAGE_ORDER_MAX, GROUP);
	for (uint32_t i = 0; i < 9; i++)
		if (i != 2)
			assert_int_equal(index_take(&fixture.index, PAGE_ORDER_MAX, GROUP),
					 i * pages_of(PAGE_ORDER_MAX));
	assert_int_equal(fixture.index.nr_free, 0);
	index_fixture_deinit(&fixture);
}

/* The largest zone, free at its far end alone: behind many words of the last summary. */
static void test_index_finds_the_last_page_of_the_largest_zone(void **state)
{
	const uint32_t nr_pages = UINT32_C(1) << 28;
	struct index index;
	void *memory = aligned_alloc(4096, (index_bytes(nr_pages) + 4095) & ~(size_t)4095);

	(void)state;
	assert_non_null(memory);
	memset(memory, 0, index_bytes(nr_pages));
	index_init(&index, nr_pages, memory);
	index_give(&index, nr_pages - 1, 0);
	index_give(&index, nr_pages / 2, 0);
	assert_int_equal(index_take(&index, 0, GROUP), nr_pages / 2);
	assert_int_equal(index_take(&index, 0, MOBILITY_MOVABLE), PAGE_NONE);
	assert_int_equal(index_take(&index, 0, GROUP), nr_pages - 1);
	assert_int_equal(index_take(&index, 0, GROUP), PAGE_NONE);
	assert_int_equal(index.nr_free, 0);
	free(memory);
}

/* Leaves. */

static void test_index_takes_blocks_of_one_leaf(void **state)
{
	struct index_fixture fixture;
	uint32_t base = PAGE_NONE;

	(void)state;
	index_fixture_init(&fixture, 130);
	/* A leaf of large blocks, one of small ones, and a page beyond. */
	index_give_pages(&fixture.index, 0, UINT64_C(0xffffffff00ff0000));
	index_give_pages(&fixture.index, 64, 0xf3d);
	index_give_pages(&fixture.index, 128, 2);
	assert_true(index_take_leaf(&fixture.index, 1, GROUP, &base) == 0x514);
	assert_int_equal(base, 64);
	assert_int_equal(fixture.index.nr_free, 40 + 1 + 1);
	assert_true(index_take_leaf(&fixture.index, 0, GROUP, &base) == 1);
	assert_int_equal(base, 64);
	assert_true(index_take_leaf(&fixture.index, 0, GROUP, &base) == 2);
	assert_int_equal(base, 128);
	assert_true(index_take_leaf(&fixture.index, 3, GROUP, &base) ==
		    UINT64_C(0x101010100010000));
	assert_int_equal(base, 0);
	assert_int_equal(fixture.index.nr_free, 0);
	index_fixture_assert_valid(&fixture.index);
	index_fixture_deinit(&fixture);
}

static void test_index_takes_every_block_of_a_leaf_once(void **state)
{
	struct index_fixture fixture;
	uint32_t base = PAGE_NONE;

	(void)state;
	for (unsigned order = 0; order <= LEAF_ORDER_MAX; order++) {
		index_fixture_init_free(&fixture, 64 + 40);
		/* 40 pages are a block of 32 and one of 8. */
		assert_true(index_take_leaf(&fixture.index, order, GROUP, &base) ==
			    leaf_runs((UINT64_C(1) << 40) - 1, order));
		assert_int_equal(base, 64);
		assert_int_equal(fixture.index.nr_free, 64 + (order > 3 ? 8 : 0));
		assert_true(index_take_leaf(&fixture.index, order, GROUP, &base) ==
			    leaf_starts(order));
		assert_int_equal(base, 0);
		base = PAGE_NONE;
		assert_true(index_take_leaf(&fixture.index, order, GROUP, &base) == 0);
		assert_int_equal(base, PAGE_NONE);
		index_fixture_assert_valid(&fixture.index);
		index_fixture_deinit(&fixture);
	}
}

static void test_index_gives_pages_of_one_leaf(void **state)
{
	struct index_fixture fixture;
	uint32_t base;

	(void)state;
	index_fixture_init_free(&fixture, 128);
	while (index_take_leaf(&fixture.index, 0, GROUP, &base))
		;
	index_give_pages(&fixture.index, 64, UINT64_C(0xff00000000000001));
	assert_int_equal(fixture.index.nr_free, 9);
	assert_int_equal(index_largest(&fixture.index), 3);
	assert_true(index_free_pages(&fixture.index, 64) == UINT64_C(0xff00000000000001));
	assert_true(index_free_pages(&fixture.index, 0) == 0);
	index_give_pages(&fixture.index, 0, LEAF_FULL);
	index_give_pages(&fixture.index, 64, ~UINT64_C(0xff00000000000001));
	index_fixture_assert_all_free(&fixture.index);
	index_fixture_deinit(&fixture);
}

static void test_index_gives_run_across_leaves(void **state)
{
	struct index_fixture fixture;

	(void)state;
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
		uint32_t size = pages_of(order);

		index_fixture_init_free(&fixture, 100 * size);
		for (uint32_t i = 0; i < 100; i++)
			assert_int_not_equal(index_take(&fixture.index, order, GROUP), PAGE_NONE);
		index_give_run(&fixture.index, 33 * size, order, LEAF_FULL);
		index_fixture_assert_valid(&fixture.index);
		assert_int_equal(fixture.index.nr_free, 64 * size);
		index_give_run(&fixture.index, 0, order, (UINT64_C(1) << 33) - 1);
		index_give_run(&fixture.index, 97 * size, order, 7);
		index_fixture_assert_all_free(&fixture.index);
		index_fixture_deinit(&fixture);
	}
}

static void test_index_gives_run_with_gaps(void **state)
{
	const uint64_t mask = UINT64_C(0x8000000100050000);
	struct index_fixture fixture;

	(void)state;
	for (unsigned order = 0; order <= 12; order++) {
		uint32_t size = pages_of(order);

		index_fixture_init_free(&fixture, 128 * size);
		for (uint32_t i = 0; i < 128; i++)
			index_take(&fixture.index, order, GROUP);
		index_give_run(&fixture.index, 7 * size, order, mask);
		index_fixture_assert_valid(&fixture.index);
		assert_int_equal(fixture.index.nr_free, 4 * size);
		for (uint32_t i = 0; i < 64; i++)
			if (mask >> i & 1)
				index_claim(&fixture.index, (7 + i) * size, order, GROUP);
		assert_int_equal(fixture.index.nr_free, 0);
		index_fixture_deinit(&fixture);
	}
}

/* Claims. */

static void test_index_claims_any_free_block(void **state)
{
	struct index_fixture fixture;

	(void)state;
	index_fixture_init_free(&fixture, pages_of(PAGE_ORDER_MAX));
	for (unsigned order = 0; order < PAGE_ORDER_MAX; order++) {
		uint32_t pfn = pages_of(order);

		index_claim(&fixture.index, pfn, order, GROUP);
		index_fixture_assert_valid(&fixture.index);
		assert_false(index_free_pages(&fixture.index, pfn & ~63u) >> (pfn & 63) & 1);
		assert_true(index_free_pages(&fixture.index, 0) & 1);
		assert_int_equal(index_largest(&fixture.index), 17);
		index_give(&fixture.index, pfn, order);
		index_fixture_assert_all_free(&fixture.index);
	}
	index_claim(&fixture.index, 0, PAGE_ORDER_MAX, GROUP);
	assert_int_equal(fixture.index.nr_free, 0);
	index_give(&fixture.index, 0, PAGE_ORDER_MAX);
	index_fixture_assert_all_free(&fixture.index);
	index_fixture_deinit(&fixture);
}

static void test_index_claims_pages_of_one_leaf(void **state)
{
	struct index_fixture fixture;

	(void)state;
	index_fixture_init_free(&fixture, 32768);
	index_claim_pages(&fixture.index, 64, 0);
	index_fixture_assert_all_free(&fixture.index);
	index_claim_pages(&fixture.index, 64, 0xf0);
	index_claim_pages(&fixture.index, 64, UINT64_C(1) << 63);
	index_claim_pages(&fixture.index, 128, LEAF_FULL);
	index_fixture_assert_valid(&fixture.index);
	assert_int_equal(fixture.index.nr_free, 32768 - 4 - 1 - 64);
	assert_true(index_free_pages(&fixture.index, 64) == UINT64_C(0x7fffffffffffff0f));
	assert_true(index_free_pages(&fixture.index, 128) == 0);
	index_give_pages(&fixture.index, 128, LEAF_FULL);
	index_give_pages(&fixture.index, 64, UINT64_C(0x80000000000000f0));
	index_fixture_assert_all_free(&fixture.index);
	index_fixture_deinit(&fixture);
}

static void test_index_tells_parts_of_held_blocks_as_held(void **state)
{
	struct index_fixture fixture;

	(void)state;
	index_fixture_init_free(&fixture, pages_of(PAGE_ORDER_MAX));
	for (unsigned order = 6; order <= PAGE_ORDER_MAX; order++) {
		index_claim(&fixture.index, 0, order, GROUP);
		assert_true(index_free_pages(&fixture.index, 0) == 0);
		assert_true(index_free_pages(&fixture.index, pages_of(order) - 64) == 0);
		assert_true(order == PAGE_ORDER_MAX ||
			    index_free_pages(&fixture.index, pages_of(order)) == LEAF_FULL);
		index_give(&fixture.index, 0, order);
		assert_true(index_free_pages(&fixture.index, 0) == LEAF_FULL);
	}
	index_fixture_deinit(&fixture);
}

static void test_index_takes_exact_and_keeps_tail_free(void **state)
{
	static const uint32_t sizes[] = { 1,   3,    5,    63,   64,    65,    100,   511,
					  513, 1023, 4097, 5000, 16384, 32769, 65535, 65536 };
	struct index_fixture fixture;

	(void)state;
	index_fixture_init_free(&fixture, 65536);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t nr_pages = sizes[i], pfn = 0;

		assert_int_equal(index_take_exact(&fixture.index, nr_pages, GROUP), 0);
		assert_int_equal(fixture.index.nr_free, 65536 - nr_pages);
		index_fixture_assert_valid(&fixture.index);
		for (unsigned order = 17; order-- > 0;) {
			if (!(nr_pages >> order & 1))
				continue;
			index_give(&fixture.index, pfn, order);
			pfn += pages_of(order);
		}
		index_fixture_assert_all_free(&fixture.index);
	}
	index_fixture_deinit(&fixture);
}

/* The tail is free, but the whole block must be there: 3 pages do not fit a remainder of 3. */
static void test_index_refuses_exact_without_block(void **state)
{
	struct index_fixture fixture;

	(void)state;
	index_fixture_init_free(&fixture, 67);
	index_claim(&fixture.index, 0, 6, GROUP);
	assert_int_equal(index_take_exact(&fixture.index, 3, GROUP), PAGE_NONE);
	assert_int_equal(fixture.index.nr_free, 3);
	assert_int_equal(index_take_exact(&fixture.index, 2, GROUP), 64);
	assert_int_equal(index_take_exact(&fixture.index, 1, GROUP), 66);
	assert_int_equal(index_take_exact(&fixture.index, 1, GROUP), PAGE_NONE);
	index_fixture_assert_valid(&fixture.index);
	index_fixture_deinit(&fixture);
}

/* All that is free below the end, where no free block lies across it; of any end and order. */
static void test_index_takes_all_below_an_end(void **state)
{
	static const uint32_t ends[] = { 1, 63, 64, 500, 512, 1000, 4096, 33000, 40000, 65535 };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		for (unsigned order = 0; order <= 15; order++) {
			struct index_fixture fixture;
			uint32_t pfn, nr_blocks = 0;

			index_fixture_init_free(&fixture, 65536);
			index_claim(&fixture.index, ends[i], 0, GROUP);
			while ((pfn = index_take_below(&fixture.index, order, GROUP, ends[i])) !=
			       PAGE_NONE) {
				assert_true(pfn + pages_of(order) <= ends[i]);
				nr_blocks++;
			}
			assert_int_equal(nr_blocks, ends[i] >> order);
			assert_int_equal(fixture.index.nr_free, 65535 - (nr_blocks << order));
			index_fixture_assert_valid(&fixture.index);
			index_fixture_deinit(&fixture);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_is_held_at_first),
		cmocka_unit_test(test_index_hands_out_fresh_pages_in_order),
		cmocka_unit_test(test_index_takes_remainder_first),
		cmocka_unit_test(test_index_serves_each_order_to_the_end),
		cmocka_unit_test(test_index_refuses_what_does_not_fit),
		cmocka_unit_test(test_index_prefers_smallest_then_lowest),
		cmocka_unit_test(test_index_breaks_no_larger_block_than_needed),
		cmocka_unit_test(test_index_merges_at_every_level),
		cmocka_unit_test(test_index_does_not_merge_beyond_largest_order),
		cmocka_unit_test(test_index_finds_the_last_page_of_the_largest_zone),
		cmocka_unit_test(test_index_takes_blocks_of_one_leaf),
		cmocka_unit_test(test_index_takes_every_block_of_a_leaf_once),
		cmocka_unit_test(test_index_gives_pages_of_one_leaf),
		cmocka_unit_test(test_index_gives_run_across_leaves),
		cmocka_unit_test(test_index_gives_run_with_gaps),
		cmocka_unit_test(test_index_claims_any_free_block),
		cmocka_unit_test(test_index_claims_pages_of_one_leaf),
		cmocka_unit_test(test_index_tells_parts_of_held_blocks_as_held),
		cmocka_unit_test(test_index_takes_exact_and_keeps_tail_free),
		cmocka_unit_test(test_index_refuses_exact_without_block),
		cmocka_unit_test(test_index_takes_all_below_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
