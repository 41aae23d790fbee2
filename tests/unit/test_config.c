/* SPDX-License-Identifier: MIT */
/* Configuration: what is read, what overrides what, and what it comes to. */

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "support/config_fixture.h"

#define GIB (UINT64_C(1) << 30)

/* What is read. */

static void test_config_documented_example_is_read(void **state)
{
	struct config_fixture *fixture = *state;
	const struct service_pool_config *pool;

	assert_int_equal(config_fixture_load(fixture,
					     "# a comment\n"
					     "[daemon]\n"
					     "socket = /run/pagepool/pagepool.sock\n"
					     "metrics = off\n"
					     "topology = fake:2 ; two nodes on one\n"
					     "log_level = debug\n"
					     "\n"
					     "[pool default]\n"
					     "access = group:root uid:1000\n"
					     "read_access = uid:1001\n"
					     "size = 1G                         ; per node\n"
					     "nodes = 0,2-3\n"
					     "hugepages = 2M\n"
					     "contiguous = 0\n"
					     "max_order = 9\n"
					     "watermark = 1% 2.5% 40%\n"
					     "commit = start\n"
					     "scrub = always\n"
					     "oom = fail\n"),
			 0);
	assert_string_equal(fixture->config.socket_path, "/run/test.sock"); /* --socket */
	assert_int_equal(config_fixture_load_path(fixture, fixture->main_file, NULL), 0);
	config_fixture_assert_nr_messages(fixture, 0);
	assert_string_equal(fixture->config.socket_path, "/run/pagepool/pagepool.sock");
	assert_int_equal(fixture->config.fake_nodes, 2);
	assert_int_equal(fixture->config.log_level, LOG_DEBUG);
	assert_int_equal(fixture->config.nr_pools, 1);
	pool = fixture->config.pools;
	assert_string_equal(pool->name, "default");
	assert_int_equal(pool->access.nr_entries, 2);
	assert_true(pool->access.entries[0].is_group);
	assert_int_equal(pool->access.entries[1].id, 1000);
	assert_int_equal(pool->read_access.nr_entries, 1);
	assert_int_equal(pool->size.bytes, GIB);
	assert_int_equal(pool->nodes, 0xd);
	assert_int_equal(pool->page_bytes, 2 << 20);
	assert_int_equal(pool->max_order, 9);
	assert_int_equal(pool->watermark_min.permyriad, 100);
	assert_int_equal(pool->watermark_low.permyriad, 250);
	assert_int_equal(pool->watermark_high.permyriad, 4000);
	assert_int_equal(pool->commit, SERVICE_COMMIT_START);
	assert_int_equal(pool->scrub, SERVICE_SCRUB_ALWAYS);
}

static void test_config_keys_left_out_have_defaults(void **state)
{
	const struct service_pool_config *pool = config_fixture_load_pool(*state, "");
	struct config_fixture *fixture = *state;

	assert_int_equal(fixture->config.fake_nodes, 0);
	assert_int_equal(fixture->config.log_level, LOG_INFO);
	assert_int_equal(pool->size.bytes, UINT64_C(256) << 20);
	assert_int_equal(pool->size.permyriad, 0);
	assert_true(pool->nodes == UINT64_MAX);
	assert_int_equal(pool->page_bytes, 4096);
	assert_int_equal(pool->max_order, 18);
	assert_int_equal(pool->watermark_min.permyriad, 100);
	assert_int_equal(pool->watermark_high.permyriad, 400);
	assert_int_equal(pool->commit, SERVICE_COMMIT_GRANT);
	assert_int_equal(pool->scrub, SERVICE_SCRUB_UID);
	assert_false(pool->debug_objects);
	assert_int_equal(pool->access.nr_entries, 1);
	assert_int_equal(pool->access.entries[0].id, geteuid());
	assert_int_equal(pool->read_access.nr_entries, 0);
}

static void test_config_debug_objects_is_yes_or_no(void **state)
{
	assert_true(config_fixture_load_pool(*state, "debug_objects = yes")->debug_objects);
	assert_false(config_fixture_load_pool(*state, "debug_objects = no")->debug_objects);
}

