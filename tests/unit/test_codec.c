/* SPDX-License-Identifier: MIT */
/*
 * Every message there and back with random contents, what other versions and broken peers may say.
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
#include "support/codec_fixture.h"
#include "support/message_equal.h"
#include "support/random_message.h"

#define NR_ROUNDS 200
#define NR_FLIPS 4000
#define SOURCE_BYTES (4u * 1024u * 1024u)

static struct codec_arena source_arena;
static uint64_t seed;

/* A random message that fits a frame, encoded. */
static size_t random_bytes(enum message_type type, struct message *ret)
{
	ptrdiff_t n;

	do {
		random_message(&seed, type, &source_arena, ret);
		n = codec_fixture_encode(ret, frame_bytes, sizeof(frame_bytes));
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

			if (codec_fixture_decode(type, frame_bytes, n, &received, &why) != 0)
				fail_msg("type %d refused: %s", type, why);
			if (!message_is_equal(&sent, &received))
				fail_msg("type %d came out changed", type);
		}
	}
}

static void assert_encodes_as(const struct message *message, const uint8_t *want, size_t size_bytes)
{
	assert_int_equal(codec_fixture_encode(message, frame_bytes, sizeof(frame_bytes)),
			 size_bytes);
	assert_memory_equal(frame_bytes, want, size_bytes);
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
					      &frame_arena, &message, &why),
			 0);
	assert_int_equal(message.type, MESSAGE_ALLOC);
	assert_int_equal(message.u.alloc.count, 0);
	assert_int_equal(message.u.alloc.placement.mobility, MESSAGE_UNMOVABLE);
	assert_false(message.u.alloc.placement.bind);
	assert_int_equal(codec_decode_request(id_and_empty_hello, sizeof(id_and_empty_hello),
					      &frame_arena, &message, &why),
			 0);
	assert_string_equal(message.u.hello.name, "");
	/* No byte at all is a reply with defaults. */
	assert_int_equal(codec_decode_reply(frame_bytes, 0, &frame_arena, &message, &why), 0);
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
	assert_int_equal(codec_decode_request(older, sizeof(older), &frame_arena, &message, &why),
			 0);
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
	codec_fixture_assert_taken(&message, &message);
	assert_string_equal(message.u.hello.name, "");
}

