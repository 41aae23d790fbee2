/* SPDX-License-Identifier: MIT */
/*
 * As random_message.c, for what daemons say.
 */

#include "support/random_reply.h"

#include "proto/message.h"
#include "support/any.h"

static const struct message_segment *any_segments(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_ZONES_MAX);
	struct message_segment *segments = any_room(m, nr * sizeof(*segments));

	for (size_t i = 0; i < nr; i++)
		segments[i] = (struct message_segment){
			.node = any_u32(m),
			.size_bytes = any_u64(m),
			.capacity_bytes = any_u64(m),
			.page_bytes = any_u64(m),
		};
	*ret_nr = nr;
	return segments;
}

static const struct message_group_info *any_groups(struct any *m, size_t *ret_nr)
{
	size_t nr = any_below(m, MESSAGE_NR_GROUPS + 1);
	struct message_group_info *groups = any_room(m, nr * sizeof(*groups));

	for (size_t i = 0; i < nr; i++) {
		groups[i] = (struct message_group_info){
			.group = any_u32(m),
			.pageblocks = any_u64(m),
		};
		for (size_t order = 0; order < MESSAGE_NR_ORDERS; order++)
			groups[i].free_blocks[order] = any_u64(m);
	}
	*ret_nr = nr;
	return groups;
}

static struct message_zone_info any_zone(struct any *m)
{
	struct message_zone_info zone = {
		.name = any_name(m),
		.node = any_u32(m),
		.size_bytes = any_u64(m),
		.free_bytes = any_u64(m),
		.committed_bytes = any_u64(m),
		.hole_bytes = any_u64(m),
		.page_bytes = any_u64(m),
		.min_bytes = any_u64(m),
		.low_bytes = any_u64(m),
		.high_bytes = any_u64(m),
		.pressure = any_below(m, MESSAGE_NR_PRESSURES),
		.allocs = any_u64(m),
		.frees = any_u64(m),
		.failures = any_u64(m),
		.hit = any_u64(m),
		.miss = any_u64(m),
		.foreign = any_u64(m),
		.interleave = any_u64(m),
		.local = any_u64(m),
		.other = any_u64(m),
		.steals = any_u64(m),
		.claims = any_u64(m),
		.boost_bytes = any_u64(m),
		.contiguous_bytes = any_u64(m),
		.contiguous_free_bytes = any_u64(m),
		.draining_bytes = any_u64(m),
		.capacity_bytes = any_u64(m),
		.damage = any_text(m, MESSAGE_TEXT_BYTES_MAX),
	};

	for (size_t order = 0; order < MESSAGE_NR_ORDERS; order++)
		zone.free_blocks[order] = any_u64(m);
	if (any_below(m, 8) == 0)
		zone.groups = any_groups(m, &zone.nr_groups);
	return zone;
}

static const struct message_policy_info *any_policies(struct any *m, size_t *ret_nr)
{
	size_t nr = any_below(m, MESSAGE_NR_POLICIES + 1);
	struct message_policy_info *policies = any_room(m, nr * sizeof(*policies));

	for (size_t i = 0; i < nr; i++)
		policies[i] = (struct message_policy_info){
			.granted = any_u64(m),
			.failed = any_u64(m),
		};
	*ret_nr = nr;
	return policies;
}

static struct message_pool_info any_pool(struct any *m)
{
	size_t nr = any_count(m, MESSAGE_ZONES_MAX);
	struct message_zone_info *zones = any_room(m, nr * sizeof(*zones));
	struct message_pool_info pool;

	for (size_t i = 0; i < nr; i++)
		zones[i] = any_zone(m);
	pool = (struct message_pool_info){
		.name = any_name(m),
		.size_bytes = any_u64(m),
		.free_bytes = any_u64(m),
		.held_bytes = any_u64(m),
		.max_order = any_u32(m),
		.zones = zones,
		.nr_zones = nr,
	};
	pool.policies = any_policies(m, &pool.nr_policies);
	return pool;
}

static const struct message_pool_info *any_pools(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_POOLS_MAX);
	struct message_pool_info *pools = any_room(m, nr * sizeof(*pools));

	for (size_t i = 0; i < nr; i++)
		pools[i] = any_pool(m);
	*ret_nr = nr;
	return pools;
}

