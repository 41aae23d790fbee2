/* SPDX-License-Identifier: MIT */
/*
 * The event loop over libevent, and the only file that knows it.
 *
 * Each source (descriptor, timer, signal) is one allocation that embeds libevent's event, so an
 * event reaches its callback without a lookup. A source may be freed at any time by the loop's
 * thread, also from its own callback and from that of another source of the same round: freeing
 * takes it off libevent's list of active events, and a trampoline touches nothing after the call.
 *
 * Descriptors are watched by persistent events without a timeout: time limits are the owner's, who
 * checks many of them with one timer. A task runs in the next round: whatever descriptors are ready
 * then get their turn too, and that is how long work is cut into slices.
 *
 * A timer is a timerfd, which is a descriptor like any other. A timeout of libevent's own
 * would make the kernel arm and cancel a timer around every wait for events, on the way of every
 * request.
 *
 * The time is the kernel's coarse monotonic clock, read without a system call; it is behind by one
 * tick at most (1 to 10 ms), which is far below every limit that is measured with it.
 */

#include "service/loop.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct loop {
	struct event_base *base;
	bool quit; /* asked for, perhaps before the loop ran */
};

struct loop_io {
	struct event event;
	struct event_base *base;
	int fd;
	unsigned events;
	loop_io_fn fn;
	void *data;
};

struct loop_timer {
	struct event event;
	int fd; /* a timerfd */
	loop_fn fn;
	void *data;
};

struct loop_task {
	struct event event;
	loop_fn fn;
	void *data;
};

struct loop_signal {
	struct event event;
	loop_fn fn;
	void *data;
};

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;

	/* One thread: a lock for each event would buy nothing. */
	struct event_config *config = event_config_new();
	if (config) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		loop->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (!loop->base) {
		free(loop);
		return -ENOMEM;
	}
	*ret = loop;
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	event_base_free(loop->base);
	free(loop);
	return NULL;
}

int loop_run(struct loop *loop)
{
	int error = 0;

	if (!loop->quit && event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
		error = -EIO;
	loop->quit = false;
	return error;
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
	event_base_loopbreak(loop->base);
}

uint64_t loop_now_ms(struct loop *loop)
{
	struct timespec now;

	(void)loop;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t loop_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void loop_io_call(evutil_socket_t fd, short what, void *data)
{
	struct loop_io *io = data;
	unsigned events = 0;

	if (what & EV_READ)
		events |= LOOP_READ;
	if (what & EV_WRITE)
		events |= LOOP_WRITE;
	io->fn(fd, events, io->data);
}

static int loop_io_arm(struct loop_io *io, unsigned events)
{
	short what = EV_PERSIST;

	io->events = events;
	if (!events)
		return 0;
	if (events & LOOP_READ)
		what |= EV_READ;
	if (events & LOOP_WRITE)
		what |= EV_WRITE;
	event_assign(&io->event, io->base, io->fd, what, loop_io_call, io);
	return event_add(&io->event, NULL) < 0 ? -ENOMEM : 0;
}

int loop_io_new(struct loop *loop, int fd, unsigned events, loop_io_fn fn, void *data,
		struct loop_io **ret)
{
	struct loop_io *io = calloc(1, sizeof(*io));
	if (!io)
		return -ENOMEM;
	io->base = loop->base;
	io->fd = fd;
	io->fn = fn;
	io->data = data;
	/* So that an unarmed source, too, can be deleted. */
	event_assign(&io->event, io->base, fd, EV_PERSIST, loop_io_call, io);

	int error = loop_io_arm(io, events);
	if (error < 0) {
		free(io);
		return error;
	}
	*ret = io;
	return 0;
}

int loop_io_set_events(struct loop_io *io, unsigned events)
{
	if (io->events == events)
		return 0;
	event_del(&io->event);
	return loop_io_arm(io, events);
}

struct loop_io *loop_io_free(struct loop_io *io)
{
	if (!io)
		return NULL;
	event_del(&io->event);
	free(io);
	return NULL;
}

static void loop_timer_call(evutil_socket_t fd, short what, void *data)
{
	struct loop_timer *timer = data;
	uint64_t nr_expired;

	(void)what;
	/* Started anew since it was ready: not yet. */
	if (read(fd, &nr_expired, sizeof(nr_expired)) != sizeof(nr_expired))
		return;
	timer->fn(timer->data);
}

int loop_timer_new(struct loop *loop, loop_fn fn, void *data, struct loop_timer **ret)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));
	if (!timer)
		return -ENOMEM;
	timer->fn = fn;
	timer->data = data;
	timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int error = timer->fd < 0 ? -errno : 0;
	if (error == 0) {
		event_assign(&timer->event, loop->base, timer->fd, EV_READ | EV_PERSIST,
			     loop_timer_call, timer);
		error = event_add(&timer->event, NULL) < 0 ? -ENOMEM : 0;
	}
	if (error < 0) {
		if (timer->fd >= 0)
			close(timer->fd);
		free(timer);
		return error;
	}
	*ret = timer;
	return 0;
}

