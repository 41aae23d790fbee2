/* SPDX-License-Identifier: MIT */
/* From a configuration and a topology to zones: sizes, orders, nodes, and what is refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cache.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "service/backing.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/pools.h"
#include "service/sizing.h"
#include "service/topology.h"
#include "service/worker.h"

#define NR_SLOTS 8u
#define MIB (UINT64_C(1) << 20)

struct fixture {
	struct loop *loop;
	struct worker_pool *workers;
	struct topology topology;
	struct service_config config;
	struct service_pool_config pool_config;
	struct pools pools;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	log_set_level(LOG_EMERG);
	assert_int_equal(loop_new(&fixture->loop), 0);
	assert_int_equal(worker_pool_new(fixture->loop, 1, &fixture->workers), 0);
	assert_int_equal(topology_init(&fixture->topology, 3), 0);
	strcpy(fixture->pool_config.name, "default");
	fixture->pool_config.size.bytes = 4 * MIB;
	fixture->pool_config.nodes = UINT64_MAX;
	fixture->pool_config.page_bytes = PAGE_BYTES;
	fixture->pool_config.max_order = PAGE_ORDER_MAX;
	fixture->config.pools = &fixture->pool_config;
	fixture->config.nr_pools = 1;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	worker_pool_free(fixture->workers);
	pools_deinit(&fixture->pools);
	loop_free(fixture->loop);
	free(fixture);
	return 0;
}

static int make_pools(struct fixture *fixture)
{
	return pools_init(&fixture->pools, &fixture->config, &fixture->topology, fixture->workers,
			  NR_SLOTS);
}

static void test_pools_have_a_zone_a_node(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(make_pools(fixture), 0);
	const struct pools_pool *pool = pools_find(&fixture->pools, "default");
	assert_non_null(pool);
	assert_null(pools_find(&fixture->pools, "defaul"));
	assert_int_equal(pool->nr_zones, 3);
	assert_int_equal(pools_count_zones(&fixture->pools), 3);
	assert_int_equal(pools_size_bytes(&fixture->pools), 12 * MIB);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(zone_nr_pages(pool->zones[i].zone), 1024);
		assert_int_equal(backing_node(pool->zones[i].backing), i);
		assert_int_equal(pool->nearest_zones[i], i);
	}
	assert_string_equal(pool->zones[2].name, "node2");
	assert_int_equal(pool->max_order, 10); /* what fits into 4 MiB */
	assert_int_equal(pools_held_bytes(&fixture->pools, 1), 0);
}

static void test_pools_may_live_on_some_nodes_only(void **state)
{
	struct fixture *fixture = *state;

	fixture->pool_config.nodes = UINT64_C(1) << 2 | UINT64_C(1) << 0;
	fixture->pool_config.max_order = 3;
	assert_int_equal(make_pools(fixture), 0);
	const struct pools_pool *pool = &fixture->pools.pools[0];
	assert_int_equal(pool->nr_zones, 2);
	assert_int_equal(backing_node(pool->zones[0].backing), 0);
	assert_int_equal(backing_node(pool->zones[1].backing), 2);
	assert_int_equal(pool->max_order, 3);
}

/* Node 1 has memory, though none in this pool; node 40 has none at all. */
static void test_pools_know_the_nearest_zone_of_every_node(void **state)
{
	struct fixture *fixture = *state;

	fixture->pool_config.nodes = UINT64_C(1) << 2 | UINT64_C(1) << 0;
	fixture->topology.distances[1][2] = 15;
	fixture->topology.distances[40][0] = 31;
	assert_int_equal(make_pools(fixture), 0);
	const struct pools_pool *pool = &fixture->pools.pools[0];
	assert_int_equal(pool->nearest_zones[0], 0);
	assert_int_equal(pool->nearest_zones[1], 1);
	assert_int_equal(pool->nearest_zones[2], 1);
	assert_int_equal(pool->nearest_zones[40], 1);
	assert_int_equal(pool->nearest_zones[41], 0);
}

