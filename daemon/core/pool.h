/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A pool's zones, one a node, and which of them serve a request: its policy says which may and in
 * which order they are tried, the zones' watermarks how far down each may go for it, the limits of
 * its holder how much it may have in all.
 *
 * What a request lacked is handed back as a demand. The pool acts on none: it moves, reclaims and
 * waits for nothing. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/page.h"
#include "core/word.h"

struct cache_table;
struct quota;
struct zone;
struct zone_fault;

#define POOL_ZONES_MAX 64u
#define POOL_ZONE_NONE POOL_ZONES_MAX

enum pool_policy {
	POOL_PREFERRED = 0, /* the preferred zone, then the others by distance */
	POOL_BIND,          /* one zone and no other */
	POOL_INTERLEAVE,    /* the allowed zones in turn, a batch spread evenly over them */
	POOL_MASK,          /* as preferred, within the allowed zones */
	POOL_NR_POLICIES
};

/* Who asks for pages, and where it wants them. */
struct pool_request {
	enum pool_policy policy;
	unsigned preferred; /* zone. The nearest that is allowed and in use takes its place */
	unsigned local;     /* the zone of the asking CPU, or POOL_ZONE_NONE: for counters only */
	uint64_t allowed;   /* bit i: zone i may serve it; UINT64_MAX for all */
	bool is_high;       /* may go below the min watermark */
	struct word_owner owner;
};

/* What stood in a request's way, the graver the greater. */
enum pool_level {
	POOL_DEMAND_NONE = 0,
	POOL_DEMAND_LOW,   /* granted, but not all from above the low watermark of its zone */
	POOL_DEMAND_MIN,   /* not granted whole: its zones are down to the min watermark */
	POOL_DEMAND_ORDER, /* not granted whole: pages enough are free, adjacent ones are not */
	POOL_DEMAND_LIMIT  /* not granted whole: limits stood in the way */
};

/* What it would take to serve such requests. With POOL_DEMAND_NONE nothing else counts. */
struct pool_demand {
	enum pool_level level;
	unsigned zone; /* where it is lacking */
	/*
	 * What was not granted; to LOW and MIN comes what the zone lacks up to its high watermark,
	 * both together being what must come back for the zone to be at ease.
	 */
	uint64_t nr_pages;
	unsigned order;         /* of the blocks asked for */
	enum mobility mobility; /* likewise */
	uint64_t limits;        /* LIMIT: those that stood in the way */
};

/* numastat's words, in blocks. */
struct pool_zone_counters {
	uint64_t hit;        /* granted here, as intended */
	uint64_t miss;       /* granted here, though another zone was intended */
	uint64_t foreign;    /* intended for here, granted elsewhere */
	uint64_t interleave; /* of the hits, those of which it was the turn */
	uint64_t local;      /* granted here to a CPU of this zone's node */
	uint64_t other;      /* granted here to a CPU of another node */
};

struct pool_policy_counters {
	uint64_t granted; /* blocks */
	uint64_t failed;  /* requests that were not served, or not whole */
};

/* Read counters directly. */
struct pool {
	unsigned nr_zones;
	struct zone *zones[POOL_ZONES_MAX]; /* borrowed; NULL: out of use */
	uint64_t in_use;                    /* zones, as bits */
	uint8_t zonelist[POOL_ZONES_MAX]
			[POOL_ZONES_MAX]; /* by preferred zone: indices, near to far */
	unsigned turn;                    /* the zone whose turn it is */
	struct quota *quota;              /* borrowed; set by the caller. NULL: no limits */
	struct cache_table *caches;       /* likewise, that of its zones. NULL: no objects */
	struct pool_zone_counters counters[POOL_ZONES_MAX];
	struct pool_policy_counters policies[POOL_NR_POLICIES];
};

/*
 * `zones` are borrowed and must outlive the pool; one that is NULL keeps its place and serves
 * nothing. distances is nr_zones x nr_zones, row i the distances from zone i as numa_distance()
 * gives them. Equal distances keep index order, turned so that each zone starts behind itself. 0 or
 * -EINVAL.
 */
int pool_init(struct pool *pool, struct zone *const *zones, unsigned nr_zones,
	      const uint8_t *distances);

/*
 * Grants up to `count` blocks of one order, as zone_alloc_bulk() does, and charges them. Returns
 * the number of blocks granted. The runs of one zone follow each other.
 */
size_t pool_alloc_bulk(struct pool *pool, const struct pool_request *request, unsigned order,
		       size_t count, struct page_run *runs, size_t *nr_runs,
		       struct pool_demand *ret);

/*
 * Grants nr_pages adjacent pages, 1 .. 2^PAGE_ORDER_MAX, of one zone. 0 with *ret_address a page
 * address, or ZONE_E_FULL. *ret is filled in both cases.
 */
int pool_alloc_exact(struct pool *pool, const struct pool_request *request, uint32_t nr_pages,
		     uint64_t *ret_address, struct pool_demand *ret);

/*
 * Frees all blocks of the runs, which may lie in several zones, or none. 0 or a zone_error.
 */
int pool_free_bulk(struct pool *pool, unsigned order, unsigned slot, const struct page_run *runs,
		   size_t nr_runs);
int pool_free_exact(struct pool *pool, uint64_t address, uint32_t nr_pages, unsigned slot);

/* zone_release() of a zone that is in use: pages and objects. */
bool pool_release(struct pool *pool, unsigned zone, unsigned slot, uint32_t max_pages,
		  uint32_t *cursor);

/* What a slot holds in all zones: pages, and the bytes that it is charged, objects included. */
uint64_t pool_held_pages(const struct pool *pool, unsigned slot);
uint64_t pool_held_bytes(const struct pool *pool, unsigned slot);

/* 0, or -EUCLEAN naming the zone and the fault. For tests. */
int pool_validate(const struct pool *pool, unsigned *ret_zone, struct zone_fault *ret);
