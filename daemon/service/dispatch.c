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

struct dispatch_entry {
	dispatch_fn handle;
	bool is_long; /* may take a good part of a millisecond */
};

static const struct dispatch_entry dispatch_table[MESSAGE_NR_TYPES] = {
	[MESSAGE_HELLO] = { handler_hello, false },
	[MESSAGE_PING] = { handler_ping, false },
	[MESSAGE_GOODBYE] = { handler_goodbye, true },
	[MESSAGE_POOL_OPEN] = { handler_pool_open, false },
	[MESSAGE_POOL_CLOSE] = { handler_pool_close, false },
	[MESSAGE_POOL_STAT] = { handler_pool_stat, true },
	[MESSAGE_ALLOC] = { handler_alloc, false },
	[MESSAGE_ALLOC_EXACT] = { handler_alloc_exact, false },
	[MESSAGE_FREE] = { handler_free, false },
	[MESSAGE_FREE_EXACT] = { handler_free_exact, false },
	[MESSAGE_GET_STATUS] = { handler_get_status, true },
	[MESSAGE_LIST_CLIENTS] = { handler_list_clients, true },
	[MESSAGE_LIST_BLOCKS] = { handler_list_blocks, true },
	[MESSAGE_CHECK] = { handler_check, true },
};

static enum dispatch_result dispatch_refuse(struct message *reply, enum message_status status,
					    const char *why)
{
	reply->status = status;
	reply->error = why;
	return DISPATCH_REPLY;
}

static enum dispatch_result dispatch_handle(const struct dispatch_entry *entry, struct call *call,
					    const struct message *request, struct message *reply)
{
	bool is_new = call->client->state == CLIENT_NEW;

	if (is_new && request->type != MESSAGE_HELLO)
		return dispatch_refuse(reply, MESSAGE_STATUS_PROTOCOL, "hello must come first");
	if (!is_new && request->type == MESSAGE_HELLO)
		return dispatch_refuse(reply, MESSAGE_STATUS_PROTOCOL, "hello comes only once");
	if (call->client->state > CLIENT_LIVE)
		return dispatch_refuse(reply, MESSAGE_STATUS_PROTOCOL, "goodbye was said");
	if (!entry || !entry->handle)
		return dispatch_refuse(reply, MESSAGE_STATUS_UNSUPPORTED,
				       "this daemon does not know the request");
	return entry->handle(call, request, reply);
}

enum session_verdict dispatch_request(struct service *service, struct client *client,
				      const struct message *request)
{
	const struct dispatch_entry *entry =
		request->type < MESSAGE_NR_TYPES ? &dispatch_table[request->type] : NULL;
	struct message reply = { .id = request->id, .error = "" };
	struct call call;

	call.service = service;
	call.client = client;
	call.nr_fds = 0;
	enum dispatch_result result = dispatch_handle(entry, &call, request, &reply);
	if (result == DISPATCH_REPLY)
		client_reply(client, &reply, call.fds, call.nr_fds);
	for (unsigned i = 0; i < call.nr_fds; i++)
		close(call.fds[i]);
	if (result == DISPATCH_AGAIN)
		return SESSION_AGAIN;
	if (result == DISPATCH_MORE)
		return SESSION_MORE;
	return entry && entry->is_long ? SESSION_YIELD : SESSION_NEXT;
}
