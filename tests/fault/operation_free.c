/* SPDX-License-Identifier: MIT */

/*
 * Operations that free what the model says is held, and such as must be refused: of what is
 * another's, of what is named twice, of more than there is.
 */

#include "fault/operation_type.h"

static bool choose_free(struct operation *operation, const struct operation_taste *taste,
			const struct model *model, struct random *random)
{
	(void)taste;
	return operation_choose_block(operation, model, random_below(random, model->room), 1,
				      random);
}

static void run_free(struct operation *operation, struct core *core)
{
	operation->result =
		zone_free(&core->zone, operation->pfn, operation->order, operation->owner.slot);
}

static bool apply_free(const struct operation *operation, const struct operation_taste *taste,
		       struct model *model)
{
	(void)taste;
	return operation->result == 0 && model_leave(model, operation->pfn, operation->owner.slot);
}

/* A block of somebody else. */
static bool choose_free_wrong(struct operation *operation, const struct operation_taste *taste,
			      const struct model *model, struct random *random)
{
	(void)taste;
	if (!operation_choose_block(operation, model, random_below(random, model->room), 1, random))
		return false;
	operation->owner.slot = random_below(random, CORE_NR_SLOTS);
	return !model_word(model, operation->pfn, operation->owner.slot);
}

static bool apply_refusal(const struct operation *operation, const struct operation_taste *taste,
			  struct model *model)
{
	(void)taste;
	(void)model;
	return operation->result > 0;
}

/* Runs over the blocks of one holder and order, each of several blocks of it that lie near. */
static bool choose_free_bulk(struct operation *operation, const struct operation_taste *taste,
			     const struct model *model, struct random *random)
{
	uint32_t left = random_count(taste, random), at;

	if (!operation_choose_block(operation, model, random_below(random, model->room), 1, random))
		return false;
	at = operation->pfn;
	operation->nr_runs = 0;
	while (left && at < model->room && operation->nr_runs < OPERATION_BULK_MAX) {
		struct page_run run = { .base = page_address(taste->zone.index, at) };

		for (unsigned i = 0; i < 64 && left; i++, at += size_of(operation->order)) {
			if (!is_block_of(model, at, operation->order, operation->owner.slot) ||
			    random_once_in(random, 8))
				continue;
			run.mask |= UINT64_C(1) << i;
			left--;
		}
		if (run.mask)
			operation->runs[operation->nr_runs++] = run;
	}
	return operation->nr_runs > 0;
}

static void run_free_bulk(struct operation *operation, struct core *core)
{
	operation->result = zone_free_bulk(&core->zone, operation->order, operation->owner.slot,
					   operation->runs, operation->nr_runs);
}

static bool apply_free_bulk(const struct operation *operation, const struct operation_taste *taste,
			    struct model *model)
{
	(void)taste;
	if (operation->result)
		return false;
	for (size_t i = 0; i < operation->nr_runs; i++)
		for (uint64_t mask = operation->runs[i].mask; mask; mask &= mask - 1)
			if (!model_leave(model,
					 run_pfn(&operation->runs[i], mask, operation->order),
					 operation->owner.slot))
				return false;
	return true;
}

/* Makes a run name a block too many: one that its holder has not, or none at all. */
static bool add_wrong_block(struct operation *operation, const struct model *model,
			    struct page_run *run, struct random *random)
{
	unsigned i = random_below(random, 64);
	uint32_t pfn = run_pfn(run, UINT64_C(1) << i, operation->order);

	if (is_block_of(model, pfn, operation->order, operation->owner.slot))
		return false;
	run->mask |= UINT64_C(1) << i;
	return true;
}

/* Some block of the batch is wrong, or the first is named again at the end. */
static bool choose_free_bulk_wrong(struct operation *operation, const struct operation_taste *taste,
				   const struct model *model, struct random *random)
{
	struct page_run *last;

	if (!choose_free_bulk(operation, taste, model, random))
		return false;
	last = &operation->runs[operation->nr_runs - 1];
	if (random_once_in(random, 2) && add_wrong_block(operation, model, last, random))
		return true;
	*++last = operation->runs[0];
	last->mask &= -last->mask;
	operation->nr_runs++;
	return true;
}

/* What could have been granted as one: a block and smaller ones behind it. */
static bool choose_free_exact(struct operation *operation, const struct operation_taste *taste,
			      const struct model *model, struct random *random)
{
	uint32_t at;

	if (!operation_choose_block(operation, model, random_below(random, model->room), 1, random))
		return false;
	operation->nr_pages = size_of(operation->order);
	at = operation->pfn + operation->nr_pages;
	if (operation->order == taste->zone.max_order || operation->pfn & operation->nr_pages)
		return true;
	for (unsigned order = operation->order; order-- > 0;) {
		if (!is_block_of(model, at, order, operation->owner.slot))
			continue;
		operation->nr_pages += size_of(order);
		at += size_of(order);
	}
	return true;
}

/* With one page more, which is no block of the holder's. */
static bool choose_free_exact_wrong(struct operation *operation,
				    const struct operation_taste *taste, const struct model *model,
				    struct random *random)
{
	if (!choose_free_exact(operation, taste, model, random) || operation->nr_pages % 2)
		return false;
	return !is_block_of(model, operation->pfn + operation->nr_pages++, 0,
			    operation->owner.slot);
}

static void run_free_exact(struct operation *operation, struct core *core)
{
	operation->result = zone_free_exact(&core->zone, operation->pfn, operation->nr_pages,
					    operation->owner.slot);
}

static bool apply_free_exact(const struct operation *operation, const struct operation_taste *taste,
			     struct model *model)
{
	uint32_t pfn = operation->pfn, left = operation->nr_pages;

	(void)taste;
	for (; left && !operation->result; left -= size_of(exact_order(left))) {
		if (!model_leave(model, pfn, operation->owner.slot))
			return false;
		pfn += size_of(exact_order(left));
	}
	return operation->result == 0;
}

const struct operation_type operation_free = {
	.name = "free",
	.weight = 30,
	.gives = -1,
	.choose = choose_free,
	.run = run_free,
	.apply = apply_free,
};

const struct operation_type operation_free_wrong = {
	.name = "free, refused",
	.weight = 2,
	.choose = choose_free_wrong,
	.run = run_free,
	.apply = apply_refusal,
};

const struct operation_type operation_free_bulk = {
	.name = "free bulk",
	.weight = 8,
	.gives = -1,
	.choose = choose_free_bulk,
	.run = run_free_bulk,
	.apply = apply_free_bulk,
};

const struct operation_type operation_free_bulk_wrong = {
	.name = "free bulk, refused",
	.weight = 4,
	.choose = choose_free_bulk_wrong,
	.run = run_free_bulk,
	.apply = apply_refusal,
};

const struct operation_type operation_free_exact = {
	.name = "free exact",
	.weight = 8,
	.gives = -1,
	.choose = choose_free_exact,
	.run = run_free_exact,
	.apply = apply_free_exact,
	.is_kept = operation_is_exact_whole,
};

const struct operation_type operation_free_exact_wrong = {
	.name = "free exact, refused",
	.weight = 4,
	.choose = choose_free_exact_wrong,
	.run = run_free_exact,
	.apply = apply_refusal,
};
