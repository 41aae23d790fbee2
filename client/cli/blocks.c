/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl blocks: every allocated block, in address order, or those of one client or pool; or,
 * with --in-the-way, those that a large block would have to take the place of. An offset is what
 * pp_to_offset() gives to programs. Slabs, which are no client's, are among a client's with the
 * objects that it holds there.
 */

#include "cli/block.h"
#include "cli/connection.h"
#include "cli/in_the_way.h"
#include "cli/list.h"
#include "cli/options.h"

static void add_block(struct table *table, const struct message *part, size_t index)
{
	block_add_row(table, &part->u.block_list.blocks[index]);
}

static json_t *document_block(const struct message *part, size_t index)
{
	return block_document(&part->u.block_list.blocks[index]);
}

const char *blocks_conflict(const struct options *options)
{
	bool in_the_way = options->given & OPTION_IN_THE_WAY;

	if (in_the_way && !(options->given & OPTION_POOL))
		return "--in-the-way needs --pool too";
	if (in_the_way && (options->given & OPTION_CLIENT))
		return "--in-the-way looks at the blocks of all clients: not with --client";
	if (!in_the_way && (options->given & OPTION_NODE))
		return "--node goes with --in-the-way only";
	return NULL;
}

enum command_exit blocks_run(struct connection *connection, const struct options *options)
{
	static const struct list list = { .key = "blocks",
					  .nothing = "no blocks",
					  .columns = block_columns,
					  .nr_columns = BLOCK_NR_COLUMNS,
					  .add_row = add_block,
					  .element = document_block };
	struct message request = { .type = MESSAGE_LIST_BLOCKS };

	if (options->given & OPTION_IN_THE_WAY)
		return in_the_way_run(connection, options);
	request.u.list_blocks.pool = options->pool ? options->pool : "";
	request.u.list_blocks.client = options->client;
	return list_print(&list, connection, &request, options->json);
}
