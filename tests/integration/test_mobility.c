/* SPDX-License-Identifier: MIT */
/*
 * Mobility and the contiguous area of a real daemon: who may lie where, and what pagepoolctl shows
 * of it.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "pagepool.h"
#include "support/daemon.h"
#include "support/pagepoolctl.h"

#define POOL_BYTES (UINT64_C(32) << 20)
#define AREA_BYTES (UINT64_C(8) << 20)
#define PAGEBLOCK_BYTES (UINT64_C(2) << 20)
#define PAGEBLOCK_ORDER 9u
#define NR_BLOCKS (POOL_BYTES / PAGEBLOCK_BYTES)

static struct daemon server;
static struct peer watcher;
static struct pp_client *client;
static struct pp_pool *pool;

static int setup(void **state)
{
	setenv("LC_ALL", "C", 1);
	daemon_start(&server, "topology = fake:1",
		     "[pool default]\nsize = 32M\ncontiguous = 8M\nwatermark = 0 4K 8K\n");
	*state = &server;
	return 0;
}

static int open_pool(void **state)
{
	(void)state;
	pool = daemon_open_pool(&server, "test", &client);
	peer_hello(&watcher, &server, "watcher");
	return 0;
}

static int close_pool(void **state)
{
	(void)state;
	pp_client_free(client);
	peer_finish(&watcher, "default", POOL_BYTES);
	return 0;
}

/* The row of one type in the pool's one zone, out of an answer of pagetypeinfo. */
static json_t *type_of(json_t *answer, const char *type)
{
	json_t *name = json_array_get(json_object_get(answer, "pools"), 0);
	json_t *zone = json_array_get(json_object_get(name, "zones"), 0), *row;
	size_t index;

	json_array_foreach(json_object_get(zone, "types"), index, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "type")), type) == 0)
			return row;
	}
	fail_msg("no row of type %s", type);
	return NULL;
}

static json_int_t pageblocks_of(json_t *answer, const char *type)
{
	return json_integer_value(json_object_get(type_of(answer, type), "pageblocks"));
}

static uint64_t free_bytes_of(json_t *answer, const char *type)
{
	json_t *free_blocks = json_object_get(type_of(answer, type), "free_blocks"), *count;
	uint64_t free_bytes = 0;
	size_t order;

	json_array_foreach(free_blocks, order, count)
	{
		free_bytes += (uint64_t)json_integer_value(count) * PP_PAGE_SIZE << order;
	}
	return free_bytes;
}

static void test_mobility_types_share_no_pageblock(void **state)
{
	static const char *const types[] = { "unmovable", "movable", "reclaimable" };
	static const unsigned flags[] = { 0, PP_MOVABLE, PP_RECLAIMABLE };
	uint64_t free_bytes = 0;
	json_t *answer;

	(void)state;
	for (size_t i = 0; i < 30; i++)
		assert_non_null(pp_alloc_pages(pool, 0, flags[i % 3]));
	answer = pagepoolctl_run_json(0, server.socket, "pagetypeinfo --json");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pageblocks_of(answer, types[i]), 1);
		free_bytes += free_bytes_of(answer, types[i]);
	}
	assert_int_equal(free_bytes, 3 * PAGEBLOCK_BYTES - 30 * PP_PAGE_SIZE);
	assert_int_equal(pageblocks_of(answer, "contiguous"), AREA_BYTES / PAGEBLOCK_BYTES);
	assert_int_equal(free_bytes_of(answer, "contiguous"), AREA_BYTES);
	assert_int_equal(pageblocks_of(answer, "free"),
			 NR_BLOCKS - 3 - AREA_BYTES / PAGEBLOCK_BYTES);
	json_decref(answer);
}

/* With unmovable blocks of half a pageblock, which must not lie in the area. */
static void fill_outside_the_area(void *addrs[2 * NR_BLOCKS])
{
	assert_int_equal(pp_alloc_bulk(pool, PAGEBLOCK_ORDER - 1, 0, addrs, 2 * NR_BLOCKS),
			 2 * (POOL_BYTES - AREA_BYTES) / PAGEBLOCK_BYTES);
}

