/* SPDX-License-Identifier: MIT */

/* Units side by side: best fit, whole again when they are free, and found again by a next daemon.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/slab.h"
#include "core/slab_units.h"
#include "support/random.h"
#include "support/slab_fixture.h"

#define NR_UNITS_MAX (SLAB_ROOMY_UNITS - 1)

static uint32_t nr_free(const struct slab_fixture *fixture)
{
	uint32_t nr = UINT32_MAX;
	const char *what = slab_units_check(&fixture->slabs, &nr);

	if (what)
		fail_msg("%s", what);
	return nr;
}

static void test_slab_units_are_taken_from_the_shortest_stretch(void **state)
{
	struct slab_fixture *fixture = *state;
	struct slab_table *slabs = &fixture->slabs;
	uint32_t firsts[20];

	for (uint32_t i = 0; i < 20; i++) {
		firsts[i] = slab_units_take(slabs, i % 2 ? 1 : 20 - i);
		assert_int_not_equal(firsts[i], SLAB_NONE);
	}
	for (uint32_t i = 0; i < 20; i += 2) /* stretches of 20, 18, 16 ... units */
		slab_units_give(slabs, firsts[i], 20 - i);
	nr_free(fixture);
	assert_int_equal(slab_units_take(slabs, 7), firsts[12]);
	assert_int_equal(slab_units_take(slabs, 1), firsts[12] + 7);
	assert_int_equal(slab_units_take(slabs, 20), firsts[0]);
	assert_int_equal(slab_units_take(slabs, 19), firsts[19] + 1);
	nr_free(fixture);
}

/* With the stretch before, the one behind, both or none. */
static void test_slab_units_are_whole_again(void **state)
{
	static const unsigned orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	struct slab_fixture *fixture = *state;
	struct slab_table *slabs = &fixture->slabs;

	for (unsigned n = 0; n < 6; n++) {
		uint32_t firsts[3];

		for (unsigned i = 0; i < 3; i++)
			firsts[i] = slab_units_take(slabs, 10 + i);
		assert_int_equal(slab_room(slabs), SLAB_ROOM_UNITS - 33);
		for (unsigned i = 0; i < 3; i++) {
			slab_units_give(slabs, firsts[orders[n][i]], 10 + orders[n][i]);
			nr_free(fixture);
		}
		assert_int_equal(nr_free(fixture), SLAB_ROOM_UNITS);
		assert_int_equal(slab_room(slabs), SLAB_ROOM_UNITS);
	}
}

/* What is new joins what is free at the end of the room. */
static void test_slab_units_join_over_parts_of_the_room(void **state)
{
	struct slab_fixture *fixture = *state;
	struct slab_table *slabs = &fixture->slabs;

	for (uint32_t i = 0; i < SLAB_ROOM_UNITS / 32 - 1; i++)
		assert_int_equal(slab_units_take(slabs, 32), i * 32);
	assert_int_equal(slab_room(slabs), 0);
	assert_int_equal(slab_units_take(slabs, 33), SLAB_NONE);
	slab_add_room(slabs);
	assert_int_equal(nr_free(fixture), SLAB_ROOM_UNITS + 32);
	assert_int_equal(slab_room(slabs), SLAB_ROOM_UNITS + 32);
	assert_int_equal(slab_units_take(slabs, 63), SLAB_ROOM_UNITS - 32);
}

/* A stretch is roomy that any slab fits in, and what is not does not count as room. */
static void test_slab_units_room_is_what_any_slab_fits_in(void **state)
{
	struct slab_fixture *fixture = *state;
	struct slab_table *slabs = &fixture->slabs;
	uint32_t first = 0;

	/* Taken up to the last 64, of which one more is taken. */
	for (uint32_t left = SLAB_ROOM_UNITS; left > SLAB_ROOMY_UNITS; left -= 32)
		first = slab_units_take(slabs, 32);
	assert_int_equal(slab_room(slabs), SLAB_ROOMY_UNITS);
	assert_int_equal(slab_units_take(slabs, 1), first + 32);
	assert_int_equal(slab_room(slabs), 0);
	assert_int_equal(nr_free(fixture), SLAB_ROOMY_UNITS - 1);
	slab_units_give(slabs, first + 32, 1);
	assert_int_equal(slab_room(slabs), SLAB_ROOMY_UNITS);
}

