/* SPDX-License-Identifier: MIT */
/* pagepoolctl clients and blocks: lists in parts, long, filtered, broken off, read by nobody. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/fake_daemon.h"
#include "support/pagepoolctl.h"

#define MIB (UINT64_C(1) << 20)

/* Three parts, the second one empty; the last client's name tries to be seen as something else. */
static void answer_clients(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_client_info clients[] = {
		{ .id = 1, .name = "camera", .pid = 100, .held_bytes = 2 * MIB, .connected_s = 61 },
		{ .id = 2,
		  .name = "a \xe2\x80\xae" /* U+202E */ "\\",
		  .pid = INT32_MAX,
		  .uid = UINT32_MAX - 1,
		  .state = MESSAGE_CLIENT_QUARANTINED,
		  .held_bytes = UINT64_MAX,
		  .magazine_bytes = 4096,
		  .asked_bytes = 3 * MIB,
		  .returned_bytes = MIB,
		  .connected_s = 7 },
	};
	uint64_t start = request->u.list_clients.start;

	ret_reply->message.type = MESSAGE_CLIENT_LIST;
	ret_reply->message.u.client_list.clients = &clients[start / 20];
	ret_reply->message.u.client_list.nr_clients = start == 10 ? 0 : 1;
	ret_reply->message.u.client_list.next = start < 20 ? start + 10 : 0;
}

static void test_cli_clients_shows_harmless_names(void **state)
{
	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	pagepoolctl_assert_says(
		answer_clients, "clients",
		"ID NAME   PID USER STATE HELD MAGAZINE ASKED RETURNED  AGE\n"
		" 1 camera 100 root live    2M        0     0        0 1m1s\n"
		" 2 a \\xe2\\x80\\xae\\\\ 2147483647 4294967294 quarantined 15.9E       4K"
		"    3M       1M   7s\n");
	setenv("LC_ALL", "C", 1);
}

static void test_cli_clients_json_has_its_keys(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_clients, "clients --json"), *client;

	(void)state;
	assert_keys(answer, "clients");
	assert_int_equal(json_array_size(json_object_get(answer, "clients")), 2);
	client = json_array_get(json_object_get(answer, "clients"), 1);
	assert_keys(client, "id name pid uid state held_bytes magazine_bytes asked_bytes "
			    "returned_bytes connected_s");
	assert_number(client, "id", 2);
	assert_word(client, "name", "a \xe2\x80\xae\\");
	assert_number(client, "pid", INT32_MAX);
	assert_number(client, "uid", UINT32_MAX - 1);
	assert_word(client, "state", "quarantined");
	assert_number(client, "held_bytes", INT64_MAX);
	assert_number(client, "magazine_bytes", 4096);
	assert_number(client, "asked_bytes", 3 * MIB);
	assert_number(client, "returned_bytes", MIB);
	assert_number(client, "connected_s", 7);
	json_decref(answer);
}

#define PARTS 40u

/* A long list: PARTS full parts with an empty one behind each. */
static void answer_blocks(const struct message *request, struct fake_reply *ret_reply)
{
	static struct message_block_info blocks[MESSAGE_BLOCKS_MAX];
	uint64_t start = request->u.list_blocks.start;

	for (unsigned i = 0; i < MESSAGE_BLOCKS_MAX; i++)
		blocks[i] = (struct message_block_info){
			.pool = "default",
			.zone = "node1",
			.page = UINT64_C(1) << 44 | (start / 2 * MESSAGE_BLOCKS_MAX + i),
			.client = 1 + i % 3,
			.kind = 1,
		};
	ret_reply->message.type = MESSAGE_BLOCK_LIST;
	ret_reply->message.u.block_list.blocks = blocks;
	ret_reply->message.u.block_list.nr_blocks = start % 2 == 0 ? MESSAGE_BLOCKS_MAX : 0;
	ret_reply->message.u.block_list.next = start < 2 * PARTS - 1 ? start + 1 : 0;
}

static void test_cli_blocks_streams_all_parts(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_blocks, "blocks --json"), *block;
	size_t index;

	(void)state;
	assert_keys(answer, "blocks");
	assert_int_equal(json_array_size(json_object_get(answer, "blocks")),
			 PARTS * MESSAGE_BLOCKS_MAX);
	json_array_foreach(json_object_get(answer, "blocks"), index, block)
	{
		assert_keys(block, "pool zone offset order size_bytes client kind");
		assert_number(block, "offset", (INT64_C(1) << 56) + (json_int_t)index * 4096);
	}
	json_decref(answer);
}

