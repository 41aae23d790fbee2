/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Whose data lies in a zone's pages, so that nobody is granted what another uid left. It decides
 * what must be zeroed; who asks does the zeroing. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "service/service.h"

struct scrub {
	enum service_scrub mode;
	uint32_t nr_pages;
	uint32_t *tags; /* one a leaf of 64 pages */
};

struct scrub_extent {
	uint32_t pfn;
	uint32_t nr_pages;
};

/* What has to be zeroed before a grant may be told. Starts as { 0 }. */
struct scrub_list {
	struct scrub_extent *extents; /* owned */
	size_t nr_extents, capacity;
	uint64_t nr_pages;
};

int scrub_init(struct scrub *scrub, enum service_scrub mode, uint32_t nr_pages);
void scrub_deinit(struct scrub *scrub);

/*
 * Pages are granted to `uid`: appends those that must be zeroed first. 0 or -ENOMEM; then the
 * grant must be taken back, and nothing is forgotten.
 */
int scrub_grant(struct scrub *scrub, uint32_t pfn, uint32_t nr_pages, uid_t uid,
		struct scrub_list *list);

/* The list has been zeroed for `uid`, and its blocks are still granted to it. */
void scrub_finish(struct scrub *scrub, const struct scrub_list *list, uid_t uid);

/* These pages, whole leaves but at the zone's end, have no data any more: it went to the host. */
void scrub_forget(struct scrub *scrub, uint32_t pfn, uint32_t nr_pages);

void scrub_list_deinit(struct scrub_list *list);
