/* SPDX-License-Identifier: MIT */

/*
 * Blocks with several holders, as a next daemon opens them: what of it is found again, wherever the
 * one before it stopped, and which records are not believed.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "support/sharing.h"
#include "support/zone_fixture.h"

#define NR_PAGES ZONE_FIXTURE_PAGES

static void test_zone_share_recovers_amid_a_batch(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct page_run run = sharing_grant_run(fixture), first = sharing_part(run, 0x7);
	struct zone_fault fault;
	uint32_t cursor = 0;

	assert_int_equal(zone_leave(zone, 1, FIRST, &run), 0);
	assert_int_equal(zone_check(zone, NR_PAGES, &cursor, &fault), -EUCLEAN);
	zone_leave_finish(zone, 1, FIRST, &first);
	assert_int_equal(zone_fixture_open(fixture, &fault), 0);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_held_pages(zone, FIRST), 2 * (SHARING_NR_BLOCKS - 3));
	assert_int_equal(zone_held_pages(zone, SECOND), 2 * SHARING_NR_BLOCKS / 3);
	assert_int_equal(zone_nr_free(zone), NR_PAGES - 2 * (SHARING_NR_BLOCKS - 2));
	run.mask &= ~first.mask;
	assert_int_equal(zone_free_bulk(zone, 1, FIRST, &run, 1), 0);
	zone_fixture_reopen(fixture);
}

/* The only marks are those of shared blocks. */
static void test_zone_share_recovers_amid_a_batch_of_shared_blocks(void **state)
{
	struct zone_fixture *fixture = *state;
	struct page_run run = sharing_grant_run(fixture),
			shared = sharing_part(run, SHARING_SHARED_BLOCKS);
	struct zone_fault fault;

	assert_int_equal(zone_leave(&fixture->zone, 1, FIRST, &shared), 0);
	assert_int_equal(zone_fixture_open(fixture, &fault), 0);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_held_pages(&fixture->zone, FIRST), 2 * SHARING_NR_BLOCKS);
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
		sharing_grant(fixture, 0);
	for (uint32_t number = 0; number < config.nr_shares; number++)
		sharing_add(fixture, number % WORD_NR_SLOTS ? other++ : number / WORD_NR_SLOTS, 0,
			    FIRST, SECOND);
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
	uint32_t pfn = sharing_grant_pair(fixture, 0);
	struct share_record *records = fixture->zone.shares.records;

	records[20] = *record_of(fixture, pfn);
	records[5].next = 77777;
	records[SHARING_NR_RECORDS - 1].holders[3] = UINT32_MAX;
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_shares(&fixture->zone), 1);
	for (unsigned i = 1; i < SHARING_NR_RECORDS; i++)
		sharing_grant_pair(fixture, 0);
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_nr_shares(&fixture->zone), SHARING_NR_RECORDS);
}

/* What a kill between writing the record and naming it would have left. */
static void test_zone_share_that_was_not_named_did_not_happen(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t pfn = sharing_grant(fixture, 6), word = fixture->zone.words[pfn];

	sharing_add(fixture, pfn, 6, FIRST, SECOND);
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
	uint32_t many = sharing_grant_many(fixture), pfn = sharing_grant_pair(fixture, 0);
	struct share_record *first = record_of(fixture, many), *pair = record_of(fixture, pfn);
	struct share_record *last = &zone->shares.records[0];

	assert_true(last->pfn == many && last->next == SHARE_NONE);
	switch (which) {
	case OTHER_BLOCK:
		last->pfn++;
		break;
	case BEYOND_THE_TABLE:
		last->next = SHARING_NR_RECORDS + 1;
		break;
	case FIRST_BEYOND_THE_TABLE:
		zone->words[many] = word_make_shared(zone->words[many], SHARING_NR_RECORDS);
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
		pair->holders[3] = word_make(WORD_PAGE, sharing_owner(SHARING_NR_SLOTS), 0);
		break;
	case KIND:
		pair->holders[3] = word_make(WORD_SHARED, sharing_owner(THIRD), 0);
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
		struct zone_fixture *fixture = sharing_fixture_new(SHARING_NR_RECORDS);
		struct zone_fault fault = { .what = "" };
		uint32_t cursor = 0;
		uint8_t *saved;

		damage(fixture, (enum damage)which);
		assert_int_equal(zone_check(&fixture->zone, NR_PAGES, &cursor, &fault), -EUCLEAN);
		saved = zone_fixture_save(fixture);
		if (zone_fixture_open(fixture, &fault) != ZONE_E_DAMAGED)
			fail_msg("damage %u is believed", which);
		zone_fixture_assert_saved(fixture, saved);
		assert_true(strstr(fault.what, "share") || which == NO_MOBILITY);
		if (which == BEYOND_THE_TABLE || which == FIRST_BEYOND_THE_TABLE)
			assert_string_equal(fault.what, "a share record is none of the table");
		zone_fixture_free(fixture);
	}
}

static void test_zone_share_sums_are_proven(void **state)
{
	struct zone_fixture *fixture = *state;
	struct share_table *shares = &fixture->zone.shares;
	struct zone_fault fault;
	uint32_t cursor = 0;

	sharing_grant_many(fixture);
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
			 64 * SHARING_NR_RECORDS);
	fixture->config.nr_shares = SHARING_NR_RECORDS - 1;
	assert_int_equal(zone_fixture_open(fixture, &fault), ZONE_E_DAMAGED);
	assert_string_equal(fault.what, "the ledger is of another shape");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(test_zone_##name, sharing_setup, zone_fixture_teardown)
		TEST(share_recovers_amid_a_batch),
		TEST(share_recovers_amid_a_batch_of_shared_blocks),
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
