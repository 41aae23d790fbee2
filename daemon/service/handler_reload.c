/* SPDX-License-Identifier: MIT */
/* The request to read the configuration again: what SIGHUP does, with an answer. */

#include <errno.h>
#include <unistd.h>

#include "proto/message.h"
#include "service/handlers.h"
#include "service/log.h"
#include "service/state.h"

enum dispatch_result handler_reload(struct call *call, const struct message *request,
				    struct message *reply)
{
	const struct access_peer *peer = &call->client->peer.credentials;

	if (peer->uid != 0 && peer->uid != geteuid()) {
		log_print_caused(LOG_NOTICE, "refused a reload to '%s' (pid %d, uid %u)",
				 call->client->name, (int)peer->pid, (unsigned)peer->uid);
		return handler_refuse(call, reply, MESSAGE_STATUS_ACCESS,
				      "only root and the daemon's own user may reload");
	}
	switch (reloader_ask(&call->service->reloader, call->client, request->id)) {
	case 0:
		return DISPATCH_LATER;
	case -ENOTSUP:
		return handler_refuse(call, reply, MESSAGE_STATUS_UNSUPPORTED,
				      "this daemon has no configuration to read again");
	default:
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "the daemon has no memory for a reload");
	}
}
