/* SPDX-License-Identifier: MIT */

/* Zones for tests: the two memories that a service would give them, and nothing else. */

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

int zone_fixture_open(struct zone_fixture *fixture, struct zone_fault *ret)
{
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
	fixture->ledger = zeroed(zone_ledger_bytes(config));
	open_or_fail(fixture);
	fixture->words = fixture->zone.words;
	return fixture;
}

struct zone_fixture *zone_fixture_free(struct zone_fixture *fixture)
{
	if (fixture) {
		free(fixture->ledger);
		free(fixture->index);
	}
	free(fixture);
	return NULL;
}

void zone_fixture_reopen(struct zone_fixture *fixture)
{
	size_t size_bytes = zone_ledger_bytes(&fixture->config);
	uint8_t *before = malloc(size_bytes);

	assert_non_null(before);
	memcpy(before, fixture->ledger, size_bytes);
	open_or_fail(fixture);
	assert_memory_equal(fixture->ledger, before, size_bytes);
	free(before);
	zone_fixture_assert_sound(fixture);
}

void zone_fixture_assert_sound(struct zone_fixture *fixture)
{
	struct zone_fault fault = { .what = "" };

	if (zone_validate(&fixture->zone, &fault))
		fail_msg("page %u: %s", fault.pfn, fault.what);
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
