/* SPDX-License-Identifier: MIT */
/*
 * The client's end of the socket against a daemon that follows a script: many threads over one
 * connection, timeouts, replies that can't be true, and a daemon that goes away.
 */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "lib/client.h"
#include "lib/connection.h"
#include "pagepool.h"
#include "support/alarms.h"
#include "support/scripted.h"

#define ZONE_BYTES (1u << 20)
#define SHORT_MS 200 /* long enough for hello on a busy machine */
#define LONG_MS 10000

static int ping(struct pp_client *client)
{
	struct ppc_call call = { .request.type = MESSAGE_PING, .reply_type = MESSAGE_NONE };

	return ppc_connection_call(client->connection, &call);
}

static int64_t elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* Timeouts. */

static void script_events_only(struct scripted *daemon, void *data)
{
	const struct message event = { .type = MESSAGE_EVENT,
				       .error = "",
				       .u.event.kind = MESSAGE_EVENT_SHUTDOWN };
	struct timespec pause = { .tv_nsec = 2000000 };
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_expect(daemon, MESSAGE_PING, &request);
	/* Until told: the caller is never without something to read for long. */
	while (sem_trywait(&daemon->go) != 0) {
		scripted_reply(daemon, &event, NULL, 0);
		nanosleep(&pause, NULL);
	}
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_goodbye(daemon);
}

static void test_connection_timeout_holds_amid_other_traffic(void **state)
{
	struct timespec start;
	struct scripted daemon;
	struct pp_client *client;

	(void)state;
	scripted_start(&daemon, script_events_only, NULL);
	client = scripted_connect(&daemon, 200);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(ping(client), -ETIMEDOUT);
	assert_in_range(elapsed_ms(&start), 200, 2000);
	scripted_go(&daemon);
	pp_client_free(client);
	scripted_finish(&daemon);
}

static void script_no_answer(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_expect(daemon, MESSAGE_PING, &request);
	scripted_wait(daemon);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_goodbye(daemon);
}

static void on_alarm(int signo)
{
	(void)signo;
}

/* A process that is interrupted more often than its timeout is long gives up all the same. */
static void test_connection_timeout_holds_amid_signals(void **state)
{
	struct timespec start;
	struct scripted daemon;
	struct pp_client *client;

	(void)state;
	scripted_start(&daemon, script_no_answer, NULL);
	client = scripted_connect(&daemon, 200);
	alarms_start(on_alarm, 20000);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(ping(client), -ETIMEDOUT);
	assert_in_range(elapsed_ms(&start), 200, 2000);
	alarms_stop();
	scripted_go(&daemon);
	pp_client_free(client);
	scripted_finish(&daemon);
}

#define BACKLOG 2u

static void script_backlog(struct scripted *daemon, void *data)
{
	struct message request;
	uint64_t ids[BACKLOG];

	(void)data;
	daemon->limits.in_flight = BACKLOG;
	scripted_welcome(daemon);
	for (unsigned i = 0; i < BACKLOG; i++) {
		scripted_expect(daemon, MESSAGE_PING, &request);
		ids[i] = request.id;
	}
	scripted_wait(daemon);
	for (unsigned i = 0; i < BACKLOG; i++)
		scripted_reply_status(daemon, ids[i], MESSAGE_STATUS_OK);
	scripted_expect(daemon, MESSAGE_PING, &request); /* one, not one a caller */
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_goodbye(daemon);
}

static void test_connection_abandoned_requests_are_bounded(void **state)
{
	struct scripted daemon;
	struct pp_client *client;

	(void)state;
	scripted_start(&daemon, script_backlog, NULL);
	client = scripted_connect(&daemon, SHORT_MS);
	for (unsigned i = 0; i < BACKLOG + 2; i++)
		assert_int_equal(ping(client), -ETIMEDOUT);
	scripted_go(&daemon);
	assert_in_range(pp_client_dispatch(client, LONG_MS), 1, BACKLOG);
	assert_int_equal(ping(client), 0);
	pp_client_free(client);
	scripted_finish(&daemon);
}

/* More than the socket takes: the rest goes out when the daemon reads again. */
#define NR_STUFFED 10u
#define STUFFED_RUNS 2000u

static void script_reads_late(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_wait(daemon);
	for (unsigned i = 0; i < NR_STUFFED; i++) {
		scripted_expect(daemon, MESSAGE_FREE, &request);
		SCRIPT_CHECK(request.u.free.nr_runs == STUFFED_RUNS);
		scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	}
	scripted_goodbye(daemon);
}

