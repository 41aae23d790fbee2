/* SPDX-License-Identifier: MIT */
/* The memory behind a zone: sealed, committed before it is granted, and free of others' data. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/page.h"
#include "service/backing.h"
#include "service/hostmem.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/worker.h"
#include "support/child.h"

#define MIB (UINT64_C(1) << 20)
#define HUGE_BYTES (2 * MIB)
#define CHUNK_PAGES 512u
#define ALICE 1000u
#define BOB 1001u
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct fixture {
	struct loop *loop;
	struct worker_pool *workers;
	struct backing *backing;
	struct loop_timer *poll;
	uint64_t wanted_bytes;
	unsigned nr_done, nr_wanted;
};

struct watched_request {
	struct backing_request request;
	struct fixture *fixture;
	unsigned nr_done;
	int error;
};

static const struct backing_config small_pages = {
	.name = "pagepool:test:node0",
	.host_node = -1,
	.size_bytes = 256 * MIB,
	.capacity_bytes = 256 * MIB,
	.page_bytes = PAGE_BYTES,
	.commit = SERVICE_COMMIT_GRANT,
	.scrub = SERVICE_SCRUB_UID,
};

static void start(struct fixture *fixture, const struct backing_config *config)
{
	*fixture = (struct fixture){ 0 };
	log_set_level(LOG_ERR);
	assert_int_equal(loop_new(&fixture->loop), 0);
	assert_int_equal(worker_pool_new(fixture->loop, 2, &fixture->workers), 0);
	assert_int_equal(backing_new(config, fixture->workers, &fixture->backing), 0);
}

static void stop(struct fixture *fixture)
{
	worker_pool_free(fixture->workers);
	assert_null(backing_free(fixture->backing));
	loop_timer_free(fixture->poll);
	loop_free(fixture->loop);
}

static void count_done(struct fixture *fixture)
{
	if (++fixture->nr_done == fixture->nr_wanted)
		loop_quit(fixture->loop);
}

static void on_request(struct backing_request *request, int error)
{
	struct watched_request *watched = (struct watched_request *)request;

	watched->nr_done++;
	watched->error = error;
	count_done(watched->fixture);
}

static struct watched_request watched_request(struct fixture *fixture)
{
	return (struct watched_request){ .request = { .done = on_request }, .fixture = fixture };
}

static void run_until(struct fixture *fixture, unsigned nr_done)
{
	fixture->nr_wanted = nr_done;
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_int_equal(fixture->nr_done, nr_done);
}

static void look_at_committed(void *data)
{
	struct fixture *fixture = data;

	if (backing_committed_bytes(fixture->backing) >= fixture->wanted_bytes)
		loop_quit(fixture->loop);
	else
		loop_timer_start(fixture->poll, 1);
}

/* Serves the loop until that much is committed. */
static void run_until_committed(struct fixture *fixture, uint64_t bytes)
{
	fixture->wanted_bytes = bytes;
	if (!fixture->poll)
		assert_int_equal(
			loop_timer_new(fixture->loop, look_at_committed, fixture, &fixture->poll),
			0);
	loop_timer_start(fixture->poll, 1);
	assert_int_equal(loop_run(fixture->loop), 0);
}

/* Prepares a range and waits for it; true when it had to wait. */
static bool prepare(struct fixture *fixture, uint32_t pfn, uint32_t nr_pages, uid_t uid)
{
	struct watched_request request = watched_request(fixture);
	int error = backing_prepare_range(fixture->backing, pfn, nr_pages, uid, &request.request);

	if (error == -EINPROGRESS) {
		run_until(fixture, fixture->nr_done + 1);
		assert_int_equal(request.nr_done, 1);
		assert_int_equal(request.error, 0);
		return true;
	}
	assert_int_equal(error, 0);
	return false;
}

static int open_fd(const struct fixture *fixture, bool read_only)
{
	int fd = backing_open_fd(fixture->backing, read_only);

	assert_true(fd >= 0);
	return fd;
}

static uint64_t backed_bytes(const struct fixture *fixture)
{
	int fd = open_fd(fixture, true);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return (uint64_t)st.st_blocks * 512;
}

static unsigned char *map_all(const struct fixture *fixture)
{
	int fd = open_fd(fixture, false);
	void *base = mmap(NULL, backing_size_bytes(fixture->backing), PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);

	assert_true(base != MAP_FAILED);
	close(fd);
	return base;
}

