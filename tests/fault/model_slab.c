/* SPDX-License-Identifier: MIT */

/*
 * Slabs in the model, and what it means of an object to be between two models.
 *
 * An object's word is taken as a whole: who holds it on which request, who had it before, and
 * whether it is constructed. So an object that came out constructed, and was not before and would
 * not be afterwards, is as wrong as one with another holder. A slab that is new starts with words
 * that are zero; one that is given back keeps its words here until the operation is over, as it is
 * there with them until the store that gives it back.
 *
 * In a cache with CACHE_DEBUG a second word says who had an object before, which counts as long as
 * it is held.
 */

#include <string.h>

#include "fault/model_part.h"

static const struct model_slab *find_slab(const struct model *model, uint32_t pfn, uint32_t cache,
					  bool is_gone)
{
	for (uint32_t i = 0; i < model->nr_slabs; i++) {
		const struct model_slab *slab = &model->slabs[i];

		if (slab->pfn == pfn && slab->cache == cache && slab->is_gone == is_gone)
			return slab;
	}
	return NULL;
}

static uint32_t nr_pages_of(const struct model *model, const struct model_slab *slab)
{
	return UINT32_C(1) << word_order(model_word(model, slab->pfn, WORD_SLOT_DAEMON));
}

uint32_t model_slab_at(const struct model *model, uint64_t pfn)
{
	for (uint32_t i = 0; i < model->nr_slabs; i++) {
		const struct model_slab *slab = &model->slabs[i];

		if (!slab->is_gone && pfn >= slab->pfn &&
		    pfn - slab->pfn < nr_pages_of(model, slab))
			return i;
	}
	return MODEL_NO_SLAB;
}

static void give_back(struct model *model, struct model_slab *slab)
{
	model_leave(model, slab->pfn, WORD_SLOT_DAEMON);
	slab->is_gone = true;
}

/* What a core that was short of pages has done before it makes a slab. */
static void make_way(struct model *model, uint32_t pfn, unsigned order)
{
	for (uint32_t end = pfn + (UINT32_C(1) << order); pfn < end; pfn++) {
		uint32_t at = model_slab_at(model, pfn);

		if (at != MODEL_NO_SLAB && !model_nr_held(&model->slabs[at]))
			give_back(model, &model->slabs[at]);
	}
}

bool model_make_slab(struct model *model, uint32_t pfn, uint32_t cache)
{
	const struct cache_layout layout = model_layout(model, cache);
	const struct word_owner daemon = { .slot = WORD_SLOT_DAEMON, .mobility = layout.mobility };
	struct model_slab *slab = &model->slabs[model->nr_slabs];

	make_way(model, pfn, layout.order);
	if (model->nr_slabs == MODEL_SLABS_MAX || layout.nr_words > MODEL_SLAB_WORDS_MAX ||
	    !model_grant(model, pfn, word_make(WORD_SLAB, daemon, layout.order)))
		return false;
	model->nr_slabs++;
	slab->pfn = pfn;
	slab->cache = cache;
	slab->nr_objects = layout.nr_objects;
	slab->nr_words = layout.nr_words;
	slab->is_gone = false;
	memset(slab->words, 0, sizeof(slab->words));
	return true;
}

void model_shrink_cache(struct model *model, uint32_t cache)
{
	for (uint32_t i = 0; i < model->nr_slabs; i++) {
		struct model_slab *slab = &model->slabs[i];

		if (slab->cache == cache && !slab->is_gone && !model_nr_held(slab))
			give_back(model, slab);
	}
}

void model_drop_gone(struct model *model)
{
	uint32_t nr_slabs = 0;

	for (uint32_t i = 0; i < model->nr_slabs; i++) {
		if (model->slabs[i].is_gone)
			continue;
		if (nr_slabs < i)
			model->slabs[nr_slabs] = model->slabs[i];
		nr_slabs++;
	}
	model->nr_slabs = nr_slabs;
}

uint32_t model_nr_held(const struct model_slab *slab)
{
	uint32_t nr_held = 0;

	for (uint32_t i = 0; i < slab->nr_objects; i++)
		nr_held += model_is_held(slab, i);
	return nr_held;
}

bool model_is_within(const struct model *model, const struct model_slab *slab)
{
	return slab->pfn + nr_pages_of(model, slab) <= model->nr_pages;
}

/* Objects. */

uint64_t model_object_offset(const struct model *model, const struct model_slab *slab, uint32_t i,
			     unsigned zone_index)
{
	const struct cache_layout layout = model_layout(model, slab->cache);

	return (page_address(zone_index, slab->pfn) << PAGE_SHIFT) + layout.first_bytes +
	       cache_colour(&layout, slab->pfn) + (uint64_t)i * layout.stride_bytes;
}

