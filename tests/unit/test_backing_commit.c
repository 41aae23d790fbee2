/* SPDX-License-Identifier: MIT */
/* The memory behind a zone is committed before it is granted, and a little ahead of need. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/page.h"
#include "service/backing.h"
#include "support/backing_fixture.h"

#define MIB (UINT64_C(1) << 20)
#define CHUNK_PAGES 512u
#define ALICE 1000u
#define BOB 1001u

static void test_backing_new_commits_nothing(void **state)
{
	struct backing_fixture fixture;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	assert_int_equal(backing_committed_bytes(fixture.backing), 0);
	assert_int_equal(backing_fixture_backed_bytes(&fixture), 0);
	assert_int_equal(backing_size_bytes(fixture.backing), 256 * MIB);
	assert_int_equal(backing_page_bytes(fixture.backing), PAGE_BYTES);
	assert_int_equal(backing_node(fixture.backing), 0);
	backing_fixture_stop(&fixture);
}

static void test_backing_grant_is_committed_before_it_is_told(void **state)
{
	struct backing_fixture fixture;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	assert_true(backing_fixture_prepare(&fixture, 0, 1, ALICE));
	assert_true(backing_committed_bytes(fixture.backing) >= 2 * MIB);
	assert_true(backing_fixture_backed_bytes(&fixture) >= 2 * MIB);
	assert_false(
		backing_fixture_prepare(&fixture, 1, CHUNK_PAGES - 1, ALICE)); /* the same chunk */
	backing_fixture_stop(&fixture);
}

static void test_backing_grant_over_many_chunks_is_committed_whole(void **state)
{
	struct backing_fixture fixture;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	assert_true(
		backing_fixture_prepare(&fixture, CHUNK_PAGES - 1, 20 * CHUNK_PAGES + 2, ALICE));
	assert_true(backing_fixture_backed_bytes(&fixture) >= 22 * 2 * MIB);
	assert_false(backing_fixture_prepare(&fixture, 0, 22 * CHUNK_PAGES, ALICE));
	backing_fixture_stop(&fixture);
}

static void test_backing_runs_commit_only_where_blocks_are(void **state)
{
	/* Blocks 0 and 32 of order 9, in another zone than the first of its pool. */
	const struct page_run run = { page_address(3, 0), UINT64_C(1) << 32 | 1 };
	struct backing_fixture fixture;
	struct watched_request request;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	request = backing_fixture_request(&fixture);
	assert_int_equal(backing_prepare(fixture.backing, 9, &run, 1, ALICE, &request.request),
			 -EINPROGRESS);
	backing_fixture_run_until(&fixture, 1);
	assert_int_equal(request.error, 0);
	assert_int_equal(backing_prepare(fixture.backing, 9, &run, 1, ALICE, &request.request), 0);
	assert_true(backing_fixture_backed_bytes(&fixture) <=
		    16 * MIB); /* two chunks and what runs ahead */
	assert_true(backing_fixture_prepare(&fixture, 16 * CHUNK_PAGES, 1, ALICE));
	backing_fixture_stop(&fixture);
}

static void test_backing_two_requests_share_a_commit(void **state)
{
	struct backing_config config = backing_fixture_config;
	struct watched_request first, second;
	struct backing_fixture fixture;

	(void)state;
	config.size_bytes = config.capacity_bytes = 2 * MIB;
	backing_fixture_start(&fixture, &config);
	first = backing_fixture_request(&fixture);
	second = backing_fixture_request(&fixture);
	assert_int_equal(backing_prepare_range(fixture.backing, 0, 1, ALICE, &first.request),
			 -EINPROGRESS);
	assert_int_equal(backing_prepare_range(fixture.backing, 511, 1, BOB, &second.request),
			 -EINPROGRESS);
	backing_fixture_run_until(&fixture, 2);
	assert_int_equal(first.nr_done, 1);
	assert_int_equal(second.nr_done, 1);
	assert_int_equal(first.error, 0);
	assert_int_equal(second.error, 0);
	assert_int_equal(backing_fixture_backed_bytes(&fixture), 2 * MIB);
	backing_fixture_stop(&fixture);
}

static void test_backing_runs_ahead_of_a_steady_consumer(void **state)
{
	const uint32_t nr_chunks = 128;
	unsigned nr_waits = 0;
	struct backing_fixture fixture;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	for (uint32_t chunk = 0; chunk < nr_chunks; chunk++) {
		uint64_t used_bytes = (chunk + 1) * 2 * MIB;

		nr_waits +=
			backing_fixture_prepare(&fixture, chunk * CHUNK_PAGES, CHUNK_PAGES, ALICE);
		/* What is next is on its way without being asked for, but never much of it. */
		if (chunk + 1 < nr_chunks)
			backing_fixture_run_until_committed(&fixture, used_bytes + 2 * MIB);
		assert_true(backing_committed_bytes(fixture.backing) <= used_bytes + 96 * MIB);
	}
	assert_int_equal(nr_waits, 1);
	backing_fixture_stop(&fixture);
}

