/* SPDX-License-Identifier: MIT */
/*
 * Whose data lies where, at four bytes for 64 pages.
 *
 * A leaf's tag says that all data in it was written by nobody (never granted), by one uid, or by
 * several ("mixed"). A grant to the uid of the tag, or of pages that were never granted, costs one
 * compare. Anything else is zeroed before the client is told of it.
 *
 * A tag may claim too much and never too little: a leaf whose pages are to be zeroed becomes mixed
 * at once, and one uid's again only when it was granted and zeroed as a whole. So a zeroing that
 * fails, or a daemon that forgets it, leaves nothing to undo. The price is that a leaf that two
 * uids share page by page is zeroed at every grant, until it is granted in one piece.
 */

#include "service/scrub.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define LEAF_PAGES 64u
#define TAG_NOBODY 0u /* so that fresh memory is right */
#define TAG_MIXED UINT32_MAX

/*
 * (uid_t)-1 is nobody's uid, so this never says TAG_NOBODY. The uid before it gives TAG_MIXED: it
 * is zeroed for every time, which is safe.
 */
static uint32_t tag_of(uid_t uid)
{
	return (uint32_t)uid + 1;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

int scrub_init(struct scrub *scrub, enum service_scrub mode, uint32_t nr_pages)
{
	*scrub = (struct scrub){ .mode = mode, .nr_pages = nr_pages };
	if (mode == SERVICE_SCRUB_NEVER)
		return 0;
	scrub->tags = calloc((nr_pages + LEAF_PAGES - 1) / LEAF_PAGES, sizeof(*scrub->tags));
	return scrub->tags ? 0 : -ENOMEM;
}

void scrub_deinit(struct scrub *scrub)
{
	free(scrub->tags);
	scrub->tags = NULL;
}

void scrub_list_deinit(struct scrub_list *list)
{
	free(list->extents);
	*list = (struct scrub_list){ 0 };
}

static int list_append(struct scrub_list *list, uint32_t pfn, uint32_t nr_pages)
{
	struct scrub_extent *last = list->nr_extents ? &list->extents[list->nr_extents - 1] : NULL;

	if (last && last->pfn + last->nr_pages == pfn) {
		last->nr_pages += nr_pages;
		list->nr_pages += nr_pages;
		return 0;
	}
	if (list->nr_extents == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 8;
		void *extents = realloc(list->extents, capacity * sizeof(*list->extents));

		if (!extents)
			return -ENOMEM;
		list->extents = extents;
		list->capacity = capacity;
	}
	list->extents[list->nr_extents++] = (struct scrub_extent){ pfn, nr_pages };
	list->nr_pages += nr_pages;
	return 0;
}

int scrub_grant(struct scrub *scrub, uint32_t pfn, uint32_t nr_pages, uid_t uid,
		struct scrub_list *list)
{
	uint32_t end = pfn + nr_pages;
	int error = 0;

	if (scrub->mode == SERVICE_SCRUB_NEVER)
		return 0;
	while (pfn < end && !error) {
		uint32_t *tag = &scrub->tags[pfn / LEAF_PAGES];
		uint32_t leaf_end = min_u32((pfn / LEAF_PAGES + 1) * LEAF_PAGES, end);

		if (*tag == TAG_NOBODY) {
			*tag = tag_of(uid);
		} else if (*tag != tag_of(uid) || *tag == TAG_MIXED ||
			   scrub->mode == SERVICE_SCRUB_ALWAYS) {
			*tag = TAG_MIXED;
			error = list_append(list, pfn, leaf_end - pfn);
		}
		pfn = leaf_end;
	}
	return error;
}

void scrub_finish(struct scrub *scrub, const struct scrub_list *list, uid_t uid)
{
	for (size_t i = 0; i < list->nr_extents; i++) {
		uint32_t pfn = list->extents[i].pfn;
		uint32_t end = pfn + list->extents[i].nr_pages;
		uint32_t leaf = (pfn + LEAF_PAGES - 1) / LEAF_PAGES;

		/* The zone's last leaf may be short, and is whole up to the zone's end. */
		while (min_u32((leaf + 1) * LEAF_PAGES, scrub->nr_pages) <= end &&
		       leaf * LEAF_PAGES < end)
			scrub->tags[leaf++] = tag_of(uid);
	}
}

void scrub_forget(struct scrub *scrub, uint32_t pfn, uint32_t nr_pages)
{
	uint32_t end = (pfn + nr_pages + LEAF_PAGES - 1) / LEAF_PAGES;

	assert(pfn % LEAF_PAGES == 0);
	assert((pfn + nr_pages) % LEAF_PAGES == 0 || pfn + nr_pages == scrub->nr_pages);
	if (scrub->mode == SERVICE_SCRUB_NEVER)
		return;
	for (uint32_t leaf = pfn / LEAF_PAGES; leaf < end; leaf++)
		scrub->tags[leaf] = TAG_NOBODY;
}
