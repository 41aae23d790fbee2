/* SPDX-License-Identifier: MIT */
/*
 * Lists that the daemon tells in parts.
 *
 * A list can be far larger than memory should be (a block for every page of the host), so a part is
 * printed before the next one is asked for and nothing is kept. A part may be empty though more
 * follow: the daemon bounds the time that a part takes, not only its size. The list ends with
 * `next` 0, or when nobody reads what is printed.
 */

#include "cli/list.h"

#include <stdio.h>

#include "cli/complain.h"
#include "cli/connection.h"
#include "cli/document.h"
#include "cli/table.h"

struct output {
	const struct list *list;
	bool begun, any;
	struct table *table; /* for people */
	struct document_stream stream;
};

static uint64_t *request_start(struct message *request)
{
	switch (request->type) {
	case MESSAGE_LIST_CLIENTS:
		return &request->u.list_clients.start;
	case MESSAGE_LIST_LIMITS:
		return &request->u.list_limits.start;
	default:
		return &request->u.list_blocks.start;
	}
}

static uint64_t part_next(const struct message *part)
{
	switch (part->type) {
	case MESSAGE_CLIENT_LIST:
		return part->u.client_list.next;
	case MESSAGE_LIMIT_LIST:
		return part->u.limit_list.next;
	default:
		return part->u.block_list.next;
	}
}

static size_t part_count(const struct message *part)
{
	switch (part->type) {
	case MESSAGE_CLIENT_LIST:
		return part->u.client_list.nr_clients;
	case MESSAGE_LIMIT_LIST:
		return part->u.limit_list.nr_limits;
	default:
		return part->u.block_list.nr_blocks;
	}
}

static enum command_exit print_rows(struct output *output, const struct message *part)
{
	if (!output->begun)
		output->table = table_new(output->list->columns, output->list->nr_columns);
	for (size_t i = 0; i < part_count(part); i++)
		output->list->add_row(output->table, part, i);
	return table_print(output->table);
}

static enum command_exit print_elements(struct output *output, const struct message *part)
{
	enum command_exit outcome = COMMAND_DONE;

	if (!output->begun)
		document_stream_begin(&output->stream, output->list->key);
	for (size_t i = 0; i < part_count(part) && outcome == COMMAND_DONE; i++)
		outcome = document_stream_add(&output->stream, output->list->element(part, i));
	return outcome;
}

static void print_end(const struct output *output, bool json)
{
	if (json)
		document_stream_end(&output->stream);
	else if (!output->any)
		puts(output->list->nothing);
}

/* Asks for the part at *start and prints it. On success *start is where the next one is. */
static enum command_exit print_part(struct output *output, struct connection *connection,
				    struct message *request, uint64_t *start, bool json)
{
	const struct message *part;
	enum command_exit outcome = connection_ask(connection, request, &part);

	if (outcome != COMMAND_DONE)
		return outcome;
	outcome = json ? print_elements(output, part) : print_rows(output, part);
	output->begun = true;
	output->any |= part_count(part) > 0;
	if (outcome == COMMAND_DONE && part_next(part) != 0 && part_next(part) <= *start) {
		complain("the daemon's list leads back to itself");
		return COMMAND_REFUSED;
	}
	*start = part_next(part);
	return outcome;
}

enum command_exit list_print(const struct list *list, struct connection *connection,
			     struct message *request, bool json)
{
	struct output output = { .list = list };
	uint64_t *start = request_start(request);
	enum command_exit outcome;

	do
		outcome = print_part(&output, connection, request, start, json);
	while (outcome == COMMAND_DONE && *start != 0 && !ferror(stdout));
	if (outcome == COMMAND_DONE)
		print_end(&output, json);
	table_free(output.table);
	return outcome;
}
