/* SPDX-License-Identifier: MIT */
/* Runs to pointers and back, over a mapping that is never touched. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/mapping.h"
#include "lib/runs.h"
#include "proto/message.h"

#define ZONE_PAGES 4096u
#define PAGE (1u << PPC_PAGE_SHIFT)
#define ZONE1 (UINT64_C(1) << PPC_ZONE_SHIFT)

static uint8_t *base0 = (uint8_t *)(uintptr_t)0x100000000;
static uint8_t *base1 = (uint8_t *)(uintptr_t)0x900000000;

static struct ppc_mapping mapping_make(void)
{
	struct ppc_mapping mapping = { .nr_zones = 2 };

	mapping.zones[0] = (struct ppc_zone){ .base = base0, .size_bytes = ZONE_PAGES * PAGE };
	mapping.zones[1] = (struct ppc_zone){ .base = base1, .size_bytes = ZONE_PAGES * PAGE };
	return mapping;
}

static void test_runs_to_addresses_names_each_block(void **state)
{
	const struct message_run runs[] = { { 8, 0x5 }, { ZONE1 | 64, UINT64_MAX } };
	struct ppc_mapping mapping = mapping_make();
	void *addrs[66];

	(void)state;
	assert_int_equal(ppc_runs_to_addresses(&mapping, 2, runs, 2, addrs, 66), 66);
	assert_ptr_equal(addrs[0], base0 + 8 * PAGE);
	assert_ptr_equal(addrs[1], base0 + 16 * PAGE);
	for (size_t i = 0; i < 64; i++)
		assert_ptr_equal(addrs[2 + i], base1 + (64 + 4 * i) * PAGE);
}

static void test_runs_to_addresses_refuses_lies(void **state)
{
	const struct {
		struct message_run run;
		unsigned order;
	} lies[] = {
		{ { 0, 0 }, 0 },                             /* no block */
		{ { 1, 1 }, 1 },                             /* not aligned */
		{ { ZONE_PAGES, 1 }, 0 },                    /* behind the zone */
		{ { ZONE_PAGES - 1, 3 }, 0 },                /* out of it */
		{ { 0, UINT64_C(1) << 63 }, 18 },            /* far out of it */
		{ { 2 * ZONE1, 1 }, 0 },                     /* no such zone */
		{ { UINT64_MAX, UINT64_MAX }, 0 },           /* no such page */
		{ { UINT64_MAX << 18, UINT64_MAX }, 18 },    /* the same, aligned */
		{ { ZONE1 - 1, 2 }, 0 },                     /* would run into zone 1 */
		{ { ZONE1 | (ZONE1 - 64), UINT64_MAX }, 0 }, /* the highest page of zone 1 */
		{ { 0, 0x1f }, 0 },                          /* more than asked for */
	};
	struct ppc_mapping mapping = mapping_make();
	void *addrs[5] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		assert_int_equal(
			ppc_runs_to_addresses(&mapping, lies[i].order, &lies[i].run, 1, addrs, 4),
			-EPROTO);
		assert_null(addrs[4]);
	}
	assert_int_equal(ppc_runs_to_addresses(&mapping, 0, NULL, 0, addrs, 4), -EPROTO);
}

static void test_runs_from_addresses_joins_neighbours(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	void *addrs[128];
	struct message_run runs[128];

	(void)state;
	for (size_t i = 0; i < 128; i++)
		addrs[i] = base1 + i * PAGE;
	assert_int_equal(ppc_runs_from_addresses(&mapping, 0, addrs, 128, runs), 2);
	assert_true(runs[0].base == ZONE1 && runs[0].mask == UINT64_MAX);
	assert_true(runs[1].base == (ZONE1 | 64) && runs[1].mask == UINT64_MAX);
}

static void test_runs_from_addresses_keeps_duplicates_apart(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	void *addrs[] = { base0, base0 + PAGE, base0 + PAGE, base0 + 2 * PAGE };
	struct message_run runs[4];

	(void)state;
	assert_int_equal(ppc_runs_from_addresses(&mapping, 0, addrs, 4, runs), 2);
	assert_int_equal(runs[0].mask, 0x3);
	assert_int_equal(runs[1].mask, 0x6);
}

static void test_runs_from_addresses_refuses_what_is_no_block(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	int on_stack;
	void *wrong[] = { NULL,         &on_stack,    base0 + 1,
			  base0 + PAGE, base0 - PAGE, base0 + ZONE_PAGES * PAGE };
	struct message_run run;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(ppc_runs_from_addresses(&mapping, 1, &wrong[i], 1, &run), -EINVAL);
	/* Aligned, but the zone is smaller than the block. */
	wrong[0] = base0;
	assert_int_equal(ppc_runs_from_addresses(&mapping, 13, wrong, 1, &run), -EINVAL);
	assert_int_equal(ppc_runs_from_addresses(&mapping, 12, wrong, 1, &run), 1);
}

/* Any list of blocks of any order comes back as the same list. */
static void test_runs_survive_the_round_trip(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	void *addrs[512], *back[512];
	struct message_run runs[512];

	(void)state;
	srand(1);
	for (unsigned order = 0; order <= 12; order++) {
		size_t nr_blocks = ZONE_PAGES >> order, count = 0;

		for (size_t i = 0; i < nr_blocks && count < 512; i++) {
			if (nr_blocks > 4 && rand() % 3 == 0)
				continue;
			addrs[count++] = (i & 1 ? base1 : base0) + (i << order) * PAGE;
		}
		ssize_t nr_runs = ppc_runs_from_addresses(&mapping, order, addrs, count, runs);

		assert_in_range(nr_runs, 1, count);
		assert_int_equal(
			ppc_runs_to_addresses(&mapping, order, runs, (size_t)nr_runs, back, count),
			count);
		assert_memory_equal(addrs, back, count * sizeof(addrs[0]));
	}
}

static void test_mapping_offsets_come_back(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	const uint64_t last = ZONE_PAGES * (uint64_t)PAGE - 1;
	const uint64_t outside[] = { last + 1, UINT64_C(2) << 56, UINT64_MAX };

	(void)state;
	assert_int_equal(ppc_mapping_to_offset(&mapping, base0 + 5), 5);
	assert_true(ppc_mapping_to_offset(&mapping, base1 + last) == (UINT64_C(1) << 56 | last));
	assert_ptr_equal(ppc_mapping_from_offset(&mapping, UINT64_C(1) << 56 | last), base1 + last);
	assert_true(ppc_mapping_to_offset(&mapping, base1 + last + 1) == UINT64_MAX);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_null(ppc_mapping_from_offset(&mapping, outside[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_to_addresses_names_each_block),
		cmocka_unit_test(test_runs_to_addresses_refuses_lies),
		cmocka_unit_test(test_runs_from_addresses_joins_neighbours),
		cmocka_unit_test(test_runs_from_addresses_keeps_duplicates_apart),
		cmocka_unit_test(test_runs_from_addresses_refuses_what_is_no_block),
		cmocka_unit_test(test_runs_survive_the_round_trip),
		cmocka_unit_test(test_mapping_offsets_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
