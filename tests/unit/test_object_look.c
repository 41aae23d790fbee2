/* SPDX-License-Identifier: MIT */
/* Red zones and poison in a real segment: written, compared, broken by every byte and by holes. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/page.h"
#include "service/object_look.h"
#include "support/backing_fixture.h"
#include "support/huge_pages.h"

#define NR_MAX 2048u
#define HUGE_BYTES (UINT64_C(2) << 20)

static const struct object_image any = { OBJECT_ANY, OBJECT_ANY };
static const struct object_image held = { OBJECT_RED_HELD, OBJECT_ANY };
static const struct object_image fresh = { OBJECT_RED_HELD, OBJECT_FRESH };
static const struct object_image freed = { OBJECT_RED_FREE, OBJECT_POISON };
static const struct object_image kept = { OBJECT_RED_FREE, OBJECT_ANY };

struct objects {
	struct backing_fixture fixture;
	unsigned char *base; /* a client's mapping */
	struct object_look looks[NR_MAX];
	size_t nr_looks;
	struct object_fault faults[NR_MAX];
	size_t nr_faults, nr_looked;
};

static int setup_with(void **state, const struct backing_config *config)
{
	static struct objects objects;

	objects.nr_looks = 0;
	backing_fixture_start(&objects.fixture, config);
	objects.base = backing_fixture_map(&objects.fixture);
	*state = &objects;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, &backing_fixture_config);
}

static int teardown(void **state)
{
	struct objects *objects = *state;

	backing_fixture_unmap(&objects->fixture, objects->base);
	backing_fixture_stop(&objects->fixture);
	return 0;
}

/* Objects side by side, their first cell at `cell`. */
static void lay_out(struct objects *objects, uint64_t cell, uint32_t object_bytes, uint32_t align,
		    size_t count)
{
	const struct cache_config config = {
		.name = "test", .object_bytes = object_bytes, .align = align, .flags = CACHE_DEBUG
	};
	struct cache_layout layout;

	assert_int_equal(cache_lay_out(&config, &layout), 0);
	for (size_t i = 0; i < count; i++)
		objects->looks[objects->nr_looks++] = (struct object_look){
			.backing = objects->fixture.backing,
			.cell = cell + i * layout.stride_bytes,
			.object_bytes = layout.object_bytes,
			.stride_bytes = layout.stride_bytes,
		};
}

static void put(struct objects *objects, struct object_image image)
{
	for (size_t i = 0; i < objects->nr_looks; i++)
		objects->looks[i].put = image;
	assert_int_equal(object_look_put(objects->looks, objects->nr_looks), 0);
}

/* Returns how many faults there are. */
static size_t compare(struct objects *objects, struct object_image image)
{
	for (size_t i = 0; i < objects->nr_looks; i++)
		objects->looks[i].is = image;
	assert_int_equal(object_look_compare(objects->looks, objects->nr_looks, objects->faults,
					     NR_MAX, &objects->nr_faults, &objects->nr_looked),
			 0);
	return objects->nr_faults;
}

static void test_object_look_finds_what_it_has_put(void **state)
{
	static const uint32_t sizes[] = { 1, 8, 24, 64, 100, 500, 4000, 4096, 40000, 200000 };
	struct objects *objects = *state;
	uint64_t at = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		lay_out(objects, at, sizes[i], 0, 20);
		at += UINT64_C(8) << 20;
	}
	assert_int_equal(compare(objects, fresh), objects->nr_looks);
	put(objects, fresh);
	assert_int_equal(compare(objects, fresh), 0);
	assert_int_equal(objects->nr_looked, objects->nr_looks);
	assert_int_equal(compare(objects, held), 0);
	assert_int_equal(compare(objects, any), 0);
	assert_int_equal(compare(objects, freed), objects->nr_looks);
	put(objects, freed);
	assert_int_equal(compare(objects, freed), 0);
	assert_int_equal(compare(objects, kept), 0);
	assert_int_equal(compare(objects, held), objects->nr_looks);
}

