/* SPDX-License-Identifier: MIT */
/*
 * Debug caches, seen from outside: processes that write where they may not, and what they, the
 * daemon's log and pagepoolctl have to say about it.
 */

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/daemon.h"
#include "support/pagepoolctl.h"

#define FRAME_BYTES 1500u
#define RED_HELD 0xcc

static struct daemon server;
static struct pp_client *client;
static struct pp_pool *pool;
static struct pp_cache *frames;

static struct pp_cache *open_frames(struct pp_pool *in)
{
	const struct pp_cache_config config = { .struct_size = sizeof(config),
						.name = "frames",
						.object_size = FRAME_BYTES,
						.flags = PP_CACHE_DEBUG };
	struct pp_cache *cache = NULL;

	return pp_cache_create(in, &config, &cache) == 0 ? cache : NULL;
}

static int setup(void **state)
{
	pagepoolctl_setup(state);
	daemon_start(&server, "topology = fake:1",
		     "[pool default]\nsize = 64M\n"
		     "[pool debug]\nsize = 64M\ndebug_objects = yes\n");
	*state = &server;
	return 0;
}

static int connect_client(void **state)
{
	(void)state;
	pool = daemon_open_pool(&server, "writer", &client);
	frames = open_frames(pool);
	assert_non_null(frames);
	return 0;
}

static int disconnect_client(void **state)
{
	(void)state;
	pp_pool_close(pool);
	pp_client_free(client);
	return 0;
}

static void assert_logged(const char *part)
{
	char *log = daemon_read_log(&server);

	assert_contains(log, part);
	free(log);
}

/* The only fault that there is, which ends the check with 1. The caller releases the document. */
static json_t *the_fault(json_t **ret)
{
	*ret = pagepoolctl_run_json(1, server.socket, "--json check --objects");
	json_t *faults = json_object_get(*ret, "faults");
	assert_int_equal(json_array_size(faults), 1);
	return json_array_get(faults, 0);
}

static void assert_no_fault(void)
{
	json_t *document = pagepoolctl_run_json(0, server.socket, "--json check --objects");

	assert_int_equal(json_array_size(json_object_get(document, "faults")), 0);
	json_decref(document);
}

static void test_debug_overrun_is_found_by_check_and_by_free(void **state)
{
	unsigned char *frame = pp_cache_alloc(frames, 0);
	char text[128];
	json_t *document;

	(void)state;
	assert_non_null(frame);
	memset(frame, 1, FRAME_BYTES);
	assert_no_fault();
	frame[FRAME_BYTES] = 0x2a;
	json_t *fault = the_fault(&document);
	assert_word(fault, "pool", "default");
	assert_word(fault, "cache", "frames");
	assert_number(fault, "object", (long long)pp_to_offset(pool, frame));
	assert_number(fault, "at", FRAME_BYTES);
	assert_number(fault, "expected", RED_HELD);
	assert_number(fault, "found", 0x2a);
	assert_word(json_object_get(fault, "holder"), "name", "writer");
	assert_number(json_object_get(fault, "holder"), "pid", getpid());
	json_decref(document);

	assert_int_equal(pp_cache_free(frames, frame), -EUCLEAN);
	snprintf(text, sizeof(text),
		 "object check at a free: pool 'default' cache 'frames' object 0x%" PRIx64
		 ": byte 1500, ",
		 pp_to_offset(pool, frame));
	assert_logged(text);
	assert_int_equal(frame[0], 1); /* it is held as before */
	frame[FRAME_BYTES] = RED_HELD;
	assert_int_equal(pp_cache_free(frames, frame), 0);
	assert_int_equal(pp_cache_free(frames, frame), -EINVAL);
	assert_no_fault();
}

static void test_debug_underrun_in_a_batch_frees_none_of_it(void **state)
{
	unsigned char *batch[100];

	(void)state;
	assert_int_equal(pp_cache_alloc_bulk(frames, 0, (void **)batch, 100), 100);
	batch[70][-1] = 0;
	assert_int_equal(pp_cache_free_bulk(frames, (void *const *)batch, 100), -EUCLEAN);
	assert_int_equal(pp_cache_destroy(frames), -EBUSY);
	batch[70][-1] = RED_HELD;
	assert_int_equal(pp_cache_free_bulk(frames, (void *const *)batch, 100), 0);
	assert_no_fault();
}

/* More than one request can name. */
static void test_debug_batches_of_any_size(void **state)
{
	enum { NR = 10000 };
	void **batch = calloc(NR, sizeof(*batch));

	(void)state;
	assert_non_null(batch);
	assert_int_equal(pp_cache_alloc_bulk(frames, PP_ZERO, batch, NR), NR);
	for (size_t i = 0; i < NR; i++) {
		assert_int_equal(((unsigned char *)batch[i])[FRAME_BYTES - 1], 0);
		memset(batch[i], (int)i, FRAME_BYTES);
	}
	assert_no_fault();
	assert_int_equal(pp_cache_free_bulk(frames, batch, NR), 0);
	assert_no_fault();
	free(batch);
}

/* A process that frees an object and writes to it after that, when it is told. */
static void late_writer(int from_parent, int to_parent, void *data)
{
	struct pp_client_config config = { .struct_size = sizeof(config),
					   .socket = server.socket,
					   .name = "late" };
	struct pp_client *own;
	struct pp_pool *own_pool;
	char byte;

	(void)data;
	CHILD_CHECK(pp_client_new(&own, &config) == 0);
	CHILD_CHECK(pp_pool_open(own, "default", 0, &own_pool) == 0);
	struct pp_cache *own_frames = open_frames(own_pool);
	CHILD_CHECK(own_frames);
	unsigned char *frame = pp_cache_alloc(own_frames, 0);
	CHILD_CHECK(frame);
	CHILD_CHECK(pp_cache_free(own_frames, frame) == 0);
	child_put(to_parent, "f", 1);
	child_get(from_parent, &byte, 1);
	frame[40] = 'x';
	child_put(to_parent, "w", 1);
	child_get(from_parent, &byte, 1);
}

