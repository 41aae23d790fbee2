/* SPDX-License-Identifier: MIT */

/*
 * Blocks with several holders: who may let whom in, what each of them has, how they leave in every
 * form that a free has, what of it a next daemon finds, and which records it does not believe.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "support/zone_fixture.h"

#define INDEX_IN_POOL 3u
#define NR_PAGES 4096u
#define NR_SLOTS 130u
#define NR_SHARES 32u
#define FIRST 7u
#define SECOND 8u
#define THIRD 9u
#define MANY 100u /* holders */

static struct word_owner owner_of(unsigned slot)
{
	return (struct word_owner){ .slot = (uint16_t)slot,
				    .tag = (uint16_t)(slot * 7 % WORD_NR_TAGS),
				    .mobility = MOBILITY_MOVABLE };
}

static struct zone_fixture *fixture_new(uint32_t nr_shares)
{
	const struct zone_config config = { .index = INDEX_IN_POOL,
					    .nr_pages = NR_PAGES,
					    .max_order = 12,
					    .nr_slots = NR_SLOTS,
					    .nr_shares = nr_shares };

	return zone_fixture_new(&config);
}

static int setup(void **state)
{
	*state = fixture_new(NR_SHARES);
	return 0;
}

static int teardown(void **state)
{
	zone_fixture_free(*state);
	return 0;
}

static uint32_t grant(struct zone_fixture *fixture, unsigned order)
{
	return zone_fixture_grant(fixture, order, owner_of(FIRST));
}

static void share(struct zone_fixture *fixture, uint32_t pfn, unsigned order, unsigned slot,
		  unsigned other)
{
	assert_int_equal(zone_share(&fixture->zone, pfn, order, slot, owner_of(other)), 0);
}

/* A block of the first two slots. */
static uint32_t grant_shared(struct zone_fixture *fixture, unsigned order)
{
	uint32_t pfn = grant(fixture, order);

	share(fixture, pfn, order, FIRST, SECOND);
	return pfn;
}

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
			assert_int_equal(owner.tag, owner_of(slot).tag);
			nr++;
		}
	assert_in_range(nr, 0, 1);
	return nr;
}

static uint32_t nr_holders(struct zone_fixture *fixture, uint32_t pfn)
{
	struct word_owner owner;
	uint32_t cursor = 0, nr = 0;

	while (zone_next_holder(&fixture->zone, pfn, &cursor, &owner))
		nr++;
	return nr;
}

/* Coming. */

static void test_zone_share_makes_another_holder(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = grant(fixture, 3), word;

	share(fixture, pfn, 3, FIRST, SECOND);
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
	assert_int_equal(nr_holders(fixture, pfn), 2);
	zone_fixture_assert_sound(fixture);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 8);
	assert_int_equal(zone_held_pages(zone, SECOND), 8);
}

