/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The protocol's messages as plain structs: what the codec makes of bytes and bytes of. Mirrors
 * proto/pagepool.proto, which says what each field means.
 *
 * Nothing in here owns memory. A decoded message points into the arena it was decoded with; a
 * message to be encoded points wherever its maker likes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_VERSION 1u     /* of the protocol, the newest we speak */
#define MESSAGE_VERSION_MIN 1u /* the oldest */
#define MESSAGE_BATCH_BLOCKS_MAX 2048u
#define MESSAGE_IN_FLIGHT_MAX 256u /* below half of all request tags of the ledger */
#define MESSAGE_NAME_BYTES_MAX 63u
#define MESSAGE_TEXT_BYTES_MAX 1023u /* of errors and other strings for people */
#define MESSAGE_ZONES_MAX 64u
#define MESSAGE_POOLS_MAX 16u
#define MESSAGE_NR_ORDERS 19u
#define MESSAGE_CLIENTS_MAX 256u /* in one part of a list */
#define MESSAGE_BLOCKS_MAX 512u  /* in one part of a list */
#define MESSAGE_LIMITS_MAX 256u  /* in one part of a list */
#define MESSAGE_LINES_MAX 256u   /* of what a reload did */
#define MESSAGE_CACHES_MAX 192u  /* in one part of a list, or in a table: what fits a frame */
#define MESSAGE_FAULTS_MAX 64u   /* in one part of a list */
#define MESSAGE_CACHE_ANY UINT32_MAX

enum message_type {
	MESSAGE_NONE = 0, /* a reply without a body, or a request of a newer protocol */
	/* requests */
	MESSAGE_HELLO,
	MESSAGE_POOL_OPEN,
	MESSAGE_POOL_CLOSE,
	MESSAGE_POOL_STAT,
	MESSAGE_ALLOC,
	MESSAGE_FREE,
	MESSAGE_ALLOC_EXACT,
	MESSAGE_FREE_EXACT,
	MESSAGE_GOODBYE,
	MESSAGE_PING,
	MESSAGE_GET_STATUS,
	MESSAGE_LIST_CLIENTS,
	MESSAGE_LIST_BLOCKS,
	MESSAGE_CHECK,
	MESSAGE_LIST_LIMITS,
	MESSAGE_RELOAD,
	MESSAGE_PLAN_CONTIGUOUS,
	MESSAGE_CREATE_CACHE,
	MESSAGE_DESTROY_CACHE,
	MESSAGE_SHRINK_CACHE,
	MESSAGE_GENERAL_CACHES,
	MESSAGE_ALLOC_OBJECTS,
	MESSAGE_FREE_OBJECTS,
	MESSAGE_LIST_CACHES,
	MESSAGE_CHECK_OBJECTS,
	/* replies */
	MESSAGE_WELCOME,
	MESSAGE_POOL_OPENED,
	MESSAGE_POOL_INFO,
	MESSAGE_GRANTED,
	MESSAGE_GRANTED_EXACT,
	MESSAGE_STATUS_INFO,
	MESSAGE_CLIENT_LIST,
	MESSAGE_BLOCK_LIST,
	MESSAGE_CHECK_RESULT,
	MESSAGE_EVENT,
	MESSAGE_LIMIT_LIST,
	MESSAGE_RELOAD_RESULT,
	MESSAGE_CONTIGUOUS_PLAN,
	MESSAGE_CACHE_OPENED,
	MESSAGE_CACHE_SHRUNK,
	MESSAGE_CACHE_TABLE,
	MESSAGE_GRANTED_OBJECTS,
	MESSAGE_CACHE_LIST,
	MESSAGE_OBJECT_FAULTS,
	MESSAGE_NR_TYPES
};

enum message_status {
	MESSAGE_STATUS_OK = 0,
	MESSAGE_STATUS_INVALID = 1,
	MESSAGE_STATUS_NO_MEMORY = 2,
	MESSAGE_STATUS_ACCESS = 3,
	MESSAGE_STATUS_NOT_FOUND = 4,
	MESSAGE_STATUS_LIMIT = 5,
	MESSAGE_STATUS_PROTOCOL = 6,
	MESSAGE_STATUS_VERSION = 7,
	MESSAGE_STATUS_UNSUPPORTED = 8,
	MESSAGE_STATUS_BUSY = 9,
	MESSAGE_STATUS_EXISTS = 10,
	MESSAGE_STATUS_CORRUPT = 11,
	MESSAGE_NR_STATUSES
};

