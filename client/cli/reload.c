/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl reload: has the daemon read its configuration again, and shows what it made of it. A
 * configuration that is wrong changes nothing, and the daemon's words say where it is.
 */

#include <stdio.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/options.h"
#include "cli/text.h"

static void print_for_people(const struct message *reply)
{
	char line[TEXT_BYTES_MAX];

	if (reply->u.reload_result.nr_lines == 0)
		puts("nothing has changed");
	for (size_t i = 0; i < reply->u.reload_result.nr_lines; i++) {
		text_escape(reply->u.reload_result.lines[i], line, sizeof(line));
		puts(line);
	}
}

static enum command_exit print_for_programs(const struct message *reply)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < reply->u.reload_result.nr_lines; i++)
		lines = document_append(lines, json_string(reply->u.reload_result.lines[i]));
	return document_print(json_pack("{s:o}", "lines", lines));
}

enum command_exit reload_run(struct connection *connection, const struct options *options)
{
	struct message request = { .type = MESSAGE_RELOAD };
	const struct message *reply;
	enum command_exit outcome = connection_ask(connection, &request, &reply);

	if (outcome != COMMAND_DONE)
		return outcome;
	if (options->json)
		return print_for_programs(reply);
	print_for_people(reply);
	return COMMAND_DONE;
}
