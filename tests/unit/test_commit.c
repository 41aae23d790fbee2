/* SPDX-License-Identifier: MIT */
/*
 * Committing when it fails. The segments here claim to be larger than their memfd, which is sealed
 * against growing: chunks behind its end can't be committed, as if memory were out.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/commit.h"
#include "service/hostmem.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/segment.h"

#define MIB (UINT64_C(1) << 20)
#define CHUNK_PAGES 512u

struct fixture {
	struct loop *loop;
	struct worker_pool *workers;
	struct segment segment;
	struct commit commit;
	unsigned nr_done, nr_wanted;
};

struct watched_wait {
	struct commit_wait wait;
	struct fixture *fixture;
	unsigned nr_done;
};

static void *map(const struct fixture *fixture, int flags)
{
	void *base = mmap(fixture->segment.base, fixture->segment.capacity_bytes,
			  PROT_READ | PROT_WRITE, MAP_SHARED | flags, fixture->segment.fd, 0);

	assert_true(base != MAP_FAILED);
	return base;
}

static void start(struct fixture *fixture, uint64_t claimed_bytes, uint64_t real_bytes)
{
	*fixture = (struct fixture){
		.segment = { .name = "test",
			     .capacity_bytes = claimed_bytes,
			     .page_bytes = 4096,
			     .host_node = -1 },
	};
	log_set_level(LOG_CRIT); /* failures are what is tested */
	fixture->segment.fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fixture->segment.fd >= 0);
	assert_int_equal(ftruncate(fixture->segment.fd, (off_t)real_bytes), 0);
	assert_int_equal(fcntl(fixture->segment.fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	fixture->segment.base = map(fixture, 0);
	assert_int_equal(loop_new(&fixture->loop), 0);
	assert_int_equal(worker_pool_new(fixture->loop, 2, &fixture->workers), 0);
	assert_int_equal(
		commit_init(&fixture->commit, &fixture->segment, claimed_bytes, fixture->workers),
		0);
}

static void stop(struct fixture *fixture)
{
	worker_pool_free(fixture->workers);
	commit_deinit(&fixture->commit);
	loop_free(fixture->loop);
	assert_int_equal(munmap(fixture->segment.base, fixture->segment.capacity_bytes), 0);
	close(fixture->segment.fd);
}

static uint64_t backed_bytes(const struct fixture *fixture)
{
	struct stat st;

	assert_int_equal(fstat(fixture->segment.fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void count_done(struct fixture *fixture)
{
	if (++fixture->nr_done == fixture->nr_wanted)
		loop_quit(fixture->loop);
}

static void on_wait(struct commit_wait *wait)
{
	struct watched_wait *watched = (struct watched_wait *)wait;

	watched->nr_done++;
	count_done(watched->fixture);
}

static struct watched_wait watched_wait(struct fixture *fixture)
{
	return (struct watched_wait){ .wait = { .done = on_wait }, .fixture = fixture };
}

static void run_until(struct fixture *fixture, unsigned nr_done)
{
	fixture->nr_wanted = nr_done;
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_int_equal(fixture->nr_done, nr_done);
}

static void on_all(int error, void *data)
{
	struct fixture *fixture = data;

	assert_int_not_equal(error, 0);
	count_done(fixture);
}

static void test_commit_failure_reaches_who_waits(void **state)
{
	struct fixture fixture;
	struct watched_wait wait;

	(void)state;
	start(&fixture, 16 * MIB, 4 * MIB);
	wait = watched_wait(&fixture);
	commit_need(&fixture.commit, 4 * CHUNK_PAGES, 1, &wait.wait);
	assert_int_equal(wait.wait.nr_pending, 1);
	run_until(&fixture, 1);
	assert_int_equal(wait.nr_done, 1);
	assert_int_not_equal(wait.wait.error, 0);
	assert_false(commit_is_ready(&fixture.commit, 4 * CHUNK_PAGES, 1));
	stop(&fixture);
}

static void test_commit_failure_spares_who_needs_another_chunk_of_the_job(void **state)
{
	struct fixture fixture;
	struct watched_wait all, first;

	(void)state;
	start(&fixture, 8 * MIB, 4 * MIB);
	all = watched_wait(&fixture);
	first = watched_wait(&fixture);
	commit_need(&fixture.commit, 0, 4 * CHUNK_PAGES, &all.wait); /* one job of four chunks */
	commit_need(&fixture.commit, 0, 1, &first.wait);             /* waits for it too */
	assert_int_equal(fixture.commit.nr_jobs, 1);
	run_until(&fixture, 2);
	assert_int_not_equal(all.wait.error, 0);
	assert_int_equal(first.wait.error, 0);
	assert_true(commit_is_ready(&fixture.commit, 0, 2 * CHUNK_PAGES));
	assert_false(commit_is_ready(&fixture.commit, 2 * CHUNK_PAGES, 1));
	assert_int_equal(commit_committed_bytes(&fixture.commit), 4 * MIB);
	stop(&fixture);
}

static void test_commit_failure_is_not_for_ever(void **state)
{
	struct fixture fixture;
	struct watched_wait wait;
	int fd;

	(void)state;
	start(&fixture, 8 * MIB, 2 * MIB);
	wait = watched_wait(&fixture);
	commit_need(&fixture.commit, 2 * CHUNK_PAGES, 1, &wait.wait);
	run_until(&fixture, 1);
	assert_int_not_equal(wait.wait.error, 0);
	fd = memfd_create("larger", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 8 * MIB), 0);
	assert_int_equal(dup2(fd, fixture.segment.fd), fixture.segment.fd);
	close(fd);
	assert_ptr_equal(map(&fixture, MAP_FIXED), fixture.segment.base);
	wait = watched_wait(&fixture);
	commit_need(&fixture.commit, 2 * CHUNK_PAGES, 1, &wait.wait);
	run_until(&fixture, 2);
	assert_int_equal(wait.wait.error, 0);
	stop(&fixture);
}

static void test_commit_all_fails_with_what_it_got(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, 64 * MIB, 8 * MIB);
	commit_all(&fixture.commit, fixture.segment.capacity_bytes, on_all, &fixture);
	run_until(&fixture, 1);
	assert_int_equal(commit_committed_bytes(&fixture.commit), 8 * MIB);
	assert_int_equal(backed_bytes(&fixture), 8 * MIB);
	stop(&fixture);
}

static void test_commit_all_foresees_that_it_can_not_succeed(void **state)
{
	uint64_t size_bytes = (2 * hostmem_available_bytes(-1) / MIB + 2) / 2 * 2 * MIB;
	struct fixture fixture;

	(void)state;
	start(&fixture, size_bytes, size_bytes);
	commit_all(&fixture.commit, fixture.segment.capacity_bytes, on_all, &fixture);
	run_until(&fixture, 1);
	assert_int_equal(commit_committed_bytes(&fixture.commit), 0);
	assert_int_equal(backed_bytes(&fixture), 0);
	stop(&fixture);
}

static void test_commit_two_runs_in_one_chunk_wait_once(void **state)
{
	struct fixture fixture;
	struct watched_wait wait;

	(void)state;
	start(&fixture, 8 * MIB, 8 * MIB);
	wait = watched_wait(&fixture);
	for (uint32_t pfn = 0; pfn < CHUNK_PAGES; pfn += 2)
		commit_need(&fixture.commit, pfn, 1, &wait.wait);
	assert_int_equal(wait.wait.nr_pending, 1);
	run_until(&fixture, 1);
	assert_int_equal(wait.wait.error, 0);
	assert_int_equal(wait.nr_done, 1);
	stop(&fixture);
}

static void test_commit_can_be_left_with_jobs_in_flight(void **state)
{
	struct fixture fixture;
	struct watched_wait wait;

	(void)state;
	start(&fixture, 64 * MIB, 64 * MIB);
	wait = watched_wait(&fixture);
	commit_need(&fixture.commit, 0, 32 * CHUNK_PAGES, &wait.wait);
	assert_true(fixture.commit.nr_jobs > 1);
	stop(&fixture); /* a sanitizer sees what leaks */
	assert_int_equal(wait.nr_done, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commit_failure_reaches_who_waits),
		cmocka_unit_test(test_commit_failure_spares_who_needs_another_chunk_of_the_job),
		cmocka_unit_test(test_commit_failure_is_not_for_ever),
		cmocka_unit_test(test_commit_all_fails_with_what_it_got),
		cmocka_unit_test(test_commit_all_foresees_that_it_can_not_succeed),
		cmocka_unit_test(test_commit_two_runs_in_one_chunk_wait_once),
		cmocka_unit_test(test_commit_can_be_left_with_jobs_in_flight),
	};

	return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}
