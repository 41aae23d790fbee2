/* SPDX-License-Identifier: MIT */
/* Requests that show what there is: status, clients, blocks, check. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/service_fixture.h"

#define MANY_CLIENTS (MESSAGE_CLIENTS_MAX + 44u)

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

static void take_blocks(struct fixture_client *client, uint32_t pool, unsigned order,
			uint32_t count)
{
	struct message request = { .type = MESSAGE_ALLOC };

	request.u.alloc.pool = pool;
	request.u.alloc.order = order;
	request.u.alloc.count = count;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
}

static void test_list_status_tells_pools_and_clients(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_GET_STATUS, .u.get_status.pool = "" };

	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(reply->type, MESSAGE_STATUS_INFO);
	assert_int_equal(reply->u.status_info.clients, 2);
	assert_int_equal(reply->u.status_info.pid, getpid());
	assert_string_equal(reply->u.status_info.version, PAGEPOOL_VERSION);
	assert_int_equal(reply->u.status_info.nr_pools, 3);
	assert_string_equal(reply->u.status_info.pools[2].name, FIXTURE_POOL_CLOSED);
	assert_string_equal(reply->u.status_info.pools[2].zones[0].name, "node0");
	fixture_client_free(client);
	fixture_client_free(other);
}

static void test_list_status_tells_pressure(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	struct message request = { .type = MESSAGE_GET_STATUS, .u.get_status.pool = "" };
	struct message alloc = { .type = MESSAGE_ALLOC };
	const struct zone_watermarks marks = { .min = FIXTURE_ZONE_PAGES - 3,
					       .low = FIXTURE_ZONE_PAGES - 2,
					       .high = FIXTURE_ZONE_PAGES - 2 };
	const enum message_pressure expected[] = { MESSAGE_PRESSURE_NONE, MESSAGE_PRESSURE_NONE,
						   MESSAGE_PRESSURE_LOW, MESSAGE_PRESSURE_MIN };

	zone_set_watermarks(fixture->service.pools.pools[0].zones[0].zone, &marks);
	alloc.u.alloc.pool = fixture_open(client, FIXTURE_POOL, false);
	alloc.u.alloc.count = 1;
	alloc.u.alloc.placement.policy = MESSAGE_POLICY_BIND;
	alloc.u.alloc.placement.high = true;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct message *reply = fixture_call(client, &request);

		assert_int_equal(reply->u.status_info.pools[0].zones[0].pressure, expected[i]);
		assert_int_equal(reply->u.status_info.pools[0].zones[1].pressure,
				 MESSAGE_PRESSURE_NONE);
		assert_int_equal(fixture_call(client, &alloc)->status, MESSAGE_STATUS_OK);
	}
	fixture_client_free(client);
}

static void test_list_status_of_one_pool(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_GET_STATUS };

	request.u.get_status.pool = FIXTURE_POOL_CLOSED;
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(reply->u.status_info.nr_pools, 1);
	assert_string_equal(reply->u.status_info.pools[0].name, FIXTURE_POOL_CLOSED);
	assert_int_equal(reply->u.status_info.pools[0].zones[1].nr_groups, 0);
	request.u.get_status.pool = "other";
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND, "other");
	request.u.get_status.pool = "";
	request.u.get_status.groups = true;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "one pool");
	fixture_client_free(client);
}

static void take_movable_block(struct fixture_client *client, uint32_t pool)
{
	struct message request = { .type = MESSAGE_ALLOC };

	request.u.alloc.pool = pool;
	request.u.alloc.count = 1;
	request.u.alloc.placement.mobility = MESSAGE_MOVABLE;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
}

/* Of the two pageblocks of a zone one becomes movable, the other unmovable. */
static void test_list_status_tells_groups(void **state)
{
	static const uint64_t pageblocks[MESSAGE_NR_GROUPS] = {
		[MESSAGE_GROUP_UNMOVABLE] = 1, [MESSAGE_GROUP_MOVABLE] = 1
	};
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request = { .type = MESSAGE_GET_STATUS };

	take_movable_block(client, pool);
	take_blocks(client, pool, 0, 1);
	request.u.get_status.pool = FIXTURE_POOL;
	request.u.get_status.groups = true;
	const struct message *reply = fixture_call(client, &request);
	const struct message_zone_info *zones = reply->u.status_info.pools[0].zones;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(zones[i].nr_groups, MESSAGE_NR_GROUPS);
		for (uint32_t group = 0; group < MESSAGE_NR_GROUPS; group++)
			assert_int_equal(zones[i].groups[group].group, group);
	}
	for (uint32_t group = 0; group < MESSAGE_NR_GROUPS; group++)
		assert_int_equal(zones[0].groups[group].pageblocks, pageblocks[group]);
	for (unsigned order = 0; order < 9; order++) {
		assert_int_equal(zones[0].groups[MESSAGE_GROUP_MOVABLE].free_blocks[order], 1);
		assert_int_equal(zones[0].groups[MESSAGE_GROUP_UNMOVABLE].free_blocks[order], 1);
		assert_int_equal(zones[0].free_blocks[order], 2);
	}
	assert_int_equal(zones[1].groups[MESSAGE_GROUP_FREE].pageblocks, 2);
	assert_int_equal(zones[1].groups[MESSAGE_GROUP_FREE].free_blocks[9], 2);
	fixture_client_free(client);
}

