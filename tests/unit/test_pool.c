/* SPDX-License-Identifier: MIT */

/* A pool's zones, what their holders are charged, and frees that span zones. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/pool_fixture.h"

#define NR_ZONES POOL_FIXTURE_ZONES
#define NR_PAGES POOL_FIXTURE_PAGES
#define SLOT POOL_FIXTURE_SLOT
#define OTHER POOL_FIXTURE_OTHER
#define PAGES(n) ((n)*PAGE_BYTES)

static const struct word_owner owner = { .slot = SLOT, .tag = 9 };
static const struct word_owner other = { .slot = OTHER, .tag = 1 };

/* The pool. */

static void test_pool_refuses_impossible_shapes(void **state)
{
	struct pool_fixture *fixture = *state;
	struct zone *swapped[2] = { &fixture->zones[1], &fixture->zones[0] };
	struct zone *many[POOL_ZONES_MAX + 1] = { &fixture->zones[0] };
	struct pool pool;

	assert_int_equal(pool_init(&pool, many, 0, pool_fixture_ring), -EINVAL);
	assert_int_equal(pool_init(&pool, many, POOL_ZONES_MAX + 1, pool_fixture_ring), -EINVAL);
	assert_int_equal(pool_init(&pool, swapped, 2, pool_fixture_ring), -EINVAL);
}

static void test_pool_lists_zones_near_to_far(void **state)
{
	static const uint8_t expected[NR_ZONES][NR_ZONES] = {
		{ 0, 1, 3, 2 }, { 1, 2, 0, 3 }, { 2, 3, 1, 0 }, { 3, 0, 2, 1 }
	};
	static const uint8_t flat[NR_ZONES * NR_ZONES] = { 0 };
	struct pool_fixture *fixture = *state;
	struct zone *zones[NR_ZONES];
	struct pool pool;

	for (unsigned i = 0; i < NR_ZONES; i++) {
		assert_memory_equal(fixture->pool.zonelist[i], expected[i], NR_ZONES);
		zones[i] = &fixture->zones[i];
	}
	/* All alike: each goes on behind itself. */
	assert_int_equal(pool_init(&pool, zones, NR_ZONES, flat), 0);
	for (unsigned i = 0; i < NR_ZONES; i++)
		for (unsigned j = 0; j < NR_ZONES; j++)
			assert_int_equal(pool.zonelist[i][j], (i + j) % NR_ZONES);
}

static void test_pool_does_without_a_zone_that_is_out_of_use(void **state)
{
	struct pool_fixture *fixture = *state;
	struct zone *zones[NR_ZONES] = { &fixture->zones[0], NULL, &fixture->zones[2],
					 &fixture->zones[3] };
	struct pool_request request = pool_interleave(UINT64_MAX);
	uint64_t address = 77;

	assert_int_equal(pool_init(&fixture->pool, zones, NR_ZONES, pool_fixture_ring), 0);
	assert_int_equal(pool_take(fixture, pool_prefer(1), 0, 5),
			 5); /* the nearest takes its place */
	pool_assert_free(fixture, NR_PAGES, NR_PAGES, NR_PAGES - 5, NR_PAGES);
	assert_int_equal(fixture->pool.counters[2].hit, 5);
	assert_int_equal(pool_held_pages(&fixture->pool, SLOT), 5);
	pool_give_back(fixture, 0);
	assert_int_equal(pool_take(fixture, request, 0, 6), 6);
	pool_assert_free(fixture, NR_PAGES - 2, NR_PAGES, NR_PAGES - 2, NR_PAGES - 2);
	pool_give_back(fixture, 0);
	assert_int_equal(pool_take(fixture, pool_bind(1), 0, 1), 0);
	pool_assert_demand(fixture, POOL_DEMAND_MIN, 1, 1);
	request = pool_bind(1);
	assert_int_equal(pool_alloc_exact(&fixture->pool, &request, 3, &address, &fixture->demand),
			 ZONE_E_FULL);
	request.policy = POOL_INTERLEAVE;
	assert_int_equal(pool_take(fixture, request, 0, 1), 0);
	assert_int_equal(pool_free_exact(&fixture->pool, page_address(1, 0), 1, SLOT),
			 ZONE_E_RANGE);
	assert_int_equal(address, 77);
}

