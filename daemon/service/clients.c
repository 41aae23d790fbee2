/* SPDX-License-Identifier: MIT */
/*
 * All clients.
 *
 * Who connects is asked of the kernel, and held against what that user has already, before anything
 * else is made for a connection. It is charged to the user until the client is gone, quarantine and
 * sweep included: half of the places at most are one user's, so none can lock the others out, and
 * far fewer one's that may open no pool. Root and the daemon's own user may use all, and a few are
 * kept for them, so that whoever looks after the daemon gets in. A few connections beyond the limit
 * are let in, only so that their hello can be refused in words; floods beyond those are closed at
 * once.
 *
 * Once a second, while there are clients and after the last has gone, a tick looks for connections
 * that are overdue, wears off what raises watermarks, has memory go back that clients took beyond
 * their pools' size, and keeps the service manager's status line true.
 */

#include "service/clients.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/message.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/notify.h"
#include "service/pools.h"
#include "service/state.h"

#define CLIENTS_TICK_MS 1000u
#define CLIENTS_FDS_EACH 2u        /* the socket and the pidfd */
#define CLIENTS_FDS_A_ZONE 4u      /* segment, ledger, and what is opened of them */
#define CLIENTS_FDS_UNREAD_MAX 16u /* by one client, when a reply has fewer */
#define CLIENTS_FDS_RESERVED 128u  /* the daemon's own, and those on their way to clients */

/* One part in so many, and a little at least. */
#define CLIENTS_KEPT_PART 16u     /* for root and the daemon's own user */
#define CLIENTS_STRANGER_PART 16u /* for a user that may open no pool */
#define CLIENTS_PART_MIN 2u
#define CLIENTS_FDS_PART 4u /* of the descriptors that may be on their way, for one user */

static unsigned clients_part(unsigned all, unsigned part)
{
	return all / part > CLIENTS_PART_MIN ? all / part : CLIENTS_PART_MIN;
}

static bool clients_is_exempt(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static struct clients_charge *clients_find_charge(struct clients *clients, uid_t uid)
{
	for (size_t i = 0; i < clients->nr_charges; i++)
		if (clients->charges[i].uid == uid)
			return &clients->charges[i];
	return NULL;
}

/* There is room: a charge each for as many clients as there can be. */
static void clients_charge(struct clients *clients, uid_t uid)
{
	struct clients_charge *charge = clients_find_charge(clients, uid);

	if (!charge) {
		charge = &clients->charges[clients->nr_charges++];
		*charge = (struct clients_charge){ .uid = uid };
	}
	charge->count++;
}

static void clients_uncharge(struct clients *clients, uid_t uid)
{
	struct clients_charge *charge = clients_find_charge(clients, uid);

	if (--charge->count == 0)
		*charge = clients->charges[--clients->nr_charges];
}

static unsigned clients_of_uid(struct clients *clients, uid_t uid)
{
	const struct clients_charge *charge = clients_find_charge(clients, uid);

	return charge ? charge->count : 0;
}

/* How many places there are, with the descriptors that this process may have. */
static unsigned clients_count_places(const struct pools *pools)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return CLIENTS_MAX;

	const rlim_t kept = CLIENTS_FDS_RESERVED + CLIENTS_NEW_MAX * CLIENTS_FDS_EACH +
			    pools_count_zones(pools) * CLIENTS_FDS_A_ZONE;
	rlim_t places = limit.rlim_cur > kept ? (limit.rlim_cur - kept) / CLIENTS_FDS_EACH : 1;
	if (places >= CLIENTS_MAX)
		return CLIENTS_MAX;
	log_warning("the limit on open files (%" PRIu64 ") leaves room for %" PRIu64
		    " clients: raise LimitNOFILE= for up to %u",
		    (uint64_t)limit.rlim_cur, (uint64_t)places, CLIENTS_MAX);
	return (unsigned)places;
}

