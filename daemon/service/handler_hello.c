/* SPDX-License-Identifier: MIT */
/*
 * Requests about the connection itself: hello, ping, goodbye.
 *
 * Hello is where a connection becomes a client: the newest version that both sides speak is chosen,
 * the limits of this daemon are told, and a slot is given by which the ledger names its blocks.
 * Goodbye is the way back; its answer comes when nothing is held any more.
 */

#include "proto/frame.h"
#include "proto/message.h"
#include "service/handlers.h"
#include "service/state.h"

enum dispatch_result handler_hello(struct call *call, const struct message *request,
				   struct message *reply)
{
	unsigned version_min = request->u.hello.version_min;
	unsigned version_max = request->u.hello.version_max;

	if (version_min > version_max)
		return handler_refuse(call, reply, MESSAGE_STATUS_PROTOCOL,
				      "hello names versions %u to %u, which are none", version_min,
				      version_max);
	if (version_min > MESSAGE_VERSION || version_max < MESSAGE_VERSION_MIN)
		return handler_refuse(call, reply, MESSAGE_STATUS_VERSION,
				      "the client speaks versions %u to %u, this daemon %u to %u",
				      version_min, version_max, MESSAGE_VERSION_MIN,
				      MESSAGE_VERSION);

	switch (clients_admit(&call->service->clients, call->client)) {
	case CLIENTS_E_FULL:
		return handler_refuse(call, reply, MESSAGE_STATUS_LIMIT,
				      "this daemon has no room for another client, it has %u",
				      clients_count(&call->service->clients));
	case CLIENTS_E_UID:
		return handler_refuse(
			call, reply, MESSAGE_STATUS_LIMIT,
			"uid %u has as many clients as one user may, %u",
			(unsigned)call->client->peer.credentials.uid,
			clients_share(&call->service->clients, &call->client->peer.credentials));
	}
	client_welcome(call->client, request->u.hello.name);

	reply->type = MESSAGE_WELCOME;
	reply->u.welcome.version = version_max < MESSAGE_VERSION ? version_max : MESSAGE_VERSION;
	reply->u.welcome.client = call->client->slot;
	reply->u.welcome.features = 0;
	reply->u.welcome.limits = (struct message_limits){
		.frame_bytes = FRAME_BYTES_MAX,
		.batch_blocks = MESSAGE_BATCH_BLOCKS_MAX,
		.in_flight = MESSAGE_IN_FLIGHT_MAX,
		.name_bytes = MESSAGE_NAME_BYTES_MAX,
	};
	reply->u.welcome.daemon_version = PAGEPOOL_VERSION;
	return DISPATCH_REPLY;
}

enum dispatch_result handler_ping(struct call *call, const struct message *request,
				  struct message *reply)
{
	(void)call;
	(void)request;
	(void)reply;
	return DISPATCH_REPLY;
}

enum dispatch_result handler_goodbye(struct call *call, const struct message *request,
				     struct message *reply)
{
	(void)reply;
	client_say_goodbye(call->client, request->id);
	return DISPATCH_LATER;
}
