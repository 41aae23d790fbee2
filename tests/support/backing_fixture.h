/* SPDX-License-Identifier: MIT */
#pragma once

/* A segment of memory with the loop and the workers that it needs, but no daemon around it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "service/backing.h"

struct loop;
struct loop_timer;
struct worker_pool;

struct backing_fixture {
	struct loop *loop;
	struct worker_pool *workers;
	struct backing *backing;
	struct loop_timer *poll;
	uint64_t wanted_bytes;
	unsigned nr_done, nr_wanted;
};

/* A request that counts how often it is told to be done, here and for the whole fixture. */
struct watched_request {
	struct backing_request request;
	struct backing_fixture *fixture;
	unsigned nr_done;
	int error;
};

/* 256M in small pages, committed when they are granted, zeroed for another uid. */
extern const struct backing_config backing_fixture_config;

void backing_fixture_start(struct backing_fixture *fixture, const struct backing_config *config);
void backing_fixture_stop(struct backing_fixture *fixture);

struct watched_request backing_fixture_request(struct backing_fixture *fixture);
/* For what tells its end so, with the fixture as its data: it counts like a request. */
void backing_fixture_on_done(int error, void *data);
/* Serves the loop until so many requests are done, or so much is committed. */
void backing_fixture_run_until(struct backing_fixture *fixture, unsigned nr_done);
void backing_fixture_run_until_committed(struct backing_fixture *fixture, uint64_t bytes);
/* Prepares a range and waits for it; true when it had to wait. */
bool backing_fixture_prepare(struct backing_fixture *fixture, uint32_t pfn, uint32_t nr_pages,
			     uid_t uid);

/* For the caller to close. */
int backing_fixture_open_fd(const struct backing_fixture *fixture, bool read_only);
/* What the segment takes of the host's memory. */
uint64_t backing_fixture_backed_bytes(const struct backing_fixture *fixture);
unsigned char *backing_fixture_map(const struct backing_fixture *fixture);
void backing_fixture_unmap(const struct backing_fixture *fixture, unsigned char *base);

static inline bool is_filled_with(const unsigned char *bytes, int value, size_t size)
{
	return bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0;
}
