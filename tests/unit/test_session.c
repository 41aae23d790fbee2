/* SPDX-License-Identifier: MIT */
/* A session over a socket pair: bytes in, replies out, and what is borne of a peer. */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "service/loop.h"
#include "service/session.h"
#include "support/open_fds.h"

#define PATIENCE_MS 10000u

/* A session's owner, and the peer at the other end of its socket. */
struct fixture {
	struct loop *loop;
	struct loop_timer *patience;
	struct session *session;
	struct codec_arena arena, peer_arena;
	struct frame_reader reader; /* the peer's */
	int session_fd;             /* the session's */
	int fd;
	uint64_t next_id;

	enum session_verdict verdict;
	unsigned nr_parts; /* of the next request, before it is served */
	bool is_silent;    /* does not reply */
	bool is_wordy;     /* replies with much */
	bool is_giving;    /* replies with a descriptor */
	uint64_t work_ns;  /* that each request takes */
	unsigned nr_served;
	unsigned nr_quit; /* the loop quits when so many are served */
	bool is_closed;
	const char *why;
};

static enum session_verdict serve(void *data, const struct message *request)
{
	static struct message_block_info blocks[MESSAGE_BLOCKS_MAX];
	struct fixture *fixture = data;
	struct message reply = { .id = request->id, .error = "" };

	if (fixture->verdict == SESSION_AGAIN || fixture->nr_parts) {
		loop_quit(fixture->loop);
		return fixture->nr_parts && fixture->nr_parts-- ? SESSION_MORE : SESSION_AGAIN;
	}
	if (fixture->is_wordy) {
		for (size_t i = 0; i < MESSAGE_BLOCKS_MAX; i++)
			blocks[i] = (struct message_block_info){ .pool = "p", .zone = "z" };
		reply.type = MESSAGE_BLOCK_LIST;
		reply.u.block_list.blocks = blocks;
		reply.u.block_list.nr_blocks = MESSAGE_BLOCKS_MAX;
	}
	for (uint64_t end_ns = loop_clock_ns() + fixture->work_ns; loop_clock_ns() < end_ns;)
		;
	if (!fixture->is_silent)
		session_send(fixture->session, &reply, &fixture->fd, fixture->is_giving);
	if (++fixture->nr_served == fixture->nr_quit)
		loop_quit(fixture->loop);
	return fixture->verdict;
}

static void closed(void *data, const char *why)
{
	struct fixture *fixture = data;

	fixture->session = session_free(fixture->session);
	fixture->is_closed = true;
	fixture->why = why;
	loop_quit(fixture->loop);
}

static void out_of_patience(void *data)
{
	(void)data;
	fail_msg("nothing happened for %u ms", PATIENCE_MS);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int fds[2];

	assert_non_null(fixture);
	const struct session_owner owner = { .serve = serve, .closed = closed, .data = fixture };
	fixture->next_id = 1;
	fixture->arena.memory = malloc(CODEC_ARENA_BYTES);
	fixture->arena.size_bytes = CODEC_ARENA_BYTES;
	fixture->peer_arena.memory = malloc(CODEC_ARENA_BYTES);
	fixture->peer_arena.size_bytes = CODEC_ARENA_BYTES;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fixture->session_fd = fds[0];
	fixture->fd = fds[1];
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(loop_new(&fixture->loop), 0);
	assert_int_equal(loop_timer_new(fixture->loop, out_of_patience, NULL, &fixture->patience),
			 0);
	assert_int_equal(frame_reader_init(&fixture->reader, false), 0);
	assert_int_equal(
		session_new(fixture->loop, fds[0], &fixture->arena, &owner, &fixture->session), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	session_free(fixture->session);
	loop_timer_free(fixture->patience);
	loop_free(fixture->loop);
	frame_reader_deinit(&fixture->reader);
	close(fixture->fd);
	free(fixture->arena.memory);
	free(fixture->peer_arena.memory);
	free(fixture);
	return 0;
}

static void run(struct fixture *fixture)
{
	loop_timer_start(fixture->patience, PATIENCE_MS);
	assert_int_equal(loop_run(fixture->loop), 0);
	loop_timer_stop(fixture->patience);
}

static void run_until_served(struct fixture *fixture, unsigned nr_served)
{
	fixture->nr_quit = nr_served;
	if (fixture->nr_served < nr_served)
		run(fixture);
	assert_false(fixture->is_closed);
}

static void run_until_closed(struct fixture *fixture)
{
	if (!fixture->is_closed)
		run(fixture);
	assert_true(fixture->is_closed);
}

/* Several rounds of the loop in which nothing else need happen. */
static void quit_after_rounds(void *data)
{
	struct fixture *fixture = data;

	loop_quit(fixture->loop);
}

static void run_rounds(struct fixture *fixture, unsigned nr_rounds)
{
	struct loop_task *task;

	assert_int_equal(loop_task_new(fixture->loop, quit_after_rounds, fixture, &task), 0);
	for (unsigned i = 0; i < nr_rounds; i++) {
		loop_task_schedule(task);
		assert_int_equal(loop_run(fixture->loop), 0);
	}
	loop_task_free(task);
}

static size_t make_pings(struct fixture *fixture, uint8_t *bytes, unsigned count)
{
	size_t size_bytes = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct message ping = { .id = fixture->next_id++, .type = MESSAGE_PING };
		ptrdiff_t length = codec_encode_request(&ping, bytes + size_bytes + 4, 64);

		assert_true(length > 0);
		bytes[size_bytes] = (uint8_t)length;
		memset(bytes + size_bytes + 1, 0, 3);
		size_bytes += 4 + (size_t)length;
	}
	return size_bytes;
}

