/* SPDX-License-Identifier: MIT */

/* Nothing in here is clever or fast: slabs are a list, and whatever is asked for is searched. */

#include "support/object_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t nr_pages_of(const struct object_model_slab *slab)
{
	return UINT32_C(1) << slab->layout.order;
}

void object_model_init(struct object_model *model, const struct zone_config *config)
{
	*model = (struct object_model){ .slabs = NULL };
	zone_model_init(&model->pages, config);
}

static void forget_slab(struct object_model *model, struct object_model_slab **link)
{
	struct object_model_slab *slab = *link;

	*link = slab->next;
	model->nr_slabs--;
	free(slab->objects);
	free(slab);
}

void object_model_deinit(struct object_model *model)
{
	while (model->slabs)
		forget_slab(model, &model->slabs);
	zone_model_deinit(&model->pages);
}

/* Finding. */

struct object_model_slab *object_model_find(const struct object_model *model, uint64_t pfn)
{
	struct object_model_slab *slab = model->slabs;

	while (slab && (pfn < slab->pfn || pfn - slab->pfn >= nr_pages_of(slab)))
		slab = slab->next;
	return slab;
}

uint64_t object_model_start(const struct object_model_slab *slab)
{
	return (page_address(ZONE_MODEL_INDEX, slab->pfn) << PAGE_SHIFT) +
	       slab->layout.first_bytes + cache_colour(&slab->layout, slab->pfn);
}

uint32_t object_model_nr_free(const struct object_model_slab *slab)
{
	uint32_t nr_free = 0;

	for (uint32_t i = 0; i < slab->layout.nr_objects; i++)
		nr_free += slab->objects[i].holder == 0;
	return nr_free;
}

bool object_model_is_beyond(const struct object_model_slab *slab, const struct zone *zone)
{
	return slab->pfn + nr_pages_of(slab) > zone->edge;
}

/* The object that starts at an offset, or NULL. */
static struct object_model_object *find_object(const struct object_model *model, uint64_t offset)
{
	struct object_model_slab *slab =
		object_model_find(model, page_address_pfn(offset >> PAGE_SHIFT));
	uint64_t start = slab ? object_model_start(slab) : 0, i;

	if (!slab || offset < start || (offset - start) % slab->layout.stride_bytes)
		return NULL;
	i = (offset - start) / slab->layout.stride_bytes;
	return i < slab->layout.nr_objects ? &slab->objects[i] : NULL;
}

/* The object of a run's bit, which must be one. */
static struct object_model_object *object_of(const struct object_model *model,
					     const struct object_run *run, unsigned bit)
{
	struct object_model_slab *slab =
		object_model_find(model, page_address_pfn(run->base >> PAGE_SHIFT));
	struct object_model_object *object = NULL;

	if (slab)
		object = find_object(model, run->base + (uint64_t)bit * slab->layout.stride_bytes);
	assert_non_null(object);
	return object;
}

/* Slabs come and go. */

static void add_slab(struct object_model *model, uint32_t pfn)
{
	struct object_model_slab *slab = calloc(1, sizeof(*slab));
	struct zone_slab found;

	assert_non_null(slab);
	assert_true(zone_find_slab(model->pages.zone, pfn, &found));
	assert_int_equal(found.pfn, pfn);
	slab->pfn = pfn;
	slab->cache = found.cache;
	slab->layout = model->pages.fixture->caches.layouts[found.cache];
	slab->objects = calloc(slab->layout.nr_objects, sizeof(*slab->objects));
	assert_non_null(slab->objects);
	zone_model_take(&model->pages, pfn, slab->layout.order, ZONE_MODEL_SLAB,
			slab->layout.mobility);
	slab->next = model->slabs;
	model->slabs = slab;
	model->nr_slabs++;
	model->nr_added++;
}

void object_model_follow(struct object_model *model)
{
	const uint32_t *words = model->pages.fixture->words;

	zone_model_follow(&model->pages);
	for (struct object_model_slab **link = &model->slabs; *link;) {
		struct object_model_slab *slab = *link;

		if (words[slab->pfn] == model->pages.words[slab->pfn]) {
			link = &slab->next;
			continue;
		}
		assert_int_equal(object_model_nr_free(slab), slab->layout.nr_objects);
		zone_model_give(&model->pages, slab->pfn);
		forget_slab(model, link);
	}
	for (uint32_t pfn = 0; pfn < model->pages.capacity; pfn++)
		if (word_kind(words[pfn]) == WORD_SLAB && !model->pages.words[pfn])
			add_slab(model, pfn);
}

