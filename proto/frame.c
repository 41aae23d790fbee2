/* SPDX-License-Identifier: MIT */
/*
 * Framing, and descriptors that arrive with the frame they belong to.
 *
 * Buffers. One buffer holds a frame of the largest size. A reader's never grows; a writer's grows
 * while its peer does not read, up to its limit. Empty ones are given back (buffer.h).
 *
 * Descriptors. A stream socket hands them over with the bytes of the sendmsg() they were sent with,
 * and a recvmsg() ends behind the bytes that had some. So the writer sends a frame that has
 * descriptors in a call of its own, which ends where the frame ends; then the last byte of the
 * recvmsg() that brings descriptors lies in the frame that owns them, however the bytes were split
 * or joined. The reader keeps that byte's position with them. A reader that wants none uses
 * recv(), and the kernel drops what a peer may send: no flood of descriptors can reach us.
 *
 * Invariants: an empty buffer has start == end and no memory; position counts every byte that was
 * taken from a reader, or sent by a writer, since its start.
 */

#include "proto/frame.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/buffer.h"

/* Those of a frame whose rest is still to come, and those that come with the rest: the next's. */
#define RECEIVED_FDS_MAX (2 * FRAME_FDS_MAX)

/* Received and not yet taken, in stream order. */
struct frame_received {
	unsigned nr;
	int fds[RECEIVED_FDS_MAX];
	uint64_t positions[RECEIVED_FDS_MAX]; /* of a byte within the owner's frame */
};

/* Descriptors of one queued frame. */
struct frame_attached {
	struct frame_attached *next;
	uint64_t position; /* where the frame starts */
	unsigned nr;
	int fds[];
};

static uint32_t load_length(const uint8_t *header)
{
	uint32_t length;

	memcpy(&length, header, sizeof(length));
	return le32toh(length);
}

static void store_length(uint8_t *header, size_t size_bytes)
{
	uint32_t length = htole32((uint32_t)size_bytes);

	memcpy(header, &length, sizeof(length));
}

static void close_all(const int *fds, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		close(fds[i]);
}

int frame_reader_init(struct frame_reader *reader, bool want_fds)
{
	*reader = (struct frame_reader){ .want_fds = want_fds };
	if (!want_fds)
		return 0;
	reader->received = calloc(1, sizeof(*reader->received));
	return reader->received ? 0 : -ENOMEM;
}

void frame_reader_deinit(struct frame_reader *reader)
{
	if (reader->received)
		close_all(reader->received->fds, reader->received->nr);
	free(reader->received);
	free(reader->buf);
	*reader = (struct frame_reader){ 0 };
}

/* Copies out the descriptors of a recvmsg() and returns how many. */
static unsigned fds_of_message(struct msghdr *message, int ret_fds[FRAME_FDS_MAX])
{
	unsigned nr = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t size_bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(ret_fds + nr, CMSG_DATA(c), size_bytes);
		nr += (unsigned)(size_bytes / sizeof(int));
	}
	return nr;
}

/* As recv(), keeping the descriptors that come along. */
static ssize_t receive_with_fds(struct frame_reader *reader, int fd, size_t room, int flags,
				enum frame_error *ret_error)
{
	struct frame_received *received = reader->received;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FRAME_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = reader->buf + reader->end, .iov_len = room };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
	int fds[FRAME_FDS_MAX];
	unsigned nr;

	if (n <= 0)
		return n;
	nr = fds_of_message(&message, fds);
	if ((message.msg_flags & MSG_CTRUNC) || nr > RECEIVED_FDS_MAX - received->nr) {
		close_all(fds, nr);
		*ret_error = FRAME_E_FDS;
		return 0;
	}
	for (unsigned i = 0; i < nr; i++) {
		received->fds[received->nr] = fds[i];
		received->positions[received->nr++] =
			reader->position + (reader->end - reader->start) + (size_t)n - 1;
	}
	return n;
}

static ssize_t receive(struct frame_reader *reader, int fd, size_t room, int flags,
		       enum frame_error *ret_error)
{
	if (reader->want_fds)
		return receive_with_fds(reader, fd, room, flags, ret_error);
	return recv(fd, reader->buf + reader->end, room, flags);
}

/* An empty reader keeps no buffer. */
static void reader_settle(struct frame_reader *reader)
{
	if (reader->start != reader->end || !reader->buf)
		return;
	buffer_give(BUFFER_READ, reader->buf);
	reader->buf = NULL;
	reader->start = reader->end = 0;
}

/* Moves what there is to the front, where it has all the room. */
static int reader_make_room(struct frame_reader *reader)
{
	if (!reader->buf)
		reader->buf = buffer_take(BUFFER_READ);
	if (!reader->buf)
		return -ENOMEM;
	if (reader->start > 0) {
		memmove(reader->buf, reader->buf + reader->start, reader->end - reader->start);
		reader->end -= reader->start;
		reader->start = 0;
	}
	return reader->end < BUFFER_BYTES ? 0 : -ENOBUFS;
}

