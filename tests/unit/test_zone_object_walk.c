/* SPDX-License-Identifier: MIT */

/* Going through objects: for the dead, to tell who has what, and to tell what an address is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "core/zone_object.h"
#include "support/objects.h"
#include "support/zone_fixture.h"

static struct objects objects, others;

/* For the dead. */

/* Three slots in turn, in slabs that they share, and pages too: each slice leaves a sound zone. */
static void test_zone_object_release_frees_exactly_what_a_slot_holds(void **state)
{
	static const uint32_t slices[] = { 1, 16, 64, 500, 100000 };
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;

	for (size_t n = 0; n < sizeof(slices) / sizeof(slices[0]); n++) {
		uint32_t cursor = 0, nr_calls = 1;

		for (uint32_t i = 0; i < 150; i++) {
			unsigned slot = FIRST + i % 3;

			objects_grant(fixture, i % 24, 1 + i % 40, slot, &objects);
			zone_fixture_grant(fixture, i % 3, objects_owner(slot));
		}
		for (; !zone_release(zone, SECOND, slices[n], &cursor); nr_calls++)
			if (nr_calls % 16 == 0)
				zone_fixture_assert_sound(fixture);
		assert_true(nr_calls > 20 || slices[n] > 16);
		assert_int_equal(zone_held_objects(zone, SECOND), 0);
		assert_int_equal(zone_held_object_bytes(zone, SECOND), 0);
		assert_int_equal(zone_held_pages(zone, SECOND), 0);
		assert_int_not_equal(zone_held_objects(zone, FIRST), 0);
		assert_int_not_equal(zone_held_objects(zone, THIRD), 0);
		zone_fixture_reopen(fixture);
		for (cursor = 0; !zone_release(zone, FIRST, 300, &cursor);)
			;
		for (cursor = 0; !zone_release(zone, THIRD, 300, &cursor);)
			;
		zone_shrink_caches(zone);
		zone_fixture_assert_all_free(fixture);
	}
}

/* A slice looks at no more than it may, and about one slab more. */
static void test_zone_object_release_goes_by_slices(void **state)
{
	struct zone_fixture *fixture = *state;
	uint64_t held;
	uint32_t cursor = 0;

	for (unsigned i = 0; i < 16; i++)
		objects_grant(fixture, 0, 256, i % 2 ? FIRST : SECOND, &objects);
	held = zone_held_objects(&fixture->zone, FIRST);
	assert_int_equal(held, 8 * 256);
	for (unsigned i = 1; i <= 4; i++) {
		assert_int_equal(zone_release(&fixture->zone, FIRST, 1024, &cursor), i == 4);
		assert_int_equal(zone_held_objects(&fixture->zone, FIRST), held - i * 512);
		/* Others go on meanwhile. */
		objects_grant(fixture, 0, 100, THIRD, &objects);
		objects_give(fixture, 0, THIRD, &objects);
	}
	assert_int_equal(zone_held_objects(&fixture->zone, SECOND), held);
	assert_int_equal(objects_stat(fixture, 0).slabs_full, 8);
	zone_fixture_assert_sound(fixture);
}

