/* SPDX-License-Identifier: MIT */
/*
 * Grants as ranges of bytes.
 *
 * Whoever commits or zeroes memory wants few large ranges; grants name blocks and objects one by
 * one, by the bits of masks. A mask of blocks is cut into its stretches of ones. A run of objects
 * is one range, with what others may have in between: they lie in one slab, whose pages are mostly
 * ready or not together. Who has to know them apart goes by extent_of_object().
 */

#include "service/extent_walk.h"

#include "service/backing.h"

static struct scrub_extent extent_of_pages(uint64_t pfn, uint64_t nr_pages)
{
	return (struct scrub_extent){ pfn << PAGE_SHIFT, nr_pages << PAGE_SHIFT };
}

struct extent_walk extent_walk_range(uint32_t pfn, uint32_t nr_pages)
{
	return (struct extent_walk){ .range = extent_of_pages(pfn, nr_pages) };
}

struct extent_walk extent_walk_blocks(unsigned order, const struct page_run *runs, size_t nr_runs)
{
	return (struct extent_walk){
		.order = order,
		.run = runs,
		.end = runs + nr_runs,
		.mask = nr_runs ? runs->mask : 0,
	};
}

struct extent_walk extent_walk_objects(const struct backing_objects *objects)
{
	return (struct extent_walk){ .objects = objects };
}

struct scrub_extent extent_of_object(const struct backing_objects *objects,
				     const struct object_run *run, unsigned bit)
{
	uint64_t first = page_address_pfn(run->base >> PAGE_SHIFT) << PAGE_SHIFT |
			 (run->base & (PAGE_BYTES - 1));

	return (struct scrub_extent){ first + (uint64_t)bit * objects->stride_bytes,
				      objects->size_bytes };
}

static bool next_blocks(struct extent_walk *walk, struct scrub_extent *ret)
{
	unsigned first, nr_blocks;
	uint64_t after;

	while (walk->mask == 0) {
		if (walk->run == walk->end || ++walk->run == walk->end)
			return false;
		walk->mask = walk->run->mask;
	}
	first = (unsigned)__builtin_ctzll(walk->mask);
	after = ~(walk->mask >> first);
	nr_blocks = after ? (unsigned)__builtin_ctzll(after) : 64;
	*ret = extent_of_pages(page_address_pfn(walk->run->base) + ((uint64_t)first << walk->order),
			       (uint64_t)nr_blocks << walk->order);
	/* Adding the lowest one carries through the stretch. */
	walk->mask &= walk->mask + (UINT64_C(1) << first);
	return true;
}

static bool next_objects(struct extent_walk *walk, struct scrub_extent *ret)
{
	const struct backing_objects *objects = walk->objects;
	const struct object_run *run = &objects->runs[walk->next_objects];
	struct scrub_extent last;

	if (walk->next_objects == objects->nr_runs)
		return false;
	walk->next_objects++;
	*ret = extent_of_object(objects, run, (unsigned)__builtin_ctzll(run->mask));
	last = extent_of_object(objects, run, 63 - (unsigned)__builtin_clzll(run->mask));
	ret->size_bytes = last.offset + last.size_bytes - ret->offset;
	return true;
}

bool extent_walk_next(struct extent_walk *walk, struct scrub_extent *ret)
{
	if (walk->objects)
		return next_objects(walk, ret);
	if (walk->range.size_bytes == 0)
		return next_blocks(walk, ret);
	*ret = walk->range;
	walk->range.size_bytes = 0;
	return true;
}
