/* SPDX-License-Identifier: MIT */
/* Requests about caches: who may make and unmake them, and what can't be. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cache.h"
#include "support/service_fixture.h"

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

static struct message make_create(uint32_t pool, const char *name, uint32_t object_bytes)
{
	struct message request = { .type = MESSAGE_CREATE_CACHE };

	request.u.create_cache.pool = pool;
	request.u.create_cache.name = name;
	request.u.create_cache.object_bytes = object_bytes;
	return request;
}

static struct message make_destroy(uint32_t pool, uint32_t cache)
{
	struct message request = { .type = MESSAGE_DESTROY_CACHE };

	request.u.destroy_cache.pool = pool;
	request.u.destroy_cache.cache = cache;
	return request;
}

static struct message make_shrink(uint32_t pool, uint32_t cache)
{
	struct message request = { .type = MESSAGE_SHRINK_CACHE };

	request.u.shrink_cache.pool = pool;
	request.u.shrink_cache.cache = cache;
	return request;
}

static struct message make_general(uint32_t pool)
{
	struct message request = { .type = MESSAGE_GENERAL_CACHES };

	request.u.general_caches.pool = pool;
	return request;
}

static void test_cache_is_the_pools_and_not_its_makers(void **state)
{
	struct fixture_client *maker = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(*state, FIXTURE_UID_READER);
	struct message request = make_create(fixture_open(maker, FIXTURE_POOL, false), "x", 100);
	const struct message *reply = fixture_call(maker, &request);

	assert_int_equal(reply->type, MESSAGE_CACHE_OPENED);
	assert_int_equal(reply->u.cache_opened.object_bytes, 100);
	assert_int_equal(reply->u.cache_opened.stride_bytes, 104);
	assert_int_equal(reply->u.cache_opened.flags, 0);
	uint32_t cache = reply->u.cache_opened.cache;
	fixture_client_free(maker);
	request.u.create_cache.pool = fixture_open(other, FIXTURE_POOL, false);
	request.u.create_cache.align = 8; /* which is what 0 stands for */
	assert_int_equal(fixture_call(other, &request)->u.cache_opened.cache, cache);
	fixture_client_free(other);
}

static void test_cache_that_can_not_be_is_refused(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = make_create(pool, "", 100);

	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "a name");
	request = make_create(pool, "malloc-100", 100);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "begin with 'malloc-'");
	request = make_create(pool, "x", 0);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "not 0 bytes");
	request = make_create(pool, "x", CACHE_OBJECT_BYTES_MAX + 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "1 to 2097152 bytes");
	request = make_create(pool, "x", 100);
	request.u.create_cache.align = 12;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "multiples of 12");
	request.u.create_cache.align = 8192;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "multiples of 8192");
	request = make_create(pool, "x", 100);
	request.u.create_cache.flags = MESSAGE_CACHE_CTOR | 0x30;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "0x30");
	request = make_create(pool, "x", CACHE_OBJECT_BYTES_MAX);
	request.u.create_cache.flags = MESSAGE_CACHE_DEBUG; /* the red zones need a larger block */
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "order 10, above this pool's largest, 9");
	request.u.create_cache.flags = 0;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	fixture_client_free(client);
}

static void test_cache_of_a_name_is_one(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = make_create(pool, "x", 100);

	fixture_make_cache(client, pool, "x", 100, MESSAGE_CACHE_CTOR);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_EXISTS,
			       "cache 'x' was made otherwise: of 100 bytes at multiples of 8, "
			       "unmovable, with constructor");
	request.u.create_cache.flags = MESSAGE_CACHE_CTOR;
	request.u.create_cache.mobility = MESSAGE_MOVABLE;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_EXISTS);
	request.u.create_cache.mobility = MESSAGE_UNMOVABLE;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	/* In another pool it is another. */
	request = make_create(fixture_open(client, FIXTURE_POOL_READ, false), "x", 64);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	fixture_client_free(client);
}

