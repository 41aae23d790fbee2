/* SPDX-License-Identifier: MIT */
/*
 * Clients that lie, die at the worst moment, or spoil the memory they were given. After each of
 * them the daemon serves on, every page is free again and its own check finds nothing.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/daemon.h"

#define POOL_BYTES (UINT64_C(128) << 20)
#define NR_ROUNDS 20

static struct daemon server;
static struct peer watcher;

static int setup(void **state)
{
	char sections[192];

	(void)state;
	snprintf(sections, sizeof(sections),
		 "[pool default]\naccess = uid:%u uid:%u\nsize = 128M\ncommit = grant\n",
		 (unsigned)getuid(), CHILD_OTHER_UID);
	daemon_start(&server, "topology = fake:1", sections);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	daemon_stop(&server);
	return 0;
}

static int watch(void **state)
{
	(void)state;
	peer_hello(&watcher, &server, "watcher");
	return 0;
}

static int unwatch(void **state)
{
	(void)state;
	peer_await_clients(&watcher, 1);
	peer_await_free(&watcher, "default", POOL_BYTES);
	peer_assert_check_clean(&watcher);
	peer_close(&watcher);
	return 0;
}

static void send_alloc(struct peer *peer, uint32_t pool, unsigned order, uint32_t count)
{
	struct message request = { .type = MESSAGE_ALLOC };

	request.u.alloc.pool = pool;
	request.u.alloc.order = order;
	request.u.alloc.count = count;
	request.u.alloc.placement.high = true; /* to the last page */
	peer_send(peer, &request);
}

/* A child at the daemon: it has the pool open and says so. */
static uint32_t begin_child(struct peer *peer, int to_parent)
{
	peer_hello(peer, &server, "attacker");

	uint32_t pool = peer_open_pool(peer, "default");
	child_put(to_parent, "!", 1);
	return pool;
}

/* Keeps helper threads busy with memory that was never committed, and with another uid's data. */
static void committer(int from_parent, int to_parent, void *data)
{
	bool says_goodbye = *(bool *)data;
	struct message goodbye = { .type = MESSAGE_GOODBYE };
	struct peer peer;
	uint32_t pool = begin_child(&peer, to_parent);

	(void)from_parent;
	for (unsigned i = 0; i < 7; i++)
		send_alloc(&peer, pool, 9, 8);
	if (says_goodbye)
		peer_send(&peer, &goodbye);
	child_put(to_parent, "!", 1);
	for (;;)
		pause();
}

static void kill_committers(uid_t uid, bool says_goodbye)
{
	for (int i = 0; i < NR_ROUNDS; i++) {
		struct child child;
		char bytes[2];

		child_start(&child, uid, committer, &says_goodbye);
		child_read(&child, bytes, sizeof(bytes));
		for (int pings = 0; pings < i; pings++) /* let it get to different places */
			peer_pool_info(&watcher, "default");
		child_kill(&child);
		peer_await_free(&watcher, "default", POOL_BYTES);
		peer_assert_check_clean(&watcher);
	}
}

static void test_attack_kill_amid_commit_gives_all_back(void **state)
{
	(void)state;
	kill_committers((uid_t)-1, false);
}

static void test_attack_kill_amid_goodbye_gives_all_back(void **state)
{
	(void)state;
	kill_committers((uid_t)-1, true);
}

static void test_attack_kill_amid_scrub_gives_all_back(void **state)
{
	(void)state;
	if (child_cannot_change_user())
		skip();
	for (int i = 0; i < 3; i++) {
		kill_committers(CHILD_OTHER_UID, false);
		kill_committers((uid_t)-1, true);
	}
}

/* Frees blocks that it can only guess while their grant waits for memory. */
static void test_attack_guessed_frees_wait_for_their_grant(void **state)
{
	const struct message_run guess = { .base = 0, .mask = UINT64_MAX };
	struct message request = { .type = MESSAGE_FREE }, reply;
	struct peer peer;
	uint32_t pool;

	(void)state;
	peer_hello(&peer, &server, "guesser");
	pool = peer_open_pool(&peer, "default");
	send_alloc(&peer, pool, 9, 64);
	request.u.free.pool = pool;
	request.u.free.order = 9;
	request.u.free.runs = &guess;
	request.u.free.nr_runs = 1;
	peer_send(&peer, &request);
	assert_true(peer_receive(&peer, &reply));
	assert_int_equal(reply.type, MESSAGE_GRANTED);
	assert_int_equal(reply.u.granted.nr_runs, 1);
	assert_int_equal(reply.u.granted.runs[0].mask, guess.mask);
	assert_true(peer_receive(&peer, &reply));
	assert_int_equal(reply.id, request.id);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	peer_close(&peer);
}

