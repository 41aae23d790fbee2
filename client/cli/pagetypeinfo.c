/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl pagetypeinfo: how the pageblocks of each zone are shared out among the mobility
 * groups, and the free blocks of each group by order, in the manner of /proc/pagetypeinfo.
 *
 * That is too much for one reply of a daemon with many pools: each is asked for by itself.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/zone.h"

#define COLUMNS_BEFORE_ORDERS 4u

static const struct table_column columns[COLUMNS_BEFORE_ORDERS + MESSAGE_NR_ORDERS] = {
	{ "POOL", TABLE_LEFT },        { "ZONE", TABLE_LEFT }, { "TYPE", TABLE_LEFT },
	{ "PAGEBLOCKS", TABLE_RIGHT }, { "0", TABLE_RIGHT },   { "1", TABLE_RIGHT },
	{ "2", TABLE_RIGHT },          { "3", TABLE_RIGHT },   { "4", TABLE_RIGHT },
	{ "5", TABLE_RIGHT },          { "6", TABLE_RIGHT },   { "7", TABLE_RIGHT },
	{ "8", TABLE_RIGHT },          { "9", TABLE_RIGHT },   { "10", TABLE_RIGHT },
	{ "11", TABLE_RIGHT },         { "12", TABLE_RIGHT },  { "13", TABLE_RIGHT },
	{ "14", TABLE_RIGHT },         { "15", TABLE_RIGHT },  { "16", TABLE_RIGHT },
	{ "17", TABLE_RIGHT },         { "18", TABLE_RIGHT },
};

/* What has been gathered of the pools: rows for people, or objects for programs. */
struct output {
	bool json;
	json_t *pools;
	struct table *table;
	unsigned nr_orders;
};

static const char *group_word(uint32_t group)
{
	static const char *const words[MESSAGE_NR_GROUPS] = {
		[MESSAGE_GROUP_UNMOVABLE] = "unmovable",
		[MESSAGE_GROUP_MOVABLE] = "movable",
		[MESSAGE_GROUP_RECLAIMABLE] = "reclaimable",
		[MESSAGE_GROUP_CONTIGUOUS] = "contiguous",
		[MESSAGE_GROUP_FREE] = "free",
		[MESSAGE_GROUP_HELD] = "held",
	};

	return group < MESSAGE_NR_GROUPS ? words[group] : "unknown";
}

static void add_pool(const struct output *output, const struct message_pool_info *pool)
{
	for (size_t i = 0; i < pool->nr_zones; i++)
		for (size_t j = 0; j < pool->zones[i].nr_groups; j++) {
			const struct message_group_info *group = &pool->zones[i].groups[j];
			struct table *table = output->table;

			table_add_row(table);
			table_add_text(table, pool->name);
			table_add_text(table, pool->zones[i].name);
			table_add_own_text(table, group_word(group->group), TABLE_PLAIN);
			table_add_format(table, "%" PRIu64, group->pageblocks);
			for (unsigned order = 0; order < output->nr_orders; order++)
				table_add_format(table, "%" PRIu64, group->free_blocks[order]);
		}
}

static json_t *zone_types(const struct message_zone_info *zone)
{
	json_t *types = json_array();

	for (size_t i = 0; i < zone->nr_groups; i++)
		types = document_append(
			types, json_pack("{s:s, s:o, s:o}", "type",
					 group_word(zone->groups[i].group), "pageblocks",
					 document_number(zone->groups[i].pageblocks), "free_blocks",
					 document_numbers(zone->groups[i].free_blocks,
							  MESSAGE_NR_ORDERS)));
	return types;
}

static json_t *pool_document(const struct message_pool_info *pool)
{
	json_t *zones = json_array();

	for (size_t i = 0; i < pool->nr_zones; i++)
		zones = document_append(zones,
					json_pack("{s:s, s:I, s:o}", "name", pool->zones[i].name,
						  "node", (json_int_t)pool->zones[i].node, "types",
						  zone_types(&pool->zones[i])));
	return json_pack("{s:s, s:o}", "name", pool->name, "zones", zones);
}

static enum command_exit gather_pool(struct connection *connection, const char *name,
				     struct output *output)
{
	struct message request = { .type = MESSAGE_GET_STATUS };
	const struct message *reply;
	enum command_exit outcome;

	request.u.get_status.pool = name;
	request.u.get_status.groups = true;
	outcome = connection_ask(connection, &request, &reply);
	if (outcome != COMMAND_DONE)
		return outcome;
	for (size_t i = 0; i < reply->u.status_info.nr_pools; i++) {
		const struct message_pool_info *pool = &reply->u.status_info.pools[i];

		if (strcmp(pool->name, name) != 0)
			continue; /* a daemon that knows no filter tells of all */
		if (output->json)
			output->pools = document_append(output->pools, pool_document(pool));
		else
			add_pool(output, pool);
	}
	return COMMAND_DONE;
}

static void output_begin(struct output *output, const struct message *status)
{
	output->nr_orders = zone_count_orders(status);
	if (output->json)
		output->pools = json_array();
	else
		output->table = table_new(columns, COLUMNS_BEFORE_ORDERS + output->nr_orders);
}

/* A reply is gone with the next question, so the names are copied. */
static enum command_exit gather_pools(struct connection *connection, struct output *output)
{
	char names[MESSAGE_POOLS_MAX][MESSAGE_NAME_BYTES_MAX + 1];
	struct message request = { .type = MESSAGE_GET_STATUS };
	const struct message *reply;
	enum command_exit outcome = connection_ask(connection, &request, &reply);
	size_t nr_names = 0;

	if (outcome != COMMAND_DONE)
		return outcome;
	output_begin(output, reply);
	for (; nr_names < reply->u.status_info.nr_pools; nr_names++)
		strcpy(names[nr_names], reply->u.status_info.pools[nr_names].name);
	for (size_t i = 0; i < nr_names && outcome == COMMAND_DONE; i++)
		outcome = gather_pool(connection, names[i], output);
	return outcome;
}

enum command_exit pagetypeinfo_run(struct connection *connection, const struct options *options)
{
	struct output output = { .json = options->json };
	enum command_exit outcome = gather_pools(connection, &output);

	if (outcome != COMMAND_DONE)
		json_decref(output.pools);
	else if (output.json)
		outcome = document_print(json_pack("{s:o}", "pools", output.pools));
	else
		outcome = table_print(output.table);
	table_free(output.table);
	return outcome;
}