static void test_pools_sizes_are_rounded_and_parts_are_of_the_node(void **state)
{
	struct fixture *fixture = *state;

	fixture->pool_config.size = (struct service_size){ .permyriad = 1250 };
	fixture->pool_config.watermark_min = (struct service_size){ .permyriad = 100 };
	fixture->pool_config.watermark_high = (struct service_size){ .bytes = 12345 };
	for (unsigned i = 0; i < 3; i++)
		fixture->topology.nodes[i].mem_bytes = 80 * MIB + 1000;
	assert_int_equal(make_pools(fixture), 0);
	const struct pools_zone *zone = &fixture->pools.pools[0].zones[1];
	assert_int_equal(backing_size_bytes(zone->backing), 10 * MIB);
	assert_int_equal(zone->min_bytes, 10 * MIB / 100);
	assert_int_equal(zone->high_bytes, 12345);
}

static void test_pools_refuse_what_can_not_be(void **state)
{
	struct fixture *fixture = *state;

	fixture->pool_config.nodes = UINT64_C(1) << 5;
	assert_int_equal(make_pools(fixture), -EINVAL);
	fixture->pool_config.nodes = 0;
	assert_int_equal(make_pools(fixture), -EINVAL);
	fixture->pool_config.nodes = UINT64_MAX;

	fixture->pool_config.size.bytes = PAGE_BYTES - 1;
	assert_int_equal(make_pools(fixture), -EINVAL);
	fixture->pool_config.size.bytes = UINT64_MAX - 4096;
	assert_int_equal(make_pools(fixture), -EINVAL);
	assert_int_equal(fixture->pools.nr_pools, 0);

	fixture->pool_config.size.bytes = PAGE_BYTES; /* the smallest */
	assert_int_equal(make_pools(fixture), 0);
	assert_int_equal(fixture->pools.pools[0].max_order, 0);
}

/* What pools_init() warns of on standard error. */
static void make_pools_and_read_log(struct fixture *fixture, char *ret, size_t size)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	int error;

	assert_non_null(file);
	log_set_level(LOG_WARNING);
	dup2(fileno(file), STDERR_FILENO);
	error = make_pools(fixture);
	dup2(saved, STDERR_FILENO);
	log_set_level(LOG_EMERG);
	close(saved);
	rewind(file);
	ret[fread(ret, 1, size - 1, file)] = '\0';
	fclose(file);
	assert_int_equal(error, 0);
	pools_deinit(&fixture->pools);
}

/* Invented nodes share the host's memory: each may take the whole. */
static void test_pools_warn_of_more_than_the_node_has(void **state)
{
	struct fixture *fixture = *state;
	char text[1024];

	fixture->pool_config.size.bytes = 600 * MIB;
	fixture->pool_config.nodes = UINT64_C(1) << 1;
	for (unsigned i = 0; i < 3; i++)
		fixture->topology.nodes[i].mem_bytes = 200 * MIB;
	make_pools_and_read_log(fixture, text, sizeof(text));
	assert_string_equal(text, "");

	fixture->topology.nodes[0].mem_bytes = 112 * MIB;
	make_pools_and_read_log(fixture, text, sizeof(text));
	assert_string_equal(text, "pagepoold: pool 'default': 0.6 GiB on node 1, which has 0.5 "
				  "GiB: grants will fail when memory is out\n");

	fixture->pool_config.commit = SERVICE_COMMIT_TOUCH;
	make_pools_and_read_log(fixture, text, sizeof(text));
	assert_non_null(strstr(text, "who touches it is killed"));

	fixture->pool_config.commit = SERVICE_COMMIT_START; /* fails, and says so itself */
	make_pools_and_read_log(fixture, text, sizeof(text));
	assert_string_equal(text, "");
}

