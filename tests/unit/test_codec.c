/* SPDX-License-Identifier: MIT */
/*
 * Every message there and back with random contents, and everything that must be refused.
 * SEED=N in the environment repeats a run.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "support/random_message.h"

#define NR_ROUNDS 200
#define NR_FLIPS 4000
#define SOURCE_BYTES (4u * 1024u * 1024u)

static struct codec_arena arena, source_arena;
static uint8_t bytes[FRAME_BYTES_MAX];
static uint64_t seed;

static bool is_request(enum message_type type)
{
	return type >= MESSAGE_HELLO && type <= MESSAGE_PLAN_CONTIGUOUS;
}

static ptrdiff_t encode(const struct message *message, uint8_t *buf, size_t size_bytes)
{
	return is_request(message->type) ? codec_encode_request(message, buf, size_bytes)
					 : codec_encode_reply(message, buf, size_bytes);
}

static int decode(enum message_type type, const uint8_t *from, size_t size_bytes,
		  struct message *ret, const char **ret_why)
{
	return is_request(type) ? codec_decode_request(from, size_bytes, &arena, ret, ret_why)
				: codec_decode_reply(from, size_bytes, &arena, ret, ret_why);
}

/* Encodes and expects the decoder's refusal, which is returned. */
static const char *refusal(const struct message *message)
{
	ptrdiff_t n = encode(message, bytes, sizeof(bytes));
	struct message unchanged = { .id = 4711 };
	const char *why = NULL;

	assert_true(n > 0);
	assert_int_equal(decode(message->type, bytes, (size_t)n, &unchanged, &why), -EBADMSG);
	assert_int_equal(unchanged.id, 4711);
	assert_non_null(why);
	return why;
}

static void assert_taken(const struct message *message, struct message *ret)
{
	ptrdiff_t n = encode(message, bytes, sizeof(bytes));
	const char *why = "";

	assert_true(n >= 0);
	if (decode(message->type, bytes, (size_t)n, ret, &why) != 0)
		fail_msg("refused: %s", why);
}

/* A random message that fits a frame, encoded. */
static size_t random_bytes(enum message_type type, struct message *ret)
{
	ptrdiff_t n;

	do {
		random_message(&seed, type, &source_arena, ret);
		n = encode(ret, bytes, sizeof(bytes));
	} while (n == -EMSGSIZE);
	assert_true(n >= 0);
	return (size_t)n;
}

static void test_codec_round_trips_every_message(void **state)
{
	(void)state;
	for (enum message_type type = MESSAGE_NONE; type < MESSAGE_NR_TYPES; type++) {
		for (int round = 0; round < NR_ROUNDS; round++) {
			struct message sent, received;
			size_t n = random_bytes(type, &sent);
			const char *why = "";

			if (decode(type, bytes, n, &received, &why) != 0)
				fail_msg("type %d refused: %s", type, why);
			if (!message_is_equal(&sent, &received))
				fail_msg("type %d came out changed", type);
		}
	}
}

static void assert_encodes_as(const struct message *message, const uint8_t *want, size_t size_bytes)
{
	assert_int_equal(encode(message, bytes, sizeof(bytes)), size_bytes);
	assert_memory_equal(bytes, want, size_bytes);
}

