/* SPDX-License-Identifier: MIT */

/* Objects of a pool: its caches, and where requests are served. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/pool_objects.h"

#define NR_ZONES POOL_FIXTURE_ZONES
#define NR_PAGES POOL_FIXTURE_PAGES
#define SLOT POOL_FIXTURE_SLOT
#define OTHER POOL_FIXTURE_OTHER
#define KEPT POOL_KEPT_PAGES
#define CACHE POOL_CACHE
#define OBJECT_BYTES POOL_OBJECT_BYTES
#define SLAB_OBJECTS POOL_SLAB_OBJECTS

static struct pool_objects objects, others;

/* Caches. */

static void test_pool_makes_and_unmakes_caches(void **state)
{
	struct pool_fixture *fixture = *state;
	uint32_t number = pool_add_cache(fixture, "one", 0), handle, again;
	const struct cache_config other = { .name = "one", .object_bytes = 5 };

	assert_int_equal(pool_add_cache(fixture, "one", 0), number);
	assert_int_equal(pool_create_cache(&fixture->pool, &other, &again), CACHE_E_EXISTS);
	handle = cache_handle(&fixture->caches, number);
	assert_int_equal(pool_destroy_cache(&fixture->pool, number), 0);
	assert_int_equal(cache_number(&fixture->caches, handle), CACHES_MAX);
	again = pool_add_cache(fixture, "one", CACHE_CTOR);
	assert_int_equal(again, number);
	assert_int_not_equal(cache_handle(&fixture->caches, again), handle);
}

static void test_pool_keeps_caches_while_objects_are_held(void **state)
{
	struct pool_fixture *fixture = *state;
	uint32_t number = pool_add_cache(fixture, "one", 0);
	uint32_t cursor = 0;

	assert_int_equal(pool_take_objects(fixture, pool_prefer(2), number, 20, &objects), 20);
	objects.nr_runs = 1;
	pool_give_objects(fixture, number, SLOT, &objects);
	assert_int_equal(pool_destroy_cache(&fixture->pool, number), POOL_E_BUSY);
	assert_int_equal(cache_table_find(&fixture->caches, "one"), number);
	assert_int_equal(pool_stat_of(fixture, number).objects_active, 4);
	assert_int_equal(pool_stat_of(fixture, number).slabs_empty, 1);
	while (!pool_release(&fixture->pool, 2, SLOT, 64, &cursor))
		;
	assert_int_equal(pool_destroy_cache(&fixture->pool, number), 0);
	pool_assert_free(fixture, NR_PAGES, NR_PAGES, NR_PAGES, NR_PAGES);
	pool_assert_sound(&fixture->pool);
	pool_fixture_reopen(fixture);
	pool_assert_sound(&fixture->pool);
}

/* In all zones, and in one that was shrunk and grown meanwhile. */
static void test_pool_leaves_no_slab_of_a_cache(void **state)
{
	struct pool_fixture *fixture = *state;
	uint32_t number = pool_add_cache(fixture, "one", 0);
	struct zone *zone = &fixture->zones[1];

	assert_int_equal(pool_take_objects(fixture, pool_interleave(UINT64_MAX), number,
					   16 * SLAB_OBJECTS, &objects),
			 16 * SLAB_OBJECTS);
	for (size_t i = 0; i < objects.nr_runs; i++)
		others.runs[i] = (struct object_run){ objects.runs[i].base, 1, 0 };
	others.nr_runs = objects.nr_runs;
	pool_give_objects(fixture, number, SLOT, &others);
	assert_int_equal(zone_resize(zone, 1), 0);
	while (!zone_resize_step(zone, 1000))
		;
	assert_int_equal(pool_take_objects(fixture, pool_bind(1), number, 10, &others), 1);
	assert_int_equal(zone_resize(zone, NR_PAGES), 0);
	while (!zone_resize_step(zone, 1000))
		;
	pool_give_objects(fixture, number, SLOT, &others);
	for (size_t i = 0; i < objects.nr_runs; i++)
		objects.runs[i].mask &= ~UINT64_C(1);
	pool_give_objects(fixture, number, SLOT, &objects);
	assert_int_equal(pool_destroy_cache(&fixture->pool, number), 0);
	pool_assert_free(fixture, NR_PAGES, NR_PAGES, NR_PAGES, NR_PAGES);
	pool_fixture_reopen(fixture);
	pool_assert_sound(&fixture->pool);
}

