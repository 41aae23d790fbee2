/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The trail of an operation: every change that it made to the truth, in the order in which it did.
 *
 * A step is what a kill can't divide: one store. It has one change for each 32-bit word it wrote.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAIL_CHANGES_MAX 16384u

struct trail_change {
	uint32_t at;    /* 32-bit word of the truth */
	uint32_t value; /* from then on */
	uint32_t step;
};

struct trail {
	uint32_t nr_steps;
	size_t nr_changes;
	bool is_cut; /* it was longer */
	struct trail_change changes[TRAIL_CHANGES_MAX];
};

static inline void trail_reset(struct trail *trail)
{
	trail->nr_steps = 0;
	trail->nr_changes = 0;
	trail->is_cut = false;
}

/* Appends to the step that was begun last. */
static inline void trail_append(struct trail *trail, uint32_t at, uint32_t value)
{
	if (trail->nr_changes == TRAIL_CHANGES_MAX) {
		trail->is_cut = true;
		return;
	}
	trail->changes[trail->nr_changes++] =
		(struct trail_change){ .at = at, .value = value, .step = trail->nr_steps };
}

/*
 * Makes the changes of the next step to a truth that has those before it; *cursor starts at 0.
 * False when the truth is as it was.
 */
static inline bool trail_replay_step(const struct trail *trail, size_t *cursor, uint32_t *truth)
{
	uint32_t step = trail->changes[*cursor].step;
	bool is_other = false;

	for (; *cursor < trail->nr_changes && trail->changes[*cursor].step == step; ++*cursor) {
		const struct trail_change *change = &trail->changes[*cursor];

		is_other |= truth[change->at] != change->value;
		truth[change->at] = change->value;
	}
	return is_other;
}