/* The example of docs/PROTOCOL.md, without the frames' lengths. */
static void test_codec_speaks_as_its_manual_shows(void **state)
{
	static const uint8_t hello[] = "\x08\x01\x12\x0c\x08\x01\x10\x01\x22\x06"
				       "camera";
	static const uint8_t welcome[] =
		"\x08\x01\x22\x19\x08\x01\x18\x05\x22\x0c\x08\x80\x80\x04\x10\x80\x10\x18\x80\x02"
		"\x20\x3f\x2a\x05"
		"0.1.0";
	static const uint8_t alloc[] = "\x08\x07\x32\x0a\x08\x02\x10\x02\x18\x03\x22\x02\x08\x01";
	static const uint8_t granted[] = "\x08\x07\x3a\x12\x0a\x10\x00\x01\x00\x00\x00\x10\x00\x00"
					 "\x0b\x00\x00\x00\x00\x00\x00\x00";
	const struct message_run run = { .base = UINT64_C(1) << 44 | 256, .mask = 0xb };
	struct message message = { .id = 1, .type = MESSAGE_HELLO };

	(void)state;
	message.u.hello.version_min = 1;
	message.u.hello.version_max = 1;
	message.u.hello.name = "camera";
	assert_encodes_as(&message, hello, sizeof(hello) - 1);

	message = (struct message){ .id = 1, .type = MESSAGE_WELCOME };
	message.u.welcome.version = 1;
	message.u.welcome.client = 5;
	message.u.welcome.limits = (struct message_limits){ 65536, 2048, 256, 63 };
	message.u.welcome.daemon_version = "0.1.0";
	assert_encodes_as(&message, welcome, sizeof(welcome) - 1);

	message = (struct message){ .id = 7, .type = MESSAGE_ALLOC };
	message.u.alloc.pool = 2;
	message.u.alloc.order = 2;
	message.u.alloc.count = 3;
	message.u.alloc.placement.node = 1;
	assert_encodes_as(&message, alloc, sizeof(alloc) - 1);

	message = (struct message){ .id = 7, .type = MESSAGE_GRANTED };
	message.u.granted.runs = &run;
	message.u.granted.nr_runs = 1;
	assert_encodes_as(&message, granted, sizeof(granted) - 1);
}

static void test_codec_gives_defaults_to_what_is_absent(void **state)
{
	static const uint8_t id_and_empty_alloc[] = { 0x08, 0x01, 0x32, 0x00 };
	static const uint8_t id_and_empty_hello[] = { 0x08, 0x01, 0x12, 0x00 };
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(codec_decode_request(id_and_empty_alloc, sizeof(id_and_empty_alloc),
					      &arena, &message, &why),
			 0);
	assert_int_equal(message.type, MESSAGE_ALLOC);
	assert_int_equal(message.u.alloc.count, 0);
	assert_int_equal(message.u.alloc.placement.mobility, MESSAGE_UNMOVABLE);
	assert_false(message.u.alloc.placement.bind);
	assert_int_equal(codec_decode_request(id_and_empty_hello, sizeof(id_and_empty_hello),
					      &arena, &message, &why),
			 0);
	assert_string_equal(message.u.hello.name, "");
	/* No byte at all is a reply with defaults. */
	assert_int_equal(codec_decode_reply(bytes, 0, &arena, &message, &why), 0);
	assert_int_equal(message.type, MESSAGE_NONE);
	assert_int_equal(message.status, MESSAGE_STATUS_OK);
	assert_string_equal(message.error, "");
}

/* What a client says that knows of no policies. */
static void test_codec_understands_bind_without_a_policy(void **state)
{
	/* alloc { count: 1 placement { node: 1 bind: true } } */
	static const uint8_t older[] = { 0x08, 0x01, 0x32, 0x08, 0x18, 0x01,
					 0x22, 0x04, 0x08, 0x01, 0x10, 0x01 };
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(codec_decode_request(older, sizeof(older), &arena, &message, &why), 0);
	assert_int_equal(message.type, MESSAGE_ALLOC);
	assert_true(message.u.alloc.placement.bind);
	assert_int_equal(message.u.alloc.placement.node, 1);
	assert_int_equal(message.u.alloc.placement.policy, MESSAGE_POLICY_PREFERRED);
	assert_int_equal(message.u.alloc.placement.nodes, 0);
}

static void test_codec_takes_null_for_empty_strings(void **state)
{
	struct message message = { .id = 1, .type = MESSAGE_HELLO };

	(void)state;
	assert_taken(&message, &message);
	assert_string_equal(message.u.hello.name, "");
}

