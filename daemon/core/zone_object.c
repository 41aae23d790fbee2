/* SPDX-License-Identifier: MIT */

/*
 * Granting and freeing objects. The ledger is to objects what it is to pages (zone_alloc.c,
 * zone_free.c): a word each, in which one store grants and one store frees, and a batch that is
 * checked and marked before any of it is freed. Nothing of it lies where clients can write.
 *
 * What an object's word can't say, the slab's does: the word of its first page names the words of
 * its objects, and beside those the ledger has the cache. They are written before the page's word,
 * which makes the slab. It is unmade by clearing that word, once no object is held.
 *
 * A free word keeps who had the object, for those who look for what it was broken by, and whether
 * it is constructed. An object that was freed for the dead is raw, and nobody had it.
 *
 * A cache keeps a few slabs that are empty, so that who goes up and down by a batch does not make
 * and unmake them. When a zone is made smaller, its edge sets aside the slabs that it passes, and
 * unmakes the empty ones: nothing is granted from them, and the last free of one lets its pages
 * drain. When the zone grows again, the edge brings them back.
 */

#include "core/zone_object.h"

#include <assert.h>
#include <string.h>

#include "core/ledger.h"
#include "core/slab.h"
#include "core/source.h"
#include "core/zone_slab.h"

/* Slabs come and go. */

/* A new slab of a cache, its objects free; SLAB_NONE when pages or units are lacking. */
static uint32_t grow(struct zone *zone, uint32_t cache)
{
	struct slab_table *slabs = &zone->slabs;
	const struct cache_layout *layout = &slabs->caches->layouts[cache];
	uint32_t pfn = PAGE_NONE, number;

	if (layout->order <= zone->max_order)
		pfn = source_get(zone, layout->order, layout->mobility);
	if (pfn == PAGE_NONE)
		return SLAB_NONE;
	if (!slab_new(slabs, cache, pfn, &number)) {
		source_put(zone, pfn, layout->order,
			   (uint32_t)layout->mobility << WORD_MOBILITY_SHIFT);
		return SLAB_NONE;
	}
	ledger_account(zone, pfn, WORD_SLOT_DAEMON, UINT32_C(1) << layout->order);
	ledger_store(zone, pfn, word_make_slab(number, layout->mobility, layout->order));
	slab_enlist(slabs, number, false);
	return number;
}