static void unmap_all(const struct fixture *fixture, unsigned char *base)
{
	assert_int_equal(munmap(base, backing_size_bytes(fixture->backing)), 0);
}

static bool is_filled_with(const unsigned char *bytes, int value, size_t size)
{
	return bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Trust. */

static void test_backing_segment_is_sealed_and_private(void **state)
{
	struct fixture fixture;
	struct stat st;
	int fd;

	(void)state;
	start(&fixture, &small_pages);
	fd = open_fd(&fixture, false);
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
	stop(&fixture);
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
	struct fixture fixture;
	struct child child;
	unsigned char *base;
	char byte;
	int fd;

	(void)state;
	if (child_cannot_change_user())
		skip();
	start(&fixture, &small_pages);
	prepare(&fixture, 0, 1, ALICE);
	base = map_all(&fixture);
	base[0] = 'r';
	fd = open_fd(&fixture, true);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	child_start(&child, CHILD_OTHER_UID, try_to_write, &fd);
	child_read(&child, &byte, 1);
	child_finish(&child);
	assert_int_equal(byte, '!');
	close(fd);
	unmap_all(&fixture, base);
	stop(&fixture);
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
	struct fixture fixture;
	struct child child;
	unsigned char *base;
	char byte;
	int fd;

	(void)state;
	if (child_cannot_change_user())
		skip();
	start(&fixture, &small_pages);
	prepare(&fixture, 0, 1, ALICE);
	fd = open_fd(&fixture, false);
	child_start(&child, CHILD_OTHER_UID, write_through, &fd);
	child_read(&child, &byte, 1);
	child_finish(&child);
	base = map_all(&fixture);
	assert_int_equal(base[0], 'w');
	unmap_all(&fixture, base);
	close(fd);
	stop(&fixture);
}

static void test_backing_client_can_not_change_how_the_daemon_writes(void **state)
{
	struct fixture fixture;
	unsigned char *base;
	int fd;

	(void)state;
	start(&fixture, &small_pages);
	prepare(&fixture, 0, 1, ALICE);
	base = map_all(&fixture);
	base[0] = 'a';
	fd = open_fd(&fixture, false);
	assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
	prepare(&fixture, 0, 1, BOB);
	assert_int_equal(base[0], 0);
	close(fd);
	unmap_all(&fixture, base);
	stop(&fixture);
}

/* Commit. */

static void test_backing_new_commits_nothing(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, &small_pages);
	assert_int_equal(backing_committed_bytes(fixture.backing), 0);
	assert_int_equal(backed_bytes(&fixture), 0);
	assert_int_equal(backing_size_bytes(fixture.backing), 256 * MIB);
	assert_int_equal(backing_page_bytes(fixture.backing), PAGE_BYTES);
	assert_int_equal(backing_node(fixture.backing), 0);
	stop(&fixture);
}

static void test_backing_grant_is_committed_before_it_is_told(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, &small_pages);
	assert_true(prepare(&fixture, 0, 1, ALICE));
	assert_true(backing_committed_bytes(fixture.backing) >= 2 * MIB);
	assert_true(backed_bytes(&fixture) >= 2 * MIB);
	assert_false(prepare(&fixture, 1, CHUNK_PAGES - 1, ALICE)); /* the same chunk */
	stop(&fixture);
}

static void test_backing_grant_over_many_chunks_is_committed_whole(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, &small_pages);
	assert_true(prepare(&fixture, CHUNK_PAGES - 1, 20 * CHUNK_PAGES + 2, ALICE));
	assert_true(backed_bytes(&fixture) >= 22 * 2 * MIB);
	assert_false(prepare(&fixture, 0, 22 * CHUNK_PAGES, ALICE));
	stop(&fixture);
}

static void test_backing_runs_commit_only_where_blocks_are(void **state)
{
	/* Blocks 0 and 32 of order 9, in another zone than the first of its pool. */
	const struct page_run run = { page_address(3, 0), UINT64_C(1) << 32 | 1 };
	struct fixture fixture;
	struct watched_request request;

	(void)state;
	start(&fixture, &small_pages);
	request = watched_request(&fixture);
	assert_int_equal(backing_prepare(fixture.backing, 9, &run, 1, ALICE, &request.request),
			 -EINPROGRESS);
	run_until(&fixture, 1);
	assert_int_equal(request.error, 0);
	assert_int_equal(backing_prepare(fixture.backing, 9, &run, 1, ALICE, &request.request), 0);
	assert_true(backed_bytes(&fixture) <= 16 * MIB); /* two chunks and what runs ahead */
	assert_true(prepare(&fixture, 16 * CHUNK_PAGES, 1, ALICE));
	stop(&fixture);
}

