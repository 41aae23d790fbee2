/* SPDX-License-Identifier: MIT */
/* Runs of objects to pointers and back, over a mapping that is never touched. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mapping.h"
#include "lib/object_runs.h"
#include "proto/message.h"
#include "support/random.h"

#define ZONE_BYTES (UINT64_C(16) << 20)
#define ZONE1 (UINT64_C(1) << (PPC_ZONE_SHIFT + PPC_PAGE_SHIFT))
#define SLAB_ORDER 3u
#define SLAB_BYTES (4096u << SLAB_ORDER)
#define STRIDE 48u

static uint8_t *base0 = (uint8_t *)(uintptr_t)0x100000000;
static uint8_t *base1 = (uint8_t *)(uintptr_t)0x900000000;
static struct ppc_cache_info cache;

static int setup(void **state)
{
	const struct message_cache_info told = {
		.cache = 9, .object_bytes = 40, .stride_bytes = STRIDE, .slab_order = SLAB_ORDER
	};

	(void)state;
	return ppc_cache_info_init(&cache, &told) ? 0 : -1;
}

static struct ppc_mapping mapping_make(void)
{
	struct ppc_mapping mapping = { .nr_zones = 2 };

	mapping.zones[0] = (struct ppc_zone){ .base = base0, .size_bytes = ZONE_BYTES };
	mapping.zones[1] = (struct ppc_zone){ .base = base1, .size_bytes = ZONE_BYTES };
	return mapping;
}

static void test_object_runs_to_addresses_names_each_object(void **state)
{
	const struct message_run runs[] = { { 8, 0x5 }, { ZONE1 | 0x10020, UINT64_MAX } };
	struct ppc_mapping mapping = mapping_make();
	void *addrs[66];

	(void)state;
	assert_int_equal(
		ppc_object_runs_to_addresses(&mapping, &cache, runs, 2, NULL, addrs, 66, NULL), 66);
	assert_ptr_equal(addrs[0], base0 + 8);
	assert_ptr_equal(addrs[1], base0 + 8 + 2 * STRIDE);
	for (size_t i = 0; i < 64; i++)
		assert_ptr_equal(addrs[2 + i], base1 + 0x10020 + i * STRIDE);
}

static void test_object_runs_to_addresses_tells_which_are_raw(void **state)
{
	const struct message_run runs[] = { { 0, 0x7 }, { SLAB_BYTES, UINT64_MAX } };
	/* Bits of objects that the run does not name are nobody's. */
	const uint64_t raw[] = { 0xffa, UINT64_C(1) << 63 | 1 };
	struct ppc_mapping mapping = mapping_make();
	uint64_t ret_raw[2] = { 0 };
	void *addrs[67];

	(void)state;
	assert_int_equal(
		ppc_object_runs_to_addresses(&mapping, &cache, runs, 2, raw, addrs, 67, ret_raw),
		67);
	assert_true(ret_raw[0] == (1u << 1 | 1u << 3));
	assert_true(ret_raw[1] == 1u << (66 - 64));
	memset(ret_raw, 0, sizeof(ret_raw));
	assert_int_equal(
		ppc_object_runs_to_addresses(&mapping, &cache, runs, 2, NULL, addrs, 67, ret_raw),
		67);
	assert_true(ret_raw[0] == 0 && ret_raw[1] == 0);
}

static void test_object_runs_to_addresses_refuses_lies(void **state)
{
	const struct message_run lies[] = {
		{ 0, 0 },                                    /* no object */
		{ ZONE_BYTES, 1 },                           /* behind the zone */
		{ ZONE_BYTES - 39, 1 },                      /* out of it by a byte */
		{ SLAB_BYTES - STRIDE, 0x3 },                /* into the next slab */
		{ SLAB_BYTES - 39, 0x1 },                    /* the same by a byte */
		{ 2 * ZONE1, 1 },                            /* no such zone */
		{ ZONE1 - STRIDE, 2 },                       /* would run into zone 1 */
		{ UINT64_MAX, 1 },                           /* no such byte */
		{ UINT64_MAX - SLAB_BYTES + 1, UINT64_MAX }, /* nor there */
		{ UINT64_MAX - STRIDE + 1, 2 },              /* the sum is none */
		{ 0, 0x1f },                                 /* more than asked for */
	};
	struct ppc_mapping mapping = mapping_make();
	void *addrs[5] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		assert_int_equal(ppc_object_runs_to_addresses(&mapping, &cache, &lies[i], 1, NULL,
							      addrs, 4, NULL),
				 -EPROTO);
		assert_null(addrs[4]);
	}
	assert_int_equal(
		ppc_object_runs_to_addresses(&mapping, &cache, NULL, 0, NULL, addrs, 4, NULL),
		-EPROTO);
}

