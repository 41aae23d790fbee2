/* SPDX-License-Identifier: MIT */
#pragma once

/* A table of slabs without a zone: pages are numbers in it, and words are stored by the tests. */

#include <stddef.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/slab.h"

#define SLAB_FIXTURE_CACHES 64u
#define SLAB_FIXTURE_UNITS (3 * SLAB_ROOM_UNITS)
#define SLAB_FIXTURE_PFN 0x1234u /* of every slab */
#define SLAB_FIXTURE_SLOT 7u     /* the holder of all that is taken */

struct slab_fixture {
	struct cache_table caches;
	struct slab_table slabs;
	void *cache_ledger, *cache_index;
	uint8_t *ledger;
	void *index;
};

/* For cmocka: *state is a struct slab_fixture, with its first part of room. */
int slab_fixture_setup(void **state);
int slab_fixture_teardown(void **state);

/* Forgets all but the ledger: there is no room, and no slab, until some are loaded. */
void slab_fixture_forget(struct slab_fixture *fixture);

void slab_fixture_assert_sound(const struct slab_fixture *fixture);

uint32_t slab_fixture_add_cache(struct slab_fixture *fixture, const char *name,
				uint32_t object_bytes, unsigned flags);
/* The general cache of this size. */
uint32_t slab_fixture_general(const struct slab_fixture *fixture, uint32_t object_bytes);

uint32_t slab_fixture_nr_objects(const struct slab_fixture *fixture, uint32_t cache);
uint32_t slab_fixture_nr_units(const struct slab_fixture *fixture, uint32_t cache);

uint32_t slab_fixture_add(struct slab_fixture *fixture, uint32_t cache);
void slab_fixture_remove(struct slab_fixture *fixture, uint32_t number);

/* The word of an object that a slot holds. */
uint32_t slab_fixture_held(unsigned slot);

/* slab_take() and slab_give(), and what a zone would store. */
uint64_t slab_fixture_take(struct slab_fixture *fixture, uint32_t number, size_t count,
			   uint32_t *ret_first);
void slab_fixture_give(struct slab_fixture *fixture, uint32_t number, uint32_t first,
		       uint64_t mask);
/* So many, of a slab that has them. */
void slab_fixture_take_many(struct slab_fixture *fixture, uint32_t number, uint32_t count);
