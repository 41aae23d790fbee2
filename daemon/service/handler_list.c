/* SPDX-License-Identifier: MIT */
/*
 * Requests that list what there is: clients, blocks and caches.
 *
 * Lists come in parts, each of a bounded length and made with a bounded amount of reading, so a
 * part may be empty and not the last. A cursor is a place (a slot; a pool, zone and page), never a
 * pointer: the daemon keeps nothing between two parts, and what changes meanwhile shows or not.
 */

#include "core/pool_object.h"
#include "core/zone.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "service/handlers.h"
#include "service/loop.h"
#include "service/state.h"

#define LIST_WORDS_MAX (128u * 1024u) /* of ledger, for one part: about 0.1 ms */
#define LIST_STEP_WORDS 1024u         /* before what was found is looked at */
#define LIST_BLOCK_BYTES_MAX 168u     /* on the wire: two names of 63 bytes, and numbers */
#define LIST_ZONE_SHIFT 32u
#define LIST_POOL_SHIFT 40u

_Static_assert(HANDLER_BLOCKS_MAX <= MESSAGE_BLOCKS_MAX &&
		       HANDLER_BLOCKS_MAX * LIST_BLOCK_BYTES_MAX + 256 < FRAME_BYTES_MAX,
	       "a list of blocks fits a frame");

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
		.held_bytes = pools_held_bytes(&service->pools, client->slot),
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

struct message_block_info handler_describe_block(const struct pools_pool *pool, unsigned index,
						 const struct zone_block *block, int slot)
{
	const struct pools_zone *zone = &pool->zones[index];
	struct message_block_info info = {
		.pool = pool->config->name,
		.zone = zone->name,
		.page = page_address(index, block->pfn),
		.order = block->order,
		.client = block->owner.slot,
		.kind = block->kind,
		.cache = "",
	};
	struct zone_slab slab;

	if (block->kind != WORD_SLAB || !zone_find_slab(zone->zone, block->pfn, &slab))
		return info;
	info.cache = pool->caches.records[cache_table_name(&pool->caches, slab.cache)].name;
	info.objects = slab.nr_objects;
	info.held_objects =
		slot < 0 ? slab.nr_held : zone_count_held(zone->zone, &slab, (unsigned)slot);
	return info;
}

/* The slot may hold something there. */
static bool handler_holds(const struct block_walk *walk, const struct zone *zone)
{
	return walk->slot < 0 || zone_held_pages(zone, (unsigned)walk->slot) ||
	       zone_held_objects(zone, (unsigned)walk->slot);
}

/* The next block, or as many words without one as a step has. */
static void handler_walk_step(struct block_walk *walk, const struct pools_pool *pool)
{
	const struct zone *zone = pool->zones[walk->zone].zone;
	struct message_block_info *info = &walk->infos[walk->nr_infos];
	uint32_t from = walk->pfn, nr_read = LIST_STEP_WORDS;
	struct zone_block block;

	if (zone_next_block(zone, walk->slot, LIST_STEP_WORDS, &walk->pfn, &block)) {
		*info = handler_describe_block(pool, (unsigned)walk->zone, &block, walk->slot);
		walk->nr_infos++;
		/* What lies inside a block is not read, but for the words of a slab. */
		nr_read = block.pfn - from + 1 + (walk->slot < 0 ? 0 : info->objects);
	}
	walk->nr_words -= nr_read < walk->nr_words ? nr_read : walk->nr_words;
}

