/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What was granted of a zone, as ranges of bytes of its segment: one range of pages, runs of
 * blocks, or runs of objects. A walk is a value: a copy of it starts where it was copied.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/page.h"
#include "service/scrub.h"

struct backing_objects;

struct extent_walk {
	struct scrub_extent range;
	unsigned order;
	const struct page_run *run, *end;
	uint64_t mask;                         /* what is left of *run */
	const struct backing_objects *objects; /* NULL: pages */
	size_t next_objects;                   /* a run of theirs */
};

/* What they point to is borrowed. */
struct extent_walk extent_walk_range(uint32_t pfn, uint32_t nr_pages);
struct extent_walk extent_walk_blocks(unsigned order, const struct page_run *runs, size_t nr_runs);
struct extent_walk extent_walk_objects(const struct backing_objects *objects);

/*
 * The next extent: of blocks as many as lie side by side in a run, of objects a whole run, from the
 * first to the last of them. False when there is none.
 */
bool extent_walk_next(struct extent_walk *walk, struct scrub_extent *ret);

/* The object that this bit of a run names. */
struct scrub_extent extent_of_object(const struct backing_objects *objects,
				     const struct object_run *run, unsigned bit);

/* The pages that an extent lies in. */
static inline uint32_t extent_first_page(const struct scrub_extent *extent)
{
	return (uint32_t)(extent->offset >> PAGE_SHIFT);
}

static inline uint32_t extent_nr_pages(const struct scrub_extent *extent)
{
	uint64_t last = extent->offset + extent->size_bytes - 1;

	return (uint32_t)(last >> PAGE_SHIFT) - extent_first_page(extent) + 1;
}
