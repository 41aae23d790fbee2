/* SPDX-License-Identifier: MIT */
/*
 * JSON for programs. Jansson does the encoding; this adds what it lacks: counts beyond a signed
 * 64-bit integer, and documents too long to be held. Strings need no care: the protocol lets only
 * valid UTF-8 through.
 *
 * A stream that is broken off stays without its closing brackets, so that nobody takes a part of a
 * list for the whole.
 */

#include "cli/document.h"

#include <stdio.h>

#include "cli/complain.h"

static json_int_t clamp(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (json_int_t)n;
}

json_t *document_number(uint64_t n)
{
	return json_integer(clamp(n));
}

json_t *document_append(json_t *array, json_t *element)
{
	if (json_array_append_new(array, element) == 0)
		return array;
	json_decref(array);
	return NULL;
}

json_t *document_merge(json_t *object, json_t *more)
{
	if (json_object_update_new(object, more) == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *document_numbers(const uint64_t *numbers, unsigned count)
{
	json_t *ret = json_array();

	for (unsigned i = 0; i < count; i++)
		ret = document_append(ret, document_number(numbers[i]));
	return ret;
}

/* Digits that a double holds for sure: 13.7 stays 13.7. */
#define REAL_DIGITS 15

/* Trouble with the output itself is main()'s to report, when it closes it. */
static enum command_exit print_and_release(json_t *value)
{
	if (!value) {
		complain("out of memory");
		return COMMAND_REFUSED;
	}
	json_dumpf(value, stdout, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
	json_decref(value);
	return COMMAND_DONE;
}

enum command_exit document_print(json_t *document)
{
	enum command_exit outcome = print_and_release(document);

	if (outcome == COMMAND_DONE)
		putchar('\n');
	return outcome;
}

void document_stream_begin(struct document_stream *stream, const char *key)
{
	stream->nr_elements = 0;
	printf("{\"%s\":[", key);
}

enum command_exit document_stream_add(struct document_stream *stream, json_t *element)
{
	fputs(stream->nr_elements++ > 0 ? ",\n" : "\n", stdout);
	return print_and_release(element);
}

void document_stream_end(const struct document_stream *stream, const char *key, uint64_t number)
{
	fputs(stream->nr_elements > 0 ? "\n]" : "]", stdout);
	if (key)
		printf(",\"%s\":%" JSON_INTEGER_FORMAT, key, clamp(number));
	puts("}");
}
