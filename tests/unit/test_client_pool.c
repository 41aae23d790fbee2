/* SPDX-License-Identifier: MIT */
/* Opening, closing and looking at pools of a daemon that follows a script; losing it, and forks. */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/open_fds.h"
#include "support/scripted.h"

#define ZONE_PAGES SCRIPTED_ZONE_PAGES
#define ZONE_BYTES SCRIPTED_ZONE_BYTES

/* Opening. */

enum open_lie {
	LIE_NO_FDS,
	LIE_FEW_FDS,
	LIE_MANY_FDS,
	LIE_NO_SEGMENTS,
	LIE_SHORT_FILE,
	LIE_UNSEALED,
	LIE_PIPE,
	LIE_EMPTY_SEGMENT,
	LIE_ODD_PAGE,
	LIE_ODD_SIZE,
	LIE_HUGE_SEGMENT,
	LIE_LITTLE_ROOM,
	LIE_ODD_ROOM,
	LIE_MORE_ROOM_THAN_FILE,
	LIE_HUGE_ROOM,
	LIE_ORDER,
	NR_OPEN_LIES
};

static void script_open_lie(struct scripted *daemon, void *data)
{
	struct message request, reply = { .type = MESSAGE_POOL_OPENED, .error = "" };
	struct message_segment segment = { .size_bytes = ZONE_BYTES, .page_bytes = 4096 };
	enum open_lie lie = *(const enum open_lie *)data;
	struct message_segment segments[2];
	int fds[3];
	unsigned nr_fds = lie == LIE_NO_FDS     ? 0
			  : lie == LIE_FEW_FDS  ? 1
			  : lie == LIE_MANY_FDS ? 3
						: 2;

	scripted_welcome(daemon);
	scripted_expect(daemon, MESSAGE_POOL_OPEN, &request);
	for (unsigned i = 0; i < 3; i++)
		fds[i] = scripted_memfd(ZONE_BYTES);
	segments[0] = segments[1] = segment;
	if (lie == LIE_SHORT_FILE) {
		close(fds[1]);
		fds[1] = scripted_memfd(ZONE_BYTES - 4096);
	}
	if (lie == LIE_UNSEALED) {
		close(fds[1]);
		fds[1] = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		SCRIPT_CHECK(ftruncate(fds[1], ZONE_BYTES) == 0);
	}
	if (lie == LIE_PIPE) {
		int ends[2];

		SCRIPT_CHECK(pipe(ends) == 0);
		SCRIPT_CHECK(dup2(ends[0], fds[1]) == fds[1]);
		close(ends[0]);
		close(ends[1]);
	}
	if (lie == LIE_EMPTY_SEGMENT)
		segments[1].size_bytes = 0;
	if (lie == LIE_ODD_PAGE)
		segments[1].page_bytes = 4096 + 512;
	if (lie == LIE_ODD_SIZE)
		segments[1].page_bytes = 2 * ZONE_BYTES;
	if (lie == LIE_HUGE_SEGMENT)
		segments[1].size_bytes = UINT64_C(1) << 57;
	if (lie == LIE_LITTLE_ROOM)
		segments[1].capacity_bytes = ZONE_BYTES - 4096;
	if (lie == LIE_ODD_ROOM)
		segments[1].capacity_bytes = ZONE_BYTES + 512;
	if (lie == LIE_MORE_ROOM_THAN_FILE)
		segments[1].capacity_bytes = ZONE_BYTES + 4096;
	if (lie == LIE_HUGE_ROOM)
		segments[1].capacity_bytes = UINT64_C(1) << 57;
	reply.id = request.id;
	reply.u.pool_opened.pool = 1;
	reply.u.pool_opened.max_order = lie == LIE_ORDER ? 19 : 8;
	reply.u.pool_opened.segments = segments;
	reply.u.pool_opened.nr_segments = lie == LIE_NO_SEGMENTS ? 0 : 2;
	scripted_reply(daemon, &reply, fds, nr_fds);
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
	scripted_expect_end(daemon);
}

