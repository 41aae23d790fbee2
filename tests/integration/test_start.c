/* SPDX-License-Identifier: MIT */
/*
 * Starting and being refused to: what commit does before READY, and what the daemon says when the
 * machine has not what it is asked for.
 */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/daemon.h"

/* Starts with one pool of these keys, which the daemon must refuse, saying each of the words. */
static void expect_refusal(const char *daemon_keys, const char *keys, const char *const *words)
{
	struct daemon daemon;
	char sections[512], *log;

	snprintf(sections, sizeof(sections), "[pool default]\n%s\n", keys);
	assert_int_not_equal(daemon_start_refused(&daemon, daemon_keys, sections), 0);
	log = daemon_read_log(&daemon);
	for (; *words; words++)
		if (!strstr(log, *words))
			fail_msg("nothing of \"%s\" in what the daemon said:\n%s", *words, log);
	assert_int_equal(access(daemon.socket, F_OK), -1);
	free(log);
	daemon_remove(&daemon);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct message_zone_info committed_zone(const char *commit)
{
	struct message_zone_info zone;
	struct daemon daemon;
	char sections[256];
	struct peer peer;

	snprintf(sections, sizeof(sections), "[pool default]\nsize = 32M\ncommit = %s\n", commit);
	daemon_start(&daemon, "topology = fake:1", sections);
	peer_hello(&peer, &daemon, "look");
	zone = peer_pool_info(&peer, "default").zones[0];
	peer_close(&peer);
	daemon_stop(&daemon);
	return zone;
}

static void test_start_commits_everything_before_ready_when_told(void **state)
{
	(void)state;
	assert_int_equal(committed_zone("start").committed_bytes, 32 << 20);
}

static void test_start_commits_nothing_before_it_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(committed_zone("grant").committed_bytes, 0);
	assert_int_equal(committed_zone("touch").committed_bytes, 0);
}

static void test_start_watermarks_are_parts_of_the_zone(void **state)
{
	struct message_zone_info zone = committed_zone("grant\nwatermark = 1% 2% 4.5%");

	(void)state;
	assert_in_range(zone.min_bytes, (32 << 20) / 100 - 4096, (32 << 20) / 100 + 4096);
	assert_in_range(zone.low_bytes, (32 << 20) / 50 - 4096, (32 << 20) / 50 + 4096);
	assert_in_range(zone.high_bytes, (32 << 20) / 1000 * 45 - 4096,
			(32 << 20) / 1000 * 45 + 4096);
	assert_int_equal(zone.pressure, MESSAGE_PRESSURE_NONE);
}

static void test_start_refuses_more_memory_than_there_is(void **state)
{
	(void)state;
	expect_refusal("", "size = 900G\ncommit = start", WORDS("default", "missing", "size"));
}

static void test_start_refuses_huge_pages_that_are_not_there(void **state)
{
	(void)state;
	expect_refusal("", "size = 900G\nhugepages = 2M\ncommit = start",
		       WORDS("default", "huge pages", "nr_hugepages"));
	expect_refusal("", "size = 64G\nhugepages = 1G", WORDS("default", "huge pages"));
}

static void test_start_names_file_line_and_key_of_a_mistake(void **state)
{
	(void)state;
	expect_refusal("", "sise = 1G", WORDS("config:", "sise"));
	expect_refusal("", "size = twelve", WORDS("config:", "size", "twelve"));
	expect_refusal("", "access = user:no-such-user-here",
		       WORDS("config:", "no-such-user-here"));
	expect_refusal("colour = blue", "size = 8M", WORDS("config:3", "colour"));
	expect_refusal("[surprise]", "size = 8M", WORDS("config:3", "surprise"));
}

static void test_start_refuses_a_socket_that_is_served(void **state)
{
	struct daemon daemon;
	char command[512], program[4096];
	int status;

	(void)state;
	daemon_start(&daemon, "topology = fake:1", "[pool default]\nsize = 8M\n");
	daemon_program("pagepoold", program, sizeof(program));
	assert_true(snprintf(command, sizeof(command), "'%s' --config '%s/config' >/dev/null 2>&1",
			     program, daemon.folder) < (int)sizeof(command));
	status = system(command);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	pp_client_free(daemon_connect(&daemon, "still served"));
	daemon_stop(&daemon);
}

static void test_start_takes_over_a_dead_daemons_socket(void **state)
{
	struct pp_client_config config = { .struct_size = sizeof(config) };
	struct pp_client *client = NULL;
	struct daemon daemon;

	(void)state;
	daemon_start(&daemon, "topology = fake:1", "[pool default]\nsize = 8M\n");
	assert_int_equal(kill(daemon.pid, SIGKILL), 0);
	assert_int_equal(waitpid(daemon.pid, NULL, 0), daemon.pid);
	assert_int_equal(access(daemon.socket, F_OK), 0);
	config.socket = daemon.socket;
	assert_int_equal(pp_client_new(&client, &config), -ECONNREFUSED);
	daemon_restart(&daemon);
	pp_client_free(daemon_connect(&daemon, "served again"));
	daemon_stop(&daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_commits_everything_before_ready_when_told),
		cmocka_unit_test(test_start_commits_nothing_before_it_is_asked_for),
		cmocka_unit_test(test_start_watermarks_are_parts_of_the_zone),
		cmocka_unit_test(test_start_refuses_more_memory_than_there_is),
		cmocka_unit_test(test_start_refuses_huge_pages_that_are_not_there),
		cmocka_unit_test(test_start_names_file_line_and_key_of_a_mistake),
		cmocka_unit_test(test_start_refuses_a_socket_that_is_served),
		cmocka_unit_test(test_start_takes_over_a_dead_daemons_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
