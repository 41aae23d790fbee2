/* SPDX-License-Identifier: MIT */
/* Configuration: what is read, what overrides what, and how mistakes are told. */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
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

#define GIB (UINT64_C(1) << 30)

/* A folder with files in it, and what came of reading them. */
struct fixture {
	char folder[64];
	char main_file[128];
	char *messages;
	struct service_config config;
	int error;
};

static void write_file(const struct fixture *fixture, const char *name, const char *text)
{
	char path[192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char path[192];

	assert_non_null(fixture);
	strcpy(fixture->folder, "/tmp/test-config.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(path, sizeof(path), "%s/conf.d", fixture->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(fixture->main_file, sizeof(fixture->main_file), "%s/main.conf", fixture->folder);
	*state = fixture;
	return 0;
}

static void forget(struct fixture *fixture)
{
	if (fixture->error == 0)
		config_deinit(&fixture->config);
	free(fixture->messages);
	fixture->messages = NULL;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	forget(fixture);
	snprintf(command, sizeof(command), "rm -r %s", fixture->folder);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static int load_path(struct fixture *fixture, const char *path, const char *socket_path)
{
	size_t size;
	FILE *messages;

	forget(fixture);
	messages = open_memstream(&fixture->messages, &size);
	assert_non_null(messages);
	fixture->error = config_load(path, socket_path, messages, &fixture->config);
	fclose(messages);
	return fixture->error;
}

static int load(struct fixture *fixture, const char *text)
{
	write_file(fixture, "main.conf", text);
	return load_path(fixture, fixture->main_file, "/run/test.sock");
}

static const struct service_pool_config *load_pool(struct fixture *fixture, const char *text)
{
	char whole[1024];

	snprintf(whole, sizeof(whole), "[pool a]\n%s\n", text);
	assert_int_equal(load(fixture, whole), 0);
	assert_int_equal(fixture->config.nr_pools, 1);
	return fixture->config.pools;
}

/* That the messages have the line "MAIN_FILE:LINE: rest", whole. */
static void assert_told(const struct fixture *fixture, unsigned line, const char *rest)
{
	char expected[512];
	const char *found;

	snprintf(expected, sizeof(expected), "%s:%u: %s\n", fixture->main_file, line, rest);
	found = strstr(fixture->messages, expected);
	if (!found)
		print_error("no '%s' in:\n%s", expected, fixture->messages);
	assert_true(found && (found == fixture->messages || found[-1] == '\n'));
}

static void assert_nr_messages(const struct fixture *fixture, unsigned nr_expected)
{
	unsigned nr_lines = 0;

	for (const char *c = fixture->messages; *c; c++)
		nr_lines += *c == '\n';
	if (nr_lines != nr_expected)
		print_error("%s", fixture->messages);
	assert_int_equal(nr_lines, nr_expected);
}

/* A value of one key that must be refused with these words. */
static void assert_refused(struct fixture *fixture, const char *section, const char *key,
			   const char *value, const char *why)
{
	char text[512], expected[512];

	snprintf(text, sizeof(text), "[%s]\n%s = %s\n%s", section, key, value,
		 strcmp(section, "daemon") == 0 ? "[pool a]\n" : "");
	assert_int_equal(load(fixture, text), -EINVAL);
	snprintf(expected, sizeof(expected), "[%s] %s: %s", section, key, why);
	assert_told(fixture, 2, expected);
	assert_nr_messages(fixture, 1);
}

/* What is read. */

static void test_config_documented_example_is_read(void **state)
{
	struct fixture *fixture = *state;
	const struct service_pool_config *pool;

	assert_int_equal(load(fixture, "# a comment\n"
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
	assert_int_equal(load_path(fixture, fixture->main_file, NULL), 0);
	assert_nr_messages(fixture, 0);
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
	const struct service_pool_config *pool = load_pool(*state, "");
	struct fixture *fixture = *state;

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
	assert_int_equal(pool->access.nr_entries, 1);
	assert_int_equal(pool->access.entries[0].id, geteuid());
	assert_int_equal(pool->read_access.nr_entries, 0);
}

static void test_config_embedded_default_serves_who_starts_it(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load_path(fixture, NULL, "/run/test.sock"), 0);
	assert_nr_messages(fixture, 0);
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
		const struct service_pool_config *pool = load_pool(*state, cases[i].text);

		assert_true(pool->size.bytes == cases[i].bytes);
		assert_int_equal(pool->size.permyriad, cases[i].permyriad);
	}
}

static void test_config_node_lists_become_bits(void **state)
{
	assert_true(load_pool(*state, "nodes = all")->nodes == UINT64_MAX);
	assert_true(load_pool(*state, "nodes = 0")->nodes == 1);
	assert_true(load_pool(*state, "nodes = 63")->nodes == UINT64_C(1) << 63);
	assert_true(load_pool(*state, "nodes = 0-63")->nodes == UINT64_MAX);
	assert_true(load_pool(*state, "nodes = 1-2,5,7-7")->nodes == 0xa6);
}

static void test_config_comments_spaces_and_no_newline_at_the_end(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, "; one\n  # two\n\n\t[pool a]\t; three\n"
				       "   size=1G\r\n\tcommit :  touch ; four"),
			 0);
	assert_nr_messages(fixture, 0);
	assert_int_equal(fixture->config.pools[0].size.bytes, GIB);
	assert_int_equal(fixture->config.pools[0].commit, SERVICE_COMMIT_TOUCH);
}

static void test_config_access_of_one_file_adds_up(void **state)
{
	const struct service_pool_config *pool =
		load_pool(*state, "access = uid:1 uid:2\naccess = uid:3");

	assert_int_equal(pool->access.nr_entries, 3);
	assert_int_equal(pool->access.entries[2].id, 3);
}

static void test_config_long_pool_names_are_whole(void **state)
{
	const char *name = "a-name-of-sixty-three-bytes.which-is-the-longest-that-fits_here";
	struct fixture *fixture = *state;
	char text[128];

	assert_int_equal(strlen(name), SERVICE_NAME_BYTES_MAX);
	snprintf(text, sizeof(text), "[pool %s]\nsize = 1G\n", name);
	assert_int_equal(load(fixture, text), 0);
	assert_string_equal(fixture->config.pools[0].name, name);
	assert_int_equal(fixture->config.pools[0].size.bytes, GIB);
}

/* Several files. */

static void test_config_later_files_override_key_by_key(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "conf.d/20-b.conf", "[pool a]\nsize = 3G\n");
	write_file(fixture, "conf.d/10-a.conf",
		   "[pool a]\nsize = 2G\naccess = uid:7\n[pool b]\ncommit = touch\n");
	write_file(fixture, "conf.d/30-c.conf.old", "nonsense");
	write_file(fixture, "conf.d/.40-d.conf", "nonsense");
	assert_int_equal(load(fixture,
			      "[daemon]\nsocket = /run/x\n"
			      "[pool a]\nsize = 1G\naccess = uid:5 uid:6\nmax_order = 3\n"),
			 0);
	assert_nr_messages(fixture, 0);
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
	struct fixture *fixture = *state;
	char expected[256];

	write_file(fixture, "conf.d/x.conf", "\n[pool a]\nsize = much\n");
	assert_int_equal(load(fixture, "[pool a]\n"), -EINVAL);
	snprintf(expected, sizeof(expected), "%s/conf.d/x.conf:3: [pool a] size: 'much'",
		 fixture->folder);
	assert_non_null(strstr(fixture->messages, expected));
}