static void test_pools_have_room_to_grow(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 3; i++)
		fixture->topology.nodes[i].mem_bytes = 80 * MIB;
	fixture->pool_config.contiguous = (struct service_size){ .bytes = 2 * MIB };
	assert_int_equal(make_pools(fixture), 0);
	struct pools_pool *pool = &fixture->pools.pools[0];
	assert_int_equal(zone_capacity(pool->zones[0].zone), 240 * MIB / PAGE_BYTES);
	assert_int_equal(backing_capacity_bytes(pool->zones[0].backing), 240 * MIB);
	assert_int_equal(zone_nr_pages(pool->zones[0].zone), 1024);
	assert_int_equal(zone_nr_contiguous(pool->zones[0].zone), 512);

	const struct sizing sizing = { .size_bytes = 32 * MIB, .min_bytes = MIB };
	assert_int_equal(pools_zone_prepare(&pool->zones[0], sizing.size_bytes), 0);
	pools_zone_set_size(&pool->zones[0], &sizing);
	pools_update_max_order(pool);
	assert_int_equal(zone_nr_pages(pool->zones[0].zone), 8192);
	assert_int_equal(backing_size_bytes(pool->zones[0].backing), 32 * MIB);
	assert_int_equal(zone_watermarks(pool->zones[0].zone).min, 256);
	assert_int_equal(pool->max_order, 13);
	assert_int_equal(pools_size_bytes(&fixture->pools), 40 * MIB);
}

