/* SPDX-License-Identifier: MIT */

/* Slabs as a next daemon finds them in the ledger, and who notices that they are not sound. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/slab.h"
#include "support/slab_fixture.h"

#define NR_SLOTS 16u

static const char *load(struct slab_fixture *fixture, uint32_t number, unsigned order)
{
	return slab_load(&fixture->slabs, number, SLAB_FIXTURE_PFN, order, NR_SLOTS);
}

static void test_slab_load_finds_what_was_there(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t debug = slab_fixture_add_cache(fixture, "debug", 40, CACHE_DEBUG);
	uint32_t caches[] = { slab_fixture_general(fixture, 16), slab_fixture_general(fixture, 112),
			      slab_fixture_general(fixture, 32768), debug };
	uint32_t numbers[4], held[4];

	for (unsigned i = 0; i < 4; i++) {
		numbers[i] = slab_fixture_add(fixture, caches[i]);
		held[i] = slab_fixture_nr_objects(fixture, caches[i]) * i / 3;
		slab_fixture_take_many(fixture, numbers[i], held[i]);
	}
	slab_fixture_forget(fixture);
	for (unsigned i = 0; i < 4; i++) {
		assert_null(load(fixture, numbers[i], fixture->caches.layouts[caches[i]].order));
		slab_enlist(&fixture->slabs, numbers[i], i == 1);
	}
	slab_load_end(&fixture->slabs);
	slab_fixture_assert_sound(fixture);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t nr_objects = slab_fixture_nr_objects(fixture, caches[i]);
		const struct slab_cache *counts = &fixture->slabs.by_cache[caches[i]];

		assert_int_equal(counts->nr_held, held[i]);
		assert_int_equal(counts->nr_free, i == 1 ? 0 : nr_objects - held[i]);
		assert_int_equal(counts->nr_objects, nr_objects);
		assert_null(slab_check(&fixture->slabs, numbers[i], SLAB_FIXTURE_PFN));
	}
}

/* As much as the slab lies in, and no more. */
static void test_slab_load_brings_its_room(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 32768), number = 0;
	unsigned order = fixture->caches.layouts[cache].order;

	slab_add_room(&fixture->slabs);
	while (number != SLAB_ROOM_UNITS)
		number = slab_fixture_add(fixture, cache);
	slab_fixture_forget(fixture);
	assert_null(load(fixture, SLAB_ROOM_UNITS - 1, order));
	assert_int_equal(fixture->slabs.nr_room, SLAB_ROOM_UNITS);
	assert_null(load(fixture, number, order));
	assert_int_equal(fixture->slabs.nr_room, 2 * SLAB_ROOM_UNITS);
	slab_load_end(&fixture->slabs);
	assert_int_equal(slab_room(&fixture->slabs), 2 * SLAB_ROOM_UNITS - 2);
}

/* Free units of a slab that was loaded can be given and taken like those of any other. */
static void test_slab_loaded_can_go(void **state)
{
	struct slab_fixture *fixture = *state;

	for (uint32_t cache = 0; cache < CACHE_NR_GENERAL; cache++) {
		uint32_t number = slab_fixture_add(fixture, cache);

		slab_fixture_forget(fixture);
		assert_null(load(fixture, number, fixture->caches.layouts[cache].order));
		slab_enlist(&fixture->slabs, number, false);
		slab_load_end(&fixture->slabs);
		slab_fixture_remove(fixture, number);
		slab_fixture_assert_sound(fixture);
		assert_int_equal(slab_room(&fixture->slabs), SLAB_ROOM_UNITS);
		assert_int_equal(slab_fixture_add(fixture, cache), number);
		slab_fixture_remove(fixture, number);
	}
}

