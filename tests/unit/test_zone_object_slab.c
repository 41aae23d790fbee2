/* SPDX-License-Identifier: MIT */

/* Slabs come and go: how many are kept empty, and what becomes of them when a zone is resized. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "support/objects.h"
#include "support/zone_fixture.h"

static struct objects objects, others;

/* Pages that a cache has in empty slabs. */
static uint64_t empty_pages(const struct zone_fixture *fixture, uint32_t cache)
{
	return objects_stat(fixture, cache).slabs_empty << objects_layout(fixture, cache)->order;
}

/* Empty slabs. */

/* A small zone keeps a part of it. */
static void test_zone_object_keeps_few_empty_slabs(void **state)
{
	struct zone_fixture *fixture = *state;
	const uint32_t kept = OBJECTS_PAGES / ZONE_EMPTY_PART, small = 4, other = 8;

	assert_true(kept < ZONE_EMPTY_PAGES_MAX);
	assert_int_equal(objects_layout(fixture, small)->order, 0);
	assert_int_equal(objects_layout(fixture, other)->order, 0);
	objects_grant(fixture, small, 100 * objects_layout(fixture, small)->nr_objects, FIRST,
		      &objects);
	objects_grant(fixture, other, 10 * objects_layout(fixture, other)->nr_objects, SECOND,
		      &others);
	objects_give(fixture, small, FIRST, &objects);
	assert_int_equal(empty_pages(fixture, small), kept);
	assert_int_equal(objects_stat(fixture, small).slabs_full, 0);
	assert_int_equal(zone_nr_free(&fixture->zone), OBJECTS_PAGES - kept - 10);
	/* That is for all caches together. */
	objects_give(fixture, other, SECOND, &others);
	assert_int_equal(empty_pages(fixture, other), 0);
	assert_int_equal(empty_pages(fixture, small), kept);
	/* What is kept serves; no other page is touched for it. */
	objects_grant(fixture, small, kept * objects_layout(fixture, small)->nr_objects, FIRST,
		      &objects);
	assert_int_equal(zone_nr_free(&fixture->zone), OBJECTS_PAGES - kept);
}

/* A large zone keeps so much a cache, so much in all, and one slab whatever its size. */
static void test_zone_object_keeps_no_more_in_large_zones(void **state)
{
	struct zone_fixture *fixture = objects_fixture_new(UINT32_C(1) << 17, 0, 0, OBJECTS_UNITS);
	uint32_t huge = objects_cache(fixture, CACHE_OBJECT_BYTES_MAX, 0), sum = 0;
	static const uint32_t sizes[] = { 4096, 5000, 6000, 7000, 8192 };

	(void)state;
	objects_grant(fixture, huge, 3, FIRST, &objects);
	objects_give(fixture, huge, FIRST, &objects);
	assert_int_equal(empty_pages(fixture, huge), 512);
	for (unsigned i = 0; i < 5; i++) {
		uint32_t cache = objects_cache(fixture, sizes[i], 0);
		uint32_t nr_pages = UINT32_C(1) << objects_layout(fixture, cache)->order;
		uint32_t nr_slabs = 2 * ZONE_EMPTY_PAGES_MAX / nr_pages;

		assert_true(nr_pages > 1 && nr_pages < ZONE_EMPTY_PAGES_MAX);
		objects_grant(fixture, cache, nr_slabs * objects_layout(fixture, cache)->nr_objects,
			      FIRST, &objects);
		objects_give(fixture, cache, FIRST, &objects);
		assert_int_equal(empty_pages(fixture, cache), i < 2 ? ZONE_EMPTY_PAGES_MAX : 0);
		sum += (uint32_t)empty_pages(fixture, cache);
	}
	assert_int_equal(sum + 512, ZONE_EMPTY_PAGES_ALL);
	assert_int_equal(zone_shrink_caches(&fixture->zone), ZONE_EMPTY_PAGES_ALL);
	zone_fixture_assert_all_free(fixture);
	zone_fixture_free(fixture);
}

