/* SPDX-License-Identifier: MIT */
#pragma once

/* What the parts of a model have for each other. Private to model*.c. */

#include <stdbool.h>
#include <stdint.h>

#include "fault/model.h"

static inline bool model_found_wrong(struct zone_fault *ret, uint32_t pfn, const char *what)
{
	*ret = (struct zone_fault){ .pfn = pfn, .what = what };
	return false;
}

/* The words of the slab at pfn, whose block has been read. */
bool model_read_slab(struct model *model, const struct core *core, uint32_t pfn);

/* Whether a slab at pfn was given back between the two, whatever came in its place. */
bool model_is_given_back(const struct model *before, const struct model *after, uint32_t pfn);

bool model_are_slabs_between(const struct model *found, const struct model *before,
			     const struct model *after, struct zone_fault *ret);
bool model_are_caches_between(const struct model *found, const struct model *before,
			      const struct model *after, struct zone_fault *ret);
