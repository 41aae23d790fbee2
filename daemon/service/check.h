/* SPDX-License-Identifier: MIT */
#pragma once

/* Checks of ledgers against indexes while the daemon serves, a slice a round, one a client. */

#include <sys/queue.h>

struct check;
struct loop;
struct loop_task;
struct pools;

struct checks {
	struct pools *pools; /* borrowed */
	struct loop_task *task;
	TAILQ_HEAD(checks_list, check) running;
};

int checks_init(struct checks *checks, struct loop *loop, struct pools *pools);
/* Forgets those that run. Accepts a zeroed one. */
void checks_deinit(struct checks *checks);
