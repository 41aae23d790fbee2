/* SPDX-License-Identifier: MIT */

/* Objects as a next daemon finds them, wherever the one before it stopped. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "support/objects.h"
#include "support/zone_fixture.h"

static struct objects objects, others;

static uint32_t pfn_of(const struct object_run *run)
{
	return (uint32_t)page_address_pfn(run->base >> PAGE_SHIFT);
}

/* The words of the slab that a run lies in; the run starts with its first object. */
static uint32_t *words_of(const struct zone_fixture *fixture, const struct object_run *run)
{
	struct zone_slab slab;

	assert_true(zone_find_slab(&fixture->zone, pfn_of(run), &slab));
	return slab_words(&fixture->zone.slabs, slab.number);
}

/* Opens the zone again, which may change its ledger where a batch was cut. */
static void open_again(struct zone_fixture *fixture)
{
	struct zone_fault fault = { .what = "no fault is told" };
	int r = zone_fixture_open(fixture, &fault);

	if (r)
		fail_msg("zone_open() says %d, page %u: %s", r, fault.pfn, fault.what);
	zone_fixture_assert_sound(fixture);
}

/* What is found again. */

static void test_zone_object_recovers_holders_and_counts(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct zone_cache_stat before[CACHE_NR_GENERAL], after;
	uint64_t held[3], bytes[3];
	uint32_t room, nr_free;

	for (uint32_t i = 0; i < 150; i++)
		objects_grant(fixture, i % 24, 1 + i % 40, FIRST + i % 3, &objects);
	for (uint32_t i = 0; i < 50; i++) {
		objects_grant(fixture, i % 24, 1 + i % 17, FIRST + i % 3, &objects);
		objects_give(fixture, i % 24, FIRST + i % 3, &objects);
	}
	for (unsigned i = 0; i < 3; i++) {
		held[i] = zone_held_objects(zone, FIRST + i);
		bytes[i] = zone_held_object_bytes(zone, FIRST + i);
	}
	for (uint32_t cache = 0; cache < CACHE_NR_GENERAL; cache++)
		before[cache] = objects_stat(fixture, cache);
	room = zone_slab_room(zone);
	nr_free = zone_nr_free(zone);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_slab_room(zone), room);
	assert_int_equal(zone_nr_free(zone), nr_free);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(zone_held_objects(zone, FIRST + i), held[i]);
		assert_int_equal(zone_held_object_bytes(zone, FIRST + i), bytes[i]);
	}
	for (uint32_t cache = 0; cache < CACHE_NR_GENERAL; cache++) {
		after = objects_stat(fixture, cache);
		assert_memory_equal(&after, &before[cache], sizeof(after));
	}
	assert_int_equal(zone_counters(zone)->allocs, 0);
}

static void test_zone_object_recovers_slabs_of_all_orders(void **state)
{
	struct zone_fixture *fixture = objects_fixture_new(1 << 14, 0, 0, OBJECTS_UNITS);
	uint64_t offsets[CACHE_ORDER_MAX + 1] = { 0 };
	unsigned nr_orders = 0;

	(void)state;
	for (uint32_t bytes = 500; bytes <= CACHE_OBJECT_BYTES_MAX; bytes = bytes * 3 / 2) {
		uint32_t cache = objects_cache(fixture, bytes, bytes & 1 ? CACHE_DEBUG : 0);
		unsigned order = objects_layout(fixture, cache)->order;

		nr_orders += !offsets[order];
		if (!offsets[order])
			offsets[order] = objects_grant_one(fixture, cache, FIRST);
	}
	assert_true(nr_orders > 8);
	zone_fixture_reopen(fixture);
	for (unsigned order = 0; order <= CACHE_ORDER_MAX; order++) {
		if (!offsets[order])
			continue;
		assert_int_equal(objects_get(fixture, offsets[order]).holder, FIRST);
		objects_give_one(fixture, offsets[order], FIRST);
	}
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 0);
	zone_shrink_caches(&fixture->zone);
	zone_fixture_assert_all_free(fixture);
	zone_fixture_free(fixture);
}

