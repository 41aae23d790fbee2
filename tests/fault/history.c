/* SPDX-License-Identifier: MIT */

/*
 * Histories. After each operation the truth is wound back to what it was before and brought forward
 * again one store at a time. Each state on the way is what a kill would have left there: a copy
 * of it is opened, which is recovering it, validated, read, and held against the model of before
 * and the model of after. A truth that does not end up as the core left it means that a store was
 * not seen, and is a failure too.
 *
 * The end is looked at before the way there. It says which empty slabs were kept, which no answer
 * tells, and must be at rest: whoever opens it has nothing to undo or to finish.
 *
 * Then, now and then, the daemon dies for good: the truth stays at one of these states, the core is
 * thrown away, what was recovered is the model from here on, and the history goes on with a new
 * core. Opening it is an operation like the others: a second death amid the recovery must change
 * nothing.
 *
 * What the zone's own validate() says is not taken on trust. The blocks are read and laid out in
 * the model, which refuses two in one place; and for a share of the states all that is left is
 * granted, so that what is lost, or free and held, shows (rest.c).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/history.h"
#include "fault/rest.h"

#define TASTE_OPERATIONS 150u /* change it after so many */
#define GRANT_ALL_EVERY 8u    /* states */
#define FRESH_TABLE_EVERY 8u  /* zones */
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
	bool has_caches;                  /* its table is that of the copy, which is whole */
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
					    .nr_shares = NR_SHARES_MAX,
					    .nr_slab_units = CORE_SLAB_UNITS };

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
	history->index = aligned_alloc(64, core_index_bytes(&largest));
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

/*
 * The table of caches in history->recovered. To open one that is whole changes nothing, and takes
 * longer than all else: it stays open as long as that part of the truth is the same.
 */
static bool recover_caches(struct history *history, struct zone_fault *ret)
{
	const struct zone_config *zone = &history->stage->zone;
	void *recovered = core_truth_caches(zone, history->recovered);
	const void *state = core_truth_caches(zone, history->state);
	const size_t size_bytes = cache_ledger_bytes(CORE_NR_CACHES);

	if (history->has_caches && memcmp(recovered, state, size_bytes) == 0)
		return true;
	memcpy(recovered, state, size_bytes);
	memset(history->index, 0, cache_index_bytes(CORE_NR_CACHES));
	if (core_open_caches(&history->core, zone, history->recovered, history->index, ret))
		return false;
	*ret = (struct zone_fault){ .what = cache_table_validate(&history->core.caches) };
	history->has_caches = memcmp(recovered, state, size_bytes) == 0;
	return !ret->what;
}

/* Recovers a copy of history->state into history->core and reads it. */
static bool recover(struct history *history, struct zone_fault *ret)
{
	const struct zone_config *zone = &history->stage->zone;
	const size_t caches_bytes = cache_ledger_bytes(CORE_NR_CACHES);
	const size_t layouts_bytes = cache_index_bytes(CORE_NR_CACHES);

	if (!recover_caches(history, ret))
		return false;
	memcpy(history->recovered, history->state, history->truth_bytes - caches_bytes);
	memset((char *)history->index + layouts_bytes, 0, core_index_bytes(zone) - layouts_bytes);
	return !core_open_zone(&history->core, zone, history->recovered, history->index, ret) &&
	       !zone_validate(&history->core.zone, ret) &&
	       model_read(&history->found, &history->core, ret);
}

/* Is what was recovered between `before` and what comes after? */
static bool check_found(struct history *history, const struct model *before, struct zone_fault *ret)
{
	const uint64_t nr_states = ++history->counts.states;

	return model_is_between(&history->found, before, &history->after, ret) &&
	       operation_is_kept(&history->stage->operation, &history->found, ret) &&
	       (nr_states % GRANT_ALL_EVERY || rest_is_free(&history->core, &history->found,
							    nr_states / GRANT_ALL_EVERY % 2, ret));
}

/* An operation. */

static bool complain(struct history *history, uint32_t step, const struct zone_fault *fault)
{
	const struct operation *operation = &history->stage->operation;

	snprintf(history->complaint, sizeof(history->complaint),
		 "operation %u (%s, %u pages, order %u, cache %d, slot %u), after store %u of %u: "
		 "page %u: %s",
		 history->nr_operations, operation_name(operation->kind), operation->nr_pages,
		 operation->order, (int)operation->cache, operation->owner.slot, step,
		 history->trail.nr_steps, fault->pfn, fault->what);
	return false;
}

/*
 * The truth as the core left it, which tells of the after what no answer does. Nothing is under way
 * in it, so opening it changes nothing.
 */
static bool check_end(struct history *history, struct zone_fault *ret)
{
	memcpy(history->state, history->stage->truth, history->truth_bytes);
	if (!recover(history, ret))
		return false;
	*ret = (struct zone_fault){ 0, "something is left half done" };
	return memcmp(history->recovered, history->state, history->truth_bytes) == 0 &&
	       model_adopt_slabs(&history->after, &history->found, ret) &&
	       check_found(history, &history->after, ret);
}

