/* SPDX-License-Identifier: MIT */

/* Operations that grant: one block, many, or exactly so many pages. */

#include "fault/operation_type.h"

static unsigned random_order(const struct operation_taste *taste, struct random *random)
{
	unsigned order = 0;

	if (random_once_in(random, 6))
		return random_below(random, taste->zone.max_order + 1);
	while (order < taste->zone.max_order && random_once_in(random, 2))
		order++;
	return order;
}

bool operation_choose_owner(struct operation *operation, const struct operation_taste *taste,
			    const struct model *model, struct random *random)
{
	unsigned slot = 1 + random_below(random, taste->nr_slots_preferred);

	if (model->slots[slot].state != SLOT_LIVE)
		return false;
	operation->owner = (struct word_owner){
		.slot = slot,
		.tag = random_below(random, WORD_NR_TAGS),
		.mobility = (random_once_in(random, 5) ? random_below(random, NR_MOBILITIES)
						       : taste->mobility),
	};
	return true;
}

static bool choose_alloc(struct operation *operation, const struct operation_taste *taste,
			 const struct model *model, struct random *random)
{
	operation->order = random_order(taste, random);
	return operation_choose_owner(operation, taste, model, random);
}

static void run_alloc(struct operation *operation, struct core *core)
{
	operation->result =
		zone_alloc(&core->zone, operation->order, operation->owner, &operation->pfn);
}

/* Nothing new is granted behind the end of the zone. */
static bool apply_grant(const struct operation *operation, struct model *model, uint32_t pfn,
			unsigned order)
{
	return pfn < model->nr_pages && size_of(order) <= model->nr_pages - pfn &&
	       model_grant(model, pfn, word_make(WORD_PAGE, operation->owner, order));
}

static bool apply_alloc(const struct operation *operation, const struct operation_taste *taste,
			struct model *model)
{
	(void)taste;
	if (operation->result)
		return operation->result == ZONE_E_FULL;
	return apply_grant(operation, model, operation->pfn, operation->order);
}

static bool choose_alloc_bulk(struct operation *operation, const struct operation_taste *taste,
			      const struct model *model, struct random *random)
{
	operation->count = random_count(taste, random);
	operation->order = random_once_in(random, 2) ? 0 : random_order(taste, random);
	return operation_choose_owner(operation, taste, model, random);
}

static void run_alloc_bulk(struct operation *operation, struct core *core)
{
	operation->nr_runs = 0;
	operation->result =
		(int)zone_alloc_bulk(&core->zone, operation->order, operation->count,
				     operation->owner, operation->runs, &operation->nr_runs);
}

static bool apply_alloc_bulk(const struct operation *operation, const struct operation_taste *taste,
			     struct model *model)
{
	int granted = 0;

	(void)taste;
	for (size_t i = 0; i < operation->nr_runs; i++) {
		const struct page_run *run = &operation->runs[i];

		for (uint64_t mask = run->mask; mask; mask &= mask - 1, granted++)
			if (!apply_grant(operation, model, run_pfn(run, mask, operation->order),
					 operation->order))
				return false;
	}
	return granted == operation->result && (uint32_t)granted <= operation->count;
}

static bool choose_alloc_exact(struct operation *operation, const struct operation_taste *taste,
			       const struct model *model, struct random *random)
{
	unsigned order = random_order(taste, random);

	operation->nr_pages = 1 + random_below(random, size_of(order));
	return operation_choose_owner(operation, taste, model, random);
}

static void run_alloc_exact(struct operation *operation, struct core *core)
{
	operation->result = zone_alloc_exact(&core->zone, operation->nr_pages, operation->owner,
					     &operation->pfn);
}

static bool apply_alloc_exact(const struct operation *operation,
			      const struct operation_taste *taste, struct model *model)
{
	uint32_t pfn = operation->pfn, left = operation->nr_pages;

	(void)taste;
	if (operation->result)
		return operation->result == ZONE_E_FULL;
	for (; left; left -= size_of(exact_order(left))) {
		if (!apply_grant(operation, model, pfn, exact_order(left)))
			return false;
		pfn += size_of(exact_order(left));
	}
	return true;
}

bool operation_is_exact_whole(const struct operation *operation, const struct model *found)
{
	uint32_t pfn = operation->pfn, left = operation->nr_pages;
	unsigned slot = operation->owner.slot;

	if (operation->result || !is_block_of(found, pfn, exact_order(left), slot))
		return true;
	for (; left; left -= size_of(exact_order(left))) {
		if (!is_block_of(found, pfn, exact_order(left), slot))
			return false;
		pfn += size_of(exact_order(left));
	}
	return true;
}

const struct operation_type operation_alloc = {
	.name = "alloc",
	.weight = 30,
	.gives = 1,
	.choose = choose_alloc,
	.run = run_alloc,
	.apply = apply_alloc,
};

const struct operation_type operation_alloc_bulk = {
	.name = "alloc bulk",
	.weight = 8,
	.gives = 1,
	.choose = choose_alloc_bulk,
	.run = run_alloc_bulk,
	.apply = apply_alloc_bulk,
};

const struct operation_type operation_alloc_exact = {
	.name = "alloc exact",
	.weight = 8,
	.gives = 1,
	.choose = choose_alloc_exact,
	.run = run_alloc_exact,
	.apply = apply_alloc_exact,
	.is_kept = operation_is_exact_whole,
};