static const uint64_t odd_numbers[] = {
	0,
	1,
	63,
	64,
	(UINT64_C(1) << 15) - 1,
	UINT64_C(1) << 15,
	UINT32_MAX,
	UINT64_C(1) << 43,
	UINT64_C(1) << 44,
	UINT64_C(255) << 44,
	UINT64_C(1) << 63,
	UINT64_MAX,
};
#define NR_ODD (sizeof(odd_numbers) / sizeof(odd_numbers[0]))

/* A run without a block is no reason to look where it points, whatever stands beside it. */
static void test_attack_empty_runs_lead_nowhere(void **state)
{
	struct message request, reply;
	struct message_run runs[2];
	struct peer peer;
	uint32_t pool;

	(void)state;
	peer_hello(&peer, &server, "empty-handed");
	pool = peer_open_pool(&peer, "default");
	for (size_t i = 0; i < NR_ODD; i++) {
		send_alloc(&peer, pool, 0, 1);
		assert_true(peer_receive(&peer, &reply));
		assert_int_equal(reply.type, MESSAGE_GRANTED);
		runs[0] = reply.u.granted.runs[0];
		runs[1] = (struct message_run){ .base = odd_numbers[i], .mask = 0 };
		request = (struct message){ .type = MESSAGE_FREE };
		request.u.free.pool = pool;
		request.u.free.runs = runs;
		request.u.free.nr_runs = 2;
		peer_call(&peer, &request, &reply);
		if (reply.status == MESSAGE_STATUS_OK)
			continue;
		assert_int_equal(reply.status, MESSAGE_STATUS_INVALID);
		request.id = 0;
		request.u.free.nr_runs = 1; /* the refusal has changed nothing */
		peer_call(&peer, &request, &reply);
		assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	}
	peer_close(&peer);
}

/* Every number in every place: all are refused, none is a reason to hang up. */
static void test_attack_odd_numbers_free_nothing(void **state)
{
	struct peer peer, other;
	struct message request, reply;
	struct message_run run;
	uint32_t pool, theirs;

	(void)state;
	peer_hello(&other, &server, "owner");
	theirs = peer_open_pool(&other, "default");
	send_alloc(&other, theirs, 0, 512);
	assert_true(peer_receive(&other, &reply));
	assert_int_equal(reply.type, MESSAGE_GRANTED);
	peer_hello(&peer, &server, "liar");
	pool = peer_open_pool(&peer, "default");
	for (size_t i = 0; i < NR_ODD; i++)
		for (size_t j = 0; j < NR_ODD; j++)
			for (uint32_t order = 0; order < 40; order += 3) {
				run = (struct message_run){ odd_numbers[i], odd_numbers[j] };
				request = (struct message){ .type = MESSAGE_FREE };
				request.u.free.pool = pool;
				request.u.free.order = order;
				request.u.free.runs = &run;
				request.u.free.nr_runs = 1;
				peer_call(&peer, &request, &reply);
				assert_int_equal(reply.status, MESSAGE_STATUS_INVALID);
				request = (struct message){ .type = MESSAGE_FREE_EXACT };
				request.u.free_exact.pool = pool;
				request.u.free_exact.page = odd_numbers[i];
				request.u.free_exact.nr_pages = (uint32_t)odd_numbers[j] + order;
				peer_call(&peer, &request, &reply);
				assert_int_equal(reply.status, MESSAGE_STATUS_INVALID);
			}
	peer_await_free(&watcher, "default", POOL_BYTES - 512 * PP_PAGE_SIZE);
	peer_close(&peer);
	request = (struct message){ .type = MESSAGE_GOODBYE };
	peer_call(&other, &request, &reply);
	peer_close(&other);
}

