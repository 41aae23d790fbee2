/* SPDX-License-Identifier: MIT */

/* Zones: what is granted and to whom, what may be freed and what not, and who notices damage. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/zone.h"

#define INDEX_IN_POOL 5u
#define NR_PAGES 4096u
#define SLOT 7u
#define OTHER 8u

static const struct word_owner owner = { .slot = SLOT, .tag = 0xabc };
static const struct word_owner other = { .slot = OTHER, .tag = 1 };

struct fixture {
	struct zone zone;
	uint32_t *ledger;
	void *index;
};

static struct fixture *fixture_new(uint32_t nr_pages, unsigned max_order)
{
	struct zone_config config = {
		.index = INDEX_IN_POOL, .nr_pages = nr_pages, .max_order = max_order, .nr_slots = 16
	};
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->ledger = aligned_alloc(64, zone_ledger_bytes(&config));
	fixture->index = aligned_alloc(64, zone_index_bytes(&config));
	assert_true(fixture->ledger && fixture->index);
	memset(fixture->ledger, 0, zone_ledger_bytes(&config));
	assert_int_equal(zone_init(&fixture->zone, &config, fixture->ledger, fixture->index), 0);
	return fixture;
}

static void fixture_free(struct fixture *fixture)
{
	free(fixture->ledger);
	free(fixture->index);
	free(fixture);
}

static int setup(void **state)
{
	*state = fixture_new(NR_PAGES, 18);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void assert_sound(const struct zone *zone)
{
	struct zone_fault fault = { .what = "" };

	if (zone_validate(zone, &fault))
		fail_msg("page %u: %s", fault.pfn, fault.what);
}

static void assert_all_free(const struct zone *zone)
{
	uint64_t counts[PAGE_NR_ORDERS];
	uint32_t cursor = 0;

	assert_sound(zone);
	assert_int_equal(zone_nr_free(zone), zone_nr_pages(zone));
	assert_true(zone_count_free(zone, UINT32_MAX, &cursor, counts));
	assert_int_equal(counts[zone_max_order(zone)], zone_nr_pages(zone) >> zone_max_order(zone));
	assert_int_equal(zone_largest_free(zone), zone_max_order(zone));
}

static uint32_t grant(struct zone *zone, unsigned order)
{
	uint32_t pfn;

	assert_int_equal(zone_alloc(zone, order, owner, &pfn), 0);
	return pfn;
}

static void test_zone_refuses_impossible_shapes(void **state)
{
	const struct zone_config good = { .nr_pages = 1, .nr_slots = 1 };
	struct zone_config bad;
	struct zone zone;

	(void)state;
	bad = good;
	bad.nr_pages = 0;
	assert_int_equal(zone_init(&zone, &bad, NULL, NULL), -EINVAL);
	bad.nr_pages = ZONE_PAGES_MAX + 1;
	assert_int_equal(zone_init(&zone, &bad, NULL, NULL), -EINVAL);
	bad = good;
	bad.max_order = PAGE_ORDER_MAX + 1;
	assert_int_equal(zone_init(&zone, &bad, NULL, NULL), -EINVAL);
	bad = good;
	bad.nr_slots = 0;
	assert_int_equal(zone_init(&zone, &bad, NULL, NULL), -EINVAL);
	bad.nr_slots = WORD_NR_SLOTS + 1;
	assert_int_equal(zone_init(&zone, &bad, NULL, NULL), -EINVAL);
	bad = good;
	bad.index = 256;
	assert_int_equal(zone_init(&zone, &bad, NULL, NULL), -EINVAL);
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
	struct fixture *fixture = *state;
	uint32_t pfn = grant(&fixture->zone, 3);

	assert_int_equal(pfn, 0);
	assert_int_equal(fixture->ledger[pfn], word_make(WORD_PAGE, owner, 3));
	assert_int_equal(word_tag(fixture->ledger[pfn]), 0xabc);
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(fixture->ledger[pfn + i], 0);
	assert_int_equal(zone_free(&fixture->zone, pfn, 3, SLOT), 0);
	assert_int_equal(fixture->ledger[pfn], 0);
}

static void test_zone_counts_what_happens(void **state)
{
	struct fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	const struct zone_counters *counters = zone_counters(zone);
	uint32_t pfn = grant(zone, 0);

	grant(zone, 4);
	assert_int_equal(zone_alloc(zone, 13, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_free(zone, pfn, 0, SLOT), 0);
	assert_int_equal(zone_free(zone, pfn, 0, SLOT), ZONE_E_NOT_HEAD);
	assert_int_equal(counters->allocs, 2);
	assert_int_equal(counters->frees, 1);
	assert_int_equal(counters->failures, 1);
	assert_int_equal(counters->pages_released, 0);
	assert_int_equal(zone_held_pages(zone, SLOT), 16);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 16);
}

static void test_zone_fills_to_the_last_page_and_merges_back(void **state)
{
	struct fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = 12345;

	for (uint32_t i = 0; i < NR_PAGES; i++)
		assert_int_equal(grant(zone, 0), i);
	assert_int_equal(zone_alloc(zone, 0, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(pfn, 12345);
	assert_int_equal(zone_largest_free(zone), -1);
	assert_sound(zone);
	/* Every third, round and round: 3 and 4096 have no factor in common. */
	for (uint32_t i = 0, at = 0; i < NR_PAGES; i++, at = (at + 3) % NR_PAGES)
		assert_int_equal(zone_free(zone, at, 0, SLOT), 0);
	assert_all_free(zone);
}

