/* SPDX-License-Identifier: MIT */

/* Granting objects: from which slabs, where they lie, and what is there when there are no more. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "core/zone_object.h"
#include "support/objects.h"
#include "support/zone_fixture.h"

static struct objects objects, others;

/* An empty batch of nothing, too. */
static void test_zone_object_grants_batches_of_every_size(void **state)
{
	struct zone_fixture *fixture = *state;
	const uint32_t caches[] = { 0, 5, objects_cache(fixture, 100, CACHE_CTOR),
				    objects_cache(fixture, 100, CACHE_DEBUG),
				    objects_cache(fixture, 3000, CACHE_CTOR | CACHE_DEBUG) };
	uint64_t nr_free = zone_nr_free(&fixture->zone);

	for (unsigned i = 0; i < sizeof(caches) / sizeof(caches[0]); i++)
		for (size_t count = 0; count < 600; count += count < 70 ? 1 : 53) {
			objects_grant(fixture, caches[i], count, FIRST, &objects);
			objects_grant(fixture, caches[i], count / 2, SECOND, &others);
			objects_give(fixture, caches[i], FIRST, &objects);
			objects_give(fixture, caches[i], SECOND, &others);
			assert_int_equal(objects_stat(fixture, caches[i]).objects_active, 0);
		}
	zone_shrink_caches(&fixture->zone);
	assert_int_equal(zone_nr_free(&fixture->zone), nr_free);
	zone_fixture_assert_all_free(fixture);
}

/* Runs are appended; those that are there stay. */
static void test_zone_object_appends_its_runs(void **state)
{
	struct zone_fixture *fixture = *state;
	struct object_run runs[8] = { { 1, 2, 3 }, { 4, 5, 6 } };
	size_t nr_runs = 2;

	assert_int_equal(
		zone_alloc_objects(&fixture->zone, 0, 3, objects_owner(FIRST), 1, runs, &nr_runs),
		3);
	assert_int_equal(nr_runs, 3);
	assert_int_equal(runs[0].base, 1);
	assert_int_equal(runs[1].raw, 6);
	assert_int_equal(runs[2].mask, 0x7);
	assert_int_equal(runs[2].base >> PAGE_SHIFT, page_address(ZONE_FIXTURE_INDEX, 0));
}

/* Where objects lie. */

static void assert_lies_in_slab(const struct zone_fixture *fixture, uint32_t cache, uint64_t offset)
{
	const struct cache_layout *layout = objects_layout(fixture, cache);
	uint64_t first = page_address_pfn(offset >> PAGE_SHIFT);
	uint64_t last = page_address_pfn((offset + layout->object_bytes - 1) >> PAGE_SHIFT);
	struct zone_slab slab, same;

	assert_true(zone_find_slab(&fixture->zone, first, &slab));
	assert_true(zone_find_slab(&fixture->zone, last, &same));
	assert_memory_equal(&slab, &same, sizeof(slab));
	assert_int_equal(slab.cache, cache);
	assert_int_equal(slab.nr_objects, layout->nr_objects);
	assert_int_equal(word_kind(fixture->words[slab.pfn]), WORD_SLAB);
	assert_int_equal(word_order(fixture->words[slab.pfn]), layout->order);
	assert_int_equal(word_mobility(fixture->words[slab.pfn]), layout->mobility);
	assert_int_equal(word_share(fixture->words[slab.pfn]), slab.number);
	assert_int_equal(slab.pfn % (UINT32_C(1) << layout->order), 0);
}

/* Fills a slab of the cache: each object is apart from the one before, and the last is within. */
static void assert_fills_slab(struct zone_fixture *fixture, uint32_t cache, uint32_t align)
{
	const struct cache_layout *layout = objects_layout(fixture, cache);
	uint64_t nr_free = zone_nr_free(&fixture->zone), end = 0;
	struct zone_slab slab;

	objects_grant(fixture, cache, layout->nr_objects, FIRST, &objects);
	assert_int_equal(objects_stat(fixture, cache).slabs_full, 1);
	assert_int_equal(zone_nr_free(&fixture->zone), nr_free - (UINT64_C(1) << layout->order));
	for (size_t n = 0; n < objects.nr_runs; n++)
		for (uint64_t mask = objects.runs[n].mask; mask; mask &= mask - 1) {
			uint64_t offset = objects.runs[n].base +
					  (uint64_t)__builtin_ctzll(mask) * layout->stride_bytes;

			assert_lies_in_slab(fixture, cache, offset);
			assert_int_equal(offset % align, 0);
			assert_true(offset >= end);
			end = offset + layout->object_bytes;
		}
	assert_true(
		zone_find_slab(&fixture->zone, page_address_pfn((end - 1) >> PAGE_SHIFT), &slab));
	for (uint32_t pfn = 0; pfn < UINT32_C(1) << layout->order; pfn++) {
		struct zone_slab same;

		assert_true(zone_find_slab(&fixture->zone, slab.pfn + pfn, &same));
		assert_int_equal(same.pfn, slab.pfn);
	}
	objects_give(fixture, cache, FIRST, &objects);
	zone_shrink_cache(&fixture->zone, cache);
	assert_false(zone_find_slab(&fixture->zone, slab.pfn, &slab));
	assert_int_equal(zone_nr_free(&fixture->zone), nr_free);
}

