/* SPDX-License-Identifier: MIT */
#pragma once

/* Objects in the pool of the fixture. Each call proves every invariant of the pool. */

#include <stddef.h>
#include <stdint.h>

#include "core/pool_object.h"
#include "support/pool_fixture.h"

/* A general cache of slabs of one page. */
#define POOL_CACHE 11u
#define POOL_OBJECT_BYTES 256u
#define POOL_SLAB_OBJECTS 16u

/* Pages of a zone that stay in empty slabs. */
#define POOL_KEPT_PAGES (POOL_FIXTURE_PAGES / ZONE_EMPTY_PART)

/* Objects of one grant, or of a batch free. */
#define POOL_OBJECT_RUNS_MAX 20000u
struct pool_objects {
	struct object_run runs[POOL_OBJECT_RUNS_MAX];
	size_t nr_runs;
};

/* The same request by another holder. */
struct pool_request pool_by(struct pool_request request, unsigned slot);

/* Grants up to `count` objects; returns how many. The fixture has the demand. */
size_t pool_take_objects(struct pool_fixture *fixture, struct pool_request request, uint32_t number,
			 size_t count, struct pool_objects *ret);
/* What a batch free says; and one that must succeed. */
int pool_free_taken(struct pool_fixture *fixture, uint32_t number, unsigned slot,
		    const struct pool_objects *objects, uint64_t *ret_offset);
void pool_give_objects(struct pool_fixture *fixture, uint32_t number, unsigned slot,
		       const struct pool_objects *objects);

/* A cache of objects of POOL_OBJECT_BYTES. */
uint32_t pool_add_cache(struct pool_fixture *fixture, const char *name, unsigned flags);
struct zone_cache_stat pool_stat_of(struct pool_fixture *fixture, uint32_t number);

/* Fills all zones with pages of the other holder, but for so many in each. */
void pool_leave_free(struct pool_fixture *fixture, uint32_t nr_pages);
