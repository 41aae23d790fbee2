/* SPDX-License-Identifier: MIT */

/* Zones that grow and shrink while blocks are held, granted and freed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/zone_fixture.h"

#define CAPACITY 16384u
#define SLOT 7u
#define OTHER 8u

static const struct word_owner owner = { .slot = SLOT };
static const struct word_owner other = { .slot = OTHER, .mobility = MOBILITY_MOVABLE };

static int setup(void **state)
{
	*state = zone_fixture_of(CAPACITY, CAPACITY, 0);
	return 0;
}

/* Grants single pages until none is left; returns how many, each below the size. */
static uint32_t grant_all(struct zone_fixture *fixture)
{
	uint32_t nr = 0, pfn;

	for (; !zone_alloc(&fixture->zone, 0, owner, &pfn); nr++)
		assert_true(pfn < zone_nr_pages(&fixture->zone));
	return nr;
}

static void test_zone_resize_refuses_impossible_sizes(void **state)
{
	const struct zone_config config = { .nr_pages = 2048,
					    .capacity_pages = 4096,
					    .contiguous_pages = 1024,
					    .max_order = 9,
					    .nr_slots = 1 };
	struct zone_fixture *fixture = zone_fixture_new(&config);
	struct zone *zone = &fixture->zone;

	(void)state;
	assert_int_equal(zone_resize(zone, 0), ZONE_E_RANGE);
	assert_int_equal(zone_resize(zone, 1023), ZONE_E_RANGE);
	assert_int_equal(zone_resize(zone, 4097), ZONE_E_RANGE);
	assert_int_equal(zone_resize(zone, UINT32_MAX), ZONE_E_RANGE);
	assert_int_equal(zone_nr_pages(zone), 2048);
	assert_true(zone_resize_step(zone, 1));
	zone_fixture_resize(fixture, 1024, 1);
	assert_int_equal(zone_nr_free(zone), 1024);
	zone_fixture_resize(fixture, 4096, 1);
	assert_int_equal(zone_nr_free(zone), 4096);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

static void test_zone_grows_in_slices(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(1, 5000, 0);
	struct zone *zone = &fixture->zone;
	uint32_t before = 1, nr_steps = 1;

	(void)state;
	assert_int_equal(zone_capacity(zone), 5000);
	assert_int_equal(zone_max_order(zone), 0);
	assert_int_equal(zone_resize(zone, 4999), 0);
	assert_int_equal(zone_nr_pages(zone), 4999);
	assert_int_equal(zone_nr_free(zone), 1);
	while (!zone_resize_step(zone, 130)) {
		assert_in_range(zone_nr_free(zone) - before, 63, 192);
		before = zone_nr_free(zone);
		zone_fixture_assert_sound(fixture);
		nr_steps++;
	}
	assert_in_range(nr_steps, 20, 40);
	assert_int_equal(zone_max_order(zone), 12);
	assert_int_equal(zone_largest_free(zone), 12);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(grant_all(fixture), 4999);
	zone_fixture_free(fixture);
}

/* What has come into use can be granted before the rest has. */
static void test_zone_grants_new_memory_slice_by_slice(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(64, CAPACITY, 0);

	(void)state;
	assert_int_equal(grant_all(fixture), 64);
	assert_int_equal(zone_resize(&fixture->zone, CAPACITY), 0);
	assert_int_equal(grant_all(fixture), 0);
	assert_false(zone_resize_step(&fixture->zone, 64));
	assert_int_equal(grant_all(fixture), 64);
	assert_false(zone_resize_step(&fixture->zone, 640));
	assert_int_equal(grant_all(fixture), 640);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

static void test_zone_shrinks_in_slices_of_any_size(void **state)
{
	static const uint32_t slices[] = { 1, 63, 64, 65, 1000, CAPACITY, UINT32_MAX };

	(void)state;
	for (unsigned i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
		for (uint32_t size = 1; size < CAPACITY; size = size * 5 + 3) {
			struct zone_fixture *fixture = zone_fixture_of(CAPACITY, CAPACITY, 0);

			zone_fixture_resize(fixture, size, slices[i]);
			assert_int_equal(zone_nr_free(&fixture->zone), size);
			assert_int_equal(zone_nr_draining(&fixture->zone), 0);
			zone_fixture_reopen(fixture);
			assert_int_equal(zone_nr_free(&fixture->zone), size);
			zone_fixture_resize(fixture, CAPACITY, slices[i]);
			assert_int_equal(zone_nr_free(&fixture->zone), CAPACITY);
			assert_int_equal(zone_largest_free(&fixture->zone), 14);
			zone_fixture_assert_sound(fixture);
			zone_fixture_free(fixture);
		}
}

/* How a block that lies across the new end is freed. */
enum way { BY_FREE, BY_BULK, BY_EXACT, BY_RELEASE, NR_WAYS };

static void free_by(struct zone_fixture *fixture, enum way way, uint32_t pfn, unsigned order)
{
	struct zone *zone = &fixture->zone;
	const struct page_run run = { page_address(ZONE_FIXTURE_INDEX, pfn), 1 };
	uint32_t cursor = 0;

	switch (way) {
	case BY_FREE:
		assert_int_equal(zone_free(zone, pfn, order, SLOT), 0);
		break;
	case BY_BULK:
		assert_int_equal(zone_free_bulk(zone, order, SLOT, &run, 1), 0);
		break;
	case BY_EXACT:
		assert_int_equal(zone_free_exact(zone, pfn, UINT32_C(1) << order, SLOT), 0);
		break;
	default:
		while (!zone_release(zone, SLOT, 1000, &cursor))
			;
	}
}

/* A block of the order in the midst of the zone, the only one held. */
static uint32_t grant_in_the_midst(struct zone_fixture *fixture, unsigned order)
{
	uint32_t pfn, cursor = 0;

	do
		pfn = zone_fixture_grant(fixture, order, owner);
	while (pfn < CAPACITY / 2);
	for (uint32_t below = 0; below < pfn; below += UINT32_C(1) << order)
		assert_int_equal(zone_free(&fixture->zone, below, order, SLOT), 0);
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), UINT32_C(1) << order);
	assert_true(zone_release(&fixture->zone, OTHER, 1, &cursor));
	return pfn;
}

static void drain(unsigned order, uint32_t inside, enum way way, bool is_reopened)
{
	struct zone_fixture *fixture = zone_fixture_of(CAPACITY, CAPACITY, 0);
	struct zone *zone = &fixture->zone;
	uint32_t pfn = grant_in_the_midst(fixture, order), size = pfn + inside, again;

	zone_fixture_resize(fixture, size, 300);
	if (is_reopened)
		zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_draining(zone), (UINT32_C(1) << order) - inside);
	assert_int_equal(zone_nr_free(zone), pfn);
	zone_fixture_assert_sound(fixture);
	free_by(fixture, way, pfn, order);
	assert_int_equal(zone_nr_draining(zone), 0);
	assert_int_equal(zone_nr_free(zone), size);
	/* It may be of this order, but does not lie within the size any more. */
	if (zone_alloc(zone, order, owner, &again) == 0) {
		assert_true(again + (UINT32_C(1) << order) <= size);
		assert_int_equal(zone_free(zone, again, order, SLOT), 0);
	}
	zone_fixture_assert_sound(fixture);
	assert_int_equal(grant_all(fixture), size);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

static void test_zone_drains_blocks_of_all_orders(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 13; order++)
		for (unsigned way = 0; way < NR_WAYS; way++) {
			drain(order, 0, way, way % 2);
			if (order == 0)
				continue;
			drain(order, 1, way, way % 2 == 0);
			drain(order, UINT32_C(1) << (order - 1), way, way % 2);
			drain(order, (UINT32_C(1) << order) - 1, way, way % 2 == 0);
		}
}