static void test_zone_object_slabs_are_of_all_orders(void **state)
{
	struct zone_fixture *fixture = *state;
	unsigned orders = 0;

	for (uint32_t bytes = 16; bytes <= CACHE_OBJECT_BYTES_MAX; bytes *= 2)
		for (unsigned flags = 0; flags <= (CACHE_CTOR | CACHE_DEBUG); flags++) {
			uint32_t cache = objects_cache(fixture, bytes, flags);

			orders |= 1u << objects_layout(fixture, cache)->order;
			assert_fills_slab(fixture, cache, CACHE_ALIGN_MIN);
			cache_table_remove(&fixture->caches, cache);
		}
	for (uint32_t cache = 0; cache < CACHE_NR_GENERAL; cache++) {
		orders |= 1u << objects_layout(fixture, cache)->order;
		assert_fills_slab(fixture, cache, 16);
	}
	assert_int_equal(orders & 0x77f, 0x77f);
}

static void test_zone_object_is_aligned(void **state)
{
	struct zone_fixture *fixture = *state;

	for (uint32_t align = CACHE_ALIGN_MIN; align <= CACHE_ALIGN_MAX; align *= 2)
		for (unsigned flags = 0; flags <= CACHE_DEBUG; flags += CACHE_DEBUG)
			for (uint32_t bytes = 24; bytes < 9000; bytes *= 3) {
				const struct cache_config config = { .name = "aligned",
								     .object_bytes = bytes,
								     .align = align,
								     .flags = flags };
				uint32_t cache = objects_cache_of(fixture, &config);

				assert_fills_slab(fixture, cache, align);
				cache_table_remove(&fixture->caches, cache);
			}
}

/* Slabs side by side start their objects at other bytes of the page. */
static void test_zone_object_slabs_have_colours(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cache = objects_cache(fixture, 200, 0), seen = 0;
	const struct cache_layout *layout = objects_layout(fixture, cache);
	const uint32_t slab_bytes = (uint32_t)PAGE_BYTES << layout->order;

	assert_true(layout->nr_colours > 1 && layout->nr_colours < 32);
	objects_grant(fixture, cache, (size_t)layout->nr_objects * layout->nr_colours, FIRST,
		      &objects);
	for (size_t i = 0; i < objects.nr_runs; i++) {
		uint32_t start = (uint32_t)(objects.runs[i].base % slab_bytes);

		assert_int_equal(objects.runs[i].mask & 1, 1);
		if (start % layout->colour_bytes == 0 &&
		    start / layout->colour_bytes < layout->nr_colours)
			seen |= 1u << start / layout->colour_bytes;
	}
	assert_int_equal(seen, (1u << layout->nr_colours) - 1);
}

/* Which slabs. */

/* The slab that the objects of a run lie in. */
static uint32_t slab_of(const struct zone_fixture *fixture, const struct object_run *run)
{
	struct zone_slab slab;

	assert_true(
		zone_find_slab(&fixture->zone, page_address_pfn(run->base >> PAGE_SHIFT), &slab));
	return slab.pfn;
}

/* A slab of 256 objects of which so many are left, the slot's. */
static uint32_t grant_slab(struct zone_fixture *fixture, unsigned nr_left)
{
	uint32_t pfn;

	objects_grant(fixture, 0, 256, FIRST, &objects);
	pfn = slab_of(fixture, &objects.runs[0]);
	for (unsigned n = 0; n < 4; n++) {
		unsigned left = nr_left > n * 64 ? nr_left - n * 64 : 0;

		assert_int_equal(slab_of(fixture, &objects.runs[n]), pfn);
		objects.runs[n].mask = left < 64 ? UINT64_MAX << left : 0;
	}
	others = objects;
	return pfn;
}

