/* SPDX-License-Identifier: MIT */
/* Lists of caches, and of the slabs among the blocks. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache.h"
#include "core/word.h"
#include "core/zone.h"
#include "support/service_fixture.h"

#define MANY_CACHES (MESSAGE_CACHES_MAX + 20u)

static int setup(void **state)
{
	*state = fixture_new(SERVICE_COMMIT_TOUCH);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void take_objects(struct fixture_client *client, uint32_t pool, uint32_t cache,
			 uint32_t count)
{
	struct message request = fixture_alloc_objects(pool, cache, count);

	assert_int_equal(fixture_count_objects(fixture_call(client, &request)), count);
}

/* The caches of a pool, which fit one part. Valid until the client's next request. */
static const struct message_cache_row *list_caches(struct fixture_client *client, const char *pool,
						   size_t nr_expected)
{
	struct message request = { .type = MESSAGE_LIST_CACHES, .u.list_caches.pool = pool };
	const struct message *reply = fixture_call(client, &request);

	assert_int_equal(reply->type, MESSAGE_CACHE_LIST);
	assert_int_equal(reply->u.cache_list.next, 0);
	assert_int_equal(reply->u.cache_list.nr_caches, nr_expected);
	return reply->u.cache_list.caches;
}

static void test_list_caches_says_what_there_is_of_each(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = { .type = MESSAGE_CREATE_CACHE };

	list_caches(client, "", 0); /* general caches without a slab are not shown */
	request.u.create_cache.pool = pool;
	request.u.create_cache.name = "x";
	request.u.create_cache.object_bytes = 1000;
	request.u.create_cache.align = 64;
	request.u.create_cache.flags = MESSAGE_CACHE_CTOR;
	request.u.create_cache.mobility = MESSAGE_RECLAIMABLE;
	uint32_t cache = fixture_call(client, &request)->u.cache_opened.cache;
	take_objects(client, pool, cache, 33);

	const struct message_cache_row *row = list_caches(client, "", 1);
	assert_string_equal(row->pool, FIXTURE_POOL);
	assert_string_equal(row->name, "x");
	assert_string_equal(row->target, "");
	assert_int_equal(row->object_bytes, 1000);
	assert_int_equal(row->stride_bytes, 1024);
	assert_int_equal(row->align, 64);
	assert_int_equal(row->flags, MESSAGE_CACHE_CTOR);
	assert_int_equal(row->mobility, MESSAGE_RECLAIMABLE);
	assert_int_equal(row->slab_objects, (PAGE_BYTES << row->slab_order) / 1024);
	assert_int_equal(row->slab_waste_bytes, 0);
	assert_int_equal(row->objects_active, 33);
	assert_int_equal(row->objects_total,
			 (row->slabs_full + row->slabs_partial) * row->slab_objects);
	assert_int_equal(row->slabs_full, 33 / row->slab_objects);
	assert_int_equal(row->slabs_partial, 1);
	assert_int_equal(row->slabs_empty, 0);
	fixture_client_free(client);

	/* Empty slabs stay for a while, and so does the cache. */
	client = fixture_client_greeted(*state, FIXTURE_UID);
	row = list_caches(client, FIXTURE_POOL, 1);
	assert_int_equal(row->objects_active, 0);
	assert_true(row->slabs_empty > 0);
	list_caches(client, FIXTURE_POOL_READ, 0);
	fixture_client_free(client);
}

static void test_list_caches_shows_general_ones_in_use(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_GENERAL_CACHES };
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);

	request.u.general_caches.pool = pool;
	uint32_t cache = fixture_call(client, &request)->u.cache_table.caches[7].cache;
	take_objects(client, pool, cache, 3);
	const struct message_cache_row *row = list_caches(client, "", 1);
	assert_string_equal(row->name, "malloc-128");
	assert_int_equal(row->objects_active, 3);
	fixture_client_free(client);
}

static void test_list_caches_shows_whose_objects_a_name_stands_for(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);

	fixture_make_cache(client, pool, "first", 100, MESSAGE_CACHE_MERGE);
	uint32_t second = fixture_make_cache(client, pool, "second", 100, MESSAGE_CACHE_MERGE);
	take_objects(client, pool, second, 5);
	const struct message_cache_row *rows = list_caches(client, FIXTURE_POOL, 2);
	assert_string_equal(rows[0].name, "first");
	assert_string_equal(rows[0].target, "");
	assert_string_equal(rows[1].name, "second");
	assert_string_equal(rows[1].target, "first");
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rows[i].objects_active, 5);
	fixture_client_free(client);
}

