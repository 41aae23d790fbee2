/* SPDX-License-Identifier: MIT */

/*
 * Blocks with several holders: who may let whom in, what each of them has, and how they leave in
 * every form that a free has. What a next daemon makes of it is in test_zone_share_open.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "support/sharing.h"
#include "support/zone_fixture.h"

#define NR_PAGES ZONE_FIXTURE_PAGES

static void assert_all_free(struct zone_fixture *fixture)
{
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_free(&fixture->zone), NR_PAGES);
	assert_int_equal(zone_nr_shares(&fixture->zone), 0);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_free(&fixture->zone), NR_PAGES);
}

static bool is_holder(struct zone_fixture *fixture, uint32_t pfn, unsigned slot)
{
	struct word_owner owner;
	uint32_t cursor = 0, nr = 0;

	while (zone_next_holder(&fixture->zone, pfn, &cursor, &owner))
		if (owner.slot == slot) {
			assert_int_equal(owner.tag, sharing_owner(slot).tag);
			nr++;
		}
	assert_in_range(nr, 0, 1);
	return nr;
}

/* Coming. */

static void test_zone_share_makes_another_holder(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = sharing_grant(fixture, 3), word;

	sharing_add(fixture, pfn, 3, FIRST, SECOND);
	word = zone->words[pfn];
	assert_int_equal(word_kind(word), WORD_SHARED);
	assert_int_equal(word_order(word), 3);
	assert_int_equal(word_mobility(word), MOBILITY_MOVABLE);
	assert_int_equal(zone_held_pages(zone, FIRST), 8);
	assert_int_equal(zone_held_pages(zone, SECOND), 8);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 8);
	assert_int_equal(zone_counters(zone)->allocs, 8);
	assert_int_equal(zone_nr_shares(zone), 1);
	assert_true(is_holder(fixture, pfn, FIRST) && is_holder(fixture, pfn, SECOND));
	assert_int_equal(sharing_nr_holders(fixture, pfn), 2);
	zone_fixture_assert_sound(fixture);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 8);
	assert_int_equal(zone_held_pages(zone, SECOND), 8);
}