static void test_codec_encodes_each_side_only_its_own(void **state)
{
	(void)state;
	for (enum message_type type = MESSAGE_NONE; type < MESSAGE_NR_TYPES; type++) {
		struct message message;

		random_message(&seed, type, &source_arena, &message);
		if (codec_fixture_is_request(type))
			assert_int_equal(
				codec_encode_reply(&message, frame_bytes, sizeof(frame_bytes)),
				-EINVAL);
		else
			assert_int_equal(
				codec_encode_request(&message, frame_bytes, sizeof(frame_bytes)),
				-EINVAL);
	}
	assert_int_equal(codec_encode_reply(&(struct message){ .type = MESSAGE_NR_TYPES },
					    frame_bytes, sizeof(frame_bytes)),
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
		assert_int_equal(codec_fixture_encode(&message, tight, n), n);
		assert_memory_equal(tight, frame_bytes, n);
		if (n > 0)
			assert_int_equal(codec_fixture_encode(&message, tight, n - 1), -EMSGSIZE);
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
			memcpy(tight, frame_bytes, cut);
			r = codec_fixture_decode(type, tight, cut, &message, &why);
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

			memcpy(flipped, frame_bytes, n);
			flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
			r = codec_fixture_decode(type, flipped, n, &message, &why);
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
	assert_int_equal(
		codec_decode_request(garbage, sizeof(garbage) - 1, &frame_arena, &message, &why),
		-EBADMSG);
	assert_string_equal(why, "bytes that are no message");
	assert_int_equal(codec_decode_request(wrong_wire_type, sizeof(wrong_wire_type),
					      &frame_arena, &message, &why),
			 -EBADMSG);
	assert_int_equal(codec_decode_request(endless_varint, sizeof(endless_varint), &frame_arena,
					      &message, &why),
			 -EBADMSG);
}

static void test_codec_reads_unknown_bodies_as_none(void **state)
{
	static const uint8_t newer[] = { 0x08, 0x2a, 0xa2, 0x06, 0x02, 0x08, 0x01 }; /* field 100 */
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(codec_decode_request(newer, sizeof(newer), &frame_arena, &message, &why),
			 0);
	assert_int_equal(message.type, MESSAGE_NONE);
	assert_int_equal(message.id, 42);
	assert_int_equal(codec_decode_reply(newer, sizeof(newer), &frame_arena, &message, &why), 0);
	assert_int_equal(message.type, MESSAGE_NONE);
	assert_int_equal(message.id, 42);
}

/* The last of a oneof wins; what came before it leaves nothing behind. */
static void test_codec_takes_the_last_body(void **state)
{
	struct message hello = { .id = 1, .type = MESSAGE_HELLO, .u.hello.name = "first" };
	struct message ping = { .id = 2, .type = MESSAGE_PING }, message;
	ptrdiff_t n = codec_encode_request(&hello, frame_bytes, sizeof(frame_bytes)), m;
	const char *why;

	(void)state;
	assert_true(n > 0);
	m = codec_encode_request(&ping, frame_bytes + n, sizeof(frame_bytes) - (size_t)n);
	assert_true(m > 0);
	assert_int_equal(
		codec_decode_request(frame_bytes, (size_t)(n + m), &frame_arena, &message, &why),
		0);
	assert_int_equal(message.type, MESSAGE_PING);
	assert_int_equal(message.id, 2);
}

static void test_codec_ends_strings_at_a_nul(void **state)
{
	/* A hello with a name of four bytes: a NUL b ESC */
	static const uint8_t hello[] = { 0x08, 0x01, 0x12, 0x06, 0x22, 0x04, 'a', 0x00, 'b', 0x1b };
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(codec_decode_request(hello, sizeof(hello), &frame_arena, &message, &why),
			 0);
	assert_string_equal(message.u.hello.name, "a");
}

/* proto3 readers take packed and unpacked alike. */
static void test_codec_takes_runs_one_by_one(void **state)
{
	static const uint8_t unpacked[] = { 0x08, 0x01, 0x3a, 0x12, 0x19, 1, 0, 0, 0, 0, 0,
					    0,    0,    0x19, 2,    0,    0, 0, 0, 0, 0, 0 };
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(
		codec_decode_request(unpacked, sizeof(unpacked), &frame_arena, &message, &why), 0);
	assert_int_equal(message.type, MESSAGE_FREE);
	assert_int_equal(message.u.free.nr_runs, 1);
	assert_int_equal(message.u.free.runs[0].base, 1);
	assert_int_equal(message.u.free.runs[0].mask, 2);
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
		codec_fixture_assert_taken(&message, &message);
		assert_int_equal(message.u.alloc.placement.mobility, MESSAGE_UNMOVABLE);

		message.u.alloc.placement.policy = unknown[i];
		codec_fixture_assert_taken(&message, &message);
		assert_int_equal(message.u.alloc.placement.policy, MESSAGE_POLICY_PREFERRED);

		message = (struct message){ .status = unknown[i] };
		codec_fixture_assert_taken(&message, &message);
		assert_int_equal(message.status, MESSAGE_STATUS_UNSUPPORTED);

		message = (struct message){ .type = MESSAGE_EVENT, .u.event.kind = unknown[i] };
		codec_fixture_assert_taken(&message, &message);
		assert_int_equal(message.u.event.kind, MESSAGE_EVENT_NONE);

		zone.pressure = unknown[i];
		message = (struct message){ .type = MESSAGE_POOL_INFO };
		message.u.pool_info.zones = &zone;
		message.u.pool_info.nr_zones = 1;
		codec_fixture_assert_taken(&message, &message);
		assert_int_equal(message.u.pool_info.zones[0].pressure, MESSAGE_PRESSURE_MIN);

		client.state = unknown[i];
		message = (struct message){ .type = MESSAGE_CLIENT_LIST };
		message.u.client_list.clients = &client;
		message.u.client_list.nr_clients = 1;
		codec_fixture_assert_taken(&message, &message);
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

		assert_int_equal(codec_fixture_decode(type, frame_bytes, n, &received, &why), 0);
		need = frame_arena.used_bytes;
		step = need / 64 + 1;
		for (size_t size = 0; size <= need; size += step) {
			struct codec_arena small = { .memory = malloc(size + 1),
						     .size_bytes = size };
			int r = codec_fixture_is_request(type)
					? codec_decode_request(frame_bytes, n, &small, &received,
							       &why)
					: codec_decode_reply(frame_bytes, n, &small, &received,
							     &why);

			assert_non_null(small.memory);
			assert_int_equal(r, size < need ? -ENOMEM : 0);
			assert_true(small.used_bytes <= size);
			free(small.memory);
		}
	}
}

static int set_up(void **state)
{
	const char *text = getenv("SEED");

	seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	print_message("SEED=%llu\n", (unsigned long long)seed);
	source_arena =
		(struct codec_arena){ .memory = malloc(SOURCE_BYTES), .size_bytes = SOURCE_BYTES };
	return source_arena.memory ? codec_fixture_setup(state) : -1;
}

static int tear_down(void **state)
{
	free(source_arena.memory);
	return codec_fixture_teardown(state);
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
		cmocka_unit_test(test_codec_ends_strings_at_a_nul),
		cmocka_unit_test(test_codec_takes_runs_one_by_one),
		cmocka_unit_test(test_codec_reads_unknown_enum_values_as_known_ones),
		cmocka_unit_test(test_codec_stays_within_its_arena),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
