/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Slabs and objects, as the rest of a zone meets them. Private to zone*.c; zone_object.c tells the
 * idea.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/slab.h"
#include "core/zone.h"

/* What makes a word one of an object that a slot holds. */
#define ZONE_OBJECT_HELD_MASK (WORD_KIND_MASK | (uint32_t)(WORD_NR_SLOTS - 1) << WORD_SLOT_SHIFT)

static inline void zone_object_store(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/* So many bytes from the start of a page, as an offset in the pool. */
static inline uint64_t zone_object_offset(const struct zone *zone, uint32_t pfn, uint64_t bytes)
{
	return (page_address(zone->index_in_pool, pfn) << PAGE_SHIFT) + bytes;
}

/* Where the first object of a slab starts, from its first page on. */
static inline uint32_t zone_object_start(const struct cache_layout *layout, uint32_t pfn)
{
	return layout->first_bytes + cache_colour(layout, pfn);
}

/* A slot holds so many objects more, or fewer. */
static inline void zone_object_hold(struct zone *zone, unsigned slot,
				    const struct cache_layout *layout, int64_t count)
{
	struct zone_object_holder *holder = &zone->object_holders[slot];

	holder->nr_objects += (uint64_t)count;
	holder->bytes += (uint64_t)(count * layout->stride_bytes);
}

/* Whether a slab reaches beyond the edge: then, and only then, it is set aside. */
static inline bool zone_slab_is_beyond(const struct zone *zone, uint32_t number)
{
	const uint32_t nr_pages = UINT32_C(1) << slab_layout(&zone->slabs, number)->order;

	return zone->slabs.slabs[number].pfn + nr_pages > zone->edge;
}

/* Whether a page lies in a slab of this order, whose first page is stored. */
static inline bool zone_slab_is_at(const struct zone *zone, uint64_t pfn, unsigned order,
				   uint32_t *ret_pfn)
{
	uint32_t head = (uint32_t)pfn & ~((UINT32_C(1) << order) - 1);
	uint32_t word = pfn < zone->capacity ? zone->words[head] : 0;

	*ret_pfn = head;
	return word_kind(word) == WORD_SLAB && word_order(word) == order;
}

/* The same for a slab of any order. */
static inline bool zone_slab_head(const struct zone *zone, uint64_t pfn, uint32_t *ret_pfn)
{
	for (unsigned order = 0; order <= CACHE_ORDER_MAX; order++)
		if (zone_slab_is_at(zone, pfn, order, ret_pfn))
			return true;
	return false;
}

/* Where objects of a slab have their words. */
struct zone_place {
	const struct cache_layout *layout;
	uint32_t number; /* of the slab */
	uint32_t first;  /* the object of bit 0 */
};

/* Objects that a slot held are free, as their words say. The slab may be gone afterwards. */
void zone_object_give(struct zone *zone, const struct zone_place *place, uint64_t mask,
		      unsigned slot);

/* Frees what the slot holds in objects, as zone_share_release() does; *cursor ends at nr_units. */
bool zone_object_release(struct zone *zone, unsigned slot, uint32_t max_words, uint32_t *cursor,
			 uint32_t *looked);

/* How many of the objects of the slab at pfn, whose word this is, a slot holds. */
uint32_t zone_object_count(const struct zone *zone, uint32_t word, unsigned slot);

/* Words of the objects of a slab, by the word of its first page. */
uint32_t zone_object_nr_words(const struct zone *zone, uint32_t word);

/* Takes in a slab whose word has been checked. What is wrong with it, or NULL. */
const char *zone_object_recover(struct zone *zone, uint32_t pfn, uint32_t word,
				bool *ret_has_marks);

/* The edge has moved over the pages first .. end - 1: files the slabs there anew. */
void zone_object_move_edge(struct zone *zone, uint32_t first, uint32_t end);

/* No object of the slab is leaving. */
void zone_object_unmark(struct zone *zone, uint32_t word);

/* All that must hold among the slabs. */
const char *zone_object_validate(const struct zone *zone);
