/* SPDX-License-Identifier: MIT */

/* Zones: what is granted and to whom, and what may be freed and what not. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/zone_fixture.h"

#define NR_PAGES ZONE_FIXTURE_PAGES
#define SLOT 7u
#define OTHER 8u

static const struct word_owner owner = { .slot = SLOT, .tag = 0x2bc };
static const struct word_owner other = { .slot = OTHER, .tag = 1 };

static void assert_refused(const struct zone_config *config)
{
	struct zone zone;

	assert_int_equal(zone_open(&zone, config, NULL, NULL, NULL), -EINVAL);
}

static void test_zone_refuses_impossible_shapes(void **state)
{
	const struct zone_config good = { .nr_pages = 1, .nr_slots = 1 };
	struct zone_config bad;

	(void)state;
	bad = good;
	bad.nr_pages = 0;
	assert_refused(&bad);
	bad.nr_pages = ZONE_PAGES_MAX + 1;
	assert_refused(&bad);
	bad = good;
	bad.max_order = PAGE_ORDER_MAX + 1;
	assert_refused(&bad);
	bad = good;
	bad.nr_slots = 0;
	assert_refused(&bad);
	bad.nr_slots = WORD_NR_SLOTS + 1;
	assert_refused(&bad);
	bad = good;
	bad.index = 256;
	assert_refused(&bad);
	bad = good;
	bad.nr_pages = 2;
	bad.capacity_pages = 1;
	assert_refused(&bad);
	bad.capacity_pages = ZONE_PAGES_MAX + 1;
	assert_refused(&bad);
	bad = good;
	bad.nr_pages = bad.contiguous_pages = 511;
	assert_refused(&bad);
	bad.contiguous_pages = 512;
	assert_refused(&bad);
}

static void test_zone_needs_little_metadata(void **state)
{
	const struct zone_config config = { .nr_pages = 16u << 20,
					    .max_order = 18,
					    .nr_slots = WORD_NR_SLOTS };
	size_t size_bytes = zone_ledger_bytes(&config) + zone_index_bytes(&config);

	(void)state;
	assert_int_equal(zone_ledger_bytes(&config) % 64, 0);
	assert_int_equal(zone_index_bytes(&config) % 64, 0);
	assert_true(size_bytes * 10 <= (size_t)config.nr_pages * 42);
}

static void test_zone_writes_the_word_it_promises(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = zone_fixture_grant(fixture, 3, owner);

	assert_int_equal(pfn, 0);
	assert_int_equal(fixture->words[pfn], word_make(WORD_PAGE, owner, 3));
	assert_int_equal(word_tag(fixture->words[pfn]), 0x2bc);
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(fixture->words[pfn + i], 0);
	assert_int_equal(zone_free(&fixture->zone, pfn, 3, SLOT), 0);
	assert_int_equal(fixture->words[pfn], 0);
}

static void test_zone_counts_what_happens(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	const struct zone_counters *counters = zone_counters(zone);
	uint32_t pfn = zone_fixture_grant(fixture, 0, owner);

	zone_fixture_grant(fixture, 4, owner);
	assert_int_equal(zone_alloc(zone, 13, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_free(zone, pfn, 0, SLOT), 0);
	assert_int_equal(zone_free(zone, pfn, 0, SLOT), ZONE_E_NOT_HEAD);
	assert_int_equal(counters->allocs, 17);
	assert_int_equal(counters->frees, 1);
	assert_int_equal(counters->failures, 1);
	assert_int_equal(counters->released, 0);
	assert_int_equal(zone_held_pages(zone, SLOT), 16);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 16);
}

static void test_zone_fills_to_the_last_page_and_merges_back(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = 12345;

	for (uint32_t i = 0; i < NR_PAGES; i++)
		assert_int_equal(zone_fixture_grant(fixture, 0, owner), i);
	assert_int_equal(zone_alloc(zone, 0, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(pfn, 12345);
	assert_int_equal(zone_largest_free(zone), -1);
	zone_fixture_assert_sound(fixture);
	/* Every third, round and round: 3 and 4096 have no factor in common. */
	for (uint32_t i = 0, at = 0; i < NR_PAGES; i++, at = (at + 3) % NR_PAGES)
		assert_int_equal(zone_free(zone, at, 0, SLOT), 0);
	zone_fixture_assert_all_free(fixture);
}

