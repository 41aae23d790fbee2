/* SPDX-License-Identifier: MIT */
#pragma once

/* The parts of the core group; its workloads, and what they play on. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/blocks.h"
#include "bench/subject.h"

#define CORE_VALUES_MAX 3u
#define CORE_BATCH_PAGES 1024u

/* An allocator and what is held of it. */
struct core_player {
	struct subject subject;
	struct blocks blocks;
	struct page_run *runs; /* room for every page of a batch workload as a run of its own */
	size_t *run_ends;      /* by batch: how many runs there were behind it */
	uint64_t nr_errors;    /* calls that failed and must not: a bug of ours */
};

/* How much is done in one round. */
struct core_sizes {
	uint32_t nr_pages;         /* of the zone */
	unsigned nr_pairs;         /* of alloc and free */
	unsigned nr_exchanges;     /* batches */
	unsigned nr_latencies;     /* pairs timed one by one */
	unsigned nr_fresh_batches; /* a quarter of the zone */
	unsigned nr_hot_batches;
	unsigned nr_cold_batches; /* an eighth of the zone */
};

struct core {
	struct core_sizes sizes;
	const uint32_t *shuffled; /* all pfns in random order */
	uint32_t *scratch;        /* nr_latencies of them */
};

struct core_workload {
	const char *names[CORE_VALUES_MAX]; /* of the values that a round gives; NULL: no more */
	const char *param, *unit;
	bool with_pool;    /* the pool plays too: it takes its time */
	unsigned argument; /* what it is of differs: an order, a percentage */
	/* Before the first round; NULL: nothing to do. */
	void (*prepare)(const struct core *core, struct core_player *player, unsigned argument);
	void (*run)(const struct core *core, struct core_player *player, unsigned argument,
		    double *ret_values);
};

struct bench;

/*
 * What has no place among the workloads. Each returns 0 or a negative errno.
 *
 * recovery: opening a zone on a ledger that is in use. sweep: taking back what a dead client held.
 * scale: the same work in zones of all sizes. fragmentation: how much stays whole.
 *
 * objects: how fast they come and go. object_memory: what they cost beside their bytes.
 * object_sizes: what general caches waste. object_death: taking back those of a dead client, and
 * recovery.
 */
int core_measure_recovery(const struct bench *bench);
int core_measure_sweep(const struct bench *bench);
int core_measure_scale(const struct bench *bench);
int core_measure_fragmentation(const struct bench *bench);
int core_measure_objects(const struct bench *bench);
int core_measure_object_memory(const struct bench *bench);
int core_measure_object_sizes(const struct bench *bench);
int core_measure_object_death(const struct bench *bench);

extern const struct core_workload core_workloads[];
extern const size_t core_nr_workloads;
