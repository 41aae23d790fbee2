/* SPDX-License-Identifier: MIT */
/*
 * Whether two messages say the same, by what they point to. Field by field and without the codec's
 * tables, as random_message.c.
 */

#include "support/message_equal.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/message.h"

#define SAME(member) (a->member == b->member)
#define SAME_TEXT(member) (strcmp(a->member, b->member) == 0)

static bool runs_are_equal(const struct message_run *a, size_t nr_a, const struct message_run *b,
			   size_t nr_b)
{
	return nr_a == nr_b && (nr_a == 0 || memcmp(a, b, nr_a * sizeof(*a)) == 0);
}

static bool placements_are_equal(const struct message_placement *a,
				 const struct message_placement *b)
{
	return SAME(policy) && SAME(node) && SAME(cpu_node) && SAME(nodes) && SAME(bind) &&
	       SAME(high) && SAME(no_wait) && SAME(mobility);
}

static bool segments_are_equal(const struct message *a, const struct message *b)
{
	if (!SAME(u.pool_opened.nr_segments))
		return false;
	for (size_t i = 0; i < a->u.pool_opened.nr_segments; i++)
		if (!SAME(u.pool_opened.segments[i].node) ||
		    !SAME(u.pool_opened.segments[i].size_bytes) ||
		    !SAME(u.pool_opened.segments[i].capacity_bytes) ||
		    !SAME(u.pool_opened.segments[i].page_bytes))
			return false;
	return true;
}

static bool groups_are_equal(const struct message_zone_info *a, const struct message_zone_info *b)
{
	if (!SAME(nr_groups))
		return false;
	for (size_t i = 0; i < a->nr_groups; i++)
		if (!SAME(groups[i].group) || !SAME(groups[i].pageblocks) ||
		    memcmp(a->groups[i].free_blocks, b->groups[i].free_blocks,
			   sizeof(a->groups[i].free_blocks)) != 0)
			return false;
	return true;
}

static bool zones_are_equal(const struct message_zone_info *a, const struct message_zone_info *b)
{
	return SAME_TEXT(name) && SAME(node) && SAME(size_bytes) && SAME(free_bytes) &&
	       SAME(committed_bytes) && SAME(hole_bytes) && SAME(page_bytes) && SAME(min_bytes) &&
	       SAME(low_bytes) && SAME(high_bytes) && SAME(pressure) &&
	       memcmp(a->free_blocks, b->free_blocks, sizeof(a->free_blocks)) == 0 &&
	       SAME(allocs) && SAME(frees) && SAME(failures) && SAME(hit) && SAME(miss) &&
	       SAME(foreign) && SAME(interleave) && SAME(local) && SAME(other) && SAME(steals) &&
	       SAME(claims) && SAME(boost_bytes) && SAME(contiguous_bytes) &&
	       SAME(contiguous_free_bytes) && SAME(draining_bytes) && SAME(capacity_bytes) &&
	       SAME_TEXT(damage) && groups_are_equal(a, b);
}

static bool pools_are_equal(const struct message_pool_info *a, const struct message_pool_info *b)
{
	if (!SAME_TEXT(name) || !SAME(size_bytes) || !SAME(free_bytes) || !SAME(held_bytes) ||
	    !SAME(max_order) || !SAME(nr_zones) || !SAME(nr_policies))
		return false;
	for (size_t i = 0; i < a->nr_policies; i++)
		if (!SAME(policies[i].granted) || !SAME(policies[i].failed))
			return false;
	for (size_t i = 0; i < a->nr_zones; i++)
		if (!zones_are_equal(&a->zones[i], &b->zones[i]))
			return false;
	return true;
}

static bool statuses_are_equal(const struct message *a, const struct message *b)
{
	if (!SAME_TEXT(u.status_info.version) || !SAME(u.status_info.pid) ||
	    !SAME(u.status_info.uptime_s) || !SAME(u.status_info.clients) ||
	    !SAME(u.status_info.nr_pools))
		return false;
	for (size_t i = 0; i < a->u.status_info.nr_pools; i++)
		if (!pools_are_equal(&a->u.status_info.pools[i], &b->u.status_info.pools[i]))
			return false;
	return true;
}

static bool clients_are_equal(const struct message_client_info *a,
			      const struct message_client_info *b)
{
	return SAME(id) && SAME_TEXT(name) && SAME(pid) && SAME(uid) && SAME(state) &&
	       SAME(held_bytes) && SAME(magazine_bytes) && SAME(asked_bytes) &&
	       SAME(returned_bytes) && SAME(connected_s);
}