static void test_zone_refuses_each_wrong_free(void **state)
{
	struct fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = grant(zone, 4), foreign;

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
	assert_sound(zone);
	assert_int_equal(zone_free(zone, pfn, 4, SLOT), 0);
	assert_int_equal(zone_free(zone, foreign, 4, OTHER), 0);
}

static void test_zone_refuses_orders_it_has_not(void **state)
{
	struct fixture *fixture = fixture_new(NR_PAGES, 5);
	uint32_t pfn;

	(void)state;
	assert_int_equal(zone_max_order(&fixture->zone), 5);
	assert_int_equal(zone_alloc(&fixture->zone, 6, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc(&fixture->zone, UINT32_MAX, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc_exact(&fixture->zone, 33, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc_exact(&fixture->zone, 0, owner, &pfn), ZONE_E_FULL);
	assert_int_equal(zone_alloc_bulk(&fixture->zone, 6, 1, owner, NULL, &(size_t){ 0 }), 0);
	assert_int_equal(zone_counters(&fixture->zone)->failures, 5);
	fixture_free(fixture);
}

static void test_zone_grants_bulk_as_runs(void **state)
{
	struct fixture *fixture = *state;
	struct page_run runs[100] = { { .base = 42 } };
	size_t nr_runs = 1;

	assert_int_equal(zone_alloc_bulk(&fixture->zone, 0, 100, owner, runs, &nr_runs), 100);
	assert_int_equal(nr_runs, 3);
	assert_int_equal(runs[0].base, 42);
	assert_int_equal(runs[1].base, page_address(INDEX_IN_POOL, 0));
	assert_true(runs[1].mask == UINT64_MAX);
	assert_int_equal(runs[2].base, page_address(INDEX_IN_POOL, 64));
	assert_true(runs[2].mask == (UINT64_C(1) << 36) - 1);
	assert_int_equal(fixture->ledger[99], word_make(WORD_PAGE, owner, 0));
	assert_int_equal(fixture->ledger[100], 0);
	assert_sound(&fixture->zone);
	assert_int_equal(zone_free_bulk(&fixture->zone, 0, SLOT, runs + 1, 2), 0);
	assert_all_free(&fixture->zone);
}

static void test_zone_grants_bulk_of_blocks(void **state)
{
	struct fixture *fixture = *state;
	struct page_run runs[600];
	size_t nr_runs = 0;

	assert_int_equal(zone_alloc_bulk(&fixture->zone, 3, 600, owner, runs, &nr_runs), 512);
	assert_int_equal(nr_runs, 8);
	for (size_t i = 0; i < nr_runs; i++) {
		assert_int_equal(runs[i].base, page_address(INDEX_IN_POOL, (uint32_t)i * 512));
		assert_true(runs[i].mask == UINT64_MAX);
	}
	assert_int_equal(zone_counters(&fixture->zone)->failures, 1);
	assert_sound(&fixture->zone);
	assert_int_equal(zone_free_bulk(&fixture->zone, 3, SLOT, runs, nr_runs), 0);
	assert_all_free(&fixture->zone);
}

static void test_zone_frees_all_of_a_batch_or_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	const uint64_t base = page_address(INDEX_IN_POOL, 0);
	struct page_run runs[3] = { { base, 0xff }, { base + 16, 0x3 }, { 0 } };
	size_t nr_runs = 0;
	struct page_run granted[40];

	assert_int_equal(zone_alloc_bulk(zone, 0, 40, owner, granted, &nr_runs), 40);
	runs[2] = (struct page_run){ base + 3, 1 };
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 3), ZONE_E_TWICE);
	runs[2] = (struct page_run){ base + 32, 0xfff };
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 3), ZONE_E_NOT_HEAD);
	runs[2] = (struct page_run){ page_address(INDEX_IN_POOL + 1, 32), 1 };
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
	assert_sound(zone); /* no mark was left */
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 3), 0);
	assert_int_equal(zone_held_pages(zone, SLOT), 40 - 11);
	assert_sound(zone);
	runs[0].mask = 0;
	assert_int_equal(zone_free_bulk(zone, 0, SLOT, runs, 1), 0);
}

