/* SPDX-License-Identifier: MIT */

/* Opening a zone: which ledgers are not believed, and left alone. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "support/random.h"
#include "support/zone_fixture.h"

#define NR_PAGES 8192u
#define CONTIGUOUS 1024u
#define SLOT 7u
#define OTHER 8u

static const struct word_owner owner = { .slot = SLOT, .tag = 0x2bc };
static const struct word_owner movable = { .slot = OTHER, .tag = 1, .mobility = MOBILITY_MOVABLE };

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

static void assert_damaged(struct zone_fixture *fixture, uint32_t pfn, const char *what)
{
	uint8_t *saved = zone_fixture_save(fixture);
	struct zone_fault fault = { .pfn = 99999, .what = "nothing" };

	assert_int_equal(zone_fixture_open(fixture, &fault), ZONE_E_DAMAGED);
	zone_fixture_assert_saved(fixture, saved);
	assert_string_equal(fault.what, what);
	assert_int_equal(fault.pfn, pfn);
}

/* Damages a field for as long as it takes to look. */
#define assert_header_damaged(fixture, field, value, reason)                                       \
	do {                                                                                       \
		const struct ledger_header saved = *zone_fixture_header(fixture);                  \
		zone_fixture_header(fixture)->field = (value);                                     \
		assert_damaged(fixture, 0, reason);                                                \
		*zone_fixture_header(fixture) = saved;                                             \
	} while (0)

static void test_zone_open_doubts_headers(void **state)
{
	struct zone_fixture *fixture = *state;

	assert_header_damaged(fixture, magic, 1, "this is no ledger");
	assert_header_damaged(fixture, magic, LEDGER_MAGIC + 1, "this is no ledger");
	assert_header_damaged(fixture, version, 0, "the ledger is of another version");
	assert_header_damaged(fixture, version, LEDGER_VERSION + 1,
			      "the ledger is of another version");
	assert_header_damaged(fixture, index_in_pool, 6, "the ledger is that of another zone");
	assert_header_damaged(fixture, capacity, NR_PAGES + 1, "the ledger is of another shape");
	assert_header_damaged(fixture, capacity, 0, "the ledger is of another shape");
	assert_header_damaged(fixture, nr_contiguous, 0, "the ledger is of another shape");
	assert_header_damaged(fixture, max_order, 14, "the ledger's header can't be true");
	assert_header_damaged(fixture, max_order, UINT32_MAX, "the ledger's header can't be true");
	assert_header_damaged(fixture, nr_pages, 0, "the ledger's header can't be true");
	assert_header_damaged(fixture, nr_pages, CONTIGUOUS - 1,
			      "the ledger's header can't be true");
	assert_header_damaged(fixture, nr_pages, NR_PAGES, "the ledger's header can't be true");
	assert_header_damaged(fixture, end, NR_PAGES + 1, "the ledger's header can't be true");
	assert_header_damaged(fixture, end, 0, "the ledger's header can't be true");
	zone_fixture_reopen(fixture);
}

/* A header without magic is that of a ledger which was never finished: but not with blocks. */
static void test_zone_open_doubts_blocks_without_a_header(void **state)
{
	struct zone_fixture *fixture = *state;

	zone_fixture_grant(fixture, 0, owner);
	assert_header_damaged(fixture, magic, 0, "this is no ledger");
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 1);
}

static void assert_word_damaged(struct zone_fixture *fixture, uint32_t pfn, uint32_t word,
				uint32_t at_pfn, const char *what)
{
	uint32_t saved = fixture->words[pfn];

	fixture->words[pfn] = word;
	assert_damaged(fixture, at_pfn, what);
	fixture->words[pfn] = saved;
}

static void test_zone_open_doubts_words(void **state)
{
	const struct word_owner nobody = { .slot = ZONE_FIXTURE_SLOTS },
				odd = { .slot = 1, .mobility = 3 };
	const enum word_kind kinds[] = { WORD_FREE, WORD_SCRUB, 7 };
	struct zone_fixture *fixture = *state;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_word_damaged(fixture, 9, word_make(kinds[i], owner, 0), 9,
				    "a block is of no known kind");
	assert_word_damaged(fixture, 9, 5, 9, "a block is of no known kind");
	assert_word_damaged(fixture, 9, word_make_slab(0, MOBILITY_MOVABLE, 0), 9,
			    "a slab's number is that of none");
	assert_word_damaged(fixture, 9, word_make(WORD_PAGE, nobody, 0), 9,
			    "a block's holder is no slot");
	assert_word_damaged(fixture, 9, word_make(WORD_LEAVING, nobody, 0), 9,
			    "a block's holder is no slot");
	assert_word_damaged(fixture, 9, word_make(WORD_PAGE, odd, 0), 9,
			    "a block is of no known mobility");
	for (unsigned order = 14; order < 32; order++)
		assert_word_damaged(fixture, 0, word_make(WORD_PAGE, owner, order), 0,
				    "a block is larger than the largest order");
	for (unsigned order = 1; order < 14; order++)
		assert_word_damaged(fixture, (1u << order) - 1, word_make(WORD_PAGE, owner, order),
				    (1u << order) - 1, "a block is not aligned to its order");
	assert_word_damaged(fixture, 9, word_make(WORD_HOLE, owner, 1), 9,
			    "a block is not aligned to its order");
	zone_fixture_reopen(fixture);
}

