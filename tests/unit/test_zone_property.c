/* SPDX-License-Identifier: MIT */

/*
 * A million random operations on zones of many shapes, beside a model too simple to be wrong: two
 * arrays that say of each page who holds it and whether a block of which order starts there.
 *
 * After each operation the zone must have answered as the model does; every few hundred, all of
 * zone_validate() must hold, and the free blocks must be those that merging the model's free pages
 * gives. PAGEPOOL_TEST_SEED repeats a run.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/zone.h"

#define NR_SLOTS 9u
#define NR_EXACT 64u
#define NR_OPERATIONS 1000000u
#define BULK_MAX 200u

#define FREE 0
#define HOLE 0xff
#define NO_HEAD 0xff

struct shape {
	uint32_t nr_pages;
	unsigned max_order;
};

static const struct shape shapes[] = {
	{ 1, 0 },     { 1, 18 },      { 2, 18 },     { 3, 1 },       { 63, 5 },      { 64, 5 },
	{ 64, 6 },    { 64, 18 },     { 65, 3 },     { 127, 18 },    { 129, 6 },     { 1000, 0 },
	{ 1000, 9 },  { 4095, 11 },   { 4096, 11 },  { 4096, 12 },   { 4097, 18 },   { 5000, 7 },
	{ 8192, 13 }, { 12345, 10 },  { 16384, 18 }, { 20011, 12 },  { 20011, 18 },  { 33333, 15 },
	{ 65536, 4 }, { 262144, 18 }, { 300000, 9 }, { 524288, 18 }, { 600001, 18 },
};

#define NR_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

struct exact {
	uint32_t pfn, nr_pages;
	unsigned slot;
};

struct model {
	struct zone zone;
	void *ledger, *index;
	uint32_t nr_pages;
	unsigned max_order;
	uint8_t *holder; /* by page: a slot, FREE or HOLE */
	uint8_t *head;   /* by page: the order of the block that starts here, or NO_HEAD */
	uint32_t nr_free;
	struct exact exact[NR_EXACT];
};

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static uint32_t random_below(uint32_t n)
{
	return (uint32_t)((random_next() >> 32) * n >> 32);
}

static unsigned random_slot(void)
{
	return 1 + random_below(NR_SLOTS - 1);
}

/* Small orders more often than large ones; now and then one that does not exist. */
static unsigned random_order(const struct model *model)
{
	uint64_t bits = random_next() >> 20;
	unsigned order = 0;

	if (random_below(8) == 0)
		return random_below(model->max_order + 2);
	for (; order < model->max_order && bits & 1; bits >>= 1)
		order++;
	return order;
}

static struct word_owner owner_of(unsigned slot)
{
	return (struct word_owner){ .slot = (uint16_t)slot,
				    .tag = (uint16_t)random_below(WORD_NR_TAGS) };
}

static uint32_t size_of(unsigned order)
{
	return UINT32_C(1) << order;
}

/* The model. */

static int model_is_free(const struct model *model, uint32_t pfn, uint32_t nr_pages)
{
	for (uint32_t i = 0; i < nr_pages; i++)
		if (model->holder[pfn + i] != FREE)
			return 0;
	return 1;
}

static void model_take(struct model *model, uint32_t pfn, unsigned order, unsigned holder)
{
	assert_int_equal(pfn & (size_of(order) - 1), 0);
	assert_true(pfn < model->nr_pages && size_of(order) <= model->nr_pages - pfn);
	assert_true(model_is_free(model, pfn, size_of(order)));
	memset(model->holder + pfn, (int)holder, size_of(order));
	model->head[pfn] = (uint8_t)order;
	model->nr_free -= size_of(order);
}

static void model_give(struct model *model, uint32_t pfn, unsigned order)
{
	memset(model->holder + pfn, FREE, size_of(order));
	model->head[pfn] = NO_HEAD;
	model->nr_free += size_of(order);
}

