/* SPDX-License-Identifier: MIT */
/*
 * From what was allocated to a reply.
 *
 * The core has allocated; the words are in the ledger. Before the client may know, the pages must
 * be backed and free of what another user left in them. Mostly they are, and the reply leaves at
 * once. Else helper threads work on them, in parts of one zone each, and the reply leaves when the
 * last part is done: one failed part gives all of it back. A zone may have several parts, as it may
 * be come back to for what it has below its marks.
 *
 * While a part is at work its blocks must stay allocated, or the helper would zero what is somebody
 * else's by then. The client does not know them yet, but it could guess; so its frees wait for its
 * grants (handler_free.c), and its sweep does too (client.c). When the connection has ended
 * meanwhile, nobody was told: the blocks go back at once, even if the process lives.
 *
 * Objects go the same way. One that is zeroed is constructed no more: the ledger says so before the
 * zeroing begins, so that whatever ends it, nobody takes zeros for a constructed object. Those of
 * debug caches go on to object_check.c, which writes around and into them, before they are told.
 *
 * A spare grant is kept ready, because what waits must have its place before it is known whether
 * anything waits: so the common request allocates nothing.
 */

#include "service/grant.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/pool_object.h"
#include "proto/message.h"
#include "service/backing.h"
#include "service/client.h"
#include "service/handlers.h"
#include "service/object_check.h"
#include "service/pools.h"
#include "service/state.h"

#define GRANT_NO_MEMORY "the host has no memory to back the pages"

struct grant {
	struct object_check_request check; /* first: it leads to its grant */
	struct backing_request prepare;    /* of each part */
	LIST_ENTRY(grant) link;
	struct later later;
	struct granted granted; /* the runs are our copy */
	unsigned nr_waiting;    /* parts */
	int error;              /* of any part */
	union {
		struct page_run pages[MESSAGE_BATCH_BLOCKS_MAX];
		struct object_run objects[MESSAGE_BATCH_BLOCKS_MAX];
	} runs;
};

int grants_init(struct grants *grants)
{
	LIST_INIT(&grants->waiting);
	grants->spare = malloc(sizeof(*grants->spare));
	return grants->spare ? 0 : -ENOMEM;
}

void grants_deinit(struct grants *grants)
{
	struct grant *grant;

	while ((grant = LIST_FIRST(&grants->waiting))) {
		LIST_REMOVE(grant, link);
		free(grant);
	}
	free(grants->spare);
	grants->spare = NULL;
}

static void grant_give_back(const struct granted *granted, const struct client *client)
{
	struct zone_leaver leaver = client_leaver(client);
	struct pool *core = &granted->pool->core;
	uint64_t offset;
	int error;

	leaver.is_untold = true;
	if (granted->layout)
		error = pool_free_objects(core, ZONE_CACHE_ANY, &leaver, granted->objects,
					  granted->nr_runs, &offset);
	else if (granted->nr_pages)
		error = pool_free_exact(core, granted->pages[0].base, granted->nr_pages,
					client->slot);
	else
		error = pool_free_bulk(core, granted->order, client->slot, granted->pages,
				       granted->nr_runs);
	assert(error == 0);
	(void)error;
}

/* Replies. What they point to is valid until the reply is encoded. */

static struct message_run grant_reply_runs[MESSAGE_BATCH_BLOCKS_MAX];

static void grant_fill_pages(const struct granted *granted, struct message *reply)
{
	if (granted->nr_pages) {
		reply->type = MESSAGE_GRANTED_EXACT;
		reply->u.granted_exact.page = granted->pages[0].base;
		return;
	}
	for (size_t i = 0; i < granted->nr_runs; i++)
		grant_reply_runs[i] =
			(struct message_run){ granted->pages[i].base, granted->pages[i].mask };
	reply->type = MESSAGE_GRANTED;
	reply->u.granted.runs = grant_reply_runs;
	reply->u.granted.nr_runs = granted->nr_runs;
}

