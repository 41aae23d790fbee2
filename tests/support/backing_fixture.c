/* SPDX-License-Identifier: MIT */

/* The loop runs on the test's own thread until what the test waits for has happened. */

#include "support/backing_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/page.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/worker.h"

const struct backing_config backing_fixture_config = {
	.name = "pagepool:test:node0",
	.host_node = -1,
	.size_bytes = UINT64_C(256) << 20,
	.capacity_bytes = UINT64_C(256) << 20,
	.page_bytes = PAGE_BYTES,
	.commit = SERVICE_COMMIT_GRANT,
	.scrub = SERVICE_SCRUB_UID,
};

void backing_fixture_start(struct backing_fixture *fixture, const struct backing_config *config)
{
	*fixture = (struct backing_fixture){ 0 };
	log_set_level(LOG_ERR);
	assert_int_equal(loop_new(&fixture->loop), 0);
	assert_int_equal(worker_pool_new(fixture->loop, 2, &fixture->workers), 0);
	assert_int_equal(backing_new(config, fixture->workers, &fixture->backing), 0);
}

void backing_fixture_stop(struct backing_fixture *fixture)
{
	worker_pool_free(fixture->workers);
	assert_null(backing_free(fixture->backing));
	loop_timer_free(fixture->poll);
	loop_free(fixture->loop);
}

static void count_done(struct backing_fixture *fixture)
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

struct watched_request backing_fixture_request(struct backing_fixture *fixture)
{
	return (struct watched_request){ .request = { .done = on_request }, .fixture = fixture };
}

void backing_fixture_run_until(struct backing_fixture *fixture, unsigned nr_done)
{
	fixture->nr_wanted = nr_done;
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_int_equal(fixture->nr_done, nr_done);
}

void backing_fixture_on_done(int error, void *data)
{
	struct backing_fixture *fixture = data;

	assert_int_equal(error, 0);
	count_done(fixture);
}

static void look_at_committed(void *data)
{
	struct backing_fixture *fixture = data;

	if (backing_committed_bytes(fixture->backing) >= fixture->wanted_bytes)
		loop_quit(fixture->loop);
	else
		loop_timer_start(fixture->poll, 1);
}

void backing_fixture_run_until_committed(struct backing_fixture *fixture, uint64_t bytes)
{
	fixture->wanted_bytes = bytes;
	if (!fixture->poll)
		assert_int_equal(
			loop_timer_new(fixture->loop, look_at_committed, fixture, &fixture->poll),
			0);
	loop_timer_start(fixture->poll, 1);
	assert_int_equal(loop_run(fixture->loop), 0);
}

bool backing_fixture_prepare(struct backing_fixture *fixture, uint32_t pfn, uint32_t nr_pages,
			     uid_t uid)
{
	struct watched_request request = backing_fixture_request(fixture);
	int error = backing_prepare_range(fixture->backing, pfn, nr_pages, uid, &request.request);

	if (error == -EINPROGRESS) {
		backing_fixture_run_until(fixture, fixture->nr_done + 1);
		assert_int_equal(request.nr_done, 1);
		assert_int_equal(request.error, 0);
		return true;
	}
	assert_int_equal(error, 0);
	return false;
}

int backing_fixture_open_fd(const struct backing_fixture *fixture, bool read_only)
{
	int fd = backing_open_fd(fixture->backing, read_only);

	assert_true(fd >= 0);
	return fd;
}

uint64_t backing_fixture_backed_bytes(const struct backing_fixture *fixture)
{
	int fd = backing_fixture_open_fd(fixture, true);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return (uint64_t)st.st_blocks * 512;
}

unsigned char *backing_fixture_map(const struct backing_fixture *fixture)
{
	int fd = backing_fixture_open_fd(fixture, false);
	void *base = mmap(NULL, backing_size_bytes(fixture->backing), PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);

	assert_true(base != MAP_FAILED);
	close(fd);
	return base;
}

void backing_fixture_unmap(const struct backing_fixture *fixture, unsigned char *base)
{
	assert_int_equal(munmap(base, backing_size_bytes(fixture->backing)), 0);
}
