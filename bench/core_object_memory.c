/* SPDX-License-Identifier: MIT */
/*
 * What objects cost beside their bytes.
 *
 * Counted is what is in memory of ledger, index and table of caches, in whole pages, of a zone that
 * objects of one size fill; so what they take that no formula tells is in it as well. What lies in
 * it that the same pages would have cost anyway, granted as pages, is the row /pages. Powers of two
 * are the kindest sizes, as their words fill whole cache lines; others of the general caches are
 * among them for that.
 *
 * Ten million objects of 64 bytes are set against the bytes asked for: their slabs' pages, and all
 * metadata. Malloc's share is what it says it has in use: it keeps a header with each object.
 *
 * The results are no times, and come out the same each run.
 */

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/core.h"
#include "bench/report.h"
#include "bench/subject.h"

#define NR_OBJECTS (UINT32_C(1) << 20)
#define NR_OBJECTS_SMOKE (UINT32_C(16) << 10)
#define NR_BIG 10000000u
#define NR_BIG_SMOKE 100000u
#define BIG_OBJECT_BYTES 64u
#define BATCH 256u

/* The pages of all slabs that so many objects need. */
static uint32_t pages_for(uint32_t object_bytes, uint32_t nr_objects)
{
	const struct cache_config config = { .name = "", .object_bytes = object_bytes };
	struct cache_layout layout;

	if (cache_lay_out(&config, &layout))
		return 0;
	return (nr_objects + layout.nr_objects - 1) / layout.nr_objects << layout.order;
}

static int grant_objects(struct subject *subject, uint32_t object_bytes, uint32_t nr_objects)
{
	uint32_t cache = subject_add_cache(subject, object_bytes);

	if (cache == CACHES_MAX)
		return -EINVAL;
	for (uint32_t done = 0; done < nr_objects; done += BATCH) {
		size_t count = nr_objects - done < BATCH ? nr_objects - done : BATCH;
		struct object_run runs[BATCH];
		size_t nr_runs = 0;

		if (subject_alloc_objects(subject, cache, count, runs, &nr_runs) != count)
			return -ENOMEM;
	}
	return 0;
}

static int grant_pages(struct subject *subject)
{
	for (uint32_t i = 0, pfn; i < subject->nr_pages; i++)
		if (subject_alloc(subject, 0, &pfn) != 0)
			return -ENOMEM;
	return 0;
}

/* Bytes of metadata when objects have filled the zone, or pages (object_bytes == 0). */
static int measure_resident(uint32_t nr_pages, uint32_t object_bytes, uint32_t nr_objects,
			    uint64_t *ret_bytes)
{
	struct subject subject;
	int error = subject_init_objects(&subject, SUBJECT_ZONE, nr_pages);

	if (error)
		return error;
	error = object_bytes ? grant_objects(&subject, object_bytes, nr_objects)
			     : grant_pages(&subject);
	*ret_bytes = subject_resident_bytes(&subject);
	subject_deinit(&subject);
	return error;
}

static int measure_size(const struct bench *bench, uint32_t object_bytes)
{
	const uint32_t nr_objects = bench->smoke ? NR_OBJECTS_SMOKE : NR_OBJECTS;
	const uint32_t nr_pages = pages_for(object_bytes, nr_objects);
	struct report_sample objects = { 0 }, pages = { 0 };
	char param[32];
	uint64_t bytes;
	int error = measure_resident(nr_pages, object_bytes, nr_objects, &bytes);

	if (error)
		return error;
	snprintf(param, sizeof(param), "%u B", object_bytes);
	report_sample_add(&objects, (double)bytes / nr_objects);
	error = measure_resident(nr_pages, 0, 0, &bytes);
	report_sample_add(&pages, (double)bytes / nr_objects);
	report_add(bench->report,
		   &(struct report_key){ "core", "object_metadata", param, "B/object" }, &objects);
	report_add(bench->report,
		   &(struct report_key){ "core", "object_metadata/pages", param, "B/object" },
		   &pages);
	return error;
}

/* Bytes that malloc takes for so many objects, which hang on each other. */
static uint64_t measure_malloc(uint32_t nr_objects)
{
	size_t before = mallinfo2().uordblks, after;
	void **first = NULL;

	for (uint32_t i = 0; i < nr_objects; i++) {
		void **object = malloc(BIG_OBJECT_BYTES);

		if (!object)
			break;
		*object = first;
		first = object;
	}
	after = mallinfo2().uordblks;
	while (first) {
		void **object = first;

		first = *object;
		free(object);
	}
	malloc_trim(0);
	return after - before;
}

static int measure_big(const struct bench *bench)
{
	const uint32_t nr_objects = bench->smoke ? NR_BIG_SMOKE : NR_BIG;
	const uint32_t nr_pages = pages_for(BIG_OBJECT_BYTES, nr_objects);
	const double asked_bytes = (double)nr_objects * BIG_OBJECT_BYTES;
	struct report_key key = { "core", "objects_memory",
				  bench->smoke ? "0.1M x 64 B" : "10M x 64 B", "B/B" };
	struct report_key malloc_key = key;
	struct report_sample ours = { 0 }, mallocs = { 0 };
	uint64_t bytes;
	int error = measure_resident(nr_pages, BIG_OBJECT_BYTES, nr_objects, &bytes);

	if (error)
		return error;
	malloc_key.name = "objects_memory/malloc";
	report_sample_add(&ours,
			  (double)(((uint64_t)nr_pages << PAGE_SHIFT) + bytes) / asked_bytes);
	report_sample_add(&mallocs, (double)measure_malloc(nr_objects) / asked_bytes);
	report_add_against(bench->report, &key, &ours, malloc_key.name, &mallocs);
	report_add(bench->report, &malloc_key, &mallocs);
	return 0;
}

int core_measure_object_memory(const struct bench *bench)
{
	static const uint32_t object_bytes[] = {
		32, 64, 128, 224, 256, 512, 896, 1024, 2048, 4096
	};
	int error = 0;

	for (size_t i = 0; i < sizeof(object_bytes) / sizeof(object_bytes[0]) && !error; i++)
		error = measure_size(bench, object_bytes[i]);
	return error ? error : measure_big(bench);
}
