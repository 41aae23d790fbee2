/* SPDX-License-Identifier: MIT */
/*
 * The speed of objects: a zone that grants them from slabs, and the same behind a pool with
 * watermarks and limits, beside the C library's malloc.
 *
 * Malloc is the peer because it is what a program would use instead, and everybody knows how fast
 * that is. It has it easier: it knows no owner, checks hardly anything, remembers nothing beyond
 * its process, and its objects are its own memory, to be written to. It is told to keep what is
 * freed, or large batches would measure how fast the kernel gives memory to the heap.
 *
 * A batch of 256 that comes and goes is a magazine that is filled and emptied, and always hits the
 * cache. One object that comes and goes is what malloc is best at, and what clients are not to do.
 * Ten million objects miss the cache: they are freed in random order, named one by one, and what
 * is filled again after that is what such a history has left. There only the pool plays, as it
 * alone knows of a batch what will be needed next.
 *
 * The times of batches are medians over many of them, on the clock on the wall, as reading it is
 * some 0.1 ns an object; all else is CPU time.
 */

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/core.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/subject.h"

#define BATCH_OBJECTS 256u
#define HOT_PAGES (UINT32_C(256) << 10)
#define BIG_OBJECT_BYTES 64u
#define BIG_SPARE_PART 64u /* pages beyond what the objects need */
#define HEAP_KEEP_BYTES (1 << 30)
#define HEAP_KEEP_BYTES_DEFAULT (128 << 10)

struct sizes {
	uint32_t nr_objects; /* of the big set */
	unsigned nr_batches, nr_pairs;
};

static const struct sizes full_sizes = { .nr_objects = 10000000,
					 .nr_batches = 4000,
					 .nr_pairs = 2000000 };
static const struct sizes smoke_sizes = { .nr_objects = 100096,
					  .nr_batches = 50,
					  .nr_pairs = 20000 };

enum { OURS, POOL, MALLOC, NR_PLAYERS };

struct player {
	bool is_malloc; /* and then nothing is of a subject */
	struct subject subject;
	uint32_t cache;
	size_t object_bytes;
	struct object_run *runs;
	uint64_t *names; /* offsets in the pool, or addresses */
	uint32_t *times_ns;
	uint64_t nr_errors;
};

/* Players. */

static void player_deinit(struct player *player)
{
	subject_deinit(&player->subject);
	free(player->runs);
	free(player->names);
	free(player->times_ns);
	memset(player, 0, sizeof(*player));
}

static int player_init(struct player *player, unsigned who, uint32_t nr_pages, uint32_t nr_objects)
{
	const enum subject_kind kind = who == POOL ? SUBJECT_POOL : SUBJECT_ZONE;
	int error = 0;

	*player = (struct player){ .is_malloc = who == MALLOC };
	player->runs = calloc(BATCH_OBJECTS, sizeof(player->runs[0]));
	player->names = calloc(nr_objects, sizeof(player->names[0]));
	player->times_ns = calloc(2 * (size_t)full_sizes.nr_batches, sizeof(player->times_ns[0]));
	if (!player->runs || !player->names || !player->times_ns)
		error = -ENOMEM;
	if (!error && !player->is_malloc)
		error = subject_init_objects(&player->subject, kind, nr_pages);
	if (error)
		player_deinit(player);
	return error;
}

static void player_set_size(struct player *player, uint32_t object_bytes)
{
	player->object_bytes = object_bytes;
	if (player->is_malloc)
		return;
	player->cache = subject_add_cache(&player->subject, object_bytes);
	player->nr_errors += player->cache == CACHES_MAX;
}

static void malloc_batch(struct player *player, uint64_t *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		names[i] = (uintptr_t)malloc(player->object_bytes);
		player->nr_errors += names[i] == 0;
	}
}

static void free_names(const uint64_t *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)names[i]);
}

static size_t alloc_batch(struct player *player, size_t count)
{
	size_t nr_runs = 0;

	player->nr_errors += subject_alloc_objects(&player->subject, player->cache, count,
						   player->runs, &nr_runs) != count;
	return nr_runs;
}

static void free_batch(struct player *player, size_t nr_runs)
{
	player->nr_errors +=
		subject_free_objects(&player->subject, player->cache, player->runs, nr_runs) != 0;
}

/* Workloads. */