static void test_zone_object_comes_from_the_fullest_slab(void **state)
{
	static const unsigned left[] = { 50, 200, 0, 100 };
	struct zone_fixture *fixture = *state;
	static struct objects gone[4];
	uint32_t pfns[4];

	for (unsigned i = 0; i < 4; i++) {
		pfns[i] = grant_slab(fixture, left[i]);
		gone[i] = others;
	}
	for (unsigned i = 0; i < 4; i++)
		objects_give(fixture, 0, FIRST, &gone[i]);
	assert_int_equal(objects_stat(fixture, 0).slabs_partial, 3);
	assert_int_equal(objects_stat(fixture, 0).slabs_empty, 1);
	assert_int_equal(zone_nr_free_objects(&fixture->zone, 0), 4 * 256 - 350);
	objects_grant(fixture, 0, 1, SECOND, &objects);
	assert_int_equal(slab_of(fixture, &objects.runs[0]), pfns[1]);
	/* What is left of it, then of the others; one more needs a slab that is new. */
	objects_grant(fixture, 0, 55 + 156 + 206 + 256 + 1, SECOND, &objects);
	for (size_t i = 0, at = 0; i < objects.nr_runs; i++) {
		static const unsigned order[] = { 1, 3, 0, 2 };

		at += at < 4 && slab_of(fixture, &objects.runs[i]) != pfns[order[at]];
		assert_true(at == 4 || slab_of(fixture, &objects.runs[i]) == pfns[order[at]]);
		assert_int_equal(at == 4, i == objects.nr_runs - 1);
	}
	assert_int_equal(objects_stat(fixture, 0).slabs_full, 4);
}

static void test_zone_object_makes_no_more_slabs_than_it_may(void **state)
{
	struct zone_fixture *fixture = *state;

	assert_int_equal(objects_take(fixture, 0, 1000, FIRST, 0, &objects), 0);
	assert_int_equal(objects_take(fixture, 0, 1000, FIRST, 2, &objects), 512);
	assert_int_equal(objects_take(fixture, 0, 1000, FIRST, 0, &objects), 0);
	assert_int_equal(objects_take(fixture, 0, 1, FIRST, 3, &objects), 1);
	assert_int_equal(objects_take(fixture, 0, 1000, FIRST, 0, &objects), 255);
	assert_int_equal(zone_nr_free(&fixture->zone), OBJECTS_PAGES - 3);
	assert_int_equal(zone_held_pages(&fixture->zone, WORD_SLOT_DAEMON), 3);
	assert_int_equal(zone_held_pages(&fixture->zone, FIRST), 0);
}

/* Exhaustion: what is there is granted, and the count says so. */

static void fill_with_pages(struct zone_fixture *fixture, uint32_t nr_left)
{
	while (zone_nr_free(&fixture->zone) > nr_left)
		zone_fixture_grant(fixture, 0, objects_owner(THIRD));
}

static void test_zone_object_grants_what_pages_there_are_for(void **state)
{
	struct zone_fixture *fixture = *state;
	uint8_t *saved;

	fill_with_pages(fixture, 3);
	assert_int_equal(objects_take(fixture, 0, 1000, FIRST, UINT32_MAX, &objects), 768);
	saved = zone_fixture_save(fixture);
	assert_int_equal(objects_take(fixture, 0, 1, FIRST, UINT32_MAX, &others), 0);
	assert_int_equal(objects_take(fixture, 1, 1, FIRST, UINT32_MAX, &others), 0);
	zone_fixture_assert_saved(fixture, saved);
	objects_give_one(fixture, objects.runs[5].base, FIRST);
	assert_int_equal(objects_take(fixture, 0, 2, SECOND, UINT32_MAX, &others), 1);
	assert_int_equal(others.runs[0].base + 16 * (uint64_t)__builtin_ctzll(others.runs[0].mask),
			 objects.runs[5].base);
}

