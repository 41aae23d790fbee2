/* SPDX-License-Identifier: MIT */
/*
 * A client's life and death.
 *
 * Two things end independently of each other: the connection and the process. Only the end of the
 * process (its pidfd), or the client's own goodbye, frees what it holds; a hang-up alone does not,
 * because the process may still read and write its blocks. It is put in quarantine then, where
 * people see it, until its process ends too.
 *
 * client_settle() is the one place that moves a client on. It is called after each change (hang-up,
 * exit, goodbye, the end of a waiting request, the end of the sweep), looks at what is left and
 * takes the next step: a client is swept only when no request works for it any more, and removed
 * only when it is swept and has no connection. So whatever waits for memory on its behalf may keep
 * a pointer to it.
 */

#include "service/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/clients.h"
#include "service/dispatch.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/pools.h"
#include "service/session.h"
#include "service/state.h"

/* A killed process hangs up before its pidfd tells: that is no quarantine to speak of. */
#define CLIENT_QUARANTINE_TOLD_MS 1000u

static uint64_t client_held_bytes(const struct client *client)
{
	return pools_held_bytes(&client->clients->service->pools, client->slot);
}

static void client_die(struct client *client)
{
	slot_table_set_state(&client->clients->slots, client->slot, SLOT_DYING);
	client->state = CLIENT_DYING;
}

/* Takes the steps that are due. The client may be gone afterwards. */
static void client_settle(struct client *client)
{
	bool is_idle = client->nr_laters == 0;

	if (client->state == CLIENT_QUARANTINED && is_idle && client_held_bytes(client) == 0)
		client_die(client);
	if (client->state == CLIENT_DYING && is_idle) {
		client->state = CLIENT_SWEEPING;
		reaper_add(&client->clients->reaper, client); /* comes back as client_swept() */
		return;
	}
	if ((client->state == CLIENT_NEW || client->state == CLIENT_SWEPT) && !client->send)
		clients_remove(client->clients, client);
}

static void client_drop_session(struct client *client)
{
	client->session = session_free(client->session);
	client->send = NULL;
}

static enum session_verdict client_on_request(void *data, const struct message *request)
{
	struct client *client = data;

	return dispatch_request(client->clients->service, client, request);
}

static void client_on_closed(void *data, const char *why)
{
	struct client *client = data;

	/* Before hello it costs a stranger nothing: that is no line in everybody's log. */
	if (why)
		log_print_caused(client->state == CLIENT_NEW ? LOG_DEBUG : LOG_NOTICE,
				 "client %u '%s' (pid %d, uid %u): connection dropped: %s",
				 client->slot, client->name, (int)client->peer.credentials.pid,
				 (unsigned)client->peer.credentials.uid, why);
	client_drop_session(client);
	if (client->state == CLIENT_LIVE) {
		slot_table_set_state(&client->clients->slots, client->slot, SLOT_QUARANTINED);
		client->state = CLIENT_QUARANTINED;
		client->hung_up_ms = loop_now_ms(client->clients->loop);
	}
	client_settle(client);
}

/* The process has ended: nobody can use its blocks, whoever else keeps its socket open. */
static void client_on_exit(int fd, unsigned events, void *data)
{
	struct client *client = data;

	(void)fd;
	(void)events;
	client->pidfd_io = loop_io_free(client->pidfd_io);
	client_drop_session(client);
	if (client->state == CLIENT_LIVE || client->state == CLIENT_QUARANTINED)
		client_die(client);
	client_settle(client);
}

static int client_send(void *data, const struct message *reply, const int *fds, unsigned nr_fds)
{
	return session_send(data, reply, fds, nr_fds);
}

static int client_connect(struct client *client, int fd)
{
	const struct session_owner owner = {
		.serve = client_on_request,
		.closed = client_on_closed,
		.data = client,
	};

	int error = session_new(client->clients->loop, fd, &client->clients->arena, &owner,
				&client->session);
	if (error < 0)
		return error;
	client->send = client_send;
	client->send_data = client->session;
	return loop_io_new(client->clients->loop, client->peer.pidfd, LOOP_READ, client_on_exit,
			   client, &client->pidfd_io);
}

