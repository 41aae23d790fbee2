/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The memory behind a zone: a sealed memfd bound to its node, mapped once by the daemon, and the
 * record of what of it is backed by real memory (committed) and whose data lies in it (scrubbing).
 * It is made with room for what the zone may grow to; memory is taken for the size in use alone.
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
#include "service/worker.h"

struct backing;
struct object_run;
struct page_run;

struct backing_config {
	const char *name;        /* of the memfd, as /proc shows it: "pagepool:POOL:nodeN" */
	unsigned node;           /* as the pool counts them */
	int host_node;           /* to bind to; -1: do not bind (fake topology) */
	uint64_t size_bytes;     /* a multiple of page_bytes */
	uint64_t capacity_bytes; /* likewise, at least the size */
	uint64_t page_bytes;     /* 4096, 2 MiB, 1 GiB */
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
 * Commits everything up to size_bytes on helper threads, logging progress, then calls
 * done(error, data) on the loop: 0 or a negative errno, logged with how much is missing. One at a
 * time.
 */
void backing_commit_all(struct backing *backing, uint64_t size_bytes,
			void (*done)(int error, void *data), void *data);

/*
 * A grant that waits for its memory. The caller's, untouched until done, which is called exactly
 * once for each -EINPROGRESS; till then the blocks must stay allocated, as they may yet be written
 * zeros. One may wait for several calls at once.
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

/* Granted objects of one cache. */
struct backing_objects {
	uint32_t stride_bytes;
	uint32_t size_bytes; /* of each, from its start: its own */
	const struct object_run *runs;
	size_t nr_runs; /* each names an object at least */
	/* The objects of the mask, in run i, are to be zeroed. Called before any is. May be NULL.
	 */
	void (*will_zero)(const struct backing_objects *objects, size_t i, uint64_t mask);
	void *data;
	bool is_overwritten; /* by the caller, all of it, before it is told: nothing is zeroed */
};

/* The same for them: the pages that they lie in are backed, their own bytes are zeroed. */
int backing_prepare_objects(struct backing *backing, const struct backing_objects *objects,
			    uid_t uid, struct backing_request *request);

/*
 * Bytes of the zone, for helper threads: a client may change them at any time. What is not backed
 * reads as zeros. 0, or a negative errno: -ENOMEM when there is no memory.
 */
int backing_read(const struct backing *backing, uint64_t offset, void *data, size_t size_bytes);
int backing_write(const struct backing *backing, uint64_t offset, const void *data,
		  size_t size_bytes);

/*
 * Resizing. To grow: backing_expect(), backing_reserve(), where everything must be committed
 * backing_commit_all(), and then backing_set_size(). To shrink, or when growing has failed
 * half-way: backing_set_size(), and backing_release() for what nobody holds any more.
 */

/* Memory up to size_bytes is about to be taken. */
void backing_expect(struct backing *backing, uint64_t size_bytes);
/*
 * Makes sure of huge pages for all up to size_bytes. For a helper thread. 0, or a negative errno
 * that has been logged.
 */
int backing_reserve(const struct backing *backing, uint64_t size_bytes);
/* At most the capacity. */
void backing_set_size(struct backing *backing, uint64_t size_bytes);

/* Memory on its way back to the host. The caller's, untouched until done. */
struct backing_release {
	struct worker_job job; /* first; filled in by backing_release() */
	struct backing *backing;
	uint64_t offset, size_bytes;
	int error; /* 0 or a negative errno */
	void (*done)(struct backing_release *release);
};

/*
 * Gives back pages beyond the size that nobody holds, in whole chunks of 2 MiB or one larger huge
 * page, some at a time: -EINPROGRESS when `done` will say so, and till then they must not come back
 * into use; -EAGAIN when the next of them is just being committed; 0 when none are left. A client
 * can make it wait for ever, so `workers` are not those that grants need.
 */
int backing_release(struct backing *backing, struct worker_pool *workers, uint32_t pfn,
		    uint32_t nr_pages, struct backing_release *release);

/*
 * How much more memory there is than the size, in whole chunks, can account for. Unless pages
 * beyond it are still held, a client has touched what lies there.
 */
uint64_t backing_stray_bytes(const struct backing *backing);

/* A new descriptor of the segment for a client; the caller closes it. -errno on failure. */
int backing_open_fd(const struct backing *backing, bool read_only);

uint64_t backing_committed_bytes(const struct backing *backing);
uint64_t backing_size_bytes(const struct backing *backing);
uint64_t backing_capacity_bytes(const struct backing *backing);
uint64_t backing_page_bytes(const struct backing *backing);
unsigned backing_node(const struct backing *backing);
