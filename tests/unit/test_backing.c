/* SPDX-License-Identifier: MIT */
/* The memory behind a zone: sealed, free of others' data, and whose it is. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/page.h"
#include "service/backing.h"
#include "support/backing_fixture.h"
#include "support/child.h"

#define MIB (UINT64_C(1) << 20)
#define CHUNK_PAGES 512u
#define ALICE 1000u
#define BOB 1001u
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Trust. */

static void test_backing_segment_is_sealed_and_private(void **state)
{
	struct backing_fixture fixture;
	struct stat st;
	int fd;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	fd = backing_fixture_open_fd(&fixture, false);
	assert_int_equal(fcntl(fd, F_GET_SEALS), SEALS);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 512 * MIB), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 256 * MIB);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	backing_fixture_stop(&fixture);
}

/* Runs it with the descriptor in a process of another user, to its end. */
static void run_as_other_uid(child_fn run, int fd)
{
	struct child child;
	char byte;

	child_start(&child, CHILD_OTHER_UID, run, &fd);
	child_read(&child, &byte, 1);
	child_finish(&child);
	assert_int_equal(byte, '!');
}

static void try_to_write(int from_parent, int to_parent, void *data)
{
	int fd = *(int *)data;
	char path[64];
	void *base;

	(void)from_parent;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHILD_CHECK(open(path, O_RDWR) < 0 && errno == EACCES);
	CHILD_CHECK(open(path, O_WRONLY) < 0 && errno == EACCES);
	CHILD_CHECK(fchmod(fd, 0666) < 0 && errno == EPERM);
	CHILD_CHECK(write(fd, "x", 1) < 0 && errno == EBADF);
	CHILD_CHECK(fallocate(fd, 0, 0, 4096) < 0 && errno == EBADF);
	CHILD_CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0);
	CHILD_CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHILD_CHECK(errno == EACCES);
	base = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHILD_CHECK(base != MAP_FAILED);
	CHILD_CHECK(mprotect(base, 4096, PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
	CHILD_CHECK(*(char *)base == 'r');
	child_put(to_parent, "!", 1);
}

static void test_backing_other_uid_can_not_widen_a_read_only_fd(void **state)
{
	struct backing_fixture fixture;
	unsigned char *base;
	int fd;

	(void)state;
	if (child_cannot_change_user())
		skip();
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, 1, ALICE);
	base = backing_fixture_map(&fixture);
	base[0] = 'r';
	fd = backing_fixture_open_fd(&fixture, true);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	run_as_other_uid(try_to_write, fd);
	close(fd);
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

static void write_through(int from_parent, int to_parent, void *data)
{
	unsigned char *base = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, *(int *)data, 0);

	(void)from_parent;
	CHILD_CHECK(base != MAP_FAILED);
	base[0] = 'w';
	child_put(to_parent, "!", 1);
}

static void test_backing_other_uid_can_write_through_a_writable_fd(void **state)
{
	struct backing_fixture fixture;
	unsigned char *base;
	int fd;

	(void)state;
	if (child_cannot_change_user())
		skip();
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, 1, ALICE);
	fd = backing_fixture_open_fd(&fixture, false);
	run_as_other_uid(write_through, fd);
	base = backing_fixture_map(&fixture);
	assert_int_equal(base[0], 'w');
	backing_fixture_unmap(&fixture, base);
	close(fd);
	backing_fixture_stop(&fixture);
}

static void test_backing_client_can_not_change_how_the_daemon_writes(void **state)
{
	struct backing_fixture fixture;
	unsigned char *base;
	int fd;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, 1, ALICE);
	base = backing_fixture_map(&fixture);
	base[0] = 'a';
	fd = backing_fixture_open_fd(&fixture, false);
	assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
	backing_fixture_prepare(&fixture, 0, 1, BOB);
	assert_int_equal(base[0], 0);
	close(fd);
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

/* Scrub. */

