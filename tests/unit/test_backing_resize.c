/* SPDX-License-Identifier: MIT */
/* A segment with room to grow: what it costs, and how memory comes into and out of it. */

#include <errno.h>
#include <inttypes.h>
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
#include "service/hostmem.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/worker.h"

#define MIB (UINT64_C(1) << 20)
#define HUGE_BYTES (2 * MIB)
#define CHUNK_PAGES 512u
#define ALICE 1000u
#define BOB 1001u

struct fixture {
	struct loop *loop;
	struct worker_pool *workers, *releasers;
	struct backing *backing;
	int error; /* of what was waited for last */
	struct backing_request request;
	struct backing_release release;
};

static struct fixture fixture;

static struct backing_config make_config(uint64_t size_bytes, uint64_t capacity_bytes)
{
	return (struct backing_config){
		.name = "pagepool:test:node0",
		.host_node = -1,
		.size_bytes = size_bytes,
		.capacity_bytes = capacity_bytes,
		.page_bytes = PAGE_BYTES,
		.commit = SERVICE_COMMIT_GRANT,
		.scrub = SERVICE_SCRUB_UID,
	};
}

static void start(const struct backing_config *config)
{
	fixture = (struct fixture){ 0 };
	log_set_level(LOG_CRIT);
	assert_int_equal(loop_new(&fixture.loop), 0);
	assert_int_equal(worker_pool_new(fixture.loop, 2, &fixture.workers), 0);
	assert_int_equal(worker_pool_new(fixture.loop, 1, &fixture.releasers), 0);
	assert_int_equal(backing_new(config, fixture.workers, &fixture.backing), 0);
}

static void stop(void)
{
	worker_pool_free(fixture.workers);
	worker_pool_free(fixture.releasers);
	backing_free(fixture.backing);
	loop_free(fixture.loop);
}

static struct stat segment_status(void)
{
	int fd = backing_open_fd(fixture.backing, true);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return st;
}

static uint64_t backed_bytes(void)
{
	return (uint64_t)segment_status().st_blocks * 512;
}

static void on_all(int error, void *data)
{
	(void)data;
	fixture.error = error;
	loop_quit(fixture.loop);
}

static void commit_all(uint64_t size_bytes)
{
	backing_commit_all(fixture.backing, size_bytes, on_all, NULL);
	assert_int_equal(loop_run(fixture.loop), 0);
	assert_int_equal(fixture.error, 0);
}

static void on_request(struct backing_request *request, int error)
{
	(void)request;
	on_all(error, NULL);
}

/* Grants pages; true when that had to wait for something. */
static bool prepare(uint32_t pfn, uint32_t nr_pages, uid_t uid)
{
	fixture.request.done = on_request;
	int error = backing_prepare_range(fixture.backing, pfn, nr_pages, uid, &fixture.request);

	if (error == 0)
		return false;
	assert_int_equal(error, -EINPROGRESS);
	assert_int_equal(loop_run(fixture.loop), 0);
	assert_int_equal(fixture.error, 0);
	return true;
}

static void grow(uint64_t size_bytes)
{
	backing_expect(fixture.backing, size_bytes);
	assert_int_equal(backing_reserve(fixture.backing, size_bytes), 0);
	backing_set_size(fixture.backing, size_bytes);
}

static void on_released(struct backing_release *release)
{
	on_all(release->error, NULL);
}

static int release(uint64_t from_bytes, uint64_t to_bytes)
{
	fixture.release.done = on_released;
	return backing_release(fixture.backing, fixture.releasers,
			       (uint32_t)(from_bytes / PAGE_BYTES),
			       (uint32_t)((to_bytes - from_bytes) / PAGE_BYTES), &fixture.release);
}

static void release_and_wait(uint64_t from_bytes, uint64_t to_bytes)
{
	assert_int_equal(release(from_bytes, to_bytes), -EINPROGRESS);
	assert_int_equal(loop_run(fixture.loop), 0);
	assert_int_equal(fixture.error, 0);
}

static unsigned char *map(uint64_t size_bytes)
{
	int fd = backing_open_fd(fixture.backing, false);
	void *base =
		mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	assert_true(base != MAP_FAILED);
	close(fd);
	return base;
}

static void test_backing_room_to_grow_costs_nothing(void **state)
{
	const struct backing_config config = make_config(4 * MIB, 16 * 1024 * MIB);

	(void)state;
	start(&config);
	assert_int_equal(backing_size_bytes(fixture.backing), 4 * MIB);
	assert_int_equal(backing_capacity_bytes(fixture.backing), 16 * 1024 * MIB);
	assert_int_equal(segment_status().st_size, 16 * 1024 * MIB);
	assert_int_equal(backed_bytes(), 0);
	commit_all(4 * MIB);
	assert_int_equal(backed_bytes(), 4 * MIB);
	assert_int_equal(backing_committed_bytes(fixture.backing), 4 * MIB);
	stop();
}

