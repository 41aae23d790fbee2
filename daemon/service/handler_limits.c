/* SPDX-License-Identifier: MIT */
/*
 * Requests about limits: the list of them, and the refusals that they cause.
 *
 * The list comes in parts like the others (handler_list.c). Anybody who is connected may read it,
 * as whoever is refused for another's reserve must be able to see whose it is.
 */

#include "core/quota.h"
#include "proto/message.h"
#include "service/handlers.h"
#include "service/state.h"

enum dispatch_result handler_list_limits(struct call *call, const struct message *request,
					 struct message *reply)
{
	static struct message_limit_info infos[MESSAGE_LIMITS_MAX]; /* until it is encoded */
	uint64_t cursor = request->u.list_limits.start;
	size_t nr_infos = 0;

	while (nr_infos < MESSAGE_LIMITS_MAX &&
	       limits_next(&call->service->limits, &cursor, &infos[nr_infos]))
		nr_infos++;
	reply->type = MESSAGE_LIMIT_LIST;
	reply->u.limit_list.limits = infos;
	reply->u.limit_list.nr_limits = nr_infos;
	reply->u.limit_list.next = nr_infos == MESSAGE_LIMITS_MAX ? cursor : 0;
	return DISPATCH_REPLY;
}

/* To be above a limit of one's own is one thing, to find all that is left reserved another. */
enum dispatch_result handler_refuse_limits(struct call *call, const struct pools_pool *pool,
					   uint64_t limits, struct message *reply)
{
	unsigned slot = call->client->slot;
	bool is_own = limits & pool->core.quota->slots[slot].mask;
	char text[LIMITS_TEXT_BYTES];

	return handler_refuse(call, reply, is_own ? MESSAGE_STATUS_LIMIT : MESSAGE_STATUS_NO_MEMORY,
			      "%s", limits_say(&call->service->limits, pool, slot, limits, text));
}