/* After a recovery the fullest slab is the first again. */
static void test_zone_object_recovers_lists(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t fullest;

	objects_grant(fixture, 0, 3 * 256, FIRST, &objects);
	fullest = pfn_of(&objects.runs[4]);
	for (unsigned i = 0; i < 12; i++)
		objects.runs[i].mask = i / 4 == 1 ? 0x3 : 0xffffff;
	objects_give(fixture, 0, FIRST, &objects);
	zone_fixture_reopen(fixture);
	objects_grant(fixture, 0, 1, SECOND, &others);
	assert_int_equal(pfn_of(&others.runs[0]), fullest);
}

static void test_zone_object_recovers_what_is_constructed(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cache = objects_cache(fixture, 100, CACHE_CTOR);

	objects_grant(fixture, cache, 30, FIRST, &objects);
	objects.runs[0].raw = 0x3ff;
	objects.runs[0].mask = 0xfffff;
	objects_give(fixture, cache, FIRST, &objects);
	zone_fixture_reopen(fixture);
	objects_grant(fixture, cache, 20, SECOND, &objects);
	assert_int_equal(objects.runs[0].mask, 0xfffff);
	assert_int_equal(objects.runs[0].raw, 0x3ff);
	zone_fixture_reopen(fixture);
	objects.runs[0].raw = 0x3ff;
	objects_give(fixture, cache, SECOND, &objects);
	objects_grant(fixture, cache, 20, FIRST, &objects);
	assert_int_equal(objects.runs[0].raw, 0x3ff);
}

/* Who dies amid the release of the dead goes on where it stopped, or from the start. */
static void test_zone_object_recovers_amid_a_release(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cursor = 0, again = 0;
	uint64_t held;

	objects_grant(fixture, 0, 2000, FIRST, &objects);
	objects_grant(fixture, 0, 2000, SECOND, &objects);
	assert_false(zone_release(&fixture->zone, FIRST, 600, &cursor));
	held = zone_held_objects(&fixture->zone, FIRST);
	assert_true(held > 0 && held < 2000);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), held);
	while (!zone_release(&fixture->zone, FIRST, 600, &again))
		;
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 0);
	assert_int_equal(zone_held_objects(&fixture->zone, SECOND), 2000);
	zone_fixture_assert_sound(fixture);
}

/* What was cut. */

static void test_zone_object_open_undoes_the_marks_of_a_batch(void **state)
{
	struct zone_fixture *fixture = *state;
	uint8_t *saved;
	uint64_t bytes;
	unsigned at;

	objects_grant(fixture, 0, 600, FIRST, &objects);
	saved = zone_fixture_save(fixture);
	for (size_t i = 0; i < objects.nr_runs; i += 2)
		assert_int_equal(
			zone_leave_objects(&fixture->zone, 0, FIRST, &objects.runs[i], &bytes, &at),
			0);
	open_again(fixture);
	zone_fixture_assert_saved(fixture, saved);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 600);
	objects_give(fixture, 0, FIRST, &objects);
}

/* What has its free word is free, what has its mark is held. */
static void test_zone_object_open_believes_half_of_a_batch(void **state)
{
	struct zone_fixture *fixture = *state;
	const struct zone_leaver leaver = objects_leaver(FIRST);
	uint64_t bytes;
	unsigned at;

	objects_grant(fixture, 0, 100, FIRST, &objects);
	objects.runs[0].mask = 0xffff;
	objects.runs[1].mask = 0xff00;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
			zone_leave_objects(&fixture->zone, 0, FIRST, &objects.runs[i], &bytes, &at),
			0);
	zone_finish_objects(&fixture->zone, &leaver, &objects.runs[0]);
	words_of(fixture, &objects.runs[0])[64 + 10] = SLAB_NEVER_HELD;
	open_again(fixture);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 83);
	objects.nr_runs = 2;
	objects.runs[0].mask = 0xffff;
	objects.runs[1].mask = 0x400;
	for (unsigned i = 0; i < 2; i++)
		objects_assert_refused(fixture, 0, FIRST, &objects.runs[i], 1, ZONE_E_NOT_HEAD, 0,
				       i ? 10 : 0);
}

