/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Lists of objects: runs, as they travel, to the caller's pointers and back. What lib/runs.h is to
 * blocks of pages.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct message_cache_info;
struct message_run;
struct ppc_mapping;

/* What the daemon told of a cache. */
struct ppc_cache_info {
	uint32_t number; /* for requests about its pool */
	uint32_t object_bytes;
	uint32_t stride_bytes; /* from an object to the next */
	unsigned slab_shift;   /* objects of one run lie in one block of so many bytes, as a power
				* of two, aligned to that */
	uint64_t reciprocal;   /* of the stride, for distances within a slab */
};

/* Takes it over. False when no cache can be like that. */
bool ppc_cache_info_init(struct ppc_cache_info *cache, const struct message_cache_info *told);

#define PPC_RAW_WORD_BITS 64u

/*
 * Writes the addresses of all objects of the runs. Returns how many, or -EPROTO for runs that name
 * no object, more objects than `count`, or one that is not whole in a slab and the pool.
 * `raw` has a mask a run, or is NULL; in *ret_raw, zeroed by the caller, bit i is set when address
 * i is one that it names. ret_raw may be NULL.
 */
ssize_t ppc_object_runs_to_addresses(const struct ppc_mapping *mapping,
				     const struct ppc_cache_info *cache,
				     const struct message_run *runs, size_t nr_runs,
				     const uint64_t *raw, void **addrs, size_t count,
				     uint64_t *ret_raw);

/*
 * Writes the runs that name these objects: at most `count`, fewer as more of them are neighbours.
 * An address that occurs twice occurs twice in the runs. Returns how many, or -EINVAL for an
 * address outside the pool.
 */
ssize_t ppc_object_runs_from_addresses(const struct ppc_mapping *mapping,
				       const struct ppc_cache_info *cache, void *const *addrs,
				       size_t count, struct message_run *runs);
