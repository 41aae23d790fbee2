/* SPDX-License-Identifier: MIT */

/* The model is told what happens, and says what must be; nothing in it is clever or fast. */

#include "support/zone_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGEBLOCK_PAGES INDEX_PAGEBLOCK_PAGES

static uint32_t size_of(unsigned order)
{
	return UINT32_C(1) << order;
}

void zone_model_init(struct zone_model *model, const struct zone_config *config)
{
	uint32_t capacity = config->capacity_pages ? config->capacity_pages : config->nr_pages;

	*model = (struct zone_model){
		.fixture = zone_fixture_new(config),
		.words = calloc(capacity, sizeof(uint32_t)),
		.holder = calloc(capacity, 1),
		.capacity = capacity,
		.nr_contiguous = config->contiguous_pages,
		.size = config->nr_pages,
		.edge = config->nr_pages,
		.nr_free = config->nr_pages,
	};
	assert_true(model->words && model->holder);
	model->zone = &model->fixture->zone;
	while (model->max_order < config->max_order && size_of(model->max_order + 1) <= capacity)
		model->max_order++;
}

void zone_model_deinit(struct zone_model *model)
{
	zone_fixture_free(model->fixture);
	free(model->words);
	free(model->holder);
}

uint32_t zone_model_usable(const struct zone_model *model)
{
	return model->size < model->edge ? model->size : model->edge;
}

bool zone_model_is_free(const struct zone_model *model, uint32_t pfn, uint32_t nr_pages)
{
	const uint8_t *holder = model->holder + pfn;

	/* The first is free, and each is like the one before. */
	return nr_pages == 0 ||
	       (holder[0] == ZONE_MODEL_FREE && memcmp(holder, holder + 1, nr_pages - 1) == 0);
}

void zone_model_follow(struct zone_model *model)
{
	const uint32_t edge = model->zone->edge;

	assert_true(model->edge <= model->size ? edge >= model->edge && edge <= model->size
					       : edge <= model->edge && edge >= model->size);
	for (; model->edge < edge; model->edge++) {
		bool is_free = model->holder[model->edge] == ZONE_MODEL_FREE;

		model->nr_free += is_free;
		model->nr_draining -= !is_free;
	}
	for (; model->edge > edge; model->edge--) {
		bool is_free = model->holder[model->edge - 1] == ZONE_MODEL_FREE;

		model->nr_free -= is_free;
		model->nr_draining += !is_free;
	}
}

void zone_model_take(struct zone_model *model, uint32_t pfn, unsigned order, unsigned holder,
		     enum mobility mobility)
{
	uint32_t word = model->fixture->words[pfn], end = pfn + size_of(order);

	zone_model_follow(model);
	assert_int_equal(pfn & (size_of(order) - 1), 0);
	assert_true(end > pfn && end <= zone_model_usable(model));
	assert_true(zone_model_is_free(model, pfn, size_of(order)));
	assert_true(pfn >= model->nr_contiguous || end <= model->nr_contiguous);
	if (pfn < model->nr_contiguous && holder != ZONE_MODEL_HOLE)
		assert_true(mobility != MOBILITY_UNMOVABLE || order >= INDEX_PAGEBLOCK_ORDER);
	assert_int_equal(word_kind(word), holder == ZONE_MODEL_HOLE   ? WORD_HOLE
					  : holder == ZONE_MODEL_SLAB ? WORD_SLAB
								      : WORD_PAGE);
	if (holder != ZONE_MODEL_SLAB)
		assert_int_equal(word_slot(word), holder == ZONE_MODEL_HOLE ? 0 : holder);
	assert_int_equal(word_mobility(word), mobility);
	assert_int_equal(word_order(word), order);
	model->words[pfn] = word;
	memset(model->holder + pfn, (int)holder, size_of(order));
	model->nr_free -= size_of(order);
}

void zone_model_give(struct zone_model *model, uint32_t pfn)
{
	uint32_t end = pfn + size_of(word_order(model->words[pfn]));

	for (uint32_t at = pfn; at < end; at++) {
		model->holder[at] = ZONE_MODEL_FREE;
		model->nr_free += at < model->edge;
		model->nr_draining -= at >= model->edge;
	}
	model->words[pfn] = 0;
}

