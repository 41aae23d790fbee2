/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Shared blocks, as the rest of a zone meets them. Private to zone*.c; zone_share.c tells the idea.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/zone.h"

/* Whether the slot holds the block of this order at pfn, shared or alone: 0 or a zone_error. */
int zone_share_check_held(const struct zone *zone, uint32_t pfn, unsigned order, unsigned slot);

/* Ends a slot's hold of a shared block. */
void zone_share_leave(struct zone *zone, uint32_t pfn, unsigned slot);

/* Marks a slot's hold as leaving, if the block is shared: 0 or a zone_error. */
int zone_share_mark(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot);

/* Whoever is marked in a shared block is not leaving. */
void zone_share_unmark(struct zone *zone, uint32_t pfn);

/*
 * Ends the slot's holds of shared blocks, going through the records from *cursor on until *looked,
 * in words, reaches max_words. True when there are no more; *cursor is then at nr_records.
 */
bool zone_share_release(struct zone *zone, unsigned slot, uint32_t max_words, uint32_t *cursor,
			uint32_t *looked);

/* What no zone would have stored in the records of a shared block, or NULL. A static string. */
const char *zone_share_check_word(const struct zone *zone, uint32_t pfn, uint32_t word);

/* The same of what is derived, at a moment when no batch free is being checked. */
const char *zone_share_check(const struct zone *zone, uint32_t pfn);

/* All that must hold among the records of all blocks. */
const char *zone_share_validate(const struct zone *zone);

/* Recovers the holds of a block whose word is checked; true if one of them is marked. */
bool zone_share_recover(struct zone *zone, uint32_t pfn, uint32_t word);
