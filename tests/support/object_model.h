/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The objects of a zone beside plain arrays: of each object who holds it, whether it is constructed
 * and who had it before. Which slabs there are is taken from the zone, as the model of its pages
 * lets it (support/zone_model.h); all that is in them is not.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/zone_object.h"
#include "support/zone_model.h"

struct object_model_object {
	unsigned holder; /* a slot; 0: nobody */
	bool is_constructed;
	bool has_previous;
	struct zone_leaver previous;
	bool is_named; /* by a batch that is being answered */
};

struct object_model_slab {
	uint32_t pfn;
	uint32_t cache;
	struct cache_layout layout;
	struct object_model_object *objects;
	struct object_model_slab *next; /* in no order */
};

struct object_model {
	struct zone_model pages;
	struct object_model_slab *slabs;
	uint32_t nr_slabs;
	uint32_t nr_added; /* slabs that have ever come */
};

void object_model_init(struct object_model *model, const struct zone_config *config);
void object_model_deinit(struct object_model *model);

/*
 * Slabs have come or gone, none of them with an object that is held. After grants this comes first,
 * after frees last.
 */
void object_model_follow(struct object_model *model);

/* The slab that a page lies in, or NULL. */
struct object_model_slab *object_model_find(const struct object_model *model, uint64_t pfn);
/* Where its first object starts. */
uint64_t object_model_start(const struct object_model_slab *slab);
/* How many of its objects nobody holds. */
uint32_t object_model_nr_free(const struct object_model_slab *slab);
/* Whether it reaches beyond the edge of the zone or of a copy, and nothing is granted from it. */
bool object_model_is_beyond(const struct object_model_slab *slab, const struct zone *zone);

/* What was granted; fails the test if it should not have been, or its raw bits are wrong. */
void object_model_take(struct object_model *model, uint32_t cache, unsigned slot,
		       const struct object_run *run);

/* What a batch free must say, and of which run and bit. */
int object_model_answer(const struct object_model *model, uint32_t cache, unsigned slot,
			const struct object_run *runs, size_t nr_runs, size_t *ret_run,
			unsigned *ret_bit);
/* What was freed so. */
void object_model_give(struct object_model *model, const struct zone_leaver *leaver,
		       const struct object_run *run);

/* What was cleared, and who died. */
void object_model_forget_constructed(struct object_model *model, const struct object_run *run);
void object_model_release(struct object_model *model, unsigned slot);

/* Compares every object and all counts with what a zone says: this one, or one opened on a copy. */
void object_model_compare(const struct object_model *model, const struct zone_fixture *fixture);
