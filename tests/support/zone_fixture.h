/* SPDX-License-Identifier: MIT */
#pragma once

/* A zone on memory of its own, which can be opened again as a next daemon would. */

#include <stddef.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/zone.h"

struct zone_fixture {
	struct zone zone;
	struct zone_config config;
	uint8_t *ledger;
	uint32_t *words; /* of the ledger */
	void *index;
	struct cache_table caches; /* of a zone with objects */
	uint8_t *cache_ledger;
	void *cache_index;
};

/*
 * Fails the test if the zone can't be opened. A configuration with slab units and without caches
 * gets a table of so many, which goes with the zone.
 */
#define ZONE_FIXTURE_CACHES 64u
struct zone_fixture *zone_fixture_new(const struct zone_config *config);
/* The zone that a next daemon would find now: opened on copies of the ledgers. */
struct zone_fixture *zone_fixture_copy(const struct zone_fixture *fixture);
/*
 * The same of blocks up to the largest order. capacity_pages may be 0: no more than there are. Most
 * tests have such a zone.
 */
#define ZONE_FIXTURE_INDEX 5u /* in its pool */
#define ZONE_FIXTURE_SLOTS 16u
struct zone_fixture *zone_fixture_of(uint32_t nr_pages, uint32_t capacity_pages,
				     uint32_t contiguous_pages);
struct zone_fixture *zone_fixture_free(struct zone_fixture *fixture);

/* For cmocka: *state is such a zone of so many pages, which can't grow. Any is torn down. */
#define ZONE_FIXTURE_PAGES 4096u
int zone_fixture_setup(void **state);
int zone_fixture_teardown(void **state);

/* A copy of the ledger; and fails the test unless it is still the same, and frees the copy. */
uint8_t *zone_fixture_save(const struct zone_fixture *fixture);
void zone_fixture_assert_saved(const struct zone_fixture *fixture, uint8_t *saved);

/* What stands before the words, to look at and to damage. */
static inline struct ledger_header *zone_fixture_header(const struct zone_fixture *fixture)
{
	return (struct ledger_header *)fixture->ledger;
}

/* Forgets the zone but for its ledger, and opens that again: what zone_open() says. */
int zone_fixture_open(struct zone_fixture *fixture, struct zone_fault *ret);

/* The same, and fails the test if it can't be opened, is not sound, or its words are others. */
void zone_fixture_reopen(struct zone_fixture *fixture);

/* Proves every invariant of the zone. */
void zone_fixture_assert_sound(struct zone_fixture *fixture);

/* That all of it is free, and has merged. */
void zone_fixture_assert_all_free(struct zone_fixture *fixture);

/* A block for an owner that must be there. */
uint32_t zone_fixture_grant(struct zone_fixture *fixture, unsigned order, struct word_owner owner);

/* Resizes in slices of so many pages, to the end. */
void zone_fixture_resize(struct zone_fixture *fixture, uint32_t nr_pages, uint32_t slice);
