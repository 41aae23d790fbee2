/* SPDX-License-Identifier: MIT */
/*
 * The request that looks at the objects of debug caches.
 *
 * It comes in parts, as lists do: a cursor is a place (a pool, a zone, a byte in it), and the
 * daemon keeps nothing between two parts. A part is of one zone. The loop finds the slabs and
 * writes down what the ledger says of their objects, up to a bound of each that takes well under a
 * millisecond; the thread of object_checks looks at them. A part may be empty and not the last.
 *
 * A client may have one check running, of objects or of ledgers.
 */

#include "core/pool.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "proto/message.h"
#include "service/client.h"
#include "service/handlers.h"
#include "service/object_job.h"
#include "service/pools.h"
#include "service/state.h"

/* Of one part: at up to 50 ns an object and 1 ns a word about 0.2 ms; and for the thread. */
#define CHECK_OBJECTS_MAX 2048u
#define CHECK_WORDS_MAX (64u * 1024u)
#define CHECK_BLOCK_WORDS 32u /* what finding a block costs */
#define CHECK_BYTES_MAX (UINT64_C(1) << 20)

#define CHECK_ZONE_SHIFT 48u
#define CHECK_POOL_SHIFT 56u

_Static_assert((uint64_t)ZONE_PAGES_MAX << PAGE_SHIFT < UINT64_C(1) << CHECK_ZONE_SHIFT,
	       "the end of a zone is a place");

struct check_place {
	uint64_t pool, zone;
	uint64_t offset; /* in the zone */
};

struct check_job {
	struct object_job job; /* first */
	struct later later;
	struct check_place next;
};

/* What of a part is done, and how much more it may cost. */
struct check_walk {
	const struct object_checks *checks;
	struct object_job *job;
	const struct zone *zone;
	uint64_t offset; /* in the zone: where it goes on */
	uint64_t objects_left, words_left, bytes_left;
};

static uint64_t check_cursor(const struct check_place *place)
{
	return place->pool << CHECK_POOL_SHIFT | place->zone << CHECK_ZONE_SHIFT | place->offset;
}

static struct check_place check_place_of(uint64_t cursor)
{
	return (struct check_place){
		.pool = cursor >> CHECK_POOL_SHIFT,
		.zone = cursor >> CHECK_ZONE_SHIFT &
			((1u << (CHECK_POOL_SHIFT - CHECK_ZONE_SHIFT)) - 1),
		.offset = cursor & ((UINT64_C(1) << CHECK_ZONE_SHIFT) - 1),
	};
}

/* The place of an offset in the pool. */
static struct check_place check_place_at(uint64_t pool, uint64_t offset)
{
	uint64_t address = offset >> PAGE_SHIFT;

	return (struct check_place){
		.pool = pool,
		.zone = page_address_zone(address),
		.offset = page_address_pfn(address) << PAGE_SHIFT | (offset & (PAGE_BYTES - 1)),
	};
}

/* Takes some off what is left; at least nothing stays. */
static void check_spend(uint64_t *left, uint64_t cost)
{
	*left -= cost < *left ? cost : *left;
}

/* Adds the objects of a slab, from walk->offset on. False when the part is full before its end. */
static bool check_add_slab(struct check_walk *walk, const struct zone_slab *slab)
{
	const struct cache_layout *layout = &walk->job->pool->core.caches->layouts[slab->cache];
	uint32_t nr_objects = layout->flags & CACHE_DEBUG ? slab->nr_objects : 0;

	for (uint32_t i = 0; i < nr_objects; i++) {
		struct zone_object object;

		zone_get_object(walk->zone, slab, i, &object);
		uint64_t offset = check_place_at(0, object.offset).offset;
		if (offset < walk->offset)
			continue;
		walk->offset = offset;
		if (walk->objects_left == 0 || walk->bytes_left == 0)
			return false;
		check_spend(&walk->objects_left, 1);
		check_spend(&walk->bytes_left, layout->stride_bytes);
		object_job_add(walk->job, walk->checks, slab, &object, false);
	}
	walk->offset = (uint64_t)(slab->pfn + (UINT32_C(1) << layout->order)) << PAGE_SHIFT;
	return true;
}

/* Goes on to the next slab. */
static void check_find_slab(struct check_walk *walk)
{
	uint32_t from = (uint32_t)(walk->offset >> PAGE_SHIFT), pfn = from;
	struct zone_block block;

	if (zone_next_block(walk->zone, -1, (uint32_t)walk->words_left, &pfn, &block) &&
	    block.kind == WORD_SLAB)
		pfn = block.pfn;
	check_spend(&walk->words_left, pfn - from);
	walk->offset = (uint64_t)pfn << PAGE_SHIFT;
}

