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
 */

#include <assert.h>

#include "core/ledger.h"
#include "core/zone.h"

static int check_range(const struct zone *zone, uint64_t pfn, uint64_t nr_pages, unsigned order)
{
	if (order > zone->index.max_order)
		return ZONE_E_ALIGN;
	if (pfn >= zone->index.nr_pages || nr_pages > zone->index.nr_pages - pfn)
		return ZONE_E_RANGE;
	return pfn & ((UINT64_C(1) << order) - 1) ? ZONE_E_ALIGN : 0;
}

static __attribute__((noinline)) int why_not_held(const struct zone *zone, uint32_t pfn,
						  unsigned order)
{
	int r = check_range(zone, pfn, UINT64_C(1) << order % PAGE_NR_ORDERS, order);

	return r ? r : (int)ledger_refusal(zone->words[pfn], order);
}

/* A word that is right is one of a block within the zone, aligned to its order. */
int zone_free(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot)
{
	assert(slot < zone->nr_slots);
	if (pfn < zone->index.nr_pages && order <= zone->index.max_order &&
	    ledger_is_held(zone->words[pfn], slot, order)) {
		ledger_free(zone, pfn, order, slot);
		return 0;
	}
	return why_not_held(zone, pfn, order);
}

/* Batches. */

static int check_run(const struct zone *zone, unsigned order, const struct page_run *run)
{
	unsigned nr_blocks = 64u - (unsigned)__builtin_clzll(run->mask);

	if (page_address_zone(run->base) != zone->index_in_pool)
		return ZONE_E_RANGE;
	return check_range(zone, page_address_pfn(run->base),
			   (uint64_t)nr_blocks << order % PAGE_NR_ORDERS, order);
}

static void toggle_leaving(uint32_t *words, unsigned order, uint64_t mask)
{
	for (; mask; mask &= mask - 1)
		words[(uint32_t)__builtin_ctzll(mask) << order] ^= LEDGER_LEAVING;
}

int zone_leave(struct zone *zone, unsigned order, unsigned slot, const struct page_run *run)
{
	const uint32_t held = ledger_held_word(slot, order);
	uint32_t *words;
	int r;

	assert(slot < zone->nr_slots);
	if (!run->mask)
		return 0;
	r = check_run(zone, order, run);
	if (r)
		return r;
	words = zone->words + page_address_pfn(run->base);
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		uint32_t *word = &words[(uint32_t)__builtin_ctzll(mask) << order];

		if ((*word & ~LEDGER_TAG_MASK) != held) {
			toggle_leaving(words, order, run->mask & ((mask & -mask) - 1));
			return ledger_refusal(*word, order);
		}
		*word ^= LEDGER_LEAVING;
	}
	return 0;
}

void zone_leave_cancel(struct zone *zone, unsigned order, const struct page_run *run)
{
	toggle_leaving(zone->words + page_address_pfn(run->base), order, run->mask);
}

void zone_leave_finish(struct zone *zone, unsigned order, unsigned slot, const struct page_run *run)
{
	uint32_t pfn = (uint32_t)page_address_pfn(run->base);
	uint32_t *words = zone->words + pfn;
	uint32_t nr_blocks = 0;

	for (uint64_t mask = run->mask; mask; mask &= mask - 1, nr_blocks++)
		words[(uint32_t)__builtin_ctzll(mask) << order] = 0;
	__atomic_signal_fence(__ATOMIC_RELEASE);
	zone->holders[slot].nr_pages -= nr_blocks << order;
	zone->counters.frees += nr_blocks;
	if (order == 0 && pfn % LEAF_UNITS == 0 && run->mask)
		index_give_pages(&zone->index, pfn, run->mask, nr_blocks);
	else
		index_give_run(&zone->index, pfn, order, run->mask);
}

int zone_free_bulk(struct zone *zone, unsigned order, unsigned slot, const struct page_run *runs,
		   size_t nr_runs)
{
	for (size_t i = 0; i < nr_runs; i++) {
		int r = zone_leave(zone, order, slot, &runs[i]);

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

static unsigned largest_order(uint32_t nr_pages)
{
	return 31u - (unsigned)__builtin_clz(nr_pages);
}

/* The head is freed first, so that a head in the ledger stays proof of the whole. */
int zone_free_exact(struct zone *zone, uint32_t pfn, uint32_t nr_pages, unsigned slot)
{
	uint32_t at = pfn;
	int r;

	assert(slot < zone->nr_slots);
	if (nr_pages == 0 || nr_pages > zone->index.nr_pages)
		return ZONE_E_RANGE;
	r = check_range(zone, pfn, nr_pages, page_order_of(nr_pages));
	if (r)
		return r;
	for (uint32_t left = nr_pages; left; left -= UINT32_C(1) << largest_order(left)) {
		unsigned order = largest_order(left);

		if (!ledger_is_held(zone->words[at], slot, order))
			return ledger_refusal(zone->words[at], order);
		at += UINT32_C(1) << order;
	}
	while (nr_pages) {
		unsigned order = largest_order(nr_pages);

		ledger_free(zone, pfn, order, slot);
		pfn += UINT32_C(1) << order;
		nr_pages -= UINT32_C(1) << order;
	}
	return 0;
}
