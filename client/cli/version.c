/* SPDX-License-Identifier: MIT */
/* pagepoolctl version: of this program and of the daemon. That none answers is an answer too. */

#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/options.h"
#include "cli/text.h"
#include "lib/introspect.h"
#include "pagepool.h"

static void print_for_people(const char *daemon, int error, const char *socket)
{
	char text[TEXT_BYTES_MAX], path[CONNECTION_PATH_BYTES_MAX];

	printf("pagepoolctl %s\n", pp_version());
	if (daemon) {
		text_escape(daemon, text, sizeof(text));
		printf("pagepoold   %s\n", text);
	} else {
		connection_name_socket(socket, path);
		text_escape(path, text, sizeof(text));
		printf("pagepoold   none answers at %s: %s\n", text, strerror(-error));
	}
}

enum command_exit version_run(struct connection *unused, const struct options *options)
{
	struct connection connection;
	enum command_exit outcome = COMMAND_DONE;
	int r = connection_open(&connection, options->socket);
	const char *daemon = r == 0 ? ppc_client_daemon_version(connection.client) : NULL;

	(void)unused;
	if (options->json)
		outcome = document_print(
			json_pack("{s:s, s:s?}", "client", pp_version(), "daemon", daemon));
	else
		print_for_people(daemon, r, options->socket);
	if (r == 0)
		connection_close(&connection);
	return outcome;
}
