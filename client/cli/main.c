/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl: asks a pagepoold and shows the answer, as tables for people or as JSON for programs.
 *
 * A run is: read the command line, find the command in the table, connect if it needs that, run it,
 * make sure that what it printed has arrived. Commands know nothing of each other, nor how the
 * daemon was found.
 */

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/complain.h"
#include "cli/connection.h"
#include "cli/help.h"
#include "cli/options.h"

/*
 * A caller may have closed a standard descriptor; the socket must not take its place and be written
 * to. What is opened instead refuses, so that output which goes nowhere is still an error.
 */
static void occupy_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			_exit(COMMAND_REFUSED);
}

static const struct command *choose_command(const struct options *options)
{
	const struct command *command;
	const char *conflict;

	if (options->nr_words == 0 && !options->version) {
		help_print_all(stderr);
		return NULL;
	}
	command = command_find(options->nr_words > 0 ? options->words[0] : "version");
	if (!command) {
		complain("there is no command '%s'; `pagepoolctl help` lists them",
			 options->words[0]);
		return NULL;
	}
	if (options->nr_words > 1 + command->nr_arguments_max) {
		complain("%s takes no argument '%s'; see `pagepoolctl help %s`", command->name,
			 options->words[1], command->name);
		return NULL;
	}
	if (options->given & ~command->options) {
		complain("%s does not have that option; see `pagepoolctl help %s`", command->name,
			 command->name);
		return NULL;
	}
	conflict = command->conflict ? command->conflict(options) : NULL;
	if (conflict) {
		complain("%s; see `pagepoolctl help %s`", conflict, command->name);
		return NULL;
	}
	return command;
}

static enum command_exit run(const struct command *command, const struct options *options)
{
	struct connection connection;
	enum command_exit outcome;
	int r;

	if (!command->needs_daemon)
		return command->run(NULL, options);
	r = connection_open(&connection, options->socket);
	if (r < 0)
		return connection_complain(r, options->socket);
	outcome = command->run(&connection, options);
	connection_close(&connection);
	return outcome;
}

static enum command_exit close_output(enum command_exit outcome)
{
	bool lost = ferror(stdout);

	errno = 0;
	if (fclose(stdout) == 0 && !lost)
		return outcome;
	complain("can't write the answer: %s", strerror(errno != 0 ? errno : EIO));
	return outcome == COMMAND_DONE ? COMMAND_REFUSED : outcome;
}

int main(int argc, char **argv)
{
	const struct command *command;
	struct options options;
	enum command_exit outcome = COMMAND_DONE;

	occupy_standard_fds();
	/* A reader that has seen enough (`| head`) ends us quietly, whatever our caller ignores. */
	signal(SIGPIPE, SIG_DFL);
	setlocale(LC_CTYPE, "");
	if (!options_parse(&options, argc, argv)) {
		fputs("Try `pagepoolctl help`.\n", stderr);
		return COMMAND_USAGE;
	}
	if (options.help && options.nr_words == 0)
		help_print_all(stdout);
	else if (!(command = choose_command(&options)))
		outcome = COMMAND_USAGE;
	else if (options.help)
		help_print_command(command);
	else
		outcome = run(command, &options);
	return close_output(outcome);
}