static void test_config_missing_file_is_an_error(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load_path(fixture, "/nonexistent/file", NULL), -ENOENT);
	assert_string_equal(fixture->messages,
			    "pagepoold: /nonexistent/file: No such file or directory: copy the "
			    "example pagepoold.conf there, or start without --config\n");
	assert_int_equal(load_path(fixture, fixture->folder, NULL), -EISDIR);
}

/* None of them may be waited for, nor read to an end that does not come. */
static void test_config_must_be_a_regular_file(void **state)
{
	struct fixture *fixture = *state;
	char fifo[sizeof(fixture->folder) + 8];

	snprintf(fifo, sizeof(fifo), "%s/fifo", fixture->folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(load_path(fixture, fifo, NULL), -ENOTSUP);
	assert_non_null(strstr(fixture->messages, "not a regular file"));
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(load_path(fixture, "/dev/zero", NULL), -ENOTSUP);
}

static void test_config_control_characters_are_not_repeated(void **state)
{
	struct fixture *fixture = *state;
	static const char *const texts[] = { "[pool default]\n\033[2Jsize = 1G\n",
					     "[pool default]\nsize = \177\n",
					     "[pool default]\nsize = 1G\rx\n",
					     "[pool default]\n\001\002\n\003\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(load(fixture, texts[i]), -EINVAL);
		assert_told(fixture, 2, "[pool default] a control character: this is no text");
		for (const char *c = fixture->messages; *c; c++)
			assert_true(*c == '\n' || !iscntrl((unsigned char)*c));
	}
	assert_int_equal(load(fixture, "[pool default]\r\nsize\t= 1G\r\n"), 0);
}

static void test_config_file_without_pools_is_an_error(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, "[daemon]\nlog_level = info\n"), -EINVAL);
	assert_non_null(
		strstr(fixture->messages, "nothing to serve: add a section [pool default]"));
}

