/* SPDX-License-Identifier: MIT */
/*
 * The limits of what a message may hold: what is beyond them is refused in words, and all that is
 * within them fits a frame and the decoder's memory.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "proto/message.h"
#include "support/codec_fixture.h"

static void test_codec_refuses_long_and_unprintable_names(void **state)
{
	char name[MESSAGE_NAME_BYTES_MAX + 2];
	struct message message = { .id = 1, .type = MESSAGE_HELLO, .u.hello.name = name };

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_non_null(strstr(codec_fixture_refusal(&message), "name"));
	name[MESSAGE_NAME_BYTES_MAX] = '\0';
	codec_fixture_assert_taken(&message, &message);
	message.u.hello.name = "red\x1b[31m";
	assert_non_null(strstr(codec_fixture_refusal(&message), "printable"));
	message.u.hello.name = "latin\xe9";
	assert_non_null(strstr(codec_fixture_refusal(&message), "UTF-8"));
	message = (struct message){ .id = 1, .type = MESSAGE_LIST_BLOCKS };
	message.u.list_blocks.pool = "two\nlines";
	assert_non_null(strstr(codec_fixture_refusal(&message), "printable"));
}

static void test_codec_refuses_long_texts(void **state)
{
	static char text[MESSAGE_TEXT_BYTES_MAX + 2];
	struct message message = { .id = 1, .error = text };

	(void)state;
	memset(text, 't', sizeof(text) - 1);
	assert_non_null(strstr(codec_fixture_refusal(&message), "text"));
	text[MESSAGE_TEXT_BYTES_MAX] = '\0';
	codec_fixture_assert_taken(&message, &message);
}

static void test_codec_refuses_long_and_unprintable_lines(void **state)
{
	static const char *lines[MESSAGE_LINES_MAX + 1];
	struct message message = { .type = MESSAGE_RELOAD_RESULT };

	(void)state;
	for (size_t i = 0; i <= MESSAGE_LINES_MAX; i++)
		lines[i] = "pool 'default': size 1G";
	message.u.reload_result.lines = lines;
	message.u.reload_result.nr_lines = MESSAGE_LINES_MAX + 1;
	assert_string_equal(codec_fixture_refusal(&message), "too many lines");
	message.u.reload_result.nr_lines = 2;
	lines[1] = "two\nlines";
	assert_non_null(strstr(codec_fixture_refusal(&message), "printable"));
	lines[1] = "";
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.reload_result.nr_lines, 2);
	assert_string_equal(message.u.reload_result.lines[0], lines[0]);
	assert_string_equal(message.u.reload_result.lines[1], "");
}

static void test_codec_refuses_odd_and_long_run_lists(void **state)
{
	static const uint8_t half_a_run[] = { 0x08, 0x01, 0x3a, 0x0a, 0x1a, 0x08, 1,
					      2,    3,    4,    5,    6,    7,    8 };
	static struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX + 1];
	struct message message = { .id = 1, .type = MESSAGE_FREE };
	const char *why = NULL;

	(void)state;
	assert_int_equal(
		codec_decode_request(half_a_run, sizeof(half_a_run), &frame_arena, &message, &why),
		-EBADMSG);
	assert_non_null(strstr(why, "half"));
	message.u.free.runs = runs;
	message.u.free.nr_runs = MESSAGE_BATCH_BLOCKS_MAX + 1;
	assert_string_equal(codec_fixture_refusal(&message), "too many runs");
	message.u.free.nr_runs = MESSAGE_BATCH_BLOCKS_MAX;
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.free.nr_runs, MESSAGE_BATCH_BLOCKS_MAX);
}

/* A message of this type whose list has an entry more than it may have: all those of the array. */
#define assert_too_many(message_type, list, nr_list, entries, why)                                 \
	do {                                                                                       \
		struct message long_one = { .type = message_type };                                \
		long_one.u.list = entries;                                                         \
		long_one.u.nr_list = sizeof(entries) / sizeof(entries[0]);                         \
		assert_string_equal(codec_fixture_refusal(&long_one), why);                        \
	} while (0)