static void test_zone_share_is_for_every_holder_to_give(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = grant_shared(fixture, 0);

	share(fixture, pfn, 0, SECOND, THIRD);
	share(fixture, pfn, 0, THIRD, THIRD + 1);
	assert_int_equal(nr_holders(fixture, pfn), 4);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_share_keeps_the_mobility_of_the_block(void **state)
{
	struct zone_fixture *fixture = *state;
	struct word_owner unmovable = { .slot = SECOND, .mobility = MOBILITY_UNMOVABLE };
	struct zone_block block;
	uint32_t pfn = grant(fixture, 0), cursor = 0;

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
	size_t size_bytes = zone_ledger_bytes(&fixture->config);
	uint8_t *before = malloc(size_bytes);
	uint64_t held = zone_held_pages(&fixture->zone, other);

	assert_non_null(before);
	memcpy(before, fixture->ledger, size_bytes);
	assert_int_equal(zone_share(&fixture->zone, pfn, order, slot, owner_of(other)), error);
	assert_memory_equal(fixture->ledger, before, size_bytes);
	assert_int_equal(zone_held_pages(&fixture->zone, other), held);
	zone_fixture_assert_sound(fixture);
	free(before);
}

static void test_zone_share_is_refused(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = grant(fixture, 4), shared = grant_shared(fixture, 2);

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
	uint32_t pfns[NR_SHARES], pfn;

	for (unsigned i = 0; i < NR_SHARES; i++)
		pfns[i] = grant_shared(fixture, 0);
	pfn = grant(fixture, 0);
	assert_share_refused(fixture, pfn, 0, FIRST, SECOND, ZONE_E_SHARES);
	for (unsigned slot = 20; slot < 20 + SHARE_HOLDERS - 2; slot++)
		share(fixture, pfns[5], 0, FIRST, slot);
	assert_share_refused(fixture, pfns[5], 0, FIRST, 99, ZONE_E_SHARES);
	assert_int_equal(zone_nr_shares(&fixture->zone), NR_SHARES);
	zone_fixture_reopen(fixture);
	assert_share_refused(fixture, pfn, 0, FIRST, SECOND, ZONE_E_SHARES);
	assert_int_equal(zone_free(&fixture->zone, pfns[9], 0, SECOND), 0);
	share(fixture, pfns[5], 0, FIRST, 99);
	assert_share_refused(fixture, pfn, 0, FIRST, SECOND, ZONE_E_SHARES);
	zone_fixture_reopen(fixture);
}

static void test_zone_without_records_shares_nothing(void **state)
{
	struct zone_fixture *fixture = fixture_new(0);
	uint32_t cursor = 0;

	(void)state;
	assert_share_refused(fixture, grant(fixture, 0), 0, FIRST, SECOND, ZONE_E_SHARES);
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
		uint32_t pfn = grant_shared(fixture, 2);

		assert_int_equal(zone_free(zone, pfn, 2, THIRD), ZONE_E_NOT_HELD);
		assert_int_equal(zone_free(zone, pfn, 1, first), ZONE_E_ORDER);
		assert_int_equal(zone_free(zone, pfn, 2, first), 0);
		assert_int_equal(zone->words[pfn], word_make(WORD_PAGE, owner_of(last), 2));
		assert_int_equal(zone_held_pages(zone, first), 0);
		assert_int_equal(zone_nr_free(zone), NR_PAGES - 4);
		zone_fixture_reopen(fixture);
		assert_int_equal(zone_free(zone, pfn, 2, first), ZONE_E_NOT_HELD);
		assert_int_equal(zone_free(zone, pfn, 2, last), 0);
		assert_int_equal(zone_free(zone, pfn, 2, last), ZONE_E_NOT_HEAD);
		assert_all_free(fixture);
	}
}

static uint32_t grant_to_many(struct zone_fixture *fixture)
{
	uint32_t pfn = zone_fixture_grant(fixture, 1, owner_of(1));

	for (unsigned slot = 2; slot <= MANY; slot++) {
		share(fixture, pfn, 1, slot - 1, slot);
		assert_int_equal(zone_nr_shares(&fixture->zone),
				 (slot + SHARE_HOLDERS - 1) / SHARE_HOLDERS);
	}
	zone_fixture_assert_sound(fixture);
	zone_fixture_reopen(fixture);
	assert_int_equal(nr_holders(fixture, pfn), MANY);
	return pfn;
}

/* Slots 1 .. 100 leave, slot 1 + i * step mod 100 after i others. */
static void leave_in_steps(struct zone_fixture *fixture, unsigned step)
{
	struct zone *zone = &fixture->zone;
	uint32_t pfn = grant_to_many(fixture);

	for (unsigned i = 0; i < MANY; i++) {
		unsigned slot = 1 + i * step % MANY;

		assert_int_equal(zone_nr_free(zone), NR_PAGES - 2);
		assert_true(is_holder(fixture, pfn, slot));
		assert_int_equal(zone_free(zone, pfn, 1, slot), 0);
		assert_int_equal(nr_holders(fixture, pfn), MANY - i - 1);
		assert_false(is_holder(fixture, pfn, slot));
		assert_int_equal(zone_held_pages(zone, slot), 0);
		zone_fixture_reopen(fixture);
	}
	assert_all_free(fixture);
}

static void test_zone_share_is_left_by_a_hundred_in_any_order(void **state)
{
	leave_in_steps(*state, 1);
	leave_in_steps(*state, MANY - 1);
	leave_in_steps(*state, 37);
}

static void test_zone_share_uses_free_entries_first(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = grant_to_many(fixture), nr = zone_nr_shares(&fixture->zone);

	for (unsigned slot = 5; slot <= MANY; slot += 9)
		assert_int_equal(zone_free(&fixture->zone, pfn, 1, slot), 0);
	for (unsigned slot = 5; slot <= MANY; slot += 9)
		share(fixture, pfn, 1, 1, slot);
	assert_int_equal(zone_nr_shares(&fixture->zone), nr);
	assert_int_equal(nr_holders(fixture, pfn), MANY);
	zone_fixture_assert_sound(fixture);
}