enum message_mobility {
	MESSAGE_UNMOVABLE = 0,
	MESSAGE_MOVABLE = 1,
	MESSAGE_RECLAIMABLE = 2,
	MESSAGE_NR_MOBILITIES
};
enum message_policy {
	MESSAGE_POLICY_PREFERRED = 0,
	MESSAGE_POLICY_BIND = 1,
	MESSAGE_POLICY_INTERLEAVE = 2,
	MESSAGE_POLICY_MASK = 3,
	MESSAGE_NR_POLICIES
};
enum message_group {
	MESSAGE_GROUP_UNMOVABLE = 0,
	MESSAGE_GROUP_MOVABLE = 1,
	MESSAGE_GROUP_RECLAIMABLE = 2,
	MESSAGE_GROUP_CONTIGUOUS = 3,
	MESSAGE_GROUP_FREE = 4,
	MESSAGE_GROUP_HELD = 5,
	MESSAGE_NR_GROUPS
};
enum message_pressure {
	MESSAGE_PRESSURE_NONE = 0,
	MESSAGE_PRESSURE_LOW = 1,
	MESSAGE_PRESSURE_MIN = 2,
	MESSAGE_NR_PRESSURES
};
enum message_client_state {
	MESSAGE_CLIENT_LIVE = 0,
	MESSAGE_CLIENT_RESUMING = 1,
	MESSAGE_CLIENT_QUARANTINED = 2,
	MESSAGE_CLIENT_DYING = 3,
	MESSAGE_NR_CLIENT_STATES
};
/* Bits of a cache's flags. */
enum message_cache_flags {
	MESSAGE_CACHE_CTOR = 0x1,
	MESSAGE_CACHE_DEBUG = 0x2,
	MESSAGE_CACHE_MERGE = 0x4
};
enum message_event_kind {
	MESSAGE_EVENT_NONE = 0, /* or one of a newer protocol */
	MESSAGE_EVENT_SHUTDOWN = 1,
	MESSAGE_NR_EVENT_KINDS
};

/* Same layout as two fixed64 on the wire: no copy on a little-endian machine. */
struct message_run {
	uint64_t base;
	uint64_t mask;
};

struct message_placement {
	enum message_policy policy;
	uint32_t node, cpu_node;
	uint64_t nodes;
	bool bind, high, no_wait;
	enum message_mobility mobility;
};

struct message_limits {
	uint32_t frame_bytes, batch_blocks, in_flight, name_bytes;
};

struct message_segment {
	uint32_t node;
	uint64_t size_bytes, capacity_bytes, page_bytes;
};

struct message_group_info {
	uint32_t group; /* enum message_group, or one of a newer daemon */
	uint64_t pageblocks;
	uint64_t free_blocks[MESSAGE_NR_ORDERS];
};

struct message_zone_info {
	const char *name;
	uint32_t node;
	uint64_t size_bytes, free_bytes, committed_bytes, hole_bytes, page_bytes;
	uint64_t capacity_bytes, draining_bytes, contiguous_bytes, contiguous_free_bytes;
	uint64_t min_bytes, low_bytes, high_bytes, boost_bytes;
	enum message_pressure pressure;
	uint64_t free_blocks[MESSAGE_NR_ORDERS];
	uint64_t allocs, frees, failures, steals, claims;
	uint64_t hit, miss, foreign, interleave, local, other;
	const char *damage;
	const struct message_group_info *groups;
	size_t nr_groups;
};

struct message_policy_info {
	uint64_t granted, failed;
};

struct message_pool_info {
	const char *name;
	uint64_t size_bytes, free_bytes, held_bytes;
	uint32_t max_order;
	const struct message_zone_info *zones;
	size_t nr_zones;
	const struct message_policy_info *policies;
	size_t nr_policies;
};

struct message_client_info {
	uint32_t id;
	const char *name;
	int32_t pid;
	uint32_t uid;
	enum message_client_state state;
	uint64_t held_bytes, magazine_bytes, asked_bytes, returned_bytes, connected_s;
};

struct message_block_info {
	const char *pool, *zone;
	uint64_t page;
	uint32_t order, client, kind;
	const char *cache; /* of a slab */
	uint32_t objects, held_objects;
};

struct message_cache_info {
	uint32_t cache, object_bytes, stride_bytes, slab_order, flags;
};

struct message_cache_row {
	const char *pool, *name, *target;
	uint32_t object_bytes, stride_bytes, align, flags;
	enum message_mobility mobility;
	uint32_t slab_order, slab_objects, slab_waste_bytes;
	uint64_t objects_active, objects_total, slabs_full, slabs_partial, slabs_empty;
};

