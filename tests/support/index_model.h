/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What an index must say, found by looking at every page: a bit for each that is free, a bit for
 * each at which a held block starts, and a group for each pageblock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/index.h"

struct index_model {
	uint32_t nr_pages;
	uint32_t nr_free;
	uint64_t *free;                   /* a bit a page, and none beyond the last */
	uint64_t *heads;                  /* a bit a page */
	uint8_t *orders;                  /* by page, of the block that starts there */
	uint8_t *groups;                  /* by pageblock */
	uint64_t *units[INDEX_NR_LEVELS]; /* scratch: which units of a level are free */
};

/* All of it is free. */
void index_model_init(struct index_model *model, uint32_t nr_pages);
void index_model_deinit(struct index_model *model);

bool index_model_is_free(const struct index_model *model, uint32_t pfn, unsigned order);

/* A free block is held from now on; a pageblock that was free as a whole becomes the group's. */
void index_model_hold(struct index_model *model, uint32_t pfn, unsigned order, unsigned group);

/* A block that is held is free. */
void index_model_free(struct index_model *model, uint32_t pfn);

/* The first page at or behind pfn, or else the first of all, where a held block starts. */
bool index_model_find_held(const struct index_model *model, uint32_t pfn, uint32_t *ret_pfn);

/* What index_take() must answer. */
uint32_t index_model_choose(const struct index_model *model, unsigned order, unsigned group);

/* What index_steal() must answer; does to the groups what that must do. */
unsigned index_model_steal(struct index_model *model, unsigned order, unsigned group);

enum index_pageblock index_model_pageblock(const struct index_model *model, uint32_t pageblock);

/* What index_count() must add up for all pages. */
void index_model_count(const struct index_model *model, struct index_counts *ret);

/* That an index is valid and says of every page and pageblock what the model does. */
void index_model_assert_agrees(const struct index_model *model, const struct index *index);
