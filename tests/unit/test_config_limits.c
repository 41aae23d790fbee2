/* SPDX-License-Identifier: MIT */
/* Configuration: the sections [limit KIND:NAME]. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config.h"
#include "support/config_fixture.h"

#define GIB (UINT64_C(1) << 30)

static void assert_limit(const struct service_limit_config *limit, const char *pool,
			 enum service_limit_kind kind, unsigned id, const char *name)
{
	assert_string_equal(limit->pool, pool);
	assert_int_equal(limit->kind, kind);
	assert_int_equal(limit->id, id);
	assert_string_equal(limit->name, name);
}

static void test_config_limits_are_read(void **state)
{
	struct config_fixture *fixture = *state;
	const struct service_limit_config *limits;

	assert_int_equal(config_fixture_load(fixture,
					     "[limit user:root]\n"
					     "min = 1%\nlow = 2%\nhigh = 2%\nmax = 12.5%\n"
					     "[limit gid:7]\npool = b\nmax = 1G\n"
					     "[limit client:the camera]\nmin = 64M\nhigh = none\n"
					     "[limit group:root]\npool = b\n"
					     "[pool default]\n"
					     "[pool b]\n"),
			 0);
	config_fixture_assert_nr_messages(fixture, 2);
	config_fixture_assert_told(fixture, 3,
				   "warning: [limit user:root] low: has no effect in this version");
	config_fixture_assert_told(
		fixture, 4, "warning: [limit user:root] high: has no effect in this version");
	assert_int_equal(fixture->config.nr_limits, 4);
	limits = fixture->config.limits;
	assert_limit(&limits[0], "default", SERVICE_LIMIT_USER, 0, "root");
	assert_int_equal(limits[0].min.permyriad, 100);
	assert_int_equal(limits[0].low.permyriad, 200);
	assert_int_equal(limits[0].high.permyriad, 200);
	assert_int_equal(limits[0].max.permyriad, 1250);
	assert_limit(&limits[1], "b", SERVICE_LIMIT_GROUP, 7, "7");
	assert_int_equal(limits[1].min.bytes, 0);
	assert_int_equal(limits[1].max.bytes, GIB);
	assert_limit(&limits[2], "default", SERVICE_LIMIT_CLIENT, 0, "the camera");
	assert_int_equal(limits[2].min.bytes, 64 << 20);
	assert_int_equal(limits[2].high.bytes, 0);
	/* Without marks it limits nothing, and counts. */
	assert_limit(&limits[3], "b", SERVICE_LIMIT_GROUP, 0, "root");
	assert_int_equal(limits[3].max.bytes, 0);
}

static void test_config_one_name_may_be_limited_in_several_pools(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load(fixture, "[pool a]\n[pool b]\n"
						      "[limit uid:5]\npool = a\nmax = 1G\n"
						      "[limit uid:5]\npool = b\nmax = 2G\n"),
			 0);
	assert_int_equal(fixture->config.nr_limits, 2);
	assert_string_equal(fixture->config.limits[1].pool, "b");
	assert_int_equal(fixture->config.limits[1].max.bytes, 2 * GIB);
}

static void test_config_limits_of_later_files_override_key_by_key(void **state)
{
	struct config_fixture *fixture = *state;
	const struct service_limit_config *limits;

	config_fixture_write(fixture, "conf.d/10.conf",
			     "[limit uid:0]\npool = b\nmax = 3G\n"
			     "[limit uid:9]\npool = a\nmin = 1G\n");
	config_fixture_write(fixture, "conf.d/20.conf",
			     "[limit uid:0]\npool = a\nhigh = none\nlow = 8K\n");
	/* By another name it is the same one. */
	assert_int_equal(config_fixture_load(fixture,
					     "[pool a]\n[pool b]\n"
					     "[limit user:root]\npool = a\nmin = 4K\nhigh = 2G\n"),
			 0);
	assert_int_equal(fixture->config.nr_limits, 3);
	limits = fixture->config.limits;
	assert_limit(&limits[0], "a", SERVICE_LIMIT_USER, 0, "root");
	assert_int_equal(limits[0].min.bytes, 4096);
	assert_int_equal(limits[0].low.bytes, 8192);
	assert_int_equal(limits[0].high.bytes, 0);
	assert_limit(&limits[1], "b", SERVICE_LIMIT_USER, 0, "0");
	assert_int_equal(limits[1].max.bytes, 3 * GIB);
	assert_limit(&limits[2], "a", SERVICE_LIMIT_USER, 9, "9");
}

