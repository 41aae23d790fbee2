/* SPDX-License-Identifier: MIT */
#include "support/pool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/zone_object.h"

static const struct word_owner owner = { .slot = POOL_FIXTURE_SLOT, .tag = 9 };

/* A ring of four nodes. */
const uint8_t pool_fixture_ring[POOL_FIXTURE_ZONES * POOL_FIXTURE_ZONES] = {
	10, 20, 30, 20, /* from 0 */
	20, 10, 20, 30, /* from 1 */
	30, 20, 10, 20, /* from 2 */
	20, 30, 20, 10, /* from 3 */
};

static void *zeroed(size_t size_bytes)
{
	void *memory = aligned_alloc(64, size_bytes);

	assert_non_null(memory);
	return memset(memory, 0, size_bytes);
}

static void caches_reopen(struct pool_fixture *fixture)
{
	uint32_t number;

	memset(fixture->cache_index, 0, cache_index_bytes(POOL_FIXTURE_CACHES));
	assert_int_equal(cache_table_open(&fixture->caches, POOL_FIXTURE_CACHES, 0,
					  fixture->cache_ledger, fixture->cache_index, &number),
			 0);
}

static void caches_setup(struct pool_fixture *fixture)
{
	fixture->cache_ledger = zeroed(cache_ledger_bytes(POOL_FIXTURE_CACHES));
	fixture->cache_index = zeroed(cache_index_bytes(POOL_FIXTURE_CACHES));
	caches_reopen(fixture);
}

static struct zone_config config_of(const struct pool_fixture *fixture, unsigned i)
{
	return (struct zone_config){ .index = i,
				     .nr_pages = POOL_FIXTURE_PAGES,
				     .max_order = 18,
				     .nr_slots = POOL_FIXTURE_SLOTS,
				     .nr_slab_units = POOL_FIXTURE_UNITS,
				     .caches = &fixture->caches };
}

static void zone_reopen(struct pool_fixture *fixture, unsigned i)
{
	const struct zone_config config = config_of(fixture, i);
	struct slab_range ranges[2];
	struct zone_fault fault;

	memset(fixture->indices[i], 0, zone_index_bytes(&config));
	assert_int_equal(zone_open(&fixture->zones[i], &config, fixture->ledgers[i],
				   fixture->indices[i], &fault),
			 0);
	while (zone_next_slab_room(&fixture->zones[i], ranges))
		zone_add_slab_room(&fixture->zones[i]);
}

static void zone_setup(struct pool_fixture *fixture, unsigned i)
{
	const struct zone_config config = config_of(fixture, i);

	fixture->ledgers[i] = zeroed(zone_ledger_bytes(&config));
	fixture->indices[i] = zeroed(zone_index_bytes(&config));
	zone_reopen(fixture, i);
}

void pool_fixture_reopen(struct pool_fixture *fixture)
{
	caches_reopen(fixture);
	for (unsigned i = 0; i < POOL_FIXTURE_ZONES; i++)
		zone_reopen(fixture, i);
}

int pool_fixture_setup(void **state)
{
	struct pool_fixture *fixture = calloc(1, sizeof(*fixture));
	struct zone *zones[POOL_FIXTURE_ZONES];

	assert_non_null(fixture);
	caches_setup(fixture);
	for (unsigned i = 0; i < POOL_FIXTURE_ZONES; i++) {
		zone_setup(fixture, i);
		zones[i] = &fixture->zones[i];
	}
	assert_int_equal(pool_init(&fixture->pool, zones, POOL_FIXTURE_ZONES, pool_fixture_ring),
			 0);
	fixture->pool.caches = &fixture->caches;
	*state = fixture;
	return 0;
}

int pool_fixture_setup_quota(void **state)
{
	struct pool_fixture *fixture;

	pool_fixture_setup(state);
	fixture = *state;
	fixture->quota_memory = malloc(quota_bytes(POOL_FIXTURE_SLOTS));
	assert_non_null(fixture->quota_memory);
	quota_init(&fixture->quota, POOL_FIXTURE_SLOTS, fixture->quota_memory);
	for (unsigned i = 0; i < 2; i++)
		quota_set(&fixture->quota, i, 0, 0, QUOTA_NO_MAX, QUOTA_NO_MAX);
	for (unsigned slot = 1; slot < POOL_FIXTURE_SLOTS; slot++)
		quota_join(&fixture->quota, slot, slot == POOL_FIXTURE_SLOT ? 3 : 1, 0);
	fixture->pool.quota = &fixture->quota;
	return 0;
}

