/* SPDX-License-Identifier: MIT */

/*
 * Warm blocks; see warm.h for the idea.
 *
 * Small orders have deep stacks and large ones shallow: up to 4 MiB of each order, but always two
 * blocks. So what is not merged stays little beside any zone of some size, and a zone of little
 * size is whole again after one look through the stacks.
 */

#include "core/warm.h"

#include <string.h>

unsigned warm_max(unsigned order)
{
	unsigned max = WARM_PAGES_MAX >> order;

	if (max > WARM_BLOCKS_MAX)
		return WARM_BLOCKS_MAX;
	return max > 2 ? max : 2;
}

size_t warm_bytes(void)
{
	size_t nr = 0;

	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
		nr += warm_max(order);
	return (nr * sizeof(uint32_t) + 63) & ~(size_t)63;
}

void warm_init(struct warm *warm, void *memory)
{
	uint32_t *entries = memory;

	memset(warm, 0, sizeof(*warm));
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++) {
		warm->stacks[order] =
			(struct warm_stack){ .max = warm_max(order), .entries = entries };
		entries += warm_max(order);
	}
}

unsigned warm_shift(struct warm *warm, unsigned order, unsigned count, uint32_t *ret_pfns)
{
	struct warm_stack *stack = &warm->stacks[order];

	if (count > stack->nr)
		count = stack->nr;
	for (unsigned i = 0; i < count; i++)
		ret_pfns[i] = warm_pfn(stack->entries[i]);
	stack->nr -= count;
	memmove(stack->entries, stack->entries + count, stack->nr * sizeof(*stack->entries));
	return count;
}
