/* SPDX-License-Identifier: MIT */

/*
 * Caches in the model: whole records, and what it means of one to be between two models.
 *
 * A record in use is as before or as after, in every byte. Of a free one the generation alone
 * counts, which may have grown already. The general caches are made whenever a table is opened and
 * one of them is missing, which is nobody's operation: a death amid that may skip a generation.
 */

#include <string.h>

#include "fault/model_part.h"

struct cache_config model_cache_config(const struct model *model, uint32_t number)
{
	const struct cache_record *record = &model->caches[number];

	return (struct cache_config){ .name = record->name,
				      .object_bytes = record->object_bytes,
				      .align = record->align,
				      .flags = record->flags,
				      .mobility = (enum mobility)record->mobility };
}

struct cache_layout model_layout(const struct model *model, uint32_t cache)
{
	const struct cache_config config = model_cache_config(model, cache);
	struct cache_layout layout = { 0 };

	cache_lay_out(&config, &layout);
	return layout;
}

uint32_t model_find_cache(const struct model *model, const char *name)
{
	for (uint32_t i = 0; i < CORE_NR_CACHES; i++)
		if (model_has_name(model, i) && strcmp(model->caches[i].name, name) == 0)
			return i;
	return CACHES_MAX;
}

#define GENERATION_MASK (UINT32_MAX >> CACHE_NUMBER_BITS)

bool model_make_cache(struct model *model, uint32_t number, uint32_t target,
		      const struct cache_config *config)
{
	struct cache_record *record = &model->caches[number];

	if (number >= CORE_NR_CACHES || target >= CORE_NR_CACHES || record->state != CACHE_FREE)
		return false;
	*record = (struct cache_record){ .state = CACHE_NAMED,
					 .generation = (record->generation + 1) & GENERATION_MASK,
					 .target = target,
					 .object_bytes = config->object_bytes,
					 .align = config->align ? config->align : CACHE_ALIGN_MIN,
					 .flags = config->flags,
					 .mobility = config->mobility };
	strncpy(record->name, config->name, CACHE_NAME_BYTES_MAX);
	return true;
}

bool model_is_last_name(const struct model *model, uint32_t number)
{
	for (uint32_t i = 0; i < CORE_NR_CACHES; i++)
		if (i != number && model_has_name(model, i) &&
		    model_target(model, i) == model_target(model, number))
			return false;
	return true;
}

void model_remove_cache(struct model *model, uint32_t number)
{
	struct cache_record *record = &model->caches[number];
	struct cache_record *target = &model->caches[record->target];

	if (model_is_last_name(model, number))
		record->state = target->state = CACHE_FREE;
	else
		record->state = record == target ? CACHE_NAMELESS : CACHE_FREE;
}

static bool is_record_of(const struct cache_record *like, const struct cache_record *found,
			 bool is_general)
{
	struct cache_record record = *like;

	if (found->state != like->state)
		return false;
	if (found->state == CACHE_FREE)
		return found->generation == like->generation;
	if (is_general)
		record.generation = found->generation;
	return memcmp(&record, found, sizeof(record)) == 0;
}

/* Cut short while it was made. */
static bool is_skipped(const struct cache_record *found, const struct cache_record *before,
		       const struct cache_record *after)
{
	return found->state == CACHE_FREE && before->state == CACHE_FREE &&
	       found->generation == after->generation;
}

bool model_are_caches_between(const struct model *found, const struct model *before,
			      const struct model *after, struct zone_fault *ret)
{
	for (uint32_t i = 0; i < CORE_NR_CACHES; i++) {
		const struct cache_record *was = &before->caches[i], *will = &after->caches[i];
		const struct cache_record *record = &found->caches[i];
		bool is_general = i < CACHE_NR_GENERAL;

		if (!is_record_of(was, record, is_general) &&
		    !is_record_of(will, record, is_general) && !is_skipped(record, was, will))
			return model_found_wrong(ret, i,
						 "a cache is neither as before nor as after");
	}
	return true;
}
