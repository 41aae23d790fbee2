/* SPDX-License-Identifier: MIT */
/* pagepoolctl slabinfo: caches in parts, of one pool or all, merged, none, lied about. */

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

static const struct message_cache_row caches[] = {
	{ .pool = "default",
	  .name = "malloc-320",
	  .target = "",
	  .object_bytes = 320,
	  .stride_bytes = 320,
	  .align = 16,
	  .slab_order = 2,
	  .slab_objects = 51,
	  .slab_waste_bytes = 64,
	  .objects_active = 60,
	  .objects_total = 102,
	  .slabs_full = 1,
	  .slabs_partial = 1 },
	{ .pool = "default",
	  .name = "frame \xe2\x80\xae" /* U+202E */ "\\",
	  .target = "",
	  .object_bytes = 1500,
	  .stride_bytes = 1536,
	  .align = 64,
	  .flags = MESSAGE_CACHE_CTOR | MESSAGE_CACHE_DEBUG | MESSAGE_CACHE_MERGE | 0x80,
	  .mobility = MESSAGE_MOVABLE,
	  .slab_order = 3,
	  .slab_objects = 21,
	  .slab_waste_bytes = 512,
	  .objects_active = 30,
	  .objects_total = 84,
	  .slabs_full = 1,
	  .slabs_partial = 1,
	  .slabs_empty = 2 },
	{ .pool = "tiles",
	  .name = "edge",
	  .target = "corner",
	  .object_bytes = 24,
	  .stride_bytes = 24,
	  .align = 8,
	  .flags = MESSAGE_CACHE_MERGE,
	  .slab_objects = 170,
	  .slab_waste_bytes = 16,
	  .objects_active = 1,
	  .objects_total = 170,
	  .slabs_partial = 1 },
};

/* Three parts, the second one empty. */
static void answer_caches(const struct message *request, struct fake_reply *ret_reply)
{
	struct message *reply = &ret_reply->message;

	if (request->type != MESSAGE_LIST_CACHES || request->u.list_caches.pool[0] != '\0') {
		reply->status = MESSAGE_STATUS_UNSUPPORTED;
		return;
	}
	reply->type = MESSAGE_CACHE_LIST;
	switch (request->u.list_caches.start) {
	case 0:
		reply->u.cache_list.caches = caches;
		reply->u.cache_list.nr_caches = 2;
		reply->u.cache_list.next = 40;
		return;
	case 40:
		reply->u.cache_list.next = UINT64_C(1) << 32;
		return;
	default:
		reply->u.cache_list.caches = &caches[2];
		reply->u.cache_list.nr_caches = 1;
	}
}

/* Columns keep the width that a part gave them. */
static void test_cli_slabinfo_shows_caches(void **state)
{
	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	pagepoolctl_assert_says(
		answer_caches, "slabinfo",
		"POOL    CACHE                SIZE ACTIVE TOTAL FULL PART EMPTY ORDER OBJS"
		"     LOST  MEM FLAGS\n"
		"default malloc-320            320     60   102    1    1     0     2   51"
		"  64 0.3%  32K -\n"
		"default frame \\xe2\\x80\\xae\\\\ 1500     30    84    1    1     2     3   21"
		" 512 1.5% 128K ctor,debug,merge,movable\n"
		"tiles   edge                   24      1   170    0    1     0     0  170"
		"  16 0.3%   4K merged into corner\n");
	setenv("LC_ALL", "C", 1);
}

#define KEYS                                                                                       \
	"pool name object_size objects_active objects_total slabs_full slabs_partial slabs_empty " \
	"slab_order objects_per_slab align stride_bytes waste_bytes memory_bytes mobility flags "  \
	"merged_into"

static void test_cli_slabinfo_json_has_its_keys(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_caches, "slabinfo --json"), *cache, *flags;

	(void)state;
	assert_keys(answer, "caches");
	assert_int_equal(json_array_size(json_object_get(answer, "caches")), 3);
	cache = json_array_get(json_object_get(answer, "caches"), 1);
	assert_keys(cache, KEYS);
	assert_word(cache, "pool", "default");
	assert_word(cache, "name", caches[1].name);
	assert_number(cache, "object_size", 1500);
	assert_number(cache, "objects_active", 30);
	assert_number(cache, "objects_total", 84);
	assert_number(cache, "slabs_full", 1);
	assert_number(cache, "slabs_partial", 1);
	assert_number(cache, "slabs_empty", 2);
	assert_number(cache, "slab_order", 3);
	assert_number(cache, "objects_per_slab", 21);
	assert_number(cache, "align", 64);
	assert_number(cache, "stride_bytes", 1536);
	assert_number(cache, "waste_bytes", 512);
	assert_number(cache, "memory_bytes", 4 << 15);
	assert_word(cache, "mobility", "movable");
	flags = json_object_get(cache, "flags");
	assert_int_equal(json_array_size(flags), 3);
	assert_string_equal(json_string_value(json_array_get(flags, 0)), "ctor");
	assert_string_equal(json_string_value(json_array_get(flags, 1)), "debug");
	assert_string_equal(json_string_value(json_array_get(flags, 2)), "merge");
	assert_true(json_is_null(json_object_get(cache, "merged_into")));
	json_decref(answer);
}

