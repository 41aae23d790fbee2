/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The table: each row is written as soon as it is known, to standard output for people and, where
 * wanted, to a CSV file for programs.
 */

#define REPORT_RUNS_MAX 32u

struct report;

/* Where a row belongs. The strings are borrowed for the call and hold no comma. */
struct report_key {
	const char *group;
	const char *name;
	const char *param; /* may be "" */
	const char *unit;
};

/* One number a run. */
struct report_sample {
	double values[REPORT_RUNS_MAX];
	unsigned nr_values;
};

/* csv_path may be NULL. 0 or a negative errno. */
int report_new(struct report **ret, const char *csv_path);
struct report *report_free(struct report *report);

/* 0, or a negative errno when something could not be written. */
int report_finish(struct report *report);

void report_sample_add(struct report_sample *sample, double value);

/* A row of its own: with no baseline, or one that is the baseline of others. */
void report_add(struct report *report, const struct report_key *key,
		const struct report_sample *sample);

/*
 * A row that is measured against the row baseline_name of the same group and param. Run i of one
 * is the neighbour of run i of the other: the ratio is the median over the ratios of neighbours.
 */
void report_add_against(struct report *report, const struct report_key *key,
			const struct report_sample *sample, const char *baseline_name,
			const struct report_sample *baseline);