/* Batches. */

#define NR_BLOCKS 24u

/* 24 blocks of order 1 in one run, of which every third is shared. */
static struct page_run grant_run(struct zone_fixture *fixture)
{
	struct page_run runs[NR_BLOCKS];
	size_t nr_runs = 0;

	assert_int_equal(
		zone_alloc_bulk(&fixture->zone, 1, NR_BLOCKS, owner_of(FIRST), runs, &nr_runs),
		NR_BLOCKS);
	assert_int_equal(nr_runs, 1);
	for (unsigned i = 0; i < NR_BLOCKS; i += 3)
		share(fixture, (uint32_t)page_address_pfn(runs[0].base) + 2 * i, 1, FIRST, SECOND);
	return runs[0];
}

static struct page_run part_of(struct page_run run, uint64_t mask)
{
	return (struct page_run){ run.base, run.mask & mask };
}

#define SHARED_BLOCKS UINT64_C(0x249249) /* every third of 24 */

static void test_zone_share_is_left_in_batches(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct page_run run = grant_run(fixture), parts[3];

	parts[0] = part_of(run, 0x3);               /* few */
	parts[1] = part_of(run, 0x00fff0);          /* many */
	parts[2] = part_of(run, UINT64_C(0x40000)); /* one, shared */
	assert_int_equal(zone_free_bulk(zone, 1, FIRST, parts, 3), 0);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_held_pages(zone, FIRST), 2 * (NR_BLOCKS - 2 - 12 - 1));
	assert_int_equal(zone_held_pages(zone, SECOND), 2 * NR_BLOCKS / 3);
	parts[0] = part_of(run, 0xfb000c); /* the others */
	assert_int_equal(zone_free_bulk(zone, 1, FIRST, parts, 1), 0);
	parts[0] = part_of(run, ~SHARED_BLOCKS);
	assert_int_equal(zone_free_bulk(zone, 1, FIRST, parts, 1), ZONE_E_NOT_HEAD);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 2 * NR_BLOCKS / 3);
	zone_fixture_reopen(fixture);
	parts[0] = part_of(run, SHARED_BLOCKS);
	assert_int_equal(zone_free_bulk(zone, 1, SECOND, parts, 1), 0);
	assert_all_free(fixture);
}

static void assert_batch_refused(struct zone_fixture *fixture, unsigned order, unsigned slot,
				 const struct page_run *runs, size_t nr_runs, int error)
{
	size_t size_bytes = zone_ledger_bytes(&fixture->config);
	uint8_t *before = malloc(size_bytes);

	assert_non_null(before);
	memcpy(before, fixture->ledger, size_bytes);
	assert_int_equal(zone_free_bulk(&fixture->zone, order, slot, runs, nr_runs), error);
	assert_memory_equal(fixture->ledger, before, size_bytes);
	free(before);
	zone_fixture_assert_sound(fixture);
}

static void test_zone_share_stays_when_a_batch_is_refused(void **state)
{
	struct zone_fixture *fixture = *state;
	struct page_run run = grant_run(fixture);
	struct page_run twice[2] = { run, part_of(run, 0x200) };
	struct page_run foreign = part_of(run, SHARED_BLOCKS | 0x800000);

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

static void test_zone_share_recovers_amid_a_batch(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct page_run run = grant_run(fixture), first = part_of(run, 0x7);
	struct zone_fault fault;
	uint32_t cursor = 0;

	assert_int_equal(zone_leave(zone, 1, FIRST, &run), 0);
	assert_int_equal(zone_check(zone, NR_PAGES, &cursor, &fault), -EUCLEAN);
	zone_leave_finish(zone, 1, FIRST, &first);
	assert_int_equal(zone_fixture_open(fixture, &fault), 0);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_held_pages(zone, FIRST), 2 * (NR_BLOCKS - 3));
	assert_int_equal(zone_held_pages(zone, SECOND), 2 * NR_BLOCKS / 3);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 2 * (NR_BLOCKS - 2));
	run.mask &= ~first.mask;
	assert_int_equal(zone_free_bulk(zone, 1, FIRST, &run, 1), 0);
	zone_fixture_reopen(fixture);
}

