/* SPDX-License-Identifier: MIT */

/*
 * Random histories of objects, with pages between them, beside a model too simple to be wrong
 * (support/object_model.h): grants and frees, right and wrong, by several clients; deaths, caches
 * that are made and unmade, resizes.
 *
 * After each operation the zone must have answered as the model does; then all of it is validated
 * and compared, and a zone that is opened on a copy of its ledgers must be the same: who holds
 * what, what is constructed, counts and room. Now and then the history goes on with a recovered
 * zone, in the midst of a batch free. PAGEPOOL_TEST_SEED repeats a run.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "support/object_model.h"
#include "support/objects.h"
#include "support/random.h"
#include "support/zone_fixture.h"

#define NR_OPERATIONS 12000u
#define BATCH_MAX 300u
#define RUNS_MAX 3u
#define NR_CACHES 12u /* in use at once, beside general ones */

struct shape {
	uint32_t nr_pages, capacity_pages, contiguous_pages;
	unsigned max_order;
	uint32_t nr_units;
};

static const struct shape shapes[] = {
	{ 1, 1, 0, 0, SLAB_ROOM_UNITS },
	{ 60, 100, 0, 18, SLAB_ROOM_UNITS },
	{ 200, 500, 0, 2, 2 * SLAB_ROOM_UNITS },
	{ 600, 1500, 512, 18, SLAB_ROOM_UNITS },
	{ 3000, 3000, 0, 11, 2 * SLAB_ROOM_UNITS },
};

#define NR_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

struct history {
	struct object_model model;
	struct zone *zone;
	uint32_t caches[NR_CACHES];
	unsigned nr_caches;
	uint32_t nr_granted, nr_refused, nr_cut, nr_aside; /* what has happened */
};

static struct random chance;

static unsigned random_slot(void)
{
	return 1 + random_below(&chance, ZONE_MODEL_NR_SLOTS - 1);
}

static struct word_owner random_owner(void)
{
	return (struct word_owner){ .slot = random_slot(),
				    .tag = random_below(&chance, WORD_NR_TAGS),
				    .mobility = random_below(&chance, NR_MOBILITIES) };
}

/* One of the caches, mostly of its own; general ones that are small. */
static uint32_t random_cache(const struct history *history)
{
	if (history->nr_caches && random_below(&chance, 4))
		return history->caches[random_below(&chance, history->nr_caches)];
	return random_below(&chance, 24);
}

static const struct cache_layout *layout_of(const struct history *history, uint32_t cache)
{
	return &history->model.pages.fixture->caches.layouts[cache];
}

static struct object_model_slab *random_slab(const struct history *history)
{
	struct object_model_slab *slab = history->model.slabs;

	for (uint32_t n = slab ? random_below(&chance, history->model.nr_slabs) : 0; n > 0; n--)
		slab = slab->next;
	return slab;
}

/* Granting. */

/* How full slabs are, in eighths: the lower, the fuller; 8 is empty. */
static uint32_t eighth(const struct object_model_slab *slab)
{
	return object_model_nr_free(slab) * SLAB_NR_PARTIAL / slab->layout.nr_objects;
}

/* The eighth of the fullest slab that can be granted from; 9 when there is none. */
static uint32_t fullest(const struct history *history, uint32_t cache)
{
	uint32_t least = SLAB_NR_PARTIAL + 1;

	for (const struct object_model_slab *slab = history->model.slabs; slab; slab = slab->next)
		if (slab->cache == cache && object_model_nr_free(slab) &&
		    !object_model_is_beyond(slab, history->zone) && eighth(slab) < least)
			least = eighth(slab);
	return least;
}

/* Why a grant was cut short: what it needed was not there. */
static void assert_exhausted(const struct history *history, uint32_t cache, uint32_t nr_new,
			     uint32_t max_slabs)
{
	const struct cache_layout *layout = layout_of(history, cache);
	const struct slab_table *slabs = &history->zone->slabs;

	assert_int_equal(fullest(history, cache), SLAB_NR_PARTIAL + 1);
	assert_true(nr_new == max_slabs || layout->order > history->model.pages.max_order ||
		    !zone_model_has(&history->model.pages, layout->order, layout->mobility) ||
		    !(slabs->stretches >> (slab_nr_units(layout) - 1)));
}

