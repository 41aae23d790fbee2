/* SPDX-License-Identifier: MIT */
/* What is asked of the host for a zone's memory: huge pages, and a node of its own. */

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/page.h"
#include "service/backing.h"
#include "service/hostmem.h"
#include "support/backing_fixture.h"
#include "support/huge_pages.h"

#define MIB (UINT64_C(1) << 20)
#define HUGE_BYTES (2 * MIB)
#define CHUNK_PAGES 512u
#define ALICE 1000u
#define BOB 1001u

static struct backing_config huge_pages(void)
{
	struct backing_config config = backing_fixture_config;

	config.page_bytes = HUGE_BYTES;
	config.size_bytes = config.capacity_bytes = 16 * HUGE_BYTES;
	return config;
}

static void test_backing_huge_pages_are_committed_and_zeroed(void **state)
{
	struct backing_config config = huge_pages();
	struct backing_fixture fixture;
	unsigned char *base;
	uint64_t before;

	(void)state;
	if (!huge_pages_reserve(16, &before))
		skip();
	backing_fixture_start(&fixture, &config);
	assert_int_equal(backing_fixture_backed_bytes(&fixture), 0);
	assert_true(backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE));
	assert_true(backing_fixture_backed_bytes(&fixture) >= HUGE_BYTES);
	base = backing_fixture_map(&fixture);
	memset(base, 'a', HUGE_BYTES);
	assert_true(backing_fixture_prepare(&fixture, 3, 2,
					    BOB)); /* on a helper thread, however little */
	assert_true(is_filled_with(base, 'a', 3 * PAGE_BYTES));
	assert_true(is_filled_with(base + 3 * PAGE_BYTES, 0, 2 * PAGE_BYTES));
	assert_true(backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, BOB));
	assert_true(is_filled_with(base, 0, HUGE_BYTES));
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
	huge_pages_release(before);
}

static void test_backing_huge_pages_are_committed_at_start(void **state)
{
	struct backing_config config = huge_pages();
	struct backing_fixture fixture;
	uint64_t before;

	(void)state;
	if (!huge_pages_reserve(16, &before))
		skip();
	config.commit = SERVICE_COMMIT_START;
	backing_fixture_start(&fixture, &config);
	backing_commit_all(fixture.backing, config.size_bytes, backing_fixture_on_done, &fixture);
	backing_fixture_run_until(&fixture, 1);
	assert_int_equal(backing_committed_bytes(fixture.backing), 16 * HUGE_BYTES);
	assert_int_equal(backing_fixture_backed_bytes(&fixture), 16 * HUGE_BYTES);
	backing_fixture_stop(&fixture);
	huge_pages_release(before);
}

static void test_backing_huge_pages_are_reserved_for_those_who_touch(void **state)
{
	struct backing_config config = huge_pages();
	struct backing_fixture fixture;
	struct hostmem_huge free_before, free_after;
	unsigned char *base;
	uint64_t before;

	(void)state;
	if (!huge_pages_reserve(16, &before))
		skip();
	assert_int_equal(hostmem_huge_pages(-1, HUGE_BYTES, &free_before), 0);
	config.commit = SERVICE_COMMIT_TOUCH;
	backing_fixture_start(&fixture, &config);
	assert_int_equal(hostmem_huge_pages(-1, HUGE_BYTES, &free_after), 0);
	assert_int_equal(free_before.nr_available - free_after.nr_available, 16);
	assert_false(
		backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE)); /* nothing to wait for */
	base = backing_fixture_map(&fixture);
	base[15 * HUGE_BYTES] = 1;
	assert_int_equal(backing_committed_bytes(fixture.backing), HUGE_BYTES);
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
	huge_pages_release(before);
}

/* What backing_new() writes to standard error. */
static int new_and_read_log(const struct backing_config *config, struct backing_fixture *fixture,
			    char *ret, size_t size)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	int error;

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	error = backing_new(config, fixture->workers, &fixture->backing);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	ret[fread(ret, 1, size - 1, file)] = '\0';
	fclose(file);
	return error;
}

static void test_backing_too_few_huge_pages_says_what_to_do(void **state)
{
	struct backing_config config = huge_pages();
	struct backing_fixture fixture = { 0 };
	struct hostmem_huge huge;
	char text[1024], expected[256];

	(void)state;
	if (hostmem_huge_pages(-1, HUGE_BYTES, &huge) < 0) {
		print_message("skipped: this kernel has no huge pages of 2 MiB\n");
		skip();
	}
	config.size_bytes = config.capacity_bytes = UINT64_C(1) << 40;
	assert_int_equal(new_and_read_log(&config, &fixture, text, sizeof(text)), -ENOMEM);
	assert_null(fixture.backing);
	snprintf(expected, sizeof(expected),
		 "pagepool:test:node0 needs 524288 huge pages of 2 MiB on this host, %" PRIu64
		 " are free: echo %" PRIu64 " > ",
		 huge.nr_available, huge.nr_total + 524288 - huge.nr_available);
	assert_non_null(strstr(text, expected));
	assert_non_null(strstr(text, "nr_hugepages"));
	assert_non_null(strstr(text, "hugepages = off"));
}

static void test_backing_binds_to_a_node_or_says_that_it_can_not(void **state)
{
	struct backing_config config = backing_fixture_config;
	struct backing_fixture fixture;

	(void)state;
	config.host_node = 0;
	backing_fixture_start(&fixture, &config);
	backing_fixture_prepare(&fixture, 0, 1, ALICE);
	assert_true(backing_fixture_backed_bytes(&fixture) >= 2 * MIB);
	backing_fixture_stop(&fixture);
}

static void test_backing_refuses_a_node_that_does_not_exist(void **state)
{
	struct backing_config config = backing_fixture_config;
	struct backing_fixture fixture = { 0 };
	char text[1024];

	(void)state;
	config.host_node = 1000;
	assert_int_not_equal(new_and_read_log(&config, &fixture, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "pagepool:test:node0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backing_huge_pages_are_committed_and_zeroed),
		cmocka_unit_test(test_backing_huge_pages_are_committed_at_start),
		cmocka_unit_test(test_backing_huge_pages_are_reserved_for_those_who_touch),
		cmocka_unit_test(test_backing_too_few_huge_pages_says_what_to_do),
		cmocka_unit_test(test_backing_binds_to_a_node_or_says_that_it_can_not),
		cmocka_unit_test(test_backing_refuses_a_node_that_does_not_exist),
	};

	return cmocka_run_group_tests_name("backing host", tests, NULL, NULL);
}
