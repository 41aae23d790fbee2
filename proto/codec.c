/* SPDX-License-Identifier: MIT */
/*
 * From a whole message to bytes and back. What messages are made of stands in the tables of
 * codec_requests.c and codec_replies.c; convert.c follows them.
 *
 * Memory: decoding unpacks into the caller's arena and then converts in place, so that strings and
 * runs are not copied twice. Encoding needs generated structs only while it lasts, so they live on
 * the stack: little for what is sent all the time, and, tried only when that was not enough, the
 * worst case that the limits allow for the reports, which is near 1 MiB. A hostile peer can make
 * decoding run out of its arena, and out of nothing else.
 */

#include "proto/codec.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "pagepool.pb-c.h"
#include "proto/arena.h"
#include "proto/codec_tables.h"
#include "proto/convert.h"
#include "proto/message.h"

static const struct codec_body *body_by_type(const struct codec_envelope *envelope,
					     enum message_type type)
{
	for (size_t i = 0; i < envelope->nr_bodies; i++)
		if (envelope->bodies[i].type == type)
			return &envelope->bodies[i];
	return NULL;
}

static const struct codec_body *body_by_tag(const struct codec_envelope *envelope, uint32_t tag)
{
	for (size_t i = 0; i < envelope->nr_bodies; i++)
		if (envelope->bodies[i].tag == tag)
			return &envelope->bodies[i];
	return NULL;
}

/* Returns the most bytes that its encoding can take, or a negative errno. */
static ptrdiff_t make_wire(const struct codec_envelope *envelope, const struct message *message,
			   struct codec_arena *scratch, ProtobufCMessage **ret)
{
	const struct codec_body *body = body_by_type(envelope, message->type);
	ptrdiff_t r, most_bytes;
	void *wire, *wire_body;

	if (!body && (envelope->is_request || message->type != MESSAGE_NONE))
		return -EINVAL;
	most_bytes = convert_to_wire(&envelope->table, message, scratch, &wire);
	if (most_bytes < 0)
		return most_bytes;
	if (body) {
		r = convert_to_wire(&body->table, (const uint8_t *)message + body->plain, scratch,
				    &wire_body);
		if (r < 0)
			return r;
		memcpy((uint8_t *)wire + envelope->tag, &body->tag, sizeof(body->tag));
		memcpy((uint8_t *)wire + envelope->body, &wire_body, sizeof(wire_body));
		most_bytes += CONVERT_FIELD_BYTES_MAX + r;
	}
	*ret = wire;
	return most_bytes;
}

static ptrdiff_t encode_with(const struct codec_envelope *envelope, const struct message *message,
			     uint8_t *buf, size_t size_bytes, void *memory, size_t memory_bytes)
{
	struct codec_arena scratch;
	ProtobufCMessage *wire;
	ptrdiff_t most_bytes;

	arena_init(&scratch, memory, memory_bytes);
	most_bytes = make_wire(envelope, message, &scratch, &wire);
	if (most_bytes < 0)
		return most_bytes;
	/* Mostly there is room for far more, and no need to know the size. */
	if ((size_t)most_bytes > size_bytes &&
	    protobuf_c_message_get_packed_size(wire) > size_bytes)
		return -EMSGSIZE;
	return (ptrdiff_t)protobuf_c_message_pack(wire, buf);
}

/* Any message that is sent all the time, with room to spare. */
#define SCRATCH_BYTES 1024u

/* Every group of every zone of every pool: a pointer, its structs, and the padding of each. */
#define SCRATCH_ELEMENT_BYTES(type) (sizeof(void *) + sizeof(Pagepool__V1__##type) + 32)
#define SCRATCH_ZONE_BYTES                                                                         \
	(MESSAGE_NR_GROUPS * SCRATCH_ELEMENT_BYTES(GroupInfo) + sizeof(Pagepool__V1__Watermark) +  \
	 SCRATCH_ELEMENT_BYTES(ZoneInfo))