static int compare_u32(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static double median(uint32_t *times_ns, unsigned nr)
{
	qsort(times_ns, nr, sizeof(times_ns[0]), compare_u32);
	return times_ns[nr / 2];
}

/* ns an object: alloc, free. */
static void run_batches(const struct sizes *sizes, struct player *player, double *ret_values)
{
	uint32_t *alloc_ns = player->times_ns, *free_ns = alloc_ns + sizes->nr_batches;

	for (unsigned i = 0; i < sizes->nr_batches; i++) {
		uint64_t started = measure_wall_ns(), granted;
		size_t nr_runs = 0;

		if (player->is_malloc)
			malloc_batch(player, player->names, BATCH_OBJECTS);
		else
			nr_runs = alloc_batch(player, BATCH_OBJECTS);
		granted = measure_wall_ns();
		if (player->is_malloc)
			free_names(player->names, BATCH_OBJECTS);
		else
			free_batch(player, nr_runs);
		alloc_ns[i] = (uint32_t)(granted - started);
		free_ns[i] = (uint32_t)(measure_wall_ns() - granted);
	}
	ret_values[0] = median(alloc_ns, sizes->nr_batches) / BATCH_OBJECTS;
	ret_values[1] = median(free_ns, sizes->nr_batches) / BATCH_OBJECTS;
}

static void run_pairs(const struct sizes *sizes, struct player *player, double *ret_values)
{
	uint64_t started = measure_cpu_ns();

	for (unsigned i = 0; i < sizes->nr_pairs; i++) {
		if (player->is_malloc) {
			malloc_batch(player, player->names, 1);
			free_names(player->names, 1);
		} else {
			free_batch(player, alloc_batch(player, 1));
		}
	}
	ret_values[0] = (double)(measure_cpu_ns() - started) / sizes->nr_pairs;
}

/* Writes down the offset of each object of the runs. */
static size_t name_objects(const struct player *player, size_t nr_runs, uint64_t *names)
{
	size_t nr = 0;

	for (size_t i = 0; i < nr_runs; i++)
		for (uint64_t mask = player->runs[i].mask; mask; mask &= mask - 1)
			names[nr++] = player->runs[i].base +
				      (uint64_t)__builtin_ctzll(mask) * player->object_bytes;
	return nr;
}

/* Naming them is in the time: whoever grants objects has to. */
static void fill(const struct sizes *sizes, struct player *player)
{
	uint64_t *names = player->names, *end = names + sizes->nr_objects;

	if (player->is_malloc) {
		malloc_batch(player, names, sizes->nr_objects);
		return;
	}
	while (names < end && !player->nr_errors) {
		size_t left = (size_t)(end - names);

		names += name_objects(
			player, alloc_batch(player, left < BATCH_OBJECTS ? left : BATCH_OBJECTS),
			names);
	}
}

static void shuffle(uint64_t *names, uint32_t nr)
{
	uint64_t random = 99;

	for (uint32_t i = nr; i > 1; i--) {
		uint32_t other = measure_random_below(&random, i);
		uint64_t name = names[i - 1];

		names[i - 1] = names[other];
		names[other] = name;
	}
}

static void free_all(const struct sizes *sizes, struct player *player)
{
	if (player->is_malloc) {
		free_names(player->names, sizes->nr_objects);
		return;
	}
	for (uint32_t done = 0; done < sizes->nr_objects; done += BATCH_OBJECTS) {
		uint32_t left = sizes->nr_objects - done;
		uint32_t count = left < BATCH_OBJECTS ? left : BATCH_OBJECTS;

		for (uint32_t i = 0; i < count; i++)
			player->runs[i] =
				(struct object_run){ .base = player->names[done + i], .mask = 1 };
		free_batch(player, count);
	}
}

/* ns an object: alloc, free. */
static void run_big(const struct sizes *sizes, struct player *player, double *ret_values)
{
	uint64_t started = measure_cpu_ns();

	fill(sizes, player);
	ret_values[0] = (double)(measure_cpu_ns() - started) / sizes->nr_objects;
	shuffle(player->names, sizes->nr_objects);
	started = measure_cpu_ns();
	free_all(sizes, player);
	ret_values[1] = (double)(measure_cpu_ns() - started) / sizes->nr_objects;
	if (!player->is_malloc)
		player->nr_errors += zone_held_objects(&player->subject.u.zone, SUBJECT_SLOT) != 0;
}

struct workload {
	const char *names[CORE_VALUES_MAX]; /* of the values; NULL: no more */
	const char *unit;
	unsigned first; /* player: this one and all behind it play */
	void (*run)(const struct sizes *sizes, struct player *player, double *ret_values);
};

static const struct workload batches = {
	{ "objects_256_alloc", "objects_256_free" }, "ns/object", OURS, run_batches
};
static const struct workload pairs = { { "object_pair" }, "ns", OURS, run_pairs };
static const struct workload big = {
	{ "objects_fill", "objects_free_random" }, "ns/object", POOL, run_big
};

/* Rows. */

/* Malloc is the zone's baseline, and the zone the pool's; malloc itself if there is no zone. */
static void report_value(const struct bench *bench, const struct workload *workload, unsigned value,
			 const char *param, struct report_sample samples[][CORE_VALUES_MAX])
{
	const bool has_zone = workload->first == OURS;
	char pool_name[64], malloc_name[64];
	struct report_key key = { "core", workload->names[value], param, workload->unit };

	snprintf(pool_name, sizeof(pool_name), "%s/pool", workload->names[value]);
	snprintf(malloc_name, sizeof(malloc_name), "%s/malloc", workload->names[value]);
	if (has_zone)
		report_add_against(bench->report, &key, &samples[OURS][value], malloc_name,
				   &samples[MALLOC][value]);
	key.name = pool_name;
	report_add_against(bench->report, &key, &samples[POOL][value],
			   has_zone ? workload->names[value] : malloc_name,
			   &samples[has_zone ? OURS : MALLOC][value]);
	key.name = malloc_name;
	report_add(bench->report, &key, &samples[MALLOC][value]);
}

static int measure(const struct bench *bench, const struct sizes *sizes, struct player *players,
		   const struct workload *workload, const char *param)
{
	struct report_sample samples[NR_PLAYERS][CORE_VALUES_MAX] = { 0 };

	for (unsigned run = 0; run <= bench->nr_runs; run++) {
		for (unsigned i = workload->first; i < NR_PLAYERS; i++) {
			double values[CORE_VALUES_MAX] = { 0 };

			workload->run(sizes, &players[i], values);
			if (players[i].nr_errors) {
				fprintf(stderr, "bench: %s %s: calls failed that must not\n",
					workload->names[0], param);
				return -EIO;
			}
			for (unsigned v = 0; v < CORE_VALUES_MAX && run > 0; v++)
				report_sample_add(&samples[i][v], values[v]);
		}
	}
	for (unsigned v = 0; v < CORE_VALUES_MAX && workload->names[v]; v++)
		report_value(bench, workload, v, param, samples);
	return 0;
}

static int measure_hot(const struct bench *bench, const struct sizes *sizes, struct player *players)
{
	static const uint32_t object_bytes[] = { 32, 64, 128, 256, 512, 1024, 2048, 4096 };
	int error = 0;

	for (size_t i = 0; i < sizeof(object_bytes) / sizeof(object_bytes[0]) && !error; i++) {
		char param[32];

		snprintf(param, sizeof(param), "%u B", object_bytes[i]);
		for (unsigned who = 0; who < NR_PLAYERS; who++)
			player_set_size(&players[who], object_bytes[i]);
		error = measure(bench, sizes, players, &batches, param);
		if (!error && object_bytes[i] == BIG_OBJECT_BYTES)
			error = measure(bench, sizes, players, &pairs, param);
	}
	return error;
}

static int measure_big(const struct bench *bench, const struct sizes *sizes, struct player *players)
{
	for (unsigned who = POOL; who < NR_PLAYERS; who++)
		player_set_size(&players[who], BIG_OBJECT_BYTES);
	return measure(bench, sizes, players, &big, bench->smoke ? "0.1M x 64 B" : "10M x 64 B");
}

static int measure_with(const struct bench *bench, const struct sizes *sizes, unsigned first,
			uint32_t nr_pages, uint32_t nr_objects,
			int (*measure_them)(const struct bench *bench, const struct sizes *sizes,
					    struct player *players))
{
	struct player players[NR_PLAYERS] = { 0 };
	int error = 0;

	for (unsigned i = first; i < NR_PLAYERS && !error; i++)
		error = player_init(&players[i], i, nr_pages, nr_objects);
	if (!error)
		error = measure_them(bench, sizes, players);
	for (unsigned i = 0; i < NR_PLAYERS; i++)
		player_deinit(&players[i]);
	return error;
}

int core_measure_objects(const struct bench *bench)
{
	const struct sizes *sizes = bench->smoke ? &smoke_sizes : &full_sizes;
	uint32_t big_pages =
		(uint32_t)((uint64_t)sizes->nr_objects * BIG_OBJECT_BYTES >> PAGE_SHIFT);
	int error;

	big_pages += big_pages / BIG_SPARE_PART + 1;
	mallopt(M_TRIM_THRESHOLD, HEAP_KEEP_BYTES);
	error = measure_with(bench, sizes, OURS, HOT_PAGES, BATCH_OBJECTS, measure_hot);
	if (!error)
		error = measure_with(bench, sizes, POOL, big_pages, sizes->nr_objects, measure_big);
	mallopt(M_TRIM_THRESHOLD, HEAP_KEEP_BYTES_DEFAULT);
	malloc_trim(0);
	return error;
}
