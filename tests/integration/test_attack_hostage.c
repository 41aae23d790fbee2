/* SPDX-License-Identifier: MIT */
/*
 * One client tries to take the daemon from everybody else: by holding a lock that the daemon needs,
 * by using up what there is only so much of, or by making it write where nobody reads. Whoever did
 * nothing wrong must be served as if the attacker were not there.
 *
 * Each test has a daemon of its own, as an attack that works leaves one that can't be used.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/daemon.h"

#define FEW_DESCRIPTORS 1024u

static struct daemon server;

/* Two pools: "default" for this user and another one, "own" for this user alone. */
static void start_daemon(const char *keys_of_default)
{
	char sections[256];

	snprintf(sections, sizeof(sections),
		 "[pool default]\naccess = uid:%u uid:%u\nsize = 64M\n%s\n"
		 "[pool own]\naccess = uid:%u\nsize = 64M\n",
		 (unsigned)getuid(), CHILD_OTHER_UID, keys_of_default, (unsigned)getuid());
	daemon_start(&server, "topology = fake:1", sections);
}

static void send_alloc(struct peer *peer, uint32_t pool, unsigned order, uint32_t count)
{
	struct message request = { .type = MESSAGE_ALLOC };

	request.u.alloc.pool = pool;
	request.u.alloc.order = order;
	request.u.alloc.count = count;
	peer_send(peer, &request);
}

static void assert_alloc_succeeds(struct peer *peer, uint32_t pool, unsigned order)
{
	struct message reply;

	send_alloc(peer, pool, order, 1);
	assert_true(peer_receive(peer, &reply));
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
}

static void say_goodbye(struct peer *peer)
{
	struct message request = { .type = MESSAGE_GOODBYE }, reply;

	peer_call(peer, &request, &reply);
	peer_close(peer);
}

/* A page whose first touch never ends; NULL where the kernel does not let us have one. */
static void *page_never_read(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .range.len = PP_PAGE_SIZE,
					.mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	void *page = mmap(NULL, PP_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	CHILD_CHECK(page != MAP_FAILED);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
		return NULL;
	area.range.start = (uintptr_t)page;
	return ioctl(fd, UFFDIO_REGISTER, &area) < 0 ? NULL : page;
}

/*
 * Writes to its segment from that page: the kernel keeps the file locked while it waits for the
 * page, as it does, for a second or so, in any large write.
 */
static void lock_holder(int from_parent, int to_parent, void *data)
{
	struct message request = { .type = MESSAGE_POOL_OPEN }, reply;
	int fds[FRAME_FDS_MAX];
	void *page = page_never_read();
	struct peer peer;

	(void)from_parent;
	(void)data;
	child_put(to_parent, page ? "y" : "n", 1);
	if (!page)
		_exit(0);
	peer_hello(&peer, &server, "lock-holder");
	request.u.pool_open.name = "default";
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(frame_reader_take_fds(&peer.reader, fds) == 1);
	child_put(to_parent, "!", 1);
	(void)!pwrite(fds[0], page, PP_PAGE_SIZE, 0);
	_exit(1);
}

/* Waits until the process sleeps: there is one place where the attacker does. */
static void await_sleep(pid_t pid)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/%d/wchan", (int)pid);
	for (int i = 0; i < 1000000; i++) {
		FILE *file = fopen(path, "re");

		assert_non_null(file);
		size_t n = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
		text[n] = '\0';
		if (strstr(text, "userfault"))
			return;
	}
	fail_msg("the attacker sleeps in %s", text);
}

static bool start_lock_holder(struct child *child)
{
	char answer;

	child_start(child, (uid_t)-1, lock_holder, NULL);
	child_read(child, &answer, 1);
	if (answer == 'n') {
		print_message("this user can't have a userfaultfd\n");
		child_finish(child);
		return false;
	}
	child_read(child, &answer, 1);
	await_sleep(child->pid);
	return true;
}

