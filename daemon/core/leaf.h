/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A leaf of the index: 64 units in a word, bit i set when unit i is free.
 *
 * A run of order k is 2^k units at a multiple of 2^k. Runs of one order are found all at once: a
 * run of order k + 1 is two adjacent runs of order k, the first of which is at an even place.
 */

#include <stdint.h>

#define LEAF_FULL UINT64_MAX
#define LEAF_UNITS 64u
#define LEAF_ORDER_MAX 5u /* a run of order 6 is the whole leaf: one unit of the next level */

/* The bits where a run of order 1, 2, ... 5 may start. */
#define LEAF_STARTS_1 UINT64_C(0x5555555555555555)
#define LEAF_STARTS_2 UINT64_C(0x1111111111111111)
#define LEAF_STARTS_3 UINT64_C(0x0101010101010101)
#define LEAF_STARTS_4 UINT64_C(0x0001000100010001)
#define LEAF_STARTS_5 UINT64_C(0x0000000100000001)

static inline uint64_t leaf_starts(unsigned order)
{
	static const uint64_t starts[] = { LEAF_FULL,     LEAF_STARTS_1, LEAF_STARTS_2,
					   LEAF_STARTS_3, LEAF_STARTS_4, LEAF_STARTS_5,
					   UINT64_C(1) };

	return starts[order];
}

/* From the starts of the free runs of one order (0 .. 5), those of the next. */
static inline uint64_t leaf_join(uint64_t runs, unsigned order)
{
	return runs & runs >> (1u << order) & leaf_starts(order + 1);
}

/*
 * The starts of all free runs of an order, 0 .. 5. Ones that are followed by 2^order - 1 more are
 * found by doubling; without branches, as orders come in no order that could be foretold.
 */
static inline uint64_t leaf_runs(uint64_t leaf, unsigned order)
{
	unsigned others = (1u << order) - 1;

	leaf &= leaf >> (others & 1);
	leaf &= leaf >> (others & 2);
	leaf &= leaf >> (others & 4);
	leaf &= leaf >> (others & 8);
	leaf &= leaf >> (others & 16);
	return leaf & leaf_starts(order);
}

/* The units of the run of an order, 0 .. 6, that has this unit in it. */
static inline uint64_t leaf_mask(unsigned unit, unsigned order)
{
	static const uint64_t runs[] = { 0x1, 0x3, 0xf, 0xff, 0xffff, UINT32_MAX, LEAF_FULL };

	return runs[order] << (unit % LEAF_UNITS & -(1u << order));
}

/*
 * How many orders have a free run, 0 .. 7: the number of the leaf's class. Without branches, as
 * nobody can foretell them.
 */
static inline unsigned leaf_class(uint64_t leaf)
{
	uint64_t runs_1 = leaf & leaf >> 1 & LEAF_STARTS_1;
	uint64_t runs_2 = runs_1 & runs_1 >> 2 & LEAF_STARTS_2;
	uint64_t runs_3 = runs_2 & runs_2 >> 4 & LEAF_STARTS_3;
	uint64_t runs_4 = runs_3 & runs_3 >> 8 & LEAF_STARTS_4;
	uint64_t runs_5 = runs_4 & runs_4 >> 16 & LEAF_STARTS_5;

	return (unsigned)(leaf != 0) + (runs_1 != 0) + (runs_2 != 0) + (runs_3 != 0) +
	       (runs_4 != 0) + (runs_5 != 0) + (leaf == LEAF_FULL);
}

/*
 * Which of a leaf's runs of an order to take, of which there is one: the first of the smallest free
 * block that is large enough, and of blocks of that size the lowest. A block is a run whose buddy
 * is not free, or one of the largest order there is, max_order (order .. 5).
 */
static inline unsigned leaf_choose(uint64_t runs, unsigned order, unsigned max_order)
{
	for (; order < max_order; order++) {
		uint64_t joined = leaf_join(runs, order);
		uint64_t blocks = runs & ~(joined | joined << (1u << order));

		if (blocks)
			return (unsigned)__builtin_ctzll(blocks);
		runs = joined;
	}
	return (unsigned)__builtin_ctzll(runs);
}

/* Which of the units from base on, a leaf's worth, lie from start up to end. */
static inline uint64_t leaf_between(uint32_t base, uint32_t start, uint32_t end)
{
	uint64_t mask = LEAF_FULL;

	if (start >= end || end <= base || (start > base && start - base >= LEAF_UNITS))
		return 0;
	if (start > base)
		mask &= LEAF_FULL << (start - base);
	if (end - base < LEAF_UNITS)
		mask &= (UINT64_C(1) << (end - base)) - 1;
	return mask;
}
