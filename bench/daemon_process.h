/* SPDX-License-Identifier: MIT */
#pragma once

/* The real pagepoold, as built beside this program, in a folder of its own under /tmp. */

#include <stdint.h>
#include <sys/types.h>

struct daemon_process {
	pid_t pid; /* 0: none */
	int pidfd;
	char folder[64];
	char socket[96];
};

/*
 * Starts it on that CPU with one pool `default` of this size, all of it backed by memory, for this
 * user alone, and waits until it is ready. 0, or a negative errno after saying why.
 */
int daemon_process_start(struct daemon_process *process, uint64_t pool_bytes, int cpu);

/* Ends it, however it is, and removes its folder. It is ended too when this process dies. */
void daemon_process_stop(struct daemon_process *process);
