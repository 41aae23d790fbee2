/* SPDX-License-Identifier: MIT */
/* Connecting: hello, its refusals, and what is no daemon at all. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/introspect.h"
#include "pagepool.h"
#include "support/open_fds.h"
#include "support/scripted.h"

#define SHORT_MS 200 /* long enough for hello on a busy machine */
#define LONG_MS 10000

static void script_welcome_and_goodbye(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_expect(daemon, MESSAGE_GOODBYE, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_expect_end(daemon);
}

static void test_connection_says_hello_and_goodbye(void **state)
{
	struct scripted daemon;
	struct pp_client *client;

	(void)state;
	scripted_start(&daemon, script_welcome_and_goodbye, NULL);
	client = scripted_connect(&daemon, LONG_MS);
	assert_int_equal(ppc_client_id(client), 7);
	assert_string_equal(ppc_client_daemon_version(client), "scripted");
	assert_true(pp_client_fd(client) >= 0);
	assert_null(pp_client_free(client));
	scripted_finish(&daemon);
}

struct refusal {
	enum message_status status;
	int error;
};

static void script_refuse(struct scripted *daemon, void *data)
{
	const struct refusal *refusal = data;
	struct message request;

	scripted_expect(daemon, MESSAGE_HELLO, &request);
	SCRIPT_CHECK(request.u.hello.version_min == MESSAGE_VERSION_MIN);
	SCRIPT_CHECK(request.u.hello.version_max == MESSAGE_VERSION);
	SCRIPT_CHECK(strcmp(request.u.hello.name, "test") == 0);
	scripted_reply_status(daemon, request.id, refusal->status);
}

static void test_connection_hello_refused_says_why(void **state)
{
	struct refusal refusals[] = { { MESSAGE_STATUS_VERSION, -EPROTO },
				      { MESSAGE_STATUS_LIMIT, -EUSERS },
				      { MESSAGE_STATUS_ACCESS, -EACCES },
				      { MESSAGE_STATUS_PROTOCOL, -EPROTO },
				      { MESSAGE_STATUS_OK, -EPROTO } /* no welcome in it */ };

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		unsigned nr_fds = open_fds_count();
		struct pp_client *client = NULL;
		struct scripted daemon;

		scripted_start(&daemon, script_refuse, &refusals[i]);
		assert_int_equal(scripted_try_connect(&daemon, LONG_MS, &client),
				 refusals[i].error);
		assert_null(client);
		scripted_finish(&daemon);
		assert_int_equal(open_fds_count(), nr_fds);
	}
}

struct bytes {
	const char *bytes;
	size_t size_bytes;
	int error;
};

static void script_send_bytes(struct scripted *daemon, void *data)
{
	const struct bytes *bytes = data;
	struct message request;

	scripted_expect(daemon, MESSAGE_HELLO, &request);
	if (bytes->size_bytes > 0)
		scripted_send_bytes(daemon, bytes->bytes, bytes->size_bytes);
}

static void test_connection_survives_what_is_no_daemon(void **state)
{
	struct bytes cases[] = {
		{ "", 0, -ECONNRESET },                          /* hangs up */
		{ "\x02\0", 2, -ECONNRESET },                    /* within the length */
		{ "\x10\0\0\0\x08", 5, -ECONNRESET },            /* within the message */
		{ "\0\0\0\0", 4, -EPROTO },                      /* an empty frame */
		{ "\xff\xff\xff\xff", 4, -EPROTO },              /* too long */
		{ "HTTP/1.1 400 Bad Request\r\n", 26, -EPROTO }, /* somebody else */
		{ "\x02\0\0\0\xff\xff", 6, -EPROTO },            /* no protobuf */
		{ "\x02\0\0\0\x08\x7f", 6, -EPROTO },            /* a reply to nobody */
		{ "\x02\0\0\0\x10\x06", 6, -EPROTO },            /* no id, no event */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pp_client *client = NULL;
		struct scripted daemon;

		scripted_start(&daemon, script_send_bytes, &cases[i]);
		assert_int_equal(scripted_try_connect(&daemon, LONG_MS, &client), cases[i].error);
		scripted_finish(&daemon);
	}
}

struct welcome {
	uint32_t version;
	struct message_limits limits;
};

static void script_odd_welcome(struct scripted *daemon, void *data)
{
	struct message request, reply = { .type = MESSAGE_WELCOME, .error = "" };
	const struct welcome *welcome = data;

	scripted_expect(daemon, MESSAGE_HELLO, &request);
	reply.id = request.id;
	reply.u.welcome.version = welcome->version;
	reply.u.welcome.limits = welcome->limits;
	reply.u.welcome.daemon_version = "";
	scripted_reply(daemon, &reply, NULL, 0);
	scripted_goodbye(daemon);
}

