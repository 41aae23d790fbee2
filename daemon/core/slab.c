/* SPDX-License-Identifier: MIT */

/*
 * The table of slabs; slab.h tells what is truth in it and what is derived.
 *
 * The words of a slab take as many units as they fill, side by side (slab_units.c). Which units are
 * free is derived like all else: a unit is in use when a slab lies in it that some page's word
 * names.
 *
 * A slab's free objects are bits at the places of their words, so that one position leads to an
 * object's word and to its bit. A slab may start anywhere in a 64-bit word of that map, so all
 * loops over its objects go by the parts of such words that are its own.
 *
 * Partial slabs are listed by eighths of how many of their objects are free, and the fullest that
 * is not full is granted from: few slabs fill up, and the others have the time to become empty.
 * Within an eighth it is the one filed last, whose words are in the cache.
 *
 * Invariants (slab_validate() proves them): a bit is set when the object's word has no kind; a
 * slab is on the list where its count belongs, or aside; counts add up; a unit is free in the index
 * or of exactly one slab.
 */

#include "core/slab.h"

#include <assert.h>
#include <string.h>

#include "core/slab_units.h"

static size_t round_up(size_t size_bytes)
{
	return (size_bytes + 63) & ~(size_t)63;
}

/* Shapes. */

static size_t owners_bytes(uint32_t nr_units)
{
	return round_up(nr_units * sizeof(uint16_t));
}

size_t slab_ledger_bytes(uint32_t nr_units)
{
	return owners_bytes(nr_units) + (size_t)nr_units * SLAB_UNIT_WORDS * sizeof(uint32_t);
}

static size_t slabs_bytes(uint32_t nr_units)
{
	return round_up(nr_units * sizeof(struct slab));
}

static size_t free_bytes(uint32_t nr_units)
{
	return round_up(nr_units * (SLAB_UNIT_WORDS / 8u));
}

static size_t free_units_bytes(uint32_t nr_units)
{
	return round_up((nr_units + 7) / 8);
}

static size_t by_cache_bytes(uint32_t nr_caches)
{
	return round_up(nr_caches * sizeof(struct slab_cache));
}

size_t slab_index_bytes(uint32_t nr_units, uint32_t nr_caches)
{
	if (!nr_units)
		return 0;
	return slabs_bytes(nr_units) + free_bytes(nr_units) + free_units_bytes(nr_units) +
	       by_cache_bytes(nr_caches);
}

void slab_table_init(struct slab_table *table, const struct cache_table *caches, uint32_t nr_units,
		     void *ledger, void *index)
{
	uint8_t *truth = ledger, *memory = index;

	*table = (struct slab_table){ 0 };
	if (!nr_units)
		return;
	table->caches = caches;
	table->nr_units = nr_units;
	table->owners = (uint16_t *)truth;
	table->words = (uint32_t *)(truth + owners_bytes(nr_units));
	table->slabs = (struct slab *)memory;
	memory += slabs_bytes(nr_units);
	table->free = (uint64_t *)memory;
	memory += free_bytes(nr_units);
	table->free_units = (uint64_t *)memory;
	memory += free_units_bytes(nr_units);
	table->by_cache = (struct slab_cache *)memory;
}

/* Room. */

bool slab_next_room(const struct slab_table *table, struct slab_range ret[2])
{
	const size_t words_bytes = SLAB_UNIT_WORDS * sizeof(uint32_t);
	const size_t from = table->nr_room;

	if (from == table->nr_units)
		return false;
	ret[0] = (struct slab_range){ from * sizeof(uint16_t), SLAB_ROOM_UNITS * sizeof(uint16_t) };
	ret[1] = (struct slab_range){ owners_bytes(table->nr_units) + from * words_bytes,
				      SLAB_ROOM_UNITS * words_bytes };
	return true;
}

void slab_add_room(struct slab_table *table)
{
	uint32_t first = table->nr_room;

	assert(first < table->nr_units);
	table->nr_room += SLAB_ROOM_UNITS;
	slab_units_give(table, first, SLAB_ROOM_UNITS);
}

/* The map. */

/* The part of a slab's objects that a word of the map has. */
struct part {
	uint64_t *free; /* the word */
	uint64_t mask;  /* of its bits, those of the slab */
	unsigned shift; /* of the first of them */
	uint32_t first; /* object */
};

static inline struct part part_of(const struct slab_table *table, uint32_t number,
				  uint32_t nr_objects, uint32_t first)
{
	uint32_t at = number * SLAB_UNIT_WORDS + first, left = nr_objects - first;
	struct part part = { .free = &table->free[at / 64], .shift = at % 64, .first = first };

	part.mask = (left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX) << part.shift;
	return part;
}

