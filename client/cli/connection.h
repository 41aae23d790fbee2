/* SPDX-License-Identifier: MIT */
#pragma once

/* The daemon that a command asks. */

#include "cli/command.h"
#include "proto/message.h"

struct pp_client;
struct ppc_info;

struct connection {
	struct pp_client *client;
	struct ppc_info *info;
};

/* Connects, without a word. socket NULL: the default. 0 or a negative errno. */
int connection_open(struct connection *connection, const char *socket);
void connection_close(struct connection *connection);

/* Says why connection_open() failed and what to do. Returns what the program ends with. */
enum command_exit connection_complain(int error, const char *socket);

/*
 * Asks and waits. COMMAND_DONE with *ret_reply the reply to that request, which is valid until the
 * next question; or what to end with, after a complaint.
 */
enum command_exit connection_ask(struct connection *connection, struct message *request,
				 const struct message **ret_reply);

#define CONNECTION_PATH_BYTES_MAX 512u

/* The path that connection_open() tries, to tell people; cut if it is too long to be one. */
void connection_name_socket(const char *socket, char ret[CONNECTION_PATH_BYTES_MAX]);
