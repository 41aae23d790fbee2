/* SPDX-License-Identifier: MIT */
/* Objects on their way to a client: pages under them, and nobody's data in their own bytes. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/page.h"
#include "service/backing.h"
#include "support/backing_fixture.h"

#define CHUNK_PAGES 512u
#define CHUNK_BYTES (CHUNK_PAGES * PAGE_BYTES)
#define LEAF_BYTES (64 * PAGE_BYTES)
#define ALICE 1000u
#define BOB 1001u
#define STRIDE_BYTES 200u

/* What is to be zeroed, run by run. */
static uint64_t zeroed[4];

static void on_will_zero(const struct backing_objects *objects, size_t i, uint64_t mask)
{
	assert_true(i < objects->nr_runs);
	assert_ptr_equal(objects->data, zeroed);
	assert_int_equal(zeroed[i], 0); /* once a run */
	assert_int_equal(mask & ~objects->runs[i].mask, 0);
	zeroed[i] = mask;
}

static struct backing_objects make_objects(const struct object_run *runs, size_t nr_runs)
{
	memset(zeroed, 0, sizeof(zeroed));
	return (struct backing_objects){
		.stride_bytes = STRIDE_BYTES,
		.size_bytes = STRIDE_BYTES,
		.runs = runs,
		.nr_runs = nr_runs,
		.will_zero = on_will_zero,
		.data = zeroed,
	};
}

/* True when it had to wait. */
static bool prepare(struct backing_fixture *fixture, const struct backing_objects *objects,
		    uid_t uid)
{
	struct watched_request request = backing_fixture_request(fixture);
	int error = backing_prepare_objects(fixture->backing, objects, uid, &request.request);

	if (error == 0)
		return false;
	assert_int_equal(error, -EINPROGRESS);
	backing_fixture_run_until(fixture, fixture->nr_done + 1);
	assert_int_equal(request.error, 0);
	return true;
}

static void test_objects_wait_for_the_pages_that_they_lie_in(void **state)
{
	/* The last two lie across the end of a chunk, and in the next one. */
	const struct object_run runs[] = {
		{ .base = 0, .mask = 0x11 },
		{ .base = CHUNK_BYTES - 10, .mask = 0x3 },
	};
	const struct backing_objects objects = make_objects(runs, 2);
	struct backing_fixture fixture;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	assert_true(prepare(&fixture, &objects, ALICE));
	assert_true(backing_committed_bytes(fixture.backing) >= 2 * CHUNK_BYTES);
	assert_false(prepare(&fixture, &objects, ALICE));
	assert_int_equal(zeroed[0] | zeroed[1], 0); /* nobody had them before */
	backing_fixture_stop(&fixture);
}