#define FOR_EACH_PART(part, table, number, nr_objects)                                             \
	for (struct part part = part_of(table, number, nr_objects, 0); part.first < (nr_objects);  \
	     part = part_of(table, number, nr_objects, part.first + 64 - part.shift))

static void set_all_free(struct slab_table *table, uint32_t number, uint32_t nr_objects)
{
	FOR_EACH_PART(part, table, number, nr_objects)
	*part.free |= part.mask;
}

/* Lists. */

static unsigned list_of(const struct slab *slab, uint32_t nr_objects)
{
	if (slab->nr_free == 0)
		return SLAB_FULL;
	if (slab->nr_free == nr_objects)
		return SLAB_EMPTY;
	return SLAB_PARTIAL + slab->nr_free * SLAB_NR_PARTIAL / nr_objects;
}

static void link_slab(struct slab_table *table, struct slab_cache *cache, uint32_t number,
		      unsigned list)
{
	struct slab *slab = &table->slabs[number];

	slab->list = list & (SLAB_LISTS_MAX - 1);
	slab->prev = SLAB_NONE;
	slab->next = cache->nr_slabs[list]++ ? cache->heads[list] : SLAB_NONE;
	if (slab->next != SLAB_NONE)
		table->slabs[slab->next].prev = number;
	cache->heads[list] = number;
	cache->lists |= 1u << list;
	if (list == SLAB_EMPTY)
		table->nr_empty_pages += UINT32_C(1) << slab_layout(table, number)->order;
}

static void unlink_slab(struct slab_table *table, struct slab_cache *cache, uint32_t number)
{
	struct slab *slab = &table->slabs[number];

	if (slab->next != SLAB_NONE)
		table->slabs[slab->next].prev = slab->prev;
	if (slab->prev != SLAB_NONE)
		table->slabs[slab->prev].next = slab->next;
	else
		cache->heads[slab->list] = slab->next;
	if (--cache->nr_slabs[slab->list] == 0)
		cache->lists &= ~(1u << slab->list);
	if (slab->list == SLAB_EMPTY)
		table->nr_empty_pages -= UINT32_C(1) << slab_layout(table, number)->order;
}

static struct slab_cache *cache_of(const struct slab_table *table, uint32_t number)
{
	return &table->by_cache[table->slabs[number].cache];
}

void slab_enlist(struct slab_table *table, uint32_t number, bool aside)
{
	const struct cache_layout *layout = slab_layout(table, number);
	struct slab_cache *cache = cache_of(table, number);
	const struct slab *slab = &table->slabs[number];

	link_slab(table, cache, number, aside ? SLAB_ASIDE : list_of(slab, layout->nr_objects));
	cache->nr_objects += layout->nr_objects;
	cache->nr_held += layout->nr_objects - slab->nr_free;
	cache->nr_free += aside ? 0 : slab->nr_free;
}

void slab_unlist(struct slab_table *table, uint32_t number)
{
	const struct cache_layout *layout = slab_layout(table, number);
	struct slab_cache *cache = cache_of(table, number);
	const struct slab *slab = &table->slabs[number];

	unlink_slab(table, cache, number);
	cache->nr_objects -= layout->nr_objects;
	cache->nr_held -= layout->nr_objects - slab->nr_free;
	cache->nr_free -= slab->list == SLAB_ASIDE ? 0 : slab->nr_free;
}

/* So many more of a slab's objects are free, or fewer. */
static void count_free(struct slab_table *table, uint32_t number, int change)
{
	struct slab_cache *cache = cache_of(table, number);
	struct slab *slab = &table->slabs[number];
	unsigned list;

	slab->nr_free = (uint16_t)(slab->nr_free + change);
	cache->nr_held -= (uint64_t)(int64_t)change;
	if (slab->list == SLAB_ASIDE)
		return;
	cache->nr_free += (uint64_t)(int64_t)change;
	list = list_of(slab, slab_layout(table, number)->nr_objects);
	if (list == slab->list)
		return;
	unlink_slab(table, cache, number);
	link_slab(table, cache, number, list);
}

/* Slabs. */

bool slab_new(struct slab_table *table, uint32_t cache, uint32_t pfn, uint32_t *ret_number)
{
	const struct cache_layout *layout = &table->caches->layouts[cache];
	uint32_t nr_units = slab_nr_units(layout);
	uint32_t number = slab_units_take(table, nr_units);

	if (number == SLAB_NONE)
		return false;
	memset(slab_words(table, number), 0, nr_units * SLAB_UNIT_WORDS * sizeof(uint32_t));
	table->owners[number] = (uint16_t)(cache + 1);
	table->slabs[number] = (struct slab){ .pfn = pfn,
					      .nr_free = (uint16_t)layout->nr_objects,
					      .cache = cache & (CACHES_MAX - 1),
					      .is_used = true };
	set_all_free(table, number, layout->nr_objects);
	*ret_number = number;
	return true;
}

