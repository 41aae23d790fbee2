/* SPDX-License-Identifier: MIT */
/*
 * Time, read on every call. The coarse clock is a load from memory on all machines, where the exact
 * one may be a system call; what it lacks in steps is added to each deadline.
 */

#include "lib/deadline.h"

#include <limits.h>
#include <time.h>

#define STEP_MS 10 /* of the coarse clock, at 100 Hz; most kernels have shorter ones */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t ppc_deadline_after(int timeout_ms)
{
	if (timeout_ms < 0)
		return PPC_DEADLINE_NEVER;
	if (timeout_ms == 0)
		return 0;
	return now_ms() + timeout_ms + STEP_MS;
}

bool ppc_deadline_is_over(int64_t deadline_ms)
{
	return deadline_ms != PPC_DEADLINE_NEVER && now_ms() >= deadline_ms;
}

int ppc_deadline_remaining_ms(int64_t deadline_ms)
{
	int64_t left;

	if (deadline_ms == PPC_DEADLINE_NEVER)
		return -1;
	left = deadline_ms - now_ms();
	if (left < 0)
		return 0;
	return left < INT_MAX ? (int)left : INT_MAX;
}
