/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Clients that share a debug cache, inside of the daemon, and the memory as they see it: what one
 * of them writes there is what a process would.
 */

#include <stdbool.h>
#include <stdint.h>

#include "service/object_look.h"
#include "support/service_fixture.h"

#define DEBUG_OBJECT_BYTES 100u

struct debug_fixture {
	struct fixture *fixture;
	struct fixture_client *alice, *bob; /* of one user */
	uint32_t pool;                      /* as both have it open */
	uint32_t cache;                     /* that they share */
	uint32_t stride_bytes;
	unsigned char *base; /* the first zone */
};

/* A cache of objects of DEBUG_OBJECT_BYTES, with CACHE_DEBUG and these flags. */
void debug_fixture_start(struct debug_fixture *debug, uint32_t flags);
/* Clients may have been freed before, and are NULL then. */
void debug_fixture_end(struct debug_fixture *debug);

/* Grants one run of so many objects, the lowest that are free. */
struct message_run debug_fixture_take(struct debug_fixture *debug, struct fixture_client *client,
				      uint32_t count);
const struct message *debug_fixture_give(struct debug_fixture *debug, struct fixture_client *client,
					 struct message_run run);
/* The object that bit i of a run names, as clients see it. */
unsigned char *debug_fixture_object(const struct debug_fixture *debug, struct message_run run,
				    unsigned i);
/* Whether the object and its red zones are full of this; OBJECT_ANY is not looked at. */
bool debug_fixture_is(const struct debug_fixture *debug, struct message_run run, unsigned i,
		      struct object_image image);