static void test_backing_two_requests_share_a_commit(void **state)
{
	struct backing_config config = small_pages;
	struct watched_request first, second;
	struct fixture fixture;

	(void)state;
	config.size_bytes = config.capacity_bytes = 2 * MIB;
	start(&fixture, &config);
	first = watched_request(&fixture);
	second = watched_request(&fixture);
	assert_int_equal(backing_prepare_range(fixture.backing, 0, 1, ALICE, &first.request),
			 -EINPROGRESS);
	assert_int_equal(backing_prepare_range(fixture.backing, 511, 1, BOB, &second.request),
			 -EINPROGRESS);
	run_until(&fixture, 2);
	assert_int_equal(first.nr_done, 1);
	assert_int_equal(second.nr_done, 1);
	assert_int_equal(first.error, 0);
	assert_int_equal(second.error, 0);
	assert_int_equal(backed_bytes(&fixture), 2 * MIB);
	stop(&fixture);
}

static void test_backing_runs_ahead_of_a_steady_consumer(void **state)
{
	const uint32_t nr_chunks = 128;
	unsigned nr_waits = 0;
	struct fixture fixture;

	(void)state;
	start(&fixture, &small_pages);
	for (uint32_t chunk = 0; chunk < nr_chunks; chunk++) {
		uint64_t used_bytes = (chunk + 1) * 2 * MIB;

		nr_waits += prepare(&fixture, chunk * CHUNK_PAGES, CHUNK_PAGES, ALICE);
		/* What is next is on its way without being asked for, but never much of it. */
		if (chunk + 1 < nr_chunks)
			run_until_committed(&fixture, used_bytes + 2 * MIB);
		assert_true(backing_committed_bytes(fixture.backing) <= used_bytes + 96 * MIB);
	}
	assert_int_equal(nr_waits, 1);
	stop(&fixture);
}

static void test_backing_jumping_about_does_not_commit_the_rest(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, &small_pages);
	for (uint32_t i = 0; i < 8; i++)
		prepare(&fixture, (i * 5 % 8) * 16 * CHUNK_PAGES, 1, ALICE);
	assert_true(backing_committed_bytes(fixture.backing) <= 8 * 3 * 2 * MIB);
	stop(&fixture);
}

static void on_all(int error, void *data)
{
	struct fixture *fixture = data;

	assert_int_equal(error, 0);
	count_done(fixture);
}

static void test_backing_commit_all_commits_all(void **state)
{
	struct backing_config config = small_pages;
	struct fixture fixture;

	(void)state;
	config.size_bytes = config.capacity_bytes = 37 * MIB; /* a short last chunk */
	config.commit = SERVICE_COMMIT_START;
	start(&fixture, &config);
	backing_commit_all(fixture.backing, config.size_bytes, on_all, &fixture);
	assert_int_equal(fixture.nr_done, 0); /* never before it returns */
	run_until(&fixture, 1);
	assert_int_equal(backing_committed_bytes(fixture.backing), 37 * MIB);
	assert_int_equal(backed_bytes(&fixture), 37 * MIB);
	assert_false(prepare(&fixture, 0, 37 * 256, ALICE));
	backing_commit_all(fixture.backing, config.size_bytes, on_all,
			   &fixture); /* nothing left to do */
	run_until(&fixture, 2);
	stop(&fixture);
}

static void test_backing_touch_commits_nothing(void **state)
{
	struct backing_config config = small_pages;
	struct fixture fixture;
	unsigned char *base;

	(void)state;
	config.commit = SERVICE_COMMIT_TOUCH;
	start(&fixture, &config);
	assert_false(prepare(&fixture, 0, 65536, ALICE));
	assert_int_equal(backing_committed_bytes(fixture.backing), 0);
	base = map_all(&fixture);
	base[5 * PAGE_BYTES] = 1;
	assert_int_equal(backing_committed_bytes(fixture.backing), PAGE_BYTES);
	assert_true(prepare(&fixture, 0, 65536, BOB));
	assert_int_equal(base[5 * PAGE_BYTES], 0);
	assert_int_equal(backing_committed_bytes(fixture.backing), PAGE_BYTES);
	unmap_all(&fixture, base);
	stop(&fixture);
}

