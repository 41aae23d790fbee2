/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A client: the process behind a connection, from its accept until everything it held is free
 * again. It outlives its session when the socket hangs up and the process does not.
 *
 *   NEW --hello--> LIVE --hang-up, holding memory--> QUARANTINED
 *                   |                                    |
 *                   +--the process ends, goodbye, hang-up with nothing held--> DYING --> swept
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/zone_object.h"
#include "proto/message.h"
#include "service/peer.h"

struct call;
struct clients;
struct loop_io;
struct session;
struct survey;

enum client_state {
	CLIENT_NEW = 0, /* connected, no hello yet: no slot, holds nothing */
	CLIENT_LIVE,
	CLIENT_QUARANTINED, /* the socket hung up, the process lives: it may still use its blocks */
	CLIENT_DYING,       /* to be swept when no request of it waits */
	CLIENT_SWEEPING,
	CLIENT_SWEPT /* holds nothing and has no slot any more */
};

/* How replies leave; a session's, or a test's. */
typedef int (*client_send_fn)(void *data, const struct message *reply, const int *fds,
			      unsigned nr_fds);

struct client {
	struct clients *clients; /* the table that owns it */
	TAILQ_ENTRY(client) link;
	struct session *session; /* owned; NULL when the connection is over */
	client_send_fn send;
	void *send_data;
	struct peer peer;
	struct loop_io *pidfd_io;
	enum client_state state;
	unsigned slot; /* its id for people; 0 until hello */
	char name[MESSAGE_NAME_BYTES_MAX + 1];
	uint64_t connected_ms;
	uint64_t hung_up_ms;       /* QUARANTINED since */
	bool is_told;              /* its quarantine, to the log */
	uint32_t opened;           /* bit a pool handle */
	bool has_check;            /* one of it runs */
	unsigned nr_laters;        /* requests that wait for their reply */
	unsigned nr_grants;        /* those of them whose blocks helper threads work on */
	struct survey *survey;     /* of zones, for a status that takes several rounds; owned */
	uint64_t goodbye_id;       /* of the request to answer when swept; 0 none */
	TAILQ_ENTRY(client) dying; /* in the reaper's list */
	unsigned sweep_pool, sweep_zone;
	uint32_t sweep_pfn;
};

/* A request whose reply comes later. Part of whatever works on it. */
struct later {
	struct client *client; /* stays until the request is ended */
	uint64_t id;
};

/* Takes the socket and the peer, also on failure. For clients.c, which owns all clients. */
int client_new(struct clients *clients, int fd, struct peer *peer, struct client **ret);
/* Accepts NULL. Returns NULL. */
struct client *client_free(struct client *client);
/* Ends a connection that is overdue, tells the log of a quarantine. The client may be gone. */
void client_check_time(struct client *client, uint64_t now_ms);

void client_later_begin(struct client *client, uint64_t id, struct later *ret);
/* The connection is over: nobody waits for the reply. */
bool client_later_is_orphan(const struct later *later);
/* Sends the reply if somebody still waits for it. The client may be gone afterwards. */
void client_later_end(struct later *later, struct message *reply);

/* Sends, and ends the connection after a reply that says it closes. */
void client_reply(struct client *client, const struct message *reply, const int *fds,
		  unsigned nr_fds);

/* As who it frees objects. */
struct zone_leaver client_leaver(const struct client *client);

/* Descriptors that were sent to it, or are to be, and that it has perhaps not read. */
unsigned client_unread_fds(const struct client *client);

/* Hello was said and a slot was given. */
void client_welcome(struct client *client, const char *name);
/* Starts the sweep whose end answers request `id`. */
void client_say_goodbye(struct client *client, uint64_t id);
/* The reaper has freed all that it held. The client may be gone afterwards. */
void client_swept(struct client *client);
