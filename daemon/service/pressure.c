/* SPDX-License-Identifier: MIT */
/*
 * Pressure: which zones are short, and since when it matters.
 *
 * A zone's watermarks say what its free pages allow now. But one that has once been taken below low
 * is meant to come back to high, not to waver around low: so its gravest demand is kept until it is
 * at high again, and until then it is under pressure. The log is told once on each way down. Pages
 * that the contiguous area has free count for a demand that could have been served with them, and
 * for no other: they would end the pressure of unmovable blocks while those are still refused.
 *
 * Demands that are a holder's limit or a block too large are not the zone's shortness.
 */

#include "service/pressure.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/pool.h"
#include "core/zone.h"
#include "service/log.h"
#include "service/pools.h"

static bool pressure_is_over(const struct pools_zone *zone)
{
	const struct pool_demand *demand = &zone->demand;

	return zone_room(zone->zone, ZONE_MARK_NONE, UINT32_C(1) << demand->order,
			 demand->mobility) >= zone_watermarks(zone->zone).high;
}

static void pressure_tell(const struct pools_pool *pool, const struct pools_zone *zone,
			  const struct pool_demand *demand)
{
	double mib = (double)(PAGE_BYTES >> 10) / 1024;
	char kept[64] = "";

	if (zone_nr_contiguous(zone->zone))
		snprintf(kept, sizeof(kept), " (%.1f MiB of it in the contiguous area)",
			 zone_nr_contiguous_free(zone->zone) * mib);
	if (demand->level == POOL_DEMAND_MIN)
		log_print_caused(
			LOG_WARNING,
			"pool '%s': %s refuses blocks of order %u: they would go below its "
			"min watermark, with %.1f MiB free%s",
			pool->config->name, zone->name, demand->order,
			zone_nr_free(zone->zone) * mib, kept);
	else
		log_print_caused(LOG_NOTICE,
				 "pool '%s': %s is down to its low watermark with %.1f MiB free%s: "
				 "it lacks %.1f MiB to its high one",
				 pool->config->name, zone->name, zone_nr_free(zone->zone) * mib,
				 kept, (double)demand->nr_pages * mib);
}

void pressure_note(struct pools_pool *pool, const struct pool_demand *demand)
{
	struct pools_zone *zone = &pool->zones[demand->zone];

	if (demand->level > POOL_DEMAND_MIN || !pool->core.zones[demand->zone])
		return;
	if (zone->demand.level && pressure_is_over(zone))
		zone->demand.level = POOL_DEMAND_NONE;
	if (demand->level <= zone->demand.level)
		return;
	zone->demand = *demand;
	pressure_tell(pool, zone, demand);
}

enum message_pressure pressure_of(const struct pools_zone *zone)
{
	if (zone_room(zone->zone, ZONE_MARK_MIN, 1, MOBILITY_MOVABLE) == 0)
		return MESSAGE_PRESSURE_MIN;
	if (zone_room(zone->zone, ZONE_MARK_LOW, 1, MOBILITY_MOVABLE) == 0)
		return MESSAGE_PRESSURE_LOW;
	return zone->demand.level && !pressure_is_over(zone) ? MESSAGE_PRESSURE_LOW
							     : MESSAGE_PRESSURE_NONE;
}
