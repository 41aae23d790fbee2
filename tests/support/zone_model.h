/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A zone beside a model too simple to be wrong: of each page who holds it, and the word that must
 * stand in the ledger. Everything else that a zone says is worked out from these two by looking at
 * all of them. Slabs are the daemon's pages here; support/object_model.h looks into them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/zone.h"
#include "support/zone_fixture.h"

#define ZONE_MODEL_FREE 0u
#define ZONE_MODEL_HOLE 0xffu
#define ZONE_MODEL_SLAB 0xfeu
#define ZONE_MODEL_NR_SLOTS 9u /* slot 0 holds nothing */
#define ZONE_MODEL_INDEX 3u    /* of the zone in its pool */

struct zone_model {
	struct zone_fixture *fixture;
	struct zone *zone;
	uint32_t *words; /* by page: what the ledger must have */
	uint8_t *holder; /* by page: a slot, FREE, HOLE or SLAB */
	uint32_t capacity, nr_contiguous;
	uint32_t size, edge;
	unsigned max_order;
	uint32_t nr_free;     /* below the edge */
	uint32_t nr_draining; /* from the edge on */
};

void zone_model_init(struct zone_model *model, const struct zone_config *config);
void zone_model_deinit(struct zone_model *model);

/* What the zone has granted or marked. Fails the test if it should not have. */
void zone_model_take(struct zone_model *model, uint32_t pfn, unsigned order, unsigned holder,
		     enum mobility mobility);

/* What the zone has freed. */
void zone_model_give(struct zone_model *model, uint32_t pfn);

/* After whatever may have moved the edge: it goes nowhere but towards the size. */
void zone_model_follow(struct zone_model *model);

/* What zone_free() must say. */
int zone_model_answer(const struct zone_model *model, uint64_t pfn, unsigned order, unsigned slot);

/* So many pages are in use and free. */
bool zone_model_is_free(const struct zone_model *model, uint32_t pfn, uint32_t nr_pages);

/* Where the pages end that may be granted. */
uint32_t zone_model_usable(const struct zone_model *model);

/* Whether a block of this order can be granted: by looking everywhere. */
bool zone_model_has(const struct zone_model *model, unsigned order, enum mobility mobility);
/* The same for an exact size. */
bool zone_model_has_exact(const struct zone_model *model, uint32_t nr_pages,
			  enum mobility mobility);

/* The cheapest place in the contiguous area: pages that must go, or UINT32_MAX. */
uint32_t zone_model_plan(const struct zone_model *model, unsigned order);

/* Compares every page and every number. */
void zone_model_compare(struct zone_model *model);
