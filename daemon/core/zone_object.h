/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Objects of a zone: granted from slabs, freed into them, owned one by one.
 *
 * A slab is a block of the daemon's, of kind WORD_SLAB, whose word names the words of its objects
 * (core/slab.h). Storing an object's word grants it, storing one without a kind frees it. The pages
 * of a slab are no client's; an object counts for its holder with the stride of its cache.
 *
 * Caches are told by number, as in the zone's cache table, and never by a name for another one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/page.h"
#include "core/slab.h"
#include "core/word.h"

struct zone;

#define ZONE_CACHE_ANY UINT32_MAX

/*
 * Pages that a cache keeps in a zone in empty slabs, but one slab whatever its size; and all caches
 * together, or a part of the zone, whichever is less.
 */
#define ZONE_EMPTY_PAGES_MAX 256u
#define ZONE_EMPTY_PAGES_ALL 1024u
#define ZONE_EMPTY_PART 64u

/*
 * Grants up to `count` objects: from the fullest slabs, then from empty ones, then from up to
 * max_slabs new ones. Appends to `runs`, which must have room for `count` more after *nr_runs
 * entries. Returns how many, fewer than `count` only when neither objects nor, within max_slabs,
 * pages or units for new slabs are left. The owner's mobility does not count.
 */
size_t zone_alloc_objects(struct zone *zone, uint32_t cache, size_t count, struct word_owner owner,
			  uint32_t max_slabs, struct object_run *runs, size_t *nr_runs);

/* Objects that are free in the zone's slabs of a cache, and in those of them that are not empty. */
uint64_t zone_nr_free_objects(const struct zone *zone, uint32_t cache);
uint64_t zone_nr_partial_objects(const struct zone *zone, uint32_t cache);

/* Pages of the empty slabs of all caches. */
uint32_t zone_nr_empty_pages(const struct zone *zone);

/* Who frees, to be remembered in the word of what is free: see SLAB_CONSTRUCTED. */
struct zone_leaver {
	unsigned slot;
	unsigned generation; /* of the slot, modulo WORD_NR_TAGS */
	bool is_untold;      /* it never knew of them: then nobody is remembered */
};

/*
 * The two rounds of a batch free, run by run, as zone_leave() for pages. `cache` may be
 * ZONE_CACHE_ANY: each run is then of the cache whose slab it lies in. A run's raw says which of
 * its objects are not left constructed. Stores the bytes that will be freed in *ret_bytes. 0 or a
 * zone_error: ZONE_E_RANGE, ZONE_E_NOT_OBJECT, ZONE_E_CACHE, ZONE_E_NOT_HEAD (free already),
 * ZONE_E_NOT_HELD or ZONE_E_TWICE, with *ret_at the bit of the object that it is about; then
 * nothing has changed.
 */
int zone_leave_objects(struct zone *zone, uint32_t cache, unsigned slot,
		       const struct object_run *run, uint64_t *ret_bytes, unsigned *ret_at);
void zone_cancel_objects(struct zone *zone, const struct object_run *run);
void zone_finish_objects(struct zone *zone, const struct zone_leaver *leaver,
			 const struct object_run *run);

/*
 * Tell the processor that a run will soon be checked, as zone_expect(): first of its page's word,
 * and then, which needs that, of its objects' words. The run may be anything.
 */
void zone_expect_slab(const struct zone *zone, const struct object_run *run);
void zone_expect_objects(const struct zone *zone, uint32_t cache, const struct object_run *run);

/* Objects of a grant that were constructed are not any more: their bytes were cleared. */
void zone_forget_constructed(struct zone *zone, const struct object_run *run);

/*
 * Gives empty slabs of a cache back, or of all caches; returns the pages that became free. Bounded
 * by what is kept.
 */
uint32_t zone_shrink_cache(struct zone *zone, uint32_t cache);
uint32_t zone_shrink_caches(struct zone *zone);

/* What a slot holds in objects: how many, and the bytes that they count for. */
uint64_t zone_held_objects(const struct zone *zone, unsigned slot);
uint64_t zone_held_object_bytes(const struct zone *zone, unsigned slot);

/* What there is of a cache in a zone. */
struct zone_cache_stat {
	uint64_t objects_active, objects_total;
	uint64_t slabs_full, slabs_partial, slabs_empty; /* what is set aside counts as partial */
};
void zone_stat_cache(const struct zone *zone, uint32_t cache, struct zone_cache_stat *ret);

/* The slab that a page lies in. */
struct zone_slab {
	uint32_t pfn; /* of its first page */
	uint32_t number;
	uint32_t cache;
	uint32_t nr_objects, nr_held;
};
bool zone_find_slab(const struct zone *zone, uint64_t pfn, struct zone_slab *ret);

/* How many of a slab's objects a slot holds. */
uint32_t zone_count_held(const struct zone *zone, const struct zone_slab *slab, unsigned slot);

/* One object of a slab. */
struct zone_object {
	uint64_t offset;     /* in the pool */
	bool is_held;        /* by `holder` */
	bool is_constructed; /* free, and keeps what its constructor made of it; or was so when
			      * it was granted */
	bool has_previous;   /* `previous` had it before: known for a free object, and for a
			      * held one in a cache with CACHE_DEBUG */
	unsigned holder;     /* slot */
	struct zone_leaver previous;
};
void zone_get_object(const struct zone *zone, const struct zone_slab *slab, uint32_t i,
		     struct zone_object *ret);

/* The object that an offset is within, bytes between objects included: its index in the slab. */
bool zone_find_object(const struct zone *zone, uint64_t offset, struct zone_slab *ret_slab,
		      uint32_t *ret_i);

/*
 * Room for the words of more slabs: the ledger memory of the next part, as two ranges in the zone's
 * ledger, which the caller makes sure of before it adds it; false when there is no more to come.
 * zone_slab_room() says how many units (16 objects each) any slab can have; a zone without enough
 * grants fewer objects than it has pages for.
 */
uint32_t zone_slab_room(const struct zone *zone);
bool zone_next_slab_room(const struct zone *zone, struct slab_range ret[2]);
void zone_add_slab_room(struct zone *zone);