static void test_zone_object_shrinks_a_cache(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t large = objects_cache(fixture, 1000, 0);
	uint32_t nr_pages = UINT32_C(1) << objects_layout(fixture, large)->order;

	assert_int_equal(zone_shrink_cache(&fixture->zone, 0), 0);
	objects_grant(fixture, 0, 256 * 5, FIRST, &objects);
	objects_grant(fixture, large, objects_layout(fixture, large)->nr_objects + 1, SECOND,
		      &others);
	assert_int_equal(zone_shrink_caches(&fixture->zone), 0);
	objects_give(fixture, 0, FIRST, &objects);
	objects_give(fixture, large, SECOND, &others);
	objects_grant_one(fixture, 0, FIRST);
	assert_int_equal(zone_shrink_cache(&fixture->zone, 0), 4);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_free_objects(&fixture->zone, 0), 255);
	assert_int_equal(objects_stat(fixture, large).slabs_empty, 2);
	assert_int_equal(zone_shrink_caches(&fixture->zone), 2 * nr_pages);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_free(&fixture->zone), OBJECTS_PAGES - 1);
	assert_int_equal(zone_held_pages(&fixture->zone, WORD_SLOT_DAEMON), 1);
	assert_int_equal(zone_slab_room(&fixture->zone), OBJECTS_UNITS - 16);
}

static void test_zone_object_stat_adds_up(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone_cache_stat stat;

	objects_grant(fixture, 0, 3 * 256, FIRST, &objects);
	objects.nr_runs = 6; /* the first slab, and half of the second */
	objects_give(fixture, 0, FIRST, &objects);
	stat = objects_stat(fixture, 0);
	assert_int_equal(stat.objects_active, 384);
	assert_int_equal(stat.objects_total, 768);
	assert_int_equal(stat.slabs_full, 1);
	assert_int_equal(stat.slabs_partial, 1);
	assert_int_equal(stat.slabs_empty, 1);
	assert_int_equal(zone_nr_free_objects(&fixture->zone, 0), 384);
	assert_int_equal(zone_nr_partial_objects(&fixture->zone, 0), 128);
	assert_int_equal(zone_nr_empty_pages(&fixture->zone), 1);
	stat = objects_stat(fixture, 1);
	assert_int_equal(stat.objects_total + stat.slabs_full + stat.slabs_empty, 0);
}

/* Resizing. */

static void grant_first_pages(struct zone_fixture *fixture, uint32_t nr_pages)
{
	while (zone_nr_free(&fixture->zone))
		zone_fixture_grant(fixture, 0, objects_owner(THIRD));
	for (uint32_t pfn = nr_pages; pfn < zone_nr_pages(&fixture->zone); pfn++)
		assert_int_equal(zone_free(&fixture->zone, pfn, 0, THIRD), 0);
}

/*
 * A zone of a hundred pages, with a slab in each of the last 50 but one object free in each; shrunk
 * to 60 pages.
 */
#define SIZE 60u
#define CAPACITY 100u
#define NR_SLABS 50u
#define CACHE 8u
static struct zone_fixture *shrunk_new(void)
{
	struct zone_fixture *fixture = objects_fixture_new(CAPACITY, 0, 0, OBJECTS_UNITS);
	uint32_t nr_objects = objects_layout(fixture, CACHE)->nr_objects;

	assert_int_equal(objects_layout(fixture, CACHE)->order, 0);
	grant_first_pages(fixture, CAPACITY - NR_SLABS);
	objects_grant(fixture, CACHE, NR_SLABS * nr_objects, FIRST, &objects);
	assert_int_equal(objects.nr_runs, NR_SLABS);
	others.nr_runs = NR_SLABS;
	for (size_t i = 0; i < NR_SLABS; i++) {
		others.runs[i] = (struct object_run){ .base = objects.runs[i].base, .mask = 1 };
		objects.runs[i].mask ^= 1;
	}
	objects_give(fixture, CACHE, FIRST, &others);
	zone_fixture_resize(fixture, SIZE, 64);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_draining(&fixture->zone), CAPACITY - SIZE);
	return fixture;
}

