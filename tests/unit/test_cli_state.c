/* SPDX-License-Identifier: MIT */
/* pagepoolctl status, zoneinfo and buddyinfo, of a daemon in a known state. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/fake_daemon.h"
#include "support/pagepoolctl.h"

#define MIB (UINT64_C(1) << 20)

/* Two pools: one of two zones in different straits, one that is empty. */
static void answer_status(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_zone_info zones[] = {
		{ .name = "node0",
		  .size_bytes = 256 * MIB,
		  .free_bytes = 64 * MIB,
		  .committed_bytes = 192 * MIB,
		  .hole_bytes = 4096,
		  .page_bytes = 4096,
		  .min_bytes = 2 * MIB + MIB / 2,
		  .low_bytes = 5 * MIB,
		  .high_bytes = 10 * MIB,
		  .free_blocks = { 3, 0, 1, [14] = 1 },
		  .allocs = 1000,
		  .frees = 200,
		  .failures = 3,
		  .hit = 990,
		  .miss = 10,
		  .foreign = 4 },
		{ .name = "node1",
		  .node = 1,
		  .size_bytes = 256 * MIB,
		  .page_bytes = 2 * MIB,
		  .pressure = MESSAGE_PRESSURE_MIN },
	};
	static const struct message_zone_info other = { .name = "node0",
							.size_bytes = 1024 * MIB,
							.free_bytes = 1024 * MIB,
							.page_bytes = 4096,
							.pressure = MESSAGE_PRESSURE_LOW,
							.free_blocks = { [16] = 4 } };
	static const struct message_pool_info pools[] = {
		{ .name = "default",
		  .size_bytes = 512 * MIB,
		  .free_bytes = 64 * MIB,
		  .max_order = 16,
		  .zones = zones,
		  .nr_zones = 2 },
		{ .name = "frames",
		  .size_bytes = 1024 * MIB,
		  .free_bytes = 1024 * MIB,
		  .max_order = 9,
		  .zones = &other,
		  .nr_zones = 1 },
	};

	if (request->type != MESSAGE_GET_STATUS) {
		ret_reply->message.status = MESSAGE_STATUS_UNSUPPORTED;
		return;
	}
	ret_reply->message.type = MESSAGE_STATUS_INFO;
	ret_reply->message.u.status_info.version = FAKE_DAEMON_VERSION;
	ret_reply->message.u.status_info.pid = 4321;
	ret_reply->message.u.status_info.uptime_s = 3 * 3600 + 5 * 60;
	ret_reply->message.u.status_info.clients = 2;
	ret_reply->message.u.status_info.pools = pools;
	ret_reply->message.u.status_info.nr_pools = 2;
}

static void test_cli_status_shows_one_screen(void **state)
{
	struct run_result result;

	(void)state;
	setenv("LC_ALL", "C", 1);
	pagepoolctl_ask(&result, answer_status, "status");
	assert_int_equal(result.exit_status, 0);
	assert_contains(result.out, "pagepoold 9.8.7, pid 4321, up 3h5m since ");
	assert_contains(result.out, ", 2 clients\n\n");
	assert_contains(result.out,
			"POOL    USED                SIZE FREE COMMITTED  MIN LOW HIGH PRESSURE\n"
			"default [##########..]  87% 512M  64M      192M               \n"
			"|-node0 [#########...]  75% 256M  64M      192M 2.5M  5M  10M none\n"
			"`-node1 [############] 100% 256M    0         0    0   0    0 min\n"
			"frames  [............]   0%   1G   1G         0               \n"
			"`-node0 [............]   0%   1G   1G         0    0   0    0 low\n");
	assert_null(strchr(result.out, '\x1b'));
	run_result_deinit(&result);
}

static void test_cli_status_draws_by_locale(void **state)
{
	struct run_result result;

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	pagepoolctl_ask(&result, answer_status, "status");
	assert_int_equal(result.exit_status, 0);
	assert_contains(result.out, "\xe2\x94\x9c\xe2\x94\x80node0");
	assert_contains(result.out, "\xe2\x96\x88\xe2\x96\x91\xe2\x96\x91\xe2\x96\x91  75%");
	run_result_deinit(&result);
	setenv("LC_ALL", "C", 1);
}

static void assert_watermark(const json_t *zone, json_int_t min, json_int_t low, json_int_t high)
{
	const json_t *watermark = json_object_get(zone, "watermark");

	assert_keys(watermark, "min_bytes low_bytes high_bytes");
	assert_number(watermark, "min_bytes", min);
	assert_number(watermark, "low_bytes", low);
	assert_number(watermark, "high_bytes", high);
}

static void assert_free_blocks(const json_t *zone)
{
	const json_t *free_blocks = json_object_get(zone, "free_blocks");

	assert_int_equal(json_array_size(free_blocks), MESSAGE_NR_ORDERS);
	assert_int_equal(json_integer_value(json_array_get(free_blocks, 0)), 3);
	assert_int_equal(json_integer_value(json_array_get(free_blocks, 1)), 0);
	assert_int_equal(json_integer_value(json_array_get(free_blocks, 14)), 1);
}