/* How many descriptors may be on their way to the clients of one user. */
static unsigned clients_count_fds(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > UINT_MAX)
		return UINT_MAX / CLIENTS_FDS_PART;
	return (unsigned)limit.rlim_cur / CLIENTS_FDS_PART;
}

static void clients_on_tick(void *data)
{
	struct clients *clients = data;
	uint64_t now_ms = loop_now_ms(clients->loop);
	struct client *next;

	for (struct client *client = TAILQ_FIRST(&clients->list); client; client = next) {
		next = TAILQ_NEXT(client, link);
		client_check_time(client, now_ms);
	}
	pools_decay(&clients->service->pools);
	resizes_trim(&clients->service->resizes);
	if (clients->is_status_stale)
		clients_report(clients);
	if (clients->nr_clients)
		loop_timer_start(clients->tick, CLIENTS_TICK_MS);
}

static int clients_init_slots(struct clients *clients)
{
	size_t size_bytes = CLIENTS_NR_SLOTS * sizeof(struct slot);

	int error = ledger_memory_init(&clients->slots_ledger, "pagepool-slots", size_bytes,
				       size_bytes);
	if (error < 0)
		return error;
	error = slot_table_open(&clients->slots, CLIENTS_NR_SLOTS, clients->slots_ledger.memory);
	return error == SLOT_E_DAMAGED ? -EUCLEAN : error;
}

int clients_init(struct clients *clients, struct service *service, struct loop *loop)
{
	clients->service = service;
	clients->loop = loop;
	TAILQ_INIT(&clients->list);
	clients->slots_ledger = LEDGER_MEMORY_NULL;
	clients->nr_max = clients_count_places(&service->pools);
	clients->nr_fds_max = clients_count_fds();
	clients->arena.size_bytes = CODEC_ARENA_BYTES;
	clients->arena.memory = malloc(CODEC_ARENA_BYTES);

	int error = clients->arena.memory ? 0 : -ENOMEM;
	if (error == 0)
		error = clients_init_slots(clients);
	if (error == 0)
		error = loop_timer_new(loop, clients_on_tick, clients, &clients->tick);
	if (error == 0)
		error = reaper_init(&clients->reaper, loop, &service->pools);
	if (error < 0)
		clients_deinit(clients);
	return error;
}

void clients_deinit(struct clients *clients)
{
	struct client *client;

	if (!clients->loop)
		return;
	while ((client = TAILQ_FIRST(&clients->list))) {
		TAILQ_REMOVE(&clients->list, client, link);
		client_free(client);
	}
	reaper_deinit(&clients->reaper);
	clients->tick = loop_timer_free(clients->tick);
	ledger_memory_deinit(&clients->slots_ledger);
	free(clients->arena.memory);
	clients->arena.memory = NULL;
	clients->loop = NULL;
}

/* Those that this user may come into, others' clients included. */
static unsigned clients_places(const struct clients *clients, uid_t uid)
{
	unsigned nr_kept = clients_part(clients->nr_max, CLIENTS_KEPT_PART);

	if (clients_is_exempt(uid))
		return clients->nr_max;
	return clients->nr_max > nr_kept ? clients->nr_max - nr_kept : 0;
}

static bool clients_may_open_any(const struct pools *pools, const struct access_peer *peer)
{
	for (unsigned i = 0; i < pools->nr_pools; i++) {
		const struct service_pool_config *config = pools->pools[i].config;

		if (access_list_allows(&config->access, peer) ||
		    access_list_allows(&config->read_access, peer))
			return true;
	}
	return false;
}

unsigned clients_share(const struct clients *clients, const struct access_peer *peer)
{
	if (clients_is_exempt(peer->uid))
		return clients->nr_max;
	if (clients_may_open_any(&clients->service->pools, peer))
		return (clients->nr_max + 1) / 2;
	return clients_part(clients->nr_max, CLIENTS_STRANGER_PART);
}

