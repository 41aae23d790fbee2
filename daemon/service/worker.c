/* SPDX-License-Identifier: MIT */
/*
 * Helper threads: what takes long leaves the loop here and comes back as an event.
 *
 * Two first-in-first-out lists under one mutex: jobs that wait for a thread, and jobs that are
 * finished and wait for the loop. A thread that adds the first finished job writes an eventfd; the
 * loop takes the whole list at once and calls each job's done. So a burst of finished jobs costs
 * one wake-up, and the mutex is held for a few stores, never across a job.
 *
 * The loop's thread alone submits and reaps. A job belongs to exactly one list or one thread at a
 * time, which is why it needs no lock of its own: whoever hands it on publishes its contents by
 * the mutex. Signals are blocked in the helpers, so that the loop gets them all and no long system
 * call of a job is cut short by one.
 *
 * Ending waits for jobs that run, but not for ever: a thread may hang in the kernel. What a job is
 * about can't be freed under it, so the process then ends right there; the kernel takes the rest.
 */

#include "service/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "service/log.h"
#include "service/loop.h"

#define END_PATIENCE_S 5

struct job_list {
	struct worker_job *first;
	struct worker_job **tail; /* where the next job's address goes */
};

struct worker_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;      /* there is some, or none will come any more */
	pthread_cond_t ended;     /* one more thread has; waited for by CLOCK_MONOTONIC */
	struct job_list waiting;  /* under lock */
	struct job_list finished; /* under lock */
	bool stopping;            /* under lock */
	unsigned nr_ended;        /* under lock: threads that touch nothing any more but the lock */

	int event_fd;
	struct loop_io *io;
	unsigned nr_threads;
	pthread_t threads[];
};

static void job_list_init(struct job_list *list)
{
	list->first = NULL;
	list->tail = &list->first;
}

static void job_list_add(struct job_list *list, struct worker_job *job)
{
	job->next = NULL;
	*list->tail = job;
	list->tail = &job->next;
}

static struct worker_job *job_list_take(struct job_list *list)
{
	struct worker_job *job = list->first;

	list->first = job->next;
	if (!list->first)
		list->tail = &list->first;
	return job;
}

static void wake_loop(struct worker_pool *pool)
{
	uint64_t one = 1;

	/* Fails only when the counter is full, and then the loop is awake anyway. */
	while (write(pool->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *worker_thread(void *data)
{
	struct worker_pool *pool = data;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct worker_job *job;
		bool first;

		while (!pool->stopping && !pool->waiting.first)
			pthread_cond_wait(&pool->work, &pool->lock);
		if (pool->stopping)
			break;
		job = job_list_take(&pool->waiting);
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
		first = !pool->finished.first;
		job_list_add(&pool->finished, job);
		if (first)
			wake_loop(pool);
	}
	pool->nr_ended++;
	pthread_cond_signal(&pool->ended);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void reap_finished(int fd, unsigned events, void *data)
{
	struct worker_pool *pool = data;
	struct worker_job *job, *next;
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&pool->lock);
	job = pool->finished.first;
	job_list_init(&pool->finished);
	pthread_mutex_unlock(&pool->lock);
	for (; job; job = next) {
		next = job->next; /* done may free the job, or submit it again */
		job->done(job);
	}
}

static int start_threads(struct worker_pool *pool, unsigned nr_threads)
{
	sigset_t all, before;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* threads inherit it */
	while (!error && pool->nr_threads < nr_threads) {
		error = pthread_create(&pool->threads[pool->nr_threads], NULL, worker_thread, pool);
		if (!error)
			pool->nr_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

static void init_conditions(struct worker_pool *pool)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int worker_pool_new(struct loop *loop, unsigned nr_threads, struct worker_pool **ret)
{
	struct worker_pool *pool;
	int error;

	assert(nr_threads > 0);
	pool = calloc(1, sizeof(*pool) + nr_threads * sizeof(pool->threads[0]));
	if (!pool)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	init_conditions(pool);
	job_list_init(&pool->waiting);
	job_list_init(&pool->finished);
	pool->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = pool->event_fd < 0 ? -errno : 0;
	if (!error)
		error = loop_io_new(loop, pool->event_fd, LOOP_READ, reap_finished, pool,
				    &pool->io);
	if (!error)
		error = start_threads(pool, nr_threads);
	if (error) {
		worker_pool_free(pool);
		return error;
	}
	*ret = pool;
	return 0;
}

/* Tells the threads to stop. False when one does not within END_PATIENCE_S. */
static bool stop_threads(struct worker_pool *pool)
{
	struct timespec deadline;
	int error = 0;
	bool has_stopped;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += END_PATIENCE_S;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	while (pool->nr_ended < pool->nr_threads && !error)
		error = pthread_cond_timedwait(&pool->ended, &pool->lock, &deadline);
	has_stopped = pool->nr_ended == pool->nr_threads;
	pthread_mutex_unlock(&pool->lock);
	return has_stopped;
}

struct worker_pool *worker_pool_free(struct worker_pool *pool)
{
	if (!pool)
		return NULL;
	if (!stop_threads(pool)) {
		log_error("a helper thread does not end within %d s: ending without it",
			  END_PATIENCE_S);
		_exit(EXIT_FAILURE);
	}
	for (unsigned i = 0; i < pool->nr_threads; i++)
		pthread_join(pool->threads[i], NULL);
	loop_io_free(pool->io);
	if (pool->event_fd >= 0)
		close(pool->event_fd);
	pthread_cond_destroy(&pool->ended);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
	return NULL;
}

void worker_pool_submit(struct worker_pool *pool, struct worker_job *job)
{
	pthread_mutex_lock(&pool->lock);
	job_list_add(&pool->waiting, job);
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}