/* Mistakes. */

static void test_config_all_errors_are_told(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, "size = 1G\n"
				       "[daemon]\n"
				       "sokcet = /run/x\n"
				       "topology = 2\n"
				       "[pol a]\n"
				       "size = none of this is looked at\n"
				       "[pool a]\n"
				       "what is this\n"
				       "= 7\n"
				       "[pool b\n"
				       "commit = maybe\n"),
			 -EINVAL);
	assert_nr_messages(fixture, 8);
	assert_told(fixture, 1,
		    "size: belongs into a section: put [daemon], [pool NAME] or "
		    "[limit KIND:NAME] above it");
	assert_told(fixture, 3,
		    "[daemon] sokcet: no such key: there are socket, metrics, topology, log_level");
	assert_told(fixture, 4, "[daemon] topology: '2' is not host or fake:N");
	assert_told(fixture, 5,
		    "[pol a] no such section: there are [daemon], [pool NAME] and [limit "
		    "KIND:NAME]");
	assert_told(fixture, 8, "[pool a] neither a [section], a key = value nor a comment");
	assert_told(fixture, 9, "[pool a] neither a [section], a key = value nor a comment");
	assert_told(fixture, 10, "[pool a] a section starts with [NAME] on a line of its own");
	assert_told(fixture, 11, "[pool a] commit: 'maybe' is none of: grant, start, touch");
}

static void test_config_nothing_is_returned_with_an_error(void **state)
{
	struct service_config config = { .nr_pools = 77 };
	struct fixture *fixture = *state;
	FILE *null = fopen("/dev/null", "we");

	write_file(fixture, "main.conf", "[pool a]\nsize = x\n");
	assert_int_equal(config_load(fixture->main_file, "/run/x", null, &config), -EINVAL);
	assert_int_equal(config.nr_pools, 77);
	fclose(null);
}

static void test_config_bad_sizes_are_refused(void **state)
{
	static const char *const texts[] = {
		"1X",  "-1G", "1 G", "G",      "1.5G", "1Gi", "0x10",
		"1e3", "%",   "1.%", "1.234%", "10%%", "0%",  "0.00%"
	};
	char why[128];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(why, sizeof(why), "'%s' is no size: write 512M, 64G or 10%%", texts[i]);
		assert_refused(*state, "pool a", "size", texts[i], why);
	}
	assert_refused(*state, "pool a", "size", "101%", "'101%' is too large");
	assert_refused(*state, "pool a", "size", "17000000T", "'17000000T' is too large");
	assert_refused(*state, "pool a", "size", "99999999999999999999",
		       "'99999999999999999999' is too large");
	assert_refused(*state, "pool a", "size", "2T", "'2T' is above 1T, the largest zone");
	assert_refused(*state, "pool a", "size", "1099511627777",
		       "'1099511627777' is above 1T, the largest zone");
	assert_refused(*state, "pool a", "size", "0", "'0' is nothing: write 512M, 64G or 10%");
}

