/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which process a handle belongs to: after fork() the child's copies must know that they are
 * copies. The check is one load and one compare.
 */

#include <stdbool.h>
#include <stdint.h>

struct ppc_process {
	const uint64_t *number; /* wiped to zero in the child by the kernel */
	uint64_t owner;
};

/* Notes the calling process. 0 or a negative errno. Thread-safe. */
int ppc_process_init(struct ppc_process *process);

/* The calling process is the one that made the handle. */
static inline bool ppc_process_is_owner(const struct ppc_process *process)
{
	return __atomic_load_n(process->number, __ATOMIC_RELAXED) == process->owner;
}
