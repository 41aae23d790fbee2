/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl zoneinfo: everything that is known about each zone, one paragraph a zone, in the
 * manner of /proc/zoneinfo, and after the zones of a pool how each policy fared in it. Amounts
 * stand as a size and in pages, counters count blocks.
 */

#include <inttypes.h>
#include <stdio.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/human.h"
#include "cli/options.h"
#include "cli/text.h"
#include "cli/zone.h"
#include "pagepool.h"

static void print_amount(const char *name, uint64_t size_bytes)
{
	char size[HUMAN_BYTES_MAX];

	printf("  %-16s%8s%14" PRIu64 " pages\n", name, human_size(size_bytes, size),
	       size_bytes / PP_PAGE_SIZE);
}

static void print_counter(const char *name, uint64_t count)
{
	printf("  %-16s%22" PRIu64 "\n", name, count);
}

static void print_amounts(const struct message_zone_info *zone)
{
	print_amount("size", zone->size_bytes);
	print_amount("capacity", zone->capacity_bytes);
	print_amount("draining", zone->draining_bytes);
	print_amount("free", zone->free_bytes);
	print_amount("committed", zone->committed_bytes);
	print_amount("holes", zone->hole_bytes);
	print_amount("contiguous", zone->contiguous_bytes);
	print_amount("contiguous free", zone->contiguous_free_bytes);
	print_amount("min", zone->min_bytes);
	print_amount("low", zone->low_bytes);
	print_amount("high", zone->high_bytes);
	print_amount("boost", zone->boost_bytes);
}

static void print_counters(const struct message_zone_info *zone)
{
	print_counter("allocs", zone->allocs);
	print_counter("frees", zone->frees);
	print_counter("failures", zone->failures);
	print_counter("steals", zone->steals);
	print_counter("claims", zone->claims);
	print_counter("hit", zone->hit);
	print_counter("miss", zone->miss);
	print_counter("foreign", zone->foreign);
	print_counter("interleave", zone->interleave);
	print_counter("local", zone->local);
	print_counter("other", zone->other);
}

static void print_zone(const char *pool, const struct message_zone_info *zone)
{
	char pool_text[TEXT_BYTES_MAX], zone_text[TEXT_BYTES_MAX], page[HUMAN_BYTES_MAX];

	text_escape(pool, pool_text, sizeof(pool_text));
	text_escape(zone->name, zone_text, sizeof(zone_text));
	printf("Node %" PRIu32 ", pool %s, zone %s: pages of %s, pressure %s\n", zone->node,
	       pool_text, zone_text, human_size(zone->page_bytes, page),
	       zone_pressure(zone->pressure));
	if (zone->damage[0] != '\0') {
		text_escape(zone->damage, zone_text, sizeof(zone_text));
		printf("  out of use, its ledger is damaged: %s\n", zone_text);
	}
	print_amounts(zone);
	print_counters(zone);
}

static const char *policy_word(size_t policy)
{
	static const char *const words[MESSAGE_NR_POLICIES] = {
		[MESSAGE_POLICY_PREFERRED] = "preferred",
		[MESSAGE_POLICY_BIND] = "bind",
		[MESSAGE_POLICY_INTERLEAVE] = "interleave",
		[MESSAGE_POLICY_MASK] = "mask",
	};

	return policy < MESSAGE_NR_POLICIES ? words[policy] : "unknown";
}

static void print_policies(const struct message_pool_info *pool)
{
	char name[TEXT_BYTES_MAX];

	if (pool->nr_policies == 0)
		return;
	text_escape(pool->name, name, sizeof(name));
	printf("\nPool %s, by policy: blocks granted, requests that failed\n", name);
	for (size_t i = 0; i < pool->nr_policies; i++)
		printf("  %-16s%22" PRIu64 "%14" PRIu64 "\n", policy_word(i),
		       pool->policies[i].granted, pool->policies[i].failed);
}

static void print_for_people(const struct message *reply)
{
	for (size_t i = 0; i < reply->u.status_info.nr_pools; i++) {
		const struct message_pool_info *pool = &reply->u.status_info.pools[i];

		for (size_t j = 0; j < pool->nr_zones; j++) {
			if (i + j > 0)
				putchar('\n');
			print_zone(pool->name, &pool->zones[j]);
		}
		print_policies(pool);
	}
}

static json_t *detail_document(const char *pool, const struct message_zone_info *zone)
{
	json_t *name = json_pack("{s:s, s:s}", "pool", pool, "zone", zone->name);
	json_t *amounts = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o}", "hole_bytes", document_number(zone->hole_bytes),
		"page_bytes", document_number(zone->page_bytes), "capacity_bytes",
		document_number(zone->capacity_bytes), "contiguous_bytes",
		document_number(zone->contiguous_bytes), "contiguous_free_bytes",
		document_number(zone->contiguous_free_bytes), "boost_bytes",
		document_number(zone->boost_bytes));
	json_t *counters = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "allocs",
		document_number(zone->allocs), "frees", document_number(zone->frees), "failures",
		document_number(zone->failures), "steals", document_number(zone->steals), "claims",
		document_number(zone->claims), "hit", document_number(zone->hit), "miss",
		document_number(zone->miss), "foreign", document_number(zone->foreign),
		"interleave", document_number(zone->interleave), "local",
		document_number(zone->local), "other", document_number(zone->other));

	return document_merge(document_merge(document_merge(name, zone_document(zone)), amounts),
			      counters);
}

static json_t *append_policies(json_t *policies, const struct message_pool_info *pool)
{
	for (size_t i = 0; i < pool->nr_policies; i++)
		policies = document_append(
			policies, json_pack("{s:s, s:s, s:o, s:o}", "pool", pool->name, "policy",
					    policy_word(i), "granted",
					    document_number(pool->policies[i].granted), "failed",
					    document_number(pool->policies[i].failed)));
	return policies;
}

static enum command_exit print_for_programs(const struct message *reply)
{
	json_t *zones = json_array(), *policies = json_array();

	for (size_t i = 0; i < reply->u.status_info.nr_pools; i++) {
		const struct message_pool_info *pool = &reply->u.status_info.pools[i];

		for (size_t j = 0; j < pool->nr_zones; j++)
			zones = document_append(zones,
						detail_document(pool->name, &pool->zones[j]));
		policies = append_policies(policies, pool);
	}
	return document_print(json_pack("{s:o, s:o}", "zones", zones, "policies", policies));
}

enum command_exit zoneinfo_run(struct connection *connection, const struct options *options)
{
	struct message request = { .type = MESSAGE_GET_STATUS };
	const struct message *reply;
	enum command_exit outcome = connection_ask(connection, &request, &reply);

	if (outcome != COMMAND_DONE)
		return outcome;
	if (options->json)
		return print_for_programs(reply);
	print_for_people(reply);
	return COMMAND_DONE;
}