/* Unmakes an empty slab; returns its pages. */
static uint32_t shrink(struct zone *zone, uint32_t number)
{
	uint32_t pfn = zone->slabs.slabs[number].pfn, word = zone->words[pfn];
	uint32_t nr_pages = UINT32_C(1) << word_order(word);

	slab_unlist(&zone->slabs, number);
	ledger_store(zone, pfn, 0);
	/* The next slab may have its words where this one's are: none is written before this. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	ledger_discount(zone, WORD_SLOT_DAEMON, nr_pages);
	source_put(zone, pfn, word_order(word), word);
	slab_delete(&zone->slabs, number);
	return nr_pages;
}

static bool has_too_many_empty(const struct zone *zone, uint32_t number)
{
	const struct slab_table *slabs = &zone->slabs;
	const struct slab *slab = &slabs->slabs[number];
	uint32_t nr_empty = slabs->by_cache[slab->cache].nr_slabs[SLAB_EMPTY];
	uint32_t all_max = zone->nr_pages / ZONE_EMPTY_PART;

	if (all_max > ZONE_EMPTY_PAGES_ALL)
		all_max = ZONE_EMPTY_PAGES_ALL;
	return slabs->nr_empty_pages > all_max ||
	       (nr_empty > 1 &&
		nr_empty << slab_layout(slabs, number)->order > ZONE_EMPTY_PAGES_MAX);
}

/* After a free: an empty slab stays if it is one of few, and not to go out of use. */
static void keep_or_shrink(struct zone *zone, uint32_t number)
{
	const struct slab *slab = &zone->slabs.slabs[number];

	if (slab->nr_free == slab_layout(&zone->slabs, number)->nr_objects &&
	    (slab->list == SLAB_ASIDE || has_too_many_empty(zone, number)))
		shrink(zone, number);
}

/* Sets a slab aside that reaches beyond the edge, or unmakes it; one within comes back. */
static void refile(struct zone *zone, uint32_t number)
{
	bool is_beyond = zone_slab_is_beyond(zone, number);

	if (is_beyond == (zone->slabs.slabs[number].list == SLAB_ASIDE))
		return;
	slab_unlist(&zone->slabs, number);
	slab_enlist(&zone->slabs, number, is_beyond);
	keep_or_shrink(zone, number);
}

void zone_object_move_edge(struct zone *zone, uint32_t first, uint32_t end)
{
	const uint32_t is_slab = (uint32_t)WORD_SLAB << WORD_KIND_SHIFT;
	uint32_t base;

	if (!zone->slabs.caches || first == end)
		return;
	base = ledger_across(zone, first) & ~(LEAF_UNITS - 1);
	for (; base < end; base += LEAF_UNITS) {
		const uint32_t *words = zone->words + base;
		uint64_t heads = ledger_find(words, WORD_KIND_MASK, is_slab);

		for (; heads; heads &= heads - 1)
			refile(zone, word_share(words[__builtin_ctzll(heads)]));
	}
}

uint32_t zone_shrink_cache(struct zone *zone, uint32_t cache)
{
	const struct slab_cache *from = zone->slabs.caches ? &zone->slabs.by_cache[cache] : NULL;
	uint32_t nr_pages = 0;

	while (from && from->nr_slabs[SLAB_EMPTY])
		nr_pages += shrink(zone, from->heads[SLAB_EMPTY]);
	return nr_pages;
}

uint32_t zone_shrink_caches(struct zone *zone)
{
	uint32_t nr_pages = 0;

	for (uint32_t cache = 0; zone->slabs.nr_empty_pages; cache++)
		nr_pages += zone_shrink_cache(zone, cache);
	return nr_pages;
}

/* Granting. */

static void store_plain_words(uint32_t *words, uint64_t mask, uint32_t word)
{
	if (mask == LEAF_FULL) {
		for (unsigned i = 0; i < LEAF_UNITS; i++)
			words[i] = word;
		return;
	}
	for (; mask; mask &= mask - 1)
		words[__builtin_ctzll(mask)] = word;
}

/* Stores the words of objects first + i for each bit i; returns those of them that are raw. */
static uint64_t store_words(uint32_t *words, const struct cache_layout *layout, uint64_t mask,
			    uint32_t word)
{
	uint64_t raw = 0;

	if (!(layout->flags & (CACHE_CTOR | CACHE_DEBUG))) {
		store_plain_words(words, mask, word);
		return 0;
	}
	for (; mask; mask &= mask - 1) {
		uint32_t *at = &words[__builtin_ctzll(mask)];

		if (!(*at & SLAB_CONSTRUCTED))
			raw |= mask & -mask;
		if (layout->flags & CACHE_DEBUG)
			zone_object_store(at + layout->nr_objects, *at);
		zone_object_store(at, word | (*at & SLAB_CONSTRUCTED));
	}
	return layout->flags & CACHE_CTOR ? raw : 0;
}

/* What one slab has, up to `count`; returns how many. */
static size_t grant_from(struct zone *zone, uint32_t number, size_t count, uint32_t word,
			 struct object_run *runs, size_t *nr_runs)
{
	const struct cache_layout *layout = slab_layout(&zone->slabs, number);
	const uint32_t pfn = zone->slabs.slabs[number].pfn;
	uint32_t *words = slab_words(&zone->slabs, number), first;
	size_t granted = 0;
	uint64_t mask;

	while (granted < count &&
	       (mask = slab_take(&zone->slabs, number, count - granted, &first))) {
		uint64_t bytes =
			zone_object_start(layout, pfn) + (uint64_t)first * layout->stride_bytes;

		runs[(*nr_runs)++] = (struct object_run){
			.base = zone_object_offset(zone, pfn, bytes),
			.mask = mask,
			.raw = store_words(words + first, layout, mask, word),
		};
		granted += (size_t)__builtin_popcountll(mask);
	}
	return granted;
}

size_t zone_alloc_objects(struct zone *zone, uint32_t cache, size_t count, struct word_owner owner,
			  uint32_t max_slabs, struct object_run *runs, size_t *nr_runs)
{
	const uint32_t word = word_make(
		WORD_PAGE, (struct word_owner){ .slot = owner.slot, .tag = owner.tag }, 0);
	size_t granted = 0;

	assert(owner.slot < zone->nr_slots && cache_has_slabs(zone->slabs.caches, cache));
	while (granted < count) {
		uint32_t number = slab_pick(&zone->slabs, cache);

		if (number == SLAB_NONE && max_slabs) {
			max_slabs--;
			number = grow(zone, cache);
		}
		if (number == SLAB_NONE)
			break;
		granted += grant_from(zone, number, count - granted, word, runs, nr_runs);
	}
	zone_object_hold(zone, owner.slot, &zone->slabs.caches->layouts[cache], (int64_t)granted);
	/* The words may have been stored in any order, but before whatever tells of them. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	return granted;
}

/* Finding. */

/* Which of a slab's objects starts at an offset; UINT32_MAX for none. */
static uint32_t object_at(const struct zone *zone, const struct cache_layout *layout, uint32_t pfn,
			  uint64_t offset)
{
	uint64_t start = zone_object_offset(zone, pfn, zone_object_start(layout, pfn));
	uint32_t i = UINT32_MAX;

	if (offset >= start)
		i = cache_object_at(layout, (uint32_t)(offset - start));
	return i < layout->nr_objects ? i : UINT32_MAX;
}

static int find_place(const struct zone *zone, uint32_t cache, const struct object_run *run,
		      struct zone_place *ret, unsigned *ret_at)
{
	const uint64_t address = run->base >> PAGE_SHIFT, pfn = page_address_pfn(address);
	const struct slab_table *slabs = &zone->slabs;
	uint32_t head;

	*ret_at = (unsigned)__builtin_ctzll(run->mask);
	if (page_address_zone(address) != zone->index_in_pool || pfn >= zone->capacity)
		return ZONE_E_RANGE;
	if (!slabs->caches)
		return ZONE_E_NOT_OBJECT;
	if (cache == ZONE_CACHE_ANY ||
	    !zone_slab_is_at(zone, pfn, slabs->caches->layouts[cache].order, &head))
		if (!zone_slab_head(zone, pfn, &head))
			return ZONE_E_NOT_OBJECT;
	ret->number = word_share(zone->words[head]);
	ret->layout = slab_layout(slabs, ret->number);
	if (cache != ZONE_CACHE_ANY && slabs->slabs[ret->number].cache != cache)
		return ZONE_E_CACHE;
	ret->first = object_at(zone, ret->layout, head, run->base);
	if (ret->first == UINT32_MAX)
		return ZONE_E_NOT_OBJECT;
	*ret_at = 63u - (unsigned)__builtin_clzll(run->mask);
	return ret->first + *ret_at < ret->layout->nr_objects ? 0 : ZONE_E_NOT_OBJECT;
}

/* The same for a run that was checked. */
static struct zone_place place_of(const struct zone *zone, const struct object_run *run)
{
	struct zone_place place;
	unsigned at;
	int r = find_place(zone, ZONE_CACHE_ANY, run, &place, &at);

	assert(r == 0);
	(void)r;
	return place;
}

static uint32_t *words_of(const struct zone *zone, const struct zone_place *place)
{
	return slab_words(&zone->slabs, place->number) + place->first;
}

void zone_expect_slab(const struct zone *zone, const struct object_run *run)
{
	uint64_t pfn = page_address_pfn(run->base >> PAGE_SHIFT);

	if (pfn < zone->capacity)
		__builtin_prefetch(&zone->words[pfn]);
}

void zone_expect_objects(const struct zone *zone, uint32_t cache, const struct object_run *run)
{
	const struct slab_table *slabs = &zone->slabs;
	uint64_t pfn = page_address_pfn(run->base >> PAGE_SHIFT);
	struct zone_place place;
	uint32_t head;

	if (!slabs->caches || cache == ZONE_CACHE_ANY)
		return;
	place.layout = &slabs->caches->layouts[cache];
	if (!zone_slab_is_at(zone, pfn, place.layout->order, &head))
		return;
	place.number = word_share(zone->words[head]);
	place.first = object_at(zone, place.layout, head, run->base);
	if (place.first == UINT32_MAX)
		return;
	__builtin_prefetch(words_of(zone, &place), 1);
	__builtin_prefetch(&slabs->slabs[place.number], 1);
	__builtin_prefetch(slab_map(slabs, place.number, place.first), 1);
}

/* Freeing. */

void zone_object_give(struct zone *zone, const struct zone_place *place, uint64_t mask,
		      unsigned slot)
{
	zone_object_hold(zone, slot, place->layout, -__builtin_popcountll(mask));
	slab_give(&zone->slabs, place->number, place->first, mask);
	keep_or_shrink(zone, place->number);
}

static void unmark(uint32_t *words, uint64_t mask)
{
	for (; mask; mask &= mask - 1)
		words[__builtin_ctzll(mask)] ^= LEDGER_LEAVING;
}

/* Why an object's word is not that of one which the slot holds. */
static int refusal(uint32_t word, unsigned slot)
{
	if (word_kind(word) == WORD_FREE)
		return ZONE_E_NOT_HEAD;
	if (word_kind(word) == WORD_LEAVING && word_slot(word) == slot)
		return ZONE_E_TWICE;
	return ZONE_E_NOT_HELD;
}

int zone_leave_objects(struct zone *zone, uint32_t cache, unsigned slot,
		       const struct object_run *run, uint64_t *ret_bytes, unsigned *ret_at)
{
	const uint32_t held = ledger_held_word(slot, 0);
	struct zone_place place;
	uint32_t *words;
	int r;

	assert(slot < zone->nr_slots);
	*ret_bytes = 0;
	if (!run->mask)
		return 0;
	r = find_place(zone, cache, run, &place, ret_at);
	if (r)
		return r;
	words = words_of(zone, &place);
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		unsigned i = (unsigned)__builtin_ctzll(mask);

		if ((words[i] & ZONE_OBJECT_HELD_MASK) != held) {
			*ret_at = i;
			unmark(words, run->mask & ((mask & -mask) - 1));
			return refusal(words[i], slot);
		}
		words[i] ^= LEDGER_LEAVING;
	}
	*ret_bytes = (uint64_t)__builtin_popcountll(run->mask) * place.layout->stride_bytes;
	return 0;
}

void zone_cancel_objects(struct zone *zone, const struct object_run *run)
{
	struct zone_place place;

	if (!run->mask)
		return;
	place = place_of(zone, run);
	unmark(words_of(zone, &place), run->mask);
}

void zone_finish_objects(struct zone *zone, const struct zone_leaver *leaver,
			 const struct object_run *run)
{
	uint32_t word = word_make(WORD_FREE,
				  (struct word_owner){ .slot = (uint16_t)leaver->slot,
						       .tag = (uint16_t)leaver->generation },
				  0);
	struct zone_place place;
	uint32_t *words;

	if (!run->mask)
		return;
	if (leaver->is_untold)
		word = SLAB_NEVER_HELD;
	place = place_of(zone, run);
	words = words_of(zone, &place);
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		uint32_t *at = &words[__builtin_ctzll(mask)];
		bool is_raw = !(place.layout->flags & CACHE_CTOR) || run->raw & mask & -mask;

		*at = word | (is_raw ? 0 : SLAB_CONSTRUCTED);
	}
	/* Each is free by itself, so their order does not count; that they come before it does. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	zone_object_give(zone, &place, run->mask, leaver->slot);
}

void zone_forget_constructed(struct zone *zone, const struct object_run *run)
{
	struct zone_place place = place_of(zone, run);
	uint32_t *words = words_of(zone, &place);

	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		uint32_t *at = &words[__builtin_ctzll(mask)];

		zone_object_store(at, *at & ~SLAB_CONSTRUCTED);
	}
}