static void test_config_sizes_must_be_whole_pages(void **state)
{
	struct fixture *fixture = *state;

	assert_refused(fixture, "pool a", "size", "5000",
		       "5000 is not a multiple of the page of 4K");
	assert_int_equal(load(fixture, "[pool a]\nsize = 3M\nhugepages = 2M\n"), -EINVAL);
	assert_told(fixture, 2, "[pool a] size: 3M is not a multiple of the page of 2M");
	/* The size of 256M is the default: the section has to say another. */
	assert_int_equal(load(fixture, "\n[pool a]\nhugepages = 1G\n"), -EINVAL);
	assert_told(fixture, 2, "[pool a] size: 256M is not a multiple of the page of 1G");
}

static void test_config_contiguous_areas_are_whole_pageblocks(void **state)
{
	assert_refused(*state, "pool a", "contiguous", "3M",
		       "'3M' is not a multiple of 2M, of which such an area consists");
	assert_refused(*state, "pool a", "contiguous", "512M",
		       "is larger than the pool's size of 256M");
	assert_int_equal(load_pool(*state, "contiguous = 4M")->contiguous.bytes, 4 << 20);
	assert_int_equal(load_pool(*state, "contiguous = 0")->contiguous.bytes, 0);
}

static void test_config_bad_watermarks_are_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_refused(fixture, "pool a", "watermark", "1% 2%",
		       "'1% 2%' is not three sizes, min low high: write 1% 2% 4%");
	assert_refused(fixture, "pool a", "watermark", "1% 2% 3% 4%",
		       "'1% 2% 3% 4%' is not three sizes, min low high: write 1% 2% 4%");
	assert_refused(fixture, "pool a", "watermark", "1% 4% 2%",
		       "'1% 4% 2%' does not rise: min must be below low, low below high");
	assert_refused(fixture, "pool a", "watermark", "1M 1M 2M",
		       "'1M 1M 2M' does not rise: min must be below low, low below high");
	assert_refused(fixture, "pool a", "watermark", "1M 2M 4%",
		       "'1M 2M 4%' mixes sizes and percents: write three of one kind");
	assert_refused(fixture, "pool a", "watermark", "1% x 4%",
		       "'x' is no size: write 512M, 64G or 10%");
	assert_refused(fixture, "pool a", "watermark", "1M 2M 1G",
		       "high is above the pool's size of 256M");
	assert_int_equal(load_pool(fixture, "watermark = 1M 2M 4M")->watermark_low.bytes, 2 << 20);
}

static void test_config_bad_nodes_are_refused(void **state)
{
	static const char *const texts[] = { "none", "64", "1-",  "-1",         "3-2",
					     "1,,2", "1,", "1 2", "99999999999" };
	char why[128];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(why, sizeof(why),
			 "'%s' is neither all nor a list of nodes such as 0,2-3, up to 63",
			 texts[i]);
		assert_refused(*state, "pool a", "nodes", texts[i], why);
	}
}

static void test_config_bad_choices_and_numbers_are_refused(void **state)
{
	assert_refused(*state, "pool a", "hugepages", "4M", "'4M' is none of: off, 2M, 1G");
	assert_refused(*state, "pool a", "scrub", "", "'' is none of: uid, always, never");
	assert_refused(*state, "pool a", "oom", "panic", "'panic' is none of: fail, revoke, kill");
	assert_refused(*state, "pool a", "max_order", "19", "'19' is no number from 0 to 18");
	assert_refused(*state, "pool a", "max_order", "-1", "'-1' is no number from 0 to 18");
	assert_refused(*state, "pool a", "max_order", "9x", "'9x' is no number from 0 to 18");
	assert_refused(*state, "daemon", "topology", "fake:0", "'0' is no number from 1 to 64");
	assert_refused(*state, "daemon", "topology", "fake:65", "'65' is no number from 1 to 64");
	assert_refused(*state, "daemon", "log_level", "loud",
		       "'loud' is none of: error, warning, notice, info, debug");
	assert_refused(*state, "daemon", "metrics", "127.0.0.1",
		       "'127.0.0.1' is not off, HOST:PORT or unix:PATH");
	assert_refused(*state, "daemon", "metrics", "127.0.0.1:0",
		       "'0' is no number from 1 to 65535");
	assert_refused(*state, "daemon", "socket", "relative/path",
		       "'relative/path' must be an absolute path of up to 107 bytes");
}

