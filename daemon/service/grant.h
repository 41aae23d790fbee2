/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * From allocated blocks to a reply: pages are told to a client only when the memory behind them is
 * ready, and given back when it can't be.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/page.h"
#include "service/dispatch.h"

struct grant;
struct pools_pool;

struct grants {
	struct grant *spare; /* for the next request, which seldom needs to keep it */
	LIST_HEAD(grants_list, grant) waiting;
};

int grants_init(struct grants *grants);
/* Forgets those that wait. Accepts a zeroed one. No job of a backing may be running. */
void grants_deinit(struct grants *grants);

/* What was allocated for one request. */
struct grant_pages {
	struct pools_pool *pool;
	unsigned order;    /* of the blocks */
	uint32_t nr_pages; /* of one exact allocation at runs[0].base; 0: blocks */
	const struct page_run *runs;
	size_t nr_runs; /* 1 .. MESSAGE_BATCH_BLOCKS_MAX */
};

/*
 * Makes the pages ready and tells them: now, in *reply, or later. When there is no memory for them
 * they are free again and *reply says so. The runs are the caller's and not needed afterwards.
 */
enum dispatch_result grant_tell(struct call *call, uint64_t id, const struct grant_pages *pages,
				struct message *reply);
