/* SPDX-License-Identifier: MIT */
/*
 * The core group: the zone against a linked-list buddy allocator, on 64 GiB of pages that exist as
 * metadata alone; and, in the main workloads, against itself behind a pool, with watermarks and
 * limits.
 *
 * Every workload runs on all of them in turns within one run, after a round that warms up and does
 * not count. Times are CPU time of the one thread, pinned: nothing in here waits, so time that
 * others took the CPU away says nothing about us. All keep and check who owns a block, and their
 * memory is of the same kind (bench/subject.c).
 *
 * What no workload can tell has a file of its own: core_recovery.c, core_sweep.c, core_scale.c and
 * core_fragmentation.c. Objects have others: core_objects.c, core_object_*.c.
 */

#include "bench/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/measure.h"
#include "bench/report.h"

enum { OURS, LIST, POOL, NR_PLAYERS };

static const struct core_sizes full_sizes = { .nr_pages = 16u << 20,
					      .nr_pairs = 5000000,
					      .nr_exchanges = 8192,
					      .nr_latencies = 200000,
					      .nr_fresh_batches = 4096,
					      .nr_hot_batches = 2000,
					      .nr_cold_batches = 2048 };

static const struct core_sizes smoke_sizes = { .nr_pages = 256u << 10,
					       .nr_pairs = 100000,
					       .nr_exchanges = 64,
					       .nr_latencies = 10000,
					       .nr_fresh_batches = 64,
					       .nr_hot_batches = 50,
					       .nr_cold_batches = 32 };

static int shuffled_new(uint32_t nr_pages, uint32_t **ret)
{
	uint32_t *pfns = malloc(nr_pages * sizeof(pfns[0]));
	uint64_t random = 99;

	if (!pfns)
		return -ENOMEM;
	/* Each new element changes places with one below it, or stays (Fisher and Yates). */
	for (uint32_t i = 0; i < nr_pages; i++) {
		uint32_t other = measure_random_below(&random, (uint64_t)i + 1);

		pfns[i] = pfns[other];
		pfns[other] = i;
	}
	*ret = pfns;
	return 0;
}

static void player_deinit(struct core_player *player)
{
	subject_deinit(&player->subject);
	blocks_deinit(&player->blocks);
	free(player->runs);
	free(player->run_ends);
	memset(player, 0, sizeof(*player));
}

static int player_init(struct core_player *player, enum subject_kind kind,
		       const struct core_sizes *sizes)
{
	size_t nr_runs = (size_t)sizes->nr_fresh_batches * CORE_BATCH_PAGES;
	int error;

	memset(player, 0, sizeof(*player));
	player->runs = malloc(nr_runs * sizeof(player->runs[0]));
	player->run_ends = malloc(sizes->nr_fresh_batches * sizeof(player->run_ends[0]));
	if (!player->runs || !player->run_ends) {
		error = -ENOMEM;
		goto fail;
	}
	memset(player->runs, 0xff, nr_runs * sizeof(player->runs[0]));
	memset(player->run_ends, 0xff, sizes->nr_fresh_batches * sizeof(player->run_ends[0]));
	error = blocks_init(&player->blocks, sizes->nr_pages);
	if (error)
		goto fail;
	error = subject_init(&player->subject, kind, sizes->nr_pages);
	if (error)
		goto fail;
	return 0;
fail:
	player_deinit(player);
	return error;
}

static void report_metadata(const struct bench *bench, const struct core_player *players)
{
	struct report_key key = { "core", "metadata", "64 GiB", "B/page" };
	struct report_key list_key = { "core", "metadata/list", "64 GiB", "B/page" };
	struct report_sample samples[NR_PLAYERS] = { 0 };

	if (bench->smoke)
		key.param = list_key.param = "1 GiB";
	for (int i = OURS; i <= LIST; i++)
		report_sample_add(&samples[i],
				  subject_metadata_bytes_per_page(&players[i].subject));
	report_add_against(bench->report, &key, &samples[OURS], list_key.name, &samples[LIST]);
	report_add(bench->report, &list_key, &samples[LIST]);
}

/* Our row, that of the list, which is its baseline, and that of the pool, whose baseline it is. */
static void report_value(const struct bench *bench, const struct core_workload *workload,
			 unsigned value, struct report_sample samples[][CORE_VALUES_MAX])
{
	struct report_key key = { "core", workload->names[value], workload->param, workload->unit };
	struct report_key list_key = key, pool_key = key;
	char list_name[64], pool_name[64];

	snprintf(list_name, sizeof(list_name), "%s/list", key.name);
	snprintf(pool_name, sizeof(pool_name), "%s/pool", key.name);
	list_key.name = list_name;
	pool_key.name = pool_name;
	report_add_against(bench->report, &key, &samples[OURS][value], list_name,
			   &samples[LIST][value]);
	report_add(bench->report, &list_key, &samples[LIST][value]);
	if (workload->with_pool)
		report_add_against(bench->report, &pool_key, &samples[POOL][value], key.name,
				   &samples[OURS][value]);
}