static void do_grant(struct history *history)
{
	static const uint32_t limits[] = { 0, 1, 3, UINT32_MAX };
	struct object_model *model = &history->model;
	uint32_t cache = random_cache(history), before = model->nr_added;
	uint32_t max_slabs = limits[random_below(&chance, 4)], best = fullest(history, cache);
	size_t count = 1 + random_below(&chance, random_below(&chance, 8) ? 20 : BATCH_MAX);
	size_t nr_runs = 0, granted, seen = 0;
	struct word_owner owner = random_owner();
	struct object_run runs[BATCH_MAX];

	granted = zone_alloc_objects(history->zone, cache, count, owner, max_slabs, runs, &nr_runs);
	assert_true(granted <= count && nr_runs <= granted);
	object_model_follow(model);
	if (granted && best <= SLAB_NR_PARTIAL)
		assert_int_equal(eighth(object_model_find(
					 model, page_address_pfn(runs[0].base >> PAGE_SHIFT))),
				 best);
	for (size_t i = 0; i < nr_runs; i++) {
		object_model_take(model, cache, owner.slot, &runs[i]);
		seen += (size_t)__builtin_popcountll(runs[i].mask);
	}
	assert_int_equal(seen, granted);
	assert_true(model->nr_added - before <= max_slabs);
	history->nr_granted += (uint32_t)granted;
	if (granted == count)
		return;
	history->nr_cut++;
	assert_exhausted(history, cache, model->nr_added - before, max_slabs);
}

/* Freeing. */

/* Objects of the slab that the slot holds, from any object on; now and then one that is not. */
static struct object_run random_run(const struct object_model_slab *slab, unsigned slot)
{
	uint32_t first = random_below(&chance, slab->layout.nr_objects);
	struct object_run run = { .base = object_model_start(slab) +
					  (uint64_t)first * slab->layout.stride_bytes,
				  .raw = random_below(&chance, 3) ? 0 : random_next(&chance) };
	unsigned keep = 1 + random_below(&chance, 4);

	for (uint32_t i = first; i < slab->layout.nr_objects && i - first < 64; i++)
		if (slab->objects[i].holder == slot && random_below(&chance, 5) < keep)
			run.mask |= UINT64_C(1) << (i - first);
	return run;
}

static void make_wrong(const struct history *history, struct object_run *run)
{
	switch (random_below(&chance, 6)) {
	case 0:
		run->base += 1 + random_below(&chance, 100);
		break;
	case 1:
		run->base -= PAGE_BYTES * random_below(&chance, 3);
		break;
	case 2:
		run->base = page_address(ZONE_MODEL_INDEX,
					 random_below(&chance, history->model.pages.capacity + 2))
			    << PAGE_SHIFT;
		break;
	case 3:
		run->base ^= UINT64_C(1) << random_below(&chance, 64);
		break;
	default:
		run->mask |= UINT64_C(1) << random_below(&chance, 64);
	}
}

static unsigned random_holder(const struct object_model_slab *slab)
{
	uint32_t i = random_below(&chance, slab->layout.nr_objects);

	for (uint32_t n = 0; n < slab->layout.nr_objects; n++) {
		unsigned holder = slab->objects[(i + n) % slab->layout.nr_objects].holder;

		if (holder)
			return holder;
	}
	return random_slot();
}

static void do_free(struct history *history, bool is_wrong)
{
	struct object_model_slab *slab = random_slab(history);
	struct objects_refusal at = { 0, 0 }, expected_at = { 0, 0 };
	size_t nr_runs = 1 + random_below(&chance, RUNS_MAX);
	unsigned slot;
	struct object_run runs[RUNS_MAX];
	struct zone_leaver leaver;
	uint32_t cache;
	int expected, r;

	if (!slab)
		return;
	slot = random_holder(slab);
	cache = random_below(&chance, 2) ? slab->cache : ZONE_CACHE_ANY;
	for (size_t i = 0; i < nr_runs; i++) {
		runs[i] = random_run(slab, slot);
		slab = random_below(&chance, 2) || cache != ZONE_CACHE_ANY ? slab
									   : random_slab(history);
	}
	if (is_wrong && random_below(&chance, 4))
		make_wrong(history, &runs[random_below(&chance, (uint32_t)nr_runs)]);
	else if (is_wrong && random_below(&chance, 2))
		cache = random_cache(history);
	else if (is_wrong)
		slot = random_slot();
	leaver = (struct zone_leaver){ .slot = slot,
				       .generation = random_below(&chance, WORD_NR_TAGS),
				       .is_untold = random_below(&chance, 8) == 0 };
	expected = object_model_answer(&history->model, cache, slot, runs, nr_runs,
				       &expected_at.run, &expected_at.bit);
	r = objects_free_runs(history->model.pages.fixture, cache, &leaver, runs, nr_runs, &at);
	assert_int_equal(r, expected);
	history->nr_refused += r != 0;
	if (r) {
		assert_int_equal(at.run, expected_at.run);
		assert_int_equal(at.bit, expected_at.bit);
		return;
	}
	for (size_t i = 0; i < nr_runs; i++)
		object_model_give(&history->model, &leaver, &runs[i]);
	object_model_follow(&history->model);
}