/* Objects are those of the cache, whatever name it is asked by. */
static void test_pool_names_for_one_cache_are_one(void **state)
{
	struct pool_fixture *fixture = *state;
	uint32_t cache = pool_add_cache(fixture, "one", CACHE_MERGE);
	uint32_t name = pool_add_cache(fixture, "another", CACHE_MERGE);

	assert_int_not_equal(name, cache);
	assert_int_equal(cache_target(&fixture->caches, name), cache);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(0), name, 3, &objects), 3);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(0), cache, 3, &others), 3);
	assert_int_equal(pool_stat_of(fixture, name).objects_active, 6);
	assert_int_equal(pool_stat_of(fixture, cache).objects_total, SLAB_OBJECTS);
	pool_give_objects(fixture, cache, SLOT, &objects);
	/* One name of two may go, while there are objects. */
	assert_int_equal(pool_destroy_cache(&fixture->pool, cache), 0);
	assert_int_equal(pool_destroy_cache(&fixture->pool, name), POOL_E_BUSY);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(0), name, 3, &objects), 3);
	pool_give_objects(fixture, name, SLOT, &objects);
	pool_give_objects(fixture, name, SLOT, &others);
	assert_int_equal(pool_shrink_cache(&fixture->pool, name), 1);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(0), name, 3, &objects), 3);
	pool_give_objects(fixture, ZONE_CACHE_ANY, SLOT, &objects);
	assert_int_equal(pool_destroy_cache(&fixture->pool, name), 0);
	assert_false(cache_has_slabs(&fixture->caches, cache));
	pool_assert_free(fixture, NR_PAGES, NR_PAGES, NR_PAGES, NR_PAGES);
	pool_fixture_reopen(fixture);
	pool_assert_sound(&fixture->pool);
}

static void test_pool_shrinks_a_cache_in_all_zones(void **state)
{
	struct pool_fixture *fixture = *state;
	struct zone_cache_stat stat;

	assert_int_equal(pool_take_objects(fixture, pool_interleave(UINT64_MAX), CACHE,
					   16 * SLAB_OBJECTS, &objects),
			 16 * SLAB_OBJECTS);
	pool_assert_free(fixture, NR_PAGES - 4, NR_PAGES - 4, NR_PAGES - 4, NR_PAGES - 4);
	stat = pool_stat_of(fixture, CACHE);
	assert_int_equal(stat.slabs_full, 16);
	assert_int_equal(stat.objects_total, 16 * SLAB_OBJECTS);
	assert_int_equal(pool_shrink_cache(&fixture->pool, CACHE), 0);
	pool_give_objects(fixture, CACHE, SLOT, &objects);
	assert_int_equal(pool_stat_of(fixture, CACHE).slabs_empty, 16);
	assert_int_equal(pool_shrink_cache(&fixture->pool, CACHE + 1), 0);
	assert_int_equal(pool_shrink_cache(&fixture->pool, CACHE), 16);
	pool_assert_free(fixture, NR_PAGES, NR_PAGES, NR_PAGES, NR_PAGES);
}

/* Where they come from. */

static unsigned zone_of(const struct object_run *run)
{
	return page_address_zone(run->base >> PAGE_SHIFT);
}

static void test_pool_objects_fall_back_by_distance(void **state)
{
	struct pool_fixture *fixture = *state;
	const size_t full = (size_t)NR_PAGES * SLAB_OBJECTS;

	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), CACHE, full + 5, &objects),
			 full + 5);
	assert_int_equal(zone_of(&objects.runs[0]), 1);
	assert_int_equal(zone_of(&objects.runs[objects.nr_runs - 1]), 2);
	pool_assert_free(fixture, NR_PAGES, 0, NR_PAGES - 1, NR_PAGES);
	assert_int_equal(zone_held_objects(&fixture->zones[2], SLOT), 5);
	assert_int_equal(pool_take_objects(fixture, pool_bind(1), CACHE, 1, &others), 0);
	assert_int_equal(
		pool_take_objects(fixture, pool_mask(1, 1u << 1 | 1u << 3), CACHE, 3, &others), 3);
	assert_int_equal(zone_of(&others.runs[0]), 3);
	assert_int_equal(pool_held_bytes(&fixture->pool, SLOT), (full + 8) * OBJECT_BYTES);
	assert_int_equal(pool_held_pages(&fixture->pool, SLOT), 0);
}

