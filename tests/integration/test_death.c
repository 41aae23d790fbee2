/* SPDX-License-Identifier: MIT */
/*
 * Clients that end in every way there is, and what the daemon makes of it: memory goes back on
 * proof of a process's end, exactly what it held, and on nothing less.
 */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/daemon.h"

#define POOL_BYTES (UINT64_C(64) << 20)

static struct daemon server;
static struct peer watcher;

static int setup(void **state)
{
	daemon_start(&server, "topology = fake:1", "[pool default]\nsize = 64M\n");
	*state = &server;
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
	peer_finish(&watcher, "default", POOL_BYTES);
	return 0;
}

/* The client with this id as the daemon lists it; false when it doesn't. */
static bool find_client(uint32_t id, struct message_client_info *ret)
{
	struct message request = { .type = MESSAGE_LIST_CLIENTS }, reply;

	do {
		request.id = 0;
		peer_call(&watcher, &request, &reply);
		for (size_t i = 0; i < reply.u.client_list.nr_clients; i++)
			if (reply.u.client_list.clients[i].id == id) {
				*ret = reply.u.client_list.clients[i];
				return true;
			}
		request.u.list_clients.start = reply.u.client_list.next;
	} while (reply.u.client_list.next != 0);
	return false;
}

static void await_state(uint32_t id, enum message_client_state state)
{
	struct message_client_info info;

	for (int i = 0; i < 100000; i++)
		if (find_client(id, &info) && info.state == state)
			return;
	fail_msg("client %u did not get into state %d", id, (int)state);
}

static struct pp_pool *connect_in_child(struct pp_client **ret)
{
	struct pp_client_config config = { .struct_size = sizeof(config), .socket = server.socket };
	struct pp_pool *pool;

	CHILD_CHECK(pp_client_new(ret, &config) == 0);
	CHILD_CHECK(pp_pool_open(*ret, NULL, 0, &pool) == 0);
	return pool;
}

/* Holds a mix of blocks, tells how many bytes, and waits to be killed. */
static void holder(int from_parent, int to_parent, void *data)
{
	struct pp_client *client;
	struct pp_pool *pool = connect_in_child(&client);
	uint64_t held = 0;
	void *addrs[300];
	char byte;

	(void)data;
	for (unsigned order = 0; order < 8; order++) {
		CHILD_CHECK(pp_alloc_pages(pool, order, 0));
		held += (uint64_t)PP_PAGE_SIZE << order;
	}
	CHILD_CHECK(pp_alloc_bulk(pool, 0, 0, addrs, 300) == 300);
	CHILD_CHECK(pp_alloc_exact(pool, 7 * PP_PAGE_SIZE, 0));
	held += 307 * PP_PAGE_SIZE;
	child_put(to_parent, &held, sizeof(held));
	child_get(from_parent, &byte, 1);
}

static void test_death_by_kill_frees_exactly_what_was_held(void **state)
{
	struct child one, two;
	uint64_t held_one, held_two;

	(void)state;
	child_start(&one, (uid_t)-1, holder, NULL);
	child_start(&two, (uid_t)-1, holder, NULL);
	child_read(&one, &held_one, sizeof(held_one));
	child_read(&two, &held_two, sizeof(held_two));
	peer_await_free(&watcher, "default", POOL_BYTES - held_one - held_two);
	child_kill(&one);
	peer_await_free(&watcher, "default", POOL_BYTES - held_two);
	peer_assert_check_clean(&watcher);
	child_kill(&two);
	peer_await_free(&watcher, "default", POOL_BYTES);
}

static void test_death_by_exit_without_goodbye_frees(void **state)
{
	struct child child;
	uint64_t held;

	(void)state;
	child_start(&child, (uid_t)-1, holder, NULL);
	child_read(&child, &held, sizeof(held));
	child_write(&child, "x", 1);
	child_finish(&child);
	peer_await_free(&watcher, "default", POOL_BYTES);
}

/* Allocates and frees as fast as it can until it is killed. */
static void churner(int from_parent, int to_parent, void *data)
{
	struct pp_client *client;
	struct pp_pool *pool = connect_in_child(&client);
	void *addrs[512];

	(void)from_parent;
	(void)data;
	child_put(to_parent, "!", 1);
	for (unsigned i = 0;; i++) {
		ssize_t n = pp_alloc_bulk(pool, i % 4, PP_ZERO, addrs, 512);

		CHILD_CHECK(n > 0 || n == -ENOMEM);
		if (n > 0 && i % 3)
			CHILD_CHECK(pp_free_bulk(pool, i % 4, addrs, (size_t)n) == 0);
	}
}

static void test_death_amid_requests_loses_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		struct child child;
		char byte;

		child_start(&child, (uid_t)-1, churner, NULL);
		child_read(&child, &byte, 1);
		for (int pings = 0; pings < i; pings++) /* let it get to different places */
			peer_pool_info(&watcher, "default");
		child_kill(&child);
		peer_await_free(&watcher, "default", POOL_BYTES);
		peer_assert_check_clean(&watcher);
	}
}