/* Everything else that happens to objects. */

static void do_forget_constructed(struct history *history)
{
	struct object_model_slab *slab = random_slab(history);
	struct object_run run;

	if (!slab)
		return;
	run = random_run(slab, random_holder(slab));
	if (!run.mask)
		return;
	zone_forget_constructed(history->zone, &run);
	object_model_forget_constructed(&history->model, &run);
}

static void do_release(struct history *history)
{
	struct zone_model *pages = &history->model.pages;
	uint32_t cursor = 0, slice = 1 + random_below(&chance, 4000);
	unsigned slot = random_slot();

	while (!zone_release(history->zone, slot, slice, &cursor))
		;
	assert_int_equal(zone_held_objects(history->zone, slot), 0);
	assert_int_equal(zone_held_pages(history->zone, slot), 0);
	object_model_release(&history->model, slot);
	for (uint32_t pfn = 0; pfn < pages->capacity; pfn++)
		if (pages->words[pfn] && pages->holder[pfn] == slot)
			zone_model_give(pages, pfn);
	object_model_follow(&history->model);
}

static void do_shrink(struct history *history)
{
	uint32_t cache = random_cache(history), before = history->model.pages.nr_free;
	uint32_t draining = history->model.pages.nr_draining, nr_pages;

	nr_pages = random_below(&chance, 2) ? zone_shrink_cache(history->zone, cache)
					    : zone_shrink_caches(history->zone);
	object_model_follow(&history->model);
	assert_int_equal(history->model.pages.nr_free + draining,
			 before + history->model.pages.nr_draining + nr_pages);
}

static void do_add_cache(struct history *history)
{
	static const uint32_t sizes[] = { 20, 60, 100, 200, 700, 1500, 3000, 9000, 70000 };
	struct zone_fixture *fixture = history->model.pages.fixture;
	char name[CACHE_NAME_BYTES_MAX + 1];
	const struct cache_config config = {
		.name = name,
		.object_bytes = sizes[random_below(&chance, 9)] + random_below(&chance, 30),
		.align = random_below(&chance, 2) ? 0 : 8u << random_below(&chance, 6),
		.flags = random_below(&chance, (CACHE_CTOR | CACHE_DEBUG) + 1),
		.mobility = random_below(&chance, NR_MOBILITIES),
	};

	if (history->nr_caches == NR_CACHES)
		return;
	snprintf(name, sizeof(name), "%llx", (unsigned long long)random_next(&chance));
	assert_int_equal(
		cache_table_add(&fixture->caches, &config, &history->caches[history->nr_caches]),
		0);
	history->nr_caches++;
}

/* A cache of which nothing is held can go at once, and leaves no slab. */
static void do_remove_cache(struct history *history)
{
	struct zone_cache_stat stat;
	unsigned i;

	if (history->nr_caches < 2)
		return;
	i = random_below(&chance, history->nr_caches);
	zone_stat_cache(history->zone, history->caches[i], &stat);
	if (stat.objects_active)
		return;
	zone_shrink_cache(history->zone, history->caches[i]);
	object_model_follow(&history->model);
	zone_stat_cache(history->zone, history->caches[i], &stat);
	assert_int_equal(stat.objects_total, 0);
	cache_table_remove(&history->model.pages.fixture->caches, history->caches[i]);
	history->caches[i] = history->caches[--history->nr_caches];
}

static void do_add_room(struct history *history)
{
	uint32_t room = zone_slab_room(history->zone);
	struct slab_range ranges[2];

	if (!zone_next_slab_room(history->zone, ranges))
		return;
	zone_add_slab_room(history->zone);
	assert_int_equal(zone_slab_room(history->zone), room + SLAB_ROOM_UNITS);
}

/* Pages. */

static void do_alloc_pages(struct history *history)
{
	struct zone_model *pages = &history->model.pages;
	unsigned order = random_below(&chance, 4);
	struct word_owner owner = random_owner();
	uint32_t pfn;
	int r = zone_alloc(history->zone, order, owner, &pfn);

	object_model_follow(&history->model);
	if (r)
		assert_false(order <= pages->max_order &&
			     zone_model_has(pages, order, owner.mobility));
	else
		zone_model_take(pages, pfn, order, owner.slot, owner.mobility);
}

