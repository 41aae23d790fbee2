/* SPDX-License-Identifier: MIT */

/* Opening a table of caches: what is not believed, and what a kill leaves. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache.h"
#include "support/cache_fixture.h"
#include "support/random.h"

#define GENERATIONS (UINT32_C(1) << 22)

static void test_cache_open_keeps_general_flags_from_before(void **state)
{
	struct cache_fixture *fixture = *state;

	assert_int_equal(cache_fixture_open(fixture, CACHE_DEBUG), 0);
	for (uint32_t i = 0; i < CACHE_NR_GENERAL; i++)
		assert_int_equal(fixture->table.layouts[i].flags, 0);
	/* What a kill left to be made is made as it would be now. */
	fixture->ledger[7].state = CACHE_FREE;
	assert_int_equal(cache_fixture_open(fixture, CACHE_DEBUG), 0);
	cache_fixture_assert_valid(fixture);
	assert_int_equal(fixture->table.layouts[7].flags, CACHE_DEBUG);
	assert_int_equal(fixture->table.layouts[8].flags, 0);
}

static void test_cache_open_counts_generations_round(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t number = cache_fixture_add(fixture, "one", 100, 0);

	cache_fixture_remove(fixture, number);
	fixture->ledger[number].generation = GENERATIONS - 2;
	cache_fixture_reopen(fixture);
	assert_int_equal(cache_fixture_add(fixture, "one", 100, 0), number);
	assert_int_equal(fixture->table.records[number].generation, GENERATIONS - 1);
	assert_int_equal(cache_number(&fixture->table, cache_handle(&fixture->table, number)),
			 number);
	cache_fixture_reopen(fixture);
	cache_fixture_remove(fixture, number);
	assert_int_equal(cache_fixture_add(fixture, "one", 100, 0), number);
	assert_int_equal(fixture->table.records[number].generation, 0);
	assert_int_equal(cache_number(&fixture->table, cache_handle(&fixture->table, number)),
			 number);
}

static void test_cache_open_believes_anything_of_free_records(void **state)
{
	struct cache_fixture *fixture = *state;
	struct random random = random_from_environment();
	const uint32_t reserved[9] = { 0 };

	for (unsigned n = 0; n < 100; n++) {
		for (uint32_t i = 0; i < CACHE_FIXTURE_CACHES; i++) {
			uint8_t *bytes = (uint8_t *)&fixture->ledger[i];

			for (size_t at = 0; at < sizeof(fixture->ledger[i]); at++)
				bytes[at] = (uint8_t)random_next(&random);
			fixture->ledger[i].state = CACHE_FREE;
		}
		cache_fixture_reopen(fixture);
		assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL);
		cache_fixture_add(fixture, "one", 100, 0);
		cache_fixture_add(fixture, "two", 100, CACHE_MERGE);
		cache_fixture_reopen(fixture);
		assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL + 2);
		for (uint32_t i = 0; i < CACHE_NR_GENERAL + 2; i++)
			assert_memory_equal(fixture->ledger[i].reserved, reserved,
					    sizeof(reserved));
	}
}

/* Refused with the number of what is damaged, and nothing is touched. */
static void assert_damaged(struct cache_fixture *fixture, uint32_t number)
{
	struct cache_record saved[CACHE_FIXTURE_CACHES];
	struct cache_table before = fixture->table;
	uint32_t found = 12345;

	memcpy(saved, fixture->ledger, sizeof(fixture->ledger));
	assert_non_null(cache_table_validate(&fixture->table));
	assert_int_equal(cache_table_open(&fixture->table, CACHE_FIXTURE_CACHES, 0, fixture->ledger,
					  fixture->layouts, &found),
			 CACHE_E_DAMAGED);
	assert_int_equal(found, number);
	assert_memory_equal(saved, fixture->ledger, sizeof(fixture->ledger));
	assert_memory_equal(&before, &fixture->table, sizeof(fixture->table));
}

/* Damages a field for as long as it takes to look. */
#define assert_field_damaged(fixture, number, field, value)                                        \
	do {                                                                                       \
		const struct cache_record saved = (fixture)->ledger[(number)];                     \
		(fixture)->ledger[(number)].field = (value);                                       \
		assert_damaged(fixture, number);                                                   \
		(fixture)->ledger[(number)] = saved;                                               \
		cache_fixture_assert_valid(fixture);                                               \
	} while (0)

