/* SPDX-License-Identifier: MIT */
/*
 * What each reply is made of, as codec_requests.c says it of requests. Most are reports, and so
 * most of this is what their lists are of.
 */

#include "pagepool.pb-c.h"
#include "proto/codec_tables.h"
#include "proto/convert.h"
#include "proto/convert_rows.h"
#include "proto/message.h"

/* Parts. */

#define LIMITS WIRE(Limits), struct message_limits,
static const struct convert_field limits_fields[] = {
	U32(LIMITS, frame_bytes),
	U32(LIMITS, batch_blocks),
	U32(LIMITS, in_flight),
	U32(LIMITS, name_bytes),
};
static const struct convert_table limits_table = TABLE(limits, limits_fields);

#define SEGMENT WIRE(Segment), struct message_segment,
static const struct convert_field segment_fields[] = {
	U32(SEGMENT, node),
	U64(SEGMENT, size_bytes),
	U64(SEGMENT, page_bytes),
	U64(SEGMENT, capacity_bytes),
};
static const struct convert_table segment_table =
	ELEMENT_TABLE(segment, segment_fields, struct message_segment);

#define WATERMARK WIRE(Watermark), struct message_zone_info,
static const struct convert_field watermark_fields[] = {
	U64(WATERMARK, min_bytes),
	U64(WATERMARK, low_bytes),
	U64(WATERMARK, high_bytes),
};
static const struct convert_table watermark_table = TABLE(watermark, watermark_fields);

#define GROUP WIRE(GroupInfo), struct message_group_info,
static const struct convert_field group_info_fields[] = {
	U32(GROUP, group),
	U64(GROUP, pageblocks),
	ARRAY(GROUP, free_blocks, "orders"),
};
static const struct convert_table group_info_table =
	ELEMENT_TABLE(group_info, group_info_fields, struct message_group_info);

#define ZONE WIRE(ZoneInfo), struct message_zone_info,
static const struct convert_field zone_info_fields[] = {
	NAME(ZONE, name),
	U32(ZONE, node),
	U64(ZONE, size_bytes),
	U64(ZONE, free_bytes),
	U64(ZONE, committed_bytes),
	U64(ZONE, hole_bytes),
	U64(ZONE, page_bytes),
	FLAT(ZONE, watermark, watermark_table),
	ENUM(ZONE, pressure, MESSAGE_NR_PRESSURES, MESSAGE_PRESSURE_MIN),
	ARRAY(ZONE, free_blocks, "orders"),
	U64(ZONE, allocs),
	U64(ZONE, frees),
	U64(ZONE, failures),
	U64(ZONE, hit),
	U64(ZONE, miss),
	U64(ZONE, foreign),
	U64(ZONE, interleave),
	U64(ZONE, local),
	U64(ZONE, other),
	U64(ZONE, steals),
	U64(ZONE, claims),
	U64(ZONE, boost_bytes),
	U64(ZONE, contiguous_bytes),
	U64(ZONE, contiguous_free_bytes),
	U64(ZONE, draining_bytes),
	U64(ZONE, capacity_bytes),
	TEXT(ZONE, damage),
	LIST(ZONE, groups, group_info_table, MESSAGE_NR_GROUPS, "groups"),
};
static const struct convert_table zone_info_table =
	ELEMENT_TABLE(zone_info, zone_info_fields, struct message_zone_info);

#define POLICY WIRE(PolicyInfo), struct message_policy_info,
static const struct convert_field policy_info_fields[] = {
	U64(POLICY, granted),
	U64(POLICY, failed),
};
static const struct convert_table policy_info_table =
	ELEMENT_TABLE(policy_info, policy_info_fields, struct message_policy_info);

#define POOL WIRE(PoolInfo), struct message_pool_info,
static const struct convert_field pool_info_fields[] = {
	NAME(POOL, name),
	U64(POOL, size_bytes),
	U64(POOL, free_bytes),
	U32(POOL, max_order),
	LIST(POOL, zones, zone_info_table, MESSAGE_ZONES_MAX, "zones"),
	U64(POOL, held_bytes),
	LIST(POOL, policies, policy_info_table, MESSAGE_NR_POLICIES, "policies"),
};
static const struct convert_table pool_info_table =
	ELEMENT_TABLE(pool_info, pool_info_fields, struct message_pool_info);

