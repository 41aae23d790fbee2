/* SPDX-License-Identifier: MIT */
/*
 * A session: one connection as bytes.
 *
 * A round is one wake-up: one read, then the whole frames of it in turn, decoded, served and
 * answered into the writer, then one send. So pipelined requests cost two system calls together.
 * A round takes no further request when its time is up (neither their number nor their bytes tell
 * the work: 16 bytes name 64 blocks, of one page or of 1 GiB); what is left in the reader goes on
 * in the next round of the loop, by a task, so one client that floods can't keep the others
 * waiting.
 *
 * Reading pauses, and with it the client by the socket's own back pressure, while too much waits to
 * be sent, while too many requests wait for their replies, while one must wait for others, and
 * while replies with descriptors wait (a queued descriptor is one of ours). So nothing a client
 * does makes a queue of ours grow beyond its bound. The one way to pass it are the replies that
 * were held back; for them there is room above the mark at which reading pauses.
 *
 * The kernel limits the descriptors that we have sent and nobody has read, everybody's together, so
 * one peer's refusal to read can make sending fail for another. That one has done nothing wrong,
 * and its socket is writable: its replies wait for the owner's timer, as long as any that stall
 * may.
 *
 * Ending has one path. Whoever finds the connection broken, over or in breach of protocol only
 * notes it; session_settle(), always the last thing a callback does, tells the owner, who may then
 * free the session. So no caller of session_send() has it freed under its feet.
 *
 * Times are noted where waiting begins and compared once a second by the owner: no timer is armed
 * on the way of a request.
 */

#include "service/session.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "service/loop.h"

#define SESSION_ROUND_NS UINT64_C(300000) /* and the request that passes it */
#define SESSION_LATERS_MAX 8u
#define SESSION_PAUSE_BYTES (256u * 1024u)

/* The pause mark, the reply that passes it, and those that were held back meanwhile. */
#define SESSION_QUEUE_BYTES_MAX                                                                    \
	(SESSION_PAUSE_BYTES + (2 + SESSION_LATERS_MAX) * (FRAME_HEADER_BYTES + FRAME_BYTES_MAX))

struct session {
	struct loop *loop;
	struct codec_arena *arena;
	struct session_owner owner;
	int fd;
	struct loop_io *io;
	struct loop_task *next_round; /* work is left, or the end has come outside of a round */
	struct frame_reader reader;
	struct frame_writer writer;
	unsigned nr_laters;
	const uint8_t *again; /* a frame to be served again, in the reader's buffer */
	size_t again_bytes;
	unsigned nr_unread_fds; /* since the peer was last known to have read all */
	bool is_refused;        /* the kernel takes no descriptors: see session_retry() */
	bool is_waiting;        /* with that, for a session_release() */
	bool in_round;
	bool has_backlog; /* the reader may hold whole frames */
	bool stopped;     /* no further request is read */
	bool finishing;   /* over when the queue is empty */
	bool over;
	const char *why; /* it is over */

	/* Since when, or 0. */
	uint64_t unwelcomed_ms;
	uint64_t partial_ms;
	uint64_t stalled_ms;
};

static void session_end(struct session *session, const char *why)
{
	if (session->over)
		return;
	session->over = true;
	session->why = why;
}

static bool session_is_paused(const struct session *session)
{
	return session->stopped || session->is_waiting ||
	       session->nr_laters >= SESSION_LATERS_MAX || session->writer.nr_fds > 0 ||
	       frame_writer_pending_bytes(&session->writer) >= SESSION_PAUSE_BYTES;
}

static void session_flush(struct session *session)
{
	size_t before = frame_writer_pending_bytes(&session->writer);
	if (before == 0 || session->over || session->is_refused)
		return;

	int error = frame_writer_flush(&session->writer, session->fd, MSG_DONTWAIT);
	if (error == 0) {
		session->stalled_ms = 0;
		return;
	}
	session->is_refused = error == -ETOOMANYREFS;
	if (error != -EAGAIN && !session->is_refused) {
		session_end(session,
			    error == -EPIPE || error == -ECONNRESET ? NULL : strerror(-error));
		return;
	}
	if (!session->stalled_ms || frame_writer_pending_bytes(&session->writer) < before)
		session->stalled_ms = loop_now_ms(session->loop);
}

