/* SPDX-License-Identifier: MIT */
#pragma once

/* What main hands to each group of measurements. */

#include <stdbool.h>

struct report;

struct bench {
	struct report *report;
	bool smoke;       /* sizes of seconds: proves that it works, measures nothing */
	unsigned nr_runs; /* rounds that count, after one that warms up */
};

/* Each returns 0, or a negative errno after saying on standard error what went wrong. */
int bench_core(const struct bench *bench);
int bench_wire(const struct bench *bench);
