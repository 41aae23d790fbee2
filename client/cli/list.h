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

/* Asks (one of MESSAGE_LIST_...) for part after part and prints each. */
enum command_exit list_print(const struct list *list, struct connection *connection,
			     struct message *request, bool json);
