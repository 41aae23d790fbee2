/* SPDX-License-Identifier: MIT */

/* The owner serves as the fixture's fields say; the peer is driven by the test itself. */

#include "support/session_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "service/loop.h"

#define PATIENCE_MS 10000u

static enum session_verdict serve(void *data, const struct message *request)
{
	static struct message_block_info blocks[MESSAGE_BLOCKS_MAX];
	struct session_fixture *fixture = data;
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
	struct session_fixture *fixture = data;

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

int session_fixture_setup(void **state)
{
	struct session_fixture *fixture = calloc(1, sizeof(*fixture));
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

int session_fixture_teardown(void **state)
{
	struct session_fixture *fixture = *state;

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

void session_fixture_run(struct session_fixture *fixture)
{
	loop_timer_start(fixture->patience, PATIENCE_MS);
	assert_int_equal(loop_run(fixture->loop), 0);
	loop_timer_stop(fixture->patience);
}

void session_fixture_run_until_served(struct session_fixture *fixture, unsigned nr_served)
{
	fixture->nr_quit = nr_served;
	if (fixture->nr_served < nr_served)
		session_fixture_run(fixture);
	assert_false(fixture->is_closed);
}

void session_fixture_run_until_closed(struct session_fixture *fixture)
{
	if (!fixture->is_closed)
		session_fixture_run(fixture);
	assert_true(fixture->is_closed);
}

static void quit_after_rounds(void *data)
{
	struct session_fixture *fixture = data;

	loop_quit(fixture->loop);
}

void session_fixture_run_rounds(struct session_fixture *fixture, unsigned nr_rounds)
{
	struct loop_task *task;

	assert_int_equal(loop_task_new(fixture->loop, quit_after_rounds, fixture, &task), 0);
	for (unsigned i = 0; i < nr_rounds; i++) {
		loop_task_schedule(task);
		assert_int_equal(loop_run(fixture->loop), 0);
	}
	loop_task_free(task);
}

size_t session_fixture_make_pings(struct session_fixture *fixture, uint8_t *bytes, unsigned count)
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

void session_fixture_send_bytes(struct session_fixture *fixture, const void *bytes,
				size_t size_bytes)
{
	assert_int_equal(send(fixture->fd, bytes, size_bytes, MSG_NOSIGNAL), size_bytes);
}

void session_fixture_send_pings(struct session_fixture *fixture, unsigned count)
{
	uint8_t bytes[64 * 256];

	assert_true(count <= 256);
	session_fixture_send_bytes(fixture, bytes,
				   session_fixture_make_pings(fixture, bytes, count));
}

bool session_fixture_receive(struct session_fixture *fixture, struct message *ret)
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

unsigned session_fixture_count_replies(struct session_fixture *fixture)
{
	struct message reply;
	unsigned count = 0;

	while (session_fixture_receive(fixture, &reply))
		count++;
	return count;
}