static void test_zone_share_is_for_every_holder_to_give(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = sharing_grant_pair(fixture, 0);

	sharing_add(fixture, pfn, 0, SECOND, THIRD);
	sharing_add(fixture, pfn, 0, THIRD, THIRD + 1);
	assert_int_equal(sharing_nr_holders(fixture, pfn), 4);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_share_keeps_the_mobility_of_the_block(void **state)
{
	struct zone_fixture *fixture = *state;
	struct word_owner unmovable = { .slot = SECOND, .mobility = MOBILITY_UNMOVABLE };
	struct zone_block block;
	uint32_t pfn = sharing_grant(fixture, 0), cursor = 0;

	assert_int_equal(zone_share(&fixture->zone, pfn, 0, FIRST, unmovable), 0);
	assert_int_equal(zone_free(&fixture->zone, pfn, 0, FIRST), 0);
	assert_true(zone_next_block(&fixture->zone, -1, NR_PAGES, &cursor, &block));
	assert_int_equal(block.kind, WORD_PAGE);
	assert_int_equal(block.owner.slot, SECOND);
	assert_int_equal(block.owner.mobility, MOBILITY_MOVABLE);
	zone_fixture_assert_sound(fixture);
}

static void assert_share_refused(struct zone_fixture *fixture, uint32_t pfn, unsigned order,
				 unsigned slot, unsigned other, int error)
{
	uint8_t *saved = zone_fixture_save(fixture);
	uint64_t held = zone_held_pages(&fixture->zone, other);

	assert_int_equal(zone_share(&fixture->zone, pfn, order, slot, sharing_owner(other)), error);
	zone_fixture_assert_saved(fixture, saved);
	assert_int_equal(zone_held_pages(&fixture->zone, other), held);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_share_is_refused(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = sharing_grant(fixture, 4), shared = sharing_grant_pair(fixture, 2);

	assert_int_equal(zone_mark_hole(&fixture->zone, 2048, 1), 0);
	assert_share_refused(fixture, NR_PAGES, 0, FIRST, SECOND, ZONE_E_RANGE);
	assert_share_refused(fixture, pfn, 13, FIRST, SECOND, ZONE_E_ALIGN);
	assert_share_refused(fixture, pfn, UINT32_MAX, FIRST, SECOND, ZONE_E_ALIGN);
	assert_share_refused(fixture, pfn + 1, 1, FIRST, SECOND, ZONE_E_ALIGN);
	assert_share_refused(fixture, pfn + 1, 0, FIRST, SECOND, ZONE_E_NOT_HEAD);
	assert_share_refused(fixture, 1024, 0, FIRST, SECOND, ZONE_E_NOT_HEAD);
	assert_share_refused(fixture, 2048, 0, FIRST, SECOND, ZONE_E_NOT_HELD);
	assert_share_refused(fixture, pfn, 3, FIRST, SECOND, ZONE_E_ORDER);
	assert_share_refused(fixture, shared, 3, FIRST, THIRD, ZONE_E_ORDER);
	assert_share_refused(fixture, pfn, 4, SECOND, THIRD, ZONE_E_NOT_HELD);
	assert_share_refused(fixture, shared, 2, THIRD, FIRST, ZONE_E_NOT_HELD);
	assert_share_refused(fixture, shared, 2, THIRD, THIRD, ZONE_E_NOT_HELD);
	assert_share_refused(fixture, pfn, 4, FIRST, FIRST, ZONE_E_HELD);
	assert_share_refused(fixture, shared, 2, FIRST, SECOND, ZONE_E_HELD);
	assert_share_refused(fixture, shared, 2, SECOND, FIRST, ZONE_E_HELD);
	assert_share_refused(fixture, shared, 2, SECOND, SECOND, ZONE_E_HELD);
}

static void test_zone_share_needs_a_record(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfns[SHARING_NR_RECORDS], pfn;

	for (unsigned i = 0; i < SHARING_NR_RECORDS; i++)
		pfns[i] = sharing_grant_pair(fixture, 0);
	pfn = sharing_grant(fixture, 0);
	assert_share_refused(fixture, pfn, 0, FIRST, SECOND, ZONE_E_SHARES);
	for (unsigned slot = 20; slot < 20 + SHARE_HOLDERS - 2; slot++)
		sharing_add(fixture, pfns[5], 0, FIRST, slot);
	assert_share_refused(fixture, pfns[5], 0, FIRST, 99, ZONE_E_SHARES);
	assert_int_equal(zone_nr_shares(&fixture->zone), SHARING_NR_RECORDS);
	zone_fixture_reopen(fixture);
	assert_share_refused(fixture, pfn, 0, FIRST, SECOND, ZONE_E_SHARES);
	assert_int_equal(zone_free(&fixture->zone, pfns[9], 0, SECOND), 0);
	sharing_add(fixture, pfns[5], 0, FIRST, 99);
	assert_share_refused(fixture, pfn, 0, FIRST, SECOND, ZONE_E_SHARES);
	zone_fixture_reopen(fixture);
}

static void test_zone_without_records_shares_nothing(void **state)
{
	struct zone_fixture *fixture = sharing_fixture_new(0);
	uint32_t cursor = 0;

	(void)state;
	assert_share_refused(fixture, sharing_grant(fixture, 0), 0, FIRST, SECOND, ZONE_E_SHARES);
	assert_true(zone_release(&fixture->zone, FIRST, NR_PAGES, &cursor));
	assert_int_equal(cursor, NR_PAGES);
	assert_int_equal(zone_nr_shares(&fixture->zone), 0);
	zone_fixture_free(fixture);
}

/* Going. */

static void test_zone_share_is_left_by_either(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;

	for (unsigned first = FIRST; first <= SECOND; first++) {
		unsigned last = FIRST + SECOND - first;
		uint32_t pfn = sharing_grant_pair(fixture, 2);

		assert_int_equal(zone_free(zone, pfn, 2, THIRD), ZONE_E_NOT_HELD);
		assert_int_equal(zone_free(zone, pfn, 1, first), ZONE_E_ORDER);
		assert_int_equal(zone_free(zone, pfn, 2, first), 0);
		assert_int_equal(zone->words[pfn], word_make(WORD_PAGE, sharing_owner(last), 2));
		assert_int_equal(zone_held_pages(zone, first), 0);
		assert_int_equal(zone_nr_free(zone), NR_PAGES - 4);
		zone_fixture_reopen(fixture);
		assert_int_equal(zone_free(zone, pfn, 2, first), ZONE_E_NOT_HELD);
		assert_int_equal(zone_free(zone, pfn, 2, last), 0);
		assert_int_equal(zone_free(zone, pfn, 2, last), ZONE_E_NOT_HEAD);
		assert_all_free(fixture);
	}
}

/* Slots 1 .. 100 leave, slot 1 + i * step mod 100 after i others. */
static void leave_in_steps(struct zone_fixture *fixture, unsigned step)
{
	struct zone *zone = &fixture->zone;
	uint32_t pfn = sharing_grant_many(fixture);

	for (unsigned i = 0; i < SHARING_MANY; i++) {
		unsigned slot = 1 + i * step % SHARING_MANY;

		assert_int_equal(zone_nr_free(zone), NR_PAGES - 2);
		assert_true(is_holder(fixture, pfn, slot));
		assert_int_equal(zone_free(zone, pfn, 1, slot), 0);
		assert_int_equal(sharing_nr_holders(fixture, pfn), SHARING_MANY - i - 1);
		assert_false(is_holder(fixture, pfn, slot));
		assert_int_equal(zone_held_pages(zone, slot), 0);
		zone_fixture_reopen(fixture);
	}
	assert_all_free(fixture);
}

static void test_zone_share_is_left_by_a_hundred_in_any_order(void **state)
{
	leave_in_steps(*state, 1);
	leave_in_steps(*state, SHARING_MANY - 1);
	leave_in_steps(*state, 37);
}

static void test_zone_share_uses_free_entries_first(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = sharing_grant_many(fixture), nr = zone_nr_shares(&fixture->zone);

	for (unsigned slot = 5; slot <= SHARING_MANY; slot += 9)
		assert_int_equal(zone_free(&fixture->zone, pfn, 1, slot), 0);
	for (unsigned slot = 5; slot <= SHARING_MANY; slot += 9)
		sharing_add(fixture, pfn, 1, 1, slot);
	assert_int_equal(zone_nr_shares(&fixture->zone), nr);
	assert_int_equal(sharing_nr_holders(fixture, pfn), SHARING_MANY);
	zone_fixture_assert_sound(fixture);
}

/* Batches. */

static void test_zone_share_is_left_in_batches(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct page_run run = sharing_grant_run(fixture), parts[3];

	parts[0] = sharing_part(run, 0x3);               /* few */
	parts[1] = sharing_part(run, 0x00fff0);          /* many */
	parts[2] = sharing_part(run, UINT64_C(0x40000)); /* one, shared */
	assert_int_equal(zone_free_bulk(zone, 1, FIRST, parts, 3), 0);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_held_pages(zone, FIRST), 2 * (SHARING_NR_BLOCKS - 2 - 12 - 1));
	assert_int_equal(zone_held_pages(zone, SECOND), 2 * SHARING_NR_BLOCKS / 3);
	parts[0] = sharing_part(run, 0xfb000c); /* the others */
	assert_int_equal(zone_free_bulk(zone, 1, FIRST, parts, 1), 0);
	parts[0] = sharing_part(run, ~SHARING_SHARED_BLOCKS);
	assert_int_equal(zone_free_bulk(zone, 1, FIRST, parts, 1), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 2 * SHARING_NR_BLOCKS / 3);
	zone_fixture_reopen(fixture);
	parts[0] = sharing_part(run, SHARING_SHARED_BLOCKS);
	assert_int_equal(zone_free_bulk(zone, 1, SECOND, parts, 1), 0);
	assert_all_free(fixture);
}

static void assert_batch_refused(struct zone_fixture *fixture, unsigned order, unsigned slot,
				 const struct page_run *runs, size_t nr_runs, int error)
{
	uint8_t *saved = zone_fixture_save(fixture);

	assert_int_equal(zone_free_bulk(&fixture->zone, order, slot, runs, nr_runs), error);
	zone_fixture_assert_saved(fixture, saved);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_share_stays_when_a_batch_is_refused(void **state)
{
	struct zone_fixture *fixture = *state;
	struct page_run run = sharing_grant_run(fixture);
	struct page_run twice[2] = { run, sharing_part(run, 0x200) };
	struct page_run foreign = sharing_part(run, SHARING_SHARED_BLOCKS | 0x800000);

	assert_batch_refused(fixture, 1, FIRST, twice, 2, ZONE_E_TWICE);
	assert_batch_refused(fixture, 1, SECOND, &foreign, 1, ZONE_E_NOT_HELD);
	assert_batch_refused(fixture, 1, THIRD, &run, 1, ZONE_E_NOT_HELD);
	assert_batch_refused(fixture, 0, FIRST, &run, 1, ZONE_E_ORDER);
	assert_int_equal(zone_leave(&fixture->zone, 1, FIRST, &run), 0);
	zone_leave_cancel(&fixture->zone, 1, &run);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_free_bulk(&fixture->zone, 1, FIRST, &run, 1), 0);
	assert_int_equal(zone_held_pages(&fixture->zone, FIRST), 0);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_share_of_parts_of_an_exact_grant(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn;

	assert_int_equal(zone_alloc_exact(zone, 13, sharing_owner(FIRST), &pfn), 0);
	sharing_add(fixture, pfn, 3, FIRST, SECOND);
	sharing_add(fixture, pfn + 12, 0, FIRST, SECOND);
	assert_int_equal(zone_free_exact(zone, pfn, 13, SECOND), ZONE_E_NOT_HELD);
	assert_int_equal(zone_free_exact(zone, pfn, 12, THIRD), ZONE_E_NOT_HELD);
	assert_int_equal(zone_free_exact(zone, pfn, 7, FIRST), ZONE_E_ORDER);
	assert_int_equal(zone_held_pages(zone, FIRST), 13);
	assert_int_equal(zone_free_exact(zone, pfn, 13, FIRST), 0);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_held_pages(zone, FIRST), 0);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 9);
	assert_int_equal(zone_free_exact(zone, pfn, 13, SECOND), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_free_exact(zone, pfn, 8, SECOND), 0);
	assert_int_equal(zone_free_exact(zone, pfn + 12, 1, SECOND), 0);
	assert_int_equal(zone_nr_free(zone), NR_PAGES);
	zone_fixture_reopen(fixture);
}

