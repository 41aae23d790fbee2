/* SPDX-License-Identifier: MIT */

/* Opening a zone: what a next daemon finds again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "support/zone_fixture.h"

#define NR_PAGES 8192u
#define CONTIGUOUS 1024u
#define SLOT 7u
#define OTHER 8u

static const struct word_owner owner = { .slot = SLOT, .tag = 0x2bc };
static const struct word_owner movable = { .slot = OTHER, .tag = 1, .mobility = MOBILITY_MOVABLE };
static const struct word_owner reclaimable = { .slot = OTHER,
					       .tag = WORD_NR_TAGS - 1,
					       .mobility = MOBILITY_RECLAIMABLE };

static int setup(void **state)
{
	*state = zone_fixture_of(NR_PAGES, 0, 0);
	return 0;
}

static int setup_contiguous(void **state)
{
	*state = zone_fixture_of(NR_PAGES - 1000, NR_PAGES, CONTIGUOUS);
	return 0;
}

static void test_zone_open_finds_a_fresh_zone_free(void **state)
{
	struct zone_fixture *fixture = *state;

	assert_int_equal(zone_nr_free(&fixture->zone), NR_PAGES - 1000);
	assert_int_equal(zone_nr_pages(&fixture->zone), NR_PAGES - 1000);
	assert_int_equal(zone_capacity(&fixture->zone), NR_PAGES);
	assert_int_equal(zone_nr_contiguous_free(&fixture->zone), CONTIGUOUS);
	zone_fixture_assert_sound(fixture);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_free(&fixture->zone), NR_PAGES - 1000);
	assert_int_equal(zone_nr_contiguous_free(&fixture->zone), CONTIGUOUS);
}

static void test_zone_open_formats_again_what_was_cut_short(void **state)
{
	struct zone_fixture *fixture = *state;

	zone_fixture_header(fixture)->magic = 0;
	zone_fixture_header(fixture)->nr_pages = 1;
	assert_int_equal(zone_fixture_open(fixture, NULL), 0);
	assert_int_equal(zone_fixture_header(fixture)->magic, LEDGER_MAGIC);
	assert_int_equal(zone_nr_free(&fixture->zone), NR_PAGES);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_open_finds_blocks_of_all_orders(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(UINT32_C(1) << 20, 0, 0);
	const struct word_owner owners[] = { owner, movable, reclaimable };
	uint64_t held[ZONE_FIXTURE_SLOTS];
	uint32_t nr_free, pfns[PAGE_NR_ORDERS];

	(void)state;
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
		pfns[order] = zone_fixture_grant(fixture, order, owners[order % 3]);
	nr_free = zone_nr_free(&fixture->zone);
	for (unsigned slot = 0; slot < ZONE_FIXTURE_SLOTS; slot++)
		held[slot] = zone_held_pages(&fixture->zone, slot);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_free(&fixture->zone), nr_free);
	for (unsigned slot = 0; slot < ZONE_FIXTURE_SLOTS; slot++)
		assert_int_equal(zone_held_pages(&fixture->zone, slot), held[slot]);
	assert_int_equal(zone_counters(&fixture->zone)->allocs, 0);
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
		assert_int_equal(
			zone_free(&fixture->zone, pfns[order], order, owners[order % 3].slot), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), UINT32_C(1) << 20);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

/* Leaves of 64 words that are alike are told by sums: all single pages, but whose? */
static void test_zone_open_counts_full_leaves_by_slot(void **state)
{
	struct zone_fixture *fixture = *state;
	struct page_run runs[64];
	size_t nr_runs = 0;

	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, 128, owner, runs, &nr_runs), 128);
	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, 640, movable, runs, &nr_runs), 640);
	for (unsigned tag = 0; tag < 64; tag++) {
		const struct word_owner tagged = { .slot = 3, .tag = tag };

		zone_fixture_grant(fixture, 0, tagged);
	}
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 128);
	assert_int_equal(zone_held_pages(&fixture->zone, OTHER), 640);
	assert_int_equal(zone_held_pages(&fixture->zone, 3), 64);
	assert_int_equal(zone_nr_free(&fixture->zone), NR_PAGES - 832);
}

