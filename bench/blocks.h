/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The blocks that a workload holds: allocated blocks of mixed orders that come and go. What is
 * timed walks the arrays in sequence; victims are drawn beforehand, so that the caches that miss
 * are the allocator's own.
 */

#include <stdint.h>

struct subject;

/* Blocks freed and allocated in one go by blocks_exchange(). */
#define BLOCKS_BATCH 128u
#define BLOCKS_ORDER_MAX 9u

struct blocks {
	uint32_t *pfns;  /* PAGE_NONE: an exchange found no block for it */
	uint8_t *orders; /* beyond `nr`: the orders of blocks to come */
	uint32_t nr;
	uint32_t capacity;
	uint64_t nr_pages;
	uint64_t nr_failures; /* allocations that found no block of that order */
	uint64_t nr_errors;   /* frees that were refused: a bug */
	uint64_t random;
};

/* Room for `capacity` blocks, all of it touched. 0 or -ENOMEM. */
int blocks_init(struct blocks *blocks, uint32_t capacity);
void blocks_deinit(struct blocks *blocks);

/* Forgets all blocks, and begins the same random sequence again. */
void blocks_reset(struct blocks *blocks);

/* Moves `count` blocks, drawn at random, to the end. */
void blocks_shuffle_tail(struct blocks *blocks, uint32_t count);

/*
 * Each does its work and returns the CPU time that the allocator took, in ns a block.
 *
 * grow: allocates blocks of orders 0 to 9, each half as frequent as the one below, until nr_pages
 * are allocated. shrink: frees blocks in random order until no more are. exchange: frees a batch of
 * random victims and allocates as many of the same orders, the order freed last first; ns an
 * operation.
 */
double blocks_grow(struct blocks *blocks, struct subject *subject, uint64_t nr_pages);
double blocks_shrink(struct blocks *blocks, struct subject *subject, uint64_t nr_pages);
double blocks_exchange(struct blocks *blocks, struct subject *subject, unsigned nr_batches);
