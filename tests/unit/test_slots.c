/* SPDX-License-Identifier: MIT */

/* Client slots: taken, left, and rested before they are taken again. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/slots.h"

#define NR_SLOTS 5u

static struct slot memory[NR_SLOTS] __attribute__((aligned(64)));
static struct slot_table table;

static int setup(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	return slot_table_open(&table, NR_SLOTS, memory);
}

static unsigned take(void)
{
	unsigned slot = 0;

	assert_int_equal(slot_table_take(&table, 100, 1000, 77, &slot), 0);
	assert_in_range(slot, 1, NR_SLOTS - 1);
	return slot;
}

static void leave(unsigned slot)
{
	slot_table_set_state(&table, slot, SLOT_DYING);
	slot_table_leave(&table, slot);
}

static void test_slots_refuses_impossible_sizes(void **state)
{
	struct slot_table other;

	(void)state;
	assert_int_equal(slot_table_open(&other, 0, memory), -EINVAL);
	assert_int_equal(slot_table_open(&other, 1, memory), -EINVAL);
	assert_int_equal(slot_table_open(&other, WORD_NR_SLOTS + 1, memory), -EINVAL);
}

static void test_slots_are_as_they_were_when_opened_again(void **state)
{
	struct slot_table again;
	unsigned live = take(), dying = take(), left = take(), slot;

	(void)state;
	slot_table_set_state(&table, dying, SLOT_DYING);
	leave(left);
	assert_int_equal(slot_table_open(&again, NR_SLOTS, memory), 0);
	assert_int_equal(again.nr_used, 2);
	assert_int_equal(memory[live].state, SLOT_LIVE);
	slot_table_leave(&again, dying);
	for (unsigned i = 0; i < NR_SLOTS - 2; i++) {
		assert_int_equal(slot_table_take(&again, 1, 1, 1, &slot), 0);
		assert_int_not_equal(slot, live);
	}
	assert_int_equal(slot_table_take(&again, 1, 1, 1, &slot), SLOT_E_FULL);
}

static void test_slots_notices_a_state_that_is_none(void **state)
{
	struct slot_table again = { .nr_slots = 77 };

	(void)state;
	memory[3].state = SLOT_DYING + 1;
	assert_int_equal(slot_table_open(&again, NR_SLOTS, memory), SLOT_E_DAMAGED);
	assert_int_equal(again.nr_slots, 77);
	memory[3].state = SLOT_FREE;
	memory[WORD_SLOT_DAEMON].state = SLOT_LIVE;
	assert_int_equal(slot_table_open(&again, NR_SLOTS, memory), SLOT_E_DAMAGED);
}

static void test_slots_records_who_took_one(void **state)
{
	unsigned slot;

	(void)state;
	assert_int_equal(slot_table_take(&table, 4711, 1000, 99, &slot), 0);
	assert_int_equal(memory[slot].state, SLOT_LIVE);
	assert_int_equal(memory[slot].pid, 4711);
	assert_int_equal(memory[slot].uid, 1000);
	assert_int_equal(memory[slot].start_time, 99);
	assert_int_equal(memory[slot].generation, 0);
}

static void test_slots_gives_each_but_the_daemons(void **state)
{
	unsigned seen = 0, slot = 99;

	(void)state;
	for (unsigned i = 1; i < NR_SLOTS; i++)
		seen |= 1u << take();
	assert_int_equal(seen, 0x1e);
	assert_int_equal(table.nr_used, NR_SLOTS - 1);
	assert_int_equal(slot_table_take(&table, 1, 2, 3, &slot), SLOT_E_FULL);
	assert_int_equal(slot, 99);
	assert_int_equal(memory[WORD_SLOT_DAEMON].state, SLOT_FREE);
}

static void test_slots_goes_through_its_states(void **state)
{
	unsigned slot = take();

	(void)state;
	slot_table_set_state(&table, slot, SLOT_QUARANTINED);
	assert_int_equal(memory[slot].state, SLOT_QUARANTINED);
	slot_table_set_state(&table, slot, SLOT_DYING);
	assert_int_equal(memory[slot].state, SLOT_DYING);
	slot_table_leave(&table, slot);
	assert_int_equal(memory[slot].state, SLOT_FREE);
	assert_int_equal(memory[slot].generation, 1);
	assert_int_equal(table.nr_used, 0);
}

/* Not even a dying slot is taken: its blocks are still being swept. */
static void test_slots_keeps_dying_slot_back(void **state)
{
	unsigned slots[NR_SLOTS], slot;

	(void)state;
	for (unsigned i = 1; i < NR_SLOTS; i++)
		slots[i] = take();
	slot_table_set_state(&table, slots[2], SLOT_DYING);
	assert_int_equal(slot_table_take(&table, 1, 2, 3, &slot), SLOT_E_FULL);
	slot_table_leave(&table, slots[2]);
	assert_int_equal(take(), slots[2]);
}

static void test_slots_rests_a_slot_that_was_left(void **state)
{
	unsigned first = take(), second = take();

	(void)state;
	leave(first);
	assert_int_not_equal(take(), first);
	assert_int_not_equal(take(), first);
	assert_int_equal(take(), first);
	assert_int_equal(memory[first].generation, 1);
	assert_int_equal(memory[second].generation, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots_refuses_impossible_sizes),
		cmocka_unit_test_setup(test_slots_are_as_they_were_when_opened_again, setup),
		cmocka_unit_test_setup(test_slots_notices_a_state_that_is_none, setup),
		cmocka_unit_test_setup(test_slots_records_who_took_one, setup),
		cmocka_unit_test_setup(test_slots_gives_each_but_the_daemons, setup),
		cmocka_unit_test_setup(test_slots_goes_through_its_states, setup),
		cmocka_unit_test_setup(test_slots_keeps_dying_slot_back, setup),
		cmocka_unit_test_setup(test_slots_rests_a_slot_that_was_left, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