/* The only marks are those of shared blocks. */
static void test_zone_share_recovers_amid_a_batch_of_shared_blocks(void **state)
{
	struct zone_fixture *fixture = *state;
	struct page_run run = grant_run(fixture), shared = part_of(run, SHARED_BLOCKS);
	struct zone_fault fault;

	assert_int_equal(zone_leave(&fixture->zone, 1, FIRST, &shared), 0);
	assert_int_equal(zone_fixture_open(fixture, &fault), 0);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_held_pages(&fixture->zone, FIRST), 2 * NR_BLOCKS);
}

static void test_zone_share_of_parts_of_an_exact_grant(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn;

	assert_int_equal(zone_alloc_exact(zone, 13, owner_of(FIRST), &pfn), 0);
	share(fixture, pfn, 3, FIRST, SECOND);
	share(fixture, pfn + 12, 0, FIRST, SECOND);
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
	uint32_t many = grant_to_many(fixture), pfn;

	for (unsigned i = 0; i < 10; i++) {
		grant(fixture, i % 7);
		pfn = grant_shared(fixture, i % 7);
		if (i % 2)
			share(fixture, pfn, i % 7, SECOND, THIRD);
	}
	release(fixture, SECOND, 1);
	assert_false(is_holder(fixture, many, SECOND));
	assert_int_equal(nr_holders(fixture, many), MANY - 1);
	assert_int_equal(nr_holders(fixture, pfn), 2);
	assert_int_equal(zone_counters(zone)->released, 0);
	release(fixture, FIRST, NR_PAGES);
	release(fixture, THIRD, 16);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 2);
	zone_fixture_reopen(fixture);
	for (unsigned slot = 1; slot <= MANY; slot++)
		release(fixture, slot, 64);
	assert_all_free(fixture);
}

static void test_zone_share_is_left_by_the_dead_in_slices(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cursor = 0;

	for (unsigned i = 0; i < NR_SHARES; i++)
		grant_shared(fixture, 0);
	for (unsigned left = NR_SHARES; left > 0; left -= 2) {
		assert_int_equal(zone_held_pages(&fixture->zone, SECOND), left);
		assert_int_equal(zone_release(&fixture->zone, SECOND, 2 * 64 / 4, &cursor),
				 left == 2);
		zone_fixture_assert_sound(fixture);
	}
	assert_int_equal(zone_held_pages(&fixture->zone, SECOND), 0);
	assert_int_equal(zone_held_pages(&fixture->zone, FIRST), NR_SHARES);
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
			grant_shared(fixture, i % 3);
			grant(fixture, 0);
			zone_fixture_grant(fixture, 5, owner_of(SECOND));
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
	uint32_t pfn = grant_shared(fixture, 2), cursor = 0;
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
		assert_int_equal(block.owner.tag, owner_of(slot).tag);
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
	pfn = grant(fixture, 0);
	assert_int_equal(nr_holders(fixture, pfn), 1);
	assert_true(is_holder(fixture, pfn, FIRST));
}

static void test_zone_share_listing_survives_changes(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = grant_to_many(fixture), cursor = 0;
	struct word_owner owner;

	for (unsigned i = 0; i < 50; i++)
		assert_true(zone_next_holder(zone, pfn, &cursor, &owner));
	for (unsigned slot = 1; slot < MANY; slot++)
		assert_int_equal(zone_free(zone, pfn, 1, slot), 0);
	assert_false(zone_next_holder(zone, pfn, &cursor, &owner));
	pfn = grant_shared(fixture, 0);
	cursor = UINT32_MAX;
	assert_false(zone_next_holder(zone, pfn, &cursor, &owner));
}

/* The record that a listing has come to is not in use any more, or another block's. */
static void test_zone_share_listing_leaves_what_is_another_blocks(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t pfn = grant_to_many(fixture), cursor = 0, again;
	struct word_owner owner;

	do
		assert_true(zone_next_holder(zone, pfn, &cursor, &owner));
	while (owner.slot > SHARE_HOLDERS);
	again = cursor;
	for (unsigned slot = 1; slot <= SHARE_HOLDERS; slot++)
		assert_int_equal(zone_free(zone, pfn, 1, slot), 0);
	assert_false(zone_next_holder(zone, pfn, &cursor, &owner));
	grant_shared(fixture, 0);
	assert_false(zone_next_holder(zone, pfn, &again, &owner));
	assert_int_equal(nr_holders(fixture, pfn), MANY - SHARE_HOLDERS);
}

/* Sizes. */