int zone_model_answer(const struct zone_model *model, uint64_t pfn, unsigned order, unsigned slot)
{
	uint32_t word;

	if (order > model->max_order)
		return ZONE_E_ALIGN;
	if (pfn >= model->capacity || size_of(order) > model->capacity - pfn)
		return ZONE_E_RANGE;
	if (pfn & (size_of(order) - 1))
		return ZONE_E_ALIGN;
	word = model->words[pfn];
	if (!word)
		return ZONE_E_NOT_HEAD;
	if (word_order(word) != order)
		return ZONE_E_ORDER;
	return word_kind(word) == WORD_PAGE && word_slot(word) == slot ? 0 : ZONE_E_NOT_HELD;
}

/* Free blocks of [start, end) as merging makes them: the largest aligned ones, greedily. */
static void count_part(const struct zone_model *model, uint32_t start, uint32_t end,
		       unsigned max_order, uint64_t counts[PAGE_NR_ORDERS])
{
	for (uint32_t pfn = start; pfn < end;) {
		unsigned order = 0;

		if (model->holder[pfn] != ZONE_MODEL_FREE) {
			pfn++;
			continue;
		}
		while (order < max_order && !(pfn & size_of(order)) &&
		       size_of(order + 1) <= end - pfn &&
		       zone_model_is_free(model, pfn + size_of(order), size_of(order)))
			order++;
		counts[order]++;
		pfn += size_of(order);
	}
}

static bool has_from(const struct zone_model *model, unsigned order, bool may_use_contiguous)
{
	uint64_t counts[PAGE_NR_ORDERS] = { 0 };

	if (may_use_contiguous)
		count_part(model, 0, model->nr_contiguous, model->max_order, counts);
	count_part(model, model->nr_contiguous, zone_model_usable(model), model->max_order, counts);
	for (; order <= model->max_order; order++)
		if (counts[order])
			return true;
	return false;
}

bool zone_model_has(const struct zone_model *model, unsigned order, enum mobility mobility)
{
	return has_from(model, order,
			mobility != MOBILITY_UNMOVABLE || order >= INDEX_PAGEBLOCK_ORDER);
}

bool zone_model_has_exact(const struct zone_model *model, uint32_t nr_pages, enum mobility mobility)
{
	return has_from(model, page_order_of(nr_pages),
			mobility != MOBILITY_UNMOVABLE || nr_pages % PAGEBLOCK_PAGES == 0);
}

/* The head of the block that a held page is in. */
static uint32_t head_of(const struct zone_model *model, uint32_t pfn)
{
	while (!model->words[pfn])
		pfn--;
	return pfn;
}

static uint32_t cost_of_place(const struct zone_model *model, uint32_t start, uint32_t end)
{
	uint32_t nr_pages = 0;

	for (uint32_t pfn = start; pfn < end;) {
		uint32_t head, word;

		if (model->holder[pfn] == ZONE_MODEL_FREE) {
			pfn++;
			continue;
		}
		head = head_of(model, pfn);
		word = model->words[head];
		if (word_kind(word) == WORD_HOLE || word_mobility(word) == MOBILITY_UNMOVABLE)
			return UINT32_MAX;
		nr_pages += size_of(word_order(word));
		pfn = head + size_of(word_order(word));
	}
	return nr_pages;
}

uint32_t zone_model_plan(const struct zone_model *model, unsigned order)
{
	uint32_t least = UINT32_MAX;

	if (order < INDEX_PAGEBLOCK_ORDER || order > model->max_order)
		return UINT32_MAX;
	for (uint32_t pfn = 0; pfn + size_of(order) <= model->nr_contiguous;
	     pfn += size_of(order)) {
		uint32_t nr_pages = cost_of_place(model, pfn, pfn + size_of(order));

		if (nr_pages < least)
			least = nr_pages;
	}
	return least;
}

/* Comparing. */