static void test_cache_open_doubts_each_field(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0);
	uint32_t two = cache_fixture_add(fixture, "two", 200, CACHE_CTOR);

	assert_field_damaged(fixture, one, state, CACHE_NAMELESS + 1);
	assert_field_damaged(fixture, one, state, UINT32_MAX);
	assert_field_damaged(fixture, one, generation, GENERATIONS);
	assert_field_damaged(fixture, one, target, two);
	assert_field_damaged(fixture, one, target, CACHE_FIXTURE_CACHES);
	assert_field_damaged(fixture, one, target, UINT32_MAX);
	assert_field_damaged(fixture, one, target, CACHE_FIXTURE_CACHES - 1); /* is free */
	assert_field_damaged(fixture, one, object_bytes, 0);
	assert_field_damaged(fixture, one, object_bytes, CACHE_OBJECT_BYTES_MAX + 1);
	assert_field_damaged(fixture, one, align, 0);
	assert_field_damaged(fixture, one, align, 24);
	assert_field_damaged(fixture, one, align, 2 * CACHE_ALIGN_MAX);
	assert_field_damaged(fixture, one, flags, 2 * CACHE_MERGE);
	assert_field_damaged(fixture, one, mobility, NR_MOBILITIES);
	assert_field_damaged(fixture, one, mobility, UINT32_MAX);
	assert_field_damaged(fixture, one, name[0], '\0');

	memcpy(fixture->ledger[two].name, "one", 4);
	assert_damaged(fixture, two);
	memset(fixture->ledger[two].name, 'n', sizeof(fixture->ledger[two].name));
	assert_damaged(fixture, two);
}

static void test_cache_open_doubts_general_caches_that_are_others(void **state)
{
	struct cache_fixture *fixture = *state;

	assert_field_damaged(fixture, 7, state, CACHE_NAMELESS);
	assert_field_damaged(fixture, 7, target, 8);
	assert_field_damaged(fixture, 7, object_bytes, 144);
	assert_field_damaged(fixture, 7, align, 8);
	assert_field_damaged(fixture, 7, flags, CACHE_CTOR);
	assert_field_damaged(fixture, 7, flags, CACHE_MERGE);
	assert_field_damaged(fixture, 7, mobility, MOBILITY_MOVABLE);
	assert_field_damaged(fixture, 7, name[7], '2');
	assert_field_damaged(fixture, CACHE_NR_GENERAL - 1, name[12], 'x');
}

static void test_cache_open_doubts_names_for_what_they_can_not_be(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0);
	uint32_t two = cache_fixture_add(fixture, "two", 100, CACHE_MERGE);
	uint32_t ctor = cache_fixture_add(fixture, "ctor", 100, CACHE_CTOR);
	struct cache_config like_malloc = cache_fixture_config("like malloc", 64, CACHE_MERGE);
	uint32_t number = 0;

	assert_int_equal(cache_target(&fixture->table, two), one);
	assert_field_damaged(fixture, two, state, CACHE_NAMELESS);
	assert_field_damaged(fixture, two, object_bytes, 104);
	assert_field_damaged(fixture, two, align, 16);
	assert_field_damaged(fixture, two, mobility, MOBILITY_MOVABLE);
	assert_field_damaged(fixture, two, flags, 0);
	assert_field_damaged(fixture, two, flags, CACHE_MERGE | CACHE_DEBUG);
	assert_field_damaged(fixture, two, target, ctor);
	assert_field_damaged(fixture, two, target, 0);
	like_malloc.align = 64;
	assert_int_equal(cache_table_add(&fixture->table, &like_malloc, &number), 0);
	assert_field_damaged(fixture, number, target,
			     cache_table_find(&fixture->table, "malloc-64"));

	/* A name for a name, a name for what is gone. */
	cache_fixture_remove(fixture, ctor);
	fixture->ledger[ctor] = fixture->ledger[two];
	fixture->ledger[ctor].name[0] = 'T';
	fixture->ledger[ctor].target = two;
	assert_damaged(fixture, ctor);
	fixture->ledger[ctor].state = CACHE_FREE;
	fixture->ledger[one].state = CACHE_FREE;
	assert_damaged(fixture, two);
}

