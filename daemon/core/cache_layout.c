/* SPDX-License-Identifier: MIT */

/*
 * How the objects of a cache lie in its slabs.
 *
 * A slab is cut into cells of one stride, and each cell holds one object:
 *
 *	| colour | lead | cell 0 | cell 1 | ... | what is left |
 *
 * Without CACHE_DEBUG a cell is the object, rounded up so that the next one is aligned, and there
 * is no lead. With it, a cell has CACHE_RED_BYTES, the object's left zone, then the object, then
 * its right zone: all else up to the next cell, at least CACHE_RED_BYTES too. Each byte from the
 * first cell to the last is thus either of one object or of the red zone of one, and what is found
 * changed in a zone has an object to be reported with. As the object must be aligned and not the
 * cell, a lead fills up the left zone of the first to a multiple of the alignment.
 *
 * Natural alignment of what has a power of two for its size comes without a rule: the stride is
 * then the size, a slab is aligned to its own size, and nothing is left over for colours to use.
 *
 * What is left over shifts slabs against each other ("colours"; Bonwick, "The Slab Allocator",
 * 1994), so that the first objects of all slabs don't meet in the same cache sets. A step keeps
 * both alignment and cache lines.
 *
 * How large a slab is decides what is wasted. Its end that holds no object is one part, and the
 * ledger words are another, as they come in units of 16 whether they are objects' or not. Against
 * that stands that large blocks are hard to come by, and that one object keeps a whole slab. So the
 * smallest order is taken whose objects fill their units and waste little. When no order up to
 * CACHE_ORDER_PLAIN does (or, for what needs larger ones, no order up to CACHE_ORDERS_TRIED above
 * the smallest), it is the one that wastes the smallest share of itself; of several such the
 * largest up to CACHE_ORDER_PLAIN: more objects a unit, and fewer trips to the pages.
 */

#include <assert.h>
#include <errno.h>

#include "core/cache.h"

#define CACHE_LINE_BYTES 64u
#define CACHE_ORDER_PLAIN 6u
#define CACHE_ORDERS_TRIED 3u
#define CACHE_UNIT_OBJECTS 16u /* whose ledger words are a unit */
#define CACHE_WASTE_SHIFT 5u   /* up to 1/32 of a slab */
#define CACHE_FLAGS (CACHE_CTOR | CACHE_DEBUG | CACHE_MERGE)

static uint32_t round_up(uint32_t bytes, uint32_t align)
{
	return (bytes + align - 1) & ~(align - 1);
}

static uint32_t slab_bytes(unsigned order)
{
	return (uint32_t)PAGE_BYTES << order;
}

static bool can_be(const struct cache_config *config, uint32_t align)
{
	return config->object_bytes && config->object_bytes <= CACHE_OBJECT_BYTES_MAX &&
	       align >= CACHE_ALIGN_MIN && align <= CACHE_ALIGN_MAX && !(align & (align - 1)) &&
	       !(config->flags & ~(unsigned)CACHE_FLAGS) &&
	       (unsigned)config->mobility < NR_MOBILITIES;
}

/* Where the first cell starts, but for the colour. */
static uint32_t lead_bytes(const struct cache_layout *layout)
{
	return layout->first_bytes ? layout->first_bytes - CACHE_RED_BYTES : 0;
}

static uint32_t objects_within(const struct cache_layout *layout, unsigned order)
{
	uint32_t nr_cells = (slab_bytes(order) - lead_bytes(layout)) / layout->stride_bytes;

	return nr_cells < CACHE_SLAB_OBJECTS_MAX ? nr_cells : CACHE_SLAB_OBJECTS_MAX;
}

/* The largest alignment and the largest object fit together, red zones and all. */
_Static_assert(CACHE_OBJECT_BYTES_MAX + 2 * CACHE_RED_BYTES + 2 * CACHE_ALIGN_MAX <=
		       PAGE_BYTES << CACHE_ORDER_MAX,
	       "the largest slab holds any object");

