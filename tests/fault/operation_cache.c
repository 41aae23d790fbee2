/* SPDX-License-Identifier: MIT */

/*
 * Caches are made, become names for others, lose their names, and give their empty slabs back.
 *
 * There are more patterns than records, and some of one name and of different make, so that making
 * is refused as well; and some that are alike, so that a cache can lose its own name before those
 * of others that stand for it. Their slabs have few words and many, from one to several pages, with
 * and without colours, constructors, and second words for who had an object before.
 */

#include "fault/operation_type.h"

static const struct cache_config patterns[] = {
	{ "points", 64, 0, 0, MOBILITY_UNMOVABLE },
	{ "points", 72, 0, 0, MOBILITY_UNMOVABLE },
	{ "tiles", 200, 0, CACHE_CTOR, MOBILITY_MOVABLE },
	{ "nodes", 24, 0, CACHE_CTOR, MOBILITY_UNMOVABLE },
	{ "frames", 1000, 64, CACHE_CTOR, MOBILITY_RECLAIMABLE },
	{ "suspects", 120, 0, CACHE_DEBUG, MOBILITY_UNMOVABLE },
	{ "suspects", 120, 0, CACHE_CTOR | CACHE_DEBUG, MOBILITY_UNMOVABLE },
	{ "bytes", 1, 0, CACHE_DEBUG, MOBILITY_UNMOVABLE },
	{ "rows", 3000, 0, CACHE_CTOR, MOBILITY_MOVABLE },
	{ "plates", 40000, 0, CACHE_CTOR | CACHE_DEBUG, MOBILITY_UNMOVABLE },
	{ "red", 96, 0, CACHE_MERGE, MOBILITY_UNMOVABLE },
	{ "green", 96, 8, CACHE_MERGE, MOBILITY_UNMOVABLE },
	{ "blue", 96, 0, CACHE_MERGE, MOBILITY_UNMOVABLE },
	{ "grey", 96, 0, 0, MOBILITY_UNMOVABLE },
	{ "white", 96, 0, CACHE_CTOR | CACHE_MERGE, MOBILITY_UNMOVABLE },
};

#define NR_PATTERNS (sizeof(patterns) / sizeof(patterns[0]))
#define FIRST_ALIKE 10u /* "red", and those behind it */
#define NR_ALIKE 4u

static bool choose_create_cache(struct operation *operation, const struct operation_taste *taste,
				const struct model *model, struct random *random)
{
	(void)taste;
	(void)model;
	operation->pattern = random_below(random, NR_PATTERNS);
	if (random_once_in(random, 3))
		operation->pattern = FIRST_ALIKE + random_below(random, NR_ALIKE);
	return true;
}

static void run_create_cache(struct operation *operation, struct core *core)
{
	operation->result =
		pool_create_cache(&core->pool, &patterns[operation->pattern], &operation->cache);
	if (!operation->result)
		operation->target = cache_target(&core->caches, operation->cache);
}

static uint32_t align_of(const struct cache_config *config)
{
	return config->align ? config->align : CACHE_ALIGN_MIN;
}

static bool is_alike(const struct cache_config *a, const struct cache_config *b)
{
	return a->object_bytes == b->object_bytes && align_of(a) == align_of(b) &&
	       (a->flags | CACHE_MERGE) == (b->flags | CACHE_MERGE) && a->mobility == b->mobility;
}

/* Whether there is a cache that this one can be a name for, by any name for it. */
static bool has_alike(const struct model *model, const struct cache_config *config)
{
	if (!(config->flags & CACHE_MERGE) || config->flags & (CACHE_CTOR | CACHE_DEBUG))
		return false;
	for (uint32_t i = CACHE_NR_GENERAL; i < CORE_NR_CACHES; i++) {
		struct cache_config other = model_cache_config(model, i);

		if (model_has_name(model, i) && is_alike(config, &other))
			return true;
	}
	return false;
}

static bool is_target_right(const struct operation *operation, const struct model *model,
			    const struct cache_config *config)
{
	struct cache_config other;

	if (!has_alike(model, config))
		return operation->target == operation->cache;
	if (operation->target < CACHE_NR_GENERAL || operation->target >= CORE_NR_CACHES ||
	    model->caches[operation->target].state == CACHE_FREE)
		return false;
	other = model_cache_config(model, operation->target);
	return is_alike(config, &other) &&
	       model_target(model, operation->target) == operation->target;
}

static bool has_free_record(const struct model *model)
{
	for (uint32_t i = CACHE_NR_GENERAL; i < CORE_NR_CACHES; i++)
		if (model->caches[i].state == CACHE_FREE)
			return true;
	return false;
}

