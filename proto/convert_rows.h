/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How the codec's tables are written: one row a field, one table a message. Private to them.
 *
 * A field has the same name on both sides, so a row is a kind and a name: U32(HELLO, version_min).
 * The first argument stands for three: the generated struct, our struct, and the path to the field
 * within ours (it ends in a dot, or is empty).
 */

#include <stddef.h>

#include "proto/convert.h"
#include "proto/message.h"

/* What protoc-c makes of the names of messages and of bodies. */
#define WIRE(name) Pagepool__V1__##name
#define TAG(which) PAGEPOOL__V1__##which

#define MEMBER_BYTES(type, member) sizeof(((type *)0)->member)
/* 0, or no program: both sides of a field that is copied have the size that its kind copies. */
#define MUST_BE_EQUAL(a, b) (0 * sizeof(char[(a) == (b) ? 1 : -1]))

#define SCALAR_(kind_, Wire, Plain, path, name, ...)                                               \
	{                                                                                          \
		.kind = (kind_), .wire = offsetof(Wire, name),                                     \
		.plain = offsetof(Plain, path name), __VA_ARGS__                                   \
	}
#define COPIED_(kind_, bytes, Wire, Plain, path, name, ...)                                        \
	{                                                                                          \
		.kind = (kind_),                                                                   \
		.wire = offsetof(Wire, name) + MUST_BE_EQUAL(MEMBER_BYTES(Wire, name), bytes) +    \
			MUST_BE_EQUAL(MEMBER_BYTES(Plain, path name), bytes),                      \
		.plain = offsetof(Plain, path name), __VA_ARGS__                                   \
	}
#define COUNTED_(kind_, Wire, Plain, path, name, ...)                                              \
	{                                                                                          \
		.kind = (kind_), .wire = offsetof(Wire, name),                                     \
		.wire_count = offsetof(Wire, n_##name), .plain = offsetof(Plain, path name),       \
		.plain_count = offsetof(Plain, path nr_##name), __VA_ARGS__                        \
	}
#define ARRAY_(Wire, Plain, path, name, ...)                                                       \
	{                                                                                          \
		.kind = CONVERT_ARRAY, .wire = offsetof(Wire, name),                               \
		.wire_count = offsetof(Wire, n_##name), .plain = offsetof(Plain, path name),       \
		.max = MEMBER_BYTES(Plain, path name) / sizeof(uint64_t), __VA_ARGS__              \
	}
/* A message whose fields lie in ours without a struct of their own. */
#define FLAT_(Wire, Plain, path, name, ...)                                                        \
	{                                                                                          \
		.kind = CONVERT_MESSAGE, .wire = offsetof(Wire, name), __VA_ARGS__                 \
	}

/* Beside the runs of the field `of`. */
#define MASKS_(Wire, Plain, path, name, of)                                                        \
	COUNTED_(CONVERT_MASKS, Wire, Plain, path, name, .wire_runs = offsetof(Wire, n_##of),      \
		 .why = "as many " #name " masks as " #of ", or none")

#define CALL(macro, ...) macro(__VA_ARGS__)
#define U32(side, name) CALL(COPIED_, CONVERT_U32, sizeof(uint32_t), side, name, )
#define U64(side, name) CALL(COPIED_, CONVERT_U64, sizeof(uint64_t), side, name, )
#define BOOL(side, name) CALL(SCALAR_, CONVERT_BOOL, side, name, )
#define ENUM(side, name, nr, other)                                                                \
	CALL(COPIED_, CONVERT_ENUM, sizeof(uint32_t), side, name, .max = (nr), .unknown = (other))
#define NAME(side, name)                                                                           \
	CALL(COPIED_, CONVERT_STRING, sizeof(char *), side, name, .max = MESSAGE_NAME_BYTES_MAX,   \
	     .why = "a name is too long or not printable UTF-8")
#define TEXT(side, name)                                                                           \
	CALL(COPIED_, CONVERT_STRING, sizeof(char *), side, name, .max = MESSAGE_TEXT_BYTES_MAX,   \
	     .why = "a text is too long or not printable UTF-8")
#define TEXTS(side, name, nr_max, what)                                                            \
	CALL(COUNTED_, CONVERT_STRINGS, side, name, .max = (nr_max), .why = "too many " what)
#define MESSAGE(side, name, by) CALL(SCALAR_, CONVERT_MESSAGE, side, name, .table = &(by))
#define FLAT(side, name, by) CALL(FLAT_, side, name, .table = &(by))
#define LIST(side, name, by, nr_max, what)                                                         \
	CALL(COUNTED_, CONVERT_LIST, side, name, .table = &(by), .max = (nr_max),                  \
	     .why = "too many " what)
#define ARRAY(side, name, what) CALL(ARRAY_, side, name, .why = "too many " what)
#define RUNS(side, name)                                                                           \
	CALL(COUNTED_, CONVERT_RUNS, side, name, .max = MESSAGE_BATCH_BLOCKS_MAX,                  \
	     .why = "too many runs")
#define MASKS(side, name, of) CALL(MASKS_, side, name, of)

#define NR(array) (sizeof(array) / sizeof((array)[0]))
#define TABLE(message, rows)                                                                       \
	{                                                                                          \
		.descriptor = &pagepool__v1__##message##__descriptor, .fields = (rows),            \
		.nr_fields = NR(rows)                                                              \
	}
#define EMPTY_TABLE(message)                                                                       \
	{                                                                                          \
		.descriptor = &pagepool__v1__##message##__descriptor                               \
	}
#define ELEMENT_TABLE(message, rows, type)                                                         \
	{                                                                                          \
		.descriptor = &pagepool__v1__##message##__descriptor, .fields = (rows),            \
		.nr_fields = NR(rows), .plain_bytes = sizeof(type)                                 \
	}
