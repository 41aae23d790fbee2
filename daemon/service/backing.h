/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The memory behind a zone: a sealed memfd bound to its node, mapped once by the daemon, and the
 * record of what of it is backed by real memory (committed) and whose data lies in it (scrubbing).
 *
 * A grant goes through backing_prepare(): only when that says ready may the blocks be told to the
 * client. So running out of memory is an error code and not SIGBUS, and nobody reads what another
 * uid left.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "service/service.h"

struct backing;
struct worker_pool;
struct page_run;

struct backing_config {
	const char *name;    /* of the memfd, as /proc shows it: "pagepool:POOL:nodeN" */
	unsigned node;       /* as the pool counts them */
	int host_node;       /* to bind to; -1: do not bind (fake topology) */
	uint64_t size_bytes; /* a multiple of page_bytes */
	uint64_t page_bytes; /* 4096, 2 MiB, 1 GiB */
	enum service_commit commit;
	enum service_scrub scrub;
};

/*
 * Creates the memfd, seals it, binds and maps it; commits nothing yet. A negative errno has been
 * logged with what is missing and what to do. `workers` is borrowed.
 */
int backing_new(const struct backing_config *config, struct worker_pool *workers,
		struct backing **ret);
/* No job of it may be running (free the worker_pool first). Requests in progress are forgotten. */
struct backing *backing_free(struct backing *backing);

/*
 * Commits everything on helper threads, logging progress, then calls done(error, data) on the loop:
 * 0 or a negative errno, logged with how much is missing.
 */
void backing_commit_all(struct backing *backing, void (*done)(int error, void *data), void *data);

/*
 * A grant that waits for its memory. The caller's, untouched until done, which is called exactly
 * once; till then the blocks must stay allocated, as they may yet be written zeros.
 */
struct backing_request {
	void (*done)(struct backing_request *request, int error); /* on the loop; 0 or -ENOMEM */
};

/*
 * Makes granted blocks of one order of this zone ready for `uid`: backed, and zeroed if another
 * uid's data may be in them. Runs are as zone_alloc_bulk() gave them and are read before it
 * returns. Returns 0 when they are ready now, -EINPROGRESS when request->done will say, or -ENOMEM,
 * and then the blocks may be freed.
 */
int backing_prepare(struct backing *backing, unsigned order, const struct page_run *runs,
		    size_t nr_runs, uid_t uid, struct backing_request *request);
/* The same for nr_pages adjacent pages. */
int backing_prepare_range(struct backing *backing, uint32_t pfn, uint32_t nr_pages, uid_t uid,
			  struct backing_request *request);

/* A new descriptor of the segment for a client; the caller closes it. -errno on failure. */
int backing_open_fd(const struct backing *backing, bool read_only);

uint64_t backing_committed_bytes(const struct backing *backing);
uint64_t backing_size_bytes(const struct backing *backing);
uint64_t backing_page_bytes(const struct backing *backing);
unsigned backing_node(const struct backing *backing);
