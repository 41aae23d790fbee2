/* SPDX-License-Identifier: MIT */
#pragma once

/* Configuration files and the embedded default -> a checked service_config. */

#include <stdio.h>

#include "service/service.h"

#define CONFIG_DEFAULT_FILE "/etc/pagepool/pagepoold.conf"

/*
 * Reads `path`, then all *.conf of conf.d beside it in the order of their names; NULL is the
 * embedded default. `socket_path`, when not NULL, goes before what they say. What is wrong, and
 * what has no effect, is written to `messages` line by line as "FILE:LINE: [section] key: ...". 0,
 * or -EINVAL when there were errors, or another negative errno, also told; then *ret is untouched.
 * The caller frees *ret with config_deinit().
 */
int config_load(const char *path, const char *socket_path, FILE *messages,
		struct service_config *ret);
void config_deinit(struct service_config *config);

/* What the configuration comes to, for people. */
void config_print(const struct service_config *config, FILE *out);