/* The first of the other names stands for the cache then, also when the old one is made anew. */
static void test_list_caches_shows_a_cache_that_lost_its_name(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message destroy = { .type = MESSAGE_DESTROY_CACHE };

	uint32_t first = fixture_make_cache(client, pool, "first", 100, MESSAGE_CACHE_MERGE);
	uint32_t second = fixture_make_cache(client, pool, "second", 100, MESSAGE_CACHE_MERGE);
	fixture_make_cache(client, pool, "third", 100, MESSAGE_CACHE_MERGE);
	take_objects(client, pool, second, 5);
	destroy.u.destroy_cache.pool = pool;
	destroy.u.destroy_cache.cache = first;
	assert_int_equal(fixture_call(client, &destroy)->status, MESSAGE_STATUS_OK);
	fixture_make_cache(client, pool, "first", 200, 0);

	const struct message_cache_row *rows = list_caches(client, FIXTURE_POOL, 3);
	assert_string_equal(rows[0].name, "second");
	assert_string_equal(rows[0].target, "");
	assert_int_equal(rows[0].objects_active, 5);
	assert_string_equal(rows[1].name, "third");
	assert_string_equal(rows[1].target, "second");
	assert_string_equal(rows[2].name, "first");
	assert_string_equal(rows[2].target, "");
	assert_int_equal(rows[2].objects_active, 0);
	fixture_client_free(client);
}

static void test_list_caches_comes_in_parts(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t other = fixture_open(client, FIXTURE_POOL_READ, false);
	struct message request = { .type = MESSAGE_LIST_CACHES, .u.list_caches.pool = "" };
	const uint64_t cursors[] = { UINT64_C(3) << CACHE_NUMBER_BITS, UINT64_MAX };
	unsigned nr_parts = 0, nr_rows = 0;
	char name[16];

	for (unsigned i = 0; i < MANY_CACHES; i++) {
		snprintf(name, sizeof(name), "cache %u", i);
		fixture_make_cache(client, pool, name, 32, 0);
	}
	fixture_make_cache(client, other, "last", 32, 0);
	do {
		const struct message *reply = fixture_call(client, &request);

		for (size_t i = 0; i < reply->u.cache_list.nr_caches; i++, nr_rows++) {
			snprintf(name, sizeof(name), "cache %u", nr_rows);
			assert_string_equal(reply->u.cache_list.caches[i].name,
					    nr_rows < MANY_CACHES ? name : "last");
		}
		request.u.list_caches.start = reply->u.cache_list.next;
		nr_parts++;
	} while (request.u.list_caches.start);
	assert_int_equal(nr_parts, 2);
	assert_int_equal(nr_rows, MANY_CACHES + 1);

	for (unsigned i = 0; i < 2; i++) {
		request.u.list_caches.start = cursors[i];
		const struct message *reply = fixture_call(client, &request);

		assert_int_equal(reply->u.cache_list.nr_caches, 0);
		assert_int_equal(reply->u.cache_list.next, 0);
	}
	request.u.list_caches.pool = "nowhere";
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND, "nowhere");
	fixture_client_free(client);
}

/* The blocks of the first pool that a client holds something in, 0: all, which fit one part. */
static const struct message_block_info *list_blocks(struct fixture_client *asker, uint32_t client,
						    size_t nr_expected)
{
	struct message request = { .type = MESSAGE_LIST_BLOCKS };
	const struct message *reply;

	request.u.list_blocks.pool = FIXTURE_POOL;
	request.u.list_blocks.client = client;
	do {
		reply = fixture_call(asker, &request);
		request.u.list_blocks.start = reply->u.block_list.next;
	} while (reply->u.block_list.nr_blocks == 0 && request.u.list_blocks.start);
	assert_int_equal(reply->u.block_list.nr_blocks, nr_expected);
	return reply->u.block_list.blocks;
}

