/* SPDX-License-Identifier: MIT */

/*
 * Going through slabs: for the dead, after a death of our own, in doubt, and to tell what is there.
 *
 * The words of all objects lie side by side, so what a slot holds is found by reading them from
 * front to back, 64 at a time, as zone_walk.c reads those of pages; a release stops after as many
 * words as the caller allows. Recovery takes slabs in as the scan of the pages meets them.
 */

#include <assert.h>

#include "core/ledger.h"
#include "core/slab.h"
#include "core/zone_object.h"
#include "core/zone_slab.h"

/* For the dead. */

/* Which of 64 objects, from `first` on, a slot holds. */
static uint64_t find_held(const uint32_t *words, uint32_t nr_objects, uint32_t first, unsigned slot)
{
	const uint32_t held = ledger_held_word(slot, 0);
	uint64_t mask = 0;

	if (nr_objects - first >= LEAF_UNITS)
		return ledger_find(words + first, ZONE_OBJECT_HELD_MASK, held);
	for (uint32_t i = first; i < nr_objects; i++)
		mask |= (uint64_t)((words[i] & ZONE_OBJECT_HELD_MASK) == held) << (i - first);
	return mask;
}

static void release_slab(struct zone *zone, uint32_t number, unsigned slot)
{
	const struct cache_layout *layout = slab_layout(&zone->slabs, number);
	uint32_t *words = slab_words(&zone->slabs, number);

	/* It may be unmade on the way: then nothing is held in what is left, and the words stay. */
	for (uint32_t first = 0; first < layout->nr_objects; first += LEAF_UNITS) {
		const struct zone_place place = { layout, number, first };
		uint64_t mask = find_held(words, layout->nr_objects, first, slot);

		if (!mask)
			continue;
		for (uint64_t left = mask; left; left &= left - 1)
			words[first + (uint32_t)__builtin_ctzll(left)] = SLAB_NEVER_HELD;
		__atomic_signal_fence(__ATOMIC_RELEASE);
		zone_object_give(zone, &place, mask, slot);
	}
}

/* What drains goes out of use leaf by leaf: those pages of a slab, or none. */
static uint32_t drain_pages(const struct zone *zone, uint32_t number)
{
	unsigned order = slab_layout(&zone->slabs, number)->order;

	return zone->slabs.slabs[number].pfn < zone->limit ? 0 : UINT32_C(1) << order;
}

bool zone_object_release(struct zone *zone, unsigned slot, uint32_t max_words, uint32_t *cursor,
			 uint32_t *looked)
{
	const struct slab_table *slabs = &zone->slabs;

	while (*cursor < slabs->nr_room && zone->object_holders[slot].nr_objects) {
		uint32_t number = *cursor, nr_units = 1;

		if (*looked >= max_words)
			return false;
		if (slabs->slabs[number].is_used) {
			nr_units = slab_nr_units(slab_layout(slabs, number));
			*looked += drain_pages(zone, number);
			release_slab(zone, number, slot);
		}
		*looked += nr_units * SLAB_UNIT_WORDS;
		*cursor += nr_units;
	}
	*cursor = slabs->nr_units;
	return true;
}

/* Recovery and doubt. */

uint32_t zone_object_nr_words(const struct zone *zone, uint32_t word)
{
	return slab_layout(&zone->slabs, word_share(word))->nr_objects;
}

uint32_t zone_object_count(const struct zone *zone, uint32_t word, unsigned slot)
{
	const uint32_t *words = slab_words(&zone->slabs, word_share(word));
	uint32_t nr_objects = zone_object_nr_words(zone, word), count = 0;

	if (!zone->object_holders[slot].nr_objects)
		return 0;
	for (uint32_t first = 0; first < nr_objects; first += LEAF_UNITS)
		count += (uint32_t)__builtin_popcountll(find_held(words, nr_objects, first, slot));
	return count;
}

