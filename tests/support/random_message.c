/* SPDX-License-Identifier: MIT */
/*
 * Field by field and on purpose without the codec's tables: what they forget must show here.
 */

#include "support/random_message.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

struct maker {
	uint64_t *seed;
	struct codec_arena *arena;
};

/* splitmix64 */
static uint64_t any(struct maker *m)
{
	uint64_t x = *m->seed += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t below(struct maker *m, uint64_t n)
{
	return any(m) % n;
}

/* Of any length in bits: varints have as many sizes. */
static uint64_t any_u64(struct maker *m)
{
	return any(m) >> below(m, 64);
}

static uint32_t any_u32(struct maker *m)
{
	return (uint32_t)any_u64(m);
}

static bool any_bool(struct maker *m)
{
	return any(m) & 1;
}

static void *room(struct maker *m, size_t size_bytes)
{
	void *memory = arena_alloc(m->arena, size_bytes);

	if (!memory)
		abort(); /* the test's arena is too small */
	return memory;
}

/* Often few, at times as many as may be. */
static size_t any_count(struct maker *m, size_t max)
{
	return below(m, 8) == 0 ? max : below(m, max < 8 ? max + 1 : 8);
}

static const char *any_text(struct maker *m, size_t max)
{
	static const char *const characters[] = {
		"a", "Z", "0", " ", "~", "/", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xa7"
	};
	size_t want = any_count(m, max), length = 0;
	char *text = room(m, max + 1);

	for (;;) {
		const char *character = characters[below(m, NR(characters))];

		if (length + strlen(character) > want)
			break;
		memcpy(text + length, character, strlen(character));
		length += strlen(character);
	}
	text[length] = '\0';
	return text;
}

static const char *any_name(struct maker *m)
{
	return any_text(m, MESSAGE_NAME_BYTES_MAX);
}

static struct message_placement any_placement(struct maker *m)
{
	return (struct message_placement){
		.policy = below(m, MESSAGE_NR_POLICIES),
		.node = any_u32(m),
		.cpu_node = any_u32(m),
		.nodes = any_u64(m),
		.bind = any_bool(m),
		.high = any_bool(m),
		.no_wait = any_bool(m),
		.mobility = below(m, MESSAGE_NR_MOBILITIES),
	};
}

static const struct message_run *any_runs(struct maker *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_BATCH_BLOCKS_MAX);
	struct message_run *runs = room(m, nr * sizeof(*runs));

	for (size_t i = 0; i < nr; i++)
		runs[i] = (struct message_run){ .base = any_u64(m), .mask = any(m) };
	*ret_nr = nr;
	return runs;
}

static const struct message_segment *any_segments(struct maker *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_ZONES_MAX);
	struct message_segment *segments = room(m, nr * sizeof(*segments));

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

static const struct message_group_info *any_groups(struct maker *m, size_t *ret_nr)
{
	size_t nr = below(m, MESSAGE_NR_GROUPS + 1);
	struct message_group_info *groups = room(m, nr * sizeof(*groups));

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

static struct message_zone_info any_zone(struct maker *m)
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
		.pressure = below(m, MESSAGE_NR_PRESSURES),
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
	if (below(m, 8) == 0)
		zone.groups = any_groups(m, &zone.nr_groups);
	return zone;
}

static const struct message_policy_info *any_policies(struct maker *m, size_t *ret_nr)
{
	size_t nr = below(m, MESSAGE_NR_POLICIES + 1);
	struct message_policy_info *policies = room(m, nr * sizeof(*policies));

	for (size_t i = 0; i < nr; i++)
		policies[i] = (struct message_policy_info){
			.granted = any_u64(m),
			.failed = any_u64(m),
		};
	*ret_nr = nr;
	return policies;
}

static struct message_pool_info any_pool(struct maker *m)
{
	size_t nr = any_count(m, MESSAGE_ZONES_MAX);
	struct message_zone_info *zones = room(m, nr * sizeof(*zones));
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

static const struct message_pool_info *any_pools(struct maker *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_POOLS_MAX);
	struct message_pool_info *pools = room(m, nr * sizeof(*pools));

	for (size_t i = 0; i < nr; i++)
		pools[i] = any_pool(m);
	*ret_nr = nr;
	return pools;
}

static const struct message_client_info *any_clients(struct maker *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_CLIENTS_MAX);
	struct message_client_info *clients = room(m, nr * sizeof(*clients));

	for (size_t i = 0; i < nr; i++)
		clients[i] = (struct message_client_info){
			.id = any_u32(m),
			.name = any_name(m),
			.pid = (int32_t)any_u32(m),
			.uid = any_u32(m),
			.state = below(m, MESSAGE_NR_CLIENT_STATES),
			.held_bytes = any_u64(m),
			.magazine_bytes = any_u64(m),
			.asked_bytes = any_u64(m),
			.returned_bytes = any_u64(m),
			.connected_s = any_u64(m),
		};
	*ret_nr = nr;
	return clients;
}

