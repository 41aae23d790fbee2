/* SPDX-License-Identifier: MIT */
/*
 * Cells of objects, byte by byte.
 *
 * A cell (core/cache_layout.c) has three spans: the left red zone, the object, the right red zone.
 * An image says which byte each of them is full of, or that it does not matter. Comparing and
 * writing are one walk over spans; cells that lie side by side give spans that do, too.
 *
 * Under the walk is a window: a copy of up to OBJECT_WINDOW_BYTES of the segment. Looking moves it
 * forward and reads it anew, writing fills it and writes it out when the next span does not follow
 * the last one. So 64 small objects are one system call, and a large one is a few.
 *
 * A client can write there while we look. What counts is the copy, which is read once; a byte that
 * is broken after that is found the next time.
 */

#include "service/object_look.h"

#include <stdbool.h>
#include <string.h>

#include "service/backing.h"

#define OBJECT_WINDOW_BYTES (32u * 1024u) /* on the stack */

struct window {
	const struct backing *backing;
	uint64_t start;
	size_t size_bytes;
	uint64_t next; /* the cell that would follow the last one */
	uint64_t end;  /* of the cells that lie side by side: no byte behind it is of interest */
	unsigned char data[OBJECT_WINDOW_BYTES];
};

/* Bytes of a cell that have one pattern. */
struct span {
	uint64_t start;
	uint64_t size_bytes;
	int16_t byte;
};

#define CELL_NR_SPANS 3u

static void cut_cell(const struct object_look *look, const struct object_image *image,
		     struct span ret[CELL_NR_SPANS])
{
	uint64_t start = look->cell + CACHE_RED_BYTES, end = start + look->object_bytes;

	ret[0] = (struct span){ look->cell, CACHE_RED_BYTES, image->red };
	ret[1] = (struct span){ start, look->object_bytes, image->body };
	ret[2] = (struct span){ end, look->cell + look->stride_bytes - end, image->red };
}