/* Share records, then units, then pages: nothing of what a slot has is stepped over. */
static void test_zone_object_release_goes_over_shares_units_and_pages(void **state)
{
	struct zone_fixture *fixture = zone_fixture_new(&(struct zone_config){
		.index = ZONE_FIXTURE_INDEX,
		.nr_pages = OBJECTS_PAGES,
		.max_order = PAGE_ORDER_MAX,
		.nr_slots = ZONE_FIXTURE_SLOTS,
		.nr_shares = 128,
		.nr_slab_units = OBJECTS_UNITS,
	});
	struct zone *zone = &fixture->zone;

	(void)state;
	zone_add_slab_room(zone);
	for (uint32_t slice = 1; slice < 5000; slice *= 3) {
		uint32_t cursor = 0, last = 0;

		for (unsigned i = 0; i < 100; i++) {
			uint32_t pfn = zone_fixture_grant(fixture, i % 2, objects_owner(FIRST));

			assert_int_equal(zone_share(zone, pfn, i % 2, FIRST, objects_owner(SECOND)),
					 0);
			zone_fixture_grant(fixture, 0, objects_owner(FIRST));
			objects_grant(fixture, i % 8, i, FIRST, &objects);
		}
		for (; !zone_release(zone, FIRST, slice, &cursor); last = cursor)
			assert_true(cursor >= last);
		assert_int_equal(zone_held_pages(zone, FIRST), 0);
		assert_int_equal(zone_held_objects(zone, FIRST), 0);
		assert_int_equal(zone_held_pages(zone, SECOND), 150);
		zone_fixture_assert_sound(fixture);
		cursor = 0;
		assert_true(zone_release(zone, SECOND, UINT32_MAX, &cursor));
		zone_shrink_caches(zone);
		zone_fixture_assert_all_free(fixture);
	}
	zone_fixture_free(fixture);
}

/* Who has no objects costs no look at those of others, nor who has no pages at those. */
static void test_zone_object_release_ends_with_the_last_object(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cursor = 0;

	objects_grant(fixture, 0, 10, FIRST, &objects);
	objects_grant(fixture, 0, 5000, SECOND, &objects);
	assert_true(zone_release(&fixture->zone, THIRD, 1, &cursor));
	cursor = 0;
	assert_false(zone_release(&fixture->zone, FIRST, 1, &cursor) &&
		     zone_held_objects(&fixture->zone, FIRST));
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 0);
	assert_true(zone_release(&fixture->zone, FIRST, 1, &cursor));
	assert_int_equal(zone_held_objects(&fixture->zone, SECOND), 5000);
}

/* Nobody knows what the dead left of them, so they are raw, and nobody had them. */
static void test_zone_object_release_leaves_objects_raw(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cache = objects_cache(fixture, 100, CACHE_CTOR | CACHE_DEBUG), cursor = 0;
	struct zone_object object;

	objects_grant(fixture, cache, 20, FIRST, &objects);
	objects.runs[0].raw = 0;
	objects_give(fixture, cache, FIRST, &objects);
	objects_grant(fixture, cache, 20, FIRST, &objects);
	assert_int_equal(objects.runs[0].raw, 0);
	assert_true(zone_release(&fixture->zone, FIRST, UINT32_MAX, &cursor));
	zone_fixture_assert_sound(fixture);
	object = objects_get(fixture, objects.runs[0].base);
	assert_false(object.is_held || object.is_constructed || object.has_previous);
	objects_grant(fixture, cache, 20, SECOND, &objects);
	assert_int_equal(objects.runs[0].raw, 0xfffff);
	object = objects_get(fixture, objects.runs[0].base);
	assert_true(object.is_held && !object.has_previous);
}

/* Telling who has what. */

static void test_zone_object_walk_shows_slabs(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone *zone = &fixture->zone;
	uint32_t large = objects_cache(fixture, 5000, 0), cursor = 0, nr_slabs = 0;
	struct zone_block block;
	struct zone_slab slab;

	objects_grant(fixture, 0, 300, FIRST, &objects);
	objects_grant(fixture, large, 1, SECOND, &objects);
	zone_fixture_grant(fixture, 2, objects_owner(FIRST));
	while (zone_next_block(zone, -1, UINT32_MAX, &cursor, &block)) {
		uint32_t at = 0, nr_holders = 0;
		struct word_owner owner;

		while (zone_next_holder(zone, block.pfn, &at, &owner))
			nr_holders++;
		assert_int_equal(nr_holders, 1);
		if (block.kind != WORD_SLAB)
			continue;
		nr_slabs++;
		assert_int_equal(block.owner.slot, WORD_SLOT_DAEMON);
		assert_int_equal(owner.slot, WORD_SLOT_DAEMON);
		assert_int_equal(block.owner.tag, 0);
		assert_true(zone_find_slab(zone, block.pfn, &slab));
		assert_int_equal(block.order, objects_layout(fixture, slab.cache)->order);
		assert_int_equal(slab.nr_held, zone_count_held(zone, &slab, FIRST) +
						       zone_count_held(zone, &slab, SECOND));
	}
	assert_int_equal(nr_slabs, 3);
}