static void test_pool_validate_names_the_zone(void **state)
{
	struct pool_fixture *fixture = *state;
	struct zone_fault fault = { 0 };
	unsigned zone = 99;

	fixture->zones[2].words[5] = word_make(WORD_PAGE, owner, 0);
	assert_int_equal(pool_validate(&fixture->pool, &zone, &fault), -EUCLEAN);
	assert_int_equal(zone, 2);
	assert_int_equal(fault.pfn, 5);
	assert_non_null(fault.what);
}

/* Limits. */

/* In pages. */
static uint64_t used(const struct pool_fixture *fixture, unsigned limit)
{
	assert_int_equal(fixture->quota.limits[limit].used % PAGE_BYTES, 0);
	return fixture->quota.limits[limit].used / PAGE_BYTES;
}

static void test_pool_charges_what_is_held(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool *pool = &fixture->pool;
	struct pool_request request = pool_prefer(1);
	uint64_t address;
	uint32_t cursor = 0;

	assert_int_equal(pool_take(fixture, request, 3, 5), 5);
	assert_int_equal(used(fixture, 0), 40);
	assert_int_equal(used(fixture, 1), 40);
	assert_int_equal(pool_alloc_exact(pool, &request, 7, &address, &fixture->demand), 0);
	assert_int_equal(used(fixture, 1), 47);
	assert_int_equal(pool_free_exact(pool, address, 8, SLOT), ZONE_E_ORDER);
	assert_int_equal(pool_free_bulk(pool, 2, SLOT, fixture->runs, fixture->nr_runs),
			 ZONE_E_ORDER);
	assert_int_equal(used(fixture, 1), 47);
	pool_give_back(fixture, 3);
	assert_int_equal(used(fixture, 1), 7);
	assert_int_equal(pool_free_exact(pool, address, 7, SLOT), 0);
	assert_int_equal(used(fixture, 0), 0);

	assert_int_equal(pool_take(fixture, request, 0, NR_PAGES + 30), NR_PAGES + 30);
	for (unsigned zone = 0; zone < NR_ZONES; zone++, cursor = 0)
		while (!pool_release(pool, zone, SLOT, 64, &cursor))
			pool_assert_sound(pool);
	assert_int_equal(used(fixture, 0), 0);
	assert_int_equal(used(fixture, 1), 0);
	pool_assert_sound(pool);
}

/* A new table of charges over zones that were opened from their ledgers. */
static void test_pool_charges_are_exact_after_recovery(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool *pool = &fixture->pool;
	struct pool_request request = pool_interleave(UINT64_MAX), others = pool_prefer(2);
	uint64_t address;
	uint32_t cursor = 0;

	others.owner = other;
	assert_int_equal(pool_alloc_exact(pool, &others, 13, &address, &fixture->demand), 0);
	assert_int_equal(pool_take(fixture, request, 2, 30), 30);
	quota_init(&fixture->quota, POOL_FIXTURE_SLOTS, fixture->quota_memory);
	quota_set(&fixture->quota, 0, 0, 0, QUOTA_NO_MAX, QUOTA_NO_MAX);
	quota_set(&fixture->quota, 1, 0, 0, QUOTA_NO_MAX, QUOTA_NO_MAX);
	pool_fixture_reopen(fixture);
	for (unsigned slot = 1; slot < POOL_FIXTURE_SLOTS; slot++)
		quota_join(&fixture->quota, slot, slot == SLOT ? 3 : 1,
			   PAGES(pool_held_pages(pool, slot)));
	assert_int_equal(used(fixture, 0), 133);
	assert_int_equal(used(fixture, 1), 120);
	pool_assert_sound(pool);

	pool_give_back(fixture, 2);
	assert_int_equal(used(fixture, 1), 0);
	for (unsigned zone = 0; zone < NR_ZONES; zone++, cursor = 0)
		while (!pool_release(pool, zone, OTHER, 64, &cursor))
			pool_assert_sound(pool);
	assert_int_equal(used(fixture, 0), 0);
	pool_assert_free(fixture, NR_PAGES, NR_PAGES, NR_PAGES, NR_PAGES);
}

