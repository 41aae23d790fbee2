/* SPDX-License-Identifier: MIT */
/*
 * The table and its statistics.
 *
 * Medians, because a run that shared its CPU with something else is an outlier and no sample; the
 * smallest and largest beside them, so that a reader sees how far to trust the median. A ratio is
 * taken between runs that were neighbours in time and only then the median over all of them: what
 * slowed the machine down for both does not show in it.
 *
 * Rows are flushed one by one. A measurement that fails half-way leaves those before it readable.
 */

#include "bench/report.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct report {
	FILE *csv; /* NULL: none */
	bool has_header;
};

int report_new(struct report **ret, const char *csv_path)
{
	struct report *report = calloc(1, sizeof(*report));
	int error;

	if (!report)
		return -ENOMEM;
	if (csv_path) {
		report->csv = fopen(csv_path, "we");
		if (!report->csv) {
			error = -errno;
			free(report);
			return error;
		}
		fputs("group,name,param,unit,median,min,max,runs,baseline,ratio\n", report->csv);
	}
	*ret = report;
	return 0;
}

struct report *report_free(struct report *report)
{
	if (!report)
		return NULL;
	if (report->csv)
		fclose(report->csv);
	free(report);
	return NULL;
}

int report_finish(struct report *report)
{
	if (report->csv && (fflush(report->csv) != 0 || ferror(report->csv)))
		return -EIO;
	return fflush(stdout) != 0 || ferror(stdout) ? -EIO : 0;
}

void report_sample_add(struct report_sample *sample, double value)
{
	assert(sample->nr_values < REPORT_RUNS_MAX);
	sample->values[sample->nr_values++] = value;
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void sort(struct report_sample *sample)
{
	assert(sample->nr_values > 0);
	qsort(sample->values, sample->nr_values, sizeof(sample->values[0]), compare_doubles);
}

static double median_of_sorted(const struct report_sample *sample)
{
	unsigned middle = sample->nr_values / 2;

	if (sample->nr_values % 2)
		return sample->values[middle];
	return (sample->values[middle - 1] + sample->values[middle]) / 2;
}

static double median_ratio(const struct report_sample *sample, const struct report_sample *baseline)
{
	struct report_sample ratios = { .nr_values = sample->nr_values };

	assert(sample->nr_values == baseline->nr_values);
	for (unsigned i = 0; i < sample->nr_values; i++)
		ratios.values[i] = sample->values[i] / baseline->values[i];
	sort(&ratios);
	return median_of_sorted(&ratios);
}

static void print_header(struct report *report)
{
	if (report->has_header)
		return;
	report->has_header = true;
	printf("%-5s %-27s %-15s %-8s %10s %10s %10s %5s  %s\n", "group", "name", "param", "unit",
	       "median", "min", "max", "runs", "ratio");
}

static void write_csv(FILE *csv, const struct report_key *key, const struct report_sample *sorted,
		      const char *baseline_name, double ratio)
{
	fprintf(csv, "%s,%s,%s,%s,%.3f,%.3f,%.3f,%u,", key->group, key->name, key->param, key->unit,
		median_of_sorted(sorted), sorted->values[0], sorted->values[sorted->nr_values - 1],
		sorted->nr_values);
	if (baseline_name)
		fprintf(csv, "%s,%.4g\n", baseline_name, ratio);
	else
		fputs(",\n", csv);
	fflush(csv);
}

static void write_row(struct report *report, const struct report_key *key,
		      struct report_sample sample, const char *baseline_name, double ratio)
{
	assert(!strpbrk(key->name, ",\n") && !strpbrk(key->param, ",\n"));
	sort(&sample);
	print_header(report);
	printf("%-5s %-27s %-15s %-8s %10.2f %10.2f %10.2f %5u", key->group, key->name, key->param,
	       key->unit, median_of_sorted(&sample), sample.values[0],
	       sample.values[sample.nr_values - 1], sample.nr_values);
	if (baseline_name)
		printf("  %.3g x %s", ratio, baseline_name);
	putchar('\n');
	fflush(stdout);
	if (report->csv)
		write_csv(report->csv, key, &sample, baseline_name, ratio);
}

void report_add(struct report *report, const struct report_key *key,
		const struct report_sample *sample)
{
	write_row(report, key, *sample, NULL, 0);
}

void report_add_against(struct report *report, const struct report_key *key,
			const struct report_sample *sample, const char *baseline_name,
			const struct report_sample *baseline)
{
	write_row(report, key, *sample, baseline_name, median_ratio(sample, baseline));
}
