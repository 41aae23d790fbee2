/* SPDX-License-Identifier: MIT */

/*
 * Every instruction: the core that the product is made of works on its ledgers in a child, which is
 * stepped through whole operations. Wherever the truth differs from what it was one instruction
 * before, a kill would have left just that: history.c recovers each such state. At all other stops
 * the truth was compared and found to be a state that is recovered already.
 *
 * A stop point is counted once for all stops at the same instruction, after as many of the same
 * kind of operation, with the same truth.
 *
 * Environment: PAGEPOOL_TEST_SEED repeats a run, FAULT_STOPS says how many stop points it has.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fault/history.h"
#include "fault/sample.h"
#include "fault/stepper.h"

#define OPERATIONS_OF_A_ZONE 75u

/* Numbers seen, none of them zero. */
struct seen {
	uint64_t *numbers;
	size_t capacity; /* a power of two; when it is nearly full nothing is added */
	uint64_t nr;
};

struct daemon {
	struct stepper stepper;
	struct history_stage *stage; /* shared */
	struct core core;            /* the child's own, as is the index */
	void *index;
	bool has_caches; /* the first half of the core was open before the child began */
	/* The parent's. */
	uint32_t *truth; /* as it was at the last stop */
	struct trail *trail;
	uint64_t truth_mix;
	uint32_t step;
	struct seen points, addresses;
	uint64_t nr_stops[OPERATION_NR_KINDS];
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);

	x = (x ^ x >> 29) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 32;
}

static void seen_add(struct seen *seen, uint64_t number)
{
	size_t at = number & (seen->capacity - 1);

	if (seen->nr * 4 > seen->capacity * 3)
		return;
	number |= !number;
	while (seen->numbers[at] && seen->numbers[at] != number)
		at = (at + 1) & (seen->capacity - 1);
	seen->nr += !seen->numbers[at];
	seen->numbers[at] = number;
}

/* In the child: the daemon. */
static void work(void *data)
{
	struct daemon *daemon = data;
	struct history_stage *stage = daemon->stage;
	struct operation *operation = &stage->operation;
	struct zone_fault fault;

	if (operation->kind == OPERATION_OPEN && !daemon->has_caches)
		operation->result = core_open_caches(&daemon->core, &stage->zone, stage->truth,
						     daemon->index, &fault);
	if (operation->kind == OPERATION_OPEN && !operation->result)
		operation->result = core_open_zone(&daemon->core, &stage->zone, stage->truth,
						   daemon->index, &fault);
	if (!operation->result)
		operation_run(operation, &daemon->core);
}

static void take_down_changes(struct daemon *daemon, size_t truth_bytes)
{
	const uint32_t *truth = (const uint32_t *)daemon->stage->truth;

	for (uint32_t i = 0; i < truth_bytes / sizeof(*truth); i++) {
		if (truth[i] == daemon->truth[i])
			continue;
		daemon->truth_mix ^= mix(i, daemon->truth[i]) ^ mix(i, truth[i]);
		daemon->truth[i] = truth[i];
		trail_append(daemon->trail, i, truth[i]);
	}
	daemon->trail->nr_steps++;
}

static void stop(void *data, uintptr_t address)
{
	struct daemon *daemon = data;
	const size_t truth_bytes = core_truth_bytes(&daemon->stage->zone);
	const uint64_t kind = (uint64_t)daemon->stage->operation.kind;

	if (memcmp(daemon->stage->truth, daemon->truth, truth_bytes) != 0)
		take_down_changes(daemon, truth_bytes);
	daemon->nr_stops[kind]++;
	daemon->step++;
	seen_add(&daemon->addresses, mix(address, 0));
	seen_add(&daemon->points, mix(mix(address, kind << 32 | daemon->step), daemon->truth_mix));
}

/*
 * Opening a table of caches that is whole stores nothing, so it needs no stepping, which is most of
 * what opening a core takes. What is only read is checked by cache_table_open() all the same.
 */
static void open_caches(struct daemon *daemon)
{
	struct history_stage *stage = daemon->stage;
	const size_t truth_bytes = core_truth_bytes(&stage->zone);
	struct zone_fault fault;

	memset(daemon->index, 0, core_index_bytes(&stage->zone));
	daemon->has_caches = !core_open_caches(&daemon->core, &stage->zone, stage->truth,
					       daemon->index, &fault) &&
			     memcmp(stage->truth, daemon->truth, truth_bytes) == 0;
	if (daemon->has_caches)
		return;
	memcpy(stage->truth, daemon->truth, truth_bytes);
	memset(daemon->index, 0, core_index_bytes(&stage->zone));
}