/* The last act of every callback: tells the owner of the end, or waits for the right events. */
static void session_settle(struct session *session)
{
	bool has_output = frame_writer_pending_bytes(&session->writer) > 0;

	if (session->finishing && !has_output)
		session_end(session, NULL);
	if (session->over) {
		session->owner.closed(session->owner.data, session->why);
		return;
	}

	bool is_paused = session_is_paused(session);
	bool is_partial =
		!is_paused && !session->has_backlog && frame_reader_is_partial(&session->reader);
	if (!is_partial)
		session->partial_ms = 0;
	else if (!session->partial_ms)
		session->partial_ms = loop_now_ms(session->loop);

	if (session->has_backlog && !is_paused)
		loop_task_schedule(session->next_round);
	unsigned events =
		(is_paused ? 0 : LOOP_READ) | (has_output && !session->is_refused ? LOOP_WRITE : 0);
	if (loop_io_set_events(session->io, events) < 0) {
		session_end(session, "no memory for its events");
		loop_task_schedule(session->next_round);
	}
}

/* Answers what is no protocol and ends the connection once the answer is out. */
static void session_refuse(struct session *session, const char *what)
{
	const struct message reply = { .status = MESSAGE_STATUS_PROTOCOL, .error = what };

	session_send(session, &reply, NULL, 0);
	session_finish(session);
}

/* One frame, from bytes to the owner. */
static enum session_verdict session_serve_frame(struct session *session, const uint8_t *bytes,
						size_t size_bytes)
{
	struct message request;
	const char *why = "not a request";

	int error = codec_decode_request(bytes, size_bytes, session->arena, &request, &why);
	if (error < 0) {
		session_refuse(session, error == -EBADMSG ? why : "the request is too complex");
		return SESSION_NEXT;
	}
	if (request.id == 0) {
		session_refuse(session, "a request's id is 0");
		return SESSION_NEXT;
	}
	return session->owner.serve(session->owner.data, &request);
}

/* The frame that waits to be served again, or the next one. */
static bool session_next_frame(struct session *session, const uint8_t **ret_bytes,
			       size_t *ret_size_bytes)
{
	enum frame_error error = 0;

	if (session->again) {
		*ret_bytes = session->again;
		*ret_size_bytes = session->again_bytes;
		session->again = NULL;
		return true;
	}
	if (frame_reader_next(&session->reader, ret_bytes, ret_size_bytes, &error)) {
		session->partial_ms = 0; /* what is unfinished from here on is another frame */
		return true;
	}
	session->has_backlog = false;
	if (error)
		session_refuse(session, "a frame's length is 0 or above the limit");
	return false;
}

static void session_serve_frames(struct session *session)
{
	enum session_verdict verdict = SESSION_NEXT;
	uint64_t end_ns = loop_clock_ns() + SESSION_ROUND_NS;

	session->has_backlog = true;
	while (verdict == SESSION_NEXT && !session->over && !session_is_paused(session)) {
		const uint8_t *bytes;
		size_t size_bytes;

		if (!session_next_frame(session, &bytes, &size_bytes))
			return;
		verdict = session_serve_frame(session, bytes, size_bytes);
		if (verdict == SESSION_AGAIN || verdict == SESSION_MORE) {
			session->again = bytes;
			session->again_bytes = size_bytes;
			session->is_waiting = verdict == SESSION_AGAIN;
		}
		if (loop_clock_ns() >= end_ns)
			return;
	}
}

static void session_fill(struct session *session)
{
	enum frame_error frame_error = 0;
	ptrdiff_t nr_bytes =
		frame_reader_fill(&session->reader, session->fd, MSG_DONTWAIT, &frame_error);

	if (nr_bytes > 0 || nr_bytes == -EAGAIN || nr_bytes == -EINTR)
		return;
	if (nr_bytes < 0)
		session_end(session, nr_bytes == -ECONNRESET ? NULL : strerror((int)-nr_bytes));
	else
		session_end(session,
			    frame_error == FRAME_E_TRUNCATED ? "it hung up within a frame" : NULL);
}

static void session_round(struct session *session, bool may_read)
{
	session->in_round = true;
	if (!session->has_backlog && may_read && !session_is_paused(session))
		session_fill(session);
	session_serve_frames(session);
	session_flush(session);
	session->in_round = false;
	session_settle(session);
}

static void session_on_io(int fd, unsigned events, void *data)
{
	struct session *session = data;

	(void)fd;
	/* What was read before comes first, and has its round waiting. */
	if (events == LOOP_READ && session->has_backlog && !session_is_paused(session))
		return;
	session_round(session, events & LOOP_READ);
}

static void session_on_next_round(void *data)
{
	session_round(data, false);
}

