/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * From what was allocated to a reply: pages and objects are told to a client only when the memory
 * behind them is ready, and given back when it can't be.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/page.h"
#include "service/dispatch.h"

struct cache_layout;
struct grant;
struct pools_pool;

struct grants {
	struct grant *spare; /* for the next request, which seldom needs to keep it */
	LIST_HEAD(grants_list, grant) waiting;
};

int grants_init(struct grants *grants);
/* Forgets those that wait. Accepts a zeroed one. No job of a backing may be running. */
void grants_deinit(struct grants *grants);

/* What was allocated for one request: blocks, one exact allocation, or objects. */
struct granted {
	struct pools_pool *pool;
	unsigned order;    /* of the blocks */
	uint32_t nr_pages; /* of the exact allocation at pages[0].base; 0: blocks */
	const struct page_run *pages;
	const struct cache_layout *layout; /* of the objects' cache; NULL: pages */
	struct object_run *objects;
	size_t nr_runs; /* 1 .. MESSAGE_BATCH_BLOCKS_MAX */
};

/*
 * Makes it ready and tells it: now, in *reply, or later. When there is no memory for it, it is free
 * again and *reply says so. The runs are the caller's and not needed afterwards; objects among them
 * may have become raw.
 */
enum dispatch_result grant_tell(struct call *call, uint64_t id, const struct granted *granted,
				struct message *reply);
