/* SPDX-License-Identifier: MIT */
/*
 * A block as a row and as JSON, the same wherever blocks are listed. A slab is more than that: a
 * block that is divided among many holders, so it tells of its cache and its objects too.
 */

#include "cli/block.h"

#include <inttypes.h>

#include "cli/document.h"
#include "pagepool.h"

#define PAGE_SHIFT 12u
_Static_assert(PP_PAGE_SIZE == 1u << PAGE_SHIFT,
	       "a page address is an offset without its low bits");

const struct table_column block_columns[BLOCK_NR_COLUMNS] = {
	{ "POOL", TABLE_LEFT },   { "ZONE", TABLE_LEFT },  { "OFFSET", TABLE_RIGHT },
	{ "ORDER", TABLE_RIGHT }, { "SIZE", TABLE_RIGHT }, { "CLIENT", TABLE_RIGHT },
	{ "KIND", TABLE_LEFT },   { "CACHE", TABLE_LEFT }, { "OBJECTS", TABLE_RIGHT },
};

#define KIND_SLAB 2u

/* The kinds of a ledger word, as the protocol numbers them. */
static const char *kind_word(uint32_t kind)
{
	static const char *const words[] = {
		[1] = "page", [KIND_SLAB] = "slab", [3] = "shared", [4] = "scrub", [5] = "hole"
	};

	return kind >= 1 && kind < sizeof(words) / sizeof(words[0]) ? words[kind] : "unknown";
}

/* 0 for an order that is none. */
static uint64_t size_bytes(const struct message_block_info *block)
{
	return block->order <= PP_ORDER_MAX ? (uint64_t)PP_PAGE_SIZE << block->order : 0;
}

uint64_t block_offset(uint64_t page)
{
	return page << PAGE_SHIFT;
}

void block_add_row(struct table *table, const struct message_block_info *block)
{
	table_add_row(table);
	table_add_text(table, block->pool);
	table_add_text(table, block->zone);
	table_add_format(table, "0x%016" PRIx64, block_offset(block->page));
	table_add_format(table, "%" PRIu32, block->order);
	table_add_size(table, size_bytes(block));
	if (block->client == 0) /* the daemon's own */
		table_add_own_text(table, "-", TABLE_PLAIN);
	else
		table_add_format(table, "%" PRIu32, block->client);
	table_add_own_text(table, kind_word(block->kind), TABLE_PLAIN);
	if (block->kind == KIND_SLAB) {
		table_add_text(table, block->cache);
		table_add_format(table, "%" PRIu32 "/%" PRIu32, block->held_objects,
				 block->objects);
	} else {
		table_add_own_text(table, "-", TABLE_PLAIN);
		table_add_own_text(table, "-", TABLE_PLAIN);
	}
}

static json_t *slab_document(const struct message_block_info *block)
{
	return json_pack("{s:s, s:I, s:I}", "cache", block->cache, "objects",
			 (json_int_t)block->objects, "objects_held",
			 (json_int_t)block->held_objects);
}

json_t *block_document(const struct message_block_info *block)
{
	json_t *document = json_pack(
		"{s:s, s:s, s:o, s:I, s:o, s:I, s:s}", "pool", block->pool, "zone", block->zone,
		"offset", document_number(block_offset(block->page)), "order",
		(json_int_t)block->order, "size_bytes", document_number(size_bytes(block)),
		"client", (json_int_t)block->client, "kind", kind_word(block->kind));

	return block->kind == KIND_SLAB ? document_merge(document, slab_document(block)) : document;
}
