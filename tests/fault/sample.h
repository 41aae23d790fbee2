/* SPDX-License-Identifier: MIT */
#pragma once

/* How much of the space of faults a run looks at, and which part of it. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* PAGEPOOL_TEST_SEED, or another each time. Printed, so that a failure can be repeated. */
static inline uint64_t sample_seed(void)
{
	const char *text = getenv("PAGEPOOL_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

	printf("PAGEPOOL_TEST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

/* How much of it: a number from the environment. */
static inline uint64_t sample_size(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 0) : otherwise;
}