void slab_delete(struct slab_table *table, uint32_t number)
{
	const struct cache_layout *layout = slab_layout(table, number);

	table->slabs[number] = (struct slab){ 0 };
	slab_units_give(table, number, slab_nr_units(layout));
}

uint32_t slab_pick(const struct slab_table *table, uint32_t cache)
{
	const struct slab_cache *from = &table->by_cache[cache];
	uint32_t lists = from->lists & ~(1u << SLAB_FULL | 1u << SLAB_ASIDE);

	return lists ? from->heads[__builtin_ctz(lists)] : SLAB_NONE;
}

/* The lowest of these bits, so many. */
static uint64_t lowest(uint64_t mask, size_t count)
{
	uint64_t all = mask;

	if ((size_t)__builtin_popcountll(mask) <= count)
		return mask;
	while (count--)
		mask &= mask - 1;
	return all ^ mask;
}

uint64_t slab_take(struct slab_table *table, uint32_t number, size_t count, uint32_t *ret_first)
{
	const uint32_t nr_objects = slab_layout(table, number)->nr_objects;

	FOR_EACH_PART(part, table, number, nr_objects)
	{
		uint64_t taken = lowest(*part.free & part.mask, count);

		if (!taken)
			continue;
		*part.free ^= taken;
		count_free(table, number, -__builtin_popcountll(taken));
		*ret_first = part.first;
		return taken >> part.shift;
	}
	return 0;
}

void slab_give(struct slab_table *table, uint32_t number, uint32_t first, uint64_t mask)
{
	uint32_t at = number * SLAB_UNIT_WORDS + first;

	table->free[at / 64] |= mask << at % 64;
	if (at % 64 && mask >> (64 - at % 64))
		table->free[at / 64 + 1] |= mask >> (64 - at % 64);
	count_free(table, number, __builtin_popcountll(mask));
}

/* Recovery. */

/* What no grant and no free would have stored, or NULL. */
static const char *check_object(uint32_t word, unsigned nr_slots)
{
	if (word_order(word) || word_mobility(word) > SLAB_CONSTRUCTED >> WORD_MOBILITY_SHIFT)
		return "an object's word can't be one";
	switch (word_kind(word)) {
	case WORD_FREE:
		return NULL;
	case WORD_PAGE:
	case WORD_LEAVING:
		return word_slot(word) < nr_slots ? NULL : "an object's holder is no slot";
	default:
		return "an object is of no known kind";
	}
}

/* Which of up to 64 objects are free. Without branches: *ret_odd says whether to look closer. */
static uint64_t find_free(const uint32_t *words, uint32_t count, unsigned nr_slots, bool *ret_odd)
{
	const uint32_t odd_bits = (UINT32_C(1) << WORD_SLOT_SHIFT) - 1 - SLAB_CONSTRUCTED;
	uint64_t free = 0;
	uint32_t odd = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t kind = word_kind(words[i]);

		free |= (uint64_t)(kind == WORD_FREE) << i;
		odd |= (words[i] & odd_bits) | (kind > WORD_PAGE) |
		       (kind != WORD_FREE && word_slot(words[i]) >= nr_slots);
	}
	*ret_odd = odd;
	return free;
}

static const char *load_objects(struct slab_table *table, uint32_t number, uint32_t nr_objects,
				unsigned nr_slots)
{
	const uint32_t *words = slab_words(table, number);
	const char *what = NULL;

	FOR_EACH_PART(part, table, number, nr_objects)
	{
		uint32_t count = (uint32_t)__builtin_popcountll(part.mask);
		bool is_odd;
		uint64_t free = find_free(words + part.first, count, nr_slots, &is_odd);

		for (uint32_t i = 0; is_odd && i < count && !what; i++)
			what = check_object(words[part.first + i], nr_slots);
		if (what)
			break;
		*part.free |= free << part.shift;
		table->slabs[number].nr_free += (uint16_t)__builtin_popcountll(free);
	}
	return what;
}

