/* SPDX-License-Identifier: MIT */

/* Watermarks, the room above them, and groups of pageblocks: what raises the boost. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/zone_fixture.h"

#define NR_PAGES 8192u
#define PAGEBLOCK INDEX_PAGEBLOCK_PAGES
#define SLOT 7u

static const struct word_owner unmovable = { .slot = SLOT };
static const struct word_owner movable = { .slot = SLOT, .mobility = MOBILITY_MOVABLE };
static const struct word_owner reclaimable = { .slot = SLOT, .mobility = MOBILITY_RECLAIMABLE };
static const struct zone_watermarks watermarks = { .min = 100, .low = 200, .high = 600 };

static int setup(void **state)
{
	*state = zone_fixture_of(NR_PAGES, 0, 0);
	return 0;
}

static void test_zone_has_no_watermarks_of_its_own(void **state)
{
	struct zone_fixture *fixture = *state;
	const struct zone *zone = &fixture->zone;

	assert_int_equal(zone_watermarks(zone).high, 0);
	for (unsigned mark = ZONE_MARK_NONE; mark <= ZONE_MARK_HIGH; mark++)
		assert_int_equal(zone_room(zone, mark, 1, MOBILITY_UNMOVABLE), NR_PAGES);
}

static void test_zone_room_ends_at_each_mark(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t nr_free;

	zone_set_watermarks(zone, &watermarks);
	assert_int_equal(zone_room(zone, ZONE_MARK_NONE, 1, MOBILITY_MOVABLE), NR_PAGES);
	assert_int_equal(zone_room(zone, ZONE_MARK_MIN, 1, MOBILITY_MOVABLE), NR_PAGES - 100);
	assert_int_equal(zone_room(zone, ZONE_MARK_LOW, 1, MOBILITY_MOVABLE), NR_PAGES - 200);
	assert_int_equal(zone_room(zone, ZONE_MARK_HIGH, 1, MOBILITY_MOVABLE), NR_PAGES - 600);
	while (zone_nr_free(zone) > 150)
		zone_fixture_grant(fixture, 0, movable);
	nr_free = zone_nr_free(zone);
	assert_int_equal(zone_room(zone, ZONE_MARK_NONE, 1, MOBILITY_MOVABLE), nr_free);
	assert_int_equal(zone_room(zone, ZONE_MARK_MIN, 1, MOBILITY_MOVABLE), nr_free - 100);
	assert_int_equal(zone_room(zone, ZONE_MARK_LOW, 1, MOBILITY_MOVABLE), 0);
	assert_int_equal(zone_room(zone, ZONE_MARK_HIGH, 1, MOBILITY_MOVABLE), 0);
	/* The zone itself does not look. */
	while (zone_nr_free(zone))
		zone_fixture_grant(fixture, 0, movable);
	assert_int_equal(zone_room(zone, ZONE_MARK_NONE, 1, MOBILITY_MOVABLE), 0);
}

static void test_zone_room_for_the_unmovable_is_without_the_area(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(NR_PAGES, 0, 2048);
	struct zone *zone = &fixture->zone;

	(void)state;
	zone_set_watermarks(zone, &watermarks);
	assert_int_equal(zone_room(zone, ZONE_MARK_MIN, 1, MOBILITY_UNMOVABLE), NR_PAGES - 2148);
	assert_int_equal(zone_room(zone, ZONE_MARK_MIN, 1, MOBILITY_RECLAIMABLE), NR_PAGES - 100);
	/* Whoever wants whole pageblocks may have them from it. */
	assert_int_equal(zone_room(zone, ZONE_MARK_MIN, 512, MOBILITY_UNMOVABLE), NR_PAGES - 100);
	assert_int_equal(zone_room(zone, ZONE_MARK_MIN, 513, MOBILITY_UNMOVABLE), NR_PAGES - 2148);
	while (zone_room(zone, ZONE_MARK_NONE, 1, MOBILITY_UNMOVABLE))
		zone_fixture_grant(fixture, 0, unmovable);
	assert_int_equal(zone_room(zone, ZONE_MARK_NONE, 1, MOBILITY_MOVABLE), 2048);
	assert_int_equal(zone_alloc(zone, 0, unmovable, &(uint32_t){ 0 }), ZONE_E_FULL);
	zone_fixture_free(fixture);
}

/* Half of the zone's pageblocks for each of two groups; then nothing is free but in the second. */
static void make_two_groups(struct zone_fixture *fixture, struct word_owner first,
			    struct word_owner second, uint32_t nr_free)
{
	uint32_t pfn = 0;

	for (uint32_t i = 0; i < NR_PAGES; i++)
		pfn = zone_fixture_grant(fixture, 0, i < NR_PAGES / 2 ? first : second);
	/* Of the last pageblock. */
	for (uint32_t i = 0; i < nr_free; i++)
		assert_int_equal(zone_free(&fixture->zone, pfn - i, 0, SLOT), 0);
	zone_settle(&fixture->zone);
}

