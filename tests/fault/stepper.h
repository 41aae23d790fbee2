/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Runs a function in another process, one instruction at a time. See stepper.c.
 *
 * Between the calls the process is stopped; what both are to see lies in shared memory.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct stepper {
	pid_t pid;               /* 0: none */
	volatile bool *is_at_it; /* shared: the function is running */
};

/* Why it can't work here, or NULL. */
const char *stepper_obstacle(void);

/* 0 or a negative errno. */
int stepper_init(struct stepper *stepper);
void stepper_deinit(struct stepper *stepper);

/* Starts a process that calls fn(data) each time it is told to; kills the one before. 0 or -errno.
 */
int stepper_start(struct stepper *stepper, void (*fn)(void *data), void *data);

/*
 * Has fn called. After each instruction of it `stop` is told where the next one is. 0, or the
 * signal that ended it.
 */
int stepper_run(struct stepper *stepper, void (*stop)(void *data, uintptr_t address), void *data);
