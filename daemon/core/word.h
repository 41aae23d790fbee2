/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The ledger word: the truth about one page.
 *
 * Zero unless the page is the head of an allocated block. Storing a word with a kind commits an
 * allocation, storing zero commits a free; nothing else is needed to recover.
 *
 *      31     29 28          19 18             7 6        5 4      0
 *     +---------+--------------+----------------+----------+--------+
 *     |  kind   | request tag  |  client slot   | mobility | order  |
 *     +---------+--------------+----------------+----------+--------+
 *
 * The word of a shared block has the number of a record in place of tag and slot (core/share.h),
 * that of a slab the slab's number (core/slab.h).
 */

#include <stdint.h>
#include <string.h>

#include "core/page.h"

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
#define WORD_MOBILITY_BITS 2u
#define WORD_SLOT_BITS 12u
#define WORD_TAG_BITS 10u
#define WORD_KIND_BITS 3u
#define WORD_MOBILITY_SHIFT WORD_ORDER_BITS
#define WORD_SLOT_SHIFT (WORD_MOBILITY_SHIFT + WORD_MOBILITY_BITS)
#define WORD_TAG_SHIFT (WORD_SLOT_SHIFT + WORD_SLOT_BITS)
#define WORD_KIND_SHIFT (WORD_TAG_SHIFT + WORD_TAG_BITS)

#define WORD_KIND_MASK (UINT32_MAX << WORD_KIND_SHIFT)

#define WORD_NR_SLOTS (1u << WORD_SLOT_BITS)
#define WORD_NR_TAGS (1u << WORD_TAG_BITS)
#define WORD_NR_SHARES (1u << (WORD_SLOT_BITS + WORD_TAG_BITS))

/* Slot 0 is the daemon's own: holes are its. */
#define WORD_SLOT_DAEMON 0u

/*
 * Who is granted a block, on which request, and what can be done about it: a word without kind and
 * order, its fields where the word has them (from the lowest bit up, as on all machines that are
 * little-endian), so that granting makes a word with one or.
 */
struct word_owner {
	uint32_t order : WORD_ORDER_BITS;       /* zero, as is kind: not the owner's */
	uint32_t mobility : WORD_MOBILITY_BITS; /* enum mobility */
	uint32_t slot : WORD_SLOT_BITS;
	uint32_t tag : WORD_TAG_BITS;
	uint32_t kind : WORD_KIND_BITS;
};

_Static_assert(sizeof(struct word_owner) == sizeof(uint32_t), "an owner is laid out as a word");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "an owner is laid out as a word");

static inline uint32_t word_make(enum word_kind kind, struct word_owner owner, unsigned order)
{
	uint32_t word;

	memcpy(&word, &owner, sizeof(word));
	return word | (uint32_t)kind << WORD_KIND_SHIFT | order;
}

static inline enum word_kind word_kind(uint32_t word)
{
	return (enum word_kind)(word >> WORD_KIND_SHIFT);
}

static inline unsigned word_order(uint32_t word)
{
	return word & ((1u << WORD_ORDER_BITS) - 1);
}

static inline enum mobility word_mobility(uint32_t word)
{
	return (enum mobility)(word >> WORD_MOBILITY_SHIFT & ((1u << WORD_MOBILITY_BITS) - 1));
}

static inline unsigned word_slot(uint32_t word)
{
	return word >> WORD_SLOT_SHIFT & (WORD_NR_SLOTS - 1);
}

static inline unsigned word_tag(uint32_t word)
{
	return word >> WORD_TAG_SHIFT & (WORD_NR_TAGS - 1);
}

static inline struct word_owner word_owner(uint32_t word)
{
	return (struct word_owner){ .slot = (uint16_t)word_slot(word),
				    .tag = (uint16_t)word_tag(word),
				    .mobility = (uint8_t)word_mobility(word) };
}

/* Of a shared block: the number of its first record; of a slab: its number. */
static inline uint32_t word_share(uint32_t word)
{
	return word >> WORD_SLOT_SHIFT & (WORD_NR_SHARES - 1);
}

/* The same block, shared: mobility and order stay. */
static inline uint32_t word_make_shared(uint32_t word, uint32_t share)
{
	return (uint32_t)WORD_SHARED << WORD_KIND_SHIFT | share << WORD_SLOT_SHIFT |
	       (word & ((1u << WORD_SLOT_SHIFT) - 1));
}

static inline uint32_t word_make_slab(uint32_t number, enum mobility mobility, unsigned order)
{
	return (uint32_t)WORD_SLAB << WORD_KIND_SHIFT | number << WORD_SLOT_SHIFT |
	       (uint32_t)mobility << WORD_MOBILITY_SHIFT | order;
}
