/* SPDX-License-Identifier: MIT */

/* A batch free is the two rounds that a pool makes of it: all runs are checked, then all freed. */

#include "support/objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct zone_fixture *objects_fixture_new(uint32_t nr_pages, uint32_t capacity_pages,
					 uint32_t contiguous_pages, uint32_t nr_units)
{
	const struct zone_config config = { .index = ZONE_FIXTURE_INDEX,
					    .nr_pages = nr_pages,
					    .capacity_pages = capacity_pages,
					    .contiguous_pages = contiguous_pages,
					    .max_order = PAGE_ORDER_MAX,
					    .nr_slots = ZONE_FIXTURE_SLOTS,
					    .nr_slab_units = nr_units };
	struct zone_fixture *fixture = zone_fixture_new(&config);
	struct slab_range ranges[2];

	while (zone_next_slab_room(&fixture->zone, ranges))
		zone_add_slab_room(&fixture->zone);
	assert_int_equal(zone_slab_room(&fixture->zone), nr_units);
	return fixture;
}

int objects_setup(void **state)
{
	*state = objects_fixture_new(OBJECTS_PAGES, 0, 0, OBJECTS_UNITS);
	return 0;
}

uint32_t objects_cache_of(struct zone_fixture *fixture, const struct cache_config *config)
{
	uint32_t cache = CACHES_MAX;

	assert_int_equal(cache_table_add(&fixture->caches, config, &cache), 0);
	return cache;
}

uint32_t objects_cache(struct zone_fixture *fixture, uint32_t object_bytes, unsigned flags)
{
	char name[CACHE_NAME_BYTES_MAX + 1];
	const struct cache_config config = { .name = name,
					     .object_bytes = object_bytes,
					     .flags = flags };

	snprintf(name, sizeof(name), "%u bytes, flags %x", object_bytes, flags);
	return objects_cache_of(fixture, &config);
}

struct word_owner objects_owner(unsigned slot)
{
	return (struct word_owner){ .slot = slot & (WORD_NR_SLOTS - 1),
				    .tag = slot * 7 & (WORD_NR_TAGS - 1) };
}

struct zone_leaver objects_leaver(unsigned slot)
{
	return (struct zone_leaver){ .slot = slot, .generation = slot * 5 };
}

/* Granting. */

static void assert_granted(const struct zone_fixture *fixture, uint32_t cache, unsigned slot,
			   const struct object_run *run)
{
	const struct cache_layout *layout = objects_layout(fixture, cache);

	assert_int_not_equal(run->mask, 0);
	assert_int_equal(run->raw & ~run->mask, 0);
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(mask);
		uint64_t offset = run->base + (uint64_t)bit * layout->stride_bytes;
		struct zone_object object = objects_get(fixture, offset);

		assert_true(object.is_held);
		assert_int_equal(object.holder, slot);
		assert_int_equal(object.is_constructed,
				 layout->flags & CACHE_CTOR && !(run->raw >> bit & 1));
	}
}

size_t objects_take(struct zone_fixture *fixture, uint32_t cache, size_t count, unsigned slot,
		    uint32_t max_slabs, struct objects *ret)
{
	struct zone *zone = &fixture->zone;
	uint64_t held = zone_held_objects(zone, slot), bytes = zone_held_object_bytes(zone, slot);
	size_t granted;

	ret->nr_runs = 0;
	granted = zone_alloc_objects(zone, cache, count, objects_owner(slot), max_slabs, ret->runs,
				     &ret->nr_runs);
	assert_true(granted <= count);
	assert_int_equal(objects_count(ret), granted);
	for (size_t i = 0; i < ret->nr_runs; i++)
		assert_granted(fixture, cache, slot, &ret->runs[i]);
	assert_int_equal(zone_held_objects(zone, slot), held + granted);
	assert_int_equal(zone_held_object_bytes(zone, slot),
			 bytes + granted * objects_layout(fixture, cache)->stride_bytes);
	zone_fixture_assert_sound(fixture);
	return granted;
}

void objects_grant(struct zone_fixture *fixture, uint32_t cache, size_t count, unsigned slot,
		   struct objects *ret)
{
	assert_int_equal(objects_take(fixture, cache, count, slot, UINT32_MAX, ret), count);
}