static void test_zone_grants_exact_sizes(void **state)
{
	struct fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn;

	grant(zone, 0);
	assert_int_equal(zone_alloc_exact(zone, 11, owner, &pfn), 0);
	assert_int_equal(pfn, 16);
	assert_int_equal(fixture->ledger[16], word_make(WORD_PAGE, owner, 3));
	assert_int_equal(fixture->ledger[24], word_make(WORD_PAGE, owner, 1));
	assert_int_equal(fixture->ledger[26], word_make(WORD_PAGE, owner, 0));
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 12);
	assert_sound(zone);
	assert_int_equal(grant(zone, 0), 1);
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
	assert_sound(zone);
}

static void test_zone_never_hands_out_holes(void **state)
{
	struct fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn, taken = grant(zone, 0), nr = 0;

	assert_int_equal(zone_mark_hole(zone, 100, 1000), 0);
	assert_int_equal(zone_nr_holes(zone), 1000);
	assert_int_equal(zone_mark_hole(zone, 1099, 2), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_mark_hole(zone, taken, 1), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_mark_hole(zone, 5, 0), ZONE_E_RANGE);
	assert_int_equal(zone_mark_hole(zone, NR_PAGES, 1), ZONE_E_RANGE);
	assert_int_equal(zone_mark_hole(zone, NR_PAGES - 1, 2), ZONE_E_RANGE);
	assert_int_equal(zone_mark_hole(zone, 5, UINT32_MAX), ZONE_E_RANGE);
	assert_sound(zone);
	while (!zone_alloc(zone, 0, owner, &pfn)) {
		assert_false(pfn >= 100 && pfn < 1100);
		nr++;
	}
	assert_int_equal(nr, NR_PAGES - 1001);
	assert_int_equal(zone_held_pages(zone, WORD_SLOT_DAEMON), 0);
	assert_sound(zone);
}

static void test_zone_marks_everything_a_hole(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(zone_mark_hole(&fixture->zone, 0, NR_PAGES), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), 0);
	assert_int_equal(zone_largest_free(&fixture->zone), -1);
	assert_sound(&fixture->zone);
}

