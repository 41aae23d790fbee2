/* SPDX-License-Identifier: MIT */
#pragma once

/* Lists that the daemon tells in parts. */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "cli/command.h"

struct connection;
struct message;
struct table;
struct table_column;

/* How a list is shown. */
struct list {
	const char *key;     /* of the JSON array */
	const char *nothing; /* to say to people when the list is empty */
	const struct table_column *columns;
	size_t nr_columns;
	/* One element of a part: as a row, or as JSON (NULL: out of memory). */
	void (*add_row)(struct table *table, const struct message *part, size_t index);
	json_t *(*element)(const struct message *part, size_t index);
};

/*
 * Asks (one of MESSAGE_LIST_..., or MESSAGE_CHECK_OBJECTS) for part after part and has each taken,
 * until the last, or until one can't be, or standard output. Returns what take() did, if it was not
 * COMMAND_DONE, or what to end with after a complaint.
 */
typedef enum command_exit (*list_part_fn)(const struct message *part, void *data);
enum command_exit list_walk(struct connection *connection, struct message *request,
			    list_part_fn take, void *data);

/* The same, and prints each part. */
enum command_exit list_print(const struct list *list, struct connection *connection,
			     struct message *request, bool json);
