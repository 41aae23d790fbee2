/* SPDX-License-Identifier: MIT */
/*
 * Checks of the ledgers while the daemon serves.
 *
 * A check walks all zones of all pools and lets the core compare index and ledger, so many pages a
 * round of the loop; the zones may change in between. A zone with a fault is not read further: the
 * first fault of a zone says where to look, what follows it is mostly its echo. A client may have
 * one check running, so there are never more than clients and none can keep others from theirs.
 * They run in turn, one slice of one of them a round; one whose client has gone ends at its next
 * slice.
 */

#include "service/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/zone.h"
#include "proto/message.h"
#include "service/client.h"
#include "service/handlers.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/pools.h"
#include "service/state.h"

/* At up to 5 ns a page a third of a millisecond. */
#define CHECK_SLICE_PAGES (64u * 1024u)

struct check {
	TAILQ_ENTRY(check) link;
	struct later later;
	unsigned pool, zone; /* where it is */
	uint32_t pfn;
	uint64_t nr_pages; /* of zones that are done */
	uint64_t nr_faults;
	char first[DISPATCH_TEXT_BYTES];
};

static void check_note_fault(struct check *check, const struct pools_pool *pool,
			     const struct zone_fault *fault)
{
	const struct pools_zone *zone = &pool->zones[check->zone];
	char text[DISPATCH_TEXT_BYTES];

	if (zone->damage[0])
		snprintf(text, sizeof(text), "pool '%s' %s is set aside: %s", pool->config->name,
			 zone->name, zone->damage);
	else
		snprintf(text, sizeof(text), "pool '%s' %s page %" PRIu32 ": %s",
			 pool->config->name, zone->name, fault->pfn, fault->what);
	log_print_caused(LOG_ERR, "check: %s", text);
	if (check->nr_faults++ == 0)
		memcpy(check->first, text, sizeof(text));
}

/* True when all zones of all pools are done. */
static bool check_slice(struct check *check, const struct pools *pools)
{
	const struct pools_pool *pool = &pools->pools[check->pool];
	struct zone *zone = pool->core.zones[check->zone]; /* NULL: set aside */
	struct zone_fault fault = { 0 };

	if (!zone || zone_check(zone, CHECK_SLICE_PAGES, &check->pfn, &fault) < 0)
		check_note_fault(check, pool, &fault);
	else if (check->pfn < zone_capacity(zone))
		return false;

	/* Beyond its size there is little to look at. */
	if (zone)
		check->nr_pages +=
			check->pfn < zone_nr_pages(zone) ? check->pfn : zone_nr_pages(zone);
	check->pfn = 0;
	if (++check->zone == pool->nr_zones) {
		check->zone = 0;
		check->pool++;
	}
	return check->pool == pools->nr_pools;
}

static void check_finish(struct check *check)
{
	struct message reply = { .error = "", .type = MESSAGE_CHECK_RESULT };

	check->later.client->has_check = false;
	reply.u.check_result.pages = check->nr_pages;
	reply.u.check_result.faults = check->nr_faults;
	reply.u.check_result.first = check->first;
	client_later_end(&check->later, &reply);
	free(check);
}

/* One slice of the first check, which then goes behind the others. */
static void checks_on_task(void *data)
{
	struct checks *checks = data;
	struct check *check = TAILQ_FIRST(&checks->running);

	TAILQ_REMOVE(&checks->running, check, link);
	if (client_later_is_orphan(&check->later) || check_slice(check, checks->pools))
		check_finish(check);
	else
		TAILQ_INSERT_TAIL(&checks->running, check, link);
	if (!TAILQ_EMPTY(&checks->running))
		loop_task_schedule(checks->task);
}

int checks_init(struct checks *checks, struct loop *loop, struct pools *pools)
{
	checks->pools = pools;
	TAILQ_INIT(&checks->running);
	return loop_task_new(loop, checks_on_task, checks, &checks->task);
}

void checks_deinit(struct checks *checks)
{
	struct check *check;

	if (!checks->task)
		return;
	while ((check = TAILQ_FIRST(&checks->running))) {
		TAILQ_REMOVE(&checks->running, check, link);
		free(check);
	}
	checks->task = loop_task_free(checks->task);
}

enum dispatch_result handler_check(struct call *call, const struct message *request,
				   struct message *reply)
{
	struct checks *checks = &call->service->checks;

	if (call->client->has_check)
		return handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
				      "a check of this client is running already");
	struct check *check = calloc(1, sizeof(*check));
	if (!check)
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "the daemon has no memory for a check");

	call->client->has_check = true;
	client_later_begin(call->client, request->id, &check->later);
	TAILQ_INSERT_TAIL(&checks->running, check, link);
	loop_task_schedule(checks->task);
	return DISPATCH_LATER;
}
