/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The commonest request and the commonest free, of a block that is warm or becomes so: what
 * zone_alloc() and zone_free() try first, in line. False, and nothing has changed, when it takes
 * more; then ask those.
 *
 * A free waits for the word, and a processor waits for as many words at once as it has frees in
 * sight: so this is short, and leaves all doubt to the other path.
 */

#include "core/ledger.h"
#include "core/warm.h"
#include "core/zone.h"

static inline bool zone_alloc_warm(struct zone *zone, unsigned order, struct word_owner owner,
				   uint32_t *ret_pfn)
{
	const enum mobility mobility = (enum mobility)owner.mobility;
	uint32_t pfn;

	assert(owner.slot < zone->nr_slots);
	if (order > zone->max_order || (!warm_pop(&zone->warm, order, mobility, &pfn) &&
					!warm_pick(&zone->warm, order, mobility, &pfn)))
		return false;
	ledger_grant(zone, pfn, order, owner);
	*ret_pfn = pfn;
	return true;
}

static inline bool zone_free_warm(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot)
{
	uint32_t word;

	if (pfn >= zone->limit || order > zone->max_order)
		return false;
	word = zone->words[pfn];
	if (!ledger_is_held(word, slot, order) || !warm_push(&zone->warm, order, word, pfn))
		return false;
	ledger_store(zone, pfn, 0);
	ledger_discount(zone, slot, UINT32_C(1) << order);
	return true;
}
