/* SPDX-License-Identifier: MIT */
#pragma once

/* Answers for programs: JSON on standard output. */

#include <stdint.h>

#include <jansson.h>

#include "cli/command.h"

/* A number. JSON's integers end at 2^63 - 1 here: more is shown as that. */
json_t *document_number(uint64_t n);
json_t *document_numbers(const uint64_t *numbers, unsigned count);

/*
 * The array with the element at its end, or the object with the members of another one. Both
 * parts are taken over; NULL when either is NULL or memory is short, so that they can be nested.
 */
json_t *document_append(json_t *array, json_t *element);
json_t *document_merge(json_t *object, json_t *more);

/* Prints a whole document as one line and releases it. NULL counts as memory having run out. */
enum command_exit document_print(json_t *document);

/*
 * A document that is one long array under one key, printed element by element so that it never
 * has to be in memory: begin, add each element (released; NULL as above), end.
 */
struct document_stream {
	uint64_t nr_elements;
};

void document_stream_begin(struct document_stream *stream, const char *key);
enum command_exit document_stream_add(struct document_stream *stream, json_t *element);
/* A number may follow the array under a key of its own; NULL: none does. */
void document_stream_end(const struct document_stream *stream, const char *key, uint64_t number);