static void test_zone_serves_what_was_freed_last(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	const struct word_owner movable = { .slot = SLOT, .mobility = MOBILITY_MOVABLE };
	uint32_t pfns[4];

	for (unsigned order = 0; order < 7; order++) {
		for (unsigned i = 0; i < 4; i++)
			pfns[i] = zone_fixture_grant(fixture, order, owner);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(zone_free(zone, pfns[i], order, SLOT), 0);
		/* Not to whom it is of no use: of another order, or of another mobility. */
		assert_int_not_equal(zone_fixture_grant(fixture, order, movable), pfns[3]);
		for (unsigned i = 4; i-- > 0;)
			assert_int_equal(zone_fixture_grant(fixture, order, owner), pfns[i]);
		zone_fixture_assert_sound(fixture);
	}
}

/* What is kept for the next request is not kept from others: large blocks are made of it. */
static void test_zone_merges_what_was_freed_when_it_must(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;

	for (unsigned order = 0; order < 12; order++) {
		uint32_t first = zone_fixture_grant(fixture, order, owner);
		uint32_t second = zone_fixture_grant(fixture, order, other);

		assert_int_equal(zone_free(zone, first, order, SLOT), 0);
		assert_int_equal(zone_free(zone, second, order, OTHER), 0);
		first = zone_fixture_grant(fixture, 12, owner);
		assert_int_equal(zone_free(zone, first, 12, SLOT), 0);
	}
	zone_fixture_assert_all_free(fixture);
}

static void test_zone_keeps_large_blocks_whole(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;

	for (uint32_t i = 0; i < NR_PAGES; i++)
		zone_fixture_grant(fixture, 0, owner);
	assert_int_equal(zone_mark_hole(zone, 0, 1), ZONE_E_NOT_HEAD);
	for (uint32_t pfn = 1024; pfn < 1024 + 256; pfn++)
		assert_int_equal(zone_free(zone, pfn, 0, SLOT), 0);
	for (uint32_t pfn = 3072; pfn < 3072 + 16; pfn++)
		assert_int_equal(zone_free(zone, pfn, 0, SLOT), 0);
	for (uint32_t pfn = 3200; pfn < 3200 + 8; pfn++)
		assert_int_equal(zone_free(zone, pfn, 0, SLOT), 0);
	zone_settle(zone);
	/* The smallest block that is large enough, not the lowest of all. */
	assert_int_equal(zone_fixture_grant(fixture, 3, owner), 3200);
	assert_int_equal(zone_fixture_grant(fixture, 4, owner), 3072);
	assert_int_equal(zone_fixture_grant(fixture, 5, owner), 1024);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_holds_what_leaves_until_it_has_left(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct page_run runs[1] = { { 0 } };
	size_t nr_runs = 0;
	uint32_t word;

	assert_int_equal(zone_alloc_bulk(zone, 1, 10, owner, runs, &nr_runs), 10);
	word = fixture->words[2];
	assert_int_equal(zone_leave(zone, 1, SLOT, runs), 0);
	assert_int_equal(zone_held_pages(zone, SLOT), 20);
	assert_int_equal(zone_leave(zone, 1, SLOT, runs), ZONE_E_TWICE);
	assert_int_equal(zone_free(zone, 2, 1, SLOT), ZONE_E_TWICE);
	zone_leave_cancel(zone, 1, runs);
	assert_int_equal(fixture->words[2], word);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_leave(zone, 1, SLOT, runs), 0);
	zone_leave_finish(zone, 1, SLOT, runs);
	zone_fixture_assert_all_free(fixture);
}

static void test_zone_refuses_each_wrong_free(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = zone_fixture_grant(fixture, 4, owner), foreign;

	assert_int_equal(zone_alloc(zone, 4, other, &foreign), 0);
	assert_int_equal(zone_mark_hole(zone, 1024, 16), 0);
	assert_int_equal(zone_free(zone, NR_PAGES, 0, SLOT), ZONE_E_RANGE);
	assert_int_equal(zone_free(zone, UINT32_MAX, 0, SLOT), ZONE_E_RANGE);
	assert_int_equal(zone_free(zone, NR_PAGES - 8, 4, SLOT), ZONE_E_RANGE);
	assert_int_equal(zone_free(zone, pfn + 8, 4, SLOT), ZONE_E_ALIGN);
	assert_int_equal(zone_free(zone, pfn, 13, SLOT), ZONE_E_ALIGN);
	assert_int_equal(zone_free(zone, pfn, UINT32_MAX, SLOT), ZONE_E_ALIGN);
	assert_int_equal(zone_free(zone, pfn + 4, 2, SLOT), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_free(zone, 2048, 0, SLOT), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_free(zone, pfn, 3, SLOT), ZONE_E_ORDER);
	assert_int_equal(zone_free(zone, pfn, 5, SLOT), ZONE_E_ORDER);
	assert_int_equal(zone_free(zone, foreign, 4, SLOT), ZONE_E_NOT_HELD);
	assert_int_equal(zone_free(zone, 1024, 4, WORD_SLOT_DAEMON), ZONE_E_NOT_HELD);
	assert_int_equal(zone_held_pages(zone, SLOT), 16);
	assert_int_equal(zone_held_pages(zone, OTHER), 16);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_free(zone, pfn, 4, SLOT), 0);
	assert_int_equal(zone_free(zone, foreign, 4, OTHER), 0);
}

