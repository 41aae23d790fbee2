/* SPDX-License-Identifier: MIT */
/*
 * What each message is made of, once, for both directions and both sides.
 *
 * The tables below name the fields that a generated struct and ours have in common, with the limit
 * of each; convert.c follows them. A new message is a row among the bodies and a table of its
 * fields, and nothing else.
 *
 * Memory: decoding unpacks into the caller's arena and then converts in place, so that strings and
 * runs are not copied twice. Encoding needs generated structs only while it lasts, so they live on
 * the stack: little for what is sent all the time, and, tried only when that was not enough, the
 * worst case that the limits allow for the reports, which is near 1 MiB. A hostile peer can make
 * decoding run out of its arena, and out of nothing else.
 */

#include "proto/codec.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "pagepool.pb-c.h"
#include "proto/arena.h"
#include "proto/convert.h"
#include "proto/convert_rows.h"
#include "proto/message.h"

/* Parts of messages. */

#define WIRE(name) Pagepool__V1__##name

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
	NAME(BLOCK, pool), NAME(BLOCK, zone),  U64(BLOCK, page),
	U32(BLOCK, order), U32(BLOCK, client), U32(BLOCK, kind),
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

/* Bodies of requests. */

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

/* Bodies of replies. */

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

/* Which body is which. */

struct body {
	enum message_type type;
	uint32_t tag; /* in the oneof */
	struct convert_table table;
	size_t plain; /* what the table's offsets count from, in struct message */
};

#define TAG(which) PAGEPOOL__V1__##which
static const struct body request_bodies[] = {
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
};

static const struct body reply_bodies[] = {
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
};

/* What every request and every reply has around its body. */

#define REQUEST WIRE(Request), struct message,
static const struct convert_field request_fields[] = { U64(REQUEST, id) };

#define REPLY WIRE(Reply), struct message,
static const struct convert_field reply_fields[] = {
	U64(REPLY, id),
	ENUM(REPLY, status, MESSAGE_NR_STATUSES, MESSAGE_STATUS_UNSUPPORTED),
	TEXT(REPLY, error),
};

struct envelope {
	struct convert_table table;
	size_t tag, body; /* offsets of the oneof in the generated struct */
	const struct body *bodies;
	size_t nr_bodies;
	bool is_request;
};

static const struct envelope request_envelope = {
	.table = TABLE(request, request_fields),
	.tag = offsetof(WIRE(Request), body_case),
	.body = offsetof(WIRE(Request), hello),
	.bodies = request_bodies,
	.nr_bodies = NR(request_bodies),
	.is_request = true,
};

static const struct envelope reply_envelope = {
	.table = TABLE(reply, reply_fields),
	.tag = offsetof(WIRE(Reply), body_case),
	.body = offsetof(WIRE(Reply), welcome),
	.bodies = reply_bodies,
	.nr_bodies = NR(reply_bodies),
};

static const struct body *body_by_type(const struct envelope *envelope, enum message_type type)
{
	for (size_t i = 0; i < envelope->nr_bodies; i++)
		if (envelope->bodies[i].type == type)
			return &envelope->bodies[i];
	return NULL;
}

static const struct body *body_by_tag(const struct envelope *envelope, uint32_t tag)
{
	for (size_t i = 0; i < envelope->nr_bodies; i++)
		if (envelope->bodies[i].tag == tag)
			return &envelope->bodies[i];
	return NULL;
}

/* Returns the most bytes that its encoding can take, or a negative errno. */
static ptrdiff_t make_wire(const struct envelope *envelope, const struct message *message,
			   struct codec_arena *scratch, ProtobufCMessage **ret)
{
	const struct body *body = body_by_type(envelope, message->type);
	ptrdiff_t r, most_bytes;
	void *wire, *wire_body;

	if (!body && (envelope->is_request || message->type != MESSAGE_NONE))
		return -EINVAL;
	most_bytes = convert_to_wire(&envelope->table, message, scratch, &wire);
	if (most_bytes < 0)
		return most_bytes;
	if (body) {
		r = convert_to_wire(&body->table, (const uint8_t *)message + body->plain, scratch,
				    &wire_body);
		if (r < 0)
			return r;
		memcpy((uint8_t *)wire + envelope->tag, &body->tag, sizeof(body->tag));
		memcpy((uint8_t *)wire + envelope->body, &wire_body, sizeof(wire_body));
		most_bytes += CONVERT_FIELD_BYTES_MAX + r;
	}
	*ret = wire;
	return most_bytes;
}

static ptrdiff_t encode_with(const struct envelope *envelope, const struct message *message,
			     uint8_t *buf, size_t size_bytes, void *memory, size_t memory_bytes)
{
	struct codec_arena scratch;
	ProtobufCMessage *wire;
	ptrdiff_t most_bytes;

	arena_init(&scratch, memory, memory_bytes);
	most_bytes = make_wire(envelope, message, &scratch, &wire);
	if (most_bytes < 0)
		return most_bytes;
	/* Mostly there is room for far more, and no need to know the size. */
	if ((size_t)most_bytes > size_bytes &&
	    protobuf_c_message_get_packed_size(wire) > size_bytes)
		return -EMSGSIZE;
	return (ptrdiff_t)protobuf_c_message_pack(wire, buf);
}

