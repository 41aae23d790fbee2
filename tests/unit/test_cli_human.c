/* SPDX-License-Identifier: MIT */
/* Sizes and times for people. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/human.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

static void assert_size(uint64_t size_bytes, const char *expected)
{
	char ret[HUMAN_BYTES_MAX];

	assert_string_equal(human_size(size_bytes, ret), expected);
}

static void assert_duration(uint64_t duration_s, const char *expected)
{
	char ret[HUMAN_BYTES_MAX];

	assert_string_equal(human_duration(duration_s, ret), expected);
}

static void test_cli_human_size_picks_the_unit(void **state)
{
	(void)state;
	assert_size(0, "0");
	assert_size(1023, "1023");
	assert_size(KIB, "1K");
	assert_size(4 * KIB, "4K");
	assert_size(256 * MIB, "256M");
	assert_size(12 * GIB + 512 * MIB, "12.5G");
	assert_size(GIB * 1024, "1T");
	assert_size(UINT64_MAX, "15.9E");
}

static void test_cli_human_size_never_says_more_than_there_is(void **state)
{
	(void)state;
	assert_size(256 * MIB - 4096, "255M");
	assert_size(GIB - 1, "1023M");
	assert_size(12 * GIB + 4096, "12.0G");
	assert_size(100 * MIB - 1, "99.9M");
}

static void test_cli_human_size_fits_five_columns(void **state)
{
	char ret[HUMAN_BYTES_MAX];

	(void)state;
	for (unsigned shift = 0; shift < 64; shift++)
		for (int delta = -1; delta <= 1; delta++) {
			uint64_t size_bytes = (UINT64_C(1) << shift) + (uint64_t)delta;

			assert_in_range(strlen(human_size(size_bytes, ret)), 1, 5);
		}
}

static void test_cli_human_duration_takes_two_units(void **state)
{
	(void)state;
	assert_duration(0, "0s");
	assert_duration(59, "59s");
	assert_duration(60, "1m0s");
	assert_duration(3599, "59m59s");
	assert_duration(3600 + 5 * 60 + 59, "1h5m");
	assert_duration(12 * 86400 + 4 * 3600, "12d4h");
	assert_duration(UINT64_MAX, "213503982334601d7h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_human_size_picks_the_unit),
		cmocka_unit_test(test_cli_human_size_never_says_more_than_there_is),
		cmocka_unit_test(test_cli_human_size_fits_five_columns),
		cmocka_unit_test(test_cli_human_duration_takes_two_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
