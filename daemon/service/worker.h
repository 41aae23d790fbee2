/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Helper threads for what takes long: populating, punching, zeroing. A job runs on one of them;
 * its `done` runs on the loop, in the order in which jobs finished.
 */

struct loop;
struct worker_pool;

/* Embedded in whatever the job is about; the caller's, untouched from submit until done. */
struct worker_job {
	void (*run)(struct worker_job *job);  /* on a helper thread */
	void (*done)(struct worker_job *job); /* on the loop */
	struct worker_job *next;
};

int worker_pool_new(struct loop *loop, unsigned nr_threads, struct worker_pool **ret);
/*
 * Finishes the jobs that run, drops those that wait (their done is not called). If a job does not
 * end within seconds, the process does.
 */
struct worker_pool *worker_pool_free(struct worker_pool *pool);
void worker_pool_submit(struct worker_pool *pool, struct worker_job *job);
