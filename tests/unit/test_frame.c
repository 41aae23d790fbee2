/* SPDX-License-Identifier: MIT */
/* Frames over real socket pairs: split, joined, too long, stuck. Descriptors: test_frame_fds.c. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/frame.h"
#include "support/alarms.h"
#include "support/frame_pair.h"

static void test_frame_passes_messages_of_every_size(void **state)
{
	static const size_t sizes[] = { 1, 2, 255, 256, 4096, 65535, FRAME_BYTES_MAX };
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		frame_pair_queue(&f, i, sizes[i]);
		frame_pair_flush(&f);
		while (!frame_pair_next_is(&f, i, sizes[i]))
			assert_true(frame_pair_fill(&f) > 0);
		frame_pair_assert_no_next(&f);
		assert_false(frame_reader_is_partial(&f.reader));
	}
	frame_pair_deinit(&f);
}

static void test_frame_starts_with_a_little_endian_length(void **state)
{
	uint8_t bytes[8];
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	frame_pair_queue(&f, 1, 0x0203);
	assert_int_equal(frame_writer_pending_bytes(&f.writer), 0x0207);
	frame_pair_flush(&f);
	assert_int_equal(recv(f.receiver, bytes, 8, 0), 8);
	assert_memory_equal(bytes, "\x03\x02\x00\x00", 4);
	assert_int_equal(bytes[4], frame_pair_content(1, 0));
	frame_pair_deinit(&f);
}

static void test_frame_takes_several_from_one_read(void **state)
{
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	for (unsigned i = 0; i < 100; i++)
		frame_pair_queue(&f, i, i + 1);
	frame_pair_flush(&f);
	assert_true(frame_pair_fill(&f) > 0);
	for (unsigned i = 0; i < 100; i++)
		assert_true(frame_pair_next_is(&f, i, i + 1));
	frame_pair_assert_no_next(&f);
	assert_int_equal(frame_pair_fill(&f), -EAGAIN);
	frame_pair_deinit(&f);
}

static void send_raw(struct frame_pair *f, const void *bytes, size_t size_bytes)
{
	assert_int_equal(send(f->sender, bytes, size_bytes, 0), size_bytes);
}

/* Two frames as raw bytes, of 5 and 3 bytes of content. */
static size_t two_frames(uint8_t *ret)
{
	memcpy(ret, "\x05\0\0\0", 4);
	memcpy(ret + 9, "\x03\0\0\0", 4);
	for (size_t i = 0; i < 5; i++)
		ret[4 + i] = frame_pair_content(1, i);
	for (size_t i = 0; i < 3; i++)
		ret[13 + i] = frame_pair_content(2, i);
	return 16;
}

static void test_frame_may_be_split_at_every_byte(void **state)
{
	uint8_t bytes[16];
	size_t n = two_frames(bytes);

	(void)state;
	for (size_t cut = 1; cut < n; cut++) {
		struct frame_pair f;
		bool first, second;

		frame_pair_init(&f, false);
		send_raw(&f, bytes, cut);
		assert_int_equal(frame_pair_fill(&f), cut);
		first = frame_pair_next_is(&f, 1, 5);
		assert_int_equal(first, cut >= 9);
		assert_false(frame_pair_next_is(&f, first ? 2 : 1, first ? 3 : 5));
		assert_int_equal(frame_reader_is_partial(&f.reader), cut != 9);
		send_raw(&f, bytes + cut, n - cut);
		assert_int_equal(frame_pair_fill(&f), n - cut);
		if (!first)
			assert_true(frame_pair_next_is(&f, 1, 5));
		second = frame_pair_next_is(&f, 2, 3);
		assert_true(second);
		assert_false(frame_reader_is_partial(&f.reader));
		frame_pair_deinit(&f);
	}
}

static void test_frame_may_come_byte_by_byte(void **state)
{
	uint8_t bytes[16];
	size_t n = two_frames(bytes);
	unsigned nr = 0;
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, true);
	for (size_t i = 0; i < n; i++) {
		send_raw(&f, bytes + i, 1);
		assert_int_equal(frame_pair_fill(&f), 1);
		if (nr < 2 && frame_pair_next_is(&f, nr + 1, nr ? 3 : 5))
			nr++;
	}
	assert_int_equal(nr, 2);
	frame_pair_deinit(&f);
}

static void test_frame_refuses_impossible_lengths(void **state)
{
	static const uint8_t impossible[][4] = {
		{ 0, 0, 0, 0 },
		{ 1, 0, 1, 0 }, /* one more than FRAME_BYTES_MAX */
		{ 0xff, 0xff, 0xff, 0xff },
		{ 'G', 'E', 'T', ' ' },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(impossible) / 4; i++) {
		enum frame_error error = 0;
		const uint8_t *bytes;
		size_t size_bytes;
		struct frame_pair f;

		frame_pair_init(&f, false);
		send_raw(&f, impossible[i], 4);
		assert_int_equal(frame_pair_fill(&f), 4);
		assert_false(frame_reader_next(&f.reader, &bytes, &size_bytes, &error));
		assert_int_equal(error, FRAME_E_TOO_LONG);
		frame_pair_deinit(&f);
	}
}

