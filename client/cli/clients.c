/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl clients: who is connected, who they are, and what they hold. The list comes in parts
 * and is printed part by part.
 */

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/human.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/table.h"

static const struct table_column columns[] = {
	{ "ID", TABLE_RIGHT },       { "NAME", TABLE_LEFT },   { "PID", TABLE_RIGHT },
	{ "USER", TABLE_LEFT },      { "STATE", TABLE_LEFT },  { "HELD", TABLE_RIGHT },
	{ "MAGAZINE", TABLE_RIGHT }, { "ASKED", TABLE_RIGHT }, { "RETURNED", TABLE_RIGHT },
	{ "AGE", TABLE_RIGHT },
};

static const char *state_word(enum message_client_state state)
{
	static const char *const words[MESSAGE_NR_CLIENT_STATES] = {
		[MESSAGE_CLIENT_LIVE] = "live",
		[MESSAGE_CLIENT_RESUMING] = "resuming",
		[MESSAGE_CLIENT_QUARANTINED] = "quarantined",
		[MESSAGE_CLIENT_DYING] = "dying",
	};

	return (unsigned)state < MESSAGE_NR_CLIENT_STATES ? words[state] : "unknown";
}

static void add_user(struct table *table, uint32_t uid)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		table_add_text(table, user->pw_name);
	else
		table_add_format(table, "%" PRIu32, uid);
}

static void add_client(struct table *table, const struct message *part, size_t index)
{
	const struct message_client_info *client = &part->u.client_list.clients[index];
	char age[HUMAN_BYTES_MAX];

	table_add_row(table);
	table_add_format(table, "%" PRIu32, client->id);
	table_add_text(table, client->name);
	table_add_format(table, "%" PRId32, client->pid);
	add_user(table, client->uid);
	table_add_own_text(table, state_word(client->state),
			   client->state == MESSAGE_CLIENT_LIVE ? TABLE_PLAIN : TABLE_YELLOW);
	table_add_size(table, client->held_bytes);
	table_add_size(table, client->magazine_bytes);
	table_add_size(table, client->asked_bytes);
	table_add_size(table, client->returned_bytes);
	table_add_own_text(table, human_duration(client->connected_s, age), TABLE_PLAIN);
}

static json_t *document_client(const struct message *part, size_t index)
{
	const struct message_client_info *client = &part->u.client_list.clients[index];

	return json_pack("{s:I, s:s, s:i, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "id",
			 (json_int_t)client->id, "name", client->name, "pid", client->pid, "uid",
			 (json_int_t)client->uid, "state", state_word(client->state), "held_bytes",
			 document_number(client->held_bytes), "magazine_bytes",
			 document_number(client->magazine_bytes), "asked_bytes",
			 document_number(client->asked_bytes), "returned_bytes",
			 document_number(client->returned_bytes), "connected_s",
			 document_number(client->connected_s));
}

enum command_exit clients_run(struct connection *connection, const struct options *options)
{
	static const struct list list = { .key = "clients",
					  .nothing = "no clients",
					  .columns = columns,
					  .nr_columns = sizeof(columns) / sizeof(columns[0]),
					  .add_row = add_client,
					  .element = document_client };
	struct message request = { .type = MESSAGE_LIST_CLIENTS };

	return list_print(&list, connection, &request, options->json);
}
