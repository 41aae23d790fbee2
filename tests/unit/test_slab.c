/* SPDX-License-Identifier: MIT */

/* Slabs by themselves: their units, the map of their objects, and the lists. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/slab.h"
#include "core/slab_units.h"
#include "support/slab_fixture.h"

/* Room. */

static void test_slab_table_without_units_has_no_room(void **state)
{
	struct slab_fixture *fixture = *state;
	struct slab_table slabs;

	assert_int_equal(slab_ledger_bytes(0), 0);
	assert_int_equal(slab_index_bytes(0, SLAB_FIXTURE_CACHES), 0);
	slab_table_init(&slabs, &fixture->caches, 0, NULL, NULL);
	assert_int_equal(slab_room(&slabs), 0);
	assert_null(slab_validate(&slabs));
}

/* Each part of the ledger is made sure of once, and all of it in the end. */
static void test_slab_room_comes_in_parts(void **state)
{
	struct slab_fixture *fixture = *state;
	uint8_t *is_sure = calloc(1, slab_ledger_bytes(SLAB_FIXTURE_UNITS));
	struct slab_range ranges[2];
	uint32_t nr_parts = 0;

	assert_non_null(is_sure);
	slab_fixture_forget(fixture);
	assert_int_equal(slab_room(&fixture->slabs), 0);
	for (; slab_next_room(&fixture->slabs, ranges); nr_parts++) {
		for (unsigned i = 0; i < 2; i++)
			for (size_t at = 0; at < ranges[i].size_bytes; at++)
				is_sure[ranges[i].offset + at]++;
		slab_add_room(&fixture->slabs);
		assert_int_equal(slab_room(&fixture->slabs), (nr_parts + 1) * SLAB_ROOM_UNITS);
		slab_fixture_assert_sound(fixture);
	}
	assert_int_equal(nr_parts, SLAB_FIXTURE_UNITS / SLAB_ROOM_UNITS);
	for (size_t at = 0; at < slab_ledger_bytes(SLAB_FIXTURE_UNITS); at++)
		assert_int_equal(is_sure[at], 1);
	free(is_sure);
}

/* The words and the owner of a slab lie in ranges that were told before. */
static void test_slab_words_lie_in_the_room(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 32), number, nr_slabs = 0;
	struct slab_range ranges[2];
	const uint8_t *words, *owner;

	slab_fixture_forget(fixture);
	assert_true(slab_next_room(&fixture->slabs, ranges));
	slab_add_room(&fixture->slabs);
	while (slab_new(&fixture->slabs, cache, SLAB_FIXTURE_PFN, &number)) {
		slab_enlist(&fixture->slabs, number, false);
		owner = (const uint8_t *)&fixture->slabs.owners[number];
		words = (const uint8_t *)slab_words(&fixture->slabs, number);
		assert_in_range((size_t)(owner - fixture->ledger), ranges[0].offset,
				ranges[0].offset + ranges[0].size_bytes - sizeof(uint16_t));
		assert_in_range((size_t)(words - fixture->ledger), ranges[1].offset,
				ranges[1].offset + ranges[1].size_bytes -
					4 * slab_fixture_nr_objects(fixture, cache));
		nr_slabs++;
	}
	assert_int_equal(nr_slabs, SLAB_ROOM_UNITS / slab_fixture_nr_units(fixture, cache));
	assert_int_equal(slab_room(&fixture->slabs), 0);
	slab_fixture_assert_sound(fixture);
}

/* Units. */

static void test_slab_takes_the_units_that_its_words_fill(void **state)
{
	struct slab_fixture *fixture = *state;

	for (uint32_t cache = 0; cache < CACHE_NR_GENERAL; cache++) {
		uint32_t number = slab_fixture_add(fixture, cache),
			 nr_units = slab_fixture_nr_units(fixture, cache);

		assert_int_equal(slab_room(&fixture->slabs), SLAB_ROOM_UNITS - nr_units);
		assert_ptr_equal(slab_layout(&fixture->slabs, number),
				 &fixture->caches.layouts[cache]);
		assert_null(slab_check(&fixture->slabs, number, SLAB_FIXTURE_PFN));
		assert_non_null(slab_check(&fixture->slabs, number, SLAB_FIXTURE_PFN + 1));
		slab_fixture_assert_sound(fixture);
		slab_fixture_remove(fixture, number);
		assert_non_null(slab_check(&fixture->slabs, number, SLAB_FIXTURE_PFN));
		slab_fixture_assert_sound(fixture);
	}
	assert_int_equal(slab_room(&fixture->slabs), SLAB_ROOM_UNITS);
}

