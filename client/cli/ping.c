/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl ping: round trips to the daemon, one after the other: what a client waits for when it
 * has to ask. The median says what is usual; the largest, how long the daemon's loop was elsewhere.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/complain.h"
#include "cli/connection.h"
#include "cli/document.h"
#include "cli/options.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static enum command_exit measure(struct connection *connection, uint64_t *durations_ns,
				 uint32_t count)
{
	enum command_exit outcome = COMMAND_DONE;

	for (uint32_t i = 0; i < count && outcome == COMMAND_DONE; i++) {
		struct message request = { .type = MESSAGE_PING };
		const struct message *reply;
		uint64_t start_ns = now_ns();

		outcome = connection_ask(connection, &request, &reply);
		durations_ns[i] = now_ns() - start_ns;
	}
	return outcome;
}

static int compare(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static double microseconds(uint64_t duration_ns)
{
	return (double)(duration_ns / 100) / 10; /* a clock tells no more than tenths */
}

static enum command_exit print(uint64_t *durations_ns, uint32_t count, bool json)
{
	double min_us, median_us, max_us;

	qsort(durations_ns, count, sizeof(durations_ns[0]), compare);
	min_us = microseconds(durations_ns[0]);
	median_us = microseconds(durations_ns[count / 2]);
	max_us = microseconds(durations_ns[count - 1]);
	if (json)
		return document_print(json_pack("{s:I, s:f, s:f, s:f}", "count", (json_int_t)count,
						"min_us", min_us, "median_us", median_us, "max_us",
						max_us));
	printf("%" PRIu32 " round trip%s: min %.1f us, median %.1f us, max %.1f us\n", count,
	       count == 1 ? "" : "s", min_us, median_us, max_us);
	return COMMAND_DONE;
}

enum command_exit ping_run(struct connection *connection, const struct options *options)
{
	uint64_t *durations_ns = calloc(options->count, sizeof(*durations_ns));
	enum command_exit outcome;

	if (!durations_ns) {
		complain("out of memory");
		return COMMAND_REFUSED;
	}
	outcome = measure(connection, durations_ns, options->count);
	if (outcome == COMMAND_DONE)
		outcome = print(durations_ns, options->count, options->json);
	free(durations_ns);
	return outcome;
}
