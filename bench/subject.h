/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One of the page allocators under the same workloads: a zone; the list that it is measured
 * against; or a zone as it serves clients, behind a pool with watermarks and limits. All are called
 * through one predicted branch, which costs them the same.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/list_buddy.h"
#include "core/cache.h"
#include "core/pool.h"
#include "core/pool_object.h"
#include "core/zone.h"

/* The client that blocks are granted to. */
#define SUBJECT_SLOT 7u

enum subject_kind { SUBJECT_ZONE, SUBJECT_LIST, SUBJECT_POOL };

/* Around the zone that is in the subject. */
struct subject_pool {
	struct pool pool;
	struct pool_request request;
	struct quota *quota;
};

/* A zone's table of caches, in two memories as a zone's own. */
struct subject_caches {
	struct cache_table table;
	void *records;
	size_t records_bytes;
	void *layouts;
	size_t layouts_bytes;
};

struct subject {
	enum subject_kind kind;
	struct word_owner owner; /* that blocks are asked for with */
	uint32_t nr_pages;
	unsigned max_order;
	union {
		struct zone zone;
		struct list_buddy list;
	} u;
	struct subject_pool *pool;     /* NULL but for SUBJECT_POOL */
	struct subject_caches *caches; /* NULL but after subject_init_objects() */
	void *table;                   /* a word or an entry a page */
	size_t table_bytes;
	void *index; /* NULL for the list: it has none */
	size_t index_bytes;
};

/*
 * Maps the memory of an allocator of nr_pages pages, none of it touched, and makes it ready: all
 * pages free, in blocks of the largest order there is. 0 or a negative errno.
 */
int subject_init(struct subject *subject, enum subject_kind kind, uint32_t nr_pages);

/*
 * The same of a zone, or one behind a pool, that grants objects too: with room for their words as
 * the daemon reserves it, and with the general caches.
 */
int subject_init_objects(struct subject *subject, enum subject_kind kind, uint32_t nr_pages);
void subject_deinit(struct subject *subject);

/* All free again, with this top order; afterwards all of the memory has been touched. */
void subject_reset(struct subject *subject, unsigned max_order);

/*
 * A zone's index is forgotten and made again from the ledger. Returns the CPU time that opening the
 * zone took, in ns; zeroing the index, which makes sure that it was touched, is not in it.
 */
uint64_t subject_recover(struct subject *subject);

double subject_metadata_bytes_per_page(const struct subject *subject);

/* Of what the subject has mapped, the bytes that are in memory. 0 when nobody tells. */
uint64_t subject_resident_bytes(const struct subject *subject);
uint64_t subject_nr_free_pages(const struct subject *subject);

/* As zone_alloc_bulk() and zone_free_bulk(). The list has none. */
static inline size_t subject_alloc_bulk(struct subject *subject, unsigned order, size_t count,
					struct page_run *runs, size_t *nr_runs)
{
	struct pool_demand demand;

	if (subject->kind == SUBJECT_ZONE)
		return zone_alloc_bulk(&subject->u.zone, order, count, subject->owner, runs,
				       nr_runs);
	return pool_alloc_bulk(&subject->pool->pool, &subject->pool->request, order, count, runs,
			       nr_runs, &demand);
}

static inline int subject_free_bulk(struct subject *subject, unsigned order,
				    const struct page_run *runs, size_t nr_runs)
{
	if (subject->kind == SUBJECT_ZONE)
		return zone_free_bulk(&subject->u.zone, order, subject->owner.slot, runs, nr_runs);
	return pool_free_bulk(&subject->pool->pool, order, subject->owner.slot, runs, nr_runs);
}

/* The first block of a run. */
static inline uint32_t subject_run_pfn(const struct page_run *run, unsigned order)
{
	return (uint32_t)run->base + ((uint32_t)__builtin_ctzll(run->mask) << order);
}

static inline int subject_alloc(struct subject *subject, unsigned order, uint32_t *ret_pfn)
{
	struct page_run run;
	size_t nr_runs = 0;

	if (subject->kind == SUBJECT_LIST)
		return list_buddy_alloc(&subject->u.list, order, subject->owner, ret_pfn);
	if (subject->kind == SUBJECT_ZONE)
		return zone_alloc(&subject->u.zone, order, subject->owner, ret_pfn);
	if (subject_alloc_bulk(subject, order, 1, &run, &nr_runs) != 1)
		return -1;
	*ret_pfn = subject_run_pfn(&run, order);
	return 0;
}

static inline int subject_free(struct subject *subject, uint32_t pfn, unsigned order)
{
	const struct page_run run = { .base = pfn, .mask = 1 };

	if (subject->kind == SUBJECT_LIST)
		return list_buddy_free(&subject->u.list, pfn, order, subject->owner.slot);
	if (subject->kind == SUBJECT_ZONE)
		return zone_free(&subject->u.zone, pfn, order, subject->owner.slot);
	return subject_free_bulk(subject, order, &run, 1);
}

/* Whom pages and objects go to from now on. */
static inline void subject_set_slot(struct subject *subject, unsigned slot)
{
	subject->owner.slot = slot & (WORD_NR_SLOTS - 1);
	if (subject->pool)
		subject->pool->request.owner = subject->owner;
}

/* Makes a cache for plain objects of this size. Its number, or CACHES_MAX when there is none. */
uint32_t subject_add_cache(struct subject *subject, uint32_t object_bytes);

/* As zone_alloc_objects(), with room made first as the daemon does before each request. */
static inline size_t subject_alloc_objects(struct subject *subject, uint32_t cache, size_t count,
					   struct object_run *runs, size_t *nr_runs)
{
	struct zone *zone = &subject->u.zone;
	struct slab_range ranges[2];
	struct pool_demand demand;

	if (zone_slab_room(zone) < SLAB_ROOM_UNITS && zone_next_slab_room(zone, ranges))
		zone_add_slab_room(zone);
	if (subject->kind == SUBJECT_ZONE)
		return zone_alloc_objects(zone, cache, count, subject->owner, UINT32_MAX, runs,
					  nr_runs);
	return pool_alloc_objects(&subject->pool->pool, &subject->pool->request, cache, count, runs,
				  nr_runs, &demand);
}

/* Frees objects that the present slot holds, all or none; 0 or a zone_error. */
int subject_free_objects(struct subject *subject, uint32_t cache, const struct object_run *runs,
			 size_t nr_runs);
