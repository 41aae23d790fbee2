/* SPDX-License-Identifier: MIT */

/* Who notices that a ledger is not what it was. */

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

static void assert_notices(struct zone_fixture *fixture, uint32_t pfn, uint32_t word,
			   uint32_t at_pfn)
{
	struct zone_fault fault = { .pfn = 99999 };
	uint32_t saved = fixture->words[pfn], cursor = 0;

	fixture->words[pfn] = word;
	assert_int_equal(zone_validate(&fixture->zone, &fault), -EUCLEAN);
	assert_int_equal(fault.pfn, at_pfn);
	assert_non_null(fault.what);
	assert_int_equal(zone_check(&fixture->zone, NR_PAGES, &cursor, &fault), -EUCLEAN);
	fixture->words[pfn] = saved;
	zone_fixture_assert_sound(fixture);
}

static void test_zone_check_notices_wrong_words(void **state)
{
	struct zone_fixture *fixture = *state;
	const struct word_owner nobody = { .slot = 16 };

	assert_int_equal(zone_fixture_grant(fixture, 4, owner), 0);
	assert_int_equal(zone_fixture_grant(fixture, 9, owner), 512);
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
	struct zone_fixture *fixture = *state;
	struct zone_fault fault = { .what = NULL };
	uint32_t cursor = 0, nr_calls = 0;

	zone_fixture_grant(fixture, 11, owner);
	zone_fixture_grant(fixture, 7, owner);
	for (; cursor < NR_PAGES; nr_calls++)
		assert_int_equal(zone_check(&fixture->zone, 64, &cursor, &fault), 0);
	assert_int_equal(nr_calls, NR_PAGES / 64);
	assert_null(fault.what);
}

static void test_zone_validate_notices_wrong_sums(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	struct zone_fault fault;

	zone_fixture_grant(fixture, 4, owner);
	zone->holders[OTHER].nr_pages++;
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	zone->holders[OTHER].nr_pages--;
	zone->nr_holes++;
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	zone->nr_holes--;
	zone->holders[SLOT].regions = 0;
	assert_int_equal(zone_validate(zone, &fault), -EUCLEAN);
	zone->holders[SLOT].regions = 1;
	zone_fixture_assert_sound(fixture);
}

#define zone_test(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, zone_fixture_setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		zone_test(test_zone_check_notices_wrong_words),
		zone_test(test_zone_check_goes_on_within_a_block),
		zone_test(test_zone_validate_notices_wrong_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
