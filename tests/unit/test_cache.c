/* SPDX-License-Identifier: MIT */

/* The table of caches: made, merged, unmade, found by name and by handle. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache.h"
#include "support/cache_fixture.h"

static void assert_refused(struct cache_fixture *fixture, const struct cache_config *config,
			   int error)
{
	uint32_t number = 12345;

	assert_int_equal(cache_table_add(&fixture->table, config, &number), error);
	assert_int_equal(number, 12345);
	cache_fixture_assert_valid(fixture);
}

/* Of a fresh ledger. */
static int open_with(struct cache_fixture *fixture, uint32_t nr_caches, unsigned general_flags)
{
	uint32_t number = 0;

	memset(fixture, 0, sizeof(*fixture));
	return cache_table_open(&fixture->table, nr_caches, general_flags, fixture->ledger,
				fixture->layouts, &number);
}

static void test_cache_table_refuses_impossible_sizes_and_flags(void **state)
{
	struct cache_fixture *fixture = *state;

	assert_int_equal(open_with(fixture, 0, 0), -EINVAL);
	assert_int_equal(open_with(fixture, CACHE_NR_GENERAL - 1, 0), -EINVAL);
	assert_int_equal(open_with(fixture, CACHES_MAX + 1, 0), -EINVAL);
	assert_int_equal(open_with(fixture, CACHE_NR_GENERAL, CACHE_CTOR), -EINVAL);
	assert_int_equal(open_with(fixture, CACHE_NR_GENERAL, CACHE_MERGE | CACHE_DEBUG), -EINVAL);
	for (uint32_t nr_caches = CACHE_NR_GENERAL; nr_caches <= CACHES_MAX; nr_caches++) {
		assert_int_equal(cache_ledger_bytes(nr_caches),
				 nr_caches * sizeof(struct cache_record));
		assert_int_equal(cache_index_bytes(nr_caches) % 64, 0);
		assert_true(cache_index_bytes(nr_caches) >=
			    nr_caches * sizeof(struct cache_layout));
	}
}

static void test_cache_table_can_have_general_caches_alone(void **state)
{
	struct cache_fixture *fixture = *state;
	struct cache_config config = cache_fixture_config("one more", 100, 0);

	assert_int_equal(open_with(fixture, CACHE_NR_GENERAL, 0), 0);
	assert_refused(fixture, &config, CACHE_E_FULL);
}

static void test_cache_table_has_four_general_caches_a_doubling(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t last = 0;

	cache_fixture_assert_valid(fixture);
	assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL);
	for (uint32_t i = 0; i < CACHE_NR_GENERAL; i++) {
		const struct cache_layout *layout = &fixture->table.layouts[i];
		uint32_t bytes = layout->object_bytes;
		char name[32];

		assert_int_equal(bytes % 16, 0);
		assert_int_equal(layout->stride_bytes, bytes);
		assert_true(bytes > last && bytes - last <= (last < 64 ? 16 : last / 4));
		snprintf(name, sizeof(name), "malloc-%u", bytes);
		assert_int_equal(cache_table_find(&fixture->table, name), i);
		assert_int_equal(cache_target(&fixture->table, i), i);
		assert_true(cache_has_slabs(&fixture->table, i));
		last = bytes;
	}
	assert_int_equal(fixture->table.layouts[0].object_bytes, 16);
	assert_int_equal(fixture->table.layouts[3].object_bytes, 64);
	assert_int_equal(fixture->table.layouts[4].object_bytes, 80);
	assert_int_equal(last, 32768);
}

static void assert_general_are_aligned(struct cache_fixture *fixture)
{
	for (uint32_t i = 0; i < CACHE_NR_GENERAL; i++) {
		const struct cache_layout *layout = &fixture->table.layouts[i];
		uint32_t bytes = layout->object_bytes;
		uint32_t align = bytes & (bytes - 1) ? 16 : bytes;

		if (layout->flags & CACHE_DEBUG && align > 4096)
			align = 4096;
		assert_int_equal(layout->first_bytes % align, 0);
		assert_int_equal(layout->stride_bytes % align, 0);
		assert_true(layout->nr_colours == 1 || layout->colour_bytes % align == 0);
		assert_true((UINT32_C(4096) << layout->order) % align == 0);
	}
}