static void test_zone_refuses_orders_it_has_not(void **state)
{
	const struct zone_config config = { .nr_pages = NR_PAGES, .max_order = 5, .nr_slots = 16 };
	struct zone_fixture *fixture = zone_fixture_new(&config);
	uint32_t pfn;

	(void)state;
	assert_int_equal(zone_max_order(&fixture->zone), 5);
	assert_int_equal(zone_alloc(&fixture->zone, 6, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc(&fixture->zone, UINT32_MAX, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc_exact(&fixture->zone, 33, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc_exact(&fixture->zone, 0, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc_bulk(&fixture->zone, 6, 1, owner, NULL, &(size_t){ 0 }), 0);
	assert_int_equal(zone_counters(&fixture->zone)->failures, 5);
	zone_fixture_free(fixture);
}

static void test_zone_grants_bulk_as_runs(void **state)
{
	struct zone_fixture *fixture = *state;
	struct page_run runs[100] = { { .base = 42 } };
	size_t nr_runs = 1;

	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, 100, owner, runs, &nr_runs), 100);
	assert_int_equal(nr_runs, 3);
	assert_int_equal(runs[0].base, 42);
	assert_int_equal(runs[1].base, page_address(ZONE_FIXTURE_INDEX, 0));
	assert_true(runs[1].mask == UINT64_MAX);
	assert_int_equal(runs[2].base, page_address(ZONE_FIXTURE_INDEX, 64));
	assert_true(runs[2].mask == (UINT64_C(1) << 36) - 1);
	assert_int_equal(fixture->words[99], word_make(WORD_PAGE, owner, 0));
	assert_int_equal(fixture->words[100], 0);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_free_bulk(&fixture->zone, 0, SLOT, runs + 1, 2), 0);
	zone_fixture_assert_all_free(fixture);
}

static void test_zone_grants_bulk_of_blocks(void **state)
{
	struct zone_fixture *fixture = *state;
	struct page_run runs[600];
	size_t nr_runs = 0;

	assert_int_equal(zone_alloc_bulk(&fixture->zone, 3, 600, owner, runs, &nr_runs), 512);
	assert_int_equal(nr_runs, 8);
	for (size_t i = 0; i < nr_runs; i++) {
		assert_int_equal(runs[i].base, page_address(ZONE_FIXTURE_INDEX, (uint32_t)i * 512));
		assert_true(runs[i].mask == UINT64_MAX);
	}
	assert_int_equal(zone_counters(&fixture->zone)->failures, 1);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_free_bulk(&fixture->zone, 3, SLOT, runs, nr_runs), 0);
	zone_fixture_assert_all_free(fixture);
}

static void test_zone_frees_all_of_a_batch_or_nothing(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	const uint64_t base = page_address(ZONE_FIXTURE_INDEX, 0);
	struct page_run runs[3] = { { base, 0xff }, { base + 16, 0x3 }, { 0 } };
	size_t nr_runs = 0;
	struct page_run granted[40];

	assert_int_equal(zone_alloc_bulk(zone, 0, 40, owner, granted, &nr_runs), 40);
	runs[2] = (struct page_run){ base + 3, 1 };
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 3), ZONE_E_TWICE);
	runs[2] = (struct page_run){ base + 32, 0xfff };
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 3), ZONE_E_NOT_HEAD);
	runs[2] = (struct page_run){ page_address(ZONE_FIXTURE_INDEX + 1, 32), 1 };
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 3), ZONE_E_RANGE);
	runs[2] = (struct page_run){ base + NR_PAGES - 1, 3 };
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 3), ZONE_E_RANGE);
	runs[2] = (struct page_run){ base + (UINT64_C(1) << 43), 1 };
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 3), ZONE_E_RANGE);
	assert_int_equal(zone_free_bulk(zone, 0, OTHER, runs, 1), ZONE_E_NOT_HELD);
	assert_int_equal(zone_free_bulk(zone, 1, SLOT, runs, 1), ZONE_E_ORDER);
	assert_int_equal(zone_free_bulk(zone, 1, SLOT, &runs[2], 1), ZONE_E_RANGE);
	runs[2] = (struct page_run){ base + 33, 1 };
	assert_int_equal(zone_free_bulk(zone, 1, SLOT, &runs[2], 1), ZONE_E_ALIGN);
	assert_int_equal(zone_held_pages(zone, SLOT), 40);
	zone_fixture_assert_sound(fixture); /* no mark was left */
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 3), 0);
	assert_int_equal(zone_held_pages(zone, SLOT), 40 - 11);
	zone_fixture_assert_sound(fixture);
	runs[0].mask = 0;
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 1), 0);
}