static unsigned smallest_order(const struct cache_layout *layout)
{
	unsigned order = 0;

	while (!objects_within(layout, order))
		order++;
	assert(order <= CACHE_ORDER_MAX);
	return order;
}

static unsigned largest_order(unsigned smallest)
{
	unsigned largest = smallest + CACHE_ORDERS_TRIED;

	if (largest <= CACHE_ORDER_PLAIN)
		return CACHE_ORDER_PLAIN;
	return largest < CACHE_ORDER_MAX ? largest : CACHE_ORDER_MAX;
}

/* Two thirds of the words are objects', so that one costs less than 8 bytes, all records told. */
static bool fills_its_units(uint32_t nr_objects)
{
	uint32_t nr_units = (nr_objects + CACHE_UNIT_OBJECTS - 1) / CACHE_UNIT_OBJECTS;

	return nr_objects >= CACHE_UNIT_OBJECTS &&
	       3 * nr_objects >= 2 * nr_units * CACHE_UNIT_OBJECTS;
}

static unsigned choose_order(const struct cache_layout *layout)
{
	unsigned smallest = smallest_order(layout), largest = largest_order(smallest);
	unsigned best = smallest;
	uint32_t least = UINT32_MAX;

	for (unsigned order = smallest; order <= largest; order++) {
		uint32_t nr_objects = objects_within(layout, order);
		uint32_t waste = slab_bytes(order) - nr_objects * layout->stride_bytes;
		uint32_t share = waste << (CACHE_ORDER_MAX - order); /* of as many bytes for all */

		if (fills_its_units(nr_objects) && waste <= slab_bytes(order) >> CACHE_WASTE_SHIFT)
			return order;
		if (share < least || (share == least && order <= CACHE_ORDER_PLAIN)) {
			least = share;
			best = order;
		}
	}
	return best;
}

/* Fills slabs of the chosen order. */
static void lay_out_slab(struct cache_layout *layout, uint32_t align)
{
	uint32_t bytes = slab_bytes(layout->order), taken;

	layout->nr_objects = objects_within(layout, layout->order);
	layout->nr_words = layout->nr_objects * (layout->flags & CACHE_DEBUG ? 2 : 1);
	taken = layout->nr_objects * layout->stride_bytes;
	layout->waste_bytes = bytes - taken;
	layout->colour_bytes = align > CACHE_LINE_BYTES ? align : CACHE_LINE_BYTES;
	layout->nr_colours = (bytes - taken - lead_bytes(layout)) / layout->colour_bytes + 1;
}

/*
 * With s for the stride and m = floor(2^43 / s) + 1, m * s = 2^43 + e where 1 <= e <= s. The object
 * that starts k strides behind the first one is at k * s * m / 2^43 = k + k * e / 2^43, and as
 * k * e <= k * s < 2^22 the fraction is cut off: k is found. What starts at no multiple fails the
 * multiplication that follows, whatever was found. Nothing overflows: m < 2^40, and k <= 2^18.
 */
static uint64_t reciprocal_of(uint32_t stride_bytes)
{
	return (UINT64_C(1) << CACHE_RECIPROCAL_SHIFT) / stride_bytes + 1;
}

int cache_lay_out(const struct cache_config *config, struct cache_layout *ret)
{
	uint32_t align = config->align ? config->align : CACHE_ALIGN_MIN, zones = 0;
	struct cache_layout layout = {
		.object_bytes = config->object_bytes,
		.flags = config->flags,
		.mobility = config->mobility,
	};

	if (!can_be(config, align))
		return -EINVAL;
	if (config->flags & CACHE_DEBUG) {
		layout.first_bytes = round_up(CACHE_RED_BYTES, align);
		zones = 2 * CACHE_RED_BYTES;
	}
	layout.stride_bytes = round_up(config->object_bytes + zones, align);
	if (layout.stride_bytes < CACHE_STRIDE_MIN)
		layout.stride_bytes = CACHE_STRIDE_MIN;
	layout.order = choose_order(&layout);
	lay_out_slab(&layout, align);
	layout.reciprocal = reciprocal_of(layout.stride_bytes);
	*ret = layout;
	return 0;
}