static void test_config_bad_access_is_refused(void **state)
{
	assert_refused(*state, "pool a", "access", "uid:1 camera uid:2",
		       "'camera' is not user:NAME, group:NAME, uid:N or gid:N");
	assert_refused(*state, "pool a", "read_access", "user:no-such-user",
		       "this host has no 'user:no-such-user': create it, or write uid:N or gid:N");
}

static void test_config_twice_in_one_file_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, "[pool a]\nsize = 1G\nsize = 2G\n"
				       "[daemon]\n"
				       "[pool a]\n"
				       "[daemon]\n"),
			 -EINVAL);
	assert_nr_messages(fixture, 3);
	assert_told(fixture, 3, "[pool a] size: is here twice, first in line 2");
	assert_told(fixture, 5, "[pool a] is here twice, first in line 1");
	assert_told(fixture, 6, "[daemon] is here twice, first in line 4");
}

static void test_config_bad_pool_names_are_refused(void **state)
{
	static const char *const names[] = {
		"", "a b", "a/b", "\xc3\xa4",
		"a-name-of-sixty-four-bytes..which-is-one-more-than-what-fits_her"
	};
	struct fixture *fixture = *state;
	char text[128], expected[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "[pool %s]\nsize = 1G\n", names[i]);
		assert_int_equal(load(fixture, text), -EINVAL);
		snprintf(expected, sizeof(expected),
			 "[pool %s] a pool's name is 1 to 63 letters, digits, '.', '_' and '-'",
			 names[i]);
		assert_told(fixture, 1, expected);
	}
}

static void test_config_pools_have_a_limit(void **state)
{
	struct fixture *fixture = *state;
	char text[1024] = "";

	for (unsigned i = 0; i < SERVICE_POOLS_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[pool p%u]\n", i);
	assert_int_equal(load(fixture, text), 0);
	strcat(text, "[pool more]\nsize = 1G\n");
	assert_int_equal(load(fixture, text), -EINVAL);
	assert_told(fixture, SERVICE_POOLS_MAX + 1, "[pool more] more than 16 pools");
}

static void test_config_long_lines_are_refused_whole(void **state)
{
	struct fixture *fixture = *state;
	char text[1024];

	snprintf(text, sizeof(text), "[pool a]\naccess =%*s\nsize = 1X\n", 600, "uid:1 x = y");
	assert_int_equal(load(fixture, text), -EINVAL);
	assert_nr_messages(fixture, 2);
	assert_told(fixture, 2,
		    "[pool a] longer than 198 bytes: split it (access may be given repeatedly)");
	assert_told(fixture, 3, "[pool a] size: '1X' is no size: write 512M, 64G or 10%");
	/* The longest that fits. */
	snprintf(text, sizeof(text), "[pool a]\naccess =%*s\n", 190, "uid:1");
	assert_int_equal(load(fixture, text), 0);
}

/* Not acted on yet. */

static void test_config_without_effect_is_warned_of(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, "[daemon]\n"
				       "metrics = 127.0.0.1:9464\n"
				       "[pool a]\n"
				       "oom = kill\n"),
			 0);
	assert_nr_messages(fixture, 2);
	assert_told(fixture, 2, "warning: [daemon] metrics: has no effect in this version");
	assert_told(fixture, 4, "warning: [pool a] oom: has no effect in this version");
}

/* Limits. */

static void assert_limit(const struct service_limit_config *limit, const char *pool,
			 enum service_limit_kind kind, unsigned id, const char *name)
{
	assert_string_equal(limit->pool, pool);
	assert_int_equal(limit->kind, kind);
	assert_int_equal(limit->id, id);
	assert_string_equal(limit->name, name);
}

