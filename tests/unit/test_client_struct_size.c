/* SPDX-License-Identifier: MIT */
/* Structs of callers that were built against an older header, or a newer one. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/struct_size.h"

struct ours {
	size_t struct_size;
	uint64_t first, second;
};

struct newer {
	struct ours ours;
	uint64_t third;
};

static void test_struct_size_older_structs_keep_our_defaults(void **state)
{
	struct ours from = { .struct_size = offsetof(struct ours, second), 7, 8 };
	struct ours to = { .second = 5 };

	(void)state;
	assert_int_equal(ppc_struct_take(&to, sizeof(to), &from), 0);
	assert_int_equal(to.first, 7);
	assert_int_equal(to.second, 5);
	from.struct_size = sizeof(size_t);
	to.first = 3;
	assert_int_equal(ppc_struct_take(&to, sizeof(to), &from), 0);
	assert_int_equal(to.first, 3);
}

static void test_struct_size_newer_structs_may_not_ask_for_more(void **state)
{
	struct newer from = { .ours = { sizeof(from), 7, 8 } };
	struct ours to = { 0 };

	(void)state;
	assert_int_equal(ppc_struct_take(&to, sizeof(to), &from), 0);
	assert_true(to.first == 7 && to.second == 8);
	((uint8_t *)&from)[sizeof(from) - 1] = 1;
	to.first = 3;
	assert_int_equal(ppc_struct_take(&to, sizeof(to), &from), -E2BIG);
	assert_int_equal(to.first, 3);
	from.ours.struct_size = sizeof(size_t) - 1;
	assert_int_equal(ppc_struct_take(&to, sizeof(to), &from), -EINVAL);
	from.ours.struct_size = 0;
	assert_int_equal(ppc_struct_take(&to, sizeof(to), &from), -EINVAL);
}

static void test_struct_size_gives_what_fits_and_zeros_beyond(void **state)
{
	const struct ours from = { .struct_size = 99, 7, 8 };
	struct ours older = { .struct_size = offsetof(struct ours, second), .second = 5 };
	struct newer newer = { .ours.struct_size = sizeof(newer), .third = 5 };

	(void)state;
	ppc_struct_give(&older, &from, sizeof(from));
	assert_int_equal(older.struct_size, offsetof(struct ours, second));
	assert_int_equal(older.first, 7);
	assert_int_equal(older.second, 5);
	ppc_struct_give(&newer, &from, sizeof(from));
	assert_int_equal(newer.ours.struct_size, sizeof(newer));
	assert_int_equal(newer.ours.second, 8);
	assert_int_equal(newer.third, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_struct_size_older_structs_keep_our_defaults),
		cmocka_unit_test(test_struct_size_newer_structs_may_not_ask_for_more),
		cmocka_unit_test(test_struct_size_gives_what_fits_and_zeros_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
