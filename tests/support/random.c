/* SPDX-License-Identifier: MIT */

/* The seed is printed before anything can fail, and at once: what comes next may crash. */

#include "support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random random_from_environment(void)
{
	const char *text = getenv("PAGEPOOL_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

	printf("PAGEPOOL_TEST_SEED=%" PRIu64 "\n", seed);
	fflush(stdout);
	return random_from(seed);
}