static void test_codec_encodes_each_side_only_its_own(void **state)
{
	(void)state;
	for (enum message_type type = MESSAGE_NONE; type < MESSAGE_NR_TYPES; type++) {
		struct message message;

		random_message(&seed, type, &source_arena, &message);
		if (is_request(type))
			assert_int_equal(codec_encode_reply(&message, bytes, sizeof(bytes)),
					 -EINVAL);
		else
			assert_int_equal(codec_encode_request(&message, bytes, sizeof(bytes)),
					 -EINVAL);
	}
	assert_int_equal(codec_encode_reply(&(struct message){ .type = MESSAGE_NR_TYPES }, bytes,
					    sizeof(bytes)),
			 -EINVAL);
}

static void test_codec_encodes_into_exactly_the_bytes_it_needs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NR_ROUNDS * MESSAGE_NR_TYPES / 4; i++) {
		struct message message;
		size_t n = random_bytes(i % MESSAGE_NR_TYPES, &message);
		uint8_t *tight = malloc(n > 0 ? n : 1); /* whose end a sanitizer guards */

		assert_non_null(tight);
		assert_int_equal(encode(&message, tight, n), n);
		assert_memory_equal(tight, bytes, n);
		if (n > 0)
			assert_int_equal(encode(&message, tight, n - 1), -EMSGSIZE);
		free(tight);
	}
}

/* A prefix may be a message of its own; it must never be read past its end. */
static void test_codec_survives_truncation_at_each_byte(void **state)
{
	(void)state;
	for (enum message_type type = MESSAGE_HELLO; type < MESSAGE_NR_TYPES; type++) {
		struct message message;
		size_t n = random_bytes(type, &message);

		for (size_t cut = 0; cut < n && cut < 2048; cut++) {
			uint8_t *tight = malloc(cut > 0 ? cut : 1);
			const char *why = NULL;
			int r;

			assert_non_null(tight);
			memcpy(tight, bytes, cut);
			r = decode(type, tight, cut, &message, &why);
			assert_true(r == 0 || (r == -EBADMSG && why));
			free(tight);
		}
	}
}

static void test_codec_survives_flipped_bits(void **state)
{
	static uint8_t flipped[FRAME_BYTES_MAX];

	(void)state;
	for (enum message_type type = MESSAGE_HELLO; type < MESSAGE_NR_TYPES; type++) {
		struct message message;
		size_t n = random_bytes(type, &message);

		for (int i = 0; n > 0 && i < NR_FLIPS / MESSAGE_NR_TYPES; i++) {
			size_t bit = (size_t)(seed = seed * 6364136223846793005u + 1) % (8 * n);
			const char *why = NULL;
			int r;

			memcpy(flipped, bytes, n);
			flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
			r = decode(type, flipped, n, &message, &why);
			assert_true(r == 0 || r == -ENOMEM || (r == -EBADMSG && why));
		}
	}
}

static void test_codec_refuses_garbage(void **state)
{
	static const uint8_t garbage[] = "GET / HTTP/1.1\r\n\r\n";
	static const uint8_t wrong_wire_type[] = { 0x0a, 0x01, 0x00 }; /* the id as a string */
	static const uint8_t endless_varint[] = { 0x08, 0xff, 0xff, 0xff, 0xff, 0xff,
						  0xff, 0xff, 0xff, 0xff, 0xff, 0x01 };
	struct message message;
	const char *why = NULL;

	(void)state;
	assert_int_equal(codec_decode_request(garbage, sizeof(garbage) - 1, &arena, &message, &why),
			 -EBADMSG);
	assert_string_equal(why, "bytes that are no message");
	assert_int_equal(codec_decode_request(wrong_wire_type, sizeof(wrong_wire_type), &arena,
					      &message, &why),
			 -EBADMSG);
	assert_int_equal(codec_decode_request(endless_varint, sizeof(endless_varint), &arena,
					      &message, &why),
			 -EBADMSG);
}

static void test_codec_reads_unknown_bodies_as_none(void **state)
{
	static const uint8_t newer[] = { 0x08, 0x2a, 0xa2, 0x06, 0x02, 0x08, 0x01 }; /* field 100 */
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(codec_decode_request(newer, sizeof(newer), &arena, &message, &why), 0);
	assert_int_equal(message.type, MESSAGE_NONE);
	assert_int_equal(message.id, 42);
	assert_int_equal(codec_decode_reply(newer, sizeof(newer), &arena, &message, &why), 0);
	assert_int_equal(message.type, MESSAGE_NONE);
	assert_int_equal(message.id, 42);
}