/* Does to its segment all that a descriptor allows, and tries what it does not. */
static void spoiler(int from_parent, int to_parent, void *data)
{
	struct message request = { .type = MESSAGE_POOL_OPEN }, reply;
	int fds[FRAME_FDS_MAX];
	struct stat status, after;
	struct peer peer;
	char byte;

	(void)data;
	peer_hello(&peer, &server, "spoiler");
	request.u.pool_open.name = "default";
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(reply.status == MESSAGE_STATUS_OK);
	CHILD_CHECK(frame_reader_take_fds(&peer.reader, fds) == 1);
	CHILD_CHECK(fstat(fds[0], &status) == 0 && status.st_size >= (off_t)POOL_BYTES);
	CHILD_CHECK(ftruncate(fds[0], 0) < 0);
	CHILD_CHECK(ftruncate(fds[0], status.st_size + 4096) < 0);
	CHILD_CHECK(fcntl(fds[0], F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) < 0);
	CHILD_CHECK(fallocate(fds[0], 0, status.st_size, 4096) < 0);
	CHILD_CHECK(fcntl(fds[0], F_SETFL, O_APPEND | O_NONBLOCK) == 0);
	CHILD_CHECK(fcntl(fds[0], F_SETLEASE, F_WRLCK) < 0);
	CHILD_CHECK(fallocate(fds[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      (off_t)POOL_BYTES) == 0);
	CHILD_CHECK(fstat(fds[0], &after) == 0 && after.st_size == status.st_size);
	child_put(to_parent, "!", 1);
	child_get(from_parent, &byte, 1);
}

static void test_attack_spoiled_segment_is_served_on(void **state)
{
	struct pp_client *client = daemon_connect(&server, "other");
	struct pp_pool *pool;
	struct child child;
	void *addrs[512];
	char byte;

	(void)state;
	assert_int_equal(pp_pool_open(client, NULL, 0, &pool), 0);
	child_start(&child, (uid_t)-1, spoiler, NULL);
	child_read(&child, &byte, 1);
	assert_int_equal(pp_alloc_bulk(pool, 3, PP_ZERO, addrs, 512), 512);
	for (size_t i = 0; i < 512; i++)
		assert_int_equal(*(char *)addrs[i], 0);
	assert_int_equal(pp_free_bulk(pool, 3, addrs, 512), 0);
	child_write(&child, "x", 1);
	child_finish(&child);
	assert_null(pp_pool_close(pool));
	assert_null(pp_client_free(client));
}

static uint64_t backed_bytes(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

/* Takes more memory than the pool's size, from where nothing is granted, and is killed with it. */
static void squatter(int from_parent, int to_parent, void *data)
{
	int fd = *(int *)data;

	(void)from_parent;
	begin_child(&(struct peer){ 0 }, to_parent);
	CHILD_CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)POOL_BYTES, (off_t)POOL_BYTES) == 0);
	CHILD_CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 2 * (off_t)POOL_BYTES, 1 << 20) == 0);
	child_put(to_parent, "!", 1);
	for (;;)
		pause();
}

static void test_attack_memory_beyond_the_size_goes_back(void **state)
{
	time_t deadline = time(NULL) + 20;
	struct child child;
	char bytes[2];
	int fd = daemon_open_segment(&server, "default");

	(void)state;
	child_start(&child, (uid_t)-1, squatter, &fd);
	child_read(&child, bytes, sizeof(bytes));
	child_kill(&child);
	while (backed_bytes(fd) > POOL_BYTES)
		assert_true(time(NULL) < deadline);
	close(fd);
}

/* Stops with replies waiting for it, in the middle of a frame, for as long as the parent likes. */
static void sleeper(int from_parent, int to_parent, void *data)
{
	struct message status = { .type = MESSAGE_LIST_BLOCKS };
	static const uint8_t half[] = { 200, 0, 0, 0, 1, 2, 3 };
	struct peer peer;
	uint32_t pool = begin_child(&peer, to_parent);

	(void)from_parent;
	(void)data;
	status.u.list_blocks.pool = "default";
	send_alloc(&peer, pool, 0, 2048);
	for (int i = 0; i < 100; i++) {
		status.id = 0;
		peer_send(&peer, &status);
	}
	peer_send_bytes(&peer, half, sizeof(half));
	raise(SIGSTOP);
}

