/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A real pagepoold for a test, in a folder of its own, and ways to meet it: through the library,
 * or byte by byte as a peer that need not behave.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/frame.h"
#include "proto/message.h"

struct pp_client;
struct pp_pool;

struct daemon {
	pid_t pid;
	char folder[64];
	char socket[96];
	char log[96]; /* the daemon's standard error */
};

/*
 * Starts the daemon with `sections` as its configuration behind a [daemon] section that names the
 * socket (`daemon_keys` are added to it; may be ""), and waits for its READY. Fails the test when
 * it does not come. Any user may reach the socket.
 */
void daemon_start(struct daemon *daemon, const char *daemon_keys, const char *sections);

/* The same for a daemon that is expected to refuse: waits for its end, returns its exit status. */
int daemon_start_refused(struct daemon *daemon, const char *daemon_keys, const char *sections);

/* Starts one again where the first was killed, with the same configuration. */
void daemon_restart(struct daemon *daemon);

/* Writes another configuration for it, as daemon_start() does; it is read when the daemon is told.
 */
void daemon_configure(const struct daemon *daemon, const char *daemon_keys, const char *sections);

/* SIGTERM, and fails the test unless it ends with status 0 and leaves no socket behind. */
void daemon_stop(struct daemon *daemon);

/* For cmocka, after a group: *state is the daemon that its setup started, NULL if it did not. */
int daemon_teardown(void **state);

/* Removes what is left of a daemon that was killed or has refused. */
void daemon_remove(const struct daemon *daemon);

/* What the daemon has logged so far; the caller frees it. */
char *daemon_read_log(const struct daemon *daemon);

/* Path of a program that was built beside this test: "pagepoold", "pagepoolctl". */
void daemon_program(const char *name, char *ret, size_t size_bytes);

/* A client of the library; fails the test when it can't connect. */
struct pp_client *daemon_connect(const struct daemon *daemon, const char *name);
/* The same, and its pool "default". */
struct pp_pool *daemon_open_pool(const struct daemon *daemon, const char *name,
				 struct pp_client **ret_client);

/*
 * A descriptor of the one segment of a pool, for the caller to close; the connection that it came
 * by is gone.
 */
int daemon_open_segment(const struct daemon *daemon, const char *pool);

/* A connection without the library. */
struct peer {
	int fd;
	struct frame_reader reader;
	uint8_t *out;
	uint8_t *arena;
	uint64_t next_id;
};

/* Connects; nothing is said yet. Receiving gives up after twenty seconds and fails the test. */
void peer_connect(struct peer *peer, const struct daemon *daemon);
/* Connects and says hello. Returns the client's id. */
uint32_t peer_hello(struct peer *peer, const struct daemon *daemon, const char *name);
/* Opens a pool; closes the descriptors that came. Returns the pool's number on this connection. */
uint32_t peer_open_pool(struct peer *peer, const char *name);
void peer_close(struct peer *peer);

void peer_send_bytes(struct peer *peer, const void *bytes, size_t size_bytes);
/* Fills in the id when it is 0. */
void peer_send(struct peer *peer, struct message *request);
/* The next reply. False when the daemon has hung up. Valid until the next call. */
bool peer_receive(struct peer *peer, struct message *ret);
/* Sends and receives one; fails the test when the daemon hangs up. */
void peer_call(struct peer *peer, struct message *request, struct message *ret);

/* The state of one pool, through a peer: zones[] and policies[] are copied to static memory. */
struct message_pool_info peer_pool_info(struct peer *peer, const char *pool);

/*
 * Asks again and again, for at most twenty seconds, until the pool has this many free bytes; fails
 * the test when it does not get there.
 */
void peer_await_free(struct peer *peer, const char *pool, uint64_t free_bytes);

/* The same for the number of clients, the asking one included. */
void peer_await_clients(struct peer *peer, uint32_t nr_clients);

/* Fails the test unless the daemon's own check finds nothing wrong. */
void peer_assert_check_clean(struct peer *peer);

/* Awaits that, lets the daemon check itself, and closes the connection. */
void peer_finish(struct peer *peer, const char *pool, uint64_t free_bytes);
