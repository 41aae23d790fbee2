/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The ledger word: the truth about one page.
 *
 * Zero unless the page is the head of an allocated block. Storing a word with a kind commits an
 * allocation, storing zero commits a free; nothing else is needed to recover.
 *
 *      31     29 28            17 16             5 4      0
 *     +---------+----------------+----------------+--------+
 *     |  kind   |  request tag   |  client slot   | order  |
 *     +---------+----------------+----------------+--------+
 */

#include <stdint.h>

enum word_kind {
	WORD_FREE = 0,   /* no block starts here */
	WORD_PAGE = 1,   /* pages, one holder */
	WORD_SLAB = 2,   /* pages under a slab cache */
	WORD_SHARED = 3, /* pages, several holders */
	WORD_SCRUB = 4,  /* no holder any more, contents not yet zeroed */
	WORD_HOLE = 5,   /* never handed out */
	WORD_LEAVING = 6 /* held, and named by a batch free that is still being checked */
};

#define WORD_ORDER_BITS 5u
#define WORD_SLOT_BITS 12u
#define WORD_TAG_BITS 12u
#define WORD_SLOT_SHIFT WORD_ORDER_BITS
#define WORD_TAG_SHIFT (WORD_SLOT_SHIFT + WORD_SLOT_BITS)
#define WORD_KIND_SHIFT (WORD_TAG_SHIFT + WORD_TAG_BITS)

#define WORD_KIND_MASK (UINT32_MAX << WORD_KIND_SHIFT)

#define WORD_NR_SLOTS (1u << WORD_SLOT_BITS)
#define WORD_NR_TAGS (1u << WORD_TAG_BITS)

/* Slot 0 is the daemon's own: holes are its. */
#define WORD_SLOT_DAEMON 0u

/* Who is granted a block, and on which request. */
struct word_owner {
	uint16_t slot;
	uint16_t tag;
};

static inline uint32_t word_make(enum word_kind kind, struct word_owner owner, unsigned order)
{
	return (uint32_t)kind << WORD_KIND_SHIFT | (uint32_t)owner.tag << WORD_TAG_SHIFT |
	       (uint32_t)owner.slot << WORD_SLOT_SHIFT | order;
}

static inline enum word_kind word_kind(uint32_t word)
{
	return (enum word_kind)(word >> WORD_KIND_SHIFT);
}

static inline unsigned word_order(uint32_t word)
{
	return word & ((1u << WORD_ORDER_BITS) - 1);
}

static inline unsigned word_slot(uint32_t word)
{
	return word >> WORD_SLOT_SHIFT & (WORD_NR_SLOTS - 1);
}

static inline unsigned word_tag(uint32_t word)
{
	return word >> WORD_TAG_SHIFT & (WORD_NR_TAGS - 1);
}