static void test_zone_steals_a_pageblock_of_which_half_is_free(void **state)
{
	struct zone_fixture *fixture = *state;
	const struct zone_counters *counters = zone_counters(&fixture->zone);
	struct zone_counts counts;
	uint32_t cursor = 0;

	zone_set_watermarks(&fixture->zone, &watermarks);
	make_two_groups(fixture, unmovable, movable, PAGEBLOCK / 2);
	assert_int_equal(counters->steals, 0);
	assert_true(zone_fixture_grant(fixture, 0, unmovable) >= NR_PAGES - PAGEBLOCK / 2);
	assert_int_equal(counters->steals, 1);
	assert_int_equal(counters->claims, 1);
	assert_true(zone_count_free(&fixture->zone, UINT32_MAX, &cursor, &counts));
	assert_int_equal(counts.groups[ZONE_GROUP_UNMOVABLE].nr_pageblocks, 9);
	assert_int_equal(counts.groups[ZONE_GROUP_MOVABLE].nr_pageblocks, 7);
	/* It is ours now: no further steal. */
	zone_fixture_grant(fixture, 6, unmovable);
	assert_int_equal(counters->steals, 1);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_steals_a_block_where_less_is_free(void **state)
{
	struct zone_fixture *fixture = *state;
	const struct zone_counters *counters = zone_counters(&fixture->zone);
	struct zone_counts counts;
	uint32_t cursor = 0;

	make_two_groups(fixture, unmovable, reclaimable, PAGEBLOCK / 2 - 1);
	zone_fixture_grant(fixture, 7, unmovable);
	assert_int_equal(counters->steals, 1);
	assert_int_equal(counters->claims, 0);
	assert_true(zone_count_free(&fixture->zone, UINT32_MAX, &cursor, &counts));
	assert_int_equal(counts.groups[ZONE_GROUP_UNMOVABLE].nr_pageblocks, 8);
	assert_int_equal(counts.groups[ZONE_GROUP_RECLAIMABLE].nr_pageblocks, 8);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_takes_free_pageblocks_before_it_steals(void **state)
{
	struct zone_fixture *fixture = *state;

	zone_fixture_grant(fixture, 0, movable);
	for (unsigned i = 0; i < NR_PAGES / PAGEBLOCK - 1; i++)
		zone_fixture_grant(fixture, 8, unmovable);
	assert_int_equal(zone_counters(&fixture->zone)->steals, 0);
	zone_fixture_assert_sound(fixture);
}

/* A block of its own, in the pageblock that is freest: each such steal raises the boost. */
static void steal(struct zone_fixture *fixture)
{
	uint64_t nr_steals = zone_counters(&fixture->zone)->steals;

	zone_fixture_grant(fixture, 6, unmovable);
	assert_int_equal(zone_counters(&fixture->zone)->steals, nr_steals + 1);
}

static void test_zone_boost_grows_with_steals_and_decays(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t boost;

	zone_set_watermarks(zone, &watermarks);
	make_two_groups(fixture, unmovable, movable, 250);
	assert_int_equal(zone_boost(zone), 0);
	steal(fixture);
	assert_int_equal(zone_boost(zone), PAGEBLOCK);
	assert_int_equal(zone_watermarks(zone).min, 100);
	assert_int_equal(zone_watermarks(zone).low, 200 + PAGEBLOCK);
	assert_int_equal(zone_watermarks(zone).high, 600 + PAGEBLOCK);
	steal(fixture);
	assert_int_equal(zone_boost(zone), 900); /* 1.5 times high is the most */
	steal(fixture);
	assert_int_equal(zone_boost(zone), 900);
	for (boost = 900; boost; boost /= 2) {
		assert_int_equal(zone_boost(zone), boost);
		zone_decay(zone);
	}
	zone_decay(zone);
	assert_int_equal(zone_boost(zone), 0);
	assert_int_equal(zone_watermarks(zone).low, 200);
}

static void test_zone_room_shrinks_with_the_boost(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;

	zone_set_watermarks(zone, &(struct zone_watermarks){ 10, 20, 400 });
	make_two_groups(fixture, unmovable, movable, 250);
	assert_int_equal(zone_room(zone, ZONE_MARK_LOW, 1, MOBILITY_MOVABLE), 230);
	steal(fixture);
	assert_int_equal(zone_room(zone, ZONE_MARK_LOW, 1, MOBILITY_MOVABLE), 0);
	assert_int_equal(zone_room(zone, ZONE_MARK_MIN, 1, MOBILITY_MOVABLE), 250 - 64 - 10);
}

/* A zone of less than four pageblocks would be all boost. */
static void test_zone_of_few_pageblocks_has_no_boost(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(PAGEBLOCK, 0, 0);

	(void)state;
	zone_set_watermarks(&fixture->zone, &watermarks);
	zone_fixture_grant(fixture, 0, movable);
	zone_fixture_grant(fixture, 0, unmovable);
	assert_int_equal(zone_counters(&fixture->zone)->steals, 1);
	assert_int_equal(zone_counters(&fixture->zone)->claims, 1);
	assert_int_equal(zone_boost(&fixture->zone), 0);
	zone_fixture_assert_sound(fixture);
	zone_fixture_free(fixture);
}

#define watermarks_test(name) cmocka_unit_test_setup_teardown(name, setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		watermarks_test(test_zone_has_no_watermarks_of_its_own),
		watermarks_test(test_zone_room_ends_at_each_mark),
		cmocka_unit_test(test_zone_room_for_the_unmovable_is_without_the_area),
		watermarks_test(test_zone_steals_a_pageblock_of_which_half_is_free),
		watermarks_test(test_zone_steals_a_block_where_less_is_free),
		watermarks_test(test_zone_takes_free_pageblocks_before_it_steals),
		watermarks_test(test_zone_boost_grows_with_steals_and_decays),
		watermarks_test(test_zone_room_shrinks_with_the_boost),
		cmocka_unit_test(test_zone_of_few_pageblocks_has_no_boost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
