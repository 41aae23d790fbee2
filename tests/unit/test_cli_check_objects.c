/* SPDX-License-Identifier: MIT */
/* pagepoolctl check --objects: what was written where, and by whom it may have been. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/fake_daemon.h"
#include "support/pagepoolctl.h"

static const struct message_object_fault faults[] = {
	{ .pool = "default",
	  .cache = "frame",
	  .object = UINT64_C(1) << 56 | 0x12340,
	  .at = 70,
	  .expected = 0xcc,
	  .found = 0x01,
	  .what = "red zone behind the object",
	  .holder = { .client = 3, .pid = 812, .name = "camera" },
	  .previous = { .client = 2, .pid = 700, .name = "wr\xe2\x80\xaeiter" } },
	{ .pool = "default",
	  .cache = "frame",
	  .object = 0x2000,
	  .at = -3,
	  .expected = 0xbb,
	  .found = 0xff,
	  .what = "red zone before the object",
	  .holder = { .name = "" },
	  .previous = { .client = 9, .pid = 900, .name = "", .gone = true } },
	{ .pool = "tiles",
	  .cache = "edge",
	  .object = 0x3000,
	  .at = 0,
	  .expected = 0x6b,
	  .found = 0x6a,
	  .what = "poison in the free object",
	  .holder = { .name = "" },
	  .previous = { .client = 9, .name = "", .gone = true } },
	{ .pool = "tiles",
	  .cache = "edge",
	  .object = 0x3018,
	  .at = 24,
	  .expected = 0xcc,
	  .found = 0,
	  .what = "red zone behind the object",
	  .holder = { .client = 3, .pid = 812, .name = "camera" },
	  .previous = { .name = "" } },
};

/* Two parts with faults and two without, as a daemon that takes its time. */
static void answer_faults(const struct message *request, struct fake_reply *ret_reply)
{
	struct message *reply = &ret_reply->message;
	uint64_t start = request->u.check_objects.start;

	if (request->type != MESSAGE_CHECK_OBJECTS || request->u.check_objects.pool[0] != '\0') {
		reply->status = MESSAGE_STATUS_UNSUPPORTED;
		return;
	}
	reply->type = MESSAGE_OBJECT_FAULTS;
	reply->u.object_faults.objects = 1000;
	reply->u.object_faults.next = start < 3 ? start + 1 : 0;
	reply->u.object_faults.faults = start == 1 ? faults : &faults[2];
	reply->u.object_faults.nr_faults = start % 2 == 1 ? 2 : 0;
}

static void test_cli_check_objects_tells_each_fault(void **state)
{
	struct run_result result;

	(void)state;
	pagepoolctl_ask(&result, answer_faults, "check --objects");
	assert_string_equal(result.err, "");
	assert_string_equal(
		result.out,
		"Pool default, cache frame, object 0x0100000000012340: red zone behind the object\n"
		"  byte 70: expected cc, found 01\n"
		"  held by client 3, camera, pid 812\n"
		"  held before by client 2, wr\\xe2\\x80\\xaeiter, pid 700\n"
		"Pool default, cache frame, object 0x0000000000002000: red zone before the object\n"
		"  byte -3: expected bb, found ff\n"
		"  free\n"
		"  held before by client 9, pid 900, which is gone\n"
		"Pool tiles, cache edge, object 0x0000000000003000: poison in the free object\n"
		"  byte 0: expected 6b, found 6a\n"
		"  free\n"
		"  held before by client 9, which is gone\n"
		"Pool tiles, cache edge, object 0x0000000000003018: red zone behind the object\n"
		"  byte 24: expected cc, found 00\n"
		"  held by client 3, camera, pid 812\n"
		"4000 objects checked: 4 faults\n");
	assert_int_equal(result.exit_status, 1);
	run_result_deinit(&result);
}

static void assert_camera(const json_t *party)
{
	assert_keys(party, "client name pid gone");
	assert_number(party, "client", 3);
	assert_word(party, "name", "camera");
	assert_number(party, "pid", 812);
	assert_true(json_is_false(json_object_get(party, "gone")));
}

static void test_cli_check_objects_json_has_its_keys(void **state)
{
	json_t *answer = pagepoolctl_ask_json(1, answer_faults, "--objects check --json"), *fault;

	(void)state;
	assert_keys(answer, "objects faults");
	assert_number(answer, "objects", 4000);
	assert_int_equal(json_array_size(json_object_get(answer, "faults")), 4);
	fault = json_array_get(json_object_get(answer, "faults"), 0);
	assert_keys(fault, "pool cache object at expected found what holder previous");
	assert_word(fault, "pool", "default");
	assert_word(fault, "cache", "frame");
	assert_number(fault, "object", (1ll << 56) + 0x12340);
	assert_number(fault, "at", 70);
	assert_number(fault, "expected", 0xcc);
	assert_number(fault, "found", 1);
	assert_word(fault, "what", "red zone behind the object");
	assert_camera(json_object_get(fault, "holder"));
	assert_word(json_object_get(fault, "previous"), "name", "wr\xe2\x80\xaeiter");
	fault = json_array_get(json_object_get(answer, "faults"), 1);
	assert_number(fault, "at", -3);
	assert_true(json_is_null(json_object_get(fault, "holder")));
	assert_word(json_object_get(fault, "previous"), "name", "");
	assert_true(json_is_true(json_object_get(json_object_get(fault, "previous"), "gone")));
	fault = json_array_get(json_object_get(answer, "faults"), 3);
	assert_camera(json_object_get(fault, "holder"));
	assert_true(json_is_null(json_object_get(fault, "previous")));
	json_decref(answer);
}