static void test_config_limits_are_read(void **state)
{
	struct fixture *fixture = *state;
	const struct service_limit_config *limits;

	assert_int_equal(load(fixture, "[limit user:root]\n"
				       "min = 1%\nlow = 2%\nhigh = 2%\nmax = 12.5%\n"
				       "[limit gid:7]\npool = b\nmax = 1G\n"
				       "[limit client:the camera]\nmin = 64M\nhigh = none\n"
				       "[limit group:root]\npool = b\n"
				       "[pool default]\n"
				       "[pool b]\n"),
			 0);
	assert_nr_messages(fixture, 2);
	assert_told(fixture, 3, "warning: [limit user:root] low: has no effect in this version");
	assert_told(fixture, 4, "warning: [limit user:root] high: has no effect in this version");
	assert_int_equal(fixture->config.nr_limits, 4);
	limits = fixture->config.limits;
	assert_limit(&limits[0], "default", SERVICE_LIMIT_USER, 0, "root");
	assert_int_equal(limits[0].min.permyriad, 100);
	assert_int_equal(limits[0].low.permyriad, 200);
	assert_int_equal(limits[0].high.permyriad, 200);
	assert_int_equal(limits[0].max.permyriad, 1250);
	assert_limit(&limits[1], "b", SERVICE_LIMIT_GROUP, 7, "7");
	assert_int_equal(limits[1].min.bytes, 0);
	assert_int_equal(limits[1].max.bytes, GIB);
	assert_limit(&limits[2], "default", SERVICE_LIMIT_CLIENT, 0, "the camera");
	assert_int_equal(limits[2].min.bytes, 64 << 20);
	assert_int_equal(limits[2].high.bytes, 0);
	/* Without marks it limits nothing, and counts. */
	assert_limit(&limits[3], "b", SERVICE_LIMIT_GROUP, 0, "root");
	assert_int_equal(limits[3].max.bytes, 0);
}

static void test_config_one_name_may_be_limited_in_several_pools(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, "[pool a]\n[pool b]\n"
				       "[limit uid:5]\npool = a\nmax = 1G\n"
				       "[limit uid:5]\npool = b\nmax = 2G\n"),
			 0);
	assert_int_equal(fixture->config.nr_limits, 2);
	assert_string_equal(fixture->config.limits[1].pool, "b");
	assert_int_equal(fixture->config.limits[1].max.bytes, 2 * GIB);
}

static void test_config_limits_of_later_files_override_key_by_key(void **state)
{
	struct fixture *fixture = *state;
	const struct service_limit_config *limits;

	write_file(fixture, "conf.d/10.conf",
		   "[limit uid:0]\npool = b\nmax = 3G\n"
		   "[limit uid:9]\npool = a\nmin = 1G\n");
	write_file(fixture, "conf.d/20.conf", "[limit uid:0]\npool = a\nhigh = none\nlow = 8K\n");
	/* By another name it is the same one. */
	assert_int_equal(load(fixture, "[pool a]\n[pool b]\n"
				       "[limit user:root]\npool = a\nmin = 4K\nhigh = 2G\n"),
			 0);
	assert_int_equal(fixture->config.nr_limits, 3);
	limits = fixture->config.limits;
	assert_limit(&limits[0], "a", SERVICE_LIMIT_USER, 0, "root");
	assert_int_equal(limits[0].min.bytes, 4096);
	assert_int_equal(limits[0].low.bytes, 8192);
	assert_int_equal(limits[0].high.bytes, 0);
	assert_limit(&limits[1], "b", SERVICE_LIMIT_USER, 0, "0");
	assert_int_equal(limits[1].max.bytes, 3 * GIB);
	assert_limit(&limits[2], "a", SERVICE_LIMIT_USER, 9, "9");
}

