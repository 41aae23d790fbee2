/* SPDX-License-Identifier: MIT */

/* One frame and one arena serve all tests, which run one after the other. */

#include "support/codec_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct codec_arena frame_arena;
uint8_t frame_bytes[FRAME_BYTES_MAX];

int codec_fixture_setup(void **state)
{
	(void)state;
	frame_arena = (struct codec_arena){ .memory = malloc(CODEC_ARENA_BYTES),
					    .size_bytes = CODEC_ARENA_BYTES };
	return frame_arena.memory ? 0 : -1;
}

int codec_fixture_teardown(void **state)
{
	(void)state;
	free(frame_arena.memory);
	return 0;
}

bool codec_fixture_is_request(enum message_type type)
{
	return type >= MESSAGE_HELLO && type < MESSAGE_WELCOME;
}

ptrdiff_t codec_fixture_encode(const struct message *message, uint8_t *buf, size_t size_bytes)
{
	return codec_fixture_is_request(message->type)
		       ? codec_encode_request(message, buf, size_bytes)
		       : codec_encode_reply(message, buf, size_bytes);
}

int codec_fixture_decode(enum message_type type, const uint8_t *from, size_t size_bytes,
			 struct message *ret, const char **ret_why)
{
	return codec_fixture_is_request(type)
		       ? codec_decode_request(from, size_bytes, &frame_arena, ret, ret_why)
		       : codec_decode_reply(from, size_bytes, &frame_arena, ret, ret_why);
}

const char *codec_fixture_refusal(const struct message *message)
{
	ptrdiff_t n = codec_fixture_encode(message, frame_bytes, sizeof(frame_bytes));
	struct message unchanged = { .id = 4711 };
	const char *why = NULL;

	assert_true(n > 0);
	assert_int_equal(
		codec_fixture_decode(message->type, frame_bytes, (size_t)n, &unchanged, &why),
		-EBADMSG);
	assert_int_equal(unchanged.id, 4711);
	assert_non_null(why);
	return why;
}

void codec_fixture_assert_taken(const struct message *message, struct message *ret)
{
	ptrdiff_t n = codec_fixture_encode(message, frame_bytes, sizeof(frame_bytes));
	const char *why = "";

	assert_true(n >= 0);
	if (codec_fixture_decode(message->type, frame_bytes, (size_t)n, ret, &why) != 0)
		fail_msg("refused: %s", why);
}