/* A run of which a part lies beyond the size, and one block across it. */
static void test_zone_drains_runs(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct page_run runs[1] = { { 0 } };
	size_t nr_runs = 0;

	assert_int_equal(zone_alloc_bulk(zone, 3, 64, owner, runs, &nr_runs), 64);
	assert_int_equal(nr_runs, 1);
	zone_fixture_resize(fixture, 100, 64);
	assert_int_equal(zone_nr_draining(zone), 412);
	runs[0].mask &= 0xfffffffff;
	assert_int_equal(zone_free_bulk(zone, 3, SLOT, runs, 1), 0);
	assert_int_equal(zone_nr_free(zone), 100);
	assert_int_equal(zone_nr_draining(zone), 512 - 36 * 8);
	zone_fixture_assert_sound(fixture);
	runs[0].mask = ~runs[0].mask;
	assert_int_equal(zone_free_bulk(zone, 3, SLOT, runs, 1), 0);
	assert_int_equal(zone_nr_draining(zone), 0);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_walks_what_drains(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = grant_in_the_midst(fixture, 4), cursor = 0;
	struct zone_block block;

	zone_fixture_resize(fixture, 100, 1000);
	assert_true(zone_next_block(&fixture->zone, SLOT, CAPACITY, &cursor, &block));
	assert_int_equal(block.pfn, pfn);
	assert_false(zone_next_block(&fixture->zone, SLOT, CAPACITY, &cursor, &block));
	assert_int_equal(cursor, CAPACITY);
}

/* Holes beyond the size stay: they are no one's to free. */
static void test_zone_shrinks_over_holes(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;

	assert_int_equal(zone_mark_hole(zone, 5000, 77), 0);
	zone_fixture_resize(fixture, 5050, 500);
	assert_int_equal(zone_nr_holes(zone), 77);
	assert_int_equal(zone_nr_draining(zone), 27);
	assert_int_equal(zone_nr_free(zone), 5000);
	assert_int_equal(zone_mark_hole(zone, 5050, 1), ZONE_E_RANGE);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_draining(zone), 27);
	zone_fixture_resize(fixture, CAPACITY, 500);
	assert_int_equal(zone_nr_draining(zone), 0);
	assert_int_equal(zone_nr_free(zone), CAPACITY - 77);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_marks_no_holes_that_are_leaving(void **state)
{
	struct zone_fixture *fixture = *state;

	assert_int_equal(zone_resize(&fixture->zone, 1000), 0);
	assert_int_equal(zone_mark_hole(&fixture->zone, 999, 2), ZONE_E_RANGE);
	assert_int_equal(zone_mark_hole(&fixture->zone, 999, 1), 0);
	zone_fixture_assert_sound(fixture);
}

/* Between the order to shrink and its end nothing beyond the size is granted, of any order. */
static void test_zone_grants_nothing_beyond_a_size_to_come(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= 12; order++) {
		struct zone_fixture *fixture = zone_fixture_of(CAPACITY, CAPACITY, 0);
		struct zone *zone = &fixture->zone;
		uint32_t pfn, nr_pages = 0;

		assert_int_equal(zone_resize(zone, 9001), 0);
		assert_false(zone_resize_step(zone, 100));
		while (!zone_alloc(zone, order, order % 2 ? owner : other, &pfn)) {
			nr_pages += UINT32_C(1) << order;
			assert_true(pfn + (UINT32_C(1) << order) <= 9001);
		}
		assert_int_equal(nr_pages, 9001 >> order << order);
		zone_fixture_assert_sound(fixture);
		assert_false(zone_resize_step(zone, 64));
		assert_true(zone_resize_step(zone, CAPACITY));
		zone_fixture_assert_sound(fixture);
		zone_fixture_free(fixture);
	}
}

