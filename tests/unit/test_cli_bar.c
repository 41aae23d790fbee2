/* SPDX-License-Identifier: MIT */
/* Usage bars. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/bar.h"

#define FULL "\xe2\x96\x88"
#define NONE "\xe2\x96\x91"

static void assert_ascii(uint64_t used, uint64_t total, const char *expected)
{
	char ret[BAR_BYTES_MAX];

	assert_string_equal(bar_draw(used, total, false, ret), expected);
}

static void assert_utf8(uint64_t used, uint64_t total, const char *expected)
{
	char ret[BAR_BYTES_MAX];

	assert_string_equal(bar_draw(used, total, true, ret), expected);
}

static void test_cli_bar_is_true_at_both_ends(void **state)
{
	(void)state;
	assert_ascii(0, 1000, "[............]   0%");
	assert_ascii(1, 1000, "[#...........]   0%");
	assert_ascii(999, 1000, "[###########.]  99%");
	assert_ascii(1000, 1000, "[############] 100%");
}

static void test_cli_bar_draws_eighths(void **state)
{
	(void)state;
	assert_utf8(0, 96, NONE NONE NONE NONE NONE NONE NONE NONE NONE NONE NONE NONE "   0%");
	assert_utf8(1, 960000,
		    "\xe2\x96\x8f" NONE NONE NONE NONE NONE NONE NONE NONE NONE NONE NONE "   0%");
	assert_utf8(12, 96,
		    FULL "\xe2\x96\x8c" NONE NONE NONE NONE NONE NONE NONE NONE NONE NONE "  12%");
	assert_utf8(95, 96,
		    FULL FULL FULL FULL FULL FULL FULL FULL FULL FULL FULL "\xe2\x96\x89"
									   "  98%");
	assert_utf8(96, 96, FULL FULL FULL FULL FULL FULL FULL FULL FULL FULL FULL FULL " 100%");
}

static void test_cli_bar_survives_impossible_amounts(void **state)
{
	(void)state;
	assert_ascii(5, 0, "[............]   0%");
	assert_ascii(2000, 1000, "[############] 100%");
	assert_ascii(UINT64_MAX - 1, UINT64_MAX, "[###########.]  99%");
	assert_ascii(UINT64_MAX / 2, UINT64_MAX, "[#####.......]  49%");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_bar_is_true_at_both_ends),
		cmocka_unit_test(test_cli_bar_draws_eighths),
		cmocka_unit_test(test_cli_bar_survives_impossible_amounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
