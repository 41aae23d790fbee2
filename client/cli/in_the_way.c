/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl blocks --in-the-way ORDER: what would have to be moved or given back for a block of
 * that order in the contiguous area. The daemon answers for one zone, so without --node each zone
 * of the pool is asked in turn. One that has no answer is complained about and the others are
 * still shown.
 */

#include "cli/in_the_way.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/block.h"
#include "cli/connection.h"
#include "cli/document.h"
#include "cli/human.h"
#include "cli/options.h"
#include "cli/text.h"
#include "pagepool.h"

static enum command_exit print_for_people(const struct message *plan, const struct options *options,
					  uint32_t node)
{
	struct table *table = table_new(block_columns, BLOCK_NR_COLUMNS);
	char pool[TEXT_BYTES_MAX], held[HUMAN_BYTES_MAX];
	uint64_t nr_held = plan->u.contiguous_plan.held_blocks;
	size_t nr_shown = plan->u.contiguous_plan.nr_blocks;
	enum command_exit outcome;

	text_escape(options->pool, pool, sizeof(pool));
	printf("Node %" PRIu32 ", pool %s, order %" PRIu32 " at 0x%016" PRIx64 ": ", node, pool,
	       plan->u.contiguous_plan.order, block_offset(plan->u.contiguous_plan.page));
	if (nr_held == 0)
		puts("nothing is in the way");
	else
		printf("%" PRIu64 " block%s, %s, in the way\n", nr_held, nr_held == 1 ? "" : "s",
		       human_size(plan->u.contiguous_plan.held_pages * PP_PAGE_SIZE, held));
	for (size_t i = 0; i < nr_shown; i++)
		block_add_row(table, &plan->u.contiguous_plan.blocks[i]);
	outcome = table_print(table);
	table_free(table);
	if (outcome == COMMAND_DONE && nr_held > nr_shown)
		printf("and %" PRIu64 " more\n", nr_held - nr_shown);
	return outcome;
}

static json_t *plan_document(const struct message *plan, const struct options *options,
			     uint32_t node)
{
	json_t *blocks = json_array();

	for (size_t i = 0; i < plan->u.contiguous_plan.nr_blocks; i++)
		blocks =
			document_append(blocks, block_document(&plan->u.contiguous_plan.blocks[i]));
	return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "pool", options->pool, "node",
			 (json_int_t)node, "order", (json_int_t)plan->u.contiguous_plan.order,
			 "offset", document_number(block_offset(plan->u.contiguous_plan.page)),
			 "held_blocks", document_number(plan->u.contiguous_plan.held_blocks),
			 "held_bytes",
			 document_number(plan->u.contiguous_plan.held_pages * PP_PAGE_SIZE),
			 "blocks", blocks);
}

/* The nodes that the pool has a zone on. */
static enum command_exit find_nodes(struct connection *connection, const struct options *options,
				    uint32_t nodes[MESSAGE_ZONES_MAX], size_t *ret_nr)
{
	struct message request = { .type = MESSAGE_GET_STATUS };
	const struct message *reply;
	enum command_exit outcome;

	*ret_nr = 0;
	if (options->given & OPTION_NODE) {
		nodes[(*ret_nr)++] = options->node;
		return COMMAND_DONE;
	}
	request.u.get_status.pool = options->pool;
	outcome = connection_ask(connection, &request, &reply);
	if (outcome == COMMAND_DONE && reply->u.status_info.nr_pools > 0) {
		const struct message_pool_info *pool = &reply->u.status_info.pools[0];

		for (size_t i = 0; i < pool->nr_zones; i++)
			nodes[(*ret_nr)++] = pool->zones[i].node;
	}
	return outcome;
}

static enum command_exit show_plan(struct connection *connection, const struct options *options,
				   uint32_t node, json_t **plans)
{
	struct message request = { .type = MESSAGE_PLAN_CONTIGUOUS };
	const struct message *plan;
	enum command_exit outcome;

	request.u.plan_contiguous.pool = options->pool;
	request.u.plan_contiguous.node = node;
	request.u.plan_contiguous.order = options->order;
	outcome = connection_ask(connection, &request, &plan);
	if (outcome != COMMAND_DONE)
		return outcome;
	if (!options->json)
		return print_for_people(plan, options, node);
	*plans = document_append(*plans, plan_document(plan, options, node));
	return COMMAND_DONE;
}

static enum command_exit worse(enum command_exit a, enum command_exit b)
{
	return a > b ? a : b;
}

enum command_exit in_the_way_run(struct connection *connection, const struct options *options)
{
	uint32_t nodes[MESSAGE_ZONES_MAX];
	size_t nr_nodes;
	enum command_exit outcome = find_nodes(connection, options, nodes, &nr_nodes);
	json_t *plans = json_array();

	for (size_t i = 0; i < nr_nodes && outcome != COMMAND_NO_DAEMON; i++)
		outcome = worse(outcome, show_plan(connection, options, nodes[i], &plans));
	if (options->json && nr_nodes > 0 && outcome != COMMAND_NO_DAEMON)
		return worse(outcome, document_print(json_pack("{s:o}", "plans", plans)));
	json_decref(plans);
	return outcome;
}
