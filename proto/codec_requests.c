/* SPDX-License-Identifier: MIT */
/*
 * What each request is made of, once, for both directions and both sides: the fields that a
 * generated struct and ours have in common, with the limit of each. A new request is a row among
 * the bodies and a table of its fields, and nothing else.
 */

#include "pagepool.pb-c.h"
#include "proto/codec_tables.h"
#include "proto/convert.h"
#include "proto/convert_rows.h"
#include "proto/message.h"

#define PLACEMENT WIRE(Placement), struct message_placement,
static const struct convert_field placement_fields[] = {
	U32(PLACEMENT, node),
	BOOL(PLACEMENT, bind),
	ENUM(PLACEMENT, mobility, MESSAGE_NR_MOBILITIES, MESSAGE_UNMOVABLE),
	BOOL(PLACEMENT, high),
	BOOL(PLACEMENT, no_wait),
	ENUM(PLACEMENT, policy, MESSAGE_NR_POLICIES, MESSAGE_POLICY_PREFERRED),
	U64(PLACEMENT, nodes),
	U32(PLACEMENT, cpu_node),
};
static const struct convert_table placement_table = TABLE(placement, placement_fields);

#define HELLO WIRE(Hello), struct message, u.hello.
static const struct convert_field hello_fields[] = {
	U32(HELLO, version_min),
	U32(HELLO, version_max),
	U64(HELLO, features),
	NAME(HELLO, name),
};

#define POOL_OPEN WIRE(PoolOpen), struct message, u.pool_open.
static const struct convert_field pool_open_fields[] = {
	NAME(POOL_OPEN, name),
	BOOL(POOL_OPEN, read_only),
};

#define POOL_CLOSE WIRE(PoolClose), struct message, u.pool_close.
static const struct convert_field pool_close_fields[] = { U32(POOL_CLOSE, pool) };

#define POOL_STAT WIRE(PoolStat), struct message, u.pool_stat.
static const struct convert_field pool_stat_fields[] = { U32(POOL_STAT, pool) };

#define ALLOC WIRE(Alloc), struct message, u.alloc.
static const struct convert_field alloc_fields[] = {
	U32(ALLOC, pool),
	U32(ALLOC, order),
	U32(ALLOC, count),
	MESSAGE(ALLOC, placement, placement_table),
};

#define FREE WIRE(Free), struct message, u.free.
static const struct convert_field free_fields[] = {
	U32(FREE, pool),
	U32(FREE, order),
	RUNS(FREE, runs),
};

#define ALLOC_EXACT WIRE(AllocExact), struct message, u.alloc_exact.
static const struct convert_field alloc_exact_fields[] = {
	U32(ALLOC_EXACT, pool),
	U32(ALLOC_EXACT, nr_pages),
	MESSAGE(ALLOC_EXACT, placement, placement_table),
};

#define FREE_EXACT WIRE(FreeExact), struct message, u.free_exact.
static const struct convert_field free_exact_fields[] = {
	U32(FREE_EXACT, pool),
	U64(FREE_EXACT, page),
	U32(FREE_EXACT, nr_pages),
};

#define GET_STATUS WIRE(GetStatus), struct message, u.get_status.
static const struct convert_field get_status_fields[] = {
	NAME(GET_STATUS, pool),
	BOOL(GET_STATUS, groups),
};

#define LIST_CLIENTS WIRE(ListClients), struct message, u.list_clients.
static const struct convert_field list_clients_fields[] = { U64(LIST_CLIENTS, start) };

#define LIST_BLOCKS WIRE(ListBlocks), struct message, u.list_blocks.
static const struct convert_field list_blocks_fields[] = {
	NAME(LIST_BLOCKS, pool),
	U32(LIST_BLOCKS, client),
	U64(LIST_BLOCKS, start),
};

#define LIST_LIMITS WIRE(ListLimits), struct message, u.list_limits.
static const struct convert_field list_limits_fields[] = { U64(LIST_LIMITS, start) };

#define PLAN_CONTIGUOUS WIRE(PlanContiguous), struct message, u.plan_contiguous.
static const struct convert_field plan_contiguous_fields[] = {
	NAME(PLAN_CONTIGUOUS, pool),
	U32(PLAN_CONTIGUOUS, node),
	U32(PLAN_CONTIGUOUS, order),
};

#define CREATE_CACHE WIRE(CreateCache), struct message, u.create_cache.
static const struct convert_field create_cache_fields[] = {
	U32(CREATE_CACHE, pool),
	NAME(CREATE_CACHE, name),
	U32(CREATE_CACHE, object_bytes),
	U32(CREATE_CACHE, align),
	U32(CREATE_CACHE, flags),
	ENUM(CREATE_CACHE, mobility, MESSAGE_NR_MOBILITIES, MESSAGE_UNMOVABLE),
};

#define DESTROY_CACHE WIRE(DestroyCache), struct message, u.destroy_cache.
static const struct convert_field destroy_cache_fields[] = {
	U32(DESTROY_CACHE, pool),
	U32(DESTROY_CACHE, cache),
};

#define SHRINK_CACHE WIRE(ShrinkCache), struct message, u.shrink_cache.
static const struct convert_field shrink_cache_fields[] = {
	U32(SHRINK_CACHE, pool),
	U32(SHRINK_CACHE, cache),
};

#define GENERAL_CACHES WIRE(GeneralCaches), struct message, u.general_caches.
static const struct convert_field general_caches_fields[] = { U32(GENERAL_CACHES, pool) };

#define ALLOC_OBJECTS WIRE(AllocObjects), struct message, u.alloc_objects.
static const struct convert_field alloc_objects_fields[] = {
	U32(ALLOC_OBJECTS, pool),
	U32(ALLOC_OBJECTS, cache),
	U32(ALLOC_OBJECTS, count),
	MESSAGE(ALLOC_OBJECTS, placement, placement_table),
};

