/* SPDX-License-Identifier: MIT */
/* Configuration: how mistakes are told, all of them, each with its line. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "support/config_fixture.h"

/* A value of one key that must be refused with these words. */
static void assert_refused(struct config_fixture *fixture, const char *section, const char *key,
			   const char *value, const char *why)
{
	char text[512], expected[512];

	snprintf(text, sizeof(text), "[%s]\n%s = %s\n%s", section, key, value,
		 strcmp(section, "daemon") == 0 ? "[pool a]\n" : "");
	assert_int_equal(config_fixture_load(fixture, text), -EINVAL);
	snprintf(expected, sizeof(expected), "[%s] %s: %s", section, key, why);
	config_fixture_assert_told(fixture, 2, expected);
	config_fixture_assert_nr_messages(fixture, 1);
}

static void test_config_all_errors_are_told(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load(fixture, "size = 1G\n"
						      "[daemon]\n"
						      "sokcet = /run/x\n"
						      "topology = 2\n"
						      "[pol a]\n"
						      "size = none of this is looked at\n"
						      "[pool a]\n"
						      "what is this\n"
						      "= 7\n"
						      "[pool b\n"
						      "commit = maybe\n"),
			 -EINVAL);
	config_fixture_assert_nr_messages(fixture, 8);
	config_fixture_assert_told(fixture, 1,
				   "size: belongs into a section: put [daemon], [pool NAME] or "
				   "[limit KIND:NAME] above it");
	config_fixture_assert_told(
		fixture, 3,
		"[daemon] sokcet: no such key: there are socket, metrics, topology, log_level");
	config_fixture_assert_told(fixture, 4, "[daemon] topology: '2' is not host or fake:N");
	config_fixture_assert_told(
		fixture, 5,
		"[pol a] no such section: there are [daemon], [pool NAME] and [limit "
		"KIND:NAME]");
	config_fixture_assert_told(fixture, 8,
				   "[pool a] neither a [section], a key = value nor a comment");
	config_fixture_assert_told(fixture, 9,
				   "[pool a] neither a [section], a key = value nor a comment");
	config_fixture_assert_told(fixture, 10,
				   "[pool a] a section starts with [NAME] on a line of its own");
	config_fixture_assert_told(fixture, 11,
				   "[pool a] commit: 'maybe' is none of: grant, start, touch");
}

static void test_config_nothing_is_returned_with_an_error(void **state)
{
	struct service_config config = { .nr_pools = 77 };
	struct config_fixture *fixture = *state;
	FILE *null = fopen("/dev/null", "we");

	config_fixture_write(fixture, "main.conf", "[pool a]\nsize = x\n");
	assert_int_equal(config_load(fixture->main_file, "/run/x", null, &config), -EINVAL);
	assert_int_equal(config.nr_pools, 77);
	fclose(null);
}

static void test_config_bad_sizes_are_refused(void **state)
{
	static const char *const texts[] = {
		"1X",  "-1G", "1 G", "G",      "1.5G", "1Gi", "0x10",
		"1e3", "%",   "1.%", "1.234%", "10%%", "0%",  "0.00%"
	};
	char why[128];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(why, sizeof(why), "'%s' is no size: write 512M, 64G or 10%%", texts[i]);
		assert_refused(*state, "pool a", "size", texts[i], why);
	}
	assert_refused(*state, "pool a", "size", "101%", "'101%' is too large");
	assert_refused(*state, "pool a", "size", "17000000T", "'17000000T' is too large");
	assert_refused(*state, "pool a", "size", "99999999999999999999",
		       "'99999999999999999999' is too large");
	assert_refused(*state, "pool a", "size", "2T", "'2T' is above 1T, the largest zone");
	assert_refused(*state, "pool a", "size", "1099511627777",
		       "'1099511627777' is above 1T, the largest zone");
	assert_refused(*state, "pool a", "size", "0", "'0' is nothing: write 512M, 64G or 10%");
}

