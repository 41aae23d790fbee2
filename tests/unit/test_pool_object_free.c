/* SPDX-License-Identifier: MIT */

/* Objects that come back to a pool, in several zones at once; and what they are charged. */

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
#define PAGES(n) ((n)*PAGE_BYTES)

static struct pool_objects objects, others;

/* Frees. */

static void test_pool_frees_objects_across_zones(void **state)
{
	struct pool_fixture *fixture = *state;

	assert_int_equal(
		pool_take_objects(fixture, pool_interleave(UINT64_MAX), CACHE, 1000, &objects),
		1000);
	pool_give_objects(fixture, CACHE, SLOT, &objects);
	assert_int_equal(pool_held_bytes(&fixture->pool, SLOT), 0);
}

static void assert_refused(struct pool_fixture *fixture, uint32_t number, unsigned slot, int error,
			   uint64_t offset)
{
	uint64_t held = pool_held_bytes(&fixture->pool, slot), at = 77;
	int r = pool_free_taken(fixture, number, slot, &objects, &at);

	assert_int_equal(r, error);
	assert_int_equal(at, offset);
	assert_int_equal(pool_held_bytes(&fixture->pool, slot), held);
}

static void test_pool_refuses_a_batch_of_objects_as_a_whole(void **state)
{
	struct pool_fixture *fixture = *state;
	uint32_t same = pool_add_cache(fixture, "same", 0);
	struct object_run *last;
	uint64_t base;

	assert_int_equal(
		pool_take_objects(fixture, pool_interleave(UINT64_MAX), CACHE, 1000, &objects),
		1000);
	last = &objects.runs[objects.nr_runs - 1];
	base = objects.runs[0].base;
	assert_refused(fixture, CACHE, OTHER, ZONE_E_NOT_HELD, base);
	assert_refused(fixture, same, SLOT, ZONE_E_CACHE, base);
	objects.runs[objects.nr_runs] = (struct object_run){ base + 3 * OBJECT_BYTES, 6, 0 };
	objects.nr_runs++;
	assert_refused(fixture, CACHE, SLOT, ZONE_E_TWICE, base + 4 * OBJECT_BYTES);
	last[1].base = base + 1;
	assert_refused(fixture, CACHE, SLOT, ZONE_E_NOT_OBJECT, base + 1 + OBJECT_BYTES);
	last[1].base = page_address(NR_ZONES, 3) << PAGE_SHIFT;
	assert_refused(fixture, CACHE, SLOT, ZONE_E_RANGE, last[1].base);
	last[1].base = page_address(2, NR_PAGES) << PAGE_SHIFT;
	assert_refused(fixture, ZONE_CACHE_ANY, SLOT, ZONE_E_RANGE, last[1].base);
	last[1].base = page_address(2, NR_PAGES - 1) << PAGE_SHIFT;
	assert_refused(fixture, ZONE_CACHE_ANY, SLOT, ZONE_E_NOT_OBJECT, last[1].base);
	objects.nr_runs--;
	pool_give_objects(fixture, ZONE_CACHE_ANY, SLOT, &objects);
	assert_refused(fixture, CACHE, SLOT, ZONE_E_NOT_HEAD, base);
}

/* More runs than are told to the processor at once, in no order, and the last one wrong. */
static void test_pool_frees_long_batches_of_objects(void **state)
{
	struct pool_fixture *fixture = *state;
	uint64_t at = 77;

	assert_int_equal(
		pool_take_objects(fixture, pool_interleave(UINT64_MAX), CACHE, 2048, &objects),
		2048);
	others.nr_runs = 0;
	for (size_t i = 0; i < objects.nr_runs; i++)
		for (uint64_t mask = objects.runs[i].mask; mask; mask &= mask - 1)
			others.runs[others.nr_runs++] = (struct object_run){
				.base = objects.runs[i].base +
					(uint64_t)__builtin_ctzll(mask) * OBJECT_BYTES,
				.mask = 1,
			};
	for (size_t i = 0; i < others.nr_runs; i++) {
		size_t j = i * 769 % others.nr_runs;
		struct object_run run = others.runs[i];

		others.runs[i] = others.runs[j];
		others.runs[j] = run;
	}
	assert_int_equal(others.nr_runs, 2048);
	others.runs[2047].mask = 2 << SLAB_OBJECTS;
	assert_int_equal(pool_free_taken(fixture, CACHE, SLOT, &others, &at), ZONE_E_NOT_OBJECT);
	assert_int_equal(pool_held_bytes(&fixture->pool, SLOT), 2048 * OBJECT_BYTES);
	others.runs[2047].mask = 1;
	pool_give_objects(fixture, CACHE, SLOT, &others);
	assert_int_equal(pool_held_bytes(&fixture->pool, SLOT), 0);
}

