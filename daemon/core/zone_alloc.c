/* SPDX-License-Identifier: MIT */

/*
 * Granting pages. source.c finds them; here they get their words, and with that their holder.
 *
 * The commonest request, a block that is warm, is a pop and two stores, in line (zone_warm.h).
 * Single pages in number come by the leaf, and what is named by one run is written as one.
 */

#include <assert.h>

#include "core/ledger.h"
#include "core/source.h"
#include "core/zone.h"
#include "core/zone_warm.h"

static int grant_failed(struct zone *zone)
{
	zone->counters.failures++;
	return ZONE_E_FULL;
}

static __attribute__((noinline)) int alloc_cold(struct zone *zone, unsigned order,
						struct word_owner owner, uint32_t *ret_pfn)
{
	uint32_t pfn = PAGE_NONE;

	assert(owner.mobility < NR_MOBILITIES);
	if (order <= zone->max_order)
		pfn = source_refill(zone, order, (enum mobility)owner.mobility);
	if (pfn == PAGE_NONE)
		return grant_failed(zone);
	ledger_grant(zone, pfn, order, owner);
	*ret_pfn = pfn;
	return 0;
}

int zone_alloc(struct zone *zone, unsigned order, struct word_owner owner, uint32_t *ret_pfn)
{
	if (zone_alloc_warm(zone, order, owner, ret_pfn))
		return 0;
	return alloc_cold(zone, order, owner, ret_pfn);
}

/* Stores the same word for many single pages of a leaf; returns how many. */
static uint32_t store_words(uint32_t *words, uint64_t mask, uint32_t word)
{
	uint32_t n = 0;

	if (mask == LEAF_FULL) {
		for (unsigned i = 0; i < LEAF_UNITS; i++)
			words[i] = word;
		return LEAF_UNITS;
	}
	for (; mask; mask &= mask - 1, n++)
		words[__builtin_ctzll(mask)] = word;
	return n;
}

/* Adds a block to the last of the runs from `first` on if it is near enough, else to a new one. */
static void append_block(uint64_t address, unsigned order, struct page_run *runs, size_t first,
			 size_t *nr_runs)
{
	uint64_t base = address & ~((UINT64_C(64) << order) - 1);

	if (*nr_runs == first || runs[*nr_runs - 1].base != base)
		runs[(*nr_runs)++] = (struct page_run){ .base = base };
	runs[*nr_runs - 1].mask |= UINT64_C(1) << ((address - base) >> order);
}

/* Single pages by the leaf, until fewer are wanted than a leaf can have. */
static size_t alloc_bulk_pages(struct zone *zone, size_t count, struct word_owner owner,
			       struct page_run *runs, size_t *nr_runs)
{
	size_t granted = 0;
	uint32_t base, n;
	uint64_t mask;

	while (count - granted >= LEAF_UNITS) {
		mask = source_take_leaf(zone, 0, (enum mobility)owner.mobility, &base);
		if (!mask)
			break;
		n = store_words(zone->words + base, mask, word_make(WORD_PAGE, owner, 0));
		ledger_account(zone, base, owner.slot, n);
		runs[(*nr_runs)++] =
			(struct page_run){ .base = page_address(zone->index_in_pool, base),
					   .mask = mask };
		granted += n;
	}
	return granted;
}

size_t zone_alloc_bulk(struct zone *zone, unsigned order, size_t count, struct word_owner owner,
		       struct page_run *runs, size_t *nr_runs)
{
	size_t granted = 0, first;

	assert(owner.slot < zone->nr_slots && owner.mobility < NR_MOBILITIES);
	if (order == 0)
		granted = alloc_bulk_pages(zone, count, owner, runs, nr_runs);
	for (first = *nr_runs; granted < count; granted++) {
		uint32_t pfn;

		if (zone_alloc(zone, order, owner, &pfn))
			break;
		append_block(page_address(zone->index_in_pool, pfn), order, runs, first, nr_runs);
	}
	/* The words may have been stored in any order, but before whatever tells of them. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	return granted;
}

int zone_alloc_exact(struct zone *zone, uint32_t nr_pages, struct word_owner owner,
		     uint32_t *ret_pfn)
{
	uint32_t pfn, behind = nr_pages;

	assert(owner.slot < zone->nr_slots && owner.mobility < NR_MOBILITIES);
	if (nr_pages == 0 || nr_pages > UINT32_C(1) << zone->max_order)
		return grant_failed(zone);
	pfn = source_take_exact(zone, nr_pages, (enum mobility)owner.mobility);
	if (pfn == PAGE_NONE)
		return grant_failed(zone);
	for (uint32_t rest = nr_pages; rest; rest &= rest - 1) {
		unsigned last = (unsigned)__builtin_ctz(rest);

		behind -= UINT32_C(1) << last;
		ledger_grant(zone, pfn + behind, last, owner);
	}
	*ret_pfn = pfn;
	return 0;
}
