/* SPDX-License-Identifier: MIT */

/* The contiguous area: who may have some of it, and what it would take to have it back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/zone_fixture.h"

#define NR_PAGES 8192u
#define CONTIGUOUS 4096u
#define SLOT 7u

static const struct word_owner unmovable = { .slot = SLOT };
static const struct word_owner movable = { .slot = SLOT, .mobility = MOBILITY_MOVABLE };
static const struct word_owner reclaimable = { .slot = SLOT, .mobility = MOBILITY_RECLAIMABLE };

static int setup(void **state)
{
	*state = zone_fixture_of(NR_PAGES, 0, CONTIGUOUS);
	return 0;
}

static uint32_t grant_all(struct zone_fixture *fixture, unsigned order, struct word_owner owner,
			  uint32_t lowest)
{
	uint32_t nr = 0, pfn;

	for (; !zone_alloc(&fixture->zone, order, owner, &pfn); nr++)
		assert_true(pfn >= lowest);
	return nr;
}

static void test_zone_lends_nothing_contiguous_to_the_unmovable(void **state)
{
	for (unsigned order = 0; order < 9; order++) {
		struct zone_fixture *fixture = zone_fixture_of(NR_PAGES, 0, CONTIGUOUS);

		assert_int_equal(grant_all(fixture, order, unmovable, CONTIGUOUS),
				 (NR_PAGES - CONTIGUOUS) >> order);
		assert_int_equal(zone_nr_contiguous_free(&fixture->zone), CONTIGUOUS);
		zone_fixture_assert_sound(fixture);
		zone_fixture_free(fixture);
	}
	(void)state;
}

static void test_zone_lends_contiguous_pages_to_what_can_go(void **state)
{
	struct zone_fixture *fixture = *state;
	static struct page_run runs[NR_PAGES];
	size_t nr_runs = 0;
	uint32_t pfn;

	assert_int_equal(grant_all(fixture, 1, movable, 0), NR_PAGES / 2);
	assert_int_equal(zone_nr_contiguous_free(&fixture->zone), 0);
	for (pfn = 0; pfn < NR_PAGES; pfn += 2)
		assert_int_equal(zone_free(&fixture->zone, pfn, 1, SLOT), 0);
	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, NR_PAGES, reclaimable, runs, &nr_runs),
			 NR_PAGES);
	zone_fixture_assert_sound(fixture);
}

/* The area is used as long as more of it is free than of the rest. */
static void test_zone_fills_both_parts_alike(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t nr_general;

	for (unsigned i = 0; i < 2048; i++)
		zone_fixture_grant(fixture, 0, movable);
	zone_settle(&fixture->zone);
	nr_general = zone_nr_free(&fixture->zone) - zone_nr_contiguous_free(&fixture->zone);
	assert_in_range(nr_general, 3072 - 64, 3072 + 64);
}

static void test_zone_serves_large_unmovable_blocks_from_the_area(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn;

	assert_int_equal(zone_fixture_grant(fixture, 12, unmovable), CONTIGUOUS);
	assert_int_equal(zone_fixture_grant(fixture, 11, unmovable), 0);
	assert_int_equal(zone_alloc_exact(zone, 1536, unmovable, &pfn), 0);
	assert_int_equal(pfn, 2048);
	assert_int_equal(zone_nr_contiguous_free(zone), 512);
	assert_int_equal(zone_alloc(zone, 0, unmovable, &pfn), ZONE_E_FULL);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_free(zone, 0, 11, SLOT), 0);
	assert_int_equal(zone_free_exact(zone, 2048, 1536, SLOT), 0);
	assert_int_equal(zone_alloc(zone, 0, unmovable, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_largest_free(zone), 12);
}

