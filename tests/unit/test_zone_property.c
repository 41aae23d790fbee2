/* SPDX-License-Identifier: MIT */

/*
 * A million random operations of all kinds on zones of many shapes, beside a model too simple to be
 * wrong (support/zone_model.h).
 *
 * After each operation the zone must have answered as the model does; every few hundred, everything
 * is compared. Not after each: that would merge what the zone keeps warm, and hide it. Now and then
 * the zone is forgotten and opened again on its ledger, in the midst of whatever it was doing.
 * PAGEPOOL_TEST_SEED repeats a run.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "support/random.h"
#include "support/zone_fixture.h"
#include "support/zone_model.h"

#define NR_EXACT 64u
#define NR_OPERATIONS 1000000u
#define BULK_MAX 200u

struct shape {
	uint32_t nr_pages, capacity_pages, contiguous_pages;
	unsigned max_order;
};

static const struct shape shapes[] = {
	{ 1, 1, 0, 0 },
	{ 1, 70, 0, 18 },
	{ 2, 2, 0, 18 },
	{ 3, 200, 0, 1 },
	{ 63, 63, 0, 5 },
	{ 64, 128, 0, 6 },
	{ 64, 1000, 0, 18 },
	{ 65, 65, 0, 3 },
	{ 127, 513, 0, 18 },
	{ 129, 129, 0, 6 },
	{ 512, 512, 512, 9 },
	{ 512, 2000, 512, 18 },
	{ 1000, 1000, 512, 0 },
	{ 1025, 1536, 1024, 9 },
	{ 4095, 8192, 0, 11 },
	{ 4096, 4096, 1024, 12 },
	{ 4097, 6000, 1536, 18 },
	{ 5000, 5000, 2048, 7 },
	{ 8192, 8192, 0, 13 },
	{ 12345, 20000, 3072, 10 },
	{ 16384, 16384, 8192, 18 },
	{ 20011, 20011, 0, 12 },
	{ 20011, 40000, 10240, 18 },
	{ 33333, 70000, 0, 15 },
	{ 65536, 65536, 0, 4 },
	{ 70000, 300000, 66048, 18 },
	{ 262144, 262144, 0, 18 },
	{ 300000, 300000, 0, 9 },
	{ 600001, 600001, 262144, 18 },
};

#define NR_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* What zone_alloc_exact() granted, and may be gone meanwhile, in part or as a whole. */
struct exact {
	uint32_t pfn, nr_pages;
	unsigned slot;
};

struct run {
	struct zone_model model;
	struct exact exact[NR_EXACT];
};

static struct random chance;

static unsigned random_slot(void)
{
	return 1 + random_below(&chance, ZONE_MODEL_NR_SLOTS - 1);
}

/* Small orders more often than large ones; now and then one that does not exist. */
static unsigned random_order(const struct zone_model *model)
{
	uint64_t bits = random_next(&chance) >> 20;
	unsigned order = 0;

	if (random_below(&chance, 8) == 0)
		return random_below(&chance, model->max_order + 2);
	for (; order < model->max_order && bits & 1; bits >>= 1)
		order++;
	return order;
}

static struct word_owner random_owner(void)
{
	return (struct word_owner){ .slot = random_slot(),
				    .tag = random_below(&chance, WORD_NR_TAGS),
				    .mobility = random_below(&chance, NR_MOBILITIES) };
}

static uint32_t size_of(unsigned order)
{
	return UINT32_C(1) << order;
}

static unsigned largest_order(uint32_t nr_pages)
{
	return 31u - (unsigned)__builtin_clz(nr_pages);
}

/* The start of some block; PAGE_NONE when none is near. Most blocks are at low pages. */
static uint32_t random_head(const struct zone_model *model)
{
	uint32_t pfn = random_below(&chance, model->capacity) >> random_below(&chance, 8);

	for (unsigned i = 0; i < 200; i++) {
		if (model->words[pfn])
			return pfn;
		pfn = pfn + 1 < model->capacity ? pfn + 1 : 0;
	}
	return PAGE_NONE;
}

/* The same of one that is no hole. */
static uint32_t random_block(const struct zone_model *model)
{
	uint32_t pfn = random_head(model);

	return pfn != PAGE_NONE && word_kind(model->words[pfn]) == WORD_HOLE ? PAGE_NONE : pfn;
}