static void test_pool_open_refuses_lies(void **state)
{
	(void)state;
	for (enum open_lie lie = 0; lie < NR_OPEN_LIES; lie++) {
		unsigned nr_fds = open_fds_count();
		struct scripted_fixture fixture = { 0 };

		scripted_fixture_connect(&fixture, script_open_lie, &lie);
		assert_int_equal(pp_pool_open(fixture.client, NULL, 0, &fixture.pool), -EPROTO);
		assert_null(fixture.pool);
		assert_int_equal(pp_pool_open(fixture.client, NULL, 0, &fixture.pool), -EPROTO);
		scripted_fixture_close(&fixture);
		assert_int_equal(open_fds_count(), nr_fds);
	}
}

static void script_counted(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES); /* "default" once, though asked thrice */
	scripted_open_pool(daemon, 1, ZONE_BYTES); /* for reading only */
	scripted_expect(daemon, MESSAGE_POOL_CLOSE, &request);
	SCRIPT_CHECK(request.u.pool_close.pool == 4);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_goodbye(daemon);
}

static void test_pool_opened_twice_is_the_same_and_counted(void **state)
{
	struct scripted_fixture fixture;
	struct pp_pool *again, *by_name, *read_only;

	(void)state;
	scripted_fixture_connect(&fixture, script_counted, NULL);
	assert_int_equal(pp_pool_open(fixture.client, NULL, 0, &fixture.pool), 0);
	assert_int_equal(pp_pool_open(fixture.client, NULL, 0, &again), 0);
	assert_int_equal(pp_pool_open(fixture.client, "default", 0, &by_name), 0);
	assert_ptr_equal(again, fixture.pool);
	assert_ptr_equal(by_name, fixture.pool);
	assert_int_equal(pp_pool_open(fixture.client, NULL, PP_POOL_READONLY, &read_only), 0);
	assert_ptr_not_equal(read_only, fixture.pool);
	assert_null(pp_pool_close(again));
	assert_null(pp_pool_close(by_name));
	assert_non_null(pp_from_offset(fixture.pool, 0));
	assert_null(pp_pool_close(fixture.pool));
	assert_int_equal(pp_pool_open(fixture.client, NULL, 0, &fixture.pool), 0);
	assert_null(pp_pool_close(NULL));
	scripted_fixture_close(&fixture);
}

static void test_pool_open_checks_its_arguments(void **state)
{
	struct scripted_fixture fixture;
	struct pp_pool *pool = NULL;
	char name[65];

	(void)state;
	memset(name, 'p', 64);
	name[64] = '\0';
	scripted_fixture_open(&fixture, scripted_pool_only, NULL);
	assert_int_equal(pp_pool_open(NULL, NULL, 0, &pool), -EINVAL);
	assert_int_equal(pp_pool_open(fixture.client, NULL, 0, NULL), -EINVAL);
	assert_int_equal(pp_pool_open(fixture.client, NULL, 2, &pool), -EINVAL);
	assert_int_equal(pp_pool_open(fixture.client, "", 0, &pool), -EINVAL);
	assert_int_equal(pp_pool_open(fixture.client, name, 0, &pool), -EINVAL);
	assert_int_equal(pp_pool_open(fixture.client, "fra\nmes", 0, &pool), -EINVAL);
	assert_null(pool);
	scripted_fixture_close(&fixture);
}

static void script_refuse_open(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_expect(daemon, MESSAGE_POOL_OPEN, &request);
	SCRIPT_CHECK(strcmp(request.u.pool_open.name, "frames") == 0);
	SCRIPT_CHECK(request.u.pool_open.read_only);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_ACCESS);
	scripted_expect(daemon, MESSAGE_POOL_OPEN, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_NOT_FOUND);
	scripted_goodbye(daemon);
}

