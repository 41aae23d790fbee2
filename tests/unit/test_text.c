/* SPDX-License-Identifier: MIT */
/* Which strings may travel, by example and at each edge of UTF-8. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/text.h"

static void test_text_takes_printable_utf8(void **state)
{
	(void)state;
	assert_true(text_is_printable("", 0));
	assert_true(text_is_printable("camera-7 ~", 63));
	assert_true(text_is_printable("\xc2\xa0", 2));         /* the first after C1 */
	assert_true(text_is_printable("\xc3\xa9", 2));         /* e acute */
	assert_true(text_is_printable("\xe0\xa0\x80", 3));     /* U+0800, the first of three */
	assert_true(text_is_printable("\xed\x9f\xbf", 3));     /* the last below the surrogates */
	assert_true(text_is_printable("\xee\x80\x80", 3));     /* the first above them */
	assert_true(text_is_printable("\xf0\x90\x80\x80", 4)); /* U+10000, the first of four */
	assert_true(text_is_printable("\xf4\x8f\xbf\xbf", 4)); /* U+10FFFF, the last */
}

static void test_text_counts_bytes(void **state)
{
	(void)state;
	assert_true(text_is_printable("abc", 3));
	assert_false(text_is_printable("abcd", 3));
	assert_false(text_is_printable("a", 0));
	/* A character that would pass the limit is not cut. */
	assert_false(text_is_printable("ab\xe2\x82\xac", 4));
	assert_true(text_is_printable("ab\xe2\x82\xac", 5));
}

static void test_text_refuses_every_control_character(void **state)
{
	char text[] = "a?b", c1[] = "a\xc2?b";

	(void)state;
	for (int c = 1; c < 0x20; c++) {
		text[1] = (char)c;
		assert_false(text_is_printable(text, 63));
	}
	text[1] = 0x7f;
	assert_false(text_is_printable(text, 63));
	for (int c = 0x80; c < 0xa0; c++) {
		c1[2] = (char)c;
		assert_false(text_is_printable(c1, 63));
	}
}

static void test_text_refuses_malformed_utf8(void **state)
{
	static const char *const malformed[] = {
		"\x80", /* a continuation alone */
		"\xbf",
		"\xc3",
		"\xc3(", /* cut off, or followed by none */
		"\xe2\x82",
		"\xe2\x82(",
		"\xf0\x9f\x90",
		"\xf0\x9f\x90(",
		"\xc0\xaf",
		"\xc1\xbf", /* overlong */
		"\xe0\x9f\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xed\xa0\x80", /* and surrogates */
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80", /* and above U+10FFFF */
		"\xf5\x80\x80\x80",
		"\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		if (text_is_printable(malformed[i], 63))
			fail_msg("string %zu was taken", i);
}

/* Encodes as RFC 3629 says; what the numbers alone forbid is left to the caller. */
static void encode(uint32_t c, char ret[5])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	ret[n] = '\0';
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		ret[i] = (char)(0x80 | (c & 0x3f));
	ret[0] = (char)(first[n] | c);
}

static void test_text_knows_every_character(void **state)
{
	char text[5];

	(void)state;
	for (uint32_t c = 1; c <= 0x10ffff; c++) {
		bool is_control = c < 0x20 || (c >= 0x7f && c < 0xa0);
		bool is_surrogate = c >= 0xd800 && c < 0xe000;

		encode(c, text);
		if (text_is_printable(text, 4) == (is_control || is_surrogate))
			fail_msg("U+%04X", c);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_takes_printable_utf8),
		cmocka_unit_test(test_text_counts_bytes),
		cmocka_unit_test(test_text_refuses_every_control_character),
		cmocka_unit_test(test_text_refuses_malformed_utf8),
		cmocka_unit_test(test_text_knows_every_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
