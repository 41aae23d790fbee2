/* SPDX-License-Identifier: MIT */

/*
 * Granting the rest, so that what is lost, or free and held, shows, whatever the zone's own
 * validate() says. First the pages, so that no slab can be made afterwards; then, perhaps, those of
 * empty slabs; then the objects that slabs have left.
 */

#include "fault/rest.h"

#define SLOT 1u

static bool wrong(struct zone_fault *ret, uint32_t pfn, const char *what)
{
	*ret = (struct zone_fault){ .pfn = pfn, .what = what };
	return false;
}

static bool are_pages_free(struct core *core, struct model *found, struct zone_fault *ret)
{
	const struct word_owner owner = { .slot = SLOT, .mobility = MOBILITY_MOVABLE };
	uint32_t pfn = 0;

	while (!zone_alloc(&core->zone, 0, owner, &pfn)) {
		if (pfn >= found->nr_pages)
			return wrong(ret, pfn, "a page behind the zone is free");
		if (found->is_covered[pfn])
			return wrong(ret, pfn, "a page that is held is free");
		found->is_covered[pfn] = true;
	}
	for (pfn = 0; pfn < found->nr_pages; pfn++)
		if (!found->is_covered[pfn])
			return wrong(ret, pfn, "a page is lost");
	return true;
}

static bool are_empty_slabs_free(struct core *core, struct model *found, struct zone_fault *ret)
{
	struct zone_slab slab;

	zone_shrink_caches(&core->zone);
	for (uint32_t cache = 0; cache < CORE_NR_CACHES; cache++)
		model_shrink_cache(found, cache);
	for (uint32_t at = 0; at < found->nr_slabs; at++)
		if (found->slabs[at].is_gone &&
		    zone_find_slab(&core->zone, found->slabs[at].pfn, &slab))
			return wrong(ret, found->slabs[at].pfn, "an empty slab is kept");
	model_drop_gone(found);
	return are_pages_free(core, found, ret);
}

static bool hold(struct model *found, const struct object_run *run, uint32_t cache,
		 unsigned zone_index)
{
	uint32_t at = model_slab_at(found, page_address_pfn(run->base >> PAGE_SHIFT)), first;
	const bool is_told = found->caches[cache].flags & CACHE_CTOR;

	if (at == MODEL_NO_SLAB || found->slabs[at].cache != cache ||
	    !model_is_within(found, &found->slabs[at]))
		return false;
	first = model_object_at(found, &found->slabs[at], run->base, zone_index);
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		uint32_t i = first + (uint32_t)__builtin_ctzll(mask);
		uint32_t *word = &found->slabs[at].words[i];
		bool is_raw = run->raw & mask & -mask;

		if (i >= found->slabs[at].nr_objects || model_is_held(&found->slabs[at], i) ||
		    is_raw != (is_told && !(*word & SLAB_CONSTRUCTED)))
			return false;
		*word = word_make(WORD_PAGE, (struct word_owner){ .slot = SLOT }, 0);
	}
	return true;
}

static bool are_objects_free(struct core *core, struct model *found, uint32_t cache,
			     struct zone_fault *ret)
{
	struct object_run runs[64];
	size_t nr_runs = 0;

	while (zone_alloc_objects(&core->zone, cache, 64, (struct word_owner){ .slot = SLOT }, 0,
				  runs, &nr_runs))
		for (; nr_runs; nr_runs--)
			if (!hold(found, &runs[nr_runs - 1], cache, core->zone.index_in_pool))
				return wrong(ret, (uint32_t)(runs[nr_runs - 1].base >> PAGE_SHIFT),
					     "an object is free that is not, or is not as it is");
	return true;
}

bool rest_is_free(struct core *core, struct model *found, bool shrinks, struct zone_fault *ret)
{
	if (!are_pages_free(core, found, ret) ||
	    (shrinks && !are_empty_slabs_free(core, found, ret)))
		return false;
	for (uint32_t at = 0; at < found->nr_slabs; at++) {
		const struct model_slab *slab = &found->slabs[at];

		if (!are_objects_free(core, found, slab->cache, ret))
			return false;
		if (model_is_within(found, slab) && model_nr_held(slab) < slab->nr_objects)
			return wrong(ret, slab->pfn, "an object is lost");
	}
	return true;
}
