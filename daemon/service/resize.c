/* SPDX-License-Identifier: MIT */
/*
 * A zone's size, changed while it serves.
 *
 *            +------ wanted is larger ------> PREPARING --failed--+
 *            |                                   |                |
 *   IDLE ----+                                   v                v
 *   DRAINING +-- wanted is smaller, or less --> STEPPING ---> RELEASING ---> IDLE or DRAINING
 *
 * Growing first takes what the new pages need: the ledger's memory, huge pages, and with
 * commit = start all of the memory. That is a helper's work and may fail; then nothing has changed.
 * After that, as for shrinking, the zone is told its size in one store, and brings pages in or
 * takes free ones out a slice a round.
 *
 * What lies beyond the size and is not held goes back to the host: the tail is walked from held
 * block to held block, and what is between them is punched out in big ranges by a helper of its
 * own, since a client can make that wait for ever. A held block stays its holder's. While there are
 * some the zone drains: once in a while it is looked whether some have gone, and the tail is walked
 * again.
 *
 * Whatever is wanted meanwhile is only noted, and looked at when the step that is under way is
 * done. So a range is never punched while it comes into use, nor committed while it is punched.
 *
 * The room beyond the size is the kernel's to back for whoever has the segment mapped and touches
 * it, and that memory would stay when he has ended. So once in a while it is looked whether a zone
 * has more memory than its size, and then all of the room is walked as after shrinking.
 */

#include "service/resize.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/zone.h"
#include "service/backing.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/pools.h"
#include "service/worker.h"

#define RESIZE_STEP_PAGES (8u * 1024u)  /* in a slice of resizing: up to 0.25 ms */
#define RESIZE_WALK_PAGES (32u * 1024u) /* in a slice of the walk: 0.3 ms, held singly */
#define RESIZE_RELEASE_PAGES (1u << 18) /* in a job: 1 GiB, half a second if it is all there */
#define RESIZE_LOOK_MS 1000u
#define MIB (UINT64_C(1) << 20)

enum resize_state {
	RESIZE_IDLE,
	RESIZE_PREPARING, /* a helper takes what growing needs */
	RESIZE_STEPPING,  /* the zone brings pages in or takes them out */
	RESIZE_RELEASING, /* the tail is walked */
	RESIZE_DRAINING   /* pages beyond the size are held, or were just being committed */
};

struct resize {
	struct worker_job job; /* first, so that it leads back here */
	struct backing_release release;
	struct resizes *resizes;
	struct pools_pool *pool;
	struct pools_zone *zone;
	enum resize_state state;
	struct sizing wanted; /* by whoever asked last */
	struct sizing target; /* of what is under way */
	uint64_t from_bytes;  /* the size before */
	int error;            /* the helper's */

	/* The walk; in pages. Behind `end` there is nothing to give back. */
	uint32_t end, cursor;
	uint32_t gap;         /* where what nobody holds begins */
	uint32_t nr_draining; /* when the walk began */
	bool is_releasing;    /* a range, now */
	bool is_busy;         /* some of it was being committed */
};

static void resize_go_on(struct resize *resize);

static uint64_t resize_size(const struct resize *resize)
{
	return backing_size_bytes(resize->zone->backing);
}

__attribute__((format(printf, 3, 4))) static void resize_log(const struct resize *resize, int level,
							     const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_print(level, "pool '%s' %s: %s", resize->pool->config->name, resize->zone->name, text);
}

/* The next slice is due. */
static void resize_schedule(struct resize *resize, enum resize_state state)
{
	resize->state = state;
	loop_task_schedule(resize->resizes->task);
}

/* The zone's new size. */

static void resize_change(struct resize *resize)
{
	uint32_t nr_pages = (uint32_t)(resize->target.size_bytes >> PAGE_SHIFT);

	if (resize->wanted.size_bytes == resize->target.size_bytes)
		resize->target = resize->wanted; /* with the watermarks that came since */
	resize->from_bytes = resize_size(resize);
	pools_zone_set_size(resize->zone, &resize->target);
	pools_update_max_order(resize->pool);
	if (resize->end < nr_pages)
		resize->end = nr_pages;
	resize_schedule(resize, RESIZE_STEPPING);
	resize->resizes->changed(resize->resizes->data);
}

