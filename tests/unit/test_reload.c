/* SPDX-License-Identifier: MIT */
/* Configurations that are read again: who is answered, and what of them is applied. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/log.h"
#include "service/loop.h"
#include "service/reload.h"
#include "service/reloader.h"
#include "service/worker.h"
#include "support/service_fixture.h"

#define OTHER_UID 4711u

/* What the next reading of the configuration gives. */
struct script {
	struct fixture *fixture;
	const char *messages;
	int error;
	void (*change)(struct service_config *config);
	atomic_uint nr_loads, nr_failed, nr_unloads;
};

static int load(struct service_config *ret, FILE *messages, void *data)
{
	struct script *script = data;
	const struct service_config *now = &script->fixture->config;

	script->nr_loads++;
	fputs(script->messages, messages);
	if (script->error) {
		script->nr_failed++;
		return script->error;
	}
	*ret = *now;
	ret->pools = malloc(now->nr_pools * sizeof(*now->pools));
	ret->socket_path = strdup("/somewhere");
	if (!ret->pools || !ret->socket_path)
		abort();
	memcpy(ret->pools, now->pools, now->nr_pools * sizeof(*now->pools));
	if (script->change)
		script->change(ret);
	return 0;
}

static struct script script;

static void unload(struct service_config *config)
{
	script.nr_unloads++;
	free(config->pools);
	free(config->socket_path);
}

static const struct service_source source = { .load = load, .unload = unload, .data = &script };
static struct fixture *fixture;
static struct fixture_client *root;

static int setup(void **state)
{
	static char path[] = "/somewhere";

	(void)state;
	log_set_level(LOG_EMERG);
	fixture = fixture_new(SERVICE_COMMIT_GRANT);
	fixture->config.socket_path = path;
	script = (struct script){ .fixture = fixture, .messages = "" };
	reloader_init(&fixture->service.reloader, &fixture->service, &source);
	reloader_open(&fixture->service.reloader);
	root = fixture_client_greeted(fixture, geteuid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_client_free(root);
	fixture_free(fixture);
	assert_int_equal(script.nr_loads, script.nr_unloads + script.nr_failed);
	return 0;
}

static const struct message *ask(struct fixture_client *client)
{
	struct message request = { .type = MESSAGE_RELOAD };

	return fixture_call(client, &request);
}

static void assert_done(const char *lines)
{
	const struct message *reply = ask(root);

	if (reply->status != MESSAGE_STATUS_OK)
		fail_msg("%s", reply->error);
	assert_int_equal(reply->type, MESSAGE_RELOAD_RESULT);
	assert_string_equal(root->lines, lines);
}

/* The way. */

static void test_reload_without_a_difference_says_nothing(void **state)
{
	(void)state;
	assert_done("");
	assert_int_equal(script.nr_loads, 1);
}

static void test_reload_tells_what_the_files_reader_said(void **state)
{
	(void)state;
	script.messages = "pagepoold: file:3: warning: [daemon] metrics: has no effect\n";
	assert_done("file:3: warning: [daemon] metrics: has no effect\n");
	script.messages = "file:4: [pool a] size: is wrong\nfile:5: [pool a] nodes: too\n";
	script.error = -EINVAL;
	fixture_assert_refused(ask(root), MESSAGE_STATUS_INVALID,
			       "file:4: [pool a] size: is wrong (2 errors in all; nothing has "
			       "changed)");
	script.messages = "";
	script.error = -ENOMEM;
	fixture_assert_refused(ask(root), MESSAGE_STATUS_INVALID, strerror(ENOMEM));
}

/* Who asks while the files are being read may have changed them since. */
static void test_reload_asked_for_meanwhile_is_done_once_more_for_all(void **state)
{
	struct message request = { .type = MESSAGE_RELOAD };

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fixture_serve(root, &request), SESSION_NEXT);
	reloader_start(&fixture->service.reloader);
	fixture_await(root, root->nr_replies + 5);
	assert_int_equal(script.nr_loads, 2);
}

static void test_reload_waits_until_the_daemon_serves(void **state)
{
	struct message request = { .type = MESSAGE_RELOAD };

	(void)state;
	fixture->service.reloader.is_open = false;
	assert_int_equal(fixture_serve(root, &request), SESSION_NEXT);
	assert_false(fixture->service.reloader.is_running);
	reloader_open(&fixture->service.reloader);
	fixture_await(root, root->nr_replies + 1);
	assert_int_equal(script.nr_loads, 1);
}

static void test_reload_is_refused_to_others(void **state)
{
	struct fixture_client *other = fixture_client_greeted(fixture, OTHER_UID);

	(void)state;
	fixture_assert_refused(ask(other), MESSAGE_STATUS_ACCESS, "only root");
	fixture_client_free(other);
	assert_int_equal(script.nr_loads, 0);
}

static void test_reload_without_a_source_is_refused(void **state)
{
	(void)state;
	fixture->service.reloader.source = NULL;
	fixture_assert_refused(ask(root), MESSAGE_STATUS_UNSUPPORTED, "no configuration");
	reloader_start(&fixture->service.reloader);
	assert_false(fixture->service.reloader.is_running);
}