static void send_bytes(struct fixture *fixture, const void *bytes, size_t size_bytes)
{
	assert_int_equal(send(fixture->fd, bytes, size_bytes, MSG_NOSIGNAL), size_bytes);
}

static void send_pings(struct fixture *fixture, unsigned count)
{
	uint8_t bytes[64 * 256];

	assert_true(count <= 256);
	send_bytes(fixture, bytes, make_pings(fixture, bytes, count));
}

/* What the peer has got by now. */
static bool receive(struct fixture *fixture, struct message *ret)
{
	enum frame_error error = 0;
	const uint8_t *bytes;
	const char *why;
	size_t size_bytes;

	while (!frame_reader_next(&fixture->reader, &bytes, &size_bytes, &error))
		if (frame_reader_fill(&fixture->reader, fixture->fd, MSG_DONTWAIT, &error) <= 0)
			return false;
	assert_int_equal(codec_decode_reply(bytes, size_bytes, &fixture->peer_arena, ret, &why), 0);
	return true;
}

static unsigned count_replies(struct fixture *fixture)
{
	struct message reply;
	unsigned count = 0;

	while (receive(fixture, &reply))
		count++;
	return count;
}

static void test_session_answers_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct message reply;

	send_pings(fixture, 3);
	run_until_served(fixture, 3);
	run_rounds(fixture, 1);
	for (uint64_t id = 1; id <= 3; id++) {
		assert_true(receive(fixture, &reply));
		assert_int_equal(reply.id, id);
	}
	assert_false(receive(fixture, &reply));
}

static void test_session_takes_bytes_one_by_one(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[128];
	size_t size_bytes = make_pings(fixture, bytes, 2);

	for (size_t i = 0; i < size_bytes; i++) {
		assert_int_equal(fixture->nr_served, i < size_bytes / 2 ? 0 : 1);
		send_bytes(fixture, bytes + i, 1);
		run_rounds(fixture, 2);
	}
	assert_int_equal(fixture->nr_served, 2);
	assert_int_equal(count_replies(fixture), 2);
}

/* One round serves a part of a flood only, and nobody has to wake it for the rest. */
static void test_session_serves_a_flood_in_slices(void **state)
{
	struct fixture *fixture = *state;

	fixture->work_ns = 20000;
	send_pings(fixture, 256);
	run_rounds(fixture, 1);
	assert_in_range(fixture->nr_served, 1, 100);
	run_until_served(fixture, 256);
	run_rounds(fixture, 1);
	assert_int_equal(count_replies(fixture), 256);
}

static void test_session_yields_after_long_work(void **state)
{
	struct fixture *fixture = *state;

	fixture->work_ns = 1000000;
	send_pings(fixture, 8);
	run_rounds(fixture, 1);
	assert_in_range(fixture->nr_served, 1, 3);
	run_until_served(fixture, 8);
}

static void test_session_serves_again_after_a_release(void **state)
{
	struct fixture *fixture = *state;

	fixture->verdict = SESSION_AGAIN;
	session_hold(fixture->session);
	send_pings(fixture, 2);
	run(fixture);
	run_rounds(fixture, 5);
	assert_int_equal(fixture->nr_served, 0);

	fixture->verdict = SESSION_NEXT;
	run_rounds(fixture, 5);
	assert_int_equal(fixture->nr_served, 0);
	session_release(fixture->session);
	run_until_served(fixture, 2);
	run_rounds(fixture, 1);
	assert_int_equal(count_replies(fixture), 2);
}