static void test_pool_grants_up_to_max(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool_request request = pool_prefer(1), others = pool_prefer(1);
	uint64_t address = 77;

	others.owner = other;
	quota_set(&fixture->quota, 1, 0, 0, PAGES(100), PAGES(100));
	assert_int_equal(pool_take(fixture, request, 3, 20), 12); /* 96 pages */
	pool_assert_demand(fixture, POOL_DEMAND_LIMIT, 1, 8 * 8);
	assert_int_equal(fixture->demand.limits, 2);
	assert_int_equal(fixture->quota.limits[1].nr_refused, 1);
	assert_int_equal(used(fixture, 1), 96);
	assert_int_equal(pool_alloc_exact(&fixture->pool, &request, 5, &address, &fixture->demand),
			 ZONE_E_FULL);
	pool_assert_demand(fixture, POOL_DEMAND_LIMIT, 1, 5);
	assert_int_equal(address, 77);
	assert_int_equal(pool_alloc_exact(&fixture->pool, &request, 4, &address, &fixture->demand),
			 0);
	assert_int_equal(pool_take(fixture, pool_interleave(UINT64_MAX), 0, 9), 0);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_LIMIT);
	assert_int_equal(used(fixture, 1), 100);
	assert_int_equal(used(fixture, 0), 100);
	assert_int_equal(pool_take(fixture, others, 0, 50), 50); /* under limit 0 alone */
	assert_int_equal(used(fixture, 0), 150);
	assert_int_equal(fixture->quota.limits[0].nr_refused, 0);
}

static void test_pool_keeps_what_is_reserved(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool_request request = pool_prefer(0);

	request.owner = other;
	quota_set(&fixture->quota, 1, PAGES(100), PAGES(100), QUOTA_NO_MAX, QUOTA_NO_MAX);
	assert_int_equal(pool_take(fixture, request, 0, NR_ZONES * NR_PAGES),
			 NR_ZONES * NR_PAGES - 100);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_LIMIT);
	assert_int_equal(fixture->demand.limits, 2);
	assert_int_equal(pool_take(fixture, pool_prefer(0), 0, 60), 60);
	assert_int_equal(pool_take(fixture, request, 0, 1), 0);
	assert_int_equal(pool_take(fixture, pool_prefer(0), 0, 60), 40);
	assert_int_equal(fixture->demand.level, POOL_DEMAND_MIN);
}

/* What limits would allow and no zone can give is not charged. */
static void test_pool_charges_nothing_that_was_not_found(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool_request request = pool_bind(2);
	uint64_t address;

	pool_fragment(fixture, 2);
	quota_set(&fixture->quota, 1, 0, 0, PAGES(200), PAGES(200));
	assert_int_equal(used(fixture, 1), NR_PAGES / 2);
	assert_int_equal(pool_take(fixture, request, 1, 60), 0); /* the limit allows 36 */
	assert_int_equal(fixture->demand.level, POOL_DEMAND_ORDER);
	assert_int_equal(pool_alloc_exact(&fixture->pool, &request, 20, &address, &fixture->demand),
			 ZONE_E_FULL);
	assert_int_equal(used(fixture, 1), NR_PAGES / 2);
	assert_int_equal(used(fixture, 0), NR_PAGES / 2);
	quota_set(&fixture->quota, 1, 0, 0, QUOTA_NO_MAX, QUOTA_NO_MAX);
	assert_int_equal(pool_take(fixture, request, 0, NR_PAGES), NR_PAGES / 2);
	assert_int_equal(used(fixture, 1), NR_PAGES);
}