/* True when the daemon answers this peer within two seconds. */
static bool is_answered(struct peer *peer)
{
	struct timeval patience = { .tv_sec = 2 };
	char byte;

	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return recv(peer->fd, &byte, 1, MSG_PEEK) == 1;
}

/* `keys` make the victim's grant need the locked file on the loop, or on helper threads. */
static void hold_the_lock(const char *keys, unsigned order)
{
	struct message ping = { .type = MESSAGE_PING };
	struct peer victim, other;
	struct child child;
	bool answers_ping, answers_alloc;
	uint32_t pool, own;

	start_daemon(keys);
	peer_hello(&victim, &server, "victim");
	pool = peer_open_pool(&victim, "default");
	peer_hello(&other, &server, "other");
	own = peer_open_pool(&other, "own");
	assert_alloc_succeeds(&victim, pool, 0); /* commits the first of it */
	if (!start_lock_holder(&child)) {
		say_goodbye(&victim);
		say_goodbye(&other);
		daemon_stop(&server);
		skip();
	}
	for (int i = 0; i < 4; i++)
		send_alloc(&victim, pool, order, 1);
	peer_send(&other, &ping);
	answers_ping = is_answered(&other);
	if (answers_ping) {
		struct message reply;

		assert_true(peer_receive(&other, &reply));
		send_alloc(&other, own, 9, 1);
	}
	answers_alloc = answers_ping && is_answered(&other);
	child_kill(&child);
	peer_close(&victim);
	peer_close(&other);
	daemon_stop(&server);
	if (!answers_ping)
		fail_msg("the daemon stood still while a client held its segment's lock");
	if (!answers_alloc)
		fail_msg("a pool could not commit while a client held another pool's lock");
}

static void test_attack_locked_segment_does_not_stop_the_loop(void **state)
{
	(void)state;
	hold_the_lock("scrub = always", 0);
}

static void test_attack_locked_segment_does_not_stop_other_pools(void **state)
{
	(void)state;
	hold_the_lock("scrub = uid", 9);
}

/* What is around objects of a debug cache is written and read all the same. */
static void test_attack_locked_segment_does_not_stop_debug_caches(void **state)
{
	const struct pp_cache_config config = { .struct_size = sizeof(config),
						.name = "victims",
						.object_size = 100,
						.flags = PP_CACHE_DEBUG };
	struct pp_client *client;
	struct pp_cache *cache;
	struct child child;
	void *objects[1000];

	(void)state;
	start_daemon("");
	struct pp_pool *pool = daemon_open_pool(&server, "victim", &client);
	assert_int_equal(pp_cache_create(pool, &config, &cache), 0);
	bool is_locked = start_lock_holder(&child);
	ssize_t granted = pp_cache_alloc_bulk(cache, 0, objects, 1000);
	int error = granted == 1000 ? pp_cache_free_bulk(cache, objects, 1000) : -1;
	if (is_locked)
		child_kill(&child);
	pp_pool_close(pool);
	pp_client_free(client);
	daemon_stop(&server);
	if (!is_locked)
		skip();
	assert_int_equal(granted, 1000);
	assert_int_equal(error, 0);
}

/* Pages that nobody touched cost nothing, also when another user is granted them. */
static void touch_free_taker(int from_parent, int to_parent, void *data)
{
	struct peer peer;

	(void)from_parent;
	(void)data;
	peer_hello(&peer, &server, "taker");
	send_alloc(&peer, peer_open_pool(&peer, "default"), 13, 1);

	struct message reply;
	CHILD_CHECK(peer_receive(&peer, &reply) && reply.status == MESSAGE_STATUS_OK);
	child_put(to_parent, "!", 1);
}