static void test_slab_load_doubts_numbers_and_owners(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 16),
		 number = slab_fixture_add(fixture, cache);
	unsigned order = fixture->caches.layouts[cache].order;
	uint16_t *owner = &fixture->slabs.owners[number];

	slab_fixture_forget(fixture);
	assert_string_equal(load(fixture, SLAB_FIXTURE_UNITS, order),
			    "a slab's number is that of none");
	assert_string_equal(load(fixture, UINT32_MAX, order), "a slab's number is that of none");
	for (uint32_t wrong = 0; wrong <= UINT16_MAX; wrong++) {
		if (wrong > 0 && wrong <= CACHE_NR_GENERAL)
			continue;
		*owner = (uint16_t)wrong;
		assert_string_equal(load(fixture, number, order), "a slab is of no cache");
	}
	*owner = (uint16_t)(cache + 1);
	for (unsigned wrong = 0; wrong < 32; wrong++)
		if (wrong != order)
			assert_string_equal(load(fixture, number, wrong),
					    "a slab is not of its cache's order");
	assert_null(load(fixture, number, order));
}

/* A name for another cache has no slabs: nothing would find their objects. */
static void test_slab_load_doubts_slabs_of_names(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_add_cache(fixture, "one", 100, CACHE_MERGE);
	uint32_t name = slab_fixture_add_cache(fixture, "another", 100, CACHE_MERGE);
	uint32_t number = slab_fixture_add(fixture, cache);

	assert_int_equal(cache_target(&fixture->caches, name), cache);
	fixture->slabs.owners[number] = (uint16_t)(name + 1);
	slab_fixture_forget(fixture);
	assert_string_equal(load(fixture, number, fixture->caches.layouts[cache].order),
			    "a slab is of no cache");
}

static void test_slab_load_doubts_overlaps(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 16),
		 number = slab_fixture_add(fixture, cache);
	const char *what = "the words of two slabs overlap";
	unsigned order = fixture->caches.layouts[cache].order;

	slab_fixture_forget(fixture);
	for (uint32_t i = 0; i < SLAB_FIXTURE_UNITS; i++)
		fixture->slabs.owners[i] = (uint16_t)(cache + 1);
	assert_null(load(fixture, number, order));
	assert_string_equal(load(fixture, number, order), what);
	for (uint32_t unit = number + 1; unit < number + slab_fixture_nr_units(fixture, cache);
	     unit++)
		assert_string_equal(load(fixture, unit, order), what);
	assert_string_equal(load(fixture, SLAB_FIXTURE_UNITS - 1, order),
			    "a slab's number is that of none");
	assert_null(load(fixture, 1001, order));
	assert_string_equal(load(fixture, 1001 - slab_fixture_nr_units(fixture, cache) + 1, order),
			    what);
	assert_null(
		load(fixture, SLAB_FIXTURE_UNITS - slab_fixture_nr_units(fixture, cache), order));
}

static void assert_word_doubted(struct slab_fixture *fixture, uint32_t number, uint32_t i,
				uint32_t word, const char *what)
{
	uint32_t *at = &slab_words(&fixture->slabs, number)[i], saved = *at;
	const char *found;

	slab_fixture_forget(fixture);
	*at = word;
	found = load(fixture, number, 0);
	assert_true(found && strcmp(found, what) == 0);
	*at = saved;
}

static void test_slab_load_doubts_words(void **state)
{
	const struct word_owner nobody = { .slot = NR_SLOTS };
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 64),
		 number = slab_fixture_add(fixture, cache);

	for (uint32_t i = 0; i < slab_fixture_nr_objects(fixture, cache); i += 7) {
		for (unsigned order = 1; order < 32; order++)
			assert_word_doubted(fixture, number, i, slab_fixture_held(3) | order,
					    "an object's word can't be one");
		assert_word_doubted(fixture, number, i,
				    slab_fixture_held(3) | 2u << WORD_MOBILITY_SHIFT,
				    "an object's word can't be one");
		assert_word_doubted(fixture, number, i, 1, "an object's word can't be one");
		assert_word_doubted(fixture, number, i, 3u << WORD_MOBILITY_SHIFT,
				    "an object's word can't be one");
		for (unsigned kind = WORD_SLAB; kind < 8; kind++)
			if (kind != WORD_LEAVING)
				assert_word_doubted(fixture, number, i, word_make(kind, nobody, 0),
						    "an object is of no known kind");
		assert_word_doubted(fixture, number, i, word_make(WORD_PAGE, nobody, 0),
				    "an object's holder is no slot");
		assert_word_doubted(fixture, number, i, word_make(WORD_LEAVING, nobody, 0),
				    "an object's holder is no slot");
	}
	slab_fixture_forget(fixture);
	assert_null(load(fixture, number, 0));
}