static const struct message_client_info *any_clients(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_CLIENTS_MAX);
	struct message_client_info *clients = any_room(m, nr * sizeof(*clients));

	for (size_t i = 0; i < nr; i++)
		clients[i] = (struct message_client_info){
			.id = any_u32(m),
			.name = any_name(m),
			.pid = (int32_t)any_u32(m),
			.uid = any_u32(m),
			.state = any_below(m, MESSAGE_NR_CLIENT_STATES),
			.held_bytes = any_u64(m),
			.magazine_bytes = any_u64(m),
			.asked_bytes = any_u64(m),
			.returned_bytes = any_u64(m),
			.connected_s = any_u64(m),
		};
	*ret_nr = nr;
	return clients;
}

static const struct message_block_info *any_blocks(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_BLOCKS_MAX);
	struct message_block_info *blocks = any_room(m, nr * sizeof(*blocks));

	for (size_t i = 0; i < nr; i++)
		blocks[i] = (struct message_block_info){
			.pool = any_name(m),
			.zone = any_name(m),
			.page = any_u64(m),
			.order = any_u32(m),
			.client = any_u32(m),
			.kind = any_u32(m),
			.cache = any_name(m),
			.objects = any_u32(m),
			.held_objects = any_u32(m),
		};
	*ret_nr = nr;
	return blocks;
}

static const struct message_limit_info *any_limits(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_LIMITS_MAX);
	struct message_limit_info *limits = any_room(m, nr * sizeof(*limits));

	for (size_t i = 0; i < nr; i++)
		limits[i] = (struct message_limit_info){
			.pool = any_name(m),
			.kind = any_name(m),
			.name = any_name(m),
			.min_bytes = any_u64(m),
			.low_bytes = any_u64(m),
			.high_bytes = any_u64(m),
			.max_bytes = any_u64(m),
			.used_bytes = any_u64(m),
			.refused = any_u64(m),
			.clients = any_u32(m),
		};
	*ret_nr = nr;
	return limits;
}

static const char *const *any_lines(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_LINES_MAX);
	const char **lines = any_room(m, nr * sizeof(*lines));

	for (size_t i = 0; i < nr; i++)
		lines[i] = any_text(m, MESSAGE_TEXT_BYTES_MAX);
	*ret_nr = nr;
	return lines;
}

static struct message_cache_info any_cache(struct any *m)
{
	return (struct message_cache_info){
		.cache = any_u32(m),
		.object_bytes = any_u32(m),
		.stride_bytes = any_u32(m),
		.slab_order = any_u32(m),
		.flags = any_u32(m),
	};
}

static const struct message_cache_info *any_caches(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_CACHES_MAX);
	struct message_cache_info *caches = any_room(m, nr * sizeof(*caches));

	for (size_t i = 0; i < nr; i++)
		caches[i] = any_cache(m);
	*ret_nr = nr;
	return caches;
}

static const struct message_cache_row *any_cache_rows(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_CACHES_MAX);
	struct message_cache_row *rows = any_room(m, nr * sizeof(*rows));

	for (size_t i = 0; i < nr; i++)
		rows[i] = (struct message_cache_row){
			.pool = any_name(m),
			.name = any_name(m),
			.target = any_name(m),
			.object_bytes = any_u32(m),
			.stride_bytes = any_u32(m),
			.align = any_u32(m),
			.flags = any_u32(m),
			.mobility = any_below(m, MESSAGE_NR_MOBILITIES),
			.slab_order = any_u32(m),
			.slab_objects = any_u32(m),
			.slab_waste_bytes = any_u32(m),
			.objects_active = any_u64(m),
			.objects_total = any_u64(m),
			.slabs_full = any_u64(m),
			.slabs_partial = any_u64(m),
			.slabs_empty = any_u64(m),
		};
	*ret_nr = nr;
	return rows;
}

static struct message_party any_party(struct any *m)
{
	return (struct message_party){
		.client = any_u32(m),
		.pid = (int32_t)any_u32(m),
		.name = any_name(m),
		.gone = any_bool(m),
	};
}

static const struct message_object_fault *any_faults(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_FAULTS_MAX);
	struct message_object_fault *faults = any_room(m, nr * sizeof(*faults));

	for (size_t i = 0; i < nr; i++)
		faults[i] = (struct message_object_fault){
			.pool = any_name(m),
			.cache = any_name(m),
			.object = any_u64(m),
			.at = (int32_t)any_u32(m),
			.expected = any_u32(m),
			.found = any_u32(m),
			.what = any_text(m, MESSAGE_TEXT_BYTES_MAX),
			.holder = any_party(m),
			.previous = any_party(m),
		};
	*ret_nr = nr;
	return faults;
}

