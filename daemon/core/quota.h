/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Who may take how much of a pool, in cgroup v2's words: min (reserved), low and high (they only
 * classify), max (hard). A client slot falls under a set of limits, and every byte it holds is
 * charged to each of them, before it is granted until it is back. Bytes throughout.
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
	uint64_t spare;               /* a power of two is what makes an index a shift */
};

/* What a client slot is under, and what it has been charged. */
struct quota_slot {
	uint64_t mask;
	uint64_t nr_bytes;
};

/* Read limits directly; change them through the functions below. */
struct quota {
	struct quota_limit limits[QUOTA_LIMITS_MAX];
	uint64_t in_use;          /* the limits that are set */
	uint64_t minima;          /* the sum of their min */
	struct quota_slot *slots; /* borrowed */
	unsigned nr_slots;
};

/* How far up its limits a slot is: the worst of them counts. */
enum quota_level {
	QUOTA_LEVEL_NONE = 0,
	QUOTA_LEVEL_HIGH, /* one of them is above high */
	QUOTA_LEVEL_MAX   /* one of them has nothing left */
};

/* What quota_init() needs for so many slots; a multiple of 8. */
size_t quota_bytes(unsigned nr_slots);

/*
 * No limits, nothing charged. `memory` is 8-byte aligned, borrowed, and need not be zeroed. Slots
 * that hold something already, after a recovery, are then put in with quota_join().
 */
void quota_init(struct quota *quota, unsigned nr_slots, void *memory);

/*
 * Sets limit i, 0 .. QUOTA_LIMITS_MAX - 1, new or known; min <= low <= high <= max, and the minima
 * of all limits add up to a number. What is charged to it stays, also above a lower max: then
 * nothing is granted until enough has come back.
 */
void quota_set(struct quota *quota, unsigned i, uint64_t min, uint64_t low, uint64_t high,
	       uint64_t max);
/* Nobody falls under limit i any more; its counts are forgotten. */
void quota_clear(struct quota *quota, unsigned i);

/*
 * Puts a slot, wherever it was, under the limits of `mask`, which are all set, and charges them
 * what it holds.
 */
void quota_join(struct quota *quota, unsigned slot, uint64_t mask, uint64_t held_bytes);
/* The slot is under no limit and holds nothing. */
void quota_leave(struct quota *quota, unsigned slot);

/*
 * Bytes that a slot may take now: each max of its own allows them, and of the pool's `free_bytes`
 * they leave what the minima it is not under have reserved and not used.
 */
uint64_t quota_room(const struct quota *quota, unsigned slot, uint64_t free_bytes);

/*
 * quota_room() was too small for nr_bytes: for a batch, what it would have had with the first block
 * that was too much. Returns the limits that stood in its way, and counts one refusal for each: of
 * its own those with too little left, else those whose reserve it would have broken. 0 when none
 * did.
 */
uint64_t quota_refuse(struct quota *quota, unsigned slot, uint64_t nr_bytes, uint64_t free_bytes);

/* Bytes that are granted to a slot. They are charged in any case; false when a max is passed. */
static inline bool quota_charge(struct quota *quota, unsigned slot, uint64_t nr_bytes)
{
	struct quota_slot *charged = &quota->slots[slot];
	bool is_within = true;

	charged->nr_bytes += nr_bytes;
	for (uint64_t mask = charged->mask; mask; mask &= mask - 1) {
		struct quota_limit *limit = &quota->limits[(unsigned)__builtin_ctzll(mask)];

		limit->used += nr_bytes;
		is_within &= limit->used <= limit->max;
	}
	return is_within;
}

/* Those that came back. */
static inline void quota_uncharge(struct quota *quota, unsigned slot, uint64_t nr_bytes)
{
	quota_charge(quota, slot, -nr_bytes);
}

/* quota_try_charge() when that much was charged already, which may have been too much. */
bool quota_reconsider(struct quota *quota, unsigned slot, uint64_t nr_bytes, uint64_t free_bytes);

/*
 * Charges nr_bytes if quota_room() has so many; false, and nothing has changed, if it has not. What
 * is common is in line: no max is passed, and there is room beside all minima, used or not.
 */
static inline bool quota_try_charge(struct quota *quota, unsigned slot, uint64_t nr_bytes,
				    uint64_t free_bytes)
{
	if (quota_charge(quota, slot, nr_bytes) && free_bytes >= quota->minima + nr_bytes)
		return true;
	return quota_reconsider(quota, slot, nr_bytes, free_bytes);
}

enum quota_level quota_level(const struct quota *quota, unsigned slot);

/* 0, or -EUCLEAN with the limit, or -1 for what concerns none, and what is wrong. For tests. */
int quota_validate(const struct quota *quota, int *ret_limit, const char **ret_what);