/* A zone's index is part of an object's offset, and none of the segment's. */
static void test_objects_are_those_of_their_zone(void **state)
{
	const struct object_run run = { .base = page_address(3, 5) << PAGE_SHIFT | 40, .mask = 2 };
	const struct backing_objects objects = make_objects(&run, 1);
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	base = backing_fixture_map(&fixture);
	memset(base, 'a', 64 * PAGE_BYTES);
	assert_true(prepare(&fixture, &objects, BOB));
	unsigned char *object = base + 5 * PAGE_BYTES + 40 + STRIDE_BYTES;
	assert_int_equal(object[-1], 'a');
	assert_true(is_filled_with(object, 0, STRIDE_BYTES));
	assert_int_equal(object[STRIDE_BYTES], 'a');
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

static void test_objects_are_zeroed_and_what_is_beside_them_is_not(void **state)
{
	const struct object_run runs[] = {
		{ .base = 4000, .mask = 0x6 }, /* the second lies in two pages */
		{ .base = 50000, .mask = UINT64_C(1) << 63 | 1 },
	};
	const struct backing_objects objects = make_objects(runs, 2);
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	base = backing_fixture_map(&fixture);
	memset(base, 'a', LEAF_BYTES);
	assert_true(prepare(&fixture, &objects, BOB));
	assert_int_equal(zeroed[0], runs[0].mask);
	assert_int_equal(zeroed[1], runs[1].mask);
	assert_true(is_filled_with(base, 'a', 4200));
	assert_true(is_filled_with(base + 4200, 0, 2 * STRIDE_BYTES));
	assert_true(is_filled_with(base + 4600, 'a', 50000 - 4600));
	assert_true(is_filled_with(base + 50000, 0, STRIDE_BYTES));
	assert_true(is_filled_with(base + 50200, 'a', 62 * STRIDE_BYTES));
	assert_true(is_filled_with(base + 62600, 0, STRIDE_BYTES));
	assert_true(is_filled_with(base + 62800, 'a', LEAF_BYTES - 62800));
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

/* What lies between objects that are smaller than their stride is nobody's to clear. */
static void test_objects_with_red_zones_keep_them(void **state)
{
	const struct object_run run = { .base = 16, .mask = 0x3 };
	struct backing_objects objects = make_objects(&run, 1);
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	objects.size_bytes = STRIDE_BYTES - 32;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, CHUNK_PAGES, ALICE);
	base = backing_fixture_map(&fixture);
	memset(base, 'r', PAGE_BYTES);
	assert_true(prepare(&fixture, &objects, BOB));
	for (unsigned i = 0; i < 2; i++) {
		unsigned char *object = base + 16 + (size_t)i * STRIDE_BYTES;

		assert_int_equal(object[-1], 'r');
		assert_true(is_filled_with(object, 0, STRIDE_BYTES - 32));
		assert_true(is_filled_with(object + STRIDE_BYTES - 32, 'r', 16));
	}
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

/* Of two leaves one is his own: only what reaches into the other is touched. */
static void test_objects_of_ones_own_leaf_are_left_alone(void **state)
{
	const struct object_run run = { .base = LEAF_BYTES - 2 * STRIDE_BYTES - 50, .mask = 0xf };
	const struct backing_objects objects = make_objects(&run, 1);
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, 64, BOB);
	backing_fixture_prepare(&fixture, 64, 64, ALICE);
	base = backing_fixture_map(&fixture);
	memset(base, 'x', 2 * LEAF_BYTES);
	assert_true(prepare(&fixture, &objects, BOB));
	assert_int_equal(zeroed[0], 0xc);
	assert_true(is_filled_with(base, 'x', LEAF_BYTES));
	assert_true(is_filled_with(base + LEAF_BYTES, 0, 2 * STRIDE_BYTES - 50));
	assert_int_equal(base[LEAF_BYTES + 2 * STRIDE_BYTES - 50], 'x');
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

/* With touch, clearing an object does not take the memory that nobody has touched. */
static void test_objects_nobody_touched_take_no_memory(void **state)
{
	const struct object_run run = { .base = 4000, .mask = 0x3 };
	const struct backing_objects objects = make_objects(&run, 1);
	struct backing_config config = backing_fixture_config;
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	config.commit = SERVICE_COMMIT_TOUCH;
	backing_fixture_start(&fixture, &config);
	assert_false(backing_fixture_prepare(&fixture, 0, 64, ALICE));
	base = backing_fixture_map(&fixture);
	base[4000] = base[4095] = 'a'; /* the first of two pages */
	assert_int_equal(backing_fixture_backed_bytes(&fixture), PAGE_BYTES);
	assert_true(prepare(&fixture, &objects, BOB));
	assert_int_equal(backing_fixture_backed_bytes(&fixture), PAGE_BYTES);
	assert_true(is_filled_with(base + 4000, 0, 96));
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

/* More extents than one job takes. */
static void test_objects_scattered_far_are_all_zeroed(void **state)
{
	static struct object_run runs[2048];
	struct backing_objects objects = make_objects(runs, 2048);
	struct backing_fixture fixture;
	unsigned char *base;

	(void)state;
	objects.will_zero = NULL;
	backing_fixture_start(&fixture, &backing_fixture_config);
	backing_fixture_prepare(&fixture, 0, 2048, ALICE);
	base = backing_fixture_map(&fixture);
	memset(base, 'a', 2048 * PAGE_BYTES);
	for (unsigned i = 0; i < 2048; i++)
		runs[i] = (struct object_run){ .base = i * PAGE_BYTES + 8, .mask = 1 };
	assert_true(prepare(&fixture, &objects, BOB));
	for (unsigned i = 0; i < 2048; i++) {
		assert_int_equal(base[i * PAGE_BYTES + 7], 'a');
		assert_true(is_filled_with(base + i * PAGE_BYTES + 8, 0, STRIDE_BYTES));
		assert_int_equal(base[i * PAGE_BYTES + 8 + STRIDE_BYTES], 'a');
	}
	backing_fixture_unmap(&fixture, base);
	backing_fixture_stop(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects_wait_for_the_pages_that_they_lie_in),
		cmocka_unit_test(test_objects_are_those_of_their_zone),
		cmocka_unit_test(test_objects_are_zeroed_and_what_is_beside_them_is_not),
		cmocka_unit_test(test_objects_with_red_zones_keep_them),
		cmocka_unit_test(test_objects_of_ones_own_leaf_are_left_alone),
		cmocka_unit_test(test_objects_nobody_touched_take_no_memory),
		cmocka_unit_test(test_objects_scattered_far_are_all_zeroed),
	};

	return cmocka_run_group_tests_name("backing_objects", tests, NULL, NULL);
}
