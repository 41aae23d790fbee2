/* SPDX-License-Identifier: MIT */
#pragma once

/* The listening socket: inherited, or made at a path together with the folder it lies in. */

#include <stdbool.h>

struct listener;
struct loop;

/* Takes the connected socket: non-blocking, close-on-exec. */
typedef void (*listener_fn)(int fd, void *data);

struct listener_config {
	int inherited_fd; /* taken, also on failure; -1: make one */
	const char *path; /* where to make it */
	bool is_private;  /* for this daemon's own user alone: 0600 in 0700, else 0666 in 0755 */
};

/*
 * Listens. 0, or a negative errno that has been logged with what to do: -EADDRINUSE when another
 * daemon serves there. What a dead daemon left behind is replaced.
 */
int listener_new(struct loop *loop, const struct listener_config *config, listener_fn fn,
		 void *data, struct listener **ret);
/* Removes the socket and the folder if it made them. Accepts NULL. Returns NULL. */
struct listener *listener_free(struct listener *listener);

/* Where it listens, for people. */
const char *listener_path(const struct listener *listener);
