/* SPDX-License-Identifier: MIT */
/*
 * Replies that come after their caller has given up: what they grant goes back to the daemon, and
 * to nobody else.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/open_fds.h"
#include "support/scripted.h"

#define ZONE_BYTES (1u << 20)
#define SHORT_MS 200 /* long enough for hello on a busy machine */
#define LONG_MS 10000

static void script_late_grants(struct scripted *daemon, void *data)
{
	struct message alloc, exact, request;
	struct message reply = { .type = MESSAGE_GRANTED_EXACT, .error = "" };

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_ALLOC, &alloc);
	scripted_expect(daemon, MESSAGE_ALLOC_EXACT, &exact);
	scripted_wait(daemon); /* both callers have given up */
	scripted_grant(daemon, alloc.id, 8, 0x3);
	scripted_expect(daemon, MESSAGE_FREE, &request);
	SCRIPT_CHECK(request.u.free.pool == 4 && request.u.free.order == 2);
	SCRIPT_CHECK(request.u.free.nr_runs == 1);
	SCRIPT_CHECK(request.u.free.runs[0].base == 8 && request.u.free.runs[0].mask == 0x3);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_INVALID); /* nobody cares */

	reply.id = exact.id;
	reply.u.granted_exact.page = 16;
	scripted_reply(daemon, &reply, NULL, 0);
	scripted_expect(daemon, MESSAGE_FREE_EXACT, &request);
	SCRIPT_CHECK(request.u.free_exact.pool == 4 && request.u.free_exact.page == 16);
	SCRIPT_CHECK(request.u.free_exact.nr_pages == 3);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);

	scripted_expect(daemon, MESSAGE_ALLOC, &alloc);
	scripted_grant(daemon, alloc.id, 5, 1);
	scripted_goodbye(daemon);
}

static void test_connection_late_grants_go_back(void **state)
{
	struct scripted daemon;
	struct pp_client *client;
	struct pp_pool *pool;
	int nr_served = 0;

	(void)state;
	scripted_start(&daemon, script_late_grants, NULL);
	client = scripted_connect(&daemon, SHORT_MS);
	pool = scripted_pool(client);
	assert_null(pp_alloc_pages(pool, 2, 0));
	assert_int_equal(errno, ETIMEDOUT);
	assert_null(pp_alloc_exact(pool, 3 * PP_PAGE_SIZE - 1, 0));
	assert_int_equal(errno, ETIMEDOUT);
	scripted_go(&daemon);
	while (nr_served < 4) { /* two grants and two answers to their frees */
		int n = pp_client_dispatch(client, LONG_MS);

		assert_in_range(n, 1, 4);
		nr_served += n;
	}
	assert_ptr_equal(pp_alloc_pages(pool, 0, 0), pp_from_offset(pool, 5 * PP_PAGE_SIZE));
	pp_client_free(client);
	scripted_finish(&daemon);
}

/* Objects that nobody has constructed go back as such. */
static void script_late_objects(struct scripted *daemon, void *data)
{
	const struct message_cache_info cache = {
		.cache = 9, .object_bytes = 32, .stride_bytes = 32, .slab_order = 0
	};
	const struct message_run runs[] = { { 64, 0x7 }, { 4096, 0x3 } };
	const uint64_t raw[] = { 0x5, 0 };
	struct message alloc, request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_open_cache(daemon, &cache);
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &alloc);
	scripted_wait(daemon);
	scripted_grant_objects(daemon, alloc.id, runs, 2, raw, 2);
	scripted_expect(daemon, MESSAGE_FREE_OBJECTS, &request);
	SCRIPT_CHECK(request.u.free_objects.pool == 4);
	SCRIPT_CHECK(request.u.free_objects.cache == MESSAGE_CACHE_ANY);
	SCRIPT_CHECK(request.u.free_objects.nr_runs == 2 && request.u.free_objects.nr_raw == 2);
	for (unsigned i = 0; i < 2; i++) {
		SCRIPT_CHECK(request.u.free_objects.runs[i].base == runs[i].base);
		SCRIPT_CHECK(request.u.free_objects.runs[i].mask == runs[i].mask);
		SCRIPT_CHECK(request.u.free_objects.raw[i] == raw[i]);
	}
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_goodbye(daemon);
}

static void construct_nothing(void *object)
{
	(void)object;
	fail_msg("nobody was granted anything");
}