static void test_pool_objects_are_taken_in_turn(void **state)
{
	struct pool_fixture *fixture = *state;

	assert_int_equal(pool_take_objects(fixture, pool_interleave(0xd), CACHE, 301, &objects),
			 301);
	assert_int_equal(zone_held_objects(&fixture->zones[0], SLOT), 101);
	assert_int_equal(zone_held_objects(&fixture->zones[1], SLOT), 0);
	assert_int_equal(zone_held_objects(&fixture->zones[2], SLOT), 100);
	assert_int_equal(zone_held_objects(&fixture->zones[3], SLOT), 100);
}

/* Objects that are there need no page; new slabs are pages like any others. */
static void test_pool_objects_mind_watermarks(void **state)
{
	const struct zone_watermarks marks = { .min = 10, .low = 20, .high = 30 };
	struct pool_fixture *fixture = *state;

	assert_int_equal(pool_take_objects(fixture, pool_bind(0), CACHE, 1, &objects), 1);
	pool_leave_free(fixture, 12);
	for (unsigned i = 0; i < NR_ZONES; i++)
		zone_set_watermarks(&fixture->zones[i], &marks);
	/* 15 are there, and two more slabs may be made. */
	assert_int_equal(pool_take_objects(fixture, pool_bind(0), CACHE, 100, &objects),
			 15 + 2 * SLAB_OBJECTS);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_MIN);
	assert_int_equal(fixture->demand.order, 0);
	assert_int_equal(fixture->demand.zone, 0);
	/* 53 are lacking, four slabs, and 20 pages for the zone to be at ease. */
	assert_int_equal(fixture->demand.nr_pages, 4 + 20);
	assert_int_equal(pool_take_objects(fixture, pool_bind(0), CACHE, 1, &objects), 0);
	assert_int_equal(pool_take_objects(fixture, pool_high(pool_bind(0)), CACHE, 1, &objects),
			 1);
	assert_int_equal(zone_nr_free(&fixture->zones[0]), 9);
	assert_int_equal(pool_take_objects(fixture, pool_bind(0), CACHE, 20, &objects), 15);
}

/* What is granted is granted, and the count says so. */
static void test_pool_objects_end_amid_a_batch(void **state)
{
	struct pool_fixture *fixture = *state;
	uint32_t large = 0;
	const struct cache_config config = { .name = "large", .object_bytes = 5000 };

	pool_leave_free(fixture, 1);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(0), CACHE, 1000, &objects),
			 4 * SLAB_OBJECTS);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_MIN);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(0), CACHE, 1, &others), 0);
	assert_int_equal(others.nr_runs, 0);
	pool_give_objects(fixture, CACHE, SLOT, &objects);
	assert_int_equal(pool_create_cache(&fixture->pool, &config, &large), 0);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(0), large, 1, &others), 0);
	assert_int_equal(fixture->pool.policies[POOL_PREFERRED].failed, 3);
}

/* Pages enough, but no block for a slab. */
static void test_pool_objects_tell_of_a_missing_order(void **state)
{
	const struct cache_config config = { .name = "large", .object_bytes = 5000 };
	struct pool_fixture *fixture = *state;
	uint32_t large;
	unsigned order;

	assert_int_equal(pool_create_cache(&fixture->pool, &config, &large), 0);
	order = fixture->caches.layouts[large].order;
	assert_true(order > 0);
	pool_fragment(fixture, 2);
	assert_int_equal(pool_take_objects(fixture, pool_bind(2), large, 1, &objects), 0);
	pool_assert_demand(fixture, POOL_DEMAND_ORDER, 2, UINT64_C(1) << order);
	assert_int_equal(fixture->demand.order, order);
}

/* Empty slabs are given back before anything is refused for want of pages. */

/* A zone with KEPT empty slabs, and nothing else that is free. */
static void fill_beside_empty_slabs(struct pool_fixture *fixture, unsigned zone)
{
	assert_int_equal(pool_take_objects(fixture, pool_by(pool_bind(zone), OTHER), CACHE,
					   (size_t)KEPT * SLAB_OBJECTS, &objects),
			 KEPT * SLAB_OBJECTS);
	pool_give_objects(fixture, CACHE, OTHER, &objects);
	assert_int_equal(pool_take(fixture, pool_by(pool_bind(zone), OTHER), 0, NR_PAGES - KEPT),
			 NR_PAGES - KEPT);
	assert_int_equal(zone_nr_free(&fixture->zones[zone]), 0);
	assert_int_equal(pool_stat_of(fixture, CACHE).slabs_empty, KEPT);
}

