/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A request on its way through a pool's zones, for whatever a zone can be asked for: blocks, a run
 * of adjacent pages, objects. Who asks says what a unit of it is; pool_walk.c says where they are
 * asked for. Private to pool_*.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pool.h"
#include "core/zone.h"

struct pool_walk;

/* What is asked for. Each function is about one zone. */
struct pool_goods {
	/* Units that a zone can grant down to a mark, by its pages alone. */
	size_t (*room)(const struct pool_walk *walk, const struct zone *zone, enum zone_mark mark);
	/* Grants up to `count` units; returns how many. */
	size_t (*take)(struct pool_walk *walk, struct zone *zone, size_t count);
	/* Bytes that it can grant beside those of free pages and of empty slabs. */
	uint64_t (*free_bytes)(const struct pool_walk *walk, const struct zone *zone);
};

struct pool_walk {
	struct pool *pool;
	const struct pool_request *request;
	const struct pool_goods *goods;
	void *data;              /* of take */
	uint64_t unit_bytes;     /* that a unit is charged */
	unsigned nr_unit_blocks; /* that a unit is counted as; 0: units are not counted */
	/* Of the pages that a zone must have: of a unit, or of units_per_block units. */
	unsigned order;
	uint32_t nr_pages;
	uint32_t units_per_block;
	enum mobility mobility;
	/* Zones not to be asked, as they had the pages and no unit; more are found on the way. */
	uint64_t fragmented;

	/* Set on the way. */
	uint64_t allowed;    /* zones, and in use */
	unsigned intended;   /* zone, of the share at hand */
	size_t rest;         /* units, of the share at hand */
	size_t granted;      /* units */
	uint64_t served;     /* zones that granted something */
	unsigned short_zone; /* the first intended one with too little above low, POOL_ZONE_NONE */
};

static inline uint64_t pool_zone_bit(unsigned zone)
{
	return UINT64_C(1) << zone;
}

/*
 * Serves up to `count` units, and charges them. What it lacked is what it returns. Empty slabs are
 * given back before anything is refused for want of pages.
 */
struct pool_demand pool_walk_serve(struct pool_walk *walk, size_t count);
