/* SPDX-License-Identifier: MIT */
/*
 * From the ledger's view of an object to bytes, and from wrong bytes to who may have written them.
 *
 * What an object's cell is to look like follows from its ledger words alone:
 *
 *	held                       red zones as held, the object is its holder's
 *	free, somebody had it      red zones as free, poison (not in objects with a constructor)
 *	free, nobody had it        unknown: never granted, or its holder died with it
 *
 * Words change on the loop, bytes on the thread, in the order of jobs. So what a job finds is to be
 * held against the words of when it was made, and the job keeps them. Between the word of a grant
 * and its bytes a job for pages may have to be done, and between the bytes of a free and its word
 * this thread has to report; the holder's nr_grants counts for both, and what is found in its
 * objects meanwhile is not told.
 *
 * One thing does not go through the thread: a slab that is empty can be unmade, and its pages are
 * anybody's then. What is found there is compared with the words of now before it is told.
 */

#include "service/object_job.h"

#include <assert.h>
#include <stdlib.h>

#include "core/pool.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "service/backing.h"
#include "service/clients.h"
#include "service/log.h"
#include "service/object_check.h"
#include "service/object_report.h"
#include "service/pools.h"

void *object_job_new(size_t size_bytes, enum object_job_kind kind, const struct pools_pool *pool,
		     size_t nr_objects_max, void (*done)(struct object_job *job))
{
	struct object_job *job = calloc(1, size_bytes);

	if (!job)
		return NULL;
	job->kind = kind;
	job->pool = pool;
	job->done = done;
	job->nr_objects_max = nr_objects_max;
	job->cases = malloc(nr_objects_max * sizeof(*job->cases));
	job->looks = malloc(nr_objects_max * sizeof(*job->looks));
	return job->cases && job->looks ? job : object_job_free(job);
}

struct object_job *object_job_free(struct object_job *job)
{
	if (!job)
		return NULL;
	free(job->cases);
	free(job->looks);
	free(job);
	return NULL;
}

/* What the thread is to do. */

static const struct object_image image_any = { OBJECT_ANY, OBJECT_ANY };
static const struct object_image image_held = { OBJECT_RED_HELD, OBJECT_ANY };

static struct object_image image_of_freed(const struct cache_layout *layout)
{
	return (struct object_image){ OBJECT_RED_FREE,
				      layout->flags & CACHE_CTOR ? OBJECT_ANY : OBJECT_POISON };
}

static void choose_images(enum object_job_kind kind, const struct cache_layout *layout,
			  const struct zone_object *object, bool is_raw, struct object_look *look)
{
	bool is_kept = layout->flags & CACHE_CTOR && !is_raw;

	look->is = object->has_previous ? image_of_freed(layout) : image_any;
	look->put = image_any;
	switch (kind) {
	case OBJECT_JOB_GRANT:
		look->put = (struct object_image){ OBJECT_RED_HELD,
						   is_kept ? OBJECT_ANY : OBJECT_FRESH };
		break;
	case OBJECT_JOB_FREE:
		look->is = image_held;
		look->put = image_of_freed(layout);
		break;
	case OBJECT_JOB_CHECK:
		if (object->is_held)
			look->is = image_held;
		break;
	}
}

static void fill_case(const struct clients *clients, const struct zone_slab *slab,
		      const struct zone_object *object, struct object_case *ret)
{
	*ret = (struct object_case){ .offset = object->offset, .cache = (uint16_t)slab->cache };
	if (object->has_previous) {
		ret->previous = (uint16_t)object->previous.slot;
		ret->previous_generation = (uint16_t)object->previous.generation;
	}
	if (object->is_held) {
		const struct client *holder = clients->by_slot[object->holder];

		ret->holder = (uint16_t)object->holder;
		ret->holder_generation =
			clients->slots.slots[object->holder].generation % WORD_NR_TAGS;
		ret->is_moving = holder && holder->nr_grants > 0;
	}
}

static unsigned zone_index(uint64_t offset)
{
	return page_address_zone(offset >> PAGE_SHIFT);
}

/* A zone's part of an offset in the pool. */
static uint64_t offset_in_zone(uint64_t offset)
{
	return page_address_pfn(offset >> PAGE_SHIFT) << PAGE_SHIFT | (offset & (PAGE_BYTES - 1));
}

void object_job_add(struct object_job *job, const struct object_checks *checks,
		    const struct zone_slab *slab, const struct zone_object *object, bool is_raw)
{
	const struct cache_layout *layout = &job->pool->core.caches->layouts[slab->cache];
	struct object_look look = {
		.backing = job->pool->zones[zone_index(object->offset)].backing,
		.cell = object_look_cell(offset_in_zone(object->offset)),
		.object_bytes = layout->object_bytes,
		.stride_bytes = layout->stride_bytes,
	};

	choose_images(job->kind, layout, object, is_raw, &look);
	if (look.is.red == OBJECT_ANY && look.put.red == OBJECT_ANY)
		return;
	assert(job->nr_objects < job->nr_objects_max);
	fill_case(checks->clients, slab, object, &job->cases[job->nr_objects]);
	job->looks[job->nr_objects++] = look;
}

