/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Between the structs that protobuf-c generates ("wire") and ours ("plain"), by tables of fields.
 * Private to the codec.
 */

#include <stddef.h>
#include <stdint.h>

struct ProtobufCMessageDescriptor;
struct codec_arena;
struct convert_table;

enum convert_kind {
	CONVERT_U32, /* any 4 bytes */
	CONVERT_U64,
	CONVERT_BOOL,    /* protobuf_c_boolean <-> bool */
	CONVERT_ENUM,    /* max values from 0 on; what is none of them reads as `unknown` */
	CONVERT_STRING,  /* printable, up to max bytes */
	CONVERT_STRINGS, /* up to max of them, each as a text */
	CONVERT_MESSAGE, /* by table; a missing one reads as its defaults */
	CONVERT_LIST,    /* of messages by table, up to max */
	CONVERT_ARRAY,   /* of u64, in a plain array of max; missing ones read as 0 */
	CONVERT_RUNS,    /* pairs of u64 <-> struct message_run, up to max; not copied */
	CONVERT_MASKS    /* u64s, one for each run of another field, or none; not copied */
};

struct convert_field {
	enum convert_kind kind;
	uint16_t wire, wire_count;   /* offsets of the field and of its number of elements */
	uint16_t plain, plain_count; /* the same in our struct */
	uint16_t wire_runs;          /* of masks: offset of the number of words of their runs */
	uint16_t max, unknown;
	const struct convert_table *table;
	const char *why; /* what is wrong with the field when it is refused */
};

struct convert_table {
	const struct ProtobufCMessageDescriptor *descriptor;
	const struct convert_field *fields;
	size_t nr_fields;
	size_t plain_bytes; /* of an element, for lists */
};

#define CONVERT_VARINT_BYTES_MAX 10
/* What every field can take on the wire: which one it is, and then its number or its length. */
#define CONVERT_FIELD_BYTES_MAX (2 * CONVERT_VARINT_BYTES_MAX)

/*
 * Makes a wire struct in the arena that may point into `plain`. Returns the most bytes that its
 * encoding can take (a bound that costs nothing, where the exact number is a walk of its own), or
 * -ENOMEM when the arena is too small.
 */
ptrdiff_t convert_to_wire(const struct convert_table *table, const void *plain,
			  struct codec_arena *arena, void **ret_wire);

/*
 * Fills `plain`, which may then point into the wire struct and the arena. 0; -ENOMEM as above;
 * -EBADMSG with *ret_why, a static string, for a field past its limits: `plain` is then partly
 * filled.
 */
int convert_from_wire(const struct convert_table *table, const void *wire,
		      struct codec_arena *arena, void *plain, const char **ret_why);
