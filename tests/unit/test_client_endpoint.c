/* SPDX-License-Identifier: MIT */
/* Which socket the library goes to, and what it says when nobody is there. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/endpoint.h"
#include "support/child.h"

static int clear_environment(void **state)
{
	(void)state;
	unsetenv("PAGEPOOL_SOCKET");
	unsetenv("XDG_RUNTIME_DIR");
	return 0;
}

static void test_endpoint_prefers_the_path_then_the_environment(void **state)
{
	struct sockaddr_un address;

	(void)state;
	assert_int_equal(ppc_endpoint_find(NULL, &address), 0);
	assert_string_equal(address.sun_path, "/run/pagepool/pagepool.sock");
	setenv("PAGEPOOL_SOCKET", "/from/environment", 1);
	assert_int_equal(ppc_endpoint_find(NULL, &address), 0);
	assert_string_equal(address.sun_path, "/from/environment");
	assert_int_equal(ppc_endpoint_find("/from/caller", &address), 0);
	assert_string_equal(address.sun_path, "/from/caller");
}

static void test_endpoint_takes_an_empty_environment_for_none(void **state)
{
	struct sockaddr_un address;

	(void)state;
	setenv("PAGEPOOL_SOCKET", "", 1);
	assert_int_equal(ppc_endpoint_find(NULL, &address), 0);
	assert_string_equal(address.sun_path, "/run/pagepool/pagepool.sock");
}

static void test_endpoint_refuses_paths_that_do_not_fit(void **state)
{
	struct sockaddr_un address;
	char path[sizeof(address.sun_path) + 1];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(ppc_endpoint_find(path, &address), -ENAMETOOLONG);
	path[sizeof(path) - 2] = '\0';
	assert_int_equal(ppc_endpoint_find(path, &address), 0);
	assert_int_equal(ppc_endpoint_find("", &address), -ENAMETOOLONG);
}

/* As a user with a runtime folder in which `folder`/pagepool/pagepool.sock exists. */
static void check_as_user(const char *folder, const char *expected)
{
	struct sockaddr_un address;

	if (geteuid() == 0)
		CHILD_CHECK(seteuid(CHILD_OTHER_UID) == 0);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	CHILD_CHECK(ppc_endpoint_find(NULL, &address) == 0);
	CHILD_CHECK(strcmp(address.sun_path, expected) == 0);
}

static void run_user(int from_parent, int to_parent, void *data)
{
	char expected[128];

	(void)from_parent;
	(void)to_parent;
	snprintf(expected, sizeof(expected), "%s/pagepool/pagepool.sock", (const char *)data);
	check_as_user(data, expected);
	/* Without the socket it is the host's again. */
	check_as_user("/nowhere", "/run/pagepool/pagepool.sock");
}

static void test_endpoint_finds_the_users_own_daemon(void **state)
{
	char folder[] = "/tmp/pagepool-test-XXXXXX", inner[64], path[96];
	struct sockaddr_un address;
	struct child child;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(inner, sizeof(inner), "%s/pagepool", folder);
	snprintf(path, sizeof(path), "%s/pagepool.sock", inner);
	assert_int_equal(mkdir(inner, 0755), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);

	child_start(&child, (uid_t)-1, run_user, folder);
	child_finish(&child);
	if (geteuid() == 0) { /* root's own is the host's */
		setenv("XDG_RUNTIME_DIR", folder, 1);
		assert_int_equal(ppc_endpoint_find(NULL, &address), 0);
		assert_string_equal(address.sun_path, "/run/pagepool/pagepool.sock");
	}
	unlink(path);
	rmdir(inner);
	rmdir(folder);
}

static void test_endpoint_connect_says_why(void **state)
{
	char folder[] = "/tmp/pagepool-test-XXXXXX", path[64];
	struct sockaddr_un address;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	assert_int_equal(ppc_endpoint_find(path, &address), 0);
	assert_int_equal(ppc_endpoint_connect(&address, 1000), -ENOENT);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(ppc_endpoint_connect(&address, 1000), -ECONNREFUSED);
	close(fd);
	unlink(path);
	rmdir(folder);
}

/* A daemon that accepts nobody: its queue fills, then connecting must end. */
static void test_endpoint_connect_gives_up_in_time(void **state)
{
	char folder[] = "/tmp/pagepool-test-XXXXXX", path[64];
	struct sockaddr_un address;
	int listener, fds[4], nr_fds = 0, fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	assert_int_equal(ppc_endpoint_find(path, &address), 0);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 0), 0);
	while ((fd = ppc_endpoint_connect(&address, 20)) >= 0) {
		assert_in_range(nr_fds, 0, 3);
		fds[nr_fds++] = fd;
	}
	assert_int_equal(fd, -ETIMEDOUT);
	while (nr_fds > 0)
		close(fds[--nr_fds]);
	close(listener);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_endpoint_prefers_the_path_then_the_environment,
				       clear_environment),
		cmocka_unit_test_setup(test_endpoint_takes_an_empty_environment_for_none,
				       clear_environment),
		cmocka_unit_test_setup(test_endpoint_refuses_paths_that_do_not_fit,
				       clear_environment),
		cmocka_unit_test_setup(test_endpoint_finds_the_users_own_daemon, clear_environment),
		cmocka_unit_test_setup(test_endpoint_connect_says_why, clear_environment),
		cmocka_unit_test_setup(test_endpoint_connect_gives_up_in_time, clear_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