static bool client_lists_are_equal(const struct message *a, const struct message *b)
{
	if (!SAME(u.client_list.nr_clients) || !SAME(u.client_list.next))
		return false;
	for (size_t i = 0; i < a->u.client_list.nr_clients; i++)
		if (!clients_are_equal(&a->u.client_list.clients[i], &b->u.client_list.clients[i]))
			return false;
	return true;
}

static bool blocks_are_equal(const struct message_block_info *a, const struct message_block_info *b)
{
	return SAME_TEXT(pool) && SAME_TEXT(zone) && SAME(page) && SAME(order) && SAME(client) &&
	       SAME(kind) && SAME_TEXT(cache) && SAME(objects) && SAME(held_objects);
}

static bool lists_of_blocks_are_equal(const struct message_block_info *a, size_t nr_a,
				      const struct message_block_info *b, size_t nr_b)
{
	if (nr_a != nr_b)
		return false;
	for (size_t i = 0; i < nr_a; i++)
		if (!blocks_are_equal(&a[i], &b[i]))
			return false;
	return true;
}

static bool limits_are_equal(const struct message_limit_info *a, const struct message_limit_info *b)
{
	return SAME_TEXT(pool) && SAME_TEXT(kind) && SAME_TEXT(name) && SAME(min_bytes) &&
	       SAME(low_bytes) && SAME(high_bytes) && SAME(max_bytes) && SAME(used_bytes) &&
	       SAME(refused) && SAME(clients);
}

static bool limit_lists_are_equal(const struct message *a, const struct message *b)
{
	if (!SAME(u.limit_list.nr_limits) || !SAME(u.limit_list.next))
		return false;
	for (size_t i = 0; i < a->u.limit_list.nr_limits; i++)
		if (!limits_are_equal(&a->u.limit_list.limits[i], &b->u.limit_list.limits[i]))
			return false;
	return true;
}

static bool reload_results_are_equal(const struct message *a, const struct message *b)
{
	if (!SAME(u.reload_result.nr_lines))
		return false;
	for (size_t i = 0; i < a->u.reload_result.nr_lines; i++)
		if (!SAME_TEXT(u.reload_result.lines[i]))
			return false;
	return true;
}

static bool masks_are_equal(const uint64_t *a, size_t nr_a, const uint64_t *b, size_t nr_b)
{
	return nr_a == nr_b && (nr_a == 0 || memcmp(a, b, nr_a * sizeof(*a)) == 0);
}

static bool caches_are_equal(const struct message_cache_info *a, const struct message_cache_info *b)
{
	return SAME(cache) && SAME(object_bytes) && SAME(stride_bytes) && SAME(slab_order) &&
	       SAME(flags);
}

static bool cache_tables_are_equal(const struct message *a, const struct message *b)
{
	if (!SAME(u.cache_table.nr_caches))
		return false;
	for (size_t i = 0; i < a->u.cache_table.nr_caches; i++)
		if (!caches_are_equal(&a->u.cache_table.caches[i], &b->u.cache_table.caches[i]))
			return false;
	return true;
}

static bool cache_rows_are_equal(const struct message_cache_row *a,
				 const struct message_cache_row *b)
{
	return SAME_TEXT(pool) && SAME_TEXT(name) && SAME_TEXT(target) && SAME(object_bytes) &&
	       SAME(stride_bytes) && SAME(align) && SAME(flags) && SAME(mobility) &&
	       SAME(slab_order) && SAME(slab_objects) && SAME(slab_waste_bytes) &&
	       SAME(objects_active) && SAME(objects_total) && SAME(slabs_full) &&
	       SAME(slabs_partial) && SAME(slabs_empty);
}

static bool cache_lists_are_equal(const struct message *a, const struct message *b)
{
	if (!SAME(u.cache_list.nr_caches) || !SAME(u.cache_list.next))
		return false;
	for (size_t i = 0; i < a->u.cache_list.nr_caches; i++)
		if (!cache_rows_are_equal(&a->u.cache_list.caches[i], &b->u.cache_list.caches[i]))
			return false;
	return true;
}

static bool parties_are_equal(const struct message_party *a, const struct message_party *b)
{
	return SAME(client) && SAME(pid) && SAME_TEXT(name) && SAME(gone);
}