static void grant_fill_objects(const struct granted *granted, struct message *reply)
{
	static uint64_t raw[MESSAGE_BATCH_BLOCKS_MAX];
	uint64_t any_raw = 0;

	for (size_t i = 0; i < granted->nr_runs; i++) {
		const struct object_run *run = &granted->objects[i];

		grant_reply_runs[i] = (struct message_run){ run->base, run->mask };
		any_raw |= raw[i] = run->raw;
	}
	reply->type = MESSAGE_GRANTED_OBJECTS;
	reply->u.granted_objects.runs = grant_reply_runs;
	reply->u.granted_objects.nr_runs = granted->nr_runs;
	if (!(granted->layout->flags & CACHE_CTOR) || !any_raw)
		return;
	reply->u.granted_objects.raw = raw;
	reply->u.granted_objects.nr_raw = granted->nr_runs;
}

/* The one place that makes a reply of what was granted. */
static void grant_fill_reply(const struct granted *granted, struct message *reply)
{
	if (granted->layout)
		grant_fill_objects(granted, reply);
	else
		grant_fill_pages(granted, reply);
}

/* Nothing of a grant that had to wait is at work any more. */
static void grant_finish(struct grant *grant)
{
	struct message reply = { .error = "" };
	struct client *client = grant->later.client;

	LIST_REMOVE(grant, link);
	client->nr_grants--;
	if (grant->error || client_later_is_orphan(&grant->later)) {
		grant_give_back(&grant->granted, client);
		reply.status = MESSAGE_STATUS_NO_MEMORY;
		reply.error = GRANT_NO_MEMORY;
	} else {
		grant_fill_reply(&grant->granted, &reply);
	}
	client_later_end(&grant->later, &reply);
	free(grant);
}

static void grant_on_checked(struct object_check_request *request, int error)
{
	struct grant *grant = (struct grant *)request;

	grant->error = error;
	grant_finish(grant);
}

static bool grant_wants_check(const struct granted *granted)
{
	return granted->layout && granted->layout->flags & CACHE_DEBUG;
}

/* -EINPROGRESS, or an error. */
static int grant_check(struct grant *grant, const struct granted *granted,
		       struct object_checks *checks)
{
	grant->check.done = grant_on_checked;
	return object_check_grant(checks, granted->pool, granted->objects, granted->nr_runs,
				  &grant->check);
}

/* All parts are done. */
static void grant_go_on(struct grant *grant)
{
	struct service *service = grant->later.client->clients->service;

	if (!grant->error && grant_wants_check(&grant->granted) &&
	    !client_later_is_orphan(&grant->later))
		grant->error = grant_check(grant, &grant->granted, &service->object_checks);
	if (grant->error != -EINPROGRESS)
		grant_finish(grant);
}

static void grant_on_part_done(struct backing_request *request, int error)
{
	struct grant *grant = (struct grant *)((char *)request - offsetof(struct grant, prepare));

	if (error < 0)
		grant->error = error;
	if (--grant->nr_waiting == 0)
		grant_go_on(grant);
}

static unsigned grant_zone_of(const struct granted *granted, size_t i)
{
	return page_address_zone(granted->layout ? granted->objects[i].base >> PAGE_SHIFT
						 : granted->pages[i].base);
}

/* Runs from `first` on that lie in one zone. */
static size_t grant_count_part(const struct granted *granted, size_t first)
{
	size_t end = first + 1;

	while (end < granted->nr_runs &&
	       grant_zone_of(granted, end) == grant_zone_of(granted, first))
		end++;
	return end - first;
}

/* What of it lies in one zone. */
struct grant_piece {
	const struct granted *granted;
	size_t first, nr_runs;
};

static void grant_will_zero(const struct backing_objects *objects, size_t i, uint64_t mask)
{
	const struct grant_piece *piece = objects->data;
	struct object_run *run = &piece->granted->objects[piece->first + i];
	struct object_run zeroed = { .base = run->base, .mask = mask };

	pool_forget_constructed(&piece->granted->pool->core, &zeroed, 1);
	run->raw |= mask;
}

