/* SPDX-License-Identifier: MIT */
/* Whose data lies where: what is zeroed before which grant. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/scrub.h"

#define NR_PAGES 200u /* the last leaf is short: pages 192 to 199 */
#define ALICE 1000u
#define BOB 1001u

struct fixture {
	struct scrub scrub;
	struct scrub_list list;
};

static void start(struct fixture *fixture, enum service_scrub mode)
{
	*fixture = (struct fixture){ 0 };
	assert_int_equal(scrub_init(&fixture->scrub, mode, NR_PAGES), 0);
}

static void stop(struct fixture *fixture)
{
	scrub_list_deinit(&fixture->list);
	scrub_deinit(&fixture->scrub);
}

/* How many pages a grant wants zeroed; they are left in fixture->list. */
static uint64_t grant(struct fixture *fixture, uint32_t pfn, uint32_t nr_pages, uid_t uid)
{
	scrub_list_deinit(&fixture->list);
	assert_int_equal(scrub_grant(&fixture->scrub, pfn, nr_pages, uid, &fixture->list), 0);
	return fixture->list.nr_pages;
}

static void finish(struct fixture *fixture, uid_t uid)
{
	scrub_finish(&fixture->scrub, &fixture->list, uid);
}

static void assert_extent(const struct fixture *fixture, size_t i, uint32_t pfn, uint32_t nr_pages)
{
	assert_true(i < fixture->list.nr_extents);
	assert_int_equal(fixture->list.extents[i].pfn, pfn);
	assert_int_equal(fixture->list.extents[i].nr_pages, nr_pages);
}

static void test_scrub_never_granted_needs_nothing(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	assert_int_equal(grant(&fixture, 0, NR_PAGES, ALICE), 0);
	stop(&fixture);
}

static void test_scrub_same_uid_needs_nothing(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, NR_PAGES, 0);
	assert_int_equal(grant(&fixture, 0, NR_PAGES, 0), 0);
	assert_int_equal(grant(&fixture, 199, 1, 0), 0);
	stop(&fixture);
}

static void test_scrub_other_uid_is_zeroed_once(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, NR_PAGES, ALICE);
	assert_int_equal(grant(&fixture, 0, NR_PAGES, BOB), NR_PAGES);
	assert_int_equal(fixture.list.nr_extents, 1); /* merged over leaves */
	assert_extent(&fixture, 0, 0, NR_PAGES);
	finish(&fixture, BOB);
	assert_int_equal(grant(&fixture, 0, NR_PAGES, BOB), 0);
	assert_int_equal(grant(&fixture, 0, NR_PAGES, ALICE), NR_PAGES);
	stop(&fixture);
}

static void test_scrub_part_of_a_leaf_stays_mixed(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, 64, ALICE);
	assert_int_equal(grant(&fixture, 8, 8, BOB), 8);
	assert_extent(&fixture, 0, 8, 8);
	finish(&fixture, BOB);
	/* Neither can be sure of any page in it now. */
	assert_int_equal(grant(&fixture, 16, 1, BOB), 1);
	finish(&fixture, BOB);
	assert_int_equal(grant(&fixture, 8, 8, ALICE), 8);
	finish(&fixture, ALICE);
	/* As a whole it is somebody's again. */
	assert_int_equal(grant(&fixture, 0, 64, BOB), 64);
	finish(&fixture, BOB);
	assert_int_equal(grant(&fixture, 16, 1, BOB), 0);
	stop(&fixture);
}

static void test_scrub_grant_over_several_leaves_takes_each_by_itself(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 64, 64, ALICE); /* leaves 0 and 2 are nobody's */
	assert_int_equal(grant(&fixture, 32, 128, BOB), 64);
	assert_extent(&fixture, 0, 64, 64);
	finish(&fixture, BOB);
	assert_int_equal(grant(&fixture, 64, 64, BOB), 0);
	stop(&fixture);
}