/* The last of a oneof wins; what came before it leaves nothing behind. */
static void test_codec_takes_the_last_body(void **state)
{
	struct message hello = { .id = 1, .type = MESSAGE_HELLO, .u.hello.name = "first" };
	struct message ping = { .id = 2, .type = MESSAGE_PING }, message;
	ptrdiff_t n = codec_encode_request(&hello, bytes, sizeof(bytes)), m;
	const char *why;

	(void)state;
	assert_true(n > 0);
	m = codec_encode_request(&ping, bytes + n, sizeof(bytes) - (size_t)n);
	assert_true(m > 0);
	assert_int_equal(codec_decode_request(bytes, (size_t)(n + m), &arena, &message, &why), 0);
	assert_int_equal(message.type, MESSAGE_PING);
	assert_int_equal(message.id, 2);
}

static void test_codec_refuses_long_and_unprintable_names(void **state)
{
	char name[MESSAGE_NAME_BYTES_MAX + 2];
	struct message message = { .id = 1, .type = MESSAGE_HELLO, .u.hello.name = name };

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_non_null(strstr(refusal(&message), "name"));
	name[MESSAGE_NAME_BYTES_MAX] = '\0';
	assert_taken(&message, &message);
	message.u.hello.name = "red\x1b[31m";
	assert_non_null(strstr(refusal(&message), "printable"));
	message.u.hello.name = "latin\xe9";
	assert_non_null(strstr(refusal(&message), "UTF-8"));
	message = (struct message){ .id = 1, .type = MESSAGE_LIST_BLOCKS };
	message.u.list_blocks.pool = "two\nlines";
	assert_non_null(strstr(refusal(&message), "printable"));
}

static void test_codec_refuses_long_texts(void **state)
{
	static char text[MESSAGE_TEXT_BYTES_MAX + 2];
	struct message message = { .id = 1, .error = text };

	(void)state;
	memset(text, 't', sizeof(text) - 1);
	assert_non_null(strstr(refusal(&message), "text"));
	text[MESSAGE_TEXT_BYTES_MAX] = '\0';
	assert_taken(&message, &message);
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
	assert_string_equal(refusal(&message), "too many lines");
	message.u.reload_result.nr_lines = 2;
	lines[1] = "two\nlines";
	assert_non_null(strstr(refusal(&message), "printable"));
	lines[1] = "";
	assert_taken(&message, &message);
	assert_int_equal(message.u.reload_result.nr_lines, 2);
	assert_string_equal(message.u.reload_result.lines[0], lines[0]);
	assert_string_equal(message.u.reload_result.lines[1], "");
}

static void test_codec_ends_strings_at_a_nul(void **state)
{
	/* A hello with a name of four bytes: a NUL b ESC */
	static const uint8_t hello[] = { 0x08, 0x01, 0x12, 0x06, 0x22, 0x04, 'a', 0x00, 'b', 0x1b };
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(codec_decode_request(hello, sizeof(hello), &arena, &message, &why), 0);
	assert_string_equal(message.u.hello.name, "a");
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
		codec_decode_request(half_a_run, sizeof(half_a_run), &arena, &message, &why),
		-EBADMSG);
	assert_non_null(strstr(why, "half"));
	message.u.free.runs = runs;
	message.u.free.nr_runs = MESSAGE_BATCH_BLOCKS_MAX + 1;
	assert_string_equal(refusal(&message), "too many runs");
	message.u.free.nr_runs = MESSAGE_BATCH_BLOCKS_MAX;
	assert_taken(&message, &message);
	assert_int_equal(message.u.free.nr_runs, MESSAGE_BATCH_BLOCKS_MAX);
}