static void test_list_plan_refuses_what_is_not_there(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_PLAN_CONTIGUOUS };

	request.u.plan_contiguous.pool = "other";
	request.u.plan_contiguous.order = 9;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND, "other");
	request.u.plan_contiguous.pool = FIXTURE_POOL;
	request.u.plan_contiguous.node = 2;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND, "node 2");
	request.u.plan_contiguous.node = 1;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NO_MEMORY,
			       "contiguous area of node1");
	request.u.plan_contiguous.order = UINT32_MAX;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NO_MEMORY,
			       "4294967295");
	fixture_client_free(client);
}

/* In how many parts a request is served. */
static unsigned count_parts(struct fixture_client *client, struct message *request)
{
	unsigned nr_parts = 1;

	while (fixture_serve(client, request) == SESSION_MORE)
		nr_parts++;
	return nr_parts;
}

static void test_list_status_of_large_zones_takes_several_rounds(void **state)
{
	const uint32_t zone_pages = UINT32_C(1) << 23;
	struct fixture *fixture = fixture_new_large(zone_pages);
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	struct message status = { .type = MESSAGE_GET_STATUS, .u.get_status.pool = "" },
		       stat = { .type = MESSAGE_POOL_STAT };

	(void)state;
	stat.u.pool_stat.pool = fixture_open(client, FIXTURE_POOL, false);
	for (unsigned i = 0; i < 2; i++) { /* the second as the first */
		unsigned nr_replies = client->nr_replies;

		/* Of each of the two zones, some. */
		assert_in_range(count_parts(client, &status), 4, 64);
		assert_int_equal(client->nr_replies, nr_replies + 1);
		assert_int_equal(client->reply.u.status_info.pools[0].free_bytes,
				 2 * zone_pages * PAGE_BYTES);

		assert_in_range(count_parts(client, &stat), 4, 64);
		assert_int_equal(client->reply.u.pool_info.zones[1].free_blocks[FIXTURE_MAX_ORDER],
				 zone_pages >> FIXTURE_MAX_ORDER);
	}
	fixture_client_free(client);
	fixture_free(fixture);
}

static void test_list_clients_comes_in_parts(void **state)
{
	struct fixture_client *clients[MANY_CLIENTS];
	struct message request = { .type = MESSAGE_LIST_CLIENTS };
	bool is_seen[MANY_CLIENTS] = { false };
	unsigned nr_parts = 0;

	for (size_t i = 0; i < MANY_CLIENTS; i++)
		clients[i] = fixture_client_greeted(*state, FIXTURE_UID);
	take_blocks(clients[0], fixture_open(clients[0], FIXTURE_POOL, false), 1, 3);
	do {
		const struct message *reply = fixture_call(clients[0], &request);

		assert_int_equal(reply->type, MESSAGE_CLIENT_LIST);
		for (size_t i = 0; i < reply->u.client_list.nr_clients; i++) {
			const struct message_client_info *info = &reply->u.client_list.clients[i];

			for (size_t j = 0; j < MANY_CLIENTS; j++)
				if (clients[j]->client.slot == info->id) {
					assert_false(is_seen[j]);
					is_seen[j] = true;
				}
			assert_string_equal(info->name, "fixture");
			assert_int_equal(info->uid, FIXTURE_UID);
			assert_int_equal(info->held_bytes,
					 info->id == clients[0]->client.slot ? 6 * PAGE_BYTES : 0);
		}
		request.u.list_clients.start = reply->u.client_list.next;
		nr_parts++;
	} while (request.u.list_clients.start);
	assert_int_equal(nr_parts, 2);
	for (size_t i = 0; i < MANY_CLIENTS; i++) {
		assert_true(is_seen[i]);
		fixture_client_free(clients[i]);
	}
}

static void test_list_clients_bears_any_cursor(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_LIST_CLIENTS };

	request.u.list_clients.start = UINT64_MAX;
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(reply->status, MESSAGE_STATUS_OK);
	assert_int_equal(reply->u.client_list.nr_clients, 0);
	assert_int_equal(reply->u.client_list.next, 0);
	fixture_client_free(client);
}

/* How many blocks a list names, over all its parts. */
static size_t count_blocks(struct fixture_client *asker, const char *pool, uint32_t client)
{
	struct message request = { .type = MESSAGE_LIST_BLOCKS };
	size_t nr_blocks = 0;

	request.u.list_blocks.pool = pool;
	request.u.list_blocks.client = client;
	do {
		const struct message *reply = fixture_call(asker, &request);

		assert_int_equal(reply->type, MESSAGE_BLOCK_LIST);
		for (size_t i = 0; i < reply->u.block_list.nr_blocks; i++) {
			const struct message_block_info *info = &reply->u.block_list.blocks[i];

			assert_int_equal(info->kind, WORD_PAGE);
			if (client)
				assert_int_equal(info->client, client);
			if (pool[0])
				assert_string_equal(info->pool, pool);
		}
		nr_blocks += reply->u.block_list.nr_blocks;
		request.u.list_blocks.start = reply->u.block_list.next;
	} while (request.u.list_blocks.start);
	return nr_blocks;
}