#define CLIENT WIRE(ClientInfo), struct message_client_info,
static const struct convert_field client_info_fields[] = {
	U32(CLIENT, id),
	NAME(CLIENT, name),
	U32(CLIENT, pid),
	U32(CLIENT, uid),
	ENUM(CLIENT, state, MESSAGE_NR_CLIENT_STATES, MESSAGE_CLIENT_LIVE),
	U64(CLIENT, held_bytes),
	U64(CLIENT, magazine_bytes),
	U64(CLIENT, asked_bytes),
	U64(CLIENT, returned_bytes),
	U64(CLIENT, connected_s),
};
static const struct convert_table client_info_table =
	ELEMENT_TABLE(client_info, client_info_fields, struct message_client_info);

#define BLOCK WIRE(BlockInfo), struct message_block_info,
static const struct convert_field block_info_fields[] = {
	NAME(BLOCK, pool),  NAME(BLOCK, zone),   U64(BLOCK, page),
	U32(BLOCK, order),  U32(BLOCK, client),  U32(BLOCK, kind),
	NAME(BLOCK, cache), U32(BLOCK, objects), U32(BLOCK, held_objects),
};
static const struct convert_table block_info_table =
	ELEMENT_TABLE(block_info, block_info_fields, struct message_block_info);

#define LIMIT WIRE(LimitInfo), struct message_limit_info,
static const struct convert_field limit_info_fields[] = {
	NAME(LIMIT, pool),     NAME(LIMIT, kind),      NAME(LIMIT, name),
	U64(LIMIT, min_bytes), U64(LIMIT, low_bytes),  U64(LIMIT, high_bytes),
	U64(LIMIT, max_bytes), U64(LIMIT, used_bytes), U32(LIMIT, clients),
	U64(LIMIT, refused),
};
static const struct convert_table limit_info_table =
	ELEMENT_TABLE(limit_info, limit_info_fields, struct message_limit_info);

#define CACHE WIRE(CacheInfo), struct message_cache_info,
static const struct convert_field cache_info_fields[] = {
	U32(CACHE, cache),      U32(CACHE, object_bytes), U32(CACHE, stride_bytes),
	U32(CACHE, slab_order), U32(CACHE, flags),
};
static const struct convert_table cache_info_table =
	ELEMENT_TABLE(cache_info, cache_info_fields, struct message_cache_info);

#define CACHE_ROW WIRE(CacheRow), struct message_cache_row,
static const struct convert_field cache_row_fields[] = {
	NAME(CACHE_ROW, pool),
	NAME(CACHE_ROW, name),
	NAME(CACHE_ROW, target),
	U32(CACHE_ROW, object_bytes),
	U32(CACHE_ROW, stride_bytes),
	U32(CACHE_ROW, align),
	U32(CACHE_ROW, flags),
	ENUM(CACHE_ROW, mobility, MESSAGE_NR_MOBILITIES, MESSAGE_UNMOVABLE),
	U32(CACHE_ROW, slab_order),
	U32(CACHE_ROW, slab_objects),
	U32(CACHE_ROW, slab_waste_bytes),
	U64(CACHE_ROW, objects_active),
	U64(CACHE_ROW, objects_total),
	U64(CACHE_ROW, slabs_full),
	U64(CACHE_ROW, slabs_partial),
	U64(CACHE_ROW, slabs_empty),
};
static const struct convert_table cache_row_table =
	ELEMENT_TABLE(cache_row, cache_row_fields, struct message_cache_row);

#define PARTY WIRE(Party), struct message_party,
static const struct convert_field party_fields[] = {
	U32(PARTY, client),
	U32(PARTY, pid),
	NAME(PARTY, name),
	BOOL(PARTY, gone),
};
static const struct convert_table party_table = TABLE(party, party_fields);

#define FAULT WIRE(ObjectFault), struct message_object_fault,
static const struct convert_field object_fault_fields[] = {
	NAME(FAULT, pool),
	NAME(FAULT, cache),
	U64(FAULT, object),
	U32(FAULT, at),
	U32(FAULT, expected),
	U32(FAULT, found),
	TEXT(FAULT, what),
	MESSAGE(FAULT, holder, party_table),
	MESSAGE(FAULT, previous, party_table),
};
static const struct convert_table object_fault_table =
	ELEMENT_TABLE(object_fault, object_fault_fields, struct message_object_fault);

/* Bodies. */

#define WELCOME WIRE(Welcome), struct message, u.welcome.
static const struct convert_field welcome_fields[] = {
	U32(WELCOME, version),         U64(WELCOME, features),
	U32(WELCOME, client),          MESSAGE(WELCOME, limits, limits_table),
	TEXT(WELCOME, daemon_version),
};