/* Deaths. */

static void release(struct zone_fixture *fixture, unsigned slot, uint32_t max_pages)
{
	uint32_t cursor = 0;

	while (!zone_release(&fixture->zone, slot, max_pages, &cursor))
		zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_held_pages(&fixture->zone, slot), 0);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_share_is_left_by_the_dead(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t many = sharing_grant_many(fixture), pfn;

	for (unsigned i = 0; i < 10; i++) {
		sharing_grant(fixture, i % 7);
		pfn = sharing_grant_pair(fixture, i % 7);
		if (i % 2)
			sharing_add(fixture, pfn, i % 7, SECOND, THIRD);
	}
	release(fixture, SECOND, 1);
	assert_false(is_holder(fixture, many, SECOND));
	assert_int_equal(sharing_nr_holders(fixture, many), SHARING_MANY - 1);
	assert_int_equal(sharing_nr_holders(fixture, pfn), 2);
	assert_int_equal(zone_counters(zone)->released, 0);
	release(fixture, FIRST, NR_PAGES);
	release(fixture, THIRD, 16);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 2);
	zone_fixture_reopen(fixture);
	for (unsigned slot = 1; slot <= SHARING_MANY; slot++)
		release(fixture, slot, 64);
	assert_all_free(fixture);
}

static void test_zone_share_is_left_by_the_dead_in_slices(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cursor = 0;

	for (unsigned i = 0; i < SHARING_NR_RECORDS; i++)
		sharing_grant_pair(fixture, 0);
	for (unsigned left = SHARING_NR_RECORDS; left > 0; left -= 2) {
		assert_int_equal(zone_held_pages(&fixture->zone, SECOND), left);
		assert_int_equal(zone_release(&fixture->zone, SECOND, 2 * 64 / 4, &cursor),
				 left == 2);
		zone_fixture_assert_sound(fixture);
	}
	assert_int_equal(zone_held_pages(&fixture->zone, SECOND), 0);
	assert_int_equal(zone_held_pages(&fixture->zone, FIRST), SHARING_NR_RECORDS);
}

