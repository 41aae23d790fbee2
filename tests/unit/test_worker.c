/* SPDX-License-Identifier: MIT */
/* Helper threads: every job comes back once, on the loop, in the order in which it finished. */

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/log.h"
#include "service/loop.h"
#include "service/worker.h"

#define NR_JOBS 1000u

struct fixture {
	struct loop *loop;
	struct worker_pool *pool;
	unsigned nr_done, nr_wanted; /* the loop is left at nr_wanted */
	unsigned order[NR_JOBS];
	pthread_t loop_thread;
};

struct numbered_job {
	struct worker_job job;
	struct fixture *fixture;
	unsigned number;
	unsigned nr_runs; /* plain: only the mutex orders it */
	bool was_elsewhere, were_signals_blocked;
	unsigned nr_repeats;
};

/* A pipe's two ends hold a helper until the test lets it go. */
struct gate_job {
	struct numbered_job numbered;
	int entered, release;
};

static void start(struct fixture *fixture, unsigned nr_threads)
{
	*fixture = (struct fixture){ .loop_thread = pthread_self() };
	assert_int_equal(loop_new(&fixture->loop), 0);
	assert_int_equal(worker_pool_new(fixture->loop, nr_threads, &fixture->pool), 0);
}

static void stop(struct fixture *fixture)
{
	fixture->pool = worker_pool_free(fixture->pool);
	assert_null(loop_free(fixture->loop));
}

static void run_numbered(struct worker_job *job)
{
	struct numbered_job *numbered = (struct numbered_job *)job;
	sigset_t blocked;

	numbered->nr_runs++;
	numbered->was_elsewhere = !pthread_equal(pthread_self(), numbered->fixture->loop_thread);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	numbered->were_signals_blocked =
		sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGUSR1);
}

static void done_numbered(struct worker_job *job)
{
	struct numbered_job *numbered = (struct numbered_job *)job;
	struct fixture *fixture = numbered->fixture;

	assert_true(pthread_equal(pthread_self(), fixture->loop_thread));
	if (numbered->nr_repeats > 0) {
		numbered->nr_repeats--;
		worker_pool_submit(fixture->pool, job);
		return;
	}
	fixture->order[fixture->nr_done++] = numbered->number;
	if (fixture->nr_done == fixture->nr_wanted)
		loop_quit(fixture->loop);
}

static struct numbered_job numbered_job(struct fixture *fixture, unsigned number)
{
	return (struct numbered_job){
		.job = { .run = run_numbered, .done = done_numbered },
		.fixture = fixture,
		.number = number,
	};
}

static void run_until(struct fixture *fixture, unsigned nr_done)
{
	fixture->nr_wanted = nr_done;
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_int_equal(fixture->nr_done, nr_done);
}

static void test_worker_job_runs_elsewhere_and_is_done_on_the_loop(void **state)
{
	struct fixture fixture;
	struct numbered_job job;

	(void)state;
	start(&fixture, 1);
	job = numbered_job(&fixture, 0);
	worker_pool_submit(fixture.pool, &job.job);
	run_until(&fixture, 1);
	assert_int_equal(job.nr_runs, 1);
	assert_true(job.was_elsewhere);
	assert_true(job.were_signals_blocked);
	stop(&fixture);
}

static void test_worker_leaves_the_callers_signal_mask(void **state)
{
	struct fixture fixture;
	sigset_t before, after;

	(void)state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	start(&fixture, 2);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
	stop(&fixture);
}

static void test_worker_one_thread_keeps_the_order(void **state)
{
	static struct numbered_job jobs[NR_JOBS];
	struct fixture fixture;

	(void)state;
	start(&fixture, 1);
	for (unsigned i = 0; i < NR_JOBS; i++) {
		jobs[i] = numbered_job(&fixture, i);
		worker_pool_submit(fixture.pool, &jobs[i].job);
	}
	run_until(&fixture, NR_JOBS);
	for (unsigned i = 0; i < NR_JOBS; i++)
		assert_int_equal(fixture.order[i], i);
	stop(&fixture);
}

static void test_worker_every_job_is_done_once(void **state)
{
	static struct numbered_job jobs[NR_JOBS];
	struct fixture fixture;

	(void)state;
	start(&fixture, 4);
	for (unsigned i = 0; i < NR_JOBS; i++) {
		jobs[i] = numbered_job(&fixture, i);
		worker_pool_submit(fixture.pool, &jobs[i].job);
	}
	run_until(&fixture, NR_JOBS);
	for (unsigned i = 0; i < NR_JOBS; i++)
		assert_int_equal(jobs[i].nr_runs, 1);
	stop(&fixture);
}

