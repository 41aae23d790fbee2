/* SPDX-License-Identifier: MIT */
/*
 * Peers that don't behave: each gets an error that names what is wrong and loses its connection;
 * nothing else notices.
 */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "proto/codec.h"
#include "support/daemon.h"

#define POOL_BYTES (UINT64_C(64) << 20)

static struct daemon server;

static int setup(void **state)
{
	daemon_start(&server, "topology = fake:1", "[pool default]\nsize = 64M\n");
	*state = &server;
	return 0;
}

/* After each test the daemon still serves, and is as it was. */
static int still_serves(void **state)
{
	struct peer peer;

	(void)state;
	peer_hello(&peer, &server, "after");
	peer_await_clients(&peer, 1);
	peer_finish(&peer, "default", POOL_BYTES);
	return 0;
}

/* The next reply is a refusal whose text contains `word`, and then the daemon hangs up. */
static void expect_refusal_and_end(struct peer *peer, enum message_status status, const char *word)
{
	struct message reply;

	assert_true(peer_receive(peer, &reply));
	assert_int_equal(reply.status, status);
	if (!strstr(reply.error, word))
		fail_msg("the refusal says \"%s\", nothing of \"%s\"", reply.error, word);
	assert_false(peer_receive(peer, &reply));
	peer_close(peer);
}

/* Refused, and the connection goes on. */
static void expect_refusal(struct peer *peer, struct message *request, enum message_status status)
{
	struct message reply;

	request->id = 0;
	peer_call(peer, request, &reply);
	if (reply.status != status)
		fail_msg("status %d, not %d: \"%s\"", (int)reply.status, (int)status, reply.error);
	assert_true(strlen(reply.error) > 0);
}

static void test_protocol_request_before_hello_ends(void **state)
{
	struct message request = { .type = MESSAGE_PING };
	struct peer peer;

	(void)state;
	peer_connect(&peer, &server);
	peer_send(&peer, &request);
	expect_refusal_and_end(&peer, MESSAGE_STATUS_PROTOCOL, "hello");
}

static void test_protocol_second_hello_ends(void **state)
{
	struct message request = { .type = MESSAGE_HELLO };
	struct peer peer;

	(void)state;
	peer_hello(&peer, &server, "twice");
	request.u.hello.version_min = MESSAGE_VERSION_MIN;
	request.u.hello.version_max = MESSAGE_VERSION;
	request.u.hello.name = "twice";
	peer_send(&peer, &request);
	expect_refusal_and_end(&peer, MESSAGE_STATUS_PROTOCOL, "hello");
}

static void test_protocol_versions_without_overlap_end(void **state)
{
	struct message request = { .type = MESSAGE_HELLO };
	struct peer peer;

	(void)state;
	peer_connect(&peer, &server);
	request.u.hello.version_min = MESSAGE_VERSION + 1;
	request.u.hello.version_max = MESSAGE_VERSION + 9;
	request.u.hello.name = "future";
	peer_send(&peer, &request);
	expect_refusal_and_end(&peer, MESSAGE_STATUS_VERSION, "version");
}

static void test_protocol_newer_client_is_served_at_our_version(void **state)
{
	struct message request = { .type = MESSAGE_HELLO }, reply;
	struct peer peer;

	(void)state;
	peer_connect(&peer, &server);
	request.u.hello.version_min = MESSAGE_VERSION_MIN;
	request.u.hello.version_max = MESSAGE_VERSION + 1;
	request.u.hello.features = UINT64_MAX;
	request.u.hello.name = "newer";
	peer_call(&peer, &request, &reply);
	assert_int_equal(reply.type, MESSAGE_WELCOME);
	assert_int_equal(reply.u.welcome.version, MESSAGE_VERSION);
	assert_int_equal(reply.u.welcome.features, 0);
	assert_int_equal(reply.u.welcome.limits.batch_blocks, MESSAGE_BATCH_BLOCKS_MAX);
	peer_close(&peer);
}