static void test_zone_releases_exactly_what_a_slot_holds(void **state)
{
	struct fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn, cursor = 0, nr_calls = 1;
	uint64_t held;

	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(zone_alloc(zone, i % 4, i % 3 ? owner : other, &pfn), 0);
	assert_int_equal(zone_alloc(zone, 9, owner, &pfn), 0);
	assert_int_equal(zone_alloc(zone, 10, other, &pfn), 0);
	held = zone_held_pages(zone, SLOT);
	while (!zone_release(zone, SLOT, 64, &cursor)) {
		assert_sound(zone);
		nr_calls++;
	}
	assert_true(nr_calls > 5);
	assert_int_equal(cursor, NR_PAGES);
	assert_int_equal(zone_held_pages(zone, SLOT), 0);
	assert_int_equal(zone_counters(zone)->pages_released, held);
	assert_sound(zone);
	cursor = 0;
	assert_true(zone_release(zone, OTHER, NR_PAGES, &cursor));
	assert_all_free(zone);
	assert_int_equal(zone_counters(zone)->frees, 202);
}

static void test_zone_release_of_nothing_ends_at_once(void **state)
{
	struct fixture *fixture = *state;
	uint32_t cursor = 0;

	grant(&fixture->zone, 0);
	assert_true(zone_release(&fixture->zone, OTHER, 1, &cursor));
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 1);
	assert_sound(&fixture->zone);
}

/* Only the GiB where something was granted is looked at: one slice is enough. */
static void test_zone_release_skips_foreign_regions(void **state)
{
	const uint32_t region = UINT32_C(1) << 18;
	struct fixture *fixture = fixture_new(3 * region, 18);
	uint32_t pfn, cursor = 0;

	(void)state;
	assert_int_equal(zone_alloc(&fixture->zone, 18, other, &pfn), 0);
	assert_int_equal(zone_alloc(&fixture->zone, 18, other, &pfn), 0);
	assert_int_equal(zone_alloc(&fixture->zone, 3, owner, &pfn), 0);
	assert_int_equal(pfn, 2 * region);
	assert_true(zone_release(&fixture->zone, SLOT, 64, &cursor));
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), region);
	assert_sound(&fixture->zone);
	fixture_free(fixture);
}

static void test_zone_walks_blocks_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct zone_block block = { .pfn = 99 };
	uint32_t cursor = 0, pfn;

	grant(zone, 0);
	assert_int_equal(zone_alloc(zone, 6, other, &pfn), 0);
	assert_int_equal(zone_mark_hole(zone, 256, 1), 0);
	assert_true(zone_next_block(zone, -1, NR_PAGES, &cursor, &block));
	assert_int_equal(block.pfn, 0);
	assert_int_equal(block.owner.tag, owner.tag);
	assert_true(zone_next_block(zone, -1, NR_PAGES, &cursor, &block));
	assert_int_equal(block.pfn, 64);
	assert_int_equal(block.order, 6);
	assert_int_equal(block.kind, WORD_PAGE);
	assert_int_equal(block.owner.slot, OTHER);
	assert_int_equal(cursor, 128);
	assert_false(zone_next_block(zone, -1, 10, &cursor, &block));
	assert_int_equal(cursor, 138);
	assert_true(zone_next_block(zone, -1, NR_PAGES, &cursor, &block));
	assert_int_equal(block.pfn, 256);
	assert_int_equal(block.kind, WORD_HOLE);
	assert_false(zone_next_block(zone, -1, NR_PAGES, &cursor, &block));
	assert_int_equal(cursor, NR_PAGES);
	cursor = 0;
	assert_true(zone_next_block(zone, OTHER, NR_PAGES, &cursor, &block));
	assert_int_equal(block.pfn, 64);
	assert_false(zone_next_block(zone, OTHER, NR_PAGES, &cursor, &block));
}