static void test_worker_done_may_submit_the_job_again(void **state)
{
	struct fixture fixture;
	struct numbered_job job;

	(void)state;
	start(&fixture, 2);
	job = numbered_job(&fixture, 0);
	job.nr_repeats = 50;
	worker_pool_submit(fixture.pool, &job.job);
	run_until(&fixture, 1);
	assert_int_equal(job.nr_runs, 51);
	stop(&fixture);
}

static void run_gate(struct worker_job *job)
{
	struct gate_job *gate = (struct gate_job *)job;
	char byte = 'e';

	if (write(gate->entered, &byte, 1) == 1 && read(gate->release, &byte, 1) == 1)
		gate->numbered.nr_runs++;
}

static void test_worker_jobs_finish_in_their_own_order(void **state)
{
	struct fixture fixture;
	struct gate_job gate;
	struct numbered_job quick;
	int entered[2], release[2];
	char byte = 'r';

	(void)state;
	start(&fixture, 2);
	assert_int_equal(pipe(entered), 0);
	assert_int_equal(pipe(release), 0);
	gate = (struct gate_job){ numbered_job(&fixture, 1), entered[1], release[0] };
	gate.numbered.job.run = run_gate;
	quick = numbered_job(&fixture, 2);
	worker_pool_submit(fixture.pool, &gate.numbered.job);
	assert_int_equal(read(entered[0], &byte, 1), 1); /* one thread is held */
	worker_pool_submit(fixture.pool, &quick.job);
	run_until(&fixture, 1); /* the other passes it */
	assert_int_equal(write(release[1], &byte, 1), 1);
	run_until(&fixture, 2);
	assert_int_equal(fixture.order[0], 2);
	assert_int_equal(fixture.order[1], 1);
	stop(&fixture);
	for (unsigned i = 0; i < 2; i++) {
		close(entered[i]);
		close(release[i]);
	}
}

static void test_worker_free_finishes_what_runs_and_drops_what_waits(void **state)
{
	struct fixture fixture;
	struct gate_job gate;
	struct numbered_job waiting;
	int entered[2], release[2];
	char byte = 'r';

	(void)state;
	start(&fixture, 1);
	assert_int_equal(pipe(entered), 0);
	assert_int_equal(pipe(release), 0);
	gate = (struct gate_job){ numbered_job(&fixture, 1), entered[1], release[0] };
	gate.numbered.job.run = run_gate;
	waiting = numbered_job(&fixture, 2);
	worker_pool_submit(fixture.pool, &gate.numbered.job);
	worker_pool_submit(fixture.pool, &waiting.job);
	assert_int_equal(read(entered[0], &byte, 1), 1);
	assert_int_equal(write(release[1], &byte, 1), 1);
	stop(&fixture);
	assert_int_equal(gate.numbered.nr_runs, 1);
	assert_int_equal(fixture.nr_done, 0);
	for (unsigned i = 0; i < 2; i++) {
		close(entered[i]);
		close(release[i]);
	}
}

/* A child: its pool can't be freed, and nothing may be freed behind it. */
static void end_with_a_stuck_helper(int entered, int from_helper)
{
	struct fixture fixture;
	struct gate_job gate;
	int never[2];
	char byte;

	start(&fixture, 1);
	if (pipe(never) < 0)
		_exit(2);
	gate = (struct gate_job){ numbered_job(&fixture, 1), entered, never[0] };
	gate.numbered.job.run = run_gate;
	worker_pool_submit(fixture.pool, &gate.numbered.job);
	if (read(from_helper, &byte, 1) != 1)
		_exit(2);
	log_set_level(LOG_CRIT);
	worker_pool_free(fixture.pool);
	_exit(0);
}

static void test_worker_free_ends_the_process_when_a_helper_is_stuck(void **state)
{
	int entered[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(entered), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		end_with_a_stuck_helper(entered[1], entered[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
	close(entered[0]);
	close(entered[1]);
}

static void test_worker_free_accepts_null(void **state)
{
	(void)state;
	assert_null(worker_pool_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker_job_runs_elsewhere_and_is_done_on_the_loop),
		cmocka_unit_test(test_worker_leaves_the_callers_signal_mask),
		cmocka_unit_test(test_worker_one_thread_keeps_the_order),
		cmocka_unit_test(test_worker_every_job_is_done_once),
		cmocka_unit_test(test_worker_done_may_submit_the_job_again),
		cmocka_unit_test(test_worker_jobs_finish_in_their_own_order),
		cmocka_unit_test(test_worker_free_finishes_what_runs_and_drops_what_waits),
		cmocka_unit_test(test_worker_free_ends_the_process_when_a_helper_is_stuck),
		cmocka_unit_test(test_worker_free_accepts_null),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
