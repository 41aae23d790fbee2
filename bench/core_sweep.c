/* SPDX-License-Identifier: MIT */
/*
 * The sweep: how long it takes to find and free all blocks of a client that is dead, in a zone of
 * 64 GiB that others have filled to the last page.
 *
 * Next to it is a plain read of the whole ledger. Only who holds one page in each region makes the
 * sweep look at all of it for next to nothing: that is what finding costs. The others add what
 * freeing costs, which is dear when each block lies by itself and cheap in the batches that clients
 * take.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/core.h"
#include "bench/crowd.h"
#include "bench/measure.h"
#include "bench/report.h"

#define NR_PAGES (UINT32_C(16) << 20)
#define NR_PAGES_SMOKE (UINT32_C(256) << 10)
#define NR_REGIONS 64u
#define SLOT_DEAD (CROWD_CLIENTS + 1)

static unsigned choose_one_percent(uint32_t n, uint64_t *random)
{
	return measure_random_below(random, 100) == 0 ? SLOT_DEAD : crowd_in_turn(n, random);
}

static unsigned choose_half(uint32_t n, uint64_t *random)
{
	return measure_random_below(random, 2) == 0 ? SLOT_DEAD : crowd_in_turn(n, random);
}

/* The last page of each region goes to the dead. */
static void grant_few(struct subject *subject, crowd_choose_fn choose)
{
	const uint32_t region_pages = subject->nr_pages / NR_REGIONS;
	struct zone *zone = &subject->u.zone;
	struct zone_block block;

	crowd_grant_batches(subject, choose);
	for (uint32_t end = region_pages; end <= subject->nr_pages; end += region_pages) {
		struct word_owner dead = { .slot = SLOT_DEAD };
		uint32_t pfn = end - 1;

		zone_next_block(zone, -1, 1, &pfn, &block);
		zone_free(zone, block.pfn, 0, block.owner.slot);
		zone_alloc(zone, 0, dead, &pfn);
	}
}

static const struct holding {
	const char *param;
	void (*grant)(struct subject *subject, crowd_choose_fn choose);
	crowd_choose_fn choose;
} holdings[] = {
	{ "64 pages", grant_few, crowd_in_turn },
	{ "1% in batches", crowd_grant_batches, choose_one_percent },
	{ "1% scattered", crowd_grant_pages, choose_one_percent },
	{ "50% in batches", crowd_grant_batches, choose_half },
	{ "50% scattered", crowd_grant_pages, choose_half },
};

/* 0, or -EIO when not all that the dead held is free. */
static int sweep(struct subject *subject, double *ret_ms)
{
	struct zone *zone = &subject->u.zone;
	uint64_t held = zone_held_pages(zone, SLOT_DEAD), started = measure_cpu_ns();
	uint32_t cursor = 0;
	bool is_done = zone_release(zone, SLOT_DEAD, UINT32_MAX, &cursor);

	*ret_ms = (double)(measure_cpu_ns() - started) / 1e6;
	return is_done && held && zone_nr_free(zone) == held ? 0 : -EIO;
}

/* `ledger` is what was there before the first sweep. */
static int measure(const struct bench *bench, const struct holding *holding,
		   struct subject *subject, const void *ledger)
{
	const struct report_key key = { "core", "sweep", holding->param, "ms" };
	const struct report_key read_key = { "core", "sweep/read", holding->param, "ms" };
	struct report_sample sweeps = { 0 }, reads = { 0 };

	for (unsigned run = 0; run <= bench->nr_runs; run++) {
		double sweep_ms, read_ms;
		int error;

		memcpy(subject->table, ledger, subject->table_bytes);
		subject_recover(subject);
		read_ms = (double)crowd_read(subject) / 1e6;
		error = sweep(subject, &sweep_ms);
		if (error)
			return error;
		if (run == 0)
			continue;
		report_sample_add(&sweeps, sweep_ms);
		report_sample_add(&reads, read_ms);
	}
	report_add_against(bench->report, &key, &sweeps, read_key.name, &reads);
	report_add(bench->report, &read_key, &reads);
	return 0;
}

static int measure_holding(const struct bench *bench, const struct holding *holding,
			   struct subject *subject, void *ledger)
{
	subject_reset(subject, PAGE_ORDER_MAX);
	holding->grant(subject, holding->choose);
	memcpy(ledger, subject->table, subject->table_bytes);
	return measure(bench, holding, subject, ledger);
}

int core_measure_sweep(const struct bench *bench)
{
	struct subject subject;
	void *ledger;
	int error = subject_init(&subject, SUBJECT_ZONE, bench->smoke ? NR_PAGES_SMOKE : NR_PAGES);

	if (error)
		return error;
	ledger = malloc(subject.table_bytes);
	if (!ledger)
		error = -ENOMEM;
	for (size_t i = 0; i < sizeof(holdings) / sizeof(holdings[0]) && !error; i++)
		error = measure_holding(bench, &holdings[i], &subject, ledger);
	free(ledger);
	subject_deinit(&subject);
	return error;
}