static uint32_t count_slabs(const struct zone_fixture *fixture, int slot, uint32_t max_pages)
{
	struct zone_block block;
	uint32_t cursor = 0, nr_slabs = 0;

	while (cursor < OBJECTS_PAGES) {
		uint32_t before = cursor;
		bool is_found = zone_next_block(&fixture->zone, slot, max_pages, &cursor, &block);

		assert_true(cursor > before);
		nr_slabs += is_found && block.kind == WORD_SLAB;
		if (is_found && slot >= 0 && block.kind == WORD_PAGE)
			assert_int_equal(block.owner.slot, (unsigned)slot);
	}
	return nr_slabs;
}

/* Those of a slot: its blocks, and the slabs that it has an object in, however few words a call. */
static void test_zone_object_walk_shows_the_slabs_of_a_slot(void **state)
{
	static const uint32_t slices[] = { 1, 100, 300, UINT32_MAX };
	struct zone_fixture *fixture = *state;

	objects_grant(fixture, 0, 256 * 3 + 1, FIRST, &objects);
	objects_grant(fixture, 0, 256, SECOND, &others);
	objects_grant(fixture, 39, 2, SECOND, &others);
	zone_fixture_grant(fixture, 2, objects_owner(FIRST));
	zone_fixture_grant(fixture, 2, objects_owner(SECOND));
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(count_slabs(fixture, FIRST, slices[i]), 4);
		assert_int_equal(count_slabs(fixture, SECOND, slices[i]), 3);
		assert_int_equal(count_slabs(fixture, THIRD, slices[i]), 0);
		assert_int_equal(count_slabs(fixture, -1, slices[i]), 6);
	}
}

/* The words of objects are looked at, and count; so do slabs of which the slot has nothing. */
static void test_zone_object_walk_goes_by_slices(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cursor = 0, nr_calls = 1;
	struct zone_block block;

	objects_grant(fixture, 0, 256 * 16, FIRST, &objects);
	objects_grant(fixture, 3, 1, SECOND, &others);
	for (; !zone_next_block(&fixture->zone, SECOND, 512, &cursor, &block); nr_calls++)
		assert_true(cursor <= 2 * nr_calls);
	assert_int_equal(nr_calls, 16 / 2 + 1);
	assert_int_equal(block.kind, WORD_SLAB);
}

static void test_zone_object_counts_who_holds_how_many(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone_slab slab;
	uint64_t offset;

	objects_grant(fixture, 0, 200, FIRST, &objects);
	offset = objects.runs[0].base;
	objects_grant(fixture, 0, 30, SECOND, &others);
	assert_true(zone_find_slab(&fixture->zone, page_address_pfn(offset >> PAGE_SHIFT), &slab));
	assert_int_equal(slab.nr_held, 230);
	assert_int_equal(zone_count_held(&fixture->zone, &slab, FIRST), 200);
	assert_int_equal(zone_count_held(&fixture->zone, &slab, SECOND), 30);
	assert_int_equal(zone_count_held(&fixture->zone, &slab, THIRD), 0);
	objects_give_one(fixture, offset + 199 * 16, FIRST);
	assert_int_equal(zone_count_held(&fixture->zone, &slab, FIRST), 199);
}

/* Telling what an address is. */