static void test_pool_open_passes_refusals_on(void **state)
{
	struct scripted_fixture fixture;

	(void)state;
	scripted_fixture_connect(&fixture, script_refuse_open, NULL);
	assert_int_equal(pp_pool_open(fixture.client, "frames", PP_POOL_READONLY, &fixture.pool),
			 -EACCES);
	assert_int_equal(pp_pool_open(fixture.client, "frames", 0, &fixture.pool), -ENOENT);
	scripted_fixture_close(&fixture);
}

/* Addresses. */

static void test_pool_offsets_come_back(void **state)
{
	pp_offset last = UINT64_C(1) << 56 | (ZONE_BYTES - 1);
	struct scripted_fixture fixture;
	uint8_t *first;
	int on_stack;

	(void)state;
	scripted_fixture_open(&fixture, scripted_pool_only, NULL);
	first = pp_from_offset(fixture.pool, 0);
	assert_non_null(first);
	first[17] = 1;
	assert_int_equal(pp_to_offset(fixture.pool, first + 17), 17);
	assert_true(pp_to_offset(fixture.pool, pp_from_offset(fixture.pool, last)) == last);
	*(uint8_t *)pp_from_offset(fixture.pool, last) = 1;

	assert_null(pp_from_offset(fixture.pool, ZONE_BYTES));
	assert_int_equal(errno, EINVAL);
	assert_null(pp_from_offset(fixture.pool, last + 1));
	assert_null(pp_from_offset(fixture.pool, UINT64_C(2) << 56));
	assert_null(pp_from_offset(fixture.pool, PP_OFFSET_INVALID));
	assert_null(pp_from_offset(NULL, 0));
	errno = 0;
	assert_true(pp_to_offset(fixture.pool, &on_stack) == PP_OFFSET_INVALID);
	assert_int_equal(errno, EINVAL);
	assert_true(pp_to_offset(fixture.pool, NULL) == PP_OFFSET_INVALID);
	assert_true(pp_to_offset(NULL, first) == PP_OFFSET_INVALID);
	scripted_fixture_close(&fixture);
}

static void script_read_only(struct scripted *daemon, void *data)
{
	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_goodbye(daemon);
}

static void test_pool_read_only_maps_and_refuses(void **state)
{
	struct scripted_fixture fixture;
	void *addr;

	(void)state;
	scripted_fixture_connect(&fixture, script_read_only, NULL);
	assert_int_equal(pp_pool_open(fixture.client, NULL, PP_POOL_READONLY, &fixture.pool), 0);
	addr = pp_from_offset(fixture.pool, 0);
	assert_int_equal(*(volatile uint8_t *)addr, 0);
	assert_int_equal(getrandom(addr, 1, 0), -1); /* the kernel may not write there either */
	assert_int_equal(errno, EFAULT);
	assert_null(pp_alloc_pages(fixture.pool, 0, 0));
	assert_int_equal(errno, EACCES);
	assert_null(pp_alloc_exact(fixture.pool, 1, 0));
	assert_int_equal(errno, EACCES);
	assert_int_equal(pp_alloc_bulk(fixture.pool, 0, 0, &addr, 1), -EACCES);
	assert_int_equal(pp_pool_set_nodes(fixture.pool, 0), -EACCES);
	assert_int_equal(pp_free_pages(fixture.pool, addr, 0), -EACCES);
	assert_int_equal(pp_free_bulk(fixture.pool, 0, &addr, 1), -EACCES);
	assert_int_equal(pp_free_exact(fixture.pool, addr, 1), -EACCES);
	scripted_fixture_close(&fixture);
}

/* Room to grow. */

#define ROOM_BYTES (UINT64_C(64) * ZONE_BYTES)

