/* SPDX-License-Identifier: MIT */

/* Told from the models of before and after alone. See cases.h. */

#include "fault/cases.h"

static const char *const names[NR_CASES] = {
	[CASE_GRANT_PARTIAL] = "from a partial slab",
	[CASE_GRANT_EMPTY] = "from an empty slab",
	[CASE_GRANT_NEW] = "from a new slab",
	[CASE_GRANT_SEVERAL] = "from several slabs",
	[CASE_GRANT_CONSTRUCTED] = "constructed objects",
	[CASE_GRANT_SHORT] = "fewer than asked for",
	[CASE_GRANT_BEYOND] = "with a slab beyond the size",
	[CASE_GRANT_WANT] = "with empty slabs given back",
	[CASE_FREE_SEVERAL] = "freed in several slabs",
	[CASE_FREE_GIVES_BACK] = "freed with the slab",
	[CASE_RELEASE_BOTH] = "released with pages",
	[CASE_RELEASE_SHARED] = "released beside others'",
	[CASE_RELEASE_GIVES_BACK] = "released with the slab",
	[CASE_SHRINK] = "shrunk",
	[CASE_CACHE_BUSY] = "cache busy",
	[CASE_CACHE_MERGED] = "cache merged",
	[CASE_CACHE_NAMELESS] = "cache left nameless",
	[CASE_CACHE_LAST] = "last name for another",
};

const char *case_name(enum object_case which)
{
	return names[which];
}

/* What became of slabs. */
struct change {
	uint32_t nr_given_back;
	uint32_t nr_more[3]; /* in which more objects are held: new, empty, partial before */
	uint32_t nr_fewer;   /* in which fewer are held */
	uint32_t nr_shared;  /* of these, in which some are */
	bool had_constructed;
};

static const struct model_slab *slab_before(const struct model *before,
					    const struct model_slab *slab)
{
	uint32_t at = model_slab_at(before, slab->pfn);

	return at != MODEL_NO_SLAB && before->slabs[at].cache == slab->cache ? &before->slabs[at]
									     : NULL;
}

static bool has_held_constructed(const struct model_slab *slab, const struct model_slab *was)
{
	for (uint32_t i = 0; i < slab->nr_objects; i++)
		if (model_is_held(slab, i) && !model_is_held(was, i) &&
		    slab->words[i] & SLAB_CONSTRUCTED)
			return true;
	return false;
}

static struct change find_change(const struct model *before, const struct model *after)
{
	struct change change = { 0 };

	for (uint32_t at = 0; at < after->nr_slabs; at++) {
		const struct model_slab *slab = &after->slabs[at];
		const struct model_slab *was = slab_before(before, slab);
		uint32_t nr_held = model_nr_held(slab), nr_was = was ? model_nr_held(was) : 0;

		change.nr_given_back += slab->is_gone;
		change.nr_fewer += nr_held < nr_was;
		change.nr_shared += nr_held < nr_was && nr_held;
		if (nr_held <= nr_was)
			continue;
		change.nr_more[was ? 1 + (nr_was > 0) : 0]++;
		change.had_constructed |= was && has_held_constructed(slab, was);
	}
	return change;
}

/* Whether the cache has free objects where nothing is granted from. */
static bool has_free_beyond(const struct model *model, uint32_t cache)
{
	for (uint32_t at = 0; at < model->nr_slabs; at++) {
		const struct model_slab *slab = &model->slabs[at];

		if (slab->cache == cache && model_nr_held(slab) < slab->nr_objects &&
		    !model_is_within(model, slab))
			return true;
	}
	return false;
}

static void count_grant(const struct operation *operation, const struct model *before,
			const struct change *change, uint64_t counts[NR_CASES])
{
	counts[CASE_GRANT_NEW] += change->nr_more[0] > 0;
	counts[CASE_GRANT_EMPTY] += change->nr_more[1] > 0;
	counts[CASE_GRANT_PARTIAL] += change->nr_more[2] > 0;
	counts[CASE_GRANT_SEVERAL] +=
		change->nr_more[0] + change->nr_more[1] + change->nr_more[2] > 1;
	counts[CASE_GRANT_CONSTRUCTED] += change->had_constructed;
	counts[CASE_GRANT_SHORT] += (uint32_t)operation->result < operation->count;
	counts[CASE_GRANT_BEYOND] +=
		has_free_beyond(before, model_target(before, operation->cache));
	counts[CASE_GRANT_WANT] += change->nr_given_back > 0;
}

static bool held_pages(const struct model *before, const struct model *after, unsigned slot)
{
	for (uint32_t pfn = 0; pfn < before->room; pfn++)
		if (model_word(before, pfn, slot) && !model_word(after, pfn, slot))
			return true;
	return false;
}

static void count_destroy(const struct operation *operation, const struct model *before,
			  uint64_t counts[NR_CASES])
{
	bool is_last = model_is_last_name(before, operation->cache);
	bool is_own = model_target(before, operation->cache) == operation->cache;

	counts[CASE_CACHE_BUSY] += operation->result != 0;
	counts[CASE_CACHE_NAMELESS] += is_own && !is_last;
	counts[CASE_CACHE_LAST] += !operation->result && !is_own && is_last;
}

void cases_count(const struct operation *operation, const struct model *before,
		 const struct model *after, uint64_t counts[NR_CASES])
{
	const struct change change = find_change(before, after);

	switch (operation->kind) {
	case OPERATION_ALLOC_OBJECTS:
		count_grant(operation, before, &change, counts);
		break;
	case OPERATION_FREE_OBJECTS:
		counts[CASE_FREE_SEVERAL] += change.nr_fewer > 1;
		counts[CASE_FREE_GIVES_BACK] += change.nr_given_back > 0;
		break;
	case OPERATION_RELEASE:
		counts[CASE_RELEASE_BOTH] +=
			change.nr_fewer && held_pages(before, after, operation->owner.slot);
		counts[CASE_RELEASE_SHARED] += change.nr_shared > 0;
		counts[CASE_RELEASE_GIVES_BACK] += change.nr_given_back > 0;
		break;
	case OPERATION_SHRINK_CACHES:
		counts[CASE_SHRINK] += change.nr_given_back > 0;
		break;
	case OPERATION_CREATE_CACHE:
		counts[CASE_CACHE_MERGED] +=
			!operation->result && operation->target != operation->cache;
		break;
	case OPERATION_DESTROY_CACHE:
		count_destroy(operation, before, counts);
		break;
	default:
		break;
	}
}
