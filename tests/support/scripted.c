/* SPDX-License-Identifier: MIT */
/*
 * The daemon's end of a socket, driven message by message. It speaks through the real framing and
 * codec, so what a script sends is well-formed unless it sends bytes.
 */

#include "support/scripted.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "proto/codec.h"

#define PATIENCE_S 10

void script_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: in a script: %s\n", file, line, what);
	abort();
}

static void *run_script(void *data)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct scripted *daemon = data;

	daemon->fd = accept(daemon->listener, NULL, NULL);
	SCRIPT_CHECK(daemon->fd >= 0);
	setsockopt(daemon->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	daemon->script(daemon, daemon->data);
	close(daemon->fd);
	return NULL;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

void scripted_start(struct scripted *daemon, void (*script)(struct scripted *daemon, void *data),
		    void *data)
{
	*daemon = (struct scripted){ .script = script, .data = data };
	daemon->limits = (struct message_limits){ .frame_bytes = FRAME_BYTES_MAX,
						  .batch_blocks = MESSAGE_BATCH_BLOCKS_MAX,
						  .in_flight = MESSAGE_IN_FLIGHT_MAX,
						  .name_bytes = MESSAGE_NAME_BYTES_MAX };
	strcpy(daemon->folder, "/tmp/pagepool-test-XXXXXX");
	assert_non_null(mkdtemp(daemon->folder));
	snprintf(daemon->socket, sizeof(daemon->socket), "%s/socket", daemon->folder);
	daemon->listener = listen_at(daemon->socket);
	daemon->arena = malloc(CODEC_ARENA_BYTES);
	assert_non_null(daemon->arena);
	assert_int_equal(frame_reader_init(&daemon->reader, false), 0);
	assert_int_equal(frame_writer_init(&daemon->writer, 1u << 20), 0);
	assert_int_equal(sem_init(&daemon->go, 0, 0), 0);
	assert_int_equal(sem_init(&daemon->told, 0, 0), 0);
	assert_int_equal(pthread_create(&daemon->thread, NULL, run_script, daemon), 0);
}

void scripted_finish(struct scripted *daemon)
{
	pthread_join(daemon->thread, NULL);
	close(daemon->listener);
	frame_reader_deinit(&daemon->reader);
	frame_writer_deinit(&daemon->writer);
	free(daemon->arena);
	sem_destroy(&daemon->go);
	sem_destroy(&daemon->told);
	unlink(daemon->socket);
	rmdir(daemon->folder);
}

int scripted_try_connect(const struct scripted *daemon, int timeout_ms, struct pp_client **ret)
{
	struct pp_client_config config = { .struct_size = sizeof(config),
					   .socket = daemon->socket,
					   .name = "test",
					   .timeout_ms = timeout_ms };

	return pp_client_new(ret, &config);
}

struct pp_client *scripted_connect(const struct scripted *daemon, int timeout_ms)
{
	struct pp_client *client = NULL;

	assert_int_equal(scripted_try_connect(daemon, timeout_ms, &client), 0);
	return client;
}

struct pp_pool *scripted_pool(struct pp_client *client)
{
	struct pp_pool *pool = NULL;

	assert_int_equal(pp_pool_open(client, "default", 0, &pool), 0);
	return pool;
}

void scripted_fixture_connect(struct scripted_fixture *fixture,
			      void (*script)(struct scripted *daemon, void *data), void *data)
{
	scripted_start(&fixture->daemon, script, data);
	fixture->client = scripted_connect(&fixture->daemon, 10000);
	fixture->pool = NULL;
}

void scripted_fixture_open(struct scripted_fixture *fixture,
			   void (*script)(struct scripted *daemon, void *data), void *data)
{
	scripted_fixture_connect(fixture, script, data);
	fixture->pool = scripted_pool(fixture->client);
}

void scripted_fixture_close(struct scripted_fixture *fixture)
{
	pp_client_free(fixture->client);
	scripted_finish(&fixture->daemon);
}

void scripted_go(struct scripted *daemon)
{
	sem_post(&daemon->go);
}

void scripted_await(struct scripted *daemon)
{
	assert_int_equal(sem_wait(&daemon->told), 0);
}

void scripted_tell(struct scripted *daemon)
{
	sem_post(&daemon->told);
}

void scripted_wait(struct scripted *daemon)
{
	SCRIPT_CHECK(sem_wait(&daemon->go) == 0);
}

bool scripted_receive(struct scripted *daemon, struct message *ret)
{
	struct codec_arena arena = { .memory = daemon->arena, .size_bytes = CODEC_ARENA_BYTES };
	enum frame_error frame_error = 0;
	const uint8_t *bytes;
	const char *why;
	size_t size_bytes;

	while (!frame_reader_next(&daemon->reader, &bytes, &size_bytes, &frame_error)) {
		ptrdiff_t n = frame_reader_fill(&daemon->reader, daemon->fd, 0, &frame_error);

		SCRIPT_CHECK(n >= 0);
		if (n == 0)
			return false;
	}
	SCRIPT_CHECK(codec_decode_request(bytes, size_bytes, &arena, ret, &why) == 0);
	return true;
}

void scripted_expect(struct scripted *daemon, enum message_type type, struct message *ret)
{
	SCRIPT_CHECK(scripted_receive(daemon, ret));
	SCRIPT_CHECK(ret->type == type);
}

void scripted_expect_end(struct scripted *daemon)
{
	struct message request;

	SCRIPT_CHECK(!scripted_receive(daemon, &request));
}

void scripted_reply(struct scripted *daemon, const struct message *reply, const int *fds,
		    unsigned nr_fds)
{
	uint8_t *buf = frame_writer_reserve(&daemon->writer);
	ptrdiff_t size_bytes;

	SCRIPT_CHECK(buf);
	size_bytes = codec_encode_reply(reply, buf, FRAME_BYTES_MAX);
	SCRIPT_CHECK(size_bytes > 0);
	SCRIPT_CHECK(frame_writer_commit(&daemon->writer, (size_t)size_bytes, fds, nr_fds) == 0);
	/* A client that has closed is not the script's concern. */
	frame_writer_flush(&daemon->writer, daemon->fd, 0);
}

void scripted_reply_status(struct scripted *daemon, uint64_t id, enum message_status status)
{
	struct message reply = { .id = id, .status = status, .error = status ? "scripted" : "" };

	scripted_reply(daemon, &reply, NULL, 0);
}

void scripted_send_bytes(struct scripted *daemon, const void *bytes, size_t size_bytes)
{
	SCRIPT_CHECK(send(daemon->fd, bytes, size_bytes, MSG_NOSIGNAL) == (ssize_t)size_bytes);
}

void scripted_welcome(struct scripted *daemon)
{
	struct message request, reply = { .type = MESSAGE_WELCOME, .error = "" };

	scripted_expect(daemon, MESSAGE_HELLO, &request);
	reply.id = request.id;
	reply.u.welcome.version = MESSAGE_VERSION;
	reply.u.welcome.client = 7;
	reply.u.welcome.limits = daemon->limits;
	reply.u.welcome.daemon_version = "scripted";
	scripted_reply(daemon, &reply, NULL, 0);
}

int scripted_memfd(uint64_t size_bytes)
{
	int fd = memfd_create("scripted", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	SCRIPT_CHECK(fd >= 0);
	SCRIPT_CHECK(ftruncate(fd, (off_t)size_bytes) == 0);
	SCRIPT_CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	return fd;
}

void scripted_open_pool(struct scripted *daemon, unsigned nr_zones, uint64_t zone_bytes)
{
	struct message request, reply = { .type = MESSAGE_POOL_OPENED, .error = "" };
	struct message_segment segments[MESSAGE_ZONES_MAX];
	int fds[MESSAGE_ZONES_MAX];

	scripted_expect(daemon, MESSAGE_POOL_OPEN, &request);
	for (unsigned i = 0; i < nr_zones; i++) {
		fds[i] = scripted_memfd(zone_bytes);
		segments[i] = (struct message_segment){ .node = i,
							.size_bytes = zone_bytes,
							.page_bytes = 4096 };
	}
	reply.id = request.id;
	reply.u.pool_opened.pool = request.u.pool_open.read_only ? 5 : 4;
	reply.u.pool_opened.max_order = 10;
	reply.u.pool_opened.segments = segments;
	reply.u.pool_opened.nr_segments = nr_zones;
	scripted_reply(daemon, &reply, fds, nr_zones);
	for (unsigned i = 0; i < nr_zones; i++)
		close(fds[i]);
}

void scripted_grant(struct scripted *daemon, uint64_t id, uint64_t base, uint64_t mask)
{
	const struct message_run run = { .base = base, .mask = mask };
	struct message reply = { .id = id, .type = MESSAGE_GRANTED, .error = "" };

	reply.u.granted.runs = &run;
	reply.u.granted.nr_runs = 1;
	scripted_reply(daemon, &reply, NULL, 0);
}

void scripted_open_cache(struct scripted *daemon, const struct message_cache_info *cache)
{
	struct message request, reply = { .type = MESSAGE_CACHE_OPENED, .error = "" };

	scripted_expect(daemon, MESSAGE_CREATE_CACHE, &request);
	reply.id = request.id;
	reply.u.cache_opened = *cache;
	scripted_reply(daemon, &reply, NULL, 0);
}

void scripted_grant_objects(struct scripted *daemon, uint64_t id, const struct message_run *runs,
			    size_t nr_runs, const uint64_t *raw, size_t nr_raw)
{
	struct message reply = { .id = id, .type = MESSAGE_GRANTED_OBJECTS, .error = "" };

	reply.u.granted_objects.runs = runs;
	reply.u.granted_objects.nr_runs = nr_runs;
	reply.u.granted_objects.raw = raw;
	reply.u.granted_objects.nr_raw = nr_raw;
	scripted_reply(daemon, &reply, NULL, 0);
}

void scripted_goodbye(struct scripted *daemon)
{
	struct message request;

	while (scripted_receive(daemon, &request)) {
		SCRIPT_CHECK(request.type == MESSAGE_GOODBYE || request.type == MESSAGE_POOL_CLOSE);
		scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	}
}

void scripted_pool_only(struct scripted *daemon, void *data)
{
	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 2, SCRIPTED_ZONE_BYTES);
	scripted_goodbye(daemon);
}