static void test_cache_table_aligns_general_powers_of_two_naturally(void **state)
{
	struct cache_fixture *fixture = *state;

	assert_general_are_aligned(fixture);
	assert_int_equal(open_with(fixture, CACHE_FIXTURE_CACHES, CACHE_DEBUG), 0);
	cache_fixture_assert_valid(fixture);
	assert_general_are_aligned(fixture);
}

/* Ends of slabs and of general objects together, for requests of any size alike. */
static void test_cache_table_general_caches_waste_little(void **state)
{
	struct cache_fixture *fixture = *state;
	double asked = 0, taken = 0;
	uint32_t i = 0;

	for (uint32_t bytes = 16; bytes <= 8192; bytes++) {
		const struct cache_layout *layout;

		while (fixture->table.layouts[i].object_bytes < bytes)
			i++;
		layout = &fixture->table.layouts[i];
		asked += bytes;
		taken += (double)(UINT32_C(4096) << layout->order) / layout->nr_objects;
	}
	assert_true(taken / asked < 1.10);
}

static void test_cache_table_finds_what_was_made(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0);
	uint32_t two = cache_fixture_add(fixture, "two", 200, CACHE_CTOR);

	assert_int_not_equal(one, two);
	assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL + 2);
	assert_int_equal(cache_table_find(&fixture->table, "one"), one);
	assert_int_equal(cache_table_find(&fixture->table, "two"), two);
	assert_int_equal(cache_table_find(&fixture->table, "three"), CACHES_MAX);
	assert_int_equal(cache_table_find(&fixture->table, ""), CACHES_MAX);
	assert_int_equal(cache_table_find(&fixture->table, "on"), CACHES_MAX);
	assert_int_equal(fixture->table.layouts[two].object_bytes, 200);
	assert_int_equal(fixture->table.layouts[two].flags, CACHE_CTOR);
	cache_fixture_reopen(fixture);
	assert_int_equal(cache_table_find(&fixture->table, "two"), two);
	assert_int_equal(fixture->table.layouts[two].object_bytes, 200);
	assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL + 2);
}

static void test_cache_table_gives_the_same_cache_to_who_asks_alike(void **state)
{
	struct cache_fixture *fixture = *state;
	struct cache_config config = cache_fixture_config("one", 100, 0);
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0);
	uint32_t number = 0;

	assert_int_equal(cache_fixture_add(fixture, "one", 100, 0), one);
	assert_int_equal(cache_fixture_add(fixture, "one", 100, CACHE_MERGE), one);
	config.align = CACHE_ALIGN_MIN;
	assert_int_equal(cache_table_add(&fixture->table, &config, &number), 0);
	assert_int_equal(number, one);
	assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL + 1);

	config.align = 16;
	assert_refused(fixture, &config, CACHE_E_EXISTS);
	config = cache_fixture_config("one", 101, 0);
	assert_refused(fixture, &config, CACHE_E_EXISTS);
	config = cache_fixture_config("one", 100, CACHE_CTOR);
	assert_refused(fixture, &config, CACHE_E_EXISTS);
	config = cache_fixture_config("one", 100, CACHE_DEBUG | CACHE_MERGE);
	assert_refused(fixture, &config, CACHE_E_EXISTS);
	config = cache_fixture_config("one", 100, 0);
	config.mobility = MOBILITY_MOVABLE;
	assert_refused(fixture, &config, CACHE_E_EXISTS);
}

static void test_cache_table_refuses_names_and_layouts_that_can_not_be(void **state)
{
	struct cache_fixture *fixture = *state;
	char name[CACHE_NAME_BYTES_MAX + 2] = { 0 };
	struct cache_config config = cache_fixture_config(name, 100, 0);
	uint32_t number;

	memset(name, 'n', sizeof(name));
	name[CACHE_NAME_BYTES_MAX + 1] = '\0';
	assert_refused(fixture, &config, -EINVAL);
	config = cache_fixture_config("", 100, 0);
	assert_refused(fixture, &config, -EINVAL);
	config = cache_fixture_config("malloc-64", 64, 0);
	config.align = 64;
	assert_refused(fixture, &config, -EINVAL);
	config = cache_fixture_config("malloc-", 64, 0);
	assert_refused(fixture, &config, -EINVAL);
	config = cache_fixture_config("one", 0, 0);
	assert_refused(fixture, &config, -EINVAL);
	config = cache_fixture_config("one", 100, 0x8);
	assert_refused(fixture, &config, -EINVAL);

	name[CACHE_NAME_BYTES_MAX] = '\0';
	assert_int_equal(cache_table_find(&fixture->table, name), CACHES_MAX);
	number = cache_fixture_add(fixture, name, 100, 0);
	assert_int_equal(cache_table_find(&fixture->table, name), number);
	cache_fixture_add(fixture, "malloc", 100, 0);
	cache_fixture_reopen(fixture);
}

