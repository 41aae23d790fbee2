/* SPDX-License-Identifier: MIT */

/* The ledger word: its layout is what outlives a daemon, so it must not move. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/word.h"

static void check_word(enum word_kind kind, struct word_owner owner, unsigned order)
{
	uint32_t word = word_make(kind, owner, order);

	assert_int_equal(word_kind(word), kind);
	assert_int_equal(word_tag(word), owner.tag);
	assert_int_equal(word_slot(word), owner.slot);
	assert_int_equal(word_mobility(word), owner.mobility);
	assert_int_equal(word_order(word), order);
}

static void test_word_keeps_every_field(void **state)
{
	(void)state;
	for (unsigned kind = WORD_FREE; kind <= WORD_LEAVING; kind++)
		for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
			for (unsigned mobility = 0; mobility < NR_MOBILITIES; mobility++)
				check_word((enum word_kind)kind,
					   (struct word_owner){ .slot = 0x5a5,
								.tag = 0x2b1,
								.mobility = mobility },
					   order);
}

static void test_word_fields_do_not_touch(void **state)
{
	const struct word_owner nobody = { .slot = 0 };

	(void)state;
	for (unsigned slot = 1; slot < WORD_NR_SLOTS; slot <<= 1)
		check_word(WORD_FREE, (struct word_owner){ .slot = slot }, 0);
	for (unsigned tag = 1; tag < WORD_NR_TAGS; tag <<= 1)
		check_word(WORD_FREE, (struct word_owner){ .tag = tag }, 0);
	check_word(WORD_FREE, (struct word_owner){ .mobility = MOBILITY_RECLAIMABLE }, 0);
	check_word(WORD_LEAVING, nobody, 0);
	check_word(WORD_FREE, nobody, PAGE_ORDER_MAX);
	check_word(WORD_LEAVING,
		   (struct word_owner){ .slot = WORD_NR_SLOTS - 1,
					.tag = WORD_NR_TAGS - 1,
					.mobility = MOBILITY_RECLAIMABLE },
		   PAGE_ORDER_MAX);
}

/* A ledger that an older daemon wrote is read by a newer one. */
static void test_word_layout_stays(void **state)
{
	const struct word_owner owner = { .slot = 0x123, .tag = 0x155, .mobility = 2 };

	(void)state;
	assert_int_equal(word_make(WORD_PAGE, owner, 9),
			 UINT32_C(1) << 29 | UINT32_C(0x155) << 19 | 0x123 << 7 | 2 << 5 | 9);
	assert_int_equal(word_make(WORD_HOLE, (struct word_owner){ .slot = WORD_SLOT_DAEMON }, 3),
			 UINT32_C(5) << 29 | 3);
}

/* Zero says that nothing starts here, and no held block's word is zero. */
static void test_word_is_zero_when_free(void **state)
{
	const struct word_owner nobody = { .slot = 0 };

	(void)state;
	assert_int_equal(word_kind(0), WORD_FREE);
	assert_int_equal(word_make(WORD_FREE, nobody, 0), 0);
	for (unsigned kind = WORD_PAGE; kind <= WORD_LEAVING; kind++)
		assert_true(word_make((enum word_kind)kind, nobody, 0) & WORD_KIND_MASK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_word_keeps_every_field),
		cmocka_unit_test(test_word_fields_do_not_touch),
		cmocka_unit_test(test_word_layout_stays),
		cmocka_unit_test(test_word_is_zero_when_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
