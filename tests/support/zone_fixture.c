/* SPDX-License-Identifier: MIT */

/*
 * Zones for tests: the memories that a service would give them, and nothing else. A table of caches
 * has memories of its own, and is opened before the zone, as a service does.
 */

#include "support/zone_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *zeroed(size_t size_bytes)
{
	void *memory = aligned_alloc(64, size_bytes);

	assert_non_null(memory);
	return memset(memory, 0, size_bytes);
}

static void open_caches(struct zone_fixture *fixture)
{
	uint32_t number;

	if (fixture->config.caches != &fixture->caches)
		return;
	free(fixture->cache_index);
	fixture->cache_index = zeroed(cache_index_bytes(ZONE_FIXTURE_CACHES));
	assert_int_equal(cache_table_open(&fixture->caches, ZONE_FIXTURE_CACHES, 0,
					  fixture->cache_ledger, fixture->cache_index, &number),
			 0);
	assert_null(cache_table_validate(&fixture->caches));
}

int zone_fixture_open(struct zone_fixture *fixture, struct zone_fault *ret)
{
	open_caches(fixture);
	free(fixture->index);
	fixture->index = zeroed(zone_index_bytes(&fixture->config));
	memset(&fixture->zone, 0xa5, sizeof(fixture->zone));
	return zone_open(&fixture->zone, &fixture->config, fixture->ledger, fixture->index, ret);
}

static void open_or_fail(struct zone_fixture *fixture)
{
	struct zone_fault fault = { .what = "no fault is told" };
	int r = zone_fixture_open(fixture, &fault);

	if (r)
		fail_msg("zone_open() says %d, page %u: %s", r, fault.pfn, fault.what);
}

struct zone_fixture *zone_fixture_new(const struct zone_config *config)
{
	struct zone_fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->config = *config;
	if (config->nr_slab_units && !config->caches) {
		fixture->config.caches = &fixture->caches;
		fixture->cache_ledger = zeroed(cache_ledger_bytes(ZONE_FIXTURE_CACHES));
	}
	fixture->ledger = zeroed(zone_ledger_bytes(config));
	open_or_fail(fixture);
	fixture->words = fixture->zone.words;
	return fixture;
}

struct zone_fixture *zone_fixture_copy(const struct zone_fixture *fixture)
{
	struct zone_fixture *copy = calloc(1, sizeof(*copy));

	assert_non_null(copy);
	copy->config = fixture->config;
	if (fixture->cache_ledger) {
		copy->config.caches = &copy->caches;
		copy->cache_ledger = zeroed(cache_ledger_bytes(ZONE_FIXTURE_CACHES));
		memcpy(copy->cache_ledger, fixture->cache_ledger,
		       cache_ledger_bytes(ZONE_FIXTURE_CACHES));
	}
	copy->ledger = zone_fixture_save(fixture);
	open_or_fail(copy);
	copy->words = copy->zone.words;
	return copy;
}

struct zone_fixture *zone_fixture_of(uint32_t nr_pages, uint32_t capacity_pages,
				     uint32_t contiguous_pages)
{
	const struct zone_config config = { .index = ZONE_FIXTURE_INDEX,
					    .nr_pages = nr_pages,
					    .capacity_pages = capacity_pages,
					    .contiguous_pages = contiguous_pages,
					    .max_order = PAGE_ORDER_MAX,
					    .nr_slots = ZONE_FIXTURE_SLOTS };

	return zone_fixture_new(&config);
}

struct zone_fixture *zone_fixture_free(struct zone_fixture *fixture)
{
	if (fixture) {
		free(fixture->ledger);
		free(fixture->index);
		free(fixture->cache_ledger);
		free(fixture->cache_index);
	}
	free(fixture);
	return NULL;
}

int zone_fixture_setup(void **state)
{
	*state = zone_fixture_of(ZONE_FIXTURE_PAGES, 0, 0);
	return 0;
}

int zone_fixture_teardown(void **state)
{
	zone_fixture_free(*state);
	return 0;
}

uint8_t *zone_fixture_save(const struct zone_fixture *fixture)
{
	size_t size_bytes = zone_ledger_bytes(&fixture->config);
	uint8_t *saved = aligned_alloc(64, size_bytes);

	assert_non_null(saved);
	return memcpy(saved, fixture->ledger, size_bytes);
}

void zone_fixture_assert_saved(const struct zone_fixture *fixture, uint8_t *saved)
{
	assert_memory_equal(fixture->ledger, saved, zone_ledger_bytes(&fixture->config));
	free(saved);
}

void zone_fixture_reopen(struct zone_fixture *fixture)
{
	uint8_t *saved = zone_fixture_save(fixture);

	open_or_fail(fixture);
	zone_fixture_assert_saved(fixture, saved);
	zone_fixture_assert_sound(fixture);
}

void zone_fixture_assert_sound(struct zone_fixture *fixture)
{
	struct zone_fault fault = { .what = "" };

	if (zone_validate(&fixture->zone, &fault))
		fail_msg("page %u: %s", fault.pfn, fault.what);
}

void zone_fixture_assert_all_free(struct zone_fixture *fixture)
{
	struct zone *zone = &fixture->zone;
	struct zone_counts counts;
	uint32_t cursor = 0;

	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_nr_free(zone), zone_nr_pages(zone));
	assert_true(zone_count_free(zone, UINT32_MAX, &cursor, &counts));
	assert_int_equal(counts.free_blocks[zone_max_order(zone)],
			 zone_nr_pages(zone) >> zone_max_order(zone));
	assert_int_equal(zone_largest_free(zone), zone_max_order(zone));
}

uint32_t zone_fixture_grant(struct zone_fixture *fixture, unsigned order, struct word_owner owner)
{
	uint32_t pfn = PAGE_NONE;

	assert_int_equal(zone_alloc(&fixture->zone, order, owner, &pfn), 0);
	return pfn;
}

void zone_fixture_resize(struct zone_fixture *fixture, uint32_t nr_pages, uint32_t slice)
{
	assert_int_equal(zone_resize(&fixture->zone, nr_pages), 0);
	while (!zone_resize_step(&fixture->zone, slice))
		;
	assert_int_equal(zone_nr_pages(&fixture->zone), nr_pages);
}
