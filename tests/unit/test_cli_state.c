/* SPDX-License-Identifier: MIT */
/* pagepoolctl status, zoneinfo, buddyinfo and pagetypeinfo, of a daemon in a known state. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/child.h"
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
		  .steals = 30,
		  .claims = 12,
		  .hit = 990,
		  .miss = 10,
		  .foreign = 4,
		  .interleave = 100,
		  .local = 800,
		  .other = 200,
		  .boost_bytes = MIB,
		  .contiguous_bytes = 16 * MIB,
		  .contiguous_free_bytes = 6 * MIB,
		  .capacity_bytes = 2048 * MIB },
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
	static const struct message_policy_info policies[] = {
		{ 900, 1 }, { 50, 2 }, { 40, 0 }, { 0, 0 }
	};
	static const struct message_pool_info pools[] = {
		{ .name = "default",
		  .size_bytes = 512 * MIB,
		  .free_bytes = 64 * MIB,
		  .max_order = 16,
		  .zones = zones,
		  .nr_zones = 2,
		  .policies = policies,
		  .nr_policies = 4 },
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
	assert_keys(zone, "name node size_bytes free_bytes committed_bytes draining_bytes "
			  "watermark pressure damage free_blocks");
	assert_word(zone, "name", "node0");
	assert_number(zone, "committed_bytes", 192 * MIB);
	assert_word(zone, "pressure", "none");
	assert_word(zone, "damage", "");
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
			"  size                256M         65536 pages\n"
			"  capacity              2G        524288 pages\n"
			"  draining               0             0 pages\n"
			"  free                 64M         16384 pages\n"
			"  committed           192M         49152 pages\n"
			"  holes                 4K             1 pages\n"
			"  contiguous           16M          4096 pages\n"
			"  contiguous free       6M          1536 pages\n"
			"  min                 2.5M           640 pages\n"
			"  low                   5M          1280 pages\n"
			"  high                 10M          2560 pages\n"
			"  boost                 1M           256 pages\n"
			"  allocs                            1000\n"
			"  frees                              200\n"
			"  failures                             3\n"
			"  steals                              30\n"
			"  claims                              12\n"
			"  hit                                990\n"
			"  miss                                10\n"
			"  foreign                              4\n"
			"  interleave                         100\n"
			"  local                              800\n"
			"  other                              200\n"
			"\n"
			"Node 1, pool default, zone node1: pages of 2M, pressure min\n");
	assert_contains(result.out,
			"\n\nPool default, by policy: blocks granted, requests that failed\n"
			"  preferred                          900             1\n"
			"  bind                                50             2\n"
			"  interleave                          40             0\n"
			"  mask                                 0             0\n"
			"\n"
			"Node 0, pool frames, zone node0: ");
	run_result_deinit(&result);
}

static void test_cli_zoneinfo_json_has_its_keys(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_status, "--json zoneinfo"), *zone, *policy;

	(void)state;
	assert_keys(answer, "zones policies");
	assert_int_equal(json_array_size(json_object_get(answer, "zones")), 3);
	zone = json_array_get(json_object_get(answer, "zones"), 0);
	assert_keys(zone, "pool zone node size_bytes free_bytes committed_bytes hole_bytes "
			  "page_bytes capacity_bytes draining_bytes contiguous_bytes "
			  "contiguous_free_bytes watermark boost_bytes pressure damage "
			  "free_blocks allocs frees failures steals claims hit miss foreign "
			  "interleave local other");
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
	assert_number(zone, "steals", 30);
	assert_number(zone, "claims", 12);
	assert_number(zone, "interleave", 100);
	assert_number(zone, "local", 800);
	assert_number(zone, "other", 200);
	assert_number(zone, "boost_bytes", MIB);
	assert_number(zone, "capacity_bytes", 2048 * MIB);
	assert_number(zone, "contiguous_bytes", 16 * MIB);
	assert_number(zone, "contiguous_free_bytes", 6 * MIB);
	assert_int_equal(json_array_size(json_object_get(answer, "policies")), 4);
	policy = json_array_get(json_object_get(answer, "policies"), 1);
	assert_keys(policy, "pool policy granted failed");
	assert_word(policy, "pool", "default");
	assert_word(policy, "policy", "bind");
	assert_number(policy, "granted", 50);
	assert_number(policy, "failed", 2);
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

/* A zone that is out of use, and one that was made smaller. */
static void answer_troubles(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_zone_info zones[] = {
		{ .name = "node0", .size_bytes = 256 * MIB, .draining_bytes = 12 * MIB },
		{ .name = "node1",
		  .node = 1,
		  .damage = "page 17: the head of a block lies in another's \\ middle" },
	};
	static const struct message_pool_info pool = { .name = "default",
						       .size_bytes = 256 * MIB,
						       .max_order = 16,
						       .zones = zones,
						       .nr_zones = 2 };

	(void)request;
	ret_reply->message.type = MESSAGE_STATUS_INFO;
	ret_reply->message.u.status_info.pools = &pool;
	ret_reply->message.u.status_info.nr_pools = 1;
}

