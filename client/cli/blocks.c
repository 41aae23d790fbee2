/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl blocks: every allocated block, in address order, or those of one client or pool. An
 * offset is what pp_to_offset() gives to programs.
 */

#include <inttypes.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/table.h"
#include "pagepool.h"

/* The wire tells pages: the zone in bits 44 and up. An offset is the same in bytes. */
#define PAGE_SHIFT 12u
_Static_assert(PP_PAGE_SIZE == 1u << PAGE_SHIFT,
	       "a page address is an offset without its low bits");

static const struct table_column columns[] = {
	{ "POOL", TABLE_LEFT },   { "ZONE", TABLE_LEFT },  { "OFFSET", TABLE_RIGHT },
	{ "ORDER", TABLE_RIGHT }, { "SIZE", TABLE_RIGHT }, { "CLIENT", TABLE_RIGHT },
	{ "KIND", TABLE_LEFT },
};

/* The kinds of a ledger word, as the protocol numbers them. */
static const char *kind_word(uint32_t kind)
{
	static const char *const words[] = {
		[1] = "page", [2] = "slab", [3] = "shared", [4] = "scrub", [5] = "hole"
	};

	return kind >= 1 && kind < sizeof(words) / sizeof(words[0]) ? words[kind] : "unknown";
}

/* 0 for an order that is none. */
static uint64_t size_bytes(const struct message_block_info *block)
{
	return block->order <= PP_ORDER_MAX ? (uint64_t)PP_PAGE_SIZE << block->order : 0;
}

static void add_block(struct table *table, const struct message *part, size_t index)
{
	const struct message_block_info *block = &part->u.block_list.blocks[index];

	table_add_row(table);
	table_add_text(table, block->pool);
	table_add_text(table, block->zone);
	table_add_format(table, "0x%016" PRIx64, block->page << PAGE_SHIFT);
	table_add_format(table, "%" PRIu32, block->order);
	table_add_size(table, size_bytes(block));
	if (block->client == 0) /* the daemon's own */
		table_add_own_text(table, "-", TABLE_PLAIN);
	else
		table_add_format(table, "%" PRIu32, block->client);
	table_add_own_text(table, kind_word(block->kind), TABLE_PLAIN);
}

static json_t *document_block(const struct message *part, size_t index)
{
	const struct message_block_info *block = &part->u.block_list.blocks[index];

	return json_pack("{s:s, s:s, s:o, s:I, s:o, s:I, s:s}", "pool", block->pool, "zone",
			 block->zone, "offset", document_number(block->page << PAGE_SHIFT), "order",
			 (json_int_t)block->order, "size_bytes", document_number(size_bytes(block)),
			 "client", (json_int_t)block->client, "kind", kind_word(block->kind));
}

enum command_exit blocks_run(struct connection *connection, const struct options *options)
{
	static const struct list list = { .key = "blocks",
					  .nothing = "no blocks",
					  .columns = columns,
					  .nr_columns = sizeof(columns) / sizeof(columns[0]),
					  .add_row = add_block,
					  .element = document_block };
	struct message request = { .type = MESSAGE_LIST_BLOCKS };

	request.u.list_blocks.pool = options->pool ? options->pool : "";
	request.u.list_blocks.client = options->client;
	return list_print(&list, connection, &request, options->json);
}
