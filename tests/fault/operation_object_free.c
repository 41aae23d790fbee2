/* SPDX-License-Identifier: MIT */

/*
 * Freeing objects: batches of several runs, slabs and caches that one holder has, and such of which
 * one object is wrong, whereupon all must stay held.
 */

#include "fault/operation_type.h"

static bool choose_free_objects(struct operation *operation, const struct operation_taste *taste,
				const struct model *model, struct random *random)
{
	const struct model_slab *slab;

	if (!operation_choose_objects(operation, taste, model, random, random_once_in(random, 2),
				      0))
		return false;
	operation->leaver = (struct zone_leaver){
		.slot = operation->owner.slot,
		.generation = model->slots[operation->owner.slot].generation % WORD_NR_TAGS,
		.is_untold = random_once_in(random, 8),
	};
	operation->cache = ZONE_CACHE_ANY;
	if (random_once_in(random, 2))
		return true;
	/* By the name of a cache, which all of them must be of. */
	slab = &model->slabs[model_slab_at(
		model, page_address_pfn(operation->object_runs[0].base >> PAGE_SHIFT))];
	operation->cache = slab->cache;
	for (size_t n = operation->nr_object_runs; n-- > 1;) {
		uint64_t pfn = page_address_pfn(operation->object_runs[n].base >> PAGE_SHIFT);

		if (model->slabs[model_slab_at(model, pfn)].cache != slab->cache)
			operation->object_runs[n] =
				operation->object_runs[--operation->nr_object_runs];
	}
	return true;
}

static void run_free_objects(struct operation *operation, struct core *core)
{
	uint64_t offset;

	operation->result =
		pool_free_objects(&core->pool, operation->cache, &operation->leaver,
				  operation->object_runs, operation->nr_object_runs, &offset);
}

/* Who has constructed an object leaves it so, unless he says that it is raw. */
static bool free_object(const struct operation *operation, struct model_slab *slab, uint32_t i,
			bool is_raw, unsigned flags)
{
	const struct word_owner leaver = { .slot = operation->leaver.slot,
					   .tag = operation->leaver.generation };

	if (i >= slab->nr_objects || !model_is_held_by(slab, i, operation->leaver.slot))
		return false;
	slab->words[i] =
		(flags & CACHE_CTOR && !is_raw ? SLAB_CONSTRUCTED : 0) |
		(operation->leaver.is_untold ? SLAB_NEVER_HELD : word_make(WORD_FREE, leaver, 0));
	return true;
}

static bool apply_free_objects(const struct operation *operation,
			       const struct operation_taste *taste, struct model *model)
{
	if (operation->result)
		return false;
	for (size_t n = 0; n < operation->nr_object_runs; n++) {
		const struct object_run *run = &operation->object_runs[n];
		uint32_t first = 0, at = operation_find_objects(model, taste, run, &first);

		if (at == MODEL_NO_SLAB)
			return false;
		for (uint64_t mask = run->mask; mask; mask &= mask - 1)
			if (!free_object(operation, &model->slabs[at],
					 first + (uint32_t)__builtin_ctzll(mask),
					 run->raw & mask & -mask,
					 model->caches[model->slabs[at].cache].flags))
				return false;
	}
	return true;
}

/* What can be wrong with a run that was right. False when it can't be done to it. */

/* Its last object is named by itself before, and the others are named once. */
static bool name_twice(struct operation *operation, size_t at)
{
	struct object_run *runs = operation->object_runs;

	for (size_t n = operation->nr_object_runs++; n > at; n--)
		runs[n] = runs[n - 1];
	runs[at].mask = UINT64_C(1) << (63 - __builtin_clzll(runs[at].mask));
	operation->refusal = ZONE_E_TWICE;
	return true;
}

/* One more that is free, or another's. */
static bool name_not_held(struct operation *operation, const struct operation_taste *taste,
			  const struct model *model, struct object_run *run, struct random *random)
{
	uint32_t first = 0, at = operation_find_objects(model, taste, run, &first);
	const struct model_slab *slab = &model->slabs[at];
	uint32_t bit = random_below(random, 64), i = first + bit;

	if (i >= slab->nr_objects || model_is_held_by(slab, i, operation->leaver.slot))
		return false;
	operation->refusal = model_is_held(slab, i) ? ZONE_E_NOT_HELD : ZONE_E_NOT_HEAD;
	run->mask |= UINT64_C(1) << bit;
	return true;
}

/* The inside of one, or what would be one if the slab had more. */
static bool name_no_object(struct operation *operation, const struct operation_taste *taste,
			   const struct model *model, struct object_run *run, struct random *random)
{
	uint32_t first = 0, at = operation_find_objects(model, taste, run, &first);
	const struct model_slab *slab = &model->slabs[at];

	operation->refusal = ZONE_E_NOT_OBJECT;
	if (random_once_in(random, 2)) {
		run->base +=
			1 + random_below(random, model_layout(model, slab->cache).stride_bytes - 1);
		run->mask = 1;
		return true;
	}
	if (first + 63 < slab->nr_objects)
		return false;
	run->mask |= UINT64_C(1) << (slab->nr_objects - first);
	return true;
}

/* A page without objects. */
static bool name_no_slab(struct operation *operation, const struct operation_taste *taste,
			 const struct model *model, struct object_run *run, struct random *random)
{
	uint32_t pfn = random_below(random, model->room);

	operation->refusal = ZONE_E_NOT_OBJECT;
	run->base = page_address(taste->zone.index, pfn) << PAGE_SHIFT;
	return model_slab_at(model, pfn) == MODEL_NO_SLAB;
}

/* All are right, but the first is of another cache. */
static bool name_other_cache(struct operation *operation, const struct model *model,
			     struct random *random)
{
	uint64_t pfn = page_address_pfn(operation->object_runs[0].base >> PAGE_SHIFT);

	operation->refusal = ZONE_E_CACHE;
	operation->cache = random_below(random, CORE_NR_CACHES);
	return model_has_name(model, operation->cache) &&
	       model_target(model, operation->cache) !=
		       model->slabs[model_slab_at(model, pfn)].cache;
}

static bool choose_free_objects_wrong(struct operation *operation,
				      const struct operation_taste *taste,
				      const struct model *model, struct random *random)
{
	size_t at;
	struct object_run *run;

	if (!choose_free_objects(operation, taste, model, random))
		return false;
	at = random_below(random, (uint32_t)operation->nr_object_runs);
	run = &operation->object_runs[at];
	switch (random_below(random, 5)) {
	case 0:
		return name_twice(operation, at);
	case 1:
		return name_not_held(operation, taste, model, run, random);
	case 2:
		return name_no_object(operation, taste, model, run, random);
	case 3:
		return name_no_slab(operation, taste, model, run, random);
	default:
		return name_other_cache(operation, model, random);
	}
}

static bool apply_refusal(const struct operation *operation, const struct operation_taste *taste,
			  struct model *model)
{
	(void)taste;
	(void)model;
	return operation->result == operation->refusal;
}

const struct operation_type operation_free_objects = {
	.name = "free objects",
	.weight = 20,
	.gives = -1,
	.choose = choose_free_objects,
	.run = run_free_objects,
	.apply = apply_free_objects,
};

const struct operation_type operation_free_objects_wrong = {
	.name = "free objects, refused",
	.weight = 5,
	.choose = choose_free_objects_wrong,
	.run = run_free_objects,
	.apply = apply_refusal,
};
