/* SPDX-License-Identifier: MIT */
/*
 * Two users at one daemon: who may open what, what a reader can't do, and that nobody reads what
 * another user left behind.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/daemon.h"

#define POOL_BYTES (UINT64_C(8) << 20)
#define NR_PAGES (POOL_BYTES / PP_PAGE_SIZE)

static const char sections[] = "[pool roots]\naccess = uid:0\nsize = 8M\n"
			       "[pool both]\naccess = user:root uid:65534\nsize = 8M\n"
			       "[pool group]\naccess = group:nogroup\nsize = 8M\n"
			       "[pool shown]\naccess = uid:0\nread_access = uid:65534\nsize = 8M\n"
			       "[pool always]\naccess = uid:0\nsize = 8M\nscrub = always\n"
			       "[pool never]\naccess = uid:0 uid:65534\nsize = 8M\nscrub = never\n";

static struct daemon server;

static int setup(void **state)
{
	*state = NULL;
	if (geteuid() == 0) {
		daemon_start(&server, "topology = fake:1", sections);
		*state = &server;
	}
	return 0;
}

static struct pp_client *connect_in_child(void)
{
	struct pp_client_config config = { .struct_size = sizeof(config), .socket = server.socket };
	struct pp_client *client;

	CHILD_CHECK(pp_client_new(&client, &config) == 0);
	return client;
}

static void opens_what_it_may(int from_parent, int to_parent, void *data)
{
	struct pp_client *client = connect_in_child();
	struct pp_pool *pool;

	(void)from_parent;
	(void)to_parent;
	(void)data;
	CHILD_CHECK(pp_pool_open(client, "roots", 0, &pool) == -EACCES);
	CHILD_CHECK(pp_pool_open(client, "roots", PP_POOL_READONLY, &pool) == -EACCES);
	CHILD_CHECK(pp_pool_open(client, "shown", 0, &pool) == -EACCES);
	CHILD_CHECK(pp_pool_open(client, "shown", PP_POOL_READONLY, &pool) == 0);
	CHILD_CHECK(!pp_alloc_pages(pool, 0, 0) && errno == EACCES);
	CHILD_CHECK(pp_pool_open(client, "group", 0, &pool) == 0);
	CHILD_CHECK(pp_pool_open(client, "both", 0, &pool) == 0);
	CHILD_CHECK(pp_alloc_pages(pool, 0, 0));
	pp_client_free(client);
}

static void test_access_lists_decide_who_opens(void **state)
{
	struct pp_client *client;
	struct pp_pool *pool;
	struct child child;

	(void)state;
	if (child_cannot_change_user())
		skip();
	child_start(&child, CHILD_OTHER_UID, opens_what_it_may, NULL);
	child_finish(&child);
	client = daemon_connect(&server, "root");
	assert_int_equal(pp_pool_open(client, "roots", 0, &pool), 0);
	assert_int_equal(pp_pool_open(client, "shown", 0, &pool), 0);
	/* Being root is not being in nogroup. */
	assert_int_equal(pp_pool_open(client, "group", 0, &pool), -EACCES);
	pp_client_free(client);
}