static void test_zone_grants_exact_sizes(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn;

	zone_fixture_grant(fixture, 0, owner);
	zone_settle(zone);
	assert_int_equal(zone_alloc_exact(zone, 11, owner, &pfn), 0);
	assert_int_equal(pfn, 16);
	assert_int_equal(fixture->words[16], word_make(WORD_PAGE, owner, 3));
	assert_int_equal(fixture->words[24], word_make(WORD_PAGE, owner, 1));
	assert_int_equal(fixture->words[26], word_make(WORD_PAGE, owner, 0));
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 12);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_fixture_grant(fixture, 0, owner), 1);
	assert_int_equal(zone_free_exact(zone, 16, 12, SLOT), ZONE_E_ORDER);
	assert_int_equal(zone_free_exact(zone, 16, 13, SLOT), ZONE_E_ORDER);
	assert_int_equal(zone_free_exact(zone, 24, 3, SLOT), 0);
	assert_int_equal(zone_free_exact(zone, 16, 11, SLOT), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_free_exact(zone, 18, 5, SLOT), ZONE_E_ALIGN);
	assert_int_equal(zone_free_exact(zone, 16, 0, SLOT), ZONE_E_RANGE);
	assert_int_equal(zone_free_exact(zone, NR_PAGES, 1, SLOT), ZONE_E_RANGE);
	assert_int_equal(zone_free_exact(zone, 16, UINT32_MAX, SLOT), ZONE_E_RANGE);
	assert_int_equal(zone_free_exact(zone, 16, 8, OTHER), ZONE_E_NOT_HELD);
	assert_int_equal(zone_free_exact(zone, 16, 8, SLOT), 0);
	assert_int_equal(zone_alloc_exact(zone, NR_PAGES, owner, &pfn), ZONE_E_FULL);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_never_hands_out_holes(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn, taken = zone_fixture_grant(fixture, 0, owner), nr = 0;

	assert_int_equal(zone_mark_hole(zone, 100, 1000), 0);
	assert_int_equal(zone_nr_holes(zone), 1000);
	assert_int_equal(zone_mark_hole(zone, 1099, 2), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_mark_hole(zone, taken, 1), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_mark_hole(zone, 5, 0), ZONE_E_RANGE);
	assert_int_equal(zone_mark_hole(zone, NR_PAGES, 1), ZONE_E_RANGE);
	assert_int_equal(zone_mark_hole(zone, NR_PAGES - 1, 2), ZONE_E_RANGE);
	assert_int_equal(zone_mark_hole(zone, 5, UINT32_MAX), ZONE_E_RANGE);
	zone_fixture_assert_sound(fixture);
	while (!zone_alloc(zone, 0, owner, &pfn)) {
		assert_false(pfn >= 100 && pfn < 1100);
		nr++;
	}
	assert_int_equal(nr, NR_PAGES - 1001);
	assert_int_equal(zone_held_pages(zone, WORD_SLOT_DAEMON), 0);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_marks_everything_a_hole(void **state)
{
	struct zone_fixture *fixture = *state;

	assert_int_equal(zone_mark_hole(&fixture->zone, 0, NR_PAGES), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), 0);
	assert_int_equal(zone_largest_free(&fixture->zone), -1);
	zone_fixture_assert_sound(fixture);
}

#define zone_test(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, zone_fixture_setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone_refuses_impossible_shapes),
		cmocka_unit_test(test_zone_needs_little_metadata),
		zone_test(test_zone_writes_the_word_it_promises),
		zone_test(test_zone_counts_what_happens),
		zone_test(test_zone_fills_to_the_last_page_and_merges_back),
		zone_test(test_zone_serves_what_was_freed_last),
		zone_test(test_zone_merges_what_was_freed_when_it_must),
		zone_test(test_zone_keeps_large_blocks_whole),
		zone_test(test_zone_holds_what_leaves_until_it_has_left),
		zone_test(test_zone_refuses_each_wrong_free),
		cmocka_unit_test(test_zone_refuses_orders_it_has_not),
		zone_test(test_zone_grants_bulk_as_runs),
		zone_test(test_zone_grants_bulk_of_blocks),
		zone_test(test_zone_frees_all_of_a_batch_or_nothing),
		zone_test(test_zone_grants_exact_sizes),
		zone_test(test_zone_never_hands_out_holes),
		zone_test(test_zone_marks_everything_a_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