static uint64_t pfn_of(const struct object_run *run)
{
	return page_address_pfn(run->base >> PAGE_SHIFT);
}

static void test_zone_object_grants_nothing_beyond_the_size(void **state)
{
	struct zone_fixture *fixture = shrunk_new();
	struct zone *zone = &fixture->zone;
	struct zone_cache_stat stat;

	(void)state;
	assert_int_equal(objects_take(fixture, CACHE, 100, SECOND, UINT32_MAX, &others), 10);
	for (size_t i = 0; i < others.nr_runs; i++)
		assert_true(pfn_of(&others.runs[i]) < SIZE);
	assert_int_equal(zone_nr_free_objects(zone, CACHE), 0);
	stat = objects_stat(fixture, CACHE);
	assert_int_equal(stat.slabs_full, 10);
	assert_int_equal(stat.slabs_partial, 40); /* aside */
	assert_int_equal(stat.objects_total - stat.objects_active, 40);
	zone_fixture_reopen(fixture);
	assert_int_equal(objects_take(fixture, CACHE, 100, SECOND, UINT32_MAX, &others), 0);
	assert_int_equal(objects_stat(fixture, CACHE).slabs_partial, 40);
	zone_fixture_free(fixture);
}

/* Slabs beyond the size are not kept: pages leave as the last objects do, met before or not. */
static void assert_drains(struct zone_fixture *fixture)
{
	objects_give(fixture, CACHE, FIRST, &objects);
	assert_int_equal(zone_nr_draining(&fixture->zone), 0);
	for (uint32_t pfn = SIZE; pfn < CAPACITY; pfn++)
		assert_int_equal(fixture->words[pfn], 0);
	zone_shrink_caches(&fixture->zone);
	assert_int_equal(zone_nr_free(&fixture->zone), SIZE - (CAPACITY - NR_SLABS));
	zone_fixture_assert_sound(fixture);
}

static void test_zone_object_slabs_beyond_the_size_drain(void **state)
{
	struct zone_fixture *fixture = shrunk_new();

	(void)state;
	assert_drains(fixture);
	zone_fixture_free(fixture);
	fixture = shrunk_new();
	objects_take(fixture, CACHE, 100, SECOND, UINT32_MAX, &others);
	objects_give(fixture, CACHE, SECOND, &others);
	assert_drains(fixture);
	zone_fixture_free(fixture);
	fixture = shrunk_new();
	zone_fixture_reopen(fixture);
	assert_drains(fixture);
	zone_fixture_free(fixture);
}

/* What was kept empty does not keep pages from leaving. */
static void test_zone_object_empty_slabs_beyond_the_size_leave(void **state)
{
	struct zone_fixture *fixture = *state;

	grant_first_pages(fixture, OBJECTS_PAGES - 64);
	objects_grant(fixture, CACHE, 10, FIRST, &objects);
	objects_give(fixture, CACHE, FIRST, &objects);
	assert_int_equal(empty_pages(fixture, CACHE), 1);
	zone_fixture_resize(fixture, OBJECTS_PAGES - 64, 64);
	assert_int_equal(zone_nr_draining(&fixture->zone), 0);
	assert_int_equal(objects_stat(fixture, CACHE).objects_total, 0);
	assert_int_equal(objects_take(fixture, CACHE, 1, FIRST, UINT32_MAX, &objects), 0);
	zone_fixture_assert_sound(fixture);
}