static void test_codec_refuses_long_lists(void **state)
{
	static struct message_segment segments[MESSAGE_ZONES_MAX + 1];
	static struct message_pool_info pools[MESSAGE_POOLS_MAX + 1];
	static struct message_zone_info zones[MESSAGE_ZONES_MAX + 1];
	static struct message_client_info clients[MESSAGE_CLIENTS_MAX + 1];
	static struct message_block_info blocks[MESSAGE_BLOCKS_MAX + 1];
	static struct message_limit_info limits[MESSAGE_LIMITS_MAX + 1];
	static struct message_group_info groups[MESSAGE_NR_GROUPS + 1];
	static struct message_policy_info policies[MESSAGE_NR_POLICIES + 1];
	static struct message_cache_info caches[MESSAGE_CACHES_MAX + 1];
	static struct message_cache_row rows[MESSAGE_CACHES_MAX + 1];
	static struct message_object_fault faults[MESSAGE_FAULTS_MAX + 1];
	struct message message = { .type = MESSAGE_POOL_INFO };

	(void)state;
	assert_too_many(MESSAGE_POOL_OPENED, pool_opened.segments, pool_opened.nr_segments,
			segments, "too many segments");
	assert_too_many(MESSAGE_STATUS_INFO, status_info.pools, status_info.nr_pools, pools,
			"too many pools");
	assert_too_many(MESSAGE_POOL_INFO, pool_info.zones, pool_info.nr_zones, zones,
			"too many zones");
	assert_too_many(MESSAGE_CLIENT_LIST, client_list.clients, client_list.nr_clients, clients,
			"too many clients");
	assert_too_many(MESSAGE_BLOCK_LIST, block_list.blocks, block_list.nr_blocks, blocks,
			"too many blocks");
	assert_too_many(MESSAGE_CONTIGUOUS_PLAN, contiguous_plan.blocks, contiguous_plan.nr_blocks,
			blocks, "too many blocks");
	assert_too_many(MESSAGE_LIMIT_LIST, limit_list.limits, limit_list.nr_limits, limits,
			"too many limits");
	assert_too_many(MESSAGE_POOL_INFO, pool_info.policies, pool_info.nr_policies, policies,
			"too many policies");
	assert_too_many(MESSAGE_CACHE_TABLE, cache_table.caches, cache_table.nr_caches, caches,
			"too many caches");
	assert_too_many(MESSAGE_CACHE_LIST, cache_list.caches, cache_list.nr_caches, rows,
			"too many caches");
	assert_too_many(MESSAGE_OBJECT_FAULTS, object_faults.faults, object_faults.nr_faults,
			faults, "too many faults");
	zones[0].groups = groups;
	zones[0].nr_groups = MESSAGE_NR_GROUPS + 1;
	message.u.pool_info.zones = zones;
	message.u.pool_info.nr_zones = 1;
	assert_string_equal(codec_fixture_refusal(&message), "too many groups");
}

static void test_codec_refuses_too_many_orders(void **state)
{
	/* Reply: pool_info { zones { free_blocks: 20 ones } } */
	uint8_t reply[6 + 20] = { 0x32, 24, 0x2a, 22, 0x52, 20 };
	struct message message;
	const char *why = NULL;

	(void)state;
	memset(reply + 6, 1, 20);
	assert_int_equal(codec_decode_reply(reply, sizeof(reply), &frame_arena, &message, &why),
			 -EBADMSG);
	assert_string_equal(why, "too many orders");
	reply[1]--, reply[3]--, reply[5]--;
	assert_int_equal(codec_decode_reply(reply, sizeof(reply) - 1, &frame_arena, &message, &why),
			 0);
	assert_int_equal(message.u.pool_info.zones[0].free_blocks[MESSAGE_NR_ORDERS - 1], 1);
}

/* Many small fields cost the decoder much more than their bytes: refused, not exceeded. */
static void test_codec_refuses_what_its_arena_can_not_hold(void **state)
{
	struct message message;
	const char *why;

	(void)state;
	/* An event that fills the frame: sizeof(frame_bytes) - 4 == 0xfffc bytes of it. */
	frame_bytes[0] = 0x6a, frame_bytes[1] = 0xfc, frame_bytes[2] = 0xff, frame_bytes[3] = 0x03;
	for (size_t i = 4; i < sizeof(frame_bytes); i += 2) {
		frame_bytes[i] = 0x78; /* field 15, a varint: unknown here */
		frame_bytes[i + 1] = 0x01;
	}
	assert_int_equal(
		codec_decode_reply(frame_bytes, sizeof(frame_bytes), &frame_arena, &message, &why),
		-ENOMEM);
	assert_true(frame_arena.used_bytes <= CODEC_ARENA_BYTES);
}

