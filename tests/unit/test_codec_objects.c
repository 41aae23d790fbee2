/* SPDX-License-Identifier: MIT */
/*
 * What messages about objects have of their own: masks beside runs, a signed place, parties within
 * faults; and their limits.
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

static void assert_encodes_as(const struct message *message, const uint8_t *want, size_t size_bytes)
{
	assert_int_equal(codec_fixture_encode(message, frame_bytes, sizeof(frame_bytes)),
			 size_bytes);
	assert_memory_equal(frame_bytes, want, size_bytes);
}

/* The example of docs/PROTOCOL.md, without the frames' lengths. */
static void test_codec_speaks_of_objects_as_its_manual_shows(void **state)
{
	static const uint8_t alloc[] =
		"\x08\x09\xba\x01\x0b\x08\x02\x10\x91\x08\x18\x03\x22\x02\x08\x01";
	static const uint8_t granted[] =
		"\x08\x09\xa2\x01\x1c\x0a\x10\x40\x00\x10\x00\x00\x00\x00\x01\x0b\x00\x00\x00"
		"\x00\x00\x00\x00\x12\x08\x08\x00\x00\x00\x00\x00\x00\x00";
	const struct message_run run = {
		.base = (UINT64_C(1) << 44 | 256) << 12 | 64,
		.mask = 0xb,
	};
	const uint64_t raw = 0x8;
	struct message message = { .id = 9, .type = MESSAGE_ALLOC_OBJECTS };

	(void)state;
	message.u.alloc_objects.pool = 2;
	message.u.alloc_objects.cache = 1041;
	message.u.alloc_objects.count = 3;
	message.u.alloc_objects.placement.node = 1;
	assert_encodes_as(&message, alloc, sizeof(alloc) - 1);

	message = (struct message){ .id = 9, .type = MESSAGE_GRANTED_OBJECTS };
	message.u.granted_objects.runs = &run;
	message.u.granted_objects.nr_runs = 1;
	message.u.granted_objects.raw = &raw;
	message.u.granted_objects.nr_raw = 1;
	assert_encodes_as(&message, granted, sizeof(granted) - 1);
}

/* proto3 readers take packed and unpacked alike, in whatever order fields come. */
static void test_codec_takes_masks_one_by_one_and_before_their_runs(void **state)
{
	/* free_objects { raw: 3 runs: 1 runs: 2 } */
	static const uint8_t unpacked[] = { 0x08, 0x01, 0xc2, 0x01, 0x1b, 0x21, 3, 0, 0, 0, 0,
					    0,    0,    0,    0x19, 1,    0,    0, 0, 0, 0, 0,
					    0,    0x19, 2,    0,    0,    0,    0, 0, 0, 0 };
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(
		codec_decode_request(unpacked, sizeof(unpacked), &frame_arena, &message, &why), 0);
	assert_int_equal(message.type, MESSAGE_FREE_OBJECTS);
	assert_int_equal(message.u.free_objects.nr_runs, 1);
	assert_int_equal(message.u.free_objects.runs[0].base, 1);
	assert_int_equal(message.u.free_objects.runs[0].mask, 2);
	assert_int_equal(message.u.free_objects.nr_raw, 1);
	assert_int_equal(message.u.free_objects.raw[0], 3);
}

static void test_codec_refuses_raw_masks_that_are_no_masks_of_runs(void **state)
{
	static const struct message_run runs[2];
	static const uint64_t raw[3];
	struct message message = { .id = 1, .type = MESSAGE_FREE_OBJECTS };

	(void)state;
	for (size_t nr_runs = 0; nr_runs <= 2; nr_runs++) {
		for (size_t nr_raw = 0; nr_raw <= 3; nr_raw++) {
			message = (struct message){ .id = 1, .type = MESSAGE_FREE_OBJECTS };
			message.u.free_objects.runs = runs;
			message.u.free_objects.nr_runs = nr_runs;
			message.u.free_objects.raw = raw;
			message.u.free_objects.nr_raw = nr_raw;
			if (nr_raw == 0 || nr_raw == nr_runs)
				codec_fixture_assert_taken(&message, &message);
			else
				assert_string_equal(codec_fixture_refusal(&message),
						    "as many raw masks as runs, or none");
		}
	}
	message = (struct message){ .type = MESSAGE_GRANTED_OBJECTS };
	message.u.granted_objects.raw = raw;
	message.u.granted_objects.nr_raw = 1;
	assert_string_equal(codec_fixture_refusal(&message), "as many raw masks as runs, or none");
}