/* An exact size is several blocks, and the smaller ones would be in the way for good. */
static void test_zone_serves_no_unmovable_exact_sizes_in_parts(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn;

	assert_int_equal(zone_alloc_exact(zone, 700, unmovable, &pfn), 0);
	assert_true(pfn >= CONTIGUOUS);
	assert_int_equal(zone_free_exact(zone, pfn, 700, SLOT), 0);
	grant_all(fixture, 9, reclaimable, 0);
	assert_int_equal(zone_free(zone, 512, 9, SLOT), 0);
	zone_settle(zone);
	assert_int_equal(zone_alloc_exact(zone, 300, unmovable, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc_exact(zone, 300, movable, &pfn), 0);
	assert_int_equal(pfn, 512);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_merges_nothing_over_the_end_of_the_area(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(4096, 0, 1536);
	struct zone *zone = &fixture->zone;
	uint32_t pfn;

	(void)state;
	assert_int_equal(zone_largest_free(zone), 11);
	assert_int_equal(zone_fixture_grant(fixture, 11, unmovable), 2048);
	assert_int_equal(zone_fixture_grant(fixture, 10, unmovable), 0);
	assert_int_equal(zone_alloc(zone, 10, movable, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_nr_free(zone), 1024);
	assert_int_equal(zone_mark_hole(zone, 1500, 100), 0);
	assert_int_equal(zone_nr_contiguous_free(zone), 476);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_contiguous_free(zone), 476);
	zone_fixture_free(fixture);
}

/* A client may name in one run what lies in both parts. */
static void test_zone_frees_runs_over_the_end_of_the_area(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= 10; order++) {
		struct zone_fixture *fixture = zone_fixture_of(NR_PAGES, 0, CONTIGUOUS);
		struct zone *zone = &fixture->zone;
		uint32_t size = UINT32_C(1) << order, nr;
		struct page_run run = { page_address(5, CONTIGUOUS - 3 * size), 0x3f };

		if (order > 9)
			run = (struct page_run){ page_address(5, CONTIGUOUS - 2 * size), 0xf };
		nr = (uint32_t)__builtin_popcountll(run.mask);
		assert_int_equal(grant_all(fixture, order, movable, 0), NR_PAGES >> order);
		assert_int_equal(zone_free_bulk(zone, order, SLOT, &run, 1), 0);
		assert_int_equal(zone_nr_free(zone), nr * size);
		assert_int_equal(zone_nr_contiguous_free(zone), nr / 2 * size);
		zone_fixture_assert_sound(fixture);
		zone_fixture_free(fixture);
	}
}

static void test_zone_frees_runs_over_the_end_of_an_odd_area(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(NR_PAGES, 0, 512);
	struct page_run run = { page_address(5, 0), 0x1e };

	(void)state;
	while (zone_alloc(&fixture->zone, 10, movable, &(uint32_t){ 0 }) == 0)
		;
	assert_int_equal(zone_nr_free(&fixture->zone), 1024);
	assert_int_equal(zone_free_bulk(&fixture->zone, 10, SLOT, &run, 1), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), 5 * 1024);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

/* Plans. */

static void assert_plan(struct zone_fixture *fixture, unsigned order, uint32_t pfn,
			uint32_t nr_blocks, uint32_t nr_pages)
{
	struct zone_plan plan;

	assert_int_equal(zone_plan_contiguous(&fixture->zone, order, &plan), 0);
	assert_int_equal(plan.pfn, pfn);
	assert_int_equal(plan.order, order);
	assert_int_equal(plan.nr_blocks, nr_blocks);
	assert_int_equal(plan.nr_pages, nr_pages);
}

/* All that is left, page by page. */
static void grant_rest(struct zone_fixture *fixture)
{
	grant_all(fixture, 0, movable, 0);
}

static void free_pages(struct zone_fixture *fixture, uint32_t pfn, uint32_t nr_pages)
{
	for (uint32_t i = 0; i < nr_pages; i++)
		assert_int_equal(zone_free(&fixture->zone, pfn + i, 0, SLOT), 0);
}

static void test_zone_plans_nothing_in_a_free_area(void **state)
{
	struct zone_fixture *fixture = *state;

	for (unsigned order = 9; order <= 12; order++)
		assert_plan(fixture, order, 0, 0, 0);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_plans_no_impossible_orders(void **state)
{
	struct zone_fixture *none = zone_fixture_of(NR_PAGES, 0, 0),
			    *small = zone_fixture_of(NR_PAGES, 0, 1536);
	struct zone_fixture *fixture = *state;
	struct zone_plan plan = { .pfn = 77 };

	assert_int_equal(zone_plan_contiguous(&fixture->zone, 8, &plan), ZONE_E_FULL);
	assert_int_equal(zone_plan_contiguous(&fixture->zone, 13, &plan), ZONE_E_FULL);
	assert_int_equal(zone_plan_contiguous(&fixture->zone, 19, &plan), ZONE_E_FULL);
	assert_int_equal(zone_plan_contiguous(&fixture->zone, UINT32_MAX, &plan), ZONE_E_FULL);
	assert_int_equal(zone_plan_contiguous(&none->zone, 9, &plan), ZONE_E_FULL);
	assert_int_equal(zone_plan_contiguous(&small->zone, 11, &plan), ZONE_E_FULL);
	assert_int_equal(plan.pfn, 77);
	zone_fixture_free(none);
	zone_fixture_free(small);
}

static void test_zone_plans_the_cheapest_place(void **state)
{
	struct zone_fixture *fixture = *state;

	grant_rest(fixture);
	free_pages(fixture, 3 * 512 + 10, 100);
	free_pages(fixture, 5 * 512 + 100, 101);
	assert_plan(fixture, 9, 5 * 512, 411, 411);
	assert_plan(fixture, 10, 2 * 1024, 923, 923);
	assert_plan(fixture, 12, 0, 4096 - 201, 4096 - 201);
	free_pages(fixture, 512, 512);
	assert_plan(fixture, 9, 512, 0, 0);
	assert_plan(fixture, 10, 0, 512, 512);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_plans_around_what_stays(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct zone_plan plan;

	/* The rest of the zone, so that what follows comes from the area. */
	assert_int_equal(zone_fixture_grant(fixture, 12, unmovable), CONTIGUOUS);
	assert_int_equal(zone_fixture_grant(fixture, 10, unmovable), 0);
	assert_int_equal(zone_fixture_grant(fixture, 9, unmovable), 1024);
	assert_int_equal(zone_mark_hole(zone, 4095, 1), 0);
	grant_rest(fixture);
	assert_plan(fixture, 9, 1536, 512, 512);
	assert_plan(fixture, 10, 2048, 1024, 1024);
	assert_int_equal(zone_plan_contiguous(zone, 11, &plan), ZONE_E_FULL);
	assert_int_equal(zone_free(zone, 0, 10, SLOT), 0);
	assert_plan(fixture, 9, 0, 0, 0);
	assert_plan(fixture, 10, 0, 0, 0);
	assert_int_equal(zone_plan_contiguous(zone, 11, &plan), ZONE_E_FULL);
	assert_int_equal(zone_free(zone, 1024, 9, SLOT), 0);
	assert_plan(fixture, 11, 0, 512, 512);
}

/* A larger block must go as a whole, and is found at its head. */
static void test_zone_plans_what_larger_blocks_cost(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct zone_block block;
	uint32_t cursor;

	assert_int_equal(zone_fixture_grant(fixture, 12, unmovable), CONTIGUOUS);
	assert_int_equal(zone_fixture_grant(fixture, 11, movable), 0);
	grant_rest(fixture);
	assert_plan(fixture, 9, 2048, 512, 512);
	assert_plan(fixture, 11, 0, 1, 2048);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_mark_hole(zone, 2048, 1), ZONE_E_NOT_HEAD);
	for (uint32_t pfn = 2048; pfn < CONTIGUOUS; pfn += 512) {
		assert_int_equal(zone_free(zone, pfn, 0, SLOT), 0);
		assert_int_equal(zone_mark_hole(zone, pfn, 1), 0);
	}
	assert_plan(fixture, 9, 0, 1, 2048);
	cursor = 0;
	assert_true(zone_next_block(zone, -1, 512, &cursor, &block));
	assert_int_equal(block.order, 11);
}

static void test_zone_counts_the_area_apart(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone_counts counts;
	uint32_t cursor = 0, nr_calls = 1;

	zone_fixture_grant(fixture, 9, unmovable);
	zone_fixture_grant(fixture, 0, unmovable);
	while (!zone_count_free(&fixture->zone, 1000, &cursor, &counts))
		nr_calls++;
	assert_true(nr_calls > 5);
	assert_int_equal(counts.groups[ZONE_GROUP_CONTIGUOUS].nr_pageblocks, 8);
	assert_int_equal(counts.groups[ZONE_GROUP_CONTIGUOUS].free_blocks[12], 1);
	assert_int_equal(counts.groups[ZONE_GROUP_UNMOVABLE].nr_pageblocks, 1);
	assert_int_equal(counts.groups[ZONE_GROUP_HELD].nr_pageblocks, 1);
	assert_int_equal(counts.groups[ZONE_GROUP_FREE].nr_pageblocks, 6);
	assert_int_equal(counts.free_blocks[12], 1);
	assert_int_equal(counts.free_blocks[0], 1);
}

#define contiguous_test(name) cmocka_unit_test_setup_teardown(name, setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone_lends_nothing_contiguous_to_the_unmovable),
		contiguous_test(test_zone_lends_contiguous_pages_to_what_can_go),
		contiguous_test(test_zone_fills_both_parts_alike),
		contiguous_test(test_zone_serves_large_unmovable_blocks_from_the_area),
		contiguous_test(test_zone_serves_no_unmovable_exact_sizes_in_parts),
		cmocka_unit_test(test_zone_merges_nothing_over_the_end_of_the_area),
		cmocka_unit_test(test_zone_frees_runs_over_the_end_of_the_area),
		cmocka_unit_test(test_zone_frees_runs_over_the_end_of_an_odd_area),
		contiguous_test(test_zone_plans_nothing_in_a_free_area),
		contiguous_test(test_zone_plans_no_impossible_orders),
		contiguous_test(test_zone_plans_the_cheapest_place),
		contiguous_test(test_zone_plans_around_what_stays),
		contiguous_test(test_zone_plans_what_larger_blocks_cost),
		contiguous_test(test_zone_counts_the_area_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
