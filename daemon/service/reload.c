/* SPDX-License-Identifier: MIT */
/*
 * From a configuration that was read again to changes of the running daemon.
 *
 * First everything is checked, zone by zone, then everything is applied, and applying can't fail:
 * so a mistake anywhere changes nothing. Growing may still find the memory missing; that is told
 * when it is known (resize.c), and the zone then stays what it was.
 *
 * What is applied is taken over into the service's own configuration, key by key. What needs a
 * restart is named each time, and is not taken over: the next reload names it again.
 *
 * Access lists are for those who open a pool from now on. Who has it open has its memory mapped,
 * and no word of ours takes that back.
 */

#include "service/reload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/zone.h"
#include "service/backing.h"
#include "service/log.h"
#include "service/settings.h"
#include "service/sizing.h"
#include "service/state.h"

#define MIB (UINT64_C(1) << 20)

void reload_lines_deinit(struct reload_lines *lines)
{
	while (lines->nr_lines)
		free(lines->lines[--lines->nr_lines]);
}

void reload_say(struct reload_lines *lines, int level, const char *format, ...)
{
	char text[RELOAD_LINE_BYTES_MAX];
	char *line;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_print(level, "reload: %s", text);
	line = lines->nr_lines < RELOAD_LINES_MAX ? strdup(text) : NULL;
	if (line)
		lines->lines[lines->nr_lines++] = line;
	if (level > LOG_ERR)
		return;
	if (lines->nr_errors++ == 0)
		lines->first_error = line;
}

/* What is the same. */

static bool is_same_size(const struct service_size *a, const struct service_size *b)
{
	return a->permyriad == b->permyriad && (a->permyriad || a->bytes == b->bytes);
}

static bool is_same_list(const struct access_list *a, const struct access_list *b)
{
	if (a->nr_entries != b->nr_entries)
		return false;
	for (size_t i = 0; i < a->nr_entries; i++)
		if (a->entries[i].is_group != b->entries[i].is_group ||
		    a->entries[i].id != b->entries[i].id)
			return false;
	return true;
}

static bool is_same_limit(const struct service_limit_config *a,
			  const struct service_limit_config *b)
{
	return settings_is_same_limit(a, b) && is_same_size(&a->min, &b->min) &&
	       is_same_size(&a->low, &b->low) && is_same_size(&a->high, &b->high) &&
	       is_same_size(&a->max, &b->max);
}

static bool are_same_limits(const struct service_config *a, const struct service_config *b)
{
	if (a->nr_limits != b->nr_limits)
		return false;
	for (size_t i = 0; i < a->nr_limits; i++)
		if (!is_same_limit(&a->limits[i], &b->limits[i]))
			return false;
	return true;
}

static struct service_pool_config *find_pool(const struct service_config *config, const char *name)
{
	for (size_t i = 0; i < config->nr_pools; i++)
		if (strcmp(config->pools[i].name, name) == 0)
			return &config->pools[i];
	return NULL;
}

/* Checking: what each zone's sizes come to. */

static unsigned find_position(const struct topology *topology, const struct pools_zone *zone)
{
	unsigned position = 0;

	while (topology->nodes[position].node != backing_node(zone->backing))
		position++;
	return position;
}

/* The pool as it will be: what can't change yet is as it was. */
static struct service_pool_config merge_pool(const struct service_pool_config *now,
					     const struct service_pool_config *fresh)
{
	struct service_pool_config merged = *now;

	merged.access = fresh->access;
	merged.read_access = fresh->read_access;
	merged.size = fresh->size;
	merged.watermark_min = fresh->watermark_min;
	merged.watermark_low = fresh->watermark_low;
	merged.watermark_high = fresh->watermark_high;
	return merged;
}

static void check_zone(const struct service *service, const struct service_pool_config *merged,
		       const struct pools_zone *zone, struct sizing *ret,
		       struct reload_lines *lines)
{
	uint64_t capacity_bytes = backing_capacity_bytes(zone->backing);
	char why[SIZING_WHY_BYTES];