/* Granting. */

void object_model_take(struct object_model *model, uint32_t cache, unsigned slot,
		       const struct object_run *run)
{
	const struct object_model_slab *slab =
		object_model_find(model, page_address_pfn(run->base >> PAGE_SHIFT));

	assert_int_equal(page_address_zone(run->base >> PAGE_SHIFT), ZONE_MODEL_INDEX);
	assert_non_null(slab);
	assert_int_equal(slab->cache, cache);
	assert_false(object_model_is_beyond(slab, model->pages.zone));
	assert_int_not_equal(run->mask, 0);
	assert_int_equal(run->raw & ~run->mask, 0);
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(mask);
		struct object_model_object *object = object_of(model, run, bit);
		bool is_raw = slab->layout.flags & CACHE_CTOR && !object->is_constructed;

		assert_int_equal(object->holder, 0);
		assert_int_equal(run->raw >> bit & 1, is_raw);
		object->holder = slot;
	}
}

/* Freeing. */

static int answer_object(struct object_model_object *object, unsigned slot)
{
	if (object->holder == 0)
		return ZONE_E_NOT_HEAD;
	if (object->holder != slot)
		return ZONE_E_NOT_HELD;
	if (object->is_named)
		return ZONE_E_TWICE;
	object->is_named = true;
	return 0;
}

static int answer_run(const struct object_model *model, uint32_t cache, unsigned slot,
		      const struct object_run *run, unsigned *ret_bit)
{
	uint64_t pfn = page_address_pfn(run->base >> PAGE_SHIFT);
	const struct object_model_slab *slab = object_model_find(model, pfn);
	uint64_t mask = run->mask;
	int r = 0;

	if (!mask)
		return 0;
	*ret_bit = (unsigned)__builtin_ctzll(mask);
	if (page_address_zone(run->base >> PAGE_SHIFT) != ZONE_MODEL_INDEX ||
	    pfn >= model->pages.capacity)
		return ZONE_E_RANGE;
	if (!slab)
		return ZONE_E_NOT_OBJECT;
	if (cache != ZONE_CACHE_ANY && slab->cache != cache)
		return ZONE_E_CACHE;
	if (!find_object(model, run->base))
		return ZONE_E_NOT_OBJECT;
	*ret_bit = 63u - (unsigned)__builtin_clzll(mask);
	/* As the run's own cache has it: behind a slab there may be another. */
	if (run->base + (uint64_t)*ret_bit * slab->layout.stride_bytes - object_model_start(slab) >=
	    (uint64_t)slab->layout.nr_objects * slab->layout.stride_bytes)
		return ZONE_E_NOT_OBJECT;
	for (; mask && !r; mask &= mask - 1) {
		*ret_bit = (unsigned)__builtin_ctzll(mask);
		r = answer_object(object_of(model, run, *ret_bit), slot);
	}
	return r;
}

int object_model_answer(const struct object_model *model, uint32_t cache, unsigned slot,
			const struct object_run *runs, size_t nr_runs, size_t *ret_run,
			unsigned *ret_bit)
{
	int r = 0;

	for (size_t i = 0; i < nr_runs && !r; i++) {
		*ret_run = i;
		r = answer_run(model, cache, slot, &runs[i], ret_bit);
	}
	for (struct object_model_slab *slab = model->slabs; slab; slab = slab->next)
		for (uint32_t i = 0; i < slab->layout.nr_objects; i++)
			slab->objects[i].is_named = false;
	return r;
}

void object_model_give(struct object_model *model, const struct zone_leaver *leaver,
		       const struct object_run *run)
{
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(mask);
		struct object_model_object *object = object_of(model, run, bit);
		const struct object_model_slab *slab =
			object_model_find(model, page_address_pfn(run->base >> PAGE_SHIFT));

		object->holder = 0;
		object->has_previous = !leaver->is_untold;
		object->previous = *leaver;
		object->is_constructed = slab->layout.flags & CACHE_CTOR && !(run->raw >> bit & 1);
	}
}

void object_model_forget_constructed(struct object_model *model, const struct object_run *run)
{
	for (uint64_t mask = run->mask; mask; mask &= mask - 1)
		object_of(model, run, (unsigned)__builtin_ctzll(mask))->is_constructed = false;
}