static void test_pool_validate_finds_a_wrong_charge(void **state)
{
	struct pool_fixture *fixture = *state;
	struct zone_fault fault = { 0 };
	unsigned zone = 99;

	quota_charge(&fixture->quota, OTHER, 1);
	assert_int_equal(pool_validate(&fixture->pool, &zone, &fault), -EUCLEAN);
	assert_non_null(strstr(fault.what, "charged"));
}

/* Coming back. */

static void test_pool_frees_all_of_a_batch_or_nothing(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool *pool = &fixture->pool;
	struct page_run runs[4];
	uint32_t pfn;

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(zone_alloc(&fixture->zones[i], 2, owner, &pfn), 0);
		runs[i] = (struct page_run){ page_address(i, pfn), 1 };
	}
	runs[3] = runs[1];
	assert_int_equal(pool_free_bulk(pool, 2, SLOT, runs, 4), ZONE_E_TWICE);
	runs[3].base = page_address(NR_ZONES, 0);
	assert_int_equal(pool_free_bulk(pool, 2, SLOT, runs, 4), ZONE_E_RANGE);
	runs[3].base = page_address(3, 0);
	assert_int_equal(pool_free_bulk(pool, 2, SLOT, runs, 4), ZONE_E_NOT_HEAD);
	assert_int_equal(pool_free_bulk(pool, 2, OTHER, runs, 3), ZONE_E_NOT_HELD);
	assert_int_equal(pool_held_pages(pool, SLOT), 12);
	pool_assert_sound(pool);
	assert_int_equal(pool_free_bulk(pool, 2, SLOT, runs, 3), 0);
	assert_int_equal(pool_held_pages(pool, SLOT), 0);
	pool_assert_sound(pool);
}

static void test_pool_frees_what_is_draining(void **state)
{
	struct pool_fixture *fixture = *state;
	struct pool *pool = &fixture->pool;
	struct pool_request request = pool_bind(1);
	uint64_t address;

	assert_int_equal(pool_take(fixture, request, 0, NR_PAGES - 8), NR_PAGES - 8);
	assert_int_equal(pool_alloc_exact(pool, &request, 5, &address, &fixture->demand), 0);
	assert_int_equal(zone_resize(&fixture->zones[1], 64), 0);
	while (!zone_resize_step(&fixture->zones[1], NR_PAGES))
		pool_assert_sound(pool);
	assert_true(page_address_pfn(address) >= 64);
	assert_int_equal(pool_free_exact(pool, address, 5, SLOT), 0);
	pool_give_back(fixture, 0);
	pool_assert_free(fixture, NR_PAGES, 64, NR_PAGES, NR_PAGES);
}

#define POOL_TEST(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, pool_fixture_setup, pool_fixture_teardown)
#define QUOTA_TEST(name)                                                                           \
	cmocka_unit_test_setup_teardown(name, pool_fixture_setup_quota, pool_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_pool_refuses_impossible_shapes),
		POOL_TEST(test_pool_lists_zones_near_to_far),
		POOL_TEST(test_pool_does_without_a_zone_that_is_out_of_use),
		POOL_TEST(test_pool_validate_names_the_zone),
		QUOTA_TEST(test_pool_charges_what_is_held),
		QUOTA_TEST(test_pool_charges_are_exact_after_recovery),
		QUOTA_TEST(test_pool_grants_up_to_max),
		QUOTA_TEST(test_pool_keeps_what_is_reserved),
		QUOTA_TEST(test_pool_charges_nothing_that_was_not_found),
		QUOTA_TEST(test_pool_validate_finds_a_wrong_charge),
		POOL_TEST(test_pool_frees_all_of_a_batch_or_nothing),
		POOL_TEST(test_pool_frees_what_is_draining),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
