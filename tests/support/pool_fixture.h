/* SPDX-License-Identifier: MIT */
#pragma once

/* A pool of four zones on a ring of nodes, and its caches, without a daemon around it. */

#include <stddef.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/pool.h"
#include "core/quota.h"
#include "core/zone.h"

#define POOL_FIXTURE_ZONES 4u
#define POOL_FIXTURE_PAGES 256u /* of each zone */
#define POOL_FIXTURE_SLOTS 8u
#define POOL_FIXTURE_CACHES 64u
#define POOL_FIXTURE_UNITS SLAB_ROOM_UNITS /* of each zone, all in use */

/* The holder of all that is taken, and another one. */
#define POOL_FIXTURE_SLOT 3u
#define POOL_FIXTURE_OTHER 4u

/* As numa_distance() would give them. */
extern const uint8_t pool_fixture_ring[POOL_FIXTURE_ZONES * POOL_FIXTURE_ZONES];

struct pool_fixture {
	struct zone zones[POOL_FIXTURE_ZONES];
	void *ledgers[POOL_FIXTURE_ZONES], *indices[POOL_FIXTURE_ZONES];
	struct cache_table caches;
	void *cache_ledger, *cache_index;
	struct quota quota;
	void *quota_memory;
	struct pool pool;
	struct page_run runs[POOL_FIXTURE_ZONES * POOL_FIXTURE_PAGES];
	size_t nr_runs;
	struct pool_demand demand;
};

/* For cmocka: *state is a struct pool_fixture. */
int pool_fixture_setup(void **state);
int pool_fixture_teardown(void **state);
/* The same with limits that limit nothing: all slots under limit 0, the first holder under 1 too.
 */
int pool_fixture_setup_quota(void **state);

/* Opens caches and zones again, from their ledgers alone. */
void pool_fixture_reopen(struct pool_fixture *fixture);

/* Requests of the first holder: with each policy, and the zone that they prefer or allow. */
struct pool_request pool_prefer(unsigned zone);
struct pool_request pool_bind(unsigned zone);
struct pool_request pool_mask(unsigned zone, uint64_t allowed);
struct pool_request pool_interleave(uint64_t allowed);
struct pool_request pool_high(struct pool_request request);

/* Returns how many were granted; the fixture has the runs and the demand. */
size_t pool_take(struct pool_fixture *fixture, struct pool_request request, unsigned order,
		 size_t count);
/* Frees the runs that the fixture has. */
void pool_give_back(struct pool_fixture *fixture, unsigned order);
/* Takes every page of a zone and frees every second one. */
void pool_fragment(struct pool_fixture *fixture, unsigned zone);

/* Fails the test unless every invariant holds. */
void pool_assert_sound(const struct pool *pool);
void pool_assert_demand(const struct pool_fixture *fixture, enum pool_level level, unsigned zone,
			uint64_t nr_pages);
/* So many pages are free in each zone. */
void pool_assert_free(const struct pool_fixture *fixture, uint32_t zone0, uint32_t zone1,
		      uint32_t zone2, uint32_t zone3);
