/* SPDX-License-Identifier: MIT */
/* pagepoolctl limits and reload. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/fake_daemon.h"
#include "support/pagepoolctl.h"

#define MIB (UINT64_C(1) << 20)

/* Two parts of one limit each. */
static void answer_limits(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_limit_info limits[] = {
		{ .pool = "default",
		  .kind = "user",
		  .name = "camera",
		  .used_bytes = 300 * MIB,
		  .min_bytes = 64 * MIB,
		  .low_bytes = 256 * MIB,
		  .high_bytes = 1024 * MIB,
		  .max_bytes = 2048 * MIB,
		  .clients = 2,
		  .refused = 5 },
		{ .pool = "default", .kind = "client", .name = "tile cache \xe2\x80\xae" },
	};
	uint64_t start = request->u.list_limits.start;

	if (request->type != MESSAGE_LIST_LIMITS) {
		ret_reply->message.status = MESSAGE_STATUS_UNSUPPORTED;
		return;
	}
	ret_reply->message.type = MESSAGE_LIMIT_LIST;
	ret_reply->message.u.limit_list.limits = &limits[start];
	ret_reply->message.u.limit_list.nr_limits = 1;
	ret_reply->message.u.limit_list.next = start == 0 ? 1 : 0;
}

static void test_cli_limits_shows_what_is_set_and_used(void **state)
{
	(void)state;
	pagepoolctl_assert_says(answer_limits, "limits",
				"POOL    KIND NAME   USED MIN  LOW HIGH MAX CLIENTS REFUSED\n"
				"default user camera 300M 64M 256M   1G  2G       2       5\n"
				"default client tile cache \\xe2\\x80\\xae    0   -    -    -   -"
				"       0       0\n");
}

static void test_cli_limits_json_has_its_keys(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_limits, "limits --json"), *limit;

	(void)state;
	assert_keys(answer, "limits");
	assert_int_equal(json_array_size(json_object_get(answer, "limits")), 2);
	limit = json_array_get(json_object_get(answer, "limits"), 0);
	assert_keys(limit, "pool kind name used_bytes min_bytes low_bytes high_bytes max_bytes "
			   "clients refused");
	assert_word(limit, "pool", "default");
	assert_word(limit, "kind", "user");
	assert_word(limit, "name", "camera");
	assert_number(limit, "used_bytes", 300 * MIB);
	assert_number(limit, "min_bytes", 64 * MIB);
	assert_number(limit, "low_bytes", 256 * MIB);
	assert_number(limit, "high_bytes", 1024 * MIB);
	assert_number(limit, "max_bytes", 2048 * MIB);
	assert_number(limit, "clients", 2);
	assert_number(limit, "refused", 5);
	limit = json_array_get(json_object_get(answer, "limits"), 1);
	assert_word(limit, "kind", "client");
	assert_number(limit, "max_bytes", 0);
	json_decref(answer);
}

static void answer_no_limits(const struct message *request, struct fake_reply *ret_reply)
{
	(void)request;
	ret_reply->message.type = MESSAGE_LIMIT_LIST;
}

static void test_cli_limits_tells_that_there_are_none(void **state)
{
	(void)state;
	pagepoolctl_assert_says(answer_no_limits, "limits", "no limits\n");
	pagepoolctl_assert_says(answer_no_limits, "limits --json", "{\"limits\":[]}\n");
}

static void answer_reload(const struct message *request, struct fake_reply *ret_reply)
{
	static const char *const lines[] = { "pool default: size 1G -> 2G",
					     "socket: needs a \\ restart" };

	if (request->type != MESSAGE_RELOAD) {
		ret_reply->message.status = MESSAGE_STATUS_UNSUPPORTED;
		return;
	}
	ret_reply->message.type = MESSAGE_RELOAD_RESULT;
	ret_reply->message.u.reload_result.lines = lines;
	ret_reply->message.u.reload_result.nr_lines = 2;
}

static void test_cli_reload_shows_what_became_of_it(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_reload, "reload --json"), *lines;

	(void)state;
	pagepoolctl_assert_says(answer_reload, "reload",
				"pool default: size 1G -> 2G\nsocket: needs a \\\\ restart\n");
	assert_keys(answer, "lines");
	lines = json_object_get(answer, "lines");
	assert_int_equal(json_array_size(lines), 2);
	assert_string_equal(json_string_value(json_array_get(lines, 1)),
			    "socket: needs a \\ restart");
	json_decref(answer);
}

static void answer_reload_nothing(const struct message *request, struct fake_reply *ret_reply)
{
	answer_reload(request, ret_reply);
	ret_reply->message.u.reload_result.nr_lines = 0;
}

static void answer_reload_refused(const struct message *request, struct fake_reply *ret_reply)
{
	(void)request;
	ret_reply->message.status = MESSAGE_STATUS_INVALID;
	ret_reply->message.error = "/etc/pagepool/pagepoold.conf:3: size: '1X' is no size";
}

static void test_cli_reload_tells_why_nothing_changed(void **state)
{
	struct run_result result;

	(void)state;
	pagepoolctl_assert_says(answer_reload_nothing, "reload", "nothing has changed\n");
	pagepoolctl_assert_says(answer_reload_nothing, "reload --json", "{\"lines\":[]}\n");
	pagepoolctl_ask(&result, answer_reload_refused, "reload");
	assert_int_equal(result.exit_status, 1);
	assert_string_equal(result.out, "");
	assert_contains(result.err, "/etc/pagepool/pagepoold.conf:3: size: '1X' is no size");
	run_result_deinit(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_limits_shows_what_is_set_and_used),
		cmocka_unit_test(test_cli_limits_json_has_its_keys),
		cmocka_unit_test(test_cli_limits_tells_that_there_are_none),
		cmocka_unit_test(test_cli_reload_shows_what_became_of_it),
		cmocka_unit_test(test_cli_reload_tells_why_nothing_changed),
	};

	return cmocka_run_group_tests(tests, pagepoolctl_setup, NULL);
}