#define POOL_OPENED WIRE(PoolOpened), struct message, u.pool_opened.
static const struct convert_field pool_opened_fields[] = {
	U32(POOL_OPENED, pool),
	U32(POOL_OPENED, max_order),
	LIST(POOL_OPENED, segments, segment_table, MESSAGE_ZONES_MAX, "segments"),
};

#define GRANTED WIRE(Granted), struct message, u.granted.
static const struct convert_field granted_fields[] = { RUNS(GRANTED, runs) };

#define GRANTED_EXACT WIRE(GrantedExact), struct message, u.granted_exact.
static const struct convert_field granted_exact_fields[] = { U64(GRANTED_EXACT, page) };

#define STATUS_INFO WIRE(StatusInfo), struct message, u.status_info.
static const struct convert_field status_info_fields[] = {
	TEXT(STATUS_INFO, version),
	U32(STATUS_INFO, pid),
	U64(STATUS_INFO, uptime_s),
	U32(STATUS_INFO, clients),
	LIST(STATUS_INFO, pools, pool_info_table, MESSAGE_POOLS_MAX, "pools"),
};

#define CLIENT_LIST WIRE(ClientList), struct message, u.client_list.
static const struct convert_field client_list_fields[] = {
	LIST(CLIENT_LIST, clients, client_info_table, MESSAGE_CLIENTS_MAX, "clients"),
	U64(CLIENT_LIST, next),
};

#define BLOCK_LIST WIRE(BlockList), struct message, u.block_list.
static const struct convert_field block_list_fields[] = {
	LIST(BLOCK_LIST, blocks, block_info_table, MESSAGE_BLOCKS_MAX, "blocks"),
	U64(BLOCK_LIST, next),
};

#define CHECK_RESULT WIRE(CheckResult), struct message, u.check_result.
static const struct convert_field check_result_fields[] = {
	U64(CHECK_RESULT, pages),
	U64(CHECK_RESULT, faults),
	TEXT(CHECK_RESULT, first),
};

#define EVENT WIRE(Event), struct message, u.event.
static const struct convert_field event_fields[] = {
	ENUM(EVENT, kind, MESSAGE_NR_EVENT_KINDS, MESSAGE_EVENT_NONE),
};

#define LIMIT_LIST WIRE(LimitList), struct message, u.limit_list.
static const struct convert_field limit_list_fields[] = {
	LIST(LIMIT_LIST, limits, limit_info_table, MESSAGE_LIMITS_MAX, "limits"),
	U64(LIMIT_LIST, next),
};

#define RELOAD_RESULT WIRE(ReloadResult), struct message, u.reload_result.
static const struct convert_field reload_result_fields[] = {
	TEXTS(RELOAD_RESULT, lines, MESSAGE_LINES_MAX, "lines"),
};

#define CONTIGUOUS_PLAN WIRE(ContiguousPlan), struct message, u.contiguous_plan.
static const struct convert_field contiguous_plan_fields[] = {
	U64(CONTIGUOUS_PLAN, page),
	U32(CONTIGUOUS_PLAN, order),
	U64(CONTIGUOUS_PLAN, held_blocks),
	U64(CONTIGUOUS_PLAN, held_pages),
	LIST(CONTIGUOUS_PLAN, blocks, block_info_table, MESSAGE_BLOCKS_MAX, "blocks"),
};

#define CACHE_OPENED WIRE(CacheOpened), struct message_cache_info,
static const struct convert_field cache_opened_fields[] = {
	FLAT(CACHE_OPENED, cache, cache_info_table),
};

#define CACHE_SHRUNK WIRE(CacheShrunk), struct message, u.cache_shrunk.
static const struct convert_field cache_shrunk_fields[] = { U64(CACHE_SHRUNK, pages) };

#define CACHE_TABLE WIRE(CacheTable), struct message, u.cache_table.
static const struct convert_field cache_table_fields[] = {
	LIST(CACHE_TABLE, caches, cache_info_table, MESSAGE_CACHES_MAX, "caches"),
};

#define GRANTED_OBJECTS WIRE(GrantedObjects), struct message, u.granted_objects.
static const struct convert_field granted_objects_fields[] = {
	RUNS(GRANTED_OBJECTS, runs),
	MASKS(GRANTED_OBJECTS, raw, runs),
};

#define CACHE_LIST WIRE(CacheList), struct message, u.cache_list.
static const struct convert_field cache_list_fields[] = {
	LIST(CACHE_LIST, caches, cache_row_table, MESSAGE_CACHES_MAX, "caches"),
	U64(CACHE_LIST, next),
};

