/* SPDX-License-Identifier: MIT */
/* What of others' strings reaches a terminal. */

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/text.h"

static void assert_escaped(const char *text, const char *expected)
{
	char escaped[TEXT_BYTES_MAX];

	text_escape(text, escaped, sizeof(escaped));
	assert_string_equal(escaped, expected);
}

static int use_utf8(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static int use_c(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C") ? 0 : -1;
}

static void test_cli_text_keeps_what_is_visible(void **state)
{
	(void)state;
	assert_escaped("", "");
	assert_escaped("camera 1 (left)", "camera 1 (left)");
	assert_escaped("K\xc3\xa4mera", "K\xc3\xa4mera");
	assert_escaped("\xe7\x9b\xb8\xe6\x9c\xba", "\xe7\x9b\xb8\xe6\x9c\xba");
}

static void test_cli_text_escapes_controls(void **state)
{
	(void)state;
	assert_escaped("\x1b[31mred\n\t\x7f", "\\x1b[31mred\\x0a\\x09\\x7f");
	assert_escaped("\xc2\x9b" /* U+009B, a control sequence in one character */, "\\xc2\\x9b");
}

static void test_cli_text_escapes_direction_and_invisible_marks(void **state)
{
	(void)state;
	assert_escaped("a\xe2\x80\xae" /* U+202E, right to left */ "b", "a\\xe2\\x80\\xaeb");
	assert_escaped("a\xe2\x80\x8b" /* U+200B, zero width */ "b", "a\\xe2\\x80\\x8bb");
	assert_escaped("\xef\xbb\xbfx" /* U+FEFF */, "\\xef\\xbb\\xbfx");
}

static void test_cli_text_escapes_bytes_that_are_no_characters(void **state)
{
	(void)state;
	assert_escaped("\xff\xfe", "\\xff\\xfe");
	assert_escaped("cut \xe2\x82", "cut \\xe2\\x82");
	assert_escaped("\xc0\xafx", "\\xc0\\xafx");
}

static void test_cli_text_doubles_backslashes(void **state)
{
	(void)state;
	assert_escaped("\\x1b", "\\\\x1b");
}

static void test_cli_text_escapes_what_the_locale_lacks(void **state)
{
	(void)state;
	assert_escaped("K\xc3\xa4mera", "K\\xc3\\xa4mera");
}

static void test_cli_text_cuts_between_escapes(void **state)
{
	char small[8];

	(void)state;
	text_escape("ab\x01\x02", small, sizeof(small));
	assert_string_equal(small, "ab\\x01");
	text_escape("abcdefghij", small, sizeof(small));
	assert_string_equal(small, "abcdefg");
	text_escape("a", small, 1);
	assert_string_equal(small, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cli_text_keeps_what_is_visible, use_utf8),
		cmocka_unit_test_setup(test_cli_text_escapes_controls, use_utf8),
		cmocka_unit_test_setup(test_cli_text_escapes_direction_and_invisible_marks,
				       use_utf8),
		cmocka_unit_test_setup(test_cli_text_escapes_bytes_that_are_no_characters,
				       use_utf8),
		cmocka_unit_test_setup(test_cli_text_doubles_backslashes, use_utf8),
		cmocka_unit_test_setup(test_cli_text_escapes_what_the_locale_lacks, use_c),
		cmocka_unit_test_setup(test_cli_text_cuts_between_escapes, use_c),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
