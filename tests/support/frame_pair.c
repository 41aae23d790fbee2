/* SPDX-License-Identifier: MIT */
/* See the header. Every init counts this process's descriptors, every deinit counts them again. */

#include "support/frame_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/open_fds.h"

void frame_pair_init(struct frame_pair *pair, bool want_fds)
{
	int ends[2];

	pair->nr_fds_before = open_fds_count();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pair->sender = ends[0];
	pair->receiver = ends[1];
	for (int i = 0; i < FRAME_PAIR_NR_FILES; i++) {
		pair->files[i] = memfd_create("file", MFD_CLOEXEC);
		assert_true(pair->files[i] >= 0);
	}
	assert_int_equal(frame_writer_init(&pair->writer, FRAME_PAIR_LIMIT_BYTES), 0);
	assert_int_equal(frame_reader_init(&pair->reader, want_fds), 0);
}

/* Whatever the test did, no descriptor may be left. */
void frame_pair_deinit(struct frame_pair *pair)
{
	frame_writer_deinit(&pair->writer);
	frame_reader_deinit(&pair->reader);
	for (int i = 0; i < FRAME_PAIR_NR_FILES; i++)
		close(pair->files[i]);
	close(pair->sender);
	close(pair->receiver);
	assert_int_equal(open_fds_count(), pair->nr_fds_before);
}

/* Byte i of a message that is marked so. */
uint8_t frame_pair_content(unsigned mark, size_t i)
{
	return (uint8_t)(mark * 37 + i * 11 + (i >> 8));
}

int frame_pair_try_queue(struct frame_pair *pair, unsigned mark, size_t size_bytes, const int *fds,
			 unsigned nr_fds)
{
	uint8_t *room = frame_writer_reserve(&pair->writer);

	if (!room)
		return -ENOBUFS;
	for (size_t i = 0; i < size_bytes && i < FRAME_BYTES_MAX; i++)
		room[i] = frame_pair_content(mark, i);
	return frame_writer_commit(&pair->writer, size_bytes, fds, nr_fds);
}

void frame_pair_queue(struct frame_pair *pair, unsigned mark, size_t size_bytes)
{
	assert_int_equal(frame_pair_try_queue(pair, mark, size_bytes, NULL, 0), 0);
}

void frame_pair_flush(struct frame_pair *pair)
{
	assert_int_equal(frame_writer_flush(&pair->writer, pair->sender, 0), 0);
	assert_int_equal(frame_writer_pending_bytes(&pair->writer), 0);
}

/* No error, none or some bytes. */
ptrdiff_t frame_pair_fill(struct frame_pair *pair)
{
	enum frame_error error = 0;
	ptrdiff_t n = frame_reader_fill(&pair->reader, pair->receiver, MSG_DONTWAIT, &error);

	assert_int_equal(error, 0);
	assert_true(n > 0 || n == -EAGAIN);
	return n;
}

bool frame_pair_next_is(struct frame_pair *pair, unsigned mark, size_t want_bytes)
{
	enum frame_error error = 0;
	const uint8_t *bytes;
	size_t size_bytes;

	if (!frame_reader_next(&pair->reader, &bytes, &size_bytes, &error)) {
		assert_int_equal(error, 0);
		return false;
	}
	assert_int_equal(size_bytes, want_bytes);
	for (size_t i = 0; i < size_bytes; i++)
		if (bytes[i] != frame_pair_content(mark, i))
			fail_msg("byte %zu of message %u is wrong", i, mark);
	return true;
}

void frame_pair_assert_no_next(struct frame_pair *pair)
{
	assert_false(frame_pair_next_is(pair, 0, 0));
}

static bool is_same_file(int a, int b)
{
	struct stat stat_a, stat_b;

	assert_int_equal(fstat(a, &stat_a), 0);
	assert_int_equal(fstat(b, &stat_b), 0);
	return stat_a.st_ino == stat_b.st_ino;
}

/* Exactly these files came with the last frame, in this order, and close on exec. */
void frame_pair_assert_took(struct frame_pair *pair, const int *files, unsigned nr)
{
	int fds[FRAME_FDS_MAX];

	assert_int_equal(frame_reader_take_fds(&pair->reader, fds), nr);
	for (unsigned i = 0; i < nr; i++) {
		assert_true(is_same_file(fds[i], files[i]));
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		close(fds[i]);
	}
}
