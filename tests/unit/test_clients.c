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

static void test_clients_half_of_few_places_is_one_users(void **state)
{
	struct clients *clients = &((struct fixture *)*state)->service.clients;

	clients->nr_max = 10;
	assert_int_equal(clients_max_of_uid(clients), 5);
	clients->nr_max = 1;
	assert_int_equal(clients_max_of_uid(clients), 1);
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
		CLIENTS_TEST(test_clients_half_of_few_places_is_one_users),
		CLIENTS_TEST(test_clients_that_say_nothing_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
