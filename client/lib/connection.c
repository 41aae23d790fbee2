/* SPDX-License-Identifier: MIT */
/*
 * Requests of many threads over one socket.
 *
 * Each request in flight has a slot; its id carries the slot's number, so a reply finds its caller
 * without a search. There is no thread of the library: a caller who waits reads for all. It takes
 * the reader's role if that is free, delivers whatever comes to whom it belongs, and hands the role
 * on when its own reply is there. A caller who finds the role taken sleeps until its reply has been
 * delivered or the role is free. A lone thread therefore makes one sendmsg() and one recvmsg().
 *
 * Invariants, all under `lock`:
 *  - who reads has `reading` set and alone touches the reader while the lock is given up;
 *  - every whole frame in the reader's buffer is delivered before the role is left, so a socket
 *    that is not readable means that nothing is left to do;
 *  - a slot has at most one request on its way, thus the writer never needs more than a frame a
 *    slot and never refuses one for lack of room;
 *  - a caller's memory is written through its slot only while it waits.
 *
 * Sending never blocks. What the socket does not take stays in the writer, and whoever reads also
 * sends: the daemon that has requests of ours to read owes us replies, so a reader always wakes.
 *
 * A caller who gives up leaves its slot abandoned: when the reply comes at last, what it granted is
 * sent back in the same slot (lib/late.h). If the daemon answers nothing any more, all slots end up
 * abandoned and new callers time out before they send: the backlog is bounded.
 *
 * The daemon is not trusted with our memory: a reply that was not asked for, or is not what it must
 * be, ends the connection with -EPROTO.
 */

#include "lib/connection.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/deadline.h"
#include "lib/late.h"
#include "lib/sleeper.h"
#include "lib/status.h"
#include "proto/codec.h"
#include "proto/frame.h"

#define SLOT_BITS 8u
#define SLOTS_MAX (1u << SLOT_BITS) /* requests in flight, the abandoned ones included */

/* The longest sleep in a blocking read: a deadline nearer than this is kept by poll() instead. */
#define READ_MS_MAX 1000

struct slot {
	uint64_t id;           /* of the request in flight; 0: the slot is free */
	struct ppc_call *call; /* NULL: abandoned */
	bool is_done;
	int error; /* the call's, when done */
	struct ppc_late late;
	struct ppc_sleeper sleeper;
};

struct ppc_connection {
	pthread_mutex_t lock;
	int fd;
	int timeout_ms; /* -1: for ever */
	int read_ms;    /* how long a blocking read lasts at most; INT_MAX: for ever */
	int error;      /* what ended the connection, or 0 */
	bool reading;   /* some thread has the reader's role */
	uint64_t sequence;
	uint64_t nr_unasked; /* messages served that no caller waited for */
	struct ppc_sleepers asleep;
	struct frame_reader reader;
	struct frame_writer writer;
	struct codec_arena arena;
	unsigned nr_slots; /* that may be used */
	unsigned nr_free;
	uint16_t free_slots[SLOTS_MAX];
	struct slot slots[SLOTS_MAX];
};

/* To be done by everyone who leaves: somebody else must read now. */
static void hand_over(struct ppc_connection *connection)
{
	if (!connection->reading)
		ppc_sleepers_wake_first(&connection->asleep);
}

/* The end of the connection. Only the first reason counts. */
static void fail(struct ppc_connection *connection, int error)
{
	if (connection->error)
		return;
	connection->error = error;
	shutdown(connection->fd, SHUT_RDWR);
	ppc_sleepers_wake_all(&connection->asleep);
}

/* Slots. */

static void slot_set_request(struct ppc_connection *connection, struct slot *slot,
			     struct message *request)
{
	slot->id = ++connection->sequence << SLOT_BITS | (uint64_t)(slot - connection->slots);
	request->id = slot->id;
}

static struct slot *slot_find(struct ppc_connection *connection, uint64_t id)
{
	struct slot *slot = &connection->slots[id & (SLOTS_MAX - 1)];

	return id != 0 && slot->id == id ? slot : NULL;
}

static void slot_release(struct ppc_connection *connection, struct slot *slot)
{
	slot->id = 0;
	slot->call = NULL;
	connection->free_slots[connection->nr_free++] = (uint16_t)(slot - connection->slots);
	/* Some of the sleepers may want a slot and not a reply; rare enough to wake them all. */
	if (connection->nr_free == 1)
		ppc_sleepers_wake_all(&connection->asleep);
}

/* Sending. */

/*
 * Sends what the socket takes now. A daemon that hears us no more has gone, but may have said why:
 * reading finds that, then the end.
 */