/* The largest reports that the limits allow, as small on the wire as can be. */
static void test_codec_has_room_for_everything_within_the_limits(void **state)
{
	static struct message_pool_info pools[MESSAGE_POOLS_MAX];
	static struct message_zone_info zones[MESSAGE_ZONES_MAX];
	static struct message_group_info groups[MESSAGE_NR_GROUPS];
	static struct message_client_info clients[MESSAGE_CLIENTS_MAX];
	static struct message_block_info blocks[MESSAGE_BLOCKS_MAX];
	static struct message_limit_info limits[MESSAGE_LIMITS_MAX];
	struct message message = { .type = MESSAGE_STATUS_INFO };

	(void)state;
	for (size_t i = 0; i < MESSAGE_POOLS_MAX; i++)
		pools[i] =
			(struct message_pool_info){ .zones = zones, .nr_zones = MESSAGE_ZONES_MAX };
	message.u.status_info.pools = pools;
	message.u.status_info.nr_pools = MESSAGE_POOLS_MAX;
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.status_info.pools[MESSAGE_POOLS_MAX - 1].nr_zones,
			 MESSAGE_ZONES_MAX);

	for (size_t i = 0; i < MESSAGE_ZONES_MAX; i++) {
		zones[i].groups = groups;
		zones[i].nr_groups = MESSAGE_NR_GROUPS;
	}
	message = (struct message){ .type = MESSAGE_POOL_INFO };
	message.u.pool_info = pools[0];
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.pool_info.zones[MESSAGE_ZONES_MAX - 1].nr_groups,
			 MESSAGE_NR_GROUPS);

	message = (struct message){ .type = MESSAGE_CLIENT_LIST };
	for (size_t i = 0; i < MESSAGE_CLIENTS_MAX; i++)
		clients[i].name = "a name that has as many bytes as a name may have: sixty-three b";
	message.u.client_list.clients = clients;
	message.u.client_list.nr_clients = MESSAGE_CLIENTS_MAX;
	assert_int_equal(strlen(clients[0].name), MESSAGE_NAME_BYTES_MAX);
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.client_list.nr_clients, MESSAGE_CLIENTS_MAX);

	message = (struct message){ .type = MESSAGE_BLOCK_LIST };
	for (size_t i = 0; i < MESSAGE_BLOCKS_MAX; i++)
		blocks[i] = (struct message_block_info){
			.pool = "default", .zone = "node0", .page = UINT64_MAX, .order = UINT32_MAX
		};
	message.u.block_list.blocks = blocks;
	message.u.block_list.nr_blocks = MESSAGE_BLOCKS_MAX;
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.block_list.nr_blocks, MESSAGE_BLOCKS_MAX);

	message = (struct message){ .type = MESSAGE_LIMIT_LIST };
	for (size_t i = 0; i < MESSAGE_LIMITS_MAX; i++)
		limits[i] = (struct message_limit_info){
			.pool = clients[0].name,
			.kind = "client",
			.name = clients[0].name,
			.max_bytes = UINT64_MAX,
			.used_bytes = UINT64_MAX,
		};
	message.u.limit_list.limits = limits;
	message.u.limit_list.nr_limits = MESSAGE_LIMITS_MAX;
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.limit_list.nr_limits, MESSAGE_LIMITS_MAX);
}

static void test_codec_says_when_a_report_is_too_long(void **state)
{
	static struct message_zone_info zones[MESSAGE_ZONES_MAX];
	static struct message_pool_info pools[MESSAGE_POOLS_MAX];
	struct message message = { .type = MESSAGE_STATUS_INFO };

	(void)state;
	for (size_t i = 0; i < MESSAGE_ZONES_MAX; i++)
		memset(zones[i].free_blocks, 0xff, sizeof(zones[i].free_blocks));
	for (size_t i = 0; i < MESSAGE_POOLS_MAX; i++)
		pools[i] =
			(struct message_pool_info){ .zones = zones, .nr_zones = MESSAGE_ZONES_MAX };
	message.u.status_info.pools = pools;
	message.u.status_info.nr_pools = MESSAGE_POOLS_MAX;
	assert_int_equal(codec_encode_reply(&message, frame_bytes, sizeof(frame_bytes)), -EMSGSIZE);
	message.u.status_info.nr_pools = 1;
	assert_true(codec_encode_reply(&message, frame_bytes, sizeof(frame_bytes)) > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codec_refuses_long_and_unprintable_names),
		cmocka_unit_test(test_codec_refuses_long_texts),
		cmocka_unit_test(test_codec_refuses_long_and_unprintable_lines),
		cmocka_unit_test(test_codec_refuses_odd_and_long_run_lists),
		cmocka_unit_test(test_codec_refuses_long_lists),
		cmocka_unit_test(test_codec_refuses_too_many_orders),
		cmocka_unit_test(test_codec_refuses_what_its_arena_can_not_hold),
		cmocka_unit_test(test_codec_has_room_for_everything_within_the_limits),
		cmocka_unit_test(test_codec_says_when_a_report_is_too_long),
	};

	return cmocka_run_group_tests(tests, codec_fixture_setup, codec_fixture_teardown);
}