static void test_session_gives_a_request_again_until_it_is_served(void **state)
{
	struct fixture *fixture = *state;

	fixture->nr_parts = 3;
	send_pings(fixture, 2);
	for (unsigned nr_left = 3; nr_left-- > 0;) { /* one a round */
		run(fixture);
		assert_int_equal(fixture->nr_parts, nr_left);
		assert_int_equal(fixture->nr_served, 0);
	}
	run_until_served(fixture, 2);
	run_rounds(fixture, 1);
	assert_int_equal(count_replies(fixture), 2);
}

static void test_session_reads_no_more_while_many_wait(void **state)
{
	struct fixture *fixture = *state;
	unsigned nr_held = 0;

	fixture->is_silent = true;
	for (; nr_held < 64; nr_held++)
		session_hold(fixture->session);
	send_pings(fixture, 4);
	run_rounds(fixture, 5);
	assert_int_equal(fixture->nr_served, 0);
	while (nr_held--)
		session_release(fixture->session);
	run_until_served(fixture, 4);
}

static void test_session_stops_reading_for_a_peer_that_does_not(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[64 * 256];
	size_t size_bytes = make_pings(fixture, bytes, 250);

	session_welcome(fixture->session);
	fixture->is_wordy = true;
	send_bytes(fixture, bytes, size_bytes);
	run_rounds(fixture, 600);
	assert_in_range(fixture->nr_served, 1, 200);
	assert_false(fixture->is_closed);
	assert_null(session_overdue(fixture->session, loop_now_ms(fixture->loop)));
	assert_non_null(session_overdue(fixture->session,
					loop_now_ms(fixture->loop) + SESSION_STALL_MS + 1000));

	/* It reads at last, and gets all. */
	unsigned nr_replies = 0;
	while (nr_replies < 250) {
		nr_replies += count_replies(fixture);
		run_rounds(fixture, 1);
	}
	assert_int_equal(fixture->nr_served, 250);
	assert_null(session_overdue(fixture->session,
				    loop_now_ms(fixture->loop) + SESSION_STALL_MS + 1000));
}

/* Descriptors that wait for a peer are the daemon's, of which it has few. */
static void test_session_queues_descriptors_of_one_reply(void **state)
{
	struct fixture *fixture = *state;
	int send_bytes_max = 4096;

	assert_int_equal(setsockopt(fixture->session_fd, SOL_SOCKET, SO_SNDBUF, &send_bytes_max,
				    sizeof(send_bytes_max)),
			 0);
	fixture->is_wordy = true;
	fixture->is_giving = true;
	send_pings(fixture, 8);
	run_rounds(fixture, 50);
	assert_in_range(fixture->nr_served, 1, 3);

	unsigned nr_replies = 0;
	while (nr_replies < 8) {
		nr_replies += count_replies(fixture);
		run_rounds(fixture, 1);
	}
	assert_int_equal(fixture->nr_served, 8);
}

static void expect_refusal_and_end(struct fixture *fixture, const char *word)
{
	struct message reply;

	run_until_closed(fixture);
	assert_null(fixture->why);
	assert_true(receive(fixture, &reply));
	assert_int_equal(reply.status, MESSAGE_STATUS_PROTOCOL);
	if (!strstr(reply.error, word))
		fail_msg("'%s' does not say '%s'", reply.error, word);
	assert_false(receive(fixture, &reply));
}

static void test_session_refuses_a_length_of_none(void **state)
{
	send_bytes(*state, "\0\0\0\0", 4);
	expect_refusal_and_end(*state, "length");
}

static void test_session_refuses_a_length_above_the_limit(void **state)
{
	send_bytes(*state, "\xff\xff\xff\x7f", 4);
	expect_refusal_and_end(*state, "length");
}

static void test_session_refuses_garbage_after_what_was_right(void **state)
{
	struct fixture *fixture = *state;
	struct message reply;

	send_pings(fixture, 1);
	send_bytes(fixture, "\x04\0\0\0\xff\xff\xff\xff", 8);
	send_pings(fixture, 1);
	run_until_closed(fixture);
	assert_int_equal(fixture->nr_served, 1);
	assert_true(receive(fixture, &reply));
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	assert_true(receive(fixture, &reply));
	assert_int_equal(reply.status, MESSAGE_STATUS_PROTOCOL);
	assert_false(receive(fixture, &reply));
}