uint32_t model_object_at(const struct model *model, const struct model_slab *slab, uint64_t offset,
			 unsigned zone_index)
{
	const struct cache_layout layout = model_layout(model, slab->cache);
	const uint64_t first = model_object_offset(model, slab, 0, zone_index);
	const uint64_t i = (offset - first) / layout.stride_bytes;

	return offset >= first && i < layout.nr_objects && offset == first + i * layout.stride_bytes
		       ? (uint32_t)i
		       : UINT32_MAX;
}

/* What is found. */

bool model_read_slab(struct model *model, const struct core *core, uint32_t pfn)
{
	struct model_slab *slab = &model->slabs[model->nr_slabs];
	struct zone_slab found;

	if (model->nr_slabs == MODEL_SLABS_MAX || !zone_find_slab(&core->zone, pfn, &found) ||
	    found.pfn != pfn)
		return false;
	slab->pfn = pfn;
	slab->cache = found.cache;
	slab->nr_objects = found.nr_objects;
	slab->nr_words = slab_layout(&core->zone.slabs, found.number)->nr_words;
	slab->is_gone = false;
	if (slab->nr_words > MODEL_SLAB_WORDS_MAX || slab->nr_words < slab->nr_objects)
		return false;
	memcpy(slab->words, slab_words(&core->zone.slabs, found.number),
	       slab->nr_words * sizeof(slab->words[0]));
	model->nr_slabs++;
	return model_nr_held(slab) == found.nr_held;
}

bool model_adopt_slabs(struct model *model, const struct model *found, struct zone_fault *ret)
{
	for (uint32_t i = 0; i < model->nr_slabs; i++) {
		struct model_slab *slab = &model->slabs[i];

		if (!slab->is_gone && !find_slab(found, slab->pfn, slab->cache, false) &&
		    !model_nr_held(slab))
			give_back(model, slab);
	}
	for (uint32_t i = 0; i < found->nr_slabs; i++) {
		const struct model_slab *slab = &found->slabs[i];

		if (find_slab(model, slab->pfn, slab->cache, false))
			continue;
		if (find_slab(model, slab->pfn, slab->cache, true))
			return model_found_wrong(ret, slab->pfn,
						 "an empty slab was not given back");
		if (!model_make_slab(model, slab->pfn, slab->cache))
			return model_found_wrong(ret, slab->pfn,
						 "a slab is where another block is");
	}
	return true;
}

/* Between. */

bool model_is_given_back(const struct model *before, const struct model *after, uint32_t pfn)
{
	for (uint32_t i = 0; i < after->nr_slabs; i++) {
		const struct model_slab *slab = &after->slabs[i];

		if (slab->is_gone && slab->pfn == pfn && find_slab(before, pfn, slab->cache, false))
			return true;
	}
	return false;
}

/* A slab of which nothing is known has words that are zero. */
static bool is_word_of(const struct model_slab *slab, const struct model_slab *found, uint32_t i)
{
	if (found->words[i] != (slab ? slab->words[i] : 0))
		return false;
	return !model_is_held(found, i) || found->nr_words == found->nr_objects ||
	       found->words[found->nr_objects + i] == slab->words[found->nr_objects + i];
}

static bool is_slab_between(const struct model *found, const struct model_slab *slab,
			    const struct model_slab *before, const struct model_slab *after,
			    struct zone_fault *ret)
{
	for (uint32_t i = 0; i < slab->nr_objects; i++) {
		if (!is_word_of(before, slab, i) && !is_word_of(after, slab, i))
			return model_found_wrong(ret, slab->pfn,
						 "an object is neither as before nor as after");
		if (model_is_held(slab, i) && !found->slots[word_slot(slab->words[i])].state)
			return model_found_wrong(ret, slab->pfn, "an object's holder is gone");
	}
	return true;
}

/* That the slabs of before or after are there is told by their blocks. */
bool model_are_slabs_between(const struct model *found, const struct model *before,
			     const struct model *after, struct zone_fault *ret)
{
	for (uint32_t i = 0; i < found->nr_slabs; i++) {
		const struct model_slab *slab = &found->slabs[i];
		const struct model_slab *was = find_slab(before, slab->pfn, slab->cache, false);
		const struct model_slab *will = find_slab(after, slab->pfn, slab->cache, false);

		if (!will)
			will = find_slab(after, slab->pfn, slab->cache, true);
		if (!was && !will)
			return model_found_wrong(ret, slab->pfn, "a slab is of another cache");
		if (!is_slab_between(found, slab, was, will, ret))
			return false;
	}
	return true;
}
