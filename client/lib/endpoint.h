/* SPDX-License-Identifier: MIT */
#pragma once

/* Where the daemon listens, and how to get there. */

#include <sys/un.h>

/*
 * Writes the address of the daemon's socket: `path` if not NULL, else $PAGEPOOL_SOCKET, else the
 * socket of the user's own daemon if there is one, else the host's. 0 or -ENAMETOOLONG.
 */
int ppc_endpoint_find(const char *path, struct sockaddr_un *ret);

/*
 * Connects to it within timeout_ms (-1: for ever). Returns a blocking socket that is closed on
 * exec, or a negative errno.
 */
int ppc_endpoint_connect(const struct sockaddr_un *address, int timeout_ms);
