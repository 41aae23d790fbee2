/* SPDX-License-Identifier: MIT */
/*
 * Requests that list what there is: clients and blocks.
 *
 * Lists come in parts, each of a bounded length and made with a bounded amount of reading, so a
 * part may be empty and not the last. A cursor is a place (a slot; a pool, zone and page), never a
 * pointer: the daemon keeps nothing between two parts, and what changes meanwhile shows or not.
 */

#include "core/zone.h"
#include "proto/message.h"
#include "service/handlers.h"
#include "service/loop.h"
#include "service/state.h"

#define LIST_WORDS_MAX (128u * 1024u) /* of ledger, for one part: about 0.1 ms */
#define LIST_ZONE_SHIFT 32u
#define LIST_POOL_SHIFT 40u

static enum message_client_state handler_client_state(const struct client *client)
{
	switch (client->state) {
	case CLIENT_NEW:
	case CLIENT_LIVE:
		return MESSAGE_CLIENT_LIVE;
	case CLIENT_QUARANTINED:
		return MESSAGE_CLIENT_QUARANTINED;
	case CLIENT_DYING:
	case CLIENT_SWEEPING:
	case CLIENT_SWEPT:
		break;
	}
	return MESSAGE_CLIENT_DYING;
}

static struct message_client_info handler_client_info(const struct service *service,
						      const struct client *client)
{
	return (struct message_client_info){
		.id = client->slot,
		.name = client->name,
		.pid = client->peer.credentials.pid,
		.uid = client->peer.credentials.uid,
		.state = handler_client_state(client),
		.held_bytes = pools_held_pages(&service->pools, client->slot) << PAGE_SHIFT,
		.connected_s = (loop_now_ms(service->loop) - client->connected_ms) / 1000,
	};
}

enum dispatch_result handler_list_clients(struct call *call, const struct message *request,
					  struct message *reply)
{
	static struct message_client_info infos[MESSAGE_CLIENTS_MAX]; /* until it is encoded */
	const struct service *service = call->service;
	uint64_t slot = request->u.list_clients.start;
	size_t nr_infos = 0;

	for (; slot < CLIENTS_NR_SLOTS && nr_infos < MESSAGE_CLIENTS_MAX; slot++) {
		const struct client *client = service->clients.by_slot[slot];

		if (client)
			infos[nr_infos++] = handler_client_info(service, client);
	}
	reply->type = MESSAGE_CLIENT_LIST;
	reply->u.client_list.clients = infos;
	reply->u.client_list.nr_clients = nr_infos;
	reply->u.client_list.next = slot < CLIENTS_NR_SLOTS ? slot : 0;
	return DISPATCH_REPLY;
}

/* Where a list of blocks stands, and what of it is wanted. */
struct block_walk {
	const struct pools *pools;
	const struct pools_pool *only_pool; /* NULL: all */
	int slot;                           /* -1: all */
	uint64_t pool, zone;
	uint32_t pfn;
	uint32_t nr_words; /* that may still be read */
	struct message_block_info *infos;
	size_t nr_infos;
};

/* Takes the blocks of one zone; true when the zone is done. */
static bool handler_walk_zone(struct block_walk *walk, const struct pools_pool *pool)
{
	const struct pools_zone *zone = &pool->zones[walk->zone];
	uint32_t nr_pages = zone_capacity(zone->zone);

	if (walk->slot >= 0 && zone_held_pages(zone->zone, (unsigned)walk->slot) == 0)
		return true;
	while (walk->pfn < nr_pages) {
		uint32_t from = walk->pfn;
		struct zone_block block;

		if (walk->nr_infos == MESSAGE_BLOCKS_MAX || walk->nr_words == 0)
			return false;
		bool is_found =
			zone_next_block(zone->zone, walk->slot, walk->nr_words, &walk->pfn, &block);
		/* What lies inside a block is not read. */
		uint32_t nr_read = is_found ? block.pfn - from + 1 : walk->pfn - from;
		walk->nr_words -= nr_read < walk->nr_words ? nr_read : walk->nr_words;
		if (is_found)
			walk->infos[walk->nr_infos++] = (struct message_block_info){
				.pool = pool->config->name,
				.zone = zone->name,
				.page = page_address((unsigned)walk->zone, block.pfn),
				.order = block.order,
				.client = block.owner.slot,
				.kind = block.kind,
			};
	}
	return true;
}

/* Where to go on, or 0 at the end. */
static uint64_t handler_walk_blocks(struct block_walk *walk)
{
	for (; walk->pool < walk->pools->nr_pools; walk->pool++, walk->zone = 0, walk->pfn = 0) {
		const struct pools_pool *pool = &walk->pools->pools[walk->pool];

		if (walk->only_pool && pool != walk->only_pool)
			continue;
		for (; walk->zone < pool->nr_zones; walk->zone++, walk->pfn = 0)
			if (!handler_walk_zone(walk, pool))
				return walk->pool << LIST_POOL_SHIFT |
				       walk->zone << LIST_ZONE_SHIFT | walk->pfn;
	}
	return 0;
}

enum dispatch_result handler_list_blocks(struct call *call, const struct message *request,
					 struct message *reply)
{
	static struct message_block_info infos[MESSAGE_BLOCKS_MAX]; /* until it is encoded */
	const struct service *service = call->service;
	const char *name = request->u.list_blocks.pool;
	uint32_t slot = request->u.list_blocks.client;
	uint64_t start = request->u.list_blocks.start;
	struct block_walk walk = {
		.pools = &service->pools,
		.slot = slot ? (int)slot : -1,
		.pool = start >> LIST_POOL_SHIFT,
		.zone = start >> LIST_ZONE_SHIFT &
			((1u << (LIST_POOL_SHIFT - LIST_ZONE_SHIFT)) - 1),
		.pfn = (uint32_t)start,
		.nr_words = LIST_WORDS_MAX,
		.infos = infos,
	};

	if (name[0]) {
		walk.only_pool = pools_find(&service->pools, name);
		if (!walk.only_pool)
			return handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND,
					      "there is no pool '%s'", name);
	}
	if (slot && (slot >= CLIENTS_NR_SLOTS || !service->clients.by_slot[slot]))
		return handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND,
				      "there is no client %u", slot);

	reply->type = MESSAGE_BLOCK_LIST;
	reply->u.block_list.next = handler_walk_blocks(&walk);
	reply->u.block_list.blocks = infos;
	reply->u.block_list.nr_blocks = walk.nr_infos;
	return DISPATCH_REPLY;
}