static void test_backing_zeroes_what_passes_to_another_uid(void **state)
{
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	base = backing_fixture_map(&fixture);
	memset(base, 'a', CHUNK_PAGES * PAGE_BYTES);
	assert_false(backing_fixture_prepare(&fixture, 8, 8, ALICE));
	assert_true(is_filled_with(base, 'a', CHUNK_PAGES * PAGE_BYTES));
	assert_true(backing_fixture_prepare(&fixture, 8, 8, BOB));
	assert_true(is_filled_with(base, 'a', 8 * PAGE_BYTES));
	assert_true(is_filled_with(base + 8 * PAGE_BYTES, 0, 8 * PAGE_BYTES));
	assert_true(is_filled_with(base + 16 * PAGE_BYTES, 'a', 496 * PAGE_BYTES));
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

static void test_backing_zeroes_much_in_several_jobs(void **state)
{
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, 12 * CHUNK_PAGES, ALICE);
	base = backing_fixture_map(&fixture);
	memset(base, 'a', 12 * CHUNK_PAGES * PAGE_BYTES);
	assert_true(backing_fixture_prepare(&fixture, 64, 10 * CHUNK_PAGES, BOB));
	assert_true(is_filled_with(base, 'a', 64 * PAGE_BYTES));
	assert_true(is_filled_with(base + 64 * PAGE_BYTES, 0, 10 * CHUNK_PAGES * PAGE_BYTES));
	assert_true(is_filled_with(base + (64 + 10 * CHUNK_PAGES) * PAGE_BYTES, 'a', PAGE_BYTES));
	memset(base + 64 * PAGE_BYTES, 'b', PAGE_BYTES);
	assert_false(backing_fixture_prepare(&fixture, 64, 64, BOB)); /* it is his now */
	assert_int_equal(base[64 * PAGE_BYTES], 'b');
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

static void test_backing_zeroes_exactly_the_blocks_of_the_runs(void **state)
{
	/* Pages 1 and 63 of the first leaf, all of the second. */
	const struct page_run runs[] = { { 0, UINT64_C(1) << 63 | 2 }, { 64, UINT64_MAX } };
	struct watched_request request;
	struct backing_fixture fixture;
	unsigned char *base;
	int error;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	base = backing_fixture_map(&fixture);
	memset(base, 'a', 192 * PAGE_BYTES);
	request = backing_fixture_request(&fixture);
	error = backing_prepare(fixture.backing, 0, runs, 2, BOB, &request.request);
	assert_int_equal(error, -EINPROGRESS); /* 66 pages */
	backing_fixture_run_until(&fixture, fixture.nr_done + 1);
	assert_int_equal(request.error, 0);
	for (unsigned page = 0; page < 192; page++)
		assert_int_equal(base[page * PAGE_BYTES + 4095],
				 page == 1 || (page >= 63 && page < 128) ? 0 : 'a');
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

static void test_backing_commits_before_it_zeroes(void **state)
{
	struct watched_request request;
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	base = backing_fixture_map(&fixture);
	memset(base, 'a', CHUNK_PAGES * PAGE_BYTES);
	request = backing_fixture_request(&fixture);
	assert_int_equal(
		backing_prepare_range(fixture.backing, 0, 64 * CHUNK_PAGES, BOB, &request.request),
		-EINPROGRESS);
	backing_fixture_run_until(&fixture, fixture.nr_done + 1);
	assert_int_equal(request.error, 0);
	assert_true(is_filled_with(base, 0, CHUNK_PAGES * PAGE_BYTES));
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

static void test_backing_punched_hole_does_not_hurt_the_daemon(void **state)
{
	struct backing_fixture fixture;
	int fd;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	fd = backing_fixture_open_fd(&fixture, false);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * MIB), 0);
	backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, BOB);
	close(fd);
	backing_fixture_stop(&fixture);
}

static void test_backing_can_be_freed_with_requests_in_progress(void **state)
{
	struct watched_request request;
	struct backing_fixture fixture;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	request = backing_fixture_request(&fixture);
	assert_int_equal(
		backing_prepare_range(fixture.backing, 0, 8 * CHUNK_PAGES, BOB, &request.request),
		-EINPROGRESS);
	backing_fixture_stop(&fixture); /* a sanitizer sees what leaks */
	assert_int_equal(request.nr_done, 0);
}

static void test_backing_free_accepts_null(void **state)
{
	(void)state;
	assert_null(backing_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backing_segment_is_sealed_and_private),
		cmocka_unit_test(test_backing_other_uid_can_not_widen_a_read_only_fd),
		cmocka_unit_test(test_backing_other_uid_can_write_through_a_writable_fd),
		cmocka_unit_test(test_backing_client_can_not_change_how_the_daemon_writes),
		cmocka_unit_test(test_backing_zeroes_what_passes_to_another_uid),
		cmocka_unit_test(test_backing_zeroes_much_in_several_jobs),
		cmocka_unit_test(test_backing_zeroes_exactly_the_blocks_of_the_runs),
		cmocka_unit_test(test_backing_commits_before_it_zeroes),
		cmocka_unit_test(test_backing_punched_hole_does_not_hurt_the_daemon),
		cmocka_unit_test(test_backing_can_be_freed_with_requests_in_progress),
		cmocka_unit_test(test_backing_free_accepts_null),
	};

	return cmocka_run_group_tests_name("backing", tests, NULL, NULL);
}
