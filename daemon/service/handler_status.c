/* SPDX-License-Identifier: MIT */
/*
 * Requests that show how pools and zones stand.
 *
 * Counting the free blocks of a zone means reading its index, which for a large zone takes
 * milliseconds. So a status is gathered a few zones, or a part of one, a round: what was learnt is
 * kept with the client, and the session gives the request again until all zones are known. Numbers
 * that take several rounds may be of different moments.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/zone.h"
#include "proto/message.h"
#include "service/handlers.h"
#include "service/loop.h"
#include "service/state.h"

#define SURVEY_ROUND_PAGES (UINT64_C(1) << 21) /* 8 GiB: up to 0.3 ms, when fragmented */

_Static_assert(SERVICE_POOLS_MAX <= MESSAGE_POOLS_MAX, "all pools fit one reply");

/* What is known by now, for the request that is being served. */
struct survey {
	unsigned nr_known;
	uint32_t cursor;                  /* within the next zone */
	struct message_zone_info zones[]; /* room for those of all pools */
};

static struct survey *handler_survey(struct call *call)
{
	struct survey **survey = &call->client->survey;
	size_t nr_zones = pools_count_zones(&call->service->pools);

	if (!*survey)
		*survey = calloc(1, sizeof(**survey) + nr_zones * sizeof((*survey)->zones[0]));
	return *survey;
}

/* Goes on with the zones of these pools. True when all are known. */
static bool handler_survey_pools(struct survey *survey, const struct pools_pool *pools,
				 unsigned nr_pools)
{
	uint64_t nr_pages = 0;
	unsigned position = 0;

	for (unsigned i = 0; i < nr_pools; i++)
		for (unsigned j = 0; j < pools[i].nr_zones; j++, position++) {
			if (position < survey->nr_known)
				continue;
			if (nr_pages >= SURVEY_ROUND_PAGES ||
			    !pools_describe_zone(&pools[i], j, SURVEY_ROUND_PAGES, &survey->cursor,
						 &survey->zones[position]))
				return false;
			nr_pages += zone_nr_pages(pools[i].zones[j].zone);
			survey->cursor = 0;
			survey->nr_known++;
		}
	survey->nr_known = 0; /* for the next request; what was learnt stays until it is encoded */
	return true;
}

enum dispatch_result handler_get_status(struct call *call, const struct message *request,
					struct message *reply)
{
	static struct message_pool_info infos[SERVICE_POOLS_MAX]; /* until the reply is encoded */
	const struct service *service = call->service;
	const struct pools *pools = &service->pools;
	struct survey *survey = handler_survey(call);
	size_t nr_zones = 0;

	(void)request;
	if (!survey)
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "the daemon has no memory for a status");
	if (!handler_survey_pools(survey, pools->pools, pools->nr_pools))
		return DISPATCH_MORE;

	for (unsigned i = 0; i < pools->nr_pools; i++) {
		const struct pools_pool *pool = &pools->pools[i];

		pools_describe(pool, call->client->slot, &survey->zones[nr_zones], &infos[i]);
		nr_zones += pool->nr_zones;
	}
	reply->type = MESSAGE_STATUS_INFO;
	reply->u.status_info.version = PAGEPOOL_VERSION;
	reply->u.status_info.pid = getpid();
	reply->u.status_info.uptime_s = (loop_now_ms(service->loop) - service->started_ms) / 1000;
	reply->u.status_info.clients = clients_count(&service->clients);
	reply->u.status_info.pools = infos;
	reply->u.status_info.nr_pools = pools->nr_pools;
	return DISPATCH_REPLY;
}

enum dispatch_result handler_pool_stat(struct call *call, const struct message *request,
				       struct message *reply)
{
	struct survey *survey = handler_survey(call);
	const struct pools_pool *pool = handler_find_pool(call, request->u.pool_stat.pool, reply);

	if (!pool)
		return DISPATCH_REPLY;
	if (!survey)
		return handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
				      "the daemon has no memory for a status");
	if (!handler_survey_pools(survey, pool, 1))
		return DISPATCH_MORE;

	reply->type = MESSAGE_POOL_INFO;
	pools_describe(pool, call->client->slot, survey->zones, &reply->u.pool_info);
	return DISPATCH_REPLY;
}