static void test_attack_stopped_client_hinders_nobody(void **state)
{
	struct child children[8];
	char byte;

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		child_start(&children[i], (uid_t)-1, sleeper, NULL);
		child_read(&children[i], &byte, 1);
	}
	for (size_t i = 0; i < 8; i++) {
		int status;

		assert_int_equal(waitpid(children[i].pid, &status, WUNTRACED), children[i].pid);
		assert_true(WIFSTOPPED(status));
	}
	for (int i = 0; i < 100; i++)
		peer_pool_info(&watcher, "default");
	peer_assert_check_clean(&watcher);
	for (size_t i = 0; i < 8; i++)
		child_kill(&children[i]);
}

/* Connects, leaves the socket to a child, and ends: the socket alone is no claim to anything. */
static void giver(int from_parent, int to_parent, void *data)
{
	struct peer peer;
	uint32_t pool;
	pid_t pid;
	char byte;

	(void)data;
	peer_hello(&peer, &server, "giver");
	pool = peer_open_pool(&peer, "default");
	pid = fork();
	CHILD_CHECK(pid >= 0);
	if (pid > 0)
		_exit(0);
	child_get(from_parent, &byte, 1); /* the parent has been waited for */
	send_alloc(&peer, pool, 0, 64);

	struct message reply;
	while (peer_receive(&peer, &reply))
		CHILD_CHECK(reply.type == MESSAGE_GRANTED); /* before the daemon knew */
	child_put(to_parent, "!", 1);
	_exit(0);
}

static void test_attack_inherited_socket_ends_with_its_process(void **state)
{
	struct child child;
	char byte;

	(void)state;
	child_start(&child, (uid_t)-1, giver, NULL);
	assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
	child_write(&child, "x", 1);
	child_read(&child, &byte, 1); /* the daemon has hung up on the heir */
	close(child.to);
	close(child.from);
}

/* Shuts its socket down, one way or the other, with grants on their way. */
static void half_closer(int from_parent, int to_parent, void *data)
{
	struct peer peer;
	uint32_t pool = begin_child(&peer, to_parent);
	char byte;

	for (int i = 0; i < 6; i++)
		send_alloc(&peer, pool, i % 2 ? 9 : 0, 7);
	CHILD_CHECK(shutdown(peer.fd, *(int *)data) == 0);
	child_put(to_parent, "!", 1);
	child_get(from_parent, &byte, 1);
}

static void test_attack_half_closed_sockets_end_cleanly(void **state)
{
	int ways[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };

	(void)state;
	for (size_t i = 0; i < 30; i++) {
		struct child child;
		char bytes[2];

		child_start(&child, (uid_t)-1, half_closer, &ways[i % 3]);
		child_read(&child, bytes, sizeof(bytes));
		peer_pool_info(&watcher, "default");
		child_write(&child, "x", 1);
		child_finish(&child);
		peer_await_free(&watcher, "default", POOL_BYTES);
	}
}

int main(void)
{
#define ATTACK_TEST(name) cmocka_unit_test_setup_teardown(name, watch, unwatch)
	const struct CMUnitTest tests[] = {
		ATTACK_TEST(test_attack_kill_amid_commit_gives_all_back),
		ATTACK_TEST(test_attack_kill_amid_goodbye_gives_all_back),
		ATTACK_TEST(test_attack_kill_amid_scrub_gives_all_back),
		ATTACK_TEST(test_attack_guessed_frees_wait_for_their_grant),
		ATTACK_TEST(test_attack_empty_runs_lead_nowhere),
		ATTACK_TEST(test_attack_odd_numbers_free_nothing),
		ATTACK_TEST(test_attack_spoiled_segment_is_served_on),
		ATTACK_TEST(test_attack_memory_beyond_the_size_goes_back),
		ATTACK_TEST(test_attack_stopped_client_hinders_nobody),
		ATTACK_TEST(test_attack_inherited_socket_ends_with_its_process),
		ATTACK_TEST(test_attack_half_closed_sockets_end_cleanly),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