/* As a daemon leaves it that dies amid a resize: the next one has its edge at the size at once. */
static void test_zone_object_empty_slabs_are_found_beyond_the_size(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone_fault fault = { .what = "" };

	grant_first_pages(fixture, OBJECTS_PAGES - 64);
	objects_grant(fixture, CACHE, 10, FIRST, &objects);
	objects_give(fixture, CACHE, FIRST, &objects);
	assert_int_equal(objects_stat(fixture, CACHE).slabs_empty, 1);
	zone_fixture_header(fixture)->nr_pages = OBJECTS_PAGES - 64;
	assert_int_equal(zone_fixture_open(fixture, &fault), 0);
	assert_int_equal(zone_nr_draining(&fixture->zone), 0);
	assert_int_equal(objects_stat(fixture, CACHE).objects_total, 0);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(objects_take(fixture, CACHE, 1, FIRST, UINT32_MAX, &objects), 0);
	zone_fixture_resize(fixture, OBJECTS_PAGES, 64);
	assert_int_equal(objects_take(fixture, CACHE, 1, FIRST, UINT32_MAX, &objects), 1);
}

/* Grown again, a zone grants from what it had set aside. */
static void test_zone_object_slabs_set_aside_come_back(void **state)
{
	struct zone_fixture *fixture = shrunk_new();
	uint32_t nr_objects = objects_layout(fixture, CACHE)->nr_objects;

	(void)state;
	for (unsigned is_reopened = 0; is_reopened < 2; is_reopened++) {
		assert_int_equal(zone_nr_free_objects(&fixture->zone, CACHE), 10);
		zone_fixture_resize(fixture, CAPACITY, 64);
		assert_int_equal(zone_nr_draining(&fixture->zone), 0);
		assert_int_equal(zone_nr_free_objects(&fixture->zone, CACHE), NR_SLABS);
		zone_fixture_resize(fixture, SIZE, 64);
		zone_fixture_reopen(fixture);
	}
	zone_fixture_resize(fixture, CAPACITY, 64);
	assert_int_equal(objects_take(fixture, CACHE, 99, SECOND, 0, &others), NR_SLABS);
	assert_int_equal(objects_stat(fixture, CACHE).slabs_full, NR_SLABS);
	assert_int_equal(objects_stat(fixture, CACHE).objects_active, NR_SLABS * nr_objects);
	zone_fixture_free(fixture);
}

/* And one that was emptied then is kept or given back like any other. */
static void test_zone_object_slabs_set_aside_can_be_emptied_later(void **state)
{
	struct zone_fixture *fixture = shrunk_new();

	(void)state;
	zone_fixture_resize(fixture, CAPACITY, 64);
	objects_give(fixture, CACHE, FIRST, &objects);
	assert_int_equal(objects_stat(fixture, CACHE).slabs_partial, 0);
	zone_shrink_cache(&fixture->zone, CACHE);
	assert_int_equal(objects_stat(fixture, CACHE).objects_total, 0);
	assert_int_equal(zone_nr_free(&fixture->zone), NR_SLABS);
	zone_fixture_free(fixture);
}

/* A slab that begins within the zone and ends beyond it, by one page or by most of its leaves. */
static void assert_slab_across(uint32_t object_bytes, uint32_t nr_beyond)
{
	struct zone_fixture *fixture = objects_fixture_new(2048, 0, 0, OBJECTS_UNITS);
	uint32_t large = objects_cache(fixture, object_bytes, CACHE_DEBUG), pages, free_before;

	pages = UINT32_C(1) << objects_layout(fixture, large)->order;
	assert_true(nr_beyond < pages && pages < 2048);
	objects_grant(fixture, large, 1, FIRST, &objects);
	free_before = (uint32_t)zone_nr_free_objects(&fixture->zone, large);
	zone_fixture_resize(fixture, pages - nr_beyond, 64);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_draining(&fixture->zone), nr_beyond);
	assert_int_equal(objects_take(fixture, large, 1, FIRST, UINT32_MAX, &others), 0);
	assert_int_equal(objects_stat(fixture, large).slabs_partial, 1);
	zone_fixture_resize(fixture, pages, 64);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_free_objects(&fixture->zone, large), free_before);
	zone_fixture_resize(fixture, pages - nr_beyond, 64);
	zone_fixture_reopen(fixture);
	objects_give(fixture, large, FIRST, &objects);
	assert_int_equal(zone_nr_free(&fixture->zone), pages - nr_beyond);
	assert_int_equal(objects_stat(fixture, large).objects_total, 0);
	zone_fixture_free(fixture);
}