/* Random histories beside a map. */

static struct random chance;

static void set(uint8_t *is_taken, uint32_t first, uint32_t nr_units, bool taken)
{
	for (uint32_t i = first; i < first + nr_units; i++) {
		assert_int_equal(is_taken[i], !taken);
		is_taken[i] = taken;
	}
}

static uint32_t longest(const uint8_t *is_taken, uint32_t nr_room, uint32_t *ret_nr_free)
{
	uint32_t most = 0, at = 0;

	*ret_nr_free = 0;
	for (uint32_t i = 0; i < nr_room; i++) {
		at = is_taken[i] ? 0 : at + 1;
		*ret_nr_free += !is_taken[i];
		most = at > most ? at : most;
	}
	return most;
}

/* As a next daemon: what is taken is claimed, in any order, and a unit more is refused. */
static void recover(struct slab_fixture *fixture, const uint32_t *firsts, const uint32_t *sizes,
		    uint32_t nr)
{
	slab_fixture_forget(fixture);
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t at = (i * 7 + 3) % nr;

		if (nr % 7 == 0)
			at = i;
		while (fixture->slabs.nr_room < firsts[at] + sizes[at])
			slab_units_extend(&fixture->slabs);
		assert_true(slab_units_claim(&fixture->slabs, firsts[at], sizes[at]));
		assert_false(slab_units_claim(&fixture->slabs, firsts[at] + sizes[at] - 1, 1));
	}
	slab_units_load_end(&fixture->slabs);
}

static void test_slab_units_agree_with_a_map(void **state)
{
	struct slab_fixture *fixture = *state;
	uint8_t is_taken[SLAB_FIXTURE_UNITS] = { 0 };
	uint32_t firsts[SLAB_FIXTURE_UNITS], sizes[SLAB_FIXTURE_UNITS], nr = 0;

	chance = random_from_environment();
	for (uint32_t n = 0; n < 20000; n++) {
		struct slab_table *slabs = &fixture->slabs;
		uint32_t free_units, most = longest(is_taken, slabs->nr_room, &free_units), i;

		assert_int_equal(nr_free(fixture), free_units);
		if (random_below(&chance, 100) < (n / 2000 % 2 ? 35u : 60u)) {
			sizes[nr] = 1 + random_below(&chance,
						     random_below(&chance, 4) ? 16 : NR_UNITS_MAX);
			firsts[nr] = slab_units_take(slabs, sizes[nr]);
			assert_int_equal(firsts[nr] == SLAB_NONE, most < sizes[nr]);
			if (firsts[nr] == SLAB_NONE)
				continue;
			set(is_taken, firsts[nr], sizes[nr], true);
			nr++;
		} else if (nr) {
			i = random_below(&chance, nr--);
			slab_units_give(slabs, firsts[i], sizes[i]);
			set(is_taken, firsts[i], sizes[i], false);
			firsts[i] = firsts[nr];
			sizes[i] = sizes[nr];
		}
		if (random_below(&chance, 2000) == 0 && slabs->nr_room < slabs->nr_units)
			slab_add_room(slabs);
		if (random_below(&chance, 200) == 0)
			recover(fixture, firsts, sizes, nr);
	}
}

#define units_test(name)                                                                           \
	cmocka_unit_test_setup_teardown(name, slab_fixture_setup, slab_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		units_test(test_slab_units_are_taken_from_the_shortest_stretch),
		units_test(test_slab_units_are_whole_again),
		units_test(test_slab_units_join_over_parts_of_the_room),
		units_test(test_slab_units_room_is_what_any_slab_fits_in),
		units_test(test_slab_units_agree_with_a_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