static size_t count_lines(const char *text)
{
	size_t nr_lines = 0;

	while ((text = strchr(text, '\n'))) {
		nr_lines++;
		text++;
	}
	return nr_lines;
}

static void test_cli_blocks_prints_headings_once(void **state)
{
	struct run_result result;

	(void)state;
	pagepoolctl_ask(&result, answer_blocks, "blocks");
	assert_int_equal(result.exit_status, 0);
	assert_int_equal(count_lines(result.out), 1 + PARTS * MESSAGE_BLOCKS_MAX);
	assert_ptr_equal(strstr(result.out,
				"POOL    ZONE              OFFSET ORDER SIZE CLIENT KIND CACHE "
				"OBJECTS\n"
				"default node1 0x0100000000000000     0   4K      1 page -    "
				"       -\n"
				"default node1 0x0100000000001000     0   4K      2 page -    "
				"       -\n"),
			 result.out);
	assert_null(strstr(strchr(result.out, '\n'), "OFFSET"));
	run_result_deinit(&result);
}

/* The filters come back as a block, with a kind for each that there is. */
static void answer_filters(const struct message *request, struct fake_reply *ret_reply)
{
	static struct message_block_info blocks[8];

	for (uint32_t kind = 0; kind < 8; kind++)
		blocks[kind] = (struct message_block_info){ .pool = request->u.list_blocks.pool,
							    .zone = "node0",
							    .page = kind,
							    .order = kind * 3,
							    .client = request->u.list_blocks.client,
							    .kind = kind,
							    .cache = "" };
	ret_reply->message.type = MESSAGE_BLOCK_LIST;
	ret_reply->message.u.block_list.blocks = blocks;
	ret_reply->message.u.block_list.nr_blocks = 8;
}

static void test_cli_blocks_hands_filters_on(void **state)
{
	static const char *const kinds[] = { "unknown", "page", "slab",    "shared",
					     "scrub",   "hole", "unknown", "unknown" };
	json_t *answer =
		pagepoolctl_ask_json(0, answer_filters, "--client 12 blocks --pool frames --json");
	json_t *block;
	size_t index;

	(void)state;
	json_array_foreach(json_object_get(answer, "blocks"), index, block)
	{
		assert_word(block, "pool", "frames");
		assert_number(block, "client", 12);
		assert_word(block, "kind", kinds[index]);
		assert_int_equal(json_object_size(block), index == 2 ? 10 : 7);
		assert_number(block, "order", (json_int_t)index * 3);
		assert_number(block, "size_bytes", index * 3 <= 18 ? 4096ll << index * 3 : 0);
	}
	assert_int_equal(json_array_size(json_object_get(answer, "blocks")), 8);
	json_decref(answer);
}

/* What one client holds: a block, and objects in two slabs of the daemon's. */
static void answer_slabs(const struct message *request, struct fake_reply *ret_reply)
{
	static const struct message_block_info blocks[] = {
		{ .pool = "p", .zone = "z", .order = 1, .client = 7, .kind = 1 },
		{ .pool = "p",
		  .zone = "z",
		  .page = 8,
		  .order = 3,
		  .kind = 2,
		  .cache = "tile",
		  .objects = 21,
		  .held_objects = 20 },
		{ .pool = "p",
		  .zone = "z",
		  .page = 16,
		  .kind = 2,
		  .cache = "malloc-64",
		  .objects = 64,
		  .held_objects = 1 },
	};

	if (request->u.list_blocks.client != 7) {
		ret_reply->message.status = MESSAGE_STATUS_NOT_FOUND;
		return;
	}
	ret_reply->message.type = MESSAGE_BLOCK_LIST;
	ret_reply->message.u.block_list.blocks = blocks;
	ret_reply->message.u.block_list.nr_blocks = 3;
}

static void test_cli_blocks_tells_what_is_held_of_slabs(void **state)
{
	json_t *answer = pagepoolctl_ask_json(0, answer_slabs, "blocks --client 7 --json"), *slab;

	(void)state;
	slab = json_array_get(json_object_get(answer, "blocks"), 1);
	assert_keys(slab, "pool zone offset order size_bytes client kind cache objects "
			  "objects_held");
	assert_word(slab, "kind", "slab");
	assert_word(slab, "cache", "tile");
	assert_number(slab, "client", 0);
	assert_number(slab, "objects", 21);
	assert_number(slab, "objects_held", 20);
	json_decref(answer);
	pagepoolctl_assert_says(
		answer_slabs, "blocks --client 7",
		"POOL ZONE             OFFSET ORDER SIZE CLIENT KIND CACHE     OBJECTS\n"
		"p    z    0x0000000000000000     1   8K      7 page -               -\n"
		"p    z    0x0000000000008000     3  32K      - slab tile        20/21\n"
		"p    z    0x0000000000010000     0   4K      - slab malloc-64    1/64\n");
}