static void test_session_refuses_an_id_of_zero(void **state)
{
	struct fixture *fixture = *state;

	fixture->next_id = 0;
	send_pings(fixture, 1);
	expect_refusal_and_end(fixture, "id");
	assert_int_equal(fixture->nr_served, 0);
}

static void test_session_ends_with_a_hang_up(void **state)
{
	struct fixture *fixture = *state;

	shutdown(fixture->fd, SHUT_RDWR);
	run_until_closed(fixture);
	assert_null(fixture->why);
}

static void test_session_tells_a_hang_up_within_a_frame(void **state)
{
	struct fixture *fixture = *state;

	send_bytes(fixture, "\x08\0", 2);
	shutdown(fixture->fd, SHUT_RDWR);
	run_until_closed(fixture);
	assert_non_null(strstr(fixture->why, "within a frame"));
}

static void test_session_finishes_when_all_is_sent(void **state)
{
	struct fixture *fixture = *state;
	const struct message event = { .type = MESSAGE_EVENT, .error = "" };

	session_send(fixture->session, &event, NULL, 0);
	session_finish(fixture->session);
	send_pings(fixture, 1);
	run_until_closed(fixture);
	assert_int_equal(fixture->nr_served, 0);
	assert_int_equal(count_replies(fixture), 1);
}

static void test_session_is_overdue_without_hello(void **state)
{
	struct fixture *fixture = *state;
	uint64_t now_ms = loop_now_ms(fixture->loop);

	assert_null(session_overdue(fixture->session, now_ms + SESSION_HELLO_MS - 100));
	assert_non_null(session_overdue(fixture->session, now_ms + SESSION_HELLO_MS + 100));
	session_welcome(fixture->session);
	assert_null(session_overdue(fixture->session, now_ms + 1000 * SESSION_HELLO_MS));
}

static void test_session_is_overdue_with_an_unfinished_frame(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[64];
	size_t size_bytes = make_pings(fixture, bytes, 1);
	uint64_t now_ms = loop_now_ms(fixture->loop);

	session_welcome(fixture->session);
	send_bytes(fixture, bytes, 3);
	run_rounds(fixture, 3);
	assert_null(session_overdue(fixture->session, now_ms + SESSION_FRAME_MS - 100));
	assert_non_null(session_overdue(fixture->session, now_ms + SESSION_FRAME_MS + 1000));
	send_bytes(fixture, bytes + 3, size_bytes - 3);
	run_until_served(fixture, 1);
	run_rounds(fixture, 1);
	assert_null(session_overdue(fixture->session, now_ms + SESSION_FRAME_MS + 1000));
}

/* Each of its frames comes in time; that there is always another is no fault of a busy peer. */
static void test_session_is_not_overdue_with_frame_after_frame(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[128];
	size_t frame_bytes = make_pings(fixture, bytes, 2) / 2;
	uint64_t began_ms;

	session_welcome(fixture->session);
	send_bytes(fixture, bytes, 3);
	run_rounds(fixture, 3);
	began_ms = loop_now_ms(fixture->loop);
	while (loop_now_ms(fixture->loop) == began_ms) /* the clock's next tick */
		;
	send_bytes(fixture, bytes + 3, frame_bytes);
	run_until_served(fixture, 1);
	run_rounds(fixture, 3);
	assert_null(session_overdue(fixture->session, began_ms + SESSION_FRAME_MS + 1));
	assert_non_null(session_overdue(fixture->session, began_ms + SESSION_FRAME_MS + 1000));
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
	struct fixture *fixture = *state;
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
	send_pings(fixture, 1);
	run_until_served(fixture, 1);
	run_rounds(fixture, 3);
	session_retry(fixture->session);
	run_rounds(fixture, 3);
	limit_descriptors(false, limit.rlim_cur);
	assert_false(fixture->is_closed);
	assert_int_equal(session_unread_fds(fixture->session), 1);
	assert_int_equal(count_replies(fixture), 0);
	assert_non_null(session_overdue(fixture->session,
					loop_now_ms(fixture->loop) + SESSION_STALL_MS + 1000));

	session_retry(fixture->session);
	run_rounds(fixture, 3);
	assert_int_equal(session_unread_fds(fixture->session), 1); /* sent, and not read */
	assert_true(receive(fixture, &reply));
	assert_int_equal(session_unread_fds(fixture->session), 0);
	close(others[0]);
	close(others[1]);
}

#define SESSION_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