int client_new(struct clients *clients, int fd, struct peer *peer, struct client **ret)
{
	struct client *client = calloc(1, sizeof(*client));
	if (!client) {
		peer_deinit(peer);
		close(fd);
		return -ENOMEM;
	}
	client->clients = clients;
	client->connected_ms = loop_now_ms(clients->loop);
	client->peer = *peer;
	*peer = PEER_NULL;

	int error = client_connect(client, fd);
	if (error < 0) {
		client_free(client);
		return error;
	}
	*ret = client;
	return 0;
}

struct client *client_free(struct client *client)
{
	if (!client)
		return NULL;
	session_free(client->session);
	loop_io_free(client->pidfd_io);
	peer_deinit(&client->peer);
	free(client->survey);
	free(client);
	return NULL;
}

void client_check_time(struct client *client, uint64_t now_ms)
{
	const char *why = client->session ? session_overdue(client->session, now_ms) : NULL;

	if (why) {
		client_on_closed(client, why);
		return;
	}
	if (client->session)
		session_retry(client->session);
	if (client->state == CLIENT_QUARANTINED && !client->is_told &&
	    now_ms - client->hung_up_ms > CLIENT_QUARANTINE_TOLD_MS) {
		client->is_told = true;
		log_print_caused(LOG_NOTICE,
				 "client %u '%s' hung up but its process %d lives: %" PRIu64
				 " KiB are in quarantine until it ends",
				 client->slot, client->name, (int)client->peer.credentials.pid,
				 client_held_bytes(client) >> 10);
	}
}

void client_later_begin(struct client *client, uint64_t id, struct later *ret)
{
	client->nr_laters++;
	if (client->session)
		session_hold(client->session);
	*ret = (struct later){ .client = client, .id = id };
}

bool client_later_is_orphan(const struct later *later)
{
	return !later->client->send;
}

void client_later_end(struct later *later, struct message *reply)
{
	struct client *client = later->client;

	reply->id = later->id;
	client_reply(client, reply, NULL, 0);
	client->nr_laters--;
	if (client->session)
		session_release(client->session);
	client_settle(client);
}

void client_reply(struct client *client, const struct message *reply, const int *fds,
		  unsigned nr_fds)
{
	if (!client->send)
		return;
	client->send(client->send_data, reply, fds, nr_fds);
	if (client->session &&
	    (reply->status == MESSAGE_STATUS_PROTOCOL || reply->status == MESSAGE_STATUS_VERSION))
		session_finish(client->session);
}

struct zone_leaver client_leaver(const struct client *client)
{
	const struct slot *slot = &client->clients->slots.slots[client->slot];

	return (struct zone_leaver){ .slot = client->slot,
				     .generation = slot->generation % WORD_NR_TAGS };
}

unsigned client_unread_fds(const struct client *client)
{
	return client->session ? session_unread_fds(client->session) : 0;
}

void client_welcome(struct client *client, const char *name)
{
	client->state = CLIENT_LIVE;
	strncpy(client->name, name, sizeof(client->name) - 1);
	limits_join(&client->clients->service->limits, client->slot, &client->peer.credentials,
		    client->name);
	if (client->session)
		session_welcome(client->session);
}

void client_say_goodbye(struct client *client, uint64_t id)
{
	client->goodbye_id = id;
	if (client->session)
		session_stop(client->session);
	client_die(client);
	client_settle(client);
}

void client_swept(struct client *client)
{
	const struct message reply = { .id = client->goodbye_id, .error = "" };

	client->state = CLIENT_SWEPT;
	limits_leave(&client->clients->service->limits, client->slot);
	clients_dismiss(client->clients, client);
	if (client->goodbye_id)
		client_reply(client, &reply, NULL, 0);
	if (client->session)
		session_finish(client->session);
	client_settle(client);
}
