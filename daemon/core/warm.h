/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Warm blocks: those at hand for whoever asks next, in front of the index. The idea is the kernel's
 * per-CPU page lists.
 *
 * Freed blocks are kept as they are on a stack for each order. A block that comes and goes costs a
 * push and a pop, whatever its order, and its memory and its ledger word are still in the cache;
 * what a stack can't hold goes to the index half a stack at a time, so that the cache misses of
 * many frees overlap. An entry says the block's mobility, and serves only requests of the same:
 * where the block lies was chosen for it.
 *
 * Small blocks that come out of the index come by the leaf: all blocks of an order that 64 pages
 * have, one leaf for each mobility and order.
 *
 * A warm block is free: its word is zero. It is only not merged yet, which is why a zone empties
 * all of this (zone_settle()) before it gives up on a request or is looked at.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/leaf.h"
#include "core/page.h"
#include "core/word.h"

#define WARM_BLOCKS_MAX 128u /* in a stack */
#define WARM_PAGES_MAX 1024u /* in a stack that holds more than two blocks */

#define WARM_MOBILITY_SHIFT 30u /* in an entry; the pfn is below */

struct warm_stack {
	uint32_t nr, max;
	uint32_t *entries; /* the block freed last is the last */
};

struct warm_leaf {
	uint64_t starts; /* of the blocks, from base on */
	uint32_t base;
};

struct warm {
	struct warm_stack stacks[PAGE_NR_ORDERS];
	/* With room for whatever order and mobility an owner can name, so that none is checked. */
	struct warm_leaf leaves[PAGE_NR_ORDERS][1u << WORD_MOBILITY_BITS];
};

/* The block freed last, if it is of this mobility. */
static inline bool warm_pop(struct warm *warm, unsigned order, enum mobility mobility,
			    uint32_t *ret_pfn)
{
	struct warm_stack *stack = &warm->stacks[order];
	uint32_t pfn;

	if (!stack->nr)
		return false;
	pfn = stack->entries[stack->nr - 1] ^ (uint32_t)mobility << WARM_MOBILITY_SHIFT;
	if (pfn >> WARM_MOBILITY_SHIFT)
		return false;
	stack->nr--;
	*ret_pfn = pfn;
	return true;
}

/* The lowest of a leaf's blocks. */
static inline bool warm_pick(struct warm *warm, unsigned order, enum mobility mobility,
			     uint32_t *ret_pfn)
{
	struct warm_leaf *leaf = &warm->leaves[order][mobility];

	if (!leaf->starts)
		return false;
	*ret_pfn = leaf->base + (uint32_t)__builtin_ctzll(leaf->starts);
	leaf->starts &= leaf->starts - 1;
	return true;
}

/*
 * False when the stack is full. Mobility comes from the word of the block, for which a free has to
 * wait: where the entry is stored does not depend on it, or frees would wait for each other.
 */
static inline bool warm_push(struct warm *warm, unsigned order, uint32_t word, uint32_t pfn)
{
	const uint32_t mobility_mask = UINT32_MAX << WARM_MOBILITY_SHIFT;
	struct warm_stack *stack = &warm->stacks[order];

	if (stack->nr == stack->max)
		return false;
	stack->entries[stack->nr++] =
		pfn | (word << (WARM_MOBILITY_SHIFT - WORD_MOBILITY_SHIFT) & mobility_mask);
	return true;
}

/* Bytes of the memory that warm_init() needs, a multiple of 64. */
size_t warm_bytes(void);
void warm_init(struct warm *warm, void *memory);

/* How many blocks a stack can hold. */
unsigned warm_max(unsigned order);

/*
 * Takes the oldest blocks out of a stack, up to `count`, of any mobility; *ret_pfns has room for
 * WARM_BLOCKS_MAX. Returns how many.
 */
unsigned warm_shift(struct warm *warm, unsigned order, unsigned count, uint32_t *ret_pfns);

static inline uint32_t warm_pfn(uint32_t entry)
{
	return entry & ((UINT32_C(1) << WARM_MOBILITY_SHIFT) - 1);
}
