/* SPDX-License-Identifier: MIT */
#pragma once

/* The keys of the configuration, section by section: what each may say and what it sets. */

#include <stdbool.h>
#include <stddef.h>

#include "service/service.h"

#define SETTINGS_WHY_BYTES_MAX 320u

enum settings_error {
	SETTINGS_E_BAD = 1,  /* why says what is wrong and what would be right */
	SETTINGS_E_NO_EFFECT /* well-formed, and not acted on in this version */
};

struct settings_key {
	const char *name;
	/* Parses value into the section's struct. 0 or a settings_error. */
	int (*set)(void *section, const char *value, char why[SETTINGS_WHY_BYTES_MAX]);
};

/* Positions in settings_pool_keys. */
enum settings_pool_key {
	SETTINGS_POOL_ACCESS,
	SETTINGS_POOL_READ_ACCESS,
	SETTINGS_POOL_SIZE,
	SETTINGS_POOL_NODES,
	SETTINGS_POOL_HUGEPAGES,
	SETTINGS_POOL_CONTIGUOUS,
	SETTINGS_POOL_MAX_ORDER,
	SETTINGS_POOL_WATERMARK,
	SETTINGS_POOL_COMMIT,
	SETTINGS_POOL_SCRUB,
	SETTINGS_POOL_OOM,
	SETTINGS_POOL_DEBUG_OBJECTS,
	SETTINGS_POOL_NR_KEYS
};

/* Positions in settings_limit_keys. */
enum settings_limit_key {
	SETTINGS_LIMIT_POOL,
	SETTINGS_LIMIT_MIN,
	SETTINGS_LIMIT_LOW,
	SETTINGS_LIMIT_HIGH,
	SETTINGS_LIMIT_MAX,
	SETTINGS_LIMIT_NR_KEYS
};

/* Each ends with an entry without a name. The section is, in turn: */
extern const struct settings_key settings_daemon_keys[]; /* struct service_config */
extern const struct settings_key settings_pool_keys[];   /* struct service_pool_config */
extern const struct settings_key settings_limit_keys[];  /* struct service_limit_config */

/* Positions in a table; -1 for a name that is not in it. */
int settings_find(const struct settings_key *keys, const char *name);
/* Why a key was not found: which there are. */
void settings_say_keys(const struct settings_key *keys, char why[SETTINGS_WHY_BYTES_MAX]);

/* For setters. 0 or SETTINGS_E_BAD. */
int settings_parse_size(const char *value, struct service_size *ret,
			char why[SETTINGS_WHY_BYTES_MAX]);

/* 0 or SETTINGS_E_BAD. */
int settings_check_socket_path(const char *path, char why[SETTINGS_WHY_BYTES_MAX]);

/* The documented defaults. access and read_access are empty. */
void settings_init_pool(struct service_pool_config *pool, const char *name);

/* What concerns several keys: the position of the one to change with why, or -1 when all is well.
 */
int settings_check_pool(const struct service_pool_config *pool, char why[SETTINGS_WHY_BYTES_MAX]);

/*
 * A limit on `who`: user:NAME, group:NAME, uid:N, gid:N or client:NAME. Of the pool "default",
 * until its key says otherwise. 0 or SETTINGS_E_BAD.
 */
int settings_init_limit(struct service_limit_config *limit, const char *who,
			char why[SETTINGS_WHY_BYTES_MAX]);
/* As settings_check_pool(). */
int settings_check_limit(const struct service_limit_config *limit,
			 char why[SETTINGS_WHY_BYTES_MAX]);
/* Both are on the same ones and of the same pool. */
bool settings_is_same_limit(const struct service_limit_config *a,
			    const struct service_limit_config *b);
/* Takes one key's value over from another limit. */
void settings_override_limit(struct service_limit_config *limit,
			     const struct service_limit_config *from, enum settings_limit_key key);

const char *settings_limit_kind_name(enum service_limit_kind kind);
const char *settings_commit_name(enum service_commit commit);
const char *settings_scrub_name(enum service_scrub scrub);