static void test_connection_late_objects_go_back_raw(void **state)
{
	struct pp_cache_config config = { .struct_size = sizeof(config),
					  .name = "late",
					  .object_size = 32,
					  .ctor = construct_nothing };
	struct scripted daemon;
	struct pp_client *client;
	struct pp_cache *cache;
	struct pp_pool *pool;
	void *objects[5];
	int nr_served = 0;

	(void)state;
	scripted_start(&daemon, script_late_objects, NULL);
	client = scripted_connect(&daemon, SHORT_MS);
	pool = scripted_pool(client);
	assert_int_equal(pp_cache_create(pool, &config, &cache), 0);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 5), -ETIMEDOUT);
	assert_null(pp_pool_close(pool));
	scripted_go(&daemon);
	while (nr_served < 2) {
		int n = pp_client_dispatch(client, LONG_MS);

		assert_in_range(n, 1, 2);
		nr_served += n;
	}
	pp_client_free(client);
	scripted_finish(&daemon);
}

/* The late grant meets a caller that waits for something else, which must not get it. */
static void script_late_grant_amid_call(struct scripted *daemon, void *data)
{
	struct message first, second, request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_ALLOC, &first);
	scripted_expect(daemon, MESSAGE_ALLOC, &second);
	scripted_grant(daemon, first.id, 1, 1);
	scripted_expect(daemon, MESSAGE_FREE, &request);
	SCRIPT_CHECK(request.u.free.runs[0].base == 1 && request.u.free.runs[0].mask == 1);
	scripted_grant(daemon, second.id, 2, 1);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_goodbye(daemon);
}

static void test_connection_late_grant_is_not_the_next_callers(void **state)
{
	struct scripted daemon;
	struct pp_client *client;
	struct pp_pool *pool;
	void *addr;

	(void)state;
	scripted_start(&daemon, script_late_grant_amid_call, NULL);
	client = scripted_connect(&daemon, 500);
	pool = scripted_pool(client);
	assert_null(pp_alloc_pages(pool, 0, 0));
	assert_int_equal(errno, ETIMEDOUT);
	addr = pp_alloc_pages(pool, 0, 0);
	assert_non_null(addr);
	assert_int_equal(pp_to_offset(pool, addr), 2 * PP_PAGE_SIZE);
	pp_client_free(client);
	scripted_finish(&daemon);
}

static void script_late_pool(struct scripted *daemon, void *data)
{
	(void)data;
	scripted_welcome(daemon);
	scripted_wait(daemon);
	scripted_open_pool(daemon, 3, ZONE_BYTES);
	scripted_goodbye(daemon);
}

static void test_connection_late_pool_leaks_no_descriptor(void **state)
{
	unsigned nr_fds = open_fds_count();
	struct scripted daemon;
	struct pp_client *client;
	struct pp_pool *pool = NULL;

	(void)state;
	scripted_start(&daemon, script_late_pool, NULL);
	client = scripted_connect(&daemon, SHORT_MS);
	assert_int_equal(pp_pool_open(client, NULL, 0, &pool), -ETIMEDOUT);
	assert_null(pool);
	scripted_go(&daemon);
	assert_int_equal(pp_client_dispatch(client, LONG_MS), 1);
	pp_client_free(client);
	scripted_finish(&daemon);
	assert_int_equal(open_fds_count(), nr_fds);
}

/* A pool that late grants must go back to is not closed at the daemon. */
static void script_no_close(struct scripted *daemon, void *data)
{
	struct message alloc, request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_ALLOC, &alloc);
	scripted_wait(daemon);
	scripted_grant(daemon, alloc.id, 0, 1);
	scripted_expect(daemon, MESSAGE_FREE, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_goodbye(daemon);
}

static void test_connection_pool_stays_open_for_late_grants(void **state)
{
	struct scripted daemon;
	struct pp_client *client;
	struct pp_pool *pool;

	(void)state;
	scripted_start(&daemon, script_no_close, NULL);
	client = scripted_connect(&daemon, SHORT_MS);
	pool = scripted_pool(client);
	assert_null(pp_alloc_pages(pool, 0, 0));
	assert_null(pp_pool_close(pool));
	scripted_go(&daemon);
	assert_true(pp_client_dispatch(client, LONG_MS) >= 1);
	pp_client_free(client);
	scripted_finish(&daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection_late_grants_go_back),
		cmocka_unit_test(test_connection_late_objects_go_back_raw),
		cmocka_unit_test(test_connection_late_grant_is_not_the_next_callers),
		cmocka_unit_test(test_connection_late_pool_leaks_no_descriptor),
		cmocka_unit_test(test_connection_pool_stays_open_for_late_grants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