static void test_config_embedded_default_serves_who_starts_it(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load_path(fixture, NULL, "/run/test.sock"), 0);
	config_fixture_assert_nr_messages(fixture, 0);
	assert_int_equal(fixture->config.nr_pools, 1);
	assert_string_equal(fixture->config.pools[0].name, "default");
	assert_int_equal(fixture->config.pools[0].size.bytes, UINT64_C(256) << 20);
	assert_int_equal(fixture->config.pools[0].access.nr_entries, 1);
	assert_int_equal(fixture->config.pools[0].access.entries[0].id, geteuid());
}

static void test_config_sizes_are_binary(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		unsigned permyriad;
	} cases[] = {
		{ "size = 8192", 8192, 0 },     { "size = 512K", 512 << 10, 0 },
		{ "size = 3M", 3 << 20, 0 },    { "size = 64G", 64 * GIB, 0 },
		{ "size = 1T", 1024 * GIB, 0 }, { "size = 10%", 0, 1000 },
		{ "size = 0.01%", 0, 1 },       { "size = 12.5%", 0, 1250 },
		{ "size = 100%", 0, 10000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct service_pool_config *pool =
			config_fixture_load_pool(*state, cases[i].text);

		assert_true(pool->size.bytes == cases[i].bytes);
		assert_int_equal(pool->size.permyriad, cases[i].permyriad);
	}
}

static void test_config_node_lists_become_bits(void **state)
{
	assert_true(config_fixture_load_pool(*state, "nodes = all")->nodes == UINT64_MAX);
	assert_true(config_fixture_load_pool(*state, "nodes = 0")->nodes == 1);
	assert_true(config_fixture_load_pool(*state, "nodes = 63")->nodes == UINT64_C(1) << 63);
	assert_true(config_fixture_load_pool(*state, "nodes = 0-63")->nodes == UINT64_MAX);
	assert_true(config_fixture_load_pool(*state, "nodes = 1-2,5,7-7")->nodes == 0xa6);
}

static void test_config_comments_spaces_and_no_newline_at_the_end(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load(fixture, "; one\n  # two\n\n\t[pool a]\t; three\n"
						      "   size=1G\r\n\tcommit :  touch ; four"),
			 0);
	config_fixture_assert_nr_messages(fixture, 0);
	assert_int_equal(fixture->config.pools[0].size.bytes, GIB);
	assert_int_equal(fixture->config.pools[0].commit, SERVICE_COMMIT_TOUCH);
}

static void test_config_access_of_one_file_adds_up(void **state)
{
	const struct service_pool_config *pool =
		config_fixture_load_pool(*state, "access = uid:1 uid:2\naccess = uid:3");

	assert_int_equal(pool->access.nr_entries, 3);
	assert_int_equal(pool->access.entries[2].id, 3);
}

static void test_config_long_pool_names_are_whole(void **state)
{
	const char *name = "a-name-of-sixty-three-bytes.which-is-the-longest-that-fits_here";
	struct config_fixture *fixture = *state;
	char text[128];

	assert_int_equal(strlen(name), SERVICE_NAME_BYTES_MAX);
	snprintf(text, sizeof(text), "[pool %s]\nsize = 1G\n", name);
	assert_int_equal(config_fixture_load(fixture, text), 0);
	assert_string_equal(fixture->config.pools[0].name, name);
	assert_int_equal(fixture->config.pools[0].size.bytes, GIB);
}

/* Several files. */

static void test_config_later_files_override_key_by_key(void **state)
{
	struct config_fixture *fixture = *state;

	config_fixture_write(fixture, "conf.d/20-b.conf", "[pool a]\nsize = 3G\n");
	config_fixture_write(fixture, "conf.d/10-a.conf",
			     "[pool a]\nsize = 2G\naccess = uid:7\n[pool b]\ncommit = touch\n");
	config_fixture_write(fixture, "conf.d/30-c.conf.old", "nonsense");
	config_fixture_write(fixture, "conf.d/.40-d.conf", "nonsense");
	assert_int_equal(
		config_fixture_load(fixture,
				    "[daemon]\nsocket = /run/x\n"
				    "[pool a]\nsize = 1G\naccess = uid:5 uid:6\nmax_order = 3\n"),
		0);
	config_fixture_assert_nr_messages(fixture, 0);
	assert_int_equal(fixture->config.nr_pools, 2);
	assert_int_equal(fixture->config.pools[0].size.bytes, 3 * GIB);
	assert_int_equal(fixture->config.pools[0].max_order, 3);
	assert_int_equal(fixture->config.pools[0].access.nr_entries, 1);
	assert_int_equal(fixture->config.pools[0].access.entries[0].id, 7);
	assert_string_equal(fixture->config.pools[1].name, "b");
	assert_int_equal(fixture->config.pools[1].commit, SERVICE_COMMIT_TOUCH);
}

