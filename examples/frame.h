/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What frames_producer and frames_consumer agree on: how big a frame is, what is in it, and how
 * they talk. The producer writes lines "frame SEQUENCE OFFSET CHECKSUM", then "end COUNT"; the
 * consumer answers each frame with a line "OFFSET".
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pagepool.h>

#define FRAME_ORDER 9u /* 2 MiB */
#define FRAME_BYTES ((size_t)PP_PAGE_SIZE << FRAME_ORDER)
#define FRAME_WORDS (FRAME_BYTES / sizeof(uint64_t))
#define FRAME_LANES 4u /* independent sums, so that the CPU can work on all at once */

/* Odd, with bits all over: multiplying by it spreads each bit upwards (the golden ratio's). */
#define FRAME_SPREAD UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t frame_join_lanes(const uint64_t lanes[FRAME_LANES])
{
	uint64_t sum = 0;

	for (unsigned lane = 0; lane < FRAME_LANES; lane++)
		sum = (sum ^ lanes[lane]) * FRAME_SPREAD;
	return sum;
}

static inline uint64_t frame_checksum(const uint64_t *words)
{
	uint64_t lanes[FRAME_LANES] = { 0 };

	for (size_t i = 0; i < FRAME_WORDS; i += FRAME_LANES) {
		for (unsigned lane = 0; lane < FRAME_LANES; lane++)
			lanes[lane] = (lanes[lane] ^ words[i + lane]) * FRAME_SPREAD;
	}
	return frame_join_lanes(lanes);
}

/* Fills the frame with what no other sequence number has. Returns its checksum. */
static inline uint64_t frame_fill(uint64_t *words, uint64_t sequence)
{
	uint64_t lanes[FRAME_LANES] = { 0 };
	uint64_t word = (sequence + 1) * FRAME_SPREAD;

	for (size_t i = 0; i < FRAME_WORDS; i += FRAME_LANES) {
		for (unsigned lane = 0; lane < FRAME_LANES; lane++) {
			words[i + lane] = word;
			lanes[lane] = (lanes[lane] ^ word) * FRAME_SPREAD;
			word += FRAME_SPREAD;
		}
	}
	return frame_join_lanes(lanes);
}

static inline double frame_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline void frame_complain_connect(const char *program, int error)
{
	if (error == -EACCES)
		fprintf(stderr, "%s: the daemon at its socket is not for this user\n", program);
	else
		fprintf(stderr,
			"%s: can't reach a pagepool daemon: %s\n"
			"Start one with `pagepoold` (from a build: `make run`), or point "
			"PAGEPOOL_SOCKET at its socket.\n",
			program, strerror(-error));
}

static inline void frame_complain_open(const char *program, const char *pool_name, int error)
{
	if (error == -EACCES)
		fprintf(stderr,
			"%s: pool '%s' is not for this user: its access in pagepoold.conf says for "
			"whom\n",
			program, pool_name);
	else
		fprintf(stderr, "%s: can't open pool '%s': %s\n", program, pool_name,
			strerror(-error));
}

/* Connects and opens the pool, or says what to do and ends the program. */
static inline struct pp_client *frame_connect(const char *program, const char *pool_name,
					      unsigned flags, struct pp_pool **ret_pool)
{
	struct pp_client *client;
	int error = pp_client_new(&client, NULL);

	if (error) {
		frame_complain_connect(program, error);
		exit(1);
	}
	error = pp_pool_open(client, pool_name, flags, ret_pool);
	if (error) {
		frame_complain_open(program, pool_name, error);
		pp_client_free(client);
		exit(1);
	}
	return client;
}
