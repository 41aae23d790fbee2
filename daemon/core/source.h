/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Where a zone's pages come from, and where they go when they are free: the warm stacks, the index,
 * the contiguous area, other groups, out of use. Knows nothing of ledger words. Private to zone*.c;
 * source.c tells the order.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/zone.h"

/* Takes a block when no warm one is left. Its pfn, or PAGE_NONE. */
uint32_t source_take(struct zone *zone, unsigned order, enum mobility mobility);

/*
 * The same for all blocks of an order, 0 .. 5, that a leaf has: a bit for the first page of each,
 * from *ret_base on; or 0.
 */
uint64_t source_take_leaf(struct zone *zone, unsigned order, enum mobility mobility,
			  uint32_t *ret_base);

/* The same for nr_pages adjacent ones, split as index_take_exact() does. */
uint32_t source_take_exact(struct zone *zone, uint32_t nr_pages, enum mobility mobility);

/* Takes one block, and keeps warm what else its leaf has. Its pfn, or PAGE_NONE. */
uint32_t source_refill(struct zone *zone, unsigned order, enum mobility mobility);

/* Takes a block, warm or not. Its pfn, or PAGE_NONE. The order is not above the zone's largest. */
uint32_t source_get(struct zone *zone, unsigned order, enum mobility mobility);

/* A block is free that had this word: to the warm stacks, or wherever. */
void source_put(struct zone *zone, uint32_t pfn, unsigned order, uint32_t word);

/* Pages of one leaf are free: to the index, or out of use. base is a multiple of 64. */
void source_put_pages(struct zone *zone, uint32_t base, uint64_t mask);

/* Blocks of one order are free, those of a page_run that starts at pfn. */
void source_put_run(struct zone *zone, uint32_t pfn, unsigned order, uint64_t mask);

/* Moves the edge towards the size: takes what is free beyond out of use, or brings it in. */
void source_retire(struct zone *zone, uint32_t max_pages);
void source_grow(struct zone *zone, uint32_t max_pages);

/* Sets the limit: the edge, or the size if that is lower, or the head of the block across it. */
void source_set_limit(struct zone *zone);

static inline bool source_is_retiring(const struct zone *zone)
{
	return zone->edge > zone->nr_pages;
}

static inline struct index *source_index(struct zone *zone, uint32_t pfn)
{
	return pfn < zone->nr_contiguous ? &zone->contiguous : &zone->index;
}

static inline uint64_t source_free_pages(const struct zone *zone, uint32_t base)
{
	return index_free_pages(base < zone->nr_contiguous ? &zone->contiguous : &zone->index,
				base);
}
