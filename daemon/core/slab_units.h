/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Which units are free: taken and given side by side, any number of them. Private to slab*.c;
 * slab_units.c tells the idea.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/slab.h"

/* Takes units side by side, fewer than SLAB_ROOMY_UNITS. The first, or SLAB_NONE. */
uint32_t slab_units_take(struct slab_table *table, uint32_t nr_units);

/* Units are free: given back, or new at the end of the room. */
void slab_units_give(struct slab_table *table, uint32_t first, uint32_t nr_units);

/*
 * Recovery: the room is extended, its units free, and some of them are claimed; false when one of
 * these is claimed already. slab_units_load_end() must follow before anything else.
 */
void slab_units_extend(struct slab_table *table);
bool slab_units_claim(struct slab_table *table, uint32_t first, uint32_t nr_units);
void slab_units_load_end(struct slab_table *table);

/* What is wrong with the stretches of free units, or NULL; counts the free ones. */
const char *slab_units_check(const struct slab_table *table, uint32_t *ret_nr_free);
