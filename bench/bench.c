/* SPDX-License-Identifier: MIT */
/*
 * The benchmark: one program, one table, peers beside us.
 *
 * A number alone says little, and the speed of a shared machine drifts by up to twice within
 * minutes. So each workload runs against a baseline too, in turns within one run (ours, baseline,
 * ours, baseline, ...), and what counts is the median of the ratios of neighbours. Each group of
 * measurements is a file; this one reads the command line and runs those that were asked for.
 */

#include "bench/bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/report.h"

#define RUNS 7
#define RUNS_SMOKE 3

static const struct group {
	const char *name;
	int (*run)(const struct bench *bench);
} groups[] = {
	{ "core", bench_core },
	{ "wire", bench_wire },
};

#define NR_GROUPS (sizeof(groups) / sizeof(groups[0]))

static void print_usage(FILE *file)
{
	fputs("usage: bench [--csv FILE] [--smoke] [GROUP...]\n"
	      "  --csv FILE  write the table to FILE too\n"
	      "  --smoke     tiny sizes: shows that it works, the numbers mean nothing\n"
	      "groups (all when none is named):",
	      file);
	for (size_t i = 0; i < NR_GROUPS; i++)
		fprintf(file, " %s", groups[i].name);
	fputc('\n', file);
}

static const struct group *find_group(const char *name)
{
	for (size_t i = 0; i < NR_GROUPS; i++) {
		if (strcmp(groups[i].name, name) == 0)
			return &groups[i];
	}
	return NULL;
}

static int run_named(const struct bench *bench, char *const *names, int nr_names)
{
	for (int i = 0; i < nr_names; i++) {
		int error = find_group(names[i])->run(bench);

		if (error)
			return error;
	}
	return 0;
}

static int run_all(const struct bench *bench)
{
	for (size_t i = 0; i < NR_GROUPS; i++) {
		int error = groups[i].run(bench);

		if (error)
			return error;
	}
	return 0;
}

static int run(struct bench *bench, const char *csv_path, char *const *names, int nr_names)
{
	int error = report_new(&bench->report, csv_path);
	int write_error;

	if (error) {
		fprintf(stderr, "bench: cannot write %s: %s\n", csv_path, strerror(-error));
		return error;
	}
	error = nr_names > 0 ? run_named(bench, names, nr_names) : run_all(bench);
	write_error = report_finish(bench->report);
	if (write_error)
		fprintf(stderr, "bench: writing the report: %s\n", strerror(-write_error));
	bench->report = report_free(bench->report);
	return error ? error : write_error;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "csv", required_argument, NULL, 'c' },
		{ "smoke", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct bench bench = { .nr_runs = RUNS };
	const char *csv_path = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			csv_path = optarg;
			break;
		case 's':
			bench.smoke = true;
			bench.nr_runs = RUNS_SMOKE;
			break;
		case 'h':
			print_usage(stdout);
			return EXIT_SUCCESS;
		default:
			print_usage(stderr);
			return 2;
		}
	}
	for (int i = optind; i < argc; i++) {
		if (!find_group(argv[i])) {
			fprintf(stderr, "bench: no group is called %s\n", argv[i]);
			print_usage(stderr);
			return 2;
		}
	}
	return run(&bench, csv_path, argv + optind, argc - optind) ? EXIT_FAILURE : EXIT_SUCCESS;
}
