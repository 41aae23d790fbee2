/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The client's end of the socket: many threads ask, each gets its own reply.
 *
 * Thread-safe but for new and free. Nothing here knows pools or pages.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

struct ppc_connection;

/* A reply, for as long as its acceptor runs. */
struct ppc_reply {
	const struct message *message;
	const uint8_t *bytes; /* the frame it was decoded from */
	size_t size_bytes;
	const int *fds; /* came with it; only MESSAGE_POOL_OPENED brings any */
	unsigned nr_fds;
};

/* A request and what is expected of its reply. On the caller's stack. */
struct ppc_call {
	struct message request; /* the id is filled in */
	enum message_type reply_type;
	/*
	 * Takes what it wants from a reply of that type and status OK: it runs on whichever thread
	 * reads, under the connection's lock, so it must be quick and must not call back here.
	 * 0, and then the fds are the acceptor's; or -EPROTO for a reply that can't be true, which
	 * ends the connection. May be NULL.
	 */
	int (*accept)(const struct ppc_reply *reply, void *data);
	void *data;
	char *why; /* gets the daemon's words when it refuses; may be NULL */
	size_t why_bytes;
};

/*
 * `fd` is the connection's from here on, also when this fails. timeout_ms -1 waits for ever. Until
 * ppc_connection_set_limits() one request at a time may be made.
 */
int ppc_connection_new(int fd, int timeout_ms, struct ppc_connection **ret);
/* Closes the socket without a word. Without locks, so that the child of a fork may call it. */
struct ppc_connection *ppc_connection_free(struct ppc_connection *connection);

/* What the daemon told at hello. */
void ppc_connection_set_limits(struct ppc_connection *connection,
			       const struct message_limits *limits);

/*
 * Sends the request and waits for its reply. 0, or a negative errno: the daemon's refusal by way
 * of ppc_status_to_errno(), -ETIMEDOUT, -ENOMEM, or what ended the connection: -ECONNRESET or
 * -EPROTO.
 */
int ppc_connection_call(struct ppc_connection *connection, struct ppc_call *call);

/*
 * Reads, for up to timeout_ms (-1: for ever), until something came that no caller waited for.
 * Returns the number of such messages, or what ended the connection.
 */
int ppc_connection_dispatch(struct ppc_connection *connection, int timeout_ms);

/* Some call that was given up may still be granted something from the pool of this number. */
bool ppc_connection_owes_pool(struct ppc_connection *connection, uint32_t pool);

/* Ends it for all callers with -EPROTO: the daemon was caught lying outside of a reply. */
void ppc_connection_abort(struct ppc_connection *connection);

/* Borrowed. */
int ppc_connection_fd(const struct ppc_connection *connection);
