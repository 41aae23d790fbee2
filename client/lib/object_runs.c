/* SPDX-License-Identifier: MIT */
/*
 * A run names up to 64 objects of one slab: the offset of an object and a mask of strides from it.
 * Blocks of pages lie at multiples of their size, so where their runs begin is given. Objects begin
 * anywhere in their slab, and only the daemon knows where its first one is: so a run begins at the
 * lowest object that it names, and which objects are neighbours is told by the distance between
 * them alone. Whether something starts at such a distance is the daemon's to say.
 *
 * Runs that came are checked as a whole, by their highest object: it ends in the slab that the base
 * is in, which also catches every sum that overflows. Runs to be sent are gathered in one pass: an
 * object joins the run before it, on either side, when both lie in one slab and within 64 strides.
 * That is so for objects as they were handed out, in this order or the other.
 */

#include "lib/object_runs.h"

#include <errno.h>

#include "lib/mapping.h"
#include "pagepool.h"
#include "proto/message.h"

#define RUN_OBJECTS 64u

/*
 * n strides times 2^32 / stride, rounded up, is n * 2^32 and less than n strides more. So the
 * quotient is n as long as distances are below 2^32. For what is no multiple it may be anything
 * near, and multiplying shows it.
 */
#define RECIPROCAL_SHIFT 32u
_Static_assert(PP_ORDER_MAX + PPC_PAGE_SHIFT < RECIPROCAL_SHIFT, "distances in a slab are smaller");

bool ppc_cache_info_init(struct ppc_cache_info *cache, const struct message_cache_info *told)
{
	if (told->slab_order > PP_ORDER_MAX || told->object_bytes == 0 ||
	    told->stride_bytes < told->object_bytes ||
	    told->stride_bytes > UINT32_C(1) << (told->slab_order + PPC_PAGE_SHIFT))
		return false;
	*cache = (struct ppc_cache_info){
		.number = told->cache,
		.object_bytes = told->object_bytes,
		.stride_bytes = told->stride_bytes,
		.slab_shift = told->slab_order + PPC_PAGE_SHIFT,
		.reciprocal = ((UINT64_C(1) << RECIPROCAL_SHIFT) + told->stride_bytes - 1) /
			      told->stride_bytes,
	};
	return true;
}

/* The first object of a run, or NULL for a run that can't be. */
static uint8_t *run_start(const struct ppc_mapping *mapping, const struct ppc_cache_info *cache,
			  const struct message_run *run)
{
	uint64_t last_byte;

	if (run->mask == 0)
		return NULL;
	last_byte = run->base + (63 - (uint64_t)__builtin_clzll(run->mask)) * cache->stride_bytes +
		    cache->object_bytes - 1;
	if ((run->base ^ last_byte) >> cache->slab_shift != 0 ||
	    !ppc_mapping_from_offset(mapping, last_byte))
		return NULL;
	return ppc_mapping_from_offset(mapping, run->base);
}

ssize_t ppc_object_runs_to_addresses(const struct ppc_mapping *mapping,
				     const struct ppc_cache_info *cache,
				     const struct message_run *runs, size_t nr_runs,
				     const uint64_t *raw, void **addrs, size_t count,
				     uint64_t *ret_raw)
{
	size_t nr_addrs = 0;

	for (size_t i = 0; i < nr_runs; i++) {
		uint64_t raw_mask = raw && ret_raw ? raw[i] : 0;
		uint8_t *start = run_start(mapping, cache, &runs[i]);

		if (!start || (size_t)__builtin_popcountll(runs[i].mask) > count - nr_addrs)
			return -EPROTO;
		for (uint64_t mask = runs[i].mask; mask; mask &= mask - 1, nr_addrs++) {
			unsigned bit = (unsigned)__builtin_ctzll(mask);

			addrs[nr_addrs] = start + (size_t)bit * cache->stride_bytes;
			if (raw_mask >> bit & 1)
				ret_raw[nr_addrs / PPC_RAW_WORD_BITS] |=
					UINT64_C(1) << nr_addrs % PPC_RAW_WORD_BITS;
		}
	}
	return nr_addrs > 0 ? (ssize_t)nr_addrs : -EPROTO;
}

/* Adds an object to a run that is not empty. False when it can't be one of it. */
static bool run_join(const struct ppc_cache_info *cache, struct message_run *run, uint64_t offset)
{
	bool is_above = offset >= run->base;
	uint32_t distance, strides;

	if ((run->base ^ offset) >> cache->slab_shift != 0)
		return false;
	distance = (uint32_t)(is_above ? offset - run->base : run->base - offset);
	strides = (uint32_t)(distance * cache->reciprocal >> RECIPROCAL_SHIFT);
	if (strides * cache->stride_bytes != distance)
		return false;
	if (is_above) {
		if (strides >= RUN_OBJECTS || run->mask >> strides & 1)
			return false;
		run->mask |= UINT64_C(1) << strides;
		return true;
	}
	if (strides > (unsigned)__builtin_clzll(run->mask))
		return false;
	*run = (struct message_run){ .base = offset, .mask = run->mask << strides | 1 };
	return true;
}

ssize_t ppc_object_runs_from_addresses(const struct ppc_mapping *mapping,
				       const struct ppc_cache_info *cache, void *const *addrs,
				       size_t count, struct message_run *runs)
{
	size_t nr_runs = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t offset = ppc_mapping_to_offset(mapping, addrs[i]);

		if (offset == PP_OFFSET_INVALID)
			return -EINVAL;
		if (nr_runs == 0 || !run_join(cache, &runs[nr_runs - 1], offset))
			runs[nr_runs++] = (struct message_run){ .base = offset, .mask = 1 };
	}
	return (ssize_t)nr_runs;
}