static void test_pool_gives_empty_slabs_for_pages(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool_request request = pool_bind(1);
	uint64_t address;

	fill_beside_empty_slabs(fixture, 1);
	assert_int_equal(pool_take(fixture, request, 0, KEPT + 1), KEPT);
	assert_int_equal(pool_stat_of(fixture, CACHE).objects_total, 0);
	pool_give_back(fixture, 0);
	assert_int_equal(pool_take_objects(fixture, pool_bind(1), CACHE, 1, &objects), 1);
	pool_give_objects(fixture, CACHE, SLOT, &objects);
	assert_int_equal(pool_take(fixture, request, 0, KEPT - 1), KEPT - 1);
	assert_int_equal(pool_stat_of(fixture, CACHE).slabs_empty, 1);
	assert_int_equal(pool_alloc_exact(&fixture->pool, &request, 1, &address, &fixture->demand),
			 0);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_NONE);
}

static void test_pool_gives_empty_slabs_for_other_objects(void **state)
{
	struct pool_fixture *fixture = *state;

	fill_beside_empty_slabs(fixture, 1);
	assert_int_equal(pool_take_objects(fixture, pool_bind(1), CACHE + 1, 1, &objects), 1);
	/* Its own serve as they are. */
	pool_give_objects(fixture, CACHE + 1, SLOT, &objects);
	assert_int_equal(pool_take_objects(fixture, pool_bind(1), CACHE, 1, &objects), 1);
}

/* A zone that had pages enough and no block is asked again: what came back may have merged. */
static void test_pool_gives_empty_slabs_for_adjacent_pages(void **state)
{
	struct pool_fixture *fixture = *state;

	fill_beside_empty_slabs(fixture, 1);
	for (size_t i = 0; i < fixture->nr_runs; i++)
		fixture->runs[i].mask &= UINT64_C(0x5555555555555555);
	assert_int_equal(pool_free_bulk(&fixture->pool, 0, OTHER, fixture->runs, fixture->nr_runs),
			 0);
	assert_int_equal(pool_take(fixture, pool_bind(1), 1, KEPT), KEPT / 2);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_ORDER);
}

/* Objects that are free beyond a zone's size are none of those that it has. */
static void test_pool_objects_beyond_the_size_do_not_count(void **state)
{
	struct pool_fixture *fixture = *state;
	struct zone *zone = &fixture->zones[1];

	assert_int_equal(pool_take(fixture, pool_by(pool_bind(1), OTHER), 0, NR_PAGES), NR_PAGES);
	for (uint32_t pfn = NR_PAGES - 16; pfn < NR_PAGES; pfn++)
		assert_int_equal(zone_free(zone, pfn, 0, OTHER), 0);
	assert_int_equal(
		pool_take_objects(fixture, pool_bind(1), CACHE, 16 * SLAB_OBJECTS, &objects),
		16 * SLAB_OBJECTS);
	for (size_t i = 0; i < objects.nr_runs; i++)
		objects.runs[i].mask = 1;
	pool_give_objects(fixture, CACHE, SLOT, &objects);
	assert_int_equal(zone_resize(zone, NR_PAGES - 16), 0);
	while (!zone_resize_step(zone, 1000))
		;
	for (uint32_t pfn = 0; pfn < 4; pfn++)
		assert_int_equal(zone_free(zone, pfn, 0, OTHER), 0);
	assert_int_equal(
		pool_take_objects(fixture, pool_bind(1), CACHE, 3 * SLAB_OBJECTS, &objects),
		3 * SLAB_OBJECTS);
	assert_int_equal(zone_nr_free(zone), 1);
}

#define pool_test(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, pool_fixture_setup, pool_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pool_test(test_pool_makes_and_unmakes_caches),
		pool_test(test_pool_keeps_caches_while_objects_are_held),
		pool_test(test_pool_leaves_no_slab_of_a_cache),
		pool_test(test_pool_names_for_one_cache_are_one),
		pool_test(test_pool_shrinks_a_cache_in_all_zones),
		pool_test(test_pool_objects_fall_back_by_distance),
		pool_test(test_pool_objects_are_taken_in_turn),
		pool_test(test_pool_objects_mind_watermarks),
		pool_test(test_pool_objects_end_amid_a_batch),
		pool_test(test_pool_objects_tell_of_a_missing_order),
		pool_test(test_pool_gives_empty_slabs_for_pages),
		pool_test(test_pool_gives_empty_slabs_for_other_objects),
		pool_test(test_pool_gives_empty_slabs_for_adjacent_pages),
		pool_test(test_pool_objects_beyond_the_size_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
