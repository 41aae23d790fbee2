/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What of a daemon decides: a zone and the client slots, opened on a truth that outlives it.
 *
 * The truth is one memory, the zone's ledger followed by the slots', so that a change to either is
 * a change at an offset of it. All else that a core has is index: it goes when the core dies.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/slots.h"
#include "core/zone.h"

#define CORE_PAGES_MAX 4096u
#define CORE_NR_SLOTS 20u /* more clients than a share record has room for */

struct core {
	struct zone zone;
	struct slot_table slots;
};

/* Bytes of the truth, a multiple of 64. */
size_t core_truth_bytes(const struct zone_config *config);

/* The slots' part of a truth. */
struct slot *core_truth_slots(const struct zone_config *config, void *truth);

/*
 * Opens a core, which is recovering it. `index` has zone_index_bytes() and is zeroed. Both
 * memories are 64-byte aligned and stay the caller's. 0, or -EUCLEAN with *ret filled.
 */
int core_open(struct core *core, const struct zone_config *config, void *truth, void *index,
	      struct zone_fault *ret);
