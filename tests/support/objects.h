/* SPDX-License-Identifier: MIT */
#pragma once

/* Zones with caches, and objects in them: what a pool does with a zone, for tests without one. */

#include <stddef.h>
#include <stdint.h>

#include "core/zone.h"
#include "core/zone_object.h"
#include "support/zone_fixture.h"

#define OBJECTS_PAGES ZONE_FIXTURE_PAGES
#define OBJECTS_UNITS SLAB_ROOM_UNITS /* all of them in use */

/* Slots of holders; their tags and generations follow from them. */
#define FIRST 7u
#define SECOND 8u
#define THIRD 9u

/* Objects of one grant, or of a batch free. */
#define OBJECTS_RUNS_MAX 8192u
struct objects {
	struct object_run runs[OBJECTS_RUNS_MAX];
	size_t nr_runs;
};

/* A zone with room for objects. capacity_pages may be 0: no more than there are. */
struct zone_fixture *objects_fixture_new(uint32_t nr_pages, uint32_t capacity_pages,
					 uint32_t contiguous_pages, uint32_t nr_units);
/* For cmocka: of OBJECTS_PAGES and OBJECTS_UNITS. zone_fixture_teardown() goes with it. */
int objects_setup(void **state);

/* Makes a cache; the fixture's name for it is its size and flags. */
uint32_t objects_cache(struct zone_fixture *fixture, uint32_t object_bytes, unsigned flags);
uint32_t objects_cache_of(struct zone_fixture *fixture, const struct cache_config *config);

static inline const struct cache_layout *objects_layout(const struct zone_fixture *fixture,
							uint32_t cache)
{
	return &fixture->caches.layouts[cache];
}

struct word_owner objects_owner(unsigned slot);
struct zone_leaver objects_leaver(unsigned slot);

/*
 * Grants up to `count` objects; *ret has them. Fails the test if one was held already, lies in no
 * slab of the cache or has another holder now. Returns how many.
 */
size_t objects_take(struct zone_fixture *fixture, uint32_t cache, size_t count, unsigned slot,
		    uint32_t max_slabs, struct objects *ret);
/* The same of all that are asked for. */
void objects_grant(struct zone_fixture *fixture, uint32_t cache, size_t count, unsigned slot,
		   struct objects *ret);
/* One object: its offset. */
uint64_t objects_grant_one(struct zone_fixture *fixture, uint32_t cache, unsigned slot);

/* What a batch free says, and where if it is refused: the run and in it the bit. */
struct objects_refusal {
	size_t run;
	unsigned bit;
};
int objects_free_runs(struct zone_fixture *fixture, uint32_t cache,
		      const struct zone_leaver *leaver, const struct object_run *runs,
		      size_t nr_runs, struct objects_refusal *ret);

/* Frees what must be the slot's. */
void objects_give(struct zone_fixture *fixture, uint32_t cache, unsigned slot,
		  const struct objects *objects);
void objects_give_one(struct zone_fixture *fixture, uint64_t offset, unsigned slot);

/* Fails the test unless the free is refused so, at this run and bit, and nothing has changed. */
void objects_assert_refused(struct zone_fixture *fixture, uint32_t cache, unsigned slot,
			    const struct object_run *runs, size_t nr_runs, int error, size_t run,
			    unsigned bit);

/* The object at an offset, which must be one. */
struct zone_object objects_get(const struct zone_fixture *fixture, uint64_t offset);

size_t objects_count(const struct objects *objects);
struct zone_cache_stat objects_stat(const struct zone_fixture *fixture, uint32_t cache);
