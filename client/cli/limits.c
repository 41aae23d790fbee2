/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl limits: what users, groups and clients may hold of a pool, and what they do hold.
 * Limits that are not set show as "-"; what is in use turns yellow above high and red where max
 * leaves no page.
 */

#include <inttypes.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/human.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/table.h"
#include "pagepool.h"

static const struct table_column columns[] = {
	{ "POOL", TABLE_LEFT },     { "KIND", TABLE_LEFT }, { "NAME", TABLE_LEFT },
	{ "USED", TABLE_RIGHT },    { "MIN", TABLE_RIGHT }, { "LOW", TABLE_RIGHT },
	{ "HIGH", TABLE_RIGHT },    { "MAX", TABLE_RIGHT }, { "CLIENTS", TABLE_RIGHT },
	{ "REFUSED", TABLE_RIGHT },
};

static enum table_colour used_colour(const struct message_limit_info *limit)
{
	if (limit->max_bytes && limit->used_bytes + PP_PAGE_SIZE > limit->max_bytes)
		return TABLE_RED;
	return limit->high_bytes && limit->used_bytes > limit->high_bytes ? TABLE_YELLOW
									  : TABLE_PLAIN;
}

static void add_bound(struct table *table, uint64_t size_bytes)
{
	if (size_bytes)
		table_add_size(table, size_bytes);
	else
		table_add_own_text(table, "-", TABLE_PLAIN);
}

static void add_limit(struct table *table, const struct message *part, size_t index)
{
	const struct message_limit_info *limit = &part->u.limit_list.limits[index];
	char used[HUMAN_BYTES_MAX];

	table_add_row(table);
	table_add_text(table, limit->pool);
	table_add_text(table, limit->kind);
	table_add_text(table, limit->name);
	table_add_own_text(table, human_size(limit->used_bytes, used), used_colour(limit));
	add_bound(table, limit->min_bytes);
	add_bound(table, limit->low_bytes);
	add_bound(table, limit->high_bytes);
	add_bound(table, limit->max_bytes);
	table_add_format(table, "%" PRIu32, limit->clients);
	table_add_format(table, "%" PRIu64, limit->refused);
}

static json_t *document_limit(const struct message *part, size_t index)
{
	const struct message_limit_info *limit = &part->u.limit_list.limits[index];

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "pool", limit->pool, "kind",
		limit->kind, "name", limit->name, "used_bytes", document_number(limit->used_bytes),
		"min_bytes", document_number(limit->min_bytes), "low_bytes",
		document_number(limit->low_bytes), "high_bytes", document_number(limit->high_bytes),
		"max_bytes", document_number(limit->max_bytes), "clients",
		(json_int_t)limit->clients, "refused", document_number(limit->refused));
}

enum command_exit limits_run(struct connection *connection, const struct options *options)
{
	static const struct list list = { .key = "limits",
					  .nothing = "no limits",
					  .columns = columns,
					  .nr_columns = sizeof(columns) / sizeof(columns[0]),
					  .add_row = add_limit,
					  .element = document_limit };
	struct message request = { .type = MESSAGE_LIST_LIMITS };

	return list_print(&list, connection, &request, options->json);
}