static void test_pool_forgets_what_was_constructed(void **state)
{
	struct pool_fixture *fixture = *state;
	uint32_t number = pool_add_cache(fixture, "constructed", CACHE_CTOR);

	assert_int_equal(pool_take_objects(fixture, pool_interleave(0x3), number, 8, &objects), 8);
	for (size_t i = 0; i < objects.nr_runs; i++)
		objects.runs[i].raw = 0;
	pool_give_objects(fixture, number, SLOT, &objects);
	assert_int_equal(pool_take_objects(fixture, pool_interleave(0x3), number, 8, &objects), 8);
	for (size_t i = 0; i < objects.nr_runs; i++)
		assert_int_equal(objects.runs[i].raw, 0);
	pool_forget_constructed(&fixture->pool, objects.runs, objects.nr_runs);
	for (size_t i = 0; i < objects.nr_runs; i++)
		assert_int_equal(objects.runs[i].raw, objects.runs[i].mask);
	pool_give_objects(fixture, number, SLOT, &objects);
	assert_int_equal(pool_take_objects(fixture, pool_interleave(0x3), number, 8, &objects), 8);
	for (size_t i = 0; i < objects.nr_runs; i++)
		assert_int_equal(objects.runs[i].raw, objects.runs[i].mask);
}

/* Limits. */

static uint64_t used(const struct pool_fixture *fixture, unsigned limit)
{
	return fixture->quota.limits[limit].used;
}

/* An object counts with its stride, and a slab for nobody. */
static void test_pool_charges_objects(void **state)
{
	struct pool_fixture *fixture = *state;
	uint32_t number = pool_add_cache(fixture, "one", CACHE_DEBUG), cursor = 0;
	uint64_t stride = fixture->caches.layouts[number].stride_bytes;

	assert_true(stride > OBJECT_BYTES);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), number, 50, &objects), 50);
	assert_int_equal(used(fixture, 0), 50 * stride);
	assert_int_equal(used(fixture, 1), 50 * stride);
	assert_int_equal(
		pool_take_objects(fixture, pool_by(pool_prefer(1), OTHER), CACHE, 7, &others), 7);
	assert_int_equal(used(fixture, 0), 50 * stride + 7 * OBJECT_BYTES);
	assert_int_equal(used(fixture, 1), 50 * stride);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 1, 3), 3);
	assert_int_equal(used(fixture, 1), 50 * stride + 6 * PAGE_BYTES);
	pool_give_objects(fixture, number, SLOT, &objects);
	assert_int_equal(used(fixture, 1), 6 * PAGE_BYTES);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), number, 10, &objects), 10);
	while (!pool_release(&fixture->pool, 1, SLOT, 16, &cursor))
		pool_assert_sound(&fixture->pool);
	assert_int_equal(used(fixture, 1), 0);
	assert_int_equal(used(fixture, 0), 7 * OBJECT_BYTES);
}

static void test_pool_grants_objects_up_to_max(void **state)
{
	struct pool_fixture *fixture = *state;

	quota_set(&fixture->quota, 1, 0, 0, 100 * OBJECT_BYTES + 1, 100 * OBJECT_BYTES + 1);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), CACHE, 120, &objects), 100);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_LIMIT);
	assert_int_equal(fixture->demand.limits, 2);
	assert_int_equal(fixture->quota.limits[1].nr_refused, 1);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), CACHE, 1, &others), 0);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, 1), 0);
	assert_int_equal(used(fixture, 1), 100 * OBJECT_BYTES);
	objects.nr_runs = 1;
	pool_give_objects(fixture, CACHE, SLOT, &objects);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), CACHE, 120, &objects),
			 SLAB_OBJECTS);
	assert_int_equal(
		pool_take_objects(fixture, pool_by(pool_prefer(1), OTHER), CACHE, 9, &others), 9);
}

static void test_pool_keeps_what_is_reserved_from_objects(void **state)
{
	struct pool_fixture *fixture = *state;
	const uint64_t reserve = 100 * PAGE_BYTES;

	quota_set(&fixture->quota, 1, reserve, reserve, QUOTA_NO_MAX, QUOTA_NO_MAX);
	assert_int_equal(
		pool_take_objects(fixture, pool_by(pool_prefer(0), OTHER), CACHE, 20000, &objects),
		(NR_ZONES * NR_PAGES - 100) * SLAB_OBJECTS);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_LIMIT);
	assert_int_equal(fixture->demand.limits, 2);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(0), CACHE, 2000, &others),
			 100 * SLAB_OBJECTS);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_MIN);
}