static void random_object_reply(struct any *m, struct message *ret)
{
	switch (ret->type) {
	case MESSAGE_CACHE_OPENED:
		ret->u.cache_opened = any_cache(m);
		break;
	case MESSAGE_CACHE_SHRUNK:
		ret->u.cache_shrunk.pages = any_u64(m);
		break;
	case MESSAGE_CACHE_TABLE:
		ret->u.cache_table.caches = any_caches(m, &ret->u.cache_table.nr_caches);
		break;
	case MESSAGE_GRANTED_OBJECTS:
		ret->u.granted_objects.runs = any_runs(m, &ret->u.granted_objects.nr_runs);
		ret->u.granted_objects.raw = any_masks(m, ret->u.granted_objects.nr_runs,
						       &ret->u.granted_objects.nr_raw);
		break;
	case MESSAGE_CACHE_LIST:
		ret->u.cache_list.caches = any_cache_rows(m, &ret->u.cache_list.nr_caches);
		ret->u.cache_list.next = any_u64(m);
		break;
	case MESSAGE_OBJECT_FAULTS:
		ret->u.object_faults.objects = any_u64(m);
		ret->u.object_faults.faults = any_faults(m, &ret->u.object_faults.nr_faults);
		ret->u.object_faults.next = any_u64(m);
		break;
	default: /* MESSAGE_NONE */
		break;
	}
}

void random_reply(struct any *m, struct message *ret)
{
	switch (ret->type) {
	case MESSAGE_WELCOME:
		ret->u.welcome.version = any_u32(m);
		ret->u.welcome.client = any_u32(m);
		ret->u.welcome.features = any_u64(m);
		ret->u.welcome.limits.frame_bytes = any_u32(m);
		ret->u.welcome.limits.batch_blocks = any_u32(m);
		ret->u.welcome.limits.in_flight = any_u32(m);
		ret->u.welcome.limits.name_bytes = any_u32(m);
		ret->u.welcome.daemon_version = any_text(m, MESSAGE_TEXT_BYTES_MAX);
		break;
	case MESSAGE_POOL_OPENED:
		ret->u.pool_opened.pool = any_u32(m);
		ret->u.pool_opened.max_order = any_u32(m);
		ret->u.pool_opened.segments = any_segments(m, &ret->u.pool_opened.nr_segments);
		break;
	case MESSAGE_POOL_INFO:
		ret->u.pool_info = any_pool(m);
		break;
	case MESSAGE_GRANTED:
		ret->u.granted.runs = any_runs(m, &ret->u.granted.nr_runs);
		break;
	case MESSAGE_GRANTED_EXACT:
		ret->u.granted_exact.page = any_u64(m);
		break;
	case MESSAGE_STATUS_INFO:
		ret->u.status_info.version = any_text(m, MESSAGE_TEXT_BYTES_MAX);
		ret->u.status_info.pid = (int32_t)any_u32(m);
		ret->u.status_info.uptime_s = any_u64(m);
		ret->u.status_info.clients = any_u32(m);
		ret->u.status_info.pools = any_pools(m, &ret->u.status_info.nr_pools);
		break;
	case MESSAGE_CLIENT_LIST:
		ret->u.client_list.clients = any_clients(m, &ret->u.client_list.nr_clients);
		ret->u.client_list.next = any_u64(m);
		break;
	case MESSAGE_BLOCK_LIST:
		ret->u.block_list.blocks = any_blocks(m, &ret->u.block_list.nr_blocks);
		ret->u.block_list.next = any_u64(m);
		break;
	case MESSAGE_CHECK_RESULT:
		ret->u.check_result.pages = any_u64(m);
		ret->u.check_result.faults = any_u64(m);
		ret->u.check_result.first = any_text(m, MESSAGE_TEXT_BYTES_MAX);
		break;
	case MESSAGE_EVENT:
		ret->u.event.kind = any_below(m, MESSAGE_NR_EVENT_KINDS);
		break;
	case MESSAGE_LIMIT_LIST:
		ret->u.limit_list.limits = any_limits(m, &ret->u.limit_list.nr_limits);
		ret->u.limit_list.next = any_u64(m);
		break;
	case MESSAGE_RELOAD_RESULT:
		ret->u.reload_result.lines = any_lines(m, &ret->u.reload_result.nr_lines);
		break;
	case MESSAGE_CONTIGUOUS_PLAN:
		ret->u.contiguous_plan.page = any_u64(m);
		ret->u.contiguous_plan.order = any_u32(m);
		ret->u.contiguous_plan.held_blocks = any_u64(m);
		ret->u.contiguous_plan.held_pages = any_u64(m);
		ret->u.contiguous_plan.blocks = any_blocks(m, &ret->u.contiguous_plan.nr_blocks);
		break;
	default:
		random_object_reply(m, ret);
		break;
	}
}