static void test_connection_sends_the_rest_when_the_daemon_reads_again(void **state)
{
	static void *addrs[STUFFED_RUNS];
	struct scripted daemon;
	struct pp_client *client;
	struct pp_pool *pool;
	unsigned nr_served = 0;

	(void)state;
	scripted_start(&daemon, script_reads_late, NULL);
	client = scripted_connect(&daemon, SHORT_MS);
	pool = scripted_pool(client);
	for (unsigned i = 0; i < STUFFED_RUNS; i++) /* no two are neighbours */
		addrs[i] = pp_from_offset(pool, (i & 1) * 128 * PP_PAGE_SIZE);
	for (unsigned i = 0; i < NR_STUFFED; i++)
		assert_int_equal(pp_free_bulk(pool, 0, addrs, STUFFED_RUNS), -ETIMEDOUT);
	scripted_go(&daemon);
	while (nr_served < NR_STUFFED) {
		int n = pp_client_dispatch(client, LONG_MS);

		assert_in_range(n, 1, NR_STUFFED);
		nr_served += (unsigned)n;
	}
	pp_client_free(client);
	scripted_finish(&daemon);
}

/* Many threads. */

#define NR_THREADS 8u

static void script_reverse(struct scripted *daemon, void *data)
{
	struct message request;
	struct {
		uint64_t id;
		unsigned order;
	} asked[NR_THREADS];

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < NR_THREADS; i++) {
			scripted_expect(daemon, MESSAGE_ALLOC, &request);
			asked[i].id = request.id;
			asked[i].order = request.u.alloc.order;
		}
		for (unsigned i = NR_THREADS; i-- > 0;)
			scripted_grant(daemon, asked[i].id, UINT64_C(1) << asked[i].order, 1);
	}
	scripted_goodbye(daemon);
}

struct caller {
	pthread_t thread;
	struct pp_pool *pool;
	pthread_barrier_t *barrier;
	unsigned order;
	unsigned nr_wrong;
};

static void *run_caller(void *data)
{
	struct caller *caller = data;

	for (unsigned round = 0; round < 50; round++) {
		void *addr = pp_alloc_pages(caller->pool, caller->order, 0);
		pp_offset offset = addr ? pp_to_offset(caller->pool, addr) : 0;

		caller->nr_wrong += offset != (pp_offset)PP_PAGE_SIZE << caller->order;
		pthread_barrier_wait(caller->barrier);
	}
	return NULL;
}

static void test_connection_replies_find_their_callers(void **state)
{
	struct caller callers[NR_THREADS];
	pthread_barrier_t barrier;
	struct scripted daemon;
	struct pp_client *client;
	struct pp_pool *pool;

	(void)state;
	scripted_start(&daemon, script_reverse, NULL);
	client = scripted_connect(&daemon, LONG_MS);
	pool = scripted_pool(client);
	pthread_barrier_init(&barrier, NULL, NR_THREADS);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		callers[i] = (struct caller){ .pool = pool, .barrier = &barrier, .order = i % 8 };
		assert_int_equal(pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(callers[i].thread, NULL);
		assert_int_equal(callers[i].nr_wrong, 0);
	}
	pthread_barrier_destroy(&barrier);
	pp_client_free(client);
	scripted_finish(&daemon);
}

#define NR_PINGS 10u

/* Half of the callers are never answered; the others must not suffer when those give up. */
static void script_answers_half(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	for (unsigned i = 0; i < NR_THREADS * NR_PINGS; i++) {
		scripted_expect(daemon, MESSAGE_PING, &request);
		if (i % 2)
			scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	}
	scripted_goodbye(daemon);
}

static void *run_pinger(void *data)
{
	struct pp_client *client = data;
	uintptr_t nr_answered = 0;

	for (unsigned i = 0; i < NR_PINGS; i++) {
		int error = ping(client);

		if (error && error != -ETIMEDOUT)
			return (void *)UINTPTR_MAX;
		nr_answered += !error;
	}
	return (void *)nr_answered;
}

static void test_connection_giving_up_disturbs_nobody(void **state)
{
	pthread_t threads[NR_THREADS];
	uintptr_t nr_answered = 0;
	struct scripted daemon;
	struct pp_client *client;

	(void)state;
	scripted_start(&daemon, script_answers_half, NULL);
	client = scripted_connect(&daemon, SHORT_MS);
	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_pinger, client), 0);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		void *answered;

		pthread_join(threads[i], &answered);
		assert_ptr_not_equal(answered, (void *)UINTPTR_MAX);
		nr_answered += (uintptr_t)answered;
	}
	/* On a busy machine an answer may come too late; never one more than was given. */
	assert_in_range(nr_answered, 1, NR_THREADS * NR_PINGS / 2);
	pp_client_free(client);
	scripted_finish(&daemon);
}

/* The end. */

static void script_hang_up_amid_calls(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	for (unsigned i = 0; i < NR_THREADS; i++)
		scripted_expect(daemon, MESSAGE_PING, &request);
}

static void *run_one_ping(void *data)
{
	return (void *)(intptr_t)ping(data);
}

static void test_connection_loss_reaches_all_callers(void **state)
{
	pthread_t threads[NR_THREADS];
	struct scripted daemon;
	struct pp_client *client;

	(void)state;
	scripted_start(&daemon, script_hang_up_amid_calls, NULL);
	client = scripted_connect(&daemon, LONG_MS);
	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_one_ping, client), 0);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		void *error;

		pthread_join(threads[i], &error);
		assert_int_equal((intptr_t)error, -ECONNRESET);
	}
	assert_int_equal(ping(client), -ECONNRESET);
	assert_int_equal(pp_client_dispatch(client, LONG_MS), -ECONNRESET);
	pp_client_free(client);
	scripted_finish(&daemon);
}

