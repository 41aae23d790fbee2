/* SPDX-License-Identifier: MIT */
/*
 * Blocks of mixed orders that come and go.
 *
 * The arrays are a stack whose top is what happens next: growing takes the orders that lie above
 * the top, shrinking frees downwards, an exchange works on the part just below it. Random choice is
 * a shuffle of that part with the rest, done before the clock starts. New orders are drawn before
 * each growth: if a block came back with the order that was freed there, growing after shrinking
 * would be an exact rewind, which lists like best and nobody does.
 */

#include "bench/blocks.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "bench/subject.h"

#define RANDOM_SEED UINT64_C(42)

/* An exchange draws victims for this part of all blocks at once. */
#define EXCHANGE_PART 16u

int blocks_init(struct blocks *blocks, uint32_t capacity)
{
	memset(blocks, 0, sizeof(*blocks));
	blocks->pfns = malloc(capacity * sizeof(blocks->pfns[0]));
	blocks->orders = malloc(capacity * sizeof(blocks->orders[0]));
	if (!blocks->pfns || !blocks->orders) {
		blocks_deinit(blocks);
		return -ENOMEM;
	}
	memset(blocks->pfns, 0xff, capacity * sizeof(blocks->pfns[0]));
	memset(blocks->orders, 0xff, capacity * sizeof(blocks->orders[0]));
	blocks->capacity = capacity;
	blocks_reset(blocks);
	return 0;
}

void blocks_deinit(struct blocks *blocks)
{
	free(blocks->pfns);
	free(blocks->orders);
	memset(blocks, 0, sizeof(*blocks));
}

void blocks_reset(struct blocks *blocks)
{
	blocks->nr = 0;
	blocks->nr_pages = 0;
	blocks->nr_failures = 0;
	blocks->nr_errors = 0;
	blocks->random = RANDOM_SEED;
}

void blocks_shuffle_tail(struct blocks *blocks, uint32_t count)
{
	assert(count <= blocks->nr);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t last = blocks->nr - 1 - i;
		uint32_t other = measure_random_below(&blocks->random, (uint64_t)last + 1);
		uint32_t pfn = blocks->pfns[last];
		uint8_t order = blocks->orders[last];

		blocks->pfns[last] = blocks->pfns[other];
		blocks->orders[last] = blocks->orders[other];
		blocks->pfns[other] = pfn;
		blocks->orders[other] = order;
	}
}

/* Heads of a coin in a row: order 0 for one half of the blocks, order 1 for a quarter, ... */
static uint8_t draw_order(uint64_t *random)
{
	uint64_t coins = measure_random(random) >> 32 | 1u << BLOCKS_ORDER_MAX;

	return (uint8_t)__builtin_ctzll(coins);
}

double blocks_grow(struct blocks *blocks, struct subject *subject, uint64_t nr_pages)
{
	uint64_t missing = nr_pages - blocks->nr_pages, started, nr_done;

	assert(nr_pages >= blocks->nr_pages && missing <= blocks->capacity - blocks->nr);
	for (uint64_t i = 0; i < missing; i++)
		blocks->orders[blocks->nr + i] = draw_order(&blocks->random);

	nr_done = blocks->nr;
	started = measure_cpu_ns();
	while (blocks->nr_pages < nr_pages) {
		uint8_t *order = &blocks->orders[blocks->nr];

		if (subject_alloc(subject, *order, &blocks->pfns[blocks->nr]) != 0) {
			assert(*order > 0); /* fewer pages are wanted than there are */
			blocks->nr_failures++;
			*order = 0;
			continue;
		}
		blocks->nr_pages += UINT64_C(1) << *order;
		blocks->nr++;
	}
	return (double)(measure_cpu_ns() - started) / (double)(blocks->nr - nr_done);
}

double blocks_shrink(struct blocks *blocks, struct subject *subject, uint64_t nr_pages)
{
	uint32_t before = blocks->nr;
	uint64_t started;

	blocks_shuffle_tail(blocks, blocks->nr);
	started = measure_cpu_ns();
	while (blocks->nr_pages > nr_pages) {
		uint32_t last = --blocks->nr;

		if (blocks->pfns[last] != PAGE_NONE &&
		    subject_free(subject, blocks->pfns[last], blocks->orders[last]) != 0)
			blocks->nr_errors++;
		blocks->nr_pages -= UINT64_C(1) << blocks->orders[last];
	}
	return (double)(measure_cpu_ns() - started) / (double)(before - blocks->nr);
}

static void exchange_batch(struct blocks *blocks, struct subject *subject, uint32_t first)
{
	uint32_t *pfns = &blocks->pfns[first];
	const uint8_t *orders = &blocks->orders[first];

	for (unsigned i = 0; i < BLOCKS_BATCH; i++) {
		if (pfns[i] != PAGE_NONE && subject_free(subject, pfns[i], orders[i]) != 0)
			blocks->nr_errors++;
	}
	for (unsigned i = BLOCKS_BATCH; i-- > 0;) {
		if (subject_alloc(subject, orders[i], &pfns[i]) != 0) {
			pfns[i] = PAGE_NONE;
			blocks->nr_failures++;
		}
	}
}

double blocks_exchange(struct blocks *blocks, struct subject *subject, unsigned nr_batches)
{
	unsigned part_batches = blocks->nr / BLOCKS_BATCH / EXCHANGE_PART;
	uint64_t spent_ns = 0;

	assert(part_batches > 0);
	for (unsigned done = 0; done < nr_batches;) {
		unsigned left = nr_batches - done;
		unsigned part = left < part_batches ? left : part_batches;
		uint64_t started;

		blocks_shuffle_tail(blocks, part * BLOCKS_BATCH);
		started = measure_cpu_ns();
		for (unsigned batch = 1; batch <= part; batch++)
			exchange_batch(blocks, subject, blocks->nr - batch * BLOCKS_BATCH);
		spent_ns += measure_cpu_ns() - started;
		done += part;
	}
	return (double)spent_ns / nr_batches / (2.0 * BLOCKS_BATCH);
}