/* Half a run is that, whatever is beside it. */
static void test_codec_refuses_half_a_run_of_objects(void **state)
{
	/* free_objects { runs: one word raw: one mask } */
	static const uint8_t half_a_run[] = { 0x08, 0x01, 0xc2, 0x01, 0x14, 0x1a, 0x08, 1,    2,
					      3,    4,    5,    6,    7,    8,    0x22, 0x08, 1,
					      0,    0,    0,    0,    0,    0,    0 };
	struct message message;
	const char *why = NULL;

	(void)state;
	assert_int_equal(
		codec_decode_request(half_a_run, sizeof(half_a_run), &frame_arena, &message, &why),
		-EBADMSG);
	assert_non_null(strstr(why, "half"));
}

/* The longest batch of objects, each in a run of its own and raw, fits a frame. */
static void test_codec_limits_runs_of_objects(void **state)
{
	static struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX + 1];
	static uint64_t raw[MESSAGE_BATCH_BLOCKS_MAX + 1];
	struct message message = { .id = 1, .type = MESSAGE_FREE_OBJECTS };

	(void)state;
	memset(runs, 0xff, sizeof(runs));
	memset(raw, 0xff, sizeof(raw));
	message.u.free_objects.runs = runs;
	message.u.free_objects.nr_runs = MESSAGE_BATCH_BLOCKS_MAX;
	message.u.free_objects.raw = raw;
	message.u.free_objects.nr_raw = MESSAGE_BATCH_BLOCKS_MAX;
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.free_objects.nr_raw, MESSAGE_BATCH_BLOCKS_MAX);
	message = (struct message){ .type = MESSAGE_GRANTED_OBJECTS };
	message.u.granted_objects.runs = runs;
	message.u.granted_objects.nr_runs = MESSAGE_BATCH_BLOCKS_MAX + 1;
	assert_string_equal(codec_fixture_refusal(&message), "too many runs");
}

static void test_codec_refuses_long_names_of_caches_and_parties(void **state)
{
	static char long_name[MESSAGE_NAME_BYTES_MAX + 2], long_text[MESSAGE_TEXT_BYTES_MAX + 2];
	struct message_object_fault fault = { .pool = "" };
	struct message message = { .id = 1, .type = MESSAGE_CREATE_CACHE };

	(void)state;
	memset(long_name, 'n', sizeof(long_name) - 1);
	memset(long_text, 't', sizeof(long_text) - 1);
	message.u.create_cache.name = long_name;
	assert_non_null(strstr(codec_fixture_refusal(&message), "name"));

	message = (struct message){ .type = MESSAGE_OBJECT_FAULTS };
	message.u.object_faults.faults = &fault;
	message.u.object_faults.nr_faults = 1;
	fault.previous.name = long_name;
	assert_non_null(strstr(codec_fixture_refusal(&message), "name"));
	fault.previous.name = "red\x1b[31m";
	assert_non_null(strstr(codec_fixture_refusal(&message), "printable"));
	fault.previous.name = NULL;
	fault.what = long_text;
	assert_non_null(strstr(codec_fixture_refusal(&message), "text"));
	long_text[MESSAGE_TEXT_BYTES_MAX] = '\0';
	codec_fixture_assert_taken(&message, &message);
}

static void test_codec_gives_defaults_to_absent_parts_of_objects(void **state)
{
	static const uint8_t empty_fault[] = { 0xb2, 0x01, 0x02, 0x12, 0x00 };
	static const uint8_t empty_opened[] = { 0x8a, 0x01, 0x00 };
	/* A block as a daemon tells it that knows of no caches. */
	static const uint8_t older_block[] = { 0x5a, 0x06, 0x0a, 0x04, 0x20, 0x01, 0x30, 0x02 };
	const struct message_block_info *block;
	struct message message;
	const char *why;

	(void)state;
	assert_int_equal(
		codec_decode_reply(empty_fault, sizeof(empty_fault), &frame_arena, &message, &why),
		0);
	assert_int_equal(message.type, MESSAGE_OBJECT_FAULTS);
	assert_int_equal(message.u.object_faults.nr_faults, 1);
	assert_int_equal(message.u.object_faults.faults[0].at, 0);
	assert_int_equal(message.u.object_faults.faults[0].holder.client, 0);
	assert_string_equal(message.u.object_faults.faults[0].holder.name, "");
	assert_false(message.u.object_faults.faults[0].previous.gone);

	assert_int_equal(codec_decode_reply(empty_opened, sizeof(empty_opened), &frame_arena,
					    &message, &why),
			 0);
	assert_int_equal(message.type, MESSAGE_CACHE_OPENED);
	assert_int_equal(message.u.cache_opened.cache, 0);
	assert_int_equal(message.u.cache_opened.stride_bytes, 0);

	assert_int_equal(
		codec_decode_reply(older_block, sizeof(older_block), &frame_arena, &message, &why),
		0);
	assert_int_equal(message.type, MESSAGE_BLOCK_LIST);
	block = &message.u.block_list.blocks[0];
	assert_int_equal(block->kind, 2);
	assert_string_equal(block->cache, "");
	assert_int_equal(block->objects, 0);
}