static void script_last_words(struct scripted *daemon, void *data)
{
	(void)data;
	scripted_welcome(daemon);
	shutdown(daemon->fd, SHUT_RD);
	scripted_tell(daemon);
	scripted_wait(daemon);
}

/* A daemon that hears nothing any more must not keep a caller busy or waiting. */
static void test_connection_deaf_daemon_is_gone(void **state)
{
	struct timespec start;
	struct scripted daemon;
	struct pp_client *client;

	(void)state;
	scripted_start(&daemon, script_last_words, NULL);
	client = scripted_connect(&daemon, LONG_MS);
	scripted_await(&daemon);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(ping(client), -ECONNRESET);
	assert_in_range(elapsed_ms(&start), 0, LONG_MS / 2);
	scripted_go(&daemon);
	pp_client_free(client);
	scripted_finish(&daemon);
}

static void script_event(struct scripted *daemon, void *data)
{
	const struct message event = { .type = MESSAGE_EVENT,
				       .error = "",
				       .u.event.kind = MESSAGE_EVENT_SHUTDOWN };

	(void)data;
	scripted_welcome(daemon);
	scripted_wait(daemon);
	scripted_reply(daemon, &event, NULL, 0);
}

/* A client that waits for ever must not make a dispatch wait that was not to. */
static void test_connection_dispatch_serves_events(void **state)
{
	static const int timeouts_ms[] = { LONG_MS, -1 };

	(void)state;
	for (size_t i = 0; i < sizeof(timeouts_ms) / sizeof(timeouts_ms[0]); i++) {
		struct scripted daemon;
		struct pp_client *client;

		scripted_start(&daemon, script_event, NULL);
		client = scripted_connect(&daemon, timeouts_ms[i]);
		assert_int_equal(pp_client_dispatch(client, 0), 0);
		assert_int_equal(pp_client_dispatch(client, 5), 0);
		assert_int_equal(pp_client_dispatch(client, -2), -EINVAL);
		scripted_go(&daemon);
		assert_int_equal(pp_client_dispatch(client, LONG_MS), 1);
		assert_int_equal(pp_client_dispatch(client, -1), -ECONNRESET);
		pp_client_free(client);
		scripted_finish(&daemon);
	}
}

/* Lies. */

enum lie { LIE_TWICE, LIE_UNKNOWN_ID, LIE_WRONG_TYPE, NR_LIES };

static void script_lie(struct scripted *daemon, void *data)
{
	struct message request, reply = { .error = "" };
	enum lie lie = *(const enum lie *)data;

	scripted_welcome(daemon);
	scripted_expect(daemon, MESSAGE_PING, &request);
	reply.id = request.id;
	if (lie == LIE_UNKNOWN_ID)
		reply.id += 1u << 8; /* the same slot, another request */
	if (lie == LIE_WRONG_TYPE) {
		reply.type = MESSAGE_GRANTED_EXACT;
		reply.u.granted_exact.page = 1;
	}
	if (lie == LIE_TWICE)
		scripted_reply(daemon, &reply, NULL, 0);
	scripted_reply(daemon, &reply, NULL, 0);
	scripted_expect_end(daemon);
}

static void test_connection_lies_end_it(void **state)
{
	(void)state;
	for (enum lie lie = 0; lie < NR_LIES; lie++) {
		struct scripted daemon;
		struct pp_client *client;
		int error;

		scripted_start(&daemon, script_lie, &lie);
		client = scripted_connect(&daemon, LONG_MS);
		error = ping(client);
		/* Said twice, the first may be read alone, and is right. */
		assert_true(error == -EPROTO || (lie == LIE_TWICE && error == 0));
		if (lie == LIE_TWICE)
			assert_int_equal(pp_client_dispatch(client, LONG_MS), -EPROTO);
		assert_int_equal(ping(client), -EPROTO);
		assert_int_equal(pp_client_dispatch(client, 0), -EPROTO);
		pp_client_free(client);
		scripted_finish(&daemon);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection_timeout_holds_amid_other_traffic),
		cmocka_unit_test(test_connection_timeout_holds_amid_signals),
		cmocka_unit_test(test_connection_abandoned_requests_are_bounded),
		cmocka_unit_test(test_connection_sends_the_rest_when_the_daemon_reads_again),
		cmocka_unit_test(test_connection_replies_find_their_callers),
		cmocka_unit_test(test_connection_giving_up_disturbs_nobody),
		cmocka_unit_test(test_connection_loss_reaches_all_callers),
		cmocka_unit_test(test_connection_deaf_daemon_is_gone),
		cmocka_unit_test(test_connection_dispatch_serves_events),
		cmocka_unit_test(test_connection_lies_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
