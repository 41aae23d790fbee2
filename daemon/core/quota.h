/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Who may take how much of a pool, in cgroup v2's words: min (reserved), low and high (they only
 * classify), max (hard). A client slot falls under a set of limits, and every page it holds is
 * charged to each of them, before it is granted until it is back. Pages throughout.
 *
 * It keeps counts and decides; it knows neither names nor zones. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUOTA_LIMITS_MAX 64u /* a set of limits is a u64, bit i limit i */
#define QUOTA_NO_MAX UINT64_MAX

struct quota_limit {
	uint64_t min, low, high, max; /* high and max: QUOTA_NO_MAX for none */
	uint64_t used;                /* what the slots under it hold */
	uint32_t nr_slots;            /* under it */
	uint64_t nr_refused;          /* requests that it cut short or refused */
};

/* What a client slot is under, and what it has been charged. */
struct quota_slot {
	uint64_t mask;
	uint64_t nr_pages;
};

/* Read limits directly; change them through the functions below. */
struct quota {
	struct quota_limit limits[QUOTA_LIMITS_MAX];
	uint64_t in_use;          /* the limits that are set */
	uint64_t reserved;        /* sum of what the limits' minima have not used */
	struct quota_slot *slots; /* borrowed */
	unsigned nr_slots;
};

/* How far up its limits a slot is: the worst of them counts. */
enum quota_level {
	QUOTA_LEVEL_NONE = 0,
	QUOTA_LEVEL_HIGH, /* one of them is above high */
	QUOTA_LEVEL_MAX   /* one of them has no page left */
};

/* What quota_init() needs for so many slots; a multiple of 8. */
size_t quota_bytes(unsigned nr_slots);

/*
 * No limits, nothing charged. `memory` is 8-byte aligned, borrowed, and need not be zeroed. Slots
 * that hold pages already, after a recovery, are then put in with quota_join().
 */
void quota_init(struct quota *quota, unsigned nr_slots, void *memory);

/*
 * Sets limit i, 0 .. QUOTA_LIMITS_MAX - 1, new or known; min <= low <= high <= max. What is charged
 * to it stays, also above a lower max: then nothing is granted until enough has come back.
 */
void quota_set(struct quota *quota, unsigned i, uint64_t min, uint64_t low, uint64_t high,
	       uint64_t max);
/* Nobody falls under limit i any more; its counts are forgotten. */
void quota_clear(struct quota *quota, unsigned i);

/*
 * Puts a slot, wherever it was, under the limits of `mask`, which are all set, and charges them
 * what it holds: `held_pages`, as pool_held_pages() counts it.
 */
void quota_join(struct quota *quota, unsigned slot, uint64_t mask, uint64_t held_pages);
/* The slot is under no limit and holds nothing. */
void quota_leave(struct quota *quota, unsigned slot);

/*
 * Pages that a slot may take now: each max of its own allows them, and of the pool's `free_pages`
 * they leave what the minima it is not under have reserved and not used.
 */
uint64_t quota_room(const struct quota *quota, unsigned slot, uint64_t free_pages);

/*
 * quota_room() was too small for nr_pages: for a batch, what it would have had with the first block
 * that was too much. Returns the limits that stood in its way, and counts one refusal for each: of
 * its own those with too little left, else those whose reserve it would have broken. 0 when none
 * did.
 */
uint64_t quota_refuse(struct quota *quota, unsigned slot, uint64_t nr_pages, uint64_t free_pages);

/* Charges nr_pages if quota_room() has so many; false, and nothing has changed, if it has not. */
bool quota_try_charge(struct quota *quota, unsigned slot, uint64_t nr_pages, uint64_t free_pages);

/* Pages that were granted to a slot, and those that came back. */
void quota_charge(struct quota *quota, unsigned slot, uint64_t nr_pages);
void quota_uncharge(struct quota *quota, unsigned slot, uint64_t nr_pages);

enum quota_level quota_level(const struct quota *quota, unsigned slot);

/* 0, or -EUCLEAN with the limit, or -1 for what concerns none, and what is wrong. For tests. */
int quota_validate(const struct quota *quota, int *ret_limit, const char **ret_what);
