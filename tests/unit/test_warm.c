/* SPDX-License-Identifier: MIT */

/* Warm blocks: last in first out, for the same mobility alone; the oldest are shifted out. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/leaf.h"
#include "core/warm.h"

#define PFN_LAST ((UINT32_C(1) << 28) - 1) /* of the largest zone */

struct fixture {
	struct warm warm;
	void *memory;
};

/* The memory is of the very size that is asked for, and full of something. */
static void fixture_init(struct fixture *fixture)
{
	assert_int_equal(warm_bytes() % 64, 0);
	fixture->memory = aligned_alloc(64, warm_bytes());
	assert_non_null(fixture->memory);
	memset(fixture->memory, 0x5a, warm_bytes());
	warm_init(&fixture->warm, fixture->memory);
}

static void fixture_deinit(struct fixture *fixture)
{
	free(fixture->memory);
}

/* The word of a block with all its other fields set, which must not matter. */
static uint32_t word_of(unsigned mobility)
{
	return word_make(WORD_PAGE,
			 (struct word_owner){ .slot = WORD_NR_SLOTS - 1,
					      .tag = WORD_NR_TAGS - 1,
					      .mobility = mobility },
			 PAGE_ORDER_MAX);
}

static bool push(struct fixture *fixture, unsigned order, enum mobility mobility, uint32_t pfn)
{
	return warm_push(&fixture->warm, order, word_of(mobility), pfn);
}

static void assert_pops(struct fixture *fixture, unsigned order, enum mobility mobility,
			uint32_t expected)
{
	uint32_t pfn = PAGE_NONE;

	assert_true(warm_pop(&fixture->warm, order, mobility, &pfn));
	assert_int_equal(pfn, expected);
}

static void assert_pops_none(struct fixture *fixture, unsigned order, enum mobility mobility)
{
	uint32_t pfn = PAGE_NONE;

	assert_false(warm_pop(&fixture->warm, order, mobility, &pfn));
	assert_int_equal(pfn, PAGE_NONE);
}

static void test_warm_is_empty_at_first(void **state)
{
	uint32_t pfns[WARM_BLOCKS_MAX], pfn = PAGE_NONE;
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++) {
		assert_int_equal(warm_shift(&fixture.warm, order, WARM_BLOCKS_MAX, pfns), 0);
		for (unsigned mobility = 0; mobility < NR_MOBILITIES; mobility++)
			assert_pops_none(&fixture, order, (enum mobility)mobility);
	}
	for (unsigned order = 0; order <= LEAF_ORDER_MAX; order++)
		for (unsigned mobility = 0; mobility < NR_MOBILITIES; mobility++)
			assert_false(
				warm_pick(&fixture.warm, order, (enum mobility)mobility, &pfn));
	assert_int_equal(pfn, PAGE_NONE);
	fixture_deinit(&fixture);
}

static void test_warm_pops_what_was_pushed_last(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	for (unsigned mobility = 0; mobility < NR_MOBILITIES; mobility++) {
		for (uint32_t i = 0; i < 5; i++)
			assert_true(push(&fixture, 3, (enum mobility)mobility, PFN_LAST - 8 * i));
		for (uint32_t i = 5; i-- > 0;)
			assert_pops(&fixture, 3, (enum mobility)mobility, PFN_LAST - 8 * i);
		assert_pops_none(&fixture, 3, (enum mobility)mobility);
	}
	fixture_deinit(&fixture);
}

/* A block serves those of its mobility; it hides what was freed before it. */
static void test_warm_pops_for_the_same_mobility_alone(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	assert_true(push(&fixture, 0, MOBILITY_UNMOVABLE, 1));
	assert_true(push(&fixture, 0, MOBILITY_MOVABLE, 2));
	assert_true(push(&fixture, 0, MOBILITY_RECLAIMABLE, 3));
	assert_pops_none(&fixture, 0, MOBILITY_UNMOVABLE);
	assert_pops_none(&fixture, 0, MOBILITY_MOVABLE);
	assert_pops(&fixture, 0, MOBILITY_RECLAIMABLE, 3);
	assert_pops_none(&fixture, 0, MOBILITY_UNMOVABLE);
	assert_pops_none(&fixture, 0, MOBILITY_RECLAIMABLE);
	assert_pops(&fixture, 0, MOBILITY_MOVABLE, 2);
	assert_pops(&fixture, 0, MOBILITY_UNMOVABLE, 1);
	fixture_deinit(&fixture);
}

