/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Threads that sleep until another one has done something for them. All functions but init and
 * deinit are called with the lock that the sleepers share.
 */

#include <pthread.h>
#include <stdint.h>
#include <sys/queue.h>

struct ppc_sleeper {
	pthread_cond_t wakeup;
	TAILQ_ENTRY(ppc_sleeper) entry;
};

/* First come, first woken. */
TAILQ_HEAD(ppc_sleepers, ppc_sleeper);

/* 0 or a negative errno. */
int ppc_sleeper_init(struct ppc_sleeper *sleeper);
void ppc_sleeper_deinit(struct ppc_sleeper *sleeper);

/*
 * Gives up the lock until woken, or until the deadline (lib/deadline.h). It may also return for no
 * reason: the caller looks again at what it waits for.
 */
void ppc_sleeper_sleep(struct ppc_sleeper *sleeper, struct ppc_sleepers *sleepers,
		       pthread_mutex_t *lock, int64_t deadline_ms);

/* Costs nothing when it does not sleep. */
void ppc_sleeper_wake(struct ppc_sleeper *sleeper);
void ppc_sleepers_wake_first(struct ppc_sleepers *sleepers);
void ppc_sleepers_wake_all(struct ppc_sleepers *sleepers);