/* A reader sees what the writer wrote, and has no way to write. */
static void reads(int from_parent, int to_parent, void *data)
{
	struct message request = { .type = MESSAGE_POOL_OPEN }, reply;
	struct pp_client *client = connect_in_child();
	struct pp_pool *pool;
	struct peer peer;
	pp_offset offset;
	const char *text;
	char path[64];
	int fds[FRAME_FDS_MAX];

	(void)to_parent;
	(void)data;
	child_get(from_parent, &offset, sizeof(offset));
	CHILD_CHECK(pp_pool_open(client, "shown", PP_POOL_READONLY, &pool) == 0);
	text = pp_from_offset(pool, offset);
	CHILD_CHECK(text && strcmp(text, "to be read") == 0);
	CHILD_CHECK(mprotect((void *)text, PP_PAGE_SIZE, PROT_READ | PROT_WRITE) != 0);

	peer_hello(&peer, &server, "reader");
	request.u.pool_open.name = "shown";
	request.u.pool_open.read_only = true;
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(frame_reader_take_fds(&peer.reader, fds) == 1);
	CHILD_CHECK((fcntl(fds[0], F_GETFL) & O_ACCMODE) == O_RDONLY);
	CHILD_CHECK(mmap(NULL, PP_PAGE_SIZE, PROT_WRITE, MAP_SHARED, fds[0], 0) == MAP_FAILED);
	CHILD_CHECK(fchmod(fds[0], 0777) != 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	CHILD_CHECK(open(path, O_RDWR | O_CLOEXEC) < 0 && errno == EACCES);
	CHILD_CHECK(open(path, O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES);
	close(fds[0]);
	peer_close(&peer);
	pp_client_free(client);
}

static void test_access_readers_read_only(void **state)
{
	struct pp_client *client;
	struct pp_pool *pool;
	struct child child;
	pp_offset offset;
	char *block;

	(void)state;
	if (child_cannot_change_user())
		skip();
	client = daemon_connect(&server, "writer");
	assert_int_equal(pp_pool_open(client, "shown", 0, &pool), 0);
	block = pp_alloc_pages(pool, 0, 0);
	strcpy(block, "to be read");
	offset = pp_to_offset(pool, block);
	child_start(&child, CHILD_OTHER_UID, reads, NULL);
	child_write(&child, &offset, sizeof(offset));
	child_finish(&child);
	pp_client_free(client);
}

/* Takes every page of the pool, in the orders given, and tells how many bytes are not zero. */
static void counts_leftovers(int from_parent, int to_parent, void *data)
{
	struct pp_client *client = connect_in_child();
	static void *addrs[NR_PAGES];
	struct pp_pool *pool;
	uint64_t leftovers = 0;

	(void)from_parent;
	CHILD_CHECK(pp_pool_open(client, data, 0, &pool) == 0);
	for (int order = 3; order >= 0; order--) {
		ssize_t want = order ? 20 : NR_PAGES - (8 + 4 + 2) * 20;

		CHILD_CHECK(pp_alloc_bulk(pool, (unsigned)order, PP_HIGH, addrs, (size_t)want) ==
			    want);
		for (ssize_t i = 0; i < want; i++)
			for (size_t at = 0; at < (size_t)PP_PAGE_SIZE << order; at++)
				leftovers += ((const char *)addrs[i])[at] != 0;
	}
	child_put(to_parent, &leftovers, sizeof(leftovers));
	pp_client_free(client);
}

static void leave_something_everywhere(const char *name)
{
	struct pp_client *client = daemon_connect(&server, "messy");
	struct pp_pool *pool;
	void *addrs[NR_PAGES];

	assert_int_equal(pp_pool_open(client, name, 0, &pool), 0);
	assert_int_equal(pp_alloc_bulk(pool, 0, PP_HIGH, addrs, NR_PAGES), NR_PAGES);
	for (size_t i = 0; i < NR_PAGES; i++)
		memset(addrs[i], 0x5a, PP_PAGE_SIZE);
	pp_client_free(client);
}

static uint64_t leftovers_for(uid_t uid, const char *name)
{
	uint64_t leftovers;
	struct child child;

	leave_something_everywhere(name);
	child_start(&child, uid, counts_leftovers, (void *)name);
	child_read(&child, &leftovers, sizeof(leftovers));
	child_finish(&child);
	return leftovers;
}

static void test_access_no_user_reads_what_another_left(void **state)
{
	(void)state;
	if (child_cannot_change_user())
		skip();
	assert_int_equal(leftovers_for(CHILD_OTHER_UID, "both"), 0);
	assert_int_equal(leftovers_for(CHILD_OTHER_UID, "both"), 0);
	assert_int_equal(leftovers_for(0, "always"), 0);
	/* What is told to leave as it is, is left as it is: nobody pays for a scrub unasked. */
	assert_int_equal(leftovers_for(CHILD_OTHER_UID, "never"), POOL_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_access_lists_decide_who_opens),
		cmocka_unit_test(test_access_readers_read_only),
		cmocka_unit_test(test_access_no_user_reads_what_another_left),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