static void test_zone_open_ends_in_the_midst_of_a_leaf(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(100, 100, 0);
	struct page_run runs[100];
	size_t nr_runs = 0;

	(void)state;
	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, 100, owner, runs, &nr_runs), 100);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_free(&fixture->zone), 0);
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 100);
	assert_int_equal(zone_free_bulk(&fixture->zone, 0, SLOT, runs, nr_runs), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), 100);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

static void test_zone_open_keeps_holes(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn;

	assert_int_equal(zone_mark_hole(&fixture->zone, 3, 700), 0);
	zone_fixture_grant(fixture, 2, owner);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_holes(&fixture->zone), 700);
	assert_int_equal(zone_held_pages(&fixture->zone, WORD_SLOT_DAEMON), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), NR_PAGES - 704);
	while (!zone_alloc(&fixture->zone, 0, owner, &pfn))
		assert_false(pfn >= 3 && pfn < 703);
	assert_int_equal(zone_free(&fixture->zone, 3, 0, WORD_SLOT_DAEMON), ZONE_E_NOT_HELD);
}

static void test_zone_open_undoes_the_marks_of_a_batch_free(void **state)
{
	struct zone_fixture *fixture = *state;
	struct page_run runs[2] = { { 0 } }, large[1] = { { 0 } };
	size_t nr_runs = 0, nr_large = 0;
	uint32_t words[256];

	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, 128, owner, runs, &nr_runs), 128);
	assert_int_equal(zone_alloc_bulk(&fixture->zone, 10, 2, owner, large, &nr_large), 2);
	memcpy(words, fixture->words, sizeof(words));
	runs[1].mask = 0x5;
	assert_int_equal(zone_leave(&fixture->zone, 0, SLOT, &runs[0]), 0);
	assert_int_equal(zone_leave(&fixture->zone, 0, SLOT, &runs[1]), 0);
	assert_int_equal(zone_leave(&fixture->zone, 10, SLOT, &large[0]), 0);
	assert_int_equal(word_kind(fixture->words[64]), WORD_LEAVING);
	assert_int_equal(zone_fixture_open(fixture, NULL), 0);
	assert_memory_equal(fixture->words, words, sizeof(words));
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 128 + 2048);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_free_bulk(&fixture->zone, 0, SLOT, runs, nr_runs), 0);
	assert_int_equal(zone_free_bulk(&fixture->zone, 10, SLOT, large, nr_large), 0);
}

/* A batch free that was cut in two: what has its zero is free, what has its mark is held. */
static void test_zone_open_believes_half_of_a_batch_free(void **state)
{
	struct zone_fixture *fixture = *state;
	struct page_run runs[1] = { { 0 } };
	size_t nr_runs = 0;

	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, 64, owner, runs, &nr_runs), 64);
	assert_int_equal(zone_leave(&fixture->zone, 0, SLOT, &runs[0]), 0);
	memset(fixture->words, 0, 20 * sizeof(uint32_t));
	assert_int_equal(zone_fixture_open(fixture, NULL), 0);
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 44);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_open_keeps_size_and_what_drains(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t far;

	zone_fixture_grant(fixture, 4, movable);
	do
		far = zone_fixture_grant(fixture, 5, owner);
	while (far < 5000);
	zone_fixture_resize(fixture, 4000, 100);
	assert_int_equal(zone_fixture_header(fixture)->nr_pages, 4000);
	fixture->config.nr_pages = NR_PAGES; /* is not asked */
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_pages(&fixture->zone), 4000);
	assert_int_equal(zone_nr_draining(&fixture->zone), far + 32 - 4000);
	assert_int_equal(zone_free(&fixture->zone, far, 5, SLOT), 0);
	assert_int_equal(zone_nr_draining(&fixture->zone), far - 4000);
	zone_fixture_assert_sound(fixture);
	zone_fixture_resize(fixture, NR_PAGES, 100);
	assert_int_equal(zone_nr_draining(&fixture->zone), 0);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_open_keeps_the_largest_order(void **state)
{
	struct zone_fixture *fixture = *state;

	fixture->config.max_order = 3;
	zone_fixture_grant(fixture, 11, owner);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_max_order(&fixture->zone), 13);
}

