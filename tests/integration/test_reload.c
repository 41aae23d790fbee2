/* SPDX-License-Identifier: MIT */
/* A running daemon that is told to read its configuration again, by request and by SIGHUP. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/daemon.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCK_ORDER 9u
#define BLOCK_BYTES ((size_t)PP_PAGE_SIZE << BLOCK_ORDER)
#define BLOCKS_MAX 64u
#define PATIENCE_S 20

static struct daemon server;
static struct peer watcher;
static struct pp_client *client;
static struct pp_pool *pool;

/* Watermarks of nothing, so that a client can have all of a pool. */
#define POOL(size, more) "[pool default]\nwatermark = 0 4K 8K\nsize = " size "\n" more

static void start(const char *sections)
{
	daemon_start(&server, "topology = fake:1", sections);
	peer_hello(&watcher, &server, "watcher");
	pool = daemon_open_pool(&server, "client", &client);
}

static void stop(void)
{
	pp_client_free(client);
	peer_assert_check_clean(&watcher);
	peer_close(&watcher);
	daemon_stop(&server);
}

/* Asks for a reload with this configuration; the reply lives until the next call. */
static const struct message *reload_daemon(const char *daemon_keys, const char *sections)
{
	static struct message reply;
	struct message request = { .type = MESSAGE_RELOAD };

	daemon_configure(&server, daemon_keys, sections);
	peer_call(&watcher, &request, &reply);
	return &reply;
}

static const struct message *reload(const char *sections)
{
	return reload_daemon("topology = fake:1", sections);
}

/* The reload was done, and said as many lines. */
static void assert_done(const struct message *reply, size_t nr_lines)
{
	if (reply->status != MESSAGE_STATUS_OK)
		fail_msg("refused: %s", reply->error);
	assert_int_equal(reply->type, MESSAGE_RELOAD_RESULT);
	assert_int_equal(reply->u.reload_result.nr_lines, nr_lines);
}

static void assert_line(const struct message *reply, const char *words)
{
	for (size_t i = 0; i < reply->u.reload_result.nr_lines; i++)
		if (strstr(reply->u.reload_result.lines[i], words))
			return;
	fail_msg("no line says '%s'", words);
}

static void assert_refused(const struct message *reply, const char *words)
{
	assert_int_equal(reply->status, MESSAGE_STATUS_INVALID);
	if (!strstr(reply->error, words))
		fail_msg("'%s' does not say '%s'", reply->error, words);
}

static void assert_logged(const char *words)
{
	char *log = daemon_read_log(&server);

	if (!strstr(log, words))
		fail_msg("the log does not say '%s' but:\n%s", words, log);
	free(log);
}

static void await_logged(const char *words)
{
	time_t deadline = time(NULL) + PATIENCE_S;
	bool is_there;

	do {
		char *log = daemon_read_log(&server);

		is_there = strstr(log, words);
		free(log);
	} while (!is_there && time(NULL) < deadline);
	assert_logged(words);
}

static struct message_zone_info zone_info(void)
{
	return peer_pool_info(&watcher, "default").zones[0];
}

typedef bool (*condition_fn)(const struct message_zone_info *zone, uint64_t value);

/* Asks again and again until the zone is so. */
static void await(condition_fn is_so, uint64_t value, const char *what)
{
	time_t deadline = time(NULL) + PATIENCE_S;
	struct message_zone_info zone;

	do {
		zone = zone_info();
		if (is_so(&zone, value))
			return;
	} while (time(NULL) < deadline);
	fail_msg("%s is not %llu: size %llu, committed %llu, draining %llu", what,
		 (unsigned long long)value, (unsigned long long)zone.size_bytes,
		 (unsigned long long)zone.committed_bytes, (unsigned long long)zone.draining_bytes);
}

static bool has_size(const struct message_zone_info *zone, uint64_t value)
{
	return zone->size_bytes == value;
}

static bool has_free(const struct message_zone_info *zone, uint64_t value)
{
	return zone->free_bytes == value;
}

static bool has_draining(const struct message_zone_info *zone, uint64_t value)
{
	return zone->draining_bytes == value;
}

static bool has_committed(const struct message_zone_info *zone, uint64_t value)
{
	return zone->committed_bytes == value;
}

#define AWAIT(what, value) await(has_##what, value, #what)