static void assert_notices(const struct fixture *fixture, uint32_t pfn, uint32_t word,
			   uint32_t at_pfn)
{
	struct zone_fault fault = { .pfn = 99999 };
	uint32_t saved = fixture->ledger[pfn], cursor = 0;

	fixture->ledger[pfn] = word;
	assert_int_equal(zone_validate(&fixture->zone, &fault), -EUCLEAN);
	assert_int_equal(fault.pfn, at_pfn);
	assert_non_null(fault.what);
	assert_int_equal(zone_check(&fixture->zone, NR_PAGES, &cursor, &fault), -EUCLEAN);
	fixture->ledger[pfn] = saved;
	assert_sound(&fixture->zone);
}

static void test_zone_check_notices_wrong_words(void **state)
{
	struct fixture *fixture = *state;
	const struct word_owner nobody = { .slot = 16 };

	assert_int_equal(grant(&fixture->zone, 4), 0);
	assert_int_equal(grant(&fixture->zone, 9), 512);
	assert_notices(fixture, 0, 0, 0);
	assert_notices(fixture, 0, word_make(WORD_PAGE, owner, 3), 8);
	assert_notices(fixture, 0, word_make(WORD_PAGE, owner, 5), 16);
	assert_notices(fixture, 0, word_make(WORD_PAGE, nobody, 4), 0);
	assert_notices(fixture, 0, word_make(WORD_LEAVING, owner, 4), 0);
	assert_notices(fixture, 0, word_make(WORD_SCRUB, owner, 4), 0);
	assert_notices(fixture, 0, word_make(WORD_PAGE, owner, 13), 0);
	assert_notices(fixture, 3, word_make(WORD_PAGE, owner, 0), 3);
	assert_notices(fixture, 16, word_make(WORD_PAGE, owner, 0), 16);
	assert_notices(fixture, 18, word_make(WORD_PAGE, owner, 2), 18);
	assert_notices(fixture, 700, word_make(WORD_PAGE, owner, 0), 700);
	assert_notices(fixture, 512, 0, 512);
	assert_notices(fixture, 512, word_make(WORD_PAGE, owner, 8), 768);
}

static void test_zone_check_goes_on_within_a_block(void **state)
{
	struct fixture *fixture = *state;
	struct zone_fault fault = { .what = NULL };
	uint32_t cursor = 0, nr_calls = 0;

	grant(&fixture->zone, 11);
	grant(&fixture->zone, 7);
	for (; cursor < NR_PAGES; nr_calls++)
		assert_int_equal(zone_check(&fixture->zone, 64, &cursor, &fault), 0);
	assert_int_equal(nr_calls, NR_PAGES / 64);
	assert_null(fault.what);
}

static void test_zone_validate_notices_wrong_sums(void **state)
{
	struct fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct zone_fault fault;

	grant(zone, 4);
	zone->holders[OTHER].nr_pages++;
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	zone->holders[OTHER].nr_pages--;
	zone->nr_holes++;
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	zone->nr_holes--;
	zone->regions[SLOT * zone->region_words] = 0;
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	zone->regions[SLOT * zone->region_words] = 1;
	assert_sound(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone_refuses_impossible_shapes),
		cmocka_unit_test(test_zone_needs_little_metadata),
		cmocka_unit_test_setup_teardown(test_zone_writes_the_word_it_promises, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_zone_counts_what_happens, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zone_fills_to_the_last_page_and_merges_back,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_zone_refuses_each_wrong_free, setup, teardown),
		cmocka_unit_test(test_zone_refuses_orders_it_has_not),
		cmocka_unit_test_setup_teardown(test_zone_grants_bulk_as_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zone_grants_bulk_of_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zone_frees_all_of_a_batch_or_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_zone_grants_exact_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zone_never_hands_out_holes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zone_marks_everything_a_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zone_releases_exactly_what_a_slot_holds, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_zone_release_of_nothing_ends_at_once, setup,
						teardown),
		cmocka_unit_test(test_zone_release_skips_foreign_regions),
		cmocka_unit_test_setup_teardown(test_zone_walks_blocks_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zone_check_notices_wrong_words, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_zone_check_goes_on_within_a_block, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_zone_validate_notices_wrong_sums, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