static void test_config_sizes_must_be_whole_pages(void **state)
{
	struct config_fixture *fixture = *state;

	assert_refused(fixture, "pool a", "size", "5000",
		       "5000 is not a multiple of the page of 4K");
	assert_int_equal(config_fixture_load(fixture, "[pool a]\nsize = 3M\nhugepages = 2M\n"),
			 -EINVAL);
	config_fixture_assert_told(fixture, 2,
				   "[pool a] size: 3M is not a multiple of the page of 2M");
	/* The size of 256M is the default: the section has to say another. */
	assert_int_equal(config_fixture_load(fixture, "\n[pool a]\nhugepages = 1G\n"), -EINVAL);
	config_fixture_assert_told(fixture, 2,
				   "[pool a] size: 256M is not a multiple of the page of 1G");
}

static void test_config_contiguous_areas_are_whole_pageblocks(void **state)
{
	assert_refused(*state, "pool a", "contiguous", "3M",
		       "'3M' is not a multiple of 2M, of which such an area consists");
	assert_refused(*state, "pool a", "contiguous", "512M",
		       "is larger than the pool's size of 256M");
	assert_int_equal(config_fixture_load_pool(*state, "contiguous = 4M")->contiguous.bytes,
			 4 << 20);
	assert_int_equal(config_fixture_load_pool(*state, "contiguous = 0")->contiguous.bytes, 0);
}

static void test_config_bad_watermarks_are_refused(void **state)
{
	struct config_fixture *fixture = *state;

	assert_refused(fixture, "pool a", "watermark", "1% 2%",
		       "'1% 2%' is not three sizes, min low high: write 1% 2% 4%");
	assert_refused(fixture, "pool a", "watermark", "1% 2% 3% 4%",
		       "'1% 2% 3% 4%' is not three sizes, min low high: write 1% 2% 4%");
	assert_refused(fixture, "pool a", "watermark", "1% 4% 2%",
		       "'1% 4% 2%' does not rise: min must be below low, low below high");
	assert_refused(fixture, "pool a", "watermark", "1M 1M 2M",
		       "'1M 1M 2M' does not rise: min must be below low, low below high");
	assert_refused(fixture, "pool a", "watermark", "1M 2M 4%",
		       "'1M 2M 4%' mixes sizes and percents: write three of one kind");
	assert_refused(fixture, "pool a", "watermark", "1% x 4%",
		       "'x' is no size: write 512M, 64G or 10%");
	assert_refused(fixture, "pool a", "watermark", "1M 2M 1G",
		       "high is above the pool's size of 256M");
	assert_int_equal(
		config_fixture_load_pool(fixture, "watermark = 1M 2M 4M")->watermark_low.bytes,
		2 << 20);
}

static void test_config_bad_nodes_are_refused(void **state)
{
	static const char *const texts[] = { "none", "64", "1-",  "-1",         "3-2",
					     "1,,2", "1,", "1 2", "99999999999" };
	char why[128];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(why, sizeof(why),
			 "'%s' is neither all nor a list of nodes such as 0,2-3, up to 63",
			 texts[i]);
		assert_refused(*state, "pool a", "nodes", texts[i], why);
	}
}

static void test_config_bad_choices_and_numbers_are_refused(void **state)
{
	assert_refused(*state, "pool a", "hugepages", "4M", "'4M' is none of: off, 2M, 1G");
	assert_refused(*state, "pool a", "scrub", "", "'' is none of: uid, always, never");
	assert_refused(*state, "pool a", "oom", "panic", "'panic' is none of: fail, revoke, kill");
	assert_refused(*state, "pool a", "debug_objects", "1", "'1' is none of: no, yes");
	assert_refused(*state, "pool a", "max_order", "19", "'19' is no number from 0 to 18");
	assert_refused(*state, "pool a", "max_order", "-1", "'-1' is no number from 0 to 18");
	assert_refused(*state, "pool a", "max_order", "9x", "'9x' is no number from 0 to 18");
	assert_refused(*state, "daemon", "topology", "fake:0", "'0' is no number from 1 to 64");
	assert_refused(*state, "daemon", "topology", "fake:65", "'65' is no number from 1 to 64");
	assert_refused(*state, "daemon", "log_level", "loud",
		       "'loud' is none of: error, warning, notice, info, debug");
	assert_refused(*state, "daemon", "metrics", "127.0.0.1",
		       "'127.0.0.1' is not off, HOST:PORT or unix:PATH");
	assert_refused(*state, "daemon", "metrics", "127.0.0.1:0",
		       "'0' is no number from 1 to 65535");
	assert_refused(*state, "daemon", "socket", "relative/path",
		       "'relative/path' must be an absolute path of up to 107 bytes");
}

