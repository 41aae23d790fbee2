/* SPDX-License-Identifier: MIT */
#pragma once

/* What pagepoolctl can do: one row a command, one file a command. */

#include <stdbool.h>
#include <stddef.h>

struct connection;
struct options;

/* What the program ends with. Scripts rely on these. */
enum command_exit {
	COMMAND_DONE = 0,
	COMMAND_REFUSED = 1, /* the daemon said no, a check found faults, or output was lost */
	COMMAND_USAGE = 2,
	COMMAND_NO_DAEMON = 3
};

struct command {
	const char *name;
	const char *synopsis; /* what may follow the name, or "" */
	const char *summary;
	unsigned options; /* OPTION_... that it understands besides the global ones */
	unsigned nr_arguments_max;
	/* Why options make no sense together, or NULL. NULL for a command whose options all do. */
	const char *(*conflict)(const struct options *options);
	bool needs_daemon; /* connection is open; otherwise it is NULL */
	/* Prints its answer, or complains. Returns what the program ends with. */
	enum command_exit (*run)(struct connection *connection, const struct options *options);
};

extern const struct command command_table[];
extern const size_t command_table_count;

/* NULL when there is none of that name. */
const struct command *command_find(const char *name);

enum command_exit status_run(struct connection *connection, const struct options *options);
enum command_exit zoneinfo_run(struct connection *connection, const struct options *options);
enum command_exit buddyinfo_run(struct connection *connection, const struct options *options);
enum command_exit pagetypeinfo_run(struct connection *connection, const struct options *options);
enum command_exit slabinfo_run(struct connection *connection, const struct options *options);
enum command_exit clients_run(struct connection *connection, const struct options *options);
enum command_exit blocks_run(struct connection *connection, const struct options *options);
enum command_exit limits_run(struct connection *connection, const struct options *options);
enum command_exit reload_run(struct connection *connection, const struct options *options);
enum command_exit check_run(struct connection *connection, const struct options *options);
enum command_exit ping_run(struct connection *connection, const struct options *options);
enum command_exit version_run(struct connection *connection, const struct options *options);
enum command_exit help_run(struct connection *connection, const struct options *options);

const char *blocks_conflict(const struct options *options);
const char *check_conflict(const struct options *options);
