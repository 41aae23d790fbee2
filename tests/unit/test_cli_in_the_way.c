/* SPDX-License-Identifier: MIT */
/* pagepoolctl blocks --in-the-way: what a large block would have to take the place of. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/child.h"
#include "support/fake_daemon.h"
#include "support/pagepoolctl.h"

/* Three nodes: nothing in the way on 0, blocks on 2, no contiguous area on 5. */
static const struct message_zone_info zones[] = { { .name = "node0" },
						  { .name = "node2", .node = 2 },
						  { .name = "node5", .node = 5 } };

static void answer_status(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_pool_info pool = { .name = "frames",
						       .zones = zones,
						       .nr_zones = 3 };

	CHILD_CHECK(strcmp(request->u.get_status.pool, "frames") == 0);
	ret_reply->message.type = MESSAGE_STATUS_INFO;
	ret_reply->message.u.status_info.pools = &pool;
	ret_reply->message.u.status_info.nr_pools = 1;
}

static void answer_plan(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_block_info blocks[] = {
		{ .pool = "frames",
		  .zone = "node2",
		  .page = 1 << 9,
		  .order = 1,
		  .client = 3,
		  .kind = 1 },
		{ .pool = "frames",
		  .zone = "node2",
		  .page = 9 << 9,
		  .order = 0,
		  .kind = 2,
		  .cache = "tile",
		  .objects = 64,
		  .held_objects = 3 },
	};
	struct message *reply = &ret_reply->message;

	CHILD_CHECK(strcmp(request->u.plan_contiguous.pool, "frames") == 0);
	CHILD_CHECK(request->u.plan_contiguous.order == 9);
	if (request->u.plan_contiguous.node == 5) {
		reply->status = MESSAGE_STATUS_NO_MEMORY;
		reply->error = "node5 has no contiguous area";
		return;
	}
	reply->type = MESSAGE_CONTIGUOUS_PLAN;
	reply->u.contiguous_plan.page = 1 << 9;
	reply->u.contiguous_plan.order = 9;
	if (request->u.plan_contiguous.node == 2) {
		reply->u.contiguous_plan.held_blocks = 4;
		reply->u.contiguous_plan.held_pages = 5;
		reply->u.contiguous_plan.blocks = blocks;
		reply->u.contiguous_plan.nr_blocks = 2;
	}
}

static void answer(const struct message *request, struct fake_reply *ret_reply)
{
	if (request->type == MESSAGE_GET_STATUS)
		answer_status(request, ret_reply);
	else if (request->type == MESSAGE_PLAN_CONTIGUOUS)
		answer_plan(request, ret_reply);
	else
		ret_reply->message.status = MESSAGE_STATUS_UNSUPPORTED;
}

#define NODE2_TEXT                                                                                 \
	"Node 2, pool frames, order 9 at 0x0000000000200000: 4 blocks, 20K, in the way\n"          \
	"POOL   ZONE              OFFSET ORDER SIZE CLIENT KIND CACHE OBJECTS\n"                   \
	"frames node2 0x0000000000200000     1   8K      3 page -           -\n"                   \
	"frames node2 0x0000000001200000     0   4K      - slab tile     3/64\n"                   \
	"and 2 more\n"

static void test_cli_in_the_way_shows_one_node(void **state)
{
	(void)state;
	pagepoolctl_assert_says(answer, "blocks --in-the-way 9 --pool frames --node 2", NODE2_TEXT);
	pagepoolctl_assert_says(answer, "blocks --in-the-way 9 --pool frames --node 0",
				"Node 0, pool frames, order 9 at 0x0000000000200000: "
				"nothing is in the way\n");
}

/* Those that have an answer are shown, the other is complained about. */
static void test_cli_in_the_way_asks_each_node(void **state)
{
	struct run_result result;

	(void)state;
	pagepoolctl_ask(&result, answer, "blocks --in-the-way 9 --pool frames");
	assert_int_equal(result.exit_status, 1);
	assert_contains(result.out, "Node 0, pool frames, order 9");
	assert_contains(result.out, NODE2_TEXT);
	assert_contains(result.err, "node5 has no contiguous area");
	run_result_deinit(&result);
}

static void test_cli_in_the_way_json_has_its_keys(void **state)
{
	json_t *document = pagepoolctl_ask_json(
		0, answer, "blocks --json --in-the-way 9 --pool frames --node 2");
	json_t *plan = json_array_get(json_object_get(document, "plans"), 0), *block;

	(void)state;
	assert_keys(document, "plans");
	assert_int_equal(json_array_size(json_object_get(document, "plans")), 1);
	assert_keys(plan, "pool node order offset held_blocks held_bytes blocks");
	assert_word(plan, "pool", "frames");
	assert_number(plan, "node", 2);
	assert_number(plan, "order", 9);
	assert_number(plan, "offset", 1 << 21);
	assert_number(plan, "held_blocks", 4);
	assert_number(plan, "held_bytes", 5 * 4096);
	assert_int_equal(json_array_size(json_object_get(plan, "blocks")), 2);
	block = json_array_get(json_object_get(plan, "blocks"), 0);
	assert_keys(block, "pool zone offset order size_bytes client kind");
	assert_number(block, "client", 3);
	json_decref(document);
}

static void answer_no_pool(const struct message *request, struct fake_reply *ret_reply)
{
	(void)request;
	ret_reply->message.status = MESSAGE_STATUS_NOT_FOUND;
	ret_reply->message.error = "there is no pool 'frames'";
}

static void test_cli_in_the_way_passes_a_refusal_on(void **state)
{
	struct run_result result;

	(void)state;
	pagepoolctl_ask(&result, answer_no_pool, "blocks --in-the-way 9 --pool frames --json");
	assert_int_equal(result.exit_status, 1);
	assert_string_equal(result.out, "");
	assert_contains(result.err, "there is no pool 'frames'");
	run_result_deinit(&result);
}

static void answer_and_leave(const struct message *request, struct fake_reply *ret_reply)
{
	if (request->type == MESSAGE_PLAN_CONTIGUOUS)
		ret_reply->hang_up = true;
	else
		answer(request, ret_reply);
}

static void test_cli_in_the_way_ends_with_the_daemon(void **state)
{
	struct run_result result;

	(void)state;
	pagepoolctl_ask(&result, answer_and_leave, "blocks --in-the-way 9 --pool frames --json");
	assert_int_equal(result.exit_status, 3);
	assert_string_equal(result.out, "");
	assert_string_equal(result.err, "pagepoolctl: the daemon closed the connection\n");
	run_result_deinit(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_in_the_way_shows_one_node),
		cmocka_unit_test(test_cli_in_the_way_asks_each_node),
		cmocka_unit_test(test_cli_in_the_way_json_has_its_keys),
		cmocka_unit_test(test_cli_in_the_way_passes_a_refusal_on),
		cmocka_unit_test(test_cli_in_the_way_ends_with_the_daemon),
	};

	return cmocka_run_group_tests(tests, pagepoolctl_setup, NULL);
}
