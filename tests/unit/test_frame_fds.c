/* SPDX-License-Identifier: MIT */
/*
 * Descriptors over real socket pairs: with their frame however it is cut, dropped when unwanted,
 * refused when too many. SEED=N in the environment repeats a run.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/frame.h"
#include "support/frame_pair.h"
#include "support/open_fds.h"

static void test_frame_fds_come_with_their_frame(void **state)
{
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, true);
	frame_pair_queue(&f, 1, 100);
	assert_int_equal(frame_pair_try_queue(&f, 2, 200, f.files, 2), 0);
	frame_pair_queue(&f, 3, 300);
	assert_int_equal(frame_pair_try_queue(&f, 4, 400, f.files + 2, 1), 0);
	assert_int_equal(frame_pair_try_queue(&f, 5, 500, f.files + 3, 1), 0);
	frame_pair_flush(&f);
	while (frame_pair_fill(&f) > 0) /* all of them, before the first is looked at */
		;
	assert_true(frame_pair_next_is(&f, 1, 100));
	frame_pair_assert_took(&f, NULL, 0);
	assert_true(frame_pair_next_is(&f, 2, 200));
	frame_pair_assert_took(&f, f.files, 2);
	frame_pair_assert_took(&f, NULL, 0);
	assert_true(frame_pair_next_is(&f, 3, 300));
	frame_pair_assert_took(&f, NULL, 0);
	assert_true(frame_pair_next_is(&f, 4, 400));
	frame_pair_assert_took(&f, f.files + 2, 1);
	assert_true(frame_pair_next_is(&f, 5, 500));
	frame_pair_assert_took(&f, f.files + 3, 1);
	frame_pair_deinit(&f);
}

static uint64_t seed;

static unsigned random_below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

struct expected {
	size_t size_bytes;
	unsigned first_file, nr_files;
};

static struct expected random_frame(void)
{
	struct expected e = { .size_bytes = 1 + random_below(64) };

	if (random_below(3) == 0)
		e.size_bytes = 1 + random_below(FRAME_BYTES_MAX);
	if (random_below(2) == 0) {
		e.first_file = random_below(FRAME_PAIR_NR_FILES);
		e.nr_files = random_below(FRAME_PAIR_NR_FILES - e.first_file + 1);
	}
	return e;
}

/*
 * Queueing, sending, receiving and taking in any order, through a socket that holds less than a
 * large frame: bytes are cut and joined everywhere, descriptors wait on both sides.
 */