static void test_cache_needs_a_pool_that_may_be_written(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *reader = fixture_client_greeted(*state, FIXTURE_UID_READER);
	uint32_t pool = fixture_open(client, FIXTURE_POOL_READ, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 100, 0);
	struct message create = make_create(pool, "x", 100), destroy = make_destroy(pool, cache);
	struct message shrink = make_shrink(pool, cache), general = make_general(pool);

	fixture_assert_refused(fixture_call(reader, &create), MESSAGE_STATUS_NOT_FOUND, "not open");
	fixture_assert_refused(fixture_call(reader, &destroy), MESSAGE_STATUS_NOT_FOUND,
			       "not open");
	fixture_assert_refused(fixture_call(reader, &shrink), MESSAGE_STATUS_NOT_FOUND, "not open");
	fixture_assert_refused(fixture_call(reader, &general), MESSAGE_STATUS_NOT_FOUND,
			       "not open");
	pool = fixture_open(reader, FIXTURE_POOL_READ, true);
	create = make_create(pool, "x", 100);
	destroy = make_destroy(pool, cache);
	shrink = make_shrink(pool, cache);
	general = make_general(pool);
	fixture_assert_refused(fixture_call(reader, &create), MESSAGE_STATUS_ACCESS, "reading");
	fixture_assert_refused(fixture_call(reader, &destroy), MESSAGE_STATUS_ACCESS, "reading");
	fixture_assert_refused(fixture_call(reader, &shrink), MESSAGE_STATUS_ACCESS, "reading");
	assert_int_equal(fixture_call(reader, &general)->type, MESSAGE_CACHE_TABLE);
	fixture_client_free(reader);
	fixture_client_free(client);
}

static void test_cache_table_has_an_end(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request;
	char name[16];

	for (unsigned i = CACHE_NR_GENERAL; i < CACHES_MAX; i++) {
		snprintf(name, sizeof(name), "cache %u", i);
		fixture_make_cache(client, pool, name, 32, 0);
	}
	request = make_create(pool, "one more", 32);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_LIMIT,
			       "as many caches as it can have, 1024");
	fixture_client_free(client);
}

static void test_cache_is_not_destroyed_while_objects_are_held(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 100, 0);
	struct message destroy = make_destroy(pool, cache), shrink = make_shrink(pool, cache);
	struct message request = fixture_alloc_objects(pool, cache, 3);

	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(fixture_count_objects(reply), 3);
	const struct message_run run = reply->u.granted_objects.runs[0];
	fixture_assert_refused(fixture_call(client, &destroy), MESSAGE_STATUS_BUSY,
			       "3 objects of cache 'x' are held");
	request = fixture_free_objects(pool, cache, &run, 1);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_call(client, &destroy)->status, MESSAGE_STATUS_OK);

	fixture_assert_refused(fixture_call(client, &destroy), MESSAGE_STATUS_NOT_FOUND,
			       "was destroyed");
	fixture_assert_refused(fixture_call(client, &shrink), MESSAGE_STATUS_NOT_FOUND,
			       "destroyed");
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND,
			       "destroyed");
	request = fixture_alloc_objects(pool, cache, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND,
			       "destroyed");
	/* Whoever has its place is not taken for it. */
	uint32_t next = fixture_make_cache(client, pool, "x", 100, 0);
	assert_int_equal(next & (CACHES_MAX - 1), cache & (CACHES_MAX - 1));
	assert_int_not_equal(next, cache);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_NOT_FOUND);
	fixture_client_free(client);
}

static void test_cache_with_two_names_loses_one(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t first = fixture_make_cache(client, pool, "first", 100, MESSAGE_CACHE_MERGE);
	uint32_t second = fixture_make_cache(client, pool, "second", 100, MESSAGE_CACHE_MERGE);
	struct message request = fixture_alloc_objects(pool, first, 2);

	assert_int_not_equal(first, second);
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(fixture_count_objects(reply), 2);
	const struct message_run run = reply->u.granted_objects.runs[0];
	request = make_destroy(pool, first);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	request = make_destroy(pool, second);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_BUSY, "2 objects");
	request = fixture_free_objects(pool, second, &run, 1);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	request = make_destroy(pool, second);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	fixture_client_free(client);
}

