/* SPDX-License-Identifier: MIT */
/* Grants as ranges of bytes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/backing.h"
#include "service/extent_walk.h"

static void assert_next(struct extent_walk *walk, uint64_t offset, uint64_t size_bytes)
{
	struct scrub_extent extent;

	assert_true(extent_walk_next(walk, &extent));
	assert_int_equal(extent.offset, offset);
	assert_int_equal(extent.size_bytes, size_bytes);
}

static void assert_end(struct extent_walk *walk)
{
	struct scrub_extent extent = { 1, 2 };

	assert_false(extent_walk_next(walk, &extent));
	assert_int_equal(extent.offset, 1);
}

static void test_extent_walk_of_a_range_is_one(void **state)
{
	struct extent_walk walk = extent_walk_range(UINT32_C(1) << 27, 5);

	(void)state;
	assert_next(&walk, PAGE_BYTES << 27, 5 * PAGE_BYTES);
	assert_end(&walk);
}

static void test_extent_walk_of_blocks_is_their_stretches(void **state)
{
	const struct page_run runs[] = {
		{ page_address(3, 64), 0x1 | 0x38 },
		{ page_address(3, 1024), 0 },
		{ page_address(3, 2048), UINT64_MAX },
		{ page_address(3, 4096), UINT64_C(1) << 63 },
	};
	struct extent_walk walk = extent_walk_blocks(2, runs, 4), copy;

	(void)state;
	assert_next(&walk, 64 * PAGE_BYTES, 4 * PAGE_BYTES);
	copy = walk;
	assert_next(&walk, (64 + 3 * 4) * PAGE_BYTES, 12 * PAGE_BYTES);
	assert_next(&walk, 2048 * PAGE_BYTES, 256 * PAGE_BYTES);
	assert_next(&walk, (4096 + 63 * 4) * PAGE_BYTES, 4 * PAGE_BYTES);
	assert_end(&walk);
	assert_next(&copy, (64 + 3 * 4) * PAGE_BYTES, 12 * PAGE_BYTES);

	walk = extent_walk_blocks(0, runs, 0);
	assert_end(&walk);
}

static void test_extent_walk_of_objects_is_run_by_run(void **state)
{
	const struct object_run runs[] = {
		{ .base = page_address(200, 5) << PAGE_SHIFT | 4000, .mask = 0x24 },
		{ .base = 48, .mask = UINT64_C(1) << 63 },
	};
	const struct backing_objects objects = {
		.stride_bytes = 100, .size_bytes = 70, .runs = runs, .nr_runs = 2
	};
	struct extent_walk walk = extent_walk_objects(&objects);
	struct scrub_extent object = extent_of_object(&objects, &runs[0], 5);

	(void)state;
	assert_next(&walk, 5 * PAGE_BYTES + 4200, 3 * 100 + 70);
	assert_next(&walk, 48 + 6300, 70);
	assert_end(&walk);
	assert_int_equal(object.offset, 5 * PAGE_BYTES + 4500);
	assert_int_equal(object.size_bytes, 70);
}

static void test_extent_lies_in_pages(void **state)
{
	static const struct {
		struct scrub_extent extent;
		uint32_t first, nr_pages;
	} cases[] = {
		{ { 0, 1 }, 0, 1 },       { { 4095, 1 }, 0, 1 },    { { 4095, 2 }, 0, 2 },
		{ { 4096, 4096 }, 1, 1 }, { { 8000, 4289 }, 1, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(extent_first_page(&cases[i].extent), cases[i].first);
		assert_int_equal(extent_nr_pages(&cases[i].extent), cases[i].nr_pages);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extent_walk_of_a_range_is_one),
		cmocka_unit_test(test_extent_walk_of_blocks_is_their_stretches),
		cmocka_unit_test(test_extent_walk_of_objects_is_run_by_run),
		cmocka_unit_test(test_extent_lies_in_pages),
	};

	return cmocka_run_group_tests_name("extent_walk", tests, NULL, NULL);
}