static void test_frame_tells_where_the_peer_hung_up(void **state)
{
	uint8_t bytes[16];
	size_t n = two_frames(bytes);

	(void)state;
	for (size_t cut = 0; cut <= n; cut++) {
		bool is_between = cut == 0 || cut == 9 || cut == n;
		enum frame_error error = 0;
		struct frame_pair f;

		frame_pair_init(&f, false);
		if (cut > 0) {
			send_raw(&f, bytes, cut);
			assert_int_equal(frame_pair_fill(&f), cut);
		}
		if (cut >= 9)
			assert_true(frame_pair_next_is(&f, 1, 5));
		if (cut == n)
			assert_true(frame_pair_next_is(&f, 2, 3));
		shutdown(f.sender, SHUT_WR);
		assert_int_equal(frame_reader_fill(&f.reader, f.receiver, 0, &error), 0);
		assert_int_equal(error, is_between ? FRAME_E_CLOSED : FRAME_E_TRUNCATED);
		frame_pair_deinit(&f);
	}
}

static void test_frame_reader_holds_no_buffer_while_empty(void **state)
{
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	assert_null(f.reader.buf);
	assert_int_equal(frame_pair_fill(&f), -EAGAIN);
	assert_null(f.reader.buf);
	frame_pair_queue(&f, 1, 10);
	frame_pair_flush(&f);
	assert_true(frame_pair_fill(&f) > 0);
	assert_true(frame_pair_next_is(&f, 1, 10));
	frame_pair_assert_no_next(&f);
	assert_null(f.reader.buf);
	assert_null(f.writer.buf);
	frame_pair_deinit(&f);
}

static void test_frame_reader_wants_frames_taken(void **state)
{
	enum frame_error error = 0;
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	frame_pair_queue(&f, 1, FRAME_BYTES_MAX);
	frame_pair_queue(&f, 2, 1);
	frame_pair_flush(&f);
	while (frame_reader_is_partial(&f.reader) || !f.reader.buf)
		assert_true(frame_pair_fill(&f) > 0);
	assert_int_equal(frame_reader_fill(&f.reader, f.receiver, MSG_DONTWAIT, &error), -ENOBUFS);
	assert_int_equal(error, 0);
	assert_true(frame_pair_next_is(&f, 1, FRAME_BYTES_MAX));
	assert_true(frame_pair_fill(&f) > 0);
	assert_true(frame_pair_next_is(&f, 2, 1));
	frame_pair_deinit(&f);
}

static void test_frame_writer_refuses_what_no_frame_can_be(void **state)
{
	int fds[FRAME_FDS_MAX + 1];
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	for (size_t i = 0; i < FRAME_FDS_MAX + 1; i++)
		fds[i] = f.files[0];
	assert_int_equal(frame_pair_try_queue(&f, 1, 0, NULL, 0), -EINVAL);
	assert_int_equal(frame_pair_try_queue(&f, 1, FRAME_BYTES_MAX + 1, NULL, 0), -EINVAL);
	assert_int_equal(frame_pair_try_queue(&f, 1, 10, fds, FRAME_FDS_MAX + 1), -EINVAL);
	fds[2] = -1;
	assert_int_equal(frame_pair_try_queue(&f, 1, 10, fds, 3), -EBADF);
	assert_int_equal(frame_writer_pending_bytes(&f.writer), 0);
	assert_null(f.writer.buf);
	frame_pair_deinit(&f);
}

static void test_frame_writer_is_full_at_its_limit(void **state)
{
	size_t frame = FRAME_HEADER_BYTES + 1000, nr = 0;
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	while (frame_pair_try_queue(&f, (unsigned)nr, 1000, NULL, 0) == 0)
		nr++;
	/* Full when a largest frame more would pass the limit, and not before. */
	assert_int_equal(frame_writer_pending_bytes(&f.writer), nr * frame);
	assert_true(nr * frame + FRAME_HEADER_BYTES + FRAME_BYTES_MAX > FRAME_PAIR_LIMIT_BYTES);
	assert_true((nr - 1) * frame + FRAME_HEADER_BYTES + FRAME_BYTES_MAX <=
		    FRAME_PAIR_LIMIT_BYTES);
	assert_true(f.writer.capacity_bytes <= FRAME_PAIR_LIMIT_BYTES);
	for (size_t i = 0; i < nr;) {
		int r = frame_writer_flush(&f.writer, f.sender, MSG_DONTWAIT);

		assert_true(r == 0 || r == -EAGAIN);
		while (frame_pair_fill(&f) > 0)
			while (i < nr && frame_pair_next_is(&f, (unsigned)i, 1000))
				i++;
	}
	assert_int_equal(frame_writer_pending_bytes(&f.writer), 0);
	assert_null(f.writer.buf);
	frame_pair_queue(&f, 1, FRAME_BYTES_MAX);
	frame_pair_deinit(&f);
}