/* A pageblock is of the group that has most of it: others ask elsewhere. */
static void test_zone_open_gives_pageblocks_to_groups(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone_counts counts;
	struct page_run runs[16];
	uint32_t cursor = 0;
	size_t nr_runs = 0;

	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, 320, owner, runs, &nr_runs), 320);
	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, 320, movable, runs, &nr_runs), 320);
	zone_fixture_grant(fixture, 7, reclaimable);
	zone_fixture_grant(fixture, 10, movable);
	zone_fixture_reopen(fixture);
	assert_true(zone_count_free(&fixture->zone, UINT32_MAX, &cursor, &counts));
	assert_int_equal(counts.groups[ZONE_GROUP_UNMOVABLE].nr_pageblocks, 1);
	assert_int_equal(counts.groups[ZONE_GROUP_MOVABLE].nr_pageblocks, 1);
	assert_int_equal(counts.groups[ZONE_GROUP_RECLAIMABLE].nr_pageblocks, 1);
	assert_int_equal(counts.groups[ZONE_GROUP_HELD].nr_pageblocks, 2);
	assert_int_equal(counts.groups[ZONE_GROUP_FREE].nr_pageblocks, 11);
	assert_int_equal(zone_fixture_grant(fixture, 6, movable), 512 + 320);
	assert_int_equal(zone_fixture_grant(fixture, 6, owner), 320);
	assert_int_equal(zone_counters(&fixture->zone)->steals, 0);
}

static void test_zone_release_finds_blocks_of_before(void **state)
{
	const uint32_t region = UINT32_C(1) << 18;
	struct zone_fixture *fixture = zone_fixture_of(3 * region, 0, 0);
	uint32_t cursor = 0;

	(void)state;
	zone_fixture_grant(fixture, 18, owner);
	zone_fixture_grant(fixture, 18, movable);
	assert_int_equal(zone_fixture_grant(fixture, 3, owner), 2 * region);
	zone_fixture_reopen(fixture);
	while (!zone_release(&fixture->zone, SLOT, 64, &cursor))
		;
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 0);
	assert_int_equal(zone_held_pages(&fixture->zone, OTHER), region);
	assert_int_equal(zone_nr_free(&fixture->zone), 2 * region);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

/* A page that was in use before the zone shrank is found, however small the zone is now. */
static void test_zone_release_reaches_beyond_the_size(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cursor = 0;

	while (zone_fixture_grant(fixture, 9, owner) < 6144)
		;
	zone_fixture_resize(fixture, CONTIGUOUS, 4096);
	zone_fixture_reopen(fixture);
	assert_true(zone_release(&fixture->zone, SLOT, NR_PAGES, &cursor));
	assert_int_equal(zone_nr_draining(&fixture->zone), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), CONTIGUOUS);
	zone_fixture_assert_sound(fixture);
}

#define open_test(name) cmocka_unit_test_setup_teardown(name, setup, zone_fixture_teardown)
#define open_test_contiguous(name)                                                                 \
	cmocka_unit_test_setup_teardown(name, setup_contiguous, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		open_test_contiguous(test_zone_open_finds_a_fresh_zone_free),
		open_test(test_zone_open_formats_again_what_was_cut_short),
		cmocka_unit_test(test_zone_open_finds_blocks_of_all_orders),
		open_test(test_zone_open_counts_full_leaves_by_slot),
		cmocka_unit_test(test_zone_open_ends_in_the_midst_of_a_leaf),
		open_test(test_zone_open_keeps_holes),
		open_test(test_zone_open_undoes_the_marks_of_a_batch_free),
		open_test(test_zone_open_believes_half_of_a_batch_free),
		open_test(test_zone_open_keeps_size_and_what_drains),
		open_test(test_zone_open_keeps_the_largest_order),
		open_test(test_zone_open_gives_pageblocks_to_groups),
		cmocka_unit_test(test_zone_release_finds_blocks_of_before),
		open_test_contiguous(test_zone_release_reaches_beyond_the_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
