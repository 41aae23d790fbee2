/* SPDX-License-Identifier: MIT */
/* How sessions end: what is refused, what a hang-up is called, and when a peer is overdue. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "proto/message.h"
#include "service/loop.h"
#include "service/session.h"
#include "support/session_fixture.h"

static void expect_refusal_and_end(struct session_fixture *fixture, const char *word)
{
	struct message reply;

	session_fixture_run_until_closed(fixture);
	assert_null(fixture->why);
	assert_true(session_fixture_receive(fixture, &reply));
	assert_int_equal(reply.status, MESSAGE_STATUS_PROTOCOL);
	if (!strstr(reply.error, word))
		fail_msg("'%s' does not say '%s'", reply.error, word);
	assert_false(session_fixture_receive(fixture, &reply));
}

static void test_session_refuses_a_length_of_none(void **state)
{
	session_fixture_send_bytes(*state, "\0\0\0\0", 4);
	expect_refusal_and_end(*state, "length");
}

static void test_session_refuses_a_length_above_the_limit(void **state)
{
	session_fixture_send_bytes(*state, "\xff\xff\xff\x7f", 4);
	expect_refusal_and_end(*state, "length");
}

static void test_session_refuses_garbage_after_what_was_right(void **state)
{
	struct session_fixture *fixture = *state;
	struct message reply;

	session_fixture_send_pings(fixture, 1);
	session_fixture_send_bytes(fixture, "\x04\0\0\0\xff\xff\xff\xff", 8);
	session_fixture_send_pings(fixture, 1);
	session_fixture_run_until_closed(fixture);
	assert_int_equal(fixture->nr_served, 1);
	assert_true(session_fixture_receive(fixture, &reply));
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	assert_true(session_fixture_receive(fixture, &reply));
	assert_int_equal(reply.status, MESSAGE_STATUS_PROTOCOL);
	assert_false(session_fixture_receive(fixture, &reply));
}

static void test_session_refuses_an_id_of_zero(void **state)
{
	struct session_fixture *fixture = *state;

	fixture->next_id = 0;
	session_fixture_send_pings(fixture, 1);
	expect_refusal_and_end(fixture, "id");
	assert_int_equal(fixture->nr_served, 0);
}

static void test_session_ends_with_a_hang_up(void **state)
{
	struct session_fixture *fixture = *state;

	shutdown(fixture->fd, SHUT_RDWR);
	session_fixture_run_until_closed(fixture);
	assert_null(fixture->why);
}

static void test_session_tells_a_hang_up_within_a_frame(void **state)
{
	struct session_fixture *fixture = *state;

	session_fixture_send_bytes(fixture, "\x08\0", 2);
	shutdown(fixture->fd, SHUT_RDWR);
	session_fixture_run_until_closed(fixture);
	assert_non_null(strstr(fixture->why, "within a frame"));
}

static void test_session_finishes_when_all_is_sent(void **state)
{
	struct session_fixture *fixture = *state;
	const struct message event = { .type = MESSAGE_EVENT, .error = "" };

	session_send(fixture->session, &event, NULL, 0);
	session_finish(fixture->session);
	session_fixture_send_pings(fixture, 1);
	session_fixture_run_until_closed(fixture);
	assert_int_equal(fixture->nr_served, 0);
	assert_int_equal(session_fixture_count_replies(fixture), 1);
}

static void test_session_is_overdue_without_hello(void **state)
{
	struct session_fixture *fixture = *state;
	uint64_t now_ms = loop_now_ms(fixture->loop);

	assert_null(session_overdue(fixture->session, now_ms + SESSION_HELLO_MS - 100));
	assert_non_null(session_overdue(fixture->session, now_ms + SESSION_HELLO_MS + 100));
	session_welcome(fixture->session);
	assert_null(session_overdue(fixture->session, now_ms + 1000 * SESSION_HELLO_MS));
}

static void test_session_is_overdue_with_an_unfinished_frame(void **state)
{
	struct session_fixture *fixture = *state;
	uint8_t bytes[64];
	size_t size_bytes = session_fixture_make_pings(fixture, bytes, 1);
	uint64_t now_ms = loop_now_ms(fixture->loop);

	session_welcome(fixture->session);
	session_fixture_send_bytes(fixture, bytes, 3);
	session_fixture_run_rounds(fixture, 3);
	assert_null(session_overdue(fixture->session, now_ms + SESSION_FRAME_MS - 100));
	assert_non_null(session_overdue(fixture->session, now_ms + SESSION_FRAME_MS + 1000));
	session_fixture_send_bytes(fixture, bytes + 3, size_bytes - 3);
	session_fixture_run_until_served(fixture, 1);
	session_fixture_run_rounds(fixture, 1);
	assert_null(session_overdue(fixture->session, now_ms + SESSION_FRAME_MS + 1000));
}

/* Each of its frames comes in time; that there is always another is no fault of a busy peer. */
static void test_session_is_not_overdue_with_frame_after_frame(void **state)
{
	struct session_fixture *fixture = *state;
	uint8_t bytes[128];
	size_t frame_bytes = session_fixture_make_pings(fixture, bytes, 2) / 2;
	uint64_t began_ms;

	session_welcome(fixture->session);
	session_fixture_send_bytes(fixture, bytes, 3);
	session_fixture_run_rounds(fixture, 3);
	began_ms = loop_now_ms(fixture->loop);
	while (loop_now_ms(fixture->loop) == began_ms) /* the clock's next tick */
		;
	session_fixture_send_bytes(fixture, bytes + 3, frame_bytes);
	session_fixture_run_until_served(fixture, 1);
	session_fixture_run_rounds(fixture, 3);
	assert_null(session_overdue(fixture->session, began_ms + SESSION_FRAME_MS + 1));
	assert_non_null(session_overdue(fixture->session, began_ms + SESSION_FRAME_MS + 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SESSION_TEST(test_session_refuses_a_length_of_none),
		SESSION_TEST(test_session_refuses_a_length_above_the_limit),
		SESSION_TEST(test_session_refuses_garbage_after_what_was_right),
		SESSION_TEST(test_session_refuses_an_id_of_zero),
		SESSION_TEST(test_session_ends_with_a_hang_up),
		SESSION_TEST(test_session_tells_a_hang_up_within_a_frame),
		SESSION_TEST(test_session_finishes_when_all_is_sent),
		SESSION_TEST(test_session_is_overdue_without_hello),
		SESSION_TEST(test_session_is_overdue_with_an_unfinished_frame),
		SESSION_TEST(test_session_is_not_overdue_with_frame_after_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
