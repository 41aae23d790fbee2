/* SPDX-License-Identifier: MIT */
/*
 * What page allocators are asked to do, from the kindest to the cruellest.
 *
 * A hot pair hits the same cache lines for ever. On a fresh zone a list splits and merges all the
 * way from the top and back, so it is also measured with 10 as the top order of both, where kernels
 * stop. Filling walks the zone once; freeing in random order misses the cache with every page.
 *
 * Mixed orders at 75 % and 90 % are a zone that has been in use for long, where batches of random
 * victims are replaced at once: last in, first out is what lists are best at. Growing and shrinking
 * between 50 % and 88 % has no such memory.
 *
 * Batches of 1,024 single pages are how a magazine is filled: on a fresh zone that is walked, on a
 * fragmented one again and again (hot) and on and on (cold). A list has no better way for a batch
 * than page by page. In random order each of a batch's pages lies by itself, and naming them one by
 * one is in the time.
 *
 * Whatever fails that must not is counted, and the caller takes a count for an error.
 */

#include "bench/core.h"

#include <stdbool.h>
#include <stdlib.h>

#include "bench/measure.h"

/* A filled zone counts as one that has been in use once one in two blocks has been exchanged. */
#define AGE_PART 2u
#define LOW_TOP_ORDER 10u
#define LOW_PERCENT 50u
#define HIGH_PERCENT 88u
#define AGE_CYCLES 3u

static uint64_t percent_of_zone(const struct core *core, unsigned percent)
{
	return (uint64_t)core->sizes.nr_pages * percent / 100;
}

static void prepare_fresh(const struct core *core, struct core_player *player, unsigned argument)
{
	(void)core;
	(void)argument;
	subject_reset(&player->subject, PAGE_ORDER_MAX);
	blocks_reset(&player->blocks);
}

static void prepare_fresh_low(const struct core *core, struct core_player *player,
			      unsigned argument)
{
	(void)core;
	(void)argument;
	subject_reset(&player->subject, LOW_TOP_ORDER);
	blocks_reset(&player->blocks);
}

static void run_hot_pair(const struct core *core, struct core_player *player, unsigned order,
			 double *ret_values)
{
	uint64_t nr_errors = 0, started = measure_cpu_ns();
	uint32_t pfn = 0;

	for (unsigned i = 0; i < core->sizes.nr_pairs; i++) {
		nr_errors += subject_alloc(&player->subject, order, &pfn) != 0;
		nr_errors += subject_free(&player->subject, pfn, order) != 0;
	}
	ret_values[0] = (double)(measure_cpu_ns() - started) / core->sizes.nr_pairs;
	player->nr_errors += nr_errors;
}

/* All that was freed has become blocks of the top order again. */
static bool is_whole(struct subject *subject)
{
	uint32_t block_pages = 1u << PAGE_ORDER_MAX, pfn;
	bool is_found = true;

	if (subject_nr_free_pages(subject) != subject->nr_pages)
		return false;
	for (uint32_t done = 0; done < subject->nr_pages; done += block_pages)
		is_found = is_found && subject_alloc(subject, PAGE_ORDER_MAX, &pfn) == 0;
	return is_found;
}

static void run_fill(const struct core *core, struct core_player *player, unsigned argument,
		     double *ret_values)
{
	uint32_t nr_pages = core->sizes.nr_pages, pfn;
	uint64_t nr_errors = 0, started;

	prepare_fresh(core, player, argument);
	started = measure_cpu_ns();
	for (uint32_t i = 0; i < nr_pages; i++)
		nr_errors += subject_alloc(&player->subject, 0, &pfn) != 0;
	ret_values[0] = (double)(measure_cpu_ns() - started) / nr_pages;

	started = measure_cpu_ns();
	for (uint32_t i = 0; i < nr_pages; i++)
		nr_errors += subject_free(&player->subject, core->shuffled[i], 0) != 0;
	ret_values[1] = (double)(measure_cpu_ns() - started) / nr_pages;
	player->nr_errors += nr_errors + !is_whole(&player->subject);
}

static void prepare_mixed(const struct core *core, struct core_player *player, unsigned percent)
{
	struct blocks *blocks = &player->blocks;

	prepare_fresh(core, player, percent);
	blocks_grow(blocks, &player->subject, percent_of_zone(core, percent));
	blocks_exchange(blocks, &player->subject, blocks->nr / BLOCKS_BATCH / AGE_PART);
}

static void run_mixed(const struct core *core, struct core_player *player, unsigned percent,
		      double *ret_values)
{
	(void)percent;
	ret_values[0] =
		blocks_exchange(&player->blocks, &player->subject, core->sizes.nr_exchanges);
}