static bool apply_create_cache(const struct operation *operation,
			       const struct operation_taste *taste, struct model *model)
{
	const struct cache_config *config = &patterns[operation->pattern];
	uint32_t number = model_find_cache(model, config->name);

	(void)taste;
	if (number < CACHES_MAX) {
		struct cache_config made = model_cache_config(model, number);

		return is_alike(config, &made) ? !operation->result && operation->cache == number
					       : operation->result == CACHE_E_EXISTS;
	}
	if (operation->result)
		return operation->result == CACHE_E_FULL && !has_free_record(model);
	return is_target_right(operation, model, config) && operation->cache >= CACHE_NR_GENERAL &&
	       model_make_cache(model, operation->cache, operation->target, config);
}

/* Destroying. */

static bool is_busy(const struct model *model, uint32_t cache)
{
	for (uint32_t i = 0; i < model->nr_slabs; i++)
		if (model->slabs[i].cache == cache && model_nr_held(&model->slabs[i]))
			return true;
	return false;
}

/* Any name that clients gave, half of the time the next that is one of several for a cache. */
static uint32_t random_name(const struct model *model, struct random *random)
{
	const uint32_t nr_names = CORE_NR_CACHES - CACHE_NR_GENERAL;
	const uint32_t start = random_below(random, nr_names);

	if (random_once_in(random, 2))
		return CACHE_NR_GENERAL + start;
	for (uint32_t n = 0; n < nr_names; n++) {
		uint32_t number = CACHE_NR_GENERAL + (start + n) % nr_names;

		if (model_has_name(model, number) &&
		    (model_target(model, number) != number || !model_is_last_name(model, number)))
			return number;
	}
	return CACHE_NR_GENERAL + start;
}

/* Mostly such as can go: without this the records would fill up with those that are busy. */
static bool choose_destroy_cache(struct operation *operation, const struct operation_taste *taste,
				 const struct model *model, struct random *random)
{
	(void)taste;
	operation->cache = random_name(model, random);
	return model_has_name(model, operation->cache) &&
	       (random_once_in(random, 3) ||
		!is_busy(model, model_target(model, operation->cache)));
}

static void run_destroy_cache(struct operation *operation, struct core *core)
{
	operation->result = pool_destroy_cache(&core->pool, operation->cache);
}

static bool apply_destroy_cache(const struct operation *operation,
				const struct operation_taste *taste, struct model *model)
{
	uint32_t cache = model_target(model, operation->cache);
	bool is_last = model_is_last_name(model, operation->cache);

	(void)taste;
	if (is_last && is_busy(model, cache))
		return operation->result == POOL_E_BUSY;
	if (is_last)
		model_shrink_cache(model, cache);
	model_remove_cache(model, operation->cache);
	return operation->result == 0;
}

/* Shrinking, of one or of all. */

static bool choose_shrink_caches(struct operation *operation, const struct operation_taste *taste,
				 const struct model *model, struct random *random)
{
	(void)taste;
	operation->cache = ZONE_CACHE_ANY;
	if (model->nr_slabs && random_once_in(random, 2))
		operation->cache = model->slabs[random_below(random, model->nr_slabs)].cache;
	return true;
}

static void run_shrink_caches(struct operation *operation, struct core *core)
{
	if (operation->cache == ZONE_CACHE_ANY)
		operation->nr_pages = zone_shrink_caches(&core->zone);
	else
		operation->nr_pages = (uint32_t)pool_shrink_cache(&core->pool, operation->cache);
}

static bool apply_shrink_caches(const struct operation *operation,
				const struct operation_taste *taste, struct model *model)
{
	const uint32_t nr_covered = model->nr_covered;

	(void)taste;
	for (uint32_t cache = 0; cache < CORE_NR_CACHES; cache++)
		if (operation->cache == ZONE_CACHE_ANY || operation->cache == cache)
			model_shrink_cache(model, cache);
	return nr_covered - model->nr_covered == operation->nr_pages;
}

const struct operation_type operation_create_cache = {
	.name = "create cache",
	.weight = 5,
	.choose = choose_create_cache,
	.run = run_create_cache,
	.apply = apply_create_cache,
};

const struct operation_type operation_destroy_cache = {
	.name = "destroy cache",
	.weight = 4,
	.choose = choose_destroy_cache,
	.run = run_destroy_cache,
	.apply = apply_destroy_cache,
};

const struct operation_type operation_shrink_caches = {
	.name = "shrink caches",
	.weight = 2,
	.choose = choose_shrink_caches,
	.run = run_shrink_caches,
	.apply = apply_shrink_caches,
};
