/* SPDX-License-Identifier: MIT */
/*
 * Recovery: how long a zone of 64 GiB takes to open on a ledger that is in use, as every start of
 * the daemon does.
 *
 * All of the ledger has to be read, so a plain read of it is the measure, in turns with the
 * opening. Its words are in memory, and too many for the cache; the index's memory is zeroed, and
 * was touched before, so that neither of the two has page faults in it.
 *
 * A zone of single pages is the most there can be to read; half of them free, all at the end or
 * everywhere, is as far from a full zone as from an empty one. Mixed blocks are those of a zone
 * that has been in use for long, each of another client than its neighbours.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "bench/bench.h"
#include "bench/blocks.h"
#include "bench/core.h"
#include "bench/crowd.h"
#include "bench/measure.h"
#include "bench/report.h"

#define NR_PAGES (UINT32_C(16) << 20)
#define NR_PAGES_SMOKE (UINT32_C(256) << 10)
#define MIXED_PERCENT 75u
#define HUGE_BYTES_NEEDED (UINT64_C(2) << 30) /* of memory, for the metadata of 1 TiB */

static int use_nothing(struct subject *subject)
{
	(void)subject;
	return 0;
}

static int use_all(struct subject *subject)
{
	crowd_grant_batches(subject, crowd_in_turn);
	return 0;
}

static int use_front(struct subject *subject)
{
	crowd_grant_batches(subject, crowd_in_turn);
	crowd_free(subject, subject->nr_pages / 2, 100);
	return 0;
}

static int use_half(struct subject *subject)
{
	crowd_grant_batches(subject, crowd_in_turn);
	crowd_free(subject, 0, 50);
	return 0;
}

static int use_mixed(struct subject *subject)
{
	struct blocks blocks;
	int error = blocks_init(&blocks, subject->nr_pages);

	if (error)
		return error;
	blocks_grow(&blocks, subject, (uint64_t)subject->nr_pages * MIXED_PERCENT / 100);
	blocks_exchange(&blocks, subject, blocks.nr / BLOCKS_BATCH);
	crowd_mix(subject);
	if (blocks.nr_errors)
		error = -EIO;
	blocks_deinit(&blocks);
	return error;
}

static const struct use {
	const char *param;
	int (*make)(struct subject *subject);
	bool is_huge;
} uses[] = {
	{ "empty", use_nothing, false },       { "half in front", use_front, false },
	{ "half scattered", use_half, false }, { "full", use_all, false },
	{ "mixed 75%", use_mixed, false },     { "full 1 TiB", use_all, true },
};

static void measure(const struct bench *bench, const struct use *use, struct subject *subject)
{
	const struct report_key key = { "core", "recover", use->param, "ms" };
	const struct report_key read_key = { "core", "recover/read", use->param, "ms" };
	struct report_sample opens = { 0 }, reads = { 0 };

	for (unsigned run = 0; run <= bench->nr_runs; run++) {
		double open_ms = (double)subject_recover(subject) / 1e6;
		double read_ms = (double)crowd_read(subject) / 1e6;

		if (run == 0)
			continue;
		report_sample_add(&opens, open_ms);
		report_sample_add(&reads, read_ms);
	}
	report_add_against(bench->report, &key, &opens, read_key.name, &reads);
	report_add(bench->report, &read_key, &reads);
}

static int measure_use(const struct bench *bench, const struct use *use)
{
	uint32_t nr_pages = bench->smoke ? NR_PAGES_SMOKE : NR_PAGES;
	struct subject subject;
	int error;

	if (use->is_huge && bench->smoke)
		return 0;
	if (use->is_huge) {
		if (measure_available_bytes() < HUGE_BYTES_NEEDED) {
			fprintf(stderr, "bench: recover %s: left out, memory is short\n",
				use->param);
			return 0;
		}
		nr_pages = ZONE_PAGES_MAX;
	}
	error = subject_init(&subject, SUBJECT_ZONE, nr_pages);
	if (error)
		return error;
	subject_reset(&subject, PAGE_ORDER_MAX);
	error = use->make(&subject);
	if (!error)
		measure(bench, use, &subject);
	subject_deinit(&subject);
	return error;
}

int core_measure_recovery(const struct bench *bench)
{
	int error = 0;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]) && !error; i++)
		error = measure_use(bench, &uses[i]);
	return error;
}