static void answer_nothing(const struct message *request, struct fake_reply *ret_reply)
{
	(void)request;
	ret_reply->message.type = MESSAGE_BLOCK_LIST;
}

static void test_cli_blocks_tells_that_there_are_none(void **state)
{
	(void)state;
	pagepoolctl_assert_says(answer_nothing, "blocks", "no blocks\n");
	pagepoolctl_assert_says(answer_nothing, "blocks --json", "{\"blocks\":[]}\n");
}

static void answer_circle(const struct message *request, struct fake_reply *ret_reply)
{
	ret_reply->message.type = MESSAGE_BLOCK_LIST;
	ret_reply->message.u.block_list.next = request->u.list_blocks.start == 5 ? 3 : 5;
}

static void test_cli_blocks_does_not_go_in_circles(void **state)
{
	struct run_result result;

	(void)state;
	pagepoolctl_ask(&result, answer_circle, "blocks");
	assert_int_equal(result.exit_status, 1);
	assert_contains(result.err, "leads back to itself");
	run_result_deinit(&result);
}

static void answer_until_broken(const struct message *request, struct fake_reply *ret_reply)
{
	if (request->u.list_blocks.start == 0)
		answer_blocks(request, ret_reply);
	else
		ret_reply->hang_up = true;
}

static void test_cli_blocks_leaves_a_broken_list_open(void **state)
{
	struct run_result result;
	json_error_t error;

	(void)state;
	pagepoolctl_ask(&result, answer_until_broken, "blocks --json");
	assert_int_equal(result.exit_status, 3);
	assert_contains(result.err, "closed the connection");
	assert_null(json_loads(result.out, 0, &error));
	run_result_deinit(&result);
}

/* A list without an end: only the reader's or the disk's can stop it. */
static void answer_endless(const struct message *request, struct fake_reply *ret_reply)
{
	answer_blocks(&(struct message){ .type = MESSAGE_LIST_BLOCKS }, ret_reply);
	ret_reply->message.u.block_list.next = request->u.list_blocks.start + 1;
}

static void test_cli_blocks_ends_quietly_with_its_reader(void **state)
{
	struct fake_daemon daemon;
	struct run_result result;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	fake_daemon_start(&daemon, answer_endless, true);
	signal(SIGPIPE, SIG_IGN); /* and the program inherits that */
	pagepoolctl_run_to(&result, ends[1], daemon.socket, "blocks");
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(result.signal, SIGPIPE);
	assert_string_equal(result.err, "");
	run_result_deinit(&result);
	fake_daemon_stop(&daemon);
	close(ends[1]);
}

static void test_cli_blocks_stops_when_output_is_lost(void **state)
{
	static const char *const commands[] = { "blocks", "blocks --json" };
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct fake_daemon daemon;
	struct run_result result;

	(void)state;
	fake_daemon_start(&daemon, answer_endless, true);
	for (unsigned i = 0; i < 2; i++) {
		pagepoolctl_run_to(&result, full, daemon.socket, commands[i]);
		assert_int_equal(result.exit_status, 1);
		assert_contains(result.err, "can't write the answer");
		run_result_deinit(&result);
	}
	fake_daemon_stop(&daemon);
	close(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_clients_shows_harmless_names),
		cmocka_unit_test(test_cli_clients_json_has_its_keys),
		cmocka_unit_test(test_cli_blocks_streams_all_parts),
		cmocka_unit_test(test_cli_blocks_prints_headings_once),
		cmocka_unit_test(test_cli_blocks_hands_filters_on),
		cmocka_unit_test(test_cli_blocks_tells_what_is_held_of_slabs),
		cmocka_unit_test(test_cli_blocks_tells_that_there_are_none),
		cmocka_unit_test(test_cli_blocks_does_not_go_in_circles),
		cmocka_unit_test(test_cli_blocks_leaves_a_broken_list_open),
		cmocka_unit_test(test_cli_blocks_ends_quietly_with_its_reader),
		cmocka_unit_test(test_cli_blocks_stops_when_output_is_lost),
	};

	return cmocka_run_group_tests(tests, pagepoolctl_setup, NULL);
}