static void test_zone_object_needs_adjacent_pages_for_a_slab(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t large = objects_cache(fixture, 5000, 0);
	unsigned order = objects_layout(fixture, large)->order;

	assert_true(order > 0);
	fill_with_pages(fixture, 0);
	for (uint32_t pfn = 0; pfn < OBJECTS_PAGES; pfn += 2)
		assert_int_equal(zone_free(&fixture->zone, pfn, 0, THIRD), 0);
	assert_int_equal(objects_take(fixture, large, 1, FIRST, UINT32_MAX, &objects), 0);
	for (uint32_t pfn = 1; pfn < UINT32_C(1) << order; pfn += 2)
		assert_int_equal(zone_free(&fixture->zone, pfn, 0, THIRD), 0);
	objects_grant(fixture, large, objects_layout(fixture, large)->nr_objects, FIRST, &objects);
	assert_int_equal(objects_take(fixture, large, 1, FIRST, UINT32_MAX, &others), 0);
	assert_int_equal(slab_of(fixture, &objects.runs[0]), 0);
}

static void test_zone_object_needs_room_for_its_words(void **state)
{
	struct zone_fixture *fixture = zone_fixture_new(&(struct zone_config){
		.index = ZONE_FIXTURE_INDEX,
		.nr_pages = OBJECTS_PAGES,
		.max_order = PAGE_ORDER_MAX,
		.nr_slots = ZONE_FIXTURE_SLOTS,
		.nr_slab_units = 2 * SLAB_ROOM_UNITS,
	});
	struct slab_range ranges[2];
	uint8_t *saved = zone_fixture_save(fixture);

	(void)state;
	assert_int_equal(objects_take(fixture, 0, 1, FIRST, UINT32_MAX, &objects), 0);
	zone_fixture_assert_saved(fixture, saved);
	assert_true(zone_next_slab_room(&fixture->zone, ranges));
	for (unsigned i = 0; i < 2; i++)
		assert_true(ranges[i].offset + ranges[i].size_bytes <=
			    zone_ledger_bytes(&fixture->config));
	zone_add_slab_room(&fixture->zone);
	assert_int_equal(zone_slab_room(&fixture->zone), SLAB_ROOM_UNITS);
	/* 16 units each: 128 slabs. Pages that were found for one more are free again. */
	for (unsigned i = 0; i < 8; i++)
		objects_grant(fixture, 0, 16 * 256, FIRST, &objects);
	assert_int_equal(zone_slab_room(&fixture->zone), 0);
	assert_int_equal(objects_take(fixture, 0, 1, FIRST, UINT32_MAX, &objects), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), OBJECTS_PAGES - 128);
	assert_true(zone_next_slab_room(&fixture->zone, ranges));
	zone_add_slab_room(&fixture->zone);
	assert_false(zone_next_slab_room(&fixture->zone, ranges));
	objects_grant(fixture, 0, 257, FIRST, &objects);
	assert_int_equal(zone_slab_room(&fixture->zone), SLAB_ROOM_UNITS - 32);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_slab_room(&fixture->zone), SLAB_ROOM_UNITS - 32);
	zone_fixture_free(fixture);
}

static void test_zone_object_needs_an_order_that_the_zone_has(void **state)
{
	struct zone_fixture *fixture = objects_fixture_new(100, 0, 0, OBJECTS_UNITS);
	uint32_t large = objects_cache(fixture, 500000, 0);

	(void)state;
	assert_true(objects_layout(fixture, large)->order > fixture->zone.max_order);
	assert_int_equal(objects_take(fixture, large, 1, FIRST, UINT32_MAX, &objects), 0);
	objects_grant(fixture, 0, 25600, FIRST, &objects);
	assert_int_equal(zone_nr_free(&fixture->zone), 0);
	zone_fixture_free(fixture);
}

/* Who has no caches has no objects either, and nothing of it is asked. */
static void test_zone_object_is_nowhere_without_caches(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(OBJECTS_PAGES, 0, 0);
	const struct object_run run = { .base = page_address(ZONE_FIXTURE_INDEX, 0) << PAGE_SHIFT,
					.mask = 1 };
	struct zone *zone = &fixture->zone;
	struct zone_cache_stat stat;
	struct slab_range ranges[2];
	struct zone_slab slab;
	uint64_t bytes;
	unsigned at;

	(void)state;
	zone_fixture_grant(fixture, 0, objects_owner(FIRST));
	assert_int_equal(zone_leave_objects(zone, 0, FIRST, &run, &bytes, &at), ZONE_E_NOT_OBJECT);
	assert_int_equal(zone_leave_objects(zone, ZONE_CACHE_ANY, FIRST, &run, &bytes, &at),
			 ZONE_E_NOT_OBJECT);
	zone_expect_slab(zone, &run);
	zone_expect_objects(zone, 0, &run);
	assert_int_equal(zone_nr_free_objects(zone, 0), 0);
	assert_int_equal(zone_nr_partial_objects(zone, 0), 0);
	assert_int_equal(zone_nr_empty_pages(zone), 0);
	assert_int_equal(zone_held_objects(zone, FIRST), 0);
	assert_int_equal(zone_held_object_bytes(zone, FIRST), 0);
	assert_int_equal(zone_shrink_cache(zone, 0), 0);
	assert_int_equal(zone_shrink_caches(zone), 0);
	zone_stat_cache(zone, 0, &stat);
	assert_int_equal(stat.objects_total, 0);
	assert_false(zone_find_slab(zone, 0, &slab));
	assert_int_equal(zone_slab_room(zone), 0);
	assert_false(zone_next_slab_room(zone, ranges));
	zone_fixture_free(fixture);
}