static void test_protocol_oversized_length_ends(void **state)
{
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0x7f };
	struct peer peer;

	(void)state;
	peer_hello(&peer, &server, "huge");
	peer_send_bytes(&peer, huge, sizeof(huge));
	expect_refusal_and_end(&peer, MESSAGE_STATUS_PROTOCOL, "frame");
}

static void test_protocol_empty_frame_ends(void **state)
{
	static const uint8_t empty[] = { 0, 0, 0, 0 };
	struct peer peer;

	(void)state;
	peer_hello(&peer, &server, "empty");
	peer_send_bytes(&peer, empty, sizeof(empty));
	expect_refusal_and_end(&peer, MESSAGE_STATUS_PROTOCOL, "frame");
}

static void test_protocol_garbage_ends(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint8_t bytes[512];
		struct message reply;
		struct peer peer;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			bytes[i] = (uint8_t)seed;
		}
		if (round % 2) { /* a true length, and garbage in the message */
			memcpy(bytes, "\xfc\x01\x00\x00", 4);
			bytes[4] = 0x12; /* a hello of more bytes than there are */
			bytes[5] = 0xff;
		} else {
			bytes[3] |= 0x80;
		}
		peer_connect(&peer, &server);
		peer_send_bytes(&peer, bytes, sizeof(bytes));
		assert_true(peer_receive(&peer, &reply));
		assert_int_equal(reply.status, MESSAGE_STATUS_PROTOCOL);
		assert_false(peer_receive(&peer, &reply));
		peer_close(&peer);
	}
}

static void test_protocol_truncated_frame_loses_the_rest_only(void **state)
{
	static const uint8_t half[] = { 100, 0, 0, 0, 8, 1 };
	struct peer peer;

	(void)state;
	peer_hello(&peer, &server, "half");
	peer_send_bytes(&peer, half, sizeof(half));
	peer_close(&peer);
}

static void test_protocol_unknown_request_is_answered(void **state)
{
	/* id = 7, then field 1000 with an empty message: a request of some later version. */
	static const uint8_t later[] = { 5, 0, 0, 0, 0x08, 7, 0xc2, 0x3e, 0 };
	struct message ping = { .type = MESSAGE_PING }, reply;
	struct peer peer;

	(void)state;
	peer_hello(&peer, &server, "later");
	peer_send_bytes(&peer, later, sizeof(later));
	assert_true(peer_receive(&peer, &reply));
	assert_int_equal(reply.id, 7);
	assert_int_equal(reply.status, MESSAGE_STATUS_UNSUPPORTED);
	peer_call(&peer, &ping, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	peer_close(&peer);
}

static void test_protocol_nonsense_requests_are_refused_and_nothing_more(void **state)
{
	struct message_run runs[2] = { { .base = 0, .mask = 1 }, { .base = 0, .mask = 0 } };
	struct message request = { .type = MESSAGE_POOL_OPEN };
	struct peer peer;
	uint32_t pool;

	(void)state;
	peer_hello(&peer, &server, "nonsense");
	request.u.pool_open.name = "nowhere";
	expect_refusal(&peer, &request, MESSAGE_STATUS_NOT_FOUND);
	request = (struct message){ .type = MESSAGE_ALLOC };
	request.u.alloc.count = 1;
	expect_refusal(&peer, &request, MESSAGE_STATUS_NOT_FOUND); /* not opened */
	pool = peer_open_pool(&peer, "default");

	request = (struct message){ .type = MESSAGE_ALLOC };
	request.u.alloc.pool = pool;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID); /* none */
	request.u.alloc.count = UINT32_MAX;
	expect_refusal(&peer, &request, MESSAGE_STATUS_LIMIT);
	request.u.alloc.count = 1;
	request.u.alloc.order = 32;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);
	request.u.alloc.order = UINT32_MAX;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);
	request.u.alloc.order = 0;
	request.u.alloc.pool = pool + 1000;
	expect_refusal(&peer, &request, MESSAGE_STATUS_NOT_FOUND);
	request.u.alloc.pool = pool;
	request.u.alloc.placement.node = UINT32_MAX;
	request.u.alloc.placement.bind = true;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);

	request = (struct message){ .type = MESSAGE_ALLOC_EXACT };
	request.u.alloc_exact.pool = pool;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);
	request.u.alloc_exact.nr_pages = UINT32_MAX;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);

	request = (struct message){ .type = MESSAGE_FREE };
	request.u.free.pool = pool;
	request.u.free.runs = runs;
	request.u.free.nr_runs = 1;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID); /* not held */
	runs[0].base = UINT64_MAX;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);
	runs[0].base = UINT64_C(200) << 44;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);
	runs[0].base = POOL_BYTES / PP_PAGE_SIZE - 1;
	runs[0].mask = UINT64_MAX;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);
	request.u.free.order = 63;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);
	request.u.free.order = 0;
	runs[0].base = 0;
	runs[0].mask = 0;
	request.u.free.nr_runs = 2;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID); /* names nothing */

	request = (struct message){ .type = MESSAGE_FREE_EXACT };
	request.u.free_exact.pool = pool;
	request.u.free_exact.page = UINT64_MAX;
	request.u.free_exact.nr_pages = UINT32_MAX;
	expect_refusal(&peer, &request, MESSAGE_STATUS_INVALID);
	peer_close(&peer);
}

