/* SPDX-License-Identifier: MIT */
/*
 * The dispatch table.
 *
 * What holds for all requests is decided here, once: hello comes first and only once, what we do
 * not know is refused without harm, descriptors that a handler opened are closed when the reply has
 * been queued. So a handler is a function from a request and a client to a reply; it knows no
 * socket, and tests call it with a send of their own.
 */

#include "service/dispatch.h"

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "proto/message.h"
#include "service/client.h"
#include "service/handlers.h"

static const dispatch_fn dispatch_table[MESSAGE_NR_TYPES] = {
	[MESSAGE_HELLO] = handler_hello,
	[MESSAGE_PING] = handler_ping,
	[MESSAGE_GOODBYE] = handler_goodbye,
	[MESSAGE_POOL_OPEN] = handler_pool_open,
	[MESSAGE_POOL_CLOSE] = handler_pool_close,
	[MESSAGE_POOL_STAT] = handler_pool_stat,
	[MESSAGE_ALLOC] = handler_alloc,
	[MESSAGE_ALLOC_EXACT] = handler_alloc_exact,
	[MESSAGE_FREE] = handler_free,
	[MESSAGE_FREE_EXACT] = handler_free_exact,
	[MESSAGE_GET_STATUS] = handler_get_status,
	[MESSAGE_LIST_CLIENTS] = handler_list_clients,
	[MESSAGE_LIST_BLOCKS] = handler_list_blocks,
	[MESSAGE_CHECK] = handler_check,
	[MESSAGE_RELOAD] = handler_reload,
	[MESSAGE_LIST_LIMITS] = handler_list_limits,
	[MESSAGE_PLAN_CONTIGUOUS] = handler_plan_contiguous,
	[MESSAGE_CREATE_CACHE] = handler_create_cache,
	[MESSAGE_DESTROY_CACHE] = handler_destroy_cache,
	[MESSAGE_SHRINK_CACHE] = handler_shrink_cache,
	[MESSAGE_GENERAL_CACHES] = handler_general_caches,
	[MESSAGE_ALLOC_OBJECTS] = handler_alloc_objects,
	[MESSAGE_FREE_OBJECTS] = handler_free_objects,
	[MESSAGE_LIST_CACHES] = handler_list_caches,
	[MESSAGE_CHECK_OBJECTS] = handler_check_objects,
};

static enum dispatch_result dispatch_refuse(struct message *reply, enum message_status status,
					    const char *why)
{
	reply->status = status;
	reply->error = why;
	return DISPATCH_REPLY;
}

static enum dispatch_result dispatch_handle(struct call *call, const struct message *request,
					    struct message *reply)
{
	dispatch_fn handle =
		request->type < MESSAGE_NR_TYPES ? dispatch_table[request->type] : NULL;
	bool is_new = call->client->state == CLIENT_NEW;

	if (is_new && request->type != MESSAGE_HELLO)
		return dispatch_refuse(reply, MESSAGE_STATUS_PROTOCOL, "hello must come first");
	if (!is_new && request->type == MESSAGE_HELLO)
		return dispatch_refuse(reply, MESSAGE_STATUS_PROTOCOL, "hello comes only once");
	if (call->client->state > CLIENT_LIVE)
		return dispatch_refuse(reply, MESSAGE_STATUS_PROTOCOL, "goodbye was said");
	if (!handle)
		return dispatch_refuse(reply, MESSAGE_STATUS_UNSUPPORTED,
				       "this daemon does not know the request");
	return handle(call, request, reply);
}

enum session_verdict dispatch_request(struct service *service, struct client *client,
				      const struct message *request)
{
	struct message reply = { .id = request->id, .error = "" };
	struct call call;

	call.service = service;
	call.client = client;
	call.nr_fds = 0;
	enum dispatch_result result = dispatch_handle(&call, request, &reply);
	if (result == DISPATCH_REPLY)
		client_reply(client, &reply, call.fds, call.nr_fds);
	for (unsigned i = 0; i < call.nr_fds; i++)
		close(call.fds[i]);
	if (result == DISPATCH_AGAIN)
		return SESSION_AGAIN;
	if (result == DISPATCH_MORE)
		return SESSION_MORE;
	return SESSION_NEXT;
}
