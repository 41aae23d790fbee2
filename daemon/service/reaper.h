/* SPDX-License-Identifier: MIT */
#pragma once

/* Frees what dying clients hold, a slice a round of the loop. */

#include <sys/queue.h>

struct client;
struct loop;
struct loop_task;
struct pools;

struct reaper {
	struct pools *pools; /* borrowed */
	struct loop_task *task;
	TAILQ_HEAD(reaper_list, client) dying;
};

int reaper_init(struct reaper *reaper, struct loop *loop, struct pools *pools);
/* Leaves the clients that it has not finished as they are. Accepts a zeroed one. */
void reaper_deinit(struct reaper *reaper);

/*
 * Takes a client that no request works for any more, and calls client_swept() when nothing is held:
 * at once when nothing is, else from the loop.
 */
void reaper_add(struct reaper *reaper, struct client *client);
