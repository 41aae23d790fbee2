/* SPDX-License-Identifier: MIT */
/*
 * Field by field and on purpose without the codec's tables: what they forget must show here.
 */

#include "support/random_message.h"

#include "proto/arena.h"
#include "support/any.h"
#include "support/random_reply.h"

static struct message_placement any_placement(struct any *m)
{
	return (struct message_placement){
		.policy = any_below(m, MESSAGE_NR_POLICIES),
		.node = any_u32(m),
		.cpu_node = any_u32(m),
		.nodes = any_u64(m),
		.bind = any_bool(m),
		.high = any_bool(m),
		.no_wait = any_bool(m),
		.mobility = any_below(m, MESSAGE_NR_MOBILITIES),
	};
}

static void random_object_request(struct any *m, struct message *ret)
{
	switch (ret->type) {
	case MESSAGE_CREATE_CACHE:
		ret->u.create_cache.pool = any_u32(m);
		ret->u.create_cache.name = any_name(m);
		ret->u.create_cache.object_bytes = any_u32(m);
		ret->u.create_cache.align = any_u32(m);
		ret->u.create_cache.flags = any_u32(m);
		ret->u.create_cache.mobility = any_below(m, MESSAGE_NR_MOBILITIES);
		break;
	case MESSAGE_DESTROY_CACHE:
		ret->u.destroy_cache.pool = any_u32(m);
		ret->u.destroy_cache.cache = any_u32(m);
		break;
	case MESSAGE_SHRINK_CACHE:
		ret->u.shrink_cache.pool = any_u32(m);
		ret->u.shrink_cache.cache = any_u32(m);
		break;
	case MESSAGE_GENERAL_CACHES:
		ret->u.general_caches.pool = any_u32(m);
		break;
	case MESSAGE_ALLOC_OBJECTS:
		ret->u.alloc_objects.pool = any_u32(m);
		ret->u.alloc_objects.cache = any_u32(m);
		ret->u.alloc_objects.count = any_u32(m);
		ret->u.alloc_objects.placement = any_placement(m);
		break;
	case MESSAGE_FREE_OBJECTS:
		ret->u.free_objects.pool = any_u32(m);
		ret->u.free_objects.cache = any_u32(m);
		ret->u.free_objects.runs = any_runs(m, &ret->u.free_objects.nr_runs);
		ret->u.free_objects.raw =
			any_masks(m, ret->u.free_objects.nr_runs, &ret->u.free_objects.nr_raw);
		break;
	case MESSAGE_LIST_CACHES:
		ret->u.list_caches.pool = any_name(m);
		ret->u.list_caches.start = any_u64(m);
		break;
	case MESSAGE_CHECK_OBJECTS:
		ret->u.check_objects.pool = any_name(m);
		ret->u.check_objects.start = any_u64(m);
		break;
	default: /* without fields */
		break;
	}
}

static void random_request(struct any *m, struct message *ret)
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
	default:
		random_object_request(m, ret);
		break;
	}
}

void random_message(uint64_t *seed, enum message_type type, struct codec_arena *arena,
		    struct message *ret)
{
	struct any m = { .seed = seed, .arena = arena };

	arena_init(arena, arena->memory, arena->size_bytes);
	*ret = (struct message){ .type = type, .error = "" };
	if (type >= MESSAGE_HELLO && type < MESSAGE_WELCOME) {
		ret->id = any_u64(&m) | 1;
		random_request(&m, ret);
	} else {
		ret->id = any_u64(&m);
		ret->status = any_below(&m, MESSAGE_NR_STATUSES);
		ret->error = any_text(&m, MESSAGE_TEXT_BYTES_MAX);
		random_reply(&m, ret);
	}
}