static uint32_t fill(struct cache_fixture *fixture)
{
	uint32_t last = CACHES_MAX;

	for (uint32_t i = CACHE_NR_GENERAL; i < CACHE_FIXTURE_CACHES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "cache %u", i);
		last = cache_fixture_add(fixture, name, 100 * i, 0);
	}
	return last;
}

static void test_cache_table_is_full_when_each_record_is_taken(void **state)
{
	struct cache_fixture *fixture = *state;
	struct cache_config config = cache_fixture_config("one more", 100, 0);
	uint32_t last = fill(fixture);

	assert_int_equal(fixture->table.nr_used, CACHE_FIXTURE_CACHES);
	assert_refused(fixture, &config, CACHE_E_FULL);
	config.flags = CACHE_MERGE;
	assert_refused(fixture, &config, CACHE_E_FULL);
	assert_int_equal(cache_fixture_add(fixture, "cache 40", 4000, 0),
			 cache_table_find(&fixture->table, "cache 40"));
	cache_fixture_reopen(fixture);
	assert_refused(fixture, &config, CACHE_E_FULL);
	cache_fixture_remove(fixture, last);
	assert_int_equal(cache_fixture_add(fixture, "one more", 100, 0), last);
}

static void test_cache_table_merges_what_is_alike_and_may(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0);
	uint32_t two = cache_fixture_add(fixture, "two", 100, CACHE_MERGE);
	uint32_t three = cache_fixture_add(fixture, "three", 100, CACHE_MERGE);
	uint32_t own = cache_fixture_add(fixture, "own", 100, 0);
	struct cache_config config = cache_fixture_config("wide", 100, CACHE_MERGE);
	uint32_t wide = 0;

	assert_int_equal(cache_target(&fixture->table, one), one);
	assert_int_equal(cache_target(&fixture->table, two), one);
	assert_int_equal(cache_target(&fixture->table, three), one);
	assert_int_equal(cache_target(&fixture->table, own), own);
	assert_true(cache_has_slabs(&fixture->table, one));
	assert_false(cache_has_slabs(&fixture->table, two));
	assert_false(cache_has_slabs(&fixture->table, CACHE_FIXTURE_CACHES));
	assert_int_not_equal(cache_handle(&fixture->table, one),
			     cache_handle(&fixture->table, two));
	assert_int_equal(cache_number(&fixture->table, cache_handle(&fixture->table, two)), two);

	config.align = 64;
	assert_int_equal(cache_table_add(&fixture->table, &config, &wide), 0);
	assert_int_equal(cache_target(&fixture->table, wide), wide);
	cache_fixture_reopen(fixture);
	assert_int_equal(cache_target(&fixture->table, three), one);
}

static void test_cache_table_never_merges_with_some(void **state)
{
	struct cache_fixture *fixture = *state;
	struct cache_config like_malloc = cache_fixture_config("like malloc", 64, CACHE_MERGE);
	uint32_t ctor = cache_fixture_add(fixture, "ctor", 100, CACHE_CTOR | CACHE_MERGE);
	uint32_t number = 0;
	uint32_t debug = cache_fixture_add(fixture, "debug", 100, CACHE_DEBUG | CACHE_MERGE);

	assert_int_equal(cache_target(&fixture->table, debug), debug);
	number = cache_fixture_add(fixture, "ctor 2", 100, CACHE_CTOR | CACHE_MERGE);
	assert_int_equal(cache_target(&fixture->table, number), number);
	assert_int_not_equal(number, ctor);
	number = cache_fixture_add(fixture, "debug 2", 100, CACHE_DEBUG | CACHE_MERGE);
	assert_int_equal(cache_target(&fixture->table, number), number);
	number = cache_fixture_add(fixture, "plain", 100, CACHE_MERGE);
	assert_int_equal(cache_target(&fixture->table, number), number);
	like_malloc.align = 64;
	assert_int_equal(cache_table_add(&fixture->table, &like_malloc, &number), 0);
	assert_int_equal(cache_target(&fixture->table, number), number);
	cache_fixture_assert_valid(fixture);
}

