/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The process at the other end of a connection: who it is and a descriptor that tells its end.
 */

#include <stdint.h>

#include "service/access.h"

struct peer {
	struct access_peer credentials;
	int pidfd; /* readable when the process has ended; owned */
};

#define PEER_NULL                                                                                  \
	(struct peer)                                                                              \
	{                                                                                          \
		.pidfd = -1                                                                        \
	}

/* From a connected Unix socket. 0; -ESRCH when the process has ended; another negative errno. */
int peer_init(struct peer *peer, int fd);
/* Accepts PEER_NULL, and leaves it so. */
void peer_deinit(struct peer *peer);

/* When the process started, in clock ticks after boot, as /proc/PID/stat has it; 0 unknown. */
uint64_t peer_start_time(const struct peer *peer);
