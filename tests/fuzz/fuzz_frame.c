/* SPDX-License-Identifier: MIT */
/*
 * Frames through a real socket pair, in one of two ways that the first byte chooses.
 *
 * Raw: the rest of the input is what a peer sends, in pieces of a size that the input chooses; the
 * reader must give out exactly the frames that a plain walk over the bytes finds, and end as that
 * walk ends.
 *
 * Script: the rest of the input are commands to queue frames with and without descriptors, to
 * send, to receive and to take, in any order over a small socket; every frame must come out whole,
 * in order, with its own descriptors and no other.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/frame.h"

#define NR_FILES 3
#define NR_FRAMES_MAX 256
#define LIMIT_BYTES (192u * 1024u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void require(bool condition)
{
	if (!condition)
		abort();
}

struct pair {
	int sender, receiver;
	struct frame_writer writer;
	struct frame_reader reader;
};

static void pair_init(struct pair *p, bool want_fds)
{
	int ends[2], small = 4096;

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
	p->sender = ends[0];
	p->receiver = ends[1];
	require(setsockopt(p->sender, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	require(frame_writer_init(&p->writer, LIMIT_BYTES) == 0);
	require(frame_reader_init(&p->reader, want_fds) == 0);
}

static void pair_deinit(struct pair *p)
{
	frame_writer_deinit(&p->writer);
	frame_reader_deinit(&p->reader);
	close(p->sender);
	close(p->receiver);
}

/* Takes what frames there are; *at walks along in the bytes that were sent. */
static enum frame_error take_raw(struct pair *p, const uint8_t *sent, size_t *at)
{
	enum frame_error error = 0;
	const uint8_t *bytes;
	size_t size_bytes;

	while (frame_reader_next(&p->reader, &bytes, &size_bytes, &error)) {
		uint32_t length = sent[*at] | sent[*at + 1] << 8 | sent[*at + 2] << 16 |
				  (uint32_t)sent[*at + 3] << 24;

		require(length == size_bytes && length > 0 && length <= FRAME_BYTES_MAX);
		require(memcmp(bytes, sent + *at + FRAME_HEADER_BYTES, size_bytes) == 0);
		*at += FRAME_HEADER_BYTES + size_bytes;
	}
	return error;
}

/* What must be left when the reader finds no whole frame. */
static void require_end(const uint8_t *rest, size_t size_bytes, enum frame_error error)
{
	uint32_t length;

	if (size_bytes < FRAME_HEADER_BYTES) {
		require(error == 0);
		return;
	}
	length = rest[0] | rest[1] << 8 | rest[2] << 16 | (uint32_t)rest[3] << 24;
	if (length == 0 || length > FRAME_BYTES_MAX)
		require(error == FRAME_E_TOO_LONG);
	else
		require(error == 0 && size_bytes - FRAME_HEADER_BYTES < length);
}

static void fuzz_raw(const uint8_t *data, size_t size_bytes, size_t piece)
{
	enum frame_error error = 0, end = 0;
	size_t at = 0;
	struct pair p;

	pair_init(&p, piece & 1);
	for (size_t sent = 0; sent < size_bytes && error == 0;) {
		size_t n = size_bytes - sent < piece ? size_bytes - sent : piece;

		require(send(p.sender, data + sent, n, 0) == (ssize_t)n);
		require(frame_reader_fill(&p.reader, p.receiver, 0, &end) == (ptrdiff_t)n);
		sent += n;
		error = take_raw(&p, data, &at);
		require_end(data + at, sent - at, error);
	}
	if (error == 0) {
		shutdown(p.sender, SHUT_WR);
		require(frame_reader_fill(&p.reader, p.receiver, 0, &end) == 0);
		require(end == (at == size_bytes ? FRAME_E_CLOSED : FRAME_E_TRUNCATED));
	}
	pair_deinit(&p);
}

static int files[NR_FILES];

/* A frame's size and descriptors follow from its number and the command that queued it. */
struct queued {
	size_t size_bytes;
	unsigned nr_fds;
};