/* Of what starts at a page, or anywhere. Slabs are nobody's to free. */
static void do_free_pages(struct history *history)
{
	struct zone_model *pages = &history->model.pages;
	uint32_t pfn = random_below(&chance, pages->capacity), word;
	unsigned slot = random_slot(), order;
	int expected;

	for (uint32_t n = 0; n < 200 && !pages->words[pfn]; n++)
		pfn = (pfn + 1) % pages->capacity;
	word = pages->words[pfn];
	order = word_order(word);
	if (word_kind(word) == WORD_PAGE && random_below(&chance, 8))
		slot = word_slot(word);
	else if (word_kind(word) == WORD_SLAB && random_below(&chance, 2))
		slot = WORD_SLOT_DAEMON;
	expected = zone_model_answer(pages, pfn, order, slot);
	assert_int_equal(zone_free(history->zone, pfn, order, slot), expected);
	if (!expected)
		zone_model_give(pages, pfn);
}

static void do_resize(struct history *history)
{
	struct zone_model *pages = &history->model.pages;
	uint32_t least = pages->nr_contiguous ? pages->nr_contiguous : 1;
	uint32_t size = least + random_below(&chance, pages->capacity - least + 1);

	assert_int_equal(zone_resize(history->zone, size), 0);
	pages->size = size;
	object_model_follow(&history->model);
}

static void do_resize_step(struct history *history)
{
	bool is_done = zone_resize_step(history->zone, 1 + random_below(&chance, 1000));

	object_model_follow(&history->model);
	assert_int_equal(is_done, history->model.pages.edge == history->model.pages.size);
}

static void do_check(struct history *history)
{
	uint32_t cursor = random_below(&chance, history->model.pages.capacity);
	struct zone_fault fault = { .what = "" };

	if (zone_check(history->zone, 1 + random_below(&chance, 1000), &cursor, &fault))
		fail_msg("page %u: %s", fault.pfn, fault.what);
}

/* What the slot has from some page on: its next block, or slab with an object of it. */
static void do_walk(struct history *history)
{
	const struct zone_model *pages = &history->model.pages;
	uint32_t start = random_below(&chance, pages->capacity), cursor = start;
	unsigned slot = random_slot();
	struct zone_block block = { .pfn = pages->capacity };
	struct zone_slab found;
	bool is_found;

	while (!(is_found = zone_next_block(history->zone, (int)slot, 100, &cursor, &block)) &&
	       cursor < pages->capacity)
		;
	for (uint32_t pfn = start; pfn < block.pfn; pfn++) {
		assert_true(word_kind(pages->words[pfn]) != WORD_PAGE ||
			    word_slot(pages->words[pfn]) != slot);
		if (word_kind(pages->words[pfn]) == WORD_SLAB) {
			assert_true(zone_find_slab(history->zone, pfn, &found));
			assert_int_equal(zone_count_held(history->zone, &found, slot), 0);
		}
	}
	if (is_found && block.kind == WORD_SLAB) {
		const struct object_model_slab *slab =
			object_model_find(&history->model, block.pfn);
		uint32_t nr_held = 0;

		for (uint32_t i = 0; i < slab->layout.nr_objects; i++)
			nr_held += slab->objects[i].holder == slot;
		assert_true(nr_held && zone_find_slab(history->zone, block.pfn, &found));
		assert_int_equal(zone_count_held(history->zone, &found, slot), nr_held);
	}
}

/* Recovery. */

static void plant_marks(const struct history *history, struct zone *zone)
{
	struct object_model_slab *slab = random_slab(history);
	struct object_run run;
	uint64_t bytes;
	unsigned slot, bit;
	int r;

	if (!slab)
		return;
	slot = random_holder(slab);
	run = random_run(slab, slot);
	r = zone_leave_objects(zone, slab->cache, slot, &run, &bytes, &bit);
	assert_true(r == 0 || r == ZONE_E_TWICE);
}

/* A death amid a batch free, and the next daemon's start. */
static void do_reopen(struct history *history)
{
	struct zone_fault fault = { .what = "" };

	for (unsigned n = random_below(&chance, 4); n > 0; n--)
		plant_marks(history, history->zone);
	if (zone_fixture_open(history->model.pages.fixture, &fault))
		fail_msg("page %u: %s", fault.pfn, fault.what);
	object_model_follow(&history->model);
}

/*
 * What is found again. A copy has its edge at the size at once: then it keeps no empty slab beyond,
 * which is the one thing that it changes in its ledger.
 */