/* Slabs of all sizes at once, until nothing fits, twice over. */
static void test_slab_units_are_used_to_the_last(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t numbers[SLAB_ROOM_UNITS], nr_slabs, nr_free = 99;
	uint32_t least = slab_fixture_general(fixture, 32768);

	assert_int_equal(slab_fixture_nr_units(fixture, least), 1);
	for (unsigned round = 0; round < 2; round++) {
		nr_slabs = 0;
		for (uint32_t cache = 0; cache < CACHE_NR_GENERAL;) {
			uint32_t *number = &numbers[nr_slabs];

			if (!slab_new(&fixture->slabs, cache, SLAB_FIXTURE_PFN, number)) {
				cache++;
				continue;
			}
			slab_enlist(&fixture->slabs, *number, false);
			nr_slabs++;
			if (nr_slabs % 7)
				cache = (cache + 5) % CACHE_NR_GENERAL;
		}
		assert_int_equal(slab_room(&fixture->slabs), 0);
		slab_fixture_assert_sound(fixture);
		assert_null(slab_units_check(&fixture->slabs, &nr_free));
		assert_int_equal(nr_free, 0);
		while (nr_slabs > 0)
			slab_fixture_remove(fixture, numbers[--nr_slabs]);
		assert_int_equal(slab_room(&fixture->slabs), SLAB_ROOM_UNITS);
		slab_fixture_assert_sound(fixture);
	}
}

/* Whatever stood in the units before, maybe a slab of another cache, with other words. */
static void test_slab_objects_are_raw_and_nobodys_at_first(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t debug = slab_fixture_add_cache(fixture, "debug", 100, CACHE_DEBUG), number;
	uint32_t nr_words = fixture->caches.layouts[debug].nr_words;

	assert_int_equal(nr_words, 2 * slab_fixture_nr_objects(fixture, debug));
	memset(fixture->ledger, 0xa5, slab_ledger_bytes(SLAB_FIXTURE_UNITS));
	number = slab_fixture_add(fixture, debug);
	for (uint32_t i = 0; i < nr_words; i++)
		assert_int_equal(slab_words(&fixture->slabs, number)[i], SLAB_NEVER_HELD);
	assert_int_equal(fixture->slabs.owners[number], debug + 1);
	slab_fixture_assert_sound(fixture);
}

/* The map. */

/* Takes all objects of a slab, up to so many at a time: each once. */
static void take_each(struct slab_fixture *fixture, uint32_t number, size_t count,
		      uint32_t nr_objects)
{
	uint8_t taken[CACHE_SLAB_OBJECTS_MAX] = { 0 };
	uint32_t first = 0, seen = 0;
	uint64_t mask;

	while ((mask = slab_fixture_take(fixture, number, count, &first))) {
		assert_true((size_t)__builtin_popcountll(mask) <= count);
		for (; mask; mask &= mask - 1, seen++)
			assert_int_equal(taken[first + (uint32_t)__builtin_ctzll(mask)]++, 0);
	}
	assert_int_equal(seen, nr_objects);
	for (uint32_t i = 0; i < nr_objects; i++)
		assert_int_equal(taken[i], 1);
}

/* Whatever the count, in slabs of all sizes, wherever in a word of the map they start. */
static void test_slab_gives_each_object_once(void **state)
{
	static const size_t counts[] = { 1, 3, 15, 16, 31, 63, 64, 1000 };
	struct slab_fixture *fixture = *state;
	uint32_t pad = slab_fixture_general(fixture, 32768), pads[4];

	for (unsigned n = 0; n < 8 * CACHE_NR_GENERAL; n++) {
		uint32_t cache = n % CACHE_NR_GENERAL, at, after;
		uint32_t nr_objects = slab_fixture_nr_objects(fixture, cache);

		for (unsigned i = 0; i < n % 4; i++)
			pads[i] = slab_fixture_add(fixture, pad);
		at = slab_fixture_add(fixture, cache);
		after = slab_fixture_add(fixture, cache);
		take_each(fixture, at, counts[(n + n / CACHE_NR_GENERAL) % 8], nr_objects);
		assert_int_equal(fixture->slabs.slabs[after].nr_free, nr_objects);
		for (uint32_t i = 0; i < nr_objects; i += 64)
			slab_fixture_give(fixture, at, i,
					  nr_objects - i < 64
						  ? (UINT64_C(1) << (nr_objects - i)) - 1
						  : UINT64_MAX);
		slab_fixture_remove(fixture, at);
		slab_fixture_remove(fixture, after);
		for (unsigned i = 0; i < n % 4; i++)
			slab_fixture_remove(fixture, pads[i]);
	}
	assert_int_equal(slab_room(&fixture->slabs), SLAB_ROOM_UNITS);
}