/* What one leaves to the other must not fall behind the other's walk. */
static void test_zone_share_is_left_by_two_who_die_at_once(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;

	for (uint32_t lead = 0; lead < 80; lead++) {
		uint32_t cursors[2] = { 0, 0 };
		bool is_done[2] = { false, false };

		for (unsigned i = 0; i < 20; i++) {
			sharing_grant_pair(fixture, i % 3);
			sharing_grant(fixture, 0);
			zone_fixture_grant(fixture, 5, sharing_owner(SECOND));
		}
		for (uint32_t i = 0; !is_done[0] || !is_done[1]; i++)
			for (unsigned who = 0; who < 2; who++)
				if (!is_done[who] && (who || i >= lead))
					is_done[who] =
						zone_release(zone, FIRST + who, 16, &cursors[who]);
		assert_all_free(fixture);
	}
}

/* Looking. */

static void test_zone_share_is_seen_by_walks(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = sharing_grant_pair(fixture, 2), cursor = 0;
	struct zone_block block;
	struct word_owner owner;

	assert_true(zone_next_block(zone, -1, NR_PAGES, &cursor, &block));
	assert_int_equal(block.pfn, pfn);
	assert_int_equal(block.kind, WORD_SHARED);
	assert_true(block.owner.slot == FIRST || block.owner.slot == SECOND);
	assert_false(zone_next_block(zone, -1, NR_PAGES, &cursor, &block));
	for (unsigned slot = FIRST; slot <= SECOND; slot++) {
		cursor = 0;
		assert_true(zone_next_block(zone, (int)slot, NR_PAGES, &cursor, &block));
		assert_int_equal(block.owner.slot, slot);
		assert_int_equal(block.owner.tag, sharing_owner(slot).tag);
	}
	cursor = 0;
	assert_false(zone_next_block(zone, (int)THIRD, NR_PAGES, &cursor, &block));
	/* The record's number, which stands where a slot would. */
	cursor = 0;
	assert_false(zone_next_block(zone, 0, NR_PAGES, &cursor, &block));

	cursor = 0;
	assert_false(zone_next_holder(zone, pfn + 1, &cursor, &owner));
	assert_false(zone_next_holder(zone, 1024, &cursor, &owner));
	assert_false(zone_next_holder(zone, UINT32_MAX, &cursor, &owner));
	pfn = sharing_grant(fixture, 0);
	assert_int_equal(sharing_nr_holders(fixture, pfn), 1);
	assert_true(is_holder(fixture, pfn, FIRST));
}