static void test_zone_object_slab_across_the_size(void **state)
{
	(void)state;
	assert_slab_across(9000, 1);
	assert_slab_across(9000, 3);
	assert_slab_across(CACHE_OBJECT_BYTES_MAX / 2, 1);
	assert_slab_across(CACHE_OBJECT_BYTES_MAX / 2, 300);
	assert_slab_across(CACHE_OBJECT_BYTES_MAX, 100);
	assert_slab_across(CACHE_OBJECT_BYTES_MAX, 900);
}

/* What drains goes out of use leaf by leaf, which takes its time. */
static void test_zone_object_release_of_what_drains_goes_by_slices(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cursor = 0, large = objects_cache(fixture, CACHE_OBJECT_BYTES_MAX, 0);

	assert_int_equal(objects_layout(fixture, large)->order, 9);
	objects_grant(fixture, large, 8, FIRST, &objects);
	zone_fixture_resize(fixture, 1024, 64);
	for (uint32_t nr_left = 5; nr_left > 0; nr_left--) {
		assert_false(zone_release(&fixture->zone, FIRST, 100, &cursor));
		assert_int_equal(zone_held_objects(&fixture->zone, FIRST), nr_left);
	}
	assert_true(zone_release(&fixture->zone, FIRST, 100, &cursor));
	assert_int_equal(zone_nr_draining(&fixture->zone), 0);
	zone_fixture_assert_sound(fixture);
}

/* Checks in slices. */

static void test_zone_object_check_goes_on_while_objects_come_and_go(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone_fault fault = { .what = "" };
	uint32_t cursor = 0, cache = 0;

	while (cursor < OBJECTS_PAGES) {
		objects_take(fixture, cache, 500, FIRST, UINT32_MAX, &objects);
		if (zone_check(&fixture->zone, 64, &cursor, &fault))
			fail_msg("page %u: %s", fault.pfn, fault.what);
		objects.nr_runs /= 2;
		objects_give(fixture, cache, FIRST, &objects);
		cache = (cache + 7) % CACHE_NR_GENERAL;
	}
}

/* The words of objects are looked at, and count. */
static void test_zone_object_check_goes_by_slices(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone_fault fault = { .what = "" };
	uint32_t cursor = 0;

	for (unsigned i = 0; i < 8; i++)
		objects_grant(fixture, 3, 8 * 64 * 8, FIRST, &objects); /* 512 slabs of 64 */
	for (uint32_t nr_calls = 1; nr_calls <= 8; nr_calls++) {
		assert_int_equal(zone_check(&fixture->zone, 4096, &cursor, &fault), 0);
		assert_int_equal(cursor, nr_calls * 64);
	}
	assert_int_equal(zone_check(&fixture->zone, 4096, &cursor, &fault), 0);
	assert_int_equal(cursor, OBJECTS_PAGES);
}

static void assert_check_notices(struct zone_fixture *fixture, uint32_t pfn)
{
	struct zone_fault fault = { .pfn = 99999 };
	uint32_t cursor = 0;

	assert_int_equal(zone_check(&fixture->zone, OBJECTS_PAGES, &cursor, &fault), -EUCLEAN);
	assert_int_equal(fault.pfn, pfn);
	assert_int_equal(zone_validate(&fixture->zone, &fault), -EUCLEAN);
}

#define assert_noticed(fixture, field, value, pfn)                                                 \
	do {                                                                                       \
		__typeof__(field) saved = (field);                                                 \
		(field) = (value);                                                                 \
		assert_check_notices(fixture, pfn);                                                \
		(field) = saved;                                                                   \
		zone_fixture_assert_sound(fixture);                                                \
	} while (0)

