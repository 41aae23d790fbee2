/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a truth must say, kept by what the core answered and by nothing else.
 *
 * A model is too simple to be wrong: for each page a word for everybody who holds the block that
 * starts there, the word that the block would have if he were its only holder; for each slot a
 * copy.
 */

#include <stdbool.h>
#include <stdint.h>

#include "fault/core.h"

struct model {
	uint32_t room;     /* pages that the zone can have, up to CORE_PAGES_MAX */
	uint32_t nr_pages; /* the zone's size; blocks granted before it shrank may lie behind it */
	uint32_t nr_covered; /* pages of blocks */
	struct slot slots[CORE_NR_SLOTS];
	bool is_covered[CORE_PAGES_MAX];
	uint8_t nr_holders[CORE_PAGES_MAX]; /* of the block that starts here; a hole has one */
	uint32_t words[CORE_PAGES_MAX][CORE_NR_SLOTS];
};

/* A zone of this size, all of it free, and no slot in use. */
void model_init(struct model *model, uint32_t room, uint32_t nr_pages);

/* A block starts at pfn, held by the word's slot. False when it can't: misaligned, too far behind,
 * or over another. */
bool model_grant(struct model *model, uint32_t pfn, uint32_t word);

/* One more holder of the block at pfn. False when there is none, or it is another block. */
bool model_share(struct model *model, uint32_t pfn, uint32_t word);

/* The slot holds the block no more, which is free if it was the last. False when it held none. */
bool model_leave(struct model *model, uint32_t pfn, unsigned slot);

/* The word of the slot's block that starts at pfn, or 0. */
static inline uint32_t model_word(const struct model *model, uint32_t pfn, unsigned slot)
{
	return pfn < model->room ? model->words[pfn][slot] : 0;
}

/*
 * The head of a block with so many holders at least, at or behind a page, round the end;
 * PAGE_NONE when there is none. Holes are no blocks here.
 */
uint32_t model_next_block(const struct model *model, uint32_t pfn, unsigned nr_holders);

/* What the core says of itself. False with *ret when it has two blocks in one place. */
bool model_read(struct model *model, struct core *core, struct zone_fault *ret);

/*
 * Whether each hold of a block and each slot of `found` is as in `before` or as in `after`, and no
 * block's holder is gone. False with *ret.
 */
bool model_is_between(const struct model *found, const struct model *before,
		      const struct model *after, struct zone_fault *ret);