static void test_config_bad_limits_are_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, "[pool a]\n"
				       "[limit camera]\n"
				       "[limit user:]\nmax = not looked at\n"
				       "[limit name:x]\n"
				       "[limit user:root uid:5]\n"
				       "[limit uid:many]\n"
				       "[limit user:no-such-user-here]\n"
				       "[limit group:no-such-group-here]\n"
				       "[limit uid:5]\npool = b\nmax = x\nmid = 1G\nmax = 1G\n"
				       "[limit uid:6]\nmax = 4095\n"
				       "[limit uid:7]\npool = a\nhigh = 0\n"),
			 -EINVAL);
	for (unsigned line = 2; line <= 6; line += line == 3 ? 2 : 1) {
		static const char *const headings[] = {
			[2] = "camera", [3] = "user:", [5] = "name:x", [6] = "user:root uid:5"
		};
		char expected[256];

		snprintf(expected, sizeof(expected),
			 "[limit %s] write [limit user:NAME], group:NAME, uid:N, gid:N or "
			 "client:NAME",
			 headings[line]);
		assert_told(fixture, line, expected);
	}
	assert_told(fixture, 7,
		    "[limit uid:many] write [limit user:NAME], group:NAME, uid:N, gid:N or "
		    "client:NAME");
	assert_told(fixture, 8,
		    "[limit user:no-such-user-here] this host has no 'user:no-such-user-here': "
		    "create it, or write uid:N or gid:N");
	assert_told(fixture, 9,
		    "[limit group:no-such-group-here] this host has no "
		    "'group:no-such-group-here': create it, or write uid:N or gid:N");
	assert_told(fixture, 11, "[limit uid:5] pool: there is no pool 'b'");
	assert_told(fixture, 12, "[limit uid:5] max: 'x' is no size: write 512M, 64G or 10%");
	assert_told(fixture, 13,
		    "[limit uid:5] mid: no such key: there are pool, min, low, high, max");
	assert_told(fixture, 14, "[limit uid:5] max: is here twice, first in line 12");
	assert_told(fixture, 15, "[limit uid:6] pool: there is no pool 'default'");
	assert_told(fixture, 16,
		    "[limit uid:6] max: '4095' is below one page of 4K: write none for no such "
		    "limit");
	assert_told(fixture, 19,
		    "[limit uid:7] high: '0' is below one page of 4K: write none for no such "
		    "limit");
	assert_nr_messages(fixture, 14);
}

static void test_config_limits_must_rise(void **state)
{
	static const struct {
		const char *keys, *complaint;
	} cases[] = {
		{ "min = 2M\nlow = 1M\n", "low: low is below min: they must rise, min, low, high, "
					  "max" },
		{ "min = 2M\nmax = 1M\n", "max: max is below min: they must rise, min, low, high, "
					  "max" },
		{ "low = 3%\nhigh = 2%\n",
		  "high: high is below low: they must rise, min, low, high, "
		  "max" },
		{ "high = 2G\nmax = 2047M\n", "max: max is below high: they must rise, min, low, "
					      "high, max" },
		{ "min = 1%\nmax = 1G\n", "max: one is a size, min a percentage: write all in one "
					  "kind" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256], expected[256];

		snprintf(text, sizeof(text), "[pool default]\n[limit uid:5]\n%s", cases[i].keys);
		assert_int_equal(load(fixture, text), -EINVAL);
		snprintf(expected, sizeof(expected), "[limit uid:5] %s", cases[i].complaint);
		assert_told(fixture, 4, expected);
	}
	assert_int_equal(load(fixture, "[pool default]\n[limit uid:5]\n"
				       "min = 4K\nlow = 4K\nhigh = 4K\nmax = 4K\n"),
			 0);
}

static void test_config_same_limit_twice_in_one_file_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, "[pool a]\n"
				       "[limit uid:0]\npool = a\nmax = 1G\n"
				       "[limit user:root]\npool = a\nmax = 2G\n"),
			 -EINVAL);
	assert_nr_messages(fixture, 1);
	assert_told(fixture, 5, "[limit user:root] is here twice for this pool, first in line 2");
}

static void test_config_limits_have_a_limit(void **state)
{
	struct fixture *fixture = *state;
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	fputs("[pool a]\n[pool default]\n", file);
	for (unsigned i = 0; i < SERVICE_POOL_LIMITS_MAX; i++)
		fprintf(file, "[limit uid:%u]\n[limit uid:%u]\npool = a\n", i, i);
	fflush(file);
	assert_int_equal(load(fixture, text), 0);
	assert_int_equal(fixture->config.nr_limits, 2 * SERVICE_POOL_LIMITS_MAX);
	fputs("[limit gid:1]\n", file);
	fclose(file);
	assert_int_equal(load(fixture, text), -EINVAL);
	assert_nr_messages(fixture, 1);
	assert_told(fixture, 3 + 3 * SERVICE_POOL_LIMITS_MAX,
		    "[limit gid:1] more than 64 limits of pool 'default'");
	free(text);
}

/* The socket. */