static void test_list_blocks_walks_all_pools_and_zones(void **state)
{
	struct fixture_client *one = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *two = fixture_client_greeted(*state, FIXTURE_UID);

	take_blocks(one, fixture_open(one, FIXTURE_POOL, false), 0, 1500); /* of both zones */
	take_blocks(one, fixture_open(one, FIXTURE_POOL_READ, false), 5, 3);
	take_blocks(two, fixture_open(two, FIXTURE_POOL, false), 2, 4);
	assert_int_equal(count_blocks(one, "", 0), 1507);
	assert_int_equal(count_blocks(one, "", one->client.slot), 1503);
	assert_int_equal(count_blocks(one, FIXTURE_POOL, one->client.slot), 1500);
	assert_int_equal(count_blocks(one, FIXTURE_POOL_READ, 0), 3);
	assert_int_equal(count_blocks(one, FIXTURE_POOL_CLOSED, 0), 0);
	assert_int_equal(count_blocks(one, FIXTURE_POOL, two->client.slot), 4);
	fixture_client_free(one);
	fixture_client_free(two);
}

static void test_list_blocks_refuses_what_is_not_there(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_LIST_BLOCKS };
	const uint64_t cursors[] = { 1, UINT32_MAX, UINT64_C(200) << 32, UINT64_C(99) << 40,
				     UINT64_MAX };

	request.u.list_blocks.pool = "nowhere";
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND, "nowhere");
	request.u.list_blocks.pool = "";
	request.u.list_blocks.client = client->client.slot + 1;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND, "client");
	request.u.list_blocks.client = UINT32_MAX;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND, "client");

	request.u.list_blocks.client = 0;
	for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
		request.u.list_blocks.start = cursors[i];
		const struct message *reply = fixture_call(client, &request);

		assert_int_equal(reply->status, MESSAGE_STATUS_OK);
		assert_int_equal(reply->u.block_list.nr_blocks, 0);
	}
	fixture_client_free(client);
}

static void test_list_check_is_clean_and_looks_at_all(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_CHECK };

	take_blocks(client, fixture_open(client, FIXTURE_POOL, false), 0, 777);
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(reply->status, MESSAGE_STATUS_OK);
	assert_int_equal(reply->type, MESSAGE_CHECK_RESULT);
	assert_int_equal(reply->u.check_result.pages, 3 * 2 * FIXTURE_ZONE_PAGES);
	assert_int_equal(reply->u.check_result.faults, 0);
	fixture_client_free(client);
}

static void test_list_check_finds_damage(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	struct message request = { .type = MESSAGE_CHECK };
	uint32_t *words = fixture->service.pools.pools[1].zones[1].zone->words;

	words[77] = word_make(WORD_PAGE, (struct word_owner){ .slot = 1 }, 0);
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(reply->status, MESSAGE_STATUS_OK);
	assert_int_equal(reply->u.check_result.faults, 1);
	assert_non_null(strstr(reply->u.check_result.first, "pool 'read' node1 page 77"));
	words[77] = 0;
	assert_int_equal(fixture_call(client, &request)->u.check_result.faults, 0);
	fixture_client_free(client);
}

static void test_list_check_is_one_a_client(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_CHECK };
	unsigned nr_replies = client->nr_replies;

	fixture_serve(client, &request);
	assert_int_equal(client->nr_replies, nr_replies);
	fixture_serve(client, &request);
	fixture_assert_refused(&client->reply, MESSAGE_STATUS_LIMIT, "running already");
	assert_int_equal(fixture_call(other, &request)->status, MESSAGE_STATUS_OK);
	fixture_await(client, nr_replies + 2);
	assert_int_equal(client->reply.status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	fixture_client_free(other);
	fixture_client_free(client);
}

#define LIST_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIST_TEST(test_list_status_tells_pools_and_clients),
		LIST_TEST(test_list_status_tells_pressure),
		LIST_TEST(test_list_status_of_one_pool),
		LIST_TEST(test_list_status_tells_groups),
		LIST_TEST(test_list_plan_refuses_what_is_not_there),
		cmocka_unit_test(test_list_status_of_large_zones_takes_several_rounds),
		LIST_TEST(test_list_clients_comes_in_parts),
		LIST_TEST(test_list_clients_bears_any_cursor),
		LIST_TEST(test_list_blocks_walks_all_pools_and_zones),
		LIST_TEST(test_list_blocks_refuses_what_is_not_there),
		LIST_TEST(test_list_check_is_clean_and_looks_at_all),
		LIST_TEST(test_list_check_finds_damage),
		LIST_TEST(test_list_check_is_one_a_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