struct message_party {
	uint32_t client;
	int32_t pid;
	const char *name;
	bool gone;
};

struct message_object_fault {
	const char *pool, *cache;
	uint64_t object;
	int32_t at;
	uint32_t expected, found;
	const char *what;
	struct message_party holder, previous;
};

struct message_limit_info {
	const char *pool, *kind, *name;
	uint64_t min_bytes, low_bytes, high_bytes, max_bytes, used_bytes, refused;
	uint32_t clients;
};

struct message {
	uint64_t id;
	enum message_type type;
	enum message_status status; /* replies only */
	const char *error;          /* replies only; never NULL after decoding */
	union {
		struct {
			uint32_t version_min, version_max;
			uint64_t features;
			const char *name;
		} hello;
		struct {
			uint32_t version, client;
			uint64_t features;
			struct message_limits limits;
			const char *daemon_version;
		} welcome;
		struct {
			const char *name;
			bool read_only;
		} pool_open;
		struct {
			uint32_t pool, max_order;
			const struct message_segment *segments;
			size_t nr_segments;
		} pool_opened;
		struct {
			uint32_t pool;
		} pool_close, pool_stat;
		struct {
			uint32_t pool, order, count;
			struct message_placement placement;
		} alloc;
		struct {
			const struct message_run *runs;
			size_t nr_runs;
		} granted;
		struct {
			uint32_t pool, order;
			const struct message_run *runs;
			size_t nr_runs;
		} free;
		struct {
			uint32_t pool, nr_pages;
			struct message_placement placement;
		} alloc_exact;
		struct {
			uint64_t page;
		} granted_exact;
		struct {
			uint32_t pool, nr_pages;
			uint64_t page;
		} free_exact;
		struct {
			enum message_event_kind kind;
		} event;
		struct message_pool_info pool_info;
		struct {
			const char *pool;
			bool groups;
		} get_status;
		struct {
			const char *version;
			int32_t pid;
			uint64_t uptime_s;
			uint32_t clients;
			const struct message_pool_info *pools;
			size_t nr_pools;
		} status_info;
		struct {
			uint64_t start;
		} list_clients;
		struct {
			const struct message_client_info *clients;
			size_t nr_clients;
			uint64_t next;
		} client_list;
		struct {
			const char *pool;
			uint32_t client;
			uint64_t start;
		} list_blocks;
		struct {
			const struct message_block_info *blocks;
			size_t nr_blocks;
			uint64_t next;
		} block_list;
		struct {
			uint64_t pages, faults;
			const char *first;
		} check_result;
		struct {
			uint64_t start;
		} list_limits;
		struct {
			const struct message_limit_info *limits;
			size_t nr_limits;
			uint64_t next;
		} limit_list;
		struct {
			const char *const *lines;
			size_t nr_lines;
		} reload_result;
		struct {
			const char *pool;
			uint32_t node, order;
		} plan_contiguous;
		struct {
			uint64_t page;
			uint32_t order;
			uint64_t held_blocks, held_pages;
			const struct message_block_info *blocks;
			size_t nr_blocks;
		} contiguous_plan;
		struct {
			uint32_t pool;
			const char *name;
			uint32_t object_bytes, align, flags;
			enum message_mobility mobility;
		} create_cache;
		struct message_cache_info cache_opened;
		struct {
			uint32_t pool, cache;
		} destroy_cache, shrink_cache;
		struct {
			uint64_t pages;
		} cache_shrunk;
		struct {
			uint32_t pool;
		} general_caches;
		struct {
			const struct message_cache_info *caches;
			size_t nr_caches;
		} cache_table;
		struct {
			uint32_t pool, cache, count;
			struct message_placement placement;
		} alloc_objects;
		struct {
			const struct message_run *runs;
			size_t nr_runs;
			const uint64_t *raw; /* as many as runs, or none */
			size_t nr_raw;
		} granted_objects;
		struct {
			uint32_t pool, cache;
			const struct message_run *runs;
			size_t nr_runs;
			const uint64_t *raw; /* likewise */
			size_t nr_raw;
		} free_objects;
		struct {
			const char *pool;
			uint64_t start;
		} list_caches;
		struct {
			const struct message_cache_row *caches;
			size_t nr_caches;
			uint64_t next;
		} cache_list;
		struct {
			const char *pool;
			uint64_t start;
		} check_objects;
		struct {
			uint64_t objects;
			const struct message_object_fault *faults;
			size_t nr_faults;
			uint64_t next;
		} object_faults;
	} u;
};
