/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Zones that change their size while clients use them: growing takes memory before it hands any of
 * it out, shrinking gives back what is free and waits for the rest.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/sizing.h"

struct loop;
struct loop_task;
struct loop_timer;
struct pools;
struct pools_zone;
struct resize;
struct worker_pool;

struct resizes {
	struct worker_pool *workers; /* borrowed */
	/* One thread for what a client can make wait for ever; owned, as all below. */
	struct worker_pool *releasers;
	struct loop_task *task;      /* a slice a round */
	struct loop_timer *timer;    /* looks after zones that drain */
	struct resize *zones;        /* of all pools, in order */
	unsigned nr_zones, next;     /* whose turn it is */
	void (*changed)(void *data); /* some zone's size has */
	void *data;
};

/* `changed` is told after a zone's size has changed. 0 or a negative errno. */
int resizes_init(struct resizes *resizes, struct loop *loop, struct pools *pools,
		 struct worker_pool *workers, void (*changed)(void *data), void *data);
/* Leaves zones at what they are. Accepts a zeroed one. `workers` have been freed. */
void resizes_deinit(struct resizes *resizes);

/*
 * Makes this the zone's size, whatever was wanted before; the log tells how it goes. It must be
 * within the capacity. `sizing` is copied.
 */
void resizes_set(struct resizes *resizes, const struct pools_zone *zone,
		 const struct sizing *sizing);

/*
 * Gives back what clients have made the kernel back beyond the size of zones, where nothing is
 * granted; in the background. Of a zone whose size is changing, once that is through.
 */
void resizes_trim(struct resizes *resizes);

/* What resizes_set() wanted last, or what the zone has. */
uint64_t resizes_wanted_bytes(const struct resizes *resizes, const struct pools_zone *zone);
