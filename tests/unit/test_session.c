/* SPDX-License-Identifier: MIT */
/* A session over a socket pair: bytes in, replies out, and no more than a peer can take. */

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/message.h"
#include "service/loop.h"
#include "service/session.h"
#include "support/open_fds.h"
#include "support/session_fixture.h"

static void test_session_answers_in_order(void **state)
{
	struct session_fixture *fixture = *state;
	struct message reply;

	session_fixture_send_pings(fixture, 3);
	session_fixture_run_until_served(fixture, 3);
	session_fixture_run_rounds(fixture, 1);
	for (uint64_t id = 1; id <= 3; id++) {
		assert_true(session_fixture_receive(fixture, &reply));
		assert_int_equal(reply.id, id);
	}
	assert_false(session_fixture_receive(fixture, &reply));
}

static void test_session_takes_bytes_one_by_one(void **state)
{
	struct session_fixture *fixture = *state;
	uint8_t bytes[128];
	size_t size_bytes = session_fixture_make_pings(fixture, bytes, 2);

	for (size_t i = 0; i < size_bytes; i++) {
		assert_int_equal(fixture->nr_served, i < size_bytes / 2 ? 0 : 1);
		session_fixture_send_bytes(fixture, bytes + i, 1);
		session_fixture_run_rounds(fixture, 2);
	}
	assert_int_equal(fixture->nr_served, 2);
	assert_int_equal(session_fixture_count_replies(fixture), 2);
}

/* One round serves a part of a flood only, and nobody has to wake it for the rest. */
static void test_session_serves_a_flood_in_slices(void **state)
{
	struct session_fixture *fixture = *state;

	fixture->work_ns = 20000;
	session_fixture_send_pings(fixture, 256);
	session_fixture_run_rounds(fixture, 1);
	assert_in_range(fixture->nr_served, 1, 100);
	session_fixture_run_until_served(fixture, 256);
	session_fixture_run_rounds(fixture, 1);
	assert_int_equal(session_fixture_count_replies(fixture), 256);
}

static void test_session_yields_after_long_work(void **state)
{
	struct session_fixture *fixture = *state;

	fixture->work_ns = 1000000;
	session_fixture_send_pings(fixture, 8);
	session_fixture_run_rounds(fixture, 1);
	assert_in_range(fixture->nr_served, 1, 3);
	session_fixture_run_until_served(fixture, 8);
}

static void test_session_serves_again_after_a_release(void **state)
{
	struct session_fixture *fixture = *state;

	fixture->verdict = SESSION_AGAIN;
	session_hold(fixture->session);
	session_fixture_send_pings(fixture, 2);
	session_fixture_run(fixture);
	session_fixture_run_rounds(fixture, 5);
	assert_int_equal(fixture->nr_served, 0);

	fixture->verdict = SESSION_NEXT;
	session_fixture_run_rounds(fixture, 5);
	assert_int_equal(fixture->nr_served, 0);
	session_release(fixture->session);
	session_fixture_run_until_served(fixture, 2);
	session_fixture_run_rounds(fixture, 1);
	assert_int_equal(session_fixture_count_replies(fixture), 2);
}

static void test_session_gives_a_request_again_until_it_is_served(void **state)
{
	struct session_fixture *fixture = *state;

	fixture->nr_parts = 3;
	session_fixture_send_pings(fixture, 2);
	for (unsigned nr_left = 3; nr_left-- > 0;) { /* one a round */
		session_fixture_run(fixture);
		assert_int_equal(fixture->nr_parts, nr_left);
		assert_int_equal(fixture->nr_served, 0);
	}
	session_fixture_run_until_served(fixture, 2);
	session_fixture_run_rounds(fixture, 1);
	assert_int_equal(session_fixture_count_replies(fixture), 2);
}

static void test_session_reads_no_more_while_many_wait(void **state)
{
	struct session_fixture *fixture = *state;
	unsigned nr_held = 0;

	fixture->is_silent = true;
	for (; nr_held < 64; nr_held++)
		session_hold(fixture->session);
	session_fixture_send_pings(fixture, 4);
	session_fixture_run_rounds(fixture, 5);
	assert_int_equal(fixture->nr_served, 0);
	while (nr_held--)
		session_release(fixture->session);
	session_fixture_run_until_served(fixture, 4);
}

