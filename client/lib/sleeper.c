/* SPDX-License-Identifier: MIT */
/*
 * A condition a thread, so that the one whose reply has come is woken and no other.
 */

#include "lib/sleeper.h"

#include <time.h>

#include "lib/deadline.h"

int ppc_sleeper_init(struct ppc_sleeper *sleeper)
{
	pthread_condattr_t attributes;
	int error = pthread_condattr_init(&attributes);

	if (error)
		return -error;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	error = pthread_cond_init(&sleeper->wakeup, &attributes);
	pthread_condattr_destroy(&attributes);
	return -error;
}

void ppc_sleeper_deinit(struct ppc_sleeper *sleeper)
{
	pthread_cond_destroy(&sleeper->wakeup);
}

void ppc_sleeper_sleep(struct ppc_sleeper *sleeper, struct ppc_sleepers *sleepers,
		       pthread_mutex_t *lock, int64_t deadline_ms)
{
	struct timespec until = { .tv_sec = deadline_ms / 1000,
				  .tv_nsec = deadline_ms % 1000 * 1000000 };

	TAILQ_INSERT_TAIL(sleepers, sleeper, entry);
	if (deadline_ms == PPC_DEADLINE_NEVER)
		pthread_cond_wait(&sleeper->wakeup, lock);
	else
		pthread_cond_timedwait(&sleeper->wakeup, lock, &until);
	TAILQ_REMOVE(sleepers, sleeper, entry);
}

void ppc_sleeper_wake(struct ppc_sleeper *sleeper)
{
	pthread_cond_signal(&sleeper->wakeup);
}

void ppc_sleepers_wake_first(struct ppc_sleepers *sleepers)
{
	struct ppc_sleeper *first = TAILQ_FIRST(sleepers);

	if (first)
		ppc_sleeper_wake(first);
}

void ppc_sleepers_wake_all(struct ppc_sleepers *sleepers)
{
	for (struct ppc_sleeper *s = TAILQ_FIRST(sleepers); s; s = TAILQ_NEXT(s, entry))
		ppc_sleeper_wake(s);
}