static void *checked(void *memory)
{
	assert_non_null(memory);
	return memory;
}

static void perform(void *data, struct history_stage *stage, struct trail *ret_trail)
{
	struct daemon *daemon = data;
	int signal;

	memcpy(daemon->truth, stage->truth, core_truth_bytes(&stage->zone));
	if (stage->operation.kind == OPERATION_OPEN) {
		free(daemon->index);
		daemon->index = checked(aligned_alloc(64, core_index_bytes(&stage->zone)));
		open_caches(daemon);
		assert_int_equal(stepper_start(&daemon->stepper, work, daemon), 0);
	}
	daemon->truth_mix = 0;
	for (uint32_t i = 0; i < core_truth_bytes(&stage->zone) / sizeof(*daemon->truth); i++)
		if (daemon->truth[i])
			daemon->truth_mix ^= mix(i, daemon->truth[i]) ^ mix(i, 0);
	daemon->trail = ret_trail;
	daemon->step = 0;
	signal = stepper_run(&daemon->stepper, stop, daemon);
	if (signal)
		fail_msg("%s: the core was ended by signal %d",
			 operation_name(stage->operation.kind), signal);
}

static void daemon_init(struct daemon *daemon, uint64_t nr_stops)
{
	const size_t stage_bytes = history_stage_bytes();
	void *shared =
		mmap(NULL, stage_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(shared, MAP_FAILED);
	*daemon = (struct daemon){ .stage = shared };
	daemon->truth = checked(aligned_alloc(64, stage_bytes / 64 * 64 + 64));
	daemon->points.capacity = 1u << 21;
	while (daemon->points.capacity < 4 * nr_stops)
		daemon->points.capacity *= 2;
	daemon->points.numbers = checked(calloc(daemon->points.capacity, sizeof(uint64_t)));
	daemon->addresses.capacity = 1u << 16;
	daemon->addresses.numbers = checked(calloc(daemon->addresses.capacity, sizeof(uint64_t)));
	assert_int_equal(stepper_init(&daemon->stepper), 0);
}

static void daemon_deinit(struct daemon *daemon)
{
	stepper_deinit(&daemon->stepper);
	munmap(daemon->stage, history_stage_bytes());
	free(daemon->index);
	free(daemon->truth);
	free(daemon->points.numbers);
	free(daemon->addresses.numbers);
}

static void print_stops(const struct daemon *daemon)
{
	uint64_t all = 0;

	for (unsigned kind = 0; kind < OPERATION_NR_KINDS; kind++)
		all += daemon->nr_stops[kind];
	printf("%llu stops at %llu instructions, %llu distinct stop points; of all stops in\n",
	       (unsigned long long)all, (unsigned long long)daemon->addresses.nr,
	       (unsigned long long)daemon->points.nr);
	for (unsigned kind = 0; kind < OPERATION_NR_KINDS; kind++)
		printf("  %-20s %8llu\n", operation_name((enum operation_kind)kind),
		       (unsigned long long)daemon->nr_stops[kind]);
}

/* A short run goes on until each kind of operation was stepped, and a steal. */
static bool is_all_stepped(const struct daemon *daemon, const struct history *history)
{
	for (unsigned kind = 0; kind < OPERATION_NR_KINDS; kind++)
		if (!daemon->nr_stops[kind])
			return false;
	return history_counts(history)->steals > 0;
}

static void test_every_instruction_may_be_the_last(void **state)
{
	const uint64_t nr_stops = sample_size("FAULT_STOPS", 150000);
	const char *obstacle = stepper_obstacle();
	struct daemon daemon;
	const struct history_performer performer = { .perform = perform, .data = &daemon };
	struct history_config config = { .max_pages = CORE_PAGES_MAX,
					 .bulk_max = 24,
					 .death_every = 100 };
	struct history *history;

	(void)state;
	if (obstacle) {
		print_message("skipped: %s\n", obstacle);
		skip();
	}
	daemon_init(&daemon, nr_stops);
	config.seed = sample_seed();
	history = checked(history_new(daemon.stage, &performer, &config));
	for (uint32_t i = 0; daemon.points.nr < nr_stops || !is_all_stepped(&daemon, history);
	     i++) {
		bool is_right =
			i % OPERATIONS_OF_A_ZONE ? history_step(history) : history_begin(history);

		if (!is_right)
			fail_msg("%s", history_complaint(history));
	}
	history_print_counts(history);
	print_stops(&daemon);
	history_free(history);
	daemon_deinit(&daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_instruction_may_be_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