static void test_cli_status_json_has_its_keys(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_status, "status --json"), *pool, *zone;

	(void)state;
	assert_keys(answer, "version pid uptime_s pools clients");
	assert_word(answer, "version", FAKE_DAEMON_VERSION);
	assert_number(answer, "pid", 4321);
	assert_number(answer, "uptime_s", 11100);
	assert_number(answer, "clients", 2);
	assert_int_equal(json_array_size(json_object_get(answer, "pools")), 2);
	pool = json_array_get(json_object_get(answer, "pools"), 0);
	assert_keys(pool, "name size_bytes free_bytes zones");
	assert_word(pool, "name", "default");
	assert_number(pool, "size_bytes", 512 * MIB);
	assert_number(pool, "free_bytes", 64 * MIB);
	assert_int_equal(json_array_size(json_object_get(pool, "zones")), 2);
	zone = json_array_get(json_object_get(pool, "zones"), 0);
	assert_keys(zone, "name node size_bytes free_bytes committed_bytes watermark pressure "
			  "free_blocks");
	assert_word(zone, "name", "node0");
	assert_number(zone, "committed_bytes", 192 * MIB);
	assert_word(zone, "pressure", "none");
	assert_watermark(zone, 5 * MIB / 2, 5 * MIB, 10 * MIB);
	assert_free_blocks(zone);
	zone = json_array_get(json_object_get(pool, "zones"), 1);
	assert_number(zone, "node", 1);
	assert_word(zone, "pressure", "min");
	json_decref(answer);
}

static void test_cli_zoneinfo_tells_all_of_a_zone(void **state)
{
	struct run_result result;

	(void)state;
	pagepoolctl_ask(&result, answer_status, "zoneinfo");
	assert_int_equal(result.exit_status, 0);
	assert_contains(result.out,
			"Node 0, pool default, zone node0: pages of 4K, pressure none\n"
			"  size            256M         65536 pages\n"
			"  free             64M         16384 pages\n"
			"  committed       192M         49152 pages\n"
			"  holes             4K             1 pages\n"
			"  min             2.5M           640 pages\n"
			"  low               5M          1280 pages\n"
			"  high             10M          2560 pages\n"
			"  allocs                        1000\n"
			"  frees                          200\n"
			"  failures                         3\n"
			"  hit                            990\n"
			"  miss                            10\n"
			"  foreign                          4\n"
			"\n"
			"Node 1, pool default, zone node1: pages of 2M, pressure min\n");
	assert_contains(result.out, "Node 0, pool frames, zone node0: ");
	run_result_deinit(&result);
}

static void test_cli_zoneinfo_json_has_its_keys(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_status, "--json zoneinfo"), *zone;

	(void)state;
	assert_keys(answer, "zones");
	assert_int_equal(json_array_size(json_object_get(answer, "zones")), 3);
	zone = json_array_get(json_object_get(answer, "zones"), 0);
	assert_keys(zone, "pool zone node size_bytes free_bytes committed_bytes hole_bytes "
			  "page_bytes watermark pressure free_blocks allocs frees failures hit "
			  "miss foreign");
	assert_word(zone, "pool", "default");
	assert_word(zone, "zone", "node0");
	assert_number(zone, "hole_bytes", 4096);
	assert_number(zone, "page_bytes", 4096);
	assert_number(zone, "allocs", 1000);
	assert_number(zone, "frees", 200);
	assert_number(zone, "failures", 3);
	assert_number(zone, "hit", 990);
	assert_number(zone, "miss", 10);
	assert_number(zone, "foreign", 4);
	json_decref(answer);
}

static void test_cli_buddyinfo_has_a_column_an_order(void **state)
{
	(void)state;
	pagepoolctl_assert_says(answer_status, "buddyinfo",
				"POOL    ZONE  0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
				"default node0 3 0 1 0 0 0 0 0 0 0  0  0  0  0  1  0  0\n"
				"default node1 0 0 0 0 0 0 0 0 0 0  0  0  0  0  0  0  0\n"
				"frames  node0 0 0 0 0 0 0 0 0 0 0  0  0  0  0  0  0  4\n");
}

static void test_cli_buddyinfo_json_has_its_keys(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_status, "buddyinfo --json"), *zone;

	(void)state;
	assert_keys(answer, "zones");
	assert_int_equal(json_array_size(json_object_get(answer, "zones")), 3);
	zone = json_array_get(json_object_get(answer, "zones"), 0);
	assert_keys(zone, "pool zone free_blocks");
	assert_free_blocks(zone);
	json_decref(answer);
}

static int set_locale(void **state)
{
	(void)state;
	return setenv("LC_ALL", "C", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_status_shows_one_screen),
		cmocka_unit_test(test_cli_status_draws_by_locale),
		cmocka_unit_test(test_cli_status_json_has_its_keys),
		cmocka_unit_test(test_cli_zoneinfo_tells_all_of_a_zone),
		cmocka_unit_test(test_cli_zoneinfo_json_has_its_keys),
		cmocka_unit_test(test_cli_buddyinfo_has_a_column_an_order),
		cmocka_unit_test(test_cli_buddyinfo_json_has_its_keys),
	};

	return cmocka_run_group_tests(tests, set_locale, NULL);
}
