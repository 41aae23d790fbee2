/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A batch of objects on its way through the thread of object_checks: what the ledger says of each
 * when the job is made, what the thread finds, and what of it is told. Private to object_check.c
 * and handler_check_objects.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proto/message.h"
#include "service/object_look.h"
#include "service/worker.h"

struct clients;
struct object_checks;
struct object_run;
struct pools_pool;
struct zone;
struct zone_object;
struct zone_slab;

#define OBJECT_JOB_FAULTS_MAX MESSAGE_FAULTS_MAX
#define OBJECT_JOB_LINES_MAX 8u /* of the log */

enum object_job_kind {
	OBJECT_JOB_GRANT, /* look at what was poisoned, then mark it as held */
	OBJECT_JOB_FREE,  /* look at red zones; if all are whole, poison it */
	OBJECT_JOB_CHECK  /* look */
};

/* An object as it was when the job was made. */
struct object_case {
	uint64_t offset; /* in the pool */
	uint16_t cache;
	uint16_t holder, holder_generation; /* 0: nobody */
	uint16_t previous, previous_generation;
	bool is_moving; /* a grant or free of its holder is on its way: it may look any way */
};

/* Part of what has the job done, which owns it. */
struct object_job {
	struct worker_job job; /* first */
	LIST_ENTRY(object_job) link;
	enum object_job_kind kind;
	const struct pools_pool *pool;
	const struct clients *clients;
	void (*done)(struct object_job *job); /* on the loop; has it freed */
	size_t nr_objects, nr_objects_max;
	struct object_case *cases; /* of each object; owned */
	struct object_look *looks; /* likewise; the thread's, as all below */
	int error;                 /* 0 or a negative errno */
	size_t nr_looked;          /* the first so many objects: until there were enough faults */
	size_t nr_faults;
	struct object_fault faults[OBJECT_JOB_FAULTS_MAX];
};

/*
 * Makes a job for up to so many objects, in `size_bytes` of zeroed memory of which the job is the
 * first member. NULL when there is no memory.
 */
void *object_job_new(size_t size_bytes, enum object_job_kind kind, const struct pools_pool *pool,
		     size_t nr_objects_max, void (*done)(struct object_job *job));
struct object_job *object_job_free(struct object_job *job);

/* Adds an object, unless nothing in and around it is known to be this or that. */
void object_job_add(struct object_job *job, const struct object_checks *checks,
		    const struct zone_slab *slab, const struct zone_object *object, bool is_raw);
/* Adds the objects of a run, which must be of a debug cache. */
void object_job_add_run(struct object_job *job, const struct object_checks *checks,
			const struct object_run *run);

void object_job_submit(struct object_job *job, struct object_checks *checks);

/*
 * What is to be told of a fault that the thread has found; strings are borrowed. Of a check, false
 * when it is none: the object is another's by now, or was on its way.
 */
bool object_job_describe(const struct object_job *job, const struct object_fault *fault,
			 struct message_object_fault *ret);
/* Tells the log of the first faults, and that there are more. */
void object_job_log(const struct object_job *job, const char *when);
