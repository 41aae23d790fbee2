/* SPDX-License-Identifier: MIT */

/* See the header. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/cache_fixture.h"

int cache_fixture_setup(void **state)
{
	static struct cache_fixture fixture;

	memset(&fixture, 0, sizeof(fixture));
	*state = &fixture;
	return cache_fixture_open(&fixture, 0);
}

int cache_fixture_open(struct cache_fixture *fixture, unsigned general_flags)
{
	uint32_t number = 0;

	assert_true(cache_ledger_bytes(CACHE_FIXTURE_CACHES) <= sizeof(fixture->ledger));
	assert_true(cache_index_bytes(CACHE_FIXTURE_CACHES) <= sizeof(fixture->layouts));
	memset(fixture->layouts, 0, sizeof(fixture->layouts));
	return cache_table_open(&fixture->table, CACHE_FIXTURE_CACHES, general_flags,
				fixture->ledger, fixture->layouts, &number);
}

void cache_fixture_assert_valid(const struct cache_fixture *fixture)
{
	const char *what = cache_table_validate(&fixture->table);

	if (what)
		fail_msg("%s", what);
}

void cache_fixture_reopen(struct cache_fixture *fixture)
{
	assert_int_equal(cache_fixture_open(fixture, 0), 0);
	cache_fixture_assert_valid(fixture);
}

struct cache_config cache_fixture_config(const char *name, uint32_t object_bytes, unsigned flags)
{
	return (struct cache_config){ .name = name, .object_bytes = object_bytes, .flags = flags };
}

uint32_t cache_fixture_add(struct cache_fixture *fixture, const char *name, uint32_t object_bytes,
			   unsigned flags)
{
	struct cache_config config = cache_fixture_config(name, object_bytes, flags);
	uint32_t number = CACHES_MAX;

	assert_int_equal(cache_table_add(&fixture->table, &config, &number), 0);
	assert_in_range(number, CACHE_NR_GENERAL, CACHE_FIXTURE_CACHES - 1);
	cache_fixture_assert_valid(fixture);
	return number;
}

void cache_fixture_remove(struct cache_fixture *fixture, uint32_t number)
{
	cache_table_remove(&fixture->table, number);
	cache_fixture_assert_valid(fixture);
}