/* Every stack filled to its brim: none reaches into another, and full ones refuse. */
static void test_warm_keeps_orders_apart(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++) {
		for (uint32_t i = 0; i < warm_max(order); i++)
			assert_true(push(&fixture, order, MOBILITY_MOVABLE, order << 16 | i));
		assert_false(push(&fixture, order, MOBILITY_MOVABLE, 7));
	}
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++) {
		for (uint32_t i = warm_max(order); i-- > 0;)
			assert_pops(&fixture, order, MOBILITY_MOVABLE, order << 16 | i);
		assert_pops_none(&fixture, order, MOBILITY_MOVABLE);
	}
	fixture_deinit(&fixture);
}

static void test_warm_shifts_the_oldest_out(void **state)
{
	uint32_t pfns[WARM_BLOCKS_MAX];
	struct fixture fixture;
	unsigned max = warm_max(0);

	(void)state;
	fixture_init(&fixture);
	for (uint32_t i = 0; i < max; i++)
		assert_true(push(&fixture, 0, (enum mobility)(i % NR_MOBILITIES), 100 + i));
	assert_int_equal(warm_shift(&fixture.warm, 0, max / 2, pfns), max / 2);
	for (uint32_t i = 0; i < max / 2; i++)
		assert_int_equal(pfns[i], 100 + i);
	/* The others are as they were, and there is room again. */
	assert_true(push(&fixture, 0, MOBILITY_RECLAIMABLE, 7));
	assert_pops(&fixture, 0, MOBILITY_RECLAIMABLE, 7);
	assert_pops(&fixture, 0, (enum mobility)((max - 1) % NR_MOBILITIES), 100 + max - 1);
	assert_int_equal(warm_shift(&fixture.warm, 0, WARM_BLOCKS_MAX, pfns), max - max / 2 - 1);
	for (uint32_t i = 0; i < max - max / 2 - 1; i++)
		assert_int_equal(pfns[i], 100 + max / 2 + i);
	for (unsigned mobility = 0; mobility < NR_MOBILITIES; mobility++)
		assert_pops_none(&fixture, 0, (enum mobility)mobility);
	fixture_deinit(&fixture);
}

static void test_warm_shifts_none_when_asked_for_none(void **state)
{
	struct fixture fixture;
	uint32_t pfn = PAGE_NONE;

	(void)state;
	fixture_init(&fixture);
	assert_true(push(&fixture, 9, MOBILITY_UNMOVABLE, 512));
	assert_int_equal(warm_shift(&fixture.warm, 9, 0, &pfn), 0);
	assert_int_equal(pfn, PAGE_NONE);
	assert_pops(&fixture, 9, MOBILITY_UNMOVABLE, 512);
	fixture_deinit(&fixture);
}

/* From the lowest up, each once, and only for its order and mobility. */
static void test_warm_picks_blocks_of_a_leaf(void **state)
{
	struct fixture fixture;
	uint32_t pfn;

	(void)state;
	fixture_init(&fixture);
	fixture.warm.leaves[1][MOBILITY_MOVABLE] =
		(struct warm_leaf){ .starts = UINT64_C(0x4000000000000011), .base = 640 };
	assert_false(warm_pick(&fixture.warm, 1, MOBILITY_UNMOVABLE, &pfn));
	assert_false(warm_pick(&fixture.warm, 0, MOBILITY_MOVABLE, &pfn));
	assert_true(warm_pick(&fixture.warm, 1, MOBILITY_MOVABLE, &pfn));
	assert_int_equal(pfn, 640);
	assert_true(warm_pick(&fixture.warm, 1, MOBILITY_MOVABLE, &pfn));
	assert_int_equal(pfn, 644);
	assert_true(warm_pick(&fixture.warm, 1, MOBILITY_MOVABLE, &pfn));
	assert_int_equal(pfn, 702);
	assert_false(warm_pick(&fixture.warm, 1, MOBILITY_MOVABLE, &pfn));
	fixture_deinit(&fixture);
}

/* Little beside a zone, but never a single block: two that come and go would drive out each other.
 */
static void test_warm_holds_two_blocks_and_not_too_much(void **state)
{
	(void)state;
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++) {
		unsigned max = warm_max(order);

		assert_in_range(max, 2, WARM_BLOCKS_MAX);
		assert_true(max == 2 || (uint64_t)max << order <= WARM_PAGES_MAX);
	}
	assert_int_equal(warm_max(0), WARM_BLOCKS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warm_is_empty_at_first),
		cmocka_unit_test(test_warm_pops_what_was_pushed_last),
		cmocka_unit_test(test_warm_pops_for_the_same_mobility_alone),
		cmocka_unit_test(test_warm_keeps_orders_apart),
		cmocka_unit_test(test_warm_shifts_the_oldest_out),
		cmocka_unit_test(test_warm_shifts_none_when_asked_for_none),
		cmocka_unit_test(test_warm_picks_blocks_of_a_leaf),
		cmocka_unit_test(test_warm_holds_two_blocks_and_not_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