const char *zone_object_recover(struct zone *zone, uint32_t pfn, uint32_t word, bool *ret_has_marks)
{
	struct slab_table *slabs = &zone->slabs;
	const uint32_t number = word_share(word), *words;
	const struct cache_layout *layout;
	unsigned slot = WORD_SLOT_DAEMON;
	int64_t count = 0;
	const char *what = slab_load(slabs, number, pfn, word_order(word), zone->nr_slots);

	if (what)
		return what;
	layout = slab_layout(slabs, number);
	slab_enlist(slabs, number, false);
	words = slab_words(slabs, number);
	for (uint32_t i = 0; i < layout->nr_objects; i++) {
		if (word_kind(words[i]) == WORD_FREE)
			continue;
		if (word_slot(words[i]) != slot) { /* mostly it is the one before's */
			zone_object_hold(zone, slot, layout, count);
			slot = word_slot(words[i]);
			count = 0;
		}
		count++;
		*ret_has_marks |= word_kind(words[i]) == WORD_LEAVING;
	}
	zone_object_hold(zone, slot, layout, count);
	return NULL;
}

void zone_object_unmark(struct zone *zone, uint32_t word)
{
	uint32_t *words = slab_words(&zone->slabs, word_share(word));

	for (uint32_t i = 0; i < zone_object_nr_words(zone, word); i++)
		if (word_kind(words[i]) == WORD_LEAVING)
			zone_object_store(&words[i], words[i] ^ LEDGER_LEAVING);
}

/* Takes an object off what its holder was counted to hold. */
static bool uncount(const struct zone *zone, unsigned slot, const struct cache_layout *layout)
{
	if (slot >= zone->nr_slots)
		return false;
	zone->object_holders[slot].nr_counted--;
	zone->object_holders[slot].bytes_counted -= layout->stride_bytes;
	return true;
}

/* What a slot is counted to hold is what the words say. */
static const char *check_holders(const struct zone *zone)
{
	const struct slab_table *slabs = &zone->slabs;
	struct zone_object_holder *holder;

	for (unsigned slot = 0; slot < zone->nr_slots; slot++) {
		holder = &zone->object_holders[slot];
		holder->nr_counted = holder->nr_objects;
		holder->bytes_counted = holder->bytes;
	}
	for (uint32_t number = 0; number < slabs->nr_room; number++) {
		const uint32_t *words = slab_words(slabs, number);

		if (!slabs->slabs[number].is_used)
			continue;
		if (word_share(zone->words[slabs->slabs[number].pfn]) != number)
			return "a slab is not named by its page";
		if (zone_slab_is_beyond(zone, number) != (slabs->slabs[number].list == SLAB_ASIDE))
			return "a slab is aside and not beyond the edge, or beyond and not aside";
		for (uint32_t i = 0; i < slab_layout(slabs, number)->nr_objects; i++)
			if (word_kind(words[i]) != WORD_FREE &&
			    !uncount(zone, word_slot(words[i]), slab_layout(slabs, number)))
				return "an object's holder is no slot";
	}
	for (unsigned slot = 0; slot < zone->nr_slots; slot++)
		if (zone->object_holders[slot].nr_counted ||
		    zone->object_holders[slot].bytes_counted)
			return "the objects that a slot holds add up to another sum";
	return NULL;
}

const char *zone_object_validate(const struct zone *zone)
{
	const char *what = slab_validate(&zone->slabs);

	return what || !zone->slabs.caches ? what : check_holders(zone);
}

/* Looking. */

uint64_t zone_nr_free_objects(const struct zone *zone, uint32_t cache)
{
	return zone->slabs.caches ? zone->slabs.by_cache[cache].nr_free : 0;
}

uint64_t zone_nr_partial_objects(const struct zone *zone, uint32_t cache)
{
	const struct slab_cache *from;

	if (!zone->slabs.caches)
		return 0;
	from = &zone->slabs.by_cache[cache];
	return from->nr_free -
	       (uint64_t)from->nr_slabs[SLAB_EMPTY] * zone->slabs.caches->layouts[cache].nr_objects;
}

uint32_t zone_nr_empty_pages(const struct zone *zone)
{
	return zone->slabs.nr_empty_pages;
}

uint64_t zone_held_objects(const struct zone *zone, unsigned slot)
{
	return zone->slabs.caches ? zone->object_holders[slot].nr_objects : 0;
}

uint64_t zone_held_object_bytes(const struct zone *zone, unsigned slot)
{
	return zone->slabs.caches ? zone->object_holders[slot].bytes : 0;
}