static const struct message_block_info *any_blocks(struct maker *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_BLOCKS_MAX);
	struct message_block_info *blocks = room(m, nr * sizeof(*blocks));

	for (size_t i = 0; i < nr; i++)
		blocks[i] = (struct message_block_info){
			.pool = any_name(m),
			.zone = any_name(m),
			.page = any_u64(m),
			.order = any_u32(m),
			.client = any_u32(m),
			.kind = any_u32(m),
		};
	*ret_nr = nr;
	return blocks;
}

static const struct message_limit_info *any_limits(struct maker *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_LIMITS_MAX);
	struct message_limit_info *limits = room(m, nr * sizeof(*limits));

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

static const char *const *any_lines(struct maker *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_LINES_MAX);
	const char **lines = room(m, nr * sizeof(*lines));

	for (size_t i = 0; i < nr; i++)
		lines[i] = any_text(m, MESSAGE_TEXT_BYTES_MAX);
	*ret_nr = nr;
	return lines;
}

static void fill_request(struct maker *m, struct message *ret)
{
	switch (ret->type) {
	case MESSAGE_HELLO:
		ret->u.hello.version_min = any_u32(m);
		ret->u.hello.version_max = any_u32(m);
		ret->u.hello.features = any_u64(m);
		ret->u.hello.name = any_name(m);
		break;
	case MESSAGE_POOL_OPEN:
		ret->u.pool_open.name = any_name(m);
		ret->u.pool_open.read_only = any_bool(m);
		break;
	case MESSAGE_POOL_CLOSE:
		ret->u.pool_close.pool = any_u32(m);
		break;
	case MESSAGE_POOL_STAT:
		ret->u.pool_stat.pool = any_u32(m);
		break;
	case MESSAGE_ALLOC:
		ret->u.alloc.pool = any_u32(m);
		ret->u.alloc.order = any_u32(m);
		ret->u.alloc.count = any_u32(m);
		ret->u.alloc.placement = any_placement(m);
		break;
	case MESSAGE_FREE:
		ret->u.free.pool = any_u32(m);
		ret->u.free.order = any_u32(m);
		ret->u.free.runs = any_runs(m, &ret->u.free.nr_runs);
		break;
	case MESSAGE_ALLOC_EXACT:
		ret->u.alloc_exact.pool = any_u32(m);
		ret->u.alloc_exact.nr_pages = any_u32(m);
		ret->u.alloc_exact.placement = any_placement(m);
		break;
	case MESSAGE_FREE_EXACT:
		ret->u.free_exact.pool = any_u32(m);
		ret->u.free_exact.nr_pages = any_u32(m);
		ret->u.free_exact.page = any_u64(m);
		break;
	case MESSAGE_GET_STATUS:
		ret->u.get_status.pool = any_name(m);
		ret->u.get_status.groups = any_bool(m);
		break;
	case MESSAGE_LIST_CLIENTS:
		ret->u.list_clients.start = any_u64(m);
		break;
	case MESSAGE_LIST_BLOCKS:
		ret->u.list_blocks.pool = any_name(m);
		ret->u.list_blocks.client = any_u32(m);
		ret->u.list_blocks.start = any_u64(m);
		break;
	case MESSAGE_LIST_LIMITS:
		ret->u.list_limits.start = any_u64(m);
		break;
	case MESSAGE_PLAN_CONTIGUOUS:
		ret->u.plan_contiguous.pool = any_name(m);
		ret->u.plan_contiguous.node = any_u32(m);
		ret->u.plan_contiguous.order = any_u32(m);
		break;
	default: /* without fields */
		break;
	}
}

static void fill_reply(struct maker *m, struct message *ret)
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
		ret->u.event.kind = below(m, MESSAGE_NR_EVENT_KINDS);
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
	default: /* MESSAGE_NONE */
		break;
	}
}

void random_message(uint64_t *seed, enum message_type type, struct codec_arena *arena,
		    struct message *ret)
{
	struct maker m = { .seed = seed, .arena = arena };

	arena_init(arena, arena->memory, arena->size_bytes);
	*ret = (struct message){ .type = type, .error = "" };
	if (type >= MESSAGE_HELLO && type <= MESSAGE_PLAN_CONTIGUOUS) {
		ret->id = any_u64(&m) | 1;
		fill_request(&m, ret);
	} else {
		ret->id = any_u64(&m);
		ret->status = below(&m, MESSAGE_NR_STATUSES);
		ret->error = any_text(&m, MESSAGE_TEXT_BYTES_MAX);
		fill_reply(&m, ret);
	}
}

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
	       SAME(kind);
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
		return true;
	}
}

bool message_is_equal(const struct message *a, const struct message *b)
{
	return SAME(id) && SAME(type) && SAME(status) && SAME_TEXT(error) &&
	       requests_are_equal(a, b) && replies_are_equal(a, b);
}
