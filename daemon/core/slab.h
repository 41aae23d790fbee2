/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Slabs: the words of their objects, which objects are free, and the lists of each cache's slabs.
 *
 * An object has a ledger word, as a block of pages has (core/word.h). The words of a slab lie
 * together, in units of 64 bytes; the number of the first unit is the slab's number, which the
 * ledger word of its first page names. Beside the words the ledger says which cache a slab is of.
 * All else is derived and indexed by unit. Knows nothing of pages. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/page.h"
#include "core/word.h"

#define SLAB_UNIT_WORDS 16u
#define SLAB_UNITS_MAX WORD_NR_SHARES /* what a ledger word can name */
#define SLAB_ROOM_UNITS 2048u         /* comes into use at once: 128 KiB of words */
#define SLAB_ROOMY_UNITS 64u          /* longer than the words of any slab */
#define SLAB_NONE UINT32_MAX

_Static_assert(2 * CACHE_SLAB_OBJECTS_MAX / SLAB_UNIT_WORDS < SLAB_ROOMY_UNITS,
	       "the words of the largest slab fit a stretch that is roomy");

/*
 * A free object's word has no kind. This bit, where blocks have their mobility, says that it is
 * constructed; of a held one, that it was when it was granted. What else is left in a free word
 * tells who had it last (slot, and in place of the tag the slot's generation); zero: nobody yet.
 */
#define SLAB_CONSTRUCTED (1u << WORD_MOBILITY_SHIFT)
#define SLAB_NEVER_HELD 0u

/* Where a cache's slabs are listed: by how many of their objects are free, fullest first. */
#define SLAB_NR_PARTIAL 8u
enum slab_list {
	SLAB_FULL = 0,
	SLAB_PARTIAL, /* and the SLAB_NR_PARTIAL - 1 behind it */
	SLAB_EMPTY = SLAB_PARTIAL + SLAB_NR_PARTIAL,
	SLAB_ASIDE, /* nothing is granted from there */
	SLAB_NR_LISTS
};
#define SLAB_LISTS_MAX 16u

_Static_assert(SLAB_NR_LISTS <= SLAB_LISTS_MAX, "a list is told in four bits");

/*
 * What is known of a unit: the slab that it is the first of, or the stretch of free units that it
 * is the first or the last of (slab_units.c).
 */
struct slab {
	union {
		uint32_t pfn;      /* of the slab's first page */
		uint32_t nr_units; /* of the stretch */
	};
	uint32_t next, prev; /* on its list, or SLAB_NONE */
	uint16_t nr_free;
	uint16_t cache : CACHE_NUMBER_BITS;
	uint16_t list : 4;    /* enum slab_list */
	uint16_t is_used : 1; /* it is a slab's first */
};

_Static_assert(sizeof(struct slab) == 16, "a quarter of a unit");

/* What a cache has in this zone. */
struct slab_cache {
	uint32_t lists;                /* a bit a list that is not empty */
	uint32_t heads[SLAB_NR_LISTS]; /* of these: slab numbers */
	uint32_t nr_slabs[SLAB_NR_LISTS];
	uint64_t nr_free;    /* objects, but for those set aside */
	uint64_t nr_objects; /* of all slabs */
	uint64_t nr_held;
};

struct slab_table {
	const struct cache_table *caches; /* borrowed; NULL: there are no slabs */
	uint32_t *words;                  /* ledger: SLAB_UNIT_WORDS a unit */
	uint16_t *owners;   /* ledger: of a slab's first unit, 1 + its cache's number */
	struct slab *slabs; /* by unit */
	uint64_t *free;     /* a bit a word: the object is free */
	struct slab_cache *by_cache;
	uint64_t *free_units; /* a bit a unit */
	uint64_t stretches;   /* of free units: a bit a list that is not empty */
	uint32_t stretch_heads[SLAB_ROOMY_UNITS]; /* of these, by length: first units */
	uint32_t nr_roomy;       /* units in stretches of SLAB_ROOMY_UNITS and more */
	uint32_t nr_units;       /* there can be */
	uint32_t nr_room;        /* from there on units are not in use yet */
	uint32_t nr_empty_pages; /* of empty slabs, whatever their cache */
};