/* Granting and freeing. */

static void do_alloc(struct zone_model *model)
{
	unsigned order = random_order(model);
	struct word_owner owner = random_owner();
	uint32_t pfn = PAGE_NONE;
	int r = zone_alloc(model->zone, order, owner, &pfn);

	zone_model_follow(model);
	if (r) {
		assert_int_equal(r, ZONE_E_FULL);
		assert_int_equal(pfn, PAGE_NONE);
		assert_false(zone_model_has(model, order, owner.mobility));
		return;
	}
	zone_model_take(model, pfn, order, owner.slot, owner.mobility);
}

static void do_free(struct zone_model *model)
{
	uint32_t pfn = random_block(model), word;

	if (pfn == PAGE_NONE)
		return;
	word = model->words[pfn];
	assert_int_equal(zone_free(model->zone, pfn, word_order(word), word_slot(word)), 0);
	zone_model_give(model, pfn);
}

/* What is freed is what is granted next. */
static void do_free_and_alloc(struct zone_model *model)
{
	uint32_t pfn = random_block(model), word, again;
	struct word_owner owner = random_owner();

	if (pfn == PAGE_NONE || model->size != model->edge)
		return;
	word = model->words[pfn];
	if (pfn + size_of(word_order(word)) > model->size)
		return;
	owner.mobility = word_mobility(word);
	assert_int_equal(zone_free(model->zone, pfn, word_order(word), word_slot(word)), 0);
	zone_model_give(model, pfn);
	assert_int_equal(zone_alloc(model->zone, word_order(word), owner, &again), 0);
	assert_int_equal(again, pfn);
	zone_model_take(model, pfn, word_order(word), owner.slot, owner.mobility);
}

/* Anything at all: mostly wrong, and then nothing may change. */
static void do_wrong_free(struct zone_model *model)
{
	uint32_t pfn = random_head(model);
	unsigned order = random_order(model), slot = random_slot();
	int expected;

	if (pfn == PAGE_NONE || random_below(&chance, 2))
		pfn = random_below(&chance, model->capacity + 3);
	else if (random_below(&chance, 2))
		order = word_order(model->words[pfn]);
	else
		slot = word_slot(model->words[pfn]);
	expected = zone_model_answer(model, pfn, order, slot);
	assert_int_equal(zone_free(model->zone, pfn, order, slot), expected);
	if (!expected)
		zone_model_give(model, pfn);
}

static void take_run(struct zone_model *model, const struct page_run *run, unsigned order,
		     struct word_owner owner)
{
	assert_int_not_equal(run->mask, 0);
	assert_int_equal(page_address_zone(run->base), ZONE_MODEL_INDEX);
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		uint64_t pfn =
			page_address_pfn(run->base) + ((uint64_t)__builtin_ctzll(mask) << order);

		assert_true(pfn < model->capacity);
		zone_model_take(model, (uint32_t)pfn, order, owner.slot, owner.mobility);
	}
}

static void do_bulk_alloc(struct zone_model *model)
{
	unsigned order = random_order(model);
	struct word_owner owner = random_owner();
	size_t count = 1 + random_below(&chance, BULK_MAX), nr_runs = 0, granted, seen = 0;
	struct page_run runs[BULK_MAX];

	granted = zone_alloc_bulk(model->zone, order, count, owner, runs, &nr_runs);
	assert_true(granted <= count && nr_runs <= granted);
	for (size_t i = 0; i < nr_runs; i++) {
		take_run(model, &runs[i], order, owner);
		seen += (size_t)__builtin_popcountll(runs[i].mask);
	}
	assert_int_equal(seen, granted);
	zone_model_follow(model);
	if (granted < count)
		assert_false(zone_model_has(model, order, owner.mobility));
}

/* Runs over what lies around a block: all of it that the block's holder has, or also more. */
static struct page_run random_run(const struct zone_model *model, unsigned order, unsigned slot,
				  uint32_t pfn, bool is_wrong)
{
	uint32_t before = random_below(&chance, 8) << order,
		 base = pfn > before ? pfn - before : pfn;
	struct page_run run = { .base = page_address(ZONE_MODEL_INDEX, base) };

	for (unsigned i = 0; i < 64; i++) {
		uint64_t at = base + ((uint64_t)i << order);

		if (zone_model_answer(model, at, order, slot) == 0 && random_below(&chance, 8))
			run.mask |= UINT64_C(1) << i;
	}
	if (is_wrong)
		run.mask |= UINT64_C(1) << random_below(&chance, 64);
	return run;
}