static void test_backing_jumping_about_does_not_commit_the_rest(void **state)
{
	struct backing_fixture fixture;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	for (uint32_t i = 0; i < 8; i++)
		backing_fixture_prepare(&fixture, (i * 5 % 8) * 16 * CHUNK_PAGES, 1, ALICE);
	assert_true(backing_committed_bytes(fixture.backing) <= 8 * 3 * 2 * MIB);
	backing_fixture_stop(&fixture);
}

static void test_backing_commit_all_commits_all(void **state)
{
	struct backing_config config = backing_fixture_config;
	struct backing_fixture fixture;

	(void)state;
	config.size_bytes = config.capacity_bytes = 37 * MIB; /* a short last chunk */
	config.commit = SERVICE_COMMIT_START;
	backing_fixture_start(&fixture, &config);
	backing_commit_all(fixture.backing, config.size_bytes, backing_fixture_on_done, &fixture);
	assert_int_equal(fixture.nr_done, 0); /* never before it returns */
	backing_fixture_run_until(&fixture, 1);
	assert_int_equal(backing_committed_bytes(fixture.backing), 37 * MIB);
	assert_int_equal(backing_fixture_backed_bytes(&fixture), 37 * MIB);
	assert_false(backing_fixture_prepare(&fixture, 0, 37 * 256, ALICE));
	backing_commit_all(fixture.backing, config.size_bytes, backing_fixture_on_done,
			   &fixture); /* nothing left to do */
	backing_fixture_run_until(&fixture, 2);
	backing_fixture_stop(&fixture);
}

static void test_backing_touch_commits_nothing(void **state)
{
	struct backing_config config = backing_fixture_config;
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	config.commit = SERVICE_COMMIT_TOUCH;
	backing_fixture_start(&fixture, &config);
	assert_false(backing_fixture_prepare(&fixture, 0, 65536, ALICE));
	assert_int_equal(backing_committed_bytes(fixture.backing), 0);
	base = backing_fixture_map(&fixture);
	base[5 * PAGE_BYTES] = 1;
	assert_int_equal(backing_committed_bytes(fixture.backing), PAGE_BYTES);
	assert_true(backing_fixture_prepare(&fixture, 0, 65536, BOB));
	assert_int_equal(base[5 * PAGE_BYTES], 0);
	assert_int_equal(backing_committed_bytes(fixture.backing), PAGE_BYTES);
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

/* A range of several stretches of data, with holes between, one across two reads. */
static void test_backing_touch_zeroes_all_data_between_holes(void **state)
{
	struct backing_config config = backing_fixture_config;
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	config.commit = SERVICE_COMMIT_TOUCH;
	backing_fixture_start(&fixture, &config);
	assert_false(backing_fixture_prepare(&fixture, 0, 8192, ALICE));
	base = backing_fixture_map(&fixture);
	base[4095] = 1; /* the last byte of a page */
	memset(base + 14 * PAGE_BYTES, 'a', 5 * PAGE_BYTES);
	memset(base + 8191 * PAGE_BYTES, 'a', PAGE_BYTES);
	memset(base + 8192 * PAGE_BYTES, 'b', PAGE_BYTES);
	assert_true(backing_fixture_prepare(&fixture, 0, 8192, BOB));
	assert_int_equal(backing_committed_bytes(fixture.backing), 8 * PAGE_BYTES);
	assert_int_equal(base[4095], 0);
	assert_true(is_filled_with(base + 14 * PAGE_BYTES, 0, 5 * PAGE_BYTES));
	assert_true(is_filled_with(base + 8191 * PAGE_BYTES, 0, PAGE_BYTES));
	assert_true(is_filled_with(base + 8192 * PAGE_BYTES, 'b', PAGE_BYTES));
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backing_new_commits_nothing),
		cmocka_unit_test(test_backing_grant_is_committed_before_it_is_told),
		cmocka_unit_test(test_backing_grant_over_many_chunks_is_committed_whole),
		cmocka_unit_test(test_backing_runs_commit_only_where_blocks_are),
		cmocka_unit_test(test_backing_two_requests_share_a_commit),
		cmocka_unit_test(test_backing_runs_ahead_of_a_steady_consumer),
		cmocka_unit_test(test_backing_jumping_about_does_not_commit_the_rest),
		cmocka_unit_test(test_backing_commit_all_commits_all),
		cmocka_unit_test(test_backing_touch_commits_nothing),
		cmocka_unit_test(test_backing_touch_zeroes_all_data_between_holes),
	};

	return cmocka_run_group_tests_name("backing commit", tests, NULL, NULL);
}
