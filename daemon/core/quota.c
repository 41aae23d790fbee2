/* SPDX-License-Identifier: MIT */

/*
 * Quota: limits on what client slots hold of a pool.
 *
 * A limit is four marks and a count. A slot falls under a set of limits, kept as a mask, and what
 * it holds counts in full against each of them: a user's limit and its group's both see the byte.
 * So no tree of limits is needed, and none can be inconsistent.
 *
 *   max   used never grows beyond it
 *   min   as long as used is below it, the difference is kept free of everybody else
 *
 * What a slot takes within a min of its own comes out of that reserve; hence the room of a slot is
 * the free bytes less the reserves of the limits that it is not under. To add these up is to look
 * at all limits, and most requests find room beside all minima, used or not, which is a sum that
 * changes with the limits alone. So only when memory or a max gets short anybody adds up.
 *
 * Invariants, proved by quota_validate(): a limit's used is the sum over the slots under it; a mask
 * names limits that are set.
 *
 * The counts are derived: what a slot holds is in the ledgers. After a recovery, or when the limits
 * change, quota_join() with what the zones count makes them exact again; there is no running sum
 * that could drift.
 *
 * Limits may be overcommitted: minima that add up to more than the pool has leave everybody the
 * less, and a max below what is used already only stops growth.
 */

#include "core/quota.h"

#include <assert.h>
#include <errno.h>

/* Takes the lowest limit out of a set, as in: while (mask) limit = &limits[quota_pop(&mask)]. */
static unsigned quota_pop(uint64_t *mask)
{
	unsigned i = (unsigned)__builtin_ctzll(*mask);

	*mask &= *mask - 1;
	return i;
}

static uint64_t quota_unused_min(const struct quota_limit *limit)
{
	return limit->min > limit->used ? limit->min - limit->used : 0;
}

static uint64_t quota_left(const struct quota_limit *limit)
{
	return limit->max > limit->used ? limit->max - limit->used : 0;
}

size_t quota_bytes(unsigned nr_slots)
{
	return nr_slots * sizeof(struct quota_slot);
}

void quota_init(struct quota *quota, unsigned nr_slots, void *memory)
{
	*quota = (struct quota){ .slots = memory, .nr_slots = nr_slots };
	for (unsigned i = 0; i < nr_slots; i++)
		quota->slots[i] = (struct quota_slot){ 0 };
}

void quota_set(struct quota *quota, unsigned i, uint64_t min, uint64_t low, uint64_t high,
	       uint64_t max)
{
	struct quota_limit *limit = &quota->limits[i];

	assert(i < QUOTA_LIMITS_MAX);
	assert(min <= low && low <= high && high <= max);
	if (!(quota->in_use >> i & 1))
		*limit = (struct quota_limit){ 0 };
	quota->in_use |= UINT64_C(1) << i;
	quota->minima += min - limit->min;
	limit->min = min;
	limit->low = low;
	limit->high = high;
	limit->max = max;
}

void quota_clear(struct quota *quota, unsigned i)
{
	assert(i < QUOTA_LIMITS_MAX);
	if (!(quota->in_use >> i & 1))
		return;
	quota->minima -= quota->limits[i].min;
	quota->limits[i] = (struct quota_limit){ 0 };
	quota->in_use &= ~(UINT64_C(1) << i);
	for (unsigned slot = 0; slot < quota->nr_slots; slot++)
		quota->slots[slot].mask &= ~(UINT64_C(1) << i);
}

void quota_join(struct quota *quota, unsigned slot, uint64_t mask, uint64_t held_bytes)
{
	assert(slot < quota->nr_slots && !(mask & ~quota->in_use));
	quota_leave(quota, slot);
	quota->slots[slot].mask = mask;
	while (mask)
		quota->limits[quota_pop(&mask)].nr_slots++;
	quota_charge(quota, slot, held_bytes);
}

void quota_leave(struct quota *quota, unsigned slot)
{
	uint64_t mask = quota->slots[slot].mask;

	quota_uncharge(quota, slot, quota->slots[slot].nr_bytes);
	quota->slots[slot].mask = 0;
	while (mask)
		quota->limits[quota_pop(&mask)].nr_slots--;
}

