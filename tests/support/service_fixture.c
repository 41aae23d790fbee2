/* SPDX-License-Identifier: MIT */
#include "support/service_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/zone.h"
#include "service/check.h"
#include "service/loop.h"
#include "service/worker.h"

static void config_init(struct fixture *fixture, enum service_commit commit, uint32_t zone_pages)
{
	static const char *const names[] = { FIXTURE_POOL, FIXTURE_POOL_READ, FIXTURE_POOL_CLOSED };

	for (size_t i = 0; i < 3; i++) {
		struct service_pool_config *pool = &fixture->pools[i];

		strcpy(pool->name, names[i]);
		pool->size.bytes = zone_pages * PAGE_BYTES;
		pool->nodes = UINT64_MAX;
		pool->page_bytes = PAGE_BYTES;
		pool->max_order = FIXTURE_MAX_ORDER;
		pool->commit = commit;
	}
	assert_int_equal(access_list_add_uid(&fixture->pools[0].access, FIXTURE_UID), 0);
	assert_int_equal(access_list_add_uid(&fixture->pools[0].access, FIXTURE_UID_READER), 0);
	assert_int_equal(access_list_add_uid(&fixture->pools[1].access, FIXTURE_UID), 0);
	assert_int_equal(access_list_add_uid(&fixture->pools[1].read_access, FIXTURE_UID_READER),
			 0);
	fixture->config.fake_nodes = 2;
	fixture->config.pools = fixture->pools;
	fixture->config.nr_pools = 3;
}

static void ignore_resize(void *data)
{
	(void)data;
}

static void service_init(struct fixture *fixture)
{
	struct service *service = &fixture->service;

	service->config = &fixture->config;
	assert_int_equal(loop_new(&service->loop), 0);
	assert_int_equal(topology_init(&service->topology, 2), 0);
	/* The room that zones are made with: valgrind has not the host's many times over. */
	for (unsigned i = 0; i < 2; i++)
		service->topology.nodes[i].mem_bytes = FIXTURE_NODE_BYTES;
	assert_int_equal(worker_pool_new(service->loop, 1, &service->workers), 0);
	assert_int_equal(pools_init(&service->pools, service->config, &service->topology,
				    service->workers, CLIENTS_NR_SLOTS),
			 0);
	assert_int_equal(
		limits_init(&service->limits, &service->pools, service->config, CLIENTS_NR_SLOTS),
		0);
	assert_int_equal(resizes_init(&service->resizes, service->loop, &service->pools,
				      service->workers, ignore_resize, NULL),
			 0);
	assert_int_equal(grants_init(&service->grants), 0);
	assert_int_equal(checks_init(&service->checks, service->loop, &service->pools), 0);
	assert_int_equal(clients_init(&service->clients, service, service->loop), 0);
}

struct fixture *fixture_new(enum service_commit commit)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	config_init(fixture, commit, FIXTURE_ZONE_PAGES);
	service_init(fixture);
	return fixture;
}

struct fixture *fixture_new_large(uint32_t zone_pages)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	config_init(fixture, SERVICE_COMMIT_TOUCH, zone_pages);
	fixture->config.nr_pools = 1;
	service_init(fixture);
	return fixture;
}

void fixture_free(struct fixture *fixture)
{
	struct service *service = &fixture->service;

	for (unsigned i = 0; i < service->pools.nr_pools; i++) {
		struct zone_fault fault = { 0 };
		unsigned zone = 0;

		if (pool_validate(&service->pools.pools[i].core, &zone, &fault) < 0)
			fail_msg("pool %u zone %u page %u: %s", i, zone, fault.pfn, fault.what);
	}
	service->workers = worker_pool_free(service->workers);
	resizes_deinit(&service->resizes);
	reloader_deinit(&service->reloader);
	grants_deinit(&service->grants);
	checks_deinit(&service->checks);
	clients_deinit(&service->clients);
	limits_deinit(&service->limits);
	pools_deinit(&service->pools);
	loop_free(service->loop);
	free(fixture);
}

static void catch_lines(struct fixture_client *client, const struct message *reply)
{
	client->lines[0] = '\0';
	for (size_t i = 0; i < reply->u.reload_result.nr_lines; i++) {
		size_t size = strlen(client->lines);

		snprintf(client->lines + size, sizeof(client->lines) - size, "%s\n",
			 reply->u.reload_result.lines[i]);
	}
	client->reply.u.reload_result.lines = NULL;
}

