/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The daemon as a library: a checked configuration in, an exit status out. main() only reads argv
 * and files; tests call service_run() in a child of their own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "service/access.h"

#define SERVICE_NAME_BYTES_MAX 63u
#define SERVICE_POOLS_MAX 16u
#define SERVICE_NODES_MAX 64u

enum service_commit {
	SERVICE_COMMIT_GRANT = 0, /* back a range before the first grant from it */
	SERVICE_COMMIT_START,     /* back everything before READY */
	SERVICE_COMMIT_TOUCH      /* never: whoever touches first pays, or gets SIGBUS */
};

enum service_scrub {
	SERVICE_SCRUB_UID = 0, /* zero what passes from one uid to another */
	SERVICE_SCRUB_ALWAYS,
	SERVICE_SCRUB_NEVER
};

/* An amount of memory: absolute, or a part of a whole. */
struct service_size {
	uint64_t bytes;     /* when permyriad is 0 */
	unsigned permyriad; /* hundredths of a percent, 1 .. 10000 */
};

struct service_pool_config {
	char name[SERVICE_NAME_BYTES_MAX + 1];
	struct access_list access, read_access;
	struct service_size size; /* per node */
	uint64_t nodes;           /* bit a node; UINT64_MAX: all that have memory */
	uint64_t page_bytes;      /* 4096, 2 MiB, 1 GiB */
	unsigned max_order;
	struct service_size contiguous; /* of the zone */
	struct service_size watermark_min, watermark_low, watermark_high;
	enum service_commit commit;
	enum service_scrub scrub;
	bool debug_objects; /* all caches have red zones and poison */
};

enum service_limit_kind {
	SERVICE_LIMIT_USER = 0,
	SERVICE_LIMIT_GROUP,
	SERVICE_LIMIT_CLIENT /* by the name that clients give themselves */
};

#define SERVICE_POOL_LIMITS_MAX 64u

/* What some clients may have of a pool, in cgroup v2's words. Percents are of the whole pool. */
struct service_limit_config {
	enum service_limit_kind kind;
	unsigned id;                           /* uid or gid */
	char name[SERVICE_NAME_BYTES_MAX + 1]; /* as configured; of a uid or gid its number */
	char pool[SERVICE_NAME_BYTES_MAX + 1];
	struct service_size min, low;  /* no bytes: as if not given */
	struct service_size high, max; /* no bytes: none */
};

struct service_config {
	char *socket_path;   /* owned by whoever made the config */
	unsigned fake_nodes; /* 0: the host's topology */
	int log_level;       /* syslog's */
	struct service_pool_config *pools;
	size_t nr_pools;
	struct service_limit_config
		*limits; /* up to SERVICE_POOL_LIMITS_MAX a pool; owned likewise */
	size_t nr_limits;
};

/* Where the configuration came from, to read it again. */
struct service_source {
	/*
	 * Reads it. What is wrong with it, and what has no effect, goes to `messages` line by line.
	 * 0, or a negative errno, and then *ret is untouched. Runs on a helper thread.
	 */
	int (*load)(struct service_config *ret, FILE *messages, void *data);
	void (*unload)(struct service_config *config);
	void *data;
};

/*
 * Serves until SIGTERM or SIGINT. The socket is an inherited one (LISTEN_FDS) or made at
 * config->socket_path with the folder it lies in, and removed at the end if made. Says READY when
 * all that must be backed is backed. Reads the configuration again at SIGHUP and on request, unless
 * `source` is NULL, and takes over into *config what changes. 0, or a negative errno that has been
 * logged with what to do.
 */
int service_run(struct service_config *config, const struct service_source *source);
