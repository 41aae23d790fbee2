/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl slabinfo: the caches of each pool and how full their slabs are, in the manner of
 * /proc/slabinfo, with what a slab loses and what the slabs of a cache take.
 *
 * Every pool has the general caches behind pp_malloc(); the daemon leaves those out that have no
 * slabs. A cache that was merged is only a name for another one, and shows that one's numbers.
 */

#include <inttypes.h>
#include <stdio.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/text.h"
#include "pagepool.h"

static const struct table_column columns[] = {
	{ "POOL", TABLE_LEFT },    { "CACHE", TABLE_LEFT },  { "SIZE", TABLE_RIGHT },
	{ "ACTIVE", TABLE_RIGHT }, { "TOTAL", TABLE_RIGHT }, { "FULL", TABLE_RIGHT },
	{ "PART", TABLE_RIGHT },   { "EMPTY", TABLE_RIGHT }, { "ORDER", TABLE_RIGHT },
	{ "OBJS", TABLE_RIGHT },   { "LOST", TABLE_RIGHT },  { "MEM", TABLE_RIGHT },
	{ "FLAGS", TABLE_LEFT },
};

static const struct {
	uint32_t bit;
	const char *word;
} flags[] = {
	{ MESSAGE_CACHE_CTOR, "ctor" },
	{ MESSAGE_CACHE_DEBUG, "debug" },
	{ MESSAGE_CACHE_MERGE, "merge" },
};

#define NR_FLAGS (sizeof(flags) / sizeof(flags[0]))

static const char *mobility_word(enum message_mobility mobility)
{
	static const char *const words[MESSAGE_NR_MOBILITIES] = {
		[MESSAGE_UNMOVABLE] = "unmovable",
		[MESSAGE_MOVABLE] = "movable",
		[MESSAGE_RECLAIMABLE] = "reclaimable",
	};

	return (unsigned)mobility < MESSAGE_NR_MOBILITIES ? words[mobility] : "unknown";
}

static bool is_merged(const struct message_cache_row *cache)
{
	return cache->target[0] != '\0';
}

static uint64_t nr_slabs(const struct message_cache_row *cache)
{
	return cache->slabs_full + cache->slabs_partial + cache->slabs_empty;
}

/* 0 for an order that is none. */
static uint64_t slab_bytes(const struct message_cache_row *cache)
{
	return cache->slab_order <= PP_ORDER_MAX ? (uint64_t)PP_PAGE_SIZE << cache->slab_order : 0;
}

/* "192 4.6%" */
static void add_lost(struct table *table, const struct message_cache_row *cache)
{
	uint64_t bytes = slab_bytes(cache);
	uint64_t per_mille = bytes ? UINT64_C(1000) * cache->slab_waste_bytes / bytes : 0;

	table_add_format(table, "%" PRIu32 " %" PRIu64 ".%" PRIu64 "%%", cache->slab_waste_bytes,
			 per_mille / 10, per_mille % 10);
}

/* What is not so of every cache: "ctor,movable". */
static void add_flags(struct table *table, const struct message_cache_row *cache)
{
	char words[64] = "";
	int length = 0;

	for (size_t i = 0; i < NR_FLAGS; i++)
		if (cache->flags & flags[i].bit)
			length += sprintf(words + length, ",%s", flags[i].word);
	if (cache->mobility != MESSAGE_UNMOVABLE)
		sprintf(words + length, ",%s", mobility_word(cache->mobility));
	table_add_own_text(table, words[0] != '\0' ? words + 1 : "-", TABLE_PLAIN);
}

static void add_target(struct table *table, const char *target)
{
	char escaped[TEXT_BYTES_MAX];

	text_escape(target, escaped, sizeof(escaped));
	table_add_format(table, "merged into %s", escaped);
}

static void add_cache(struct table *table, const struct message *part, size_t index)
{
	const struct message_cache_row *cache = &part->u.cache_list.caches[index];

	table_add_row(table);
	table_add_text(table, cache->pool);
	table_add_text(table, cache->name);
	table_add_format(table, "%" PRIu32, cache->object_bytes);
	table_add_format(table, "%" PRIu64, cache->objects_active);
	table_add_format(table, "%" PRIu64, cache->objects_total);
	table_add_format(table, "%" PRIu64, cache->slabs_full);
	table_add_format(table, "%" PRIu64, cache->slabs_partial);
	table_add_format(table, "%" PRIu64, cache->slabs_empty);
	table_add_format(table, "%" PRIu32, cache->slab_order);
	table_add_format(table, "%" PRIu32, cache->slab_objects);
	add_lost(table, cache);
	table_add_size(table, nr_slabs(cache) * slab_bytes(cache));
	if (is_merged(cache))
		add_target(table, cache->target);
	else
		add_flags(table, cache);
}

static json_t *flag_words(uint32_t given)
{
	json_t *words = json_array();

	for (size_t i = 0; i < NR_FLAGS; i++)
		if (given & flags[i].bit)
			words = document_append(words, json_string(flags[i].word));
	return words;
}

static json_t *document_cache(const struct message *part, size_t index)
{
	const struct message_cache_row *cache = &part->u.cache_list.caches[index];
	json_t *counts =
		json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "pool", cache->pool, "name",
			  cache->name, "object_size", (json_int_t)cache->object_bytes,
			  "objects_active", document_number(cache->objects_active), "objects_total",
			  document_number(cache->objects_total), "slabs_full",
			  document_number(cache->slabs_full), "slabs_partial",
			  document_number(cache->slabs_partial), "slabs_empty",
			  document_number(cache->slabs_empty));
	json_t *layout = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:o, s:s, s:o, s:o}", "slab_order",
		(json_int_t)cache->slab_order, "objects_per_slab", (json_int_t)cache->slab_objects,
		"align", (json_int_t)cache->align, "stride_bytes", (json_int_t)cache->stride_bytes,
		"waste_bytes", (json_int_t)cache->slab_waste_bytes, "memory_bytes",
		document_number(nr_slabs(cache) * slab_bytes(cache)), "mobility",
		mobility_word(cache->mobility), "flags", flag_words(cache->flags), "merged_into",
		is_merged(cache) ? json_string(cache->target) : json_null());

	return document_merge(counts, layout);
}

enum command_exit slabinfo_run(struct connection *connection, const struct options *options)
{
	static const struct list list = { .key = "caches",
					  .nothing = "no caches",
					  .columns = columns,
					  .nr_columns = sizeof(columns) / sizeof(columns[0]),
					  .add_row = add_cache,
					  .element = document_cache };
	struct message request = { .type = MESSAGE_LIST_CACHES };

	request.u.list_caches.pool = options->pool ? options->pool : "";
	return list_print(&list, connection, &request, options->json);
}
