/* SPDX-License-Identifier: MIT */

/* Going through what is held: for the dead, whose blocks are freed, and for the curious. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/zone_fixture.h"

#define INDEX_IN_POOL 5u
#define NR_PAGES 4096u
#define SLOT 7u
#define OTHER 8u

static const struct word_owner owner = { .slot = SLOT, .tag = 0x2bc };
static const struct word_owner other = { .slot = OTHER, .tag = 1 };

static struct zone_fixture *fixture_new(uint32_t nr_pages, unsigned max_order)
{
	const struct zone_config config = {
		.index = INDEX_IN_POOL, .nr_pages = nr_pages, .max_order = max_order, .nr_slots = 16
	};

	return zone_fixture_new(&config);
}

static int setup(void **state)
{
	*state = fixture_new(NR_PAGES, 18);
	return 0;
}

static int teardown(void **state)
{
	zone_fixture_free(*state);
	return 0;
}

static void assert_all_free(struct zone_fixture *fixture)
{
	struct zone *zone = &fixture->zone;
	struct zone_counts counts;
	uint32_t cursor = 0;

	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_free(zone), zone_nr_pages(zone));
	assert_true(zone_count_free(zone, UINT32_MAX, &cursor, &counts));
	assert_int_equal(counts.free_blocks[zone_max_order(zone)],
			 zone_nr_pages(zone) >> zone_max_order(zone));
	assert_int_equal(zone_largest_free(zone), zone_max_order(zone));
}

static void test_zone_releases_exactly_what_a_slot_holds(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn, cursor = 0, nr_calls = 1;
	uint64_t held;

	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(zone_alloc(zone, i % 4, i % 3 ? owner : other, &pfn), 0);
	assert_int_equal(zone_alloc(zone, 9, owner, &pfn), 0);
	assert_int_equal(zone_alloc(zone, 10, other, &pfn), 0);
	held = zone_held_pages(zone, SLOT);
	while (!zone_release(zone, SLOT, 64, &cursor)) {
		zone_fixture_assert_sound(fixture);
		nr_calls++;
	}
	assert_true(nr_calls > 5);
	assert_int_equal(cursor, NR_PAGES);
	assert_int_equal(zone_held_pages(zone, SLOT), 0);
	assert_int_equal(zone_counters(zone)->released, held);
	zone_fixture_assert_sound(fixture);
	cursor = 0;
	assert_true(zone_release(zone, OTHER, NR_PAGES, &cursor));
	assert_all_free(fixture);
	assert_int_equal(zone_counters(zone)->frees, zone_counters(zone)->allocs);
	assert_int_equal(zone_counters(zone)->released, zone_counters(zone)->allocs);
}

static void test_zone_release_of_nothing_ends_at_once(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cursor = 0;

	zone_fixture_grant(fixture, 0, owner);
	assert_true(zone_release(&fixture->zone, OTHER, 1, &cursor));
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 1);
	zone_fixture_assert_sound(fixture);
}

/* Only the GiB where something was granted is looked at: one slice is enough. */
static void test_zone_release_skips_foreign_regions(void **state)
{
	const uint32_t region = UINT32_C(1) << 18;
	struct zone_fixture *fixture = fixture_new(3 * region, 18);
	uint32_t pfn, cursor = 0;

	(void)state;
	assert_int_equal(zone_alloc(&fixture->zone, 18, other, &pfn), 0);
	assert_int_equal(zone_alloc(&fixture->zone, 18, other, &pfn), 0);
	assert_int_equal(zone_alloc(&fixture->zone, 3, owner, &pfn), 0);
	assert_int_equal(pfn, 2 * region);
	assert_true(zone_release(&fixture->zone, SLOT, 64, &cursor));
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 0);
	assert_int_equal(zone_nr_free(&fixture->zone), region);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

static void test_zone_walks_blocks_in_order(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct zone_block block = { .pfn = 99 };
	uint32_t cursor = 0, pfn;

	zone_fixture_grant(fixture, 0, owner);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zone_releases_exactly_what_a_slot_holds, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_zone_release_of_nothing_ends_at_once, setup,
						teardown),
		cmocka_unit_test(test_zone_release_skips_foreign_regions),
		cmocka_unit_test_setup_teardown(test_zone_walks_blocks_in_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