static int run_answer(const struct zone_model *model, unsigned order, unsigned slot,
		      const struct page_run *run)
{
	uint64_t pfn = page_address_pfn(run->base);
	uint64_t last = pfn + ((uint64_t)(63 - __builtin_clzll(run->mask)) << order);

	if (last + size_of(order) > model->capacity)
		return ZONE_E_RANGE;
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		uint64_t at = pfn + ((uint64_t)__builtin_ctzll(mask) << order);
		int r = zone_model_answer(model, at, order, slot);

		if (r)
			return r;
	}
	return 0;
}

static void do_bulk_free(struct zone_model *model)
{
	uint32_t pfn = random_block(model);
	struct page_run runs[2];
	size_t nr_runs = 1;
	unsigned order, slot;
	int expected;

	if (pfn == PAGE_NONE)
		return;
	order = word_order(model->words[pfn]);
	slot = word_slot(model->words[pfn]);
	runs[0] = random_run(model, order, slot, pfn, random_below(&chance, 3) == 0);
	if (!runs[0].mask)
		return;
	expected = run_answer(model, order, slot, &runs[0]);
	if (!expected && random_below(&chance, 3) == 0) {
		/* A block of it named twice, in a run of its own. */
		unsigned twice = (unsigned)__builtin_ctzll(runs[0].mask);

		runs[1] = (struct page_run){ runs[0].base + ((uint64_t)twice << order), 1 };
		nr_runs = 2;
		expected = ZONE_E_TWICE;
	}
	assert_int_equal(zone_free_bulk(model->zone, order, slot, runs, nr_runs), expected);
	for (uint64_t mask = expected ? 0 : runs[0].mask; mask; mask &= mask - 1)
		zone_model_give(model, (uint32_t)(page_address_pfn(runs[0].base) +
						  ((uint64_t)__builtin_ctzll(mask) << order)));
}

static void do_exact_alloc(struct run *run)
{
	struct zone_model *model = &run->model;
	uint32_t nr_pages = 1 + random_below(&chance, size_of(model->max_order) + 1), pfn;
	struct exact *exact = &run->exact[random_below(&chance, NR_EXACT)];
	struct word_owner owner = random_owner();
	int r;

	if (random_below(&chance, 4))
		nr_pages = 1 + nr_pages % 40;
	else if (random_below(&chance, 4) == 0)
		nr_pages = (1 + nr_pages / INDEX_PAGEBLOCK_PAGES) * INDEX_PAGEBLOCK_PAGES;
	r = zone_alloc_exact(model->zone, nr_pages, owner, &pfn);
	zone_model_follow(model);
	if (r) {
		assert_int_equal(r, ZONE_E_FULL);
		assert_false(zone_model_has_exact(model, nr_pages, owner.mobility));
		return;
	}
	*exact = (struct exact){ pfn, nr_pages, owner.slot };
	for (uint32_t left = nr_pages; left; left -= size_of(largest_order(left))) {
		zone_model_take(model, pfn, largest_order(left), owner.slot, owner.mobility);
		pfn += size_of(largest_order(left));
	}
}

static void do_exact_free(struct run *run)
{
	struct zone_model *model = &run->model;
	struct exact *exact = &run->exact[random_below(&chance, NR_EXACT)];
	uint32_t pfn = exact->pfn, left;
	int expected = 0;

	if (!exact->nr_pages)
		return;
	for (left = exact->nr_pages; left && !expected; left -= size_of(largest_order(left))) {
		expected = zone_model_answer(model, pfn, largest_order(left), exact->slot);
		pfn += size_of(largest_order(left));
	}
	assert_int_equal(zone_free_exact(model->zone, exact->pfn, exact->nr_pages, exact->slot),
			 expected);
	pfn = exact->pfn;
	for (left = exact->nr_pages; left && !expected; left -= size_of(largest_order(left))) {
		zone_model_give(model, pfn);
		pfn += size_of(largest_order(left));
	}
	exact->nr_pages = 0;
}

/* Everything else. */

