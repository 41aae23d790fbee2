/* SPDX-License-Identifier: MIT */

/* The index of free pages: which block is chosen, what merges, and whether it notices damage. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/index.h"
#include "core/leaf.h"

struct fixture {
	struct index index;
	void *memory;
};

static void fixture_init(struct fixture *fixture, uint32_t nr_pages, unsigned max_order)
{
	size_t size_bytes = index_bytes(nr_pages, max_order);

	fixture->memory = aligned_alloc(64, size_bytes);
	assert_non_null(fixture->memory);
	memset(fixture->memory, 0x5a, size_bytes);
	index_init(&fixture->index, nr_pages, max_order, fixture->memory);
	assert_null(index_validate(&fixture->index));
}

static void fixture_deinit(struct fixture *fixture)
{
	free(fixture->memory);
}

static void assert_all_free(const struct index *index)
{
	uint64_t counts[PAGE_NR_ORDERS];
	uint32_t cursor = 0;

	assert_null(index_validate(index));
	assert_int_equal(index->nr_free, index->nr_pages);
	assert_int_equal(index_largest(index), index->max_order);
	assert_true(index_count(index, UINT32_MAX, &cursor, counts));
	assert_int_equal(counts[index->max_order], index->nr_pages >> index->max_order);
}

static void test_index_clips_order_to_size(void **state)
{
	(void)state;
	assert_int_equal(index_clip_order(1, 18), 0);
	assert_int_equal(index_clip_order(63, 18), 5);
	assert_int_equal(index_clip_order(64, 18), 6);
	assert_int_equal(index_clip_order(UINT32_C(1) << 28, 18), 18);
	assert_int_equal(index_clip_order(UINT32_C(1) << 28, 9), 9);
}

static void test_index_hands_out_fresh_pages_in_order(void **state)
{
	const uint32_t nr_pages = 4 * 64 * 64;
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture, nr_pages, 18);
	for (uint32_t i = 0; i < nr_pages; i++)
		assert_int_equal(index_take(&fixture.index, 0), i);
	assert_int_equal(index_take(&fixture.index, 0), PAGE_NONE);
	assert_int_equal(index_largest(&fixture.index), -1);
	assert_null(index_validate(&fixture.index));
	for (uint32_t i = nr_pages; i-- > 0;)
		index_give(&fixture.index, i, 0);
	assert_all_free(&fixture.index);
	fixture_deinit(&fixture);
}

static void test_index_starts_at_zero_with_any_number_of_top_blocks(void **state)
{
	struct fixture fixture;

	(void)state;
	for (unsigned order = 0; order <= 18; order++) {
		for (uint32_t nr = 1; nr < 8; nr++) {
			fixture_init(&fixture, nr << order, order);
			assert_int_equal(index_take(&fixture.index, 0), 0);
			fixture_deinit(&fixture);
			fixture_init(&fixture, nr << order, order);
			for (uint32_t i = 0; i < nr; i++)
				assert_int_equal(index_take(&fixture.index, order), i << order);
			fixture_deinit(&fixture);
		}
	}
}

/* What does not fill a large block is used up first, smallest piece first. */
static void test_index_takes_remainder_first(void **state)
{
	static const uint32_t expected[] = { 70, 68, 69, 64, 65, 66, 67, 0, 1 };
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture, 71, 18);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(index_take(&fixture.index, 0), expected[i]);
	fixture_deinit(&fixture);
}

static void test_index_serves_each_order_to_the_end(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= 18; order++) {
		uint32_t size = UINT32_C(1) << order;
		struct fixture fixture;

		fixture_init(&fixture, 3 * size, 18);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(index_take(&fixture.index, order) % size, 0);
		assert_int_equal(fixture.index.nr_free, 0);
		assert_int_equal(index_take(&fixture.index, order), PAGE_NONE);
		for (uint32_t i = 0; i < 3; i++)
			index_give(&fixture.index, i * size, order);
		assert_all_free(&fixture.index);
		fixture_deinit(&fixture);
	}
}

static void test_index_prefers_smallest_then_lowest(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture, 256, 5);
	for (uint32_t i = 0; i < 256; i++)
		index_take(&fixture.index, 0);
	index_give(&fixture.index, 16, 4);
	index_give(&fixture.index, 66, 1);
	index_give(&fixture.index, 130, 1);
	index_give(&fixture.index, 140, 0);
	index_give(&fixture.index, 71, 0);
	assert_int_equal(index_take(&fixture.index, 1), 66);
	assert_int_equal(index_take(&fixture.index, 0), 71);
	assert_int_equal(index_take(&fixture.index, 0), 140);
	assert_int_equal(index_take(&fixture.index, 1), 130);
	assert_int_equal(index_take(&fixture.index, 0), 16);
	assert_null(index_validate(&fixture.index));
	fixture_deinit(&fixture);
}

