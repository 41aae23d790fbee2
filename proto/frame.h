/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Frames on a stream socket: a little-endian u32 length, then that many bytes of one message. File
 * descriptors travel with the first byte of the frame that names them.
 *
 * A reader and a writer are buffers with a bound; neither blocks unless its socket does, neither
 * knows what a message is. While nothing waits in them they hold no buffer. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 4u
#define FRAME_BYTES_MAX (64u * 1024u) /* of the message */
#define FRAME_FDS_MAX 64u             /* with one frame */
#define FRAME_FDS_QUEUED_MAX 256u     /* in one writer */

enum frame_error {
	FRAME_E_CLOSED = 1, /* the peer hung up, between frames */
	FRAME_E_TRUNCATED,  /* the peer hung up within a frame */
	FRAME_E_TOO_LONG,   /* a length above FRAME_BYTES_MAX, or zero */
	FRAME_E_FDS         /* more descriptors than may be, or some were lost */
};

struct frame_reader {
	uint8_t *buf; /* NULL while empty */
	size_t start, end;
	uint64_t position; /* of buf[start] in the stream */
	bool want_fds;     /* false: descriptors are not received at all; the kernel drops them */
	struct frame_received *received; /* when want_fds: descriptors not yet taken */
};

/* 0 or -ENOMEM. */
int frame_reader_init(struct frame_reader *reader, bool want_fds);
/* Closes descriptors that were received and not taken. */
void frame_reader_deinit(struct frame_reader *reader);

/*
 * Reads once from the socket (flags as recvmsg's), which should be done only when no whole frame
 * waits (frame_reader_next() has said so), and returns how many bytes came; or a negative
 * errno (-EAGAIN when nothing is there, -EINTR after a signal, -ENOBUFS when whole frames fill the
 * buffer: take them first); or a frame_error through *ret_error and 0.
 */
ptrdiff_t frame_reader_fill(struct frame_reader *reader, int fd, int flags,
			    enum frame_error *ret_error);

/*
 * The next whole frame in the buffer: true with its message in *ret_bytes, valid until the next
 * call. False when there is none; FRAME_E_TOO_LONG in *ret_error when there never will be.
 * Descriptors of the frame before it that were not taken are closed.
 */
bool frame_reader_next(struct frame_reader *reader, const uint8_t **ret_bytes, size_t *ret_size,
		       enum frame_error *ret_error);

/* Bytes of an unfinished frame are waiting for their rest. */
bool frame_reader_is_partial(const struct frame_reader *reader);

/*
 * Takes the descriptors that came with the frame last given out; the caller closes them. Returns
 * how many. Descriptors of frames still to come stay.
 */
unsigned frame_reader_take_fds(struct frame_reader *reader, int ret_fds[FRAME_FDS_MAX]);

/*
 * A bounded queue of frames to send. frame_writer_reserve() gives room for one message of up to
 * FRAME_BYTES_MAX bytes; frame_writer_commit() makes a frame of what was written there. A reserve
 * without its commit queues nothing. Descriptors are duplicated by the writer (closed when sent).
 */
struct frame_writer {
	uint8_t *buf; /* NULL while empty */
	size_t capacity_bytes;
	size_t limit_bytes;
	size_t start, end;
	uint64_t position;          /* of buf[start] in the stream */
	struct frame_attached *fds; /* descriptors and the stream position they belong to */
	unsigned nr_fds;
};

/* The limit counts headers too and is at least one frame of the largest size. 0. */
int frame_writer_init(struct frame_writer *writer, size_t limit_bytes);
/* Closes descriptors that were not sent. */
void frame_writer_deinit(struct frame_writer *writer);
/* NULL when the queue is full (a message more could pass the limit) or memory is short. */
uint8_t *frame_writer_reserve(struct frame_writer *writer);
/*
 * 0; -EINVAL for no or too many bytes, or too many descriptors; -ENOBUFS when too many wait
 * already; -ENOMEM; or dup's errno. On failure nothing is queued.
 */
int frame_writer_commit(struct frame_writer *writer, size_t size_bytes, const int *fds,
			unsigned nr_fds);
/* Sends what it can (MSG_NOSIGNAL is added to flags). 0, or a negative errno: -EAGAIN when some is
 * left. */
int frame_writer_flush(struct frame_writer *writer, int fd, int flags);
size_t frame_writer_pending_bytes(const struct frame_writer *writer);
