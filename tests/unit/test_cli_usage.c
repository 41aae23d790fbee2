/* SPDX-License-Identifier: MIT */
/* What pagepoolctl makes of its command line, and of there being no daemon. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/child.h"
#include "support/pagepoolctl.h"

#define NOBODY "/nonexistent/pagepool.sock"

static void assert_usage(const char *words, const char *complaint)
{
	struct run_result result;

	pagepoolctl_run(&result, NOBODY, words);
	assert_int_equal(result.exit_status, 2);
	assert_string_equal(result.out, "");
	assert_contains(result.err, complaint);
	run_result_deinit(&result);
}

static void test_cli_usage_refuses_what_is_no_command(void **state)
{
	(void)state;
	assert_usage("", "Usage: pagepoolctl");
	assert_usage("frobnicate", "there is no command 'frobnicate'");
	assert_usage("help frobnicate", "there is no command 'frobnicate'");
	assert_usage("status now", "status takes no argument 'now'");
	assert_usage("status now and then", "what is 'and'?");
	assert_usage("status -- now", "status takes no argument 'now'");
}

static void test_cli_usage_refuses_options_of_other_commands(void **state)
{
	(void)state;
	assert_usage("status --client 3", "status does not have that option");
	assert_usage("--count 3 blocks", "blocks does not have that option");
	assert_usage("ping --pool default", "ping does not have that option");
	assert_usage("limits --pool default", "limits does not have that option");
	assert_usage("status --in-the-way 12 --pool default", "status does not have that option");
	assert_usage("blocks --objects", "blocks does not have that option");
	assert_usage("status --frobnicate", "--frobnicate");
	assert_usage("status --frobnicate", "Try `pagepoolctl help`.\n");
}

static void test_cli_usage_refuses_bad_values(void **state)
{
	char words[256];

	(void)state;
	assert_usage("blocks --client 0", "--client wants a number from 1 to 4294967295, not '0'");
	assert_usage("blocks --client 4294967296", "not '4294967296'");
	assert_usage("blocks --client -1", "not '-1'");
	assert_usage("blocks --client +1", "not '+1'");
	assert_usage("blocks --client 7x", "not '7x'");
	assert_usage("blocks --client 99999999999999999999999", "--client wants");
	assert_usage("ping --count 1000001", "--count wants a number from 1 to 1000000");
	assert_usage("blocks --in-the-way 8", "--in-the-way wants a number from 9 to 18, not '8'");
	assert_usage("blocks --in-the-way 19", "not '19'");
	assert_usage("blocks --in-the-way x", "not 'x'");
	assert_usage("blocks --node -1", "--node wants a number from 0 to 4294967295, not '-1'");
	assert_usage("blocks --pool=", "--pool wants a name of 1 to 63 bytes");
	assert_usage("blocks --pool \x7f", "--pool wants a name of 1 to 63 bytes");
	assert_usage("status --socket=", "--socket wants a path");
	assert_usage("status --socket", "Try `pagepoolctl help`.\n");
	snprintf(words, sizeof(words), "blocks --pool %064d", 0);
	assert_usage(words, "--pool wants a name of 1 to 63 bytes");
	snprintf(words, sizeof(words), "status --socket %0120d", 0);
	assert_usage(words, "can't be a socket's path: longer than 107 bytes");
}

static void test_cli_usage_refuses_options_that_do_not_agree(void **state)
{
	(void)state;
	assert_usage("blocks --in-the-way 9", "--in-the-way needs --pool too");
	assert_usage("blocks --in-the-way 9 --pool a --client 3", "not with --client");
	assert_usage("blocks --pool a --node 0", "--node goes with --in-the-way only");
	assert_usage("check --pool a", "--pool goes with --objects only");
	assert_usage("check --pool a --help", "see `pagepoolctl help check`");
}

static void test_cli_usage_escapes_what_it_quotes(void **state)
{
	(void)state;
	assert_usage("\x1b[2J", "there is no command '\\x1b[2J'");
}

static void test_cli_usage_helps_without_a_daemon(void **state)
{
	static const struct {
		const char *words, *says;
	} helps[] = {
		{ "help", "buddyinfo" },
		{ "--help", "Usage: pagepoolctl" },
		{ "-h", "Ends with 0, 1" },
		{ "help blocks", "blocks [--client ID] [--pool NAME]" },
		{ "help blocks", "--in-the-way ORDER" },
		{ "help", "\n  pagetypeinfo  free blocks" },
		{ "help", "\n  slabinfo      caches of objects" },
		{ "help check", "check [--objects [--pool NAME]]" },
		{ "blocks --help", "blocks [--client ID] [--pool NAME]" },
		{ "--help ping", "ping [--count N]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(helps) / sizeof(helps[0]); i++) {
		struct run_result result;

		pagepoolctl_run(&result, NOBODY, helps[i].words);
		assert_int_equal(result.exit_status, 0);
		assert_contains(result.out, helps[i].says);
		assert_string_equal(result.err, "");
		run_result_deinit(&result);
	}
}

static void assert_no_daemon(const char *socket, const char *words, const char *complaint)
{
	struct run_result result;

	pagepoolctl_run(&result, socket, words);
	assert_int_equal(result.exit_status, 3);
	assert_string_equal(result.out, "");
	assert_contains(result.err, complaint);
	assert_contains(result.err, "systemctl start pagepoold");
	run_result_deinit(&result);
}

static void test_cli_usage_says_where_it_looked_for_a_daemon(void **state)
{
	static const char *const commands[] = {
		"status",   "zoneinfo",       "buddyinfo",     "pagetypeinfo",
		"clients",  "blocks",         "limits",        "reload",
		"check",    "ping",           "--json status", "blocks --in-the-way 9 --pool a",
		"slabinfo", "check --objects"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_no_daemon(NOBODY, commands[i],
				 "no daemon answers at " NOBODY ": No such file or directory");
	assert_no_daemon(NOBODY, "status --socket /nonexistent/other",
			 "no daemon answers at /nonexistent/other");
	assert_no_daemon(NOBODY, "--socket /nonexistent/other status",
			 "no daemon answers at /nonexistent/other");
}

static void test_cli_usage_takes_an_empty_variable_for_none(void **state)
{
	struct run_result result;

	(void)state;
	unsetenv("XDG_RUNTIME_DIR");
	pagepoolctl_run(&result, "", "version");
	assert_int_equal(result.exit_status, 0);
	assert_contains(result.out, "/run/pagepool/pagepool.sock");
	run_result_deinit(&result);
}

static void test_cli_usage_knows_a_socket_that_was_left_behind(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/pagepool-left.%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_no_daemon(address.sun_path, "status", "Connection refused");
	unlink(address.sun_path);
}

static void run_refused(int from_parent, int to_parent, void *data)
{
	struct run_result result;

	(void)from_parent;
	(void)to_parent;
	pagepoolctl_run(&result, data, "status");
	CHILD_CHECK(result.exit_status == 1);
	CHILD_CHECK(strstr(result.err, "is not for this user: Permission denied\n"));
	CHILD_CHECK(strstr(result.err, "\nA daemon without a configuration serves only"));
	run_result_deinit(&result);
}

static void test_cli_usage_says_whom_a_daemon_serves(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct child child;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/pagepool-refused.%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(chmod(address.sun_path, 0), 0);
	child_start(&child, geteuid() == 0 ? CHILD_OTHER_UID : (uid_t)-1, run_refused,
		    address.sun_path);
	child_finish(&child);
	unlink(address.sun_path);
	close(fd);
}

static void test_cli_usage_version_needs_no_daemon(void **state)
{
	struct run_result result;
	json_t *answer;

	(void)state;
	pagepoolctl_run(&result, NOBODY, "version");
	assert_int_equal(result.exit_status, 0);
	assert_contains(result.out, "pagepoolctl " PAGEPOOL_VERSION "\n");
	assert_contains(result.out, "none answers at " NOBODY);
	run_result_deinit(&result);

	answer = pagepoolctl_run_json(0, NOBODY, "--version --json");
	assert_string_equal(json_string_value(json_object_get(answer, "client")), PAGEPOOL_VERSION);
	assert_true(json_is_null(json_object_get(answer, "daemon")));
	json_decref(answer);
}

static void test_cli_usage_reports_lost_output(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct run_result result;

	(void)state;
	assert_true(full >= 0);
	pagepoolctl_run_to(&result, full, NOBODY, "help");
	assert_int_equal(result.exit_status, 1);
	assert_contains(result.err, "can't write the answer: No space left on device");
	run_result_deinit(&result);
	close(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_usage_refuses_what_is_no_command),
		cmocka_unit_test(test_cli_usage_refuses_options_of_other_commands),
		cmocka_unit_test(test_cli_usage_refuses_bad_values),
		cmocka_unit_test(test_cli_usage_refuses_options_that_do_not_agree),
		cmocka_unit_test(test_cli_usage_escapes_what_it_quotes),
		cmocka_unit_test(test_cli_usage_helps_without_a_daemon),
		cmocka_unit_test(test_cli_usage_says_where_it_looked_for_a_daemon),
		cmocka_unit_test(test_cli_usage_takes_an_empty_variable_for_none),
		cmocka_unit_test(test_cli_usage_knows_a_socket_that_was_left_behind),
		cmocka_unit_test(test_cli_usage_says_whom_a_daemon_serves),
		cmocka_unit_test(test_cli_usage_version_needs_no_daemon),
		cmocka_unit_test(test_cli_usage_reports_lost_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