/* A grant that was cut: those whose words stand are held, by whoever was not told. */
static void test_zone_object_open_believes_half_of_a_grant(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t *words;

	objects_grant(fixture, 0, 200, FIRST, &objects);
	words = words_of(fixture, &objects.runs[0]);
	memset(words + 64, 0, 136 * sizeof(*words));
	open_again(fixture);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 64);
	objects_grant(fixture, 0, 192, SECOND, &objects);
	assert_int_equal(objects.runs[0].mask, UINT64_MAX);
}

/* In a debug cache the word of who had it before is stored before the grant. */
static void test_zone_object_open_believes_half_of_a_debug_grant(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cache = objects_cache(fixture, 100, CACHE_DEBUG);
	uint64_t offset = objects_grant_one(fixture, cache, FIRST);
	struct zone_object object;
	struct object_run run = { .base = offset, .mask = 1 };
	uint32_t *words, nr_objects = objects_layout(fixture, cache)->nr_objects;

	objects_give_one(fixture, offset, FIRST);
	words = words_of(fixture, &run);
	words[nr_objects] = words[0];
	zone_fixture_reopen(fixture);
	object = objects_get(fixture, offset);
	assert_true(!object.is_held && object.has_previous && object.previous.slot == FIRST);
}

/* The words are there, and no page names them: nothing is left, whatever stands in them. */
static void test_zone_object_open_knows_no_slab_that_was_not_named(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn;

	objects_grant(fixture, 0, 300, FIRST, &objects);
	pfn = pfn_of(&objects.runs[4]);
	fixture->words[pfn] = 0;
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_free(&fixture->zone), OBJECTS_PAGES - 1);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 256);
	assert_int_equal(zone_slab_room(&fixture->zone), OBJECTS_UNITS - 16);
	/* The next slab is there instead, its objects nobody's. */
	objects_grant(fixture, 0, 256, SECOND, &objects);
	assert_int_equal(objects_stat(fixture, 0).slabs_full, 2);
}

/* A slab that was unmade in the midst: the page is free, and its words may be used again. */
static void test_zone_object_open_knows_no_slab_that_was_unmade(void **state)
{
	struct zone_fixture *fixture = *state;

	objects_grant(fixture, 0, 256, FIRST, &objects);
	objects_give(fixture, 0, FIRST, &objects);
	fixture->words[pfn_of(&objects.runs[0])] = 0;
	zone_fixture_reopen(fixture);
	zone_fixture_assert_all_free(fixture);
	assert_int_equal(objects_stat(fixture, 0).objects_total, 0);
}

#define open_test(name) cmocka_unit_test_setup_teardown(name, objects_setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		open_test(test_zone_object_recovers_holders_and_counts),
		cmocka_unit_test(test_zone_object_recovers_slabs_of_all_orders),
		open_test(test_zone_object_recovers_lists),
		open_test(test_zone_object_recovers_what_is_constructed),
		open_test(test_zone_object_recovers_amid_a_release),
		open_test(test_zone_object_open_undoes_the_marks_of_a_batch),
		open_test(test_zone_object_open_believes_half_of_a_batch),
		open_test(test_zone_object_open_believes_half_of_a_grant),
		open_test(test_zone_object_open_believes_half_of_a_debug_grant),
		open_test(test_zone_object_open_knows_no_slab_that_was_not_named),
		open_test(test_zone_object_open_knows_no_slab_that_was_unmade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
