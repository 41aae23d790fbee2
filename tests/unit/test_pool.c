/* SPDX-License-Identifier: MIT */

/* Where a request goes among the zones of a pool, and frees that span them. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/pool.h"
#include "core/zone.h"

#define NR_ZONES 4u
#define NR_PAGES 256u
#define SLOT 3u

static const struct word_owner owner = { .slot = SLOT, .tag = 9 };

/* A ring of four nodes. */
static const uint8_t ring[NR_ZONES * NR_ZONES] = {
	10, 20, 30, 20, /* from 0 */
	20, 10, 20, 30, /* from 1 */
	30, 20, 10, 20, /* from 2 */
	20, 30, 20, 10, /* from 3 */
};

struct fixture {
	struct zone zones[NR_ZONES];
	void *ledgers[NR_ZONES], *indices[NR_ZONES];
	struct pool pool;
};

static void zone_setup(struct fixture *fixture, unsigned i)
{
	struct zone_config config = {
		.index = i, .nr_pages = NR_PAGES, .max_order = 18, .nr_slots = 8
	};

	fixture->ledgers[i] = aligned_alloc(64, zone_ledger_bytes(&config));
	fixture->indices[i] = aligned_alloc(64, zone_index_bytes(&config));
	assert_true(fixture->ledgers[i] && fixture->indices[i]);
	memset(fixture->ledgers[i], 0, zone_ledger_bytes(&config));
	assert_int_equal(
		zone_init(&fixture->zones[i], &config, fixture->ledgers[i], fixture->indices[i]),
		0);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct zone *zones[NR_ZONES];

	assert_non_null(fixture);
	for (unsigned i = 0; i < NR_ZONES; i++) {
		zone_setup(fixture, i);
		zones[i] = &fixture->zones[i];
	}
	assert_int_equal(pool_init(&fixture->pool, zones, NR_ZONES, ring), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < NR_ZONES; i++) {
		free(fixture->ledgers[i]);
		free(fixture->indices[i]);
	}
	free(fixture);
	return 0;
}

static void assert_sound(const struct pool *pool)
{
	struct zone_fault fault = { .what = "" };
	unsigned zone = 99;

	if (pool_validate(pool, &zone, &fault))
		fail_msg("zone %u, page %u: %s", zone, fault.pfn, fault.what);
}

static void test_pool_refuses_impossible_shapes(void **state)
{
	struct fixture *fixture = *state;
	struct zone *swapped[2] = { &fixture->zones[1], &fixture->zones[0] };
	struct zone *many[POOL_ZONES_MAX + 1] = { &fixture->zones[0] };
	struct pool pool;

	assert_int_equal(pool_init(&pool, many, 0, ring), -EINVAL);
	assert_int_equal(pool_init(&pool, many, POOL_ZONES_MAX + 1, ring), -EINVAL);
	assert_int_equal(pool_init(&pool, swapped, 2, ring), -EINVAL);
}

