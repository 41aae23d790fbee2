/* SPDX-License-Identifier: MIT */
#pragma once

/* What happened to objects and caches in an operation, so that a run can tell what it has tried. */

#include <stdint.h>

#include "fault/model.h"
#include "fault/operation.h"

enum object_case {
	CASE_GRANT_PARTIAL, /* objects of a slab of which others are held */
	CASE_GRANT_EMPTY,
	CASE_GRANT_NEW, /* and of one that was made for it */
	CASE_GRANT_SEVERAL,
	CASE_GRANT_CONSTRUCTED,
	CASE_GRANT_SHORT,  /* fewer than were asked for */
	CASE_GRANT_BEYOND, /* while some are free in a slab beyond the zone's size */
	CASE_GRANT_WANT,   /* for which empty slabs were given back */
	CASE_FREE_SEVERAL, /* slabs */
	CASE_FREE_GIVES_BACK,
	CASE_RELEASE_BOTH,   /* pages and objects */
	CASE_RELEASE_SHARED, /* of a slab of which others hold objects */
	CASE_RELEASE_GIVES_BACK,
	CASE_SHRINK,
	CASE_CACHE_BUSY,
	CASE_CACHE_MERGED,
	CASE_CACHE_NAMELESS, /* its own name goes, others stay */
	CASE_CACHE_LAST,     /* the last name of a nameless cache goes */
	NR_CASES
};

const char *case_name(enum object_case which);

/* Counts those that the operation was. */
void cases_count(const struct operation *operation, const struct model *before,
		 const struct model *after, uint64_t counts[NR_CASES]);