/* All that there is, block by block; each says whose it is. */
static size_t take_all(void **blocks)
{
	size_t nr_blocks = 0;

	while (nr_blocks < BLOCKS_MAX) {
		void *block = pp_alloc_pages(pool, BLOCK_ORDER, PP_HIGH);

		if (!block)
			break;
		memset(block, (int)(nr_blocks + 1), BLOCK_BYTES);
		blocks[nr_blocks++] = block;
	}
	return nr_blocks;
}

static uint64_t end_of(const void *block)
{
	return pp_to_offset(pool, block) + BLOCK_BYTES;
}

static void assert_filled(const void *block, size_t position)
{
	const unsigned char *bytes = block;

	assert_int_equal(bytes[0], position + 1);
	assert_memory_equal(bytes, bytes + 1, BLOCK_BYTES - 1);
}

static uint64_t backed_bytes(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* Growing. */

static void test_reload_grows_a_pool_under_its_clients(void **state)
{
	void *blocks[BLOCKS_MAX], *more[BLOCKS_MAX];
	uint64_t largest = 0;
	size_t nr_more;

	(void)state;
	start(POOL("8M", ""));
	assert_int_equal(take_all(blocks), 4);
	const struct message *reply = reload(POOL("24M", ""));
	assert_done(reply, 1);
	assert_line(reply, "[pool default] size: node0 grows from 8 to 24 MiB");
	AWAIT(size, 24 * MIB);
	AWAIT(free, 16 * MIB);
	nr_more = take_all(more);
	assert_int_equal(nr_more, 8);
	for (size_t i = 0; i < nr_more; i++) {
		assert_filled(more[i], i);
		if (end_of(more[i]) > largest)
			largest = end_of(more[i]);
	}
	assert_int_equal(largest, 24 * MIB);
	for (size_t i = 0; i < 4; i++)
		assert_filled(blocks[i], i);
	assert_logged("pool 'default' node0: grown by 16 to 24 MiB");
	stop();
}

static void test_reload_commits_what_a_pool_grows_by_before_it_is_granted(void **state)
{
	(void)state;
	start(POOL("4M", "commit = start\n"));
	assert_int_equal(zone_info().committed_bytes, 4 * MIB);
	assert_true(zone_info().capacity_bytes > 64 * MIB);
	assert_done(reload(POOL("64M", "commit = start\n")), 1);
	AWAIT(size, 64 * MIB);
	assert_int_equal(zone_info().committed_bytes, 64 * MIB);
	stop();
}

/* All of the host's memory is more than is free. */
static void test_reload_that_finds_no_memory_leaves_the_pool_as_it_was(void **state)
{
	char sections[128];

	(void)state;
	start(POOL("8M", "commit = start\n"));
	snprintf(sections, sizeof(sections), POOL("%lluM", "commit = start\n"),
		 (unsigned long long)(zone_info().capacity_bytes / MIB));
	assert_done(reload(sections), 1);
	await_logged("pool 'default' node0: can't grow to");
	assert_int_equal(zone_info().size_bytes, 8 * MIB);
	assert_int_equal(zone_info().committed_bytes, 8 * MIB);
	assert_done(reload(sections), 1); /* it is tried again */
	assert_done(reload(POOL("16M", "commit = start\n")), 1);
	AWAIT(size, 16 * MIB);
	stop();
}

/* Shrinking. */

static void test_reload_shrinks_a_pool_as_its_tail_is_freed(void **state)
{
	void *blocks[BLOCKS_MAX];
	size_t nr_blocks, held[2] = { 0 }, nr_held = 0;
	int segment;

	(void)state;
	start(POOL("16M", "commit = start\n"));
	segment = daemon_open_segment(&server, "default");
	assert_int_equal(backed_bytes(segment), 16 * MIB);
	nr_blocks = take_all(blocks);
	assert_int_equal(nr_blocks, 8);
	for (size_t i = 0; i < nr_blocks; i++) {
		uint64_t end = end_of(blocks[i]);

		if (end == 10 * MIB || end == 16 * MIB)
			held[nr_held++] = i;
		else
			assert_int_equal(pp_free_pages(pool, blocks[i], BLOCK_ORDER), 0);
	}
	assert_int_equal(nr_held, 2);
	AWAIT(free, 12 * MIB);

	const struct message *reply = reload(POOL("6M", "commit = start\n"));
	assert_done(reply, 1);
	assert_line(reply, "[pool default] size: node0 shrinks from 16 to 6 MiB");
	AWAIT(size, 6 * MIB);
	AWAIT(free, 6 * MIB);
	AWAIT(draining, 4 * MIB);
	AWAIT(committed, 10 * MIB); /* what is free in the tail, around what is held */
	assert_logged("shrunk by 10 to 6 MiB");
	assert_logged("4096 KiB beyond its size are held, and leave as they are freed");
	for (size_t i = 0; i < nr_held; i++)
		assert_filled(blocks[held[i]], held[i]);

	assert_int_equal(pp_free_pages(pool, blocks[held[0]], BLOCK_ORDER), 0);
	AWAIT(draining, 2 * MIB);
	AWAIT(committed, 8 * MIB);
	assert_filled(blocks[held[1]], held[1]);
	assert_int_equal(pp_free_pages(pool, blocks[held[1]], BLOCK_ORDER), 0);
	AWAIT(draining, 0);
	AWAIT(committed, 6 * MIB);
	for (time_t end = time(NULL) + PATIENCE_S; backed_bytes(segment) > 6 * MIB;)
		assert_true(time(NULL) < end);
	assert_int_equal(take_all(blocks), 3);
	close(segment);
	stop();
}

/* A block of which the first half stays in the pool. */
static void test_reload_leaves_a_block_across_the_new_end_whole(void **state)
{
	unsigned char *blocks[4], *across = NULL;

	(void)state;
	start(POOL("16M", "commit = start\n"));
	for (unsigned i = 0; i < 4; i++) {
		blocks[i] = pp_alloc_pages(pool, BLOCK_ORDER + 1, PP_HIGH);
		assert_non_null(blocks[i]);
		memset(blocks[i], 'b', 2 * BLOCK_BYTES);
		if (pp_to_offset(pool, blocks[i]) == 4 * MIB)
			across = blocks[i];
	}
	assert_non_null(across);
	assert_done(reload(POOL("6M", "commit = start\n")), 1);
	AWAIT(draining, 10 * MIB);
	for (unsigned i = 0; i < 4; i++)
		if (blocks[i] != across)
			assert_int_equal(pp_free_pages(pool, blocks[i], BLOCK_ORDER + 1), 0);
	AWAIT(draining, 2 * MIB);
	AWAIT(committed, 8 * MIB);
	assert_int_equal(across[0], 'b');
	assert_memory_equal(across, across + 1, 2 * BLOCK_BYTES - 1);
	assert_int_equal(pp_free_pages(pool, across, BLOCK_ORDER + 1), 0);
	AWAIT(draining, 0);
	AWAIT(committed, 6 * MIB);
	AWAIT(free, 6 * MIB);
	stop();
}

/* What a size cuts off of 2 MiB is committed with the rest of them, and goes back with it. */
static void test_reload_to_and_from_an_odd_size_gives_everything_back(void **state)
{
	char *log;

	(void)state;
	start(POOL("140M", "commit = start\nmax_order = 0\n")); /* more than is walked at once */
	assert_done(reload(POOL("4100K", "commit = start\nmax_order = 0\n")), 1);
	AWAIT(committed, 6 * MIB);
	assert_done(reload(POOL("4M", "commit = start\nmax_order = 0\n")), 1);
	AWAIT(committed, 4 * MIB);
	log = daemon_read_log(&server);
	assert_null(strstr(log, "somebody has touched"));
	free(log);
	stop();
}

static void test_reload_of_a_client_that_ends_drains_its_blocks(void **state)
{
	void *blocks[BLOCKS_MAX];

	(void)state;
	start(POOL("16M", ""));
	assert_int_equal(take_all(blocks), 8);
	assert_done(reload(POOL("4M", "")), 1);
	AWAIT(draining, 12 * MIB);
	client = pp_client_free(client);
	AWAIT(draining, 0);
	AWAIT(free, 4 * MIB);
	stop();
}

static void test_reload_amid_a_resize_is_followed(void **state)
{
	void *blocks[BLOCKS_MAX];

	(void)state;
	start(POOL("16M", ""));
	assert_int_equal(take_all(blocks), 8);
	assert_done(reload(POOL("4M", "")), 1);
	assert_done(reload(POOL("600M", "commit = grant\n")), 1);
	assert_done(reload(POOL("8M", "")), 1);
	AWAIT(size, 8 * MIB);
	AWAIT(draining, 8 * MIB);
	assert_done(reload(POOL("20M", "")), 1);
	AWAIT(size, 20 * MIB);
	AWAIT(draining, 0);
	AWAIT(free, 4 * MIB);
	for (size_t i = 0; i < 8; i++)
		assert_filled(blocks[i], i);
	stop();
}

/* What can't be. */

static void test_reload_of_a_wrong_configuration_changes_nothing(void **state)
{
	struct message_zone_info before, after;

	(void)state;
	start(POOL("8M", ""));
	before = zone_info();
	/* The daemon's sections begin behind [daemon], socket and topology. */
	assert_refused(reload(POOL("16M", "max_order = 99\n")),
		       "config:7: [pool default] max_order: '99' is no number");
	assert_refused(reload("[pool default]\nsize = 16M\nsise = 1M\n"),
		       "[pool default] sise: no such key");
	assert_refused(reload(POOL("1T", "")), "[pool default] size: 1048576 MiB are above the");
	assert_refused(reload(POOL("2K", "")), "[pool default] size: ");
	assert_refused(reload_daemon("topology = sideways", POOL("16M", "")), "[daemon] topology:");
	assert_logged("reload: nothing has changed");
	assert_logged("config:7: [pool default] max_order: '99' is no number");
	after = zone_info();
	assert_int_equal(after.size_bytes, before.size_bytes);
	assert_int_equal(after.min_bytes, before.min_bytes);
	assert_done(reload(POOL("8M", "")), 0); /* and so it is what it was */
	stop();
}

static void test_reload_names_what_needs_a_restart(void **state)
{
	const struct message *reply;

	(void)state;
	start(POOL("8M", "") "[pool old]\nsize = 4M\n");
	reply = reload_daemon("topology = fake:2",
			      POOL("8M", "max_order = 3\ncommit = touch\nscrub = never\n"
					 "nodes = 0\ncontiguous = 2M\nhugepages = 2M\n"
					 "debug_objects = yes\n") "[pool new]\nsize = 4M\n");
	assert_done(reply, 10);
	assert_line(reply, "[daemon] topology: needs a restart");
	assert_line(reply, "[pool default] max_order: needs a restart");
	assert_line(reply, "[pool default] commit: needs a restart");
	assert_line(reply, "[pool default] scrub: needs a restart");
	assert_line(reply, "[pool default] nodes: needs a restart");
	assert_line(reply, "[pool default] contiguous: needs a restart");
	assert_line(reply, "[pool default] hugepages: needs a restart");
	assert_line(reply, "[pool default] debug_objects: needs a restart");
	assert_line(reply, "[pool old] is gone, and is served as before: needs a restart");
	assert_line(reply, "[pool new] is new: needs a restart");
	assert_logged("reload: [pool new] is new: needs a restart");
	assert_int_equal(zone_info().page_bytes, 4096);
	assert_int_equal(peer_pool_info(&watcher, "old").size_bytes, 4 * MIB);
	stop();
}

/* What takes effect at once. */

static void test_reload_changes_watermarks(void **state)
{
	(void)state;
	start("[pool default]\nsize = 64M\nwatermark = 1M 2M 3M\n");
	assert_int_equal(zone_info().min_bytes, MIB);
	assert_done(reload("[pool default]\nsize = 64M\nwatermark = 4M 5M 6M\n"), 1);
	assert_int_equal(zone_info().min_bytes, 4 * MIB);
	assert_int_equal(zone_info().low_bytes, 5 * MIB);
	assert_int_equal(zone_info().high_bytes, 6 * MIB);
	/* Parts are of the new size. */
	assert_done(reload("[pool default]\nsize = 32M\nwatermark = 25% 50% 75%\n"), 2);
	AWAIT(size, 32 * MIB);
	assert_int_equal(zone_info().min_bytes, 8 * MIB);
	assert_int_equal(zone_info().high_bytes, 24 * MIB);
	stop();
}

static void test_reload_changes_who_may_open_a_pool(void **state)
{
	struct pp_client *late;
	struct pp_pool *late_pool;
	char sections[128];

	(void)state;
	start(POOL("8M", ""));
	const struct message *reply = reload(POOL("8M", "access = uid:77777\n"));
	assert_int_equal(reply->status, MESSAGE_STATUS_OK);
	assert_line(reply, "[pool default] access: changed");
	late = daemon_connect(&server, "late");
	assert_int_equal(pp_pool_open(late, NULL, 0, &late_pool), -EACCES);
	assert_non_null(pp_alloc_pages(pool, 0, 0)); /* who has it open keeps it */

	snprintf(sections, sizeof(sections),
		 POOL("8M", "access = uid:77777\nread_access = uid:%u\n"), (unsigned)geteuid());
	assert_done(reload(sections), 2); /* the socket is still named, too */
	assert_int_equal(pp_pool_open(late, NULL, 0, &late_pool), -EACCES);
	pp_client_free(late);
	assert_done(reload(POOL("8M", "")), 2);
	late = daemon_connect(&server, "late");
	assert_int_equal(pp_pool_open(late, NULL, 0, &late_pool), 0);
	pp_client_free(late);
	stop();
}

static void test_reload_changes_limits(void **state)
{
	char sections[128];

	(void)state;
	start(POOL("8M", ""));
	assert_non_null(pp_alloc_pages(pool, 8, 0));
	snprintf(sections, sizeof(sections), POOL("8M", "[limit uid:%u]\nmax = 1M\n"),
		 (unsigned)geteuid());
	const struct message *reply = reload(sections);
	assert_done(reply, 1);
	assert_line(reply, "limits: changed; 1 now");
	assert_null(pp_alloc_pages(pool, 8, 0));
	assert_int_equal(errno, EDQUOT);
	assert_done(reload(POOL("8M", "")), 1);
	assert_non_null(pp_alloc_pages(pool, 8, 0));
	stop();
}

static void test_reload_changes_the_log_level(void **state)
{
	char *log;

	(void)state;
	start(POOL("8M", ""));
	assert_done(reload_daemon("topology = fake:1\nlog_level = error", POOL("8M", "")), 1);
	assert_done(reload_daemon("topology = fake:1\nlog_level = error", POOL("12M", "")), 1);
	AWAIT(size, 12 * MIB);
	log = daemon_read_log(&server);
	assert_non_null(strstr(log, "log_level: changed"));
	assert_null(strstr(log, "grows"));
	free(log);
	stop();
}

/* Who asks, and how. */

static void test_reload_by_signal_does_the_same(void **state)
{
	(void)state;
	start(POOL("8M", ""));
	daemon_configure(&server, "topology = fake:1", POOL("16M", ""));
	assert_int_equal(kill(server.pid, SIGHUP), 0);
	AWAIT(size, 16 * MIB);
	assert_logged("reload: [pool default] size: node0 grows from 8 to 16 MiB");
	stop();
}

static void ask_as_another(int from_parent, int to_parent, void *data)
{
	struct message request = { .type = MESSAGE_RELOAD }, reply;
	struct peer peer;

	(void)from_parent;
	(void)data;
	peer_hello(&peer, &server, "stranger");
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(reply.status == MESSAGE_STATUS_ACCESS);
	CHILD_CHECK(strstr(reply.error, "only root"));
	child_put(to_parent, "k", 1);
	peer_close(&peer);
}

static void test_reload_is_for_root_and_the_daemon_s_own_user(void **state)
{
	struct child child;
	char byte;

	(void)state;
	if (child_cannot_change_user())
		skip();
	start(POOL("8M", "access = uid:0 uid:65534\n"));
	child_start(&child, CHILD_OTHER_UID, ask_as_another, NULL);
	child_read(&child, &byte, 1);
	child_finish(&child);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reload_grows_a_pool_under_its_clients),
		cmocka_unit_test(test_reload_commits_what_a_pool_grows_by_before_it_is_granted),
		cmocka_unit_test(test_reload_that_finds_no_memory_leaves_the_pool_as_it_was),
		cmocka_unit_test(test_reload_shrinks_a_pool_as_its_tail_is_freed),
		cmocka_unit_test(test_reload_leaves_a_block_across_the_new_end_whole),
		cmocka_unit_test(test_reload_to_and_from_an_odd_size_gives_everything_back),
		cmocka_unit_test(test_reload_of_a_client_that_ends_drains_its_blocks),
		cmocka_unit_test(test_reload_amid_a_resize_is_followed),
		cmocka_unit_test(test_reload_of_a_wrong_configuration_changes_nothing),
		cmocka_unit_test(test_reload_names_what_needs_a_restart),
		cmocka_unit_test(test_reload_changes_watermarks),
		cmocka_unit_test(test_reload_changes_who_may_open_a_pool),
		cmocka_unit_test(test_reload_changes_limits),
		cmocka_unit_test(test_reload_changes_the_log_level),
		cmocka_unit_test(test_reload_by_signal_does_the_same),
		cmocka_unit_test(test_reload_is_for_root_and_the_daemon_s_own_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
