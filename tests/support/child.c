/* SPDX-License-Identifier: MIT */
/* Child processes of tests; every wait is for a byte or for an end, never for a time. */

#include "support/child.h"

#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

static bool read_all(int fd, void *ret, size_t size_bytes)
{
	char *at = ret;

	while (size_bytes > 0) {
		ssize_t n = read(fd, at, size_bytes);

		if (n <= 0)
			return false;
		at += n;
		size_bytes -= (size_t)n;
	}
	return true;
}

static bool write_all(int fd, const void *bytes, size_t size_bytes)
{
	const char *at = bytes;

	while (size_bytes > 0) {
		ssize_t n = write(fd, at, size_bytes);

		if (n <= 0)
			return false;
		at += n;
		size_bytes -= (size_t)n;
	}
	return true;
}

void child_start(struct child *child, uid_t uid, child_fn fn, void *data)
{
	int down[2], up[2];

	assert_int_equal(pipe(down), 0);
	assert_int_equal(pipe(up), 0);
	fflush(NULL);
	child->pid = fork();
	assert_true(child->pid >= 0);
	if (child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(down[1]);
		close(up[0]);
		if (uid != (uid_t)-1)
			CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(uid) == 0 &&
				    setuid(uid) == 0);
		fn(down[0], up[1], data);
		_exit(0);
	}
	close(down[0]);
	close(up[1]);
	child->to = down[1];
	child->from = up[0];
}

void child_read(const struct child *child, void *ret, size_t size_bytes)
{
	assert_true(read_all(child->from, ret, size_bytes));
}

void child_write(const struct child *child, const void *bytes, size_t size_bytes)
{
	assert_true(write_all(child->to, bytes, size_bytes));
}

static int reap(struct child *child)
{
	int status;

	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	close(child->to);
	close(child->from);
	return status;
}

void child_finish(struct child *child)
{
	int status = reap(child);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

void child_kill(struct child *child)
{
	assert_int_equal(kill(child->pid, SIGKILL), 0);
	assert_true(WIFSIGNALED(reap(child)));
}

void child_get(int fd, void *ret, size_t size_bytes)
{
	CHILD_CHECK(read_all(fd, ret, size_bytes));
}

void child_put(int fd, const void *bytes, size_t size_bytes)
{
	CHILD_CHECK(write_all(fd, bytes, size_bytes));
}

bool child_cannot_change_user(void)
{
	if (geteuid() == 0)
		return false;
	print_message("skipped: needs root to act as another user\n");
	return true;
}