static bool faults_are_equal(const struct message_object_fault *a,
			     const struct message_object_fault *b)
{
	return SAME_TEXT(pool) && SAME_TEXT(cache) && SAME(object) && SAME(at) && SAME(expected) &&
	       SAME(found) && SAME_TEXT(what) && parties_are_equal(&a->holder, &b->holder) &&
	       parties_are_equal(&a->previous, &b->previous);
}

static bool fault_lists_are_equal(const struct message *a, const struct message *b)
{
	if (!SAME(u.object_faults.objects) || !SAME(u.object_faults.nr_faults) ||
	    !SAME(u.object_faults.next))
		return false;
	for (size_t i = 0; i < a->u.object_faults.nr_faults; i++)
		if (!faults_are_equal(&a->u.object_faults.faults[i], &b->u.object_faults.faults[i]))
			return false;
	return true;
}

static bool object_requests_are_equal(const struct message *a, const struct message *b)
{
	switch (a->type) {
	case MESSAGE_CREATE_CACHE:
		return SAME(u.create_cache.pool) && SAME_TEXT(u.create_cache.name) &&
		       SAME(u.create_cache.object_bytes) && SAME(u.create_cache.align) &&
		       SAME(u.create_cache.flags) && SAME(u.create_cache.mobility);
	case MESSAGE_DESTROY_CACHE:
		return SAME(u.destroy_cache.pool) && SAME(u.destroy_cache.cache);
	case MESSAGE_SHRINK_CACHE:
		return SAME(u.shrink_cache.pool) && SAME(u.shrink_cache.cache);
	case MESSAGE_GENERAL_CACHES:
		return SAME(u.general_caches.pool);
	case MESSAGE_ALLOC_OBJECTS:
		return SAME(u.alloc_objects.pool) && SAME(u.alloc_objects.cache) &&
		       SAME(u.alloc_objects.count) &&
		       placements_are_equal(&a->u.alloc_objects.placement,
					    &b->u.alloc_objects.placement);
	case MESSAGE_FREE_OBJECTS:
		return SAME(u.free_objects.pool) && SAME(u.free_objects.cache) &&
		       runs_are_equal(a->u.free_objects.runs, a->u.free_objects.nr_runs,
				      b->u.free_objects.runs, b->u.free_objects.nr_runs) &&
		       masks_are_equal(a->u.free_objects.raw, a->u.free_objects.nr_raw,
				       b->u.free_objects.raw, b->u.free_objects.nr_raw);
	case MESSAGE_LIST_CACHES:
		return SAME_TEXT(u.list_caches.pool) && SAME(u.list_caches.start);
	case MESSAGE_CHECK_OBJECTS:
		return SAME_TEXT(u.check_objects.pool) && SAME(u.check_objects.start);
	default:
		return true;
	}
}

static bool requests_are_equal(const struct message *a, const struct message *b)
{
	switch (a->type) {
	case MESSAGE_HELLO:
		return SAME(u.hello.version_min) && SAME(u.hello.version_max) &&
		       SAME(u.hello.features) && SAME_TEXT(u.hello.name);
	case MESSAGE_POOL_OPEN:
		return SAME_TEXT(u.pool_open.name) && SAME(u.pool_open.read_only);
	case MESSAGE_POOL_CLOSE:
		return SAME(u.pool_close.pool);
	case MESSAGE_POOL_STAT:
		return SAME(u.pool_stat.pool);
	case MESSAGE_ALLOC:
		return SAME(u.alloc.pool) && SAME(u.alloc.order) && SAME(u.alloc.count) &&
		       placements_are_equal(&a->u.alloc.placement, &b->u.alloc.placement);
	case MESSAGE_FREE:
		return SAME(u.free.pool) && SAME(u.free.order) &&
		       runs_are_equal(a->u.free.runs, a->u.free.nr_runs, b->u.free.runs,
				      b->u.free.nr_runs);
	case MESSAGE_ALLOC_EXACT:
		return SAME(u.alloc_exact.pool) && SAME(u.alloc_exact.nr_pages) &&
		       placements_are_equal(&a->u.alloc_exact.placement,
					    &b->u.alloc_exact.placement);
	case MESSAGE_FREE_EXACT:
		return SAME(u.free_exact.pool) && SAME(u.free_exact.nr_pages) &&
		       SAME(u.free_exact.page);
	case MESSAGE_GET_STATUS:
		return SAME_TEXT(u.get_status.pool) && SAME(u.get_status.groups);
	case MESSAGE_LIST_CLIENTS:
		return SAME(u.list_clients.start);
	case MESSAGE_LIST_BLOCKS:
		return SAME_TEXT(u.list_blocks.pool) && SAME(u.list_blocks.client) &&
		       SAME(u.list_blocks.start);
	case MESSAGE_LIST_LIMITS:
		return SAME(u.list_limits.start);
	case MESSAGE_PLAN_CONTIGUOUS:
		return SAME_TEXT(u.plan_contiguous.pool) && SAME(u.plan_contiguous.node) &&
		       SAME(u.plan_contiguous.order);
	default:
		return object_requests_are_equal(a, b);
	}
}

