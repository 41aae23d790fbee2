/* SPDX-License-Identifier: MIT */
/*
 * A run names up to 64 blocks of one order: a base page and a mask. Runs that came are checked as a
 * whole, by their highest block, before any of it is written out; then a block costs one bit scan
 * and one store. Runs to be sent are gathered in one pass: a block joins the run before it when
 * both lie in the same aligned group of 64, which is so for addresses as they were handed out.
 * Unsorted addresses only make more runs; sorting them here would cost more than sending those.
 */

#include "lib/runs.h"

#include <errno.h>

#include "lib/mapping.h"
#include "proto/message.h"

#define RUN_SHIFT 6u
#define RUN_BLOCKS (1u << RUN_SHIFT)

static bool run_is_sound(const struct ppc_mapping *mapping, unsigned order,
			 const struct message_run *run)
{
	uint64_t order_pages = UINT64_C(1) << order;
	uint64_t nr_blocks;

	if (run->mask == 0 || (run->base & (order_pages - 1)) != 0)
		return false;
	nr_blocks = 64 - (uint64_t)__builtin_clzll(run->mask);
	return ppc_mapping_has_pages(mapping, run->base, nr_blocks << order);
}

ssize_t ppc_runs_to_addresses(const struct ppc_mapping *mapping, unsigned order,
			      const struct message_run *runs, size_t nr_runs, void **addrs,
			      size_t count)
{
	size_t nr_addrs = 0;

	for (size_t i = 0; i < nr_runs; i++) {
		uint64_t mask = runs[i].mask;
		uint8_t *base;

		if (!run_is_sound(mapping, order, &runs[i]) ||
		    (size_t)__builtin_popcountll(mask) > count - nr_addrs)
			return -EPROTO;
		base = ppc_mapping_from_offset(mapping, runs[i].base << PPC_PAGE_SHIFT);
		for (; mask; mask &= mask - 1) {
			unsigned block = (unsigned)__builtin_ctzll(mask);

			addrs[nr_addrs++] = base + ((uint64_t)block << (order + PPC_PAGE_SHIFT));
		}
	}
	return nr_addrs > 0 ? (ssize_t)nr_addrs : -EPROTO;
}

/* The index of the zone that the byte lies in; nr_zones when it lies in none. */
static unsigned zone_index_of(const struct ppc_mapping *mapping, const void *addr)
{
	unsigned i = 0;

	while (i < mapping->nr_zones &&
	       (uintptr_t)addr - (uintptr_t)mapping->zones[i].base >= mapping->zones[i].size_bytes)
		i++;
	return i;
}

ssize_t ppc_runs_from_addresses(const struct ppc_mapping *mapping, unsigned order,
				void *const *addrs, size_t count, struct message_run *runs)
{
	unsigned block_shift = order + PPC_PAGE_SHIFT;
	uint64_t block_bytes = UINT64_C(1) << block_shift;
	struct ppc_zone zone = mapping->zones[0]; /* of the address before */
	uint64_t zone_page = 0;
	struct message_run run = { 0 };
	size_t nr_runs = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t byte = (uintptr_t)addrs[i] - (uintptr_t)zone.base;
		uint64_t base, bit;

		if (byte >= zone.size_bytes) {
			unsigned index = zone_index_of(mapping, addrs[i]);

			if (index == mapping->nr_zones)
				return -EINVAL;
			zone = mapping->zones[index];
			zone_page = (uint64_t)index << PPC_ZONE_SHIFT;
			byte = (uintptr_t)addrs[i] - (uintptr_t)zone.base;
		}
		if ((byte & (block_bytes - 1)) != 0 || zone.size_bytes - byte < block_bytes)
			return -EINVAL;
		base = zone_page | byte >> (block_shift + RUN_SHIFT) << (order + RUN_SHIFT);
		bit = UINT64_C(1) << (byte >> block_shift & (RUN_BLOCKS - 1));
		if (run.base != base || (run.mask & bit) || nr_runs == 0) {
			run = (struct message_run){ .base = base };
			nr_runs++;
		}
		run.mask |= bit;
		runs[nr_runs - 1] = run;
	}
	return (ssize_t)nr_runs;
}
