/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A pool's segments in this process: page addresses (as they travel) to pointers and back.
 * Immutable once made, so threads share it freely.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

#define PPC_PAGE_SHIFT 12u
/* A page address: the zone's index from this bit up, the page within the zone below. */
#define PPC_ZONE_SHIFT 44u

struct ppc_zone {
	uint8_t *base;       /* owned mapping of size_bytes */
	uint64_t size_bytes; /* that the zone can grow to */
	uint32_t node;
};

struct ppc_mapping {
	unsigned nr_zones;
	struct ppc_zone zones[MESSAGE_ZONES_MAX];
};

/*
 * Maps each segment whole, with the room that its zone can grow into. The fds stay the caller's and
 * may be closed afterwards. 0; -EPROTO for segments that are not what the daemon says they are;
 * -ENOMEM or another errno of mmap().
 */
int ppc_mapping_init(struct ppc_mapping *mapping, const struct message_segment *segments,
		     const int *fds, unsigned nr_segments, bool read_only);
void ppc_mapping_deinit(struct ppc_mapping *mapping);

/* The nodes that have a zone, as bits. */
uint64_t ppc_mapping_nodes(const struct ppc_mapping *mapping);

/* nr_pages from this page address on all lie in one zone. */
bool ppc_mapping_has_pages(const struct ppc_mapping *mapping, uint64_t page, uint64_t nr_pages);

/* The offset of a byte, or UINT64_MAX for an address outside. */
static inline uint64_t ppc_mapping_to_offset(const struct ppc_mapping *mapping, const void *addr)
{
	for (unsigned i = 0; i < mapping->nr_zones; i++) {
		uint64_t byte = (uintptr_t)addr - (uintptr_t)mapping->zones[i].base;

		if (byte < mapping->zones[i].size_bytes)
			return (uint64_t)i << (PPC_ZONE_SHIFT + PPC_PAGE_SHIFT) | byte;
	}
	return UINT64_MAX;
}

/* The byte at an offset, or NULL for an offset outside. */
static inline void *ppc_mapping_from_offset(const struct ppc_mapping *mapping, uint64_t offset)
{
	uint64_t zone = offset >> (PPC_ZONE_SHIFT + PPC_PAGE_SHIFT);
	uint64_t byte = offset & ((UINT64_C(1) << (PPC_ZONE_SHIFT + PPC_PAGE_SHIFT)) - 1);

	if (zone >= mapping->nr_zones || byte >= mapping->zones[zone].size_bytes)
		return NULL;
	return mapping->zones[zone].base + byte;
}
