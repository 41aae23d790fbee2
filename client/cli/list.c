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
	bool json;
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
	case MESSAGE_LIST_CACHES:
		return &request->u.list_caches.start;
	case MESSAGE_CHECK_OBJECTS:
		return &request->u.check_objects.start;
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
	case MESSAGE_CACHE_LIST:
		return part->u.cache_list.next;
	case MESSAGE_OBJECT_FAULTS:
		return part->u.object_faults.next;
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
	case MESSAGE_CACHE_LIST:
		return part->u.cache_list.nr_caches;
	default:
		return part->u.block_list.nr_blocks;
	}
}

enum command_exit list_walk(struct connection *connection, struct message *request,
			    list_part_fn take, void *data)
{
	uint64_t *start = request_start(request), last;
	const struct message *part;
	enum command_exit outcome;

	do {
		outcome = connection_ask(connection, request, &part);
		if (outcome == COMMAND_DONE)
			outcome = take(part, data);
		if (outcome != COMMAND_DONE)
			return outcome;
		last = *start;
		*start = part_next(part);
		if (*start != 0 && *start <= last) {
			complain("the daemon's list leads back to itself");
			return COMMAND_REFUSED;
		}
	} while (*start != 0 && !ferror(stdout));
	return COMMAND_DONE;
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

static enum command_exit print_part(const struct message *part, void *data)
{
	struct output *output = data;
	enum command_exit outcome =
		output->json ? print_elements(output, part) : print_rows(output, part);

	output->begun = true;
	output->any |= part_count(part) > 0;
	return outcome;
}

static void print_end(const struct output *output)
{
	if (output->json)
		document_stream_end(&output->stream, NULL, 0);
	else if (!output->any)
		puts(output->list->nothing);
}

enum command_exit list_print(const struct list *list, struct connection *connection,
			     struct message *request, bool json)
{
	struct output output = { .list = list, .json = json };
	enum command_exit outcome = list_walk(connection, request, print_part, &output);

	if (outcome == COMMAND_DONE)
		print_end(&output);
	table_free(output.table);
	return outcome;
}