/* proto3 readers take packed and unpacked alike. */
static void test_codec_takes_runs_one_by_one(void **state)
{
	static const uint8_t unpacked[] = { 0x08, 0x01, 0x3a, 0x12, 0x19, 1, 0, 0, 0, 0, 0,
					    0,    0,    0x19, 2,    0,    0, 0, 0, 0, 0, 0 };
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(codec_decode_request(unpacked, sizeof(unpacked), &arena, &message, &why),
			 0);
	assert_int_equal(message.type, MESSAGE_FREE);
	assert_int_equal(message.u.free.nr_runs, 1);
	assert_int_equal(message.u.free.runs[0].base, 1);
	assert_int_equal(message.u.free.runs[0].mask, 2);
}

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
	struct message message = { .type = MESSAGE_POOL_OPENED };

	(void)state;
	message.u.pool_opened.segments = segments;
	message.u.pool_opened.nr_segments = MESSAGE_ZONES_MAX + 1;
	assert_string_equal(refusal(&message), "too many segments");
	message = (struct message){ .type = MESSAGE_STATUS_INFO };
	message.u.status_info.pools = pools;
	message.u.status_info.nr_pools = MESSAGE_POOLS_MAX + 1;
	assert_string_equal(refusal(&message), "too many pools");
	message = (struct message){ .type = MESSAGE_POOL_INFO };
	message.u.pool_info.zones = zones;
	message.u.pool_info.nr_zones = MESSAGE_ZONES_MAX + 1;
	assert_string_equal(refusal(&message), "too many zones");
	message = (struct message){ .type = MESSAGE_CLIENT_LIST };
	message.u.client_list.clients = clients;
	message.u.client_list.nr_clients = MESSAGE_CLIENTS_MAX + 1;
	assert_string_equal(refusal(&message), "too many clients");
	message = (struct message){ .type = MESSAGE_BLOCK_LIST };
	message.u.block_list.blocks = blocks;
	message.u.block_list.nr_blocks = MESSAGE_BLOCKS_MAX + 1;
	assert_string_equal(refusal(&message), "too many blocks");
	message = (struct message){ .type = MESSAGE_CONTIGUOUS_PLAN };
	message.u.contiguous_plan.blocks = blocks;
	message.u.contiguous_plan.nr_blocks = MESSAGE_BLOCKS_MAX + 1;
	assert_string_equal(refusal(&message), "too many blocks");
	message = (struct message){ .type = MESSAGE_LIMIT_LIST };
	message.u.limit_list.limits = limits;
	message.u.limit_list.nr_limits = MESSAGE_LIMITS_MAX + 1;
	assert_string_equal(refusal(&message), "too many limits");
	zones[0].groups = groups;
	zones[0].nr_groups = MESSAGE_NR_GROUPS + 1;
	message = (struct message){ .type = MESSAGE_POOL_INFO };
	message.u.pool_info.zones = zones;
	message.u.pool_info.nr_zones = 1;
	assert_string_equal(refusal(&message), "too many groups");
	message.u.pool_info.nr_zones = 0;
	message.u.pool_info.policies = policies;
	message.u.pool_info.nr_policies = MESSAGE_NR_POLICIES + 1;
	assert_string_equal(refusal(&message), "too many policies");
}

static void test_codec_refuses_too_many_orders(void **state)
{
	/* Reply: pool_info { zones { free_blocks: 20 ones } } */
	uint8_t reply[6 + 20] = { 0x32, 24, 0x2a, 22, 0x52, 20 };
	struct message message;
	const char *why = NULL;

	(void)state;
	memset(reply + 6, 1, 20);
	assert_int_equal(codec_decode_reply(reply, sizeof(reply), &arena, &message, &why),
			 -EBADMSG);
	assert_string_equal(why, "too many orders");
	reply[1]--, reply[3]--, reply[5]--;
	assert_int_equal(codec_decode_reply(reply, sizeof(reply) - 1, &arena, &message, &why), 0);
	assert_int_equal(message.u.pool_info.zones[0].free_blocks[MESSAGE_NR_ORDERS - 1], 1);
}

