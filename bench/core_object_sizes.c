/* SPDX-License-Identifier: MIT */
/*
 * What size classes waste: random sizes from 16 bytes to 8 KiB, served from the general caches, or
 * from caches of the sizes that the kernel's kmalloc has.
 *
 * Waste is what is granted beyond what was asked for; it follows from the sizes alone. Pages are
 * those that the zone's slabs have for each live byte that was asked for. They are counted after a
 * long life, in which random objects of a working set were replaced by others, so what slabs keep
 * between objects that stay is in it too. Both kinds of caches have the same slabs.
 *
 * Even sizes are as many of 100 bytes as of 8,000: nearly all is large. Even doublings are as many
 * of 64 to 128 bytes as of 4 to 8 KiB, which is more like what programs ask for.
 *
 * The results are no times, and come out the same each run.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/core.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/subject.h"

#define ASKED_MIN 16u
#define ASKED_MAX 8192u
#define NR_LIVE 100000u
#define NR_LIVE_SMOKE 5000u
#define NR_ROUNDS 40u /* each replaces as many objects as there are */
#define NR_ROUNDS_SMOKE 2u
#define NR_PAGES (UINT32_C(256) << 10)

static const uint16_t kernel_bytes[] = { 8,   16,  32,   64,   96,   128, 192,
					 256, 512, 1024, 2048, 4096, 8192 };

#define NR_KERNEL (sizeof(kernel_bytes) / sizeof(kernel_bytes[0]))

struct object {
	struct object_run run;
	uint32_t cache;
	uint32_t asked_bytes;
};

struct life {
	struct subject subject;
	uint16_t cache_of[ASKED_MAX + 1]; /* by what is asked for */
	struct object *objects;
	uint32_t nr_objects;
	uint64_t random;
	bool is_even_doublings;
	uint64_t nr_errors;
};

/* Classes. */

/* The general caches are the first, and ordered by size. */
static void use_general(struct life *life)
{
	const struct cache_layout *layouts = life->subject.caches->table.layouts;
	uint16_t cache = 0;

	for (uint32_t bytes = 1; bytes <= ASKED_MAX; bytes++) {
		while (layouts[cache].object_bytes < bytes)
			cache++;
		life->cache_of[bytes] = cache;
	}
}

static void use_kernels(struct life *life)
{
	uint32_t bytes = 1;

	for (size_t i = 0; i < NR_KERNEL; i++) {
		uint32_t cache = subject_add_cache(&life->subject, kernel_bytes[i]);

		life->nr_errors += cache == CACHES_MAX;
		for (; bytes <= kernel_bytes[i]; bytes++)
			life->cache_of[bytes] = (uint16_t)cache;
	}
}

/* A life. */

static uint32_t draw_bytes(struct life *life)
{
	uint32_t from = ASKED_MIN, to = ASKED_MAX;

	if (life->is_even_doublings) {
		from <<= measure_random_below(&life->random, __builtin_ctz(ASKED_MAX / ASKED_MIN));
		to = 2 * from;
	}
	return from + measure_random_below(&life->random, to - from + 1);
}

static void ask(struct life *life, struct object *object)
{
	size_t nr_runs = 0;

	object->asked_bytes = draw_bytes(life);
	object->cache = life->cache_of[object->asked_bytes];
	life->nr_errors += subject_alloc_objects(&life->subject, object->cache, 1, &object->run,
						 &nr_runs) != 1;
}

static void live(struct life *life, unsigned nr_rounds)
{
	for (uint32_t i = 0; i < life->nr_objects; i++)
		ask(life, &life->objects[i]);
	for (uint64_t i = 0; i < (uint64_t)life->nr_objects * nr_rounds; i++) {
		uint32_t victim = measure_random_below(&life->random, life->nr_objects);
		struct object *object = &life->objects[victim];

		life->nr_errors +=
			subject_free_objects(&life->subject, object->cache, &object->run, 1) != 0;
		ask(life, object);
	}
}

static void sum_up(const struct life *life, double *ret_waste_percent, double *ret_pages)
{
	const struct zone *zone = &life->subject.u.zone;
	const uint64_t held_pages = life->subject.nr_pages - zone_nr_free(zone);
	uint64_t asked = 0, granted = 0;

	for (uint32_t i = 0; i < life->nr_objects; i++) {
		const struct object *object = &life->objects[i];

		asked += object->asked_bytes;
		granted += life->subject.caches->table.layouts[object->cache].object_bytes;
	}
	*ret_waste_percent = 100.0 * (double)(granted - asked) / (double)asked;
	*ret_pages = (double)(held_pages << PAGE_SHIFT) / (double)asked;
}

static int measure_life(const struct bench *bench, bool is_even_doublings, bool is_kernels,
			double *ret_waste_percent, double *ret_pages)
{
	struct life life = { .nr_objects = bench->smoke ? NR_LIVE_SMOKE : NR_LIVE,
			     .random = 7,
			     .is_even_doublings = is_even_doublings };
	int error = subject_init_objects(&life.subject, SUBJECT_ZONE, NR_PAGES);

	if (error)
		return error;
	life.objects = calloc(life.nr_objects, sizeof(life.objects[0]));
	if (!life.objects) {
		error = -ENOMEM;
		goto out;
	}
	if (is_kernels)
		use_kernels(&life);
	else
		use_general(&life);
	live(&life, bench->smoke ? NR_ROUNDS_SMOKE : NR_ROUNDS);
	sum_up(&life, ret_waste_percent, ret_pages);
	error = life.nr_errors ? -EIO : 0;
out:
	free(life.objects);
	subject_deinit(&life.subject);
	return error;
}

static void report(const struct bench *bench, const char *const names[2], const char *param,
		   const char *unit, double ours, double kernels)
{
	const struct report_key key = { "core", names[0], param, unit };
	const struct report_key kernels_key = { "core", names[1], param, unit };
	struct report_sample samples[2] = { 0 };

	report_sample_add(&samples[0], ours);
	report_sample_add(&samples[1], kernels);
	report_add_against(bench->report, &key, &samples[0], names[1], &samples[1]);
	report_add(bench->report, &kernels_key, &samples[1]);
}

static int measure_sizes(const struct bench *bench, bool is_even_doublings, const char *param)
{
	static const char *const waste_names[2] = { "sizes_waste", "sizes_waste/kmalloc" };
	static const char *const pages_names[2] = { "sizes_pages", "sizes_pages/kmalloc" };
	double waste[2], pages[2];
	int error = measure_life(bench, is_even_doublings, false, &waste[0], &pages[0]);

	if (!error)
		error = measure_life(bench, is_even_doublings, true, &waste[1], &pages[1]);
	if (error)
		return error;
	report(bench, waste_names, param, "%", waste[0], waste[1]);
	report(bench, pages_names, param, "B/B", pages[0], pages[1]);
	return 0;
}

int core_measure_object_sizes(const struct bench *bench)
{
	int error = measure_sizes(bench, false, "even sizes");

	return error ? error : measure_sizes(bench, true, "even doublings");
}