static void test_config_errors_name_the_file_they_are_in(void **state)
{
	struct config_fixture *fixture = *state;
	char expected[256];

	config_fixture_write(fixture, "conf.d/x.conf", "\n[pool a]\nsize = much\n");
	assert_int_equal(config_fixture_load(fixture, "[pool a]\n"), -EINVAL);
	snprintf(expected, sizeof(expected), "%s/conf.d/x.conf:3: [pool a] size: 'much'",
		 fixture->folder);
	assert_non_null(strstr(fixture->messages, expected));
}

static void test_config_missing_file_is_an_error(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load_path(fixture, "/nonexistent/file", NULL), -ENOENT);
	assert_string_equal(fixture->messages,
			    "pagepoold: /nonexistent/file: No such file or directory: copy the "
			    "example pagepoold.conf there, or start without --config\n");
	assert_int_equal(config_fixture_load_path(fixture, fixture->folder, NULL), -EISDIR);
}

/* None of them may be waited for, nor read to an end that does not come. */
static void test_config_must_be_a_regular_file(void **state)
{
	struct config_fixture *fixture = *state;
	char fifo[sizeof(fixture->folder) + 8];

	snprintf(fifo, sizeof(fifo), "%s/fifo", fixture->folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(config_fixture_load_path(fixture, fifo, NULL), -ENOTSUP);
	assert_non_null(strstr(fixture->messages, "not a regular file"));
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(config_fixture_load_path(fixture, "/dev/zero", NULL), -ENOTSUP);
}

static void test_config_control_characters_are_not_repeated(void **state)
{
	struct config_fixture *fixture = *state;
	static const char *const texts[] = { "[pool default]\n\033[2Jsize = 1G\n",
					     "[pool default]\nsize = \177\n",
					     "[pool default]\nsize = 1G\rx\n",
					     "[pool default]\n\001\002\n\003\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(config_fixture_load(fixture, texts[i]), -EINVAL);
		config_fixture_assert_told(fixture, 2,
					   "[pool default] a control character: this is no text");
		for (const char *c = fixture->messages; *c; c++)
			assert_true(*c == '\n' || !iscntrl((unsigned char)*c));
	}
	assert_int_equal(config_fixture_load(fixture, "[pool default]\r\nsize\t= 1G\r\n"), 0);
}

static void test_config_file_without_pools_is_an_error(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load(fixture, "[daemon]\nlog_level = info\n"), -EINVAL);
	assert_non_null(
		strstr(fixture->messages, "nothing to serve: add a section [pool default]"));
}

/* Not acted on yet. */

static void test_config_without_effect_is_warned_of(void **state)
{
	struct config_fixture *fixture = *state;

	assert_int_equal(config_fixture_load(fixture, "[daemon]\n"
						      "metrics = 127.0.0.1:9464\n"
						      "[pool a]\n"
						      "oom = kill\n"),
			 0);
	config_fixture_assert_nr_messages(fixture, 2);
	config_fixture_assert_told(fixture, 2,
				   "warning: [daemon] metrics: has no effect in this version");
	config_fixture_assert_told(fixture, 4,
				   "warning: [pool a] oom: has no effect in this version");
}

/* The socket. */