/* What zone_free() must say. */
static int model_answer(const struct model *model, uint64_t pfn, unsigned order, unsigned slot)
{
	if (order > model->max_order)
		return ZONE_E_ALIGN;
	if (pfn >= model->nr_pages || size_of(order) > model->nr_pages - pfn)
		return ZONE_E_RANGE;
	if (pfn & (size_of(order) - 1))
		return ZONE_E_ALIGN;
	if (model->head[pfn] == NO_HEAD)
		return ZONE_E_NOT_HEAD;
	if (model->head[pfn] != order)
		return ZONE_E_ORDER;
	return model->holder[pfn] == slot ? 0 : ZONE_E_NOT_HELD;
}

/* Free blocks as merging makes them: the largest aligned ones, greedily. */
static void model_count(const struct model *model, uint64_t counts[PAGE_NR_ORDERS])
{
	memset(counts, 0, PAGE_NR_ORDERS * sizeof(*counts));
	for (uint32_t pfn = 0; pfn < model->nr_pages;) {
		unsigned order = 0;

		if (model->holder[pfn] != FREE) {
			pfn++;
			continue;
		}
		while (order < model->max_order && !(pfn & size_of(order)) &&
		       size_of(order + 1) <= model->nr_pages - pfn &&
		       model_is_free(model, pfn + size_of(order), size_of(order)))
			order++;
		counts[order]++;
		pfn += size_of(order);
	}
}

static int model_largest(const struct model *model)
{
	uint64_t counts[PAGE_NR_ORDERS];

	model_count(model, counts);
	for (int order = PAGE_ORDER_MAX; order >= 0; order--)
		if (counts[order])
			return order;
	return -1;
}

/* The start of some block; PAGE_NONE when none is near. */
static uint32_t random_head(const struct model *model)
{
	uint32_t pfn = random_below(model->nr_pages);

	for (unsigned i = 0; i < 2000; i++) {
		if (model->head[pfn] != NO_HEAD)
			return pfn;
		pfn = pfn + 1 < model->nr_pages ? pfn + 1 : 0;
	}
	return PAGE_NONE;
}

static void count_free(const struct model *model, uint64_t ret_counts[PAGE_NR_ORDERS])
{
	uint32_t cursor = 0;

	while (!zone_count_free(&model->zone, 1000, &cursor, ret_counts))
		;
}

static void compare_all(const struct model *model)
{
	uint64_t expected[PAGE_NR_ORDERS], counts[PAGE_NR_ORDERS];
	uint64_t held[NR_SLOTS] = { 0 }, nr_holes = 0;
	struct zone_fault fault = { .what = "" };

	if (zone_validate(&model->zone, &fault))
		fail_msg("page %u: %s", fault.pfn, fault.what);
	model_count(model, expected);
	count_free(model, counts);
	assert_memory_equal(counts, expected, sizeof(counts));
	assert_int_equal(zone_largest_free(&model->zone), model_largest(model));
	for (uint32_t pfn = 0; pfn < model->nr_pages; pfn++) {
		if (model->holder[pfn] == HOLE)
			nr_holes++;
		else
			held[model->holder[pfn]]++;
	}
	assert_int_equal(zone_nr_free(&model->zone), held[FREE]);
	assert_int_equal(zone_nr_holes(&model->zone), nr_holes);
	for (unsigned slot = 1; slot < NR_SLOTS; slot++)
		assert_int_equal(zone_held_pages(&model->zone, slot), held[slot]);
}

/* Operations. */

static void do_alloc(struct model *model)
{
	unsigned order = random_order(model), slot = random_slot();
	uint32_t pfn = PAGE_NONE;
	int r = zone_alloc(&model->zone, order, owner_of(slot), &pfn);

	if (r) {
		assert_int_equal(r, ZONE_E_FULL);
		assert_int_equal(pfn, PAGE_NONE);
		assert_true(model_largest(model) < (int)order);
		return;
	}
	model_take(model, pfn, order, slot);
}

static void do_free(struct model *model)
{
	uint32_t pfn = random_head(model);

	if (pfn == PAGE_NONE || model->holder[pfn] == HOLE)
		return;
	assert_int_equal(zone_free(&model->zone, pfn, model->head[pfn], model->holder[pfn]), 0);
	model_give(model, pfn, model->head[pfn]);
}