/* Nothing moves between the levels while one page goes back and forth. */
static void test_index_keeps_hot_leaf_open(void **state)
{
	struct fixture fixture;
	uint64_t above;

	(void)state;
	fixture_init(&fixture, 64 * 64, 12);
	assert_int_equal(index_take(&fixture.index, 0), 0);
	above = fixture.index.levels[1].leaves[0];
	for (unsigned i = 0; i < 10; i++) {
		index_give(&fixture.index, 0, 0);
		assert_int_equal(fixture.index.levels[1].leaves[0], above);
		assert_all_free(&fixture.index);
		assert_int_equal(index_take(&fixture.index, 0), 0);
	}
	fixture_deinit(&fixture);
}

static void test_index_finds_large_block_under_open_leaves(void **state)
{
	struct fixture fixture;

	(void)state;
	for (unsigned order = 6; order <= 18; order++) {
		fixture_init(&fixture, UINT32_C(1) << order, 18);
		index_give(&fixture.index, index_take(&fixture.index, 0), 0);
		assert_int_equal(index_largest(&fixture.index), order);
		assert_int_equal(index_take(&fixture.index, order), 0);
		assert_null(index_validate(&fixture.index));
		fixture_deinit(&fixture);
	}
}

/* A cap on the order below what a leaf could tell. */
static void test_index_counts_no_block_above_max_order(void **state)
{
	uint64_t counts[PAGE_NR_ORDERS];
	struct fixture fixture;
	uint32_t cursor = 0;

	(void)state;
	fixture_init(&fixture, 1000, 3);
	assert_true(index_count(&fixture.index, UINT32_MAX, &cursor, counts));
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
		assert_int_equal(counts[order], order == 3 ? 125 : 0);
	assert_int_equal(index_largest(&fixture.index), 3);
	fixture_deinit(&fixture);
}

#define NR_TAKEN 20000u

/* In slices of any size the sum is the same, open leaves and short last ones included. */
static void test_index_counts_in_slices(void **state)
{
	static uint32_t taken[NR_TAKEN];
	uint64_t whole[PAGE_NR_ORDERS], sliced[PAGE_NR_ORDERS];
	struct fixture fixture;
	uint32_t cursor = 0;

	(void)state;
	fixture_init(&fixture, 300001, 18);
	for (unsigned i = 0; i < NR_TAKEN; i++)
		taken[i] = index_take(&fixture.index, i % 8);
	for (unsigned i = 0; i < NR_TAKEN; i += 3)
		if (taken[i] != PAGE_NONE)
			index_give(&fixture.index, taken[i], i % 8);
	assert_true(index_count(&fixture.index, UINT32_MAX, &cursor, whole));
	for (uint32_t max_leaves = 1; max_leaves < 6000; max_leaves = max_leaves * 3 + 1) {
		unsigned nr_slices = 1;

		for (cursor = 0; !index_count(&fixture.index, max_leaves, &cursor, sliced);)
			nr_slices++;
		assert_memory_equal(sliced, whole, sizeof(whole));
		assert_int_equal(nr_slices, (cursor + max_leaves - 1) / max_leaves);
	}
	fixture_deinit(&fixture);
}

static void test_index_takes_pages_of_one_leaf(void **state)
{
	struct fixture fixture;
	uint32_t base = 0;

	(void)state;
	fixture_init(&fixture, 130, 18);
	assert_int_equal(index_take_pages(&fixture.index, 0, &base), 0);
	assert_int_equal(index_take_pages(&fixture.index, 1000, &base), 3);
	assert_int_equal(base, 128);
	assert_int_equal(index_take_pages(&fixture.index, 5, &base), 0x1f);
	assert_int_equal(base, 0);
	assert_true(index_take_pages(&fixture.index, 64, &base) == LEAF_FULL << 5);
	assert_int_equal(base, 0);
	assert_true(index_take_pages(&fixture.index, 64, &base) == LEAF_FULL);
	assert_int_equal(base, 64);
	assert_int_equal(index_take_pages(&fixture.index, 1, &base), 0);
	assert_null(index_validate(&fixture.index));
	index_give_pages(&fixture.index, 64, LEAF_FULL, 64);
	index_give_pages(&fixture.index, 128, 3, 2);
	index_give_run(&fixture.index, 0, 0, LEAF_FULL);
	assert_all_free(&fixture.index);
	fixture_deinit(&fixture);
}

static void test_index_gives_run_across_leaves(void **state)
{
	struct fixture fixture;

	(void)state;
	for (unsigned order = 0; order <= 8; order++) {
		uint32_t size = UINT32_C(1) << order;

		fixture_init(&fixture, 100 * size, 18);
		for (uint32_t i = 0; i < 100; i++)
			index_take(&fixture.index, order);
		index_give_run(&fixture.index, 33 * size, order, LEAF_FULL);
		assert_null(index_validate(&fixture.index));
		assert_int_equal(fixture.index.nr_free, 64 * size);
		index_give_run(&fixture.index, 0, order, (UINT64_C(1) << 33) - 1);
		index_give_run(&fixture.index, 97 * size, order, 7);
		assert_all_free(&fixture.index);
		fixture_deinit(&fixture);
	}
}