static void test_debug_use_after_free_names_the_process(void **state)
{
	struct child child;
	char byte, text[128];
	json_t *document;

	(void)state;
	child_start(&child, (uid_t)-1, late_writer, NULL);
	child_read(&child, &byte, 1);
	assert_no_fault();
	child_write(&child, "g", 1);
	child_read(&child, &byte, 1);
	json_t *fault = the_fault(&document);
	assert_number(fault, "at", 40);
	assert_number(fault, "found", 'x');
	assert_true(json_is_null(json_object_get(fault, "holder")));
	assert_word(json_object_get(fault, "previous"), "name", "late");
	assert_number(json_object_get(fault, "previous"), "pid", child.pid);
	json_decref(document);

	/* Whoever gets it next has it mended. */
	unsigned char *frame = pp_cache_alloc(frames, 0);
	assert_non_null(frame);
	snprintf(text, sizeof(text), "(pid %d), before by client", (int)getpid());
	assert_logged(text);
	snprintf(text, sizeof(text), "'late' (pid %d)", (int)child.pid);
	assert_logged(text);
	assert_no_fault();
	child_write(&child, "g", 1);
	child_finish(&child);
	assert_int_equal(pp_cache_free(frames, frame), 0);
}

static void test_debug_writer_that_is_gone_is_said_to_be(void **state)
{
	struct child child;
	struct peer peer;
	json_t *document;
	char byte;

	(void)state;
	child_start(&child, (uid_t)-1, late_writer, NULL);
	child_read(&child, &byte, 1);
	child_write(&child, "g", 1);
	child_read(&child, &byte, 1);
	child_kill(&child);
	peer_hello(&peer, &server, "watcher");
	peer_await_clients(&peer, 2);
	json_t *fault = the_fault(&document);
	const json_t *previous = json_object_get(fault, "previous");
	assert_true(json_is_true(json_object_get(previous, "gone")));
	assert_word(previous, "name", "");
	assert_number(previous, "pid", child.pid);
	json_decref(document);
	assert_int_equal(pp_cache_free(frames, pp_cache_alloc(frames, 0)), 0);
	assert_no_fault();
	peer_close(&peer);
}

/* Ends with objects that it has scribbled over; they come back, and nobody is accused. */
static void scribbler(int from_parent, int to_parent, void *data)
{
	struct pp_client_config config = { .struct_size = sizeof(config), .socket = server.socket };
	struct pp_client *own;
	struct pp_pool *own_pool;
	unsigned char *batch[500];

	(void)from_parent;
	(void)data;
	CHILD_CHECK(pp_client_new(&own, &config) == 0);
	CHILD_CHECK(pp_pool_open(own, "default", 0, &own_pool) == 0);
	struct pp_cache *own_frames = open_frames(own_pool);
	CHILD_CHECK(own_frames);
	CHILD_CHECK(pp_cache_alloc_bulk(own_frames, 0, (void **)batch, 500) == 500);
	for (size_t i = 0; i < 500; i++)
		memset(batch[i] - 16, 0, FRAME_BYTES + 32);
	child_put(to_parent, "!", 1);
	kill(getpid(), SIGKILL);
}

static void test_debug_objects_of_the_dead_come_back(void **state)
{
	unsigned char *batch[500];
	struct child child;
	struct peer peer;
	char byte;

	(void)state;
	child_start(&child, (uid_t)-1, scribbler, NULL);
	child_read(&child, &byte, 1);
	child_kill(&child);
	peer_hello(&peer, &server, "watcher");
	peer_await_clients(&peer, 2);
	assert_no_fault();
	assert_int_equal(pp_cache_alloc_bulk(frames, 0, (void **)batch, 500), 500);
	assert_no_fault();
	assert_int_equal(pp_cache_free_bulk(frames, (void *const *)batch, 500), 0);
	assert_no_fault();
	peer_assert_check_clean(&peer);
	peer_close(&peer);
}

static void test_debug_pool_finds_overruns_of_malloc(void **state)
{
	static const size_t sizes[] = { 1, 16, 100, 4096, 20000, 32768 };
	struct pp_pool *debug;

	(void)state;
	assert_int_equal(pp_pool_open(client, "debug", 0, &debug), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		unsigned char *bytes = pp_malloc(debug, sizes[i], PP_ZERO);
		size_t usable = pp_usable_size(debug, bytes);

		assert_non_null(bytes);
		memset(bytes, 7, usable);
		bytes[usable] ^= 0x80;
		assert_int_equal(pp_free(debug, bytes), -EUCLEAN);
		bytes[usable] ^= 0x80;
		assert_int_equal(pp_free(debug, bytes), 0);
		assert_int_equal(bytes[usable / 2], 0x6b);
		assert_int_equal(pp_free(debug, bytes), -EINVAL);
	}
	pp_pool_close(debug);
	assert_no_fault();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_client, disconnect_client)
		TEST(test_debug_overrun_is_found_by_check_and_by_free),
		TEST(test_debug_underrun_in_a_batch_frees_none_of_it),
		TEST(test_debug_batches_of_any_size),
		TEST(test_debug_use_after_free_names_the_process),
		TEST(test_debug_writer_that_is_gone_is_said_to_be),
		TEST(test_debug_objects_of_the_dead_come_back),
		TEST(test_debug_pool_finds_overruns_of_malloc),
	};

	return cmocka_run_group_tests_name("objects_debug", tests, setup, daemon_teardown);
}
