/* SPDX-License-Identifier: MIT */
/* pagepoolctl help, COMMAND --help, and the list that a usage error shows: all from the table. */

#include "cli/help.h"

#include "cli/command.h"
#include "cli/complain.h"
#include "cli/options.h"

static const char options_text[] =
	"Options, before or after the command:\n"
	"  --socket PATH  where the daemon listens; else PAGEPOOL_SOCKET, else this user's own\n"
	"                 daemon, else /run/pagepool/pagepool.sock\n"
	"  --json         for programs: JSON with stable keys\n"
	"  -h, --help     about the command, without running it\n"
	"  --version      the same as the command version\n";

static const char exit_text[] =
	"Ends with 0, 1 when the daemon said no (or check found a fault), 2 for a usage error,\n"
	"3 when no daemon answers.\n";

void help_print_all(FILE *file)
{
	fputs("Usage: pagepoolctl [--socket PATH] [--json] COMMAND\n"
	      "Looks into pagepoold, which owns big shared memory for all processes of a host.\n\n"
	      "Commands:\n",
	      file);
	for (size_t i = 0; i < command_table_count; i++)
		fprintf(file, "  %-12s  %s\n", command_table[i].name, command_table[i].summary);
	fprintf(file, "\n%s\n%s", options_text, exit_text);
}

void help_print_command(const struct command *command)
{
	printf("Usage: pagepoolctl [--socket PATH] [--json] %s%s%s\n", command->name,
	       command->synopsis[0] != '\0' ? " " : "", command->synopsis);
	printf("%s: %s.\n", command->name, command->summary);
	if (command->options & OPTION_CLIENT)
		puts("  --client ID    only blocks of this client, as `clients` numbers them");
	if (command->options & OPTION_OBJECTS)
		puts("  --objects      the bytes around and in the objects of debug caches, "
		     "instead");
	if (command->options & OPTION_POOL)
		puts("  --pool NAME    only of this pool");
	if (command->options & OPTION_IN_THE_WAY)
		puts("  --in-the-way ORDER\n"
		     "                 only blocks that a block of that order, taken from the "
		     "pool's\n"
		     "                 contiguous area, would need to be gone");
	if (command->options & OPTION_NODE)
		puts("  --node N       in the zone of this node, not in each");
	if (command->options & OPTION_COUNT)
		printf("  --count N      how many, from 1 to %u; %u if not given\n",
		       OPTIONS_COUNT_MAX, OPTIONS_COUNT_DEFAULT);
}

enum command_exit help_run(struct connection *connection, const struct options *options)
{
	const struct command *command;

	(void)connection;
	if (options->nr_words < 2) {
		help_print_all(stdout);
		return COMMAND_DONE;
	}
	command = command_find(options->words[1]);
	if (!command) {
		complain("there is no command '%s'; `pagepoolctl help` lists them",
			 options->words[1]);
		return COMMAND_USAGE;
	}
	help_print_command(command);
	return COMMAND_DONE;
}