static void answer_clean(const struct message *request, struct fake_reply *ret_reply)
{
	ret_reply->message.type = MESSAGE_OBJECT_FAULTS;
	ret_reply->message.u.object_faults.objects =
		strcmp(request->u.check_objects.pool, "tiles") == 0 ? 7 : 0;
}

static void test_cli_check_objects_ends_with_zero_without_faults(void **state)
{
	(void)state;
	pagepoolctl_assert_says(answer_clean, "check --objects --pool tiles",
				"7 objects checked: no fault\n");
	pagepoolctl_assert_says(answer_clean, "check --objects --pool tiles --json",
				"{\"faults\":[],\"objects\":7}\n");
	pagepoolctl_assert_says(answer_clean, "check --objects",
				"no objects of debug caches to check\n");
}

/* Numbers beyond what JSON's integers hold, and a byte that is none. */
static void answer_lies(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_object_fault lie = {
		.pool = "",
		.cache = "",
		.object = UINT64_MAX,
		.at = INT32_MIN,
		.expected = UINT32_MAX,
		.found = UINT32_MAX,
		.what = "",
		.holder = { .client = UINT32_MAX, .pid = INT32_MIN, .name = "" },
		.previous = { .name = "" }
	};

	(void)request;
	ret_reply->message.type = MESSAGE_OBJECT_FAULTS;
	ret_reply->message.u.object_faults.objects = UINT64_MAX;
	ret_reply->message.u.object_faults.faults = &lie;
	ret_reply->message.u.object_faults.nr_faults = 1;
}

static void test_cli_check_objects_survives_lies(void **state)
{
	json_t *answer = pagepoolctl_ask_json(1, answer_lies, "check --objects --json"), *fault;
	struct run_result result;

	(void)state;
	assert_number(answer, "objects", INT64_MAX);
	fault = json_array_get(json_object_get(answer, "faults"), 0);
	assert_number(fault, "object", INT64_MAX);
	assert_number(fault, "at", INT32_MIN);
	assert_number(fault, "found", UINT32_MAX);
	json_decref(answer);
	pagepoolctl_ask(&result, answer_lies, "check --objects");
	assert_int_equal(result.exit_status, 1);
	assert_contains(result.out, "byte -2147483648: expected ffffffff, found ffffffff");
	run_result_deinit(&result);
}

static void answer_circle(const struct message *request, struct fake_reply *ret_reply)
{
	answer_clean(request, ret_reply);
	ret_reply->message.u.object_faults.next = 9;
}

/* A list that breaks off says neither that all is well nor what it found as if that were all. */
static void answer_and_leave(const struct message *request, struct fake_reply *ret_reply)
{
	answer_faults(request, ret_reply);
	ret_reply->hang_up = request->u.check_objects.start == 2;
}

static void test_cli_check_objects_ends_with_a_broken_daemon(void **state)
{
	struct run_result result;
	json_error_t error;

	(void)state;
	pagepoolctl_ask(&result, answer_circle, "check --objects");
	assert_int_equal(result.exit_status, 1);
	assert_string_equal(result.out, "");
	assert_contains(result.err, "leads back to itself");
	run_result_deinit(&result);
	pagepoolctl_ask(&result, answer_and_leave, "check --objects --json");
	assert_int_equal(result.exit_status, 3);
	assert_contains(result.err, "closed the connection");
	assert_null(json_loads(result.out, 0, &error));
	run_result_deinit(&result);
	pagepoolctl_ask(&result, answer_and_leave, "check --objects");
	assert_int_equal(result.exit_status, 3);
	assert_null(strstr(result.out, "objects checked"));
	run_result_deinit(&result);
}

static void answer_endless(const struct message *request, struct fake_reply *ret_reply)
{
	ret_reply->message.type = MESSAGE_OBJECT_FAULTS;
	ret_reply->message.u.object_faults.objects = 2;
	ret_reply->message.u.object_faults.faults = faults;
	ret_reply->message.u.object_faults.nr_faults = 2;
	ret_reply->message.u.object_faults.next = request->u.check_objects.start + 1;
}

static void test_cli_check_objects_stops_when_output_is_lost(void **state)
{
	static const char *const commands[] = { "check --objects", "check --objects --json" };
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct fake_daemon daemon;
	struct run_result result;

	(void)state;
	fake_daemon_start(&daemon, answer_endless, true);
	for (unsigned i = 0; i < 2; i++) {
		pagepoolctl_run_to(&result, full, daemon.socket, commands[i]);
		assert_int_equal(result.exit_status, 1);
		assert_contains(result.err, "can't write the answer");
		run_result_deinit(&result);
	}
	fake_daemon_stop(&daemon);
	close(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_check_objects_tells_each_fault),
		cmocka_unit_test(test_cli_check_objects_json_has_its_keys),
		cmocka_unit_test(test_cli_check_objects_ends_with_zero_without_faults),
		cmocka_unit_test(test_cli_check_objects_survives_lies),
		cmocka_unit_test(test_cli_check_objects_ends_with_a_broken_daemon),
		cmocka_unit_test(test_cli_check_objects_stops_when_output_is_lost),
	};

	return cmocka_run_group_tests(tests, pagepoolctl_setup, NULL);
}