static void test_zone_share_drains_once(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t low, high;

	low = grant(fixture, 11);
	high = grant(fixture, 10);
	share(fixture, high, 10, FIRST, SECOND);
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

/*
 * 64 pages whose records differ only in what stands where a tag would: a leaf that looks as if it
 * were all one holder's.
 */
static void test_zone_share_recovers_a_leaf_of_shared_pages(void **state)
{
	const struct zone_config config = { .nr_pages = 64 * WORD_NR_SLOTS,
					    .max_order = 9,
					    .nr_slots = 16,
					    .nr_shares = 64 * WORD_NR_SLOTS };
	struct zone_fixture *fixture = zone_fixture_new(&config);
	struct zone *zone = &fixture->zone;
	uint32_t other = 64;

	(void)state;
	for (uint32_t pfn = 0; pfn < config.nr_pages; pfn++)
		grant(fixture, 0);
	for (uint32_t number = 0; number < config.nr_shares; number++)
		share(fixture, number % WORD_NR_SLOTS ? other++ : number / WORD_NR_SLOTS, 0, FIRST,
		      SECOND);
	for (uint32_t pfn = 1; pfn < 64; pfn++)
		assert_int_equal((zone->words[pfn] ^ zone->words[0]) & ~LEDGER_TAG_MASK, 0);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_held_pages(zone, SECOND), config.nr_pages);
	assert_int_equal(zone_nr_shares(zone), config.nr_shares);
	zone_fixture_free(fixture);
}

/* Damage. */

static struct share_record *record_of(struct zone_fixture *fixture, uint32_t pfn)
{
	return &fixture->zone.shares.records[word_share(fixture->zone.words[pfn])];
}

static void test_zone_share_does_not_believe_unnamed_records(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = grant_shared(fixture, 0);
	struct share_record *records = fixture->zone.shares.records;

	records[20] = *record_of(fixture, pfn);
	records[5].next = 77777;
	records[NR_SHARES - 1].holders[3] = UINT32_MAX;
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_shares(&fixture->zone), 1);
	for (unsigned i = 1; i < NR_SHARES; i++)
		grant_shared(fixture, 0);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_shares(&fixture->zone), NR_SHARES);
}

/* What a kill between writing the record and naming it would have left. */
static void test_zone_share_that_was_not_named_did_not_happen(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = grant(fixture, 6), word = fixture->zone.words[pfn];

	share(fixture, pfn, 6, FIRST, SECOND);
	fixture->zone.words[pfn] = word;
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_shares(&fixture->zone), 0);
	assert_int_equal(zone_held_pages(&fixture->zone, FIRST), 64);
	assert_int_equal(zone_held_pages(&fixture->zone, SECOND), 0);
}

/* Each of these is made of a block that many share, the last record of which is full. */
enum damage {
	OTHER_BLOCK,
	BEYOND_THE_TABLE,
	FIRST_BEYOND_THE_TABLE,
	CIRCLE,
	NAMED_BY_TWO,
	EMPTY,
	ONE_HOLDER,
	TWICE,
	NO_SLOT,
	KIND,
	ORDER,
	MOBILITY,
	NO_MOBILITY,
	NR_DAMAGES
};

static void damage(struct zone_fixture *fixture, enum damage which)
{
	struct zone *zone = &fixture->zone;
	uint32_t many = grant_to_many(fixture), pfn = grant_shared(fixture, 0);
	struct share_record *first = record_of(fixture, many), *pair = record_of(fixture, pfn);
	struct share_record *last = &zone->shares.records[0];

	assert_true(last->pfn == many && last->next == SHARE_NONE);
	switch (which) {
	case OTHER_BLOCK:
		last->pfn++;
		break;
	case BEYOND_THE_TABLE:
		last->next = NR_SHARES + 1;
		break;
	case FIRST_BEYOND_THE_TABLE:
		zone->words[many] = word_make_shared(zone->words[many], NR_SHARES);
		break;
	case CIRCLE:
		last->next = first->next;
		break;
	case NAMED_BY_TWO:
		zone->words[pfn] = word_make_shared(zone->words[pfn], 1);
		break;
	case EMPTY:
		memset(last->holders, 0, sizeof(last->holders));
		break;
	case ONE_HOLDER:
		pair->holders[0] = 0;
		break;
	case TWICE:
		pair->holders[SHARE_HOLDERS - 1] = pair->holders[0];
		break;
	case NO_SLOT:
		pair->holders[3] = word_make(WORD_PAGE, owner_of(NR_SLOTS), 0);
		break;
	case KIND:
		pair->holders[3] = word_make(WORD_SHARED, owner_of(THIRD), 0);
		break;
	case ORDER:
		last->holders[3] ^= 1;
		break;
	case NO_MOBILITY:
		zone->words[pfn] |= (uint32_t)NR_MOBILITIES << WORD_MOBILITY_SHIFT;
		for (unsigned i = 0; i < 2; i++)
			pair->holders[i] |= (uint32_t)NR_MOBILITIES << WORD_MOBILITY_SHIFT;
		break;
	default:
		last->holders[3] ^= 1u << WORD_MOBILITY_SHIFT;
	}
}