#define OBJECT_FAULTS WIRE(ObjectFaults), struct message, u.object_faults.
static const struct convert_field object_faults_fields[] = {
	U64(OBJECT_FAULTS, objects),
	LIST(OBJECT_FAULTS, faults, object_fault_table, MESSAGE_FAULTS_MAX, "faults"),
	U64(OBJECT_FAULTS, next),
};

static const struct codec_body reply_bodies[] = {
	{ MESSAGE_WELCOME, TAG(REPLY__BODY_WELCOME), TABLE(welcome, welcome_fields), 0 },
	{ MESSAGE_POOL_OPENED, TAG(REPLY__BODY_POOL_OPENED), TABLE(pool_opened, pool_opened_fields),
	  0 },
	{ MESSAGE_POOL_INFO, TAG(REPLY__BODY_POOL_INFO), TABLE(pool_info, pool_info_fields),
	  offsetof(struct message, u.pool_info) },
	{ MESSAGE_GRANTED, TAG(REPLY__BODY_GRANTED), TABLE(granted, granted_fields), 0 },
	{ MESSAGE_GRANTED_EXACT, TAG(REPLY__BODY_GRANTED_EXACT),
	  TABLE(granted_exact, granted_exact_fields), 0 },
	{ MESSAGE_STATUS_INFO, TAG(REPLY__BODY_STATUS_INFO), TABLE(status_info, status_info_fields),
	  0 },
	{ MESSAGE_CLIENT_LIST, TAG(REPLY__BODY_CLIENT_LIST), TABLE(client_list, client_list_fields),
	  0 },
	{ MESSAGE_BLOCK_LIST, TAG(REPLY__BODY_BLOCK_LIST), TABLE(block_list, block_list_fields),
	  0 },
	{ MESSAGE_CHECK_RESULT, TAG(REPLY__BODY_CHECK_RESULT),
	  TABLE(check_result, check_result_fields), 0 },
	{ MESSAGE_EVENT, TAG(REPLY__BODY_EVENT), TABLE(event, event_fields), 0 },
	{ MESSAGE_LIMIT_LIST, TAG(REPLY__BODY_LIMIT_LIST), TABLE(limit_list, limit_list_fields),
	  0 },
	{ MESSAGE_RELOAD_RESULT, TAG(REPLY__BODY_RELOAD_RESULT),
	  TABLE(reload_result, reload_result_fields), 0 },
	{ MESSAGE_CONTIGUOUS_PLAN, TAG(REPLY__BODY_CONTIGUOUS_PLAN),
	  TABLE(contiguous_plan, contiguous_plan_fields), 0 },
	{ MESSAGE_CACHE_OPENED, TAG(REPLY__BODY_CACHE_OPENED),
	  TABLE(cache_opened, cache_opened_fields), offsetof(struct message, u.cache_opened) },
	{ MESSAGE_CACHE_SHRUNK, TAG(REPLY__BODY_CACHE_SHRUNK),
	  TABLE(cache_shrunk, cache_shrunk_fields), 0 },
	{ MESSAGE_CACHE_TABLE, TAG(REPLY__BODY_CACHE_TABLE), TABLE(cache_table, cache_table_fields),
	  0 },
	{ MESSAGE_GRANTED_OBJECTS, TAG(REPLY__BODY_GRANTED_OBJECTS),
	  TABLE(granted_objects, granted_objects_fields), 0 },
	{ MESSAGE_CACHE_LIST, TAG(REPLY__BODY_CACHE_LIST), TABLE(cache_list, cache_list_fields),
	  0 },
	{ MESSAGE_OBJECT_FAULTS, TAG(REPLY__BODY_OBJECT_FAULTS),
	  TABLE(object_faults, object_faults_fields), 0 },
};

#define REPLY WIRE(Reply), struct message,
static const struct convert_field reply_fields[] = {
	U64(REPLY, id),
	ENUM(REPLY, status, MESSAGE_NR_STATUSES, MESSAGE_STATUS_UNSUPPORTED),
	TEXT(REPLY, error),
};

const struct codec_envelope codec_reply_envelope = {
	.table = TABLE(reply, reply_fields),
	.tag = offsetof(WIRE(Reply), body_case),
	.body = offsetof(WIRE(Reply), welcome),
	.bodies = reply_bodies,
	.nr_bodies = NR(reply_bodies),
};
