/* SPDX-License-Identifier: MIT */
/* Requests about the connection and the pools: what is served, what is refused, and to whom. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/service_fixture.h"

static int setup(void **state)
{
	*state = fixture_new(SERVICE_COMMIT_TOUCH);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static const struct message *say_hello(struct fixture_client *client, unsigned version_min,
				       unsigned version_max)
{
	struct message hello = { .type = MESSAGE_HELLO };

	hello.u.hello.version_min = version_min;
	hello.u.hello.version_max = version_max;
	hello.u.hello.name = "camera";
	return fixture_call(client, &hello);
}

static void test_dispatch_hello_gives_an_id_and_tells_limits(void **state)
{
	struct fixture_client *one = fixture_client_new(*state, FIXTURE_UID);
	struct fixture_client *two = fixture_client_new(*state, FIXTURE_UID);

	const struct message *reply = say_hello(one, MESSAGE_VERSION_MIN, MESSAGE_VERSION + 5);
	assert_int_equal(reply->type, MESSAGE_WELCOME);
	assert_int_equal(reply->u.welcome.version, MESSAGE_VERSION);
	assert_int_equal(reply->u.welcome.client, one->client.slot);
	assert_int_equal(reply->u.welcome.limits.batch_blocks, MESSAGE_BATCH_BLOCKS_MAX);
	assert_int_equal(reply->u.welcome.limits.frame_bytes, FRAME_BYTES_MAX);
	assert_string_equal(reply->u.welcome.daemon_version, PAGEPOOL_VERSION);
	assert_string_equal(one->client.name, "camera");

	reply = say_hello(two, MESSAGE_VERSION, MESSAGE_VERSION);
	assert_int_equal(reply->type, MESSAGE_WELCOME);
	assert_int_not_equal(reply->u.welcome.client, one->client.slot);
	fixture_client_free(one);
	fixture_client_free(two);
}

static void test_dispatch_hello_comes_first_and_once(void **state)
{
	struct fixture_client *client = fixture_client_new(*state, FIXTURE_UID);
	struct message ping = { .type = MESSAGE_PING };

	fixture_assert_refused(fixture_call(client, &ping), MESSAGE_STATUS_PROTOCOL, "first");
	assert_int_equal(say_hello(client, 1, 1)->status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_call(client, &ping)->status, MESSAGE_STATUS_OK);
	fixture_assert_refused(say_hello(client, 1, 1), MESSAGE_STATUS_PROTOCOL, "once");
	fixture_client_free(client);
}

static void test_dispatch_hello_refuses_versions(void **state)
{
	struct fixture_client *client = fixture_client_new(*state, FIXTURE_UID);

	fixture_assert_refused(say_hello(client, MESSAGE_VERSION + 1, MESSAGE_VERSION + 2),
			       MESSAGE_STATUS_VERSION, "speaks");
	fixture_assert_refused(say_hello(client, 0, 0), MESSAGE_STATUS_VERSION, "speaks");
	fixture_assert_refused(say_hello(client, 2, 1), MESSAGE_STATUS_PROTOCOL, "none");
	assert_int_equal(client->client.state, CLIENT_NEW);
	fixture_client_free(client);
}

static void test_dispatch_hello_refuses_one_client_too_many(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *one = fixture_client_greeted(fixture, FIXTURE_UID);
	struct fixture_client *two = fixture_client_new(fixture, FIXTURE_UID);

	fixture->service.clients.nr_max = 1 + 2; /* two are root's */
	fixture_assert_refused(say_hello(two, 1, 1), MESSAGE_STATUS_LIMIT, "no room");
	fixture_client_free(one);
	assert_int_equal(say_hello(two, 1, 1)->status, MESSAGE_STATUS_OK);
	fixture_client_free(two);
}

static void test_dispatch_hello_leaves_half_to_other_users(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *greedy = fixture_client_new(fixture, FIXTURE_UID);
	struct fixture_client *other = fixture_client_new(fixture, FIXTURE_UID_READER);

	fixture->service.clients.nr_max = 10;
	fixture->service.clients.charges[0] =
		(struct clients_charge){ .uid = FIXTURE_UID, .count = 5 + 1 };
	fixture->service.clients.nr_charges = 1;
	fixture_assert_refused(say_hello(greedy, 1, 1), MESSAGE_STATUS_LIMIT, "uid 1000");
	assert_int_equal(say_hello(other, 1, 1)->status, MESSAGE_STATUS_OK);
	fixture_client_free(greedy);
	fixture_client_free(other);
}

