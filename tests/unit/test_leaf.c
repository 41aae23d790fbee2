/* SPDX-License-Identifier: MIT */

/* Leaves: everything found with bit tricks, against a look at each unit. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/leaf.h"
#include "support/random.h"

#define NR_RANDOM 2000u

static bool is_run(uint64_t leaf, unsigned first, unsigned order)
{
	for (unsigned i = 0; i < 1u << order; i++)
		if (!(leaf >> (first + i) & 1))
			return false;
	return true;
}

static uint64_t naive_runs(uint64_t leaf, unsigned order)
{
	uint64_t runs = 0;

	for (unsigned i = 0; i < LEAF_UNITS; i += 1u << order)
		if (is_run(leaf, i, order))
			runs |= UINT64_C(1) << i;
	return runs;
}

static unsigned naive_class(uint64_t leaf)
{
	unsigned class = 0;

	for (unsigned order = 0; order <= 6; order++)
		class += naive_runs(leaf, order) != 0;
	return class;
}

/* The order of the largest run that is free around a unit, but for larger ones than order_max. */
static unsigned block_order(uint64_t leaf, unsigned unit, unsigned order_max)
{
	unsigned order = 0;

	while (order < order_max && is_run(leaf, unit & -(2u << order), order + 1))
		order++;
	return order;
}

static unsigned naive_choose(uint64_t leaf, unsigned order, unsigned order_max)
{
	for (unsigned size = order; size <= order_max; size++)
		for (unsigned i = 0; i < LEAF_UNITS; i += 1u << size)
			if (is_run(leaf, i, size) && block_order(leaf, i, order_max) == size)
				return i;
	return LEAF_UNITS;
}

static void check_leaf(uint64_t leaf)
{
	assert_int_equal(leaf_class(leaf), naive_class(leaf));
	for (unsigned order = 0; order <= LEAF_ORDER_MAX; order++) {
		uint64_t runs = naive_runs(leaf, order);

		assert_true(leaf_runs(leaf, order) == runs);
		assert_true(leaf_join(runs, order) == naive_runs(leaf, order + 1));
		for (unsigned order_max = order; runs && order_max <= LEAF_ORDER_MAX; order_max++)
			assert_int_equal(leaf_choose(runs, order, order_max),
					 naive_choose(leaf, order, order_max));
	}
}

/* From nearly none to nearly all, and such as large blocks leave behind. */
static void test_leaf_finds_what_is_free(void **state)
{
	struct random random = random_from(1);

	(void)state;
	check_leaf(0);
	check_leaf(LEAF_FULL);
	for (unsigned i = 0; i < NR_RANDOM; i++) {
		uint64_t a = random_next(&random), b = random_next(&random);
		uint64_t blocks = 0;

		check_leaf(a);
		check_leaf(a & b);
		check_leaf(a | b);
		check_leaf(~(a & b & random_next(&random) & random_next(&random)));
		for (unsigned n = 0; n < 6; n++)
			blocks ^= leaf_mask(random_below(&random, LEAF_UNITS),
					    random_below(&random, 6));
		check_leaf(blocks);
	}
}

static void test_leaf_finds_every_single_run(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= 6; order++)
		for (unsigned unit = 0; unit < LEAF_UNITS; unit++) {
			uint64_t mask = leaf_mask(unit, order);

			for (unsigned i = 0; i < LEAF_UNITS; i++)
				assert_int_equal(mask >> i & 1, i >> order == unit >> order);
			assert_true(leaf_mask(unit + 7 * LEAF_UNITS, order) == mask);
			assert_int_equal(leaf_class(mask), order + 1);
			check_leaf(mask);
			check_leaf(~mask);
		}
}

static void test_leaf_starts_are_multiples_of_the_order(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= 6; order++)
		for (unsigned i = 0; i < LEAF_UNITS; i++)
			assert_int_equal(leaf_starts(order) >> i & 1, i % (1u << order) == 0);
}

static void test_leaf_chooses_smallest_then_lowest(void **state)
{
	/* Blocks at 0 (16 units), 20 (4), 32 (8), 44 (4). */
	const uint64_t leaf = UINT64_C(0xf0ff00f0ffff);

	(void)state;
	assert_int_equal(leaf_choose(leaf_runs(leaf, 0), 0, 5), 20);
	assert_int_equal(leaf_choose(leaf_runs(leaf, 2), 2, 5), 20);
	assert_int_equal(leaf_choose(leaf_runs(leaf, 3), 3, 5), 32);
	assert_int_equal(leaf_choose(leaf_runs(leaf, 4), 4, 5), 0);
	/* Where blocks of 4 units are the largest, there are four at 0. */
	assert_int_equal(leaf_choose(leaf_runs(leaf, 0), 0, 2), 0);
}

static uint64_t naive_between(uint32_t base, uint32_t start, uint32_t end)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < LEAF_UNITS; i++)
		if (base + i >= start && base + i < end)
			mask |= UINT64_C(1) << i;
	return mask;
}

static void test_leaf_cuts_range_at_both_ends(void **state)
{
	const uint32_t base = 128, last = UINT32_C(1) << 28;

	(void)state;
	for (uint32_t start = 0; start < 260; start++)
		for (uint32_t end = 0; end < 260; end++)
			assert_true(leaf_between(base, start, end) ==
				    naive_between(base, start, end));
	assert_true(leaf_between(0, 0, last) == LEAF_FULL);
	assert_true(leaf_between(last - 64, 0, last) == LEAF_FULL);
	assert_true(leaf_between(last - 64, 0, last - 1) == LEAF_FULL >> 1);
	assert_true(leaf_between(last, 0, last) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaf_finds_what_is_free),
		cmocka_unit_test(test_leaf_finds_every_single_run),
		cmocka_unit_test(test_leaf_starts_are_multiples_of_the_order),
		cmocka_unit_test(test_leaf_chooses_smallest_then_lowest),
		cmocka_unit_test(test_leaf_cuts_range_at_both_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
