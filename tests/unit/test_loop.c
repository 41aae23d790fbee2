/* SPDX-License-Identifier: MIT */
/* The event loop: what fires, what does not, and what may be freed while it fires. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/loop.h"

struct watch {
	struct loop *loop;
	struct loop_io *io;
	struct watch *victim; /* freed by this one's callback */
	unsigned nr_calls;
	unsigned events;
};

struct clock {
	struct loop *loop;
	struct loop_task *task;
	unsigned nr_calls;
	unsigned nr_wanted;
};

static int setup(void **state)
{
	struct loop *loop;

	assert_int_equal(loop_new(&loop), 0);
	*state = loop;
	return 0;
}

static int teardown(void **state)
{
	assert_null(loop_free(*state));
	return 0;
}

static void open_pipe(int fds[2], const char *text)
{
	assert_int_equal(pipe(fds), 0);
	if (text)
		assert_int_equal(write(fds[1], text, 1), 1);
}

static void close_pipe(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static void on_io(int fd, unsigned events, void *data)
{
	struct watch *watch = data;
	char byte;

	if (events & LOOP_READ)
		assert_int_equal(read(fd, &byte, 1), 1);
	watch->nr_calls++;
	watch->events |= events;
	if (watch->victim)
		watch->victim->io = loop_io_free(watch->victim->io);
	loop_quit(watch->loop);
}

static void on_clock(void *data)
{
	struct clock *clock = data;

	if (++clock->nr_calls < clock->nr_wanted)
		loop_task_schedule(clock->task);
	else
		loop_quit(clock->loop);
}

static void run_for(struct loop *loop, uint64_t delay_ms)
{
	struct clock clock = { .loop = loop, .nr_wanted = 1 };

	struct loop_timer *timer;

	assert_int_equal(loop_timer_new(loop, on_clock, &clock, &timer), 0);
	loop_timer_start(timer, delay_ms);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(clock.nr_calls, 1);
	assert_null(loop_timer_free(timer));
}

static void test_loop_io_reports_what_is_ready(void **state)
{
	struct watch reader = { .loop = *state }, writer = { .loop = *state };
	int fds[2];

	open_pipe(fds, "x");
	assert_int_equal(loop_io_new(*state, fds[0], LOOP_READ, on_io, &reader, &reader.io), 0);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(reader.nr_calls, 1);
	assert_int_equal(reader.events, LOOP_READ);

	assert_int_equal(loop_io_new(*state, fds[1], LOOP_WRITE, on_io, &writer, &writer.io), 0);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(writer.events, LOOP_WRITE);
	assert_int_equal(reader.nr_calls, 1);
	loop_io_free(reader.io);
	loop_io_free(writer.io);
	close_pipe(fds);
}

static void test_loop_io_without_events_is_silent_until_resumed(void **state)
{
	struct watch reader = { .loop = *state };
	int fds[2];

	open_pipe(fds, "x");
	assert_int_equal(loop_io_new(*state, fds[0], 0, on_io, &reader, &reader.io), 0);
	run_for(*state, 1);
	assert_int_equal(reader.nr_calls, 0);

	assert_int_equal(loop_io_set_events(reader.io, LOOP_READ), 0);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(reader.nr_calls, 1);

	assert_int_equal(write(fds[1], "y", 1), 1);
	assert_int_equal(loop_io_set_events(reader.io, 0), 0);
	run_for(*state, 1);
	assert_int_equal(reader.nr_calls, 1);
	loop_io_free(reader.io);
	close_pipe(fds);
}

static void test_loop_io_may_free_itself(void **state)
{
	struct watch reader = { .loop = *state };
	int fds[2];

	open_pipe(fds, "x");
	reader.victim = &reader;
	assert_int_equal(loop_io_new(*state, fds[0], LOOP_READ, on_io, &reader, &reader.io), 0);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(reader.nr_calls, 1);
	assert_null(reader.io);
	close_pipe(fds);
}

static void test_loop_io_may_free_another_that_is_ready(void **state)
{
	struct watch one = { .loop = *state }, other = { .loop = *state };
	int one_fds[2], other_fds[2];

	open_pipe(one_fds, "x");
	open_pipe(other_fds, "x");
	one.victim = &other;
	other.victim = &one;
	assert_int_equal(loop_io_new(*state, one_fds[0], LOOP_READ, on_io, &one, &one.io), 0);
	assert_int_equal(loop_io_new(*state, other_fds[0], LOOP_READ, on_io, &other, &other.io), 0);
	assert_int_equal(loop_run(*state), 0);
	run_for(*state, 1);
	assert_int_equal(one.nr_calls + other.nr_calls, 1);
	loop_io_free(one.io);
	loop_io_free(other.io);
	close_pipe(one_fds);
	close_pipe(other_fds);
}

static void test_loop_task_lets_descriptors_in(void **state)
{
	struct watch reader = { .loop = *state };
	struct clock clock = { .loop = *state, .nr_wanted = 1000000 };
	int fds[2];

	open_pipe(fds, "x");
	assert_int_equal(loop_task_new(*state, on_clock, &clock, &clock.task), 0);
	loop_task_schedule(clock.task);
	assert_int_equal(loop_io_new(*state, fds[0], LOOP_READ, on_io, &reader, &reader.io), 0);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(reader.nr_calls, 1);
	assert_true(clock.nr_calls < 10);
	loop_task_free(clock.task);
	loop_io_free(reader.io);
	close_pipe(fds);
}

static void test_loop_timer_fires_once_and_not_early(void **state)
{
	uint64_t before_ns = loop_clock_ns();

	run_for(*state, 30);
	assert_in_range(loop_clock_ns() - before_ns, 30000000, 5000000000);
}

/* The cheap clock is the exact one, a tick behind at most. */
static void test_loop_clocks_agree(void **state)
{
	uint64_t before_ms = loop_clock_ns() / 1000000;
	uint64_t now_ms = loop_now_ms(*state);

	assert_true(now_ms + 11 >= before_ms);
	assert_true(now_ms <= loop_clock_ns() / 1000000);
}

static void test_loop_timer_stopped_does_not_fire(void **state)
{
	struct clock clock = { .loop = *state, .nr_wanted = 1 };
	struct loop_timer *timer;

	assert_int_equal(loop_timer_new(*state, on_clock, &clock, &timer), 0);
	loop_timer_start(timer, 1);
	loop_timer_stop(timer);
	run_for(*state, 20);
	assert_int_equal(clock.nr_calls, 0);
	loop_timer_free(timer);
}

static void test_loop_task_runs_once_however_often_it_was_scheduled(void **state)
{
	struct clock clock = { .loop = *state, .nr_wanted = 1 };

	assert_int_equal(loop_task_new(*state, on_clock, &clock, &clock.task), 0);
	loop_task_schedule(clock.task);
	loop_task_schedule(clock.task);
	assert_int_equal(loop_run(*state), 0);
	run_for(*state, 20);
	assert_int_equal(clock.nr_calls, 1);
	loop_task_schedule(clock.task);
	assert_null(loop_task_free(clock.task)); /* and not after that */
	run_for(*state, 20);
	assert_int_equal(clock.nr_calls, 1);
}

static void on_signal(void *data)
{
	struct watch *watch = data;

	watch->nr_calls++;
	loop_quit(watch->loop);
}

static void test_loop_signal_arrives_as_an_event(void **state)
{
	struct watch watch = { .loop = *state };
	struct loop_signal *sig;

	assert_int_equal(loop_signal_new(*state, SIGUSR1, on_signal, &watch, &sig), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(*state), 0);
	assert_int_equal(watch.nr_calls, 1);
	assert_null(loop_signal_free(sig));
}

static void test_loop_quit_before_run_is_not_lost(void **state)
{
	loop_quit(*state);
	assert_int_equal(loop_run(*state), 0);
	run_for(*state, 1); /* and holds for one run alone */
}

static void test_loop_free_accepts_null(void **state)
{
	(void)state;
	assert_null(loop_free(NULL));
	assert_null(loop_io_free(NULL));
	assert_null(loop_timer_free(NULL));
	assert_null(loop_task_free(NULL));
	assert_null(loop_signal_free(NULL));
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_loop_io_reports_what_is_ready),
		LOOP_TEST(test_loop_io_without_events_is_silent_until_resumed),
		LOOP_TEST(test_loop_io_may_free_itself),
		LOOP_TEST(test_loop_io_may_free_another_that_is_ready),
		LOOP_TEST(test_loop_task_lets_descriptors_in),
		LOOP_TEST(test_loop_timer_fires_once_and_not_early),
		LOOP_TEST(test_loop_clocks_agree),
		LOOP_TEST(test_loop_timer_stopped_does_not_fire),
		LOOP_TEST(test_loop_task_runs_once_however_often_it_was_scheduled),
		LOOP_TEST(test_loop_signal_arrives_as_an_event),
		LOOP_TEST(test_loop_quit_before_run_is_not_lost),
		cmocka_unit_test(test_loop_free_accepts_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
