/* SPDX-License-Identifier: MIT */
#include "support/pool_objects.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct pool_request pool_by(struct pool_request request, unsigned slot)
{
	request.owner.slot = slot & (WORD_NR_SLOTS - 1);
	return request;
}

size_t pool_take_objects(struct pool_fixture *fixture, struct pool_request request, uint32_t number,
			 size_t count, struct pool_objects *ret)
{
	size_t granted;

	ret->nr_runs = 0;
	granted = pool_alloc_objects(&fixture->pool, &request, number, count, ret->runs,
				     &ret->nr_runs, &fixture->demand);
	pool_assert_sound(&fixture->pool);
	return granted;
}

int pool_free_taken(struct pool_fixture *fixture, uint32_t number, unsigned slot,
		    const struct pool_objects *objects, uint64_t *ret_offset)
{
	const struct zone_leaver leaver = { .slot = slot, .generation = 5 };
	int r = pool_free_objects(&fixture->pool, number, &leaver, objects->runs, objects->nr_runs,
				  ret_offset);

	pool_assert_sound(&fixture->pool);
	return r;
}

void pool_give_objects(struct pool_fixture *fixture, uint32_t number, unsigned slot,
		       const struct pool_objects *objects)
{
	uint64_t offset = 77;

	assert_int_equal(pool_free_taken(fixture, number, slot, objects, &offset), 0);
	assert_int_equal(offset, 77);
}

uint32_t pool_add_cache(struct pool_fixture *fixture, const char *name, unsigned flags)
{
	const struct cache_config config = { .name = name,
					     .object_bytes = POOL_OBJECT_BYTES,
					     .flags = flags };
	uint32_t number = CACHES_MAX;

	assert_int_equal(pool_create_cache(&fixture->pool, &config, &number), 0);
	return number;
}

struct zone_cache_stat pool_stat_of(struct pool_fixture *fixture, uint32_t number)
{
	struct zone_cache_stat stat;

	pool_stat_cache(&fixture->pool, number, &stat);
	return stat;
}

void pool_leave_free(struct pool_fixture *fixture, uint32_t nr_pages)
{
	for (unsigned zone = 0; zone < POOL_FIXTURE_ZONES; zone++) {
		struct pool_request request =
			pool_by(pool_high(pool_bind(zone)), POOL_FIXTURE_OTHER);
		size_t count = zone_nr_free(&fixture->zones[zone]) - nr_pages;

		assert_int_equal(pool_take(fixture, request, 0, count), count);
	}
}