static void test_codec_reads_unknown_mobilities_of_caches_as_unmovable(void **state)
{
	struct message_cache_row row = { .mobility = 99 };
	struct message message = { .id = 1, .type = MESSAGE_CREATE_CACHE };

	(void)state;
	message.u.create_cache.mobility = 99;
	message.u.create_cache.flags = UINT32_MAX; /* not an enum: as it was sent */
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.create_cache.mobility, MESSAGE_UNMOVABLE);
	assert_int_equal(message.u.create_cache.flags, UINT32_MAX);

	message = (struct message){ .type = MESSAGE_CACHE_LIST };
	message.u.cache_list.caches = &row;
	message.u.cache_list.nr_caches = 1;
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.cache_list.caches[0].mobility, MESSAGE_UNMOVABLE);
}

static void test_codec_keeps_places_before_an_object(void **state)
{
	static const int32_t places[] = { 0, -1, 1, -16, INT32_MIN, INT32_MAX };
	struct message_object_fault fault = { .pool = "" };
	struct message message;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		fault.at = places[i];
		message = (struct message){ .type = MESSAGE_OBJECT_FAULTS };
		message.u.object_faults.faults = &fault;
		message.u.object_faults.nr_faults = 1;
		codec_fixture_assert_taken(&message, &message);
		assert_int_equal(message.u.object_faults.faults[0].at, places[i]);
	}
}

/* What there may be of caches: rows as long as they get (2^44 objects), tables and faults. */
static void test_codec_has_room_for_all_caches_within_the_limits(void **state)
{
	static const char name[] =
		"a name that has as many bytes as a name may have: sixty-three b";
	static struct message_cache_row rows[MESSAGE_CACHES_MAX];
	static struct message_cache_info caches[MESSAGE_CACHES_MAX];
	static struct message_object_fault faults[MESSAGE_FAULTS_MAX];
	const struct message_party party = { UINT32_MAX, INT32_MAX, name, true };
	const uint64_t many = UINT64_C(1) << 44;
	struct message message = { .id = UINT64_MAX, .type = MESSAGE_CACHE_LIST };

	(void)state;
	for (size_t i = 0; i < MESSAGE_CACHES_MAX; i++) {
		rows[i] = (struct message_cache_row){
			name,
			name,
			name,
			UINT32_C(2) << 20,
			UINT32_C(4) << 20,
			4096,
			7,
			2,
			10,
			4096,
			1u << 22,
			many,
			many,
			many,
			many,
			many,
		};
		caches[i] = (struct message_cache_info){ UINT32_MAX, UINT32_MAX, UINT32_MAX,
							 UINT32_MAX, UINT32_MAX };
	}
	message.u.cache_list.caches = rows;
	message.u.cache_list.nr_caches = MESSAGE_CACHES_MAX;
	message.u.cache_list.next = UINT64_MAX;
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.cache_list.nr_caches, MESSAGE_CACHES_MAX);

	message = (struct message){ .type = MESSAGE_CACHE_TABLE };
	message.u.cache_table.caches = caches;
	message.u.cache_table.nr_caches = MESSAGE_CACHES_MAX;
	codec_fixture_assert_taken(&message, &message);

	for (size_t i = 0; i < MESSAGE_FAULTS_MAX; i++)
		faults[i] = (struct message_object_fault){ name,
							   name,
							   UINT64_MAX,
							   INT32_MIN,
							   UINT32_MAX,
							   UINT32_MAX,
							   "a name that is no longer than a name",
							   party,
							   party };
	message = (struct message){ .type = MESSAGE_OBJECT_FAULTS };
	message.u.object_faults.faults = faults;
	message.u.object_faults.nr_faults = MESSAGE_FAULTS_MAX;
	codec_fixture_assert_taken(&message, &message);
	assert_int_equal(message.u.object_faults.faults[MESSAGE_FAULTS_MAX - 1].at, INT32_MIN);
	assert_string_equal(message.u.object_faults.faults[0].previous.name, name);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codec_speaks_of_objects_as_its_manual_shows),
		cmocka_unit_test(test_codec_takes_masks_one_by_one_and_before_their_runs),
		cmocka_unit_test(test_codec_refuses_raw_masks_that_are_no_masks_of_runs),
		cmocka_unit_test(test_codec_refuses_half_a_run_of_objects),
		cmocka_unit_test(test_codec_limits_runs_of_objects),
		cmocka_unit_test(test_codec_refuses_long_names_of_caches_and_parties),
		cmocka_unit_test(test_codec_gives_defaults_to_absent_parts_of_objects),
		cmocka_unit_test(test_codec_reads_unknown_mobilities_of_caches_as_unmovable),
		cmocka_unit_test(test_codec_keeps_places_before_an_object),
		cmocka_unit_test(test_codec_has_room_for_all_caches_within_the_limits),
	};

	return cmocka_run_group_tests(tests, codec_fixture_setup, codec_fixture_teardown);
}
