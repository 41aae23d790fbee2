/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Pages, blocks and how many of them are named at once.
 *
 * A page is 4 KiB whatever backs the segment. A pfn counts pages within one zone. A page
 * address names a page in a whole pool: the zone's index above PAGE_ZONE_SHIFT, the pfn below;
 * shifted left by PAGE_SHIFT it is the offset that processes exchange.
 */

#include <stdint.h>

#define PAGE_SHIFT 12u
#define PAGE_BYTES (UINT64_C(1) << PAGE_SHIFT)
#define PAGE_ORDER_MAX 18u /* 1 GiB */
#define PAGE_NR_ORDERS (PAGE_ORDER_MAX + 1u)
#define PAGE_ZONE_SHIFT 44u /* 56 bits of bytes in a zone, 8 bits of zone */
#define PAGE_NONE UINT32_MAX

/* What can be done about a block that stands in the way, as its holder said when asking for it. */
enum mobility {
	MOBILITY_UNMOVABLE = 0,
	MOBILITY_MOVABLE,     /* its holder would move it */
	MOBILITY_RECLAIMABLE, /* its holder would give it back */
	NR_MOBILITIES
};

/*
 * Up to 64 blocks of one order: bit i names the block whose first page is base + (i << order).
 * base is a page address and a multiple of the order.
 */
struct page_run {
	uint64_t base;
	uint64_t mask;
};

/*
 * Up to 64 objects of one slab, by their offset in the pool: a page address shifted left by
 * PAGE_SHIFT, and the byte in the page. Bit i names the object at base + i strides of its cache.
 * raw has a bit for each of them that is not constructed; it counts for caches with constructors.
 */
struct object_run {
	uint64_t base;
	uint64_t mask;
	uint64_t raw;
};

static inline uint64_t page_address(unsigned zone_index, uint32_t pfn)
{
	return (uint64_t)zone_index << PAGE_ZONE_SHIFT | pfn;
}

static inline unsigned page_address_zone(uint64_t address)
{
	return (unsigned)(address >> PAGE_ZONE_SHIFT);
}

static inline uint64_t page_address_pfn(uint64_t address)
{
	return address & ((UINT64_C(1) << PAGE_ZONE_SHIFT) - 1);
}

/* The order of the largest block that so many pages have room for, 1 .. UINT32_MAX. */
static inline unsigned page_order_within(uint32_t nr_pages)
{
	return 31u - (unsigned)__builtin_clz(nr_pages);
}

/* The smallest order of a block that holds so many pages, 1 .. 2^31. */
static inline unsigned page_order_of(uint32_t nr_pages)
{
	return nr_pages == 1 ? 0 : 32u - (unsigned)__builtin_clz(nr_pages - 1);
}