static void test_protocol_too_many_blocks_freed_at_once_is_refused(void **state)
{
	struct message_run runs[64];
	struct message request = { .type = MESSAGE_FREE };
	struct peer peer;

	(void)state;
	peer_hello(&peer, &server, "greedy");
	request.u.free.pool = peer_open_pool(&peer, "default");
	for (size_t i = 0; i < 64; i++)
		runs[i] = (struct message_run){ .base = i * 64, .mask = UINT64_MAX };
	request.u.free.runs = runs;
	request.u.free.nr_runs = 64;
	expect_refusal(&peer, &request, MESSAGE_STATUS_LIMIT);
	peer_close(&peer);
}

/* Sends a valid ping with as many descriptors as the kernel takes, again and again. */
static void test_protocol_fd_flood_is_dropped(void **state)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(250 * sizeof(int))];
	} control;
	uint8_t ping[] = { 4, 0, 0, 0, 0x08, 1, 0x5a, 0 };
	struct iovec iov = { .iov_base = ping, .iov_len = sizeof(ping) };
	int fds[250], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct message reply;
	struct peer peer;

	(void)state;
	assert_true(null >= 0);
	for (size_t i = 0; i < 250; i++)
		fds[i] = null;
	peer_hello(&peer, &server, "flood");
	for (int i = 0; i < 50; i++) {
		struct msghdr header = { .msg_iov = &iov,
					 .msg_iovlen = 1,
					 .msg_control = control.bytes,
					 .msg_controllen = sizeof(control.bytes) };
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fds));
		memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
		assert_int_equal(sendmsg(peer.fd, &header, MSG_NOSIGNAL), sizeof(ping));
		assert_true(peer_receive(&peer, &reply));
		assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	}
	close(null);
	peer_close(&peer);
}

static unsigned count_fds(pid_t pid)
{
	char path[64];
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		count += faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	}
	return count;
}

static void test_protocol_connects_and_drops_leave_no_descriptor(void **state)
{
	struct peer peer;
	unsigned before;

	(void)state;
	peer_hello(&peer, &server, "counter");
	peer_await_clients(&peer, 1);
	before = count_fds(server.pid);
	for (int i = 0; i < 1000; i++) {
		struct peer passer_by;

		peer_connect(&passer_by, &server);
		if (i % 3 == 0)
			peer_send_bytes(&passer_by, "\x05", 1);
		peer_close(&passer_by);
	}
	for (int i = 0; i < 100000 && count_fds(server.pid) != before; i++)
		peer_await_clients(&peer, 1);
	assert_int_equal(count_fds(server.pid), before);
	peer_close(&peer);
}