ptrdiff_t frame_reader_fill(struct frame_reader *reader, int fd, int flags,
			    enum frame_error *ret_error)
{
	bool was_empty = reader->start == reader->end;
	enum frame_error error = 0;
	int r = reader_make_room(reader);
	ssize_t n;

	if (r < 0)
		return r;
	n = receive(reader, fd, BUFFER_BYTES - reader->end, flags, &error);
	r = n < 0 ? -errno : 0;
	if (n > 0)
		reader->end += (size_t)n;
	else
		reader_settle(reader);
	if (n == 0)
		*ret_error = error ? error : was_empty ? FRAME_E_CLOSED : FRAME_E_TRUNCATED;
	return n < 0 ? r : n;
}

/* The size of the frame at the front with its header, 0 while it is not whole. */
static size_t whole_frame_bytes(const struct frame_reader *reader)
{
	size_t pending = reader->end - reader->start;
	uint32_t length;

	if (pending < FRAME_HEADER_BYTES)
		return 0;
	length = load_length(reader->buf + reader->start);
	return pending - FRAME_HEADER_BYTES >= length ? FRAME_HEADER_BYTES + length : 0;
}

bool frame_reader_is_partial(const struct frame_reader *reader)
{
	return reader->start != reader->end && whole_frame_bytes(reader) == 0;
}

unsigned frame_reader_take_fds(struct frame_reader *reader, int ret_fds[FRAME_FDS_MAX])
{
	struct frame_received *received = reader->received;
	unsigned nr = 0;

	if (!received)
		return 0;
	while (nr < FRAME_FDS_MAX && nr < received->nr &&
	       received->positions[nr] < reader->position)
		nr++;
	if (nr == 0)
		return 0;
	memcpy(ret_fds, received->fds, nr * sizeof(int));
	received->nr -= nr;
	memmove(received->fds, received->fds + nr, received->nr * sizeof(int));
	memmove(received->positions, received->positions + nr, received->nr * sizeof(uint64_t));
	return nr;
}

/* What nobody took of the frame given out last. */
static void reader_drop_fds(struct frame_reader *reader)
{
	int fds[FRAME_FDS_MAX];
	unsigned nr;

	do {
		nr = frame_reader_take_fds(reader, fds);
		close_all(fds, nr);
	} while (nr > 0);
}

bool frame_reader_next(struct frame_reader *reader, const uint8_t **ret_bytes, size_t *ret_size,
		       enum frame_error *ret_error)
{
	size_t pending = reader->end - reader->start, frame;
	uint32_t length;

	reader_drop_fds(reader);
	reader_settle(reader);
	if (pending < FRAME_HEADER_BYTES)
		return false;
	length = load_length(reader->buf + reader->start);
	if (length == 0 || length > FRAME_BYTES_MAX) {
		*ret_error = FRAME_E_TOO_LONG;
		return false;
	}
	frame = whole_frame_bytes(reader);
	if (frame == 0)
		return false;
	*ret_bytes = reader->buf + reader->start + FRAME_HEADER_BYTES;
	*ret_size = length;
	reader->start += frame;
	reader->position += frame;
	return true;
}

int frame_writer_init(struct frame_writer *writer, size_t limit_bytes)
{
	if (limit_bytes < BUFFER_BYTES)
		limit_bytes = BUFFER_BYTES;
	*writer = (struct frame_writer){ .limit_bytes = limit_bytes };
	return 0;
}

/* Closes the descriptors of the first frame that has some. */
static void writer_drop_fds(struct frame_writer *writer)
{
	struct frame_attached *first = writer->fds;

	writer->fds = first->next;
	writer->nr_fds -= first->nr;
	close_all(first->fds, first->nr);
	free(first);
}

void frame_writer_deinit(struct frame_writer *writer)
{
	while (writer->fds)
		writer_drop_fds(writer);
	free(writer->buf);
	*writer = (struct frame_writer){ 0 };
}

size_t frame_writer_pending_bytes(const struct frame_writer *writer)
{
	return writer->end - writer->start;
}

/* An empty writer keeps no buffer. */
static void writer_settle(struct frame_writer *writer)
{
	if (writer->start != writer->end || !writer->buf)
		return;
	if (writer->capacity_bytes == BUFFER_BYTES)
		buffer_give(BUFFER_WRITE, writer->buf);
	else
		free(writer->buf);
	writer->buf = NULL;
	writer->start = writer->end = writer->capacity_bytes = 0;
}