/* A range of several stretches of data, with holes between, one across two reads. */
static void test_backing_touch_zeroes_all_data_between_holes(void **state)
{
	struct backing_config config = small_pages;
	struct fixture fixture;
	unsigned char *base;

	(void)state;
	config.commit = SERVICE_COMMIT_TOUCH;
	start(&fixture, &config);
	assert_false(prepare(&fixture, 0, 8192, ALICE));
	base = map_all(&fixture);
	base[4095] = 1; /* the last byte of a page */
	memset(base + 14 * PAGE_BYTES, 'a', 5 * PAGE_BYTES);
	memset(base + 8191 * PAGE_BYTES, 'a', PAGE_BYTES);
	memset(base + 8192 * PAGE_BYTES, 'b', PAGE_BYTES);
	assert_true(prepare(&fixture, 0, 8192, BOB));
	assert_int_equal(backing_committed_bytes(fixture.backing), 8 * PAGE_BYTES);
	assert_int_equal(base[4095], 0);
	assert_true(is_filled_with(base + 14 * PAGE_BYTES, 0, 5 * PAGE_BYTES));
	assert_true(is_filled_with(base + 8191 * PAGE_BYTES, 0, PAGE_BYTES));
	assert_true(is_filled_with(base + 8192 * PAGE_BYTES, 'b', PAGE_BYTES));
	unmap_all(&fixture, base);
	stop(&fixture);
}

/* Scrub. */

static void test_backing_zeroes_what_passes_to_another_uid(void **state)
{
	struct fixture fixture;
	unsigned char *base;

	(void)state;
	start(&fixture, &small_pages);
	prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	base = map_all(&fixture);
	memset(base, 'a', CHUNK_PAGES * PAGE_BYTES);
	assert_false(prepare(&fixture, 8, 8, ALICE));
	assert_true(is_filled_with(base, 'a', CHUNK_PAGES * PAGE_BYTES));
	assert_true(prepare(&fixture, 8, 8, BOB));
	assert_true(is_filled_with(base, 'a', 8 * PAGE_BYTES));
	assert_true(is_filled_with(base + 8 * PAGE_BYTES, 0, 8 * PAGE_BYTES));
	assert_true(is_filled_with(base + 16 * PAGE_BYTES, 'a', 496 * PAGE_BYTES));
	unmap_all(&fixture, base);
	stop(&fixture);
}

static void test_backing_zeroes_much_in_several_jobs(void **state)
{
	struct fixture fixture;
	unsigned char *base;

	(void)state;
	start(&fixture, &small_pages);
	prepare(&fixture, 0, 12 * CHUNK_PAGES, ALICE);
	base = map_all(&fixture);
	memset(base, 'a', 12 * CHUNK_PAGES * PAGE_BYTES);
	assert_true(prepare(&fixture, 64, 10 * CHUNK_PAGES, BOB));
	assert_true(is_filled_with(base, 'a', 64 * PAGE_BYTES));
	assert_true(is_filled_with(base + 64 * PAGE_BYTES, 0, 10 * CHUNK_PAGES * PAGE_BYTES));
	assert_true(is_filled_with(base + (64 + 10 * CHUNK_PAGES) * PAGE_BYTES, 'a', PAGE_BYTES));
	memset(base + 64 * PAGE_BYTES, 'b', PAGE_BYTES);
	assert_false(prepare(&fixture, 64, 64, BOB)); /* it is his now */
	assert_int_equal(base[64 * PAGE_BYTES], 'b');
	unmap_all(&fixture, base);
	stop(&fixture);
}

static void test_backing_zeroes_exactly_the_blocks_of_the_runs(void **state)
{
	/* Pages 1 and 63 of the first leaf, all of the second. */
	const struct page_run runs[] = { { 0, UINT64_C(1) << 63 | 2 }, { 64, UINT64_MAX } };
	struct watched_request request;
	struct fixture fixture;
	unsigned char *base;
	int error;

	(void)state;
	start(&fixture, &small_pages);
	prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	base = map_all(&fixture);
	memset(base, 'a', 192 * PAGE_BYTES);
	request = watched_request(&fixture);
	error = backing_prepare(fixture.backing, 0, runs, 2, BOB, &request.request);
	assert_int_equal(error, -EINPROGRESS); /* 66 pages */
	run_until(&fixture, fixture.nr_done + 1);
	assert_int_equal(request.error, 0);
	for (unsigned page = 0; page < 192; page++)
		assert_int_equal(base[page * PAGE_BYTES + 4095],
				 page == 1 || (page >= 63 && page < 128) ? 0 : 'a');
	unmap_all(&fixture, base);
	stop(&fixture);
}

