/* SPDX-License-Identifier: MIT */

/*
 * Freeing what a client names. Nothing it says is believed: the word of the page must be that of a
 * block of this order held by this slot (one compare; the request's tag does not count), or nothing
 * happens. Storing zero into the word is the free; the index follows.
 *
 * A batch is freed as a whole or not at all, in two rounds. The first checks each word and marks it
 * WORD_LEAVING, so that a block named twice is noticed without a table to look it up in; a wrong
 * one undoes the marks. A marked block counts as held to whoever reads the ledger. The second round
 * can't fail: it stores zeros and updates the index, as many pages at once as a leaf has.
 *
 * Whoever frees a shared block ends his own hold of it and no more (zone_share.c). A shared word is
 * never that of a block held alone, so it is noticed where a free fails the one compare.
 */

#include <assert.h>

#include "core/ledger.h"
#include "core/source.h"
#include "core/zone.h"
#include "core/zone_warm.h"

#define FEW_BLOCKS 2u /* of a run */

/* A block that the slot holds, as was checked. */
static void free_block(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot)
{
	uint32_t word = zone->words[pfn];

	if (word_kind(word) == WORD_SHARED) {
		zone_share_leave(zone, pfn, slot);
		return;
	}
	ledger_store(zone, pfn, 0);
	ledger_discount(zone, slot, UINT32_C(1) << order);
	source_put(zone, pfn, order, word);
}

static __attribute__((noinline)) int free_cold(struct zone *zone, uint32_t pfn, unsigned order,
					       unsigned slot)
{
	int r = ledger_check_range(zone, pfn, UINT64_C(1) << order % PAGE_NR_ORDERS, order);

	assert(slot < zone->nr_slots);
	if (!r)
		r = zone_share_check_held(zone, pfn, order, slot);
	if (r)
		return r;
	free_block(zone, pfn, order, slot);
	return 0;
}

int zone_free(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot)
{
	if (zone_free_warm(zone, pfn, order, slot))
		return 0;
	return free_cold(zone, pfn, order, slot);
}

/* Batches. */

static int check_run(const struct zone *zone, unsigned order, const struct page_run *run)
{
	unsigned nr_blocks = 64u - (unsigned)__builtin_clzll(run->mask);

	if (page_address_zone(run->base) != zone->index_in_pool)
		return ZONE_E_RANGE;
	return ledger_check_range(zone, page_address_pfn(run->base),
				  (uint64_t)nr_blocks << order % PAGE_NR_ORDERS, order);
}

static void unmark_blocks(struct zone *zone, uint32_t pfn, unsigned order, uint64_t mask)
{
	for (; mask; mask &= mask - 1) {
		uint32_t at = pfn + ((uint32_t)__builtin_ctzll(mask) << order);

		if (word_kind(zone->words[at]) == WORD_SHARED)
			zone_share_unmark(zone, at);
		else
			zone->words[at] ^= LEDGER_LEAVING;
	}
}

int zone_leave(struct zone *zone, unsigned order, unsigned slot, const struct page_run *run)
{
	const uint32_t held = ledger_held_word(slot, order);
	uint32_t pfn = (uint32_t)page_address_pfn(run->base);
	int r;

	assert(slot < zone->nr_slots);
	if (!run->mask)
		return 0;
	r = check_run(zone, order, run);
	if (r)
		return r;
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		uint32_t at = pfn + ((uint32_t)__builtin_ctzll(mask) << order);
		uint32_t *word = &zone->words[at];

		if ((*word & ~LEDGER_ASIDE_MASK) == held) {
			*word ^= LEDGER_LEAVING;
			continue;
		}
		r = zone_share_mark(zone, at, order, slot);
		if (r) {
			unmark_blocks(zone, pfn, order, run->mask & ((mask & -mask) - 1));
			return r;
		}
	}
	return 0;
}

void zone_leave_cancel(struct zone *zone, unsigned order, const struct page_run *run)
{
	unmark_blocks(zone, (uint32_t)page_address_pfn(run->base), order, run->mask);
}

/* Ends the holds of what is shared in a run; returns the rest. */
static uint64_t leave_shared(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot,
			     uint64_t mask)
{
	uint64_t rest = 0;

	for (; mask; mask &= mask - 1) {
		uint32_t at = pfn + ((uint32_t)__builtin_ctzll(mask) << order);

		if (word_kind(zone->words[at]) == WORD_SHARED)
			zone_share_leave(zone, at, slot);
		else
			rest |= mask & -mask;
	}
	return rest;
}

/* Few blocks go to the warm stack, many to the index at once. */
void zone_leave_finish(struct zone *zone, unsigned order, unsigned slot, const struct page_run *run)
{
	uint32_t pfn = (uint32_t)page_address_pfn(run->base), nr_blocks;
	uint64_t blocks = run->mask;

	if (zone_nr_shares(zone))
		blocks = leave_shared(zone, pfn, order, slot, blocks);
	nr_blocks = (uint32_t)__builtin_popcountll(blocks);
	if (nr_blocks <= FEW_BLOCKS) {
		for (uint64_t mask = blocks; mask; mask &= mask - 1)
			free_block(zone, pfn + ((uint32_t)__builtin_ctzll(mask) << order), order,
				   slot);
		return;
	}
	for (uint64_t mask = blocks; mask; mask &= mask - 1)
		zone->words[pfn + ((uint32_t)__builtin_ctzll(mask) << order)] = 0;
	__atomic_signal_fence(__ATOMIC_RELEASE);
	ledger_discount(zone, slot, nr_blocks << order);
	if (order == 0 && pfn % LEAF_UNITS == 0)
		source_put_pages(zone, pfn, blocks);
	else
		source_put_run(zone, pfn, order, blocks);
}

int zone_free_bulk(struct zone *zone, unsigned order, unsigned slot, const struct page_run *runs,
		   size_t nr_runs)
{
	for (size_t i = 0; i < nr_runs; i++) {
		int r;

		if (i + ZONE_RUNS_AHEAD < nr_runs)
			zone_expect(zone, &runs[i + ZONE_RUNS_AHEAD]);
		r = zone_leave(zone, order, slot, &runs[i]);

		if (r) {
			while (i-- > 0)
				zone_leave_cancel(zone, order, &runs[i]);
			return r;
		}
	}
	for (size_t i = 0; i < nr_runs; i++)
		zone_leave_finish(zone, order, slot, &runs[i]);
	return 0;
}

/* Exact sizes: a block for each bit of nr_pages, the largest first. */

int zone_free_exact(struct zone *zone, uint32_t pfn, uint32_t nr_pages, unsigned slot)
{
	uint32_t at = pfn;
	int r;

	assert(slot < zone->nr_slots);
	if (nr_pages == 0 || nr_pages > zone->capacity)
		return ZONE_E_RANGE;
	r = ledger_check_range(zone, pfn, nr_pages, page_order_of(nr_pages));
	if (r)
		return r;
	for (uint32_t left = nr_pages; left; left -= UINT32_C(1) << page_order_within(left)) {
		unsigned order = page_order_within(left);

		r = zone_share_check_held(zone, at, order, slot);
		if (r)
			return r;
		at += UINT32_C(1) << order;
	}
	while (nr_pages) {
		unsigned order = page_order_within(nr_pages);

		free_block(zone, pfn, order, slot);
		pfn += UINT32_C(1) << order;
		nr_pages -= UINT32_C(1) << order;
	}
	return 0;
}
