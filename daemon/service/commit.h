/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which chunks of a segment are backed by real memory, and backing more of them on helper threads.
 * For the loop's thread.
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
	uint32_t nr_chunks, nr_committed;
	uint64_t *committed;           /* a bit a chunk */
	struct commit_job **in_flight; /* by chunk; NULL: nobody is at it */
	unsigned nr_jobs;
	bool short_of_memory; /* the last job failed; logged once */

	struct commit_plan plan;
	uint32_t window; /* chunks planned ahead of a steady consumer */
	uint32_t mark;   /* a grant at or behind it plans further */
	struct commit_all all;
};

int commit_init(struct commit *commit, const struct segment *segment, struct worker_pool *workers);
/* Forgets what is in flight; no done is called. The worker pool has been freed. */
void commit_deinit(struct commit *commit);

/* True when all these pages are committed. */
bool commit_is_ready(struct commit *commit, uint32_t pfn, uint32_t nr_pages);

/*
 * Commits what is missing of these pages and counts `wait` up for each job it has to wait for. May
 * be called several times with one wait. Failures are in wait->error, which the caller zeroed.
 */
void commit_need(struct commit *commit, uint32_t pfn, uint32_t nr_pages, struct commit_wait *wait);

/* As backing_commit_all(). */
void commit_all(struct commit *commit, void (*done)(int error, void *data), void *data);

uint64_t commit_committed_bytes(const struct commit *commit);