/*
 * A kill while a cache is made: any of its fields may be there, and its state is not. Words are
 * taken over in some order, and after each the table is opened by the next daemon.
 */
static void test_cache_open_recovers_from_a_kill_while_making(void **state)
{
	struct cache_fixture *fixture = *state;
	struct random random = random_from_environment();
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0), two, generation;
	struct cache_record before = fixture->ledger[one + 1], after, seen;

	two = cache_fixture_add(fixture, "two", 100, CACHE_MERGE);
	after = fixture->ledger[two];
	generation = before.generation;
	assert_int_equal(two, one + 1);
	for (unsigned n = 0; n < 200; n++) {
		uint32_t left = sizeof(after) / 4 - 1;

		seen = before;
		for (uint64_t stored = 1; left; left--) { /* the first word is the state */
			unsigned word = 1 + random_below(&random, sizeof(after) / 4 - 1);

			while (stored >> word & 1)
				word = word % (sizeof(after) / 4 - 1) + 1;
			stored |= UINT64_C(1) << word;
			memcpy((uint32_t *)&seen + word, (uint32_t *)&after + word, 4);
			fixture->ledger[two] = seen;
			cache_fixture_reopen(fixture);
			assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL + 1);
			assert_memory_equal(&fixture->ledger[two], &seen, sizeof(seen));
			assert_true(fixture->ledger[two].generation - generation <= 1);
		}
	}
	fixture->ledger[two].state = CACHE_NAMED;
	cache_fixture_reopen(fixture);
	assert_int_equal(cache_table_find(&fixture->table, "two"), two);
}

/* The last name's state is stored, that of its nameless cache is not. */
static void test_cache_open_recovers_from_a_kill_while_unmaking(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0);
	uint32_t two = cache_fixture_add(fixture, "two", 100, CACHE_MERGE);
	struct cache_record halfway, done;

	cache_fixture_remove(fixture, one);
	halfway = fixture->ledger[one];
	cache_fixture_remove(fixture, two);
	done = fixture->ledger[one];
	assert_int_equal(halfway.state, CACHE_NAMELESS);
	assert_int_equal(done.state, CACHE_FREE);

	fixture->ledger[one] = halfway;
	assert_non_null(cache_table_validate(&fixture->table));
	cache_fixture_reopen(fixture);
	assert_int_equal(fixture->ledger[one].state, CACHE_FREE);
	assert_memory_equal(&fixture->ledger[one], &done, sizeof(done));
	assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL);
	assert_int_equal(cache_fixture_add(fixture, "three", 100, CACHE_MERGE), one);
	assert_int_equal(fixture->table.records[one].generation, halfway.generation + 1);
}

/* A fresh table gets its general caches one by one: killed amid any of them. */
static void test_cache_open_recovers_from_a_kill_while_it_is_made(void **state)
{
	struct cache_fixture *fixture = *state;

	for (uint32_t i = 0; i < CACHE_NR_GENERAL; i++) {
		uint32_t generation;

		fixture->ledger[i].state = CACHE_FREE;
		memset(fixture->ledger + i + 1, 0,
		       (CACHE_FIXTURE_CACHES - i - 1) * sizeof(fixture->ledger[0]));
		generation = fixture->ledger[i].generation;
		cache_fixture_reopen(fixture);
		assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL);
		assert_int_equal(fixture->ledger[i].generation, generation + 1);
	}
}

static void test_cache_open_validate_sees_what_is_derived(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0);

	fixture->table.layouts[one].nr_objects++;
	assert_non_null(cache_table_validate(&fixture->table));
	fixture->table.layouts[one].nr_objects--;
	cache_fixture_assert_valid(fixture);
	fixture->table.nr_used--;
	assert_non_null(cache_table_validate(&fixture->table));
	fixture->table.nr_used++;
	fixture->ledger[3].state = CACHE_FREE;
	assert_non_null(cache_table_validate(&fixture->table));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cache_open_keeps_general_flags_from_before,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_open_counts_generations_round,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_open_believes_anything_of_free_records,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_open_doubts_each_field, cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_open_doubts_general_caches_that_are_others,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_open_doubts_names_for_what_they_can_not_be,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_open_recovers_from_a_kill_while_making,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_open_recovers_from_a_kill_while_unmaking,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_open_recovers_from_a_kill_while_it_is_made,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_open_validate_sees_what_is_derived,
				       cache_fixture_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
