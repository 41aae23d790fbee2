/* SPDX-License-Identifier: MIT */
/* Whose data lies where: what is zeroed before which grant. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/page.h"
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
	assert_int_equal(scrub_init(&fixture->scrub, mode, NR_PAGES * PAGE_BYTES), 0);
}

static void stop(struct fixture *fixture)
{
	scrub_list_deinit(&fixture->list);
	scrub_deinit(&fixture->scrub);
}

static struct scrub_extent pages(uint32_t pfn, uint32_t nr_pages)
{
	return (struct scrub_extent){ pfn * PAGE_BYTES, nr_pages * PAGE_BYTES };
}

/* How many bytes a grant wants zeroed; they are left in fixture->list. */
static uint64_t grant_bytes(struct fixture *fixture, const struct scrub_extent *extent, uid_t uid)
{
	bool is_own = scrub_is_own(&fixture->scrub, extent, uid);

	scrub_list_deinit(&fixture->list);
	assert_int_equal(scrub_grant(&fixture->scrub, extent, uid, &fixture->list), 0);
	if (is_own)
		assert_int_equal(fixture->list.size_bytes, 0);
	return fixture->list.size_bytes;
}

/* The same in pages. */
static uint64_t grant(struct fixture *fixture, uint32_t pfn, uint32_t nr_pages, uid_t uid)
{
	const struct scrub_extent extent = pages(pfn, nr_pages);

	return grant_bytes(fixture, &extent, uid) / PAGE_BYTES;
}

static void finish(struct fixture *fixture, uid_t uid)
{
	scrub_finish(&fixture->scrub, &fixture->list, uid);
}

static void assert_extent(const struct fixture *fixture, size_t i, uint32_t pfn, uint32_t nr_pages)
{
	assert_true(i < fixture->list.nr_extents);
	assert_int_equal(fixture->list.extents[i].offset, pfn * PAGE_BYTES);
	assert_int_equal(fixture->list.extents[i].size_bytes, nr_pages * PAGE_BYTES);
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
	for (uint32_t pfn = 0; pfn < NR_PAGES; pfn += 2) {
		const struct scrub_extent page = pages(pfn, 1);

		assert_int_equal(scrub_grant(&fixture.scrub, &page, BOB, &fixture.list), 0);
	}
	assert_int_equal(fixture.list.nr_extents, NR_PAGES / 2);
	assert_int_equal(fixture.list.size_bytes, NR_PAGES / 2 * PAGE_BYTES);
	for (size_t i = 0; i < fixture.list.nr_extents; i++)
		assert_extent(&fixture, i, (uint32_t)(2 * i), 1);
	stop(&fixture);
}

/* 100 bytes a grant: the page that they lie in has others' too. */
static void test_scrub_takes_no_more_than_was_granted(void **state)
{
	const struct scrub_extent first = { 4000, 100 }, second = { 4100, 100 };
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	assert_int_equal(grant_bytes(&fixture, &first, ALICE), 0);
	assert_true(scrub_is_own(&fixture.scrub, &second, ALICE));
	assert_false(scrub_is_own(&fixture.scrub, &second, BOB));
	assert_int_equal(grant_bytes(&fixture, &second, BOB), 100);
	assert_int_equal(fixture.list.extents[0].offset, 4100);
	finish(&fixture, BOB);
	/* Neither's own any more. */
	assert_int_equal(grant_bytes(&fixture, &second, BOB), 100);
	finish(&fixture, BOB);
	assert_int_equal(grant_bytes(&fixture, &first, ALICE), 100);
	stop(&fixture);
}

static void test_scrub_bytes_over_a_leafs_end_are_of_both(void **state)
{
	const struct scrub_extent across = { 64 * PAGE_BYTES - 10, 30 };
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, 64, ALICE);
	assert_false(scrub_is_own(&fixture.scrub, &across, ALICE)); /* nobody's, in part */
	assert_int_equal(grant_bytes(&fixture, &across, BOB), 10);
	finish(&fixture, BOB);
	assert_int_equal(grant(&fixture, 65, 1, BOB), 0); /* its leaf is Bob's */
	assert_int_equal(grant_bytes(&fixture, &across, ALICE), 30);
	assert_int_equal(fixture.list.nr_extents, 1);
	stop(&fixture);
}

static void test_scrub_leaf_is_not_whole_for_lack_of_a_byte(void **state)
{
	struct scrub_extent extent = { 0, 64 * PAGE_BYTES - 1 };
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, 64, ALICE);
	assert_int_equal(grant_bytes(&fixture, &extent, BOB), extent.size_bytes);
	finish(&fixture, BOB);
	assert_false(scrub_is_own(&fixture.scrub, &extent, BOB));
	extent.size_bytes++;
	assert_int_equal(grant_bytes(&fixture, &extent, BOB), extent.size_bytes);
	finish(&fixture, BOB);
	assert_true(scrub_is_own(&fixture.scrub, &extent, BOB));
	stop(&fixture);
}

static void test_scrub_own_depends_on_the_mode(void **state)
{
	const struct scrub_extent page = pages(0, 1);
	struct fixture fixture;

	(void)state;
	start(&fixture, SERVICE_SCRUB_NEVER);
	assert_true(scrub_is_own(&fixture.scrub, &page, BOB));
	stop(&fixture);
	start(&fixture, SERVICE_SCRUB_ALWAYS);
	grant(&fixture, 0, 64, BOB);
	assert_false(scrub_is_own(&fixture.scrub, &page, BOB));
	stop(&fixture);
	start(&fixture, SERVICE_SCRUB_UID);
	grant(&fixture, 0, 64, UINT32_MAX - 1); /* of whom a tag says mixed */
	assert_false(scrub_is_own(&fixture.scrub, &page, UINT32_MAX - 1));
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
		cmocka_unit_test(test_scrub_takes_no_more_than_was_granted),
		cmocka_unit_test(test_scrub_bytes_over_a_leafs_end_are_of_both),
		cmocka_unit_test(test_scrub_leaf_is_not_whole_for_lack_of_a_byte),
		cmocka_unit_test(test_scrub_own_depends_on_the_mode),
	};

	return cmocka_run_group_tests_name("scrub", tests, NULL, NULL);
}
