/* SPDX-License-Identifier: MIT */
/*
 * Real daemons and raw peers for the integration tests.
 *
 * Nothing here sleeps to be in step with the daemon: its start is awaited through the READY that
 * it sends to NOTIFY_SOCKET, its death through waitpid(), its state by asking it.
 */

#include "support/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "proto/codec.h"

#define PATIENCE_MS 20000

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void daemon_program(const char *name, char *ret, size_t size_bytes)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	for (int up = 0; up < 3; up++) /* BUILD/tests/integration/test_x */
		*strrchr(self, '/') = '\0';
	assert_true((size_t)snprintf(ret, size_bytes, "%s/%s", self, name) < size_bytes);
}

static int notify_socket_new(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void daemon_configure(const struct daemon *daemon, const char *daemon_keys, const char *sections)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/config", daemon->folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "[daemon]\nsocket = %s\n%s\n%s\n", daemon->socket, daemon_keys, sections);
	assert_int_equal(fclose(file), 0);
}

static void exec_daemon(const struct daemon *daemon, const char *program, const char *config,
			const char *notify)
{
	int log = open(daemon->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	setenv("NOTIFY_SOCKET", notify, 1);
	execl(program, program, "--config", config, (char *)NULL);
	_exit(127);
}

static void make_folder(struct daemon *daemon, const char *daemon_keys, const char *sections)
{
	strcpy(daemon->folder, "/tmp/pagepool-test-XXXXXX");
	assert_non_null(mkdtemp(daemon->folder));
	assert_int_equal(chmod(daemon->folder, 0755), 0);
	snprintf(daemon->socket, sizeof(daemon->socket), "%s/socket", daemon->folder);
	snprintf(daemon->log, sizeof(daemon->log), "%s/log", daemon->folder);
	daemon_configure(daemon, daemon_keys, sections);
}

/* Starts the process. Returns the socket on which its READY comes. */
static int launch(struct daemon *daemon)
{
	char program[4096], config[128], notify[128];
	int notify_fd;

	snprintf(config, sizeof(config), "%s/config", daemon->folder);
	snprintf(notify, sizeof(notify), "%s/notify", daemon->folder);
	daemon_program("pagepoold", program, sizeof(program));
	notify_fd = notify_socket_new(notify);
	daemon->pid = fork();
	assert_true(daemon->pid >= 0);
	if (daemon->pid == 0)
		exec_daemon(daemon, program, config, notify);
	return notify_fd;
}

void daemon_remove(const struct daemon *daemon)
{
	static const char *const files[] = { "config", "notify", "log", "socket" };
	char path[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", daemon->folder, files[i]);
		unlink(path);
	}
	rmdir(daemon->folder);
}

static void await_ready(const struct daemon *daemon, int notify_fd)
{
	uint64_t deadline = now_ms() + PATIENCE_MS;
	char text[1024];

	for (;;) {
		struct pollfd poll_fd = { .fd = notify_fd, .events = POLLIN };
		ssize_t n;

		if (waitpid(daemon->pid, NULL, WNOHANG) != 0 || now_ms() > deadline) {
			char *log = daemon_read_log(daemon);

			fail_msg("the daemon did not get ready; it said:\n%s", log);
		}
		if (poll(&poll_fd, 1, 50) <= 0)
			continue;
		n = recv(notify_fd, text, sizeof(text) - 1, 0);
		assert_true(n >= 0);
		text[n] = '\0';
		if (strstr(text, "READY=1"))
			return;
	}
}

void daemon_restart(struct daemon *daemon)
{
	int notify_fd = launch(daemon);

	await_ready(daemon, notify_fd);
	close(notify_fd);
}

void daemon_start(struct daemon *daemon, const char *daemon_keys, const char *sections)
{
	make_folder(daemon, daemon_keys, sections);
	daemon_restart(daemon);
}

int daemon_start_refused(struct daemon *daemon, const char *daemon_keys, const char *sections)
{
	int notify_fd, status;

	make_folder(daemon, daemon_keys, sections);
	notify_fd = launch(daemon);
	assert_int_equal(waitpid(daemon->pid, &status, 0), daemon->pid);
	close(notify_fd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void daemon_stop(struct daemon *daemon)
{
	int status;

	assert_int_equal(kill(daemon->pid, SIGTERM), 0);
	assert_int_equal(waitpid(daemon->pid, &status, 0), daemon->pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		char *log = daemon_read_log(daemon);

		fail_msg("the daemon ended with wait status %#x; it said:\n%s", (unsigned)status,
			 log);
	}
	assert_int_equal(access(daemon->socket, F_OK), -1);
	daemon_remove(daemon);
}

int daemon_teardown(void **state)
{
	if (*state)
		daemon_stop(*state);
	return 0;
}

char *daemon_read_log(const struct daemon *daemon)
{
	char *text = calloc(1, 65536);
	int fd = open(daemon->log, O_RDONLY | O_CLOEXEC);

	assert_non_null(text);
	if (fd >= 0) {
		ssize_t n = read(fd, text, 65535);

		assert_true(n >= 0);
		close(fd);
	}
	return text;
}

struct pp_client *daemon_connect(const struct daemon *daemon, const char *name)
{
	struct pp_client_config config = { .struct_size = sizeof(config),
					   .socket = daemon->socket,
					   .name = name };
	struct pp_client *client = NULL;

	assert_int_equal(pp_client_new(&client, &config), 0);
	return client;
}

struct pp_pool *daemon_open_pool(const struct daemon *daemon, const char *name,
				 struct pp_client **ret_client)
{
	struct pp_pool *pool;

	*ret_client = daemon_connect(daemon, name);
	assert_int_equal(pp_pool_open(*ret_client, NULL, 0, &pool), 0);
	return pool;
}

void peer_connect(struct peer *peer, const struct daemon *daemon)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

	memset(peer, 0, sizeof(*peer));
	strcpy(address.sun_path, daemon->socket);
	peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(peer->fd >= 0);
	assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
			 0);
	assert_int_equal(connect(peer->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(frame_reader_init(&peer->reader, true), 0);
	peer->out = malloc(FRAME_HEADER_BYTES + FRAME_BYTES_MAX);
	peer->arena = malloc(CODEC_ARENA_BYTES);
	assert_true(peer->out && peer->arena);
	peer->next_id = 1;
}

void peer_close(struct peer *peer)
{
	close(peer->fd);
	frame_reader_deinit(&peer->reader);
	free(peer->out);
	free(peer->arena);
	memset(peer, 0, sizeof(*peer));
	peer->fd = -1;
}

int daemon_open_segment(const struct daemon *daemon, const char *pool)
{
	struct message request = { .type = MESSAGE_POOL_OPEN }, reply;
	int fds[FRAME_FDS_MAX];
	struct peer peer;

	peer_hello(&peer, daemon, "segment");
	request.u.pool_open.name = pool;
	peer_call(&peer, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	assert_int_equal(frame_reader_take_fds(&peer.reader, fds), 1);
	peer_close(&peer);
	return fds[0];
}

void peer_send_bytes(struct peer *peer, const void *bytes, size_t size_bytes)
{
	const uint8_t *at = bytes;

	while (size_bytes > 0) {
		ssize_t n = send(peer->fd, at, size_bytes, MSG_NOSIGNAL);

		/* A daemon that has had enough hangs up while we still talk. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		assert_true(n > 0);
		at += n;
		size_bytes -= (size_t)n;
	}
}

void peer_send(struct peer *peer, struct message *request)
{
	uint32_t length;
	ptrdiff_t n;

	if (request->id == 0)
		request->id = peer->next_id++;
	n = codec_encode_request(request, peer->out + FRAME_HEADER_BYTES, FRAME_BYTES_MAX);
	assert_true(n > 0);
	length = (uint32_t)n; /* the test machines are little-endian */
	memcpy(peer->out, &length, sizeof(length));
	peer_send_bytes(peer, peer->out, FRAME_HEADER_BYTES + (size_t)n);
}

static bool fill(struct peer *peer)
{
	enum frame_error error = 0;
	ptrdiff_t n = frame_reader_fill(&peer->reader, peer->fd, 0, &error);

	if (n > 0)
		return true;
	if (n == -EAGAIN)
		fail_msg("the daemon has not answered in time");
	assert_true(n == -ECONNRESET || error == FRAME_E_CLOSED || error == FRAME_E_TRUNCATED);
	return false;
}

bool peer_receive(struct peer *peer, struct message *ret)
{
	struct codec_arena arena = { .memory = peer->arena, .size_bytes = CODEC_ARENA_BYTES };
	enum frame_error error = 0;
	const uint8_t *bytes;
	const char *why;
	size_t size;

	while (!frame_reader_next(&peer->reader, &bytes, &size, &error)) {
		assert_int_equal(error, 0);
		if (!fill(peer))
			return false;
	}
	assert_int_equal(codec_decode_reply(bytes, size, &arena, ret, &why), 0);
	return true;
}

void peer_call(struct peer *peer, struct message *request, struct message *ret)
{
	peer_send(peer, request);
	assert_true(peer_receive(peer, ret));
	assert_int_equal(ret->id, request->id);
}

uint32_t peer_hello(struct peer *peer, const struct daemon *daemon, const char *name)
{
	struct message request = { .type = MESSAGE_HELLO }, reply;

	peer_connect(peer, daemon);
	request.u.hello.version_min = MESSAGE_VERSION_MIN;
	request.u.hello.version_max = MESSAGE_VERSION;
	request.u.hello.name = name;
	peer_call(peer, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	assert_int_equal(reply.type, MESSAGE_WELCOME);
	return reply.u.welcome.client;
}

uint32_t peer_open_pool(struct peer *peer, const char *name)
{
	struct message request = { .type = MESSAGE_POOL_OPEN }, reply;
	int fds[FRAME_FDS_MAX];
	unsigned nr_fds;

	request.u.pool_open.name = name;
	peer_call(peer, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	nr_fds = frame_reader_take_fds(&peer->reader, fds);
	assert_int_equal(nr_fds, reply.u.pool_opened.nr_segments);
	for (unsigned i = 0; i < nr_fds; i++)
		close(fds[i]);
	return reply.u.pool_opened.pool;
}

struct message_pool_info peer_pool_info(struct peer *peer, const char *pool)
{
	static struct message_zone_info zones[MESSAGE_ZONES_MAX];
	static struct message_policy_info policies[MESSAGE_NR_POLICIES];
	struct message request = { .type = MESSAGE_GET_STATUS }, reply;

	peer_call(peer, &request, &reply);
	assert_int_equal(reply.type, MESSAGE_STATUS_INFO);
	for (size_t i = 0; i < reply.u.status_info.nr_pools; i++) {
		struct message_pool_info info = reply.u.status_info.pools[i];

		if (strcmp(info.name, pool) != 0)
			continue;
		memcpy(zones, info.zones, info.nr_zones * sizeof(zones[0]));
		info.zones = zones;
		memcpy(policies, info.policies, info.nr_policies * sizeof(policies[0]));
		info.policies = policies;
		return info;
	}
	fail_msg("no pool %s", pool);
	abort(); /* fail_msg() does not return */
}

void peer_await_free(struct peer *peer, const char *pool, uint64_t free_bytes)
{
	uint64_t deadline = now_ms() + PATIENCE_MS, is;

	do {
		is = peer_pool_info(peer, pool).free_bytes;
		if (is == free_bytes)
			return;
	} while (now_ms() < deadline);
	fail_msg("pool %s has %llu free bytes, not %llu", pool, (unsigned long long)is,
		 (unsigned long long)free_bytes);
}

void peer_await_clients(struct peer *peer, uint32_t nr_clients)
{
	struct message request = { .type = MESSAGE_GET_STATUS }, reply;
	uint64_t deadline = now_ms() + PATIENCE_MS;

	do {
		request.id = 0;
		peer_call(peer, &request, &reply);
		if (reply.u.status_info.clients == nr_clients)
			return;
	} while (now_ms() < deadline);
	fail_msg("%u clients are left, not %u", reply.u.status_info.clients, nr_clients);
}

void peer_assert_check_clean(struct peer *peer)
{
	struct message request = { .type = MESSAGE_CHECK }, reply;

	peer_call(peer, &request, &reply);
	assert_int_equal(reply.type, MESSAGE_CHECK_RESULT);
	if (reply.u.check_result.faults > 0)
		fail_msg("check: %s", reply.u.check_result.first);
	assert_true(reply.u.check_result.pages > 0);
}

void peer_finish(struct peer *peer, const char *pool, uint64_t free_bytes)
{
	peer_await_free(peer, pool, free_bytes);
	peer_assert_check_clean(peer);
	peer_close(peer);
}