static void resize_on_prepared(int error, void *data)
{
	struct resize *resize = data;
	uint64_t size_bytes = resize_size(resize);

	if (error == 0 && resize->wanted.size_bytes == resize->target.size_bytes) {
		resize_change(resize);
		return;
	}
	if (error)
		resize_log(resize, LOG_ERR,
			   "can't grow to %" PRIu64 " MiB: %s: it stays at %" PRIu64 " MiB",
			   resize->target.size_bytes / MIB, strerror(-error), size_bytes / MIB);
	if (resize->wanted.size_bytes == resize->target.size_bytes)
		resize->wanted.size_bytes = size_bytes;
	resize_go_on(resize);
}

static void resize_run_prepare(struct worker_job *job)
{
	struct resize *resize = (struct resize *)job;

	resize->error = pools_zone_prepare(resize->zone, resize->target.size_bytes);
}

static void resize_finish_prepare(struct worker_job *job)
{
	struct resize *resize = (struct resize *)job;

	if (resize->error == 0 && resize->pool->config->commit == SERVICE_COMMIT_START)
		backing_commit_all(resize->zone->backing, resize->target.size_bytes,
				   resize_on_prepared, resize);
	else
		resize_on_prepared(resize->error, resize);
}

static void resize_prepare(struct resize *resize)
{
	uint32_t nr_pages = (uint32_t)(resize->target.size_bytes >> PAGE_SHIFT);

	if (resize->end < nr_pages)
		resize->end = nr_pages; /* what it takes goes back if it can't have all */
	backing_expect(resize->zone->backing, resize->target.size_bytes);
	resize->state = RESIZE_PREPARING;
	resize->job =
		(struct worker_job){ .run = resize_run_prepare, .done = resize_finish_prepare };
	worker_pool_submit(resize->resizes->workers, &resize->job);
}

/* The tail. */

/* A block that reaches into the tail starts before it: at no lower page than this. */
static uint32_t resize_walk_start(const struct resize *resize)
{
	return resize->gap & ~((UINT32_C(1) << resize->pool->config->max_order) - 1);
}

/* What a size or an end leaves of a pageblock is committed with it, and goes back with it. */
static uint32_t resize_align(const struct resize *resize, uint64_t nr_pages)
{
	uint64_t capacity = backing_capacity_bytes(resize->zone->backing) >> PAGE_SHIFT;
	uint64_t aligned = (nr_pages + INDEX_PAGEBLOCK_PAGES - 1) / INDEX_PAGEBLOCK_PAGES *
			   INDEX_PAGEBLOCK_PAGES;

	return (uint32_t)(aligned < capacity ? aligned : capacity);
}

static void resize_start_walk(struct resize *resize)
{
	resize->gap = resize_align(resize, resize_size(resize) >> PAGE_SHIFT);
	resize->end = resize_align(resize, resize->end);
	resize->cursor = resize_walk_start(resize);
	resize->nr_draining = zone_nr_draining(resize->zone->zone);
	resize->is_busy = false;
	resize_schedule(resize, RESIZE_RELEASING);
}

static void resize_on_released(struct backing_release *release)
{
	struct resize *resize =
		(struct resize *)((char *)release - offsetof(struct resize, release));

	resize->is_releasing = false;
	if (release->error)
		resize_log(resize, LOG_WARNING, "can't give %" PRIu64 " MiB back to the host: %s",
			   release->size_bytes / MIB, strerror(-release->error));
	resize_go_on(resize);
}

/* Gives back what nobody holds before `end`. True when it is done. */
static bool resize_release_gap(struct resize *resize, uint32_t end)
{
	while (resize->gap < end) {
		uint32_t nr_pages = end - resize->gap;
		uint32_t nr_pages_max = RESIZE_RELEASE_PAGES - resize->gap % RESIZE_RELEASE_PAGES;

		if (nr_pages > nr_pages_max)
			nr_pages = nr_pages_max;
		resize->release.done = resize_on_released;
		int error = backing_release(resize->zone->backing, resize->resizes->releasers,
					    resize->gap, nr_pages, &resize->release);
		if (error == -EINPROGRESS) {
			resize->is_releasing = true;
			return false;
		}
		resize->is_busy |= error == -EAGAIN;
		resize->gap += nr_pages;
	}
	return true;
}