void object_model_release(struct object_model *model, unsigned slot)
{
	for (struct object_model_slab *slab = model->slabs; slab; slab = slab->next)
		for (uint32_t i = 0; i < slab->layout.nr_objects; i++)
			if (slab->objects[i].holder == slot)
				slab->objects[i] = (struct object_model_object){ .holder = 0 };
}

/* Comparing. */

struct sums {
	uint64_t held[ZONE_MODEL_NR_SLOTS], bytes[ZONE_MODEL_NR_SLOTS];
	struct zone_cache_stat caches[ZONE_FIXTURE_CACHES];
	uint64_t nr_free[ZONE_FIXTURE_CACHES]; /* that can be granted */
};

static void compare_object(const struct object_model_slab *slab, uint32_t i,
			   const struct zone_object *found)
{
	const struct object_model_object *object = &slab->objects[i];
	bool is_told = !object->holder || slab->layout.flags & CACHE_DEBUG;

	assert_int_equal(found->offset,
			 object_model_start(slab) + (uint64_t)i * slab->layout.stride_bytes);
	assert_int_equal(found->is_held, object->holder != 0);
	assert_int_equal(found->holder, object->holder);
	assert_int_equal(found->is_constructed, object->is_constructed);
	assert_int_equal(found->has_previous, object->has_previous && is_told);
	if (!found->has_previous)
		return;
	assert_int_equal(found->previous.slot, object->previous.slot);
	assert_int_equal(found->previous.generation, object->previous.generation);
}

/* What is beyond the edge is set aside, which counts as partial, or is gone if it is empty. */
static void sum_up_slab(const struct object_model_slab *slab, bool is_aside, struct sums *sums)
{
	struct zone_cache_stat *stat = &sums->caches[slab->cache];
	uint32_t nr_objects = slab->layout.nr_objects, nr_free = object_model_nr_free(slab);

	for (uint32_t i = 0; i < nr_objects; i++) {
		sums->held[slab->objects[i].holder]++;
		sums->bytes[slab->objects[i].holder] += slab->layout.stride_bytes;
	}
	sums->nr_free[slab->cache] += is_aside ? 0 : nr_free;
	stat->objects_total += nr_objects;
	stat->objects_active += nr_objects - nr_free;
	stat->slabs_full += nr_free == 0 && !is_aside;
	stat->slabs_partial += is_aside || (nr_free > 0 && nr_free < nr_objects);
	stat->slabs_empty += nr_free == nr_objects;
}

static void compare_slab(const struct object_model_slab *slab, const struct zone *zone,
			 struct sums *sums)
{
	uint32_t nr_objects = slab->layout.nr_objects, nr_free = object_model_nr_free(slab);
	bool is_aside = object_model_is_beyond(slab, zone), is_found;
	struct zone_slab found;

	is_found = zone_find_slab(zone, slab->pfn + nr_pages_of(slab) - 1, &found);
	assert_int_equal(is_found, !is_aside || nr_free < nr_objects);
	if (!is_found)
		return;
	assert_int_equal(found.pfn, slab->pfn);
	assert_int_equal(found.cache, slab->cache);
	assert_int_equal(found.nr_objects, nr_objects);
	assert_int_equal(found.nr_held, nr_objects - nr_free);
	for (uint32_t i = 0; i < nr_objects; i++) {
		struct zone_object object;

		zone_get_object(zone, &found, i, &object);
		compare_object(slab, i, &object);
	}
	sum_up_slab(slab, is_aside, sums);
}

void object_model_compare(const struct object_model *model, const struct zone_fixture *fixture)
{
	const struct zone *zone = &fixture->zone;
	struct sums sums = { .held = { 0 } };

	for (const struct object_model_slab *slab = model->slabs; slab; slab = slab->next)
		compare_slab(slab, zone, &sums);
	for (unsigned slot = 1; slot < ZONE_MODEL_NR_SLOTS; slot++) {
		assert_int_equal(zone_held_objects(zone, slot), sums.held[slot]);
		assert_int_equal(zone_held_object_bytes(zone, slot), sums.bytes[slot]);
	}
	for (uint32_t cache = 0; cache < ZONE_FIXTURE_CACHES; cache++) {
		struct zone_cache_stat stat;

		zone_stat_cache(zone, cache, &stat);
		assert_memory_equal(&stat, &sums.caches[cache], sizeof(stat));
		assert_int_equal(zone_nr_free_objects(zone, cache), sums.nr_free[cache]);
	}
}