static void test_attack_scrub_takes_no_memory_that_was_not_there(void **state)
{
	struct child child;
	struct peer peer;
	char byte;

	(void)state;
	if (child_cannot_change_user())
		skip();
	start_daemon("commit = touch");
	peer_hello(&peer, &server, "second");
	child_start(&child, CHILD_OTHER_UID, touch_free_taker, NULL);
	child_read(&child, &byte, 1);
	child_finish(&child);
	peer_await_free(&peer, "default", UINT64_C(64) << 20);
	assert_alloc_succeeds(&peer, peer_open_pool(&peer, "default"), 13);

	struct message_pool_info info = peer_pool_info(&peer, "default");
	say_goodbye(&peer);
	daemon_stop(&server);
	assert_true(info.zones[0].committed_bytes < 1u << 20);
}

/* Connects as often as it is let, without access to anything. */
static void stranger(int from_parent, int to_parent, void *data)
{
	struct rlimit limit;
	char byte;

	(void)data;
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (rlim_t i = 0; i + 16 < limit.rlim_cur; i++) {
		struct message hello = { .type = MESSAGE_HELLO };
		struct peer peer;

		peer_connect(&peer, &server);
		hello.u.hello.version_min = MESSAGE_VERSION_MIN;
		hello.u.hello.version_max = MESSAGE_VERSION;
		hello.u.hello.name = "stranger";
		peer_send(&peer, &hello);
	}
	child_put(to_parent, "!", 1);
	child_get(from_parent, &byte, 1);
}

static void test_attack_stranger_leaves_places_for_others(void **state)
{
	struct message hello = { .type = MESSAGE_HELLO }, reply;
	struct child child;
	struct peer peer;
	bool is_answered_at_all;
	char byte;

	(void)state;
	if (child_cannot_change_user())
		skip();
	start_daemon("");
	child_start(&child, CHILD_OTHER_UID + 1, stranger, NULL);
	child_read(&child, &byte, 1);
	peer_connect(&peer, &server);
	hello.u.hello.version_min = MESSAGE_VERSION_MIN;
	hello.u.hello.version_max = MESSAGE_VERSION;
	hello.u.hello.name = "honest";
	peer_send(&peer, &hello);
	is_answered_at_all = peer_receive(&peer, &reply);
	peer_close(&peer);
	child_write(&child, "x", 1);
	child_finish(&child);
	daemon_stop(&server);
	assert_true(is_answered_at_all);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
}

/* Opens the pool again and again, and leaves the descriptors in its sockets. */
static void descriptor_hoarder(int from_parent, int to_parent, void *data)
{
	struct peer peers[16];
	char byte;

	(void)data;
	for (size_t i = 0; i < 16; i++) {
		peer_hello(&peers[i], &server, "hoarder");
		for (int j = 0; j < 150; j++) {
			struct message request = { .type = MESSAGE_POOL_OPEN };

			request.u.pool_open.name = "default";
			peer_send(&peers[i], &request);
		}
	}
	/* A connection is served in order: when this one is answered, most of those were. */
	struct peer last;
	peer_hello(&last, &server, "last");
	child_put(to_parent, "!", 1);
	child_get(from_parent, &byte, 1);
}

static void test_attack_descriptors_on_their_way_do_not_run_out(void **state)
{
	struct message request = { .type = MESSAGE_POOL_OPEN }, reply;
	struct child child;
	struct peer peer;
	bool is_opened;
	char byte;

	(void)state;
	start_daemon("");
	peer_hello(&peer, &server, "honest");
	child_start(&child, (uid_t)-1, descriptor_hoarder, NULL);
	child_read(&child, &byte, 1);
	request.u.pool_open.name = "default";
	peer_send(&peer, &request);
	is_opened = peer_receive(&peer, &reply) && reply.status == MESSAGE_STATUS_OK;
	peer_close(&peer);
	child_write(&child, "x", 1);
	child_finish(&child);
	daemon_stop(&server);
	assert_true(is_opened);
}