static void test_config_bad_limits_are_refused(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load(
				 fixture, "[pool a]\n"
					  "[limit camera]\n"
					  "[limit user:]\nmax = not looked at\n"
					  "[limit name:x]\n"
					  "[limit user:root uid:5]\n"
					  "[limit uid:many]\n"
					  "[limit user:no-such-user-here]\n"
					  "[limit group:no-such-group-here]\n"
					  "[limit uid:5]\npool = b\nmax = x\nmid = 1G\nmax = 1G\n"
					  "[limit uid:6]\nmax = 4095\n"
					  "[limit uid:7]\npool = a\nhigh = 0\n"),
			 -EINVAL);
	for (unsigned line = 2; line <= 6; line += line == 3 ? 2 : 1) {
		static const char *const headings[] = {
			[2] = "camera", [3] = "user:", [5] = "name:x", [6] = "user:root uid:5"
		};
		char expected[256];

		snprintf(expected, sizeof(expected),
			 "[limit %s] write [limit user:NAME], group:NAME, uid:N, gid:N or "
			 "client:NAME",
			 headings[line]);
		config_fixture_assert_told(fixture, line, expected);
	}
	config_fixture_assert_told(
		fixture, 7,
		"[limit uid:many] write [limit user:NAME], group:NAME, uid:N, gid:N or "
		"client:NAME");
	config_fixture_assert_told(
		fixture, 8,
		"[limit user:no-such-user-here] this host has no 'user:no-such-user-here': "
		"create it, or write uid:N or gid:N");
	config_fixture_assert_told(
		fixture, 9,
		"[limit group:no-such-group-here] this host has no "
		"'group:no-such-group-here': create it, or write uid:N or gid:N");
	config_fixture_assert_told(fixture, 11, "[limit uid:5] pool: there is no pool 'b'");
	config_fixture_assert_told(fixture, 12,
				   "[limit uid:5] max: 'x' is no size: write 512M, 64G or 10%");
	config_fixture_assert_told(
		fixture, 13, "[limit uid:5] mid: no such key: there are pool, min, low, high, max");
	config_fixture_assert_told(fixture, 14,
				   "[limit uid:5] max: is here twice, first in line 12");
	config_fixture_assert_told(fixture, 15, "[limit uid:6] pool: there is no pool 'default'");
	config_fixture_assert_told(
		fixture, 16,
		"[limit uid:6] max: '4095' is below one page of 4K: write none for no such "
		"limit");
	config_fixture_assert_told(
		fixture, 19,
		"[limit uid:7] high: '0' is below one page of 4K: write none for no such "
		"limit");
	config_fixture_assert_nr_messages(fixture, 14);
}

static void test_config_limits_must_rise(void **state)
{
	static const struct {
		const char *keys, *complaint;
	} cases[] = {
		{ "min = 2M\nlow = 1M\n", "low: low is below min: they must rise, min, low, high, "
					  "max" },
		{ "min = 2M\nmax = 1M\n", "max: max is below min: they must rise, min, low, high, "
					  "max" },
		{ "low = 3%\nhigh = 2%\n",
		  "high: high is below low: they must rise, min, low, high, "
		  "max" },
		{ "high = 2G\nmax = 2047M\n", "max: max is below high: they must rise, min, low, "
					      "high, max" },
		{ "min = 1%\nmax = 1G\n", "max: one is a size, min a percentage: write all in one "
					  "kind" },
	};
	struct config_fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256], expected[256];

		snprintf(text, sizeof(text), "[pool default]\n[limit uid:5]\n%s", cases[i].keys);
		assert_int_equal(config_fixture_load(fixture, text), -EINVAL);
		snprintf(expected, sizeof(expected), "[limit uid:5] %s", cases[i].complaint);
		config_fixture_assert_told(fixture, 4, expected);
	}
	assert_int_equal(config_fixture_load(fixture, "[pool default]\n[limit uid:5]\n"
						      "min = 4K\nlow = 4K\nhigh = 4K\nmax = 4K\n"),
			 0);
}

static void test_config_same_limit_twice_in_one_file_is_refused(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load(fixture, "[pool a]\n"
						      "[limit uid:0]\npool = a\nmax = 1G\n"
						      "[limit user:root]\npool = a\nmax = 2G\n"),
			 -EINVAL);
	config_fixture_assert_nr_messages(fixture, 1);
	config_fixture_assert_told(
		fixture, 5, "[limit user:root] is here twice for this pool, first in line 2");
}

static void test_config_limits_have_a_limit(void **state)
{
	struct config_fixture *fixture = *state;
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	fputs("[pool a]\n[pool default]\n", file);
	for (unsigned i = 0; i < SERVICE_POOL_LIMITS_MAX; i++)
		fprintf(file, "[limit uid:%u]\n[limit uid:%u]\npool = a\n", i, i);
	fflush(file);
	assert_int_equal(config_fixture_load(fixture, text), 0);
	assert_int_equal(fixture->config.nr_limits, 2 * SERVICE_POOL_LIMITS_MAX);
	fputs("[limit gid:1]\n", file);
	fclose(file);
	assert_int_equal(config_fixture_load(fixture, text), -EINVAL);
	config_fixture_assert_nr_messages(fixture, 1);
	config_fixture_assert_told(fixture, 3 + 3 * SERVICE_POOL_LIMITS_MAX,
				   "[limit gid:1] more than 64 limits of pool 'default'");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		config_test(test_config_limits_are_read),
		config_test(test_config_one_name_may_be_limited_in_several_pools),
		config_test(test_config_limits_of_later_files_override_key_by_key),
		config_test(test_config_bad_limits_are_refused),
		config_test(test_config_limits_must_rise),
		config_test(test_config_same_limit_twice_in_one_file_is_refused),
		config_test(test_config_limits_have_a_limit),
	};

	return cmocka_run_group_tests_name("config limits", tests, NULL, NULL);
}