static void test_object_look_writes_nothing_beside_its_cells(void **state)
{
	struct objects *objects = *state;
	const struct object_look *look = objects->looks;

	lay_out(objects, 4096 - 40, 40, 8, 3);
	lay_out(objects, 70000, 70000, 8, 1);
	memset(objects->base, 0xee, 1 << 20);
	put(objects, freed);
	uint64_t end = look[2].cell + look[2].stride_bytes, last = look[3].cell;
	assert_true(is_filled_with(objects->base, 0xee, look[0].cell));
	assert_true(is_filled_with(objects->base + end, 0xee, last - end));
	end = last + look[3].stride_bytes;
	assert_true(is_filled_with(objects->base + end, 0xee, (1 << 20) - end));
}

static void test_object_look_leaves_what_is_kept(void **state)
{
	struct objects *objects = *state;
	size_t size = 0;

	lay_out(objects, 4000, 100, 8, 100);
	lay_out(objects, 1 << 20, 100000, 8, 3);
	memset(objects->base, 0xee, 2 << 20);
	put(objects, kept);
	assert_int_equal(compare(objects, kept), 0);
	for (size_t i = 0; i < objects->nr_looks; i++) {
		const struct object_look *look = &objects->looks[i];

		size += look->stride_bytes;
		assert_true(is_filled_with(objects->base + look->cell + CACHE_RED_BYTES, 0xee,
					   look->object_bytes));
	}
	assert_true(size > 0);
	put(objects, any);
	assert_int_equal(compare(objects, kept), 0);
}

/* Breaks one byte of the cell, sees it reported, and mends it. */
static void check_byte(struct objects *objects, size_t i, uint32_t at, struct object_image image)
{
	const struct object_look *look = &objects->looks[i];
	unsigned char *byte = objects->base + look->cell + at, was = *byte;
	int32_t from_start = (int32_t)at - (int32_t)CACHE_RED_BYTES;
	bool is_body = from_start >= 0 && from_start < (int32_t)look->object_bytes;
	int expected = is_body ? image.body : image.red;

	*byte ^= 0x01;
	if (expected == OBJECT_ANY) {
		assert_int_equal(compare(objects, image), 0);
	} else {
		const struct object_fault *fault = objects->faults;

		assert_int_equal(compare(objects, image), 1);
		assert_int_equal(fault->look, i);
		assert_int_equal(fault->at, from_start);
		assert_int_equal(fault->expected, expected);
		assert_int_equal(fault->found, expected ^ 0x01);
		assert_string_equal(object_fault_what(fault, look),
				    from_start < 0 ? "red zone before the object"
				    : is_body      ? "poison in the free object"
						   : "red zone behind the object");
	}
	*byte = was;
}

static void test_object_look_finds_each_byte(void **state)
{
	struct objects *objects = *state;

	lay_out(objects, 4096 - 100, 40, 8, 4);
	for (unsigned free = 0; free < 2; free++) {
		const struct object_image image = free ? freed : held;

		put(objects, image);
		for (size_t i = 0; i < 4; i++)
			for (uint32_t at = 0; at < objects->looks[i].stride_bytes; at++)
				check_byte(objects, i, at, image);
	}
}

/* One that does not fit into what is read at once. */
static void test_object_look_finds_bytes_of_large_objects(void **state)
{
	struct objects *objects = *state;

	lay_out(objects, 8192, 100000, 4096, 2);
	put(objects, freed);
	for (size_t i = 0; i < 2; i++)
		for (uint32_t at = 0; at < objects->looks[i].stride_bytes; at += 997)
			check_byte(objects, i, at, freed);
	check_byte(objects, 1, objects->looks[1].stride_bytes - 1, freed);
}

static void test_object_look_tells_the_first_byte(void **state)
{
	struct objects *objects = *state;

	lay_out(objects, 4096, 64, 8, 2);
	put(objects, freed);
	memset(objects->base + 4096 + CACHE_RED_BYTES + 10, 0, 200);
	assert_int_equal(compare(objects, freed), 2);
	assert_int_equal(objects->faults[0].at, 10);
	assert_int_equal(objects->faults[1].at, -(int)CACHE_RED_BYTES);
	assert_int_equal(objects->faults[1].found, 0);
}