static void test_backing_commits_before_it_zeroes(void **state)
{
	struct watched_request request;
	struct fixture fixture;
	unsigned char *base;

	(void)state;
	start(&fixture, &small_pages);
	prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	base = map_all(&fixture);
	memset(base, 'a', CHUNK_PAGES * PAGE_BYTES);
	request = watched_request(&fixture);
	assert_int_equal(
		backing_prepare_range(fixture.backing, 0, 64 * CHUNK_PAGES, BOB, &request.request),
		-EINPROGRESS);
	run_until(&fixture, fixture.nr_done + 1);
	assert_int_equal(request.error, 0);
	assert_true(is_filled_with(base, 0, CHUNK_PAGES * PAGE_BYTES));
	unmap_all(&fixture, base);
	stop(&fixture);
}

static void test_backing_punched_hole_does_not_hurt_the_daemon(void **state)
{
	struct fixture fixture;
	int fd;

	(void)state;
	start(&fixture, &small_pages);
	prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	fd = open_fd(&fixture, false);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * MIB), 0);
	prepare(&fixture, 0, CHUNK_PAGES, BOB);
	close(fd);
	stop(&fixture);
}

static void test_backing_can_be_freed_with_requests_in_progress(void **state)
{
	struct watched_request request;
	struct fixture fixture;

	(void)state;
	start(&fixture, &small_pages);
	prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	request = watched_request(&fixture);
	assert_int_equal(
		backing_prepare_range(fixture.backing, 0, 8 * CHUNK_PAGES, BOB, &request.request),
		-EINPROGRESS);
	stop(&fixture); /* a sanitizer sees what leaks */
	assert_int_equal(request.nr_done, 0);
}

static void test_backing_free_accepts_null(void **state)
{
	(void)state;
	assert_null(backing_free(NULL));
}

/* Huge pages. */

static bool write_number(const char *path, uint64_t number)
{
	FILE *file = fopen(path, "we");
	bool is_written = file && fprintf(file, "%" PRIu64, number) > 0;

	return file && fclose(file) == 0 && is_written;
}

/* Makes sure that so many huge pages are free, or says why not. */
static bool reserve_huge_pages(uint64_t nr_pages, uint64_t *ret_before)
{
	struct hostmem_huge huge;

	if (hostmem_huge_pages(-1, HUGE_BYTES, &huge) < 0) {
		print_message("skipped: this kernel has no huge pages of 2 MiB\n");
		return false;
	}
	*ret_before = huge.nr_total;
	if (huge.nr_available < nr_pages) {
		if (!write_number(huge.path, huge.nr_total + nr_pages - huge.nr_available) ||
		    hostmem_huge_pages(-1, HUGE_BYTES, &huge) < 0 || huge.nr_available < nr_pages) {
			print_message("skipped: can't get %" PRIu64 " huge pages\n", nr_pages);
			write_number(huge.path, *ret_before);
			return false;
		}
	}
	return true;
}

static void release_huge_pages(uint64_t before)
{
	struct hostmem_huge huge;

	if (hostmem_huge_pages(-1, HUGE_BYTES, &huge) == 0 && huge.nr_total != before)
		write_number(huge.path, before);
}

static struct backing_config huge_pages(void)
{
	struct backing_config config = small_pages;

	config.page_bytes = HUGE_BYTES;
	config.size_bytes = config.capacity_bytes = 16 * HUGE_BYTES;
	return config;
}

static void test_backing_huge_pages_are_committed_and_zeroed(void **state)
{
	struct backing_config config = huge_pages();
	struct fixture fixture;
	unsigned char *base;
	uint64_t before;

	(void)state;
	if (!reserve_huge_pages(16, &before))
		skip();
	start(&fixture, &config);
	assert_int_equal(backed_bytes(&fixture), 0);
	assert_true(prepare(&fixture, 0, CHUNK_PAGES, ALICE));
	assert_true(backed_bytes(&fixture) >= HUGE_BYTES);
	base = map_all(&fixture);
	memset(base, 'a', HUGE_BYTES);
	assert_true(prepare(&fixture, 3, 2, BOB)); /* on a helper thread, however little */
	assert_true(is_filled_with(base, 'a', 3 * PAGE_BYTES));
	assert_true(is_filled_with(base + 3 * PAGE_BYTES, 0, 2 * PAGE_BYTES));
	assert_true(prepare(&fixture, 0, CHUNK_PAGES, BOB));
	assert_true(is_filled_with(base, 0, HUGE_BYTES));
	unmap_all(&fixture, base);
	stop(&fixture);
	release_huge_pages(before);
}

