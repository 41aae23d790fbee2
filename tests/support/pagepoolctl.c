/* SPDX-License-Identifier: MIT */
/*
 * Running pagepoolctl: its path, its environment, a daemon for it to ask, and its answers as JSON.
 */

#include "support/pagepoolctl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/daemon.h"

#define WORDS_MAX 16

int pagepoolctl_setup(void **state)
{
	(void)state;
	return setenv("LC_ALL", "C", 1);
}

void pagepoolctl_run_to(struct run_result *ret, int out_fd, const char *socket, const char *words)
{
	const char *argv[WORDS_MAX + 2] = { getenv("PAGEPOOLCTL") };
	char program[4096], *copy = strdup(words), *rest = copy;
	unsigned n = 1;

	assert_non_null(copy);
	daemon_program("pagepoolctl", program, sizeof(program));
	if (!argv[0])
		argv[0] = program;
	for (char *word; (word = strsep(&rest, " "));) {
		assert_true(n <= WORDS_MAX);
		if (word[0] != '\0')
			argv[n++] = word;
	}
	setenv("PAGEPOOL_SOCKET", socket, 1);
	run_program(ret, out_fd, argv);
	free(copy);
}

void pagepoolctl_run(struct run_result *ret, const char *socket, const char *words)
{
	pagepoolctl_run_to(ret, RUN_CAPTURE, socket, words);
}

struct json_t *pagepoolctl_run_json(int exit_status, const char *socket, const char *words)
{
	struct run_result result;
	json_error_t error;
	json_t *answer;

	pagepoolctl_run(&result, socket, words);
	assert_string_equal(result.err, "");
	assert_int_equal(result.exit_status, exit_status);
	answer = json_loads(result.out, 0, &error);
	if (!answer)
		fail_msg("%s: %d:%d: %s in: %s", words, error.line, error.column, error.text,
			 result.out);
	run_result_deinit(&result);
	return answer;
}

void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

void pagepoolctl_ask(struct run_result *ret, fake_answer_fn answer, const char *words)
{
	struct fake_daemon daemon;

	fake_daemon_start(&daemon, answer, true);
	pagepoolctl_run(ret, daemon.socket, words);
	fake_daemon_stop(&daemon);
}

struct json_t *pagepoolctl_ask_json(int exit_status, fake_answer_fn answer, const char *words)
{
	struct fake_daemon daemon;
	json_t *ret;

	fake_daemon_start(&daemon, answer, true);
	ret = pagepoolctl_run_json(exit_status, daemon.socket, words);
	fake_daemon_stop(&daemon);
	return ret;
}

void pagepoolctl_assert_says(fake_answer_fn answer, const char *words, const char *out)
{
	struct run_result result;

	pagepoolctl_ask(&result, answer, words);
	assert_string_equal(result.err, "");
	assert_string_equal(result.out, out);
	assert_int_equal(result.exit_status, 0);
	run_result_deinit(&result);
}

void assert_keys(const json_t *object, const char *keys)
{
	char *copy = strdup(keys), *rest = copy;
	size_t nr_keys = 0;

	for (char *key; (key = strsep(&rest, " ")); nr_keys++)
		if (!json_object_get(object, key))
			fail_msg("no key %s", key);
	assert_int_equal(json_object_size(object), nr_keys);
	free(copy);
}

void assert_number(const json_t *object, const char *key, long long expected)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	assert_int_equal(json_integer_value(json_object_get(object, key)), expected);
}

void assert_word(const json_t *object, const char *key, const char *expected)
{
	assert_true(json_is_string(json_object_get(object, key)));
	assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}
