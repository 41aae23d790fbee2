/* SPDX-License-Identifier: MIT */

/*
 * Every store: long random histories, in which each store that the core makes to its ledgers could
 * be its last. The core is compiled so that its stores are seen (stores.c); what a state must be is
 * told in model.c and history.c.
 *
 * Environment: PAGEPOOL_TEST_SEED repeats a run, FAULT_OPERATIONS says how long it is. A short run
 * goes on until there was each kind of operation, and each case of cases.h.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault/history.h"
#include "fault/sample.h"
#include "fault/stores.h"

#define OPERATIONS_OF_A_ZONE 500u
#define VALIDATE_EVERY 16u /* operations */

struct daemon {
	struct core core;
	void *index;
	uint64_t nr_operations;
};

/* What lives is looked at too, but seldom, as that settles the zone. */
static void validate(struct daemon *daemon, const struct operation *operation)
{
	struct zone_fault fault;

	if (daemon->nr_operations++ % VALIDATE_EVERY || !zone_validate(&daemon->core.zone, &fault))
		return;
	fail_msg("%s left page %u: %s", operation_name(operation->kind), fault.pfn, fault.what);
}

static void perform(void *data, struct history_stage *stage, struct trail *ret_trail)
{
	const size_t truth_bytes = core_truth_bytes(&stage->zone);
	struct operation *operation = &stage->operation;
	struct daemon *daemon = data;
	struct zone_fault fault;

	if (operation->kind == OPERATION_OPEN) {
		free(daemon->index);
		daemon->index = aligned_alloc(64, core_index_bytes(&stage->zone));
		assert_non_null(daemon->index);
		memset(daemon->index, 0, core_index_bytes(&stage->zone));
	}
	stores_watch(stage->truth, truth_bytes, ret_trail);
	if (operation->kind == OPERATION_OPEN)
		operation->result =
			core_open(&daemon->core, &stage->zone, stage->truth, daemon->index, &fault);
	if (!operation->result)
		operation_run(operation, &daemon->core);
	stores_unwatch();
	if (operation->result >= 0)
		validate(daemon, operation);
}

static void test_every_store_may_be_the_last(void **state)
{
	const uint64_t nr_operations = sample_size("FAULT_OPERATIONS", 4000);
	struct history_stage *stage;
	struct daemon daemon = { 0 };
	const struct history_performer performer = { .perform = perform, .data = &daemon };
	struct history_config config = { .max_pages = CORE_PAGES_MAX,
					 .bulk_max = OPERATION_BULK_MAX,
					 .death_every = 25 };
	struct history *history;

	(void)state;
	if (!stores_are_seen()) {
		print_message("skipped: a build for the thread sanitizer sees no stores itself\n");
		skip();
	}
	stage = aligned_alloc(64, (history_stage_bytes() + 63) / 64 * 64);
	assert_non_null(stage);
	config.seed = sample_seed();
	history = history_new(stage, &performer, &config);
	assert_non_null(history);
	for (uint64_t i = 0; i < nr_operations || !history_is_complete(history); i++) {
		bool is_right =
			i % OPERATIONS_OF_A_ZONE ? history_step(history) : history_begin(history);

		if (!is_right)
			fail_msg("%s", history_complaint(history));
	}
	history_print_counts(history);
	history_free(history);
	free(daemon.index);
	free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_store_may_be_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
