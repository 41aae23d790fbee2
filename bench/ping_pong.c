/* SPDX-License-Identifier: MIT */
/*
 * The bare round trip.
 *
 * What a round trip costs is the machine's affair: two system calls each, a wake-up each, and the
 * event library's own loop. Whatever the daemon and the client library take beyond this is theirs,
 * so this is what they are measured against, with the same number of bytes each way. The server is
 * a raw libevent event over read() and write(): no buffers, no parsing, no allocation.
 */

#include "bench/ping_pong.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"

struct server {
	struct event_base *base;
	size_t request_bytes, reply_bytes;
	size_t received_bytes; /* of the request that is coming */
};

static void serve(evutil_socket_t fd, short events, void *data)
{
	static uint8_t buf[PING_PONG_BYTES_MAX];
	struct server *server = data;
	ssize_t n = read(fd, buf, server->request_bytes - server->received_bytes);

	(void)events;
	if (n <= 0) {
		event_base_loopbreak(server->base);
		return;
	}
	server->received_bytes += (size_t)n;
	if (server->received_bytes < server->request_bytes)
		return;
	server->received_bytes = 0;
	if (write(fd, buf, server->reply_bytes) != (ssize_t)server->reply_bytes)
		event_base_loopbreak(server->base);
}

static int run_server(struct server *server, int fd)
{
	struct event *event;

	server->base = event_base_new();
	if (!server->base)
		return EXIT_FAILURE;
	event = event_new(server->base, fd, EV_READ | EV_PERSIST, serve, server);
	if (!event || event_add(event, NULL) != 0 || event_base_dispatch(server->base) != 0)
		return EXIT_FAILURE;
	event_free(event);
	event_base_free(server->base);
	return EXIT_SUCCESS;
}

int ping_pong_start(struct ping_pong *ping_pong, size_t request_bytes, size_t reply_bytes, int cpu)
{
	struct server server = { .request_bytes = request_bytes, .reply_bytes = reply_bytes };
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int error = -errno;

		close(fds[0]);
		close(fds[1]);
		return error;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		measure_pin(cpu);
		_exit(run_server(&server, fds[1]));
	}
	close(fds[1]);
	*ping_pong = (struct ping_pong){
		.pid = pid, .fd = fds[0], .request_bytes = request_bytes, .reply_bytes = reply_bytes
	};
	return 0;
}

void ping_pong_stop(struct ping_pong *ping_pong)
{
	if (ping_pong->pid <= 0)
		return;
	close(ping_pong->fd); /* the server's end of file */
	waitpid(ping_pong->pid, NULL, 0);
	memset(ping_pong, 0, sizeof(*ping_pong));
}

int ping_pong_round(struct ping_pong *ping_pong)
{
	uint8_t buf[PING_PONG_BYTES_MAX] = { 0 };
	size_t received_bytes = 0;
	ssize_t n = send(ping_pong->fd, buf, ping_pong->request_bytes, MSG_NOSIGNAL);

	if (n != (ssize_t)ping_pong->request_bytes)
		return n < 0 ? -errno : -EIO;
	while (received_bytes < ping_pong->reply_bytes) {
		n = read(ping_pong->fd, buf, ping_pong->reply_bytes - received_bytes);
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		received_bytes += (size_t)n;
	}
	return 0;
}
