/* SPDX-License-Identifier: MIT */
#pragma once

/* The handlers, one a request, and what several of them need. */

#include <stdbool.h>
#include <stdint.h>

#include "service/dispatch.h"

struct message_placement;
struct pools_pool;

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
enum dispatch_result handler_list_limits(struct call *call, const struct message *request,
					 struct message *reply);
enum dispatch_result handler_reload(struct call *call, const struct message *request,
				    struct message *reply);
enum dispatch_result handler_check(struct call *call, const struct message *request,
				   struct message *reply);
enum dispatch_result handler_plan_contiguous(struct call *call, const struct message *request,
					     struct message *reply);

/* Makes *reply a refusal with a text for people. Returns DISPATCH_REPLY. */
enum dispatch_result handler_refuse(struct call *call, struct message *reply, unsigned status,
				    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same, for limits of a pool that quota_refuse() has found to stand in the way; not 0. */
enum dispatch_result handler_refuse_limits(struct call *call, const struct pools_pool *pool,
					   uint64_t limits, struct message *reply);

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
