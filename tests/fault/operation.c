/* SPDX-License-Identifier: MIT */

/*
 * The table of operations. A new kind is an entry here and a type beside its likes: choose it, run
 * it, apply its answer.
 *
 * What is chosen is chosen by the model alone, so that the core is free to live and die elsewhere.
 * A refusal is an operation too: it must leave the ledger as it was at each store in between.
 */

#include <string.h>

#include "fault/operation_type.h"

static const struct operation_type *const types[OPERATION_NR_KINDS] = {
	[OPERATION_OPEN] = &operation_open,
	[OPERATION_ALLOC] = &operation_alloc,
	[OPERATION_ALLOC_BULK] = &operation_alloc_bulk,
	[OPERATION_ALLOC_EXACT] = &operation_alloc_exact,
	[OPERATION_FREE] = &operation_free,
	[OPERATION_FREE_WRONG] = &operation_free_wrong,
	[OPERATION_FREE_BULK] = &operation_free_bulk,
	[OPERATION_FREE_BULK_WRONG] = &operation_free_bulk_wrong,
	[OPERATION_FREE_EXACT] = &operation_free_exact,
	[OPERATION_FREE_EXACT_WRONG] = &operation_free_exact_wrong,
	[OPERATION_MARK_HOLE] = &operation_mark_hole,
	[OPERATION_RESIZE] = &operation_resize,
	[OPERATION_SHARE] = &operation_share,
	[OPERATION_TAKE_SLOT] = &operation_take_slot,
	[OPERATION_SET_STATE] = &operation_set_state,
	[OPERATION_RELEASE] = &operation_release,
	[OPERATION_CREATE_CACHE] = &operation_create_cache,
	[OPERATION_ALLOC_OBJECTS] = &operation_alloc_objects,
	[OPERATION_FORGET_CONSTRUCTED] = &operation_forget_constructed,
	[OPERATION_FREE_OBJECTS] = &operation_free_objects,
	[OPERATION_FREE_OBJECTS_WRONG] = &operation_free_objects_wrong,
	[OPERATION_SHRINK_CACHES] = &operation_shrink_caches,
	[OPERATION_DESTROY_CACHE] = &operation_destroy_cache,
};

bool operation_choose_block(struct operation *operation, const struct model *model, uint32_t pfn,
			    unsigned nr_holders, struct random *random)
{
	unsigned slot = random_below(random, CORE_NR_SLOTS);

	pfn = model_next_block(model, pfn, nr_holders);
	if (pfn == PAGE_NONE)
		return false;
	while (!model_word(model, pfn, slot))
		slot = (slot + 1) % CORE_NR_SLOTS;
	operation->pfn = pfn;
	operation->order = word_order(model_word(model, pfn, slot));
	operation->owner = word_owner(model_word(model, pfn, slot));
	return true;
}

const char *operation_name(enum operation_kind kind)
{
	return types[kind]->name;
}

static enum operation_kind random_kind(struct random *random)
{
	uint32_t all = 0, at;
	unsigned kind = 0;

	for (unsigned i = 0; i < OPERATION_NR_KINDS; i++)
		all += types[i]->weight;
	at = random_below(random, all);
	while (at >= types[kind]->weight)
		at -= types[kind++]->weight;
	return (enum operation_kind)kind;
}

void operation_choose(struct operation *operation, const struct operation_taste *taste,
		      const struct model *model, enum operation_kind preferred,
		      struct random *random)
{
	const int wanted = model->nr_covered < taste->fill_pages ? 1 : -1;

	for (;;) {
		enum operation_kind kind = random_kind(random);

		if (preferred != OPERATION_OPEN && random_once_in(random, 2))
			kind = preferred;
		if (types[kind]->gives == -wanted && !random_once_in(random, 3))
			continue;
		memset(operation, 0, sizeof(*operation));
		operation->kind = kind;
		if (types[kind]->choose(operation, taste, model, random))
			return;
	}
}

void operation_run(struct operation *operation, struct core *core)
{
	const uint64_t steals = zone_counters(&core->zone)->steals;

	types[operation->kind]->run(operation, core);
	operation->nr_steals = zone_counters(&core->zone)->steals - steals;
}

bool operation_apply(const struct operation *operation, const struct operation_taste *taste,
		     struct model *model, struct zone_fault *ret)
{
	if (types[operation->kind]->apply(operation, taste, model))
		return true;
	*ret = (struct zone_fault){ .pfn = operation->pfn, .what = "an answer that can't be" };
	return false;
}

bool operation_is_kept(const struct operation *operation, const struct model *found,
		       struct zone_fault *ret)
{
	const struct operation_type *type = types[operation->kind];

	if (!type->is_kept || type->is_kept(operation, found))
		return true;
	*ret = (struct zone_fault){ operation->pfn, "a head is no proof of the whole" };
	return false;
}