/* Any message that is sent all the time, with room to spare. */
#define SCRATCH_BYTES 1024u

/* Every group of every zone of every pool: a pointer, its structs, and the padding of each. */
#define SCRATCH_ELEMENT_BYTES(type) (sizeof(void *) + sizeof(WIRE(type)) + 32)
#define SCRATCH_ZONE_BYTES                                                                         \
	(MESSAGE_NR_GROUPS * SCRATCH_ELEMENT_BYTES(GroupInfo) + sizeof(WIRE(Watermark)) +          \
	 SCRATCH_ELEMENT_BYTES(ZoneInfo))
#define SCRATCH_POOL_BYTES                                                                         \
	(MESSAGE_ZONES_MAX * SCRATCH_ZONE_BYTES +                                                  \
	 MESSAGE_NR_POLICIES * SCRATCH_ELEMENT_BYTES(PolicyInfo) +                                 \
	 SCRATCH_ELEMENT_BYTES(PoolInfo))
#define SCRATCH_BYTES_MAX (MESSAGE_POOLS_MAX * SCRATCH_POOL_BYTES + SCRATCH_BYTES)

/* Apart, so that its frame is not part of every call's. */
__attribute__((noinline)) static ptrdiff_t encode_large(const struct envelope *envelope,
							const struct message *message, uint8_t *buf,
							size_t size_bytes)
{
	alignas(max_align_t) uint8_t memory[SCRATCH_BYTES_MAX];

	return encode_with(envelope, message, buf, size_bytes, memory, sizeof(memory));
}

static ptrdiff_t encode(const struct envelope *envelope, const struct message *message,
			uint8_t *buf, size_t size_bytes)
{
	alignas(max_align_t) uint8_t memory[SCRATCH_BYTES];
	ptrdiff_t n = encode_with(envelope, message, buf, size_bytes, memory, sizeof(memory));

	if (n == -ENOMEM)
		n = encode_large(envelope, message, buf, size_bytes);
	return n == -ENOMEM ? -EMSGSIZE : n;
}

ptrdiff_t codec_encode_request(const struct message *message, uint8_t *buf, size_t size_bytes)
{
	return encode(&request_envelope, message, buf, size_bytes);
}

ptrdiff_t codec_encode_reply(const struct message *message, uint8_t *buf, size_t size_bytes)
{
	return encode(&reply_envelope, message, buf, size_bytes);
}

static void *unpack_alloc(void *arena, size_t size_bytes)
{
	return arena_alloc(arena, size_bytes);
}

static void unpack_free(void *arena, void *memory)
{
	(void)arena;
	(void)memory;
}

static int read_wire(const struct envelope *envelope, const ProtobufCMessage *wire,
		     struct codec_arena *arena, struct message *message, const char **ret_why)
{
	const struct body *body;
	const void *wire_body;
	uint32_t tag;
	int r = convert_from_wire(&envelope->table, wire, arena, message, ret_why);

	if (r < 0)
		return r;
	memcpy(&tag, (const uint8_t *)wire + envelope->tag, sizeof(tag));
	body = body_by_tag(envelope, tag);
	if (!body)
		return 0;
	message->type = body->type;
	memcpy(&wire_body, (const uint8_t *)wire + envelope->body, sizeof(wire_body));
	return convert_from_wire(&body->table, wire_body, arena, (uint8_t *)message + body->plain,
				 ret_why);
}

static int decode(const struct envelope *envelope, const uint8_t *bytes, size_t size_bytes,
		  struct codec_arena *arena, struct message *ret, const char **ret_why)
{
	struct message message = { .type = MESSAGE_NONE, .error = "" };
	ProtobufCAllocator allocator = {
		.alloc = unpack_alloc,
		.free = unpack_free,
		.allocator_data = arena,
	};
	ProtobufCMessage *wire;
	int r;

	arena_init(arena, arena->memory, arena->size_bytes);
	wire = protobuf_c_message_unpack(envelope->table.descriptor, &allocator, size_bytes, bytes);
	if (!wire && arena->is_exhausted)
		return -ENOMEM;
	if (!wire) {
		*ret_why = "bytes that are no message";
		return -EBADMSG;
	}
	r = read_wire(envelope, wire, arena, &message, ret_why);
	if (r == 0)
		*ret = message;
	return r;
}

int codec_decode_request(const uint8_t *bytes, size_t size_bytes, struct codec_arena *arena,
			 struct message *ret, const char **ret_why)
{
	return decode(&request_envelope, bytes, size_bytes, arena, ret, ret_why);
}

int codec_decode_reply(const uint8_t *bytes, size_t size_bytes, struct codec_arena *arena,
		       struct message *ret, const char **ret_why)
{
	return decode(&reply_envelope, bytes, size_bytes, arena, ret, ret_why);
}
