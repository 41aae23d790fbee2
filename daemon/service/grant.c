/* SPDX-License-Identifier: MIT */
/*
 * From allocated blocks to a reply.
 *
 * The core has allocated; the words are in the ledger. Before the client may know, the pages must
 * be backed and free of what another user left in them. Mostly they are, and the reply leaves at
 * once. Else helper threads work on them, a part a zone, and the reply leaves when the last part is
 * done: one failed part gives all of the pages back.
 *
 * While a part is at work its blocks must stay allocated, or the helper would zero what is somebody
 * else's by then. The client does not know them yet, but it could guess; so its frees wait for its
 * grants (handler_free.c), and its sweep does too (client.c). When the connection has ended
 * meanwhile, nobody was told: the blocks go back at once, even if the process lives.
 *
 * A spare grant is kept ready, because what waits must have its place before it is known whether
 * anything waits: so the common request allocates nothing.
 */

#include "service/grant.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"
#include "service/backing.h"
#include "service/client.h"
#include "service/handlers.h"
#include "service/pools.h"
#include "service/state.h"

#define GRANT_NO_MEMORY "the host has no memory to back the pages"

struct grant_part {
	struct backing_request request; /* first: a request leads to its part */
	struct grant *grant;
};

struct grant {
	LIST_ENTRY(grant) link;
	struct later later;
	struct grant_pages pages; /* the runs are our copy */
	unsigned nr_waiting;      /* parts */
	int error;                /* of any part */
	struct grant_part parts[POOL_ZONES_MAX];
	struct page_run runs[MESSAGE_BATCH_BLOCKS_MAX];
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

static void grant_give_back(const struct grant_pages *pages, unsigned slot)
{
	struct pool *core = &pages->pool->core;
	int error;

	if (pages->nr_pages)
		error = pool_free_exact(core, pages->runs[0].base, pages->nr_pages, slot);
	else
		error = pool_free_bulk(core, pages->order, slot, pages->runs, pages->nr_runs);
	assert(error == 0);
	(void)error;
}

/* The one place that makes a reply of pages. */
static void grant_fill_reply(const struct grant_pages *pages, struct message *reply)
{
	/* Until the reply is encoded. */
	static struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX];

	if (pages->nr_pages) {
		reply->type = MESSAGE_GRANTED_EXACT;
		reply->u.granted_exact.page = pages->runs[0].base;
		return;
	}
	for (size_t i = 0; i < pages->nr_runs; i++)
		runs[i] = (struct message_run){ pages->runs[i].base, pages->runs[i].mask };
	reply->type = MESSAGE_GRANTED;
	reply->u.granted.runs = runs;
	reply->u.granted.nr_runs = pages->nr_runs;
}

/* All parts of a grant that had to wait are done. */
static void grant_finish(struct grant *grant)
{
	struct message reply = { .error = "" };
	struct client *client = grant->later.client;

	LIST_REMOVE(grant, link);
	client->nr_grants--;
	if (grant->error || client_later_is_orphan(&grant->later)) {
		grant_give_back(&grant->pages, client->slot);
		reply.status = MESSAGE_STATUS_NO_MEMORY;
		reply.error = GRANT_NO_MEMORY;
	} else {
		grant_fill_reply(&grant->pages, &reply);
	}
	client_later_end(&grant->later, &reply);
	free(grant);
}

static void grant_on_part_done(struct backing_request *request, int error)
{
	struct grant *grant = ((struct grant_part *)request)->grant;

	if (error < 0)
		grant->error = error;
	if (--grant->nr_waiting == 0)
		grant_finish(grant);
}

/* Runs from `first` on that lie in one zone. */
static size_t grant_count_part(const struct grant_pages *pages, size_t first)
{
	unsigned zone = page_address_zone(pages->runs[first].base);
	size_t end = first + 1;

	while (end < pages->nr_runs && page_address_zone(pages->runs[end].base) == zone)
		end++;
	return end - first;
}

static int grant_prepare_part(const struct grant_pages *pages, size_t first, size_t nr_runs,
			      uid_t uid, struct grant_part *part)
{
	uint64_t base = pages->runs[first].base;
	struct backing *backing = pages->pool->zones[page_address_zone(base)].backing;

	if (pages->nr_pages)
		return backing_prepare_range(backing, (uint32_t)page_address_pfn(base),
					     pages->nr_pages, uid, &part->request);
	return backing_prepare(backing, pages->order, &pages->runs[first], nr_runs, uid,
			       &part->request);
}

/* 0 when all is ready, -EINPROGRESS when a part is at work, or an error when none is. */
static int grant_prepare(struct grant *grant, const struct grant_pages *pages, uid_t uid)
{
	unsigned nr_parts = 0;

	grant->error = 0;
	grant->nr_waiting = 0;
	for (size_t first = 0; first < pages->nr_runs && !grant->error;) {
		struct grant_part *part = &grant->parts[nr_parts++];
		size_t nr_runs = grant_count_part(pages, first);

		part->request = (struct backing_request){ .done = grant_on_part_done };
		part->grant = grant;
		int error = grant_prepare_part(pages, first, nr_runs, uid, part);
		if (error == -EINPROGRESS)
			grant->nr_waiting++;
		else
			grant->error = error;
		first += nr_runs;
	}
	return grant->nr_waiting ? -EINPROGRESS : grant->error;
}

/* The request waits. The grant keeps what it waits for, and another takes the spare's place. */
static void grant_keep(struct call *call, struct grant *grant, uint64_t id,
		       const struct grant_pages *pages)
{
	memcpy(grant->runs, pages->runs, pages->nr_runs * sizeof(grant->runs[0]));
	grant->pages = *pages;
	grant->pages.runs = grant->runs;
	call->client->nr_grants++;
	client_later_begin(call->client, id, &grant->later);
	LIST_INSERT_HEAD(&call->service->grants.waiting, grant, link);
	call->service->grants.spare = malloc(sizeof(*grant));
}

enum dispatch_result grant_tell(struct call *call, uint64_t id, const struct grant_pages *pages,
				struct message *reply)
{
	struct grants *grants = &call->service->grants;
	int error = -ENOMEM;

	if (!grants->spare)
		grants->spare = malloc(sizeof(*grants->spare));
	if (grants->spare)
		error = grant_prepare(grants->spare, pages, call->client->peer.credentials.uid);
	if (error == 0) {
		grant_fill_reply(pages, reply);
		return DISPATCH_REPLY;
	}
	if (error == -EINPROGRESS) {
		grant_keep(call, grants->spare, id, pages);
		return DISPATCH_LATER;
	}
	grant_give_back(pages, call->client->slot);
	return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY, GRANT_NO_MEMORY);
}