static void test_dispatch_unknown_request_is_unsupported(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	const enum message_type types[] = { MESSAGE_NONE, MESSAGE_WELCOME, MESSAGE_NR_TYPES };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct message request = { .type = types[i] };

		fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_UNSUPPORTED,
				       "does not know");
	}
	assert_int_equal(client->client.state, CLIENT_LIVE);
	fixture_client_free(client);
}

static const struct message *open_pool(struct fixture_client *client, const char *name,
				       bool read_only)
{
	struct message request = { .type = MESSAGE_POOL_OPEN };

	request.u.pool_open.name = name;
	request.u.pool_open.read_only = read_only;
	return fixture_call(client, &request);
}

static void test_dispatch_pool_open_sends_a_descriptor_a_zone(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	const struct message *reply = open_pool(client, FIXTURE_POOL, false);

	assert_int_equal(reply->type, MESSAGE_POOL_OPENED);
	assert_int_equal(reply->u.pool_opened.max_order, FIXTURE_MAX_ORDER);
	assert_int_equal(reply->u.pool_opened.nr_segments, 2);
	assert_int_equal(client->nr_fds, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(reply->u.pool_opened.segments[i].node, i);
		assert_int_equal(reply->u.pool_opened.segments[i].size_bytes,
				 FIXTURE_ZONE_PAGES * PAGE_BYTES);
		/* The writer has its own; ours is closed. */
		assert_int_equal(fcntl(client->fds[i], F_GETFD), -1);
	}
	fixture_client_free(client);
}

static void test_dispatch_pool_open_holds_to_the_access_lists(void **state)
{
	struct fixture_client *user = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *reader = fixture_client_greeted(*state, FIXTURE_UID_READER);

	fixture_assert_refused(open_pool(user, "nowhere", false), MESSAGE_STATUS_NOT_FOUND,
			       "'nowhere'");
	fixture_assert_refused(open_pool(user, "", false), MESSAGE_STATUS_NOT_FOUND, "no pool");
	fixture_assert_refused(open_pool(user, FIXTURE_POOL_CLOSED, false), MESSAGE_STATUS_ACCESS,
			       "pool 'closed' is not for uid 1000");
	fixture_assert_refused(open_pool(user, FIXTURE_POOL_CLOSED, true), MESSAGE_STATUS_ACCESS,
			       "pool 'closed' is not for uid 1000");
	fixture_assert_refused(open_pool(reader, FIXTURE_POOL_READ, false), MESSAGE_STATUS_ACCESS,
			       "for reading only");
	assert_int_equal(reader->nr_fds, 0);
	assert_int_equal(open_pool(reader, FIXTURE_POOL_READ, true)->status, MESSAGE_STATUS_OK);
	assert_int_equal(open_pool(user, FIXTURE_POOL_READ, true)->status, MESSAGE_STATUS_OK);
	fixture_client_free(user);
	fixture_client_free(reader);
}

static void test_dispatch_pool_open_logs_who_was_refused(void **state)
{
	struct fixture_client *user = fixture_client_greeted(*state, FIXTURE_UID);
	int saved = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	char text[256] = "", expected[256];

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	open_pool(user, FIXTURE_POOL, false);
	open_pool(user, FIXTURE_POOL_CLOSED, false);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	snprintf(expected, sizeof(expected),
		 "pagepoold: refused pool 'closed' to 'fixture' (pid %d, uid 1000): "
		 "not on its access list\n",
		 (int)getpid());
	assert_string_equal(text, expected);
	fixture_client_free(user);
}

static void test_dispatch_pool_handles_tell_how_they_were_opened(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t writable = fixture_open(client, FIXTURE_POOL, false);
	uint32_t read_only = fixture_open(client, FIXTURE_POOL, true);
	struct message alloc = { .type = MESSAGE_ALLOC };
	struct message close_request = { .type = MESSAGE_POOL_CLOSE };

	assert_int_not_equal(writable, read_only);
	assert_int_equal(fixture_open(client, FIXTURE_POOL, false), writable);
	alloc.u.alloc.count = 1;
	alloc.u.alloc.pool = read_only;
	fixture_assert_refused(fixture_call(client, &alloc), MESSAGE_STATUS_ACCESS, "reading only");

	close_request.u.pool_close.pool = read_only;
	assert_int_equal(fixture_call(client, &close_request)->status, MESSAGE_STATUS_OK);
	fixture_assert_refused(fixture_call(client, &close_request), MESSAGE_STATUS_NOT_FOUND,
			       "not open");
	alloc.u.alloc.pool = writable;
	assert_int_equal(fixture_call(client, &alloc)->status, MESSAGE_STATUS_OK);
	fixture_client_free(client);
}