static void script_room(struct scripted *daemon, void *data)
{
	struct message request, reply = { .type = MESSAGE_POOL_OPENED, .error = "" };
	const struct message_segment segment = { .size_bytes = ZONE_BYTES,
						 .capacity_bytes = ROOM_BYTES,
						 .page_bytes = 4096 };
	int fd = scripted_memfd(ROOM_BYTES);

	(void)data;
	scripted_welcome(daemon);
	scripted_expect(daemon, MESSAGE_POOL_OPEN, &request);
	reply.id = request.id;
	reply.u.pool_opened.pool = 4;
	reply.u.pool_opened.segments = &segment;
	reply.u.pool_opened.nr_segments = 1;
	scripted_reply(daemon, &reply, &fd, 1);
	close(fd);
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_grant(daemon, request.id, ROOM_BYTES / 4096 - 1, 1); /* it has grown */
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_grant(daemon, request.id, ROOM_BYTES / 4096, 1); /* that far it can't */
	scripted_expect_end(daemon);
}

static void test_pool_maps_the_room_that_it_may_grow_into(void **state)
{
	struct scripted_fixture fixture;
	uint8_t *addr;

	(void)state;
	scripted_fixture_open(&fixture, script_room, NULL);
	addr = pp_alloc_pages(fixture.pool, 0, PP_ZERO);
	assert_non_null(addr);
	assert_int_equal(pp_to_offset(fixture.pool, addr), ROOM_BYTES - 4096);
	assert_ptr_equal(pp_from_offset(fixture.pool, ROOM_BYTES - 4096), addr);
	assert_null(pp_from_offset(fixture.pool, ROOM_BYTES));
	assert_null(pp_alloc_pages(fixture.pool, 0, 0));
	assert_int_equal(errno, EPROTO);
	scripted_fixture_close(&fixture);
}

/* The flags that the kernel shows for the mapping at this address. */
static void read_mapping_flags(const void *addr, char *ret, size_t size_bytes)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	bool is_inside = false;
	char line[512];

	assert_non_null(file);
	ret[0] = '\0';
	while (fgets(line, sizeof(line), file)) {
		uintptr_t start, end;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2)
			is_inside = start <= (uintptr_t)addr && (uintptr_t)addr < end;
		else if (is_inside && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(ret, size_bytes, "%s", line + 8);
	}
	fclose(file);
}

static void test_pool_is_left_out_of_core_dumps(void **state)
{
	struct scripted_fixture fixture;
	char flags[512];

	(void)state;
	scripted_fixture_open(&fixture, scripted_pool_only, NULL);
	read_mapping_flags(pp_from_offset(fixture.pool, 0), flags, sizeof(flags));
	if (!strstr(flags, " dd "))
		fail_msg("the mapping's flags are '%s'", flags);
	scripted_fixture_close(&fixture);
}

/* Stat. */

static void script_stat(struct scripted *daemon, void *data)
{
	const struct message_zone_info zones[] = { { .name = "a", .committed_bytes = 3 },
						   { .name = "b", .committed_bytes = 4 } };
	struct message request, reply = { .type = MESSAGE_POOL_INFO, .error = "" };

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 2, ZONE_BYTES);
	for (unsigned i = 0; i < 3; i++) {
		scripted_expect(daemon, MESSAGE_POOL_STAT, &request);
		SCRIPT_CHECK(request.u.pool_stat.pool == 4);
		reply.id = request.id;
		reply.u.pool_info = (struct message_pool_info){ .name = "frames",
								.size_bytes = 100,
								.free_bytes = 60,
								.held_bytes = 5,
								.max_order = 10,
								.zones = zones,
								.nr_zones = 2 };
		scripted_reply(daemon, &reply, NULL, 0);
	}
	scripted_goodbye(daemon);
}