uint64_t objects_grant_one(struct zone_fixture *fixture, uint32_t cache, unsigned slot)
{
	static struct objects one;

	objects_grant(fixture, cache, 1, slot, &one);
	assert_int_equal(one.nr_runs, 1);
	return one.runs[0].base + (uint64_t)__builtin_ctzll(one.runs[0].mask) *
					  objects_layout(fixture, cache)->stride_bytes;
}

/* Freeing. */

int objects_free_runs(struct zone_fixture *fixture, uint32_t cache,
		      const struct zone_leaver *leaver, const struct object_run *runs,
		      size_t nr_runs, struct objects_refusal *ret)
{
	struct zone *zone = &fixture->zone;
	uint64_t held = zone_held_object_bytes(zone, leaver->slot), sum = 0, bytes;
	struct objects_refusal at = { 0, 0 };

	for (size_t i = 0; i < nr_runs; i++) {
		int r = zone_leave_objects(zone, cache, leaver->slot, &runs[i], &bytes, &at.bit);

		at.run = i;
		sum += bytes;
		if (r) {
			while (i-- > 0)
				zone_cancel_objects(zone, &runs[i]);
			*ret = at;
			return r;
		}
	}
	assert_int_equal(zone_held_object_bytes(zone, leaver->slot), held);
	for (size_t i = 0; i < nr_runs; i++)
		zone_finish_objects(zone, leaver, &runs[i]);
	assert_int_equal(zone_held_object_bytes(zone, leaver->slot), held - sum);
	return 0;
}

static void give_runs(struct zone_fixture *fixture, uint32_t cache, unsigned slot,
		      const struct object_run *runs, size_t nr_runs)
{
	const struct zone_leaver leaver = objects_leaver(slot);
	struct objects_refusal at;

	assert_int_equal(objects_free_runs(fixture, cache, &leaver, runs, nr_runs, &at), 0);
	zone_fixture_assert_sound(fixture);
}

void objects_give(struct zone_fixture *fixture, uint32_t cache, unsigned slot,
		  const struct objects *objects)
{
	give_runs(fixture, cache, slot, objects->runs, objects->nr_runs);
}

void objects_give_one(struct zone_fixture *fixture, uint64_t offset, unsigned slot)
{
	const struct object_run run = { .base = offset, .mask = 1 };

	give_runs(fixture, ZONE_CACHE_ANY, slot, &run, 1);
}

void objects_assert_refused(struct zone_fixture *fixture, uint32_t cache, unsigned slot,
			    const struct object_run *runs, size_t nr_runs, int error, size_t run,
			    unsigned bit)
{
	uint8_t *saved = zone_fixture_save(fixture);
	uint64_t held = zone_held_objects(&fixture->zone, slot);
	const struct zone_leaver leaver = objects_leaver(slot);
	struct objects_refusal at;
	int r = objects_free_runs(fixture, cache, &leaver, runs, nr_runs, &at);

	if (r != error || at.run != run || at.bit != bit)
		fail_msg("refused as %d at run %zu, bit %u", r, at.run, at.bit);
	zone_fixture_assert_saved(fixture, saved);
	assert_int_equal(zone_held_objects(&fixture->zone, slot), held);
	zone_fixture_assert_sound(fixture);
}

/* Looking. */

struct zone_object objects_get(const struct zone_fixture *fixture, uint64_t offset)
{
	struct zone_object object;
	struct zone_slab slab;
	uint32_t i = UINT32_MAX;

	assert_true(zone_find_object(&fixture->zone, offset, &slab, &i));
	zone_get_object(&fixture->zone, &slab, i, &object);
	assert_int_equal(object.offset, offset);
	return object;
}

size_t objects_count(const struct objects *objects)
{
	size_t nr = 0;

	for (size_t i = 0; i < objects->nr_runs; i++)
		nr += (size_t)__builtin_popcountll(objects->runs[i].mask);
	return nr;
}

struct zone_cache_stat objects_stat(const struct zone_fixture *fixture, uint32_t cache)
{
	struct zone_cache_stat stat;

	zone_stat_cache(&fixture->zone, cache, &stat);
	return stat;
}