/* Anything at all: mostly wrong, and then nothing may change. */
static void do_wrong_free(struct model *model)
{
	uint32_t pfn = random_head(model);
	unsigned order = random_order(model), slot = random_slot();
	int expected;

	if (pfn == PAGE_NONE || random_below(2))
		pfn = random_below(model->nr_pages + 3);
	else if (random_below(2))
		order = model->head[pfn];
	else if (model->holder[pfn] != HOLE)
		slot = model->holder[pfn];
	expected = model_answer(model, pfn, order, slot);
	assert_int_equal(zone_free(&model->zone, pfn, order, slot), expected);
	if (!expected)
		model_give(model, pfn, order);
}

static void do_bulk_alloc(struct model *model)
{
	unsigned order = random_order(model), slot = random_slot();
	size_t count = 1 + random_below(BULK_MAX), nr_runs = 0, granted, seen = 0;
	struct page_run runs[BULK_MAX];

	granted = zone_alloc_bulk(&model->zone, order, count, owner_of(slot), runs, &nr_runs);
	assert_true(granted <= count && nr_runs <= granted);
	for (size_t i = 0; i < nr_runs; i++) {
		assert_int_not_equal(runs[i].mask, 0);
		assert_int_equal(page_address_zone(runs[i].base), 3);
		for (uint64_t mask = runs[i].mask; mask; mask &= mask - 1, seen++)
			model_take(model,
				   (uint32_t)(page_address_pfn(runs[i].base) +
					      ((uint64_t)__builtin_ctzll(mask) << order)),
				   order, slot);
	}
	assert_int_equal(seen, granted);
	if (granted < count)
		assert_true(model_largest(model) < (int)order);
}

/* Runs over what lies around a block: all of it that the block's holder has, or also more. */
static struct page_run random_run(const struct model *model, unsigned order, unsigned slot,
				  uint32_t pfn, int is_wrong)
{
	struct page_run run = { .base = page_address(3, pfn) };

	for (unsigned i = 0; i < 64; i++) {
		uint64_t at = pfn + ((uint64_t)i << order);

		if (model_answer(model, at, order, slot) == 0 && random_below(8))
			run.mask |= UINT64_C(1) << i;
	}
	if (is_wrong)
		run.mask |= UINT64_C(1) << random_below(64);
	return run;
}

static int run_answer(const struct model *model, unsigned order, unsigned slot,
		      const struct page_run *run)
{
	uint64_t pfn = page_address_pfn(run->base);
	uint64_t last = pfn + ((uint64_t)(63 - __builtin_clzll(run->mask)) << order);

	if (last + size_of(order) > model->nr_pages)
		return ZONE_E_RANGE;
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		int r = model_answer(model, pfn + ((uint64_t)__builtin_ctzll(mask) << order), order,
				     slot);

		if (r)
			return r;
	}
	return 0;
}

static void give_run(struct model *model, unsigned order, const struct page_run *run)
{
	for (uint64_t mask = run->mask; mask; mask &= mask - 1)
		model_give(model,
			   (uint32_t)(page_address_pfn(run->base) +
				      ((uint64_t)__builtin_ctzll(mask) << order)),
			   order);
}

static void do_bulk_free(struct model *model)
{
	uint32_t pfn = random_head(model);
	struct page_run runs[3];
	size_t nr_runs = 1;
	unsigned order, slot;
	int expected;

	if (pfn == PAGE_NONE || model->holder[pfn] == HOLE)
		return;
	order = model->head[pfn];
	slot = model->holder[pfn];
	runs[0] = random_run(model, order, slot, pfn, random_below(3) == 0);
	if (!runs[0].mask)
		return;
	expected = run_answer(model, order, slot, &runs[0]);
	if (!expected && random_below(3) == 0) {
		/* A block of it named twice, in a run of its own. */
		unsigned twice = (unsigned)__builtin_ctzll(runs[0].mask);

		runs[1] = (struct page_run){ runs[0].base + ((uint64_t)twice << order), 1 };
		nr_runs = 2;
		expected = ZONE_E_TWICE;
	}
	assert_int_equal(zone_free_bulk(&model->zone, order, slot, runs, nr_runs), expected);
	if (!expected)
		give_run(model, order, &runs[0]);
}

