/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a daemon's core is asked to do in these tests, one entry of a table a kind.
 *
 * An operation is chosen by what the model says, run by a core, which may live in another process,
 * and then applied to the model by what the core answered. So it holds no pointer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault/core.h"
#include "fault/model.h"
#include "support/random.h"

#define OPERATION_BULK_MAX 96u
#define OPERATION_RUNS_MAX (OPERATION_BULK_MAX + 1u)

enum operation_kind {
	OPERATION_OPEN, /* the core is opened, fresh or after a death: no client asks for it */
	OPERATION_ALLOC,
	OPERATION_ALLOC_BULK,
	OPERATION_ALLOC_EXACT,
	OPERATION_FREE,
	OPERATION_FREE_WRONG,
	OPERATION_FREE_BULK,
	OPERATION_FREE_BULK_WRONG,
	OPERATION_FREE_EXACT,
	OPERATION_FREE_EXACT_WRONG,
	OPERATION_MARK_HOLE,
	OPERATION_RESIZE,
	OPERATION_SHARE,
	OPERATION_TAKE_SLOT,
	OPERATION_SET_STATE,
	OPERATION_RELEASE,
	OPERATION_CREATE_CACHE,
	OPERATION_ALLOC_OBJECTS,
	OPERATION_FORGET_CONSTRUCTED,
	OPERATION_FREE_OBJECTS,
	OPERATION_FREE_OBJECTS_WRONG,
	OPERATION_SHRINK_CACHES,
	OPERATION_DESTROY_CACHE,
	OPERATION_NR_KINDS
};

struct operation {
	enum operation_kind kind;
	/* asked */
	struct word_owner owner;
	unsigned order;
	uint32_t count; /* blocks, or the pages of a slice */
	uint32_t nr_pages;
	unsigned other;     /* slot that is to hold it too */
	struct slot client; /* who takes a slot, or the state that a slot is to have */
	uint32_t cache;     /* number of a name, or ZONE_CACHE_ANY; answered where one is made */
	unsigned pattern;   /* of a cache that is to be made */
	int refusal;        /* expected of a wrong free of objects */
	bool has_room;      /* for the words of more slabs: it is added when it is lacking */
	struct zone_leaver leaver;
	/* asked for a free, answered to a grant */
	uint32_t pfn;
	size_t nr_runs;
	struct page_run runs[OPERATION_RUNS_MAX];
	size_t nr_object_runs;
	struct object_run object_runs[OPERATION_RUNS_MAX];
	/* answered */
	int result;
	uint32_t target;    /* of a cache that was made */
	uint64_t nr_steals; /* from pageblocks of another mobility */
};

/* How the next operations are chosen; a history changes it from time to time. */
struct operation_taste {
	struct zone_config zone;
	uint32_t bulk_max;           /* 1 .. OPERATION_BULK_MAX */
	uint32_t fill_pages;         /* grant below it, free above it */
	enum mobility mobility;      /* of most grants */
	uint32_t slice_pages;        /* of a release */
	unsigned nr_slots_preferred; /* that ask for something: 1 .. CORE_NR_SLOTS - 1 */
};

const char *operation_name(enum operation_kind kind);

/*
 * Any operation that makes sense to the model, and that fits in it; more often than others one of
 * the preferred kind, unless that is OPERATION_OPEN.
 */
void operation_choose(struct operation *operation, const struct operation_taste *taste,
		      const struct model *model, enum operation_kind preferred,
		      struct random *random);

/* The daemon's side. Does nothing for OPERATION_OPEN. */
void operation_run(struct operation *operation, struct core *core);

/* Brings the model from before to after. False with *ret when the answer can't be. */
bool operation_apply(const struct operation *operation, const struct operation_taste *taste,
		     struct model *model, struct zone_fault *ret);

/*
 * Whether what was found amid the operation keeps the promise that it makes beyond that of each
 * block: an exact grant's head is proof of the whole. False with *ret.
 */
bool operation_is_kept(const struct operation *operation, const struct model *found,
		       struct zone_fault *ret);
