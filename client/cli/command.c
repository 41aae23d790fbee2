/* SPDX-License-Identifier: MIT */
/*
 * The table of commands. main() looks a command up here and runs it, help prints it; a new command
 * is a new file, its prototype and a row.
 */

#include "cli/command.h"

#include <string.h>

#include "cli/options.h"

const struct command command_table[] = {
	{ .name = "status",
	  .synopsis = "",
	  .summary = "the daemon, its pools and zones, on one screen",
	  .needs_daemon = true,
	  .run = status_run },
	{ .name = "zoneinfo",
	  .synopsis = "",
	  .summary = "sizes, watermarks and counters of each zone",
	  .needs_daemon = true,
	  .run = zoneinfo_run },
	{ .name = "buddyinfo",
	  .synopsis = "",
	  .summary = "free blocks of each zone, by order",
	  .needs_daemon = true,
	  .run = buddyinfo_run },
	{ .name = "pagetypeinfo",
	  .synopsis = "",
	  .summary = "free blocks and pageblocks of each zone, by mobility",
	  .needs_daemon = true,
	  .run = pagetypeinfo_run },
	{ .name = "slabinfo",
	  .synopsis = "[--pool NAME]",
	  .summary = "caches of objects, and the slabs that they lie in",
	  .options = OPTION_POOL,
	  .needs_daemon = true,
	  .run = slabinfo_run },
	{ .name = "clients",
	  .synopsis = "",
	  .summary = "who is connected, and what each holds",
	  .needs_daemon = true,
	  .run = clients_run },
	{ .name = "blocks",
	  .synopsis = "[--client ID] [--pool NAME] [--in-the-way ORDER [--node N]]",
	  .summary = "allocated blocks and their holders",
	  .options = OPTION_CLIENT | OPTION_POOL | OPTION_IN_THE_WAY | OPTION_NODE,
	  .conflict = blocks_conflict,
	  .needs_daemon = true,
	  .run = blocks_run },
	{ .name = "limits",
	  .synopsis = "",
	  .summary = "who may hold how much, and does",
	  .needs_daemon = true,
	  .run = limits_run },
	{ .name = "reload",
	  .synopsis = "",
	  .summary = "have the daemon read its configuration again",
	  .needs_daemon = true,
	  .run = reload_run },
	{ .name = "check",
	  .synopsis = "[--objects [--pool NAME]]",
	  .summary = "compare the ledger with its index, or look who wrote past an object",
	  .options = OPTION_OBJECTS | OPTION_POOL,
	  .conflict = check_conflict,
	  .needs_daemon = true,
	  .run = check_run },
	{ .name = "ping",
	  .synopsis = "[--count N]",
	  .summary = "time round trips to the daemon",
	  .options = OPTION_COUNT,
	  .needs_daemon = true,
	  .run = ping_run },
	{ .name = "version",
	  .synopsis = "",
	  .summary = "versions of this program and of the daemon",
	  .run = version_run },
	{ .name = "help",
	  .synopsis = "[COMMAND]",
	  .summary = "this list, or more about one command",
	  .nr_arguments_max = 1,
	  .run = help_run },
};

const size_t command_table_count = sizeof(command_table) / sizeof(command_table[0]);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_table_count; i++)
		if (strcmp(command_table[i].name, name) == 0)
			return &command_table[i];
	return NULL;
}