static void compare_free(struct zone_model *model, const struct zone_counts *counts)
{
	uint64_t contiguous[PAGE_NR_ORDERS] = { 0 }, all[PAGE_NR_ORDERS];
	const unsigned max_order = zone_max_order(model->zone);
	int largest = -1;

	count_part(model, 0, model->nr_contiguous, max_order, contiguous);
	assert_memory_equal(counts->groups[ZONE_GROUP_CONTIGUOUS].free_blocks, contiguous,
			    sizeof(contiguous));
	memcpy(all, contiguous, sizeof(all));
	count_part(model, model->nr_contiguous, model->edge, max_order, all);
	assert_memory_equal(counts->free_blocks, all, sizeof(all));
	memset(all, 0, sizeof(all));
	count_part(model, 0, model->nr_contiguous, model->max_order, all);
	count_part(model, model->nr_contiguous, model->edge, model->max_order, all);
	for (int order = 0; order < (int)PAGE_NR_ORDERS; order++)
		largest = all[order] ? order : largest;
	assert_int_equal(zone_largest_free(model->zone), largest);
}

/* Whether a block of a whole pageblock or more covers this one. */
static bool is_held_as_one(const struct zone_model *model, uint32_t pfn)
{
	for (unsigned order = INDEX_PAGEBLOCK_ORDER; order <= model->max_order; order++) {
		uint32_t word = model->words[pfn & ~(size_of(order) - 1)];

		if (word && word_order(word) == order)
			return true;
	}
	return false;
}

static void compare_groups(struct zone_model *model, const struct zone_counts *counts)
{
	uint64_t nr_free = 0, nr_held = 0, nr = 0, nr_blocks[PAGE_NR_ORDERS] = { 0 };

	for (uint32_t pfn = model->nr_contiguous; pfn < model->edge; pfn += PAGEBLOCK_PAGES, nr++) {
		if (is_held_as_one(model, pfn))
			nr_held++;
		else if (model->edge - pfn >= PAGEBLOCK_PAGES &&
			 zone_model_is_free(model, pfn, PAGEBLOCK_PAGES))
			nr_free++;
	}
	assert_int_equal(counts->groups[ZONE_GROUP_FREE].nr_pageblocks, nr_free);
	assert_int_equal(counts->groups[ZONE_GROUP_HELD].nr_pageblocks, nr_held);
	assert_int_equal(counts->groups[ZONE_GROUP_CONTIGUOUS].nr_pageblocks,
			 model->nr_contiguous / PAGEBLOCK_PAGES);
	for (unsigned group = 0; group < ZONE_NR_GROUPS; group++) {
		if (group != ZONE_GROUP_CONTIGUOUS)
			nr -= counts->groups[group].nr_pageblocks;
		for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
			nr_blocks[order] += counts->groups[group].free_blocks[order];
	}
	assert_int_equal(nr, 0);
	assert_memory_equal(nr_blocks, counts->free_blocks, sizeof(nr_blocks));
}

static void compare_sums(const struct zone_model *model)
{
	uint64_t held[ZONE_MODEL_NR_SLOTS] = { 0 }, nr_holes = 0, nr_slab = 0, nr_draining = 0;

	for (uint32_t pfn = 0; pfn < model->capacity; pfn++) {
		unsigned holder = model->holder[pfn];

		nr_draining += pfn >= model->edge && holder != ZONE_MODEL_FREE;
		if (holder == ZONE_MODEL_HOLE)
			nr_holes++;
		else if (holder == ZONE_MODEL_SLAB)
			nr_slab++;
		else if (pfn < model->edge || holder != ZONE_MODEL_FREE)
			held[holder]++;
	}
	assert_int_equal(zone_nr_pages(model->zone), model->size);
	assert_int_equal(zone_nr_free(model->zone), held[ZONE_MODEL_FREE]);
	assert_int_equal(zone_nr_holes(model->zone), nr_holes);
	assert_int_equal(zone_nr_draining(model->zone), nr_draining);
	assert_int_equal(zone_held_pages(model->zone, WORD_SLOT_DAEMON), nr_slab);
	for (unsigned slot = 1; slot < ZONE_MODEL_NR_SLOTS; slot++)
		assert_int_equal(zone_held_pages(model->zone, slot), held[slot]);
}

void zone_model_compare(struct zone_model *model)
{
	struct zone_counts counts;
	uint32_t cursor = 0;

	zone_fixture_assert_sound(model->fixture);
	assert_memory_equal(model->fixture->words, model->words,
			    model->capacity * sizeof(*model->words));
	while (!zone_count_free(model->zone, 1000, &cursor, &counts))
		;
	compare_free(model, &counts);
	compare_groups(model, &counts);
	compare_sums(model);
}