/* Asks for ever and reads nothing: the daemon stops listening to it, and goes on with the rest. */
static void test_protocol_a_client_that_never_reads_stalls_alone(void **state)
{
	struct message request = { .type = MESSAGE_GET_STATUS }, reply;
	struct peer deaf, other;
	struct pollfd poll_fd;

	(void)state;
	peer_hello(&deaf, &server, "deaf");
	assert_int_equal(fcntl(deaf.fd, F_SETFL, O_NONBLOCK), 0);
	poll_fd = (struct pollfd){ .fd = deaf.fd, .events = POLLOUT };
	/* Until our own send buffer stays full for a while: the daemon has stopped reading. */
	while (poll(&poll_fd, 1, 500) == 1 && !(poll_fd.revents & POLLHUP)) {
		uint8_t frame[64];
		uint32_t length;
		ptrdiff_t n;

		request.id = deaf.next_id++;
		n = codec_encode_request(&request, frame + 4, sizeof(frame) - 4);
		assert_true(n > 0);
		length = (uint32_t)n;
		memcpy(frame, &length, 4);
		if (send(deaf.fd, frame, (size_t)n + 4, MSG_NOSIGNAL) != n + 4)
			break;
	}
	peer_hello(&other, &server, "other");
	for (int i = 0; i < 1000; i++) {
		request.id = 0;
		peer_call(&other, &request, &reply);
		assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	}
	peer_close(&other);
	peer_close(&deaf);
}

static void test_protocol_pipelined_requests_all_get_replies(void **state)
{
	struct message request = { .type = MESSAGE_ALLOC }, reply;
	struct peer peer;
	bool seen[501] = { false };

	(void)state;
	peer_hello(&peer, &server, "pipeline");
	request.u.alloc.pool = peer_open_pool(&peer, "default");
	request.u.alloc.count = 8;
	peer.next_id = 1;
	for (int i = 0; i < 500; i++) {
		request.id = 0;
		peer_send(&peer, &request);
	}
	for (int i = 0; i < 500; i++) {
		assert_true(peer_receive(&peer, &reply));
		assert_int_equal(reply.type, MESSAGE_GRANTED);
		assert_in_range(reply.id, 1, 500);
		assert_false(seen[reply.id]);
		seen[reply.id] = true;
	}
	request = (struct message){ .type = MESSAGE_GOODBYE };
	peer_call(&peer, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	assert_false(peer_receive(&peer, &reply));
	peer_close(&peer);
}

static void test_protocol_hello_names_are_held_to_their_limit(void **state)
{
	char name[80];
	struct message request = { .type = MESSAGE_HELLO };
	struct peer peer;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	peer_connect(&peer, &server);
	request.u.hello.version_min = MESSAGE_VERSION_MIN;
	request.u.hello.version_max = MESSAGE_VERSION;
	request.u.hello.name = name;
	peer_send(&peer, &request);
	expect_refusal_and_end(&peer, MESSAGE_STATUS_PROTOCOL, "name");
}

int main(void)
{
#define PROTOCOL_TEST(name) cmocka_unit_test_teardown(name, still_serves)
	const struct CMUnitTest tests[] = {
		PROTOCOL_TEST(test_protocol_request_before_hello_ends),
		PROTOCOL_TEST(test_protocol_second_hello_ends),
		PROTOCOL_TEST(test_protocol_versions_without_overlap_end),
		PROTOCOL_TEST(test_protocol_newer_client_is_served_at_our_version),
		PROTOCOL_TEST(test_protocol_oversized_length_ends),
		PROTOCOL_TEST(test_protocol_empty_frame_ends),
		PROTOCOL_TEST(test_protocol_garbage_ends),
		PROTOCOL_TEST(test_protocol_truncated_frame_loses_the_rest_only),
		PROTOCOL_TEST(test_protocol_unknown_request_is_answered),
		PROTOCOL_TEST(test_protocol_nonsense_requests_are_refused_and_nothing_more),
		PROTOCOL_TEST(test_protocol_too_many_blocks_freed_at_once_is_refused),
		PROTOCOL_TEST(test_protocol_fd_flood_is_dropped),
		PROTOCOL_TEST(test_protocol_connects_and_drops_leave_no_descriptor),
		PROTOCOL_TEST(test_protocol_a_client_that_never_reads_stalls_alone),
		PROTOCOL_TEST(test_protocol_pipelined_requests_all_get_replies),
		PROTOCOL_TEST(test_protocol_hello_names_are_held_to_their_limit),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