/* True when the zone is done. */
static bool check_walk_zone(struct check_walk *walk)
{
	while (walk->offset >> PAGE_SHIFT < zone_capacity(walk->zone)) {
		struct zone_slab slab;

		if (walk->words_left == 0)
			return false;
		if (!zone_find_slab(walk->zone, walk->offset >> PAGE_SHIFT, &slab))
			check_find_slab(walk);
		else if (!check_add_slab(walk, &slab))
			return false;
		check_spend(&walk->words_left, CHECK_BLOCK_WORDS);
	}
	return true;
}

/* The next zone of what is asked for, from *place on; false when there is none. */
static bool check_find_zone(const struct pools *pools, const struct pools_pool *only_pool,
			    struct check_place *place)
{
	for (; place->pool < pools->nr_pools;
	     *place = (struct check_place){ .pool = place->pool + 1 }) {
		const struct pools_pool *pool = &pools->pools[place->pool];

		if (only_pool && pool != only_pool)
			continue;
		for (; place->zone < pool->nr_zones; place->zone++, place->offset = 0)
			if (pool->core.zones[place->zone])
				return true;
	}
	return false;
}

/* Fills the job with what comes next in the zone, and says where to go on. */
static void check_fill_job(struct check_job *check, const struct object_checks *checks,
			   const struct check_place *from)
{
	struct check_walk walk = {
		.checks = checks,
		.job = &check->job,
		.zone = check->job.pool->core.zones[from->zone],
		.offset = from->offset,
		.objects_left = CHECK_OBJECTS_MAX,
		.words_left = CHECK_WORDS_MAX,
		.bytes_left = CHECK_BYTES_MAX,
	};

	check->next = *from;
	check->next.offset = 0;
	if (check_walk_zone(&walk))
		check->next.zone++;
	else
		check->next.offset = walk.offset;
}

static void check_fill_reply(const struct check_job *check, struct message *reply)
{
	static struct message_object_fault faults[OBJECT_JOB_FAULTS_MAX]; /* until it is encoded */
	const struct object_job *job = &check->job;
	struct check_place next = check->next;
	size_t nr_faults = 0;

	/* With enough faults for one part the thread has left the rest for the next one. */
	if (job->nr_looked < job->nr_objects)
		next = check_place_at(next.pool, job->cases[job->nr_looked].offset);
	for (size_t i = 0; i < job->nr_faults; i++)
		nr_faults += object_job_describe(job, &job->faults[i], &faults[nr_faults]);
	reply->type = MESSAGE_OBJECT_FAULTS;
	reply->u.object_faults.objects = job->nr_looked;
	reply->u.object_faults.faults = faults;
	reply->u.object_faults.nr_faults = nr_faults;
	reply->u.object_faults.next = check_cursor(&next);
}

static void check_finish(struct object_job *job)
{
	struct check_job *check = (struct check_job *)job;
	struct later later = check->later;
	struct message reply = { .error = "" };

	if (job->error) {
		reply.status = MESSAGE_STATUS_NO_MEMORY;
		reply.error = "the host has no memory to look at the objects";
	} else {
		object_job_log(job, "by request");
		check_fill_reply(check, &reply);
	}
	object_job_free(job);
	later.client->has_check = false;
	client_later_end(&later, &reply);
}

enum dispatch_result handler_check_objects(struct call *call, const struct message *request,
					   struct message *reply)
{
	struct object_checks *checks = &call->service->object_checks;
	const struct pools *pools = &call->service->pools;
	struct check_place place = check_place_of(request->u.check_objects.start);
	const struct pools_pool *only_pool;
	struct check_job *check;

	if (!handler_only_pool(call, request->u.check_objects.pool, &only_pool, reply))
		return DISPATCH_REPLY;
	if (call->client->has_check)
		return handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
				      "a check of this client is running already");
	reply->type = MESSAGE_OBJECT_FAULTS;
	if (!check_find_zone(pools, only_pool, &place))
		return DISPATCH_REPLY;
	check = object_job_new(sizeof(*check), OBJECT_JOB_CHECK, &pools->pools[place.pool],
			       CHECK_OBJECTS_MAX, check_finish);
	if (!check)
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "the daemon has no memory for a check");
	check_fill_job(check, checks, &place);
	if (check->job.nr_objects == 0) {
		check_fill_reply(check, reply);
		object_job_free(&check->job);
		return DISPATCH_REPLY;
	}
	call->client->has_check = true;
	client_later_begin(call->client, request->id, &check->later);
	object_job_submit(&check->job, checks);
	return DISPATCH_LATER;
}
