/* SPDX-License-Identifier: MIT */

/* What a zone does around a table of slabs, and no more: its memories, and the objects' words. */

#include "support/slab_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *zeroed(size_t size_bytes)
{
	void *memory = aligned_alloc(64, size_bytes);

	assert_non_null(memory);
	return memset(memory, 0, size_bytes);
}

void slab_fixture_forget(struct slab_fixture *fixture)
{
	free(fixture->index);
	fixture->index = zeroed(slab_index_bytes(SLAB_FIXTURE_UNITS, SLAB_FIXTURE_CACHES));
	slab_table_init(&fixture->slabs, &fixture->caches, SLAB_FIXTURE_UNITS, fixture->ledger,
			fixture->index);
}

int slab_fixture_setup(void **state)
{
	struct slab_fixture *fixture = calloc(1, sizeof(*fixture));
	uint32_t number;

	assert_non_null(fixture);
	fixture->cache_ledger = zeroed(cache_ledger_bytes(SLAB_FIXTURE_CACHES));
	fixture->cache_index = zeroed(cache_index_bytes(SLAB_FIXTURE_CACHES));
	assert_int_equal(cache_table_open(&fixture->caches, SLAB_FIXTURE_CACHES, 0,
					  fixture->cache_ledger, fixture->cache_index, &number),
			 0);
	fixture->ledger = zeroed(slab_ledger_bytes(SLAB_FIXTURE_UNITS));
	slab_fixture_forget(fixture);
	slab_add_room(&fixture->slabs);
	*state = fixture;
	return 0;
}

int slab_fixture_teardown(void **state)
{
	struct slab_fixture *fixture = *state;

	free(fixture->cache_ledger);
	free(fixture->cache_index);
	free(fixture->ledger);
	free(fixture->index);
	free(fixture);
	return 0;
}

void slab_fixture_assert_sound(const struct slab_fixture *fixture)
{
	const char *what = slab_validate(&fixture->slabs);

	if (what)
		fail_msg("%s", what);
}

/* Caches. */

uint32_t slab_fixture_add_cache(struct slab_fixture *fixture, const char *name,
				uint32_t object_bytes, unsigned flags)
{
	const struct cache_config config = { .name = name,
					     .object_bytes = object_bytes,
					     .flags = flags };
	uint32_t number;

	assert_int_equal(cache_table_add(&fixture->caches, &config, &number), 0);
	return number;
}

uint32_t slab_fixture_general(const struct slab_fixture *fixture, uint32_t object_bytes)
{
	uint32_t cache = 0;

	while (cache < CACHE_NR_GENERAL &&
	       fixture->caches.layouts[cache].object_bytes != object_bytes)
		cache++;
	assert_true(cache < CACHE_NR_GENERAL);
	return cache;
}

uint32_t slab_fixture_nr_objects(const struct slab_fixture *fixture, uint32_t cache)
{
	return fixture->caches.layouts[cache].nr_objects;
}

uint32_t slab_fixture_nr_units(const struct slab_fixture *fixture, uint32_t cache)
{
	return slab_nr_units(&fixture->caches.layouts[cache]);
}

/* Slabs. */

uint32_t slab_fixture_add(struct slab_fixture *fixture, uint32_t cache)
{
	uint32_t number = SLAB_NONE;

	assert_true(slab_new(&fixture->slabs, cache, SLAB_FIXTURE_PFN, &number));
	slab_enlist(&fixture->slabs, number, false);
	return number;
}

void slab_fixture_remove(struct slab_fixture *fixture, uint32_t number)
{
	slab_unlist(&fixture->slabs, number);
	slab_delete(&fixture->slabs, number);
}

/* Objects. */

uint32_t slab_fixture_held(unsigned slot)
{
	const struct word_owner owner = { .slot = slot & (WORD_NR_SLOTS - 1), .tag = 1 };

	return word_make(WORD_PAGE, owner, 0);
}

static void store(struct slab_fixture *fixture, uint32_t number, uint32_t first, uint64_t mask,
		  uint32_t word)
{
	uint32_t *words = slab_words(&fixture->slabs, number) + first;

	for (; mask; mask &= mask - 1)
		words[__builtin_ctzll(mask)] = word;
}

uint64_t slab_fixture_take(struct slab_fixture *fixture, uint32_t number, size_t count,
			   uint32_t *ret_first)
{
	uint64_t mask = slab_take(&fixture->slabs, number, count, ret_first);

	if (mask)
		store(fixture, number, *ret_first, mask, slab_fixture_held(SLAB_FIXTURE_SLOT));
	slab_fixture_assert_sound(fixture);
	return mask;
}

void slab_fixture_give(struct slab_fixture *fixture, uint32_t number, uint32_t first, uint64_t mask)
{
	store(fixture, number, first, mask, SLAB_NEVER_HELD);
	slab_give(&fixture->slabs, number, first, mask);
	slab_fixture_assert_sound(fixture);
}

void slab_fixture_take_many(struct slab_fixture *fixture, uint32_t number, uint32_t count)
{
	while (count) {
		uint32_t first = 0;
		uint64_t mask = slab_fixture_take(fixture, number, count, &first);

		assert_int_not_equal(mask, 0);
		count -= (uint32_t)__builtin_popcountll(mask);
	}
}