	if (sizing_resolve(merged, &service->topology, find_position(&service->topology, zone), ret,
			   why) < 0)
		reload_say(lines, LOG_ERR, "[pool %s] %s: %s", merged->name, zone->name, why);
	else if (ret->size_bytes >> PAGE_SHIFT < zone_nr_contiguous(zone->zone))
		reload_say(lines, LOG_ERR,
			   "[pool %s] size: %" PRIu64 " MiB are less than the contiguous area of "
			   "%s: choose more, or restart the daemon",
			   merged->name, ret->size_bytes / MIB, zone->name);
	else if (ret->size_bytes > capacity_bytes)
		reload_say(lines, LOG_ERR,
			   "[pool %s] size: %" PRIu64 " MiB are above the %" PRIu64
			   " MiB that %s has room for: choose less, or restart the daemon",
			   merged->name, ret->size_bytes / MIB, capacity_bytes / MIB, zone->name);
}

/* Fills in a sizing for each zone of pools that stay, in the order of all zones. */
static int check(const struct service *service, const struct service_config *fresh,
		 struct sizing *sizings, struct reload_lines *lines)
{
	for (unsigned i = 0; i < service->pools.nr_pools; i++) {
		const struct pools_pool *pool = &service->pools.pools[i];
		const struct service_pool_config *next = find_pool(fresh, pool->config->name);

		if (next) {
			struct service_pool_config merged = merge_pool(pool->config, next);

			for (unsigned j = 0; j < pool->nr_zones; j++)
				check_zone(service, &merged, &pool->zones[j], &sizings[j], lines);
		}
		sizings += pool->nr_zones;
	}
	return lines->nr_errors ? -EINVAL : 0;
}

/* Applying. */

static void say_restart(struct reload_lines *lines, bool is_changed, const char *section,
			const char *key)
{
	if (is_changed)
		reload_say(lines, LOG_WARNING, "[%s] %s: needs a restart", section, key);
}

static void compare_fixed(const struct service_pool_config *now,
			  const struct service_pool_config *fresh, struct reload_lines *lines)
{
	char section[SERVICE_NAME_BYTES_MAX + sizeof("pool ")];

	snprintf(section, sizeof(section), "pool %s", now->name);
	say_restart(lines, now->nodes != fresh->nodes, section, "nodes");
	say_restart(lines, now->page_bytes != fresh->page_bytes, section, "hugepages");
	say_restart(lines, !is_same_size(&now->contiguous, &fresh->contiguous), section,
		    "contiguous");
	say_restart(lines, now->max_order != fresh->max_order, section, "max_order");
	say_restart(lines, now->commit != fresh->commit, section, "commit");
	say_restart(lines, now->scrub != fresh->scrub, section, "scrub");
	say_restart(lines, now->debug_objects != fresh->debug_objects, section, "debug_objects");
}

static void say_access(const char *pool, const char *key, struct reload_lines *lines)
{
	reload_say(lines, LOG_INFO,
		   "[pool %s] %s: changed for who opens the pool from now on; who has it open "
		   "keeps it",
		   pool, key);
}

static void apply_sizing(struct service *service, const struct pools_pool *pool,
			 const struct pools_zone *zone, const struct sizing *sizing,
			 struct reload_lines *lines)
{
	uint64_t now_bytes = resizes_wanted_bytes(&service->resizes, zone);

	if (zone->damage[0])
		return; /* there is nothing to resize */
	if (sizing->size_bytes != now_bytes)
		reload_say(lines, LOG_INFO,
			   "[pool %s] size: %s %s from %" PRIu64 " to %" PRIu64 " MiB",
			   pool->config->name, zone->name,
			   sizing->size_bytes > now_bytes ? "grows" : "shrinks", now_bytes / MIB,
			   sizing->size_bytes / MIB);
	resizes_set(&service->resizes, zone, sizing);
}

