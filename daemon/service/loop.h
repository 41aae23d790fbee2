/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The event loop: the one file that knows libevent. One thread; callbacks must return within 1 ms.
 * All functions are for the loop's thread.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_io;
struct loop_timer;
struct loop_task;
struct loop_signal;

#define LOOP_READ 0x1u
#define LOOP_WRITE 0x2u

typedef void (*loop_io_fn)(int fd, unsigned events, void *data);
typedef void (*loop_fn)(void *data);

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *loop);
/* Runs until loop_quit(). 0 or a negative errno. */
int loop_run(struct loop *loop);
void loop_quit(struct loop *loop);
/* Monotonic time, at most one clock tick behind; costs no system call. */
uint64_t loop_now_ms(struct loop *loop);
/* The same clock, exact, for how long something takes; costs tens of nanoseconds. */
uint64_t loop_clock_ns(void);

/* Level-triggered; events may be 0 to pause. The fd stays the caller's. */
int loop_io_new(struct loop *loop, int fd, unsigned events, loop_io_fn fn, void *data,
		struct loop_io **ret);
int loop_io_set_events(struct loop_io *io, unsigned events);
struct loop_io *loop_io_free(struct loop_io *io);

/*
 * One shot; armed with loop_timer_start(), again from its own callback if wanted. Only making one
 * can fail. A delay is 1 ms or more.
 */
int loop_timer_new(struct loop *loop, loop_fn fn, void *data, struct loop_timer **ret);
void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);
struct loop_timer *loop_timer_free(struct loop_timer *timer);

/* Runs fn in the next round, once for each round in which it was scheduled. */
int loop_task_new(struct loop *loop, loop_fn fn, void *data, struct loop_task **ret);
void loop_task_schedule(struct loop_task *task);
struct loop_task *loop_task_free(struct loop_task *task);

int loop_signal_new(struct loop *loop, int signo, loop_fn fn, void *data, struct loop_signal **ret);
struct loop_signal *loop_signal_free(struct loop_signal *sig);
