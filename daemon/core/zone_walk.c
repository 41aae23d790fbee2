/* SPDX-License-Identifier: MIT */

/*
 * Going through what is held: to free all that a slot has, and to tell who has what.
 *
 * The ledger is read from front to back, a leaf's 64 words at a time. Both walks stop after as many
 * words as the caller allows and go on later where they stopped, so that neither keeps the loop
 * from its other work. A release does not look where the slot was never granted anything, steps
 * over large blocks of others, and ends with the last page that the slot holds.
 */

#include <assert.h>

#include "core/ledger.h"
#include "core/zone.h"

/* What makes a word one of a slot's blocks, of any order. */
#define HOLDER_MASK (WORD_KIND_MASK | (uint32_t)(WORD_NR_SLOTS - 1) << WORD_SLOT_SHIFT)

/* One bit a word: it is the head of a block that the slot holds. */
static uint64_t held_heads(const uint32_t *words, uint32_t held)
{
	uint64_t heads = 0;
	uint32_t any = 0;

	/* Most leaves have none: that is told without a branch a word. */
	for (unsigned i = 0; i < LEAF_UNITS; i++)
		any |= (words[i] & HOLDER_MASK) == held;
	for (unsigned i = 0; any && i < LEAF_UNITS; i++)
		heads |= (uint64_t)((words[i] & HOLDER_MASK) == held) << i;
	return heads;
}

static void count_released(struct zone *zone, unsigned slot, uint32_t nr_pages, uint32_t nr_blocks)
{
	zone->holders[slot].nr_pages -= nr_pages;
	zone->counters.frees += nr_blocks;
	zone->counters.pages_released += nr_pages;
}

/* Frees what a slot holds among the 64 pages at base. */
static void release_leaf(struct zone *zone, unsigned slot, uint32_t base)
{
	uint32_t *words = zone->words + base;
	uint64_t heads = held_heads(words, ledger_held_word(slot, 0)), pages = 0;
	uint32_t nr_blocks = 0, nr_pages;

	if (!heads)
		return;
	if (word_order(words[0]) >= INDEX_LEVEL_SHIFT) {
		zone->counters.pages_released += UINT32_C(1) << word_order(words[0]);
		ledger_free(zone, base, word_order(words[0]), slot);
		return;
	}
	for (; heads; heads &= heads - 1, nr_blocks++) {
		unsigned i = (unsigned)__builtin_ctzll(heads);

		pages |= leaf_mask(i, word_order(words[i]));
		ledger_store(zone, base + i, 0);
	}
	nr_pages = (uint32_t)__builtin_popcountll(pages);
	count_released(zone, slot, nr_pages, nr_blocks);
	index_give_pages(&zone->index, base, pages, nr_pages);
}

/* Where the leaf or the larger block at base ends. */
static uint32_t next_leaf(const struct zone *zone, uint32_t base)
{
	unsigned order = word_order(zone->words[base]);

	return base + (UINT32_C(1) << (order > INDEX_LEVEL_SHIFT ? order : INDEX_LEVEL_SHIFT));
}

bool zone_release(struct zone *zone, unsigned slot, uint32_t max_pages, uint32_t *cursor)
{
	const uint32_t region_pages = UINT32_C(1) << LEDGER_REGION_ORDER;
	const uint32_t nr_pages = zone->index.nr_pages;
	uint32_t base = *cursor - *cursor % LEAF_UNITS, looked = 0;

	assert(slot < zone->nr_slots);
	while (zone->holders[slot].nr_pages && base < nr_pages) {
		uint32_t next;

		if (!(*ledger_region(zone, slot, base) & ledger_region_bit(base))) {
			base = (base / region_pages + 1) * region_pages;
			continue;
		}
		if (looked >= max_pages) {
			*cursor = base;
			return false;
		}
		next = next_leaf(zone, base);
		release_leaf(zone, slot, base);
		looked += LEAF_UNITS;
		base = next;
	}
	if (!zone->holders[slot].nr_pages)
		for (uint32_t i = 0; i < zone->region_words; i++)
			ledger_region(zone, slot, 0)[i] = 0;
	*cursor = nr_pages;
	return true;
}

bool zone_next_block(const struct zone *zone, int slot, uint32_t max_pages, uint32_t *cursor,
		     struct zone_block *ret)
{
	const uint32_t nr_pages = zone->index.nr_pages;
	uint32_t pfn = *cursor < nr_pages ? *cursor : nr_pages;
	uint32_t end = nr_pages - pfn > max_pages ? pfn + max_pages : nr_pages;

	for (uint32_t size = 1; pfn < end; pfn += size) {
		uint32_t word = zone->words[pfn];

		size = UINT32_C(1) << word_order(word);
		if (!word || (slot >= 0 && word_slot(word) != (unsigned)slot))
			continue;
		*ret = (struct zone_block){
			.pfn = pfn,
			.order = word_order(word),
			.kind = word_kind(word),
			.owner = { .slot = (uint16_t)word_slot(word),
				   .tag = (uint16_t)word_tag(word) },
		};
		*cursor = pfn + size;
		return true;
	}
	*cursor = pfn;
	return false;
}