/* Each byte of a slab: of which object it is, in it or in its red zones. */
static void assert_bytes_are_told(struct zone_fixture *fixture, uint32_t cache)
{
	const struct cache_layout *layout = objects_layout(fixture, cache);
	const uint64_t red = layout->flags & CACHE_DEBUG ? CACHE_RED_BYTES : 0;
	uint64_t bytes = PAGE_BYTES << layout->order, first, start;

	objects_grant(fixture, cache, 1, FIRST, &objects);
	first = objects.runs[0].base;
	start = first & ~(bytes - 1);
	for (uint64_t at = start; at < start + bytes; at++) {
		uint64_t cell =
			at + red >= first ? (at + red - first) / layout->stride_bytes : UINT64_MAX;
		struct zone_slab slab = { .pfn = 0 };
		struct zone_object object;
		uint32_t i = UINT32_MAX;
		bool is_found = zone_find_object(&fixture->zone, at, &slab, &i);

		assert_int_equal(is_found, cell < layout->nr_objects);
		if (!is_found)
			continue;
		assert_int_equal(i, cell);
		assert_int_equal(slab.cache, cache);
		zone_get_object(&fixture->zone, &slab, i, &object);
		assert_int_equal(object.offset, first + cell * layout->stride_bytes);
	}
	objects_give(fixture, cache, FIRST, &objects);
}

static void test_zone_object_is_found_by_any_of_its_bytes(void **state)
{
	struct zone_fixture *fixture = *state;

	for (uint32_t align = CACHE_ALIGN_MIN; align <= CACHE_ALIGN_MAX; align *= 2)
		for (unsigned flags = 0; flags <= CACHE_DEBUG; flags += CACHE_DEBUG) {
			const struct cache_config config = { .name = "aligned",
							     .object_bytes = 7 * align - 33 % align,
							     .align = align,
							     .flags = flags };
			uint32_t cache = objects_cache_of(fixture, &config);

			assert_bytes_are_told(fixture, cache);
			zone_shrink_cache(&fixture->zone, cache);
			cache_table_remove(&fixture->caches, cache);
		}
	for (uint32_t cache = 0; cache < 24; cache++)
		assert_bytes_are_told(fixture, cache);
}

static void test_zone_object_is_not_found_elsewhere(void **state)
{
	const uint64_t zone_offset = (uint64_t)ZONE_FIXTURE_INDEX << PAGE_ZONE_SHIFT << PAGE_SHIFT;
	struct zone_fixture *fixture = *state;
	uint32_t pfn = zone_fixture_grant(fixture, 0, objects_owner(FIRST)), i;
	uint64_t offset = objects_grant_one(fixture, 0, FIRST);
	struct zone_slab slab;
	const uint64_t wrong[] = { 0,
				   UINT64_MAX,
				   offset - zone_offset,
				   offset + (PAGE_BYTES << PAGE_ZONE_SHIFT),
				   zone_offset + pfn * PAGE_BYTES,
				   zone_offset + (OBJECTS_PAGES - 1) * PAGE_BYTES,
				   zone_offset + OBJECTS_PAGES * PAGE_BYTES,
				   offset + (PAGE_BYTES << 32) };

	for (unsigned n = 0; n < sizeof(wrong) / sizeof(wrong[0]); n++)
		assert_false(zone_find_object(&fixture->zone, wrong[n], &slab, &i));
	assert_false(zone_find_slab(&fixture->zone, OBJECTS_PAGES, &slab));
	assert_false(zone_find_slab(&fixture->zone, UINT64_MAX, &slab));
	assert_true(zone_find_object(&fixture->zone, offset, &slab, &i));
}

#define walk_test(name) cmocka_unit_test_setup_teardown(name, objects_setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		walk_test(test_zone_object_release_frees_exactly_what_a_slot_holds),
		walk_test(test_zone_object_release_goes_by_slices),
		cmocka_unit_test(test_zone_object_release_goes_over_shares_units_and_pages),
		walk_test(test_zone_object_release_ends_with_the_last_object),
		walk_test(test_zone_object_release_leaves_objects_raw),
		walk_test(test_zone_object_walk_shows_slabs),
		walk_test(test_zone_object_walk_shows_the_slabs_of_a_slot),
		walk_test(test_zone_object_walk_goes_by_slices),
		walk_test(test_zone_object_counts_who_holds_how_many),
		walk_test(test_zone_object_is_found_by_any_of_its_bytes),
		walk_test(test_zone_object_is_not_found_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
