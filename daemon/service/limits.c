/* SPDX-License-Identifier: MIT */
/*
 * The configured limits at work.
 *
 * The core's quota counts by slot and knows limits by position; here is what the positions mean, a
 * copy of the configuration beside each quota. From a client's credentials and name follows a mask
 * of positions a pool, which the quota keeps: the way of a request looks at no name.
 *
 * Marks are settled when limits are applied: a part is of the pool as large as it is then. They are
 * whole pages, rounded down throughout, so marks that rise still do; a ceiling is a page at least.
 *
 * limits_apply() keeps the positions of those that stay, clears the others, and sets all. Where any
 * came or went it then puts every client under its limits again with what the zones say that it
 * holds: so what is charged is exact whatever was there before. Where none did, as when a pool has
 * another size, nothing that a client falls under has changed, and thousands need not be asked.
 */

#include "service/limits.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/page.h"
#include "core/zone.h"
#include "proto/message.h"
#include "service/access.h"
#include "service/clients.h"
#include "service/log.h"
#include "service/pools.h"
#include "service/settings.h"
#include "service/size.h"

_Static_assert(SERVICE_POOL_LIMITS_MAX == QUOTA_LIMITS_MAX, "what may be configured has its place");

#define LIMITS_SIZE_BYTES 32u

/* Of a mark: beyond all pools, and those of all limits of a pool still add up to a number. */
#define LIMITS_MARK_MAX (UINT64_C(1) << 57)
_Static_assert(LIMITS_MARK_MAX <= UINT64_MAX / QUOTA_LIMITS_MAX, "they add up to a number");

static bool limits_is_set(const struct limits_pool *pool, unsigned i)
{
	return pool->quota.in_use >> i & 1;
}

static bool limits_covers(const struct service_limit_config *limit, const struct access_peer *peer,
			  const char *name)
{
	switch (limit->kind) {
	case SERVICE_LIMIT_USER:
		return peer->uid == limit->id;
	case SERVICE_LIMIT_GROUP:
		return access_peer_is_in_group(peer, limit->id);
	case SERVICE_LIMIT_CLIENT:
		break;
	}
	return strcmp(limit->name, name) == 0;
}

static uint64_t limits_mask(const struct limits_pool *pool, const struct access_peer *peer,
			    const char *name)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < QUOTA_LIMITS_MAX; i++)
		if (limits_is_set(pool, i) && limits_covers(&pool->configs[i], peer, name))
			mask |= UINT64_C(1) << i;
	return mask;
}

/* Settling the marks. */

/* Of the zones that are in use. */
static uint64_t limits_pool_bytes(const struct pools_pool *pool)
{
	uint64_t nr_pages = 0;

	for (unsigned i = 0; i < pool->core.nr_zones; i++)
		if (pool->core.zones[i])
			nr_pages += zone_nr_pages(pool->core.zones[i]);
	return nr_pages << PAGE_SHIFT;
}

static uint64_t limits_floor(const struct service_size *size, uint64_t pool_bytes)
{
	uint64_t nr_bytes = size_resolve(size, pool_bytes) & ~(PAGE_BYTES - 1);

	return nr_bytes < LIMITS_MARK_MAX ? nr_bytes : LIMITS_MARK_MAX;
}

static uint64_t limits_ceiling(const struct service_size *size, uint64_t pool_bytes, uint64_t none)
{
	uint64_t ceiling = limits_floor(size, pool_bytes);

	if (!size->bytes && !size->permyriad)
		return none;
	return ceiling ? ceiling : PAGE_BYTES;
}

static void limits_set(struct limits_pool *pool, unsigned i, uint64_t pool_bytes)
{
	const struct service_limit_config *config = &pool->configs[i];
	uint64_t min = limits_floor(&config->min, pool_bytes);
	uint64_t low = limits_floor(&config->low, pool_bytes);
	uint64_t max = limits_ceiling(&config->max, pool_bytes, QUOTA_NO_MAX);
	uint64_t high = limits_ceiling(&config->high, pool_bytes, max);

	quota_set(&pool->quota, i, min, low > min ? low : min, high, max);
}

/* Replacing them. */