/* The end of the daemon amid a reload: a sanitizer sees what leaks. */
static void test_reload_under_way_can_be_left(void **state)
{
	(void)state;
	reloader_start(&fixture->service.reloader);
	fixture->service.workers = worker_pool_free(fixture->service.workers);
	if (script.nr_loads == 0) /* dropped before it began */
		assert_int_equal(fixture->service.reloader.error, -ENOMEM);
	reloader_deinit(&fixture->service.reloader);
	fixture->service.reloader.service = NULL;
	assert_int_equal(script.nr_loads, script.nr_unloads);
	assert_int_equal(worker_pool_new(fixture->service.loop, 1, &fixture->service.workers), 0);
}

/* What is applied. */

static void let_another_in(struct service_config *config)
{
	config->pools[1].access.entries[0].id = OTHER_UID;
	config->pools[2].read_access = config->pools[1].access;
}

static void test_reload_takes_access_lists_over(void **state)
{
	struct fixture_client *other = fixture_client_greeted(fixture, OTHER_UID);
	struct message request = { .type = MESSAGE_POOL_OPEN };

	(void)state;
	request.u.pool_open.name = FIXTURE_POOL_READ;
	fixture_assert_refused(fixture_call(other, &request), MESSAGE_STATUS_ACCESS, "not for");
	script.change = let_another_in;
	assert_done("[pool read] access: changed for who opens the pool from now on; who has it "
		    "open keeps it\n"
		    "[pool closed] read_access: changed for who opens the pool from now on; who "
		    "has it open keeps it\n");
	assert_int_equal(fixture_call(other, &request)->status, MESSAGE_STATUS_OK);
	for (unsigned i = 0; i < other->nr_fds; i++)
		close(other->fds[i]);
	script.change = NULL;
	assert_done(""); /* the service's own configuration has them now */
	fixture_client_free(other);
}

/* The first pool is right, the last is not. */
static void break_the_last(struct service_config *config)
{
	let_another_in(config);
	config->log_level = 3;
	config->pools[2].watermark_high.bytes = UINT64_C(1) << 40;
}

static void test_reload_with_one_mistake_applies_nothing(void **state)
{
	struct service_pool_config before = fixture->pools[1];

	(void)state;
	script.change = break_the_last;
	fixture_assert_refused(ask(root), MESSAGE_STATUS_INVALID, "[pool closed] node0: its high");
	assert_memory_equal(&fixture->pools[1], &before, sizeof(before));
	assert_int_equal(fixture->config.log_level, 0);
}

static void turn_everything(struct service_config *config)
{
	struct service_pool_config first = config->pools[0];

	config->pools[0] = config->pools[2]; /* their order says nothing */
	config->pools[2] = first;
	strcpy(config->pools[1].name, "new");
	config->socket_path[1] = 'S';
	config->fake_nodes = 7;
	config->pools[2].max_order = 1;
}

static void test_reload_names_what_needs_a_restart(void **state)
{
	static const char lines[] = "[pool default] max_order: needs a restart\n"
				    "[pool read] is gone, and is served as before: needs a "
				    "restart\n"
				    "[pool new] is new: needs a restart\n"
				    "[daemon] socket: needs a restart\n"
				    "[daemon] topology: needs a restart\n";

	(void)state;
	script.change = turn_everything;
	assert_done(lines);
	assert_done(lines); /* and again, until it is done */
	assert_int_equal(fixture->pools[0].max_order, FIXTURE_MAX_ORDER);
}

/* Lines. */

static void test_reload_lines_are_bounded(void **state)
{
	char longest[2 * RELOAD_LINE_BYTES_MAX];
	struct reload_lines lines = { 0 };

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (unsigned i = 0; i < 2 * RELOAD_LINES_MAX; i++)
		reload_say(&lines, i < RELOAD_LINES_MAX ? LOG_INFO : LOG_ERR, "%s", longest);
	assert_int_equal(lines.nr_lines, RELOAD_LINES_MAX);
	assert_int_equal(lines.nr_errors, RELOAD_LINES_MAX);
	assert_null(lines.first_error); /* it had no place */
	assert_int_equal(strlen(lines.lines[0]), RELOAD_LINE_BYTES_MAX - 1);
	reload_lines_deinit(&lines);
}

#define RELOAD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RELOAD_TEST(test_reload_without_a_difference_says_nothing),
		RELOAD_TEST(test_reload_tells_what_the_files_reader_said),
		RELOAD_TEST(test_reload_asked_for_meanwhile_is_done_once_more_for_all),
		RELOAD_TEST(test_reload_waits_until_the_daemon_serves),
		RELOAD_TEST(test_reload_is_refused_to_others),
		RELOAD_TEST(test_reload_without_a_source_is_refused),
		RELOAD_TEST(test_reload_under_way_can_be_left),
		RELOAD_TEST(test_reload_takes_access_lists_over),
		RELOAD_TEST(test_reload_with_one_mistake_applies_nothing),
		RELOAD_TEST(test_reload_names_what_needs_a_restart),
		cmocka_unit_test(test_reload_lines_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