static void test_frame_fds_come_with_their_frame_whatever_the_pieces(void **state)
{
	enum { NR_FRAMES = 3000 };
	struct expected *expected = calloc(NR_FRAMES, sizeof(*expected));
	unsigned nr_queued = 0, nr_taken = 0;
	int small = 4096;
	struct frame_pair f;

	(void)state;
	assert_non_null(expected);
	frame_pair_init(&f, true);
	assert_int_equal(setsockopt(f.sender, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	while (nr_taken < NR_FRAMES) {
		unsigned what = random_below(4);

		if (what == 0 && nr_queued < NR_FRAMES) {
			struct expected e = random_frame();

			if (frame_pair_try_queue(&f, nr_queued, e.size_bytes,
						 f.files + e.first_file, e.nr_files) == 0)
				expected[nr_queued++] = e;
		} else if (what == 1) {
			int r = frame_writer_flush(&f.writer, f.sender, MSG_DONTWAIT);

			assert_true(r == 0 || r == -EAGAIN);
		} else if (what == 2 && (!f.reader.buf || frame_reader_is_partial(&f.reader))) {
			frame_pair_fill(&f);
		} else if (nr_taken < nr_queued &&
			   frame_pair_next_is(&f, nr_taken, expected[nr_taken].size_bytes)) {
			frame_pair_assert_took(&f, f.files + expected[nr_taken].first_file,
					       expected[nr_taken].nr_files);
			nr_taken++;
		}
	}
	frame_pair_deinit(&f);
	free(expected);
}

static void test_frame_fds_not_taken_are_closed(void **state)
{
	struct frame_pair f;
	unsigned before;

	(void)state;
	frame_pair_init(&f, true);
	before = open_fds_count();
	assert_int_equal(frame_pair_try_queue(&f, 1, 10, f.files, 4), 0);
	assert_int_equal(frame_pair_try_queue(&f, 2, 10, f.files, 1), 0);
	assert_int_equal(open_fds_count(), before + 5);
	frame_pair_flush(&f);
	assert_int_equal(open_fds_count(), before);
	while (frame_pair_fill(&f) > 0)
		;
	assert_int_equal(open_fds_count(), before + 5);
	assert_true(frame_pair_next_is(&f, 1, 10));
	assert_true(frame_pair_next_is(&f, 2, 10));
	assert_int_equal(open_fds_count(), before + 1);
	frame_pair_assert_took(&f, f.files, 1);
	assert_int_equal(open_fds_count(), before);
	/* And those that nobody came for at all. */
	assert_int_equal(frame_pair_try_queue(&f, 3, 10, f.files, 4), 0);
	frame_pair_flush(&f);
	assert_true(frame_pair_fill(&f) > 0);
	assert_int_equal(frame_pair_try_queue(&f, 4, 10, f.files, 4), 0);
	frame_pair_deinit(&f);
}

static void test_frame_fds_unwanted_are_dropped(void **state)
{
	int fds[FRAME_FDS_MAX];
	struct frame_pair f;
	unsigned before;

	(void)state;
	frame_pair_init(&f, false);
	before = open_fds_count();
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(frame_pair_try_queue(&f, i, 10, f.files, 4), 0);
		frame_pair_flush(&f);
		assert_true(frame_pair_fill(&f) > 0);
		assert_true(frame_pair_next_is(&f, i, 10));
		assert_int_equal(frame_reader_take_fds(&f.reader, fds), 0);
		assert_int_equal(open_fds_count(), before);
	}
	frame_pair_deinit(&f);
}

/* As a hostile peer does it: one sendmsg() with as many as the kernel allows. */
static void send_raw_fds(struct frame_pair *f, const void *bytes, size_t size_bytes, unsigned nr)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size_bytes };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = CMSG_SPACE(nr * sizeof(int)) };

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(nr * sizeof(int));
	for (unsigned i = 0; i < nr; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &f->files[0], sizeof(int));
	assert_int_equal(sendmsg(f->sender, &message, 0), size_bytes);
}

static void test_frame_fds_too_many_are_refused(void **state)
{
	enum frame_error error = 0;
	struct frame_pair f;
	unsigned before;

	(void)state;
	frame_pair_init(&f, true);
	before = open_fds_count();
	send_raw_fds(&f, "\x01\0\0\0x", 5, FRAME_FDS_MAX + 1);
	assert_int_equal(frame_reader_fill(&f.reader, f.receiver, 0, &error), 0);
	assert_int_equal(error, FRAME_E_FDS);
	assert_int_equal(open_fds_count(), before);
	frame_pair_deinit(&f);

	/* Few at a time, without ever ending a frame. */
	frame_pair_init(&f, true);
	before = open_fds_count();
	for (unsigned i = 0; i < 2 * FRAME_FDS_MAX / 32; i++) {
		send_raw_fds(&f, "\xff", 1, 32);
		assert_int_equal(frame_pair_fill(&f), 1);
	}
	send_raw_fds(&f, "\x00", 1, 1);
	error = 0;
	assert_int_equal(frame_reader_fill(&f.reader, f.receiver, 0, &error), 0);
	assert_int_equal(error, FRAME_E_FDS);
	assert_int_equal(open_fds_count(), before + 2 * FRAME_FDS_MAX);
	frame_pair_deinit(&f);
}

/* A frame has come but for its last byte when that and the next frame come in one: each with all
 * the descriptors that a frame may have. */
static void test_frame_fds_of_two_frames_wait_at_once(void **state)
{
	int fds[FRAME_FDS_MAX];
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, true);
	send_raw_fds(&f, "\x02\0\0\0x", 5, FRAME_FDS_MAX);
	assert_int_equal(frame_pair_fill(&f), 5);
	frame_pair_assert_no_next(&f);
	assert_int_equal(send(f.sender, "y", 1, 0), 1);
	send_raw_fds(&f, "\x01\0\0\0z", 5, FRAME_FDS_MAX);
	assert_int_equal(frame_pair_fill(&f), 6);
	for (int frame = 0; frame < 2; frame++) {
		enum frame_error error = 0;
		const uint8_t *bytes;
		size_t size_bytes;

		assert_true(frame_reader_next(&f.reader, &bytes, &size_bytes, &error));
		assert_int_equal(size_bytes, 2 - frame);
		assert_int_equal(frame_reader_take_fds(&f.reader, fds), FRAME_FDS_MAX);
		for (unsigned i = 0; i < FRAME_FDS_MAX; i++)
			assert_int_equal(close(fds[i]), 0);
	}
	frame_pair_assert_no_next(&f);
	frame_pair_deinit(&f);
}

