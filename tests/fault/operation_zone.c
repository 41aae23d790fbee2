/* SPDX-License-Identifier: MIT */

/* Operations on a zone as a whole: it is opened, gets a hole, grows and shrinks. */

#include "fault/operation_type.h"

static bool choose_open(struct operation *operation, const struct operation_taste *taste,
			const struct model *model, struct random *random)
{
	(void)operation;
	(void)taste;
	(void)model;
	(void)random;
	return true;
}

static void run_open(struct operation *operation, struct core *core)
{
	operation->nr_pages = zone_nr_pages(&core->zone);
}

static bool apply_open(const struct operation *operation, const struct operation_taste *taste,
		       struct model *model)
{
	(void)taste;
	return operation->nr_pages == model->nr_pages;
}

#define HOLE_PAGES_MAX 24u

static bool choose_mark_hole(struct operation *operation, const struct operation_taste *taste,
			     const struct model *model, struct random *random)
{
	(void)taste;
	operation->nr_pages = 1 + random_below(random, HOLE_PAGES_MAX);
	if (model->nr_pages < operation->nr_pages)
		return false;
	operation->pfn = random_below(random, model->nr_pages - operation->nr_pages + 1);
	for (uint32_t i = 0; i < operation->nr_pages; i++)
		if (model->is_covered[operation->pfn + i])
			return false;
	return true;
}

static void run_mark_hole(struct operation *operation, struct core *core)
{
	operation->result = zone_mark_hole(&core->zone, operation->pfn, operation->nr_pages);
}

/* The largest blocks that fit, from the front. */
static bool apply_mark_hole(const struct operation *operation, const struct operation_taste *taste,
			    struct model *model)
{
	uint32_t pfn = operation->pfn, end = operation->pfn + operation->nr_pages;

	while (pfn < end && !operation->result) {
		unsigned order = 0;

		while (order < taste->zone.max_order && !(pfn & size_of(order)) &&
		       pfn + size_of(order + 1) <= end)
			order++;
		if (!model_grant(model, pfn,
				 word_make(WORD_HOLE,
					   (struct word_owner){ .slot = WORD_SLOT_DAEMON }, order)))
			return false;
		pfn += size_of(order);
	}
	return operation->result == 0;
}

static uint32_t clamp(uint32_t value, uint32_t lowest, uint32_t highest)
{
	if (value < lowest)
		return lowest;
	return value < highest ? value : highest;
}

/* Mostly by a little: a resize looks at each page that comes or goes. */
static bool choose_resize(struct operation *operation, const struct operation_taste *taste,
			  const struct model *model, struct random *random)
{
	const uint32_t capacity = taste->zone.capacity_pages;
	const uint32_t smallest = taste->zone.contiguous_pages + capacity / 4;
	uint32_t range = random_once_in(random, 6) ? capacity : 160;

	operation->nr_pages = clamp(model->nr_pages + random_below(random, range),
				    smallest + range / 2, capacity + range / 2) -
			      range / 2;
	operation->count = 64 + random_below(random, 1024);
	return true;
}

static void run_resize(struct operation *operation, struct core *core)
{
	operation->result = zone_resize(&core->zone, operation->nr_pages);
	while (!zone_resize_step(&core->zone, operation->count))
		;
}

static bool apply_resize(const struct operation *operation, const struct operation_taste *taste,
			 struct model *model)
{
	(void)taste;
	model->nr_pages = operation->nr_pages;
	return operation->result == 0;
}

const struct operation_type operation_open = {
	.name = "open",
	.choose = choose_open,
	.run = run_open,
	.apply = apply_open,
};

const struct operation_type operation_mark_hole = {
	.name = "mark hole",
	.weight = 1,
	.choose = choose_mark_hole,
	.run = run_mark_hole,
	.apply = apply_mark_hole,
};

const struct operation_type operation_resize = {
	.name = "resize",
	.weight = 2,
	.choose = choose_resize,
	.run = run_resize,
	.apply = apply_resize,
};