static void test_mobility_unmovable_blocks_stay_out_of_the_contiguous_area(void **state)
{
	void *addrs[2 * NR_BLOCKS];
	json_t *answer;

	(void)state;
	fill_outside_the_area(addrs);
	assert_null(pp_alloc_pages(pool, 0, PP_HIGH));
	assert_int_equal(errno, ENOMEM);
	answer = pagepoolctl_run_json(0, server.socket, "pagetypeinfo --json");
	assert_int_equal(free_bytes_of(answer, "contiguous"), AREA_BYTES);
	json_decref(answer);
	assert_non_null(pp_alloc_pages(pool, 0, PP_MOVABLE));
	assert_non_null(pp_alloc_pages(pool, PAGEBLOCK_ORDER, PP_RECLAIMABLE));
	/* But for whole pageblocks, which is what the area is for. */
	assert_non_null(pp_alloc_pages(pool, PAGEBLOCK_ORDER, 0));
}

static json_t *plan_of(const char *order)
{
	char words[96];
	json_t *answer, *plan;

	snprintf(words, sizeof(words), "blocks --json --pool default --in-the-way %s", order);
	answer = pagepoolctl_run_json(0, server.socket, words);
	plan = json_incref(json_array_get(json_object_get(answer, "plans"), 0));
	json_decref(answer);
	assert_non_null(plan);
	return plan;
}

static void test_mobility_tells_what_is_in_the_way(void **state)
{
	size_t nr_blocks = 2 * AREA_BYTES / PAGEBLOCK_BYTES - 1;
	void *addrs[2 * NR_BLOCKS];
	json_t *plan;

	(void)state;
	plan = plan_of("9");
	assert_number(plan, "held_blocks", 0);
	assert_int_equal(json_array_size(json_object_get(plan, "blocks")), 0);
	json_decref(plan);

	/* All but half a pageblock; outside of the area nothing is left. */
	fill_outside_the_area(addrs);
	for (size_t i = 0; i < nr_blocks; i++)
		assert_non_null(pp_alloc_pages(pool, PAGEBLOCK_ORDER - 1, PP_MOVABLE));
	plan = plan_of("9");
	assert_number(plan, "order", 9);
	assert_number(plan, "held_blocks", 1);
	assert_number(plan, "held_bytes", PAGEBLOCK_BYTES / 2);
	assert_int_equal(json_array_size(json_object_get(plan, "blocks")), 1);
	assert_number(json_array_get(json_object_get(plan, "blocks"), 0), "order", 8);
	json_decref(plan);
	plan = plan_of("11"); /* the whole area */
	assert_number(plan, "held_blocks", (long long)nr_blocks);
	assert_int_equal(json_array_size(json_object_get(plan, "blocks")), nr_blocks);
	json_decref(plan);
}

static void test_mobility_a_block_larger_than_the_area_is_refused(void **state)
{
	struct run_result result;

	(void)state;
	pagepoolctl_run(&result, server.socket, "blocks --pool default --in-the-way 12");
	assert_int_equal(result.exit_status, 1);
	assert_contains(result.err, "contiguous area");
	run_result_deinit(&result);
	pagepoolctl_run(&result, server.socket, "blocks --pool default --in-the-way 9 --node 7");
	assert_int_equal(result.exit_status, 1);
	assert_contains(result.err, "no node 7");
	run_result_deinit(&result);
	pagepoolctl_run(&result, server.socket, "blocks --pool other --in-the-way 9");
	assert_int_equal(result.exit_status, 1);
	assert_contains(result.err, "there is no pool 'other'");
	run_result_deinit(&result);
}

int main(void)
{
#define MOBILITY_TEST(name) cmocka_unit_test_setup_teardown(name, open_pool, close_pool)
	const struct CMUnitTest tests[] = {
		MOBILITY_TEST(test_mobility_types_share_no_pageblock),
		MOBILITY_TEST(test_mobility_unmovable_blocks_stay_out_of_the_contiguous_area),
		MOBILITY_TEST(test_mobility_tells_what_is_in_the_way),
		MOBILITY_TEST(test_mobility_a_block_larger_than_the_area_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
