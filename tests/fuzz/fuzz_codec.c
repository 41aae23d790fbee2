/* SPDX-License-Identifier: MIT */
/*
 * Any bytes into the decoder. The first byte chooses the side and how small the arena is; the rest
 * is the message.
 *
 * What is taken must encode, and decode to the same again: compared as bytes, because an encoding
 * says everything that a message does. Whatever the decoder hands out must be readable to its end,
 * which a sanitizer and the strings' own check see to.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/message.h"

/* More than a frame: lists may be longer with their defaults written out. */
#define ENCODED_BYTES_MAX (1024u * 1024u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void require(bool condition)
{
	if (!condition)
		abort();
}

struct side {
	ptrdiff_t (*encode)(const struct message *message, uint8_t *buf, size_t size_bytes);
	int (*decode)(const uint8_t *bytes, size_t size_bytes, struct codec_arena *arena,
		      struct message *ret, const char **ret_why);
};

static const struct side sides[] = {
	{ codec_encode_request, codec_decode_request },
	{ codec_encode_reply, codec_decode_reply },
};

static void require_stable(const struct side *side, const struct message *message)
{
	static uint8_t first[ENCODED_BYTES_MAX], second[ENCODED_BYTES_MAX];
	static uint8_t memory[8 * CODEC_ARENA_BYTES] __attribute__((aligned(16)));
	struct codec_arena arena = { .memory = memory, .size_bytes = sizeof(memory) };
	struct message again;
	const char *why;
	ptrdiff_t n;

	/* A request whose body we do not know can't be sent on. */
	if (side == &sides[0] && message->type == MESSAGE_NONE)
		return;
	n = side->encode(message, first, sizeof(first));
	require(n >= 0);
	require(side->decode(first, (size_t)n, &arena, &again, &why) == 0);
	require(again.id == message->id && again.type == message->type);
	require(side->encode(&again, second, sizeof(second)) == n);
	require(memcmp(first, second, (size_t)n) == 0);
}

static void fuzz(const struct side *side, const uint8_t *bytes, size_t size_bytes,
		 struct codec_arena *arena)
{
	const char *why = NULL;
	struct message message;
	int r = side->decode(bytes, size_bytes, arena, &message, &why);

	require(r == 0 || r == -ENOMEM || (r == -EBADMSG && why));
	require(arena->used_bytes <= arena->size_bytes);
	if (r == 0)
		require_stable(side, &message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static uint8_t memory[CODEC_ARENA_BYTES] __attribute__((aligned(16)));
	struct codec_arena arena = { .memory = memory, .size_bytes = sizeof(memory) };
	unsigned smallness;

	if (size_bytes == 0)
		return 0;
	/* 0: the size in use. Else small ones, down to nothing, whose end a sanitizer watches. */
	smallness = data[0] >> 1;
	if (smallness > 0) {
		arena.size_bytes = (smallness - 1) * 24;
		arena.memory = malloc(arena.size_bytes);
		require(arena.memory || arena.size_bytes == 0);
	}
	fuzz(&sides[data[0] & 1], data + 1, size_bytes - 1, &arena);
	if (smallness > 0)
		free(arena.memory);
	return 0;
}