static void test_config_socket_depends_on_the_user(void **state)
{
	struct config_fixture *fixture = *state;
	char *before = getenv("XDG_RUNTIME_DIR");
	bool is_root = geteuid() == 0;

	before = before ? strdup(before) : NULL;
	setenv("XDG_RUNTIME_DIR", "/run/user/77", 1);
	assert_int_equal(config_fixture_load_path(fixture, NULL, NULL), 0);
	assert_string_equal(fixture->config.socket_path,
			    is_root ? "/run/pagepool/pagepool.sock"
				    : "/run/user/77/pagepool/pagepool.sock");
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(config_fixture_load_path(fixture, NULL, NULL), is_root ? 0 : -EINVAL);
	assert_true(is_root || strstr(fixture->messages, "XDG_RUNTIME_DIR is not set"));
	if (before)
		setenv("XDG_RUNTIME_DIR", before, 1);
	free(before);
}

static void test_config_socket_of_a_service_is_in_its_folder(void **state)
{
	struct config_fixture *fixture = *state;

	setenv("RUNTIME_DIRECTORY", "/run/service", 1);
	assert_int_equal(config_fixture_load_path(fixture, NULL, NULL), 0);
	assert_string_equal(fixture->config.socket_path, "/run/service/pagepool.sock");
	unsetenv("RUNTIME_DIRECTORY");
}

static void test_config_user_without_runtime_folder_is_told_what_to_do(void **state)
{
	struct config_fixture *fixture = *state;
	uid_t uid = geteuid();

	if (uid != 0) {
		print_message("skipped: only root can become another user\n");
		skip();
	}
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(seteuid(65534), 0);
	config_fixture_load_path(fixture, NULL, NULL);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(fixture->error, -EINVAL);
	assert_non_null(strstr(fixture->messages, "XDG_RUNTIME_DIR is not set"));
	assert_non_null(strstr(fixture->messages, "--socket PATH"));
}

static void test_config_overlong_socket_path_is_refused(void **state)
{
	char path[256] = "/";
	struct config_fixture *fixture = *state;

	memset(path + 1, 'x', 150);
	assert_int_equal(config_fixture_load_path(fixture, NULL, path), -EINVAL);
	assert_non_null(strstr(fixture->messages, "must be an absolute path of up to 107 bytes"));
}

static void test_config_print_says_what_it_comes_to(void **state)
{
	struct config_fixture *fixture = *state;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(config_fixture_load(
				 fixture, "[daemon]\ntopology = fake:2\n"
					  "[pool frames]\nsize = 12.5%\nhugepages = 2M\n"
					  "contiguous = 25%\nwatermark = 1% 2% 3%\n"
					  "[limit user:root]\npool = frames\nmin = 64M\nmax = 2G\n"
					  "[limit client:x]\npool = frames\n"),
			 0);
	config_print(&fixture->config, out);
	fclose(out);
	assert_string_equal(text,
			    "  socket /run/test.sock, topology fake:2\n"
			    "  pool frames: 12.50% a node in pages of 2M, commit grant, "
			    "scrub uid, access for 1, read access for 0\n"
			    "    watermark 1.00% 2.00% 3.00%, contiguous 25.00%, max_order 18, "
			    "debug_objects no\n"
			    "  limit user:root of pool frames: min 64M, max 2G\n"
			    "  limit client:x of pool frames\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		config_test(test_config_documented_example_is_read),
		config_test(test_config_keys_left_out_have_defaults),
		config_test(test_config_debug_objects_is_yes_or_no),
		config_test(test_config_embedded_default_serves_who_starts_it),
		config_test(test_config_sizes_are_binary),
		config_test(test_config_node_lists_become_bits),
		config_test(test_config_comments_spaces_and_no_newline_at_the_end),
		config_test(test_config_access_of_one_file_adds_up),
		config_test(test_config_long_pool_names_are_whole),
		config_test(test_config_later_files_override_key_by_key),
		config_test(test_config_errors_name_the_file_they_are_in),
		config_test(test_config_missing_file_is_an_error),
		config_test(test_config_must_be_a_regular_file),
		config_test(test_config_control_characters_are_not_repeated),
		config_test(test_config_file_without_pools_is_an_error),
		config_test(test_config_without_effect_is_warned_of),
		config_test(test_config_socket_depends_on_the_user),
		config_test(test_config_socket_of_a_service_is_in_its_folder),
		config_test(test_config_user_without_runtime_folder_is_told_what_to_do),
		config_test(test_config_overlong_socket_path_is_refused),
		config_test(test_config_print_says_what_it_comes_to),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
