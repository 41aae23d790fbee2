/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Writing a zone's ledger: its header, its words, and the sums over them that each holder has.
 * Private to zone*.c.
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
#include "core/zone_share.h"

/* What two words of blocks that a slot holds may differ in. */
#define LEDGER_TAG_MASK ((WORD_NR_TAGS - 1) << WORD_TAG_SHIFT)
#define LEDGER_MOBILITY_MASK (((1u << WORD_MOBILITY_BITS) - 1) << WORD_MOBILITY_SHIFT)
#define LEDGER_ASIDE_MASK (LEDGER_TAG_MASK | LEDGER_MOBILITY_MASK)

/* Turns a WORD_PAGE into a WORD_LEAVING and back. */
#define LEDGER_LEAVING ((uint32_t)(WORD_PAGE ^ WORD_LEAVING) << WORD_KIND_SHIFT)

#define LEDGER_MAGIC UINT64_C(0x31676470676170fe) /* no text, "pagpdg1" */
#define LEDGER_VERSION 2u

/*
 * The first page of a ledger; the share records follow, then the words of pages, and behind all of
 * them what slabs need: of both parts a ledger that is to grow uses what comes first. The magic is
 * stored last when a ledger is made. nr_pages is the zone's size and changes by one store; end is
 * stored before, and never falls.
 */
struct ledger_header {
	uint64_t magic;
	uint32_t version;
	uint32_t index_in_pool;
	uint32_t capacity;
	uint32_t nr_contiguous;
	uint32_t max_order;
	uint32_t nr_pages;
	uint32_t end; /* no page from there on was ever in use */
	uint32_t nr_shares;
	uint32_t nr_slab_units;
};

#define LEDGER_HEADER_BYTES 4096u

static inline void ledger_store(struct zone *zone, uint32_t pfn, uint32_t word)
{
	__atomic_store_n(&zone->words[pfn], word, __ATOMIC_RELEASE);
}

/* The word of a block of pages that a slot holds, but for the tag and the mobility. */
static inline uint32_t ledger_held_word(unsigned slot, unsigned order)
{
	return (uint32_t)WORD_PAGE << WORD_KIND_SHIFT | (uint32_t)slot << WORD_SLOT_SHIFT | order;
}

static inline bool ledger_is_held(uint32_t word, unsigned slot, unsigned order)
{
	return (word & ~LEDGER_ASIDE_MASK) == ledger_held_word(slot, order);
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

/* Why there can't be a block of this order at pfn, or nr_pages from there on: 0 or a zone_error. */
static inline int ledger_check_range(const struct zone *zone, uint64_t pfn, uint64_t nr_pages,
				     unsigned order)
{
	if (order > zone->max_order)
		return ZONE_E_ALIGN;
	if (pfn >= zone->capacity || nr_pages > zone->capacity - pfn)
		return ZONE_E_RANGE;
	return pfn & ((UINT64_C(1) << order) - 1) ? ZONE_E_ALIGN : 0;
}

static inline uint64_t ledger_region_bit(const struct zone *zone, uint32_t pfn)
{
	return UINT64_C(1) << (pfn >> zone->region_order);
}

/* Counts pages that a slot holds, all in the region of pfn. */
static inline void ledger_hold(struct zone *zone, uint32_t pfn, unsigned slot, uint32_t nr_pages)
{
	struct zone_holder *holder = &zone->holders[slot];

	holder->nr_pages += nr_pages;
	holder->regions |= ledger_region_bit(zone, pfn);
}

/* The same of pages that were free. */
static inline void ledger_account(struct zone *zone, uint32_t pfn, unsigned slot, uint32_t nr_pages)
{
	ledger_hold(zone, pfn, slot, nr_pages);
	zone->counters.allocs += nr_pages;
}

static inline void ledger_grant(struct zone *zone, uint32_t pfn, unsigned order,
				struct word_owner owner)
{
	ledger_account(zone, pfn, owner.slot, UINT32_C(1) << order);
	ledger_store(zone, pfn, word_make(WORD_PAGE, owner, order));
}

/* Pages of a slot are free, but not yet in the index. */
static inline void ledger_discount(struct zone *zone, unsigned slot, uint32_t nr_pages)
{
	zone->holders[slot].nr_pages -= nr_pages;
	zone->counters.frees += nr_pages;
}

/* What no zone would have stored at this page, or NULL. A static string. */
static inline const char *ledger_check_word(const struct zone *zone, uint32_t pfn, uint32_t word)
{
	unsigned order = word_order(word);
	const char *what;

	if (word_mobility(word) >= NR_MOBILITIES)
		return "a block is of no known mobility";
	switch (word_kind(word)) {
	case WORD_PAGE:
	case WORD_LEAVING:
		if (word_slot(word) >= zone->nr_slots)
			return "a block's holder is no slot";
		break;
	case WORD_SHARED:
		what = zone_share_check_word(zone, pfn, word);
		if (what)
			return what;
		break;
	case WORD_SLAB:
		if (word_share(word) >= zone->slabs.nr_units)
			return "a slab's number is that of none";
		break;
	case WORD_HOLE:
		break;
	default:
		return "a block is of no known kind";
	}
	if (order > zone->max_order)
		return "a block is larger than the largest order";
	if (pfn & ((UINT32_C(1) << order) - 1))
		return "a block is not aligned to its order";
	if (pfn >= zone->header->end || UINT32_C(1) << order > zone->header->end - pfn)
		return "a block ends behind the zone";
	return NULL;
}

/* A bit for each of 64 words that is as wanted in the bits of the mask. */
uint64_t ledger_find(const uint32_t *words, uint32_t mask, uint32_t wanted);

#define LEDGER_LEAF_ORDER 6u /* a block that fills a leaf of 64 words */

/*
 * The head of the block that has this page and the one before it, or pfn if there is none. It is
 * found by looking at the few heads that such a block could have.
 */
uint32_t ledger_across(const struct zone *zone, uint32_t pfn);

/* Where that block ends, or base if there is none. */
uint32_t ledger_covered_until(const struct zone *zone, uint32_t base);

/* Which of the 64 pages from base on, a multiple of 64, are held, by the words alone. */
uint64_t ledger_held_pages(const struct zone *zone, uint32_t base);