void object_job_add_run(struct object_job *job, const struct object_checks *checks,
			const struct object_run *run)
{
	const struct zone *zone = job->pool->core.zones[zone_index(run->base)];
	struct zone_slab slab;
	uint32_t first;

	if (!zone_find_object(zone, run->base, &slab, &first))
		return;
	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		struct zone_object object;

		zone_get_object(zone, &slab, first + (uint32_t)__builtin_ctzll(mask), &object);
		object_job_add(job, checks, &slab, &object, run->raw & mask & -mask);
	}
}

/* On the thread. */

/* What was held stays so: nothing has happened, but that some of it may be poisoned. */
static void mark_as_held(struct object_job *job)
{
	for (size_t i = 0; i < job->nr_objects; i++)
		job->looks[i].put = image_held;
	object_look_put(job->looks, job->nr_objects);
}

static void run_job(struct worker_job *worker_job)
{
	struct object_job *job = (struct object_job *)worker_job;

	job->error = object_look_compare(job->looks, job->nr_objects, job->faults,
					 OBJECT_JOB_FAULTS_MAX, &job->nr_faults, &job->nr_looked);
	if (job->error || job->kind == OBJECT_JOB_CHECK ||
	    (job->kind == OBJECT_JOB_FREE && job->nr_faults))
		return;
	job->error = object_look_put(job->looks, job->nr_objects);
	if (job->error && job->kind == OBJECT_JOB_FREE)
		mark_as_held(job);
}

static void finish_job(struct worker_job *worker_job)
{
	struct object_job *job = (struct object_job *)worker_job;

	LIST_REMOVE(job, link);
	job->done(job);
}

void object_job_submit(struct object_job *job, struct object_checks *checks)
{
	job->clients = checks->clients;
	job->job.run = run_job;
	job->job.done = finish_job;
	LIST_INSERT_HEAD(&checks->jobs, job, link);
	worker_pool_submit(checks->thread, &job->job);
}

/* What it has found. */

static bool is_same_case(const struct object_case *a, const struct object_case *b)
{
	return a->offset == b->offset && a->cache == b->cache && a->holder == b->holder &&
	       a->holder_generation == b->holder_generation && a->previous == b->previous &&
	       a->previous_generation == b->previous_generation;
}

/* Nobody else has come by the object, or by the memory that it was in. */
static bool is_as_it_was(const struct object_job *job, const struct object_case *was)
{
	const struct zone *zone = job->pool->core.zones[zone_index(was->offset)];
	struct zone_object object;
	struct zone_slab slab;
	struct object_case now;
	uint32_t i;

	if (!zone_find_object(zone, was->offset, &slab, &i))
		return false;
	zone_get_object(zone, &slab, i, &object);
	fill_case(job->clients, &slab, &object, &now);
	return is_same_case(&now, was);
}

bool object_job_describe(const struct object_job *job, const struct object_fault *fault,
			 struct message_object_fault *ret)
{
	const struct object_case *was = &job->cases[fault->look];
	const struct zone_leaver holder = { .slot = was->holder,
					    .generation = was->holder_generation };
	const struct zone_leaver previous = { .slot = was->previous,
					      .generation = was->previous_generation };

	if (job->kind == OBJECT_JOB_CHECK && (was->is_moving || !is_as_it_was(job, was)))
		return false;
	*ret = (struct message_object_fault){
		.pool = job->pool->config->name,
		.cache = job->pool->core.caches->records[was->cache].name,
		.object = was->offset,
		.at = fault->at,
		.expected = fault->expected,
		.found = fault->found,
		.what = object_fault_what(fault, &job->looks[fault->look]),
		.holder.name = "",
		.previous.name = "",
	};
	if (was->holder)
		object_report_party(job->clients, &holder, &ret->holder);
	if (was->previous)
		object_report_party(job->clients, &previous, &ret->previous);
	return true;
}

void object_job_log(const struct object_job *job, const char *when)
{
	size_t nr_told = 0;

	for (size_t i = 0; i < job->nr_faults; i++) {
		struct message_object_fault told;

		if (object_job_describe(job, &job->faults[i], &told) &&
		    nr_told++ < OBJECT_JOB_LINES_MAX)
			object_report_log(&told, when);
	}
	if (nr_told > OBJECT_JOB_LINES_MAX)
		log_print_caused(LOG_ERR, "object check %s: at least %zu more objects are broken",
				 when, nr_told - OBJECT_JOB_LINES_MAX);
}
