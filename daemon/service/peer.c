/* SPDX-License-Identifier: MIT */
/*
 * The process at the other end of a connection.
 *
 * What a client held is freed on proof of its process's end, never on suspicion. The proof is a
 * pidfd of the process that connected: unlike a number it can't come to mean another process, and
 * unlike the socket it is not kept alive by a child that inherited it, nor ended by one that closed
 * it.
 *
 * SO_PEERPIDFD gives the very process that called connect(). Kernels before 6.5 lack it; there the
 * number from SO_PEERCRED is looked up at once after accepting.
 */

#include "service/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define PEER_STAT_BYTES 1024u /* a line of numbers and a name of up to 64 bytes */

static int peer_open_pidfd(int fd, pid_t pid)
{
	int pidfd = -1;
	socklen_t size = sizeof(pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
		return pidfd;
	if (errno == EINVAL || errno == ENODATA)
		return -ESRCH; /* ended and already waited for */
	if (errno != ENOPROTOOPT)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return pidfd < 0 ? -errno : pidfd;
}

/*
 * Field 22 of the first thread's stat, which has the process's start, and not of the process's own:
 * for that the kernel adds up all threads, of which a client may have thousands. The name in field
 * 2 may hold spaces and brackets: skip its last.
 */
static uint64_t peer_read_start_time(pid_t pid)
{
	char path[48], line[PEER_STAT_BYTES];
	unsigned long long start_time;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	const char *got = fgets(line, sizeof(line), file);
	fclose(file);

	const char *fields = got ? strrchr(line, ')') : NULL;
	if (!fields || sscanf(fields + 1,
			      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
			      "%*d %*d %*d %llu",
			      &start_time) != 1)
		return 0;
	return start_time;
}

static bool peer_has_ended(const struct peer *peer)
{
	struct pollfd pollfd = { .fd = peer->pidfd, .events = POLLIN };

	return poll(&pollfd, 1, 0) == 1;
}

int peer_init(struct peer *peer, int fd)
{
	struct peer new = PEER_NULL;

	int error = access_peer_init(&new.credentials, fd);
	if (error < 0)
		return error;
	new.pidfd = peer_open_pidfd(fd, new.credentials.pid);
	if (new.pidfd < 0) {
		error = new.pidfd;
		access_peer_deinit(&new.credentials);
		return error;
	}
	*peer = new;
	return 0;
}

uint64_t peer_start_time(const struct peer *peer)
{
	uint64_t start_time = peer_read_start_time(peer->credentials.pid);

	/* If it has ended this is perhaps another's: the number may be in use again. */
	return peer->pidfd >= 0 && !peer_has_ended(peer) ? start_time : 0;
}

void peer_deinit(struct peer *peer)
{
	access_peer_deinit(&peer->credentials);
	if (peer->pidfd >= 0)
		close(peer->pidfd);
	*peer = PEER_NULL;
}