static void test_backing_huge_pages_are_committed_at_start(void **state)
{
	struct backing_config config = huge_pages();
	struct fixture fixture;
	uint64_t before;

	(void)state;
	if (!reserve_huge_pages(16, &before))
		skip();
	config.commit = SERVICE_COMMIT_START;
	start(&fixture, &config);
	backing_commit_all(fixture.backing, config.size_bytes, on_all, &fixture);
	run_until(&fixture, 1);
	assert_int_equal(backing_committed_bytes(fixture.backing), 16 * HUGE_BYTES);
	assert_int_equal(backed_bytes(&fixture), 16 * HUGE_BYTES);
	stop(&fixture);
	release_huge_pages(before);
}

static void test_backing_huge_pages_are_reserved_for_those_who_touch(void **state)
{
	struct backing_config config = huge_pages();
	struct fixture fixture;
	struct hostmem_huge free_before, free_after;
	unsigned char *base;
	uint64_t before;

	(void)state;
	if (!reserve_huge_pages(16, &before))
		skip();
	assert_int_equal(hostmem_huge_pages(-1, HUGE_BYTES, &free_before), 0);
	config.commit = SERVICE_COMMIT_TOUCH;
	start(&fixture, &config);
	assert_int_equal(hostmem_huge_pages(-1, HUGE_BYTES, &free_after), 0);
	assert_int_equal(free_before.nr_available - free_after.nr_available, 16);
	assert_false(prepare(&fixture, 0, CHUNK_PAGES, ALICE)); /* nothing to wait for */
	base = map_all(&fixture);
	base[15 * HUGE_BYTES] = 1;
	assert_int_equal(backing_committed_bytes(fixture.backing), HUGE_BYTES);
	unmap_all(&fixture, base);
	stop(&fixture);
	release_huge_pages(before);
}

/* What backing_new() writes to standard error. */
static int new_and_read_log(const struct backing_config *config, struct fixture *fixture, char *ret,
			    size_t size)
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
	struct fixture fixture = { 0 };
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
	struct backing_config config = small_pages;
	struct fixture fixture;

	(void)state;
	config.host_node = 0;
	start(&fixture, &config);
	prepare(&fixture, 0, 1, ALICE);
	assert_true(backed_bytes(&fixture) >= 2 * MIB);
	stop(&fixture);
}

static void test_backing_refuses_a_node_that_does_not_exist(void **state)
{
	struct backing_config config = small_pages;
	struct fixture fixture = { 0 };
	char text[1024];

	(void)state;
	config.host_node = 1000;
	assert_int_not_equal(new_and_read_log(&config, &fixture, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "pagepool:test:node0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backing_segment_is_sealed_and_private),
		cmocka_unit_test(test_backing_other_uid_can_not_widen_a_read_only_fd),
		cmocka_unit_test(test_backing_other_uid_can_write_through_a_writable_fd),
		cmocka_unit_test(test_backing_client_can_not_change_how_the_daemon_writes),
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
		cmocka_unit_test(test_backing_zeroes_what_passes_to_another_uid),
		cmocka_unit_test(test_backing_zeroes_much_in_several_jobs),
		cmocka_unit_test(test_backing_zeroes_exactly_the_blocks_of_the_runs),
		cmocka_unit_test(test_backing_commits_before_it_zeroes),
		cmocka_unit_test(test_backing_punched_hole_does_not_hurt_the_daemon),
		cmocka_unit_test(test_backing_can_be_freed_with_requests_in_progress),
		cmocka_unit_test(test_backing_free_accepts_null),
		cmocka_unit_test(test_backing_huge_pages_are_committed_and_zeroed),
		cmocka_unit_test(test_backing_huge_pages_are_committed_at_start),
		cmocka_unit_test(test_backing_huge_pages_are_reserved_for_those_who_touch),
		cmocka_unit_test(test_backing_too_few_huge_pages_says_what_to_do),
		cmocka_unit_test(test_backing_binds_to_a_node_or_says_that_it_can_not),
		cmocka_unit_test(test_backing_refuses_a_node_that_does_not_exist),
	};

	return cmocka_run_group_tests_name("backing", tests, NULL, NULL);
}