static void test_zone_object_check_notices_wrong_words(void **state)
{
	struct zone_fixture *fixture = *state;
	const uint32_t held = word_make(WORD_PAGE, objects_owner(FIRST), 0);
	uint32_t page = zone_fixture_grant(fixture, 0, objects_owner(FIRST)), pfn, number, *words;

	objects_grant(fixture, 0, 100, FIRST, &objects);
	pfn = (uint32_t)pfn_of(&objects.runs[0]);
	number = word_share(fixture->words[pfn]);
	words = slab_words(&fixture->zone.slabs, number);
	assert_noticed(fixture, words[99], 0, pfn);
	assert_noticed(fixture, words[100], held, pfn);
	assert_noticed(fixture, words[50], held | 3, pfn);
	assert_noticed(fixture, words[50], word_make(WORD_HOLE, objects_owner(FIRST), 0), pfn);
	assert_noticed(fixture, words[50], word_make(WORD_LEAVING, objects_owner(FIRST), 0), pfn);
	assert_noticed(fixture, fixture->zone.slabs.owners[number], 2, pfn);
	assert_noticed(fixture, fixture->words[pfn],
		       word_make_slab(number + 1, MOBILITY_UNMOVABLE, 0), pfn);
	assert_noticed(fixture, fixture->words[pfn],
		       word_make_slab(OBJECTS_UNITS, MOBILITY_UNMOVABLE, 0), pfn);
	assert_noticed(fixture, fixture->words[page], word_make_slab(number, MOBILITY_UNMOVABLE, 0),
		       page);
	assert_noticed(fixture, fixture->words[pfn], word_make_slab(number, MOBILITY_UNMOVABLE, 1),
		       pfn);
}

/* Each of these is no page's, and is noticed by adding up. */
static void test_zone_object_validate_notices_wrong_sums(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct zone_fault fault;
	uint32_t *word, saved;

	objects_grant(fixture, 0, 100, FIRST, &objects);
	zone->object_holders[SECOND].bytes++;
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	zone->object_holders[SECOND].bytes--;
	zone->object_holders[FIRST].nr_objects++;
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	zone->object_holders[FIRST].nr_objects--;
	word = &slab_words(&zone->slabs, 0)[5];
	saved = *word;
	*word = word_make(WORD_PAGE, objects_owner(SECOND), 0);
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	*word = word_make(WORD_PAGE, objects_owner(WORD_NR_SLOTS - 1), 0);
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	*word = saved;
	slab_unlist(&zone->slabs, 0);
	slab_enlist(&zone->slabs, 0, true);
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	slab_unlist(&zone->slabs, 0);
	slab_enlist(&zone->slabs, 0, false);
	zone->holders[WORD_SLOT_DAEMON].nr_pages++;
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	zone->holders[WORD_SLOT_DAEMON].nr_pages--;
	zone_fixture_assert_sound(fixture);
}

#define slab_test(name) cmocka_unit_test_setup_teardown(name, objects_setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		slab_test(test_zone_object_keeps_few_empty_slabs),
		cmocka_unit_test(test_zone_object_keeps_no_more_in_large_zones),
		slab_test(test_zone_object_shrinks_a_cache),
		slab_test(test_zone_object_stat_adds_up),
		cmocka_unit_test(test_zone_object_grants_nothing_beyond_the_size),
		cmocka_unit_test(test_zone_object_slabs_beyond_the_size_drain),
		slab_test(test_zone_object_empty_slabs_beyond_the_size_leave),
		slab_test(test_zone_object_empty_slabs_are_found_beyond_the_size),
		cmocka_unit_test(test_zone_object_slabs_set_aside_come_back),
		cmocka_unit_test(test_zone_object_slabs_set_aside_can_be_emptied_later),
		cmocka_unit_test(test_zone_object_slab_across_the_size),
		slab_test(test_zone_object_release_of_what_drains_goes_by_slices),
		slab_test(test_zone_object_check_goes_on_while_objects_come_and_go),
		slab_test(test_zone_object_check_goes_by_slices),
		slab_test(test_zone_object_check_notices_wrong_words),
		slab_test(test_zone_object_validate_notices_wrong_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