/* All states on the operation's way to the end. A store that changes nothing makes no new one. */
static bool check_way(struct history *history, uint32_t *step, struct zone_fault *ret)
{
	const struct trail *trail = &history->trail;
	size_t cursor = 0;

	memcpy(history->state, history->before, history->truth_bytes);
	for (*step = 1; cursor < trail->nr_changes; ++*step) {
		bool is_other = trail_replay_step(trail, &cursor, history->state);

		if (is_other && cursor < trail->nr_changes &&
		    (!recover(history, ret) || !check_found(history, &history->now, ret)))
			return false;
	}
	*ret = (struct zone_fault){ 0, "not every store was seen" };
	return !trail->is_cut &&
	       memcmp(history->state, history->stage->truth, history->truth_bytes) == 0;
}

static bool check_trail(struct history *history)
{
	struct zone_fault fault = { .what = "" };
	uint32_t step = history->trail.nr_steps;

	if (history->trail.nr_changes && !check_end(history, &fault))
		return complain(history, step, &fault);
	if (!check_way(history, &step, &fault))
		return complain(history, step, &fault);
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
	if (!check_trail(history))
		return false;
	cases_count(&stage->operation, &history->now, &history->after, history->counts.cases);
	return true;
}

/*
 * The tables' general caches are nobody's operation. Mostly they are there from the start, as
 * making them anew is a thousand states of little interest.
 */
static bool begin_caches(struct history *history, struct zone_fault *ret)
{
	struct history_stage *stage = history->stage;
	struct core core = { 0 };

	memset(history->index, 0, core_index_bytes(&stage->zone));
	if (!random_once_in(&history->random, FRESH_TABLE_EVERY) &&
	    core_open_caches(&core, &stage->zone, stage->truth, history->index, ret))
		return false;
	memcpy(history->state, stage->truth, history->truth_bytes);
	if (!recover(history, ret))
		return false;
	memcpy(history->now.caches, history->found.caches, sizeof(history->now.caches));
	return true;
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
		.nr_slab_units = CORE_SLAB_UNITS,
	};
}

bool history_begin(struct history *history)
{
	struct zone_config *zone = &history->stage->zone;
	struct zone_fault fault;

	*zone = random_shape(&history->random, history->config.max_pages);
	history->taste.zone = *zone;
	history->truth_bytes = core_truth_bytes(zone);
	history->nr_operations = 0;
	history->has_caches = false;
	memset(history->stage->truth, 0, history->truth_bytes);
	model_init(&history->now, zone->capacity_pages, zone->nr_pages);
	change_taste(history);
	if (!begin_caches(history, &fault))
		return complain(history, 0, &fault);
	return open_core(history);
}

static bool has_dying(const struct model *model)
{
	for (unsigned slot = 0; slot < CORE_NR_SLOTS; slot++)
		if (model->slots[slot].state == SLOT_DYING)
			return true;
	return false;
}

/* Whether there is a cache with a constructor, or an object of one that is held. */
static bool has_constructor(const struct model *model, bool is_held)
{
	for (uint32_t i = 0; i < CORE_NR_CACHES && !is_held; i++)
		if (model_has_name(model, i) && model->caches[i].flags & CACHE_CTOR)
			return true;
	for (uint32_t i = 0; i < model->nr_slabs && is_held; i++)
		if (model->caches[model->slabs[i].cache].flags & CACHE_CTOR &&
		    model_nr_held(&model->slabs[i]))
			return true;
	return false;
}

/*
 * A short history has all kinds too, and first what they need. OPERATION_OPEN when each was there.
 */
static enum operation_kind kind_to_come(const struct history *history)
{
	const struct model *now = &history->now;
	unsigned kind = OPERATION_OPEN + 1;

	while (kind < OPERATION_NR_KINDS && history->counts.operations[kind])
		kind++;
	if (kind == OPERATION_RELEASE && !has_dying(now))
		return OPERATION_SET_STATE;
	if (kind == OPERATION_FORGET_CONSTRUCTED && !has_constructor(now, true))
		return has_constructor(now, false) ? OPERATION_ALLOC_OBJECTS
						   : OPERATION_CREATE_CACHE;
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
	model_drop_gone(&history->now);
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

bool history_is_complete(const struct history *history)
{
	const struct history_counts *counts = &history->counts;

	for (unsigned kind = 0; kind < OPERATION_NR_KINDS; kind++)
		if (!counts->operations[kind])
			return false;
	for (unsigned which = 0; which < NR_CASES; which++)
		if (!counts->cases[which])
			return false;
	return counts->deaths && counts->steals;
}

void history_print_counts(const struct history *history)
{
	const struct history_counts *counts = &history->counts;

	for (unsigned kind = 0; kind < OPERATION_NR_KINDS; kind++)
		printf("  %-20s %8llu\n", operation_name((enum operation_kind)kind),
		       (unsigned long long)counts->operations[kind]);
	for (unsigned which = 0; which < NR_CASES; which++)
		printf("  %-30s %8llu\n", case_name((enum object_case)which),
		       (unsigned long long)counts->cases[which]);
	printf("%llu stores, %llu states recovered, %llu deaths, %llu steals\n",
	       (unsigned long long)counts->stores, (unsigned long long)counts->states,
	       (unsigned long long)counts->deaths, (unsigned long long)counts->steals);
}