static void flush(struct ppc_connection *connection)
{
	int error = frame_writer_flush(&connection->writer, connection->fd, MSG_DONTWAIT);

	if (error && error != -EAGAIN && error != -EINTR)
		shutdown(connection->fd, SHUT_RDWR);
}

static int send_request(struct ppc_connection *connection, const struct message *request)
{
	uint8_t *buf = frame_writer_reserve(&connection->writer);
	ptrdiff_t size_bytes;
	int error;

	if (!buf)
		return -ENOMEM;
	size_bytes = codec_encode_request(request, buf, FRAME_BYTES_MAX);
	if (size_bytes < 0)
		return (int)size_bytes;
	error = frame_writer_commit(&connection->writer, (size_t)size_bytes, NULL, 0);
	if (!error)
		flush(connection);
	return error;
}

/* Receiving. */

/* Sends back what an abandoned request was granted; the slot waits for the reply to that. */
static int take_back(struct ppc_connection *connection, struct slot *slot,
		     const struct message *reply)
{
	struct message undo;
	int error;

	connection->nr_unasked++;
	if (!ppc_late_undo(&slot->late, reply, &undo)) {
		slot_release(connection, slot);
		return 0;
	}
	slot_set_request(connection, slot, &undo);
	ppc_late_init(&slot->late, &undo);
	error = send_request(connection, &undo);
	if (error == -ENOMEM)
		return -ECONNRESET; /* -ENOMEM for good would look like a full pool */
	/* More runs than fit a request were more than anybody asked for. */
	return error ? -EPROTO : 0;
}

/* What the reply says becomes the call's result. */
static int deliver(struct slot *slot, const struct ppc_reply *reply)
{
	const struct message *message = reply->message;
	struct ppc_call *call = slot->call;
	int error;

	if (message->status != MESSAGE_STATUS_OK) {
		slot->error = ppc_status_to_errno(message->status, call->request.type);
		if (call->why)
			snprintf(call->why, call->why_bytes, "%s", message->error);
	} else {
		if (message->type != call->reply_type)
			return -EPROTO;
		error = call->accept ? call->accept(reply, call->data) : 0;
		if (error)
			return error;
		slot->error = 0;
	}
	slot->is_done = true;
	ppc_sleeper_wake(&slot->sleeper);
	return 0;
}

static int handle_reply(struct ppc_connection *connection, const struct ppc_reply *reply,
			bool *ret_took_fds)
{
	struct slot *slot = slot_find(connection, reply->message->id);
	int error;

	if (!slot || slot->is_done)
		return -EPROTO;
	if (!slot->call)
		return take_back(connection, slot, reply->message);
	error = deliver(slot, reply);
	*ret_took_fds = !error && slot->error == 0 && slot->call->accept;
	return error;
}

static int handle_frame(struct ppc_connection *connection, const uint8_t *bytes, size_t size_bytes)
{
	struct message message;
	struct ppc_reply reply = { .message = &message, .bytes = bytes, .size_bytes = size_bytes };
	int fds[FRAME_FDS_MAX];
	bool took_fds = false;
	const char *why;
	int error;

	if (codec_decode_reply(bytes, size_bytes, &connection->arena, &message, &why) < 0)
		return -EPROTO;
	if (message.id == 0) {
		connection->nr_unasked++;
		return message.type == MESSAGE_EVENT ? 0 : -EPROTO;
	}
	if (message.type == MESSAGE_POOL_OPENED) {
		reply.nr_fds = frame_reader_take_fds(&connection->reader, fds);
		reply.fds = fds;
	}
	error = handle_reply(connection, &reply, &took_fds);
	for (unsigned i = 0; i < reply.nr_fds && !took_fds; i++)
		close(fds[i]);
	return error;
}

/* Delivers all that has come in whole. */
static int handle_frames(struct ppc_connection *connection)
{
	struct frame_reader *reader = &connection->reader;
	enum frame_error frame_error = 0;
	const uint8_t *bytes;
	size_t size_bytes;

	while (frame_reader_next(reader, &bytes, &size_bytes, &frame_error)) {
		int error = handle_frame(connection, bytes, size_bytes);

		if (error)
			return error;
	}
	return frame_error ? -EPROTO : 0;
}

/* Why a read brought nothing: 0 when it is worth trying again, or what ends the connection. */
static int fill_error(ptrdiff_t nr_bytes, enum frame_error frame_error)
{
	if (nr_bytes == -EAGAIN || nr_bytes == -EINTR)
		return 0;
	if (frame_error == FRAME_E_TOO_LONG || frame_error == FRAME_E_FDS)
		return -EPROTO;
	return -ECONNRESET;
}