static void report_workload(const struct bench *bench, const struct core_workload *workload,
			    struct report_sample samples[][CORE_VALUES_MAX])
{
	for (unsigned i = 0; i < CORE_VALUES_MAX && workload->names[i]; i++)
		report_value(bench, workload, i, samples);
}

static int check_player(const struct core_workload *workload, const struct core_player *player)
{
	static const char *const names[] = {
		[SUBJECT_ZONE] = "zone", [SUBJECT_LIST] = "list", [SUBJECT_POOL] = "pool"
	};
	const char *who = names[player->subject.kind];

	if (player->blocks.nr_failures)
		fprintf(stderr, "bench: %s %s: the %s had no block of the order %llu times\n",
			workload->names[0], workload->param, who,
			(unsigned long long)player->blocks.nr_failures);
	if (!player->nr_errors && !player->blocks.nr_errors)
		return 0;
	fprintf(stderr, "bench: %s %s: calls of the %s failed that must not\n", workload->names[0],
		workload->param, who);
	return -EIO;
}

static int measure_workload(const struct bench *bench, const struct core *core,
			    struct core_player *players, const struct core_workload *workload)
{
	struct report_sample samples[NR_PLAYERS][CORE_VALUES_MAX] = { 0 };
	int nr_players = workload->with_pool ? POOL + 1 : LIST + 1;
	int error = 0;

	for (int i = 0; i < nr_players && workload->prepare; i++)
		workload->prepare(core, &players[i], workload->argument);
	for (unsigned run = 0; run <= bench->nr_runs; run++) {
		for (int i = 0; i < nr_players; i++) {
			double values[CORE_VALUES_MAX] = { 0 };

			workload->run(core, &players[i], workload->argument, values);
			for (unsigned v = 0; v < CORE_VALUES_MAX && run > 0; v++)
				report_sample_add(&samples[i][v], values[v]);
		}
	}
	for (int i = 0; i < nr_players && !error; i++)
		error = check_player(workload, &players[i]);
	if (!error)
		report_workload(bench, workload, samples);
	return error;
}

static int measure_workloads(const struct bench *bench, const struct core *core)
{
	static const enum subject_kind kinds[NR_PLAYERS] = {
		[OURS] = SUBJECT_ZONE, [LIST] = SUBJECT_LIST, [POOL] = SUBJECT_POOL
	};
	struct core_player players[NR_PLAYERS] = { 0 };
	int error = 0;

	for (int i = 0; i < NR_PLAYERS && !error; i++)
		error = player_init(&players[i], kinds[i], &core->sizes);
	if (!error)
		report_metadata(bench, players);
	for (size_t i = 0; i < core_nr_workloads && !error; i++)
		error = measure_workload(bench, core, players, &core_workloads[i]);
	for (int i = 0; i < NR_PLAYERS; i++)
		player_deinit(&players[i]);
	return error;
}

static int measure_all_workloads(const struct bench *bench)
{
	struct core core = { .sizes = bench->smoke ? smoke_sizes : full_sizes };
	uint32_t *shuffled = NULL;
	int error = -ENOMEM;

	core.scratch = malloc(core.sizes.nr_latencies * sizeof(core.scratch[0]));
	if (core.scratch)
		error = shuffled_new(core.sizes.nr_pages, &shuffled);
	if (!error) {
		core.shuffled = shuffled;
		error = measure_workloads(bench, &core);
	}
	free(shuffled);
	free(core.scratch);
	return error;
}

int bench_core(const struct bench *bench)
{
	static int (*const parts[])(const struct bench *bench) = {
		measure_all_workloads,      core_measure_recovery,      core_measure_sweep,
		core_measure_scale,         core_measure_fragmentation, core_measure_objects,
		core_measure_object_memory, core_measure_object_sizes,  core_measure_object_death,
	};
	int cpu, error = 0;

	if (measure_list_cpus(&cpu, 1) == 1)
		measure_pin(cpu);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !error; i++)
		error = parts[i](bench);
	if (error)
		fprintf(stderr, "bench: core: %s\n", strerror(-error));
	return error;
}