static void test_config_socket_depends_on_the_user(void **state)
{
	struct fixture *fixture = *state;
	char *before = getenv("XDG_RUNTIME_DIR");
	bool is_root = geteuid() == 0;

	before = before ? strdup(before) : NULL;
	setenv("XDG_RUNTIME_DIR", "/run/user/77", 1);
	assert_int_equal(load_path(fixture, NULL, NULL), 0);
	assert_string_equal(fixture->config.socket_path,
			    is_root ? "/run/pagepool/pagepool.sock"
				    : "/run/user/77/pagepool/pagepool.sock");
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(load_path(fixture, NULL, NULL), is_root ? 0 : -EINVAL);
	assert_true(is_root || strstr(fixture->messages, "XDG_RUNTIME_DIR is not set"));
	if (before)
		setenv("XDG_RUNTIME_DIR", before, 1);
	free(before);
}

static void test_config_socket_of_a_service_is_in_its_folder(void **state)
{
	struct fixture *fixture = *state;

	setenv("RUNTIME_DIRECTORY", "/run/service", 1);
	assert_int_equal(load_path(fixture, NULL, NULL), 0);
	assert_string_equal(fixture->config.socket_path, "/run/service/pagepool.sock");
	unsetenv("RUNTIME_DIRECTORY");
}

static void test_config_user_without_runtime_folder_is_told_what_to_do(void **state)
{
	struct fixture *fixture = *state;
	uid_t uid = geteuid();

	if (uid != 0) {
		print_message("skipped: only root can become another user\n");
		skip();
	}
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(seteuid(65534), 0);
	load_path(fixture, NULL, NULL);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(fixture->error, -EINVAL);
	assert_non_null(strstr(fixture->messages, "XDG_RUNTIME_DIR is not set"));
	assert_non_null(strstr(fixture->messages, "--socket PATH"));
}

static void test_config_overlong_socket_path_is_refused(void **state)
{
	char path[256] = "/";
	struct fixture *fixture = *state;

	memset(path + 1, 'x', 150);
	assert_int_equal(load_path(fixture, NULL, path), -EINVAL);
	assert_non_null(strstr(fixture->messages, "must be an absolute path of up to 107 bytes"));
}

static void test_config_print_says_what_it_comes_to(void **state)
{
	struct fixture *fixture = *state;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(load(fixture, "[daemon]\ntopology = fake:2\n"
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
			    "    watermark 1.00% 2.00% 3.00%, contiguous 25.00%, max_order 18\n"
			    "  limit user:root of pool frames: min 64M, max 2G\n"
			    "  limit client:x of pool frames\n");
	free(text);
}

#define config_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		config_test(test_config_documented_example_is_read),
		config_test(test_config_keys_left_out_have_defaults),
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
		config_test(test_config_all_errors_are_told),
		config_test(test_config_nothing_is_returned_with_an_error),
		config_test(test_config_bad_sizes_are_refused),
		config_test(test_config_sizes_must_be_whole_pages),
		config_test(test_config_contiguous_areas_are_whole_pageblocks),
		config_test(test_config_bad_watermarks_are_refused),
		config_test(test_config_bad_nodes_are_refused),
		config_test(test_config_bad_choices_and_numbers_are_refused),
		config_test(test_config_bad_access_is_refused),
		config_test(test_config_twice_in_one_file_is_refused),
		config_test(test_config_bad_pool_names_are_refused),
		config_test(test_config_pools_have_a_limit),
		config_test(test_config_long_lines_are_refused_whole),
		config_test(test_config_without_effect_is_warned_of),
		config_test(test_config_limits_are_read),
		config_test(test_config_one_name_may_be_limited_in_several_pools),
		config_test(test_config_limits_of_later_files_override_key_by_key),
		config_test(test_config_bad_limits_are_refused),
		config_test(test_config_limits_must_rise),
		config_test(test_config_same_limit_twice_in_one_file_is_refused),
		config_test(test_config_limits_have_a_limit),
		config_test(test_config_socket_depends_on_the_user),
		config_test(test_config_socket_of_a_service_is_in_its_folder),
		config_test(test_config_user_without_runtime_folder_is_told_what_to_do),
		config_test(test_config_overlong_socket_path_is_refused),
		config_test(test_config_print_says_what_it_comes_to),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
