/* SPDX-License-Identifier: MIT */
/*
 * Running a program to its end. Its output goes to memory files rather than pipes: nobody has to
 * read while it runs, so nothing can get stuck.
 */

#include "support/run_program.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/child.h"

#define PATIENCE_S 60u

static char *read_whole(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *ret = malloc((size_t)size + 1);

	assert_non_null(ret);
	assert_int_equal(pread(fd, ret, (size_t)size, 0), size);
	ret[size] = '\0';
	close(fd);
	return ret;
}

static void exec_program(int out, int err, const char *const argv[])
{
	int in = open("/dev/null", O_RDONLY);

	CHILD_CHECK(dup2(in, STDIN_FILENO) >= 0);
	CHILD_CHECK(dup2(out, STDOUT_FILENO) >= 0);
	CHILD_CHECK(dup2(err, STDERR_FILENO) >= 0);
	alarm(PATIENCE_S);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	CHILD_CHECK(!"the program can be run");
}

void run_program(struct run_result *ret, int out_fd, const char *const argv[])
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	int status;
	pid_t pid;

	assert_true(out >= 0 && err >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		exec_program(out_fd == RUN_CAPTURE ? out : out_fd, err, argv);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ret->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	ret->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	ret->out = read_whole(out);
	ret->err = read_whole(err);
}

void run_result_deinit(struct run_result *result)
{
	free(result->out);
	free(result->err);
}