int session_new(struct loop *loop, int fd, struct codec_arena *arena,
		const struct session_owner *owner, struct session **ret)
{
	struct session *session = calloc(1, sizeof(*session));
	if (!session) {
		close(fd);
		return -ENOMEM;
	}
	session->loop = loop;
	session->arena = arena;
	session->owner = *owner;
	session->fd = fd;
	session->unwelcomed_ms = loop_now_ms(loop);

	int error = frame_reader_init(&session->reader, false);
	if (error == 0)
		error = frame_writer_init(&session->writer, SESSION_QUEUE_BYTES_MAX);
	if (error == 0)
		error = loop_task_new(loop, session_on_next_round, session, &session->next_round);
	if (error == 0)
		error = loop_io_new(loop, fd, LOOP_READ, session_on_io, session, &session->io);
	if (error < 0) {
		session_free(session);
		return error;
	}
	*ret = session;
	return 0;
}

struct session *session_free(struct session *session)
{
	if (!session)
		return NULL;
	loop_io_free(session->io);
	loop_task_free(session->next_round);
	frame_reader_deinit(&session->reader);
	frame_writer_deinit(&session->writer);
	close(session->fd);
	free(session);
	return NULL;
}

/* Makes session_settle() run soon when no round is going on. */
static void session_settle_later(struct session *session)
{
	if (!session->in_round)
		loop_task_schedule(session->next_round);
}

static int session_queue(struct session *session, const struct message *reply, const int *fds,
			 unsigned nr_fds)
{
	uint8_t *room = frame_writer_reserve(&session->writer);
	if (!room)
		return -ENOBUFS;

	ptrdiff_t size_bytes = codec_encode_reply(reply, room, FRAME_BYTES_MAX);
	if (size_bytes == -EMSGSIZE) {
		const struct message too_long = { .id = reply->id,
						  .status = MESSAGE_STATUS_LIMIT,
						  .error = "the answer does not fit one frame" };
		size_bytes = codec_encode_reply(&too_long, room, FRAME_BYTES_MAX);
		nr_fds = 0;
	}
	if (size_bytes < 0)
		return (int)size_bytes;
	int error = frame_writer_commit(&session->writer, (size_t)size_bytes, fds, nr_fds);
	if (error == 0)
		session->nr_unread_fds += nr_fds;
	return error;
}

unsigned session_unread_fds(struct session *session)
{
	int nr_bytes;

	/* What the socket says is the size of all that was sent and not received. */
	if (session->nr_unread_fds && session->writer.nr_fds == 0 &&
	    ioctl(session->fd, SIOCOUTQ, &nr_bytes) == 0 && nr_bytes == 0)
		session->nr_unread_fds = 0;
	return session->nr_unread_fds;
}

void session_retry(struct session *session)
{
	if (!session->is_refused)
		return;
	session->is_refused = false;
	session_settle_later(session);
}

int session_send(struct session *session, const struct message *reply, const int *fds,
		 unsigned nr_fds)
{
	int error = session_queue(session, reply, fds, nr_fds);
	if (error < 0) {
		session_end(session, error == -ENOBUFS ? "it does not read its replies"
						       : "a reply could not be made");
		session_settle_later(session);
		return error;
	}
	if (!session->in_round) {
		session_flush(session);
		session_settle_later(session);
	}
	return 0;
}

void session_hold(struct session *session)
{
	session->nr_laters++;
}

void session_release(struct session *session)
{
	session->nr_laters--;
	session->is_waiting = false;
	session_settle_later(session);
}

void session_welcome(struct session *session)
{
	session->unwelcomed_ms = 0;
}

void session_stop(struct session *session)
{
	session->stopped = true;
}

void session_finish(struct session *session)
{
	session->stopped = true;
	session->finishing = true;
	session_settle_later(session);
}

static bool session_is_overdue(uint64_t since_ms, uint64_t limit_ms, uint64_t now_ms)
{
	return since_ms && now_ms - since_ms > limit_ms;
}

const char *session_overdue(const struct session *session, uint64_t now_ms)
{
	if (session_is_overdue(session->unwelcomed_ms, SESSION_HELLO_MS, now_ms))
		return "it did not say hello in time";
	if (session_is_overdue(session->partial_ms, SESSION_FRAME_MS, now_ms))
		return "it did not finish a frame in time";
	if (session_is_overdue(session->stalled_ms, SESSION_STALL_MS, now_ms))
		return "it does not read its replies";
	return NULL;
}
