/* SPDX-License-Identifier: MIT */
#pragma once

/* One zone of a pool with all that it stands on: segment, ledger, index. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pool.h"
#include "service/ledger_memory.h"
#include "service/service.h"

struct backing;
struct cache_table;
struct message_zone_info;
struct sizing;
struct worker_pool;
struct zone;
struct zone_config;

#define POOLS_DAMAGE_BYTES 160u

struct pools_zone {
	struct zone *zone;       /* owned, as all below */
	struct backing *backing; /* the pages */
	struct ledger_memory ledger;
	void *index;
	size_t index_bytes;
	char name[16];             /* "node0" */
	struct pool_demand demand; /* the gravest since it last had enough; for pressure.c */
	uint64_t min_bytes, low_bytes, high_bytes;
	bool is_room_short;              /* no memory for the ledger of more objects, lately */
	bool is_room_told;               /* to the log */
	char damage[POOLS_DAMAGE_BYTES]; /* why it is set aside; "" when it is sound */
	void *stand_in;                  /* then: the memory of the zone in its place */
};

/* Where it is. */
struct pools_zone_place {
	unsigned index;                   /* in its pool */
	unsigned node;                    /* as users name it */
	int host_node;                    /* to bind to; -1: not bound */
	const struct cache_table *caches; /* of the pool; outlives the zone */
};

/*
 * Makes a zone of the pool; backs nothing yet. `workers` are borrowed. 0, or a negative errno that
 * has been logged; what was made then is pools_zone_deinit()'s to take down. A zone whose ledger is
 * damaged is set aside, which is logged and no error: an empty one is in its place.
 */
int pools_zone_init(struct pools_zone *zone, const struct service_pool_config *config,
		    const struct pools_zone_place *place, const struct sizing *sizing,
		    unsigned nr_slots, struct worker_pool *workers);
/* The part of it that opens the zone of the ledger; for pools_zone_init() and tests. */
int pools_zone_open(struct pools_zone *zone, const struct zone_config *config);
/* Accepts a half-built one. No job of the backing may be running. */
void pools_zone_deinit(struct pools_zone *zone);

/*
 * Takes what growing to size_bytes needs beforehand: memory for the ledger, huge pages. For a
 * helper thread. 0 or a negative errno.
 */
int pools_zone_prepare(const struct pools_zone *zone, uint64_t size_bytes);
/* Makes this the zone's size; zone_resize_step() is for the caller to call from then on. */
void pools_zone_set_size(struct pools_zone *zone, const struct sizing *sizing);
void pools_zone_set_watermarks(struct pools_zone *zone, const struct sizing *sizing);

/*
 * Memory for the words of objects, a part of the ledger at a time: whether little is left and there
 * may be more, and backing the next part, which takes about half a millisecond, also when it fails.
 * 0 or a negative errno.
 */
bool pools_zone_wants_slab_room(const struct pools_zone *zone);
int pools_zone_add_slab_room(struct pools_zone *zone);

/* Fills in what the zone itself knows, all but free blocks and groups. Strings are borrowed. */
void pools_zone_describe(const struct pools_zone *zone, struct message_zone_info *info);