static void test_codec_reads_unknown_enum_values_as_known_ones(void **state)
{
	static const uint32_t unknown[] = { 99, UINT32_MAX, INT32_MAX, (uint32_t)INT32_MIN };
	struct message_zone_info zone = { .name = "" };
	struct message_client_info client = { .name = "" };
	struct message message;

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		message = (struct message){ .id = 1, .type = MESSAGE_ALLOC };
		message.u.alloc.placement.mobility = unknown[i];
		assert_taken(&message, &message);
		assert_int_equal(message.u.alloc.placement.mobility, MESSAGE_UNMOVABLE);

		message.u.alloc.placement.policy = unknown[i];
		assert_taken(&message, &message);
		assert_int_equal(message.u.alloc.placement.policy, MESSAGE_POLICY_PREFERRED);

		message = (struct message){ .status = unknown[i] };
		assert_taken(&message, &message);
		assert_int_equal(message.status, MESSAGE_STATUS_UNSUPPORTED);

		message = (struct message){ .type = MESSAGE_EVENT, .u.event.kind = unknown[i] };
		assert_taken(&message, &message);
		assert_int_equal(message.u.event.kind, MESSAGE_EVENT_NONE);

		zone.pressure = unknown[i];
		message = (struct message){ .type = MESSAGE_POOL_INFO };
		message.u.pool_info.zones = &zone;
		message.u.pool_info.nr_zones = 1;
		assert_taken(&message, &message);
		assert_int_equal(message.u.pool_info.zones[0].pressure, MESSAGE_PRESSURE_MIN);

		client.state = unknown[i];
		message = (struct message){ .type = MESSAGE_CLIENT_LIST };
		message.u.client_list.clients = &client;
		message.u.client_list.nr_clients = 1;
		assert_taken(&message, &message);
		assert_int_equal(message.u.client_list.clients[0].state, MESSAGE_CLIENT_LIVE);
	}
}

/* Whatever the size of the arena: a whole message, or -ENOMEM and not a byte past its end. */
static void test_codec_stays_within_its_arena(void **state)
{
	(void)state;
	for (enum message_type type = MESSAGE_HELLO; type < MESSAGE_NR_TYPES; type++) {
		struct message sent, received;
		size_t n = random_bytes(type, &sent), step;
		const char *why = NULL;
		size_t need;

		assert_int_equal(decode(type, bytes, n, &received, &why), 0);
		need = arena.used_bytes;
		step = need / 64 + 1;
		for (size_t size = 0; size <= need; size += step) {
			struct codec_arena small = { .memory = malloc(size + 1),
						     .size_bytes = size };
			int r = is_request(type)
					? codec_decode_request(bytes, n, &small, &received, &why)
					: codec_decode_reply(bytes, n, &small, &received, &why);

			assert_non_null(small.memory);
			assert_int_equal(r, size < need ? -ENOMEM : 0);
			assert_true(small.used_bytes <= size);
			free(small.memory);
		}
	}
}

