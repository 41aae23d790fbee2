/* SPDX-License-Identifier: MIT */

/*
 * Histories. After each operation the truth is wound back to what it was before and brought forward
 * again one store at a time. Each state on the way is what a kill would have left there: a copy
 * of it is opened, which is recovering it, validated, read, and held against the model of before
 * and the model of after. A truth that does not end up as the core left it means that a store was
 * not seen, and is a failure too.
 *
 * Then, now and then, the daemon dies for good: the truth stays at one of these states, the core is
 * thrown away, what was recovered is the model from here on, and the history goes on with a new
 * core. Opening it is an operation like the others: a second death amid the recovery must change
 * nothing.
 *
 * What the zone's own validate() says is not taken on trust. The blocks are read and laid out in
 * the model, which refuses two in one place; and for a share of the states all pages that are left
 * are granted one by one, so that a page that is lost, or free and held, shows.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/history.h"

#define TASTE_OPERATIONS 150u /* change it after so many */
#define GRANT_ALL_EVERY 8u    /* states */
#define NR_SHARES_MAX 24u

struct history {
	struct history_stage *stage;
	const struct history_performer *performer;
	struct history_config config;
	struct random random;
	struct operation_taste taste;
	uint32_t nr_operations;
	size_t truth_bytes;
	struct trail trail;
	struct model now, after, found;
	struct core core;                 /* of a copy */
	void *before, *state, *recovered; /* truths */
	void *index;
	struct history_counts counts;
	char complaint[256];
};

static const struct zone_config largest = { .nr_pages = CORE_PAGES_MAX,
					    .capacity_pages = CORE_PAGES_MAX,
					    .contiguous_pages = CORE_PAGES_MAX,
					    .max_order = 12,
					    .nr_slots = CORE_NR_SLOTS,
					    .nr_shares = NR_SHARES_MAX };

size_t history_stage_bytes(void)
{
	return sizeof(struct history_stage) + core_truth_bytes(&largest);
}

struct history *history_new(struct history_stage *stage, const struct history_performer *performer,
			    const struct history_config *config)
{
	const size_t truth_bytes = core_truth_bytes(&largest);
	struct history *history = calloc(1, sizeof(*history));

	if (!history)
		return NULL;
	history->stage = stage;
	history->performer = performer;
	history->config = *config;
	history->random = random_from(config->seed);
	history->taste.bulk_max = config->bulk_max;
	history->before = aligned_alloc(64, truth_bytes);
	history->state = aligned_alloc(64, truth_bytes);
	history->recovered = aligned_alloc(64, truth_bytes);
	history->index = aligned_alloc(64, zone_index_bytes(&largest));
	if (!history->before || !history->state || !history->recovered || !history->index)
		return history_free(history);
	return history;
}

struct history *history_free(struct history *history)
{
	if (!history)
		return NULL;
	free(history->before);
	free(history->state);
	free(history->recovered);
	free(history->index);
	free(history);
	return NULL;
}

/* A state of the truth. */

static bool wrong(struct zone_fault *ret, uint32_t pfn, const char *what)
{
	*ret = (struct zone_fault){ .pfn = pfn, .what = what };
	return false;
}

/* Spends the recovered core: every page that no block covers can be granted, and no other. */
static bool all_the_rest_is_free(struct history *history, struct zone_fault *ret)
{
	const struct word_owner owner = { .slot = 1, .mobility = MOBILITY_MOVABLE };
	struct model *found = &history->found;
	uint32_t pfn = 0;

	while (!zone_alloc(&history->core.zone, 0, owner, &pfn)) {
		if (pfn >= found->nr_pages)
			return wrong(ret, pfn, "a page behind the zone is free");
		if (found->is_covered[pfn])
			return wrong(ret, pfn, "a page that is held is free");
		found->is_covered[pfn] = true;
	}
	for (pfn = 0; pfn < found->nr_pages; pfn++)
		if (!found->is_covered[pfn])
			return wrong(ret, pfn, "a page is lost");
	return true;
}

/* Recovers a copy of history->state into history->core and reads it. */
static bool recover(struct history *history, struct zone_fault *ret)
{
	memcpy(history->recovered, history->state, history->truth_bytes);
	memset(history->index, 0, zone_index_bytes(&history->stage->zone));
	return !core_open(&history->core, &history->stage->zone, history->recovered, history->index,
			  ret) &&
	       !zone_validate(&history->core.zone, ret) &&
	       model_read(&history->found, &history->core, ret);
}

/* Is history->state between `before` and what comes after? */
static bool check_state(struct history *history, const struct model *before, struct zone_fault *ret)
{
	history->counts.states++;
	if (!recover(history, ret) ||
	    !model_is_between(&history->found, before, &history->after, ret) ||
	    !operation_is_kept(&history->stage->operation, &history->found, ret))
		return false;
	return history->counts.states % GRANT_ALL_EVERY || all_the_rest_is_free(history, ret);
}

/* An operation. */

static bool complain(struct history *history, uint32_t step, const struct zone_fault *fault)
{
	const struct operation *operation = &history->stage->operation;

	snprintf(
		history->complaint, sizeof(history->complaint),
		"operation %u (%s, %u pages, order %u, slot %u), after store %u of %u: page %u: %s",
		history->nr_operations, operation_name(operation->kind), operation->nr_pages,
		operation->order, operation->owner.slot, step, history->trail.nr_steps, fault->pfn,
		fault->what);
	return false;
}