static void test_zone_share_damage_is_found(void **state)
{
	(void)state;
	for (unsigned which = 0; which < NR_DAMAGES; which++) {
		struct zone_fixture *fixture = fixture_new(NR_SHARES);
		size_t size_bytes = zone_ledger_bytes(&fixture->config);
		uint8_t *before = malloc(size_bytes);
		struct zone_fault fault = { .what = "" };
		uint32_t cursor = 0;

		assert_non_null(before);
		damage(fixture, (enum damage)which);
		assert_int_equal(zone_check(&fixture->zone, NR_PAGES, &cursor, &fault), -EUCLEAN);
		memcpy(before, fixture->ledger, size_bytes);
		if (zone_fixture_open(fixture, &fault) != ZONE_E_DAMAGED)
			fail_msg("damage %u is believed", which);
		assert_memory_equal(fixture->ledger, before, size_bytes);
		assert_true(strstr(fault.what, "share") || which == NO_MOBILITY);
		if (which == BEYOND_THE_TABLE || which == FIRST_BEYOND_THE_TABLE)
			assert_string_equal(fault.what, "a share record is none of the table");
		free(before);
		zone_fixture_free(fixture);
	}
}

static void test_zone_share_sums_are_proven(void **state)
{
	struct zone_fixture *fixture = *state;
	struct share_table *shares = &fixture->zone.shares;
	struct zone_fault fault;
	uint32_t cursor = 0;

	grant_to_many(fixture);
	shares->nr_blocks[SECOND]++;
	assert_int_equal(zone_validate(&fixture->zone, &fault), -EUCLEAN);
	shares->nr_blocks[SECOND]--;
	shares->nr_named++;
	assert_int_equal(zone_validate(&fixture->zone, &fault), -EUCLEAN);
	shares->nr_named--;
	shares->nr_touched++;
	assert_int_equal(zone_validate(&fixture->zone, &fault), -EUCLEAN);
	shares->nr_touched--;
	shares->unnamed[2] = 0;
	assert_int_equal(zone_check(&fixture->zone, NR_PAGES, &cursor, &fault), -EUCLEAN);
	shares->unnamed[2] = SHARE_NAMED;
	fixture->zone.holders[SECOND].regions = 0;
	assert_int_equal(zone_validate(&fixture->zone, &fault), -EUCLEAN);
}

static void test_zone_share_table_is_of_the_ledgers_shape(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone_config config = fixture->config;
	struct zone_fault fault = { .what = "" };
	struct zone zone;

	config.nr_shares = WORD_NR_SHARES + 1;
	assert_int_equal(zone_open(&zone, &config, NULL, NULL, &fault), -EINVAL);
	config.nr_shares = 0;
	assert_int_equal(zone_ledger_bytes(&fixture->config) - zone_ledger_bytes(&config),
			 64 * NR_SHARES);
	fixture->config.nr_shares = NR_SHARES - 1;
	assert_int_equal(zone_fixture_open(fixture, &fault), ZONE_E_DAMAGED);
	assert_string_equal(fault.what, "the ledger is of another shape");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_zone_##name, setup, teardown)
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
		TEST(share_recovers_amid_a_batch),
		TEST(share_recovers_amid_a_batch_of_shared_blocks),
		TEST(share_of_parts_of_an_exact_grant),
		TEST(share_is_left_by_the_dead),
		TEST(share_is_left_by_the_dead_in_slices),
		TEST(share_is_left_by_two_who_die_at_once),
		TEST(share_is_seen_by_walks),
		TEST(share_listing_survives_changes),
		TEST(share_listing_leaves_what_is_another_blocks),
		TEST(share_drains_once),
		TEST(share_recovers_a_leaf_of_shared_pages),
		TEST(share_does_not_believe_unnamed_records),
		TEST(share_that_was_not_named_did_not_happen),
		TEST(share_damage_is_found),
		TEST(share_sums_are_proven),
		TEST(share_table_is_of_the_ledgers_shape),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