#define SCRATCH_POOL_BYTES                                                                         \
	(MESSAGE_ZONES_MAX * SCRATCH_ZONE_BYTES +                                                  \
	 MESSAGE_NR_POLICIES * SCRATCH_ELEMENT_BYTES(PolicyInfo) +                                 \
	 SCRATCH_ELEMENT_BYTES(PoolInfo))
#define SCRATCH_BYTES_MAX (MESSAGE_POOLS_MAX * SCRATCH_POOL_BYTES + SCRATCH_BYTES)

/* Apart, so that its frame is not part of every call's. */
__attribute__((noinline)) static ptrdiff_t encode_large(const struct codec_envelope *envelope,
							const struct message *message, uint8_t *buf,
							size_t size_bytes)
{
	alignas(max_align_t) uint8_t memory[SCRATCH_BYTES_MAX];

	return encode_with(envelope, message, buf, size_bytes, memory, sizeof(memory));
}

static ptrdiff_t encode(const struct codec_envelope *envelope, const struct message *message,
			uint8_t *buf, size_t size_bytes)
{
	alignas(max_align_t) uint8_t memory[SCRATCH_BYTES];
	ptrdiff_t n = encode_with(envelope, message, buf, size_bytes, memory, sizeof(memory));

	if (n == -ENOMEM)
		n = encode_large(envelope, message, buf, size_bytes);
	return n == -ENOMEM ? -EMSGSIZE : n;
}

ptrdiff_t codec_encode_request(const struct message *message, uint8_t *buf, size_t size_bytes)
{
	return encode(&codec_request_envelope, message, buf, size_bytes);
}

ptrdiff_t codec_encode_reply(const struct message *message, uint8_t *buf, size_t size_bytes)
{
	return encode(&codec_reply_envelope, message, buf, size_bytes);
}

static void *unpack_alloc(void *arena, size_t size_bytes)
{
	return arena_alloc(arena, size_bytes);
}

static void unpack_free(void *arena, void *memory)
{
	(void)arena;
	(void)memory;
}

static int read_wire(const struct codec_envelope *envelope, const ProtobufCMessage *wire,
		     struct codec_arena *arena, struct message *message, const char **ret_why)
{
	const struct codec_body *body;
	const void *wire_body;
	uint32_t tag;
	int r = convert_from_wire(&envelope->table, wire, arena, message, ret_why);

	if (r < 0)
		return r;
	memcpy(&tag, (const uint8_t *)wire + envelope->tag, sizeof(tag));
	body = body_by_tag(envelope, tag);
	if (!body)
		return 0;
	message->type = body->type;
	memcpy(&wire_body, (const uint8_t *)wire + envelope->body, sizeof(wire_body));
	return convert_from_wire(&body->table, wire_body, arena, (uint8_t *)message + body->plain,
				 ret_why);
}

static int decode(const struct codec_envelope *envelope, const uint8_t *bytes, size_t size_bytes,
		  struct codec_arena *arena, struct message *ret, const char **ret_why)
{
	struct message message = { .type = MESSAGE_NONE, .error = "" };
	ProtobufCAllocator allocator = {
		.alloc = unpack_alloc,
		.free = unpack_free,
		.allocator_data = arena,
	};
	ProtobufCMessage *wire;
	int r;

	arena_init(arena, arena->memory, arena->size_bytes);
	wire = protobuf_c_message_unpack(envelope->table.descriptor, &allocator, size_bytes, bytes);
	if (!wire && arena->is_exhausted)
		return -ENOMEM;
	if (!wire) {
		*ret_why = "bytes that are no message";
		return -EBADMSG;
	}
	r = read_wire(envelope, wire, arena, &message, ret_why);
	if (r == 0)
		*ret = message;
	return r;
}

int codec_decode_request(const uint8_t *bytes, size_t size_bytes, struct codec_arena *arena,
			 struct message *ret, const char **ret_why)
{
	return decode(&codec_request_envelope, bytes, size_bytes, arena, ret, ret_why);
}

int codec_decode_reply(const uint8_t *bytes, size_t size_bytes, struct codec_arena *arena,
		       struct message *ret, const char **ret_why)
{
	return decode(&codec_reply_envelope, bytes, size_bytes, arena, ret, ret_why);
}