void zone_stat_cache(const struct zone *zone, uint32_t cache, struct zone_cache_stat *ret)
{
	const struct slab_cache *from;

	*ret = (struct zone_cache_stat){ 0 };
	if (!zone->slabs.caches)
		return;
	from = &zone->slabs.by_cache[cache];
	ret->objects_active = from->nr_held;
	ret->objects_total = from->nr_objects;
	ret->slabs_full = from->nr_slabs[SLAB_FULL];
	ret->slabs_empty = from->nr_slabs[SLAB_EMPTY];
	for (unsigned list = SLAB_PARTIAL; list < SLAB_EMPTY; list++)
		ret->slabs_partial += from->nr_slabs[list];
	ret->slabs_partial += from->nr_slabs[SLAB_ASIDE];
}

bool zone_find_slab(const struct zone *zone, uint64_t pfn, struct zone_slab *ret)
{
	uint32_t head, number;

	if (!zone->slabs.caches || !zone_slab_head(zone, pfn, &head))
		return false;
	number = word_share(zone->words[head]);
	*ret = (struct zone_slab){
		.pfn = head,
		.number = number,
		.cache = zone->slabs.slabs[number].cache,
		.nr_objects = slab_layout(&zone->slabs, number)->nr_objects,
	};
	ret->nr_held = ret->nr_objects - zone->slabs.slabs[number].nr_free;
	return true;
}

uint32_t zone_count_held(const struct zone *zone, const struct zone_slab *slab, unsigned slot)
{
	return zone_object_count(zone, zone->words[slab->pfn], slot);
}

void zone_get_object(const struct zone *zone, const struct zone_slab *slab, uint32_t i,
		     struct zone_object *ret)
{
	const struct cache_layout *layout = slab_layout(&zone->slabs, slab->number);
	const uint32_t *words = slab_words(&zone->slabs, slab->number) + i;
	bool is_held = word_kind(words[0]) != WORD_FREE;
	uint32_t previous = words[0];

	assert(i < layout->nr_objects);
	if (is_held)
		previous =
			layout->flags & CACHE_DEBUG ? words[layout->nr_objects] : SLAB_NEVER_HELD;
	*ret = (struct zone_object){
		.offset = zone_object_offset(zone, slab->pfn,
					     zone_object_start(layout, slab->pfn) +
						     (uint64_t)i * layout->stride_bytes),
		.is_held = is_held,
		.is_constructed = words[0] & SLAB_CONSTRUCTED,
		.has_previous = (previous & ~SLAB_CONSTRUCTED) != SLAB_NEVER_HELD,
		.holder = is_held ? word_slot(words[0]) : 0,
		.previous = { .slot = word_slot(previous), .generation = word_tag(previous) },
	};
}

bool zone_find_object(const struct zone *zone, uint64_t offset, struct zone_slab *ret_slab,
		      uint32_t *ret_i)
{
	const uint64_t address = offset >> PAGE_SHIFT;
	const struct cache_layout *layout;
	uint64_t first;

	if (page_address_zone(address) != zone->index_in_pool ||
	    !zone_find_slab(zone, page_address_pfn(address), ret_slab))
		return false;
	layout = slab_layout(&zone->slabs, ret_slab->number);
	/* Of the first cell: with red zones it starts before its object. */
	first = zone_object_offset(zone, ret_slab->pfn, zone_object_start(layout, ret_slab->pfn)) -
		(layout->flags & CACHE_DEBUG ? CACHE_RED_BYTES : 0);
	if (offset < first || (offset - first) / layout->stride_bytes >= layout->nr_objects)
		return false;
	*ret_i = (uint32_t)((offset - first) / layout->stride_bytes);
	return true;
}

/* Room. */

uint32_t zone_slab_room(const struct zone *zone)
{
	return slab_room(&zone->slabs);
}

bool zone_next_slab_room(const struct zone *zone, struct slab_range ret[2])
{
	size_t start =
		(size_t)((const uint8_t *)zone->slabs.owners - (const uint8_t *)zone->header);

	if (!zone->slabs.caches || !slab_next_room(&zone->slabs, ret))
		return false;
	ret[0].offset += start;
	ret[1].offset += start;
	return true;
}

void zone_add_slab_room(struct zone *zone)
{
	slab_add_room(&zone->slabs);
}