/* The window that runs ahead of a steady consumer. */
static void test_backing_nothing_is_committed_ahead_of_the_size(void **state)
{
	const struct backing_config config = make_config(8 * MIB, 64 * MIB);

	(void)state;
	start(&config);
	for (uint32_t pfn = 0; pfn < 4 * CHUNK_PAGES; pfn += CHUNK_PAGES)
		prepare(pfn, CHUNK_PAGES, ALICE);
	worker_pool_free(fixture.workers); /* whatever it was still to do */
	fixture.workers = NULL;
	assert_int_equal(backed_bytes(), 8 * MIB);
	stop();
}

static void test_backing_grown_pages_are_granted_like_others(void **state)
{
	const struct backing_config config = make_config(4 * MIB, 64 * MIB);
	unsigned char *base;

	(void)state;
	start(&config);
	grow(12 * MIB);
	assert_int_equal(backing_size_bytes(fixture.backing), 12 * MIB);
	assert_int_equal(backed_bytes(), 0);
	assert_true(prepare(5 * CHUNK_PAGES, CHUNK_PAGES, ALICE));
	assert_int_equal(backed_bytes(), 2 * MIB);
	base = map(12 * MIB);
	memset(base + 10 * MIB, 'a', 2 * MIB);
	assert_false(prepare(5 * CHUNK_PAGES, 1, ALICE));
	assert_true(prepare(5 * CHUNK_PAGES, 1, BOB));
	assert_int_equal(base[10 * MIB], 0);
	assert_int_equal(base[10 * MIB + PAGE_BYTES], 'a');
	assert_int_equal(munmap(base, 12 * MIB), 0);
	commit_all(12 * MIB);
	assert_int_equal(backed_bytes(), 12 * MIB);
	stop();
}

static void test_backing_released_memory_goes_to_the_host(void **state)
{
	const struct backing_config config = make_config(16 * MIB, 16 * MIB);

	(void)state;
	start(&config);
	commit_all(16 * MIB);
	backing_set_size(fixture.backing, 4 * MIB);
	release_and_wait(4 * MIB, 16 * MIB);
	assert_int_equal(backed_bytes(), 4 * MIB);
	assert_int_equal(backing_committed_bytes(fixture.backing), 4 * MIB);
	assert_int_equal(release(4 * MIB, 16 * MIB), 0); /* it is gone already */

	/* When it comes back it is committed anew, and can be released again. */
	grow(8 * MIB);
	commit_all(8 * MIB);
	assert_int_equal(backed_bytes(), 8 * MIB);
	backing_set_size(fixture.backing, 4 * MIB);
	release_and_wait(4 * MIB, 16 * MIB);
	assert_int_equal(backed_bytes(), 4 * MIB);
	stop();
}

static void test_backing_release_spares_what_shares_a_chunk(void **state)
{
	const struct backing_config config = make_config(16 * MIB, 16 * MIB);

	(void)state;
	start(&config);
	commit_all(16 * MIB);
	backing_set_size(fixture.backing, 5 * MIB);
	release_and_wait(5 * MIB, 11 * MIB); /* of these 6 to 10 are whole chunks */
	assert_int_equal(backed_bytes(), 12 * MIB);
	assert_int_equal(release(10 * MIB, 12 * MIB - PAGE_BYTES), 0);
	release_and_wait(5 * MIB, 16 * MIB); /* around the hole: the rest in a second release */
	assert_int_equal(backed_bytes(), 6 * MIB);
	assert_int_equal(release(5 * MIB, 16 * MIB), 0);
	stop();
}

/* What a release left behind is nobody's: no need to zero it for the next one. */
static void test_backing_released_pages_have_no_data_any_more(void **state)
{
	const struct backing_config config = make_config(4 * MIB, 4 * MIB);
	unsigned char *base;

	(void)state;
	start(&config);
	commit_all(4 * MIB);
	assert_false(prepare(CHUNK_PAGES, CHUNK_PAGES, ALICE));
	base = map(4 * MIB);
	memset(base + 2 * MIB, 'a', 2 * MIB);
	backing_set_size(fixture.backing, 2 * MIB);
	release_and_wait(2 * MIB, 4 * MIB);
	assert_int_equal(base[2 * MIB], 0);
	backing_expect(fixture.backing, 4 * MIB);
	commit_all(4 * MIB);
	backing_set_size(fixture.backing, 4 * MIB);
	assert_false(prepare(CHUNK_PAGES, CHUNK_PAGES, BOB));
	assert_int_equal(munmap(base, 4 * MIB), 0);
	stop();
}

static void test_backing_release_waits_for_what_is_being_committed(void **state)
{
	const struct backing_config config = make_config(4 * MIB, 4 * MIB);

	(void)state;
	start(&config);
	fixture.request.done = on_request;
	assert_int_equal(
		backing_prepare_range(fixture.backing, CHUNK_PAGES, 1, ALICE, &fixture.request),
		-EINPROGRESS);
	backing_set_size(fixture.backing, 2 * MIB);
	assert_int_equal(release(2 * MIB, 4 * MIB), -EAGAIN);
	assert_int_equal(loop_run(fixture.loop), 0);
	release_and_wait(2 * MIB, 4 * MIB);
	assert_int_equal(backed_bytes(), 0);
	stop();
}

