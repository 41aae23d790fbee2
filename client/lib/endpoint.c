/* SPDX-License-Identifier: MIT */
/*
 * Finding the daemon. A daemon that a user started for themselves comes before the host's, as it
 * would not have been started otherwise; root has no daemon of its own beside the host's. The
 * environment is not believed in programs that run with more rights than their caller.
 */

#include "lib/endpoint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HOST_SOCKET "/run/pagepool/pagepool.sock"
#define USER_SOCKET "pagepool/pagepool.sock"

static int set_path(struct sockaddr_un *address, const char *path)
{
	size_t length = strlen(path);

	if (length == 0 || length >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, path, length);
	return 0;
}

/* The socket of the user's own daemon, if there is one. */
static bool find_user_socket(struct sockaddr_un *ret)
{
	const char *folder = geteuid() == 0 ? NULL : secure_getenv("XDG_RUNTIME_DIR");
	char path[sizeof(ret->sun_path)];
	int length;

	if (!folder)
		return false;
	length = snprintf(path, sizeof(path), "%s/" USER_SOCKET, folder);
	if (length < 0 || (size_t)length >= sizeof(path) || access(path, F_OK) < 0)
		return false;
	return set_path(ret, path) == 0;
}

/* A variable that is set to nothing is as good as none. */
static const char *path_from_environment(void)
{
	const char *path = secure_getenv("PAGEPOOL_SOCKET");

	return path && path[0] != '\0' ? path : NULL;
}

int ppc_endpoint_find(const char *path, struct sockaddr_un *ret)
{
	if (!path)
		path = path_from_environment();
	if (path)
		return set_path(ret, path);
	if (find_user_socket(ret))
		return 0;
	return set_path(ret, HOST_SOCKET);
}

int ppc_endpoint_connect(const struct sockaddr_un *address, int timeout_ms)
{
	int error, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* A Unix socket's connect() waits for room in the listener's queue as long as a send may.
	 */
	if (timeout_ms > 0) {
		struct timeval limit = { .tv_sec = timeout_ms / 1000,
					 .tv_usec = timeout_ms % 1000 * 1000 };

		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		if (errno == EINTR)
			continue;
		error = errno == EAGAIN ? -ETIMEDOUT : -errno;
		close(fd);
		return error;
	}
	return fd;
}