static void test_cache_table_keeps_a_cache_until_its_last_name_goes(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0);
	uint32_t two = cache_fixture_add(fixture, "two", 100, CACHE_MERGE);
	uint32_t handle = cache_handle(&fixture->table, one), three;

	assert_false(cache_table_is_last(&fixture->table, one));
	cache_fixture_remove(fixture, one);
	assert_int_equal(fixture->table.records[one].state, CACHE_NAMELESS);
	assert_int_equal(cache_table_find(&fixture->table, "one"), CACHES_MAX);
	assert_int_equal(cache_number(&fixture->table, handle), CACHES_MAX);
	assert_true(cache_has_slabs(&fixture->table, one));
	assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL + 1);

	/* Its name is free for another cache, and it gets further ones through those it has. */
	assert_int_not_equal(cache_fixture_add(fixture, "one", 100, 0), one);
	three = cache_fixture_add(fixture, "three", 100, CACHE_MERGE);
	cache_fixture_reopen(fixture);
	assert_int_equal(cache_target(&fixture->table, two), one);

	cache_fixture_remove(fixture, cache_table_find(&fixture->table, "one"));
	assert_int_equal(cache_target(&fixture->table, three), one);
	assert_false(cache_table_is_last(&fixture->table, two));
	cache_fixture_remove(fixture, three);
	assert_true(cache_table_is_last(&fixture->table, two));
	cache_fixture_remove(fixture, two);
	assert_int_equal(fixture->table.records[one].state, CACHE_FREE);
	assert_false(cache_has_slabs(&fixture->table, one));
	assert_int_equal(cache_table_find(&fixture->table, "two"), CACHES_MAX);
}

static void test_cache_table_forgets_a_name_alone(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t one = cache_fixture_add(fixture, "one", 100, 0);
	uint32_t two = cache_fixture_add(fixture, "two", 100, CACHE_MERGE);

	assert_false(cache_table_is_last(&fixture->table, two));
	cache_fixture_remove(fixture, two);
	assert_int_equal(fixture->table.records[one].state, CACHE_NAMED);
	assert_int_equal(fixture->table.records[two].state, CACHE_FREE);
	assert_true(cache_table_is_last(&fixture->table, one));
	cache_fixture_remove(fixture, one);
	assert_int_equal(fixture->table.records[one].state, CACHE_FREE);
	assert_int_equal(fixture->table.nr_used, CACHE_NR_GENERAL);
}

static void test_cache_table_tells_a_number_from_its_former_self(void **state)
{
	struct cache_fixture *fixture = *state;
	uint32_t number = cache_fixture_add(fixture, "one", 100, 0);
	uint32_t handle = cache_handle(&fixture->table, number);

	assert_int_equal(cache_number(&fixture->table, handle), number);
	assert_int_equal(cache_number(&fixture->table, handle ^ 1u << CACHE_NUMBER_BITS),
			 CACHES_MAX);
	assert_int_equal(cache_number(&fixture->table, UINT32_MAX), CACHES_MAX);
	assert_int_equal(cache_number(&fixture->table, CACHE_FIXTURE_CACHES), CACHES_MAX);
	cache_fixture_remove(fixture, number);
	assert_int_equal(cache_number(&fixture->table, handle), CACHES_MAX);
	cache_fixture_reopen(fixture);
	assert_int_equal(cache_fixture_add(fixture, "one", 100, 0), number);
	assert_int_equal(cache_number(&fixture->table, handle), CACHES_MAX);
	assert_int_equal(cache_number(&fixture->table, cache_handle(&fixture->table, number)),
			 number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cache_table_refuses_impossible_sizes_and_flags,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_can_have_general_caches_alone,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_has_four_general_caches_a_doubling,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_aligns_general_powers_of_two_naturally,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_general_caches_waste_little,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_finds_what_was_made, cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_gives_the_same_cache_to_who_asks_alike,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_refuses_names_and_layouts_that_can_not_be,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_is_full_when_each_record_is_taken,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_merges_what_is_alike_and_may,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_never_merges_with_some,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_keeps_a_cache_until_its_last_name_goes,
				       cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_forgets_a_name_alone, cache_fixture_setup),
		cmocka_unit_test_setup(test_cache_table_tells_a_number_from_its_former_self,
				       cache_fixture_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