/* Over the next held block, if one begins within max_pages. False when a range is to go first. */
static bool resize_walk_step(struct resize *resize, uint32_t max_pages)
{
	uint32_t from = resize->cursor, end;
	struct zone_block block;
	bool is_held = zone_next_block(resize->zone->zone, -1, max_pages, &resize->cursor, &block);

	end = is_held ? block.pfn : resize->cursor;
	if (!resize_release_gap(resize, end < resize->end ? end : resize->end)) {
		resize->cursor = from; /* what is there is found again */
		return false;
	}
	if (is_held && resize->gap < resize->cursor)
		resize->gap = resize->cursor;
	return true;
}

/* True when the walk is over. */
static bool resize_walk_slice(struct resize *resize)
{
	uint32_t stop = resize->end;

	if (resize->cursor < stop && stop - resize->cursor > RESIZE_WALK_PAGES)
		stop = resize->cursor + RESIZE_WALK_PAGES;
	while (resize->cursor < stop)
		if (!resize_walk_step(resize, stop - resize->cursor))
			return false;
	return resize->cursor >= resize->end;
}

static void resize_finish_walk(struct resize *resize)
{
	/* What was freed while it was walked is seen when it is looked at next. */
	if (resize->nr_draining > 0 || resize->is_busy) {
		resize->state = RESIZE_DRAINING;
		loop_timer_start(resize->resizes->timer, RESIZE_LOOK_MS);
		return;
	}
	resize->end = (uint32_t)(resize_size(resize) >> PAGE_SHIFT);
	resize->state = RESIZE_IDLE;
	if (resize->from_bytes > resize_size(resize))
		resize_log(resize, LOG_INFO, "all beyond its %" PRIu64 " MiB has gone back",
			   resize_size(resize) / MIB);
}

/* The way. */

static void resize_report(const struct resize *resize)
{
	uint64_t draining_bytes = (uint64_t)zone_nr_draining(resize->zone->zone) << PAGE_SHIFT;
	uint64_t size_bytes = resize_size(resize);

	if (size_bytes > resize->from_bytes)
		resize_log(resize, LOG_INFO, "grown by %" PRIu64 " to %" PRIu64 " MiB",
			   (size_bytes - resize->from_bytes) / MIB, size_bytes / MIB);
	else
		resize_log(resize, LOG_INFO, "shrunk by %" PRIu64 " to %" PRIu64 " MiB",
			   (resize->from_bytes - size_bytes) / MIB, size_bytes / MIB);
	if (draining_bytes)
		resize_log(resize, LOG_INFO,
			   "%" PRIu64 " KiB beyond its size are held, and leave as they are freed",
			   draining_bytes >> 10);
}

/* What is under way is done: the next step. */
static void resize_go_on(struct resize *resize)
{
	if (resize->wanted.size_bytes != resize_size(resize)) {
		resize->target = resize->wanted;
		if (resize->target.size_bytes > resize_size(resize))
			resize_prepare(resize);
		else
			resize_change(resize);
	} else if (resize->state == RESIZE_RELEASING) {
		resize_schedule(resize, RESIZE_RELEASING);
	} else if (resize->end > resize_size(resize) >> PAGE_SHIFT) {
		resize_start_walk(resize);
	} else {
		resize->state = RESIZE_IDLE;
	}
}

static bool resize_has_slice(const struct resize *resize)
{
	return resize->state == RESIZE_STEPPING ||
	       (resize->state == RESIZE_RELEASING && !resize->is_releasing);
}

static void resize_slice(struct resize *resize)
{
	if (resize->state == RESIZE_RELEASING) {
		if (resize_walk_slice(resize))
			resize_finish_walk(resize);
	} else if (zone_resize_step(resize->zone->zone, RESIZE_STEP_PAGES)) {
		resize_report(resize);
		resize_go_on(resize);
	}
}

static struct resize *resizes_next(const struct resizes *resizes)
{
	for (unsigned i = 0; i < resizes->nr_zones; i++) {
		struct resize *resize = &resizes->zones[(resizes->next + i) % resizes->nr_zones];

		if (resize_has_slice(resize))
			return resize;
	}
	return NULL;
}

/* One slice of one zone, in turn. */
static void resizes_on_task(void *data)
{
	struct resizes *resizes = data;
	struct resize *resize = resizes_next(resizes);

	if (resize) {
		resizes->next = (unsigned)(resize - resizes->zones) + 1;
		resize_slice(resize);
	}
	if (resizes_next(resizes))
		loop_task_schedule(resizes->task);
}

