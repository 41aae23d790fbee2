/* SPDX-License-Identifier: MIT */
#pragma once

/* When the configuration is read again, and who is told what came of it. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "service/client.h"
#include "service/service.h"
#include "service/worker.h"

struct service;

/* A request that waits for the end of a reload. */
struct reloader_waiter {
	TAILQ_ENTRY(reloader_waiter) link;
	struct later later;
};

struct reloader {
	struct worker_job job;               /* first, so that it leads back here */
	struct service *service;             /* borrowed */
	const struct service_source *source; /* borrowed */
	bool is_open;                        /* the daemon serves */
	bool is_running;
	bool is_wanted; /* once more, when this one is done */
	/* For the reload under way, and for the next one; owned. */
	TAILQ_HEAD(reloader_waiters, reloader_waiter) served, waiting;

	/* What the helper thread read. */
	struct service_config config; /* when error is 0 */
	char *text;                   /* what was said of it, line by line */
	int error;
};

/* `source` may be NULL: then nothing is ever read again. */
void reloader_init(struct reloader *reloader, struct service *service,
		   const struct service_source *source);
/* Nobody is told any more. Accepts a zeroed one. The service's workers have been freed. */
void reloader_deinit(struct reloader *reloader);

/* The daemon serves: what was wanted till now is done, and from now on at once. */
void reloader_open(struct reloader *reloader);

/* Reads the configuration again, after the reload that is under way. */
void reloader_start(struct reloader *reloader);
/* The same for a client. 0 when its request will be answered, or a negative errno. */
int reloader_ask(struct reloader *reloader, struct client *client, uint64_t id);
