/* SPDX-License-Identifier: MIT */
/*
 * A scripted daemon in a process of its own. The socket listens before the fork, so that a client
 * can never come too early; the kernel ends the process should the test end without stopping it.
 */

#include "support/fake_daemon.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "proto/frame.h"
#include "support/child.h"

static void welcome(struct message *reply)
{
	reply->type = MESSAGE_WELCOME;
	reply->u.welcome.version = MESSAGE_VERSION;
	reply->u.welcome.client = 7;
	reply->u.welcome.limits = (struct message_limits){ .frame_bytes = FRAME_BYTES_MAX,
							   .batch_blocks = MESSAGE_BATCH_BLOCKS_MAX,
							   .in_flight = MESSAGE_IN_FLIGHT_MAX,
							   .name_bytes = MESSAGE_NAME_BYTES_MAX };
	reply->u.welcome.daemon_version = FAKE_DAEMON_VERSION;
}

/* False when the connection is to be closed. */
static bool send_reply(int fd, struct fake_reply *reply)
{
	static uint8_t frame[FRAME_HEADER_BYTES + FRAME_BYTES_MAX];
	ptrdiff_t size = (ptrdiff_t)reply->size_bytes;

	if (reply->hang_up)
		return false;
	if (reply->bytes)
		memcpy(frame + FRAME_HEADER_BYTES, reply->bytes, reply->size_bytes);
	else
		size = codec_encode_reply(&reply->message, frame + FRAME_HEADER_BYTES,
					  FRAME_BYTES_MAX);
	CHILD_CHECK(size >= 0);
	for (unsigned i = 0; i < FRAME_HEADER_BYTES; i++)
		frame[i] = (uint8_t)(size >> (8 * i));
	size += FRAME_HEADER_BYTES;
	return send(fd, frame, (size_t)size, MSG_NOSIGNAL) == size;
}

static bool answer_frame(int fd, const uint8_t *bytes, size_t size_bytes, fake_answer_fn answer,
			 bool answers_hello)
{
	static _Alignas(max_align_t) uint8_t memory[CODEC_ARENA_BYTES];
	struct codec_arena arena = { .memory = memory, .size_bytes = sizeof(memory) };
	struct fake_reply reply = { .message.error = "" };
	struct message request;
	const char *why;

	CHILD_CHECK(codec_decode_request(bytes, size_bytes, &arena, &request, &why) == 0);
	reply.message.id = request.id;
	if (answers_hello && request.type == MESSAGE_HELLO)
		welcome(&reply.message);
	else if (!answers_hello || request.type != MESSAGE_GOODBYE)
		answer(&request, &reply);
	return send_reply(fd, &reply);
}

static void serve_connection(int fd, fake_answer_fn answer, bool answers_hello)
{
	struct frame_reader reader;
	enum frame_error error;
	const uint8_t *bytes;
	size_t size_bytes;
	bool open = true;

	CHILD_CHECK(frame_reader_init(&reader, false) == 0);
	while (open && frame_reader_fill(&reader, fd, 0, &error) > 0)
		while (open && frame_reader_next(&reader, &bytes, &size_bytes, &error))
			open = answer_frame(fd, bytes, size_bytes, answer, answers_hello);
	frame_reader_deinit(&reader);
	close(fd);
}

void fake_daemon_start(struct fake_daemon *daemon, fake_answer_fn answer, bool answers_hello)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t parent = getpid();

	strcpy(daemon->folder, "/tmp/pagepool-fake.XXXXXX");
	assert_non_null(mkdtemp(daemon->folder));
	snprintf(daemon->socket, sizeof(daemon->socket), "%s/socket", daemon->folder);
	strncpy(address.sun_path, daemon->socket, sizeof(address.sun_path) - 1);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 16), 0);
	daemon->pid = fork();
	assert_true(daemon->pid >= 0);
	if (daemon->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHILD_CHECK(getppid() == parent);
		for (;;)
			serve_connection(accept(listener, NULL, NULL), answer, answers_hello);
	}
	close(listener);
}

void fake_daemon_stop(struct fake_daemon *daemon)
{
	int status;

	kill(daemon->pid, SIGKILL);
	assert_int_equal(waitpid(daemon->pid, &status, 0), daemon->pid);
	/* Still there to be killed: no check of its own has failed. */
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	unlink(daemon->socket);
	rmdir(daemon->folder);
}