/*
 * Waits in poll() where a blocking read would not do: to send as well, or for less time than it
 * lasts. True when there is something to read.
 */
static bool poll_socket(struct ppc_connection *connection, bool want_write, int timeout_ms)
{
	struct pollfd socket = { .fd = connection->fd,
				 .events = (short)(POLLIN | (want_write ? POLLOUT : 0)) };

	if (poll(&socket, 1, timeout_ms) <= 0)
		return false;
	return socket.revents & ~POLLOUT;
}

/*
 * Takes the reader's role for one read, without the lock while it lasts, and delivers what came.
 * The role must be free.
 */
static void read_once(struct ppc_connection *connection, int64_t deadline_ms)
{
	bool want_write = frame_writer_pending_bytes(&connection->writer) > 0;
	int left_ms = ppc_deadline_remaining_ms(deadline_ms);
	bool must_poll = want_write || (left_ms >= 0 && left_ms < connection->read_ms);
	enum frame_error frame_error = 0;
	ptrdiff_t nr_bytes = -EAGAIN;
	int error;

	assert(!connection->reading);
	connection->reading = true;
	pthread_mutex_unlock(&connection->lock);
	if (!must_poll || poll_socket(connection, want_write, left_ms))
		nr_bytes = frame_reader_fill(&connection->reader, connection->fd,
					     must_poll ? MSG_DONTWAIT : 0, &frame_error);
	pthread_mutex_lock(&connection->lock);

	if (want_write)
		flush(connection);
	error = nr_bytes > 0 ? handle_frames(connection) : fill_error(nr_bytes, frame_error);
	if (error)
		fail(connection, error);
	connection->reading = false;
}

/* Reads if nobody does, else sleeps until there is reason to look again. */
static void wait_once(struct ppc_connection *connection, struct ppc_sleeper *sleeper,
		      int64_t deadline_ms)
{
	if (connection->reading)
		ppc_sleeper_sleep(sleeper, &connection->asleep, &connection->lock, deadline_ms);
	else
		read_once(connection, deadline_ms);
}

/* Calls. */

/* All slots are in use: waits for one. 0, -ETIMEDOUT, or what ended the connection. */
static int wait_for_slot(struct ppc_connection *connection, int64_t deadline_ms)
{
	struct ppc_sleeper sleeper;
	int error = ppc_sleeper_init(&sleeper);

	if (error)
		return error;
	while (connection->nr_free == 0 && !connection->error && !ppc_deadline_is_over(deadline_ms))
		wait_once(connection, &sleeper, deadline_ms);
	ppc_sleeper_deinit(&sleeper);
	if (connection->error)
		return connection->error;
	return connection->nr_free > 0 ? 0 : -ETIMEDOUT;
}

static int await_reply(struct ppc_connection *connection, struct slot *slot, int64_t deadline_ms)
{
	while (!slot->is_done) {
		if (connection->error)
			return connection->error;
		wait_once(connection, &slot->sleeper, deadline_ms);
		if (!slot->is_done && !connection->error && ppc_deadline_is_over(deadline_ms))
			return -ETIMEDOUT;
	}
	return slot->error;
}

static int call_in_slot(struct ppc_connection *connection, struct slot *slot, struct ppc_call *call,
			int64_t deadline_ms)
{
	int error;

	slot_set_request(connection, slot, &call->request);
	slot->call = call;
	slot->is_done = false;
	error = send_request(connection, &call->request);
	if (!error)
		error = await_reply(connection, slot, deadline_ms);
	if (error == -ETIMEDOUT && !slot->is_done) {
		ppc_late_init(&slot->late, &call->request);
		slot->call = NULL;
	} else {
		slot_release(connection, slot);
	}
	return error;
}

int ppc_connection_call(struct ppc_connection *connection, struct ppc_call *call)
{
	int64_t deadline_ms = ppc_deadline_after(connection->timeout_ms);
	int error;

	pthread_mutex_lock(&connection->lock);
	error = connection->error;
	if (!error && connection->nr_free == 0)
		error = wait_for_slot(connection, deadline_ms);
	if (!error) {
		unsigned index = connection->free_slots[--connection->nr_free];

		error = call_in_slot(connection, &connection->slots[index], call, deadline_ms);
	}
	hand_over(connection);
	pthread_mutex_unlock(&connection->lock);
	return error;
}