static void test_frame_writer_limit_is_at_least_one_frame(void **state)
{
	struct frame_writer writer;

	(void)state;
	assert_int_equal(frame_writer_init(&writer, 0), 0);
	assert_non_null(frame_writer_reserve(&writer));
	assert_int_equal(frame_writer_commit(&writer, 1, NULL, 0), 0);
	assert_null(frame_writer_reserve(&writer));
	frame_writer_deinit(&writer);
}

static void test_frame_writer_reserve_alone_queues_nothing(void **state)
{
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	assert_non_null(frame_writer_reserve(&f.writer));
	assert_int_equal(frame_writer_pending_bytes(&f.writer), 0);
	frame_pair_flush(&f);
	assert_null(f.writer.buf);
	assert_int_equal(frame_pair_fill(&f), -EAGAIN);
	frame_pair_deinit(&f);
}

static void test_frame_writer_says_that_the_peer_is_gone(void **state)
{
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	assert_int_equal(frame_pair_try_queue(&f, 1, 10, f.files, 4), 0);
	shutdown(f.receiver, SHUT_RDWR);
	assert_int_equal(frame_writer_flush(&f.writer, f.sender, 0), -EPIPE); /* and no SIGPIPE */
	assert_int_equal(frame_writer_pending_bytes(&f.writer), 14);
	frame_pair_deinit(&f);
}

static int answer_from; /* the other end, for the signal handler */
static volatile sig_atomic_t nr_alarms, may_answer;

/* Interrupts; once the test has seen enough of that, there is something to read, once. */
static void on_alarm(int signo)
{
	(void)signo;
	nr_alarms++;
	if (may_answer)
		(void)!write(answer_from, "\x01\0\0\0", 4);
	may_answer = 0;
}

static void test_frame_reader_tells_of_signals_and_goes_on(void **state)
{
	enum frame_error error = 0;
	struct frame_pair f;
	ptrdiff_t n;

	(void)state;
	frame_pair_init(&f, false);
	answer_from = f.sender;
	nr_alarms = 0;
	alarms_start(on_alarm, 1000);
	/* Each wait ends, so that who waits can look at the time. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(frame_reader_fill(&f.reader, f.receiver, 0, &error), -EINTR);
	may_answer = 1;
	do
		n = frame_reader_fill(&f.reader, f.receiver, 0, &error);
	while (n == -EINTR);
	alarms_stop();
	assert_int_equal(n, 4);
	assert_true(nr_alarms >= 3);
	frame_pair_deinit(&f);
}

/* Blocks on a full socket; the handler makes room the third time. */
static void on_alarm_drain(int signo)
{
	static char drained[FRAME_BYTES_MAX];
	int interrupted_errno = errno;

	(void)signo;
	if (++nr_alarms >= 3)
		while (recv(answer_from, drained, sizeof(drained), MSG_DONTWAIT) > 0)
			;
	errno = interrupted_errno;
}

static void test_frame_writer_goes_on_after_signals(void **state)
{
	int small = 4096, r;
	struct frame_pair f;

	(void)state;
	frame_pair_init(&f, false);
	assert_int_equal(setsockopt(f.sender, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	answer_from = f.receiver;
	nr_alarms = 0;
	frame_pair_queue(&f, 1, FRAME_BYTES_MAX);
	frame_pair_queue(&f, 2, FRAME_BYTES_MAX);
	alarms_start(on_alarm_drain, 1000);
	r = frame_writer_flush(&f.writer, f.sender, 0);
	alarms_stop();
	assert_int_equal(r, 0);
	assert_true(nr_alarms >= 3);
	frame_pair_deinit(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_passes_messages_of_every_size),
		cmocka_unit_test(test_frame_starts_with_a_little_endian_length),
		cmocka_unit_test(test_frame_takes_several_from_one_read),
		cmocka_unit_test(test_frame_may_be_split_at_every_byte),
		cmocka_unit_test(test_frame_may_come_byte_by_byte),
		cmocka_unit_test(test_frame_refuses_impossible_lengths),
		cmocka_unit_test(test_frame_tells_where_the_peer_hung_up),
		cmocka_unit_test(test_frame_reader_holds_no_buffer_while_empty),
		cmocka_unit_test(test_frame_reader_wants_frames_taken),
		cmocka_unit_test(test_frame_writer_refuses_what_no_frame_can_be),
		cmocka_unit_test(test_frame_writer_is_full_at_its_limit),
		cmocka_unit_test(test_frame_writer_limit_is_at_least_one_frame),
		cmocka_unit_test(test_frame_writer_reserve_alone_queues_nothing),
		cmocka_unit_test(test_frame_writer_says_that_the_peer_is_gone),
		cmocka_unit_test(test_frame_reader_tells_of_signals_and_goes_on),
		cmocka_unit_test(test_frame_writer_goes_on_after_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