static void test_zone_share_listing_survives_changes(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = sharing_grant_many(fixture), cursor = 0;
	struct word_owner owner;

	for (unsigned i = 0; i < 50; i++)
		assert_true(zone_next_holder(zone, pfn, &cursor, &owner));
	for (unsigned slot = 1; slot < SHARING_MANY; slot++)
		assert_int_equal(zone_free(zone, pfn, 1, slot), 0);
	assert_false(zone_next_holder(zone, pfn, &cursor, &owner));
	pfn = sharing_grant_pair(fixture, 0);
	cursor = UINT32_MAX;
	assert_false(zone_next_holder(zone, pfn, &cursor, &owner));
}

/* The record that a listing has come to is not in use any more, or another block's. */
static void test_zone_share_listing_leaves_what_is_another_blocks(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = sharing_grant_many(fixture), cursor = 0, again;
	struct word_owner owner;

	do
		assert_true(zone_next_holder(zone, pfn, &cursor, &owner));
	while (owner.slot > SHARE_HOLDERS);
	again = cursor;
	for (unsigned slot = 1; slot <= SHARE_HOLDERS; slot++)
		assert_int_equal(zone_free(zone, pfn, 1, slot), 0);
	assert_false(zone_next_holder(zone, pfn, &cursor, &owner));
	sharing_grant_pair(fixture, 0);
	assert_false(zone_next_holder(zone, pfn, &again, &owner));
	assert_int_equal(sharing_nr_holders(fixture, pfn), SHARING_MANY - SHARE_HOLDERS);
}

/* Sizes. */

static void test_zone_share_drains_once(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t low, high;

	low = sharing_grant(fixture, 11);
	high = sharing_grant(fixture, 10);
	sharing_add(fixture, high, 10, FIRST, SECOND);
	assert_true(high > low);
	zone_fixture_resize(fixture, high + 256, 512);
	assert_int_equal(zone_nr_draining(zone), 768);
	zone_fixture_assert_sound(fixture);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_draining(zone), 768);
	assert_int_equal(zone_free(zone, high, 10, FIRST), 0);
	assert_int_equal(zone_nr_draining(zone), 768);
	assert_int_equal(zone_free(zone, high, 10, SECOND), 0);
	assert_int_equal(zone_nr_draining(zone), 0);
	assert_int_equal(zone_nr_free(zone), 256);
	zone_fixture_assert_sound(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(test_zone_##name, sharing_setup, zone_fixture_teardown)
		TEST(share_makes_another_holder),
		TEST(share_is_for_every_holder_to_give),
		TEST(share_keeps_the_mobility_of_the_block),
		TEST(share_is_refused),
		TEST(share_needs_a_record),
		TEST(without_records_shares_nothing),
		TEST(share_is_left_by_either),
		TEST(share_is_left_by_a_hundred_in_any_order),
		TEST(share_uses_free_entries_first),
		TEST(share_is_left_in_batches),
		TEST(share_stays_when_a_batch_is_refused),
		TEST(share_of_parts_of_an_exact_grant),
		TEST(share_is_left_by_the_dead),
		TEST(share_is_left_by_the_dead_in_slices),
		TEST(share_is_left_by_two_who_die_at_once),
		TEST(share_is_seen_by_walks),
		TEST(share_listing_survives_changes),
		TEST(share_listing_leaves_what_is_another_blocks),
		TEST(share_drains_once),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
