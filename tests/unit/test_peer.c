/* SPDX-License-Identifier: MIT */
/* The process at the other end: whose descriptor it is, and when it tells the end. */

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/peer.h"

#define PATIENCE_MS 10000

static bool has_ended(const struct peer *peer, int timeout_ms)
{
	struct pollfd pollfd = { .fd = peer->pidfd, .events = POLLIN };

	return poll(&pollfd, 1, timeout_ms) == 1;
}

/* A child that connects to a socket of no name, and lives until it is killed. */
static pid_t start_child(int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(sa_family_t);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0); /* autobind */
	size = sizeof(address);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(listen(listener, 1), 0);

	pid_t pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)&address, size) == 0)
			pause();
		_exit(1);
	}
	assert_true(pid > 0);
	*ret_fd = accept(listener, NULL, NULL);
	assert_true(*ret_fd >= 0);
	close(listener);
	return pid;
}

/* What the process's own stat says; our name has neither spaces nor brackets. */
static uint64_t process_start_time(pid_t pid)
{
	unsigned long long start_time = 0;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	for (int i = 1; i < 22; i++)
		assert_int_equal(fscanf(file, "%*s"), 0);
	assert_int_equal(fscanf(file, "%llu", &start_time), 1);
	fclose(file);
	assert_true(start_time > 0);
	return start_time;
}

static void test_peer_is_the_process_that_connected(void **state)
{
	struct peer peer = PEER_NULL;
	int fd;
	pid_t pid = start_child(&fd);

	(void)state;
	assert_int_equal(peer_init(&peer, fd), 0);
	assert_int_equal(peer.credentials.pid, pid);
	assert_int_equal(peer.credentials.uid, getuid());
	assert_int_equal(peer_start_time(&peer), process_start_time(pid));
	assert_false(has_ended(&peer, 0));

	kill(pid, SIGKILL);
	assert_true(has_ended(&peer, PATIENCE_MS));
	waitpid(pid, NULL, 0);
	assert_true(has_ended(&peer, 0));
	assert_int_equal(peer_start_time(&peer), 0);
	peer_deinit(&peer);
	peer_deinit(&peer);
	close(fd);
}

/* Either it is refused, or the descriptor tells at once. */
static void test_peer_that_has_ended_is_known_to(void **state)
{
	struct peer peer = PEER_NULL;
	int fd;
	pid_t pid = start_child(&fd);

	(void)state;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	int error = peer_init(&peer, fd);
	if (error == 0) {
		assert_true(has_ended(&peer, 0));
		assert_int_equal(peer_start_time(&peer), 0);
		peer_deinit(&peer);
	} else {
		assert_int_equal(error, -ESRCH);
		assert_int_equal(peer.pidfd, -1);
	}
	close(fd);
}

static void test_peer_needs_a_socket(void **state)
{
	struct peer peer = PEER_NULL;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(peer_init(&peer, fds[0]), -ENOTSOCK);
	assert_int_equal(peer.pidfd, -1);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer_is_the_process_that_connected),
		cmocka_unit_test(test_peer_that_has_ended_is_known_to),
		cmocka_unit_test(test_peer_needs_a_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
