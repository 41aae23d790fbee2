/* SPDX-License-Identifier: MIT */
#pragma once

/* Random numbers that a seed repeats (xorshift64*, Vigna 2016). */

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline struct random random_from(uint64_t seed)
{
	const uint64_t state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return (struct random){ .state = state ? state : 1 };
}

/* From $PAGEPOOL_TEST_SEED, or another each time: printed, so that a failed run can be repeated. */
struct random random_from_environment(void);

static inline uint64_t random_next(struct random *random)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return random->state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint32_t random_below(struct random *random, uint32_t n)
{
	return (uint32_t)((random_next(random) >> 32) * n >> 32);
}

/* True once in n times. */
static inline bool random_once_in(struct random *random, uint32_t n)
{
	return random_below(random, n) == 0;
}
