/* SPDX-License-Identifier: MIT */
/* The listening socket: what is made, replaced, refused and removed again. */

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
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/listener.h"
#include "service/log.h"
#include "service/loop.h"

struct fixture {
	struct loop *loop;
	char root[32]; /* temporary */
	char folder[64];
	char path[96];
	unsigned nr_connections;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	log_set_level(LOG_EMERG);
	strcpy(fixture->root, "/tmp/listener-XXXXXX");
	assert_non_null(mkdtemp(fixture->root));
	snprintf(fixture->folder, sizeof(fixture->folder), "%s/run", fixture->root);
	snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->folder);
	assert_int_equal(loop_new(&fixture->loop), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	loop_free(fixture->loop);
	assert_int_equal(rmdir(fixture->root), 0); /* nothing was left behind */
	free(fixture);
	return 0;
}

static void on_connection(int fd, void *data)
{
	struct fixture *fixture = data;

	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	fixture->nr_connections++;
	loop_quit(fixture->loop); /* after this callback */
}

static int listen_at(struct fixture *fixture, const char *path, bool is_private,
		     struct listener **ret)
{
	const struct listener_config config = { .inherited_fd = -1,
						.path = path,
						.is_private = is_private };

	return listener_new(fixture->loop, &config, on_connection, fixture, ret);
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	return address;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -errno;
}

static int bind_at(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void assert_mode(const char *path, mode_t mode)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, mode);
}

static void test_listener_makes_socket_and_folder_and_removes_them(void **state)
{
	struct fixture *fixture = *state;
	struct listener *listener;

	assert_int_equal(listen_at(fixture, fixture->path, true, &listener), 0);
	assert_string_equal(listener_path(listener), fixture->path);
	assert_mode(fixture->path, 0600);
	assert_mode(fixture->folder, 0700);
	assert_null(listener_free(listener));
	assert_int_equal(access(fixture->folder, F_OK), -1);

	umask(0077); /* says nothing of this socket */
	assert_int_equal(listen_at(fixture, fixture->path, false, &listener), 0);
	assert_mode(fixture->path, 0666);
	listener_free(listener);
	umask(0022);
	assert_int_equal(access(fixture->folder, F_OK), -1);
}

static void test_listener_leaves_a_folder_it_did_not_make(void **state)
{
	struct fixture *fixture = *state;
	struct listener *listener;

	assert_int_equal(mkdir(fixture->folder, 0755), 0);
	assert_int_equal(listen_at(fixture, fixture->path, true, &listener), 0);
	listener_free(listener);
	assert_int_equal(access(fixture->path, F_OK), -1);
	assert_int_equal(rmdir(fixture->folder), 0);
}

static void test_listener_accepts_many_in_slices(void **state)
{
	struct fixture *fixture = *state;
	struct listener *listener;
	int fds[100];

	assert_int_equal(listen_at(fixture, fixture->path, true, &listener), 0);
	for (size_t i = 0; i < 100; i++)
		assert_true((fds[i] = connect_to(fixture->path)) >= 0);
	while (fixture->nr_connections < 100) {
		unsigned before = fixture->nr_connections;

		assert_int_equal(loop_run(fixture->loop), 0);
		assert_in_range(fixture->nr_connections - before, 1, 50);
	}
	for (size_t i = 0; i < 100; i++)
		close(fds[i]);
	listener_free(listener);
}

static void test_listener_replaces_what_a_dead_daemon_left(void **state)
{
	struct fixture *fixture = *state;
	struct listener *listener;

	assert_int_equal(mkdir(fixture->folder, 0755), 0);
	close(bind_at(fixture->path));
	assert_int_equal(connect_to(fixture->path), -ECONNREFUSED);
	assert_int_equal(listen_at(fixture, fixture->path, true, &listener), 0);
	close(connect_to(fixture->path));
	listener_free(listener);
	assert_int_equal(rmdir(fixture->folder), 0);
}

static void test_listener_refuses_where_another_serves(void **state)
{
	struct fixture *fixture = *state;
	struct listener *first, *second;

	assert_int_equal(listen_at(fixture, fixture->path, true, &first), 0);
	assert_int_equal(listen_at(fixture, fixture->path, true, &second), -EADDRINUSE);
	int fd = connect_to(fixture->path); /* the first is as it was */
	assert_true(fd >= 0);
	close(fd);
	listener_free(first);
}

static void test_listener_refuses_to_replace_a_file(void **state)
{
	struct fixture *fixture = *state;
	struct listener *listener;

	assert_int_equal(mkdir(fixture->folder, 0755), 0);
	close(open(fixture->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(listen_at(fixture, fixture->path, true, &listener), -EEXIST);
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(rmdir(fixture->folder), 0);
}

static void test_listener_leaves_a_successors_socket(void **state)
{
	struct fixture *fixture = *state;
	struct listener *listener;

	assert_int_equal(listen_at(fixture, fixture->path, true, &listener), 0);
	assert_int_equal(unlink(fixture->path), 0);
	int successor = bind_at(fixture->path);
	listener_free(listener);
	assert_int_equal(access(fixture->path, F_OK), 0);
	close(successor);
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(rmdir(fixture->folder), 0);
}

static void test_listener_refuses_impossible_paths(void **state)
{
	struct fixture *fixture = *state;
	struct listener *listener;
	char path[256];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(listen_at(fixture, path, true, &listener), -ENAMETOOLONG);
	snprintf(path, sizeof(path), "%s/no/such/folder/socket", fixture->root);
	assert_int_equal(listen_at(fixture, path, true, &listener), -ENOENT);
}

static void test_listener_takes_an_inherited_socket(void **state)
{
	struct fixture *fixture = *state;
	struct listener *listener;

	assert_int_equal(mkdir(fixture->folder, 0755), 0);
	const struct listener_config config = { .inherited_fd = bind_at(fixture->path) };
	assert_int_equal(listen(config.inherited_fd, 8), 0);
	assert_int_equal(listener_new(fixture->loop, &config, on_connection, fixture, &listener),
			 0);
	assert_string_equal(listener_path(listener), fixture->path);
	int fd = connect_to(fixture->path);
	assert_true(fd >= 0);
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_int_equal(fixture->nr_connections, 1);
	close(fd);
	listener_free(listener);
	assert_int_equal(unlink(fixture->path), 0); /* whose it is removes it */
	assert_int_equal(rmdir(fixture->folder), 0);
}

static void test_listener_free_accepts_null(void **state)
{
	(void)state;
	assert_null(listener_free(NULL));
}

#define LISTENER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LISTENER_TEST(test_listener_makes_socket_and_folder_and_removes_them),
		LISTENER_TEST(test_listener_leaves_a_folder_it_did_not_make),
		LISTENER_TEST(test_listener_accepts_many_in_slices),
		LISTENER_TEST(test_listener_replaces_what_a_dead_daemon_left),
		LISTENER_TEST(test_listener_refuses_where_another_serves),
		LISTENER_TEST(test_listener_refuses_to_replace_a_file),
		LISTENER_TEST(test_listener_leaves_a_successors_socket),
		LISTENER_TEST(test_listener_refuses_impossible_paths),
		LISTENER_TEST(test_listener_takes_an_inherited_socket),
		cmocka_unit_test(test_listener_free_accepts_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
