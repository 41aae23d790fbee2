/* SPDX-License-Identifier: MIT */
/*
 * A zone is three memories and the core's zone over them: the segment that clients map, the ledger
 * that says who owns what of it, and the index that is derived from the ledger. They are made
 * together, with room for what the zone may grow to, and go together.
 */

#include "service/pools_zone.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/slab.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "proto/message.h"
#include "service/backing.h"
#include "service/hostmem.h"
#include "service/log.h"
#include "service/pressure.h"
#include "service/sizing.h"

#define POOLS_MEMFD_NAME_BYTES 128u
#define STAND_IN_LEDGER_BYTES 8192u /* a header, and the words of a page */

/* 16 full of words for a page of the smallest objects, and one for slabs that don't fill theirs. */
#define SLAB_UNITS_PER_PAGE 17u

_Static_assert(SLAB_UNITS_MAX % SLAB_ROOM_UNITS == 0, "all of it comes into use");

static uint32_t pools_zone_slab_units(uint32_t capacity_pages)
{
	uint64_t nr_units = (uint64_t)capacity_pages * SLAB_UNITS_PER_PAGE;

	nr_units = (nr_units + SLAB_ROOM_UNITS - 1) / SLAB_ROOM_UNITS * SLAB_ROOM_UNITS;
	return nr_units < SLAB_UNITS_MAX ? (uint32_t)nr_units : SLAB_UNITS_MAX;
}

/* But for the words of objects. */
static size_t pools_zone_ledger_bytes(uint64_t size_bytes)
{
	const struct zone_config shape = { .nr_pages = (uint32_t)(size_bytes >> PAGE_SHIFT) };

	return zone_ledger_bytes(&shape);
}

/* One page, and that a hole: nothing to grant, nothing held, and nobody has to ask. */
static int pools_zone_set_aside(struct pools_zone *zone, const struct zone_config *damaged,
				const struct zone_fault *fault)
{
	const struct zone_config config = { .index = damaged->index,
					    .nr_pages = 1,
					    .nr_slots = damaged->nr_slots };
	struct zone_fault none;

	snprintf(zone->damage, sizeof(zone->damage), "page %" PRIu32 ": %s", fault->pfn,
		 fault->what);
	index_memory_free(zone->index, zone->index_bytes);
	zone->index_bytes = zone_index_bytes(&config);
	zone->index = index_memory_new(zone->index_bytes);
	zone->stand_in = index_memory_new(STAND_IN_LEDGER_BYTES);
	if (!zone->index || !zone->stand_in)
		return -ENOMEM;
	assert(zone_ledger_bytes(&config) <= STAND_IN_LEDGER_BYTES);
	int error = zone_open(zone->zone, &config, zone->stand_in, zone->index, &none);
	if (error == 0)
		error = zone_mark_hole(zone->zone, 0, 1);
	assert(error == 0);
	return error;
}

int pools_zone_open(struct pools_zone *zone, const struct zone_config *config)
{
	struct zone_fault fault;

	zone->index_bytes = zone_index_bytes(config);
	zone->index = index_memory_new(zone->index_bytes);
	zone->zone = calloc(1, sizeof(*zone->zone));
	if (!zone->index || !zone->zone)
		return -ENOMEM;
	int error = zone_open(zone->zone, config, zone->ledger.memory, zone->index, &fault);
	return error == ZONE_E_DAMAGED ? pools_zone_set_aside(zone, config, &fault) : error;
}

static int pools_zone_init_core(struct pools_zone *zone, const struct service_pool_config *config,
				const struct zone_config *zone_config)
{
	size_t backed_bytes =
		pools_zone_ledger_bytes((uint64_t)zone_config->nr_pages << PAGE_SHIFT);
	char name[POOLS_MEMFD_NAME_BYTES];

	snprintf(name, sizeof(name), "pagepool-ledger:%s:%s", config->name, zone->name);
	int error = ledger_memory_init(&zone->ledger, name, zone_ledger_bytes(zone_config),
				       backed_bytes);
	if (error == 0)
		error = pools_zone_open(zone, zone_config);
	if (error < 0)
		log_error("pool '%s': can't make %s with a ledger of %zu KiB: %s", config->name,
			  zone->name, backed_bytes >> 10, strerror(-error));
	else if (zone->damage[0])
		log_error("pool '%s': %s is set aside, as its ledger is damaged at %s; nothing of "
			  "it is granted, the other zones are served",
			  config->name, zone->name, zone->damage);
	return error;
}

static int pools_zone_init_backing(struct pools_zone *zone,
				   const struct service_pool_config *config,
				   const struct pools_zone_place *place,
				   const struct sizing *sizing, struct worker_pool *workers)
{
	char name[POOLS_MEMFD_NAME_BYTES];

	snprintf(name, sizeof(name), "pagepool:%s:%s", config->name, zone->name);
	const struct backing_config backing_config = {
		.name = name,
		.node = place->node,
		.host_node = place->host_node,
		.size_bytes = sizing->size_bytes,
		.capacity_bytes = sizing->capacity_bytes,
		.page_bytes = config->page_bytes,
		.commit = config->commit,
		.scrub = config->scrub,
	};
	return backing_new(&backing_config, workers, &zone->backing);
}