/* Says hello, then half a frame: each time a line of the log. False when it is not answered. */
static bool make_noise(void)
{
	static const uint8_t half_a_frame[] = { 5, 0, 0, 0, 1 };
	struct message hello = { .type = MESSAGE_HELLO }, reply;
	struct peer peer;
	bool answers;

	hello.u.hello.version_min = MESSAGE_VERSION_MIN;
	hello.u.hello.version_max = MESSAGE_VERSION;
	hello.u.hello.name = "noisy";
	peer_connect(&peer, &server);
	peer_send(&peer, &hello);
	answers = is_answered(&peer) && peer_receive(&peer, &reply);
	if (answers)
		peer_send_bytes(&peer, half_a_frame, sizeof(half_a_frame));
	peer_close(&peer);
	return answers;
}

static void test_attack_unread_log_does_not_stop_the_loop(void **state)
{
	bool answers = true;
	int fd;

	(void)state;
	start_daemon("");
	assert_int_equal(kill(server.pid, SIGKILL), 0);
	assert_int_equal(waitpid(server.pid, NULL, 0), server.pid);
	assert_int_equal(unlink(server.log), 0);
	assert_int_equal(mkfifo(server.log, 0600), 0);
	fd = open(server.log, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_SETPIPE_SZ, 4096) > 0);
	daemon_restart(&server);
	for (int i = 0; i < 200 && answers; i++)
		answers = make_noise();
	if (!answers) {
		kill(server.pid, SIGKILL);
		waitpid(server.pid, NULL, 0);
		daemon_remove(&server);
	} else {
		daemon_stop(&server);
	}
	close(fd);
	assert_true(answers);
}

/* Has as many checks running as it may, always. */
static void checker(int from_parent, int to_parent, void *data)
{
	struct message request = { .type = MESSAGE_CHECK }, reply;
	struct peer peer;

	(void)from_parent;
	(void)data;
	peer_hello(&peer, &server, "checker");
	child_put(to_parent, "!", 1);
	for (int i = 0; i < 7; i++) {
		request.id = 0;
		peer_send(&peer, &request);
	}
	while (peer_receive(&peer, &reply)) {
		request.id = 0;
		peer_send(&peer, &request);
	}
	_exit(0);
}

static void test_attack_checks_of_one_leave_room_for_others(void **state)
{
	struct message request = { .type = MESSAGE_CHECK }, reply;
	unsigned nr_refused = 0;
	struct child child;
	struct peer peer;
	char byte;

	(void)state;
	start_daemon("commit = touch");
	peer_hello(&peer, &server, "honest");
	child_start(&child, (uid_t)-1, checker, NULL);
	child_read(&child, &byte, 1);
	for (int i = 0; i < 50; i++) {
		request.id = 0;
		peer_call(&peer, &request, &reply);
		nr_refused += reply.status != MESSAGE_STATUS_OK;
	}
	peer_close(&peer);
	child_kill(&child);
	daemon_stop(&server);
	assert_int_equal(nr_refused, 0);
}

/*
 * For the daemons, and for good: few descriptors, and no capability that lifts the kernel's limit
 * on those in flight.
 */
static int setup(void **state)
{
	const struct rlimit few = { FEW_DESCRIPTORS, FEW_DESCRIPTORS };

	(void)state;
	prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE);
	prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN);
	return setrlimit(RLIMIT_NOFILE, &few);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attack_locked_segment_does_not_stop_the_loop),
		cmocka_unit_test(test_attack_locked_segment_does_not_stop_other_pools),
		cmocka_unit_test(test_attack_locked_segment_does_not_stop_debug_caches),
		cmocka_unit_test(test_attack_scrub_takes_no_memory_that_was_not_there),
		cmocka_unit_test(test_attack_stranger_leaves_places_for_others),
		cmocka_unit_test(test_attack_unread_log_does_not_stop_the_loop),
		cmocka_unit_test(test_attack_checks_of_one_leave_room_for_others),
		cmocka_unit_test(test_attack_descriptors_on_their_way_do_not_run_out),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