static void resizes_on_timer(void *data)
{
	struct resizes *resizes = data;

	for (unsigned i = 0; i < resizes->nr_zones; i++) {
		struct resize *resize = &resizes->zones[i];

		if (resize->state != RESIZE_DRAINING)
			continue;
		if (resize->is_busy || zone_nr_draining(resize->zone->zone) != resize->nr_draining)
			resize_start_walk(resize);
		else
			loop_timer_start(resizes->timer, RESIZE_LOOK_MS);
	}
}

static int resizes_init_zones(struct resizes *resizes, struct pools *pools)
{
	unsigned nr_zones = pools_count_zones(pools);
	struct resize *resize = calloc(nr_zones, sizeof(*resize));

	if (!resize)
		return -ENOMEM;
	resizes->zones = resize;
	resizes->nr_zones = nr_zones;
	for (unsigned i = 0; i < pools->nr_pools; i++)
		for (unsigned j = 0; j < pools->pools[i].nr_zones; j++, resize++) {
			resize->resizes = resizes;
			resize->pool = &pools->pools[i];
			resize->zone = &pools->pools[i].zones[j];
			resize->wanted.size_bytes = resize_size(resize);
			resize->end = (uint32_t)(resize_size(resize) >> PAGE_SHIFT);
		}
	return 0;
}

int resizes_init(struct resizes *resizes, struct loop *loop, struct pools *pools,
		 struct worker_pool *workers, void (*changed)(void *data), void *data)
{
	resizes->workers = workers;
	resizes->changed = changed;
	resizes->data = data;

	int error = resizes_init_zones(resizes, pools);
	if (error == 0)
		error = worker_pool_new(loop, 1, &resizes->releasers);
	if (error == 0)
		error = loop_task_new(loop, resizes_on_task, resizes, &resizes->task);
	if (error == 0)
		error = loop_timer_new(loop, resizes_on_timer, resizes, &resizes->timer);
	return error;
}

void resizes_deinit(struct resizes *resizes)
{
	resizes->releasers = worker_pool_free(resizes->releasers);
	resizes->task = loop_task_free(resizes->task);
	resizes->timer = loop_timer_free(resizes->timer);
	free(resizes->zones);
	resizes->zones = NULL;
	resizes->nr_zones = 0;
}

static struct resize *resizes_find(const struct resizes *resizes, const struct pools_zone *zone)
{
	unsigned i = 0;

	while (resizes->zones[i].zone != zone)
		i++;
	return &resizes->zones[i];
}

/* What has to be waited for; a walk can be left between two ranges. */
static bool resize_is_under_way(const struct resize *resize)
{
	return resize->state == RESIZE_PREPARING || resize->state == RESIZE_STEPPING ||
	       resize->is_releasing;
}

void resizes_set(struct resizes *resizes, const struct pools_zone *zone,
		 const struct sizing *sizing)
{
	struct resize *resize = resizes_find(resizes, zone);

	assert(sizing->size_bytes <= backing_capacity_bytes(zone->backing));
	resize->wanted = *sizing;
	if (sizing->size_bytes == resize_size(resize))
		pools_zone_set_watermarks(resize->zone, sizing);
	else if (!resize_is_under_way(resize))
		resize_go_on(resize);
}

static void resize_trim(struct resize *resize)
{
	uint64_t capacity_bytes = backing_capacity_bytes(resize->zone->backing);
	uint64_t stray_bytes = backing_stray_bytes(resize->zone->backing);

	if (stray_bytes == 0)
		return;
	log_print_caused(LOG_NOTICE,
			 "pool '%s' %s: somebody has touched memory beyond its %" PRIu64
			 " MiB: %" PRIu64 " KiB go back",
			 resize->pool->config->name, resize->zone->name, resize_size(resize) / MIB,
			 stray_bytes >> 10);
	backing_expect(resize->zone->backing, capacity_bytes);
	resize->end = (uint32_t)(capacity_bytes >> PAGE_SHIFT);
	resize_start_walk(resize);
}

void resizes_trim(struct resizes *resizes)
{
	for (unsigned i = 0; i < resizes->nr_zones; i++) {
		struct resize *resize = &resizes->zones[i];

		if (resize->state == RESIZE_IDLE && !resize->zone->damage[0])
			resize_trim(resize);
	}
}

uint64_t resizes_wanted_bytes(const struct resizes *resizes, const struct pools_zone *zone)
{
	return resizes_find(resizes, zone)->wanted.size_bytes;
}