static void test_dispatch_pool_must_be_open(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	const enum message_type types[] = { MESSAGE_POOL_CLOSE,  MESSAGE_POOL_STAT,
					    MESSAGE_ALLOC,       MESSAGE_FREE,
					    MESSAGE_ALLOC_EXACT, MESSAGE_FREE_EXACT };
	const uint32_t handles[] = { 0, 1, 4, 31, 32, UINT32_MAX };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		for (size_t j = 0; j < sizeof(handles) / sizeof(handles[0]); j++) {
			struct message request = { .type = types[i] };

			request.u.pool_close.pool = handles[j]; /* the first field of all of them */
			fixture_assert_refused(fixture_call(client, &request),
					       MESSAGE_STATUS_NOT_FOUND, "not open");
		}
	fixture_client_free(client);
}

static void test_dispatch_pool_stat_counts(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message stat = { .type = MESSAGE_POOL_STAT }, alloc = { .type = MESSAGE_ALLOC };

	alloc.u.alloc.pool = stat.u.pool_stat.pool = fixture_open(client, FIXTURE_POOL, false);
	alloc.u.alloc.count = 3;
	alloc.u.alloc.order = 1;
	assert_int_equal(fixture_call(client, &alloc)->status, MESSAGE_STATUS_OK);

	const struct message_pool_info *info = &fixture_call(client, &stat)->u.pool_info;
	assert_string_equal(info->name, FIXTURE_POOL);
	assert_int_equal(info->size_bytes, 2 * FIXTURE_ZONE_PAGES * PAGE_BYTES);
	assert_int_equal(info->held_bytes, 6 * PAGE_BYTES);
	assert_int_equal(info->free_bytes, info->size_bytes - 6 * PAGE_BYTES);
	assert_int_equal(info->nr_zones, 2);
	assert_string_equal(info->zones[1].name, "node1");
	assert_int_equal(info->zones[0].allocs, 6);
	assert_int_equal(info->zones[0].hit, 3);
	assert_int_equal(info->zones[1].free_blocks[FIXTURE_MAX_ORDER],
			 FIXTURE_ZONE_PAGES >> FIXTURE_MAX_ORDER);
	fixture_client_free(client);
}

static void test_dispatch_goodbye_frees_everything_and_answers(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(*state, FIXTURE_UID);
	struct message alloc = { .type = MESSAGE_ALLOC }, goodbye = { .type = MESSAGE_GOODBYE };
	struct message ping = { .type = MESSAGE_PING };

	alloc.u.alloc.pool = fixture_open(client, FIXTURE_POOL, false);
	fixture_open(other, FIXTURE_POOL, false);
	alloc.u.alloc.count = 1500; /* more than one zone has */
	assert_int_equal(fixture_call(client, &alloc)->status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_held_pages(client), 1500);
	alloc.u.alloc.count = 7;
	assert_int_equal(fixture_call(other, &alloc)->status, MESSAGE_STATUS_OK);

	assert_int_equal(fixture_call(client, &goodbye)->status, MESSAGE_STATUS_OK);
	assert_int_equal(client->client.state, CLIENT_SWEPT);
	assert_int_equal(fixture_held_pages(client), 0);
	assert_int_equal(fixture_held_pages(other), 7);
	fixture_assert_refused(fixture_call(client, &ping), MESSAGE_STATUS_PROTOCOL, "goodbye");
	fixture_client_free(client);
	fixture_client_free(other);
}

#define DISPATCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISPATCH_TEST(test_dispatch_hello_gives_an_id_and_tells_limits),
		DISPATCH_TEST(test_dispatch_hello_comes_first_and_once),
		DISPATCH_TEST(test_dispatch_hello_refuses_versions),
		DISPATCH_TEST(test_dispatch_hello_refuses_one_client_too_many),
		DISPATCH_TEST(test_dispatch_hello_leaves_half_to_other_users),
		DISPATCH_TEST(test_dispatch_unknown_request_is_unsupported),
		DISPATCH_TEST(test_dispatch_pool_open_sends_a_descriptor_a_zone),
		DISPATCH_TEST(test_dispatch_pool_open_holds_to_the_access_lists),
		DISPATCH_TEST(test_dispatch_pool_open_logs_who_was_refused),
		DISPATCH_TEST(test_dispatch_pool_handles_tell_how_they_were_opened),
		DISPATCH_TEST(test_dispatch_pool_must_be_open),
		DISPATCH_TEST(test_dispatch_pool_stat_counts),
		DISPATCH_TEST(test_dispatch_goodbye_frees_everything_and_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
