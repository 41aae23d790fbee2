/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The daemon's insides without its socket: pools on two invented nodes, and clients whose replies
 * are caught instead of sent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/frame.h"
#include "proto/message.h"
#include "service/client.h"
#include "service/state.h"

#define FIXTURE_ZONE_PAGES 1024u /* in each of two zones of each pool: two chunks of 2 MiB */
#define FIXTURE_MAX_ORDER 9u
#define FIXTURE_NODE_BYTES (UINT64_C(512) << 20)

/* The pools: for everybody of these tests; to be read by READER; for nobody of them. */
#define FIXTURE_POOL "default"
#define FIXTURE_POOL_READ "read"
#define FIXTURE_POOL_CLOSED "closed"
#define FIXTURE_UID 1000u
#define FIXTURE_UID_READER 1001u

struct fixture {
	struct service service;
	struct service_config config;
	struct service_pool_config pools[3];
};

/* `commit` is of all pools. Fails the test when it can't. */
struct fixture *fixture_new(enum service_commit commit);
/* One pool alone, with zones of so many pages and no memory behind them. */
struct fixture *fixture_new_large(uint32_t zone_pages);
/* Checks every pool's invariants first. */
void fixture_free(struct fixture *fixture);

/* A client, and the last reply that it got. */
struct fixture_client {
	struct client client;
	struct fixture *fixture;
	unsigned nr_replies;
	unsigned nr_wanted; /* the loop quits when they are there */
	struct message reply;
	char error[256];  /* of the last reply */
	char fault[256];  /* likewise, of a check */
	char lines[2048]; /* likewise, of a reload, each with its newline */
	int fds[FRAME_FDS_MAX];
	unsigned nr_fds;
	struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX]; /* of the last grant */
	uint64_t raw[MESSAGE_BATCH_BLOCKS_MAX];            /* likewise, of objects */
	uint64_t next_id;
};

/* Connected, and nothing said yet. */
struct fixture_client *fixture_client_new(struct fixture *fixture, uid_t uid);
/* With hello said. */
struct fixture_client *fixture_client_greeted(struct fixture *fixture, uid_t uid);
/* Ends what is left of it as the end of its process would. */
void fixture_client_free(struct fixture_client *client);

/* Serves one request; its id is filled in. */
enum session_verdict fixture_serve(struct fixture_client *client, struct message *request);
/* Serves one request and waits for the reply, now or later. */
const struct message *fixture_call(struct fixture_client *client, struct message *request);
/* Runs the loop until the client has got so many replies in all. */
void fixture_await(struct fixture_client *client, unsigned nr_replies);

/* Opens a pool and returns its handle. */
uint32_t fixture_open(struct fixture_client *client, const char *name, bool read_only);

/* Makes a cache, or opens it, and returns its handle. */
uint32_t fixture_make_cache(struct fixture_client *client, uint32_t pool, const char *name,
			    uint32_t object_bytes, uint32_t flags);
/* Requests; the runs are borrowed. */
struct message fixture_alloc_objects(uint32_t pool, uint32_t cache, uint32_t count);
struct message fixture_free_objects(uint32_t pool, uint32_t cache, const struct message_run *runs,
				    size_t nr_runs);
/* How many objects a reply grants, which must be one that does. */
unsigned fixture_count_objects(const struct message *reply);

/* The reply refuses with this status, and its text has the word in it. */
void fixture_assert_refused(const struct message *reply, enum message_status status,
			    const char *word);
uint64_t fixture_held_bytes(const struct fixture_client *client);
/* Of a client without objects. */
uint64_t fixture_held_pages(const struct fixture_client *client);
