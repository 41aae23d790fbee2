/* SPDX-License-Identifier: MIT */
/*
 * Debug caches: the two places where objects change hands.
 *
 * A grant: the core has stored the word; the bytes come after it, and the reply after those. So a
 * client never has an object whose red zones are not those of a held one. What was poisoned and is
 * not any more was written by somebody while nobody held it: that is told, and repaired by the
 * marks for the new holder, who gets it all the same. It did nothing wrong.
 *
 * A free: the bytes come first, and the word after them. So a free object that somebody had is
 * always poisoned. It takes three steps with the loop turning in between: are these the client's to
 * free, are the red zones whole, and the free itself. What the first has found still holds in the
 * third, because nothing of the client's is freed or swept while its nr_grants counts this request.
 * A broken red zone ends it there: nothing is freed, so that whoever looks into it finds all as it
 * was.
 */

#include "service/object_check.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pool_object.h"
#include "core/zone.h"
#include "proto/message.h"
#include "service/client.h"
#include "service/object_job.h"
#include "service/object_report.h"
#include "service/pools.h"
#include "service/state.h"
#include "service/worker.h"

int object_checks_init(struct object_checks *checks, struct loop *loop,
		       const struct clients *clients)
{
	checks->clients = clients;
	LIST_INIT(&checks->jobs);
	return worker_pool_new(loop, 1, &checks->thread);
}

void object_checks_deinit(struct object_checks *checks)
{
	struct object_job *job;

	checks->thread = worker_pool_free(checks->thread);
	while ((job = LIST_FIRST(&checks->jobs))) {
		LIST_REMOVE(job, link);
		object_job_free(job);
	}
}

static size_t count_objects(const struct object_run *runs, size_t nr_runs)
{
	size_t nr_objects = 0;

	for (size_t i = 0; i < nr_runs; i++)
		nr_objects += (size_t)__builtin_popcountll(runs[i].mask);
	return nr_objects;
}

/* Grants. */

struct grant_job {
	struct object_job job; /* first */
	struct object_check_request *request;
};

static void finish_grant(struct object_job *job)
{
	struct object_check_request *request = ((struct grant_job *)job)->request;
	int error = job->error ? -ENOMEM : 0;

	object_job_log(job, "at a grant");
	object_job_free(job);
	request->done(request, error);
}

int object_check_grant(struct object_checks *checks, const struct pools_pool *pool,
		       const struct object_run *runs, size_t nr_runs,
		       struct object_check_request *request)
{
	struct grant_job *grant = object_job_new(sizeof(*grant), OBJECT_JOB_GRANT, pool,
						 count_objects(runs, nr_runs), finish_grant);

	if (!grant)
		return -ENOMEM;
	grant->request = request;
	for (size_t i = 0; i < nr_runs; i++)
		object_job_add_run(&grant->job, checks, &runs[i]);
	object_job_submit(&grant->job, checks);
	return -EINPROGRESS;
}

/* Frees. */

struct free_job {
	struct object_job job; /* first */
	struct later later;
	struct pools_pool *pool;
	uint32_t number;
	size_t nr_runs;
	struct object_run runs[];
};

static void free_objects(const struct free_job *leaving)
{
	const struct zone_leaver leaver = client_leaver(leaving->later.client);
	uint64_t offset;
	int error = pool_free_objects(&leaving->pool->core, leaving->number, &leaver, leaving->runs,
				      leaving->nr_runs, &offset);

	assert(error == 0);
	(void)error;
}

/* Somebody waits for the reply, or nobody does any more: it is done in either case. */
static void finish_free(struct object_job *job)
{
	struct free_job *leaving = (struct free_job *)job;
	struct later later = leaving->later;
	struct message_object_fault fault;
	struct message reply = { .error = "" };
	char text[MESSAGE_TEXT_BYTES_MAX + 1];

	if (job->error) {
		reply.status = MESSAGE_STATUS_NO_MEMORY;
		reply.error = "the host has no memory to look at the objects";
	} else if (job->nr_faults) {
		object_job_log(job, "at a free");
		object_job_describe(job, &job->faults[0], &fault);
		object_report_print(&fault, text, sizeof(text));
		reply.status = MESSAGE_STATUS_CORRUPT;
		reply.error = text;
	} else {
		free_objects(leaving);
	}
	object_job_free(job);
	later.client->nr_grants--;
	client_later_end(&later, &reply);
}

static struct zone *zone_of(const struct pools_pool *pool, const struct object_run *run)
{
	unsigned zone = page_address_zone(run->base >> PAGE_SHIFT);

	return zone < pool->nr_zones ? pool->core.zones[zone] : NULL;
}

static bool is_debug_run(const struct pools_pool *pool, const struct object_run *run)
{
	const struct zone *zone = zone_of(pool, run);
	struct zone_slab slab;
	uint32_t i;

	return zone && zone_find_object(zone, run->base, &slab, &i) &&
	       pool->core.caches->layouts[slab.cache].flags & CACHE_DEBUG;
}

/* Runs are of one cache, or each of its own. */
static bool is_any_debug_run(const struct pools_pool *pool, uint32_t number,
			     const struct object_run *runs, size_t nr_runs)
{
	const struct cache_table *caches = pool->core.caches;

	if (number != ZONE_CACHE_ANY)
		return caches->layouts[cache_target(caches, number)].flags & CACHE_DEBUG;
	for (size_t i = 0; i < nr_runs; i++)
		if (is_debug_run(pool, &runs[i]))
			return true;
	return false;
}

/* Whether the core would free them all now. */
static bool can_be_freed(const struct pools_pool *pool, uint32_t number, unsigned slot,
			 const struct object_run *runs, size_t nr_runs)
{
	uint32_t cache =
		number == ZONE_CACHE_ANY ? number : cache_target(pool->core.caches, number);
	size_t nr_marked;

	for (nr_marked = 0; nr_marked < nr_runs; nr_marked++) {
		const struct object_run *run = &runs[nr_marked];
		struct zone *zone = zone_of(pool, run);
		uint64_t bytes;
		unsigned at;

		if (!zone || zone_leave_objects(zone, cache, slot, run, &bytes, &at))
			break;
	}
	for (size_t i = 0; i < nr_marked; i++)
		zone_cancel_objects(zone_of(pool, &runs[i]), &runs[i]);
	return nr_marked == nr_runs;
}

int object_check_free(struct call *call, uint64_t id, struct pools_pool *pool, uint32_t number,
		      const struct object_run *runs, size_t nr_runs)
{
	struct object_checks *checks = &call->service->object_checks;
	struct client *client = call->client;
	struct free_job *leaving;

	assert(client->nr_grants == 0);
	if (!is_any_debug_run(pool, number, runs, nr_runs) ||
	    !can_be_freed(pool, number, client->slot, runs, nr_runs))
		return 0;
	leaving = object_job_new(sizeof(*leaving) + nr_runs * sizeof(*runs), OBJECT_JOB_FREE, pool,
				 count_objects(runs, nr_runs), finish_free);
	if (!leaving)
		return -ENOMEM;
	leaving->pool = pool;
	leaving->number = number;
	leaving->nr_runs = nr_runs;
	memcpy(leaving->runs, runs, nr_runs * sizeof(*runs));
	for (size_t i = 0; i < nr_runs; i++)
		if (is_debug_run(pool, &runs[i]))
			object_job_add_run(&leaving->job, checks, &runs[i]);
	client->nr_grants++;
	client_later_begin(client, id, &leaving->later);
	object_job_submit(&leaving->job, checks);
	return -EINPROGRESS;
}
