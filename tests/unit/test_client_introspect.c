/* SPDX-License-Identifier: MIT */
/* What pagepoolctl asks, and the answer that stays. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/introspect.h"
#include "pagepool.h"
#include "support/scripted.h"

#define LONG_MS 10000

static void script_info(struct scripted *daemon, void *data)
{
	struct message request, reply = { .type = MESSAGE_CHECK_RESULT, .error = "" };

	(void)data;
	scripted_welcome(daemon);
	scripted_expect(daemon, MESSAGE_CHECK, &request);
	reply.id = request.id;
	reply.u.check_result.pages = 77;
	reply.u.check_result.first = "nowhere";
	scripted_reply(daemon, &reply, NULL, 0);
	scripted_expect(daemon, MESSAGE_LIST_BLOCKS, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_NOT_FOUND);
	scripted_goodbye(daemon);
}

static void test_connection_info_keeps_the_last_answer(void **state)
{
	struct message request = { .type = MESSAGE_CHECK };
	const struct message *reply = NULL;
	struct ppc_info *info = NULL;
	struct scripted daemon;
	struct pp_client *client;

	(void)state;
	scripted_start(&daemon, script_info, NULL);
	client = scripted_connect(&daemon, LONG_MS);
	assert_int_equal(ppc_info_new(client, &info), 0);
	assert_int_equal(ppc_info_call(info, &request, &reply), 0);
	assert_int_equal(reply->u.check_result.pages, 77);
	assert_string_equal(reply->u.check_result.first, "nowhere");
	request = (struct message){ .type = MESSAGE_LIST_BLOCKS, .u.list_blocks.pool = "x" };
	assert_int_equal(ppc_info_call(info, &request, &reply), -ENOENT);
	assert_string_equal(ppc_info_error(info), "scripted");
	assert_null(ppc_info_free(info));
	pp_client_free(client);
	scripted_finish(&daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection_info_keeps_the_last_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
