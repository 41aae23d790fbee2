/* SPDX-License-Identifier: MIT */
/* pagepoolctl check, ping and version, and what it makes of refusals and of nonsense. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/fake_daemon.h"
#include "support/pagepoolctl.h"

static void answer_clean(const struct message *request, struct fake_reply *ret_reply)
{
	if (request->type == MESSAGE_CHECK) {
		ret_reply->message.type = MESSAGE_CHECK_RESULT;
		ret_reply->message.u.check_result.pages = 65536;
		ret_reply->message.u.check_result.first = "";
	}
}

static void answer_faults(const struct message *request, struct fake_reply *ret_reply)
{
	answer_clean(request, ret_reply);
	ret_reply->message.u.check_result.faults = 2;
	ret_reply->message.u.check_result.first = "default/node0 page 17: free, yet allocated";
}

static void test_cli_check_ends_with_what_it_found(void **state)
{
	struct run_result result;
	json_t *answer;

	(void)state;
	pagepoolctl_assert_says(answer_clean, "check", "65536 pages checked: no fault\n");
	pagepoolctl_ask(&result, answer_faults, "check");
	assert_int_equal(result.exit_status, 1);
	assert_string_equal(result.out, "65536 pages checked: 2 faults, first: "
					"default/node0 page 17: free, yet allocated\n");
	run_result_deinit(&result);

	answer = pagepoolctl_ask_json(1, answer_faults, "check --json");
	assert_keys(answer, "pages faults first");
	assert_number(answer, "pages", 65536);
	assert_number(answer, "faults", 2);
	json_decref(answer);
	answer = pagepoolctl_ask_json(0, answer_clean, "check --json");
	assert_word(answer, "first", "");
	json_decref(answer);
}

/* A program that shows the number as it came should not show what binary made of a tenth. */
static void assert_tenths(const char *text, const char *key)
{
	const char *number = strstr(text, key), *point;

	assert_non_null(number);
	point = strchr(number, '.');
	assert_non_null(point);
	assert_int_equal(strspn(point + 1, "0123456789"), 1);
}

static void test_cli_ping_json_tells_tenths(void **state)
{
	struct run_result result;

	(void)state;
	/* Some tenths are short however they are printed: thirty numbers, to meet others too. */
	for (unsigned i = 0; i < 10; i++) {
		pagepoolctl_ask(&result, answer_clean, "ping --count 5 --json");
		assert_tenths(result.out, "min_us");
		assert_tenths(result.out, "median_us");
		assert_tenths(result.out, "max_us");
		run_result_deinit(&result);
	}
}

static void test_cli_ping_measures(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_clean, "ping --count 25 --json");
	double min_us = json_real_value(json_object_get(answer, "min_us"));
	double median_us = json_real_value(json_object_get(answer, "median_us"));
	struct run_result result;

	(void)state;
	assert_keys(answer, "count min_us median_us max_us");
	assert_number(answer, "count", 25);
	assert_true(min_us > 0 && min_us <= median_us);
	assert_true(median_us <= json_real_value(json_object_get(answer, "max_us")));
	json_decref(answer);
	pagepoolctl_ask(&result, answer_clean, "ping --count 1");
	assert_int_equal(result.exit_status, 0);
	assert_ptr_equal(strstr(result.out, "1 round trip: min "), result.out);
	run_result_deinit(&result);
}

static void test_cli_version_tells_both(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_clean, "version --json");

	(void)state;
	assert_keys(answer, "client daemon");
	assert_word(answer, "daemon", FAKE_DAEMON_VERSION);
	json_decref(answer);
	pagepoolctl_assert_says(answer_clean, "version",
				"pagepoolctl " PAGEPOOL_VERSION "\npagepoold   " FAKE_DAEMON_VERSION
				"\n");
}

static void answer_no(const struct message *request, struct fake_reply *ret_reply)
{
	(void)request;
	ret_reply->message.status = MESSAGE_STATUS_NOT_FOUND;
	ret_reply->message.error = "no pool \xe2\x80\xae here";
}