static void queue(struct pair *p, struct queued *queued, unsigned *nr_queued, uint8_t command)
{
	struct queued q = { .size_bytes = 1u << (command >> 4), .nr_fds = command >> 2 & 3 };
	bool is_full = p->writer.nr_fds + q.nr_fds > FRAME_FDS_QUEUED_MAX;
	uint8_t *room = frame_writer_reserve(&p->writer);
	int r;

	if (!room)
		return;
	memset(room, (int)*nr_queued, q.size_bytes);
	r = frame_writer_commit(&p->writer, q.size_bytes, files, q.nr_fds);
	require(r == (q.nr_fds > 0 && is_full ? -ENOBUFS : 0));
	if (r == 0)
		queued[(*nr_queued)++] = q;
}

static void require_files(struct pair *p, unsigned nr_fds)
{
	int fds[FRAME_FDS_MAX];

	require(frame_reader_take_fds(&p->reader, fds) == nr_fds);
	for (unsigned i = 0; i < nr_fds; i++) {
		struct stat is, should;

		require(fstat(fds[i], &is) == 0 && fstat(files[i], &should) == 0);
		require(is.st_ino == should.st_ino);
		close(fds[i]);
	}
}

static bool take(struct pair *p, const struct queued *queued, unsigned *nr_taken)
{
	enum frame_error error = 0;
	const uint8_t *bytes;
	size_t size_bytes;

	if (!frame_reader_next(&p->reader, &bytes, &size_bytes, &error)) {
		require(error == 0);
		return false;
	}
	require(size_bytes == queued[*nr_taken].size_bytes);
	for (size_t i = 0; i < size_bytes; i++)
		require(bytes[i] == (uint8_t)*nr_taken);
	require_files(p, queued[*nr_taken].nr_fds);
	(*nr_taken)++;
	return true;
}

static void send_some(struct pair *p)
{
	int r = frame_writer_flush(&p->writer, p->sender, 0);

	require(r == 0 || r == -EAGAIN);
}

/* As a reader's owner should: only when no whole frame waits. */
static void receive_some(struct pair *p)
{
	enum frame_error error = 0;
	ptrdiff_t n;

	if (p->reader.start != p->reader.end && !frame_reader_is_partial(&p->reader))
		return;
	n = frame_reader_fill(&p->reader, p->receiver, 0, &error);
	require(error == 0 && (n > 0 || n == -EAGAIN));
}

static void fuzz_script(const uint8_t *commands, size_t nr_commands)
{
	struct queued queued[NR_FRAMES_MAX];
	unsigned nr_queued = 0, nr_taken = 0;
	struct pair p;

	pair_init(&p, true);
	for (size_t i = 0; i < nr_commands; i++) {
		switch (commands[i] & 3) {
		case 0:
			if (nr_queued < NR_FRAMES_MAX)
				queue(&p, queued, &nr_queued, commands[i]);
			break;
		case 1:
			send_some(&p);
			break;
		case 2:
			receive_some(&p);
			break;
		case 3:
			take(&p, queued, &nr_taken);
			break;
		}
	}
	while (nr_taken < nr_queued) {
		send_some(&p);
		receive_some(&p);
		while (take(&p, queued, &nr_taken))
			;
	}
	require(frame_writer_pending_bytes(&p.writer) == 0 && !p.writer.buf);
	require(!take(&p, queued, &nr_taken) && !p.reader.buf);
	pair_deinit(&p);
}

static void make_files(void)
{
	for (int i = 0; i < NR_FILES && files[NR_FILES - 1] == 0; i++) {
		files[i] = memfd_create("fuzz", MFD_CLOEXEC);
		require(files[i] > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	if (size_bytes == 0)
		return 0;
	make_files();
	if (data[0] & 1)
		fuzz_raw(data + 1, size_bytes - 1, 1 + (data[0] >> 1) * 8u);
	else
		fuzz_script(data + 1, size_bytes - 1);
	return 0;
}