static void do_exact_alloc(struct model *model)
{
	uint32_t nr_pages = 1 + random_below(size_of(model->max_order) + 1), pfn;
	struct exact *exact = &model->exact[random_below(NR_EXACT)];
	unsigned slot = random_slot();

	if (random_below(4))
		nr_pages = 1 + nr_pages % 40;
	if (zone_alloc_exact(&model->zone, nr_pages, owner_of(slot), &pfn)) {
		unsigned order = page_order_of(nr_pages);

		assert_true(order > model->max_order || model_largest(model) < (int)order);
		return;
	}
	*exact = (struct exact){ pfn, nr_pages, slot };
	for (uint32_t left = nr_pages; left;) {
		unsigned order = 31u - (unsigned)__builtin_clz(left);

		model_take(model, pfn, order, slot);
		pfn += size_of(order);
		left -= size_of(order);
	}
}

/* A remembered grant, which may be gone in the meantime, in part or as a whole. */
static void do_exact_free(struct model *model)
{
	struct exact *exact = &model->exact[random_below(NR_EXACT)];
	uint32_t pfn = exact->pfn, left;
	int expected = 0;

	if (!exact->nr_pages)
		return;
	for (left = exact->nr_pages; left && !expected;) {
		unsigned order = 31u - (unsigned)__builtin_clz(left);

		expected = model_answer(model, pfn, order, exact->slot);
		pfn += size_of(order);
		left -= size_of(order);
	}
	assert_int_equal(zone_free_exact(&model->zone, exact->pfn, exact->nr_pages, exact->slot),
			 expected);
	pfn = exact->pfn;
	for (left = exact->nr_pages; left && !expected;) {
		unsigned order = 31u - (unsigned)__builtin_clz(left);

		model_give(model, pfn, order);
		pfn += size_of(order);
		left -= size_of(order);
	}
	exact->nr_pages = 0;
}

/* Small and seldom, or nothing but holes would be left. */
static void do_hole(struct model *model)
{
	uint32_t pfn = random_below(model->nr_pages + 2), nr_pages = random_below(5);
	int expected = 0;

	if (random_below(40))
		return;
	if (nr_pages == 0 || pfn >= model->nr_pages || nr_pages > model->nr_pages - pfn)
		expected = ZONE_E_RANGE;
	else if (!model_is_free(model, pfn, nr_pages))
		expected = ZONE_E_NOT_HEAD;
	assert_int_equal(zone_mark_hole(&model->zone, pfn, nr_pages), expected);
	for (uint32_t end = pfn + nr_pages; !expected && pfn < end;) {
		unsigned order = 0;

		while (order < model->max_order && !(pfn & size_of(order)) &&
		       size_of(order + 1) <= end - pfn)
			order++;
		model_take(model, pfn, order, HOLE);
		pfn += size_of(order);
	}
}

static void do_release(struct model *model)
{
	unsigned slot = random_slot();
	uint32_t cursor = 0, max_pages = 1 + random_below(model->nr_pages);

	if (random_below(60))
		return;
	while (!zone_release(&model->zone, slot, max_pages, &cursor))
		assert_true(cursor < model->nr_pages);
	assert_int_equal(zone_held_pages(&model->zone, slot), 0);
	for (uint32_t pfn = 0; pfn < model->nr_pages; pfn++)
		if (model->head[pfn] != NO_HEAD && model->holder[pfn] == slot)
			model_give(model, pfn, model->head[pfn]);
}

static void do_check(struct model *model)
{
	uint32_t cursor = random_below(model->nr_pages + 1), slice = 1 + random_below(1000);
	struct zone_fault fault = { .what = "" };

	if (random_below(20))
		return;
	for (unsigned i = 0; i < 10 && cursor < model->nr_pages; i++)
		if (zone_check(&model->zone, slice, &cursor, &fault))
			fail_msg("page %u: %s", fault.pfn, fault.what);
}

