/* SPDX-License-Identifier: MIT */
/*
 * Scale: the same exchange of mixed blocks in zones of 1 GiB, 64 GiB and 1 TiB, all 75 % full, in
 * turns.
 *
 * The algorithm does nothing more in a large zone. But the metadata of the small one fits in the
 * cache, while of the large one hardly any access does, nor does its translation in the TLB: what
 * grows is what memory costs. How much that is, the touch rows tell: of as many random blocks the
 * word that says who owns it is read and written twice, as a free and an alloc have to, and nothing
 * else is done.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "bench/bench.h"
#include "bench/blocks.h"
#include "bench/core.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/subject.h"

#define NR_SIZES 3u
#define PERCENT 75u
#define NR_EXCHANGES 8192u
#define NR_EXCHANGES_SMOKE 16u
#define AGE_PART 2u /* as the workloads in zones of one size */

/* Metadata, and what a workload remembers of its blocks: 1 TiB takes 2.4 GiB of memory. */
#define BYTES_NEEDED_PER_PAGE 10u

static const char *const names[NR_SIZES] = { "exchange_1GiB", "exchange_64GiB", "exchange_1TiB" };
static const char *const touch_names[NR_SIZES] = { "touch_1GiB", "touch_64GiB", "touch_1TiB" };
static const uint32_t nr_pages_full[NR_SIZES] = { UINT32_C(256) << 10, UINT32_C(16) << 20,
						  ZONE_PAGES_MAX };
static const uint32_t nr_pages_smoke[NR_SIZES] = { UINT32_C(64) << 10, UINT32_C(128) << 10,
						   UINT32_C(256) << 10 };

struct zone_in_use {
	struct subject subject;
	struct blocks blocks;
};

static int start_use(struct zone_in_use *use, uint32_t nr_pages)
{
	int error = subject_init(&use->subject, SUBJECT_ZONE, nr_pages);

	if (!error)
		error = blocks_init(&use->blocks, nr_pages);
	if (error)
		return error;
	blocks_grow(&use->blocks, &use->subject, (uint64_t)nr_pages * PERCENT / 100);
	blocks_exchange(&use->blocks, &use->subject, use->blocks.nr / BLOCKS_BATCH / AGE_PART);
	return 0;
}

/* Touches the words of random blocks, each twice. Returns ns a touch. */
static double touch_words(struct zone_in_use *use, uint32_t count)
{
	volatile uint32_t *words = use->subject.table;
	struct blocks *blocks = &use->blocks;
	uint64_t started;

	if (count > blocks->nr)
		count = blocks->nr;
	blocks_shuffle_tail(blocks, count);
	started = measure_cpu_ns();
	for (uint32_t first = blocks->nr - count; first < blocks->nr; first += BLOCKS_BATCH)
		for (uint32_t i = 0; i < 2 * BLOCKS_BATCH; i++) {
			uint32_t at = first + i % BLOCKS_BATCH;

			if (at < blocks->nr && blocks->pfns[at] != PAGE_NONE)
				words[blocks->pfns[at]] = words[blocks->pfns[at]];
		}
	return (double)(measure_cpu_ns() - started) / (2.0 * count);
}

static void report(const struct bench *bench, const char *const row_names[NR_SIZES],
		   const struct report_sample *samples, unsigned nr_sizes)
{
	struct report_key key = { "core", row_names[0], "mixed 75%", "ns/op" };

	report_add(bench->report, &key, &samples[0]);
	for (unsigned i = 1; i < nr_sizes; i++) {
		key.name = row_names[i];
		report_add_against(bench->report, &key, &samples[i], row_names[0], &samples[0]);
	}
}

static int measure(const struct bench *bench, struct zone_in_use *uses, unsigned nr_sizes)
{
	unsigned nr_exchanges = bench->smoke ? NR_EXCHANGES_SMOKE : NR_EXCHANGES;
	struct report_sample samples[NR_SIZES] = { 0 }, touches[NR_SIZES] = { 0 };

	for (unsigned run = 0; run <= bench->nr_runs; run++) {
		for (unsigned i = 0; i < nr_sizes; i++) {
			double op_ns =
				blocks_exchange(&uses[i].blocks, &uses[i].subject, nr_exchanges);
			double touch_ns = touch_words(&uses[i], nr_exchanges * BLOCKS_BATCH);

			if (run > 0) {
				report_sample_add(&samples[i], op_ns);
				report_sample_add(&touches[i], touch_ns);
			}
			if (uses[i].blocks.nr_errors)
				return -EIO;
		}
	}
	report(bench, names, samples, nr_sizes);
	report(bench, touch_names, touches, nr_sizes);
	return 0;
}

int core_measure_scale(const struct bench *bench)
{
	const uint32_t *nr_pages = bench->smoke ? nr_pages_smoke : nr_pages_full;
	struct zone_in_use uses[NR_SIZES] = { 0 };
	unsigned nr_sizes = NR_SIZES;
	int error = 0;

	if (measure_available_bytes() / BYTES_NEEDED_PER_PAGE < nr_pages[NR_SIZES - 1]) {
		fprintf(stderr, "bench: %s: left out, memory is short\n", names[NR_SIZES - 1]);
		nr_sizes--;
	}
	for (unsigned i = 0; i < nr_sizes && !error; i++)
		error = start_use(&uses[i], nr_pages[i]);
	if (!error)
		error = measure(bench, uses, nr_sizes);
	for (unsigned i = 0; i < NR_SIZES; i++) {
		subject_deinit(&uses[i].subject);
		blocks_deinit(&uses[i].blocks);
	}
	return error;
}