static void test_zone_open_doubts_whole_leaves(void **state)
{
	const struct word_owner nobody = { .slot = ZONE_FIXTURE_SLOTS };
	struct zone_fixture *fixture = *state;

	for (uint32_t i = 64; i < 128; i++)
		fixture->words[i] = word_make(WORD_PAGE, nobody, 0);
	assert_damaged(fixture, 64, "a block's holder is no slot");
	for (uint32_t i = 64; i < 128; i++)
		fixture->words[i] = word_make(WORD_PAGE, owner, 1);
	assert_damaged(fixture, 65, "a block starts within another");
}

static void test_zone_open_doubts_overlaps(void **state)
{
	const uint32_t page = word_make(WORD_PAGE, movable, 0);
	struct zone_fixture *fixture = *state;
	const char *what = "a block starts within another";

	for (unsigned order = 1; order <= 13; order++) {
		uint32_t last = (UINT32_C(1) << order) - 1;

		fixture->words[0] = word_make(WORD_PAGE, owner, order);
		assert_word_damaged(fixture, 1, page, 1, what);
		assert_word_damaged(fixture, last, page, last, what);
		assert_word_damaged(fixture, last / 2 + 1, word_make(WORD_HOLE, owner, order - 1),
				    last / 2 + 1, what);
		zone_fixture_reopen(fixture);
	}
}

/* The words of the last leaf go on behind the last page. */
static void test_zone_open_doubts_blocks_behind_the_end(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(100, 200, 0);
	const char *what = "a block ends behind the zone";

	(void)state;
	assert_word_damaged(fixture, 100, word_make(WORD_PAGE, owner, 0), 100, what);
	assert_word_damaged(fixture, 96, word_make(WORD_PAGE, owner, 3), 96, what);
	assert_word_damaged(fixture, 64, word_make(WORD_PAGE, owner, 6), 64, what);
	for (uint32_t i = 64; i < 128; i++)
		fixture->words[i] = word_make(WORD_PAGE, owner, 0);
	assert_damaged(fixture, 100, what);
	memset(fixture->words + 100, 0, 28 * sizeof(uint32_t));
	zone_fixture_reopen(fixture);
	assert_int_equal(zone_held_pages(&fixture->zone, SLOT), 36);
	zone_fixture_free(fixture);
}

static void test_zone_open_doubts_blocks_out_of_the_contiguous_area(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(NR_PAGES, 0, 1536);
	const char *what = "a block reaches out of the contiguous area";

	(void)state;
	assert_word_damaged(fixture, 1024, word_make(WORD_PAGE, movable, 10), 1024, what);
	assert_word_damaged(fixture, 0, word_make(WORD_PAGE, movable, 11), 0, what);
	assert_word_damaged(fixture, 0, word_make(WORD_HOLE, owner, 11), 0, what);
	fixture->words[1024] = word_make(WORD_PAGE, movable, 9);
	zone_fixture_reopen(fixture);
	zone_fixture_free(fixture);
}

/*
 * Whatever stands in a ledger: it is refused and left alone, or is a sound zone. A seed repeats a
 * run, as in test_zone_property.
 */
static struct random chance;

static void damage(struct zone_fixture *fixture)
{
	uint32_t pfn = random_below(&chance, fixture->config.capacity_pages);

	switch (random_below(&chance, 4)) {
	case 0:
		fixture->words[pfn] ^= UINT32_C(1) << random_below(&chance, 32);
		break;
	case 1:
		fixture->words[pfn] = word_make(WORD_PAGE, (struct word_owner){ .slot = 1 },
						random_below(&chance, 20));
		break;
	case 2:
		fixture->ledger[random_below(&chance, sizeof(struct ledger_header))] = 0;
		break;
	default:
		memset(&fixture->words[pfn & ~63u], (int)random_below(&chance, 256), 256);
	}
}

static void test_zone_open_survives_any_ledger(void **state)
{
	struct zone_fixture *fixture = zone_fixture_of(1300, 2048, 512);
	size_t size_bytes = zone_ledger_bytes(&fixture->config);
	uint8_t *good = malloc(size_bytes), *bad = malloc(size_bytes);
	unsigned nr_damaged = 0;

	(void)state;
	chance = random_from_environment();
	assert_true(good && bad);
	for (unsigned i = 0; i < 60; i++)
		zone_fixture_grant(fixture, i % 5, i % 2 ? owner : movable);
	memcpy(good, fixture->ledger, size_bytes);
	for (unsigned i = 0; i < 4000; i++) {
		struct zone_fault fault = { .what = NULL };

		memcpy(fixture->ledger, good, size_bytes);
		damage(fixture);
		memcpy(bad, fixture->ledger, size_bytes);
		if (zone_fixture_open(fixture, &fault)) {
			assert_memory_equal(fixture->ledger, bad, size_bytes);
			assert_non_null(fault.what);
			nr_damaged++;
		} else {
			zone_fixture_assert_sound(fixture);
		}
	}
	assert_in_range(nr_damaged, 1000, 3999);
	free(good);
	free(bad);
	zone_fixture_free(fixture);
}

#define open_test(name) cmocka_unit_test_setup_teardown(name, setup, zone_fixture_teardown)
#define open_test_contiguous(name)                                                                 \
	cmocka_unit_test_setup_teardown(name, setup_contiguous, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		open_test_contiguous(test_zone_open_doubts_headers),
		open_test(test_zone_open_doubts_blocks_without_a_header),
		open_test(test_zone_open_doubts_words),
		open_test(test_zone_open_doubts_whole_leaves),
		open_test(test_zone_open_doubts_overlaps),
		cmocka_unit_test(test_zone_open_doubts_blocks_behind_the_end),
		cmocka_unit_test(test_zone_open_doubts_blocks_out_of_the_contiguous_area),
		cmocka_unit_test(test_zone_open_survives_any_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
