/* SPDX-License-Identifier: MIT */

/* A core on a truth. See core.h. */

#include <errno.h>

#include "fault/core.h"

static size_t slots_bytes(void)
{
	return CORE_NR_SLOTS * sizeof(struct slot);
}

size_t core_truth_bytes(const struct zone_config *config)
{
	return zone_ledger_bytes(config) + slots_bytes() + cache_ledger_bytes(CORE_NR_CACHES);
}

/* Of a zone with these caches. */
static struct zone_config with_caches(const struct zone_config *config,
				      const struct cache_table *caches)
{
	struct zone_config whole = *config;

	whole.caches = caches;
	return whole;
}

size_t core_index_bytes(const struct zone_config *config)
{
	const struct cache_table caches = { .nr_caches = CORE_NR_CACHES };
	const struct zone_config whole = with_caches(config, &caches);

	return cache_index_bytes(CORE_NR_CACHES) + zone_index_bytes(&whole);
}

struct slot *core_truth_slots(const struct zone_config *config, void *truth)
{
	return (struct slot *)((char *)truth + zone_ledger_bytes(config));
}

struct cache_record *core_truth_caches(const struct zone_config *config, void *truth)
{
	return (struct cache_record *)((char *)core_truth_slots(config, truth) + slots_bytes());
}

/* The pool looks at nothing of its zone but at its number, so it can be made before it. */
static int make_pool(struct core *core, const struct zone_config *config)
{
	static const uint8_t distances[POOL_ZONES_MAX * POOL_ZONES_MAX];
	struct zone *zones[POOL_ZONES_MAX] = { NULL };

	core->zone.index_in_pool = config->index;
	zones[config->index] = &core->zone;
	if (pool_init(&core->pool, zones, config->index + 1, distances))
		return -EINVAL;
	core->pool.caches = &core->caches;
	return 0;
}

int core_open_caches(struct core *core, const struct zone_config *config, void *truth, void *index,
		     struct zone_fault *ret)
{
	uint32_t number = 0;

	if (!cache_table_open(&core->caches, CORE_NR_CACHES, 0, core_truth_caches(config, truth),
			      index, &number) &&
	    !make_pool(core, config))
		return 0;
	*ret = (struct zone_fault){ number, "the table of caches can't be opened" };
	return -EUCLEAN;
}

/* A new size may have been stored and not yet have become true. */
static void finish_resize(struct zone *zone)
{
	while (!zone_resize_step(zone, CORE_PAGES_MAX))
		;
}

int core_open_zone(struct core *core, const struct zone_config *config, void *truth, void *index,
		   struct zone_fault *ret)
{
	const struct zone_config whole = with_caches(config, &core->caches);
	struct zone_fault fault = { .what = "zone_open() refused the shape" };

	index = (char *)index + cache_index_bytes(CORE_NR_CACHES);
	if (zone_open(&core->zone, &whole, truth, index, &fault) ||
	    slot_table_open(&core->slots, CORE_NR_SLOTS, core_truth_slots(config, truth))) {
		*ret = fault;
		return -EUCLEAN;
	}
	finish_resize(&core->zone);
	return 0;
}

int core_open(struct core *core, const struct zone_config *config, void *truth, void *index,
	      struct zone_fault *ret)
{
	int r = core_open_caches(core, config, truth, index, ret);

	return r ? r : core_open_zone(core, config, truth, index, ret);
}
