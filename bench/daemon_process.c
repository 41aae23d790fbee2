/* SPDX-License-Identifier: MIT */
/*
 * A daemon to measure.
 *
 * It is started as a user would start it: from its own program, with a file of configuration. That
 * it is ready is what it tells the service manager's socket, which here is ours; that it died is
 * what its pidfd tells. Its memory is committed before it is ready, so that no measurement pays
 * for page faults in the daemon. Its log is kept in its folder and shown when it does not start.
 */

#include "bench/daemon_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"

#define READY_MS 60000
#define STOP_MS 10000

static int path_in(const struct daemon_process *process, const char *name, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%s/%s", process->folder, name);

	return n >= 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

/* BUILD/pagepoold, this being BUILD/bench/bench. */
static int find_program(char *ret, size_t size_bytes)
{
	static const char name[] = "/pagepoold";
	ssize_t n = readlink("/proc/self/exe", ret, size_bytes - sizeof(name));

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(ret, '/');

		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	strcat(ret, name);
	return access(ret, X_OK) == 0 ? 0 : -errno;
}

static int write_config(const struct daemon_process *process, const char *path, uint64_t pool_bytes)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fprintf(file,
		"[daemon]\n"
		"socket = %s\n"
		"[pool default]\n"
		"access = uid:%u\n"
		"size = %lluM\n"
		"commit = start\n",
		process->socket, (unsigned)getuid(), (unsigned long long)(pool_bytes >> 20));
	return fclose(file) == 0 ? 0 : -errno;
}

static int listen_for_ready(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static void exec_daemon(const char *program, const char *config, const char *log,
			const char *notify, int cpu)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	measure_pin(cpu);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	unsetenv("LISTEN_FDS");
	setenv("NOTIFY_SOCKET", notify, 1);
	execl(program, program, "--config", config, (char *)NULL);
	_exit(127);
}

/* 0 when it said READY, -ECHILD when it has ended, -ETIMEDOUT. */
static int await_ready(const struct daemon_process *process, int notify_fd)
{
	struct pollfd fds[2] = { { .fd = notify_fd, .events = POLLIN },
				 { .fd = process->pidfd, .events = POLLIN } };
	uint64_t deadline_ns = measure_wall_ns() + READY_MS * UINT64_C(1000000);
	char text[1024];

	while (measure_wall_ns() < deadline_ns) {
		if (poll(fds, 2, READY_MS) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents & POLLIN) {
			ssize_t n = recv(notify_fd, text, sizeof(text) - 1, 0);

			text[n > 0 ? n : 0] = '\0';
			if (strstr(text, "READY=1"))
				return 0;
		} else if (fds[1].revents) {
			return -ECHILD;
		}
	}
	return -ETIMEDOUT;
}

static void show_log(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[1024];

	while (file && fgets(line, sizeof(line), file))
		fprintf(stderr, "pagepoold: %s", line);
	if (file)
		fclose(file);
}

static int spawn(struct daemon_process *process, uint64_t pool_bytes, int cpu)
{
	char program[PATH_MAX], config[128], log[128], notify[128];
	int notify_fd, error = find_program(program, sizeof(program));

	if (error)
		return error;
	if (path_in(process, "config", config, sizeof(config)) ||
	    path_in(process, "log", log, sizeof(log)) ||
	    path_in(process, "notify", notify, sizeof(notify)) ||
	    path_in(process, "socket", process->socket, sizeof(process->socket)))
		return -ENAMETOOLONG;
	error = write_config(process, config, pool_bytes);
	if (error)
		return error;
	notify_fd = listen_for_ready(notify);
	if (notify_fd < 0)
		return notify_fd;
	process->pid = fork();
	if (process->pid == 0)
		exec_daemon(program, config, log, notify, cpu);
	process->pidfd = process->pid > 0 ? (int)syscall(SYS_pidfd_open, process->pid, 0) : -1;
	error = process->pidfd >= 0 ? await_ready(process, notify_fd) : -errno;
	close(notify_fd);
	if (error)
		show_log(log);
	return error;
}

int daemon_process_start(struct daemon_process *process, uint64_t pool_bytes, int cpu)
{
	int error;

	memset(process, 0, sizeof(*process));
	process->pidfd = -1;
	strcpy(process->folder, "/tmp/pagepool-bench-XXXXXX");
	if (!mkdtemp(process->folder)) {
		error = -errno;
		process->folder[0] = '\0';
		return error;
	}
	error = spawn(process, pool_bytes, cpu);
	if (error) {
		fprintf(stderr, "bench: the daemon did not get ready: %s\n",
			error == -ECHILD ? "it has ended" : strerror(-error));
		daemon_process_stop(process);
	}
	return error;
}

static void remove_folder(const struct daemon_process *process)
{
	static const char *const names[] = { "config", "log", "notify", "socket" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (path_in(process, names[i], path, sizeof(path)) == 0)
			unlink(path);
	}
	rmdir(process->folder);
}

void daemon_process_stop(struct daemon_process *process)
{
	struct pollfd ended = { .fd = process->pidfd, .events = POLLIN };

	if (process->pid > 0) {
		kill(process->pid, SIGTERM);
		if (process->pidfd < 0 || poll(&ended, 1, STOP_MS) <= 0)
			kill(process->pid, SIGKILL);
		waitpid(process->pid, NULL, 0);
	}
	if (process->pidfd >= 0)
		close(process->pidfd);
	if (process->folder[0])
		remove_folder(process);
	memset(process, 0, sizeof(*process));
	process->pidfd = -1;
}
