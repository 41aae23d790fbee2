/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which chunks of a segment are backed by real memory, backing more of them on helper threads, and
 * forgetting those that are given back. For the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "service/worker.h"

struct commit_job;
struct segment;

/* One who waits for chunks. The caller's, untouched until done, which is called once. */
struct commit_wait {
	void (*done)(struct commit_wait *wait); /* on the loop; wait->error is 0 or -errno */
	unsigned nr_pending;
	int error;
};

/* What is committed without anybody waiting for it: chunks next .. end - 1, in order. */
struct commit_plan {
	uint32_t next, end;
	unsigned nr_jobs, nr_jobs_max; /* in flight */
};

/* commit_all() under way. */
struct commit_all {
	struct worker_job check;             /* first, so that a job leads back here */
	uint32_t nr_chunks;                  /* from the first on */
	int check_error;                     /* the helper thread's */
	void (*done)(int error, void *data); /* NULL: not under way */
	void *data;
	int error;
	uint64_t logged_ms;
	unsigned logged_percent;
};

struct commit {
	const struct segment *segment; /* borrowed */
	struct worker_pool *workers;   /* borrowed */
	uint64_t chunk_bytes;
	uint32_t nr_chunks; /* of the segment's capacity */
	uint32_t nr_used;   /* of the size in use: nobody runs ahead further */
	uint32_t nr_committed;
	uint32_t nr_whole;             /* all before this one are committed */
	uint64_t *committed;           /* a bit a chunk */
	uint64_t *given_back;          /* a bit a chunk: since the zone left it */
	struct commit_job **in_flight; /* by chunk; NULL: nobody is at it */
	unsigned nr_jobs;
	bool short_of_memory; /* the last job failed; logged once */

	struct commit_plan plan;
	uint32_t window; /* chunks planned ahead of a steady consumer */
	uint32_t mark;   /* a grant at or behind it plans further */
	struct commit_all all;
};

int commit_init(struct commit *commit, const struct segment *segment, uint64_t size_bytes,
		struct worker_pool *workers);
/* Forgets what is in flight; no done is called. The worker pool has been freed. */
void commit_deinit(struct commit *commit);

/* True when all these pages are committed. */
bool commit_is_ready(struct commit *commit, uint32_t pfn, uint32_t nr_pages);

/*
 * Commits what is missing of these pages and counts `wait` up for each job it has to wait for. May
 * be called several times with one wait. Failures are in wait->error, which the caller zeroed.
 */
void commit_need(struct commit *commit, uint32_t pfn, uint32_t nr_pages, struct commit_wait *wait);

/* Up to this size, memory may be taken again that was given back. */
void commit_expect(struct commit *commit, uint64_t size_bytes);
/* The size in use has changed. */
void commit_set_size(struct commit *commit, uint64_t size_bytes);

/* Everything up to this size; as backing_commit_all(). */
void commit_all(struct commit *commit, uint64_t size_bytes, void (*done)(int error, void *data),
		void *data);

/*
 * Nobody holds these pages, and their memory is going back to the host. Finds the first chunks
 * side by side that lie wholly within and were not given back already, and takes note that they
 * are. 0 with *ret_pfn and *ret_nr_pages, the latter 0 for none; or -EAGAIN when the first is just
 * being committed.
 */
int commit_forget(struct commit *commit, uint32_t pfn, uint32_t nr_pages, uint32_t *ret_pfn,
		  uint32_t *ret_nr_pages);

uint64_t commit_committed_bytes(const struct commit *commit);