static void test_cli_status_tells_of_damaged_and_draining_zones(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_troubles, "status --json"), *zones;
	struct run_result result;

	(void)state;
	pagepoolctl_ask(&result, answer_troubles, "status");
	assert_int_equal(result.exit_status, 0);
	assert_contains(result.out, " damaged\n\n"
				    "Zone node0 of pool default was made smaller: 12M beyond its "
				    "end is still held\n"
				    "Zone node1 of pool default is out of use, its ledger is "
				    "damaged: page 17: the head of a block lies in another's \\\\ "
				    "middle\n");
	run_result_deinit(&result);
	pagepoolctl_ask(&result, answer_troubles, "zoneinfo");
	assert_contains(result.out, "\n  out of use, its ledger is damaged: page 17: ");
	assert_contains(result.out, "  draining             12M          3072 pages\n");
	run_result_deinit(&result);

	zones = json_object_get(json_array_get(json_object_get(answer, "pools"), 0), "zones");
	assert_number(json_array_get(zones, 0), "draining_bytes", 12 * MIB);
	assert_word(json_array_get(zones, 0), "damage", "");
	assert_word(json_array_get(zones, 1), "damage",
		    "page 17: the head of a block lies in another's \\ middle");
	json_decref(answer);
}

/* Groups only of the pool that is asked about, as a daemon tells them. */
static void answer_groups(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_group_info groups[] = {
		{ .group = MESSAGE_GROUP_UNMOVABLE, .pageblocks = 3, .free_blocks = { 5, 1 } },
		{ .group = MESSAGE_GROUP_CONTIGUOUS, .pageblocks = 8, .free_blocks = { [9] = 8 } },
		{ .group = MESSAGE_GROUP_FREE, .pageblocks = 117 },
		{ .group = 99 },
	};
	static const struct message_zone_info zone = {
		.name = "node1", .node = 1, .groups = groups, .nr_groups = 4
	};
	static struct message_pool_info pools[] = {
		{ .name = "default", .max_order = 9, .nr_zones = 1 },
		{ .name = "frames", .max_order = 4, .nr_zones = 1 },
	};
	static const struct message_zone_info bare = { .name = "node0" };
	const char *name = request->u.get_status.pool;
	bool is_frames = strcmp(name, "frames") == 0;

	CHILD_CHECK(request->u.get_status.groups == (name[0] != '\0'));
	pools[0].zones = name[0] ? &zone : &bare;
	pools[1].zones = &bare;
	ret_reply->message.type = MESSAGE_STATUS_INFO;
	ret_reply->message.u.status_info.pools = &pools[is_frames ? 1 : 0];
	ret_reply->message.u.status_info.nr_pools = name[0] ? 1 : 2;
}

static void test_cli_pagetypeinfo_has_a_row_a_type(void **state)
{
	(void)state;
	pagepoolctl_assert_says(answer_groups, "pagetypeinfo",
				"POOL    ZONE  TYPE       PAGEBLOCKS 0 1 2 3 4 5 6 7 8 9\n"
				"default node1 unmovable           3 5 1 0 0 0 0 0 0 0 0\n"
				"default node1 contiguous          8 0 0 0 0 0 0 0 0 0 8\n"
				"default node1 free              117 0 0 0 0 0 0 0 0 0 0\n"
				"default node1 unknown             0 0 0 0 0 0 0 0 0 0 0\n");
}

static void test_cli_pagetypeinfo_json_has_its_keys(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_groups, "pagetypeinfo --json");
	json_t *pools = json_object_get(answer, "pools"), *zone, *type;

	(void)state;
	assert_keys(answer, "pools");
	assert_int_equal(json_array_size(pools), 2);
	assert_keys(json_array_get(pools, 0), "name zones");
	assert_word(json_array_get(pools, 0), "name", "default");
	zone = json_array_get(json_object_get(json_array_get(pools, 0), "zones"), 0);
	assert_keys(zone, "name node types");
	assert_word(zone, "name", "node1");
	assert_number(zone, "node", 1);
	assert_int_equal(json_array_size(json_object_get(zone, "types")), 4);
	type = json_array_get(json_object_get(zone, "types"), 1);
	assert_keys(type, "type pageblocks free_blocks");
	assert_word(type, "type", "contiguous");
	assert_number(type, "pageblocks", 8);
	assert_int_equal(json_array_size(json_object_get(type, "free_blocks")), MESSAGE_NR_ORDERS);
	assert_int_equal(
		json_integer_value(json_array_get(json_object_get(type, "free_blocks"), 9)), 8);
	zone = json_array_get(json_object_get(json_array_get(pools, 1), "zones"), 0);
	assert_int_equal(json_array_size(json_object_get(zone, "types")), 0);
	json_decref(answer);
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
		cmocka_unit_test(test_cli_status_tells_of_damaged_and_draining_zones),
		cmocka_unit_test(test_cli_pagetypeinfo_has_a_row_a_type),
		cmocka_unit_test(test_cli_pagetypeinfo_json_has_its_keys),
	};

	return cmocka_run_group_tests(tests, pagepoolctl_setup, NULL);
}