/* Many small fields cost the decoder much more than their bytes: refused, not exceeded. */
static void test_codec_refuses_what_its_arena_can_not_hold(void **state)
{
	struct message message;
	const char *why;

	(void)state;
	/* An event that fills the frame: sizeof(bytes) - 4 == 0xfffc bytes of it. */
	bytes[0] = 0x6a, bytes[1] = 0xfc, bytes[2] = 0xff, bytes[3] = 0x03;
	for (size_t i = 4; i < sizeof(bytes); i += 2) {
		bytes[i] = 0x78; /* field 15, a varint: unknown here */
		bytes[i + 1] = 0x01;
	}
	assert_int_equal(codec_decode_reply(bytes, sizeof(bytes), &arena, &message, &why), -ENOMEM);
	assert_true(arena.used_bytes <= CODEC_ARENA_BYTES);
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
	assert_taken(&message, &message);
	assert_int_equal(message.u.status_info.pools[MESSAGE_POOLS_MAX - 1].nr_zones,
			 MESSAGE_ZONES_MAX);

	for (size_t i = 0; i < MESSAGE_ZONES_MAX; i++) {
		zones[i].groups = groups;
		zones[i].nr_groups = MESSAGE_NR_GROUPS;
	}
	message = (struct message){ .type = MESSAGE_POOL_INFO };
	message.u.pool_info = pools[0];
	assert_taken(&message, &message);
	assert_int_equal(message.u.pool_info.zones[MESSAGE_ZONES_MAX - 1].nr_groups,
			 MESSAGE_NR_GROUPS);

	message = (struct message){ .type = MESSAGE_CLIENT_LIST };
	for (size_t i = 0; i < MESSAGE_CLIENTS_MAX; i++)
		clients[i].name = "a name that has as many bytes as a name may have: sixty-three b";
	message.u.client_list.clients = clients;
	message.u.client_list.nr_clients = MESSAGE_CLIENTS_MAX;
	assert_int_equal(strlen(clients[0].name), MESSAGE_NAME_BYTES_MAX);
	assert_taken(&message, &message);
	assert_int_equal(message.u.client_list.nr_clients, MESSAGE_CLIENTS_MAX);

	message = (struct message){ .type = MESSAGE_BLOCK_LIST };
	for (size_t i = 0; i < MESSAGE_BLOCKS_MAX; i++)
		blocks[i] = (struct message_block_info){
			.pool = "default", .zone = "node0", .page = UINT64_MAX, .order = UINT32_MAX
		};
	message.u.block_list.blocks = blocks;
	message.u.block_list.nr_blocks = MESSAGE_BLOCKS_MAX;
	assert_taken(&message, &message);
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
	assert_taken(&message, &message);
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
	assert_int_equal(codec_encode_reply(&message, bytes, sizeof(bytes)), -EMSGSIZE);
	message.u.status_info.nr_pools = 1;
	assert_true(codec_encode_reply(&message, bytes, sizeof(bytes)) > 0);
}

static int set_up(void **state)
{
	const char *text = getenv("SEED");

	(void)state;
	seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	print_message("SEED=%llu\n", (unsigned long long)seed);
	arena = (struct codec_arena){ .memory = malloc(CODEC_ARENA_BYTES),
				      .size_bytes = CODEC_ARENA_BYTES };
	source_arena =
		(struct codec_arena){ .memory = malloc(SOURCE_BYTES), .size_bytes = SOURCE_BYTES };
	return arena.memory && source_arena.memory ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(arena.memory);
	free(source_arena.memory);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codec_round_trips_every_message),
		cmocka_unit_test(test_codec_speaks_as_its_manual_shows),
		cmocka_unit_test(test_codec_gives_defaults_to_what_is_absent),
		cmocka_unit_test(test_codec_understands_bind_without_a_policy),
		cmocka_unit_test(test_codec_takes_null_for_empty_strings),
		cmocka_unit_test(test_codec_encodes_each_side_only_its_own),
		cmocka_unit_test(test_codec_encodes_into_exactly_the_bytes_it_needs),
		cmocka_unit_test(test_codec_survives_truncation_at_each_byte),
		cmocka_unit_test(test_codec_survives_flipped_bits),
		cmocka_unit_test(test_codec_refuses_garbage),
		cmocka_unit_test(test_codec_reads_unknown_bodies_as_none),
		cmocka_unit_test(test_codec_takes_the_last_body),
		cmocka_unit_test(test_codec_refuses_long_and_unprintable_names),
		cmocka_unit_test(test_codec_refuses_long_texts),
		cmocka_unit_test(test_codec_refuses_long_and_unprintable_lines),
		cmocka_unit_test(test_codec_ends_strings_at_a_nul),
		cmocka_unit_test(test_codec_refuses_odd_and_long_run_lists),
		cmocka_unit_test(test_codec_takes_runs_one_by_one),
		cmocka_unit_test(test_codec_refuses_long_lists),
		cmocka_unit_test(test_codec_refuses_too_many_orders),
		cmocka_unit_test(test_codec_reads_unknown_enum_values_as_known_ones),
		cmocka_unit_test(test_codec_stays_within_its_arena),
		cmocka_unit_test(test_codec_refuses_what_its_arena_can_not_hold),
		cmocka_unit_test(test_codec_has_room_for_everything_within_the_limits),
		cmocka_unit_test(test_codec_says_when_a_report_is_too_long),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