/* With limits too, empty slabs are nobody's. */
static void test_pool_gives_empty_slabs_to_who_is_limited(void **state)
{
	struct pool_fixture *fixture = *state;

	pool_leave_free(fixture, KEPT);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), CACHE,
					   (size_t)NR_ZONES * KEPT * SLAB_OBJECTS, &objects),
			 NR_ZONES * KEPT * SLAB_OBJECTS);
	pool_give_objects(fixture, CACHE, SLOT, &objects);
	pool_assert_free(fixture, 0, 0, 0, 0);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, 3), 3);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), 0, 1, &objects), 1);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, 100), NR_ZONES * KEPT - 4);
}

/* Objects that are free in slabs are there to be had, without a page; but no byte counts twice. */
static void test_pool_limits_know_what_slabs_have(void **state)
{
	const uint64_t reserve = NR_ZONES * KEPT * PAGE_BYTES;
	struct pool_fixture *fixture = *state;
	const size_t all = (size_t)NR_ZONES * KEPT * SLAB_OBJECTS;

	pool_leave_free(fixture, KEPT);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), CACHE, all, &objects), all);
	others.runs[0] = objects.runs[0];
	others.nr_runs = 1;
	pool_give_objects(fixture, CACHE, SLOT, &others);
	objects.runs[0].mask = 0;
	assert_int_equal(
		pool_take_objects(fixture, pool_by(pool_prefer(1), OTHER), CACHE, 3, &others), 3);
	assert_int_equal(
		pool_take_objects(fixture, pool_by(pool_prefer(1), OTHER), CACHE, 5, &others), 5);
	assert_int_equal(used(fixture, 0) - used(fixture, 1),
			 8 * OBJECT_BYTES + PAGES(NR_ZONES * (NR_PAGES - KEPT)));
	/* All of them empty but one: what is reserved is all that there is. */
	pool_give_objects(fixture, CACHE, SLOT, &objects);
	quota_set(&fixture->quota, 1, reserve, reserve, QUOTA_NO_MAX, QUOTA_NO_MAX);
	assert_int_equal(
		pool_take_objects(fixture, pool_by(pool_prefer(1), OTHER), CACHE, 1, &others), 0);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_LIMIT);
	assert_int_equal(pool_take(fixture, pool_by(pool_prefer(1), OTHER), 0, 1), 0);
	assert_int_equal(pool_take_objects(fixture, pool_prefer(1), CACHE, 1, &others), 1);
}

/* A new table of charges over zones that were opened from their ledgers. */
static void test_pool_charges_of_objects_are_exact_after_recovery(void **state)
{
	struct pool_fixture *fixture = *state;

	assert_int_equal(
		pool_take_objects(fixture, pool_interleave(UINT64_MAX), CACHE, 333, &objects), 333);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, 5), 5);
	quota_init(&fixture->quota, POOL_FIXTURE_SLOTS, fixture->quota_memory);
	quota_set(&fixture->quota, 0, 0, 0, QUOTA_NO_MAX, QUOTA_NO_MAX);
	pool_fixture_reopen(fixture);
	for (unsigned slot = 1; slot < POOL_FIXTURE_SLOTS; slot++)
		quota_join(&fixture->quota, slot, 1, pool_held_bytes(&fixture->pool, slot));
	assert_int_equal(used(fixture, 0), 333 * OBJECT_BYTES + 5 * PAGE_BYTES);
	pool_assert_sound(&fixture->pool);
	pool_give_objects(fixture, CACHE, SLOT, &objects);
	pool_give_back(fixture, 0);
	assert_int_equal(used(fixture, 0), 0);
}

#define pool_test(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, pool_fixture_setup, pool_fixture_teardown)
#define quota_test(name)                                                                           \
	cmocka_unit_test_setup_teardown(name, pool_fixture_setup_quota, pool_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pool_test(test_pool_frees_objects_across_zones),
		pool_test(test_pool_refuses_a_batch_of_objects_as_a_whole),
		pool_test(test_pool_frees_long_batches_of_objects),
		pool_test(test_pool_forgets_what_was_constructed),
		quota_test(test_pool_charges_objects),
		quota_test(test_pool_grants_objects_up_to_max),
		quota_test(test_pool_keeps_what_is_reserved_from_objects),
		quota_test(test_pool_gives_empty_slabs_to_who_is_limited),
		quota_test(test_pool_limits_know_what_slabs_have),
		quota_test(test_pool_charges_of_objects_are_exact_after_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