static int compare_u32(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

/* One free and one alloc of that order, by themselves. What the two clock readings cost is in. */
static uint32_t time_one_pair(struct core_player *player, uint32_t *pfn, unsigned order)
{
	uint64_t started;

	if (*pfn == PAGE_NONE && subject_alloc(&player->subject, order, pfn) != 0)
		return 0;
	started = measure_wall_ns();
	player->nr_errors += subject_free(&player->subject, *pfn, order) != 0;
	player->nr_errors += subject_alloc(&player->subject, order, pfn) != 0;
	return (uint32_t)(measure_wall_ns() - started);
}

static void run_latency(const struct core *core, struct core_player *player, unsigned percent,
			double *ret_values)
{
	struct blocks *blocks = &player->blocks;
	uint32_t nr = core->sizes.nr_latencies, first;

	(void)percent;
	if (nr > blocks->nr)
		nr = blocks->nr;
	first = blocks->nr - nr;
	blocks_shuffle_tail(blocks, nr);
	for (uint32_t i = 0; i < nr; i++)
		core->scratch[i] =
			time_one_pair(player, &blocks->pfns[first + i], blocks->orders[first + i]);
	qsort(core->scratch, nr, sizeof(core->scratch[0]), compare_u32);
	ret_values[0] = core->scratch[nr / 2];
	ret_values[1] = core->scratch[nr - 1 - nr / 100];
	ret_values[2] = core->scratch[nr - 1 - nr / 1000];
}

static void run_grow_shrink(const struct core *core, struct core_player *player, unsigned argument,
			    double *ret_values)
{
	(void)argument;
	ret_values[0] =
		blocks_grow(&player->blocks, &player->subject, percent_of_zone(core, HIGH_PERCENT));
	ret_values[1] = blocks_shrink(&player->blocks, &player->subject,
				      percent_of_zone(core, LOW_PERCENT));
}

static void prepare_fragmented(const struct core *core, struct core_player *player,
			       unsigned argument)
{
	double ignored[CORE_VALUES_MAX];

	prepare_fresh(core, player, argument);
	for (unsigned i = 0; i < AGE_CYCLES; i++)
		run_grow_shrink(core, player, argument, ignored);
}

/* The list's batches lie in the part of the block array that holds no block. */
static uint32_t *list_batch(struct core_player *player, unsigned batch)
{
	return player->blocks.pfns + player->blocks.nr + (size_t)batch * CORE_BATCH_PAGES;
}

static void alloc_batch(struct core_player *player, unsigned batch)
{
	struct subject *subject = &player->subject;
	size_t nr_runs = batch > 0 ? player->run_ends[batch - 1] : 0;
	uint32_t *pfns = list_batch(player, batch);
	size_t granted;

	if (subject->kind == SUBJECT_LIST) {
		granted = list_buddy_alloc_bulk(&subject->u.list, CORE_BATCH_PAGES, subject->owner,
						pfns);
	} else {
		granted = subject_alloc_bulk(subject, 0, CORE_BATCH_PAGES, player->runs, &nr_runs);
		player->run_ends[batch] = nr_runs;
	}
	player->nr_errors += granted != CORE_BATCH_PAGES;
}

static void free_list_batch(struct core_player *player, const uint32_t *pfns)
{
	struct list_buddy *list = &player->subject.u.list;

	if (list_buddy_free_bulk(list, CORE_BATCH_PAGES, SUBJECT_SLOT, pfns) != CORE_BATCH_PAGES)
		player->nr_errors++;
}

static void free_batch(struct core_player *player, unsigned batch)
{
	struct subject *subject = &player->subject;
	size_t first_run = batch > 0 ? player->run_ends[batch - 1] : 0;

	if (subject->kind == SUBJECT_LIST)
		free_list_batch(player, list_batch(player, batch));
	else if (subject_free_bulk(subject, 0, player->runs + first_run,
				   player->run_ends[batch] - first_run) != 0)
		player->nr_errors++;
}

/* All batches are taken, then all are freed: what comes next was not touched for long. */
static void run_batches(struct core_player *player, unsigned nr_batches, double *ret_values)
{
	double nr_pages = (double)nr_batches * CORE_BATCH_PAGES;
	uint64_t started = measure_cpu_ns();

	for (unsigned i = 0; i < nr_batches; i++)
		alloc_batch(player, i);
	ret_values[0] = (double)(measure_cpu_ns() - started) / nr_pages;
	started = measure_cpu_ns();
	for (unsigned i = 0; i < nr_batches; i++)
		free_batch(player, i);
	ret_values[1] = (double)(measure_cpu_ns() - started) / nr_pages;
}

static void run_batch_fresh(const struct core *core, struct core_player *player, unsigned argument,
			    double *ret_values)
{
	prepare_fresh(core, player, argument);
	run_batches(player, core->sizes.nr_fresh_batches, ret_values);
}

static void run_batch_cold(const struct core *core, struct core_player *player, unsigned argument,
			   double *ret_values)
{
	(void)argument;
	run_batches(player, core->sizes.nr_cold_batches, ret_values);
}

static void run_batch_hot(const struct core *core, struct core_player *player, unsigned argument,
			  double *ret_values)
{
	unsigned nr_batches = core->sizes.nr_hot_batches;
	uint64_t started = measure_cpu_ns();

	(void)argument;
	for (unsigned i = 0; i < nr_batches; i++) {
		alloc_batch(player, 0);
		free_batch(player, 0);
	}
	ret_values[0] =
		(double)(measure_cpu_ns() - started) / ((double)nr_batches * CORE_BATCH_PAGES);
}

/* The full zone, freed page by page in random order, but by the batch. */
static void run_batch_random(const struct core *core, struct core_player *player, unsigned argument,
			     double *ret_values)
{
	uint32_t nr_pages = core->sizes.nr_pages, pfn;
	struct page_run runs[CORE_BATCH_PAGES];
	uint64_t nr_errors = 0, started;

	prepare_fresh(core, player, argument);
	for (uint32_t i = 0; i < nr_pages; i++)
		nr_errors += subject_alloc(&player->subject, 0, &pfn) != 0;
	started = measure_cpu_ns();
	for (uint32_t i = 0; i < nr_pages; i += CORE_BATCH_PAGES) {
		if (player->subject.kind == SUBJECT_LIST) {
			free_list_batch(player, core->shuffled + i);
			continue;
		}
		for (uint32_t j = 0; j < CORE_BATCH_PAGES; j++)
			runs[j] = (struct page_run){ .base = core->shuffled[i + j], .mask = 1 };
		nr_errors += subject_free_bulk(&player->subject, 0, runs, CORE_BATCH_PAGES) != 0;
	}
	ret_values[0] = (double)(measure_cpu_ns() - started) / nr_pages;
	player->nr_errors += nr_errors + !is_whole(&player->subject);
}

/* From no memory at all to a zone that grants: mapping and page faults are in. */
static void run_fresh_zone(const struct core *core, struct core_player *player, unsigned argument,
			   double *ret_values)
{
	uint64_t started = measure_cpu_ns();
	struct subject subject;

	(void)argument;
	if (subject_init(&subject, player->subject.kind, core->sizes.nr_pages) != 0) {
		player->nr_errors++;
		ret_values[0] = 0;
		return;
	}
	ret_values[0] = (double)(measure_cpu_ns() - started) / 1e6;
	subject_deinit(&subject);
}

const struct core_workload core_workloads[] = {
	{ { "hot_pair" }, "order 0", "ns", true, 0, prepare_fresh, run_hot_pair },
	{ { "hot_pair" }, "order 4", "ns", false, 4, prepare_fresh, run_hot_pair },
	{ { "hot_pair" }, "order 9", "ns", true, 9, prepare_fresh, run_hot_pair },
	{ { "hot_pair" }, "order 0 of 10", "ns", false, 0, prepare_fresh_low, run_hot_pair },
	{ { "hot_pair" }, "order 4 of 10", "ns", false, 4, prepare_fresh_low, run_hot_pair },
	{ { "hot_pair" }, "order 9 of 10", "ns", false, 9, prepare_fresh_low, run_hot_pair },
	{ { "fill", "free_random" }, "order 0", "ns/page", false, 0, NULL, run_fill },
	{ { "batch_1024_free" }, "random order", "ns/page", false, 0, NULL, run_batch_random },
	{ { "exchange_lifo" }, "mixed 75%", "ns/op", true, 75, prepare_mixed, run_mixed },
	{ { "exchange_lifo" }, "mixed 90%", "ns/op", false, 90, prepare_mixed, run_mixed },
	{ { "pair_p50", "pair_p99", "pair_p99.9" },
	  "mixed 75%",
	  "ns",
	  true,
	  75,
	  prepare_mixed,
	  run_latency },
	{ { "grow", "shrink" },
	  "mixed 50-88%",
	  "ns/op",
	  false,
	  0,
	  prepare_fragmented,
	  run_grow_shrink },
	{ { "batch_1024_alloc", "batch_1024_free" },
	  "fresh",
	  "ns/page",
	  true,
	  0,
	  NULL,
	  run_batch_fresh },
	{ { "batch_1024_pair" },
	  "fragmented hot",
	  "ns/page",
	  true,
	  0,
	  prepare_fragmented,
	  run_batch_hot },
	{ { "batch_1024_alloc", "batch_1024_free" },
	  "fragmented cold",
	  "ns/page",
	  true,
	  0,
	  prepare_fragmented,
	  run_batch_cold },
	{ { "zone_ready" }, "fresh memory", "ms", false, 0, NULL, run_fresh_zone },
};

const size_t core_nr_workloads = sizeof(core_workloads) / sizeof(core_workloads[0]);