static bool is_full_of(const unsigned char *data, size_t size_bytes, unsigned char byte)
{
	return data[0] == byte && memcmp(data, data + 1, size_bytes - 1) == 0;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Whether a cell lies side by side with the last one. */
static bool is_next(const struct object_look *look, const struct window *window)
{
	return look->backing == window->backing && look->cell == window->next;
}

/* An empty window where a cell starts. */
static void window_open(struct window *window, const struct object_look *look)
{
	window->backing = look->backing;
	window->start = look->cell;
	window->size_bytes = 0;
}

/* Looking. */

/* Moves the window to `at`, which lies before its end, unless that is within already. */
static int window_move(struct window *window, uint64_t at)
{
	uint64_t size_bytes = min_u64(window->end - at, sizeof(window->data));
	int error;

	if (at >= window->start && at < window->start + window->size_bytes)
		return 0;
	error = backing_read(window->backing, at, window->data, size_bytes);
	window->start = at;
	window->size_bytes = error ? 0 : size_bytes;
	return error;
}

/* Where the first wrong byte of a span is, or its end. A negative errno when it can't be read. */
static int compare_span(struct window *window, const struct span *span, uint64_t *ret_at,
			uint8_t *ret_found)
{
	uint64_t at = span->start, end = at + span->size_bytes;

	*ret_at = end;
	if (span->byte == OBJECT_ANY)
		return 0;
	while (at < end) {
		int error = window_move(window, at);
		const unsigned char *data = window->data + (at - window->start);
		uint64_t size_bytes = min_u64(end, window->start + window->size_bytes) - at;

		if (error)
			return error;
		if (!is_full_of(data, size_bytes, (unsigned char)span->byte)) {
			while (*data == span->byte)
				data++;
			*ret_at = window->start + (uint64_t)(data - window->data);
			*ret_found = *data;
			return 0;
		}
		at += size_bytes;
	}
	return 0;
}

/* True with *ret filled, but for its look, when something in the cell is wrong. */
static int compare_cell(struct window *window, const struct object_look *look, bool *ret_is_wrong,
			struct object_fault *ret)
{
	struct span spans[CELL_NR_SPANS];

	*ret_is_wrong = false;
	cut_cell(look, &look->is, spans);
	for (unsigned i = 0; i < CELL_NR_SPANS; i++) {
		const struct span *span = &spans[i];
		uint64_t at;
		int error = compare_span(window, span, &at, &ret->found);

		if (error)
			return error;
		if (at == span->start + span->size_bytes)
			continue;
		ret->at = (int32_t)((int64_t)at - (int64_t)spans[1].start);
		ret->expected = (uint8_t)span->byte;
		*ret_is_wrong = true;
		return 0;
	}
	return 0;
}

/* Where the cells end that lie side by side from this one on. */
static uint64_t find_end(const struct object_look *looks, size_t nr_looks)
{
	uint64_t end = looks->cell + looks->stride_bytes;

	for (size_t i = 1; i < nr_looks && looks[i].backing == looks->backing; i++) {
		if (looks[i].cell != end)
			break;
		end += looks[i].stride_bytes;
	}
	return end;
}

int object_look_compare(const struct object_look *looks, size_t nr_looks,
			struct object_fault *faults, size_t max_faults, size_t *ret_nr_faults,
			size_t *ret_nr_looked)
{
	struct window window;
	size_t nr_faults = 0, i;

	window.backing = NULL;
	for (i = 0; i < nr_looks && nr_faults < max_faults; i++) {
		bool is_wrong;
		int error;

		if (!is_next(&looks[i], &window)) {
			window_open(&window, &looks[i]);
			window.end = find_end(&looks[i], nr_looks - i);
		}
		error = compare_cell(&window, &looks[i], &is_wrong, &faults[nr_faults]);
		if (error)
			return error;
		if (is_wrong)
			faults[nr_faults++].look = i;
		window.next = looks[i].cell + looks[i].stride_bytes;
	}
	*ret_nr_faults = nr_faults;
	*ret_nr_looked = i;
	return 0;
}

const char *object_fault_what(const struct object_fault *fault, const struct object_look *look)
{
	if (fault->at < 0)
		return "red zone before the object";
	if (fault->at >= (int32_t)look->object_bytes)
		return "red zone behind the object";
	return "poison in the free object";
}

/* Writing. */

static int window_flush(struct window *window)
{
	int error = 0;

	if (window->size_bytes)
		error = backing_write(window->backing, window->start, window->data,
				      window->size_bytes);
	window->size_bytes = 0;
	return error;
}

static int put_span(struct window *window, const struct span *span)
{
	uint64_t at = span->start, end = at + span->size_bytes;

	while (span->byte != OBJECT_ANY && at < end) {
		size_t room = sizeof(window->data) - window->size_bytes;
		uint64_t size_bytes = min_u64(end - at, room);

		if (at != window->start + window->size_bytes || !room) {
			int error = window_flush(window);

			if (error)
				return error;
			window->start = at;
			continue;
		}
		memset(window->data + window->size_bytes, span->byte, size_bytes);
		window->size_bytes += size_bytes;
		at += size_bytes;
	}
	return 0;
}

static int put_cell(struct window *window, const struct object_look *look)
{
	struct span spans[CELL_NR_SPANS];
	int error = 0;

	cut_cell(look, &look->put, spans);
	for (unsigned i = 0; i < CELL_NR_SPANS && !error; i++)
		error = put_span(window, &spans[i]);
	return error;
}

int object_look_put(const struct object_look *looks, size_t nr_looks)
{
	struct window window;
	int error = 0;

	window.backing = NULL;
	window.size_bytes = 0;
	for (size_t i = 0; i < nr_looks && !error; i++) {
		if (!is_next(&looks[i], &window)) {
			error = window_flush(&window);
			window_open(&window, &looks[i]);
		}
		if (!error)
			error = put_cell(&window, &looks[i]);
		window.next = looks[i].cell + looks[i].stride_bytes;
	}
	return error ? error : window_flush(&window);
}
