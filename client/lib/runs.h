/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Lists of blocks: runs, as they travel, to the caller's pointers and back.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct message_run;
struct ppc_mapping;

/*
 * Writes the addresses of all blocks of the runs. Returns how many, or -EPROTO for runs that name
 * no block, more blocks than `count`, or one that is outside the pool or not aligned to its order.
 */
ssize_t ppc_runs_to_addresses(const struct ppc_mapping *mapping, unsigned order,
			      const struct message_run *runs, size_t nr_runs, void **addrs,
			      size_t count);

/*
 * Writes the runs that name these blocks: at most `count`, fewer as more of them are neighbours.
 * An address that occurs twice occurs twice in the runs. Returns how many, or -EINVAL for an
 * address that is no block of this order in the pool.
 */
ssize_t ppc_runs_from_addresses(const struct ppc_mapping *mapping, unsigned order,
				void *const *addrs, size_t count, struct message_run *runs);
