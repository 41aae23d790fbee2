/* SPDX-License-Identifier: MIT */
/* Connections come, are charged to their user, and leave nothing behind. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/loop.h"
#include "service/session.h"
#include "support/service_fixture.h"

static int setup(void **state)
{
	*state = fixture_new(SERVICE_COMMIT_TOUCH);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

/* Adds a connection; returns the other end. */
static int connect_one(struct clients *clients)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	clients_add(clients, fds[0]);
	return fds[1];
}

static bool is_hung_up(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

static void quit(void *data)
{
	loop_quit(data);
}

static void run_round(struct loop *loop)
{
	struct loop_task *task;

	assert_int_equal(loop_task_new(loop, quit, loop, &task), 0);
	loop_task_schedule(task);
	assert_int_equal(loop_run(loop), 0);
	loop_task_free(task);
}

static void test_clients_are_charged_until_they_are_gone(void **state)
{
	struct fixture *fixture = *state;
	struct clients *clients = &fixture->service.clients;
	int one = connect_one(clients), two = connect_one(clients);

	assert_int_equal(clients->nr_clients, 2);
	assert_int_equal(clients->nr_charges, 1);
	assert_int_equal(clients->charges[0].uid, geteuid());
	assert_int_equal(clients->charges[0].count, 2);
	assert_int_equal(clients_count(clients), 0); /* nobody has said hello */

	close(one);
	while (clients->nr_clients > 1)
		run_round(fixture->service.loop);
	assert_int_equal(clients->charges[0].count, 1);
	close(two);
	while (clients->nr_clients > 0)
		run_round(fixture->service.loop);
	assert_int_equal(clients->nr_charges, 0);
}

static void test_clients_turn_a_flood_away(void **state)
{
	struct fixture *fixture = *state;
	struct clients *clients = &fixture->service.clients;
	int fds[CLIENTS_NEW_MAX + 2];

	clients->nr_max = 1;
	for (size_t i = 0; i < CLIENTS_NEW_MAX + 2; i++)
		fds[i] = connect_one(clients);
	assert_int_equal(clients->nr_clients, CLIENTS_NEW_MAX + 1);
	assert_int_equal(clients->charges[0].count, CLIENTS_NEW_MAX + 1);
	for (size_t i = 0; i < CLIENTS_NEW_MAX + 1; i++)
		assert_false(is_hung_up(fds[i]));
	assert_true(is_hung_up(fds[CLIENTS_NEW_MAX + 1]));
	for (size_t i = 0; i < CLIENTS_NEW_MAX + 2; i++)
		close(fds[i]);
}

static void test_clients_share_is_half_and_less_for_strangers(void **state)
{
	struct clients *clients = &((struct fixture *)*state)->service.clients;
	const struct access_peer root = { .uid = 0 }, user = { .uid = FIXTURE_UID },
				 reader = { .uid = FIXTURE_UID_READER },
				 stranger = { .uid = FIXTURE_UID_READER + 1 };

	clients->nr_max = 160;
	assert_int_equal(clients_share(clients, &root), 160);
	assert_int_equal(clients_share(clients, &user), 80);
	assert_int_equal(clients_share(clients, &reader), 80);
	assert_int_equal(clients_share(clients, &stranger), 10);
	clients->nr_max = 10;
	assert_int_equal(clients_share(clients, &user), 5);
	assert_int_equal(clients_share(clients, &stranger), 2);
	clients->nr_max = 1;
	assert_int_equal(clients_share(clients, &user), 1);
}

static void test_clients_keep_places_for_root(void **state)
{
	struct fixture *fixture = *state;
	struct clients *clients = &fixture->service.clients;
	struct fixture_client *users[4], *root = fixture_client_new(fixture, 0);

	clients->nr_max = 4;
	for (size_t i = 0; i < 4; i++)
		users[i] = fixture_client_new(fixture, i % 2 ? FIXTURE_UID : FIXTURE_UID_READER);
	assert_int_equal(clients_admit(clients, &users[0]->client), 0);
	assert_int_equal(clients_admit(clients, &users[1]->client), 0);
	assert_int_equal(clients_admit(clients, &users[2]->client), CLIENTS_E_FULL);
	assert_int_equal(clients_admit(clients, &users[3]->client), CLIENTS_E_FULL);
	assert_int_equal(clients_admit(clients, &root->client), 0);
	for (size_t i = 0; i < 4; i++)
		fixture_client_free(users[i]);
	fixture_client_free(root);
}

/* Replies that nobody reads: one connection's bound, and that of all of a user's. */
static void test_clients_bound_unread_descriptors(void **state)
{
	struct fixture *fixture = *state;
	struct clients *clients = &fixture->service.clients;
	const struct message reply = { .id = 1, .error = "" };
	int one = connect_one(clients), two = connect_one(clients);
	struct client *first = TAILQ_FIRST(&clients->list), *second = TAILQ_NEXT(first, link);
	const int fds[16] = { 0 };
	char bytes[4096];

	first->peer.credentials.uid = second->peer.credentials.uid = FIXTURE_UID;
	clients->nr_fds_max = 20;
	assert_true(clients_allow_fds(clients, first, 64)); /* one reply always fits */
	client_reply(first, &reply, fds, 15);
	run_round(fixture->service.loop);
	assert_true(clients_allow_fds(clients, first, 1));
	assert_false(clients_allow_fds(clients, first, 2));
	assert_true(clients_allow_fds(clients, second, 5));
	assert_false(clients_allow_fds(clients, second, 6));
	second->peer.credentials.uid = FIXTURE_UID_READER;
	assert_true(clients_allow_fds(clients, second, 6));

	assert_true(recv(one, bytes, sizeof(bytes), 0) > 0);
	assert_true(clients_allow_fds(clients, first, 2));
	first->peer.credentials.uid = second->peer.credentials.uid = geteuid();
	close(one);
	close(two);
	while (clients->nr_clients > 0)
		run_round(fixture->service.loop);
}

static void test_clients_that_say_nothing_are_dropped(void **state)
{
	struct fixture *fixture = *state;
	struct clients *clients = &fixture->service.clients;
	int fd = connect_one(clients);
	uint64_t now_ms = loop_now_ms(fixture->service.loop);

	client_check_time(TAILQ_FIRST(&clients->list), now_ms + SESSION_HELLO_MS - 100);
	assert_int_equal(clients->nr_clients, 1);
	client_check_time(TAILQ_FIRST(&clients->list), now_ms + SESSION_HELLO_MS + 100);
	assert_int_equal(clients->nr_clients, 0);
	assert_int_equal(clients->nr_charges, 0);
	assert_true(is_hung_up(fd));
	close(fd);
}

#define CLIENTS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENTS_TEST(test_clients_are_charged_until_they_are_gone),
		CLIENTS_TEST(test_clients_turn_a_flood_away),
		CLIENTS_TEST(test_clients_share_is_half_and_less_for_strangers),
		CLIENTS_TEST(test_clients_keep_places_for_root),
		CLIENTS_TEST(test_clients_bound_unread_descriptors),
		CLIENTS_TEST(test_clients_that_say_nothing_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
