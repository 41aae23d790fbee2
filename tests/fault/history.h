/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A random history of operations, in which the daemon may die at each of its stores.
 *
 * Who runs the operations and sees the stores is the caller's: a history asks it to perform one and
 * to say what the trail was.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault/cases.h"
#include "fault/operation.h"
#include "fault/trail.h"

/* What the operations of a history run on; the caller's, and shared where they run elsewhere. */
struct history_stage {
	struct zone_config zone;
	struct operation operation;
	_Alignas(64) uint64_t truth[]; /* core_truth_bytes() */
};

struct history_performer {
	/*
	 * Runs stage->operation and fills the trail. OPERATION_OPEN ends the core that there is
	 * and opens another on the truth; its result is that of core_open().
	 */
	void (*perform)(void *data, struct history_stage *stage, struct trail *ret_trail);
	void *data;
};

struct history_counts {
	uint64_t operations[OPERATION_NR_KINDS];
	uint64_t stores; /* steps of all trails */
	uint64_t states; /* recovered and compared */
	uint64_t deaths;
	uint64_t steals; /* from another mobility's pageblock */
	uint64_t cases[NR_CASES];
};

struct history_config {
	uint64_t seed;
	uint32_t max_pages;   /* of a zone, up to CORE_PAGES_MAX */
	uint32_t bulk_max;    /* blocks, up to OPERATION_BULK_MAX */
	uint32_t death_every; /* operations, on average */
};

struct history;

/* Bytes of a stage whose zone has up to CORE_PAGES_MAX pages. */
size_t history_stage_bytes(void);

/* `stage` and `performer` are borrowed until history_free(). NULL when memory is short. */
struct history *history_new(struct history_stage *stage, const struct history_performer *performer,
			    const struct history_config *config);
struct history *history_free(struct history *history);

/* A fresh zone of another shape, and a core on it. False as below. */
bool history_begin(struct history *history);

/*
 * One operation, each state of the truth on its way, and perhaps a death. False when a state is
 * wrong: history_complaint() then says which.
 */
bool history_step(struct history *history);

const char *history_complaint(const struct history *history);
const struct history_counts *history_counts(const struct history *history);
/* Whether each kind of operation was there, a death, a steal, and each case. */
bool history_is_complete(const struct history *history);

void history_print_counts(const struct history *history);
