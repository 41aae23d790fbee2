/* SPDX-License-Identifier: MIT */
/* Amounts of memory: read in one way only, and written as they are read. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/size.h"

static void test_size_reads_units_and_parts(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		unsigned permyriad;
	} good[] = {
		{ "0", 0, 0 },
		{ "4096", 4096, 0 },
		{ "1K", 1024, 0 },
		{ "512M", UINT64_C(512) << 20, 0 },
		{ "64G", UINT64_C(64) << 30, 0 },
		{ "16777215T", UINT64_C(16777215) << 40, 0 },
		{ "18446744073709551615", UINT64_MAX, 0 },
		{ "10%", 0, 1000 },
		{ "0.01%", 0, 1 },
		{ "2.5%", 0, 250 },
		{ "100%", 0, 10000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct service_size size;

		assert_int_equal(size_parse(good[i].text, &size), 0);
		assert_int_equal(size.bytes, good[i].bytes);
		assert_int_equal(size.permyriad, good[i].permyriad);
	}
}

static void test_size_refuses_the_rest(void **state)
{
	static const char *const malformed[] = { "",    "M",   "-1",     "+1", " 1",    "1 ",
						 "1 M", "1m",  "1MB",    "1P", "1.5G",  "0x10",
						 "1.%", ".5%", "1.123%", "0%", "0.00%", "5%%" };
	static const char *const too_large[] = { "18446744073709551616", "16777216T", "100.01%",
						 "101%", "18446744073709551615%" };
	struct service_size size = { .bytes = 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		if (size_parse(malformed[i], &size) != -EINVAL)
			fail_msg("'%s' is read", malformed[i]);
	for (size_t i = 0; i < sizeof(too_large) / sizeof(too_large[0]); i++)
		if (size_parse(too_large[i], &size) != -ERANGE)
			fail_msg("'%s' is not too large", too_large[i]);
	assert_int_equal(size.bytes, 7);
}

static void test_size_is_written_as_it_is_read(void **state)
{
	static const char *const texts[] = { "0", "4095", "1K", "1025K", "256M", "3T", "2.50%" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[SIZE_TEXT_BYTES_MAX];
		struct service_size size;

		assert_int_equal(size_parse(texts[i], &size), 0);
		assert_string_equal(size_format(&size, text), texts[i]);
	}
}

static void test_size_parts_are_of_the_whole(void **state)
{
	const struct service_size bytes = { .bytes = 77 }, part = { .permyriad = 1250 };
	const struct service_size all = { .permyriad = 10000 }, least = { .permyriad = 1 };

	(void)state;
	assert_int_equal(size_resolve(&bytes, 5), 77);
	assert_int_equal(size_resolve(&part, 800), 100);
	assert_int_equal(size_resolve(&part, 807), 100);
	assert_int_equal(size_resolve(&least, 9999), 0);
	assert_true(size_resolve(&all, UINT64_MAX) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size_reads_units_and_parts),
		cmocka_unit_test(test_size_refuses_the_rest),
		cmocka_unit_test(test_size_is_written_as_it_is_read),
		cmocka_unit_test(test_size_parts_are_of_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