static void do_walk(struct model *model)
{
	uint32_t cursor = random_below(model->nr_pages), start = cursor;
	int slot = random_below(2) ? -1 : (int)random_slot();
	struct zone_block block;

	if (zone_next_block(&model->zone, slot, 500, &cursor, &block)) {
		unsigned expected = model->holder[block.pfn];

		assert_int_equal(model->head[block.pfn], block.order);
		assert_int_equal(cursor, block.pfn + size_of(block.order));
		assert_int_equal(block.kind, expected == HOLE ? WORD_HOLE : WORD_PAGE);
		assert_int_equal(block.owner.slot, expected == HOLE ? 0 : expected);
		cursor = block.pfn;
	}
	for (uint32_t pfn = start; pfn < cursor; pfn++)
		assert_true(model->head[pfn] == NO_HEAD ||
			    (slot >= 0 && model->holder[pfn] != slot));
}

static void do_something(struct model *model, unsigned bias)
{
	unsigned n = random_below(100);

	if (n < bias)
		random_below(20) ? do_alloc(model) : do_bulk_alloc(model);
	else if (n < 80)
		random_below(20) ? do_free(model) : do_bulk_free(model);
	else if (n < 86)
		do_wrong_free(model);
	else if (n < 90)
		do_exact_alloc(model);
	else if (n < 94)
		do_exact_free(model);
	else if (n < 96)
		do_hole(model);
	else if (n < 97)
		do_release(model);
	else if (n < 98)
		do_check(model);
	else
		do_walk(model);
	assert_int_equal(zone_nr_free(&model->zone), model->nr_free);
}

/* Frees all that can be freed, in random order, and looks whether everything has merged. */
static void free_everything(struct model *model)
{
	uint64_t counts[PAGE_NR_ORDERS];

	for (uint32_t i = 0; i < 4 * model->nr_pages; i++)
		do_free(model);
	for (uint32_t pfn = 0; pfn < model->nr_pages; pfn++) {
		if (model->head[pfn] == NO_HEAD || model->holder[pfn] == HOLE)
			continue;
		assert_int_equal(zone_free(&model->zone, pfn, model->head[pfn], model->holder[pfn]),
				 0);
		model_give(model, pfn, model->head[pfn]);
	}
	compare_all(model);
	count_free(model, counts);
	if (zone_nr_holes(&model->zone) == 0)
		assert_int_equal(counts[model->max_order], model->nr_pages >> model->max_order);
}

static void model_init(struct model *model, const struct shape *shape)
{
	struct zone_config config = {
		.index = 3,
		.nr_pages = shape->nr_pages,
		.max_order = shape->max_order,
		.nr_slots = NR_SLOTS,
	};

	memset(model, 0, sizeof(*model));
	model->ledger = aligned_alloc(64, zone_ledger_bytes(&config));
	model->index = aligned_alloc(64, zone_index_bytes(&config));
	model->holder = calloc(shape->nr_pages, 1);
	model->head = malloc(shape->nr_pages);
	assert_true(model->ledger && model->index && model->holder && model->head);
	memset(model->ledger, 0, zone_ledger_bytes(&config));
	memset(model->index, 0xa5, zone_index_bytes(&config));
	memset(model->head, NO_HEAD, shape->nr_pages);
	assert_int_equal(zone_init(&model->zone, &config, model->ledger, model->index), 0);
	model->nr_pages = model->nr_free = shape->nr_pages;
	model->max_order = zone_max_order(&model->zone);
}

static void model_deinit(struct model *model)
{
	free(model->ledger);
	free(model->index);
	free(model->holder);
	free(model->head);
}

static void run_shape(const struct shape *shape)
{
	struct model model;
	uint32_t every = shape->nr_pages / 8 + 50;

	model_init(&model, shape);
	compare_all(&model);
	for (uint32_t i = 1; i <= NR_OPERATIONS / NR_SHAPES + 1; i++) {
		/* Grow for a while, shrink for a while. */
		do_something(&model, i / 4000 % 2 ? 30 : 55);
		if (i % every == 0)
			compare_all(&model);
	}
	compare_all(&model);
	free_everything(&model);
	model_deinit(&model);
}

static void test_zone_agrees_with_model(void **state)
{
	const char *seed = getenv("PAGEPOOL_TEST_SEED");

	(void)state;
	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	print_message("PAGEPOOL_TEST_SEED=%llu\n", (unsigned long long)random_state);
	random_state = random_state * 2 + 1; /* zero would stay zero */
	for (size_t i = 0; i < NR_SHAPES; i++)
		run_shape(&shapes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone_agrees_with_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
