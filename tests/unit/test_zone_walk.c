/* SPDX-License-Identifier: MIT */

/* Going through what is held: for the dead, whose blocks are freed, and for the curious. */

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
	zone_fixture_assert_all_free(fixture);
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
	struct zone_fixture *fixture = zone_fixture_of(3 * region, 0, 0);
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

#define zone_test(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, zone_fixture_setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		zone_test(test_zone_releases_exactly_what_a_slot_holds),
		zone_test(test_zone_release_of_nothing_ends_at_once),
		cmocka_unit_test(test_zone_release_skips_foreign_regions),
		zone_test(test_zone_walks_blocks_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
