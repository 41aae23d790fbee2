/* SPDX-License-Identifier: MIT */

/* A core on a truth. See core.h. */

#include <errno.h>

#include "fault/core.h"

size_t core_truth_bytes(const struct zone_config *config)
{
	return zone_ledger_bytes(config) + CORE_NR_SLOTS * sizeof(struct slot);
}

struct slot *core_truth_slots(const struct zone_config *config, void *truth)
{
	return (struct slot *)((char *)truth + zone_ledger_bytes(config));
}

/* A new size may have been stored and not yet have become true. */
static void finish_resize(struct zone *zone)
{
	while (!zone_resize_step(zone, CORE_PAGES_MAX))
		;
}

int core_open(struct core *core, const struct zone_config *config, void *truth, void *index,
	      struct zone_fault *ret)
{
	struct zone_fault fault = { .what = "zone_open() refused the shape" };

	if (zone_open(&core->zone, config, truth, index, &fault) ||
	    slot_table_open(&core->slots, CORE_NR_SLOTS, core_truth_slots(config, truth))) {
		*ret = fault;
		return -EUCLEAN;
	}
	finish_resize(&core->zone);
	return 0;
}
