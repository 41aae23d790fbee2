/* SPDX-License-Identifier: MIT */
#pragma once

/* What config.c keeps while it reads files, and config_check.c looks through when all are read. */

#include <stddef.h>
#include <stdio.h>

#include "service/inifile.h"
#include "service/service.h"

struct settings_key;

#define CONFIG_FILES_MAX 64u
#define CONFIG_KEYS_MAX 16u                                             /* of one section */
#define CONFIG_LIMITS_MAX (SERVICE_POOLS_MAX * SERVICE_POOL_LIMITS_MAX) /* sections */
#define CONFIG_HEADING_BYTES_MAX (INIFILE_LINE_BYTES_MAX + 1u)

/* Where something was set. Files count from 1; 0 is nowhere. */
struct place {
	unsigned file, line;
};

/* A section, over all files that name it. */
struct section {
	char heading[CONFIG_HEADING_BYTES_MAX];
	const struct settings_key *keys; /* NULL: unknown, its keys are passed over */
	void *values;                    /* what the setters fill */
	struct place opened;             /* last */
	struct place set[CONFIG_KEYS_MAX];
};

struct parser {
	FILE *messages;
	unsigned nr_errors;
	unsigned file;           /* being read */
	struct section *section; /* that keys belong to now; NULL before the first heading */

	struct service_config *config; /* all but pools and limits */
	struct service_pool_config pools[SERVICE_POOLS_MAX];
	size_t nr_pools;
	struct service_limit_config limits[CONFIG_LIMITS_MAX];
	size_t nr_limits;
	struct section sections[1 + SERVICE_POOLS_MAX + CONFIG_LIMITS_MAX];
	size_t nr_sections;
	struct section unknown;
	char *paths[CONFIG_FILES_MAX + 1]; /* by place.file; owned */
};

/* An error: FILE:LINE: [section] key: what is wrong. `section` and `key` may be NULL. */
void parser_complain(struct parser *parser, struct place place, const struct section *section,
		     const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * What is left to say when everything has been read: complains of what concerns several keys, and
 * puts the limits into the configuration. 0 or -ENOMEM.
 */
int parser_check(struct parser *parser);