/* Doubles, so that what is moved stays a constant part of what is queued. */
static int writer_grow(struct frame_writer *writer)
{
	size_t pending = frame_writer_pending_bytes(writer);
	size_t capacity_bytes = 2 * writer->capacity_bytes;
	uint8_t *buf;

	if (capacity_bytes < pending + BUFFER_BYTES)
		capacity_bytes = pending + BUFFER_BYTES;
	if (capacity_bytes > writer->limit_bytes)
		capacity_bytes = writer->limit_bytes;
	buf = malloc(capacity_bytes);
	if (!buf)
		return -ENOMEM;
	memcpy(buf, writer->buf + writer->start, pending);
	free(writer->buf);
	writer->buf = buf;
	writer->capacity_bytes = capacity_bytes;
	writer->start = 0;
	writer->end = pending;
	return 0;
}

/* Makes sure that a largest frame fits behind end. The limit has been checked. */
static int writer_make_room(struct frame_writer *writer)
{
	size_t pending = frame_writer_pending_bytes(writer);

	if (!writer->buf) {
		writer->buf = buffer_take(BUFFER_WRITE);
		writer->capacity_bytes = writer->buf ? BUFFER_BYTES : 0;
		return writer->buf ? 0 : -ENOMEM;
	}
	if (writer->capacity_bytes - writer->end >= BUFFER_BYTES)
		return 0;
	if (writer->capacity_bytes - pending < BUFFER_BYTES)
		return writer_grow(writer);
	memmove(writer->buf, writer->buf + writer->start, pending);
	writer->start = 0;
	writer->end = pending;
	return 0;
}

uint8_t *frame_writer_reserve(struct frame_writer *writer)
{
	if (writer->limit_bytes - frame_writer_pending_bytes(writer) < BUFFER_BYTES)
		return NULL;
	if (writer_make_room(writer) < 0)
		return NULL;
	return writer->buf + writer->end + FRAME_HEADER_BYTES;
}

/* Duplicates the descriptors for the frame that starts at `position`. */
static int attached_new(const int *fds, unsigned nr_fds, uint64_t position,
			struct frame_attached **ret)
{
	struct frame_attached *attached = malloc(sizeof(*attached) + nr_fds * sizeof(int));

	if (!attached)
		return -ENOMEM;
	*attached = (struct frame_attached){ .position = position };
	for (; attached->nr < nr_fds; attached->nr++) {
		int fd = fcntl(fds[attached->nr], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			int r = -errno;

			close_all(attached->fds, attached->nr);
			free(attached);
			return r;
		}
		attached->fds[attached->nr] = fd;
	}
	*ret = attached;
	return 0;
}

static int writer_attach(struct frame_writer *writer, const int *fds, unsigned nr_fds)
{
	uint64_t position = writer->position + frame_writer_pending_bytes(writer);
	struct frame_attached **last = &writer->fds;
	int r;

	if (nr_fds > FRAME_FDS_QUEUED_MAX - writer->nr_fds)
		return -ENOBUFS;
	while (*last)
		last = &(*last)->next;
	r = attached_new(fds, nr_fds, position, last);
	if (r == 0)
		writer->nr_fds += nr_fds;
	return r;
}

int frame_writer_commit(struct frame_writer *writer, size_t size_bytes, const int *fds,
			unsigned nr_fds)
{
	int r = 0;

	assert(writer->capacity_bytes - writer->end >= BUFFER_BYTES);
	if (size_bytes == 0 || size_bytes > FRAME_BYTES_MAX || nr_fds > FRAME_FDS_MAX)
		r = -EINVAL;
	else if (nr_fds > 0)
		r = writer_attach(writer, fds, nr_fds);
	if (r < 0) {
		writer_settle(writer);
		return r;
	}
	store_length(writer->buf + writer->end, size_bytes);
	writer->end += FRAME_HEADER_BYTES + size_bytes;
	return 0;
}

static ssize_t send_with_fds(int fd, const uint8_t *bytes, size_t size_bytes, int flags,
			     const struct frame_attached *attached)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FRAME_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size_bytes };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(attached->nr * sizeof(int)),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(attached->nr * sizeof(int));
	memcpy(CMSG_DATA(&control.header), attached->fds, attached->nr * sizeof(int));
	return sendmsg(fd, &message, flags);
}

/* Sends up to the next frame that has descriptors; that frame goes alone. */
static ssize_t writer_send(struct frame_writer *writer, int fd, int flags)
{
	const uint8_t *bytes = writer->buf + writer->start;
	struct frame_attached *first = writer->fds;

	if (!first)
		return send(fd, bytes, frame_writer_pending_bytes(writer), flags);
	if (first->position > writer->position)
		return send(fd, bytes, (size_t)(first->position - writer->position), flags);
	return send_with_fds(fd, bytes, FRAME_HEADER_BYTES + load_length(bytes), flags, first);
}

int frame_writer_flush(struct frame_writer *writer, int fd, int flags)
{
	while (frame_writer_pending_bytes(writer) > 0) {
		ssize_t n = writer_send(writer, fd, flags | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (writer->fds && writer->fds->position == writer->position)
			writer_drop_fds(writer);
		writer->start += (size_t)n;
		writer->position += (size_t)n;
	}
	writer_settle(writer);
	return 0;
}