static void test_object_runs_from_addresses_joins_either_way(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	struct message_run runs[128];
	void *addrs[128];

	(void)state;
	for (size_t i = 0; i < 128; i++)
		addrs[i] = base1 + 24 + i * STRIDE;
	assert_int_equal(ppc_object_runs_from_addresses(&mapping, &cache, addrs, 128, runs), 2);
	assert_true(runs[0].base == (ZONE1 | 24) && runs[0].mask == UINT64_MAX);
	assert_true(runs[1].base == (ZONE1 | (24 + 64 * STRIDE)) && runs[1].mask == UINT64_MAX);

	for (size_t i = 0; i < 128; i++)
		addrs[i] = base1 + 24 + (127 - i) * STRIDE;
	assert_int_equal(ppc_object_runs_from_addresses(&mapping, &cache, addrs, 128, runs), 2);
	assert_true(runs[0].base == (ZONE1 | (24 + 64 * STRIDE)) && runs[0].mask == UINT64_MAX);
	assert_true(runs[1].base == (ZONE1 | 24) && runs[1].mask == UINT64_MAX);
}

static void test_object_runs_from_addresses_joins_what_is_no_neighbour(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	void *addrs[] = { base0 + 1000 + 10 * STRIDE, base0 + 1000 + 3 * STRIDE,
			  base0 + 1000 + 66 * STRIDE, base0 + 1000 + 2 * STRIDE };
	struct message_run runs[4];

	(void)state;
	/* The last is 64 strides from the one before, and so is none of its run. */
	assert_int_equal(ppc_object_runs_from_addresses(&mapping, &cache, addrs, 4, runs), 2);
	assert_int_equal(runs[0].base, 1000 + 3 * STRIDE);
	assert_true(runs[0].mask == (UINT64_C(1) << 63 | 1u << 7 | 1));
	assert_true(runs[1].base == 1000 + 2 * STRIDE && runs[1].mask == 1);
}

static void test_object_runs_from_addresses_keeps_apart_what_does_not_belong(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	void *addrs[] = { base0 + SLAB_BYTES - STRIDE,
			  base0 + SLAB_BYTES,      /* another slab */
			  base1 + SLAB_BYTES,      /* another zone */
			  base1 + SLAB_BYTES + 47, /* no whole stride */
			  base1 + SLAB_BYTES + 47 + STRIDE,
			  base1 + SLAB_BYTES + 47, /* twice */
			  base1 + SLAB_BYTES + 47 + STRIDE };
	struct message_run runs[7];

	(void)state;
	assert_int_equal(ppc_object_runs_from_addresses(&mapping, &cache, addrs, 7, runs), 5);
	for (size_t i = 0; i < 3; i++)
		assert_true(runs[i].mask == 1);
	assert_true(runs[3].mask == 0x3 && runs[4].mask == 0x3);
	assert_true(runs[3].base == runs[4].base);
}

static void test_object_runs_from_addresses_refuses_what_is_outside(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	int on_stack;
	void *wrong[] = { NULL, &on_stack, base0 - 1, base0 + ZONE_BYTES };
	struct message_run run;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(
			ppc_object_runs_from_addresses(&mapping, &cache, &wrong[i], 1, &run),
			-EINVAL);
}

static int by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (void *const *)a, y = (uintptr_t) * (void *const *)b;

	return x < y ? -1 : x > y;
}

