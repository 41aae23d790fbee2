/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a truth must say, kept by what the core answered and by nothing else.
 *
 * A model is too simple to be wrong: for each page a word for everybody who holds the block that
 * starts there, the word that the block would have if he were its only holder; for each slab the
 * words of its objects; for each slot and each cache a copy.
 */

#include <stdbool.h>
#include <stdint.h>

#include "fault/core.h"

#define MODEL_SLABS_MAX 96u
#define MODEL_SLAB_WORDS_MAX 256u

/* A slab, which is also a block of the daemon's. */
struct model_slab {
	uint32_t pfn;
	uint32_t cache;
	uint32_t nr_objects, nr_words; /* as its layout has them */
	bool is_gone; /* it was given back; its words are those that it had until then */
	uint32_t words[MODEL_SLAB_WORDS_MAX];
};

struct model {
	uint32_t room;     /* pages that the zone can have, up to CORE_PAGES_MAX */
	uint32_t nr_pages; /* the zone's size; blocks granted before it shrank may lie behind it */
	uint32_t nr_covered; /* pages of blocks */
	struct slot slots[CORE_NR_SLOTS];
	bool is_covered[CORE_PAGES_MAX];
	uint8_t nr_holders[CORE_PAGES_MAX]; /* of the block that starts here; a hole has one */
	uint32_t words[CORE_PAGES_MAX][CORE_NR_SLOTS];
	struct cache_record caches[CORE_NR_CACHES]; /* of a free one the generation alone counts */
	uint32_t nr_slabs;
	struct model_slab slabs[MODEL_SLABS_MAX];
};

/* A zone of this size, all of it free, and no slot in use. */
void model_init(struct model *model, uint32_t room, uint32_t nr_pages);

/* A block starts at pfn, held by the word's slot. False when it can't: misaligned, too far behind,
 * or over another. */
bool model_grant(struct model *model, uint32_t pfn, uint32_t word);

/* One more holder of the block at pfn. False when there is none, or it is another block. */
bool model_share(struct model *model, uint32_t pfn, uint32_t word);

/* The slot holds the block no more, which is free if it was the last. False when it held none. */
bool model_leave(struct model *model, uint32_t pfn, unsigned slot);

/* The word of the slot's block that starts at pfn, or 0. */
static inline uint32_t model_word(const struct model *model, uint32_t pfn, unsigned slot)
{
	return pfn < model->room ? model->words[pfn][slot] : 0;
}

/* Whether a page lies in a block or a slab. */
static inline bool model_is_covered(const struct model *model, uint32_t pfn)
{
	return pfn < model->room && model->is_covered[pfn];
}

/*
 * The head of a block with so many holders at least, at or behind a page, round the end;
 * PAGE_NONE when there is none. Holes are no blocks here.
 */
uint32_t model_next_block(const struct model *model, uint32_t pfn, unsigned nr_holders);

/* Caches. */

static inline bool model_has_name(const struct model *model, uint32_t number)
{
	return number < CORE_NR_CACHES && model->caches[number].state == CACHE_NAMED;
}

/* The cache that a name stands for, and how the objects of a cache lie. */
static inline uint32_t model_target(const struct model *model, uint32_t number)
{
	return model->caches[number].target;
}

struct cache_config model_cache_config(const struct model *model, uint32_t number);
struct cache_layout model_layout(const struct model *model, uint32_t cache);

/* The number of a name, or CACHES_MAX. */
uint32_t model_find_cache(const struct model *model, const char *name);

/* A free record becomes a cache, or a name for one. False when it is not free. */
bool model_make_cache(struct model *model, uint32_t number, uint32_t target,
		      const struct cache_config *config);

/* Whether a name is the last one for its cache; and the name goes, the last one with its cache. */
bool model_is_last_name(const struct model *model, uint32_t number);
void model_remove_cache(struct model *model, uint32_t number);

/* Slabs. */

/* The slab that a page lies in, by its place in the array; MODEL_NO_SLAB for none. */
#define MODEL_NO_SLAB UINT32_MAX
uint32_t model_slab_at(const struct model *model, uint64_t pfn);

/*
 * A new slab of a cache at pfn, its objects free and raw. Empty ones in its place are given back
 * first. False when it can't be there.
 */
bool model_make_slab(struct model *model, uint32_t pfn, uint32_t cache);

/* All empty slabs of a cache are given back. */
void model_shrink_cache(struct model *model, uint32_t cache);

/* Forgets those that were given back. */
void model_drop_gone(struct model *model);

uint32_t model_nr_held(const struct model_slab *slab);

/* Whether a slab lies within the zone's size. From those that don't nothing is granted. */
bool model_is_within(const struct model *model, const struct model_slab *slab);

static inline bool model_is_held(const struct model_slab *slab, uint32_t i)
{
	return word_kind(slab->words[i]) == WORD_PAGE;
}

static inline bool model_is_held_by(const struct model_slab *slab, uint32_t i, unsigned slot)
{
	return model_is_held(slab, i) && word_slot(slab->words[i]) == slot;
}

/* Where an object of a slab is, as an offset in the pool. */
uint64_t model_object_offset(const struct model *model, const struct model_slab *slab, uint32_t i,
			     unsigned zone_index);

/* Which object of a slab is at an offset, or UINT32_MAX. */
uint32_t model_object_at(const struct model *model, const struct model_slab *slab, uint64_t offset,
			 unsigned zone_index);

/*
 * No answer tells which empty slabs there are. Brings a model to those of `found`, in which nothing
 * is under way: what is not there has been given back, and what is there and was not is new and
 * raw. False with *ret when that can't be.
 */
bool model_adopt_slabs(struct model *model, const struct model *found, struct zone_fault *ret);

/* All of it. */

/* What the core says of itself. False with *ret when it has two blocks in one place. */
bool model_read(struct model *model, struct core *core, struct zone_fault *ret);

/*
 * Whether each hold of a block, each object, each slot and each cache of `found` is as in `before`
 * or as in `after`, and no holder of anything is gone. False with *ret.
 */
bool model_is_between(const struct model *found, const struct model *before,
		      const struct model *after, struct zone_fault *ret);
