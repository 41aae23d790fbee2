/* SPDX-License-Identifier: MIT */
#pragma once

/* The handlers, one a request, and what several of them need. */

#include <stdbool.h>
#include <stdint.h>

#include "service/dispatch.h"

struct message_block_info;
struct message_placement;
struct pool_demand;
struct pool_request;
struct pools_pool;
struct zone_block;

enum dispatch_result handler_hello(struct call *call, const struct message *request,
				   struct message *reply);
enum dispatch_result handler_ping(struct call *call, const struct message *request,
				  struct message *reply);
enum dispatch_result handler_goodbye(struct call *call, const struct message *request,
				     struct message *reply);
enum dispatch_result handler_pool_open(struct call *call, const struct message *request,
				       struct message *reply);
enum dispatch_result handler_pool_close(struct call *call, const struct message *request,
					struct message *reply);
enum dispatch_result handler_pool_stat(struct call *call, const struct message *request,
				       struct message *reply);
enum dispatch_result handler_alloc(struct call *call, const struct message *request,
				   struct message *reply);
enum dispatch_result handler_alloc_exact(struct call *call, const struct message *request,
					 struct message *reply);
enum dispatch_result handler_free(struct call *call, const struct message *request,
				  struct message *reply);
enum dispatch_result handler_free_exact(struct call *call, const struct message *request,
					struct message *reply);
enum dispatch_result handler_get_status(struct call *call, const struct message *request,
					struct message *reply);
enum dispatch_result handler_list_clients(struct call *call, const struct message *request,
					  struct message *reply);
enum dispatch_result handler_list_blocks(struct call *call, const struct message *request,
					 struct message *reply);
enum dispatch_result handler_list_caches(struct call *call, const struct message *request,
					 struct message *reply);
enum dispatch_result handler_list_limits(struct call *call, const struct message *request,
					 struct message *reply);
enum dispatch_result handler_reload(struct call *call, const struct message *request,
				    struct message *reply);
enum dispatch_result handler_check(struct call *call, const struct message *request,
				   struct message *reply);
enum dispatch_result handler_check_objects(struct call *call, const struct message *request,
					   struct message *reply);
enum dispatch_result handler_plan_contiguous(struct call *call, const struct message *request,
					     struct message *reply);
enum dispatch_result handler_create_cache(struct call *call, const struct message *request,
					  struct message *reply);
enum dispatch_result handler_destroy_cache(struct call *call, const struct message *request,
					   struct message *reply);
enum dispatch_result handler_shrink_cache(struct call *call, const struct message *request,
					  struct message *reply);
enum dispatch_result handler_general_caches(struct call *call, const struct message *request,
					    struct message *reply);
enum dispatch_result handler_alloc_objects(struct call *call, const struct message *request,
					   struct message *reply);
enum dispatch_result handler_free_objects(struct call *call, const struct message *request,
					  struct message *reply);

/* Makes *reply a refusal with a text for people. Returns DISPATCH_REPLY. */
enum dispatch_result handler_refuse(struct call *call, struct message *reply, unsigned status,
				    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same, for limits of a pool that quota_refuse() has found to stand in the way; not 0. */
enum dispatch_result handler_refuse_limits(struct call *call, const struct pools_pool *pool,
					   uint64_t limits, struct message *reply);

/* The same, when not even one of what `wanted` says, nr_pages each, was granted: `demand` says why.
 */
enum dispatch_result handler_refuse_alloc(struct call *call, const struct pools_pool *pool,
					  const struct pool_request *request,
					  const struct pool_demand *demand, uint32_t nr_pages,
					  const char *wanted, struct message *reply);

/* What the core is asked for; false when it can't be served at all: then *reply is the refusal. */
bool handler_place(struct call *call, const struct pools_pool *pool, uint64_t id,
		   const struct message_placement *placement, struct pool_request *ret,
		   struct message *reply);

/*
 * The number of the cache that a handle names. CACHES_MAX when there is none (any more): *reply is
 * the refusal.
 */
uint32_t handler_find_cache(struct call *call, const struct pools_pool *pool, uint32_t handle,
			    struct message *reply);

/* The pool that is named, NULL for ""; false when there is none: then *reply is the refusal. */
bool handler_only_pool(struct call *call, const char *name, const struct pools_pool **ret,
		       struct message *reply);

/* Blocks in one reply. With the longest names they fit a frame: see handler_list.c. */
#define HANDLER_BLOCKS_MAX 384u

/* A block as lists show it; of a slab, what this client holds in it, or all do (slot < 0). */
struct message_block_info handler_describe_block(const struct pools_pool *pool, unsigned zone,
						 const struct zone_block *block, int slot);

/*
 * A pool as a connection names it: its index, and whether it was opened for reading only. So one
 * connection can have the same pool open both ways.
 */
static inline uint32_t handler_pool_handle(unsigned index, bool read_only)
{
	return (uint32_t)index << 1 | read_only;
}

/* The pool of a handle that this client opened. NULL when it must not: *reply is the refusal. */
struct pools_pool *handler_find_pool(struct call *call, uint32_t handle, struct message *reply);
/* The same, for a request that changes something. */
struct pools_pool *handler_find_writable_pool(struct call *call, uint32_t handle,
					      struct message *reply);
