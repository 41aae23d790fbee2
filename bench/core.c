/* SPDX-License-Identifier: MIT */
/*
 * The core group: the zone against a linked-list buddy allocator, on 64 GiB of pages that exist as
 * metadata alone.
 *
 * Every workload runs on both in turns within one run, after a round that warms up and does not
 * count. Times are CPU time of the one thread, pinned: nothing in here waits, so time that others
 * took the CPU away says nothing about us. Both allocators keep and check who owns a block, and
 * their memory is of the same kind (bench/subject.c).
 */

#include "bench/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/measure.h"
#include "bench/report.h"

enum { OURS, LIST, NR_PLAYERS };

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

static int player_init(struct core_player *player, bool is_list, const struct core_sizes *sizes)
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
	error = subject_init(&player->subject, is_list, sizes->nr_pages);
	if (error)
		goto fail;
	return 0;
fail:
	player_deinit(player);
	return error;
}

/* Our row and the list's, which it names as its baseline. */
static void report_both(const struct bench *bench, const struct report_key *key,
			const struct report_sample *ours, const struct report_sample *list)
{
	struct report_key list_key = *key;
	char list_name[64];

	snprintf(list_name, sizeof(list_name), "%s/list", key->name);
	list_key.name = list_name;
	report_add_against(bench->report, key, ours, list_name, list);
	report_add(bench->report, &list_key, list);
}

static void measure_metadata(const struct bench *bench, const struct core_player *players)
{
	struct report_key key = { "core", "metadata", "64 GiB", "B/page" };
	struct report_sample samples[NR_PLAYERS] = { 0 };

	if (bench->smoke)
		key.param = "1 GiB";
	for (int i = 0; i < NR_PLAYERS; i++)
		report_sample_add(&samples[i],
				  subject_metadata_bytes_per_page(&players[i].subject));
	report_both(bench, &key, &samples[OURS], &samples[LIST]);
}

static void report_workload(const struct bench *bench, const struct core_workload *workload,
			    struct report_sample samples[NR_PLAYERS][CORE_VALUES_MAX])
{
	for (unsigned i = 0; i < CORE_VALUES_MAX && workload->names[i]; i++) {
		struct report_key key = { "core", workload->names[i], workload->param,
					  workload->unit };

		report_both(bench, &key, &samples[OURS][i], &samples[LIST][i]);
	}
}

static int check_player(const struct core_workload *workload, const struct core_player *player)
{
	const char *who = player->subject.is_list ? "list" : "zone";

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
	int error = 0;

	for (int i = 0; i < NR_PLAYERS && workload->prepare; i++)
		workload->prepare(core, &players[i], workload->argument);
	for (unsigned run = 0; run <= bench->nr_runs; run++) {
		for (int i = 0; i < NR_PLAYERS; i++) {
			double values[CORE_VALUES_MAX] = { 0 };

			workload->run(core, &players[i], workload->argument, values);
			for (unsigned v = 0; v < CORE_VALUES_MAX && run > 0; v++)
				report_sample_add(&samples[i][v], values[v]);
		}
	}
	for (int i = 0; i < NR_PLAYERS && !error; i++)
		error = check_player(workload, &players[i]);
	if (!error)
		report_workload(bench, workload, samples);
	return error;
}

static int measure_all(const struct bench *bench, const struct core *core)
{
	struct core_player players[NR_PLAYERS];
	int error;

	error = player_init(&players[OURS], false, &core->sizes);
	if (error)
		return error;
	error = player_init(&players[LIST], true, &core->sizes);
	if (!error) {
		measure_metadata(bench, players);
		for (size_t i = 0; i < core_nr_workloads && !error; i++)
			error = measure_workload(bench, core, players, &core_workloads[i]);
		player_deinit(&players[LIST]);
	}
	player_deinit(&players[OURS]);
	return error;
}

int bench_core(const struct bench *bench)
{
	struct core core = { .sizes = bench->smoke ? smoke_sizes : full_sizes };
	uint32_t *shuffled = NULL;
	int cpu, error = -ENOMEM;

	if (measure_list_cpus(&cpu, 1) == 1)
		measure_pin(cpu);
	core.scratch = malloc(core.sizes.nr_latencies * sizeof(core.scratch[0]));
	if (core.scratch)
		error = shuffled_new(core.sizes.nr_pages, &shuffled);
	if (!error) {
		core.shuffled = shuffled;
		error = measure_all(bench, &core);
	}
	if (error)
		fprintf(stderr, "bench: core: %s\n", strerror(-error));
	free(shuffled);
	free(core.scratch);
	return error;
}