static void test_cli_says_that_the_daemon_said_no(void **state)
{
	static const char *const commands[] = { "status", "zoneinfo", "buddyinfo",     "clients",
						"blocks", "check",    "clients --json" };

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct run_result result;

		pagepoolctl_ask(&result, answer_no, commands[i]);
		assert_int_equal(result.exit_status, 1);
		assert_string_equal(result.out, "");
		assert_string_equal(result.err, "pagepoolctl: the daemon said no: "
						"no pool \\xe2\\x80\\xae here\n");
		run_result_deinit(&result);
	}
}

/* A client list whose only name is "\x1b[2J": our own codec would refuse to make it. */
static void answer_controls(const struct message *request, struct fake_reply *ret_reply)
{
	static uint8_t bytes[] = { 0x08, 0,                         /* id */
				   0x5a, 10,                        /* client_list */
				   0x0a, 8,                         /* clients */
				   0x08, 1,                         /* id */
				   0x12, 4,  0x1b, '[', '2', 'J' }; /* name */

	bytes[1] = (uint8_t)request->id;
	ret_reply->bytes = bytes;
	ret_reply->size_bytes = sizeof(bytes);
}

static void answer_garbage(const struct message *request, struct fake_reply *ret_reply)
{
	(void)request;
	ret_reply->bytes = "HTTP/1.1 400 Bad Request";
	ret_reply->size_bytes = 24;
}

static void answer_other(const struct message *request, struct fake_reply *ret_reply)
{
	(void)request;
	ret_reply->message.type = MESSAGE_EVENT;
}

static void answer_hang_up(const struct message *request, struct fake_reply *ret_reply)
{
	(void)request;
	ret_reply->hang_up = true;
}

static void test_cli_takes_no_nonsense(void **state)
{
	static const fake_answer_fn answers[] = { answer_controls, answer_garbage, answer_other,
						  answer_hang_up };

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct run_result result;

		pagepoolctl_ask(&result, answers[i], "clients");
		assert_int_equal(result.exit_status, 3);
		assert_string_equal(result.out, "");
		assert_ptr_equal(strstr(result.err, "pagepoolctl: "), result.err);
		assert_null(strchr(result.err, '\x1b'));
		run_result_deinit(&result);
	}
}

static void refuse(const struct message *request, struct fake_reply *ret_reply,
		   enum message_status status)
{
	(void)request;
	ret_reply->message.status = status;
	ret_reply->message.error = "no";
}

static void refuse_access(const struct message *request, struct fake_reply *ret_reply)
{
	refuse(request, ret_reply, MESSAGE_STATUS_ACCESS);
}

static void refuse_limit(const struct message *request, struct fake_reply *ret_reply)
{
	refuse(request, ret_reply, MESSAGE_STATUS_LIMIT);
}

static void refuse_version(const struct message *request, struct fake_reply *ret_reply)
{
	refuse(request, ret_reply, MESSAGE_STATUS_VERSION);
}

static void test_cli_tells_why_it_was_not_let_in(void **state)
{
	static const struct {
		fake_answer_fn hello;
		int exit_status;
		const char *says;
	} cases[] = {
		{ refuse_access, 1, "is not for this user" },
		{ refuse_limit, 1, "no room for another client" },
		{ refuse_version, 3, "no pagepool daemon that this version can talk to" },
		{ answer_garbage, 3, "no pagepool daemon that this version can talk to" },
		{ answer_hang_up, 3, "no daemon answers at " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_daemon daemon;
		struct run_result result;

		fake_daemon_start(&daemon, cases[i].hello, false);
		pagepoolctl_run(&result, daemon.socket, "status");
		fake_daemon_stop(&daemon);
		assert_contains(result.err, cases[i].says);
		assert_int_equal(result.exit_status, cases[i].exit_status);
		run_result_deinit(&result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_check_ends_with_what_it_found),
		cmocka_unit_test(test_cli_ping_json_tells_tenths),
		cmocka_unit_test(test_cli_ping_measures),
		cmocka_unit_test(test_cli_version_tells_both),
		cmocka_unit_test(test_cli_says_that_the_daemon_said_no),
		cmocka_unit_test(test_cli_takes_no_nonsense),
		cmocka_unit_test(test_cli_tells_why_it_was_not_let_in),
	};

	return cmocka_run_group_tests(tests, pagepoolctl_setup, NULL);
}