/* Mobility. */

static uint32_t mobile_cache(struct zone_fixture *fixture, enum mobility mobility, uint32_t bytes)
{
	const struct cache_config config = { .name = mobility ? "mobile" : "unmovable",
					     .object_bytes = bytes,
					     .mobility = mobility };

	return objects_cache_of(fixture, &config);
}

/* A movable slab may be lent pages of the contiguous area, and stands in the way there as such. */
static void test_zone_object_slabs_are_as_mobile_as_their_cache(void **state)
{
	struct zone_fixture *fixture = objects_fixture_new(1024, 0, 512, OBJECTS_UNITS);
	uint32_t movable = mobile_cache(fixture, MOBILITY_MOVABLE, 256);
	uint32_t unmovable = mobile_cache(fixture, MOBILITY_UNMOVABLE, 256);
	struct zone_plan plan;

	(void)state;
	assert_int_equal(objects_take(fixture, unmovable, 16 * 1024, FIRST, UINT32_MAX, &objects),
			 16 * 512);
	for (size_t i = 0; i < objects.nr_runs; i++)
		assert_true(slab_of(fixture, &objects.runs[i]) >= 512);
	assert_int_equal(zone_nr_contiguous_free(&fixture->zone), 512);
	objects_grant(fixture, movable, 17, FIRST, &objects);
	zone_settle(&fixture->zone);
	assert_int_equal(zone_nr_contiguous_free(&fixture->zone), 510);
	assert_int_equal(word_mobility(fixture->words[slab_of(fixture, &objects.runs[0])]),
			 MOBILITY_MOVABLE);
	assert_int_equal(zone_plan_contiguous(&fixture->zone, 9, &plan), 0);
	assert_int_equal(plan.nr_blocks, 2);
	assert_int_equal(plan.nr_pages, 2);
	zone_fixture_reopen(fixture);
	zone_fixture_free(fixture);
}

static void test_zone_object_whole_pageblocks_may_be_in_the_contiguous_area(void **state)
{
	struct zone_fixture *fixture = objects_fixture_new(1024, 0, 1024, OBJECTS_UNITS);
	uint32_t cache = mobile_cache(fixture, MOBILITY_UNMOVABLE, CACHE_OBJECT_BYTES_MAX);
	struct zone_plan plan;

	(void)state;
	assert_int_equal(objects_layout(fixture, cache)->order, 9);
	objects_grant(fixture, cache, 2, FIRST, &objects);
	assert_int_equal(zone_plan_contiguous(&fixture->zone, 9, &plan), ZONE_E_FULL);
	assert_int_equal(zone_nr_free(&fixture->zone), 0);
	zone_fixture_free(fixture);
}

#define object_test(name)                                                                          \
	cmocka_unit_test_setup_teardown(name, objects_setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		object_test(test_zone_object_grants_batches_of_every_size),
		object_test(test_zone_object_appends_its_runs),
		object_test(test_zone_object_slabs_are_of_all_orders),
		object_test(test_zone_object_is_aligned),
		object_test(test_zone_object_slabs_have_colours),
		object_test(test_zone_object_comes_from_the_fullest_slab),
		object_test(test_zone_object_makes_no_more_slabs_than_it_may),
		object_test(test_zone_object_grants_what_pages_there_are_for),
		object_test(test_zone_object_needs_adjacent_pages_for_a_slab),
		cmocka_unit_test(test_zone_object_needs_room_for_its_words),
		cmocka_unit_test(test_zone_object_needs_an_order_that_the_zone_has),
		cmocka_unit_test(test_zone_object_is_nowhere_without_caches),
		cmocka_unit_test(test_zone_object_slabs_are_as_mobile_as_their_cache),
		cmocka_unit_test(test_zone_object_whole_pageblocks_may_be_in_the_contiguous_area),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