static void loop_timer_set(struct loop_timer *timer, uint64_t delay_ms)
{
	const struct itimerspec delay = {
		.it_value.tv_sec = (time_t)(delay_ms / 1000),
		.it_value.tv_nsec = (long)(delay_ms % 1000 * 1000000),
	};
	int r = timerfd_settime(timer->fd, 0, &delay, NULL);

	assert(r == 0);
	(void)r;
}

void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms)
{
	assert(delay_ms > 0);
	loop_timer_set(timer, delay_ms);
}

void loop_timer_stop(struct loop_timer *timer)
{
	loop_timer_set(timer, 0);
}

struct loop_timer *loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return NULL;
	event_del(&timer->event);
	close(timer->fd);
	free(timer);
	return NULL;
}

static void loop_task_call(evutil_socket_t fd, short what, void *data)
{
	struct loop_task *task = data;

	(void)fd;
	(void)what;
	task->fn(task->data);
}

int loop_task_new(struct loop *loop, loop_fn fn, void *data, struct loop_task **ret)
{
	struct loop_task *task = calloc(1, sizeof(*task));
	if (!task)
		return -ENOMEM;
	task->fn = fn;
	task->data = data;
	evtimer_assign(&task->event, loop->base, loop_task_call, task);
	*ret = task;
	return 0;
}

void loop_task_schedule(struct loop_task *task)
{
	/*
	 * Not event_active() at first: it would come before the descriptors that are ready. But it
	 * needs no memory, where a timeout may need a larger heap of them.
	 */
	const struct timeval now = { 0 };

	if (evtimer_add(&task->event, &now) < 0)
		event_active(&task->event, EV_TIMEOUT, 0);
}

struct loop_task *loop_task_free(struct loop_task *task)
{
	if (!task)
		return NULL;
	evtimer_del(&task->event);
	free(task);
	return NULL;
}

static void loop_signal_call(evutil_socket_t signo, short what, void *data)
{
	struct loop_signal *sig = data;

	(void)signo;
	(void)what;
	sig->fn(sig->data);
}

int loop_signal_new(struct loop *loop, int signo, loop_fn fn, void *data, struct loop_signal **ret)
{
	struct loop_signal *sig = calloc(1, sizeof(*sig));
	if (!sig)
		return -ENOMEM;
	sig->fn = fn;
	sig->data = data;
	evsignal_assign(&sig->event, loop->base, signo, loop_signal_call, sig);
	if (evsignal_add(&sig->event, NULL) < 0) {
		free(sig);
		return -ENOMEM;
	}
	*ret = sig;
	return 0;
}

struct loop_signal *loop_signal_free(struct loop_signal *sig)
{
	if (!sig)
		return NULL;
	evsignal_del(&sig->event);
	free(sig);
	return NULL;
}