/* The lowest that are free, as many as a word of the map has. */
static void test_slab_gives_the_lowest_objects(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t number = slab_fixture_add(fixture, slab_fixture_general(fixture, 16)), first = 99;

	assert_int_equal(slab_fixture_take(fixture, number, 1000, &first), UINT64_MAX);
	assert_int_equal(first, 0);
	assert_int_equal(slab_fixture_take(fixture, number, 3, &first), 0x7);
	assert_int_equal(first, 64);
	slab_fixture_give(fixture, number, 2, 0x9);
	assert_int_equal(slab_fixture_take(fixture, number, 1, &first), 0x4);
	assert_int_equal(first, 0);
	assert_int_equal(slab_fixture_take(fixture, number, 64, &first), 0x20);
	assert_int_equal(slab_fixture_take(fixture, number, 64, &first), ~UINT64_C(0x7));
	assert_int_equal(first, 64);
}

/* A run starts at any object, and reaches into the next word of the map. */
static void test_slab_takes_back_across_words_of_the_map(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t number = slab_fixture_add(fixture, slab_fixture_general(fixture, 16)), first;

	for (uint32_t at = 0; at <= 192; at++) {
		slab_fixture_take_many(fixture, number, 256);
		slab_fixture_give(fixture, number, at, UINT64_MAX);
		assert_int_equal(fixture->slabs.slabs[number].nr_free, 64);
		for (uint32_t seen = 0; seen < 64;) {
			uint64_t mask = slab_fixture_take(fixture, number, 64, &first);

			assert_int_not_equal(mask, 0);
			for (; mask; mask &= mask - 1, seen++)
				assert_int_equal(first + (uint32_t)__builtin_ctzll(mask),
						 at + seen);
		}
		for (uint32_t i = 0; i < 256; i += 64)
			slab_fixture_give(fixture, number, i, UINT64_MAX);
	}
}

/* Lists. */

static void test_slab_picks_the_fullest(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 16), numbers[SLAB_NR_PARTIAL], first;
	const uint32_t nr_objects = slab_fixture_nr_objects(fixture, cache);

	assert_int_equal(slab_pick(&fixture->slabs, cache), SLAB_NONE);
	for (unsigned i = 0; i < SLAB_NR_PARTIAL; i++) {
		numbers[i] = slab_fixture_add(fixture, cache);
		assert_int_equal(fixture->slabs.slabs[numbers[i]].list, SLAB_EMPTY);
	}
	for (unsigned i = 0; i < SLAB_NR_PARTIAL; i++) {
		unsigned at = i * 3 % SLAB_NR_PARTIAL;

		slab_fixture_take_many(fixture, numbers[at],
				       nr_objects - 1 - at * nr_objects / SLAB_NR_PARTIAL);
		assert_int_equal(fixture->slabs.slabs[numbers[at]].list, SLAB_PARTIAL + at);
	}
	for (unsigned i = 0; i < SLAB_NR_PARTIAL; i++) {
		assert_int_equal(slab_pick(&fixture->slabs, cache), numbers[i]);
		slab_fixture_take_many(fixture, numbers[i],
				       fixture->slabs.slabs[numbers[i]].nr_free);
		assert_int_equal(fixture->slabs.slabs[numbers[i]].list, SLAB_FULL);
	}
	assert_int_equal(slab_pick(&fixture->slabs, cache), SLAB_NONE);
	assert_int_equal(slab_take(&fixture->slabs, numbers[0], 1, &first), 0);
	assert_int_equal(fixture->slabs.by_cache[cache].nr_free, 0);
	assert_int_equal(fixture->slabs.by_cache[cache].nr_held, SLAB_NR_PARTIAL * nr_objects);
}

static void test_slab_picks_empty_ones_last(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 64),
		 empty = slab_fixture_add(fixture, cache);
	uint32_t hardly = slab_fixture_add(fixture, cache);

	slab_fixture_take_many(fixture, hardly, 1);
	assert_int_equal(slab_pick(&fixture->slabs, cache), hardly);
	slab_fixture_give(fixture, hardly, 0, 1);
	assert_int_equal(fixture->slabs.by_cache[cache].nr_slabs[SLAB_EMPTY], 2);
	slab_fixture_remove(fixture, hardly);
	assert_int_equal(slab_pick(&fixture->slabs, cache), empty);
	slab_fixture_remove(fixture, empty);
	assert_int_equal(slab_pick(&fixture->slabs, cache), SLAB_NONE);
	slab_fixture_assert_sound(fixture);
}

