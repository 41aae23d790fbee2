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
	assert_int_equal(
		object_checks_init(&service->object_checks, service->loop, &service->clients), 0);
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
	object_checks_deinit(&service->object_checks);
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

static void catch_objects(struct fixture_client *client, const struct message *reply)
{
	memcpy(client->runs, reply->u.granted_objects.runs,
	       reply->u.granted_objects.nr_runs * sizeof(*client->runs));
	client->reply.u.granted_objects.runs = client->runs;
	if (!reply->u.granted_objects.nr_raw)
		return;
	memcpy(client->raw, reply->u.granted_objects.raw,
	       reply->u.granted_objects.nr_raw * sizeof(*client->raw));
	client->reply.u.granted_objects.raw = client->raw;
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
	if (reply->type == MESSAGE_GRANTED_OBJECTS)
		catch_objects(client, reply);
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
	enum session_verdict verdict;

	client->nr_wanted = 0;
	request->id = client->next_id++;
	do
		verdict = dispatch_request(&client->fixture->service, &client->client, request);
	while (verdict == SESSION_MORE);
	assert_int_equal(verdict, SESSION_NEXT);
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

uint32_t fixture_make_cache(struct fixture_client *client, uint32_t pool, const char *name,
			    uint32_t object_bytes, uint32_t flags)
{
	struct message request = { .type = MESSAGE_CREATE_CACHE };

	request.u.create_cache.pool = pool;
	request.u.create_cache.name = name;
	request.u.create_cache.object_bytes = object_bytes;
	request.u.create_cache.flags = flags;
	const struct message *reply = fixture_call(client, &request);
	assert_int_equal(reply->status, MESSAGE_STATUS_OK);
	assert_int_equal(reply->type, MESSAGE_CACHE_OPENED);
	return reply->u.cache_opened.cache;
}

struct message fixture_alloc_objects(uint32_t pool, uint32_t cache, uint32_t count)
{
	struct message request = { .type = MESSAGE_ALLOC_OBJECTS };

	request.u.alloc_objects.pool = pool;
	request.u.alloc_objects.cache = cache;
	request.u.alloc_objects.count = count;
	return request;
}

struct message fixture_free_objects(uint32_t pool, uint32_t cache, const struct message_run *runs,
				    size_t nr_runs)
{
	struct message request = { .type = MESSAGE_FREE_OBJECTS };

	request.u.free_objects.pool = pool;
	request.u.free_objects.cache = cache;
	request.u.free_objects.runs = runs;
	request.u.free_objects.nr_runs = nr_runs;
	return request;
}

unsigned fixture_count_objects(const struct message *reply)
{
	unsigned nr_objects = 0;

	assert_int_equal(reply->status, MESSAGE_STATUS_OK);
	assert_int_equal(reply->type, MESSAGE_GRANTED_OBJECTS);
	for (size_t i = 0; i < reply->u.granted_objects.nr_runs; i++)
		nr_objects += (unsigned)__builtin_popcountll(reply->u.granted_objects.runs[i].mask);
	return nr_objects;
}

uint64_t fixture_held_bytes(const struct fixture_client *client)
{
	return pools_held_bytes(&client->fixture->service.pools, client->client.slot);
}

uint64_t fixture_held_pages(const struct fixture_client *client)
{
	return fixture_held_bytes(client) >> PAGE_SHIFT;
}

void fixture_assert_refused(const struct message *reply, enum message_status status,
			    const char *word)
{
	assert_int_equal(reply->status, status);
	if (!strstr(reply->error, word))
		fail_msg("'%s' does not say '%s'", reply->error, word);
}