static bool object_replies_are_equal(const struct message *a, const struct message *b)
{
	switch (a->type) {
	case MESSAGE_CACHE_OPENED:
		return caches_are_equal(&a->u.cache_opened, &b->u.cache_opened);
	case MESSAGE_CACHE_SHRUNK:
		return SAME(u.cache_shrunk.pages);
	case MESSAGE_CACHE_TABLE:
		return cache_tables_are_equal(a, b);
	case MESSAGE_GRANTED_OBJECTS:
		return runs_are_equal(a->u.granted_objects.runs, a->u.granted_objects.nr_runs,
				      b->u.granted_objects.runs, b->u.granted_objects.nr_runs) &&
		       masks_are_equal(a->u.granted_objects.raw, a->u.granted_objects.nr_raw,
				       b->u.granted_objects.raw, b->u.granted_objects.nr_raw);
	case MESSAGE_CACHE_LIST:
		return cache_lists_are_equal(a, b);
	case MESSAGE_OBJECT_FAULTS:
		return fault_lists_are_equal(a, b);
	default:
		return true;
	}
}

static bool replies_are_equal(const struct message *a, const struct message *b)
{
	switch (a->type) {
	case MESSAGE_WELCOME:
		return SAME(u.welcome.version) && SAME(u.welcome.client) &&
		       SAME(u.welcome.features) && SAME_TEXT(u.welcome.daemon_version) &&
		       memcmp(&a->u.welcome.limits, &b->u.welcome.limits,
			      sizeof(a->u.welcome.limits)) == 0;
	case MESSAGE_POOL_OPENED:
		return SAME(u.pool_opened.pool) && SAME(u.pool_opened.max_order) &&
		       segments_are_equal(a, b);
	case MESSAGE_POOL_INFO:
		return pools_are_equal(&a->u.pool_info, &b->u.pool_info);
	case MESSAGE_GRANTED:
		return runs_are_equal(a->u.granted.runs, a->u.granted.nr_runs, b->u.granted.runs,
				      b->u.granted.nr_runs);
	case MESSAGE_GRANTED_EXACT:
		return SAME(u.granted_exact.page);
	case MESSAGE_STATUS_INFO:
		return statuses_are_equal(a, b);
	case MESSAGE_CLIENT_LIST:
		return client_lists_are_equal(a, b);
	case MESSAGE_BLOCK_LIST:
		return SAME(u.block_list.next) &&
		       lists_of_blocks_are_equal(a->u.block_list.blocks, a->u.block_list.nr_blocks,
						 b->u.block_list.blocks, b->u.block_list.nr_blocks);
	case MESSAGE_CHECK_RESULT:
		return SAME(u.check_result.pages) && SAME(u.check_result.faults) &&
		       SAME_TEXT(u.check_result.first);
	case MESSAGE_EVENT:
		return SAME(u.event.kind);
	case MESSAGE_LIMIT_LIST:
		return limit_lists_are_equal(a, b);
	case MESSAGE_RELOAD_RESULT:
		return reload_results_are_equal(a, b);
	case MESSAGE_CONTIGUOUS_PLAN:
		return SAME(u.contiguous_plan.page) && SAME(u.contiguous_plan.order) &&
		       SAME(u.contiguous_plan.held_blocks) && SAME(u.contiguous_plan.held_pages) &&
		       lists_of_blocks_are_equal(
			       a->u.contiguous_plan.blocks, a->u.contiguous_plan.nr_blocks,
			       b->u.contiguous_plan.blocks, b->u.contiguous_plan.nr_blocks);
	default:
		return object_replies_are_equal(a, b);
	}
}

bool message_is_equal(const struct message *a, const struct message *b)
{
	return SAME(id) && SAME(type) && SAME(status) && SAME_TEXT(error) &&
	       requests_are_equal(a, b) && replies_are_equal(a, b);
}
