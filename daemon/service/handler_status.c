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
#include <string.h>
#include <unistd.h>

#include "core/zone.h"
#include "proto/message.h"
#include "service/handlers.h"
#include "service/loop.h"
#include "service/state.h"

#define SURVEY_ROUND_PAGES (UINT64_C(1) << 21) /* 8 GiB: up to 0.3 ms, when fragmented */

_Static_assert(SERVICE_POOLS_MAX <= MESSAGE_POOLS_MAX, "all pools fit one reply");
_Static_assert((int)POOL_NR_POLICIES == MESSAGE_NR_POLICIES, "the protocol tells all policies");

_Static_assert((int)ZONE_NR_GROUPS == MESSAGE_NR_GROUPS, "the protocol counts groups as the core");

/* What is known by now, for the request that is being served. */
struct survey {
	unsigned nr_known;
	uint32_t cursor;                                     /* within the next zone */
	struct zone_counts counts;                           /* of it */
	struct message_group_info (*groups)[ZONE_NR_GROUPS]; /* behind zones[], of one pool's */
	struct message_zone_info zones[];                    /* room for those of all pools */
};

/* The pools that a request is about. */
struct survey_scope {
	const struct pools_pool *pools;
	unsigned nr_pools;
	bool groups; /* wanted; of one pool only */
};

static struct survey *survey_new(const struct pools *pools)
{
	size_t nr_zones = pools_count_zones(pools), nr_zones_max = 0;
	struct survey *survey;

	for (unsigned i = 0; i < pools->nr_pools; i++)
		if (pools->pools[i].nr_zones > nr_zones_max)
			nr_zones_max = pools->pools[i].nr_zones;
	survey = calloc(1, sizeof(*survey) + nr_zones * sizeof(survey->zones[0]) +
				   nr_zones_max * sizeof(survey->groups[0]));
	if (survey)
		survey->groups = (void *)&survey->zones[nr_zones];
	return survey;
}

/* NULL, and *reply is the refusal. */
static struct survey *handler_survey(struct call *call, struct message *reply)
{
	struct survey **survey = &call->client->survey;

	if (!*survey)
		*survey = survey_new(&call->service->pools);
	if (!*survey)
		handler_refuse(call, reply, MESSAGE_STATUS_NO_MEMORY,
			       "the daemon has no memory for a status");
	return *survey;
}

static void survey_add_groups(struct survey *survey, unsigned position)
{
	struct message_group_info *groups = survey->groups[position];

	for (unsigned i = 0; i < ZONE_NR_GROUPS; i++) {
		groups[i].group = i;
		groups[i].pageblocks = survey->counts.groups[i].nr_pageblocks;
		memcpy(groups[i].free_blocks, survey->counts.groups[i].free_blocks,
		       sizeof(groups[i].free_blocks));
	}
	survey->zones[position].groups = groups;
	survey->zones[position].nr_groups = ZONE_NR_GROUPS;
}

/* Goes on with the zones of these pools. True when all are known. */
static bool survey_pools(struct survey *survey, const struct survey_scope *scope)
{
	uint64_t nr_pages = 0;
	unsigned position = 0;

	for (unsigned i = 0; i < scope->nr_pools; i++)
		for (unsigned j = 0; j < scope->pools[i].nr_zones; j++, position++) {
			const struct zone *zone = scope->pools[i].core.zones[j];

			if (position < survey->nr_known)
				continue;
			if (nr_pages >= SURVEY_ROUND_PAGES ||
			    !pools_describe_zone(&scope->pools[i], j, SURVEY_ROUND_PAGES,
						 &survey->cursor, &survey->counts,
						 &survey->zones[position]))
				return false;
			if (zone && scope->groups)
				survey_add_groups(survey, position);
			nr_pages += zone ? zone_nr_pages(zone) : 0;
			survey->cursor = 0;
			survey->nr_known++;
		}
	survey->nr_known = 0; /* for the next request; what was learnt stays until it is encoded */
	return true;
}

/* False when the request makes no sense: then *reply is the refusal. */
static bool handler_scope(struct call *call, const struct message *request,
			  struct survey_scope *ret, struct message *reply)
{
	const struct pools *pools = &call->service->pools;
	const char *name = request->u.get_status.pool;
	bool groups = request->u.get_status.groups;

	*ret = (struct survey_scope){ pools->pools, pools->nr_pools, groups };
	if (name[0] == '\0' && groups)
		handler_refuse(call, reply, MESSAGE_STATUS_INVALID,
			       "groups are told of one pool at a time");
	if (name[0] == '\0')
		return !groups;
	ret->pools = pools_find(pools, name);
	ret->nr_pools = 1;
	if (!ret->pools)
		handler_refuse(call, reply, MESSAGE_STATUS_NOT_FOUND, "there is no pool '%s'",
			       name);
	return ret->pools;
}

enum dispatch_result handler_get_status(struct call *call, const struct message *request,
					struct message *reply)
{
	/* Until the reply is encoded. */
	static struct message_policy_info policies[SERVICE_POOLS_MAX][POOL_NR_POLICIES];
	static struct message_pool_info infos[SERVICE_POOLS_MAX];
	const struct service *service = call->service;
	struct survey *survey = handler_survey(call, reply);
	struct survey_scope scope;
	size_t nr_zones = 0;

	if (!survey || !handler_scope(call, request, &scope, reply))
		return DISPATCH_REPLY;
	if (!survey_pools(survey, &scope))
		return DISPATCH_MORE;

	for (unsigned i = 0; i < scope.nr_pools; i++) {
		pools_describe(&scope.pools[i], call->client->slot, &survey->zones[nr_zones],
			       policies[i], &infos[i]);
		nr_zones += scope.pools[i].nr_zones;
	}
	reply->type = MESSAGE_STATUS_INFO;
	reply->u.status_info.version = PAGEPOOL_VERSION;
	reply->u.status_info.pid = getpid();
	reply->u.status_info.uptime_s = (loop_now_ms(service->loop) - service->started_ms) / 1000;
	reply->u.status_info.clients = clients_count(&service->clients);
	reply->u.status_info.pools = infos;
	reply->u.status_info.nr_pools = scope.nr_pools;
	return DISPATCH_REPLY;
}

enum dispatch_result handler_pool_stat(struct call *call, const struct message *request,
				       struct message *reply)
{
	static struct message_policy_info policies[POOL_NR_POLICIES]; /* until it is encoded */
	const struct pools_pool *pool = handler_find_pool(call, request->u.pool_stat.pool, reply);
	const struct survey_scope scope = { .pools = pool, .nr_pools = 1 };
	struct survey *survey = pool ? handler_survey(call, reply) : NULL;

	if (!survey)
		return DISPATCH_REPLY;
	if (!survey_pools(survey, &scope))
		return DISPATCH_MORE;

	reply->type = MESSAGE_POOL_INFO;
	pools_describe(pool, call->client->slot, survey->zones, policies, &reply->u.pool_info);
	return DISPATCH_REPLY;
}
