/* SPDX-License-Identifier: MIT */
/*
 * Each segment is mapped once and whole, when its pool is opened: no call after that maps anything,
 * and a pointer stays the same for as long as the pool is open. Whole means all that the zone can
 * grow to, so that it grows under its clients without a word to them. The mapping itself costs
 * address space only (huge pages are not reserved by it either); page tables grow with what is
 * touched.
 *
 * It is left out of core dumps: the kernel reads every page that it dumps, and a page of a segment
 * that nobody has written yet becomes memory when it is read. The end of one client would take all
 * the memory that its pools may grow to.
 *
 * What the daemon tells of a segment is held against the file itself before the first access: a
 * page beyond the file's end would be SIGBUS, long after the lie. So the file must also be sealed
 * against shrinking: what holds now holds for good.
 */

#include "lib/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "pagepool.h"

/* A daemon that tells of none has zones that do not grow. */
static uint64_t segment_capacity(const struct message_segment *segment)
{
	return segment->capacity_bytes ? segment->capacity_bytes : segment->size_bytes;
}

static bool segment_is_sound(const struct message_segment *segment, int fd)
{
	uint64_t limit_bytes = UINT64_C(1) << (PPC_ZONE_SHIFT + PPC_PAGE_SHIFT);
	uint64_t page_bytes = segment->page_bytes, capacity_bytes = segment_capacity(segment);
	struct stat status;
	int seals;

	if (page_bytes < 1u << PPC_PAGE_SHIFT || (page_bytes & (page_bytes - 1)) != 0)
		return false;
	if (segment->size_bytes == 0 || segment->size_bytes % page_bytes != 0)
		return false;
	if (capacity_bytes < segment->size_bytes || capacity_bytes % page_bytes != 0)
		return false;
	if (capacity_bytes > limit_bytes || capacity_bytes > SIZE_MAX)
		return false;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return false;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return false;
	return (uint64_t)status.st_size >= capacity_bytes;
}

static int map_segment(struct ppc_zone *zone, const struct message_segment *segment, int fd,
		       bool read_only)
{
	int protection = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	uint64_t size_bytes = segment_capacity(segment);
	void *base;

	if (!segment_is_sound(segment, fd))
		return -EPROTO;
	base = mmap(NULL, size_bytes, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	madvise(base, size_bytes, MADV_DONTDUMP);
	*zone = (struct ppc_zone){ .base = base, .size_bytes = size_bytes, .node = segment->node };
	return 0;
}

int ppc_mapping_init(struct ppc_mapping *mapping, const struct message_segment *segments,
		     const int *fds, unsigned nr_segments, bool read_only)
{
	mapping->nr_zones = 0;
	if (nr_segments == 0 || nr_segments > MESSAGE_ZONES_MAX)
		return -EPROTO;
	for (unsigned i = 0; i < nr_segments; i++) {
		int error = map_segment(&mapping->zones[i], &segments[i], fds[i], read_only);

		if (error) {
			ppc_mapping_deinit(mapping);
			return error;
		}
		mapping->nr_zones++;
	}
	return 0;
}

void ppc_mapping_deinit(struct ppc_mapping *mapping)
{
	for (unsigned i = 0; i < mapping->nr_zones; i++)
		munmap(mapping->zones[i].base, mapping->zones[i].size_bytes);
	mapping->nr_zones = 0;
}

uint64_t ppc_mapping_nodes(const struct ppc_mapping *mapping)
{
	uint64_t nodes = 0;

	for (unsigned i = 0; i < mapping->nr_zones; i++)
		if (mapping->zones[i].node < PP_NODES_MAX)
			nodes |= UINT64_C(1) << mapping->zones[i].node;
	return nodes;
}

bool ppc_mapping_has_pages(const struct ppc_mapping *mapping, uint64_t page, uint64_t nr_pages)
{
	uint64_t zone = page >> PPC_ZONE_SHIFT;
	uint64_t pfn = page & ((UINT64_C(1) << PPC_ZONE_SHIFT) - 1);
	uint64_t zone_pages;

	if (zone >= mapping->nr_zones)
		return false;
	zone_pages = mapping->zones[zone].size_bytes >> PPC_PAGE_SHIFT;
	return nr_pages <= zone_pages && pfn <= zone_pages - nr_pages;
}