static void test_zone_grants_no_bulk_and_no_exact_size_beyond(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	static struct page_run runs[CAPACITY];
	size_t nr_runs = 0;
	uint32_t pfn;

	assert_int_equal(zone_resize(zone, 6500), 0);
	assert_int_equal(zone_alloc_exact(zone, 4096, owner, &pfn), 0);
	assert_int_equal(pfn, 0);
	assert_int_equal(zone_alloc_exact(zone, 4000, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc_bulk(zone, 0, CAPACITY, owner, runs, &nr_runs), 2404);
	for (size_t i = 0; i < nr_runs; i++)
		assert_true(page_address_pfn(runs[i].base) + 63 -
				    (unsigned)__builtin_clzll(runs[i].mask) <
			    6500);
	zone_fixture_assert_sound(fixture);
}

/* What was freed last is served first, unless the zone has shrunk below it in between. */
static void test_zone_serves_nothing_warm_beyond_the_size(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = grant_in_the_midst(fixture, 3);

	assert_int_equal(zone_free(zone, pfn, 3, SLOT), 0);
	assert_int_equal(zone_resize(zone, pfn + 4), 0);
	assert_true(zone_fixture_grant(fixture, 3, owner) < pfn);
	while (!zone_resize_step(zone, 64))
		;
	zone_fixture_assert_sound(fixture);
}

/* A zone with something to drain still serves what was freed last: only what drains is apart. */
static void test_zone_stays_warm_while_it_drains(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t first, second;

	grant_in_the_midst(fixture, 12);
	zone_settle(&fixture->zone);
	assert_int_equal(zone_fixture_grant(fixture, 12, other), 12288);
	first = zone_fixture_grant(fixture, 0, owner);
	second = zone_fixture_grant(fixture, 0, owner);
	zone_fixture_resize(fixture, CAPACITY / 2 + 100, 1000);
	assert_int_not_equal(zone_nr_draining(&fixture->zone), 0);
	assert_int_equal(zone_free(&fixture->zone, first, 0, SLOT), 0);
	assert_int_equal(zone_free(&fixture->zone, second, 0, SLOT), 0);
	assert_true(first < second);
	assert_int_equal(zone_fixture_grant(fixture, 0, owner), second);
}

/* Once the block across the size has left, what is below the size is all alike again. */
static void test_zone_is_warm_to_its_end_when_it_has_drained(void **state)
{
	(void)state;
	for (unsigned way = 0; way < NR_WAYS; way++) {
		struct zone_fixture *fixture = zone_fixture_of(CAPACITY, CAPACITY, 0);
		struct zone *zone = &fixture->zone;
		uint32_t across = grant_in_the_midst(fixture, 8), first, second;

		zone_fixture_resize(fixture, across + 128, 1000);
		free_by(fixture, way, across, 8);
		zone_settle(zone);
		do
			first = zone_fixture_grant(fixture, 3, other);
		while (first < across);
		second = zone_fixture_grant(fixture, 3, other);
		assert_int_equal(zone_free(zone, first, 3, OTHER), 0);
		assert_int_equal(zone_free(zone, second, 3, OTHER), 0);
		assert_int_equal(zone_fixture_grant(fixture, 3, other), second);
		zone_fixture_assert_sound(fixture);
		zone_fixture_free(fixture);
	}
}

static void test_zone_turns_back_amid_a_shrink(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = grant_in_the_midst(fixture, 5);

	assert_int_equal(zone_resize(zone, 100), 0);
	assert_false(zone_resize_step(zone, CAPACITY - pfn - 10));
	assert_int_equal(zone_resize(zone, pfn + 7), 0);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_resize(zone, 12000), 0);
	while (!zone_resize_step(zone, 65))
		zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_draining(zone), 0);
	assert_int_equal(zone_nr_free(zone), 12000 - 32);
	assert_int_equal(zone_free(zone, pfn, 5, SLOT), 0);
	zone_fixture_resize(fixture, CAPACITY, 700);
	assert_int_equal(zone_largest_free(zone), 14);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_turns_back_amid_a_growth(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(1000, CAPACITY, 0);
	struct zone *zone = &fixture->zone;

	(void)state;
	assert_int_equal(zone_resize(zone, CAPACITY), 0);
	assert_false(zone_resize_step(zone, 5000));
	zone_fixture_grant(fixture, 11, owner);
	assert_int_equal(zone_resize(zone, 2100), 0);
	while (!zone_resize_step(zone, 65))
		zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_free(zone) + 2048, 2100 + zone_nr_draining(zone));
	zone_fixture_assert_sound(fixture);
	/* Back before the edge has come as far. */
	assert_int_equal(zone_resize(zone, 9000), 0);
	assert_false(zone_resize_step(zone, 64));
	assert_int_equal(zone_resize(zone, 8000), 0);
	while (!zone_resize_step(zone, 1))
		;
	assert_int_equal(zone_nr_free(zone), 8000 - 2048);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

