/* SPDX-License-Identifier: MIT */
#pragma once

/* A kind of operation, as the table in operation.c has them. Private to operation*.c. */

#include <stdbool.h>
#include <stdint.h>

#include "fault/operation.h"

struct operation_type {
	const char *name;
	uint32_t weight; /* how often, as a share of all weights */
	int gives;       /* 1: takes pages out of the free, -1: brings them back */

	/* Says what is asked. False when the model has nothing to do it to. */
	bool (*choose)(struct operation *operation, const struct operation_taste *taste,
		       const struct model *model, struct random *random);
	/* Asks it and says what is answered. */
	void (*run)(struct operation *operation, struct core *core);
	/* Brings the model to what was answered. False when that can't be. */
	bool (*apply)(const struct operation *operation, const struct operation_taste *taste,
		      struct model *model);
	/* A promise beyond that of each block, see operation_is_kept(). NULL: there is none. */
	bool (*is_kept)(const struct operation *operation, const struct model *found);
};

extern const struct operation_type operation_open;
extern const struct operation_type operation_alloc;
extern const struct operation_type operation_alloc_bulk;
extern const struct operation_type operation_alloc_exact;
extern const struct operation_type operation_free;
extern const struct operation_type operation_free_wrong;
extern const struct operation_type operation_free_bulk;
extern const struct operation_type operation_free_bulk_wrong;
extern const struct operation_type operation_free_exact;
extern const struct operation_type operation_free_exact_wrong;
extern const struct operation_type operation_mark_hole;
extern const struct operation_type operation_resize;
extern const struct operation_type operation_share;
extern const struct operation_type operation_take_slot;
extern const struct operation_type operation_set_state;
extern const struct operation_type operation_release;
extern const struct operation_type operation_create_cache;
extern const struct operation_type operation_alloc_objects;
extern const struct operation_type operation_forget_constructed;
extern const struct operation_type operation_free_objects;
extern const struct operation_type operation_free_objects_wrong;
extern const struct operation_type operation_shrink_caches;
extern const struct operation_type operation_destroy_cache;

/* Somebody who asks for something. False when the one that was drawn is not there. */
bool operation_choose_owner(struct operation *operation, const struct operation_taste *taste,
			    const struct model *model, struct random *random);

/*
 * A block with so many holders at least, at or behind a page; its order and one of its holders.
 * False when there is none.
 */
bool operation_choose_block(struct operation *operation, const struct model *model, uint32_t pfn,
			    unsigned nr_holders, struct random *random);

/* Whoever holds an object of a slab becomes the owner. False when nobody does. */
bool operation_choose_holder(struct operation *operation, const struct model_slab *slab,
			     struct random *random);

/*
 * Objects of one holder in one slab or several, as runs: all that he has there when `is_whole`,
 * else here and there one is left out. With flags, only of caches that have all of them. False when
 * nobody holds any.
 */
bool operation_choose_objects(struct operation *operation, const struct operation_taste *taste,
			      const struct model *model, struct random *random, bool is_whole,
			      unsigned flags);

/* The slab that a run lies in, or MODEL_NO_SLAB, and which object bit 0 of its mask is. */
uint32_t operation_find_objects(const struct model *model, const struct operation_taste *taste,
				const struct object_run *run, uint32_t *ret_first);

/* An exact grant's head is proof of the whole. */
bool operation_is_exact_whole(const struct operation *operation, const struct model *found);

static inline uint32_t size_of(unsigned order)
{
	return UINT32_C(1) << order;
}

/* Of a batch: small ones more often than large ones. */
static inline uint32_t random_count(const struct operation_taste *taste, struct random *random)
{
	return 1 + random_below(random, 1 + random_below(random, taste->bulk_max));
}

static inline bool is_block_of(const struct model *model, uint32_t pfn, unsigned order,
			       unsigned slot)
{
	uint32_t word = model_word(model, pfn, slot);

	return word_kind(word) == WORD_PAGE && word_order(word) == order;
}

static inline uint32_t run_pfn(const struct page_run *run, uint64_t mask, unsigned order)
{
	return (uint32_t)page_address_pfn(run->base) + ((uint32_t)__builtin_ctzll(mask) << order);
}

/* The order of the next block of an exact grant of which so many pages are left. */
static inline unsigned exact_order(uint32_t left)
{
	return 31u - (unsigned)__builtin_clz(left);
}