static void test_session_stops_reading_for_a_peer_that_does_not(void **state)
{
	struct session_fixture *fixture = *state;
	uint8_t bytes[64 * 256];
	size_t size_bytes = session_fixture_make_pings(fixture, bytes, 250);

	session_welcome(fixture->session);
	fixture->is_wordy = true;
	session_fixture_send_bytes(fixture, bytes, size_bytes);
	session_fixture_run_rounds(fixture, 600);
	assert_in_range(fixture->nr_served, 1, 200);
	assert_false(fixture->is_closed);
	assert_null(session_overdue(fixture->session, loop_now_ms(fixture->loop)));
	assert_non_null(session_overdue(fixture->session,
					loop_now_ms(fixture->loop) + SESSION_STALL_MS + 1000));

	/* It reads at last, and gets all. */
	unsigned nr_replies = 0;
	while (nr_replies < 250) {
		nr_replies += session_fixture_count_replies(fixture);
		session_fixture_run_rounds(fixture, 1);
	}
	assert_int_equal(fixture->nr_served, 250);
	assert_null(session_overdue(fixture->session,
				    loop_now_ms(fixture->loop) + SESSION_STALL_MS + 1000));
}

/* Descriptors that wait for a peer are the daemon's, of which it has few. */
static void test_session_queues_descriptors_of_one_reply(void **state)
{
	struct session_fixture *fixture = *state;
	int send_bytes_max = 4096;

	assert_int_equal(setsockopt(fixture->session_fd, SOL_SOCKET, SO_SNDBUF, &send_bytes_max,
				    sizeof(send_bytes_max)),
			 0);
	fixture->is_wordy = true;
	fixture->is_giving = true;
	session_fixture_send_pings(fixture, 8);
	session_fixture_run_rounds(fixture, 50);
	assert_in_range(fixture->nr_served, 1, 3);

	unsigned nr_replies = 0;
	while (nr_replies < 8) {
		nr_replies += session_fixture_count_replies(fixture);
		session_fixture_run_rounds(fixture, 1);
	}
	assert_int_equal(fixture->nr_served, 8);
}

/* Without the capabilities that lift the kernel's limit on descriptors in flight, or with them. */
static void limit_descriptors(bool is_limited, rlim_t nr_fds)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct rlimit limit;

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	data[0].effective = data[0].permitted;
	if (is_limited)
		data[0].effective &= ~(1u << CAP_SYS_ADMIN | 1u << CAP_SYS_RESOURCE);
	assert_int_equal(syscall(SYS_capset, &header, data), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = nr_fds;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void send_descriptor(int to, int fd)
{
	char byte = 0;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	const struct msghdr message = { .msg_iov = &part,
					.msg_iovlen = 1,
					.msg_control = &control,
					.msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	assert_int_equal(sendmsg(to, &message, 0), 1);
}

/* Others left too many descriptors unread: no fault of this peer's, which waits for its own. */
static void test_session_sends_again_what_the_kernel_refused(void **state)
{
	struct session_fixture *fixture = *state;
	struct message reply;
	struct rlimit limit;
	int others[2];

	if (open_fds_cannot_be_limited())
		skip();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, others), 0);
	for (unsigned i = 0; i < 66; i++)
		send_descriptor(others[0], others[0]);
	limit_descriptors(true, 64);
	fixture->is_giving = true;
	session_fixture_send_pings(fixture, 1);
	session_fixture_run_until_served(fixture, 1);
	session_fixture_run_rounds(fixture, 3);
	session_retry(fixture->session);
	session_fixture_run_rounds(fixture, 3);
	limit_descriptors(false, limit.rlim_cur);
	assert_false(fixture->is_closed);
	assert_int_equal(session_unread_fds(fixture->session), 1);
	assert_int_equal(session_fixture_count_replies(fixture), 0);
	assert_non_null(session_overdue(fixture->session,
					loop_now_ms(fixture->loop) + SESSION_STALL_MS + 1000));

	session_retry(fixture->session);
	session_fixture_run_rounds(fixture, 3);
	assert_int_equal(session_unread_fds(fixture->session), 1); /* sent, and not read */
	assert_true(session_fixture_receive(fixture, &reply));
	assert_int_equal(session_unread_fds(fixture->session), 0);
	close(others[0]);
	close(others[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SESSION_TEST(test_session_answers_in_order),
		SESSION_TEST(test_session_takes_bytes_one_by_one),
		SESSION_TEST(test_session_serves_a_flood_in_slices),
		SESSION_TEST(test_session_yields_after_long_work),
		SESSION_TEST(test_session_serves_again_after_a_release),
		SESSION_TEST(test_session_gives_a_request_again_until_it_is_served),
		SESSION_TEST(test_session_reads_no_more_while_many_wait),
		SESSION_TEST(test_session_stops_reading_for_a_peer_that_does_not),
		SESSION_TEST(test_session_queues_descriptors_of_one_reply),
		SESSION_TEST(test_session_sends_again_what_the_kernel_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
