/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The least that a request and a reply can cost: a process that reads so many bytes on a libevent
 * event and writes so many back, and nothing else.
 */

#include <stddef.h>
#include <sys/types.h>

#define PING_PONG_BYTES_MAX 4096u

struct ping_pong {
	pid_t pid; /* of the server; 0: none */
	int fd;
	size_t request_bytes, reply_bytes; /* 1 .. PING_PONG_BYTES_MAX */
};

/* Starts the server, on that CPU. 0 or a negative errno. */
int ping_pong_start(struct ping_pong *ping_pong, size_t request_bytes, size_t reply_bytes, int cpu);
void ping_pong_stop(struct ping_pong *ping_pong);

/* One round trip: a blocking write, a blocking read. 0 or a negative errno. */
int ping_pong_round(struct ping_pong *ping_pong);
