/* SPDX-License-Identifier: MIT */

/*
 * Random takes, claims, gives and steals on indexes of many sizes, beside a model that looks at
 * every page (tests/support/index_model.h). Each answer must be the model's: which block is taken
 * follows from what is free and from the groups alone. Every now and then all of the index must
 * hold together, count what the model counts and know the same groups.
 *
 * PAGEPOOL_TEST_SEED repeats a run.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/leaf.h"
#include "support/index_fixture.h"
#include "support/index_model.h"
#include "support/random.h"

struct shape {
	uint32_t nr_pages;
	unsigned nr_operations;
};

static const struct shape shapes[] = {
	{ 1, 2000 },      { 2, 2000 },      { 63, 5000 },
	{ 64, 5000 },     { 65, 5000 },     { 511, 20000 },
	{ 512, 20000 },   { 513, 20000 },   { 1000, 20000 },
	{ 4095, 20000 },  { 4097, 40000 },  { 32767, 20000 },
	{ 32769, 20000 }, { 100003, 5000 }, { (UINT32_C(1) << 21) + 5, 3000 },
};

#define NR_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

struct run {
	struct random random;
	struct index_fixture fixture;
	struct index *index;
	struct index_model model;
	unsigned order_max; /* of a block that fits */
};

static uint32_t below(struct run *run, uint32_t n)
{
	return random_below(&run->random, n);
}

/* Small orders more often than large ones. */
static unsigned random_order(struct run *run, unsigned order_max)
{
	uint64_t bits = random_next(&run->random) >> 20;
	unsigned order = 0;

	if (random_once_in(&run->random, 6))
		return below(run, order_max + 1);
	for (; order < order_max && bits & 1; bits >>= 1)
		order++;
	return order;
}

static enum mobility random_group(struct run *run)
{
	return (enum mobility)below(run, INDEX_NR_GROUPS);
}

static uint32_t random_pfn(struct run *run)
{
	return below(run, run->model.nr_pages);
}

/* For each bit of nr_pages a block, the largest first. */
static void hold_pages(struct run *run, uint32_t pfn, uint32_t nr_pages, enum mobility group)
{
	while (nr_pages) {
		unsigned order = 31u - (unsigned)__builtin_clz(nr_pages);

		index_model_hold(&run->model, pfn, order, group);
		pfn += UINT32_C(1) << order;
		nr_pages -= UINT32_C(1) << order;
	}
}

/* Taking. */

static void do_take(struct run *run)
{
	unsigned order = random_order(run, PAGE_ORDER_MAX);
	enum mobility group = random_group(run);
	uint32_t expected = index_model_choose(&run->model, order, group);

	assert_int_equal(index_take(run->index, order, group), expected);
	if (expected != PAGE_NONE)
		index_model_hold(&run->model, expected, order, group);
}

static void do_take_leaf(struct run *run)
{
	unsigned order = random_order(run, LEAF_ORDER_MAX);
	enum mobility group = random_group(run);
	uint32_t chosen = index_model_choose(&run->model, order, group), base = PAGE_NONE;
	uint64_t starts = index_take_leaf(run->index, order, group, &base);

	if (chosen == PAGE_NONE) {
		assert_true(starts == 0);
		assert_int_equal(base, PAGE_NONE);
		return;
	}
	assert_int_equal(base, chosen / LEAF_UNITS * LEAF_UNITS);
	assert_true(starts == leaf_runs(run->model.free[base / LEAF_UNITS], order));
	for (; starts; starts &= starts - 1)
		index_model_hold(&run->model, base + (uint32_t)__builtin_ctzll(starts), order,
				 group);
}

static void do_take_exact(struct run *run)
{
	uint32_t order = random_order(run, run->order_max);
	uint32_t nr_pages = 1 + below(run, UINT32_C(1) << order);
	enum mobility group = random_group(run);
	uint32_t expected = index_model_choose(&run->model, page_order_of(nr_pages), group);

	assert_int_equal(index_take_exact(run->index, nr_pages, group), expected);
	if (expected != PAGE_NONE)
		hold_pages(run, expected, nr_pages, group);
}

static void do_claim(struct run *run)
{
	unsigned order = random_order(run, run->order_max);
	uint32_t pfn = random_pfn(run) & ~((UINT32_C(1) << order) - 1);
	enum mobility group = random_group(run);

	if (pfn + (UINT32_C(1) << order) > run->model.nr_pages ||
	    !index_model_is_free(&run->model, pfn, order))
		return;
	index_claim(run->index, pfn, order, group);
	index_model_hold(&run->model, pfn, order, group);
}

static void do_claim_pages(struct run *run)
{
	uint32_t base = random_pfn(run) & ~(LEAF_UNITS - 1);
	uint64_t mask = run->model.free[base / LEAF_UNITS] & random_next(&run->random);

	index_claim_pages(run->index, base, mask);
	for (; mask; mask &= mask - 1)
		index_model_hold(&run->model, base + (uint32_t)__builtin_ctzll(mask), 0,
				 MOBILITY_UNMOVABLE);
}