static void test_config_bad_access_is_refused(void **state)
{
	assert_refused(*state, "pool a", "access", "uid:1 camera uid:2",
		       "'camera' is not user:NAME, group:NAME, uid:N or gid:N");
	assert_refused(*state, "pool a", "read_access", "user:no-such-user",
		       "this host has no 'user:no-such-user': create it, or write uid:N or gid:N");
}

static void test_config_twice_in_one_file_is_refused(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load(fixture, "[pool a]\nsize = 1G\nsize = 2G\n"
						      "[daemon]\n"
						      "[pool a]\n"
						      "[daemon]\n"),
			 -EINVAL);
	config_fixture_assert_nr_messages(fixture, 3);
	config_fixture_assert_told(fixture, 3, "[pool a] size: is here twice, first in line 2");
	config_fixture_assert_told(fixture, 5, "[pool a] is here twice, first in line 1");
	config_fixture_assert_told(fixture, 6, "[daemon] is here twice, first in line 4");
}

static void test_config_bad_pool_names_are_refused(void **state)
{
	static const char *const names[] = {
		"", "a b", "a/b", "\xc3\xa4",
		"a-name-of-sixty-four-bytes..which-is-one-more-than-what-fits_her"
	};
	struct config_fixture *fixture = *state;
	char text[128], expected[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "[pool %s]\nsize = 1G\n", names[i]);
		assert_int_equal(config_fixture_load(fixture, text), -EINVAL);
		snprintf(expected, sizeof(expected),
			 "[pool %s] a pool's name is 1 to 63 letters, digits, '.', '_' and '-'",
			 names[i]);
		config_fixture_assert_told(fixture, 1, expected);
	}
}

static void test_config_pools_have_a_limit(void **state)
{
	struct config_fixture *fixture = *state;
	char text[1024] = "";

	for (unsigned i = 0; i < SERVICE_POOLS_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[pool p%u]\n", i);
	assert_int_equal(config_fixture_load(fixture, text), 0);
	strcat(text, "[pool more]\nsize = 1G\n");
	assert_int_equal(config_fixture_load(fixture, text), -EINVAL);
	config_fixture_assert_told(fixture, SERVICE_POOLS_MAX + 1,
				   "[pool more] more than 16 pools");
}

static void test_config_long_lines_are_refused_whole(void **state)
{
	struct config_fixture *fixture = *state;
	char text[1024];

	snprintf(text, sizeof(text), "[pool a]\naccess =%*s\nsize = 1X\n", 600, "uid:1 x = y");
	assert_int_equal(config_fixture_load(fixture, text), -EINVAL);
	config_fixture_assert_nr_messages(fixture, 2);
	config_fixture_assert_told(
		fixture, 2,
		"[pool a] longer than 198 bytes: split it (access may be given repeatedly)");
	config_fixture_assert_told(fixture, 3,
				   "[pool a] size: '1X' is no size: write 512M, 64G or 10%");
	/* The longest that fits. */
	snprintf(text, sizeof(text), "[pool a]\naccess =%*s\n", 190, "uid:1");
	assert_int_equal(config_fixture_load(fixture, text), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		config_test(test_config_all_errors_are_told),
		config_test(test_config_nothing_is_returned_with_an_error),
		config_test(test_config_bad_sizes_are_refused),
		config_test(test_config_sizes_must_be_whole_pages),
		config_test(test_config_contiguous_areas_are_whole_pageblocks),
		config_test(test_config_bad_watermarks_are_refused),
		config_test(test_config_bad_nodes_are_refused),
		config_test(test_config_bad_choices_and_numbers_are_refused),
		config_test(test_config_bad_access_is_refused),
		config_test(test_config_twice_in_one_file_is_refused),
		config_test(test_config_bad_pool_names_are_refused),
		config_test(test_config_pools_have_a_limit),
		config_test(test_config_long_lines_are_refused_whole),
	};

	return cmocka_run_group_tests_name("config mistakes", tests, NULL, NULL);
}