/* The position of a limit on the same ones, or -1. */
static int limits_find(const struct limits_pool *pool, const struct service_limit_config *config)
{
	for (unsigned i = 0; i < QUOTA_LIMITS_MAX; i++)
		if (limits_is_set(pool, i) && settings_is_same_limit(&pool->configs[i], config))
			return (int)i;
	return -1;
}

/* True when some were cleared. */
static bool limits_clear_others(struct limits_pool *pool, const struct pools_pool *of,
				const struct service_config *config)
{
	const uint64_t before = pool->quota.in_use;
	uint64_t kept = 0;

	for (size_t i = 0; i < config->nr_limits; i++) {
		const struct service_limit_config *limit = &config->limits[i];
		int position = -1;

		if (strcmp(limit->pool, of->config->name) == 0)
			position = limits_find(pool, limit);
		if (position >= 0)
			kept |= UINT64_C(1) << position;
	}
	for (unsigned i = 0; i < QUOTA_LIMITS_MAX; i++)
		if (!(kept >> i & 1))
			quota_clear(&pool->quota, i);
	return pool->quota.in_use != before;
}

/* True when they are others than before, so that it must be decided anew who falls under which. */
static bool limits_replace(struct limits_pool *pool, const struct pools_pool *of,
			   const struct service_config *config)
{
	const uint64_t pool_bytes = limits_pool_bytes(of);
	bool are_others = limits_clear_others(pool, of, config);

	for (size_t i = 0; i < config->nr_limits; i++) {
		const struct service_limit_config *limit = &config->limits[i];
		int position;

		if (strcmp(limit->pool, of->config->name) != 0)
			continue;
		position = limits_find(pool, limit);
		if (position < 0) {
			assert(~pool->quota.in_use);
			position = __builtin_ctzll(~pool->quota.in_use);
			are_others = true;
		}
		pool->configs[position] = *limit;
		limits_set(pool, (unsigned)position, pool_bytes);
	}
	return are_others;
}

static void limits_warn(const struct limits_pool *pool, const struct pools_pool *of)
{
	const uint64_t pool_bytes = limits_pool_bytes(of);

	if (pool->quota.minima > pool_bytes)
		log_warning("pool '%s': the min of its limits come to %" PRIu64
			    " MiB, more than its %" PRIu64 " MiB: not all of them can be kept",
			    of->config->name, pool->quota.minima >> 20, pool_bytes >> 20);
}

static void limits_join_pool(const struct limits *limits, unsigned pool, unsigned slot,
			     const struct access_peer *peer, const char *name)
{
	struct limits_pool *at = &limits->pool[pool];

	quota_join(&at->quota, slot, limits_mask(at, peer, name),
		   pool_held_bytes(&limits->pools->pools[pool].core, slot));
}

void limits_join(struct limits *limits, unsigned slot, const struct access_peer *peer,
		 const char *name)
{
	for (unsigned i = 0; i < limits->nr_pools; i++)
		limits_join_pool(limits, i, slot, peer, name);
}

void limits_leave(struct limits *limits, unsigned slot)
{
	for (unsigned i = 0; i < limits->nr_pools; i++)
		quota_leave(&limits->pool[i].quota, slot);
}

static void limits_join_all(const struct limits *limits, unsigned pool,
			    const struct clients *clients)
{
	for (unsigned slot = 0; slot < CLIENTS_NR_SLOTS; slot++) {
		const struct client *client = clients->by_slot[slot];

		if (client)
			limits_join_pool(limits, pool, slot, &client->peer.credentials,
					 client->name);
	}
}

void limits_apply(struct limits *limits, const struct service_config *config,
		  const struct clients *clients)
{
	for (unsigned i = 0; i < limits->nr_pools; i++) {
		bool are_others =
			limits_replace(&limits->pool[i], &limits->pools->pools[i], config);

		limits_warn(&limits->pool[i], &limits->pools->pools[i]);
		if (are_others)
			limits_join_all(limits, i, clients);
	}
}

static int limits_pool_init(struct limits_pool *pool, unsigned nr_slots)
{
	pool->memory = malloc(quota_bytes(nr_slots));
	if (!pool->memory)
		return -ENOMEM;
	quota_init(&pool->quota, nr_slots, pool->memory);
	return 0;
}

