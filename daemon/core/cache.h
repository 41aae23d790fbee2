/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Caches: what kinds of objects a pool has, by name, and how objects lie in a slab.
 *
 * One table a pool, in a ledger memory of its own, 128 bytes a cache. A record's state is the last
 * word stored when a cache is made and when it is unmade, so that a reader finds it whole or not at
 * all. A cache that was merged into another is a name for it: the objects of both are the other's.
 * The layout is computed from the record alone and never stored. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/page.h"

#define CACHES_MAX 1024u /* of a pool, general ones included */
#define CACHE_NAME_BYTES_MAX 63u
#define CACHE_OBJECT_BYTES_MAX (UINT32_C(2) << 20)
#define CACHE_STRIDE_MIN 16u
#define CACHE_ALIGN_MIN 8u /* and what 0 stands for */
#define CACHE_ALIGN_MAX 4096u
#define CACHE_ORDER_MAX 10u         /* of a slab */
#define CACHE_SLAB_OBJECTS_MAX 256u /* in a slab: of the smallest, a page of them */

/*
 * The general caches have the first numbers: 16 bytes to 32 KiB, four sizes a doubling, where that
 * leaves them multiples of 16.
 */
#define CACHE_NR_GENERAL 40u
#define CACHE_GENERAL_PREFIX "malloc-"

enum cache_flags {
	CACHE_CTOR = 0x1, /* objects keep what their constructor made of them while they are free */
	CACHE_DEBUG = 0x2, /* red zones, poison, and who had an object before */
	CACHE_MERGE = 0x4  /* may be a name for a cache that is alike */
};

enum cache_state {
	CACHE_FREE = 0,
	CACHE_NAMED,
	CACHE_NAMELESS /* only others' name for it is left */
};

struct cache_config {
	const char *name;      /* 1 .. CACHE_NAME_BYTES_MAX bytes */
	uint32_t object_bytes; /* 1 .. CACHE_OBJECT_BYTES_MAX */
	uint32_t align;        /* 0, or a power of two, CACHE_ALIGN_MIN .. CACHE_ALIGN_MAX */
	unsigned flags;
	enum mobility mobility;
};

/* In the ledger. */
struct cache_record {
	uint32_t state;      /* enum cache_state */
	uint32_t generation; /* of the number: how often it was given to a new cache, modulo 2^22 */
	uint32_t target; /* the cache that it is a name for; its own number if it is not merged */
	uint32_t object_bytes;
	uint32_t align;
	uint32_t flags;
	uint32_t mobility;
	uint32_t reserved[9];
	char name[CACHE_NAME_BYTES_MAX + 1]; /* filled up with zeros */
};

_Static_assert(sizeof(struct cache_record) == 128, "a record is two cache lines");

/*
 * How objects lie in a slab: object i starts at first_bytes + colour + i * stride_bytes. Its red
 * zones, in a cache with CACHE_DEBUG, are the CACHE_RED_BYTES before it, and all that lies between
 * its end and the red zone before the next one (or where that would be, behind the last object):
 * stride_bytes - object_bytes - CACHE_RED_BYTES, which is at least CACHE_RED_BYTES too.
 */
#define CACHE_RED_BYTES 16u
struct cache_layout {
	uint32_t object_bytes; /* that a client may use */
	uint32_t stride_bytes;
	uint32_t first_bytes;
	uint32_t nr_objects; /* of a slab */
	uint32_t nr_words;   /* ledger words of a slab: one an object; two with CACHE_DEBUG, the
			      * second ones behind all first ones */
	uint32_t nr_colours;
	uint32_t colour_bytes; /* from one colour to the next */
	uint32_t waste_bytes;  /* of a slab: what lies in no object's stride, colours included */
	unsigned order;        /* of a slab: 0 .. CACHE_ORDER_MAX */
	unsigned flags;
	enum mobility mobility;
	uint64_t reciprocal; /* cache_object_at() */
};

/* Lays objects out. 0, or -EINVAL for a size, alignment or flags that can't be. */
int cache_lay_out(const struct cache_config *config, struct cache_layout *ret);

/* The colour of the slab whose first page is pfn, in bytes. */
static inline uint32_t cache_colour(const struct cache_layout *layout, uint32_t pfn)
{
	return layout->nr_colours == 1
		       ? 0
		       : (pfn >> layout->order) % layout->nr_colours * layout->colour_bytes;
}