static void test_connection_refuses_impossible_welcomes(void **state)
{
	struct welcome cases[] = { { MESSAGE_VERSION + 1, { 65536, 2048, 1024, 63 } },
				   { 0, { 65536, 2048, 1024, 63 } },
				   { MESSAGE_VERSION, { 65536, 0, 1024, 63 } },
				   { MESSAGE_VERSION, { 100, 2048, 1024, 63 } },
				   { MESSAGE_VERSION, { 65536, 2048, 0, 63 } } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pp_client *client = NULL;
		struct scripted daemon;

		scripted_start(&daemon, script_odd_welcome, &cases[i]);
		assert_int_equal(scripted_try_connect(&daemon, LONG_MS, &client), -EPROTO);
		scripted_finish(&daemon);
	}
}

static void script_silence(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_expect(daemon, MESSAGE_HELLO, &request);
	scripted_expect_end(daemon);
}

static void test_connection_hello_times_out(void **state)
{
	struct pp_client *client = NULL;
	struct scripted daemon;

	(void)state;
	scripted_start(&daemon, script_silence, NULL);
	assert_int_equal(scripted_try_connect(&daemon, SHORT_MS, &client), -ETIMEDOUT);
	scripted_finish(&daemon);
}

static void script_expect_name(struct scripted *daemon, void *data)
{
	struct message request;

	scripted_expect(daemon, MESSAGE_HELLO, &request);
	SCRIPT_CHECK(strcmp(request.u.hello.name, data) == 0);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_LIMIT);
}

/* A file may be called what the protocol does not let through: the name is cut before that. */
static void test_connection_unnamed_client_has_the_programs_name(void **state)
{
	char *program = program_invocation_short_name;
	char plain[] = "camera", odd[] = "cam\nera", start[] = "cam", longest[65], cut[63];
	struct {
		char *program, *name;
	} cases[] = { { plain, plain }, { odd, start }, { longest, cut } };

	(void)state;
	/* 62 bytes, then a character of two, of which one would fit. */
	memset(longest, 'n', 62);
	strcpy(longest + 62, "\xc3\xa9");
	memset(cut, 'n', 62);
	cut[62] = '\0';
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pp_client_config config = { .struct_size = sizeof(config) };
		struct pp_client *client = NULL;
		struct scripted daemon;

		scripted_start(&daemon, script_expect_name, cases[i].name);
		config.socket = daemon.socket;
		program_invocation_short_name = cases[i].program;
		assert_int_equal(pp_client_new(&client, &config), -EUSERS);
		program_invocation_short_name = program;
		scripted_finish(&daemon);
	}
}

static void test_connection_config_is_checked(void **state)
{
	struct {
		struct pp_client_config config;
		uint64_t newer;
	} extended = { .config = { .struct_size = sizeof(extended), .socket = "/nowhere" } };
	struct pp_client_config config = { .struct_size = sizeof(config), .socket = "/nowhere" };
	struct pp_client *client = NULL;
	char name[65];

	(void)state;
	memset(name, 'n', 64);
	name[64] = '\0';
	assert_int_equal(pp_client_new(NULL, &config), -EINVAL);
	assert_int_equal(pp_client_new(&client, &config), -ENOENT);
	config.flags = 2;
	assert_int_equal(pp_client_new(&client, &config), -EINVAL);
	config.flags = PP_CLIENT_NO_THREAD;
	assert_int_equal(pp_client_new(&client, &config), -ENOENT);
	config.timeout_ms = -2;
	assert_int_equal(pp_client_new(&client, &config), -EINVAL);
	config.timeout_ms = -1;
	config.name = name;
	assert_int_equal(pp_client_new(&client, &config), -EINVAL);
	config.name = "cam\nera";
	assert_int_equal(pp_client_new(&client, &config), -EINVAL);
	config.name = "camera";
	assert_int_equal(pp_client_new(&client, &config), -ENOENT);
	config.struct_size = 4;
	assert_int_equal(pp_client_new(&client, &config), -EINVAL);
	/* A caller built against a newer header: fine while it asks for nothing new. */
	assert_int_equal(pp_client_new(&client, &extended.config), -ENOENT);
	extended.newer = 1;
	assert_int_equal(pp_client_new(&client, &extended.config), -E2BIG);
	assert_null(client);
	assert_null(pp_client_free(NULL));
	assert_int_equal(pp_client_fd(NULL), -EINVAL);
	assert_int_equal(pp_client_dispatch(NULL, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection_says_hello_and_goodbye),
		cmocka_unit_test(test_connection_hello_refused_says_why),
		cmocka_unit_test(test_connection_survives_what_is_no_daemon),
		cmocka_unit_test(test_connection_refuses_impossible_welcomes),
		cmocka_unit_test(test_connection_hello_times_out),
		cmocka_unit_test(test_connection_unnamed_client_has_the_programs_name),
		cmocka_unit_test(test_connection_config_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