static void test_scrub_edges_of_an_extent_are_not_taken_for_whole_leaves(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, 192, ALICE);
	assert_int_equal(grant(&fixture, 32, 128, BOB), 128);
	finish(&fixture, BOB);
	assert_int_equal(grant(&fixture, 64, 64, BOB), 0);  /* the middle one is whole */
	assert_int_equal(grant(&fixture, 32, 32, BOB), 32); /* the outer two are not */
	assert_int_equal(grant(&fixture, 128, 32, BOB), 32);
	stop(&fixture);
}

static void test_scrub_short_last_leaf_can_be_whole(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 192, 8, ALICE);
	assert_int_equal(grant(&fixture, 192, 8, BOB), 8);
	finish(&fixture, BOB);
	assert_int_equal(grant(&fixture, 192, 8, BOB), 0);
	stop(&fixture);
}

static void test_scrub_zeroing_that_failed_is_asked_for_again(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, 64, ALICE);
	assert_int_equal(grant(&fixture, 0, 64, BOB), 64); /* and no finish */
	assert_int_equal(grant(&fixture, 0, 64, BOB), 64);
	assert_int_equal(grant(&fixture, 0, 64, ALICE), 64);
	stop(&fixture);
}

static void test_scrub_always_zeroes_for_the_same_uid(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_ALWAYS);
	assert_int_equal(grant(&fixture, 0, 64, ALICE), 0); /* nobody's */
	assert_int_equal(grant(&fixture, 0, 64, ALICE), 64);
	finish(&fixture, ALICE);
	assert_int_equal(grant(&fixture, 0, 64, ALICE), 64);
	stop(&fixture);
}

static void test_scrub_never_zeroes_nothing(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_NEVER);
	grant(&fixture, 0, NR_PAGES, ALICE);
	assert_int_equal(grant(&fixture, 0, NR_PAGES, BOB), 0);
	stop(&fixture);
}

static void test_scrub_largest_uid_is_always_zeroed_for(void **state)
{
	const uid_t largest = UINT32_MAX - 1; /* its tag is that of mixed leaves */
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, 64, largest);
	assert_int_equal(grant(&fixture, 0, 64, largest), 64);
	finish(&fixture, largest);
	assert_int_equal(grant(&fixture, 0, 64, ALICE), 64);
	stop(&fixture);
}

static void test_scrub_scattered_pages_give_one_extent_each(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, NR_PAGES, ALICE);
	scrub_list_deinit(&fixture.list);
	for (uint32_t pfn = 0; pfn < NR_PAGES; pfn += 2)
		assert_int_equal(scrub_grant(&fixture.scrub, pfn, 1, BOB, &fixture.list), 0);
	assert_int_equal(fixture.list.nr_extents, NR_PAGES / 2);
	assert_int_equal(fixture.list.nr_pages, NR_PAGES / 2);
	for (size_t i = 0; i < fixture.list.nr_extents; i++)
		assert_extent(&fixture, i, (uint32_t)(2 * i), 1);
	stop(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scrub_never_granted_needs_nothing),
		cmocka_unit_test(test_scrub_same_uid_needs_nothing),
		cmocka_unit_test(test_scrub_other_uid_is_zeroed_once),
		cmocka_unit_test(test_scrub_part_of_a_leaf_stays_mixed),
		cmocka_unit_test(test_scrub_grant_over_several_leaves_takes_each_by_itself),
		cmocka_unit_test(test_scrub_edges_of_an_extent_are_not_taken_for_whole_leaves),
		cmocka_unit_test(test_scrub_short_last_leaf_can_be_whole),
		cmocka_unit_test(test_scrub_zeroing_that_failed_is_asked_for_again),
		cmocka_unit_test(test_scrub_always_zeroes_for_the_same_uid),
		cmocka_unit_test(test_scrub_never_zeroes_nothing),
		cmocka_unit_test(test_scrub_largest_uid_is_always_zeroed_for),
		cmocka_unit_test(test_scrub_scattered_pages_give_one_extent_each),
	};

	return cmocka_run_group_tests_name("scrub", tests, NULL, NULL);
}
