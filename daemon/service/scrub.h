/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Whose data lies where in a zone, so that nobody is granted what another uid left. It decides what
 * must be zeroed; who asks does the zeroing. Offsets are bytes in the zone. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "service/service.h"

struct scrub {
	enum service_scrub mode;
	uint64_t size_bytes;
	uint32_t *tags; /* one a leaf of 64 pages */
};

struct scrub_extent {
	uint64_t offset;
	uint64_t size_bytes;
};

/* What has to be zeroed before a grant may be told. Starts as { 0 }. */
struct scrub_list {
	struct scrub_extent *extents; /* owned */
	size_t nr_extents, capacity;
	uint64_t size_bytes;
};

int scrub_init(struct scrub *scrub, enum service_scrub mode, uint64_t size_bytes);
void scrub_deinit(struct scrub *scrub);

/* All data there is `uid`'s already: a grant to it would change nothing. */
bool scrub_is_own(const struct scrub *scrub, const struct scrub_extent *extent, uid_t uid);

/*
 * These bytes, 1 or more, are granted to `uid`: appends those that must be zeroed first. 0 or
 * -ENOMEM; then the grant must be taken back, and nothing is forgotten.
 */
int scrub_grant(struct scrub *scrub, const struct scrub_extent *extent, uid_t uid,
		struct scrub_list *list);

/* The list has been zeroed for `uid`, and all of it is still granted to it. */
void scrub_finish(struct scrub *scrub, const struct scrub_list *list, uid_t uid);

/* These bytes, whole leaves but at the zone's end, have no data any more: it went to the host. */
void scrub_forget(struct scrub *scrub, const struct scrub_extent *extent);

void scrub_list_deinit(struct scrub_list *list);
