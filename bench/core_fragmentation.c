/* SPDX-License-Identifier: MIT */
/*
 * Fragmentation: how much of a zone of 64 GiB is still in one piece after a long life at 80 %.
 *
 * In the first history blocks of mixed orders come and go: at each step an eighth of them, drawn at
 * random, is freed, and others are granted. In the second these blocks are movable, and single
 * pages that are not are granted among them, some at each step and for ever, until they are a tenth
 * of what is held. A 2 MiB block can be made
 * where no such page lies, by moving what does; so what counts is how many pageblocks have none.
 * One run asks for each block with its mobility, the next for all of them alike, which leaves the
 * zone nothing to group by; a list knows no groups.
 *
 * All draw the same orders and victims. The results are no times, and come out the same each run.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/blocks.h"
#include "bench/core.h"
#include "bench/report.h"
#include "bench/subject.h"

#define NR_PAGES (UINT32_C(16) << 20)
#define NR_PAGES_SMOKE (UINT32_C(256) << 10)
#define FULL_PERCENT 95u
#define HELD_PERCENT 80u
#define LASTING_PERCENT 10u /* of what is held */
#define NR_STEPS 40u
#define NR_STEPS_SMOKE 8u
#define STEP_PART 8u /* of what is held, that a step replaces */

struct life {
	const char *name;
	enum subject_kind kind;
	bool has_lasting;
	bool is_grouped;

	struct subject subject;
	struct blocks blocks;
	uint32_t held_pages; /* of both kinds */
	uint32_t nr_lasting;
	bool *is_touched; /* by pageblock: a lasting page lies in it */
	uint64_t nr_errors;
};

static int life_init(struct life *life, uint32_t nr_pages)
{
	int error = subject_init(&life->subject, life->kind, nr_pages);

	if (!error)
		error = blocks_init(&life->blocks, nr_pages);
	if (error)
		return error;
	life->held_pages = (uint32_t)((uint64_t)nr_pages * HELD_PERCENT / 100);
	life->is_touched = calloc(nr_pages / INDEX_PAGEBLOCK_PAGES, sizeof(life->is_touched[0]));
	return life->is_touched ? 0 : -ENOMEM;
}

static void life_deinit(struct life *life)
{
	subject_deinit(&life->subject);
	blocks_deinit(&life->blocks);
	free(life->is_touched);
}

static void set_mobility(struct life *life, enum mobility mobility)
{
	life->subject.owner.mobility = life->is_grouped ? mobility : MOBILITY_UNMOVABLE;
}

static void grant_lasting(struct life *life, uint32_t nr_pages)
{
	uint32_t pfn;

	set_mobility(life, MOBILITY_UNMOVABLE);
	for (uint32_t i = 0; i < nr_pages; i++) {
		if (subject_alloc(&life->subject, 0, &pfn) == 0)
			life->is_touched[pfn / INDEX_PAGEBLOCK_PAGES] = true;
		else
			life->nr_errors++;
	}
	life->nr_lasting += nr_pages;
}

static void live(struct life *life, unsigned nr_steps)
{
	uint32_t lasting_pages = 0;

	if (life->has_lasting)
		lasting_pages = life->held_pages / 100 * LASTING_PERCENT / nr_steps;
	set_mobility(life, MOBILITY_MOVABLE);
	blocks_grow(&life->blocks, &life->subject,
		    (uint64_t)life->subject.nr_pages * FULL_PERCENT / 100);
	for (unsigned step = 0; step < nr_steps; step++) {
		blocks_shrink(&life->blocks, &life->subject,
			      life->held_pages - life->held_pages / STEP_PART - life->nr_lasting);
		grant_lasting(life, lasting_pages);
		set_mobility(life, MOBILITY_MOVABLE);
		blocks_grow(&life->blocks, &life->subject, life->held_pages - life->nr_lasting);
	}
}

/* The results, in per cent. */

static double whole_of_free(struct subject *subject)
{
	const uint64_t *nr_blocks = subject->u.list.nr_free;
	uint64_t nr_whole = 0;
	struct zone_counts counts;
	uint32_t cursor = 0;

	if (subject->kind != SUBJECT_LIST) {
		while (!zone_count_free(&subject->u.zone, UINT32_MAX, &cursor, &counts))
			continue;
		nr_blocks = counts.free_blocks;
	}
	for (unsigned order = INDEX_PAGEBLOCK_ORDER; order < PAGE_NR_ORDERS; order++)
		nr_whole += nr_blocks[order] << order;
	return 100.0 * (double)nr_whole / (double)subject_nr_free_pages(subject);
}

static double untouched_pageblocks(const struct life *life)
{
	uint32_t nr_pageblocks = life->subject.nr_pages / INDEX_PAGEBLOCK_PAGES, nr = 0;

	for (uint32_t i = 0; i < nr_pageblocks; i++)
		nr += !life->is_touched[i];
	return 100.0 * nr / nr_pageblocks;
}

static void report(const struct bench *bench, struct life *life)
{
	struct report_sample whole = { 0 }, untouched = { 0 };
	const char *param = life->has_lasting ? "10% unmovable" : "mixed 80%";
	char name[64];

	snprintf(name, sizeof(name), "free_in_2MiB%s", life->name);
	report_sample_add(&whole, whole_of_free(&life->subject));
	report_add(bench->report, &(struct report_key){ "core", name, param, "%" }, &whole);
	if (!life->has_lasting)
		return;
	snprintf(name, sizeof(name), "movable_2MiB%s", life->name);
	report_sample_add(&untouched, untouched_pageblocks(life));
	report_add(bench->report, &(struct report_key){ "core", name, param, "%" }, &untouched);
}

static int measure(const struct bench *bench, struct life *life)
{
	int error = life_init(life, bench->smoke ? NR_PAGES_SMOKE : NR_PAGES);

	if (!error) {
		live(life, bench->smoke ? NR_STEPS_SMOKE : NR_STEPS);
		if (life->nr_errors || life->blocks.nr_errors)
			error = -EIO;
		else
			report(bench, life);
	}
	life_deinit(life);
	return error;
}

int core_measure_fragmentation(const struct bench *bench)
{
	struct life lives[] = {
		{ .name = "", .kind = SUBJECT_ZONE },
		{ .name = "/list", .kind = SUBJECT_LIST },
		{ .name = "", .kind = SUBJECT_ZONE, .has_lasting = true, .is_grouped = true },
		{ .name = "/alike", .kind = SUBJECT_ZONE, .has_lasting = true },
		{ .name = "/list", .kind = SUBJECT_LIST, .has_lasting = true },
	};
	int error = 0;

	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]) && !error; i++)
		error = measure(bench, &lives[i]);
	return error;
}
