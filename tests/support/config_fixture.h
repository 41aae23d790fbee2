/* SPDX-License-Identifier: MIT */
#pragma once

/* A folder with files in it, and what came of reading them. */

#include "config.h"

struct config_fixture {
	char folder[64];
	char main_file[128];
	char *messages;
	struct service_config config;
	int error;
};

/* For cmocka: *state is a struct config_fixture, of a folder with an empty one "conf.d". */
int config_fixture_setup(void **state);
int config_fixture_teardown(void **state);

#define config_test(function)                                                                      \
	cmocka_unit_test_setup_teardown(function, config_fixture_setup, config_fixture_teardown)

/* A file of this name in the folder. */
void config_fixture_write(const struct config_fixture *fixture, const char *name, const char *text);

/* Each reads anew, and returns what config_load() did. The text becomes the main file. */
int config_fixture_load_path(struct config_fixture *fixture, const char *path,
			     const char *socket_path);
int config_fixture_load(struct config_fixture *fixture, const char *text);
/* The one pool that these keys describe; fails the test when they are refused. */
const struct service_pool_config *config_fixture_load_pool(struct config_fixture *fixture,
							   const char *text);

/* That the messages have the line "MAIN_FILE:LINE: rest", whole. */
void config_fixture_assert_told(const struct config_fixture *fixture, unsigned line,
				const char *rest);
void config_fixture_assert_nr_messages(const struct config_fixture *fixture, unsigned nr_expected);
