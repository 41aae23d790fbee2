/* SPDX-License-Identifier: MIT */
#pragma once

/* A session over a socket pair, on a loop that a test runs, without a daemon behind it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "service/session.h"

struct loop;
struct loop_timer;

/* A session's owner, and the peer at the other end of its socket. */
struct session_fixture {
	struct loop *loop;
	struct loop_timer *patience;
	struct session *session;
	struct codec_arena arena, peer_arena;
	struct frame_reader reader; /* the peer's */
	int session_fd;             /* the session's */
	int fd;
	uint64_t next_id;

	enum session_verdict verdict;
	unsigned nr_parts; /* of the next request, before it is served */
	bool is_silent;    /* does not reply */
	bool is_wordy;     /* replies with much */
	bool is_giving;    /* replies with a descriptor */
	uint64_t work_ns;  /* that each request takes */
	unsigned nr_served;
	unsigned nr_quit; /* the loop quits when so many are served */
	bool is_closed;
	const char *why;
};

/* For cmocka: *state is a struct session_fixture. */
int session_fixture_setup(void **state);
int session_fixture_teardown(void **state);

#define SESSION_TEST(name)                                                                         \
	cmocka_unit_test_setup_teardown(name, session_fixture_setup, session_fixture_teardown)

/*
 * Each runs the loop, for ten seconds at most: then the test has failed. The first until something
 * quits it: a request that is not served, the last of nr_quit, the session's end.
 */
void session_fixture_run(struct session_fixture *fixture);
void session_fixture_run_until_served(struct session_fixture *fixture, unsigned nr_served);
void session_fixture_run_until_closed(struct session_fixture *fixture);
/* Several rounds of the loop in which nothing else need happen. */
void session_fixture_run_rounds(struct session_fixture *fixture, unsigned nr_rounds);

/* Pings as bytes, each with its length in front and the next id; returns how many bytes. */
size_t session_fixture_make_pings(struct session_fixture *fixture, uint8_t *bytes, unsigned count);
void session_fixture_send_bytes(struct session_fixture *fixture, const void *bytes,
				size_t size_bytes);
void session_fixture_send_pings(struct session_fixture *fixture, unsigned count);

/* What the peer has got by now; false when that is all. Valid until the next call. */
bool session_fixture_receive(struct session_fixture *fixture, struct message *ret);
/* The same of all of it. */
unsigned session_fixture_count_replies(struct session_fixture *fixture);