/* The words behind those of the last object are nobody's, and may be anything. */
static void test_slab_load_looks_at_its_objects_alone(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 112),
		 number = slab_fixture_add(fixture, cache);
	uint32_t nr_objects = slab_fixture_nr_objects(fixture, cache);

	assert_int_not_equal(nr_objects % SLAB_UNIT_WORDS, 0);
	slab_words(&fixture->slabs, number)[nr_objects] = UINT32_MAX;
	slab_fixture_forget(fixture);
	assert_null(load(fixture, number, fixture->caches.layouts[cache].order));
	slab_enlist(&fixture->slabs, number, false);
	slab_load_end(&fixture->slabs);
	assert_int_equal(fixture->slabs.by_cache[cache].nr_free, nr_objects);
	slab_fixture_assert_sound(fixture);
}

/* Doubt. */

#define assert_noticed(fixture, field, value)                                                      \
	do {                                                                                       \
		__typeof__(field) saved = (field);                                                 \
		(field) = (value);                                                                 \
		assert_non_null(slab_validate(&(fixture)->slabs));                                 \
		(field) = saved;                                                                   \
		slab_fixture_assert_sound(fixture);                                                \
	} while (0)

static void test_slab_validate_notices(void **state)
{
	struct slab_fixture *fixture = *state;
	uint32_t cache = slab_fixture_general(fixture, 64),
		 number = slab_fixture_add(fixture, cache);
	uint32_t empty = slab_fixture_add(fixture, cache);
	struct slab_cache *counts = &fixture->slabs.by_cache[cache];
	struct slab *slab = &fixture->slabs.slabs[number];

	slab_fixture_take_many(fixture, number, 10);
	assert_noticed(fixture, slab_words(&fixture->slabs, number)[3], 0);
	assert_noticed(fixture, slab_words(&fixture->slabs, number)[10], slab_fixture_held(3));
	assert_noticed(fixture, fixture->slabs.owners[number], 0);
	assert_noticed(fixture, fixture->slabs.owners[number], 3);
	assert_noticed(fixture, slab->nr_free, 53);
	assert_noticed(fixture, slab->next, empty);
	assert_noticed(fixture, slab->prev, empty);
	assert_noticed(fixture, counts->nr_free, 0);
	assert_noticed(fixture, counts->nr_objects, 64);
	assert_noticed(fixture, counts->nr_held, 9);
	assert_noticed(fixture, counts->lists, 1u << SLAB_EMPTY);
	assert_noticed(fixture, counts->heads[SLAB_EMPTY], number);
	assert_noticed(fixture, counts->nr_slabs[SLAB_EMPTY], 2);
	assert_noticed(fixture, fixture->slabs.nr_empty_pages, 2);
	assert_noticed(fixture, fixture->slabs.nr_room, SLAB_ROOM_UNITS - 64);
}

#define slab_test(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, slab_fixture_setup, slab_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		slab_test(test_slab_load_finds_what_was_there),
		slab_test(test_slab_load_brings_its_room),
		slab_test(test_slab_loaded_can_go),
		slab_test(test_slab_load_doubts_numbers_and_owners),
		slab_test(test_slab_load_doubts_slabs_of_names),
		slab_test(test_slab_load_doubts_overlaps),
		slab_test(test_slab_load_doubts_words),
		slab_test(test_slab_load_looks_at_its_objects_alone),
		slab_test(test_slab_validate_notices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