static void test_pool_lists_zones_near_to_far(void **state)
{
	static const uint8_t expected[NR_ZONES][NR_ZONES] = {
		{ 0, 1, 3, 2 }, { 1, 2, 0, 3 }, { 2, 3, 1, 0 }, { 3, 0, 2, 1 }
	};
	static const uint8_t flat[NR_ZONES * NR_ZONES] = { 0 };
	struct fixture *fixture = *state;
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

static void test_pool_falls_back_by_distance(void **state)
{
	struct fixture *fixture = *state;
	struct pool *pool = &fixture->pool;
	struct pool_placement placement = { .preferred = 1, .allowed = UINT64_MAX };
	struct page_run runs[NR_PAGES * 3];
	size_t nr_runs = 0;

	assert_int_equal(
		pool_alloc_bulk(pool, placement, 0, NR_PAGES * 2 + 10, owner, runs, &nr_runs),
		NR_PAGES * 2 + 10);
	assert_int_equal(zone_nr_free(&fixture->zones[1]), 0);
	assert_int_equal(zone_nr_free(&fixture->zones[2]), 0);
	assert_int_equal(zone_nr_free(&fixture->zones[0]), NR_PAGES - 10);
	assert_int_equal(zone_nr_free(&fixture->zones[3]), NR_PAGES);
	assert_int_equal(page_address_zone(runs[0].base), 1);
	assert_int_equal(page_address_zone(runs[nr_runs - 1].base), 0);
	assert_int_equal(pool->counters[1].hit, NR_PAGES);
	assert_int_equal(pool->counters[1].foreign, NR_PAGES + 10);
	assert_int_equal(pool->counters[2].miss, NR_PAGES);
	assert_int_equal(pool->counters[0].miss, 10);
	assert_int_equal(pool_held_pages(pool, SLOT), NR_PAGES * 2 + 10);
	assert_sound(pool);
	assert_int_equal(pool_free_bulk(pool, 0, SLOT, runs, nr_runs), 0);
	assert_int_equal(pool_held_pages(pool, SLOT), 0);
	assert_sound(pool);
}

static void test_pool_stays_within_allowed_zones(void **state)
{
	struct fixture *fixture = *state;
	struct pool_placement placement = { .preferred = 1, .allowed = 1u << 1 | 1u << 3 };
	struct page_run runs[NR_PAGES * 3];
	uint64_t address;
	size_t nr_runs = 0;

	assert_int_equal(
		pool_alloc_bulk(&fixture->pool, placement, 0, NR_PAGES * 3, owner, runs, &nr_runs),
		NR_PAGES * 2);
	assert_int_equal(zone_nr_free(&fixture->zones[0]), NR_PAGES);
	assert_int_equal(zone_nr_free(&fixture->zones[2]), NR_PAGES);
	address = 77;
	assert_int_equal(pool_alloc_exact(&fixture->pool, placement, 3, owner, &address),
			 ZONE_E_FULL);
	assert_int_equal(address, 77);
	placement.allowed = 0;
	assert_int_equal(pool_alloc_bulk(&fixture->pool, placement, 0, 1, owner, runs, &nr_runs),
			 0);
}

static void test_pool_serves_exact_from_the_next_zone(void **state)
{
	struct fixture *fixture = *state;
	struct pool *pool = &fixture->pool;
	struct pool_placement placement = { .preferred = 2, .allowed = UINT64_MAX };
	uint64_t first, second;

	assert_int_equal(pool_alloc_exact(pool, placement, 200, owner, &first), 0);
	assert_int_equal(first, page_address(2, 0));
	assert_int_equal(pool_alloc_exact(pool, placement, 200, owner, &second), 0);
	assert_int_equal(second, page_address(3, 0));
	assert_int_equal(pool_held_pages(pool, SLOT), 400);
	assert_int_equal(pool->counters[2].hit, 3); /* 128 + 64 + 8 */
	assert_int_equal(pool->counters[3].miss, 3);
	assert_int_equal(pool_free_exact(pool, first, 199, SLOT), ZONE_E_ORDER);
	assert_int_equal(pool_free_exact(pool, page_address(9, 0), 200, SLOT), ZONE_E_RANGE);
	assert_int_equal(pool_free_exact(pool, page_address(2, NR_PAGES), 1, SLOT), ZONE_E_RANGE);
	assert_int_equal(pool_free_exact(pool, first, 200, SLOT), 0);
	assert_int_equal(pool_free_exact(pool, first, 200, SLOT), ZONE_E_NOT_HEAD);
	assert_int_equal(pool_free_exact(pool, second, 200, SLOT), 0);
	assert_sound(pool);
}

static void test_pool_frees_all_of_a_batch_or_nothing(void **state)
{
	struct fixture *fixture = *state;
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
	assert_int_equal(pool_free_bulk(pool, 2, SLOT + 1, runs, 3), ZONE_E_NOT_HELD);
	assert_int_equal(pool_held_pages(pool, SLOT), 12);
	assert_sound(pool);
	assert_int_equal(pool_free_bulk(pool, 2, SLOT, runs, 3), 0);
	assert_int_equal(pool_held_pages(pool, SLOT), 0);
	assert_sound(pool);
}

static void test_pool_validate_names_the_zone(void **state)
{
	struct fixture *fixture = *state;
	struct zone_fault fault = { 0 };
	unsigned zone = 99;

	((uint32_t *)fixture->ledgers[2])[5] = word_make(WORD_PAGE, owner, 0);
	assert_int_equal(pool_validate(&fixture->pool, &zone, &fault), -EUCLEAN);
	assert_int_equal(zone, 2);
	assert_int_equal(fault.pfn, 5);
	assert_non_null(fault.what);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pool_refuses_impossible_shapes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_pool_lists_zones_near_to_far, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pool_falls_back_by_distance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pool_stays_within_allowed_zones, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_pool_serves_exact_from_the_next_zone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_pool_frees_all_of_a_batch_or_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_pool_validate_names_the_zone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
