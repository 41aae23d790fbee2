/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl status: one screen that answers "is it well, and is there room?". A row a zone, hung
 * under its pool, and a line for what somebody should know: a zone that is out of use, or one that
 * was made smaller and waits for its blocks. What needs more detail is in zoneinfo and clients.
 */

#include <stdio.h>
#include <time.h>

#include "cli/bar.h"
#include "cli/connection.h"
#include "cli/document.h"
#include "cli/human.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/zone.h"

static const struct table_column columns[] = {
	{ "POOL", TABLE_TREE },  { "USED", TABLE_LEFT },       { "SIZE", TABLE_RIGHT },
	{ "FREE", TABLE_RIGHT }, { "COMMITTED", TABLE_RIGHT }, { "MIN", TABLE_RIGHT },
	{ "LOW", TABLE_RIGHT },  { "HIGH", TABLE_RIGHT },      { "PRESSURE", TABLE_LEFT },
};

static void print_daemon(const struct message *reply)
{
	time_t since = time(NULL) - (time_t)reply->u.status_info.uptime_s;
	uint32_t clients = reply->u.status_info.clients;
	char version[TEXT_BYTES_MAX], up[HUMAN_BYTES_MAX], start[32] = "";
	struct tm tm;

	text_escape(reply->u.status_info.version, version, sizeof(version));
	if (localtime_r(&since, &tm))
		strftime(start, sizeof(start), " since %Y-%m-%d %H:%M:%S", &tm);
	printf("pagepoold %s, pid %d, up %s%s, %u client%s\n\n", version, reply->u.status_info.pid,
	       human_duration(reply->u.status_info.uptime_s, up), start, clients,
	       clients == 1 ? "" : "s");
}

static void add_usage(struct table *table, uint64_t size_bytes, uint64_t free_bytes)
{
	uint64_t used_bytes = size_bytes > free_bytes ? size_bytes - free_bytes : 0;
	char bar[BAR_BYTES_MAX];

	table_add_own_text(table, bar_draw(used_bytes, size_bytes, table_has_utf8(), bar),
			   TABLE_PLAIN);
	table_add_size(table, size_bytes);
	table_add_size(table, free_bytes);
}

static void add_zone(struct table *table, const struct message_zone_info *zone)
{
	static const enum table_colour colours[MESSAGE_NR_PRESSURES] = {
		[MESSAGE_PRESSURE_LOW] = TABLE_YELLOW,
		[MESSAGE_PRESSURE_MIN] = TABLE_RED,
	};
	bool known = (unsigned)zone->pressure < MESSAGE_NR_PRESSURES;
	bool is_damaged = zone->damage[0] != '\0';

	table_add_child_row(table);
	table_add_text(table, zone->name);
	add_usage(table, zone->size_bytes, zone->free_bytes);
	table_add_size(table, zone->committed_bytes);
	table_add_size(table, zone->min_bytes);
	table_add_size(table, zone->low_bytes);
	table_add_size(table, zone->high_bytes);
	table_add_own_text(table, is_damaged ? "damaged" : zone_pressure(zone->pressure),
			   is_damaged ? TABLE_RED
			   : known    ? colours[zone->pressure]
				      : TABLE_PLAIN);
}

static void print_trouble(const char *pool, const struct message_zone_info *zone)
{
	char pool_text[TEXT_BYTES_MAX], zone_text[TEXT_BYTES_MAX], damage[TEXT_BYTES_MAX];
	char size[HUMAN_BYTES_MAX];

	text_escape(pool, pool_text, sizeof(pool_text));
	text_escape(zone->name, zone_text, sizeof(zone_text));
	text_escape(zone->damage, damage, sizeof(damage));
	if (zone->damage[0] != '\0')
		printf("Zone %s of pool %s is out of use, its ledger is damaged: %s\n", zone_text,
		       pool_text, damage);
	else
		printf("Zone %s of pool %s was made smaller: %s beyond its end is still held\n",
		       zone_text, pool_text, human_size(zone->draining_bytes, size));
}

static void print_troubles(const struct message *reply)
{
	bool is_first = true;

	for (size_t i = 0; i < reply->u.status_info.nr_pools; i++) {
		const struct message_pool_info *pool = &reply->u.status_info.pools[i];

		for (size_t j = 0; j < pool->nr_zones; j++) {
			const struct message_zone_info *zone = &pool->zones[j];

			if (zone->damage[0] == '\0' && zone->draining_bytes == 0)
				continue;
			if (is_first)
				putchar('\n');
			is_first = false;
			print_trouble(pool->name, zone);
		}
	}
}

static void add_pool(struct table *table, const struct message_pool_info *pool)
{
	uint64_t committed_bytes = 0;

	for (size_t i = 0; i < pool->nr_zones; i++)
		committed_bytes += pool->zones[i].committed_bytes;
	table_add_row(table);
	table_add_text(table, pool->name);
	add_usage(table, pool->size_bytes, pool->free_bytes);
	table_add_size(table, committed_bytes);
	for (size_t i = 0; i < pool->nr_zones; i++)
		add_zone(table, &pool->zones[i]);
}

static enum command_exit print_for_people(const struct message *reply)
{
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	enum command_exit outcome;

	print_daemon(reply);
	for (size_t i = 0; i < reply->u.status_info.nr_pools; i++)
		add_pool(table, &reply->u.status_info.pools[i]);
	outcome = table_print(table);
	table_free(table);
	if (outcome == COMMAND_DONE)
		print_troubles(reply);
	return outcome;
}

static json_t *pool_document(const struct message_pool_info *pool)
{
	json_t *zones = json_array();

	for (size_t i = 0; i < pool->nr_zones; i++) {
		json_t *name = json_pack("{s:s}", "name", pool->zones[i].name);

		zones = document_append(zones,
					document_merge(name, zone_document(&pool->zones[i])));
	}
	return json_pack("{s:s, s:o, s:o, s:o}", "name", pool->name, "size_bytes",
			 document_number(pool->size_bytes), "free_bytes",
			 document_number(pool->free_bytes), "zones", zones);
}

static enum command_exit print_for_programs(const struct message *reply)
{
	json_t *pools = json_array();

	for (size_t i = 0; i < reply->u.status_info.nr_pools; i++)
		pools = document_append(pools, pool_document(&reply->u.status_info.pools[i]));
	return document_print(
		json_pack("{s:s, s:i, s:o, s:o, s:I}", "version", reply->u.status_info.version,
			  "pid", reply->u.status_info.pid, "uptime_s",
			  document_number(reply->u.status_info.uptime_s), "pools", pools, "clients",
			  (json_int_t)reply->u.status_info.clients));
}

enum command_exit status_run(struct connection *connection, const struct options *options)
{
	struct message request = { .type = MESSAGE_GET_STATUS };
	const struct message *reply;
	enum command_exit outcome = connection_ask(connection, &request, &reply);

	if (outcome != COMMAND_DONE)
		return outcome;
	return options->json ? print_for_programs(reply) : print_for_people(reply);
}