static int grant_prepare_objects(struct backing *backing, const struct grant_piece *piece,
				 uid_t uid, struct backing_request *request)
{
	const struct cache_layout *layout = piece->granted->layout;
	const struct backing_objects objects = {
		.stride_bytes = layout->stride_bytes,
		/* What is between two objects is the first one's, or red zones, which stay. */
		.size_bytes =
			layout->flags & CACHE_DEBUG ? layout->object_bytes : layout->stride_bytes,
		.runs = &piece->granted->objects[piece->first],
		.nr_runs = piece->nr_runs,
		.will_zero = layout->flags & CACHE_CTOR ? grant_will_zero : NULL,
		.data = (void *)piece,
		/* Poison is not to be zeroed, or it would look broken. */
		.is_overwritten = layout->flags & CACHE_DEBUG && !(layout->flags & CACHE_CTOR),
	};

	return backing_prepare_objects(backing, &objects, uid, request);
}

static int grant_prepare_piece(const struct grant_piece *piece, uid_t uid,
			       struct backing_request *request)
{
	const struct granted *granted = piece->granted;
	unsigned zone = grant_zone_of(granted, piece->first);
	struct backing *backing = granted->pool->zones[zone].backing;

	if (granted->layout)
		return grant_prepare_objects(backing, piece, uid, request);
	if (granted->nr_pages)
		return backing_prepare_range(backing,
					     (uint32_t)page_address_pfn(granted->pages[0].base),
					     granted->nr_pages, uid, request);
	return backing_prepare(backing, granted->order, &granted->pages[piece->first],
			       piece->nr_runs, uid, request);
}

/* 0 when all is ready, -EINPROGRESS when a part is at work, or an error when none is. */
static int grant_prepare(struct grant *grant, const struct granted *granted, uid_t uid)
{
	struct grant_piece piece = { .granted = granted };

	grant->prepare.done = grant_on_part_done;
	grant->error = 0;
	grant->nr_waiting = 0;
	for (; piece.first < granted->nr_runs && !grant->error; piece.first += piece.nr_runs) {
		piece.nr_runs = grant_count_part(granted, piece.first);
		int error = grant_prepare_piece(&piece, uid, &grant->prepare);
		if (error == -EINPROGRESS)
			grant->nr_waiting++;
		else
			grant->error = error;
	}
	return grant->nr_waiting ? -EINPROGRESS : grant->error;
}

static void grant_copy(struct grant *grant, const struct granted *granted)
{
	size_t nr_runs = granted->nr_runs;

	grant->granted = *granted;
	if (granted->layout)
		grant->granted.objects = memcpy(grant->runs.objects, granted->objects,
						nr_runs * sizeof(grant->runs.objects[0]));
	else
		grant->granted.pages = memcpy(grant->runs.pages, granted->pages,
					      nr_runs * sizeof(grant->runs.pages[0]));
}

/* The request waits. The grant keeps what it waits for, and another takes the spare's place. */
static void grant_keep(struct call *call, struct grant *grant, uint64_t id,
		       const struct granted *granted)
{
	grant_copy(grant, granted);
	call->client->nr_grants++;
	client_later_begin(call->client, id, &grant->later);
	LIST_INSERT_HEAD(&call->service->grants.waiting, grant, link);
	call->service->grants.spare = malloc(sizeof(*grant));
}

enum dispatch_result grant_tell(struct call *call, uint64_t id, const struct granted *granted,
				struct message *reply)
{
	struct grants *grants = &call->service->grants;
	int error = -ENOMEM;

	if (!grants->spare)
		grants->spare = malloc(sizeof(*grants->spare));
	if (grants->spare)
		error = grant_prepare(grants->spare, granted, call->client->peer.credentials.uid);
	if (error == 0 && grant_wants_check(granted))
		error = grant_check(grants->spare, granted, &call->service->object_checks);
	if (error == 0) {
		grant_fill_reply(granted, reply);
		return DISPATCH_REPLY;
	}
	if (error == -EINPROGRESS) {
		grant_keep(call, grants->spare, id, granted);
		return DISPATCH_LATER;
	}
	grant_give_back(granted, call->client);
	return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY, GRANT_NO_MEMORY);
}