/* The next daemon has the new size at once, wherever the resize was. */
static void test_zone_open_ends_a_resize(void **state)
{
	for (uint32_t nr_steps = 0; nr_steps < 130; nr_steps += 13) {
		struct zone_fixture *fixture = zone_fixture_of(CAPACITY, CAPACITY, 0);
		struct zone *zone = &fixture->zone;
		uint32_t pfn = grant_in_the_midst(fixture, 6);

		assert_int_equal(zone_resize(zone, pfn + 30), 0);
		for (uint32_t i = 0; i < nr_steps; i++)
			zone_resize_step(zone, 64);
		zone_fixture_reopen(fixture);
		assert_true(zone_resize_step(zone, 1));
		assert_int_equal(zone_nr_draining(zone), 34);
		assert_int_equal(zone_nr_free(zone), pfn);
		assert_int_equal(zone_resize(zone, CAPACITY), 0);
		for (uint32_t i = 0; i < nr_steps; i++)
			zone_resize_step(zone, 64);
		zone_fixture_reopen(fixture);
		assert_true(zone_resize_step(zone, 1));
		assert_int_equal(zone_nr_draining(zone), 0);
		assert_int_equal(zone_nr_free(zone), CAPACITY - 64);
		zone_fixture_free(fixture);
	}
	(void)state;
}

#define size_test(name) cmocka_unit_test_setup_teardown(name, setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone_resize_refuses_impossible_sizes),
		cmocka_unit_test(test_zone_grows_in_slices),
		cmocka_unit_test(test_zone_grants_new_memory_slice_by_slice),
		cmocka_unit_test(test_zone_shrinks_in_slices_of_any_size),
		cmocka_unit_test(test_zone_drains_blocks_of_all_orders),
		size_test(test_zone_drains_runs),
		size_test(test_zone_walks_what_drains),
		size_test(test_zone_shrinks_over_holes),
		size_test(test_zone_marks_no_holes_that_are_leaving),
		cmocka_unit_test(test_zone_grants_nothing_beyond_a_size_to_come),
		size_test(test_zone_grants_no_bulk_and_no_exact_size_beyond),
		size_test(test_zone_serves_nothing_warm_beyond_the_size),
		size_test(test_zone_stays_warm_while_it_drains),
		cmocka_unit_test(test_zone_is_warm_to_its_end_when_it_has_drained),
		size_test(test_zone_turns_back_amid_a_shrink),
		cmocka_unit_test(test_zone_turns_back_amid_a_growth),
		cmocka_unit_test(test_zone_open_ends_a_resize),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
