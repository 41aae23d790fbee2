/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Objects of debug caches: their red zones and their poison are written when they are granted and
 * freed, and looked at when they are freed, granted again, and on demand.
 *
 * All of it is done by one helper thread, in the order in which it was asked for: pages of a
 * segment are nothing for the loop (service/segment.c), and what comes later finds what came before
 * it done.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct call;
struct clients;
struct loop;
struct object_job;
struct object_run;
struct pools_pool;
struct worker_pool;

struct object_checks {
	const struct clients *clients; /* borrowed */
	struct worker_pool *thread;
	LIST_HEAD(object_checks_list, object_job) jobs;
};

int object_checks_init(struct object_checks *checks, struct loop *loop,
		       const struct clients *clients);
/*
 * Ends the thread and forgets what it was to do. Before the pools and the clients are taken down.
 * Accepts a zeroed one.
 */
void object_checks_deinit(struct object_checks *checks);

/*
 * Of one client, on their way at a time: each keeps up to 150 KB of what is to be known of its
 * objects. A request for more waits (DISPATCH_AGAIN).
 */
#define OBJECT_CHECK_GRANTS_MAX 4u

/* A grant on its way through the thread. The caller's, untouched until done. */
struct object_check_request {
	/* On the loop, exactly once. 0, or -ENOMEM: the objects can't be told. */
	void (*done)(struct object_check_request *request, int error);
};

/*
 * For every grant of objects of a cache with CACHE_DEBUG, when its pages are backed and before it
 * is told: what was poisoned is looked at, and all of it is marked as held, constructed objects but
 * for their own bytes. Of a cache without CACHE_CTOR all bytes are written, so nothing may have
 * been zeroed before, which would look like somebody's write; nor need it be.
 *
 * Runs are read before it returns, their raw bits too; till `done` the objects must stay granted,
 * and the client's nr_grants must count the request. A grant that is given back untold, ever, goes
 * back with zone_leaver.is_untold, so that what is in its objects is not taken for poison.
 *
 * -EINPROGRESS when request->done will say, or -ENOMEM.
 */
int object_check_grant(struct object_checks *checks, const struct pools_pool *pool,
		       const struct object_run *runs, size_t nr_runs,
		       struct object_check_request *request);

/*
 * For every request to free objects, just before pool_free_objects() and with what that is given:
 * when objects of debug caches are among them, and the core would free them, the thread looks at
 * their red zones, which must be whole, and poisons them. Then they are freed, and the request `id`
 * is answered.
 *
 * 0: there is nothing to look at, and the caller is to free them, or to be refused that;
 * -EINPROGRESS: the caller has no more to do (DISPATCH_LATER); or -ENOMEM.
 */
int object_check_free(struct call *call, uint64_t id, struct pools_pool *pool, uint32_t number,
		      const struct object_run *runs, size_t nr_runs);
