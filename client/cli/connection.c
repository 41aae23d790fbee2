/* SPDX-License-Identifier: MIT */
/*
 * The way to the daemon, and the one place that decides between "no daemon" and "it said no".
 *
 * No daemon (3): nobody listens, what listens is no pagepool daemon, or it went silent or away.
 * Said no (1): it is there, and refuses; also a socket that this user may not use.
 */

#include "cli/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/complain.h"
#include "lib/introspect.h"
#include "pagepool.h"

static const char hint[] = "Start one with `systemctl start pagepoold` or by running `pagepoold`;\n"
			   "--socket PATH or PAGEPOOL_SOCKET name one that listens elsewhere.\n";

static const char hint_access[] =
	"A daemon without a configuration serves only the user who started it. Be that user,\n"
	"start your own (`pagepoold`), or ask for a pool with `access = user:YOU` "
	"(pagepoold.conf(5)).\n";

#define SOCKET_PATH_BYTES_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

void connection_name_socket(const char *socket, char ret[CONNECTION_PATH_BYTES_MAX])
{
	const char *asked = socket ? socket : getenv("PAGEPOOL_SOCKET");

	if (ppc_socket_find(socket, ret, CONNECTION_PATH_BYTES_MAX) < 0)
		snprintf(ret, CONNECTION_PATH_BYTES_MAX, "%s", asked ? asked : "");
}

int connection_open(struct connection *connection, const char *socket)
{
	const struct pp_client_config config = { .struct_size = sizeof(config),
						 .socket = socket,
						 .name = "pagepoolctl",
						 .flags = PP_CLIENT_NO_THREAD };
	int r;

	*connection = (struct connection){ 0 };
	r = pp_client_new(&connection->client, &config);
	if (r < 0)
		return r;
	r = ppc_info_new(connection->client, &connection->info);
	if (r < 0)
		connection_close(connection);
	return r;
}

void connection_close(struct connection *connection)
{
	connection->info = ppc_info_free(connection->info);
	connection->client = pp_client_free(connection->client);
}

enum command_exit connection_complain(int error, const char *socket)
{
	char path[CONNECTION_PATH_BYTES_MAX];

	connection_name_socket(socket, path);
	switch (-error) {
	case EACCES:
	case EPERM:
		complain("%s is not for this user: %s", path, strerror(-error));
		fputs(hint_access, stderr);
		return COMMAND_REFUSED;
	case EUSERS:
		complain("the daemon at %s has no room for another client", path);
		return COMMAND_REFUSED;
	case ENOMEM:
		complain("out of memory");
		return COMMAND_REFUSED;
	case ENAMETOOLONG:
		complain("'%s' can't be a socket's path: longer than %zu bytes", path,
			 SOCKET_PATH_BYTES_MAX);
		return COMMAND_USAGE;
	case EPROTO:
		complain("what listens at %s is no pagepool daemon that this version can talk to",
			 path);
		return COMMAND_NO_DAEMON;
	default:
		complain("no daemon answers at %s: %s", path, strerror(-error));
		fputs(hint, stderr);
		return COMMAND_NO_DAEMON;
	}
}

static enum command_exit complain_call(const struct connection *connection, int error)
{
	switch (-error) {
	case ECONNRESET:
		complain("the daemon closed the connection");
		return COMMAND_NO_DAEMON;
	case EPROTO:
		complain("what answers is no pagepool daemon that this version can talk to");
		return COMMAND_NO_DAEMON;
	case ETIMEDOUT:
		complain("the daemon does not answer");
		/* Nor would it answer the goodbye: without this, that waits as long again. */
		shutdown(pp_client_fd(connection->client), SHUT_RDWR);
		return COMMAND_NO_DAEMON;
	default:
		complain("the daemon said no: %s", ppc_info_error(connection->info));
		return COMMAND_REFUSED;
	}
}

enum command_exit connection_ask(struct connection *connection, struct message *request,
				 const struct message **ret_reply)
{
	int r = ppc_info_call(connection->info, request, ret_reply);

	return r < 0 ? complain_call(connection, r) : COMMAND_DONE;
}
