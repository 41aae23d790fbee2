/* SPDX-License-Identifier: MIT */

/* Reading a ledger where nothing else says what is held: at sizes that change, and in doubt. */

#include "core/ledger.h"

uint64_t ledger_find(const uint32_t *words, uint32_t mask, uint32_t wanted)
{
	/* Compilers make vectors of it, but not of shifts by a variable. */
#define FOUR_BITS(n) 1u << (n), 2u << (n), 4u << (n), 8u << (n)
	static const uint32_t bits[LEAF_UNITS / 2] = { FOUR_BITS(0),  FOUR_BITS(4),  FOUR_BITS(8),
						       FOUR_BITS(12), FOUR_BITS(16), FOUR_BITS(20),
						       FOUR_BITS(24), FOUR_BITS(28) };
#undef FOUR_BITS
	uint32_t low = 0, high = 0;

	for (unsigned i = 0; i < LEAF_UNITS / 2; i++) {
		low |= (words[i] & mask) == wanted ? bits[i] : 0;
		high |= (words[i + LEAF_UNITS / 2] & mask) == wanted ? bits[i] : 0;
	}
	return (uint64_t)high << 32 | low;
}

uint32_t ledger_across(const struct zone *zone, uint32_t pfn)
{
	for (unsigned order = 1; order <= zone->max_order; order++) {
		uint32_t head = pfn & ~((UINT32_C(1) << order) - 1);

		if (head < pfn && word_order(zone->words[head]) == order)
			return head;
	}
	return pfn;
}

uint32_t ledger_covered_until(const struct zone *zone, uint32_t base)
{
	uint32_t head = ledger_across(zone, base);

	return head < base ? head + (UINT32_C(1) << word_order(zone->words[head])) : base;
}

uint64_t ledger_held_pages(const struct zone *zone, uint32_t base)
{
	const uint32_t *words = zone->words + base;
	uint64_t held = 0;

	if (ledger_covered_until(zone, base) > base)
		return LEAF_FULL;
	for (unsigned i = 0; i < LEAF_UNITS; i++) {
		unsigned order = word_order(words[i]);

		if (words[i])
			held |= leaf_mask(i, order < LEDGER_LEAF_ORDER ? order : LEDGER_LEAF_ORDER);
	}
	return held;
}
