/* SPDX-License-Identifier: MIT */

/*
 * Granting objects, and forgetting that what was granted is constructed, as its bytes are zeroed.
 *
 * A pool is asked, as the service asks it: it grants from partial slabs, from empty ones and from
 * new ones, and gives empty ones back for want of pages.
 */

#include "fault/operation_type.h"

/* Few are as good as many, and many are many stores; but a full word of objects is a case apart. */
static uint32_t random_object_count(struct random *random)
{
	return random_once_in(random, 6) ? OPERATION_BULK_MAX : 16;
}

/* Any name, but mostly of caches that clients made, as these come and go. */
static uint32_t random_cache(const struct model *model, struct random *random)
{
	const uint32_t from = random_once_in(random, 4) ? 0 : CACHE_NR_GENERAL;
	uint32_t number = from + random_below(random, CORE_NR_CACHES - from);

	while (!model_has_name(model, number))
		number = (number + 1) % CORE_NR_CACHES;
	return number;
}

/* No more than can become slabs of the model. */
static bool choose_alloc_objects(struct operation *operation, const struct operation_taste *taste,
				 const struct model *model, struct random *random)
{
	const uint32_t room = MODEL_SLABS_MAX - model->nr_slabs;
	uint32_t most;

	if (room < 2 || !operation_choose_owner(operation, taste, model, random))
		return false;
	operation->cache = random_cache(model, random);
	operation->count = 1 + random_below(random, random_object_count(random));
	most = (room - 1) * model_layout(model, model_target(model, operation->cache)).nr_objects;
	if (operation->count > most)
		operation->count = most;
	operation->has_room = !random_once_in(random, 8);
	return true;
}

static void add_room(struct zone *zone)
{
	struct slab_range ranges[2];

	if (zone_slab_room(zone) < SLAB_ROOM_UNITS && zone_next_slab_room(zone, ranges))
		zone_add_slab_room(zone);
}

static void run_alloc_objects(struct operation *operation, struct core *core)
{
	const struct pool_request request = { .policy = POOL_PREFERRED,
					      .preferred = core->zone.index_in_pool,
					      .local = POOL_ZONE_NONE,
					      .allowed = UINT64_MAX,
					      .owner = operation->owner };
	struct pool_demand demand;

	if (operation->has_room)
		add_room(&core->zone);
	operation->nr_object_runs = 0;
	operation->result = (int)pool_alloc_objects(&core->pool, &request, operation->cache,
						    operation->count, operation->object_runs,
						    &operation->nr_object_runs, &demand);
}

uint32_t operation_find_objects(const struct model *model, const struct operation_taste *taste,
				const struct object_run *run, uint32_t *ret_first)
{
	const uint64_t address = run->base >> PAGE_SHIFT;
	uint32_t at = model_slab_at(model, page_address_pfn(address));

	if (at == MODEL_NO_SLAB)
		return MODEL_NO_SLAB;
	*ret_first = model_object_at(model, &model->slabs[at], run->base, taste->zone.index);
	return *ret_first == UINT32_MAX ? MODEL_NO_SLAB : at;
}

/* The slab that a run of a grant lies in, which may be a new one. */
static uint32_t find_granted(const struct operation *operation, const struct operation_taste *taste,
			     struct model *model, const struct object_run *run, uint32_t *ret_first)
{
	const uint32_t cache = model_target(model, operation->cache);
	const uint32_t mask = size_of(model_layout(model, cache).order) - 1;
	uint32_t pfn = (uint32_t)page_address_pfn(run->base >> PAGE_SHIFT);
	uint32_t at = model_slab_at(model, pfn);

	if (pfn >= model->room)
		return MODEL_NO_SLAB;
	if ((at == MODEL_NO_SLAB || model->slabs[at].cache != cache) &&
	    !model_make_slab(model, pfn & ~mask, cache))
		return MODEL_NO_SLAB;
	return operation_find_objects(model, taste, run, ret_first);
}

/* Who is granted an object is told whether it is raw. */
static bool grant_object(const struct operation *operation, struct model_slab *slab, uint32_t i,
			 bool is_told_raw, unsigned flags)
{
	const struct word_owner owner = { .slot = operation->owner.slot,
					  .tag = operation->owner.tag };
	uint32_t was;

	if (i >= slab->nr_objects || model_is_held(slab, i))
		return false;
	was = slab->words[i];
	if (is_told_raw != (flags & CACHE_CTOR && !(was & SLAB_CONSTRUCTED)))
		return false;
	slab->words[i] = word_make(WORD_PAGE, owner, 0) | (was & SLAB_CONSTRUCTED);
	if (flags & CACHE_DEBUG)
		slab->words[slab->nr_objects + i] = was;
	return true;
}

static bool has_free(const struct model *model, uint32_t cache)
{
	for (uint32_t at = 0; at < model->nr_slabs; at++) {
		const struct model_slab *slab = &model->slabs[at];

		if (!slab->is_gone && slab->cache == cache && model_is_within(model, slab) &&
		    model_nr_held(slab) < slab->nr_objects)
			return true;
	}
	return false;
}

/* Pages for a slab more. What is contiguous may be for others alone. */
static bool has_free_pages(const struct model *model, const struct operation_taste *taste,
			   unsigned order)
{
	uint32_t pfn = (taste->zone.contiguous_pages + size_of(order) - 1) & ~(size_of(order) - 1);

	for (; pfn + size_of(order) <= model->nr_pages; pfn += size_of(order)) {
		uint32_t i = 0;

		while (i < size_of(order) && !model_is_covered(model, pfn + i))
			i++;
		if (i == size_of(order))
			return true;
	}
	return false;
}

