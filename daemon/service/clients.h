/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * All clients: who is connected, in quarantine or being swept; how many there may be, in all and of
 * one user; and the table of slots by which the ledger names them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "core/slots.h"
#include "core/word.h"
#include "proto/codec.h"
#include "service/client.h"
#include "service/ledger_memory.h"
#include "service/reaper.h"

struct loop;
struct loop_timer;
struct message;
struct service;

#define CLIENTS_NR_SLOTS WORD_NR_SLOTS
#define CLIENTS_MAX (CLIENTS_NR_SLOTS - 1) /* slot 0 is the daemon's */
/* Connections beyond the clients, so that one too many can be told so. */
#define CLIENTS_NEW_MAX 64u

enum clients_error {
	CLIENTS_E_FULL = 1, /* no slot is left, or only those that are kept for root */
	CLIENTS_E_UID       /* this user has as many as it may */
};

/* How many connections and quarantines a user has. */
struct clients_charge {
	uid_t uid;
	unsigned count;
};

struct clients {
	struct service *service; /* what requests are served with; borrowed */
	struct loop *loop;       /* borrowed */
	struct loop_timer *tick; /* once a second while there is somebody to look after */
	TAILQ_HEAD(clients_list, client) list;
	unsigned nr_clients; /* in the list */
	unsigned nr_max;     /* what the limit on descriptors allows */
	unsigned nr_fds_max; /* unread by one user's clients */
	struct client *by_slot[CLIENTS_NR_SLOTS];
	struct slot_table slots;
	struct ledger_memory slots_ledger;
	struct clients_charge charges[CLIENTS_MAX + CLIENTS_NEW_MAX];
	size_t nr_charges;
	struct reaper reaper;
	struct codec_arena arena; /* one for all: requests are served one after the other */
	bool is_status_stale;
};

int clients_init(struct clients *clients, struct service *service, struct loop *loop);
/* Drops everybody. Accepts a half-built one. */
void clients_deinit(struct clients *clients);

/* A connection has come: takes the socket. */
void clients_add(struct clients *clients, int fd);
/* The connection is over and nothing is held: frees the client. */
void clients_remove(struct clients *clients, struct client *client);

/* Gives the client a slot. 0, or a clients_error. */
int clients_admit(struct clients *clients, struct client *client);
/* Takes the slot back; it must be DYING and hold nothing. */
void clients_dismiss(struct clients *clients, struct client *client);

/* How many of nr_max the peer's user may have. */
unsigned clients_share(const struct clients *clients, const struct access_peer *peer);
/* A reply with so many descriptors may be queued for the client: few of its user's are unread. */
bool clients_allow_fds(const struct clients *clients, const struct client *client, unsigned nr_fds);
/* Those with a slot. */
unsigned clients_count(const struct clients *clients);
/* Tells all that are connected. */
void clients_broadcast(struct clients *clients, const struct message *event);
/* The status line for the service manager. */
void clients_report(struct clients *clients);