int limits_init(struct limits *limits, struct pools *pools, const struct service_config *config,
		unsigned nr_slots)
{
	limits->pools = pools;
	limits->pool = calloc(pools->nr_pools, sizeof(*limits->pool));
	if (!limits->pool)
		return -ENOMEM;
	for (unsigned i = 0; i < pools->nr_pools; i++) {
		int error = limits_pool_init(&limits->pool[i], nr_slots);

		if (error < 0) {
			limits_deinit(limits);
			return error;
		}
		limits->nr_pools++;
		limits_replace(&limits->pool[i], &pools->pools[i], config);
		limits_warn(&limits->pool[i], &pools->pools[i]);
		pools->pools[i].core.quota = &limits->pool[i].quota;
	}
	return 0;
}

void limits_deinit(struct limits *limits)
{
	for (unsigned i = 0; i < limits->nr_pools; i++) {
		limits->pools->pools[i].core.quota = NULL;
		free(limits->pool[i].memory);
	}
	free(limits->pool);
	*limits = (struct limits){ 0 };
}

/* Telling them. */

static uint64_t limits_tell_ceiling(const struct service_size *configured, uint64_t nr_bytes)
{
	return configured->bytes || configured->permyriad ? nr_bytes : 0;
}

static void limits_describe(const struct limits_pool *pool, unsigned i,
			    struct message_limit_info *ret)
{
	const struct service_limit_config *config = &pool->configs[i];
	const struct quota_limit *limit = &pool->quota.limits[i];

	*ret = (struct message_limit_info){
		.pool = config->pool,
		.kind = settings_limit_kind_name(config->kind),
		.name = config->name,
		.min_bytes = limit->min,
		.low_bytes = limit->low,
		.high_bytes = limits_tell_ceiling(&config->high, limit->high),
		.max_bytes = limits_tell_ceiling(&config->max, limit->max),
		.used_bytes = limit->used,
		.clients = limit->nr_slots,
		.refused = limit->nr_refused,
	};
}

bool limits_next(const struct limits *limits, uint64_t *cursor, struct message_limit_info *ret)
{
	for (; *cursor / QUOTA_LIMITS_MAX < limits->nr_pools; ++*cursor) {
		const struct limits_pool *pool = &limits->pool[*cursor / QUOTA_LIMITS_MAX];
		unsigned i = (unsigned)(*cursor % QUOTA_LIMITS_MAX);

		if (!limits_is_set(pool, i))
			continue;
		limits_describe(pool, i, ret);
		++*cursor;
		return true;
	}
	return false;
}

/* Bytes as people say them, in the largest unit, cut off behind hundredths: what is below a limit
 * must not look as if it had reached it. */
static const char *limits_say_size(uint64_t nr_bytes, char text[LIMITS_SIZE_BYTES])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	unsigned unit = 0, shift = 10;

	for (; unit < 3 && nr_bytes >> (shift + 10); shift += 10)
		unit++;
	snprintf(text, LIMITS_SIZE_BYTES, "%.6g %s", (double)(nr_bytes * 100 >> shift) / 100,
		 units[unit]);
	return text;
}

const char *limits_say(const struct limits *limits, const struct pools_pool *pool, unsigned slot,
		       uint64_t mask, char text[LIMITS_TEXT_BYTES])
{
	const struct limits_pool *at = &limits->pool[pool - limits->pools->pools];
	unsigned i = (unsigned)__builtin_ctzll(mask);
	const struct service_limit_config *config = &at->configs[i];
	const struct quota_limit *limit = &at->quota.limits[i];
	bool is_own = at->quota.slots[slot].mask >> i & 1;
	char mark[LIMITS_SIZE_BYTES], used[LIMITS_SIZE_BYTES];

	snprintf(text, LIMITS_TEXT_BYTES, "%slimit %s:%s of pool '%s': %s %s, %s used",
		 is_own ? "" : "what is free is reserved: ", settings_limit_kind_name(config->kind),
		 config->name, config->pool,
		 limits_say_size(is_own ? limit->max : limit->min, mark), is_own ? "max" : "min",
		 limits_say_size(limit->used, used));
	return text;
}