static void test_pool_stat_fills_what_the_caller_knows(void **state)
{
	struct pp_pool_stat stat = { .struct_size = sizeof(stat) };
	struct {
		struct pp_pool_stat stat;
		uint64_t newer;
	} extended = { .stat = { .struct_size = sizeof(extended) }, .newer = 1 };
	struct scripted_fixture fixture;

	(void)state;
	scripted_fixture_open(&fixture, script_stat, NULL);
	assert_int_equal(pp_pool_stat(fixture.pool, &stat), 0);
	assert_int_equal(stat.struct_size, sizeof(stat));
	assert_int_equal(stat.size_bytes, 100);
	assert_int_equal(stat.free_bytes, 60);
	assert_int_equal(stat.committed_bytes, 7);
	assert_int_equal(stat.held_bytes, 5);
	assert_int_equal(stat.nr_zones, 2);
	assert_int_equal(stat.max_order, 10);

	/* A caller of an older header, whose struct ended after size_bytes. */
	memset(&stat, 0xee, sizeof(stat));
	stat.struct_size = offsetof(struct pp_pool_stat, free_bytes);
	assert_int_equal(pp_pool_stat(fixture.pool, &stat), 0);
	assert_int_equal(stat.size_bytes, 100);
	assert_true(stat.free_bytes == UINT64_C(0xeeeeeeeeeeeeeeee));

	/* One of a newer header: what this library can't tell is 0. */
	assert_int_equal(pp_pool_stat(fixture.pool, &extended.stat), 0);
	assert_int_equal(extended.stat.struct_size, sizeof(extended));
	assert_int_equal(extended.stat.size_bytes, 100);
	assert_int_equal(extended.newer, 0);

	stat.struct_size = 0;
	assert_int_equal(pp_pool_stat(fixture.pool, &stat), -EINVAL);
	assert_int_equal(pp_pool_stat(NULL, &stat), -EINVAL);
	assert_int_equal(pp_pool_stat(fixture.pool, NULL), -EINVAL);
	scripted_fixture_close(&fixture);
}

/* The end. */

static void script_hang_up(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_grant(daemon, request.id, 0, 1);
}

static void test_pool_memory_outlives_the_connection(void **state)
{
	struct scripted_fixture fixture;
	uint8_t *addr;

	(void)state;
	scripted_fixture_open(&fixture, script_hang_up, NULL);
	addr = pp_alloc_pages(fixture.pool, 0, 0);
	assert_non_null(addr);
	memset(addr, 0x5a, PP_PAGE_SIZE);
	assert_null(pp_alloc_pages(fixture.pool, 0, 0));
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(pp_free_pages(fixture.pool, addr, 0), -ECONNRESET);
	assert_int_equal(addr[PP_PAGE_SIZE - 1], 0x5a);
	addr[0] = 1;
	assert_int_equal(pp_to_offset(fixture.pool, addr), 0);
	assert_null(pp_pool_close(fixture.pool));
	scripted_fixture_close(&fixture);
}

static void script_fork(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_ALLOC, &request);
	scripted_grant(daemon, request.id, 0, 1);
	scripted_expect(daemon, MESSAGE_FREE, &request); /* and nothing by the child before */
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_goodbye(daemon);
}

