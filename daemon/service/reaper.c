/* SPDX-License-Identifier: MIT */
/*
 * The reaper: frees what dying clients hold.
 *
 * A client may hold millions of blocks, and finding them means reading the ledgers of all zones in
 * which it holds some. So it goes in slices of a bounded number of ledger words, one a round of the
 * loop, over the clients in the order of their deaths; other clients are served in between. Zones
 * in which nothing is held are skipped without reading a word, so a client without blocks is done
 * at once.
 *
 * It starts with a client only when no request works for it any more: nothing is granted to its
 * slot while the sweep runs, hence one pass over the ledger finds everything.
 */

#include "service/reaper.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/pool.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "service/client.h"
#include "service/loop.h"
#include "service/pools.h"

/* Full of single pages, each freed at 10 to 20 ns, a slice takes a third of a millisecond. */
#define REAPER_SLICE_PAGES (16u * 1024u)

/* Moves the sweep on to the next zone in which the client holds something; its pool, or NULL. */
static struct pool *reaper_find_zone(const struct reaper *reaper, struct client *client)
{
	for (; client->sweep_pool < reaper->pools->nr_pools; client->sweep_pool++) {
		struct pool *pool = &reaper->pools->pools[client->sweep_pool].core;

		for (; client->sweep_zone < pool->nr_zones; client->sweep_zone++) {
			const struct zone *zone = pool->zones[client->sweep_zone];

			if (zone && (zone_held_pages(zone, client->slot) ||
				     zone_held_objects(zone, client->slot)))
				return pool;
			client->sweep_pfn = 0;
		}
		client->sweep_zone = 0;
	}
	return NULL;
}

/* True when nothing is held any more. */
static bool reaper_sweep_slice(const struct reaper *reaper, struct client *client)
{
	struct pool *pool = reaper_find_zone(reaper, client);

	if (pool && pool_release(pool, client->sweep_zone, client->slot, REAPER_SLICE_PAGES,
				 &client->sweep_pfn)) {
		client->sweep_zone++;
		client->sweep_pfn = 0;
	}
	return !reaper_find_zone(reaper, client);
}

static void reaper_on_task(void *data)
{
	struct reaper *reaper = data;
	struct client *client = TAILQ_FIRST(&reaper->dying);

	if (client && reaper_sweep_slice(reaper, client)) {
		TAILQ_REMOVE(&reaper->dying, client, dying);
		client_swept(client);
	}
	if (!TAILQ_EMPTY(&reaper->dying))
		loop_task_schedule(reaper->task);
}

int reaper_init(struct reaper *reaper, struct loop *loop, struct pools *pools)
{
	reaper->pools = pools;
	TAILQ_INIT(&reaper->dying);
	return loop_task_new(loop, reaper_on_task, reaper, &reaper->task);
}

void reaper_deinit(struct reaper *reaper)
{
	reaper->task = loop_task_free(reaper->task);
}

void reaper_add(struct reaper *reaper, struct client *client)
{
	assert(client->nr_laters == 0);
	client->sweep_pool = 0;
	client->sweep_zone = 0;
	client->sweep_pfn = 0;
	if (!reaper_find_zone(reaper, client)) {
		client_swept(client);
		return;
	}
	TAILQ_INSERT_TAIL(&reaper->dying, client, dying);
	loop_task_schedule(reaper->task);
}
