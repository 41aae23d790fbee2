/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl buddyinfo: free blocks by order, a row a zone and a column an order, in the manner of
 * /proc/buddyinfo. An unfragmented zone has its blocks in the last columns.
 */

#include <inttypes.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/zone.h"

static const struct table_column columns[2 + MESSAGE_NR_ORDERS] = {
	{ "POOL", TABLE_LEFT }, { "ZONE", TABLE_LEFT }, { "0", TABLE_RIGHT },
	{ "1", TABLE_RIGHT },   { "2", TABLE_RIGHT },   { "3", TABLE_RIGHT },
	{ "4", TABLE_RIGHT },   { "5", TABLE_RIGHT },   { "6", TABLE_RIGHT },
	{ "7", TABLE_RIGHT },   { "8", TABLE_RIGHT },   { "9", TABLE_RIGHT },
	{ "10", TABLE_RIGHT },  { "11", TABLE_RIGHT },  { "12", TABLE_RIGHT },
	{ "13", TABLE_RIGHT },  { "14", TABLE_RIGHT },  { "15", TABLE_RIGHT },
	{ "16", TABLE_RIGHT },  { "17", TABLE_RIGHT },  { "18", TABLE_RIGHT },
};

static enum command_exit print_for_people(const struct message *reply)
{
	unsigned nr_orders = zone_count_orders(reply);
	struct table *table = table_new(columns, 2 + nr_orders);
	enum command_exit outcome;

	for (size_t i = 0; i < reply->u.status_info.nr_pools; i++) {
		const struct message_pool_info *pool = &reply->u.status_info.pools[i];

		for (size_t j = 0; j < pool->nr_zones; j++) {
			table_add_row(table);
			table_add_text(table, pool->name);
			table_add_text(table, pool->zones[j].name);
			for (unsigned order = 0; order < nr_orders; order++)
				table_add_format(table, "%" PRIu64,
						 pool->zones[j].free_blocks[order]);
		}
	}
	outcome = table_print(table);
	table_free(table);
	return outcome;
}

static enum command_exit print_for_programs(const struct message *reply)
{
	json_t *zones = json_array();

	for (size_t i = 0; i < reply->u.status_info.nr_pools; i++) {
		const struct message_pool_info *pool = &reply->u.status_info.pools[i];

		for (size_t j = 0; j < pool->nr_zones; j++)
			zones = document_append(
				zones, json_pack("{s:s, s:s, s:o}", "pool", pool->name, "zone",
						 pool->zones[j].name, "free_blocks",
						 document_numbers(pool->zones[j].free_blocks,
								  MESSAGE_NR_ORDERS)));
	}
	return document_print(json_pack("{s:o}", "zones", zones));
}

enum command_exit buddyinfo_run(struct connection *connection, const struct options *options)
{
	struct message request = { .type = MESSAGE_GET_STATUS };
	const struct message *reply;
	enum command_exit outcome = connection_ask(connection, &request, &reply);

	if (outcome != COMMAND_DONE)
		return outcome;
	return options->json ? print_for_programs(reply) : print_for_people(reply);
}
