/* SPDX-License-Identifier: MIT */
/*
 * One description of a message serves both directions, and its limits stand beside its fields: a
 * field can't be sent and then forgotten by the receiver. Limits are checked where bytes come in.
 * Going out they are not: a message of ours that is out of them is our bug, and the receiver's to
 * refuse.
 *
 * Nothing is copied that can be pointed to (strings, lists of strings, runs), nothing is allocated
 * but from the caller's arena, and a table's depth bounds the recursion, not the input.
 */

#include "proto/convert.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include "proto/arena.h"
#include "proto/message.h"
#include "proto/text.h"

/* A list of runs is a list of fixed64 in the same memory. */
#define RUN_WORDS 2u
_Static_assert(sizeof(struct message_run) == RUN_WORDS * sizeof(uint64_t), "a run is two words");

/* Pointers of many types, each read and written as what it is: bytes. */
static const void *load_pointer(const void *from)
{
	const void *pointer;

	memcpy(&pointer, from, sizeof(pointer));
	return pointer;
}

static void store_pointer(void *to, const void *pointer)
{
	memcpy(to, &pointer, sizeof(pointer));
}

static size_t load_size(const void *from)
{
	return *(const size_t *)from;
}

static void *wire_new(const struct convert_table *table, struct codec_arena *arena)
{
	void *wire = arena_alloc(arena, table->descriptor->sizeof_message);

	if (wire)
		protobuf_c_message_init(table->descriptor, wire);
	return wire;
}

static ptrdiff_t list_to_wire(const struct convert_field *field, const uint8_t *plain,
			      uint8_t *wire, struct codec_arena *arena)
{
	const uint8_t *elements = load_pointer(plain + field->plain);
	size_t nr = load_size(plain + field->plain_count);
	ptrdiff_t most_bytes = 0;
	void **pointers;

	pointers = arena_alloc(arena, nr * sizeof(*pointers));
	if (!pointers)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		ptrdiff_t r =
			convert_to_wire(field->table, elements + i * field->table->plain_bytes,
					arena, &pointers[i]);

		if (r < 0)
			return r;
		most_bytes += CONVERT_FIELD_BYTES_MAX + r;
	}
	store_pointer(wire + field->wire, pointers);
	*(size_t *)(wire + field->wire_count) = nr;
	return most_bytes;
}

static ptrdiff_t message_to_wire(const struct convert_field *field, const uint8_t *plain,
				 uint8_t *wire, struct codec_arena *arena)
{
	void *message;
	ptrdiff_t r = convert_to_wire(field->table, plain + field->plain, arena, &message);

	if (r >= 0)
		store_pointer(wire + field->wire, message);
	return r;
}

static ptrdiff_t string_to_wire(const uint8_t *from, uint8_t *to)
{
	const char *text = load_pointer(from);

	if (!text)
		return 0; /* it stays the default, "" */
	store_pointer(to, text);
	return (ptrdiff_t)strlen(text);
}

static ptrdiff_t strings_to_wire(const struct convert_field *field, const uint8_t *plain,
				 uint8_t *wire)
{
	const char *const *strings = load_pointer(plain + field->plain);
	size_t nr = load_size(plain + field->plain_count);
	ptrdiff_t most_bytes = 0;

	for (size_t i = 0; i < nr; i++)
		most_bytes += CONVERT_FIELD_BYTES_MAX + (ptrdiff_t)strlen(strings[i]);
	store_pointer(wire + field->wire, strings);
	*(size_t *)(wire + field->wire_count) = nr;
	return most_bytes;
}