/* Small and seldom, or nothing but holes would be left. */
static void do_hole(struct zone_model *model)
{
	uint32_t pfn = random_below(&chance, model->capacity + 2),
		 nr_pages = random_below(&chance, 5);
	uint32_t usable = zone_model_usable(model);
	int expected = 0;

	if (random_below(&chance, 40))
		return;
	if (nr_pages == 0 || pfn >= usable || nr_pages > usable - pfn)
		expected = ZONE_E_RANGE;
	else if (!zone_model_is_free(model, pfn, nr_pages))
		expected = ZONE_E_NOT_HEAD;
	assert_int_equal(zone_mark_hole(model->zone, pfn, nr_pages), expected);
	for (uint32_t end = pfn + nr_pages; !expected && pfn < end;) {
		unsigned order = word_order(model->fixture->words[pfn]);

		assert_true(pfn + size_of(order) <= end);
		zone_model_take(model, pfn, order, ZONE_MODEL_HOLE, MOBILITY_UNMOVABLE);
		pfn += size_of(order);
	}
}

static void do_release(struct zone_model *model)
{
	unsigned slot = random_slot();
	uint32_t cursor = 0, max_pages = 1 + random_below(&chance, model->capacity);

	if (random_below(&chance, 60))
		return;
	while (!zone_release(model->zone, slot, max_pages, &cursor))
		assert_true(cursor < model->capacity);
	assert_int_equal(zone_held_pages(model->zone, slot), 0);
	for (uint32_t pfn = 0; pfn < model->capacity; pfn++)
		if (model->words[pfn] && model->holder[pfn] == slot)
			zone_model_give(model, pfn);
}

static void do_resize(struct zone_model *model)
{
	uint32_t nr_pages = random_below(&chance, model->capacity + 2);
	bool is_wrong;

	if (random_below(&chance, 6))
		return;
	/* Mostly not too small, or little would go on. */
	if (nr_pages < model->capacity / 2 && random_below(&chance, 4))
		nr_pages += model->capacity / 2;
	is_wrong = nr_pages < 1 || nr_pages < model->nr_contiguous || nr_pages > model->capacity;
	assert_int_equal(zone_resize(model->zone, nr_pages), is_wrong ? ZONE_E_RANGE : 0);
	if (!is_wrong)
		model->size = nr_pages;
}

static void do_resize_step(struct zone_model *model)
{
	uint32_t slice = random_below(&chance, 3) ? 1 + random_below(&chance, 500)
						  : 1 + random_below(&chance, 100000);
	bool is_done = zone_resize_step(model->zone, slice);

	zone_model_follow(model);
	assert_int_equal(is_done, model->edge == model->size);
}

static void do_plan(struct zone_model *model)
{
	unsigned order = 8 + random_below(&chance, 4);
	uint32_t expected;
	struct zone_plan plan;
	int r;

	if (random_below(&chance, 20))
		return;
	expected = zone_model_plan(model, order);
	r = zone_plan_contiguous(model->zone, order, &plan);
	assert_int_equal(r, expected == UINT32_MAX ? ZONE_E_FULL : 0);
	if (r)
		return;
	assert_int_equal(plan.order, order);
	assert_int_equal(plan.nr_pages, expected);
	for (uint32_t pfn = plan.pfn; pfn < plan.pfn + size_of(order); pfn++)
		if (model->words[pfn]) {
			plan.nr_blocks--;
			plan.nr_pages -= size_of(word_order(model->words[pfn]));
		}
	assert_int_equal(plan.nr_blocks, 0);
	assert_int_equal(plan.nr_pages, 0);
}

static void do_check(struct zone_model *model)
{
	uint32_t cursor = random_below(&chance, model->capacity + 1),
		 slice = 1 + random_below(&chance, 1000);
	struct zone_fault fault = { .what = "" };

	if (random_below(&chance, 20))
		return;
	for (unsigned i = 0; i < 10 && cursor < model->capacity; i++)
		if (zone_check(model->zone, slice, &cursor, &fault))
			fail_msg("page %u: %s", fault.pfn, fault.what);
}

