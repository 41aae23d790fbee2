/* SPDX-License-Identifier: MIT */
/*
 * Whose data lies where, at four bytes for 64 pages.
 *
 * A leaf's tag says that all data in it was written by nobody (never granted), by one uid, or by
 * several ("mixed"). A grant to the uid of the tag, or of what was never granted, costs one
 * compare. Anything else is zeroed before the client is told of it: the pages of a block, or the
 * bytes of an object, whoever has the objects beside it.
 *
 * A tag may claim too much and never too little: a leaf of which something is to be zeroed becomes
 * mixed at once, and one uid's again only when it was granted and zeroed as a whole. So a zeroing
 * that fails, or a daemon that forgets it, leaves nothing to undo. The price is that a leaf that
 * two uids share piece by piece is zeroed at every grant, until it is granted in one piece.
 */

#include "service/scrub.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/page.h"

#define LEAF_BYTES (64 * PAGE_BYTES)
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

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int scrub_init(struct scrub *scrub, enum service_scrub mode, uint64_t size_bytes)
{
	*scrub = (struct scrub){ .mode = mode, .size_bytes = size_bytes };
	if (mode == SERVICE_SCRUB_NEVER)
		return 0;
	scrub->tags = calloc((size_bytes + LEAF_BYTES - 1) / LEAF_BYTES, sizeof(*scrub->tags));
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

static int list_append(struct scrub_list *list, uint64_t offset, uint64_t size_bytes)
{
	struct scrub_extent *last = list->nr_extents ? &list->extents[list->nr_extents - 1] : NULL;

	if (last && last->offset + last->size_bytes == offset) {
		last->size_bytes += size_bytes;
		list->size_bytes += size_bytes;
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
	list->extents[list->nr_extents++] = (struct scrub_extent){ offset, size_bytes };
	list->size_bytes += size_bytes;
	return 0;
}

bool scrub_is_own(const struct scrub *scrub, const struct scrub_extent *extent, uid_t uid)
{
	uint64_t last = (extent->offset + extent->size_bytes - 1) / LEAF_BYTES;

	if (scrub->mode != SERVICE_SCRUB_UID || tag_of(uid) == TAG_MIXED)
		return scrub->mode == SERVICE_SCRUB_NEVER;
	for (uint64_t leaf = extent->offset / LEAF_BYTES; leaf <= last; leaf++)
		if (scrub->tags[leaf] != tag_of(uid))
			return false;
	return true;
}

int scrub_grant(struct scrub *scrub, const struct scrub_extent *extent, uid_t uid,
		struct scrub_list *list)
{
	uint64_t offset = extent->offset, end = offset + extent->size_bytes;
	int error = 0;

	if (scrub->mode == SERVICE_SCRUB_NEVER)
		return 0;
	while (offset < end && !error) {
		uint32_t *tag = &scrub->tags[offset / LEAF_BYTES];
		uint64_t leaf_end = min_u64((offset / LEAF_BYTES + 1) * LEAF_BYTES, end);

		if (*tag == TAG_NOBODY) {
			*tag = tag_of(uid);
		} else if (*tag != tag_of(uid) || *tag == TAG_MIXED ||
			   scrub->mode == SERVICE_SCRUB_ALWAYS) {
			*tag = TAG_MIXED;
			error = list_append(list, offset, leaf_end - offset);
		}
		offset = leaf_end;
	}
	return error;
}

void scrub_finish(struct scrub *scrub, const struct scrub_list *list, uid_t uid)
{
	for (size_t i = 0; i < list->nr_extents; i++) {
		uint64_t offset = list->extents[i].offset;
		uint64_t end = offset + list->extents[i].size_bytes;
		uint64_t leaf = (offset + LEAF_BYTES - 1) / LEAF_BYTES;

		/* The zone's last leaf may be short, and is whole up to the zone's end. */
		while (min_u64((leaf + 1) * LEAF_BYTES, scrub->size_bytes) <= end &&
		       leaf * LEAF_BYTES < end)
			scrub->tags[leaf++] = tag_of(uid);
	}
}

void scrub_forget(struct scrub *scrub, const struct scrub_extent *extent)
{
	uint64_t end = extent->offset + extent->size_bytes;

	assert(extent->offset % LEAF_BYTES == 0);
	assert(end % LEAF_BYTES == 0 || end == scrub->size_bytes);
	if (scrub->mode == SERVICE_SCRUB_NEVER)
		return;
	for (uint64_t leaf = extent->offset / LEAF_BYTES; leaf * LEAF_BYTES < end; leaf++)
		scrub->tags[leaf] = TAG_NOBODY;
}
