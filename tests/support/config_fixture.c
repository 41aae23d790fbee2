/* SPDX-License-Identifier: MIT */

/* Files for config_load(), in a folder that is removed afterwards, and what it says of them. */

#include "support/config_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

void config_fixture_write(const struct config_fixture *fixture, const char *name, const char *text)
{
	char path[192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

int config_fixture_setup(void **state)
{
	struct config_fixture *fixture = calloc(1, sizeof(*fixture));
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

static void forget(struct config_fixture *fixture)
{
	if (fixture->error == 0)
		config_deinit(&fixture->config);
	free(fixture->messages);
	fixture->messages = NULL;
}

int config_fixture_teardown(void **state)
{
	struct config_fixture *fixture = *state;
	char command[128];

	forget(fixture);
	snprintf(command, sizeof(command), "rm -r %s", fixture->folder);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

int config_fixture_load_path(struct config_fixture *fixture, const char *path,
			     const char *socket_path)
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

int config_fixture_load(struct config_fixture *fixture, const char *text)
{
	config_fixture_write(fixture, "main.conf", text);
	return config_fixture_load_path(fixture, fixture->main_file, "/run/test.sock");
}

const struct service_pool_config *config_fixture_load_pool(struct config_fixture *fixture,
							   const char *text)
{
	char whole[1024];

	snprintf(whole, sizeof(whole), "[pool a]\n%s\n", text);
	assert_int_equal(config_fixture_load(fixture, whole), 0);
	assert_int_equal(fixture->config.nr_pools, 1);
	return fixture->config.pools;
}

void config_fixture_assert_told(const struct config_fixture *fixture, unsigned line,
				const char *rest)
{
	char expected[512];
	const char *found;

	snprintf(expected, sizeof(expected), "%s:%u: %s\n", fixture->main_file, line, rest);
	found = strstr(fixture->messages, expected);
	if (!found)
		print_error("no '%s' in:\n%s", expected, fixture->messages);
	assert_true(found && (found == fixture->messages || found[-1] == '\n'));
}

void config_fixture_assert_nr_messages(const struct config_fixture *fixture, unsigned nr_expected)
{
	unsigned nr_lines = 0;

	for (const char *c = fixture->messages; *c; c++)
		nr_lines += *c == '\n';
	if (nr_lines != nr_expected)
		print_error("%s", fixture->messages);
	assert_int_equal(nr_lines, nr_expected);
}