static void do_walk(struct zone_model *model)
{
	uint32_t cursor = random_below(&chance, model->capacity), start = cursor;
	int slot = random_below(&chance, 2) ? -1 : (int)random_slot();
	struct zone_block block;

	if (zone_next_block(model->zone, slot, 500, &cursor, &block)) {
		assert_int_equal(word_make(block.kind, block.owner, block.order),
				 model->words[block.pfn]);
		assert_int_equal(cursor, block.pfn + size_of(block.order));
		cursor = block.pfn;
	}
	for (uint32_t pfn = start; pfn < cursor; pfn++)
		assert_true(!model->words[pfn] ||
			    (slot >= 0 && word_slot(model->words[pfn]) != (unsigned)slot));
}

/* A daemon's death, maybe amid a batch free, and the next one's start. */
static void do_reopen(struct zone_model *model)
{
	uint32_t *words = model->fixture->words;
	struct zone_fault fault = { .what = "" };

	if (random_below(&chance, 1 + model->capacity / 1000))
		return;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t pfn = random_block(model);

		if (pfn != PAGE_NONE)
			words[pfn] = model->words[pfn] ^ (i ? LEDGER_LEAVING : 0);
	}
	if (zone_fixture_open(model->fixture, &fault))
		fail_msg("page %u: %s", fault.pfn, fault.what);
	zone_model_follow(model);
	assert_int_equal(model->edge, model->size);
	zone_model_compare(model);
}

static void do_rest(struct zone_model *model)
{
	switch (random_below(&chance, 9)) {
	case 0:
		do_release(model);
		break;
	case 1:
		do_check(model);
		break;
	case 2:
		do_hole(model);
		break;
	case 3:
		do_resize(model);
		break;
	case 4:
	case 5:
		do_resize_step(model);
		break;
	case 6:
		do_plan(model);
		break;
	case 7:
		do_reopen(model);
		break;
	default:
		do_walk(model);
	}
}

static void do_something(struct run *run, unsigned bias)
{
	struct zone_model *model = &run->model;
	unsigned n = random_below(&chance, 100);

	if (n < bias)
		random_below(&chance, 20) ? do_alloc(model) : do_bulk_alloc(model);
	else if (n < 74)
		random_below(&chance, 20) ? do_free(model) : do_bulk_free(model);
	else if (n < 77)
		do_free_and_alloc(model);
	else if (n < 82)
		do_wrong_free(model);
	else if (n < 86)
		do_exact_alloc(run);
	else if (n < 90)
		do_exact_free(run);
	else
		do_rest(model);
	assert_int_equal(zone_nr_free(model->zone), model->nr_free);
	assert_int_equal(zone_nr_draining(model->zone), model->nr_draining);
}

/* Frees all that can be freed, in random order, and looks whether everything has merged. */
static void free_everything(struct zone_model *model)
{
	uint64_t nr_holes = zone_nr_holes(model->zone);

	while (!zone_resize_step(model->zone, 1000))
		;
	zone_model_follow(model);
	for (uint32_t i = 0; i < model->capacity; i++)
		do_free(model);
	for (uint32_t pfn = 0; pfn < model->capacity; pfn++) {
		uint32_t word = model->words[pfn];

		if (!word || word_kind(word) == WORD_HOLE)
			continue;
		assert_int_equal(zone_free(model->zone, pfn, word_order(word), word_slot(word)), 0);
		zone_model_give(model, pfn);
	}
	zone_model_compare(model);
	assert_int_equal(model->nr_free + nr_holes - model->nr_draining, model->size);
}

static void run_shape(const struct shape *shape)
{
	const struct zone_config config = {
		.index = ZONE_MODEL_INDEX,
		.nr_pages = shape->nr_pages,
		.capacity_pages = shape->capacity_pages,
		.contiguous_pages = shape->contiguous_pages,
		.max_order = shape->max_order,
		.nr_slots = ZONE_MODEL_NR_SLOTS,
	};
	uint32_t every = shape->capacity_pages / 8 + 50;
	struct run run = { .exact = { { 0 } } };

	zone_model_init(&run.model, &config);
	zone_model_compare(&run.model);
	for (uint32_t i = 1; i <= NR_OPERATIONS / NR_SHAPES + 1; i++) {
		/* Fill for a while, empty for a while. */
		do_something(&run, i / 4000 % 2 ? 27 : 50);
		if (random_below(&chance, every) == 0)
			zone_model_compare(&run.model);
	}
	zone_model_compare(&run.model);
	free_everything(&run.model);
	zone_model_deinit(&run.model);
}

static void test_zone_agrees_with_model(void **state)
{

	(void)state;
	chance = random_from_environment();
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