static void test_list_blocks_shows_slabs_by_cache(void **state)
{
	struct fixture_client *one = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *two = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *none = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(one, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(one, pool, "x", 100, 0);
	struct message page = { .type = MESSAGE_ALLOC, .u.alloc = { .pool = pool, .count = 1 } };

	fixture_open(two, FIXTURE_POOL, false);
	take_objects(one, pool, cache, 7);
	take_objects(two, pool, cache, 2);
	assert_int_equal(fixture_call(one, &page)->status, MESSAGE_STATUS_OK);

	const struct message_block_info *blocks = list_blocks(none, 0, 2);
	const struct message_block_info *slab = &blocks[blocks[0].kind == WORD_SLAB ? 0 : 1];
	const struct message_block_info *other = &blocks[blocks[0].kind == WORD_SLAB ? 1 : 0];
	assert_int_equal(slab->kind, WORD_SLAB);
	assert_string_equal(slab->cache, "x");
	assert_int_equal(slab->client, 0);
	assert_int_equal(slab->held_objects, 9);
	assert_int_equal(slab->objects, (PAGE_BYTES << slab->order) / 104);
	assert_int_equal(other->kind, WORD_PAGE);
	assert_int_equal(other->client, one->client.slot);
	assert_string_equal(other->cache, "");
	assert_int_equal(other->objects, 0);

	blocks = list_blocks(none, one->client.slot, 2);
	slab = &blocks[blocks[0].kind == WORD_SLAB ? 0 : 1];
	assert_int_equal(slab->held_objects, 7);
	assert_int_equal(list_blocks(none, two->client.slot, 1)->held_objects, 2);
	list_blocks(none, none->client.slot, 0);
	fixture_client_free(none);
	fixture_client_free(two);
	fixture_client_free(one);
}

/* Many slabs of one client's between those of the other: no part reads too much of them. */
static void test_list_blocks_of_a_client_reads_little_at_a_time(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *one = fixture_client_greeted(fixture, FIXTURE_UID);
	struct fixture_client *two = fixture_client_greeted(fixture, FIXTURE_UID);
	uint32_t pool = fixture_open(one, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(one, pool, "x", 16, 0);
	struct message request = { .type = MESSAGE_LIST_BLOCKS };
	uint32_t objects = 0;

	fixture_open(two, FIXTURE_POOL, false);
	take_objects(two, pool, cache, 1000);
	for (unsigned i = 0; i < 200; i++) /* 400,000 of 524,288: all of one zone, and more */
		take_objects(one, pool, cache, 2000);
	take_objects(two, pool, cache, 1000);
	request.u.list_blocks.pool = FIXTURE_POOL;
	request.u.list_blocks.client = two->client.slot;
	unsigned nr_parts = 0;
	do {
		const struct message *reply = fixture_call(one, &request);

		for (size_t i = 0; i < reply->u.block_list.nr_blocks; i++)
			objects += reply->u.block_list.blocks[i].held_objects;
		request.u.list_blocks.start = reply->u.block_list.next;
		nr_parts++;
	} while (request.u.list_blocks.start);
	assert_int_equal(objects, 2000);
	assert_true(nr_parts > 2);
	fixture_client_free(two);
	fixture_client_free(one);
}

static void test_list_check_looks_at_slabs(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	struct zone *zone = fixture->service.pools.pools[0].zones[0].zone;
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = { .type = MESSAGE_CHECK };

	take_objects(client, pool, fixture_make_cache(client, pool, "x", 16, 0), 10);
	assert_int_equal(fixture_call(client, &request)->u.check_result.faults, 0);
	uint32_t word = zone->slabs.words[0];
	zone->slabs.words[0] = 0; /* free, and not in the map */
	assert_int_equal(fixture_call(client, &request)->u.check_result.faults, 1);
	assert_non_null(strstr(client->fault, "pool 'default' node0 page"));
	zone->slabs.words[0] = word;
	assert_int_equal(fixture_call(client, &request)->u.check_result.faults, 0);
	fixture_client_free(client);
}

#define LIST_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIST_TEST(test_list_caches_says_what_there_is_of_each),
		LIST_TEST(test_list_caches_shows_general_ones_in_use),
		LIST_TEST(test_list_caches_shows_whose_objects_a_name_stands_for),
		LIST_TEST(test_list_caches_shows_a_cache_that_lost_its_name),
		LIST_TEST(test_list_caches_comes_in_parts),
		LIST_TEST(test_list_blocks_shows_slabs_by_cache),
		LIST_TEST(test_list_blocks_of_a_client_reads_little_at_a_time),
		LIST_TEST(test_list_check_looks_at_slabs),
	};

	return cmocka_run_group_tests_name("handler_list_objects", tests, NULL, NULL);
}