static int catch_reply(void *data, const struct message *reply, const int *fds, unsigned nr_fds)
{
	struct fixture_client *client = data;

	client->reply = *reply;
	strncpy(client->error, reply->error, sizeof(client->error) - 1);
	client->reply.error = client->error;
	client->nr_fds = nr_fds;
	if (nr_fds)
		memcpy(client->fds, fds, nr_fds * sizeof(*fds));
	if (reply->type == MESSAGE_GRANTED) {
		memcpy(client->runs, reply->u.granted.runs,
		       reply->u.granted.nr_runs * sizeof(*client->runs));
		client->reply.u.granted.runs = client->runs;
	}
	if (reply->type == MESSAGE_CHECK_RESULT) {
		snprintf(client->fault, sizeof(client->fault), "%s", reply->u.check_result.first);
		client->reply.u.check_result.first = client->fault;
	}
	if (reply->type == MESSAGE_RELOAD_RESULT)
		catch_lines(client, reply);
	if (++client->nr_replies == client->nr_wanted)
		loop_quit(client->fixture->service.loop);
	return 0;
}

struct fixture_client *fixture_client_new(struct fixture *fixture, uid_t uid)
{
	struct fixture_client *client = calloc(1, sizeof(*client));

	assert_non_null(client);
	client->fixture = fixture;
	client->next_id = 1;
	client->client.clients = &fixture->service.clients;
	client->client.peer = PEER_NULL;
	client->client.peer.credentials.uid = uid;
	client->client.peer.credentials.pid = getpid();
	client->client.send = catch_reply;
	client->client.send_data = client;
	return client;
}

struct fixture_client *fixture_client_greeted(struct fixture *fixture, uid_t uid)
{
	struct fixture_client *client = fixture_client_new(fixture, uid);
	struct message hello = { .type = MESSAGE_HELLO };

	hello.u.hello.version_min = MESSAGE_VERSION_MIN;
	hello.u.hello.version_max = MESSAGE_VERSION;
	hello.u.hello.name = "fixture";
	assert_int_equal(fixture_call(client, &hello)->type, MESSAGE_WELCOME);
	return client;
}

void fixture_client_free(struct fixture_client *client)
{
	struct message goodbye = { .type = MESSAGE_GOODBYE };

	if (client->client.state == CLIENT_LIVE)
		assert_int_equal(fixture_call(client, &goodbye)->status, MESSAGE_STATUS_OK);
	free(client->client.survey);
	free(client);
}

enum session_verdict fixture_serve(struct fixture_client *client, struct message *request)
{
	request->id = client->next_id++;
	return dispatch_request(&client->fixture->service, &client->client, request);
}

void fixture_await(struct fixture_client *client, unsigned nr_replies)
{
	client->nr_wanted = nr_replies;
	if (client->nr_replies < nr_replies)
		assert_int_equal(loop_run(client->fixture->service.loop), 0);
	assert_int_equal(client->nr_replies, nr_replies);
}

const struct message *fixture_call(struct fixture_client *client, struct message *request)
{
	unsigned nr_replies = client->nr_replies;

	client->nr_wanted = 0;
	assert_int_not_equal(fixture_serve(client, request), SESSION_AGAIN);
	fixture_await(client, nr_replies + 1);
	assert_int_equal(client->reply.id, request->id);
	return &client->reply;
}

uint32_t fixture_open(struct fixture_client *client, const char *name, bool read_only)
{
	struct message request = { .type = MESSAGE_POOL_OPEN };

	request.u.pool_open.name = name;
	request.u.pool_open.read_only = read_only;
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(reply->status, MESSAGE_STATUS_OK);
	assert_int_equal(reply->type, MESSAGE_POOL_OPENED);
	return reply->u.pool_opened.pool;
}

uint64_t fixture_held_pages(const struct fixture_client *client)
{
	return pools_held_pages(&client->fixture->service.pools, client->client.slot);
}

void fixture_assert_refused(const struct message *reply, enum message_status status,
			    const char *word)
{
	assert_int_equal(reply->status, status);
	if (!strstr(reply->error, word))
		fail_msg("'%s' does not say '%s'", reply->error, word);
}