/* Returns the most bytes that it takes beyond CONVERT_FIELD_BYTES_MAX, or -ENOMEM. */
static ptrdiff_t field_to_wire(const struct convert_field *field, const uint8_t *plain,
			       uint8_t *wire, struct codec_arena *arena)
{
	const uint8_t *from = plain + field->plain;
	uint8_t *to = wire + field->wire;

	switch (field->kind) {
	case CONVERT_U32:
	case CONVERT_ENUM:
		*(uint32_t *)to = *(const uint32_t *)from;
		return 0;
	case CONVERT_U64:
		*(uint64_t *)to = *(const uint64_t *)from;
		return 0;
	case CONVERT_BOOL:
		*(protobuf_c_boolean *)to = *(const bool *)from;
		return 0;
	case CONVERT_STRING:
		return string_to_wire(from, to);
	case CONVERT_STRINGS:
		return strings_to_wire(field, plain, wire);
	case CONVERT_MESSAGE:
		return message_to_wire(field, plain, wire, arena);
	case CONVERT_LIST:
		return list_to_wire(field, plain, wire, arena);
	case CONVERT_ARRAY:
		store_pointer(to, from);
		*(size_t *)(wire + field->wire_count) = field->max;
		return field->max * CONVERT_VARINT_BYTES_MAX;
	case CONVERT_RUNS:
		store_pointer(to, load_pointer(from));
		*(size_t *)(wire + field->wire_count) =
			RUN_WORDS * load_size(plain + field->plain_count);
		return (ptrdiff_t)(load_size(plain + field->plain_count) *
				   sizeof(struct message_run));
	case CONVERT_MASKS:
		store_pointer(to, load_pointer(from));
		*(size_t *)(wire + field->wire_count) = load_size(plain + field->plain_count);
		return (ptrdiff_t)(load_size(plain + field->plain_count) * sizeof(uint64_t));
	}
	return -EINVAL;
}

ptrdiff_t convert_to_wire(const struct convert_table *table, const void *plain,
			  struct codec_arena *arena, void **ret_wire)
{
	ptrdiff_t most_bytes = 0;
	void *wire = wire_new(table, arena);

	if (!wire)
		return -ENOMEM;
	for (size_t i = 0; i < table->nr_fields; i++) {
		ptrdiff_t r = field_to_wire(&table->fields[i], plain, wire, arena);

		if (r < 0)
			return r;
		most_bytes += CONVERT_FIELD_BYTES_MAX + r;
	}
	*ret_wire = wire;
	return most_bytes;
}

static int refuse(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EBADMSG;
}

static int message_from_wire(const struct convert_field *field, const uint8_t *wire,
			     struct codec_arena *arena, uint8_t *plain, const char **ret_why)
{
	const void *message = load_pointer(wire + field->wire);

	if (!message)
		message = wire_new(field->table, arena);
	if (!message)
		return -ENOMEM;
	return convert_from_wire(field->table, message, arena, plain + field->plain, ret_why);
}

static int string_from_wire(const struct convert_field *field, const uint8_t *wire, uint8_t *plain,
			    const char **ret_why)
{
	const char *text = load_pointer(wire + field->wire);

	if (!text_is_printable(text, field->max))
		return refuse(field->why, ret_why);
	store_pointer(plain + field->plain, text);
	return 0;
}

static int strings_from_wire(const struct convert_field *field, const uint8_t *wire, uint8_t *plain,
			     const char **ret_why)
{
	const char *const *strings = load_pointer(wire + field->wire);
	size_t nr = load_size(wire + field->wire_count);

	if (nr > field->max)
		return refuse(field->why, ret_why);
	for (size_t i = 0; i < nr; i++)
		if (!text_is_printable(strings[i], MESSAGE_TEXT_BYTES_MAX))
			return refuse("a text is too long or not printable UTF-8", ret_why);
	store_pointer(plain + field->plain, strings);
	*(size_t *)(plain + field->plain_count) = nr;
	return 0;
}

static int list_from_wire(const struct convert_field *field, const uint8_t *wire,
			  struct codec_arena *arena, uint8_t *plain, const char **ret_why)
{
	void *const *pointers = load_pointer(wire + field->wire);
	size_t nr = load_size(wire + field->wire_count);
	uint8_t *elements;