const char *slab_load(struct slab_table *table, uint32_t number, uint32_t pfn, unsigned order,
		      unsigned nr_slots)
{
	const struct cache_layout *layout;
	uint32_t nr_units, cache;

	if (number >= table->nr_units)
		return "a slab's number is that of none";
	cache = table->owners[number] - 1u;
	if (!cache_has_slabs(table->caches, cache))
		return "a slab is of no cache";
	layout = &table->caches->layouts[cache];
	nr_units = slab_nr_units(layout);
	if (layout->order != order)
		return "a slab is not of its cache's order";
	if (nr_units > table->nr_units - number)
		return "a slab's number is that of none";
	while (table->nr_room < number + nr_units)
		slab_units_extend(table);
	if (!slab_units_claim(table, number, nr_units))
		return "the words of two slabs overlap";
	table->slabs[number] =
		(struct slab){ .pfn = pfn, .cache = cache & (CACHES_MAX - 1), .is_used = true };
	return load_objects(table, number, layout->nr_objects, nr_slots);
}

void slab_load_end(struct slab_table *table)
{
	slab_units_load_end(table);
}

/* Checks. */

const char *slab_check(const struct slab_table *table, uint32_t number, uint32_t pfn)
{
	const struct cache_layout *layout;
	const struct slab *slab = &table->slabs[number];
	uint32_t nr_free = 0;

	if (number >= table->nr_units || !slab->is_used || slab->pfn != pfn)
		return "a page names a slab that is not there";
	if (slab->cache != table->owners[number] - 1u ||
	    !cache_has_slabs(table->caches, slab->cache))
		return "a slab is of no cache";
	layout = slab_layout(table, number);
	for (uint32_t i = 0; i < layout->nr_objects; i++) {
		uint32_t at = number * SLAB_UNIT_WORDS + i, word = table->words[at];
		bool is_free = table->free[at / 64] >> at % 64 & 1;
		const char *what = check_object(word, WORD_NR_SLOTS);

		if (what)
			return what;
		if (word_kind(word) == WORD_LEAVING)
			return "a batch free was left half done";
		if (is_free != (word_kind(word) == WORD_FREE))
			return "a held object is free in the map, or a free one is not";
		nr_free += is_free;
	}
	if (nr_free != slab->nr_free)
		return "a slab's free objects add up to another sum";
	if (slab->list != SLAB_ASIDE && slab->list != list_of(slab, layout->nr_objects))
		return "a slab is on the wrong list";
	return NULL;
}

/* A cache's lists, whose slabs' units are added up. */
static const char *check_cache(const struct slab_table *table, uint32_t number, uint32_t *nr_units,
			       uint32_t *nr_empty_pages)
{
	const struct slab_cache *cache = &table->by_cache[number];
	uint64_t nr_free = 0, nr_objects = 0, nr_held = 0;

	for (unsigned list = 0; list < SLAB_NR_LISTS; list++) {
		uint32_t at = cache->lists >> list & 1 ? cache->heads[list] : SLAB_NONE;
		uint32_t prev = SLAB_NONE, nr_slabs = 0;

		for (; at != SLAB_NONE; at = table->slabs[at].next, nr_slabs++) {
			const struct slab *slab = &table->slabs[at];

			if (!slab->is_used || slab->list != list || slab->prev != prev ||
			    slab->cache != number)
				return "a list of slabs is broken";
			nr_free += list == SLAB_ASIDE ? 0 : slab->nr_free;
			nr_objects += slab_layout(table, at)->nr_objects;
			nr_held += slab_layout(table, at)->nr_objects - slab->nr_free;
			*nr_units += slab_nr_units(slab_layout(table, at));
			if (list == SLAB_EMPTY)
				*nr_empty_pages += UINT32_C(1) << slab_layout(table, at)->order;
			prev = at;
		}
		if (nr_slabs != cache->nr_slabs[list])
			return "a list of slabs has another length";
	}
	return nr_free == cache->nr_free && nr_objects == cache->nr_objects &&
			       nr_held == cache->nr_held
		       ? NULL
		       : "the objects of a cache add up to another sum";
}

const char *slab_validate(const struct slab_table *table)
{
	uint32_t nr_units = 0, nr_empty_pages = 0, nr_free = 0;
	const char *what = NULL;

	if (!table->nr_units)
		return NULL;
	for (uint32_t number = 0; number < table->nr_room && !what; number++)
		if (table->slabs[number].is_used)
			what = slab_check(table, number, table->slabs[number].pfn);
	for (uint32_t cache = 0; cache < table->caches->nr_caches && !what; cache++)
		what = check_cache(table, cache, &nr_units, &nr_empty_pages);
	if (!what && nr_empty_pages != table->nr_empty_pages)
		what = "the empty slabs add up to another sum";
	if (!what)
		what = slab_units_check(table, &nr_free);
	if (!what && nr_units + nr_free != table->nr_room)
		what = "units are neither free nor a slab's";
	return what;
}