/* All states on the operation's way; the last must be that of after, and nothing in between. */
static bool check_trail(struct history *history)
{
	const struct trail *trail = &history->trail;
	struct zone_fault fault = { .what = "" };
	size_t cursor = 0;

	memcpy(history->state, history->before, history->truth_bytes);
	for (uint32_t step = 1; cursor < trail->nr_changes; step++) {
		trail_replay_step(trail, &cursor, history->state);
		if (!check_state(history,
				 cursor < trail->nr_changes ? &history->now : &history->after,
				 &fault))
			return complain(history, step, &fault);
	}
	if (trail->is_cut ||
	    memcmp(history->state, history->stage->truth, history->truth_bytes) != 0) {
		wrong(&fault, 0, "not every store was seen");
		return complain(history, trail->nr_steps, &fault);
	}
	return true;
}

/* Runs what is on the stage, and checks it. */
static bool perform(struct history *history)
{
	struct history_stage *stage = history->stage;
	struct zone_fault fault;

	memcpy(history->before, stage->truth, history->truth_bytes);
	trail_reset(&history->trail);
	history->performer->perform(history->performer->data, stage, &history->trail);
	history->counts.operations[stage->operation.kind]++;
	history->counts.stores += history->trail.nr_steps;
	history->counts.steals += stage->operation.nr_steals;
	history->nr_operations++;
	history->after = history->now;
	if (!operation_apply(&stage->operation, &history->taste, &history->after, &fault))
		return complain(history, 0, &fault);
	return check_trail(history);
}

static bool open_core(struct history *history)
{
	memset(&history->stage->operation, 0, sizeof(history->stage->operation));
	history->stage->operation.kind = OPERATION_OPEN;
	return perform(history);
}

/* The last operation got no further than some store of it; a new daemon takes over. */
static bool die(struct history *history)
{
	const struct trail *trail = &history->trail;
	uint32_t last = random_below(&history->random, trail->nr_steps + 1);
	struct zone_fault fault;
	size_t cursor = 0;

	memcpy(history->state, history->before, history->truth_bytes);
	for (uint32_t step = 0; step < last && cursor < trail->nr_changes; step++)
		trail_replay_step(trail, &cursor, history->state);
	if (!recover(history, &fault))
		return complain(history, last, &fault);
	history->now = history->found;
	memcpy(history->stage->truth, history->state, history->truth_bytes);
	history->counts.deaths++;
	return open_core(history);
}

static void change_taste(struct history *history)
{
	struct operation_taste *taste = &history->taste;
	struct random *random = &history->random;

	taste->mobility = (enum mobility)random_below(random, NR_MOBILITIES);
	taste->fill_pages = random_below(random, history->now.nr_pages * 5 / 4);
	if (random_once_in(random, 4))
		taste->fill_pages = 0;
	taste->slice_pages = 64u << random_below(random, 7);
	taste->nr_slots_preferred = 1 + random_below(random, CORE_NR_SLOTS - 1);
}

static struct zone_config random_shape(struct random *random, uint32_t max_pages)
{
	const uint32_t some = max_pages / 8 + random_below(random, max_pages / 4);
	uint32_t capacity = random_once_in(random, 6) ? max_pages : some;
	unsigned max_order = random_once_in(random, 3) ? random_below(random, 10) : 10;
	while (UINT32_C(1) << max_order > capacity / 2)
		max_order--;
	return (struct zone_config){
		.index = random_below(random, 8),
		.nr_pages = random_once_in(random, 3) ? capacity / 2 : capacity,
		.capacity_pages = capacity,
		.contiguous_pages = random_once_in(random, 2) ? capacity / 4 / 512 * 512 : 0,
		.max_order = max_order,
		.nr_slots = CORE_NR_SLOTS,
		.nr_shares = random_below(random, NR_SHARES_MAX + 1),
	};
}

bool history_begin(struct history *history)
{
	struct zone_config *zone = &history->stage->zone;

	*zone = random_shape(&history->random, history->config.max_pages);
	history->taste.zone = *zone;
	history->truth_bytes = core_truth_bytes(zone);
	history->nr_operations = 0;
	memset(history->stage->truth, 0, history->truth_bytes);
	model_init(&history->now, zone->capacity_pages, zone->nr_pages);
	change_taste(history);
	return open_core(history);
}

/* A short history has all kinds too. OPERATION_OPEN when each was there. */
static enum operation_kind kind_to_come(const struct history *history)
{
	unsigned kind = OPERATION_OPEN + 1;

	while (kind < OPERATION_NR_KINDS && history->counts.operations[kind])
		kind++;
	return kind < OPERATION_NR_KINDS ? (enum operation_kind)kind : OPERATION_OPEN;
}

bool history_step(struct history *history)
{
	if (history->nr_operations % TASTE_OPERATIONS == 0)
		change_taste(history);
	operation_choose(&history->stage->operation, &history->taste, &history->now,
			 kind_to_come(history), &history->random);
	if (!perform(history))
		return false;
	if (random_once_in(&history->random, history->config.death_every))
		return die(history);
	history->now = history->after;
	return true;
}

const char *history_complaint(const struct history *history)
{
	return history->complaint;
}

const struct history_counts *history_counts(const struct history *history)
{
	return &history->counts;
}

void history_print_counts(const struct history *history)
{
	const struct history_counts *counts = &history->counts;

	for (unsigned kind = 0; kind < OPERATION_NR_KINDS; kind++)
		printf("  %-20s %8llu\n", operation_name((enum operation_kind)kind),
		       (unsigned long long)counts->operations[kind]);
	printf("%llu stores, %llu states recovered, %llu deaths, %llu steals\n",
	       (unsigned long long)counts->stores, (unsigned long long)counts->states,
	       (unsigned long long)counts->deaths, (unsigned long long)counts->steals);
}