static void test_cli_slabinfo_json_tells_merged_from_plain(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_caches, "slabinfo --json"), *cache;

	(void)state;
	cache = json_array_get(json_object_get(answer, "caches"), 0);
	assert_keys(cache, KEYS);
	assert_word(cache, "name", "malloc-320");
	assert_word(cache, "mobility", "unmovable");
	assert_int_equal(json_array_size(json_object_get(cache, "flags")), 0);
	cache = json_array_get(json_object_get(answer, "caches"), 2);
	assert_keys(cache, KEYS);
	assert_word(cache, "pool", "tiles");
	assert_number(cache, "objects_total", 170);
	assert_word(cache, "merged_into", "corner");
	json_decref(answer);
}

static void answer_one_pool(const struct message *request, struct fake_reply *ret_reply)
{
	if (strcmp(request->u.list_caches.pool, "tiles") != 0) {
		ret_reply->message.status = MESSAGE_STATUS_NOT_FOUND;
		ret_reply->message.error = "there is no such pool";
		return;
	}
	ret_reply->message.type = MESSAGE_CACHE_LIST;
	ret_reply->message.u.cache_list.caches = &caches[2];
	ret_reply->message.u.cache_list.nr_caches = 1;
}

static void test_cli_slabinfo_hands_the_pool_on(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_one_pool, "slabinfo --pool tiles --json");
	struct run_result result;

	(void)state;
	assert_int_equal(json_array_size(json_object_get(answer, "caches")), 1);
	json_decref(answer);
	pagepoolctl_ask(&result, answer_one_pool, "--pool frames slabinfo");
	assert_int_equal(result.exit_status, 1);
	assert_string_equal(result.out, "");
	assert_string_equal(result.err, "pagepoolctl: the daemon said no: there is no such pool\n");
	run_result_deinit(&result);
}

static void answer_nothing(const struct message *request, struct fake_reply *ret_reply)
{
	(void)request;
	ret_reply->message.type = MESSAGE_CACHE_LIST;
}

static void test_cli_slabinfo_tells_that_there_are_none(void **state)
{
	(void)state;
	pagepoolctl_assert_says(answer_nothing, "slabinfo", "no caches\n");
	pagepoolctl_assert_says(answer_nothing, "slabinfo --json", "{\"caches\":[]}\n");
}

/* Numbers that can't be: none of them may stop or hurt the program. */
static void answer_lies(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_cache_row lie = { .pool = "",
						      .name = "",
						      .target = "",
						      .object_bytes = UINT32_MAX,
						      .stride_bytes = UINT32_MAX,
						      .align = UINT32_MAX,
						      .flags = UINT32_MAX,
						      .slab_order = UINT32_MAX,
						      .slab_objects = UINT32_MAX,
						      .slab_waste_bytes = UINT32_MAX,
						      .objects_active = UINT64_MAX,
						      .objects_total = 1,
						      .slabs_full = UINT64_MAX,
						      .slabs_partial = UINT64_MAX };

	(void)request;
	ret_reply->message.type = MESSAGE_CACHE_LIST;
	ret_reply->message.u.cache_list.caches = &lie;
	ret_reply->message.u.cache_list.nr_caches = 1;
}

static void test_cli_slabinfo_survives_lies(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_lies, "slabinfo --json"), *cache;
	struct run_result result;

	(void)state;
	cache = json_array_get(json_object_get(answer, "caches"), 0);
	assert_keys(cache, KEYS);
	assert_number(cache, "object_size", UINT32_MAX);
	assert_number(cache, "objects_active", INT64_MAX);
	assert_number(cache, "memory_bytes", 0);
	json_decref(answer);
	pagepoolctl_ask(&result, answer_lies, "slabinfo");
	assert_int_equal(result.exit_status, 0);
	assert_string_equal(result.err, "");
	assert_contains(result.out, "18446744073709551615");
	run_result_deinit(&result);
}

static void answer_circle(const struct message *request, struct fake_reply *ret_reply)
{
	answer_nothing(request, ret_reply);
	ret_reply->message.u.cache_list.next = 5;
}

static void answer_and_leave(const struct message *request, struct fake_reply *ret_reply)
{
	answer_caches(request, ret_reply);
	ret_reply->hang_up = request->u.list_caches.start != 0;
}

static void test_cli_slabinfo_ends_with_a_broken_daemon(void **state)
{
	struct run_result result;
	json_error_t error;

	(void)state;
	pagepoolctl_ask(&result, answer_circle, "slabinfo");
	assert_int_equal(result.exit_status, 1);
	assert_contains(result.err, "leads back to itself");
	run_result_deinit(&result);
	pagepoolctl_ask(&result, answer_and_leave, "slabinfo --json");
	assert_int_equal(result.exit_status, 3);
	assert_contains(result.err, "closed the connection");
	assert_null(json_loads(result.out, 0, &error));
	run_result_deinit(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_slabinfo_shows_caches),
		cmocka_unit_test(test_cli_slabinfo_json_has_its_keys),
		cmocka_unit_test(test_cli_slabinfo_json_tells_merged_from_plain),
		cmocka_unit_test(test_cli_slabinfo_hands_the_pool_on),
		cmocka_unit_test(test_cli_slabinfo_tells_that_there_are_none),
		cmocka_unit_test(test_cli_slabinfo_survives_lies),
		cmocka_unit_test(test_cli_slabinfo_ends_with_a_broken_daemon),
	};

	return cmocka_run_group_tests(tests, pagepoolctl_setup, NULL);
}
