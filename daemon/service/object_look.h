/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What lies in and around the objects of debug caches: the bytes that are to be there, looking at
 * them, and writing them. For helper threads. Knows nothing of ledgers and clients.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/cache.h"

struct backing;

/* The patterns; none is a byte that programs often write. */
#define OBJECT_RED_HELD 0xcc /* red zones of an object that somebody holds */
#define OBJECT_RED_FREE 0xbb /* and of a free one that somebody had */
#define OBJECT_POISON 0x6b   /* what such an object is filled with */
#define OBJECT_FRESH 0x5a    /* and one that was just granted */
#define OBJECT_ANY (-1)      /* whatever is there */

/* Bytes of a cell: both red zones and the object between them; OBJECT_ANY is looked at by nobody.
 */
struct object_image {
	int16_t red, body;
};

/* One object and what is to be done about it. */
struct object_look {
	const struct backing *backing;
	uint64_t cell;         /* where its cell starts, in the zone */
	uint32_t object_bytes; /* as its cache's layout has them */
	uint32_t stride_bytes;
	struct object_image is;  /* what should be there */
	struct object_image put; /* what is to be there then */
};

/* The object starts so far in its cell. */
static inline uint64_t object_look_cell(uint64_t start)
{
	return start - CACHE_RED_BYTES;
}

/* The first wrong byte of an object. */
struct object_fault {
	size_t look; /* its index */
	int32_t at;  /* from the object's start */
	uint8_t expected, found;
};

/*
 * Compares objects with what they should be, those that lie side by side with few reads. Fills in a
 * fault for each that differs, up to max_faults; *ret_nr_looked is how many were looked at until
 * then. 0 or a negative errno.
 */
int object_look_compare(const struct object_look *looks, size_t nr_looks,
			struct object_fault *faults, size_t max_faults, size_t *ret_nr_faults,
			size_t *ret_nr_looked);

/* Writes what is to be there. 0 or a negative errno, and then some of it is written. */
int object_look_put(const struct object_look *looks, size_t nr_looks);

/* Which bytes of an object a fault is about: a static string. */
const char *object_fault_what(const struct object_fault *fault, const struct object_look *look);