/* Takes the blocks of one zone; true when the zone is done. */
static bool handler_walk_zone(struct block_walk *walk, const struct pools_pool *pool)
{
	const struct zone *zone = pool->zones[walk->zone].zone;

	if (!handler_holds(walk, zone))
		return true;
	while (walk->pfn < zone_capacity(zone)) {
		if (walk->nr_infos == HANDLER_BLOCKS_MAX || walk->nr_words == 0)
			return false;
		handler_walk_step(walk, pool);
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

bool handler_only_pool(struct call *call, const char *name, const struct pools_pool **ret,
		       struct message *reply)
{
	*ret = name[0] ? pools_find(&call->service->pools, name) : NULL;
	if (*ret || !name[0])
		return true;
	handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND, "there is no pool '%s'", name);
	return false;
}

enum dispatch_result handler_list_blocks(struct call *call, const struct message *request,
					 struct message *reply)
{
	static struct message_block_info infos[HANDLER_BLOCKS_MAX]; /* until it is encoded */
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

	if (!handler_only_pool(call, name, &walk.only_pool, reply))
		return DISPATCH_REPLY;
	if (slot && (slot >= CLIENTS_NR_SLOTS || !service->clients.by_slot[slot]))
		return handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND,
				      "there is no client %u", slot);

	reply->type = MESSAGE_BLOCK_LIST;
	reply->u.block_list.next = handler_walk_blocks(&walk);
	reply->u.block_list.blocks = infos;
	reply->u.block_list.nr_blocks = walk.nr_infos;
	return DISPATCH_REPLY;
}

static struct message_cache_row handler_cache_row(const struct pools_pool *pool, uint32_t number)
{
	const struct cache_table *table = &pool->caches;
	const struct cache_record *record = &table->records[number];
	uint32_t target = cache_target(table, number), name = cache_table_name(table, target);
	const struct cache_layout *layout = &table->layouts[target];
	struct zone_cache_stat stat;

	pool_stat_cache(&pool->core, number, &stat);
	return (struct message_cache_row){
		.pool = pool->config->name,
		.name = record->name,
		.target = name == number ? "" : table->records[name].name,
		.object_bytes = layout->object_bytes,
		.stride_bytes = layout->stride_bytes,
		.align = record->align,
		.flags = record->flags,
		.mobility = (enum message_mobility)record->mobility,
		.slab_order = layout->order,
		.slab_objects = layout->nr_objects,
		.slab_waste_bytes = layout->waste_bytes,
		.objects_active = stat.objects_active,
		.objects_total = stat.objects_total,
		.slabs_full = stat.slabs_full,
		.slabs_partial = stat.slabs_partial,
		.slabs_empty = stat.slabs_empty,
	};
}

/* General caches are shown where there is something of them. */
static bool handler_is_cache_shown(const struct pools_pool *pool, uint32_t number)
{
	struct zone_cache_stat stat;

	if (number >= CACHE_NR_GENERAL)
		return pool->caches.records[number].state == CACHE_NAMED;
	pool_stat_cache(&pool->core, number, &stat);
	return stat.objects_total > 0;
}

enum dispatch_result handler_list_caches(struct call *call, const struct message *request,
					 struct message *reply)
{
	static struct message_cache_row rows[MESSAGE_CACHES_MAX]; /* until it is encoded */
	const struct pools *pools = &call->service->pools;
	uint64_t cursor = request->u.list_caches.start;
	uint64_t end = (uint64_t)pools->nr_pools << CACHE_NUMBER_BITS;
	const struct pools_pool *only_pool;
	size_t nr_rows = 0;

	if (!handler_only_pool(call, request->u.list_caches.pool, &only_pool, reply))
		return DISPATCH_REPLY;
	for (; cursor < end && nr_rows < MESSAGE_CACHES_MAX; cursor++) {
		const struct pools_pool *pool = &pools->pools[cursor >> CACHE_NUMBER_BITS];
		uint32_t number = cursor & (CACHES_MAX - 1);

		if ((!only_pool || pool == only_pool) && handler_is_cache_shown(pool, number))
			rows[nr_rows++] = handler_cache_row(pool, number);
	}
	reply->type = MESSAGE_CACHE_LIST;
	reply->u.cache_list.caches = rows;
	reply->u.cache_list.nr_caches = nr_rows;
	reply->u.cache_list.next = cursor < end ? cursor : 0;
	return DISPATCH_REPLY;
}
