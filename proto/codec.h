/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Messages to bytes and back: the one place that sees protobuf. No heap: decoding allocates from
 * an arena that the caller owns, encoding writes to the caller's buffer. Thread-safe as long as
 * arenas and buffers are not shared.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message;

/* Enough for anything that a frame of FRAME_BYTES_MAX can decode to; more is refused. */
#define CODEC_ARENA_BYTES (2u * 1024u * 1024u)

/* A bump allocator over the caller's memory. Reset by each decode. */
struct codec_arena {
	void *memory; /* aligned for any type */
	size_t size_bytes;
	size_t used_bytes;
	bool is_exhausted; /* something did not fit */
};

/*
 * Encodes into buf. Returns the number of bytes, -EMSGSIZE when it needs more than size_bytes,
 * -EINVAL for a message that is no request (or no reply). A NULL string is an empty one; a reply of
 * type MESSAGE_NONE has no body. Limits are the decoder's to check.
 */
ptrdiff_t codec_encode_request(const struct message *message, uint8_t *buf, size_t size_bytes);
ptrdiff_t codec_encode_reply(const struct message *message, uint8_t *buf, size_t size_bytes);

/*
 * Decodes bytes into *ret, whose pointers then lead into the arena (never into the bytes) and stay
 * valid until its next use. 0; -EBADMSG for bytes that are no such message, or one whose fields are
 * out of all limits (strings and lists too long, unprintable strings, odd run lists): *ret_why then
 * says what, as a static string; -ENOMEM when the arena is too small.
 * A body that we do not know decodes as MESSAGE_NONE. Strings are never NULL, and may be printed
 * as they are; a NUL byte within one ends it. An enum value that we do not know reads as the
 * nearest that we do: a mobility as unmovable, a status as unsupported, an event as none, a
 * pressure as min, a client's state as live, a policy as preferred.
 */
int codec_decode_request(const uint8_t *bytes, size_t size_bytes, struct codec_arena *arena,
			 struct message *ret, const char **ret_why);
int codec_decode_reply(const uint8_t *bytes, size_t size_bytes, struct codec_arena *arena,
		       struct message *ret, const char **ret_why);