static void test_cache_shrinks_by_its_empty_slabs(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message create = make_create(pool, "x", 1024);
	const struct message *reply = fixture_call(client, &create);
	uint32_t cache = reply->u.cache_opened.cache;
	uint64_t slab_pages = UINT64_C(1) << reply->u.cache_opened.slab_order;
	struct message request = fixture_alloc_objects(pool, cache, 1);
	struct message shrink = make_shrink(pool, cache);

	const struct message_run run = fixture_call(client, &request)->u.granted_objects.runs[0];
	assert_int_equal(fixture_call(client, &shrink)->u.cache_shrunk.pages, 0);
	request = fixture_free_objects(pool, cache, &run, 1);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	reply = fixture_call(client, &shrink);
	assert_int_equal(reply->type, MESSAGE_CACHE_SHRUNK);
	assert_int_equal(reply->u.cache_shrunk.pages, slab_pages);
	assert_int_equal(fixture_call(client, &shrink)->u.cache_shrunk.pages, 0);
	fixture_client_free(client);
}

static void test_cache_general_ones_are_there_and_stay(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = make_general(pool);
	const struct message *reply = fixture_call(client, &request);
	const struct message_cache_info *infos = reply->u.cache_table.caches;

	assert_int_equal(reply->type, MESSAGE_CACHE_TABLE);
	assert_int_equal(reply->u.cache_table.nr_caches, CACHE_NR_GENERAL);
	assert_int_equal(infos[0].object_bytes, 16);
	assert_int_equal(infos[CACHE_NR_GENERAL - 1].object_bytes, 32768);
	for (unsigned i = 1; i < CACHE_NR_GENERAL; i++)
		assert_true(infos[i].object_bytes > infos[i - 1].object_bytes);
	uint32_t cache = infos[3].cache;
	request = fixture_alloc_objects(pool, cache, 5);
	assert_int_equal(fixture_count_objects(fixture_call(client, &request)), 5);
	request = make_destroy(pool, cache);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "cache 'malloc-64' is the pool's own");
	request = make_shrink(pool, cache);
	assert_int_equal(fixture_call(client, &request)->type, MESSAGE_CACHE_SHRUNK);
	fixture_client_free(client);
}

static void test_cache_of_a_debug_pool_is_one_for_debugging(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	struct message request;

	fixture->pools[0].debug_objects = true;
	request = make_create(fixture_open(client, FIXTURE_POOL, false), "x", 100);
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(reply->u.cache_opened.flags, MESSAGE_CACHE_DEBUG);
	assert_int_equal(reply->u.cache_opened.stride_bytes, 136);
	request = make_create(fixture_open(client, FIXTURE_POOL_READ, false), "x", 100);
	assert_int_equal(fixture_call(client, &request)->u.cache_opened.flags, 0);
	fixture_client_free(client);
}

#define CACHE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHE_TEST(test_cache_is_the_pools_and_not_its_makers),
		CACHE_TEST(test_cache_that_can_not_be_is_refused),
		CACHE_TEST(test_cache_of_a_name_is_one),
		CACHE_TEST(test_cache_needs_a_pool_that_may_be_written),
		CACHE_TEST(test_cache_table_has_an_end),
		CACHE_TEST(test_cache_is_not_destroyed_while_objects_are_held),
		CACHE_TEST(test_cache_with_two_names_loses_one),
		CACHE_TEST(test_cache_shrinks_by_its_empty_slabs),
		CACHE_TEST(test_cache_general_ones_are_there_and_stay),
		CACHE_TEST(test_cache_of_a_debug_pool_is_one_for_debugging),
	};

	return cmocka_run_group_tests_name("handler_cache", tests, NULL, NULL);
}
