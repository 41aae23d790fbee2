/* SPDX-License-Identifier: MIT */
/*
 * Objects at a death: a client's, after which a million objects have to come back; and the
 * daemon's, after which a zone with ten million has to be opened.
 *
 * The dead client's objects fill slabs of their own; or lie in turn with those of one other, or of
 * nine, who stay. It goes by slices of as many words as the daemon takes at once, and what counts
 * is the time of all and that of the longest, as nobody else is served meanwhile. Next to both
 * there is a plain read of the words of all pages and objects.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/core.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/subject.h"

#define OBJECT_BYTES 64u
#define NR_DEAD 1000000u
#define NR_DEAD_SMOKE 10000u
#define NR_RECOVERED 10000000u
#define NR_RECOVERED_SMOKE 100000u
#define BATCH 256u
#define SLICE_WORDS (16u * 1024u) /* what the daemon's reaper takes */
#define SLOT_OTHERS (SUBJECT_SLOT + 1)
#define READ_WORDS 64u

static uint32_t pages_for(uint32_t nr_objects)
{
	return (uint32_t)(((uint64_t)nr_objects * OBJECT_BYTES >> PAGE_SHIFT) + 64);
}

/*
 * Grants nr_objects by the batch: every nr_clients-th batch to the first client, the others to
 * those that follow.
 */
static int grant(struct subject *subject, uint32_t nr_objects, unsigned nr_clients, size_t batch)
{
	const uint32_t cache = subject_add_cache(subject, OBJECT_BYTES);
	struct object_run runs[BATCH];

	if (cache == CACHES_MAX)
		return -EINVAL;
	for (uint32_t n = 0, done = 0; done < nr_objects; n++) {
		size_t count = nr_objects - done < batch ? nr_objects - done : batch, nr_runs = 0;

		subject_set_slot(subject, SUBJECT_SLOT + n % nr_clients);
		if (subject_alloc_objects(subject, cache, count, runs, &nr_runs) != count)
			return -ENOMEM;
		done += (uint32_t)count;
	}
	return 0;
}

/* As plain as a compiler needs it to make vectors of it. */
static uint32_t sum(const uint32_t *words, const uint32_t *end)
{
	uint32_t total = 0;

	for (; words + READ_WORDS <= end; words += READ_WORDS)
		for (unsigned i = 0; i < READ_WORDS; i++)
			total += words[i];
	return total;
}

/* Reads the words of all pages and objects; returns ms. */
static double read_words(const struct subject *subject)
{
	const struct zone *zone = &subject->u.zone;
	const uint32_t *objects = zone->slabs.words;
	uint64_t started = measure_cpu_ns();
	volatile uint32_t result = sum(zone->words, zone->words + subject->nr_pages) +
				   sum(objects, slab_words(&zone->slabs, zone->slabs.nr_room));

	(void)result;
	return (double)(measure_cpu_ns() - started) / 1e6;
}

/* Release. */

struct release {
	double all_ms, longest_us, read_ms;
};

static void sweep(struct subject *subject, struct release *ret)
{
	uint64_t all_ns = 0, longest_ns = 0;
	uint32_t cursor = 0;
	bool is_done;

	do {
		uint64_t started = measure_cpu_ns(), spent_ns;

		is_done = pool_release(&subject->pool->pool, 0, SUBJECT_SLOT, SLICE_WORDS, &cursor);
		spent_ns = measure_cpu_ns() - started;
		all_ns += spent_ns;
		longest_ns = spent_ns > longest_ns ? spent_ns : longest_ns;
	} while (!is_done);
	ret->all_ms = (double)all_ns / 1e6;
	ret->longest_us = (double)longest_ns / 1e3;
}

/* 0, or -EIO when what is held afterwards is not what the others hold. */
static int release_once(uint32_t nr_dead, unsigned nr_clients, size_t batch, struct release *ret)
{
	const uint32_t nr_objects = nr_dead * nr_clients;
	struct subject subject;
	int error = subject_init_objects(&subject, SUBJECT_POOL, pages_for(nr_objects));

	if (error)
		return error;
	error = grant(&subject, nr_objects, nr_clients, batch);
	if (!error && zone_held_objects(&subject.u.zone, SUBJECT_SLOT) != nr_dead)
		error = -EIO;
	if (!error) {
		ret->read_ms = read_words(&subject);
		sweep(&subject, ret);
		if (zone_held_objects(&subject.u.zone, SUBJECT_SLOT) != 0)
			error = -EIO;
	}
	subject_deinit(&subject);
	return error;
}

static int measure_release(const struct bench *bench, const char *param, unsigned nr_clients,
			   size_t batch)
{
	const struct report_key key = { "core", "objects_release", param, "ms" };
	const struct report_key read_key = { "core", "objects_release/read", param, "ms" };
	const struct report_key slice_key = { "core", "objects_release_slice", param, "us" };
	struct report_sample all = { 0 }, reads = { 0 }, longest = { 0 };

	for (unsigned run = 0; run <= bench->nr_runs; run++) {
		struct release release;
		int error = release_once(bench->smoke ? NR_DEAD_SMOKE : NR_DEAD, nr_clients, batch,
					 &release);

		if (error)
			return error;
		if (run == 0)
			continue;
		report_sample_add(&all, release.all_ms);
		report_sample_add(&reads, release.read_ms);
		report_sample_add(&longest, release.longest_us);
	}
	report_add_against(bench->report, &key, &all, read_key.name, &reads);
	report_add(bench->report, &read_key, &reads);
	report_add(bench->report, &slice_key, &longest);
	return 0;
}

/* Recovery. */

static int measure_recovery_of(const struct bench *bench, struct subject *subject,
			       const char *param)
{
	const struct report_key key = { "core", "objects_recover", param, "ms" };
	const struct report_key read_key = { "core", "objects_recover/read", param, "ms" };
	const uint64_t nr_held = zone_held_objects(&subject->u.zone, SUBJECT_SLOT);
	struct report_sample opens = { 0 }, reads = { 0 };

	for (unsigned run = 0; run <= bench->nr_runs; run++) {
		double open_ms = (double)subject_recover(subject) / 1e6;
		double read_ms = read_words(subject);

		if (zone_held_objects(&subject->u.zone, SUBJECT_SLOT) != nr_held)
			return -EIO;
		if (run == 0)
			continue;
		report_sample_add(&opens, open_ms);
		report_sample_add(&reads, read_ms);
	}
	report_add_against(bench->report, &key, &opens, read_key.name, &reads);
	report_add(bench->report, &read_key, &reads);
	return 0;
}

static int measure_recovery(const struct bench *bench, const char *param, unsigned nr_clients)
{
	const uint32_t nr_objects = bench->smoke ? NR_RECOVERED_SMOKE : NR_RECOVERED;
	struct subject subject;
	int error = subject_init_objects(&subject, SUBJECT_ZONE, pages_for(nr_objects));

	if (error)
		return error;
	error = grant(&subject, nr_objects, nr_clients, nr_clients == 1 ? BATCH : 1);
	if (!error)
		error = measure_recovery_of(bench, &subject, param);
	subject_deinit(&subject);
	return error;
}

int core_measure_object_death(const struct bench *bench)
{
	int error = measure_release(bench, "alone", 1, BATCH);

	if (!error)
		error = measure_release(bench, "1 in 2", 2, 1);
	if (!error)
		error = measure_release(bench, "1 in 10", 10, 1);
	if (!error)
		error = measure_recovery(bench, "1 client", 1);
	return error ? error : measure_recovery(bench, "10 clients", 10);
}