/* What is free and reserved for nobody but those under the limits of the mask. */
static uint64_t quota_unreserved(const struct quota *quota, uint64_t mask, uint64_t free_bytes)
{
	uint64_t others = quota->in_use & ~mask, reserved = 0;

	while (others)
		reserved += quota_unused_min(&quota->limits[quota_pop(&others)]);
	return free_bytes > reserved ? free_bytes - reserved : 0;
}

uint64_t quota_room(const struct quota *quota, unsigned slot, uint64_t free_bytes)
{
	uint64_t mask = quota->slots[slot].mask;
	uint64_t room = quota_unreserved(quota, mask, free_bytes);

	while (mask) {
		uint64_t left = quota_left(&quota->limits[quota_pop(&mask)]);

		if (left < room)
			room = left;
	}
	return room;
}

bool quota_reconsider(struct quota *quota, unsigned slot, uint64_t nr_bytes, uint64_t free_bytes)
{
	quota_uncharge(quota, slot, nr_bytes);
	if (quota_room(quota, slot, free_bytes) < nr_bytes)
		return false;
	quota_charge(quota, slot, nr_bytes);
	return true;
}

/* The limits of the set that have less than so much left. */
static uint64_t quota_too_full(const struct quota *quota, uint64_t mask, uint64_t nr_bytes)
{
	uint64_t full = 0;

	while (mask) {
		unsigned i = quota_pop(&mask);

		if (quota_left(&quota->limits[i]) < nr_bytes)
			full |= UINT64_C(1) << i;
	}
	return full;
}

/* Those that keep something for themselves. */
static uint64_t quota_reserving(const struct quota *quota, uint64_t mask)
{
	uint64_t reserving = 0;

	while (mask) {
		unsigned i = quota_pop(&mask);

		if (quota_unused_min(&quota->limits[i]))
			reserving |= UINT64_C(1) << i;
	}
	return reserving;
}

uint64_t quota_refuse(struct quota *quota, unsigned slot, uint64_t nr_bytes, uint64_t free_bytes)
{
	uint64_t mask = quota->slots[slot].mask;
	uint64_t blamed = quota_too_full(quota, mask, nr_bytes);

	if (!blamed && nr_bytes <= free_bytes &&
	    quota_unreserved(quota, mask, free_bytes) < nr_bytes)
		blamed = quota_reserving(quota, quota->in_use & ~mask);
	for (uint64_t left = blamed; left;)
		quota->limits[quota_pop(&left)].nr_refused++;
	return blamed;
}

enum quota_level quota_level(const struct quota *quota, unsigned slot)
{
	enum quota_level level = QUOTA_LEVEL_NONE;
	uint64_t mask = quota->slots[slot].mask;

	while (mask) {
		const struct quota_limit *limit = &quota->limits[quota_pop(&mask)];

		if (limit->used >= limit->max)
			return QUOTA_LEVEL_MAX;
		if (limit->used > limit->high)
			level = QUOTA_LEVEL_HIGH;
	}
	return level;
}

static const char *quota_check_limit(const struct quota *quota, unsigned i)
{
	const struct quota_limit *limit = &quota->limits[i];
	uint64_t used = 0, nr_slots = 0;

	for (unsigned slot = 0; slot < quota->nr_slots; slot++) {
		if (!(quota->slots[slot].mask >> i & 1))
			continue;
		used += quota->slots[slot].nr_bytes;
		nr_slots++;
	}
	if (!(quota->in_use >> i & 1))
		return nr_slots || limit->used || limit->min ? "a slot is under no set limit"
							     : NULL;
	if (limit->min > limit->low || limit->low > limit->high || limit->high > limit->max)
		return "its marks do not rise";
	if (used != limit->used)
		return "its count is not what its slots hold";
	return nr_slots != limit->nr_slots ? "its number of slots is wrong" : NULL;
}

int quota_validate(const struct quota *quota, int *ret_limit, const char **ret_what)
{
	uint64_t minima = 0;

	for (unsigned i = 0; i < QUOTA_LIMITS_MAX; i++) {
		const char *what = quota_check_limit(quota, i);

		minima += quota->limits[i].min;
		if (!what)
			continue;
		*ret_limit = (int)i;
		*ret_what = what;
		return -EUCLEAN;
	}
	if (minima == quota->minima)
		return 0;
	*ret_limit = -1;
	*ret_what = "the sum of the minima is wrong";
	return -EUCLEAN;
}