/*
 * Which object starts so many bytes behind the first one; at least nr_objects when none does.
 * bytes < 2^22.
 */
#define CACHE_RECIPROCAL_SHIFT 43u
static inline uint32_t cache_object_at(const struct cache_layout *layout, uint32_t bytes)
{
	uint32_t i = (uint32_t)(bytes * layout->reciprocal >> CACHE_RECIPROCAL_SHIFT);

	return i * layout->stride_bytes == bytes ? i : UINT32_MAX;
}

struct cache_table {
	struct cache_record *records; /* borrowed ledger memory */
	struct cache_layout *layouts; /* derived; of records that are in use */
	uint32_t nr_caches;
	uint32_t nr_used; /* names, the general caches included */
};

enum cache_error {
	CACHE_E_FULL = 1, /* no record is free */
	CACHE_E_EXISTS,   /* the name is that of a cache that is not alike */
	CACHE_E_DAMAGED   /* a record can't be true */
};

/* Bytes of the two memories of a table of nr_caches, CACHE_NR_GENERAL .. CACHES_MAX; of 64. */
size_t cache_ledger_bytes(uint32_t nr_caches);
size_t cache_index_bytes(uint32_t nr_caches);

/*
 * Opens a table. Both memories are 64-byte aligned and outlive it; `index` is zeroed, `ledger` for
 * a fresh table. General caches that are missing are made, with these flags (CACHE_DEBUG or 0) and
 * as unmovable. 0, -EINVAL, or CACHE_E_DAMAGED with *ret_number.
 */
int cache_table_open(struct cache_table *table, uint32_t nr_caches, unsigned general_flags,
		     void *ledger, void *index, uint32_t *ret_number);

/*
 * Makes a cache, or finds the one of this name if it was made with the same configuration (an align
 * of 0 is CACHE_ALIGN_MIN; CACHE_MERGE does not count). With CACHE_MERGE a new one becomes a name
 * for a named cache that is alike but for its name, if there is one; caches with CACHE_CTOR or
 * CACHE_DEBUG and general caches are never merged with. Stores the name's number in *ret_number;
 * objects are those of cache_target(). 0, -EINVAL (also for a name that begins as those of general
 * caches do), CACHE_E_FULL or CACHE_E_EXISTS.
 */
int cache_table_add(struct cache_table *table, const struct cache_config *config,
		    uint32_t *ret_number);

/* Finds a name. CACHES_MAX when there is none. */
uint32_t cache_table_find(const struct cache_table *table, const char *name);

/*
 * A name goes. When it was the last for its cache, the cache does too; the caller has made sure
 * that it has no slab then, as cache_table_is_last() tells before, and cache_target() which cache
 * it is. The number must be of a name in use and not general (assert).
 */
bool cache_table_is_last(const struct cache_table *table, uint32_t number);
void cache_table_remove(struct cache_table *table, uint32_t number);

/* All that must hold. NULL, or a static string that says what does not. */
const char *cache_table_validate(const struct cache_table *table);

/* How clients name a cache: with the number's generation, so that one that is gone is not found. */
#define CACHE_NUMBER_BITS 10u
static inline uint32_t cache_handle(const struct cache_table *table, uint32_t number)
{
	return number | table->records[number].generation << CACHE_NUMBER_BITS;
}

/* The number of a handle, or CACHES_MAX when no name has it (any more). */
static inline uint32_t cache_number(const struct cache_table *table, uint32_t handle)
{
	uint32_t number = handle & (CACHES_MAX - 1);

	if (number >= table->nr_caches || table->records[number].state != CACHE_NAMED ||
	    cache_handle(table, number) != handle)
		return CACHES_MAX;
	return number;
}

/* The cache whose objects these are. */
static inline uint32_t cache_target(const struct cache_table *table, uint32_t number)
{
	return table->records[number].target;
}

/*
 * The number of the name that stands for a cache that is in use: its own, or, when that was
 * removed, the first of the others.
 */
uint32_t cache_table_name(const struct cache_table *table, uint32_t cache);

/* Whether slabs may be of this cache: it is in use and no name for another. */
static inline bool cache_has_slabs(const struct cache_table *table, uint32_t number)
{
	return number < table->nr_caches && table->records[number].state != CACHE_FREE &&
	       table->records[number].target == number;
}
