/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What of a daemon decides: a pool of one zone, its table of caches and the client slots, opened on
 * a truth that outlives it.
 *
 * The truth is one memory, the zone's ledger followed by the slots' and the caches', so that a
 * change to any of them is a change at an offset of it. All else that a core has is index: it goes
 * when the core dies.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/pool_object.h"
#include "core/slots.h"
#include "core/zone.h"
#include "core/zone_object.h"

#define CORE_PAGES_MAX 4096u
#define CORE_NR_SLOTS 20u                      /* more clients than a share record has room for */
#define CORE_NR_CACHES (CACHE_NR_GENERAL + 6u) /* fewer than there are to make */
#define CORE_SLAB_UNITS SLAB_ROOM_UNITS

struct core {
	struct zone zone;
	struct slot_table slots;
	struct cache_table caches;
	struct pool pool;
};

/* Bytes of the truth and of the index, multiples of 64. */
size_t core_truth_bytes(const struct zone_config *config);
size_t core_index_bytes(const struct zone_config *config);

/* The slots' and the caches' parts of a truth. */
struct slot *core_truth_slots(const struct zone_config *config, void *truth);
struct cache_record *core_truth_caches(const struct zone_config *config, void *truth);

/*
 * Opens a core, which is recovering it. `index` has core_index_bytes() and is zeroed. Both memories
 * are 64-byte aligned and stay the caller's; the configuration's caches are the core's own. 0, or
 * -EUCLEAN with *ret filled.
 */
int core_open(struct core *core, const struct zone_config *config, void *truth, void *index,
	      struct zone_fault *ret);

/* The two halves of that, in this order. */
int core_open_caches(struct core *core, const struct zone_config *config, void *truth, void *index,
		     struct zone_fault *ret);
int core_open_zone(struct core *core, const struct zone_config *config, void *truth, void *index,
		   struct zone_fault *ret);