/* Growing that failed half-way. */
static void test_backing_gives_back_what_it_took_in_vain(void **state)
{
	const struct backing_config config = make_config(2 * MIB, 8 * MIB);

	(void)state;
	start(&config);
	for (unsigned i = 0; i < 2; i++) {
		backing_expect(fixture.backing, 8 * MIB);
		commit_all(8 * MIB);
		assert_int_equal(backed_bytes(), 8 * MIB);
		release_and_wait(2 * MIB, 8 * MIB);
		assert_int_equal(backed_bytes(), 2 * MIB);
	}
	stop();
}

static void test_backing_short_last_chunk_is_released(void **state)
{
	const struct backing_config config = make_config(5 * MIB, 5 * MIB);

	(void)state;
	start(&config);
	commit_all(5 * MIB);
	backing_set_size(fixture.backing, 2 * MIB);
	release_and_wait(2 * MIB, 5 * MIB);
	assert_int_equal(backed_bytes(), 2 * MIB);
	assert_int_equal(backing_committed_bytes(fixture.backing), 2 * MIB);
	stop();
}

/* Huge pages. */

static bool write_number(const char *path, uint64_t number)
{
	FILE *file = fopen(path, "we");
	bool is_written = file && fprintf(file, "%" PRIu64, number) > 0;

	return file && fclose(file) == 0 && is_written;
}

static uint64_t huge_available(void)
{
	struct hostmem_huge huge;

	assert_int_equal(hostmem_huge_pages(-1, HUGE_BYTES, &huge), 0);
	return huge.nr_available;
}

/* Sets so many huge pages aside, or says why not. */
static bool set_huge_aside(uint64_t nr_pages, struct hostmem_huge *ret)
{
	if (hostmem_huge_pages(-1, HUGE_BYTES, ret) < 0) {
		print_message("skipped: this kernel has no huge pages of 2 MiB\n");
		return false;
	}
	if (write_number(ret->path, ret->nr_total - ret->nr_available + nr_pages) &&
	    huge_available() == nr_pages)
		return true;
	print_message("skipped: can't get %" PRIu64 " huge pages\n", nr_pages);
	write_number(ret->path, ret->nr_total);
	return false;
}

static void test_backing_huge_pages_are_reserved_for_the_size_alone(void **state)
{
	struct backing_config config = make_config(4 * HUGE_BYTES, 512 * HUGE_BYTES);
	struct hostmem_huge huge;

	(void)state;
	if (!set_huge_aside(16, &huge))
		skip();
	config.page_bytes = HUGE_BYTES;
	start(&config);
	assert_int_equal(huge_available(), 12);
	grow(10 * HUGE_BYTES);
	assert_int_equal(huge_available(), 6);
	backing_expect(fixture.backing, 17 * HUGE_BYTES);
	assert_int_equal(backing_reserve(fixture.backing, 17 * HUGE_BYTES), -ENOMEM);
	assert_int_equal(huge_available(), 6);

	/* Some touched, some only promised: all go back. */
	assert_true(prepare(8 * CHUNK_PAGES, 2 * CHUNK_PAGES, ALICE));
	backing_set_size(fixture.backing, 2 * HUGE_BYTES);
	release_and_wait(2 * HUGE_BYTES, 10 * HUGE_BYTES);
	assert_int_equal(huge_available(), 14);
	stop();
	assert_int_equal(huge_available(), 16);
	write_number(huge.path, huge.nr_total);
}

static void test_backing_huge_pages_are_bound_to_be_there(void **state)
{
	struct backing_config config = make_config(2 * HUGE_BYTES, 64 * HUGE_BYTES);
	struct hostmem_huge huge;
	unsigned char *base;

	(void)state;
	if (!set_huge_aside(4, &huge))
		skip();
	config.page_bytes = HUGE_BYTES;
	config.commit = SERVICE_COMMIT_TOUCH;
	start(&config);
	grow(4 * HUGE_BYTES);
	assert_int_equal(huge_available(), 0);
	base = map(4 * HUGE_BYTES);
	base[3 * HUGE_BYTES] = 'a'; /* SIGBUS if there were none left */
	assert_int_equal(backed_bytes(), HUGE_BYTES);
	assert_int_equal(munmap(base, 4 * HUGE_BYTES), 0);
	stop();
	write_number(huge.path, huge.nr_total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backing_room_to_grow_costs_nothing),
		cmocka_unit_test(test_backing_nothing_is_committed_ahead_of_the_size),
		cmocka_unit_test(test_backing_grown_pages_are_granted_like_others),
		cmocka_unit_test(test_backing_released_memory_goes_to_the_host),
		cmocka_unit_test(test_backing_release_spares_what_shares_a_chunk),
		cmocka_unit_test(test_backing_released_pages_have_no_data_any_more),
		cmocka_unit_test(test_backing_release_waits_for_what_is_being_committed),
		cmocka_unit_test(test_backing_gives_back_what_it_took_in_vain),
		cmocka_unit_test(test_backing_short_last_chunk_is_released),
		cmocka_unit_test(test_backing_huge_pages_are_reserved_for_the_size_alone),
		cmocka_unit_test(test_backing_huge_pages_are_bound_to_be_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