static void apply_pool(struct service *service, const struct pools_pool *pool,
		       struct service_pool_config *now, const struct service_pool_config *fresh,
		       const struct sizing *sizings, struct reload_lines *lines)
{
	struct service_pool_config before = *now;

	*now = merge_pool(now, fresh);
	if (!is_same_list(&before.access, &now->access))
		say_access(now->name, "access", lines);
	if (!is_same_list(&before.read_access, &now->read_access))
		say_access(now->name, "read_access", lines);
	if (!is_same_size(&before.watermark_min, &now->watermark_min) ||
	    !is_same_size(&before.watermark_low, &now->watermark_low) ||
	    !is_same_size(&before.watermark_high, &now->watermark_high))
		reload_say(lines, LOG_INFO, "[pool %s] watermark: changed", now->name);
	for (unsigned i = 0; i < pool->nr_zones; i++)
		apply_sizing(service, pool, &pool->zones[i], &sizings[i], lines);
	compare_fixed(now, fresh, lines);
}

static void apply_pools(struct service *service, const struct service_config *fresh,
			const struct sizing *sizings, struct reload_lines *lines)
{
	for (unsigned i = 0; i < service->pools.nr_pools; i++) {
		const struct pools_pool *pool = &service->pools.pools[i];
		struct service_pool_config *now = &service->config->pools[i];
		const struct service_pool_config *next = find_pool(fresh, now->name);

		if (next)
			apply_pool(service, pool, now, next, sizings, lines);
		else
			reload_say(lines, LOG_WARNING,
				   "[pool %s] is gone, and is served as before: needs a restart",
				   now->name);
		sizings += pool->nr_zones;
	}
	for (size_t i = 0; i < fresh->nr_pools; i++)
		if (!find_pool(service->config, fresh->pools[i].name))
			reload_say(lines, LOG_WARNING, "[pool %s] is new: needs a restart",
				   fresh->pools[i].name);
}

static void apply_limits(struct service *service, struct service_config *fresh,
			 struct reload_lines *lines)
{
	struct service_config *now = service->config;
	struct service_limit_config *limits = now->limits;
	size_t nr_limits = now->nr_limits;

	if (!are_same_limits(now, fresh))
		reload_say(lines, LOG_INFO, "limits: changed; %zu now", fresh->nr_limits);
	now->limits = fresh->limits;
	now->nr_limits = fresh->nr_limits;
	fresh->limits = limits;
	fresh->nr_limits = nr_limits;
	/* Also those that stay: they may be parts of a pool whose size has changed. */
	limits_apply(&service->limits, now, &service->clients);
}

static void apply_daemon(struct service *service, const struct service_config *fresh,
			 struct reload_lines *lines)
{
	struct service_config *now = service->config;

	say_restart(lines, strcmp(now->socket_path, fresh->socket_path) != 0, "daemon", "socket");
	say_restart(lines, now->fake_nodes != fresh->fake_nodes, "daemon", "topology");
	if (service->is_private && !service_is_private(now))
		reload_say(lines, LOG_WARNING,
			   "[daemon] socket: is closed to other users, and needs a restart to let "
			   "them in");
	if (now->log_level == fresh->log_level)
		return;
	reload_say(lines, LOG_INFO, "[daemon] log_level: changed");
	now->log_level = fresh->log_level;
	log_set_level(now->log_level);
}

int reload_apply(struct service *service, struct service_config *fresh, struct reload_lines *lines)
{
	struct sizing *sizings = calloc(pools_count_zones(&service->pools), sizeof(*sizings));
	int error = sizings ? check(service, fresh, sizings, lines) : -ENOMEM;

	if (error == -ENOMEM)
		reload_say(lines, LOG_ERR, "no memory for it");
	if (error == 0) {
		apply_pools(service, fresh, sizings, lines);
		apply_limits(service, fresh, lines);
		apply_daemon(service, fresh, lines);
	}
	free(sizings);
	return error;
}