/* A batch is cut short when nothing is left, and not before. */
static bool is_all_there_was(const struct operation *operation, const struct operation_taste *taste,
			     const struct model *model, uint32_t cache)
{
	const unsigned order = model_layout(model, cache).order;

	return !has_free(model, cache) && (!operation->has_room || order > taste->zone.max_order ||
					   !has_free_pages(model, taste, order));
}

static bool apply_alloc_objects(const struct operation *operation,
				const struct operation_taste *taste, struct model *model)
{
	const uint32_t cache = model_target(model, operation->cache);
	const unsigned flags = model->caches[cache].flags;
	uint32_t granted = 0;

	for (size_t n = 0; n < operation->nr_object_runs; n++) {
		const struct object_run *run = &operation->object_runs[n];
		uint32_t first = 0, at = find_granted(operation, taste, model, run, &first);

		if (at == MODEL_NO_SLAB || !model_is_within(model, &model->slabs[at]))
			return false;
		for (uint64_t mask = run->mask; mask; mask &= mask - 1, granted++)
			if (!grant_object(operation, &model->slabs[at],
					  first + (uint32_t)__builtin_ctzll(mask),
					  run->raw & mask & -mask, flags))
				return false;
	}
	return granted == (uint32_t)operation->result && granted <= operation->count &&
	       (granted == operation->count || is_all_there_was(operation, taste, model, cache));
}

/* Choosing what is held. */

/* What a holder has of the objects from `first` on, as a run. */
static struct object_run run_of(const struct operation *operation, const struct model *model,
				const struct operation_taste *taste, const struct model_slab *slab,
				uint32_t first)
{
	struct object_run run = {
		.base = model_object_offset(model, slab, first, taste->zone.index),
	};

	for (uint32_t i = 0; i < 64 && first + i < slab->nr_objects; i++)
		if (model_is_held_by(slab, first + i, operation->owner.slot))
			run.mask |= UINT64_C(1) << i;
	return run;
}

/* Runs of one slab; returns how many objects they are. */
static uint32_t choose_of_slab(struct operation *operation, const struct model *model,
			       const struct operation_taste *taste, const struct model_slab *slab,
			       struct random *random, bool is_whole)
{
	const uint32_t step = is_whole ? 64 : 1 + random_below(random, 64);
	uint32_t count = 0;

	for (uint32_t first = 0; first < slab->nr_objects; first += step) {
		struct object_run run = run_of(operation, model, taste, slab, first);

		if (step < 64)
			run.mask &= (UINT64_C(1) << step) - 1;
		if (!is_whole)
			run.mask &= random_next(random) | random_next(random);
		if (!run.mask || operation->nr_object_runs == OPERATION_BULK_MAX)
			continue;
		run.raw = random_once_in(random, 2) ? run.mask & random_next(random) : 0;
		operation->object_runs[operation->nr_object_runs++] = run;
		count += (uint32_t)__builtin_popcountll(run.mask);
	}
	return count;
}

bool operation_choose_holder(struct operation *operation, const struct model_slab *slab,
			     struct random *random)
{
	uint32_t start = random_below(random, slab->nr_objects);

	for (uint32_t n = 0; n < slab->nr_objects; n++) {
		uint32_t i = (start + n) % slab->nr_objects;

		if (!model_is_held(slab, i))
			continue;
		operation->owner.slot = word_slot(slab->words[i]);
		return true;
	}
	return false;
}

bool operation_choose_objects(struct operation *operation, const struct operation_taste *taste,
			      const struct model *model, struct random *random, bool is_whole,
			      unsigned flags)
{
	const uint32_t start = random_below(random, MODEL_SLABS_MAX);
	const uint32_t wanted = random_below(random, random_object_count(random));
	bool has_holder = false;

	for (uint32_t n = 0, count = 0; n < model->nr_slabs && count <= wanted; n++) {
		const struct model_slab *slab = &model->slabs[(start + n) % model->nr_slabs];

		if ((model->caches[slab->cache].flags & flags) != flags)
			continue;
		has_holder = has_holder || operation_choose_holder(operation, slab, random);
		if (has_holder)
			count += choose_of_slab(operation, model, taste, slab, random, is_whole);
	}
	return operation->nr_object_runs > 0;
}

/* Forgetting. */

static bool choose_forget_constructed(struct operation *operation,
				      const struct operation_taste *taste,
				      const struct model *model, struct random *random)
{
	return operation_choose_objects(operation, taste, model, random, false, CACHE_CTOR);
}

static void run_forget_constructed(struct operation *operation, struct core *core)
{
	pool_forget_constructed(&core->pool, operation->object_runs, operation->nr_object_runs);
}

static bool apply_forget_constructed(const struct operation *operation,
				     const struct operation_taste *taste, struct model *model)
{
	for (size_t n = 0; n < operation->nr_object_runs; n++) {
		const struct object_run *run = &operation->object_runs[n];
		uint32_t first = 0, at = operation_find_objects(model, taste, run, &first);

		if (run->raw != run->mask)
			return false;
		for (uint64_t mask = run->mask; mask; mask &= mask - 1)
			model->slabs[at].words[first + (uint32_t)__builtin_ctzll(mask)] &=
				~SLAB_CONSTRUCTED;
	}
	return true;
}

const struct operation_type operation_alloc_objects = {
	.name = "alloc objects",
	.weight = 25,
	.gives = 1,
	.choose = choose_alloc_objects,
	.run = run_alloc_objects,
	.apply = apply_alloc_objects,
};

const struct operation_type operation_forget_constructed = {
	.name = "forget constructed",
	.weight = 4,
	.choose = choose_forget_constructed,
	.run = run_forget_constructed,
	.apply = apply_forget_constructed,
};