/* Any objects in any order come back, each as often as it was named. */
static void test_object_runs_survive_the_round_trip(void **state)
{
	struct random random = random_from_environment();
	struct ppc_mapping mapping = mapping_make();
	struct message_run runs[512];
	void *addrs[512], *back[512];

	(void)state;
	for (unsigned round = 0; round < 1000; round++) {
		uint32_t objects = 1 + random_below(&random, SLAB_BYTES / STRIDE);
		uint32_t slabs = 1 + random_below(&random, 3);
		size_t count = 1 + random_below(&random, 512);
		ssize_t nr_runs;

		for (size_t i = 0; i < count; i++)
			addrs[i] = (random_once_in(&random, 4) ? base1 : base0) +
				   random_below(&random, slabs) * SLAB_BYTES +
				   random_below(&random, objects) * STRIDE;
		nr_runs = ppc_object_runs_from_addresses(&mapping, &cache, addrs, count, runs);
		assert_in_range(nr_runs, 1, count);
		assert_int_equal(ppc_object_runs_to_addresses(&mapping, &cache, runs,
							      (size_t)nr_runs, NULL, back, count,
							      NULL),
				 count);
		qsort(addrs, count, sizeof(addrs[0]), by_address);
		qsort(back, count, sizeof(back[0]), by_address);
		assert_memory_equal(addrs, back, count * sizeof(addrs[0]));
	}
}

/* Every stride, at every distance that is one of it, and beside it. */
static void test_object_runs_divide_without_dividing(void **state)
{
	struct ppc_mapping mapping = mapping_make();
	struct message_run runs[2];

	(void)state;
	for (uint32_t stride = 1; stride <= 40000; stride += stride < 300 ? 1 : 97) {
		const struct message_cache_info told = { .object_bytes = stride,
							 .stride_bytes = stride,
							 .slab_order = 12 };
		struct ppc_cache_info info;

		assert_true(ppc_cache_info_init(&info, &told));
		for (uint32_t strides = 1; strides < 64; strides++) {
			void *addrs[] = { base0, base0 + (size_t)strides * stride };

			assert_int_equal(
				ppc_object_runs_from_addresses(&mapping, &info, addrs, 2, runs), 1);
			assert_true(runs[0].mask == (UINT64_C(1) << strides | 1));
			if (stride == 1)
				continue;
			addrs[1] = base0 + (size_t)strides * stride + 1;
			assert_int_equal(
				ppc_object_runs_from_addresses(&mapping, &info, addrs, 2, runs), 2);
		}
	}
}

static void test_cache_info_refuses_what_no_cache_is_like(void **state)
{
	const struct message_cache_info sound = {
		.cache = 5, .object_bytes = 40, .stride_bytes = 48, .slab_order = 3
	};
	const struct message_cache_info lies[] = {
		{ .object_bytes = 0, .stride_bytes = 48, .slab_order = 3 },
		{ .object_bytes = 40, .stride_bytes = 39, .slab_order = 3 },
		{ .object_bytes = 40, .stride_bytes = SLAB_BYTES + 1, .slab_order = 3 },
		{ .object_bytes = 40, .stride_bytes = 48, .slab_order = 19 },
		{ .object_bytes = 40, .stride_bytes = 48, .slab_order = UINT32_MAX },
	};
	struct ppc_cache_info info;

	(void)state;
	assert_true(ppc_cache_info_init(&info, &sound));
	assert_true(info.number == 5 && info.object_bytes == 40 && info.stride_bytes == 48 &&
		    info.slab_shift == 15);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		assert_false(ppc_cache_info_init(&info, &lies[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_object_runs_to_addresses_names_each_object),
		cmocka_unit_test(test_object_runs_to_addresses_tells_which_are_raw),
		cmocka_unit_test(test_object_runs_to_addresses_refuses_lies),
		cmocka_unit_test(test_object_runs_from_addresses_joins_either_way),
		cmocka_unit_test(test_object_runs_from_addresses_joins_what_is_no_neighbour),
		cmocka_unit_test(test_object_runs_from_addresses_keeps_apart_what_does_not_belong),
		cmocka_unit_test(test_object_runs_from_addresses_refuses_what_is_outside),
		cmocka_unit_test(test_object_runs_survive_the_round_trip),
		cmocka_unit_test(test_object_runs_divide_without_dividing),
		cmocka_unit_test(test_cache_info_refuses_what_no_cache_is_like),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