/* Forks; the grandchild keeps the inherited socket until it reads the end of a pipe. */
static void forker(int from_parent, int to_parent, void *data)
{
	struct pp_client *client;
	struct pp_pool *pool = connect_in_child(&client);
	void *block = pp_alloc_pages(pool, 4, 0);
	pid_t pid;
	char byte;

	(void)data;
	CHILD_CHECK(block);
	pid = fork();
	CHILD_CHECK(pid >= 0);
	if (pid == 0) {
		CHILD_CHECK(!pp_alloc_pages(pool, 0, 0) && errno == EOWNERDEAD);
		CHILD_CHECK(pp_free_pages(pool, block, 4) == -EOWNERDEAD);
		CHILD_CHECK(pp_pool_close(pool) == NULL);
		CHILD_CHECK(pp_client_free(client) == NULL);
		_exit(0);
	}
	CHILD_CHECK(waitpid(pid, NULL, 0) == pid);
	/* The child's end changed nothing: the block is still ours. */
	CHILD_CHECK(pp_free_pages(pool, block, 4) == 0);
	CHILD_CHECK(pp_alloc_pages(pool, 4, 0));
	pid = fork();
	CHILD_CHECK(pid >= 0);
	if (pid == 0) {
		CHILD_CHECK(read(from_parent, &byte, 1) == 1); /* lives on with the socket */
		_exit(0);
	}
	child_put(to_parent, &pid, sizeof(pid));
	for (;;)
		pause();
}

static void test_death_of_a_parent_frees_though_a_fork_holds_the_socket(void **state)
{
	struct child child;
	pid_t grandchild;

	(void)state;
	child_start(&child, (uid_t)-1, forker, NULL);
	child_read(&child, &grandchild, sizeof(grandchild));
	peer_await_free(&watcher, "default", POOL_BYTES - (PP_PAGE_SIZE << 4));
	assert_int_equal(kill(child.pid, SIGKILL), 0);
	assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
	peer_await_free(&watcher, "default", POOL_BYTES);
	assert_int_equal(kill(grandchild, 0), 0); /* it lived while the memory went back */
	child_write(&child, "x", 1);
	close(child.to);
	close(child.from);
}

/* Hangs up with blocks in hand, and lives on. */
static void hanger_up(int from_parent, int to_parent, void *data)
{
	struct message request = { .type = MESSAGE_ALLOC }, reply;
	struct peer peer;
	uint32_t id;
	char byte;

	(void)data;
	id = peer_hello(&peer, &server, "hanger-up");
	request.u.alloc.pool = peer_open_pool(&peer, "default");
	request.u.alloc.count = 16;
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(reply.type == MESSAGE_GRANTED);
	peer_close(&peer);
	child_put(to_parent, &id, sizeof(id));
	child_get(from_parent, &byte, 1);
}

static void test_death_hang_up_of_the_living_quarantines(void **state)
{
	struct message_client_info info;
	struct child child;
	uint32_t id;

	(void)state;
	child_start(&child, (uid_t)-1, hanger_up, NULL);
	child_read(&child, &id, sizeof(id));
	await_state(id, MESSAGE_CLIENT_QUARANTINED);
	assert_true(find_client(id, &info));
	assert_int_equal(info.pid, child.pid);
	assert_int_equal(info.held_bytes, 16 * PP_PAGE_SIZE);
	peer_await_free(&watcher, "default", POOL_BYTES - 16 * PP_PAGE_SIZE);
	child_kill(&child);
	peer_await_free(&watcher, "default", POOL_BYTES);
}

static void test_death_hang_up_with_nothing_held_leaves_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct peer peer;

		if (i % 2) {
			peer_hello(&peer, &server, "passer-by");
			peer_open_pool(&peer, "default");
		} else {
			peer_connect(&peer, &server);
		}
		peer_close(&peer);
	}
	peer_await_clients(&watcher, 1);
}

static void test_death_goodbye_frees_before_it_returns(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct pp_client *client = daemon_connect(&server, "polite");
		struct pp_pool *pool;
		void *addrs[1000];

		assert_int_equal(pp_pool_open(client, NULL, 0, &pool), 0);
		assert_int_equal(pp_alloc_bulk(pool, 1, 0, addrs, 1000), 1000);
		assert_null(pp_client_free(client));
		assert_int_equal(peer_pool_info(&watcher, "default").free_bytes, POOL_BYTES);
	}
}

static void test_death_of_the_daemon_is_an_error_and_leaves_the_mapping(void **state)
{
	struct pp_client *client;
	struct pp_pool *pool;
	struct daemon doomed;
	char *block;

	(void)state;
	daemon_start(&doomed, "topology = fake:1", "[pool default]\nsize = 8M\n");
	client = daemon_connect(&doomed, "survivor");
	assert_int_equal(pp_pool_open(client, NULL, 0, &pool), 0);
	block = pp_alloc_pages(pool, 3, 0);
	strcpy(block, "still here");
	assert_int_equal(kill(doomed.pid, SIGKILL), 0);
	assert_int_equal(waitpid(doomed.pid, NULL, 0), doomed.pid);
	assert_int_equal(pp_free_pages(pool, block, 3), -ECONNRESET);
	errno = 0;
	assert_null(pp_alloc_pages(pool, 0, 0));
	assert_int_equal(errno, ECONNRESET);
	assert_string_equal(block, "still here");
	assert_null(pp_pool_close(pool));
	assert_null(pp_client_free(client));
	daemon_remove(&doomed);
}

int main(void)
{
#define DEATH_TEST(name) cmocka_unit_test_setup_teardown(name, watch, unwatch)
	const struct CMUnitTest tests[] = {
		DEATH_TEST(test_death_by_kill_frees_exactly_what_was_held),
		DEATH_TEST(test_death_by_exit_without_goodbye_frees),
		DEATH_TEST(test_death_amid_requests_loses_nothing),
		DEATH_TEST(test_death_of_a_parent_frees_though_a_fork_holds_the_socket),
		DEATH_TEST(test_death_hang_up_of_the_living_quarantines),
		DEATH_TEST(test_death_hang_up_with_nothing_held_leaves_nothing),
		DEATH_TEST(test_death_goodbye_frees_before_it_returns),
		DEATH_TEST(test_death_of_the_daemon_is_an_error_and_leaves_the_mapping),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