static void compare_copy(const struct history *history)
{
	const struct zone_model *pages = &history->model.pages;
	struct zone_fixture *copy = zone_fixture_copy(pages->fixture);

	zone_fixture_assert_sound(copy);
	object_model_compare(&history->model, copy);
	for (unsigned slot = 1; slot < ZONE_MODEL_NR_SLOTS; slot++)
		assert_int_equal(zone_held_pages(&copy->zone, slot),
				 zone_held_pages(history->zone, slot));
	/* The last part of the room may be all free, and is not known any more. */
	assert_true(copy->zone.slabs.nr_room <= history->zone->slabs.nr_room);
	if (pages->edge == pages->size) {
		assert_memory_equal(copy->ledger, pages->fixture->ledger,
				    zone_ledger_bytes(&copy->config));
		assert_int_equal(zone_nr_free(&copy->zone), pages->nr_free);
		if (copy->zone.slabs.nr_room == history->zone->slabs.nr_room)
			assert_int_equal(zone_slab_room(&copy->zone),
					 zone_slab_room(history->zone));
	}
	zone_fixture_free(copy);
}

static void compare(struct history *history)
{
	const struct zone_model *pages = &history->model.pages;

	zone_fixture_assert_sound(pages->fixture);
	assert_memory_equal(pages->fixture->words, pages->words,
			    pages->capacity * sizeof(uint32_t));
	assert_int_equal(zone_nr_free(history->zone), pages->nr_free);
	assert_int_equal(zone_nr_draining(history->zone), pages->nr_draining);
	object_model_compare(&history->model, pages->fixture);
	for (const struct object_model_slab *slab = history->model.slabs; slab; slab = slab->next)
		history->nr_aside += object_model_is_beyond(slab, history->zone);
	compare_copy(history);
}

static void do_rest(struct history *history)
{
	switch (random_below(&chance, 12)) {
	case 0:
		do_release(history);
		break;
	case 1:
		do_shrink(history);
		break;
	case 2:
		do_add_cache(history);
		break;
	case 3:
		do_remove_cache(history);
		break;
	case 4:
		do_add_room(history);
		break;
	case 5:
		do_resize(history);
		break;
	case 6:
	case 7:
		do_resize_step(history);
		break;
	case 8:
		do_check(history);
		break;
	case 9:
		do_walk(history);
		break;
	case 10:
		do_reopen(history);
		break;
	default:
		do_forget_constructed(history);
	}
}

/* Fill for a while, empty for a while. */
static void operate(struct history *history, bool is_filling)
{
	unsigned n = random_below(&chance, 100);

	if (n < (is_filling ? 45u : 20u))
		do_grant(history);
	else if (n < 65)
		do_free(history, false);
	else if (n < 75)
		do_free(history, true);
	else if (n < (is_filling ? 81u : 78u))
		do_alloc_pages(history);
	else if (n < 84)
		do_free_pages(history);
	else
		do_rest(history);
}

static void run_shape(struct history *history, const struct shape *shape)
{
	const struct zone_config config = { .index = ZONE_MODEL_INDEX,
					    .nr_pages = shape->nr_pages,
					    .capacity_pages = shape->capacity_pages,
					    .contiguous_pages = shape->contiguous_pages,
					    .max_order = shape->max_order,
					    .nr_slots = ZONE_MODEL_NR_SLOTS,
					    .nr_slab_units = shape->nr_units };

	history->nr_caches = 0;
	object_model_init(&history->model, &config);
	history->zone = &history->model.pages.fixture->zone;
	for (unsigned i = 0; i < 4; i++)
		do_add_cache(history);
	for (uint32_t i = 0; i < NR_OPERATIONS / NR_SHAPES; i++) {
		operate(history, i / 300 % 2 == 0);
		compare(history);
	}
	for (unsigned slot = 1; slot < ZONE_MODEL_NR_SLOTS; slot++) {
		uint32_t cursor = 0;

		assert_true(zone_release(history->zone, slot, UINT32_MAX, &cursor));
	}
	zone_shrink_caches(history->zone);
	while (!zone_resize_step(history->zone, 1000))
		;
	zone_fixture_assert_sound(history->model.pages.fixture);
	assert_int_equal(zone_nr_free(history->zone), zone_nr_pages(history->zone));
	assert_int_equal(zone_slab_room(history->zone), history->zone->slabs.nr_room);
	object_model_deinit(&history->model);
}

static void test_zone_object_agrees_with_model(void **state)
{
	struct history history = { .nr_granted = 0 };

	(void)state;
	chance = random_from_environment();
	for (size_t i = 0; i < NR_SHAPES; i++)
		run_shape(&history, &shapes[i]);
	/* All that a history is to go through has happened. */
	assert_true(history.nr_granted > 1000);
	assert_true(history.nr_refused > 100);
	assert_true(history.nr_cut > 100);
	assert_true(history.nr_aside > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone_object_agrees_with_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