#define FREE_OBJECTS WIRE(FreeObjects), struct message, u.free_objects.
static const struct convert_field free_objects_fields[] = {
	U32(FREE_OBJECTS, pool),
	U32(FREE_OBJECTS, cache),
	RUNS(FREE_OBJECTS, runs),
	MASKS(FREE_OBJECTS, raw, runs),
};

#define LIST_CACHES WIRE(ListCaches), struct message, u.list_caches.
static const struct convert_field list_caches_fields[] = {
	NAME(LIST_CACHES, pool),
	U64(LIST_CACHES, start),
};

#define CHECK_OBJECTS WIRE(CheckObjects), struct message, u.check_objects.
static const struct convert_field check_objects_fields[] = {
	NAME(CHECK_OBJECTS, pool),
	U64(CHECK_OBJECTS, start),
};

static const struct codec_body request_bodies[] = {
	{ MESSAGE_HELLO, TAG(REQUEST__BODY_HELLO), TABLE(hello, hello_fields), 0 },
	{ MESSAGE_POOL_OPEN, TAG(REQUEST__BODY_POOL_OPEN), TABLE(pool_open, pool_open_fields), 0 },
	{ MESSAGE_POOL_CLOSE, TAG(REQUEST__BODY_POOL_CLOSE), TABLE(pool_close, pool_close_fields),
	  0 },
	{ MESSAGE_POOL_STAT, TAG(REQUEST__BODY_POOL_STAT), TABLE(pool_stat, pool_stat_fields), 0 },
	{ MESSAGE_ALLOC, TAG(REQUEST__BODY_ALLOC), TABLE(alloc, alloc_fields), 0 },
	{ MESSAGE_FREE, TAG(REQUEST__BODY_FREE), TABLE(free, free_fields), 0 },
	{ MESSAGE_ALLOC_EXACT, TAG(REQUEST__BODY_ALLOC_EXACT),
	  TABLE(alloc_exact, alloc_exact_fields), 0 },
	{ MESSAGE_FREE_EXACT, TAG(REQUEST__BODY_FREE_EXACT), TABLE(free_exact, free_exact_fields),
	  0 },
	{ MESSAGE_GOODBYE, TAG(REQUEST__BODY_GOODBYE), EMPTY_TABLE(goodbye), 0 },
	{ MESSAGE_PING, TAG(REQUEST__BODY_PING), EMPTY_TABLE(ping), 0 },
	{ MESSAGE_GET_STATUS, TAG(REQUEST__BODY_GET_STATUS), TABLE(get_status, get_status_fields),
	  0 },
	{ MESSAGE_LIST_CLIENTS, TAG(REQUEST__BODY_LIST_CLIENTS),
	  TABLE(list_clients, list_clients_fields), 0 },
	{ MESSAGE_LIST_BLOCKS, TAG(REQUEST__BODY_LIST_BLOCKS),
	  TABLE(list_blocks, list_blocks_fields), 0 },
	{ MESSAGE_CHECK, TAG(REQUEST__BODY_CHECK), EMPTY_TABLE(check), 0 },
	{ MESSAGE_LIST_LIMITS, TAG(REQUEST__BODY_LIST_LIMITS),
	  TABLE(list_limits, list_limits_fields), 0 },
	{ MESSAGE_RELOAD, TAG(REQUEST__BODY_RELOAD), EMPTY_TABLE(reload), 0 },
	{ MESSAGE_PLAN_CONTIGUOUS, TAG(REQUEST__BODY_PLAN_CONTIGUOUS),
	  TABLE(plan_contiguous, plan_contiguous_fields), 0 },
	{ MESSAGE_CREATE_CACHE, TAG(REQUEST__BODY_CREATE_CACHE),
	  TABLE(create_cache, create_cache_fields), 0 },
	{ MESSAGE_DESTROY_CACHE, TAG(REQUEST__BODY_DESTROY_CACHE),
	  TABLE(destroy_cache, destroy_cache_fields), 0 },
	{ MESSAGE_SHRINK_CACHE, TAG(REQUEST__BODY_SHRINK_CACHE),
	  TABLE(shrink_cache, shrink_cache_fields), 0 },
	{ MESSAGE_GENERAL_CACHES, TAG(REQUEST__BODY_GENERAL_CACHES),
	  TABLE(general_caches, general_caches_fields), 0 },
	{ MESSAGE_ALLOC_OBJECTS, TAG(REQUEST__BODY_ALLOC_OBJECTS),
	  TABLE(alloc_objects, alloc_objects_fields), 0 },
	{ MESSAGE_FREE_OBJECTS, TAG(REQUEST__BODY_FREE_OBJECTS),
	  TABLE(free_objects, free_objects_fields), 0 },
	{ MESSAGE_LIST_CACHES, TAG(REQUEST__BODY_LIST_CACHES),
	  TABLE(list_caches, list_caches_fields), 0 },
	{ MESSAGE_CHECK_OBJECTS, TAG(REQUEST__BODY_CHECK_OBJECTS),
	  TABLE(check_objects, check_objects_fields), 0 },
};

#define REQUEST WIRE(Request), struct message,
static const struct convert_field request_fields[] = { U64(REQUEST, id) };

const struct codec_envelope codec_request_envelope = {
	.table = TABLE(request, request_fields),
	.tag = offsetof(WIRE(Request), body_case),
	.body = offsetof(WIRE(Request), hello),
	.bodies = request_bodies,
	.nr_bodies = NR(request_bodies),
	.is_request = true,
};