	if (nr > field->max)
		return refuse(field->why, ret_why);
	elements = arena_alloc(arena, nr * field->table->plain_bytes);
	if (!elements)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		int r = convert_from_wire(field->table, pointers[i], arena,
					  elements + i * field->table->plain_bytes, ret_why);

		if (r < 0)
			return r;
	}
	store_pointer(plain + field->plain, elements);
	*(size_t *)(plain + field->plain_count) = nr;
	return 0;
}

static int array_from_wire(const struct convert_field *field, const uint8_t *wire, uint8_t *plain,
			   const char **ret_why)
{
	const uint64_t *from = load_pointer(wire + field->wire);
	size_t nr = load_size(wire + field->wire_count);
	uint64_t *to = (uint64_t *)(plain + field->plain);

	if (nr > field->max)
		return refuse(field->why, ret_why);
	for (size_t i = 0; i < field->max; i++)
		to[i] = i < nr ? from[i] : 0;
	return 0;
}

static int runs_from_wire(const struct convert_field *field, const uint8_t *wire, uint8_t *plain,
			  const char **ret_why)
{
	size_t nr_words = load_size(wire + field->wire_count);

	if (nr_words % RUN_WORDS != 0)
		return refuse("runs are pairs of base and mask: one half is missing", ret_why);
	if (nr_words / RUN_WORDS > field->max)
		return refuse(field->why, ret_why);
	store_pointer(plain + field->plain, load_pointer(wire + field->wire));
	*(size_t *)(plain + field->plain_count) = nr_words / RUN_WORDS;
	return 0;
}

static int masks_from_wire(const struct convert_field *field, const uint8_t *wire, uint8_t *plain,
			   const char **ret_why)
{
	size_t nr = load_size(wire + field->wire_count);

	if (nr != 0 && RUN_WORDS * nr != load_size(wire + field->wire_runs))
		return refuse(field->why, ret_why);
	store_pointer(plain + field->plain, load_pointer(wire + field->wire));
	*(size_t *)(plain + field->plain_count) = nr;
	return 0;
}

static int field_from_wire(const struct convert_field *field, const uint8_t *wire,
			   struct codec_arena *arena, uint8_t *plain, const char **ret_why)
{
	const uint8_t *from = wire + field->wire;
	uint8_t *to = plain + field->plain;

	switch (field->kind) {
	case CONVERT_U32:
		*(uint32_t *)to = *(const uint32_t *)from;
		return 0;
	case CONVERT_U64:
		*(uint64_t *)to = *(const uint64_t *)from;
		return 0;
	case CONVERT_BOOL:
		*(bool *)to = *(const protobuf_c_boolean *)from != 0;
		return 0;
	case CONVERT_ENUM:
		/* A newer peer's value, or a negative one, is none of ours. */
		*(uint32_t *)to = *(const uint32_t *)from < field->max ? *(const uint32_t *)from
								       : field->unknown;
		return 0;
	case CONVERT_STRING:
		return string_from_wire(field, wire, plain, ret_why);
	case CONVERT_STRINGS:
		return strings_from_wire(field, wire, plain, ret_why);
	case CONVERT_MESSAGE:
		return message_from_wire(field, wire, arena, plain, ret_why);
	case CONVERT_LIST:
		return list_from_wire(field, wire, arena, plain, ret_why);
	case CONVERT_ARRAY:
		return array_from_wire(field, wire, plain, ret_why);
	case CONVERT_RUNS:
		return runs_from_wire(field, wire, plain, ret_why);
	case CONVERT_MASKS:
		return masks_from_wire(field, wire, plain, ret_why);
	}
	return refuse("a field of no kind", ret_why);
}

int convert_from_wire(const struct convert_table *table, const void *wire,
		      struct codec_arena *arena, void *plain, const char **ret_why)
{
	for (size_t i = 0; i < table->nr_fields; i++) {
		int r = field_from_wire(&table->fields[i], wire, arena, plain, ret_why);

		if (r < 0)
			return r;
	}
	return 0;
}