/* A sender of many for one frame, in several calls: no more than fit are given out. */
static void test_frame_fds_of_one_frame_are_bounded(void **state)
{
	int fds[FRAME_FDS_MAX];
	enum frame_error error = 0;
	const uint8_t *bytes;
	struct frame_pair f;
	size_t size_bytes;
	unsigned before;

	(void)state;
	frame_pair_init(&f, true);
	before = open_fds_count();
	send_raw_fds(&f, "\x02\0\0\0x", 5, FRAME_FDS_MAX);
	send_raw_fds(&f, "y", 1, FRAME_FDS_MAX);
	assert_int_equal(frame_pair_fill(&f), 5);
	assert_int_equal(frame_pair_fill(&f), 1);
	assert_true(frame_reader_next(&f.reader, &bytes, &size_bytes, &error));
	assert_int_equal(frame_reader_take_fds(&f.reader, fds), FRAME_FDS_MAX);
	for (unsigned i = 0; i < FRAME_FDS_MAX; i++)
		assert_int_equal(close(fds[i]), 0);
	frame_pair_assert_no_next(&f);
	assert_int_equal(open_fds_count(), before);
	frame_pair_deinit(&f);
}

/* Out of descriptors, the kernel drops what does not fit: the reader must say so. */
static void test_frame_fds_lost_are_an_error(void **state)
{
	struct rlimit old, tight;
	enum frame_error error = 0;
	struct frame_pair f;
	ptrdiff_t n;
	int top;

	(void)state;
	if (open_fds_cannot_be_limited())
		skip();
	frame_pair_init(&f, true);
	assert_int_equal(frame_pair_try_queue(&f, 1, 10, f.files, 4), 0);
	frame_pair_flush(&f);
	top = dup(f.sender); /* the lowest free number */
	assert_true(top >= 0);
	close(top);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = (struct rlimit){ .rlim_cur = (rlim_t)top + 2, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	n = frame_reader_fill(&f.reader, f.receiver, 0, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(n, 0);
	assert_int_equal(error, FRAME_E_FDS);
	frame_pair_deinit(&f);
}

static void test_frame_fds_waiting_are_bounded(void **state)
{
	int fds[FRAME_FDS_MAX];
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, true);
	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		fds[i] = f.files[0];
	for (unsigned i = 0; i < FRAME_FDS_QUEUED_MAX / FRAME_FDS_MAX; i++)
		assert_int_equal(frame_pair_try_queue(&f, i, 10, fds, FRAME_FDS_MAX), 0);
	assert_int_equal(frame_pair_try_queue(&f, 99, 10, fds, 1), -ENOBUFS);
	assert_int_equal(frame_pair_try_queue(&f, 99, 10, NULL, 0), 0);
	frame_pair_flush(&f); /* and then there is room again */
	assert_int_equal(frame_pair_try_queue(&f, 99, 10, fds, FRAME_FDS_MAX), 0);
	frame_pair_deinit(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_fds_come_with_their_frame),
		cmocka_unit_test(test_frame_fds_come_with_their_frame_whatever_the_pieces),
		cmocka_unit_test(test_frame_fds_not_taken_are_closed),
		cmocka_unit_test(test_frame_fds_unwanted_are_dropped),
		cmocka_unit_test(test_frame_fds_too_many_are_refused),
		cmocka_unit_test(test_frame_fds_of_two_frames_wait_at_once),
		cmocka_unit_test(test_frame_fds_of_one_frame_are_bounded),
		cmocka_unit_test(test_frame_fds_lost_are_an_error),
		cmocka_unit_test(test_frame_fds_waiting_are_bounded),
	};
	const char *text = getenv("SEED");

	seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	print_message("SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