int pool_fixture_teardown(void **state)
{
	struct pool_fixture *fixture = *state;

	for (unsigned i = 0; i < POOL_FIXTURE_ZONES; i++) {
		free(fixture->ledgers[i]);
		free(fixture->indices[i]);
	}
	free(fixture->cache_ledger);
	free(fixture->cache_index);
	free(fixture->quota_memory);
	free(fixture);
	return 0;
}

void pool_assert_sound(const struct pool *pool)
{
	struct zone_fault fault = { .what = "" };
	unsigned zone = 99;

	if (pool_validate(pool, &zone, &fault))
		fail_msg("zone %u, page %u: %s", zone, fault.pfn, fault.what);
}

struct pool_request pool_prefer(unsigned zone)
{
	return (struct pool_request){
		.preferred = zone, .local = zone, .allowed = UINT64_MAX, .owner = owner
	};
}

struct pool_request pool_bind(unsigned zone)
{
	struct pool_request request = pool_prefer(zone);

	request.policy = POOL_BIND;
	request.allowed = UINT64_C(1) << zone;
	return request;
}

struct pool_request pool_mask(unsigned zone, uint64_t allowed)
{
	struct pool_request request = pool_prefer(zone);

	request.policy = POOL_MASK;
	request.allowed = allowed;
	return request;
}

struct pool_request pool_interleave(uint64_t allowed)
{
	struct pool_request request = pool_prefer(0);

	request.policy = POOL_INTERLEAVE;
	request.allowed = allowed;
	return request;
}

struct pool_request pool_high(struct pool_request request)
{
	request.is_high = true;
	return request;
}

size_t pool_take(struct pool_fixture *fixture, struct pool_request request, unsigned order,
		 size_t count)
{
	size_t granted;

	fixture->nr_runs = 0;
	granted = pool_alloc_bulk(&fixture->pool, &request, order, count, fixture->runs,
				  &fixture->nr_runs, &fixture->demand);
	pool_assert_sound(&fixture->pool);
	return granted;
}

void pool_give_back(struct pool_fixture *fixture, unsigned order)
{
	assert_int_equal(pool_free_bulk(&fixture->pool, order, POOL_FIXTURE_SLOT, fixture->runs,
					fixture->nr_runs),
			 0);
	pool_assert_sound(&fixture->pool);
}

void pool_assert_demand(const struct pool_fixture *fixture, enum pool_level level, unsigned zone,
			uint64_t nr_pages)
{
	assert_int_equal(fixture->demand.level, level);
	assert_int_equal(fixture->demand.zone, zone);
	assert_int_equal(fixture->demand.nr_pages, nr_pages);
}

void pool_fragment(struct pool_fixture *fixture, unsigned zone)
{
	assert_int_equal(pool_take(fixture, pool_high(pool_bind(zone)), 0, POOL_FIXTURE_PAGES),
			 POOL_FIXTURE_PAGES);
	for (size_t i = 0; i < fixture->nr_runs; i++)
		fixture->runs[i].mask &= UINT64_C(0x5555555555555555);
	pool_give_back(fixture, 0);
	assert_int_equal(zone_nr_free(&fixture->zones[zone]), POOL_FIXTURE_PAGES / 2);
}

void pool_assert_free(const struct pool_fixture *fixture, uint32_t zone0, uint32_t zone1,
		      uint32_t zone2, uint32_t zone3)
{
	assert_int_equal(zone_nr_free(&fixture->zones[0]), zone0);
	assert_int_equal(zone_nr_free(&fixture->zones[1]), zone1);
	assert_int_equal(zone_nr_free(&fixture->zones[2]), zone2);
	assert_int_equal(zone_nr_free(&fixture->zones[3]), zone3);
}
