/* SPDX-License-Identifier: MIT */
/*
 * One spare buffer of each kind, exchanged atomically: no lock, no list, and so no ABA problem.
 * What does not find its place goes back to malloc.
 */

#include "proto/buffer.h"

#include <stdatomic.h>
#include <stdlib.h>

static uint8_t *_Atomic spares[BUFFER_NR_KINDS];

uint8_t *buffer_take(enum buffer_kind kind)
{
	/* Pairs with the release of buffer_give(): what the giver did to the buffer comes first. */
	uint8_t *buf = atomic_exchange_explicit(&spares[kind], NULL, memory_order_acquire);

	return buf ? buf : malloc(BUFFER_BYTES);
}

void buffer_give(enum buffer_kind kind, uint8_t *buf)
{
	free(atomic_exchange_explicit(&spares[kind], buf, memory_order_acq_rel));
}

/* At exit, and when a program unloads the library. */
__attribute__((destructor)) static void free_spares(void)
{
	for (int kind = 0; kind < BUFFER_NR_KINDS; kind++)
		free(atomic_exchange(&spares[kind], NULL));
}