static void run_fork_child(struct scripted_fixture *fixture, uint8_t *addr)
{
	struct pp_pool_stat stat = { .struct_size = sizeof(stat) };
	struct pp_pool *pool = NULL;
	void *addrs[1] = { addr };

	CHILD_CHECK(addr[0] == 0x5a);
	addr[1] = 0xc1;
	CHILD_CHECK(!pp_alloc_pages(fixture->pool, 0, 0) && errno == EOWNERDEAD);
	CHILD_CHECK(!pp_alloc_exact(fixture->pool, 1, 0) && errno == EOWNERDEAD);
	CHILD_CHECK(pp_alloc_bulk(fixture->pool, 0, 0, addrs, 1) == -EOWNERDEAD);
	CHILD_CHECK(pp_free_pages(fixture->pool, addr, 0) == -EOWNERDEAD);
	CHILD_CHECK(pp_free_bulk(fixture->pool, 0, addrs, 1) == -EOWNERDEAD);
	CHILD_CHECK(pp_free_exact(fixture->pool, addr, 1) == -EOWNERDEAD);
	CHILD_CHECK(pp_to_offset(fixture->pool, addr) == PP_OFFSET_INVALID && errno == EOWNERDEAD);
	CHILD_CHECK(!pp_from_offset(fixture->pool, 0) && errno == EOWNERDEAD);
	CHILD_CHECK(pp_pool_stat(fixture->pool, &stat) == -EOWNERDEAD);
	CHILD_CHECK(pp_pool_set_nodes(fixture->pool, 1) == -EOWNERDEAD);
	CHILD_CHECK(pp_pool_open(fixture->client, NULL, 0, &pool) == -EOWNERDEAD);
	CHILD_CHECK(pp_client_fd(fixture->client) == -EOWNERDEAD);
	CHILD_CHECK(pp_client_dispatch(fixture->client, 0) == -EOWNERDEAD);
	CHILD_CHECK(!pp_pool_close(fixture->pool));
	CHILD_CHECK(!pp_client_free(fixture->client));
	_exit(0);
}

static void test_pool_child_of_a_fork_only_cleans_up(void **state)
{
	struct scripted_fixture fixture;
	uint8_t *addr;
	int status;
	pid_t pid;

	(void)state;
	scripted_fixture_open(&fixture, script_fork, NULL);
	addr = pp_alloc_pages(fixture.pool, 0, 0);
	assert_non_null(addr);
	addr[0] = 0x5a;
	pid = fork();
	if (pid == 0)
		run_fork_child(&fixture, addr);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(addr[1], 0xc1);
	assert_int_equal(pp_free_pages(fixture.pool, addr, 0), 0);
	scripted_fixture_close(&fixture);
}

/* The lock of the pools is held by a thread that the child does not have. */
static void script_fork_amid_call(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_expect(daemon, MESSAGE_POOL_OPEN, &request);
	scripted_tell(daemon);
	scripted_wait(daemon);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_NOT_FOUND);
	scripted_goodbye(daemon);
}

static void *run_open(void *data)
{
	struct pp_pool *pool = NULL;

	return (void *)(intptr_t)pp_pool_open(data, NULL, 0, &pool);
}

static void test_pool_child_of_a_fork_amid_a_call_does_not_hang(void **state)
{
	struct scripted_fixture fixture;
	pthread_t thread;
	void *error;
	int status;
	pid_t pid;

	(void)state;
	scripted_fixture_connect(&fixture, script_fork_amid_call, NULL);
	assert_int_equal(pthread_create(&thread, NULL, run_open, fixture.client), 0);
	scripted_await(&fixture.daemon);
	pid = fork();
	if (pid == 0) {
		alarm(10); /* a hang is a death by signal */
		pp_client_free(fixture.client);
		/* Not _exit(): a leak checker would blame it for what the lost thread held. */
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	scripted_go(&fixture.daemon);
	pthread_join(thread, &error);
	assert_int_equal((intptr_t)error, -ENOENT);
	scripted_fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool_open_refuses_lies),
		cmocka_unit_test(test_pool_opened_twice_is_the_same_and_counted),
		cmocka_unit_test(test_pool_open_checks_its_arguments),
		cmocka_unit_test(test_pool_open_passes_refusals_on),
		cmocka_unit_test(test_pool_offsets_come_back),
		cmocka_unit_test(test_pool_read_only_maps_and_refuses),
		cmocka_unit_test(test_pool_maps_the_room_that_it_may_grow_into),
		cmocka_unit_test(test_pool_is_left_out_of_core_dumps),
		cmocka_unit_test(test_pool_stat_fills_what_the_caller_knows),
		cmocka_unit_test(test_pool_memory_outlives_the_connection),
		cmocka_unit_test(test_pool_child_of_a_fork_only_cleans_up),
		cmocka_unit_test(test_pool_child_of_a_fork_amid_a_call_does_not_hang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