static void test_index_claims_any_free_block(void **state)
{
	struct fixture fixture;

	(void)state;
	for (unsigned order = 0; order < 18; order++) {
		uint32_t pfn = UINT32_C(1) << order;

		fixture_init(&fixture, UINT32_C(1) << 18, 18);
		/* Something open at all levels. */
		index_give(&fixture.index, index_take(&fixture.index, 0), 0);
		index_claim(&fixture.index, pfn, order);
		assert_null(index_validate(&fixture.index));
		assert_false(index_free_pages(&fixture.index, pfn & ~63u) >> (pfn & 63) & 1);
		assert_true(index_free_pages(&fixture.index, 0) & 1);
		assert_int_equal(index_largest(&fixture.index), 17);
		index_give(&fixture.index, pfn, order);
		assert_all_free(&fixture.index);
		fixture_deinit(&fixture);
	}
}

static void test_index_takes_exact_and_frees_tail(void **state)
{
	static const uint32_t sizes[] = { 1, 3, 5, 63, 64, 65, 100, 4097, 5000, 16384 };
	struct fixture fixture;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t nr_pages = sizes[i], pfn = 0;

		fixture_init(&fixture, 16384, 18);
		assert_int_equal(index_take_exact(&fixture.index, nr_pages), 0);
		assert_int_equal(fixture.index.nr_free, 16384 - nr_pages);
		assert_null(index_validate(&fixture.index));
		for (unsigned order = 15; order-- > 0;) {
			if (!(nr_pages >> order & 1))
				continue;
			index_give(&fixture.index, pfn, order);
			pfn += UINT32_C(1) << order;
		}
		assert_all_free(&fixture.index);
		fixture_deinit(&fixture);
	}
}

/* A fault in any part is noticed; `at` is mended afterwards. */
static void assert_notices(struct index *index, void *at, uint8_t flip)
{
	uint8_t *byte = at;

	*byte ^= flip;
	assert_non_null(index_validate(index));
	*byte ^= flip;
	assert_null(index_validate(index));
}

static void test_index_validate_notices_damage(void **state)
{
	struct fixture fixture;
	struct index *index = &fixture.index;
	struct index_level *level;

	(void)state;
	fixture_init(&fixture, 128 * 64 + 3, 18);
	for (unsigned i = 0; i < 3 * 64; i++)
		index_take(index, 0);
	index_give(index, 70, 0);
	index_give(index, 4, 1);
	level = &index->levels[0];
	assert_notices(index, &level->leaves[1], 1);
	assert_notices(index, &level->leaves[50], 1);
	assert_notices(index, &level->leaves[128], 8);
	assert_notices(index, &level->leaves[level->nr_leaves], 1);
	assert_notices(index, &level->leaf_classes[1], 1);
	assert_notices(index, &level->files[0].of[1], 1 << 1);
	assert_notices(index, &level->files[0].of[3], 1 << 1);
	assert_notices(index, &level->files[1].of[2], 0x80);
	assert_notices(index, (uint8_t *)&level->files[2].of[1] + 7, 0x80);
	assert_notices(index, &level->sums[0].of[1], 1);
	assert_notices(index, &level->sums[0].of[1], 1 << 2);
	assert_notices(index, &level->sums[0].of[1], 1 << 7);
	assert_notices(index, &level->tops[0].of[1], 1);
	assert_notices(index, &level->tops[0].of[6], 1);
	assert_notices(index, &level->classes, 1 << 1);
	assert_notices(index, &level->classes, 1 << 6);
	assert_notices(index, &index->levels[1].leaves[0], 2);
	assert_notices(index, &index->levels[1].leaves[0], 1 << 7);
	assert_notices(index, &index->nr_free, 1);
	level->open++;
	assert_non_null(index_validate(index));
	fixture_deinit(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_clips_order_to_size),
		cmocka_unit_test(test_index_hands_out_fresh_pages_in_order),
		cmocka_unit_test(test_index_starts_at_zero_with_any_number_of_top_blocks),
		cmocka_unit_test(test_index_takes_remainder_first),
		cmocka_unit_test(test_index_serves_each_order_to_the_end),
		cmocka_unit_test(test_index_prefers_smallest_then_lowest),
		cmocka_unit_test(test_index_keeps_hot_leaf_open),
		cmocka_unit_test(test_index_finds_large_block_under_open_leaves),
		cmocka_unit_test(test_index_counts_no_block_above_max_order),
		cmocka_unit_test(test_index_counts_in_slices),
		cmocka_unit_test(test_index_takes_pages_of_one_leaf),
		cmocka_unit_test(test_index_gives_run_across_leaves),
		cmocka_unit_test(test_index_claims_any_free_block),
		cmocka_unit_test(test_index_takes_exact_and_frees_tail),
		cmocka_unit_test(test_index_validate_notices_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
