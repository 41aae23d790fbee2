/* SPDX-License-Identifier: MIT */

/*
 * Going through what is held: to free all that a slot has, and to tell who has what.
 *
 * The ledger is read from front to back, a leaf's 64 words at a time. Both walks stop after as many
 * words as the caller allows and go on later where they stopped, so that neither keeps the loop
 * from its other work. A release does not look where the slot was never granted anything, steps
 * over large blocks of others, and ends with the last page that the slot holds. Before all that it
 * ends the holds of what the slot shares: zone_share.c says why before.
 */

#include <assert.h>

#include "core/ledger.h"
#include "core/source.h"
#include "core/zone.h"
#include "core/zone_slab.h"

/* What makes a word one of a slot's blocks, of any order. */
#define HOLDER_MASK (WORD_KIND_MASK | (uint32_t)(WORD_NR_SLOTS - 1) << WORD_SLOT_SHIFT)

static void count_released(struct zone *zone, unsigned slot, uint32_t nr_pages)
{
	ledger_discount(zone, slot, nr_pages);
	zone->counters.released += nr_pages;
}

/* Clears the words of some of the blocks in a leaf; returns the pages that they were. */
static uint64_t clear_words(uint32_t *words, uint64_t heads)
{
	uint64_t pages = 0;

	if (heads == LEAF_FULL) {
		for (unsigned i = 0; i < LEAF_UNITS; i++)
			words[i] = 0;
		return LEAF_FULL;
	}
	for (; heads; heads &= heads - 1) {
		unsigned i = (unsigned)__builtin_ctzll(heads);

		pages |= leaf_mask(i, word_order(words[i]));
		words[i] = 0;
	}
	return pages;
}

/* Frees what a slot holds among the 64 pages at base. */
static void release_leaf(struct zone *zone, unsigned slot, uint32_t base)
{
	uint32_t *words = zone->words + base;
	uint64_t heads = ledger_find(words, HOLDER_MASK, ledger_held_word(slot, 0)), pages;

	if (!heads)
		return;
	if (word_order(words[0]) >= LEDGER_LEAF_ORDER) {
		unsigned order = word_order(words[0]);

		ledger_store(zone, base, 0);
		count_released(zone, slot, UINT32_C(1) << order);
		source_put_run(zone, base, order, 1);
		return;
	}
	pages = clear_words(words, heads);
	/* Each is free by itself, so their order does not count; that they come before it does. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	count_released(zone, slot, (uint32_t)__builtin_popcountll(pages));
	source_put_pages(zone, base, pages);
}

/* Where the leaf or the larger block at base ends. */
static uint32_t next_leaf(const struct zone *zone, uint32_t base)
{
	unsigned order = word_order(zone->words[base]);

	return base + (UINT32_C(1) << (order > LEDGER_LEAF_ORDER ? order : LEDGER_LEAF_ORDER));
}

/* The cursor goes over the share records, the units of slabs, and the pages. */
static bool release_objects(struct zone *zone, unsigned slot, uint32_t max_words, uint32_t *cursor,
			    uint32_t *looked)
{
	uint32_t number = *cursor - zone->shares.nr_records;
	bool is_done = zone_object_release(zone, slot, max_words, &number, looked);

	*cursor = zone->shares.nr_records + number;
	return is_done;
}

bool zone_release(struct zone *zone, unsigned slot, uint32_t max_pages, uint32_t *cursor)
{
	const uint32_t region_pages = UINT32_C(1) << zone->region_order;
	const uint32_t nr_pages = zone->header->end, nr_records = zone->shares.nr_records;
	const uint32_t nr_before = nr_records + zone->slabs.nr_units;
	uint32_t looked = 0, base;

	assert(slot < zone->nr_slots);
	if (*cursor < nr_records && !zone_share_release(zone, slot, max_pages, cursor, &looked))
		return false;
	if (*cursor < nr_before && !release_objects(zone, slot, max_pages, cursor, &looked))
		return false;
	base = (*cursor - nr_before) & ~(LEAF_UNITS - 1);
	while (zone->holders[slot].nr_pages && base < nr_pages) {
		uint32_t next;

		if (!(zone->holders[slot].regions & ledger_region_bit(zone, base))) {
			base = (base / region_pages + 1) * region_pages;
			continue;
		}
		if (looked >= max_pages) {
			*cursor = nr_before + base;
			return false;
		}
		next = next_leaf(zone, base);
		/* What drains goes out of use leaf by leaf. */
		looked += base < zone->limit ? LEAF_UNITS : next - base;
		release_leaf(zone, slot, base);
		base = next;
	}
	if (!zone->holders[slot].nr_pages)
		zone->holders[slot].regions = 0;
	*cursor = nr_before + nr_pages;
	return true;
}

/* The word that the slab would have as a block of the daemon's. */
static uint32_t word_of_slab(uint32_t word)
{
	const struct word_owner daemon = { .slot = WORD_SLOT_DAEMON,
					   .mobility = word_mobility(word) };

	return word_make(WORD_SLAB, daemon, word_order(word));
}

/* The word as it is for the slot that is asked for, or for any holder (slot < 0); 0 for none. */
static uint32_t holder_word(const struct zone *zone, uint32_t word, int slot)
{
	struct share_walk walk = share_walk(word);
	const uint32_t *entry;

	if (word_kind(word) == WORD_SLAB)
		return slot < 0 || zone_object_count(zone, word, (unsigned)slot)
			       ? word_of_slab(word)
			       : 0;
	if (word_kind(word) != WORD_SHARED)
		return slot < 0 || word_slot(word) == (unsigned)slot ? word : 0;
	entry = slot < 0 ? share_next(&zone->shares, &walk)
			 : share_find(&zone->shares, word, (unsigned)slot);
	return entry ? *entry : 0;
}

bool zone_next_block(const struct zone *zone, int slot, uint32_t max_pages, uint32_t *cursor,
		     struct zone_block *ret)
{
	const uint32_t nr_pages = zone->header->end;
	uint32_t pfn = *cursor < nr_pages ? *cursor : nr_pages, looked = 0;

	for (uint32_t size = 1; pfn < nr_pages && looked < max_pages; pfn += size) {
		uint32_t word = zone->words[pfn], held;

		size = UINT32_C(1) << word_order(word);
		looked += size;
		if (slot >= 0 && word_kind(word) == WORD_SLAB)
			looked += zone_object_nr_words(zone, word);
		held = word ? holder_word(zone, word, slot) : 0;
		if (!held)
			continue;
		*ret = (struct zone_block){
			.pfn = pfn,
			.order = word_order(word),
			.kind = word_kind(word),
			.owner = word_owner(held),
		};
		*cursor = pfn + size;
		return true;
	}
	*cursor = pfn < nr_pages ? pfn : zone->capacity;
	return false;
}
