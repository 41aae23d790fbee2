/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A daemon that follows a script, on a thread of the test: for what a real one never says, or says
 * too late.
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/message.h"

struct pp_client;
struct pp_pool;

/* On the script's thread cmocka's asserts can't be used: say it and abort. */
#define SCRIPT_CHECK(condition)                                                                    \
	do {                                                                                       \
		if (!(condition))                                                                  \
			script_fail(__FILE__, __LINE__, #condition);                               \
	} while (0)

_Noreturn void script_fail(const char *file, int line, const char *what);

struct scripted {
	char folder[64];
	char socket[96];
	int listener;
	int fd; /* the client's connection */
	struct frame_reader reader;
	struct frame_writer writer;
	void *arena;
	struct message_limits limits; /* told at hello; a script may change them before */
	sem_t go;                     /* the test lets the script go on */
	sem_t told;                   /* the script says how far it is */
	pthread_t thread;
	void (*script)(struct scripted *daemon, void *data);
	void *data;
};

/* Listens, and runs the script on a thread of its own as soon as a client has connected. */
void scripted_start(struct scripted *daemon, void (*script)(struct scripted *daemon, void *data),
		    void *data);
/* Waits for the script's end; then the connection closes. */
void scripted_finish(struct scripted *daemon);
/* For the test: lets scripted_wait() return once more. */
void scripted_go(struct scripted *daemon);
/* For the test: waits for one scripted_tell(). */
void scripted_await(struct scripted *daemon);

/* A client of the library that connects to it; 0 or what pp_client_new() said. */
int scripted_try_connect(const struct scripted *daemon, int timeout_ms, struct pp_client **ret);
/* The same, and its pool "default"; they fail the test when they can't. */
struct pp_client *scripted_connect(const struct scripted *daemon, int timeout_ms);
struct pp_pool *scripted_pool(struct pp_client *client);

/* All three at once, as most tests want them. */
struct scripted_fixture {
	struct scripted daemon;
	struct pp_client *client;
	struct pp_pool *pool;
};

/* With a client, and no pool opened yet. */
void scripted_fixture_connect(struct scripted_fixture *fixture,
			      void (*script)(struct scripted *daemon, void *data), void *data);
/* With a client and its pool "default". */
void scripted_fixture_open(struct scripted_fixture *fixture,
			   void (*script)(struct scripted *daemon, void *data), void *data);
void scripted_fixture_close(struct scripted_fixture *fixture);

/* For scripts. Receiving gives up after ten seconds and aborts the test. */

void scripted_wait(struct scripted *daemon);
void scripted_tell(struct scripted *daemon);
/* The next request, valid until the next call. False when the client has closed. */
bool scripted_receive(struct scripted *daemon, struct message *ret);
/* The same, and it must be of this type. */
void scripted_expect(struct scripted *daemon, enum message_type type, struct message *ret);
/* The client must have closed the connection. */
void scripted_expect_end(struct scripted *daemon);
void scripted_reply(struct scripted *daemon, const struct message *reply, const int *fds,
		    unsigned nr_fds);
/* A reply without a body. */
void scripted_reply_status(struct scripted *daemon, uint64_t id, enum message_status status);
void scripted_send_bytes(struct scripted *daemon, const void *bytes, size_t size_bytes);

/* Receives hello and welcomes the client. */
void scripted_welcome(struct scripted *daemon);
/* Receives a request to open a pool and answers with fresh segments of nodes 0, 1, …. */
void scripted_open_pool(struct scripted *daemon, unsigned nr_zones, uint64_t zone_bytes);
/* Answers `id` with one run. */
void scripted_grant(struct scripted *daemon, uint64_t id, uint64_t base, uint64_t mask);
/* Receives a request to create a cache and answers with this. */
void scripted_open_cache(struct scripted *daemon, const struct message_cache_info *cache);
/* Answers `id` with objects; nr_raw masks may be none. */
void scripted_grant_objects(struct scripted *daemon, uint64_t id, const struct message_run *runs,
			    size_t nr_runs, const uint64_t *raw, size_t nr_raw);
/* Serves goodbye and pool-close until the client is gone. */
void scripted_goodbye(struct scripted *daemon);

/* A whole script: one pool with two zones of SCRIPTED_ZONE_BYTES, and nothing else is asked. */
void scripted_pool_only(struct scripted *daemon, void *data);

#define SCRIPTED_ZONE_PAGES 256u
#define SCRIPTED_ZONE_BYTES (SCRIPTED_ZONE_PAGES * 4096u)

/* A segment to hand out; the caller closes it. */
int scripted_memfd(uint64_t size_bytes);