int ppc_connection_dispatch(struct ppc_connection *connection, int timeout_ms)
{
	int64_t deadline_ms = ppc_deadline_after(timeout_ms);
	struct ppc_sleeper sleeper;
	uint64_t before, served;
	int error = ppc_sleeper_init(&sleeper);

	if (error)
		return error;
	pthread_mutex_lock(&connection->lock);
	before = connection->nr_unasked;
	do {
		if (connection->error || (connection->reading && timeout_ms == 0))
			break;
		wait_once(connection, &sleeper, deadline_ms);
	} while (connection->nr_unasked == before && !ppc_deadline_is_over(deadline_ms));
	served = connection->nr_unasked - before;
	error = connection->error;
	hand_over(connection);
	pthread_mutex_unlock(&connection->lock);
	ppc_sleeper_deinit(&sleeper);
	if (served > 0)
		return served > INT_MAX ? INT_MAX : (int)served;
	return error;
}

/* Life. */

void ppc_connection_set_limits(struct ppc_connection *connection,
			       const struct message_limits *limits)
{
	unsigned wanted = limits->in_flight < SLOTS_MAX ? limits->in_flight : SLOTS_MAX;

	pthread_mutex_lock(&connection->lock);
	/* The last added is used first: the low slots, which stay warm. */
	for (unsigned i = wanted; i-- > connection->nr_slots;)
		connection->free_slots[connection->nr_free++] = (uint16_t)i;
	if (wanted > connection->nr_slots)
		connection->nr_slots = wanted;
	pthread_mutex_unlock(&connection->lock);
}

bool ppc_connection_owes_pool(struct ppc_connection *connection, uint32_t pool)
{
	bool owes = false;

	pthread_mutex_lock(&connection->lock);
	for (unsigned i = 0; i < connection->nr_slots && !owes; i++) {
		const struct slot *slot = &connection->slots[i];

		owes = slot->id != 0 && !slot->call && ppc_late_may_grant(&slot->late, pool);
	}
	pthread_mutex_unlock(&connection->lock);
	return owes;
}

void ppc_connection_abort(struct ppc_connection *connection)
{
	pthread_mutex_lock(&connection->lock);
	fail(connection, -EPROTO);
	pthread_mutex_unlock(&connection->lock);
}

int ppc_connection_fd(const struct ppc_connection *connection)
{
	return connection->fd;
}

static int init_timeout(struct ppc_connection *connection, int timeout_ms)
{
	struct timeval limit;

	connection->timeout_ms = timeout_ms;
	connection->read_ms = INT_MAX;
	if (timeout_ms < 0)
		return 0;
	connection->read_ms = timeout_ms < READ_MS_MAX ? timeout_ms : READ_MS_MAX;
	limit = (struct timeval){ .tv_sec = connection->read_ms / 1000,
				  .tv_usec = connection->read_ms % 1000 * 1000 };
	if (setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	return 0;
}

static int init_buffers(struct ppc_connection *connection)
{
	size_t queue_bytes = (size_t)SLOTS_MAX * (FRAME_HEADER_BYTES + FRAME_BYTES_MAX);
	int error = frame_reader_init(&connection->reader, true);

	if (!error)
		error = frame_writer_init(&connection->writer, queue_bytes);
	if (error)
		return error;
	connection->arena.memory = malloc(CODEC_ARENA_BYTES);
	connection->arena.size_bytes = CODEC_ARENA_BYTES;
	return connection->arena.memory ? 0 : -ENOMEM;
}

int ppc_connection_new(int fd, int timeout_ms, struct ppc_connection **ret)
{
	struct ppc_connection *connection = calloc(1, sizeof(*connection));
	int error;

	if (!connection) {
		close(fd);
		return -ENOMEM;
	}
	connection->fd = fd;
	connection->nr_slots = 1;
	connection->nr_free = 1;
	TAILQ_INIT(&connection->asleep);
	error = -pthread_mutex_init(&connection->lock, NULL);
	for (unsigned i = 0; i < SLOTS_MAX && !error; i++)
		error = ppc_sleeper_init(&connection->slots[i].sleeper);
	if (!error)
		error = init_timeout(connection, timeout_ms);
	if (!error)
		error = init_buffers(connection);
	if (error) {
		ppc_connection_free(connection);
		return error;
	}
	*ret = connection;
	return 0;
}

/*
 * The lock and the conditions are left as they are: another thread may have held or slept on them
 * when this process was forked off, and they own nothing beyond their memory.
 */
struct ppc_connection *ppc_connection_free(struct ppc_connection *connection)
{
	if (!connection)
		return NULL;
	close(connection->fd);
	frame_reader_deinit(&connection->reader);
	frame_writer_deinit(&connection->writer);
	free(connection->arena.memory);
	free(connection);
	return NULL;
}