/* Within an eighth it is the one that came there last. */
static void test_slab_picks_the_one_filed_last(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 64), numbers[5];

	for (unsigned i = 0; i < 5; i++) {
		numbers[i] = slab_fixture_add(fixture, cache);
		slab_fixture_take_many(fixture, numbers[i], 40);
		assert_int_equal(slab_pick(&fixture->slabs, cache), numbers[i]);
	}
	slab_fixture_remove(fixture, numbers[2]); /* from the middle, then an end and the other */
	slab_fixture_assert_sound(fixture);
	assert_int_equal(slab_pick(&fixture->slabs, cache), numbers[4]);
	slab_fixture_remove(fixture, numbers[0]);
	slab_fixture_assert_sound(fixture);
	slab_fixture_remove(fixture, numbers[4]);
	assert_int_equal(slab_pick(&fixture->slabs, cache), numbers[3]);
	slab_fixture_assert_sound(fixture);
}

/* What stays in its eighth stays in its place. */
static void test_slab_is_not_filed_anew_in_its_eighth(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 64);
	uint32_t one = slab_fixture_add(fixture, cache), other;

	slab_fixture_take_many(fixture, one, 44);
	other = slab_fixture_add(fixture, cache);
	slab_fixture_take_many(fixture, other, 44);
	slab_fixture_give(fixture, one, 0, 0x7);
	assert_int_equal(slab_pick(&fixture->slabs, cache), other);
	slab_fixture_give(fixture, one, 3, 0x78);
	assert_int_equal(slab_pick(&fixture->slabs, cache), other);
	slab_fixture_give(fixture, other, 0, 0x7f);
	assert_int_equal(slab_pick(&fixture->slabs, cache), other);
}

static void test_slab_set_aside_is_not_picked(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 64),
		 number = slab_fixture_add(fixture, cache);
	const struct slab_cache *counts = &fixture->slabs.by_cache[cache];

	slab_fixture_take_many(fixture, number, 10);
	slab_unlist(&fixture->slabs, number);
	assert_int_equal(counts->nr_objects, 0);
	assert_int_equal(counts->nr_held, 0);
	slab_enlist(&fixture->slabs, number, true);
	slab_fixture_assert_sound(fixture);
	assert_int_equal(slab_pick(&fixture->slabs, cache), SLAB_NONE);
	assert_int_equal(counts->nr_free, 0);
	assert_int_equal(counts->nr_objects, 64);
	assert_int_equal(counts->nr_held, 10);
	slab_fixture_give(fixture, number, 0, 0x3ff);
	assert_int_equal(fixture->slabs.slabs[number].list, SLAB_ASIDE);
	assert_int_equal(counts->nr_free, 0);
	assert_int_equal(counts->nr_held, 0);
	slab_unlist(&fixture->slabs, number);
	slab_enlist(&fixture->slabs, number, false);
	assert_int_equal(slab_pick(&fixture->slabs, cache), number);
	assert_int_equal(counts->nr_free, 64);
	slab_fixture_assert_sound(fixture);
}

static void test_slab_empty_pages_are_counted_over_all_caches(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t small = slab_fixture_general(fixture, 16),
		 large = slab_fixture_general(fixture, 32768);
	uint32_t pages = UINT32_C(1) << fixture->caches.layouts[large].order, first, number;

	assert_true(pages > 1);
	slab_fixture_add(fixture, small);
	number = slab_fixture_add(fixture, large);
	assert_int_equal(fixture->slabs.nr_empty_pages, 1 + pages);
	slab_fixture_take(fixture, number, 1, &first);
	assert_int_equal(fixture->slabs.nr_empty_pages, 1);
	slab_fixture_give(fixture, number, first, 1);
	assert_int_equal(fixture->slabs.nr_empty_pages, 1 + pages);
	slab_fixture_remove(fixture, number);
	assert_int_equal(fixture->slabs.nr_empty_pages, 1);
}

#define slab_test(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, slab_fixture_setup, slab_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		slab_test(test_slab_table_without_units_has_no_room),
		slab_test(test_slab_room_comes_in_parts),
		slab_test(test_slab_words_lie_in_the_room),
		slab_test(test_slab_takes_the_units_that_its_words_fill),
		slab_test(test_slab_units_are_used_to_the_last),
		slab_test(test_slab_objects_are_raw_and_nobodys_at_first),
		slab_test(test_slab_gives_each_object_once),
		slab_test(test_slab_gives_the_lowest_objects),
		slab_test(test_slab_takes_back_across_words_of_the_map),
		slab_test(test_slab_picks_the_fullest),
		slab_test(test_slab_picks_empty_ones_last),
		slab_test(test_slab_picks_the_one_filed_last),
		slab_test(test_slab_is_not_filed_anew_in_its_eighth),
		slab_test(test_slab_set_aside_is_not_picked),
		slab_test(test_slab_empty_pages_are_counted_over_all_caches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