static void test_object_look_stops_when_it_has_enough(void **state)
{
	struct objects *objects = *state;

	lay_out(objects, 0, 64, 8, 100);
	put(objects, fresh);
	for (size_t i = 40; i < 100; i += 10)
		objects->base[objects->looks[i].cell] = 0;
	for (size_t i = 0; i < 100; i++)
		objects->looks[i].is = held;
	assert_int_equal(object_look_compare(objects->looks, 100, objects->faults, 2,
					     &objects->nr_faults, &objects->nr_looked),
			 0);
	assert_int_equal(objects->nr_faults, 2);
	assert_int_equal(objects->nr_looked, 51);
	assert_int_equal(objects->faults[1].look, 50);
}

/* In no order, with gaps, and each with what it is to be. */
static void test_object_look_takes_objects_as_they_come(void **state)
{
	struct objects *objects = *state;
	struct object_look swap;

	lay_out(objects, 4096, 48, 8, 200);
	for (size_t i = 0; i < 200; i += 3) {
		swap = objects->looks[i];
		objects->looks[i] = objects->looks[199 - i];
		objects->looks[199 - i] = swap;
	}
	for (size_t i = 0; i < 200; i++)
		objects->looks[i].put = objects->looks[i].is = i % 2 ? fresh : freed;
	assert_int_equal(object_look_put(objects->looks, 200), 0);
	assert_int_equal(object_look_compare(objects->looks, 200, objects->faults, 1,
					     &objects->nr_faults, &objects->nr_looked),
			 0);
	assert_int_equal(objects->nr_faults, 0);
	assert_int_equal(objects->nr_looked, 200);
}

static void test_object_look_sees_holes_as_zeros(void **state)
{
	struct objects *objects = *state;
	int fd = backing_fixture_open_fd(&objects->fixture, false);

	lay_out(objects, 0, 480, 8, 16);
	put(objects, freed);
	uint64_t backed_bytes = backing_fixture_backed_bytes(&objects->fixture);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
	assert_int_equal(compare(objects, freed), 8);
	assert_int_equal(objects->faults[0].look, 8);
	assert_int_equal(objects->faults[0].found, 0);
	/* Looking fills no hole; writing does. */
	assert_true(backing_fixture_backed_bytes(&objects->fixture) < backed_bytes);
	put(objects, freed);
	assert_int_equal(compare(objects, freed), 0);
	close(fd);
}

/* What is not reserved can't be written: an error, and no signal. */
static void test_object_look_survives_missing_huge_pages(void **state)
{
	struct backing_config config = backing_fixture_config;
	uint64_t before;

	if (!huge_pages_reserve(1, &before))
		skip();
	config.page_bytes = config.size_bytes = HUGE_BYTES;
	config.capacity_bytes = 4 * HUGE_BYTES;
	setup_with(state, &config);
	struct objects *objects = *state;
	lay_out(objects, HUGE_BYTES - 4096, 64, 8, 1);
	put(objects, freed);
	assert_int_equal(compare(objects, freed), 0);
	lay_out(objects, HUGE_BYTES + 4096, 64, 8, 1);
	objects->looks[1].put = freed;
	assert_int_equal(object_look_put(objects->looks, 2), -ENOMEM);
	assert_int_equal(compare(objects, freed), 1);
	assert_int_equal(objects->faults[0].look, 1);
	teardown(state);
	huge_pages_release(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_object_look_finds_what_it_has_put),
		TEST(test_object_look_writes_nothing_beside_its_cells),
		TEST(test_object_look_leaves_what_is_kept),
		TEST(test_object_look_finds_each_byte),
		TEST(test_object_look_finds_bytes_of_large_objects),
		TEST(test_object_look_tells_the_first_byte),
		TEST(test_object_look_stops_when_it_has_enough),
		TEST(test_object_look_takes_objects_as_they_come),
		TEST(test_object_look_sees_holes_as_zeros),
		cmocka_unit_test(test_object_look_survives_missing_huge_pages),
	};

	return cmocka_run_group_tests_name("object_look", tests, NULL, NULL);
}