/* Bytes of ledger and index for so many units (a multiple of SLAB_ROOM_UNITS) and caches; of 64. */
size_t slab_ledger_bytes(uint32_t nr_units);
size_t slab_index_bytes(uint32_t nr_units, uint32_t nr_caches);

/* Both memories are 64-byte aligned, `index` is zeroed. No unit is in use. */
void slab_table_init(struct slab_table *table, const struct cache_table *caches, uint32_t nr_units,
		     void *ledger, void *index);

/*
 * The ledger memory of the next SLAB_ROOM_UNITS units, as two ranges from the start of the table's
 * ledger memory, which the caller makes sure of before it adds them. False when there are no more.
 */
struct slab_range {
	size_t offset, size_bytes;
};
bool slab_next_room(const struct slab_table *table, struct slab_range ret[2]);
void slab_add_room(struct slab_table *table);

/* What the words of a slab take. */
static inline uint32_t slab_nr_units(const struct cache_layout *layout)
{
	return (layout->nr_words + SLAB_UNIT_WORDS - 1) / SLAB_UNIT_WORDS;
}

/*
 * Free units in use that any slab can have: those of stretches that are long enough for each. What
 * lies between slabs does not count.
 */
static inline uint32_t slab_room(const struct slab_table *table)
{
	return table->nr_roomy;
}

static inline const struct cache_layout *slab_layout(const struct slab_table *table,
						     uint32_t number)
{
	return &table->caches->layouts[table->slabs[number].cache];
}

/* The word of the map that has the bit of a slab's object. */
static inline uint64_t *slab_map(const struct slab_table *table, uint32_t number, uint32_t i)
{
	return &table->free[((size_t)number * SLAB_UNIT_WORDS + i) / 64];
}

static inline uint32_t *slab_words(const struct slab_table *table, uint32_t number)
{
	return table->words + (size_t)number * SLAB_UNIT_WORDS;
}

/*
 * A slab for `cache` at page pfn, all objects free and raw; its ledger is written when this
 * returns, but nothing names it yet. slab_enlist() files it once it is named. False without units.
 */
bool slab_new(struct slab_table *table, uint32_t cache, uint32_t pfn, uint32_t *ret_number);

/* A slab that nothing names any more, on no list. */
void slab_delete(struct slab_table *table, uint32_t number);

/* Files a slab where its free objects belong, or aside; unlisting takes it off. */
void slab_enlist(struct slab_table *table, uint32_t number, bool aside);
void slab_unlist(struct slab_table *table, uint32_t number);

/* The slab to grant from: the fullest that is not full, else an empty one. SLAB_NONE for none. */
uint32_t slab_pick(const struct slab_table *table, uint32_t cache);

/*
 * Takes up to 64 free objects of one slab, up to `count` of them, those of one word of the map. Bit
 * i of the mask is object *ret_first + i. The slab is filed anew. Their words are the caller's to
 * store. 0 when it has none.
 */
uint64_t slab_take(struct slab_table *table, uint32_t number, size_t count, uint32_t *ret_first);

/* Objects first + i for each bit i are free again, as their words say. The slab is filed anew. */
void slab_give(struct slab_table *table, uint32_t number, uint32_t first, uint64_t mask);

/*
 * Recovery: takes in a slab that a page's word names, and as much room as it lies in. Checks that
 * it can be one of its cache, on units that are no other's, with words that can be. NULL, or what
 * is wrong, a static string. It is on no list yet. slab_load_end() must follow when all are in.
 */
const char *slab_load(struct slab_table *table, uint32_t number, uint32_t pfn, unsigned order,
		      unsigned nr_slots);
void slab_load_end(struct slab_table *table);

/* All that must hold of a slab, and among all of them. NULL, or a static string. For tests. */
const char *slab_check(const struct slab_table *table, uint32_t number, uint32_t pfn);
const char *slab_validate(const struct slab_table *table);