int pools_zone_init(struct pools_zone *zone, const struct service_pool_config *config,
		    const struct pools_zone_place *place, const struct sizing *sizing,
		    unsigned nr_slots, struct worker_pool *workers)
{
	const struct zone_config zone_config = {
		.index = place->index,
		.nr_pages = (uint32_t)(sizing->size_bytes >> PAGE_SHIFT),
		.capacity_pages = (uint32_t)(sizing->capacity_bytes >> PAGE_SHIFT),
		.contiguous_pages = (uint32_t)(sizing->contiguous_bytes >> PAGE_SHIFT),
		.max_order = config->max_order,
		.nr_slots = nr_slots,
		.nr_slab_units =
			pools_zone_slab_units((uint32_t)(sizing->capacity_bytes >> PAGE_SHIFT)),
		.caches = place->caches,
	};

	*zone = (struct pools_zone){ .ledger = LEDGER_MEMORY_NULL };
	snprintf(zone->name, sizeof(zone->name), "node%u", place->node);
	int error = pools_zone_init_core(zone, config, &zone_config);
	if (error < 0)
		return error;
	pools_zone_set_watermarks(zone, sizing);
	return pools_zone_init_backing(zone, config, place, sizing, workers);
}

void pools_zone_deinit(struct pools_zone *zone)
{
	zone->backing = backing_free(zone->backing);
	free(zone->zone);
	zone->index = index_memory_free(zone->index, zone->index_bytes);
	zone->stand_in = index_memory_free(zone->stand_in, STAND_IN_LEDGER_BYTES);
	ledger_memory_deinit(&zone->ledger);
}

int pools_zone_prepare(const struct pools_zone *zone, uint64_t size_bytes)
{
	int error = ledger_memory_back(&zone->ledger, 0, pools_zone_ledger_bytes(size_bytes));

	return error < 0 ? error : backing_reserve(zone->backing, size_bytes);
}

void pools_zone_set_size(struct pools_zone *zone, const struct sizing *sizing)
{
	int error = zone_resize(zone->zone, (uint32_t)(sizing->size_bytes >> PAGE_SHIFT));

	assert(error == 0);
	(void)error;
	backing_set_size(zone->backing, sizing->size_bytes);
	pools_zone_set_watermarks(zone, sizing);
}

void pools_zone_set_watermarks(struct pools_zone *zone, const struct sizing *sizing)
{
	zone->min_bytes = sizing->min_bytes;
	zone->low_bytes = sizing->low_bytes;
	zone->high_bytes = sizing->high_bytes;
	zone_set_watermarks(zone->zone,
			    &(struct zone_watermarks){
				    .min = (uint32_t)(sizing->min_bytes >> PAGE_SHIFT),
				    .low = (uint32_t)(sizing->low_bytes >> PAGE_SHIFT),
				    .high = (uint32_t)(sizing->high_bytes >> PAGE_SHIFT),
			    });
}

bool pools_zone_wants_slab_room(const struct pools_zone *zone)
{
	struct slab_range ranges[2];

	return zone_slab_room(zone->zone) < SLAB_ROOM_UNITS &&
	       zone_next_slab_room(zone->zone, ranges);
}

int pools_zone_add_slab_room(struct pools_zone *zone)
{
	struct slab_range ranges[2];
	int error = 0;

	if (!zone_next_slab_room(zone->zone, ranges))
		return -ENOSPC;
	/* Else a control group that is full would choose a victim. */
	if (hostmem_available_bytes(-1) < ranges[0].size_bytes + ranges[1].size_bytes)
		return -ENOMEM;
	for (unsigned i = 0; i < 2 && !error; i++)
		error = ledger_memory_back(&zone->ledger, ranges[i].offset, ranges[i].size_bytes);
	if (!error)
		zone_add_slab_room(zone->zone);
	return error;
}

void pools_zone_describe(const struct pools_zone *zone, struct message_zone_info *info)
{
	const struct zone_counters *counters = zone_counters(zone->zone);

	info->name = zone->name;
	info->damage = zone->damage;
	info->node = backing_node(zone->backing);
	info->size_bytes = backing_size_bytes(zone->backing);
	info->capacity_bytes = backing_capacity_bytes(zone->backing);
	info->committed_bytes = backing_committed_bytes(zone->backing);
	info->page_bytes = backing_page_bytes(zone->backing);
	if (zone->damage[0])
		return; /* the rest would be that of the zone in its place */
	info->free_bytes = (uint64_t)zone_nr_free(zone->zone) << PAGE_SHIFT;
	info->hole_bytes = (uint64_t)zone_nr_holes(zone->zone) << PAGE_SHIFT;
	info->draining_bytes = (uint64_t)zone_nr_draining(zone->zone) << PAGE_SHIFT;
	info->contiguous_bytes = (uint64_t)zone_nr_contiguous(zone->zone) << PAGE_SHIFT;
	info->contiguous_free_bytes = (uint64_t)zone_nr_contiguous_free(zone->zone) << PAGE_SHIFT;
	info->boost_bytes = (uint64_t)zone_boost(zone->zone) << PAGE_SHIFT;
	info->min_bytes = zone->min_bytes;
	info->low_bytes = zone->low_bytes + info->boost_bytes;
	info->high_bytes = zone->high_bytes + info->boost_bytes;
	info->pressure = pressure_of(zone);
	info->allocs = counters->allocs;
	info->frees = counters->frees;
	info->failures = counters->failures;
	info->steals = counters->steals;
	info->claims = counters->claims;
}