static bool clients_has_room(struct clients *clients, const struct access_peer *peer)
{
	return clients->nr_clients < clients_places(clients, peer->uid) + CLIENTS_NEW_MAX &&
	       (clients_is_exempt(peer->uid) ||
		clients_of_uid(clients, peer->uid) <
			clients_share(clients, peer) + CLIENTS_NEW_MAX / 4);
}

/*
 * The kernel counts the descriptors that we have sent and nobody has read, all clients' together,
 * and refuses to send more than RLIMIT_NOFILE. So one connection gets a reply's worth, and one
 * user's connections together a part of the whole.
 */
bool clients_allow_fds(const struct clients *clients, const struct client *client, unsigned nr_fds)
{
	uid_t uid = client->peer.credentials.uid;
	unsigned nr_unread = client_unread_fds(client);
	const struct client *other;

	if (nr_unread > 0 && nr_unread + nr_fds > CLIENTS_FDS_UNREAD_MAX)
		return false;
	if (clients_is_exempt(uid))
		return true;
	TAILQ_FOREACH(other, &clients->list, link)
	if (other != client && other->peer.credentials.uid == uid)
		nr_unread += client_unread_fds(other);
	return nr_unread == 0 || nr_unread + nr_fds <= clients->nr_fds_max;
}

static void clients_insert(struct clients *clients, struct client *client)
{
	TAILQ_INSERT_TAIL(&clients->list, client, link);
	clients_charge(clients, client->peer.credentials.uid);
	if (clients->nr_clients++ == 0)
		loop_timer_start(clients->tick, CLIENTS_TICK_MS);
}

void clients_add(struct clients *clients, int fd)
{
	struct client *client;
	struct peer peer = PEER_NULL;

	int error = peer_init(&peer, fd);
	if (error == 0 && clients_has_room(clients, &peer.credentials)) {
		error = client_new(clients, fd, &peer, &client);
		if (error == 0)
			clients_insert(clients, client);
	} else {
		peer_deinit(&peer);
		close(fd);
	}
	if (error < 0 && error != -ESRCH)
		log_print_caused(LOG_WARNING, "a connection is dropped: %s", strerror(-error));
}

void clients_remove(struct clients *clients, struct client *client)
{
	TAILQ_REMOVE(&clients->list, client, link);
	clients_uncharge(clients, client->peer.credentials.uid);
	clients->nr_clients--;
	client_free(client);
}

int clients_admit(struct clients *clients, struct client *client)
{
	const struct peer *peer = &client->peer;
	uid_t uid = peer->credentials.uid;
	unsigned slot;

	if (!clients_is_exempt(uid) &&
	    clients_of_uid(clients, uid) > clients_share(clients, &peer->credentials))
		return CLIENTS_E_UID;
	if (clients->slots.nr_used >= clients_places(clients, uid) ||
	    slot_table_take(&clients->slots, peer->credentials.pid, uid, peer_start_time(peer),
			    &slot))
		return CLIENTS_E_FULL;
	clients->by_slot[slot] = client;
	clients->is_status_stale = true;
	client->slot = slot;
	return 0;
}

void clients_dismiss(struct clients *clients, struct client *client)
{
	slot_table_leave(&clients->slots, client->slot);
	clients->by_slot[client->slot] = NULL;
	clients->is_status_stale = true;
}

unsigned clients_count(const struct clients *clients)
{
	return clients->slots.nr_used;
}

void clients_broadcast(struct clients *clients, const struct message *event)
{
	struct client *client;

	TAILQ_FOREACH(client, &clients->list, link)
	if (client->state == CLIENT_LIVE)
		client_reply(client, event, NULL, 0);
}

void clients_report(struct clients *clients)
{
	const struct pools *pools = &clients->service->pools;

	clients->is_status_stale = false;
	notify_status("serving %u %s, %.1f GiB; %u %s", pools->nr_pools,
		      pools->nr_pools == 1 ? "pool" : "pools",
		      (double)pools_size_bytes(pools) / (double)(1u << 30), clients_count(clients),
		      clients_count(clients) == 1 ? "client" : "clients");
}
