/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Writing a zone's ledger: the words, and the sums over them that each holder has. Private to
 * zone*.c.
 *
 * A word is stored with release order, so that a process killed at any instruction leaves the
 * words as a prefix of the program's stores would. Only the compiler could reorder them: the
 * memory outlives the process, and other processors read it after its end.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/leaf.h"
#include "core/zone.h"

#define LEDGER_REGION_ORDER 18u /* a bit of zone.regions is 1 GiB */

/* What two words of blocks that a slot holds may differ in. */
#define LEDGER_TAG_MASK ((WORD_NR_TAGS - 1) << WORD_TAG_SHIFT)

/* Turns a WORD_PAGE into a WORD_LEAVING and back. */
#define LEDGER_LEAVING ((uint32_t)(WORD_PAGE ^ WORD_LEAVING) << WORD_KIND_SHIFT)

static inline void ledger_store(struct zone *zone, uint32_t pfn, uint32_t word)
{
	__atomic_store_n(&zone->words[pfn], word, __ATOMIC_RELEASE);
}

/* The word of a block of pages that a slot holds, but for the tag. */
static inline uint32_t ledger_held_word(unsigned slot, unsigned order)
{
	return word_make(WORD_PAGE, (struct word_owner){ .slot = (uint16_t)slot }, order);
}

static inline bool ledger_is_held(uint32_t word, unsigned slot, unsigned order)
{
	return (word & ~LEDGER_TAG_MASK) == ledger_held_word(slot, order);
}

/* Why a word is not that of a block of this order that the slot holds. */
static inline enum zone_error ledger_refusal(uint32_t word, unsigned order)
{
	if (word_kind(word) == WORD_FREE)
		return ZONE_E_NOT_HEAD;
	if (word_kind(word) == WORD_LEAVING)
		return ZONE_E_TWICE;
	return word_order(word) != order ? ZONE_E_ORDER : ZONE_E_NOT_HELD;
}

static inline uint64_t *ledger_region(const struct zone *zone, unsigned slot, uint32_t pfn)
{
	return &zone->regions[slot * (size_t)zone->region_words +
			      (pfn >> LEDGER_REGION_ORDER) / 64];
}

static inline uint64_t ledger_region_bit(uint32_t pfn)
{
	return UINT64_C(1) << (pfn >> LEDGER_REGION_ORDER) % 64;
}

/* Counts blocks for a slot, all in the region of pfn. */
static inline void ledger_account(struct zone *zone, uint32_t pfn, unsigned slot, uint32_t nr_pages,
				  uint32_t nr_blocks)
{
	zone->holders[slot].nr_pages += nr_pages;
	*ledger_region(zone, slot, pfn) |= ledger_region_bit(pfn);
	zone->counters.allocs += nr_blocks;
}

static inline void ledger_grant(struct zone *zone, uint32_t pfn, unsigned order,
				struct word_owner owner)
{
	ledger_account(zone, pfn, owner.slot, UINT32_C(1) << order, 1);
	ledger_store(zone, pfn, word_make(WORD_PAGE, owner, order));
}

/* Frees a block whose word was checked. */
static inline void ledger_free(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot)
{
	ledger_store(zone, pfn, 0);
	zone->holders[slot].nr_pages -= UINT32_C(1) << order;
	zone->counters.frees++;
	index_give(&zone->index, pfn, order);
}
