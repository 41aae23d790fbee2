/* SPDX-License-Identifier: MIT */
/* The service manager: what it is told, and the socket that it passes on. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/notify.h"
#include "support/child.h"

#define FIRST_FD 3 /* where a manager puts what it passes on */

struct inheritance {
	int fd; /* passed on; -1: nothing */
	const char *nr_fds;
};

static int unix_socket(int type, bool is_listening)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	assert_true(fd >= 0);
	if (is_listening) {
		/* An address of the kernel's choice, that leaves no file. */
		assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
		assert_int_equal(listen(fd, 4), 0);
	}
	return fd;
}

static void inherit(int from_parent, int to_parent, void *data)
{
	const struct inheritance *inheritance = data;
	int up = dup(to_parent);
	char pid[16];
	int result;

	(void)from_parent;
	CHILD_CHECK(up > FIRST_FD + 1);
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (inheritance->fd >= 0) {
		CHILD_CHECK(dup2(inheritance->fd, FIRST_FD) == FIRST_FD);
		CHILD_CHECK(dup2(inheritance->fd, FIRST_FD + 1) == FIRST_FD + 1);
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", inheritance->nr_fds, 1);
	}
	result = notify_listen_fd();
	if (result >= 0) {
		CHILD_CHECK(fcntl(result, F_GETFL) & O_NONBLOCK);
		CHILD_CHECK(fcntl(result, F_GETFD) & FD_CLOEXEC);
		CHILD_CHECK(!getenv("LISTEN_FDS"));
	}
	child_put(up, &result, sizeof(result));
}

/* What notify_listen_fd() gives in a process that inherits this. Closes fd. */
static int listen_fd_with(int fd, const char *nr_fds)
{
	struct inheritance inheritance = { fd, nr_fds };
	int spare[4], result;
	struct child child;

	for (unsigned i = 0; i < 4; i++)
		spare[i] = open("/dev/null", O_RDONLY); /* keeps the pipes away from FIRST_FD */
	child_start(&child, (uid_t)-1, inherit, &inheritance);
	child_read(&child, &result, sizeof(result));
	child_finish(&child);
	for (unsigned i = 0; i < 4; i++)
		close(spare[i]);
	if (fd >= 0)
		close(fd);
	return result;
}

static void test_notify_listen_fd_is_taken_over(void **state)
{
	(void)state;
	assert_int_equal(listen_fd_with(unix_socket(SOCK_STREAM, true), "1"), FIRST_FD);
}

static void test_notify_without_a_listen_fd_says_so(void **state)
{
	(void)state;
	assert_int_equal(listen_fd_with(-1, NULL), -ENOENT);
}

static void test_notify_unusable_listen_fd_is_refused(void **state)
{
	(void)state;
	assert_int_equal(listen_fd_with(unix_socket(SOCK_STREAM, false), "1"), -EINVAL);
	assert_int_equal(listen_fd_with(unix_socket(SOCK_SEQPACKET, true), "1"), -EINVAL);
	assert_int_equal(listen_fd_with(open("/dev/null", O_RDONLY), "1"), -EINVAL);
	assert_int_equal(listen_fd_with(unix_socket(SOCK_STREAM, true), "2"), -EINVAL);
}

static void assert_received(int fd, const char *expected)
{
	char text[512];
	ssize_t size = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	assert_true(size > 0);
	text[size] = '\0';
	assert_string_equal(text, expected);
}

/* A manager's socket, as the environment names it. */
static int manager_new(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char name[sizeof(address.sun_path) + 1] = "@";

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	memcpy(name + 1, address.sun_path + 1, size - sizeof(sa_family_t) - 1);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void test_notify_tells_the_manager(void **state)
{
	int fd = manager_new();
	char byte;

	(void)state;
	notify_status("Committing %u %%", 7u);
	notify_extend_timeout(1500);
	notify_ready();
	notify_stopping();
	unsetenv("NOTIFY_SOCKET");
	assert_received(fd, "STATUS=Committing 7 %");
	assert_received(fd, "EXTEND_TIMEOUT_USEC=1500000");
	assert_received(fd, "READY=1");
	assert_received(fd, "STOPPING=1");
	notify_ready(); /* to nobody */
	assert_int_equal(recv(fd, &byte, sizeof(byte), MSG_DONTWAIT), -1);
	close(fd);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The manager waits for a time that is not before it asked for the reload. */
static void test_notify_reloading_comes_with_the_time(void **state)
{
	uint64_t before = now_us(), told;
	int fd = manager_new();
	char text[128] = "";

	(void)state;
	notify_reloading();
	unsetenv("NOTIFY_SOCKET");
	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &told), 1);
	assert_in_range(told, before, now_us());
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notify_listen_fd_is_taken_over),
		cmocka_unit_test(test_notify_without_a_listen_fd_says_so),
		cmocka_unit_test(test_notify_unusable_listen_fd_is_refused),
		cmocka_unit_test(test_notify_tells_the_manager),
		cmocka_unit_test(test_notify_reloading_comes_with_the_time),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