static void do_steal(struct run *run)
{
	unsigned order = random_order(run, INDEX_PAGEBLOCK_ORDER - 1);
	enum mobility group = random_group(run);
	unsigned expected = index_model_steal(&run->model, order, group);

	assert_int_equal(index_steal(run->index, order, group), expected);
	if (expected < INDEX_NR_GROUPS)
		assert_int_not_equal(index_model_choose(&run->model, order, expected), PAGE_NONE);
}

/* Giving. */

static void do_give(struct run *run)
{
	uint32_t pfn;

	if (!index_model_find_held(&run->model, random_pfn(run), &pfn))
		return;
	index_expect(run->index, pfn, run->model.orders[pfn]);
	index_give(run->index, pfn, run->model.orders[pfn]);
	index_model_free(&run->model, pfn);
}

static bool is_held(const struct run *run, uint32_t pfn, unsigned order)
{
	return pfn < run->model.nr_pages && run->model.heads[pfn / 64] >> pfn % 64 & 1 &&
	       run->model.orders[pfn] == order;
}

/* Blocks like the one that is found, among 64 of which it is any. */
static void do_give_run(struct run *run)
{
	uint32_t pfn, before;
	uint64_t mask;
	unsigned order;

	if (!index_model_find_held(&run->model, random_pfn(run), &pfn))
		return;
	order = run->model.orders[pfn];
	before = below(run, 64);
	if (before > pfn >> order)
		before = pfn >> order;
	pfn -= before << order;
	mask = UINT64_C(1) << before;
	for (uint32_t i = 0; i < 64; i++)
		if (is_held(run, pfn + (i << order), order) && below(run, 4))
			mask |= UINT64_C(1) << i;
	index_give_run(run->index, pfn, order, mask);
	for (; mask; mask &= mask - 1)
		index_model_free(&run->model, pfn + ((uint32_t)__builtin_ctzll(mask) << order));
}

static void do_give_pages(struct run *run)
{
	uint32_t pfn, base;
	uint64_t mask = 0;

	if (!index_model_find_held(&run->model, random_pfn(run), &pfn) || run->model.orders[pfn])
		return;
	base = pfn & ~(LEAF_UNITS - 1);
	for (unsigned i = 0; i < LEAF_UNITS; i++)
		if (is_held(run, base + i, 0) && (base + i == pfn || below(run, 4)))
			mask |= UINT64_C(1) << i;
	index_give_pages(run->index, base, mask);
	for (; mask; mask &= mask - 1)
		index_model_free(&run->model, base + (uint32_t)__builtin_ctzll(mask));
}

/* Blocks of `bias` in 100 operations are taken, of most others given back. */
static void do_something(struct run *run, unsigned bias)
{
	static void (*const takes[])(struct run *) = { do_take,       do_take,  do_take_leaf,
						       do_take_exact, do_claim, do_claim_pages };
	static void (*const gives[])(struct run *) = { do_give, do_give, do_give_run,
						       do_give_pages };
	unsigned n = below(run, 100);

	if (n < bias)
		takes[below(run, sizeof(takes) / sizeof(takes[0]))](run);
	else if (n < 95)
		gives[below(run, sizeof(gives) / sizeof(gives[0]))](run);
	else
		do_steal(run);
	assert_int_equal(run->index->nr_free, run->model.nr_free);
}

static void give_everything(struct run *run)
{
	uint32_t pfn;

	while (index_model_find_held(&run->model, random_pfn(run), &pfn)) {
		index_give(run->index, pfn, run->model.orders[pfn]);
		index_model_free(&run->model, pfn);
	}
	index_model_assert_agrees(&run->model, run->index);
	assert_int_equal(run->index->nr_free, run->model.nr_pages);
	assert_int_equal(index_largest(run->index), run->order_max);
}

static void run_shape(struct run *run, const struct shape *shape)
{
	const unsigned every = shape->nr_pages / 256 + 2;
	unsigned largest = 31u - (unsigned)__builtin_clz(shape->nr_pages);

	run->order_max = largest < PAGE_ORDER_MAX ? largest : PAGE_ORDER_MAX;
	index_fixture_init_free(&run->fixture, shape->nr_pages);
	run->index = &run->fixture.index;
	index_model_init(&run->model, shape->nr_pages);
	index_model_assert_agrees(&run->model, run->index);
	for (unsigned i = 1; i <= shape->nr_operations; i++) {
		/* Fill up, stay so for a while, and empty. */
		static const unsigned char biases[] = { 70, 50, 45, 20 };

		do_something(run, biases[i * 8 / shape->nr_operations % 4]);
		if (i % every == 0)
			index_model_assert_agrees(&run->model, run->index);
	}
	index_model_assert_agrees(&run->model, run->index);
	give_everything(run);
	index_model_deinit(&run->model);
	index_fixture_deinit(&run->fixture);
}

static void test_index_agrees_with_model(void **state)
{
	struct run run = { .random = random_from_environment() };

	(void)state;
	for (size_t i = 0; i < NR_SHAPES; i++)
		run_shape(&run, &shapes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_agrees_with_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