static uint64_t backed_bytes(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

/* Pages of a memory that have ever been touched. */
static size_t count_touched(void *memory, size_t size_bytes)
{
	size_t nr_pages = (size_bytes + PAGE_BYTES - 1) / PAGE_BYTES, nr_touched = 0;
	unsigned char *is_touched = malloc(nr_pages);

	assert_non_null(is_touched);
	assert_int_equal(mincore(memory, size_bytes, is_touched), 0);
	for (size_t i = 0; i < nr_pages; i++)
		nr_touched += is_touched[i] & 1;
	free(is_touched);
	return nr_touched;
}

/* There may be as many objects as pages have room for, and none cost anything yet. */
static void test_pools_room_for_objects_costs_nothing_unused(void **state)
{
	struct fixture *fixture = *state;
	const struct zone_config plain = { .nr_pages = 1024,
					   .capacity_pages = 3 * 65536,
					   .nr_slots = NR_SLOTS };

	for (unsigned i = 0; i < 3; i++)
		fixture->topology.nodes[i].mem_bytes = 256 * MIB;
	assert_int_equal(make_pools(fixture), 0);
	struct pools_pool *pool = &fixture->pools.pools[0];
	struct pools_zone *zone = &pool->zones[0];
	assert_int_equal(zone_capacity(zone->zone), plain.capacity_pages);
	assert_true(zone->zone->slabs.nr_units >= 17 * plain.capacity_pages);
	assert_true(zone->ledger.size_bytes > 100 * MIB);
	assert_true(zone->index_bytes > zone_index_bytes(&plain) + 50 * MIB);
	assert_true(backed_bytes(zone->ledger.fd) < MIB / 16);
	assert_true(count_touched(zone->index, zone->index_bytes) < 64);
	assert_int_equal(zone_slab_room(zone->zone), 0);

	while (!pools_make_slab_room(pool, UINT64_MAX))
		;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(zone_slab_room(pool->zones[i].zone), SLAB_ROOM_UNITS);
	assert_true(pools_make_slab_room(pool, UINT64_MAX)); /* and that is enough */
	assert_int_equal(zone_slab_room(zone->zone), SLAB_ROOM_UNITS);
	assert_true(backed_bytes(zone->ledger.fd) < MIB / 4);
	assert_true(count_touched(zone->index, zone->index_bytes) < 128);
}

static void test_pools_room_for_objects_has_an_end(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(make_pools(fixture), 0);
	struct pools_zone *zone = &fixture->pools.pools[0].zones[0];
	uint32_t nr_rooms = zone->zone->slabs.nr_units / SLAB_ROOM_UNITS;

	assert_true(pools_zone_wants_slab_room(zone));
	for (uint32_t i = 0; i < nr_rooms; i++)
		assert_int_equal(pools_zone_add_slab_room(zone), 0);
	assert_int_equal(zone_slab_room(zone->zone), zone->zone->slabs.nr_units);
	assert_false(pools_zone_wants_slab_room(zone));
	assert_int_equal(pools_zone_add_slab_room(zone), -ENOSPC);
}

/* Asking takes too long to be done for every request of a time when there is no memory. */
static void test_pools_room_for_objects_is_asked_for_again_after_a_while(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(make_pools(fixture), 0);
	struct pools_pool *pool = &fixture->pools.pools[0];
	struct pools_zone *zone = &pool->zones[0];

	zone->is_room_short = true;
	while (!pools_make_slab_room(pool, UINT64_MAX))
		;
	assert_int_equal(zone_slab_room(zone->zone), 0);
	assert_int_equal(zone_slab_room(pool->zones[1].zone), SLAB_ROOM_UNITS);
	pools_decay(&fixture->pools);
	assert_true(pools_make_slab_room(pool, UINT64_MAX));
	assert_int_equal(zone_slab_room(zone->zone), SLAB_ROOM_UNITS);
}

static void test_pools_have_a_table_of_caches_each(void **state)
{
	struct fixture *fixture = *state;
	struct service_pool_config configs[2] = { fixture->pool_config, fixture->pool_config };

	strcpy(configs[1].name, "debug");
	configs[1].debug_objects = true;
	fixture->config.pools = configs;
	fixture->config.nr_pools = 2;
	for (unsigned i = 0; i < 3; i++)
		fixture->topology.nodes[i].mem_bytes = 80 * MIB;
	assert_int_equal(make_pools(fixture), 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct pools_pool *pool = &fixture->pools.pools[i];

		assert_ptr_equal(pool->core.caches, &pool->caches);
		assert_int_equal(pool->caches.nr_used, CACHE_NR_GENERAL);
		assert_int_equal(pool->caches.layouts[0].flags, i ? CACHE_DEBUG : 0);
		assert_true(backed_bytes(pool->caches_ledger.fd) >=
			    CACHES_MAX * sizeof(struct cache_record));
	}
	assert_int_not_equal(fixture->pools.pools[0].caches_ledger.fd,
			     fixture->pools.pools[1].caches_ledger.fd);
}

/* Opening one is what the next daemon does with the ledger that it is left. */
static void test_pools_zone_with_a_damaged_ledger_is_set_aside(void **state)
{
	const struct zone_config config = { .index = 1, .nr_pages = 1024, .nr_slots = NR_SLOTS };
	struct pools_zone zone = { .ledger = LEDGER_MEMORY_NULL };
	size_t size_bytes = zone_ledger_bytes(&config);
	struct zone_fault fault;
	uint32_t pfn;

	(void)state;
	assert_int_equal(ledger_memory_init(&zone.ledger, "test", size_bytes, size_bytes), 0);
	memset(zone.ledger.memory, 0xa5, size_bytes);
	assert_int_equal(pools_zone_open(&zone, &config), 0);
	assert_string_equal(zone.damage, "page 0: this is no ledger");
	/* It serves nothing, holds nothing, and is sound in itself. */
	assert_int_equal(zone_alloc(zone.zone, 0, (struct word_owner){ .slot = 1 }, &pfn),
			 ZONE_E_FULL);
	assert_int_equal(zone_nr_free(zone.zone), 0);
	assert_int_equal(zone_free(zone.zone, 5, 0, 1), ZONE_E_RANGE);
	assert_int_equal(zone_validate(zone.zone, &fault), 0);
	assert_false(pools_zone_wants_slab_room(&zone));
	/* What was found stays as it was, for who wants to look. */
	for (size_t i = 0; i < size_bytes; i++)
		assert_int_equal(((uint8_t *)zone.ledger.memory)[i], 0xa5);
	pools_zone_deinit(&zone);
}

#define POOLS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POOLS_TEST(test_pools_have_a_zone_a_node),
		POOLS_TEST(test_pools_may_live_on_some_nodes_only),
		POOLS_TEST(test_pools_know_the_nearest_zone_of_every_node),
		POOLS_TEST(test_pools_sizes_are_rounded_and_parts_are_of_the_node),
		POOLS_TEST(test_pools_refuse_what_can_not_be),
		POOLS_TEST(test_pools_warn_of_more_than_the_node_has),
		POOLS_TEST(test_pools_have_room_to_grow),
		POOLS_TEST(test_pools_room_for_objects_costs_nothing_unused),
		POOLS_TEST(test_pools_room_for_objects_has_an_end),
		POOLS_TEST(test_pools_room_for_objects_is_asked_for_again_after_a_while),
		POOLS_TEST(test_pools_have_a_table_of_caches_each),
		POOLS_TEST(test_pools_zone_with_a_damaged_ledger_is_set_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
