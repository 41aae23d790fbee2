/* SPDX-License-Identifier: MIT */
#pragma once

/* Clocks, CPUs and numbers without order: what every measurement needs. */

#include <stdint.h>
#include <time.h>

static inline uint64_t measure_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/*
 * CPU time of this thread: for work that never waits, so that what else runs on the machine is not
 * counted in. Reading it is a system call; put much work between two readings.
 */
static inline uint64_t measure_cpu_ns(void)
{
	return measure_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Time as it passes: for round trips, and for short spans (reading it costs some 30 ns). */
static inline uint64_t measure_wall_ns(void)
{
	return measure_clock_ns(CLOCK_MONOTONIC);
}

/* The same sequence in each run; *state must not be 0. (Marsaglia's xorshift64, multiplied.) */
static inline uint64_t measure_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* 0 .. bound - 1; bound up to 2^32. */
static inline uint32_t measure_random_below(uint64_t *state, uint64_t bound)
{
	return (uint32_t)((measure_random(state) >> 32) * bound >> 32);
}

/* The CPUs that this process may use: ret_cpus[0] .. [max - 1]. Returns how many it stored. */
unsigned measure_list_cpus(int *ret_cpus, unsigned max);

/* The calling thread, and the threads and processes that it makes from now on, stay on one CPU. */
void measure_pin(int cpu);

/* Memory that could be had without taking any from others; 0 when nobody tells. */
uint64_t measure_available_bytes(void);
