/* SPDX-License-Identifier: MIT */
/*
 * Objects that processes share slabs for: each one's are its own, whoever dies, whoever else frees,
 * and whoever the memory was another's before.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/page.h"
#include "support/child.h"
#include "support/daemon.h"

#define POOL_BYTES (UINT64_C(64) << 20)
#define BATCH MESSAGE_BATCH_BLOCKS_MAX

/* As many bytes as a name may have. */
#define LONG_NAME "a-name-that-has-as-many-bytes-as-a-name-may-have.sixty-three.ok"

_Static_assert(sizeof(LONG_NAME) - 1 == MESSAGE_NAME_BYTES_MAX, "it has");

static const char sections[] = "[pool default]\naccess = user:root uid:65534\nsize = 64M\n"
			       "[pool small]\naccess = user:root uid:65534\nsize = 2M\n"
			       "[pool area]\naccess = user:root\nsize = 8M\ncontiguous = 4M\n"
			       "[pool " LONG_NAME "]\naccess = user:root\nsize = 4M\n"
			       "[limit uid:65534]\nmax = 100K\n";

static struct daemon server;
static struct peer watcher;

static int setup(void **state)
{
	daemon_start(&server, "topology = fake:1", sections);
	*state = &server;
	return 0;
}

static int watch(void **state)
{
	(void)state;
	peer_hello(&watcher, &server, "watcher");
	return 0;
}

/* What it held goes back, and all is well. */
static int unwatch(void **state)
{
	struct message request = { .type = MESSAGE_GOODBYE }, reply;

	(void)state;
	peer_call(&watcher, &request, &reply);
	peer_close(&watcher);
	peer_hello(&watcher, &server, "checker");
	peer_assert_check_clean(&watcher);
	peer_close(&watcher);
	return 0;
}

/* Requests. */

static struct message make_create(uint32_t pool, const char *name, uint32_t object_bytes,
				  uint32_t flags)
{
	struct message request = { .type = MESSAGE_CREATE_CACHE };

	request.u.create_cache.pool = pool;
	request.u.create_cache.name = name;
	request.u.create_cache.object_bytes = object_bytes;
	request.u.create_cache.flags = flags;
	return request;
}

static struct message make_destroy(uint32_t pool, uint32_t cache)
{
	struct message request = { .type = MESSAGE_DESTROY_CACHE };

	request.u.destroy_cache.pool = pool;
	request.u.destroy_cache.cache = cache;
	return request;
}

static struct message make_alloc(uint32_t pool, uint32_t cache, uint32_t count)
{
	struct message request = { .type = MESSAGE_ALLOC_OBJECTS };

	request.u.alloc_objects.pool = pool;
	request.u.alloc_objects.cache = cache;
	request.u.alloc_objects.count = count;
	return request;
}

static struct message make_free(uint32_t pool, uint32_t cache, const struct message_run *runs,
				size_t nr_runs)
{
	struct message request = { .type = MESSAGE_FREE_OBJECTS };

	request.u.free_objects.pool = pool;
	request.u.free_objects.cache = cache;
	request.u.free_objects.runs = runs;
	request.u.free_objects.nr_runs = nr_runs;
	return request;
}

static unsigned count_objects(const struct message *reply)
{
	unsigned nr_objects = 0;

	for (size_t i = 0; i < reply->u.granted_objects.nr_runs; i++)
		nr_objects += (unsigned)__builtin_popcountll(reply->u.granted_objects.runs[i].mask);
	return nr_objects;
}

static uint32_t make_cache(struct peer *peer, uint32_t pool, const char *name,
			   uint32_t object_bytes, uint32_t flags)
{
	struct message request = make_create(pool, name, object_bytes, flags), reply;

	peer_call(peer, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	return reply.u.cache_opened.cache;
}

/* Objects that are held of a cache of this name. */
static uint64_t count_active(const char *name)
{
	struct message request = { .type = MESSAGE_LIST_CACHES }, reply;

	request.u.list_caches.pool = "";
	peer_call(&watcher, &request, &reply);
	for (size_t i = 0; i < reply.u.cache_list.nr_caches; i++)
		if (strcmp(reply.u.cache_list.caches[i].name, name) == 0)
			return reply.u.cache_list.caches[i].objects_active;
	fail_msg("there is no cache %s", name);
	return 0;
}

static void await_active(const char *name, uint64_t nr_objects)
{
	for (int i = 0; i < 100000; i++)
		if (count_active(name) == nr_objects)
			return;
	fail_msg("%llu objects of %s are held, not %llu", (unsigned long long)count_active(name),
		 name, (unsigned long long)nr_objects);
}

static void test_objects_come_and_go(void **state)
{
	uint32_t pool = peer_open_pool(&watcher, "default");
	uint32_t cache = make_cache(&watcher, pool, "come and go", 64, 0);
	struct message request, reply;
	struct message_run runs[BATCH];
	unsigned nr_objects = 0;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		request = make_alloc(pool, cache, BATCH);
		peer_call(&watcher, &request, &reply);
		assert_int_equal(reply.type, MESSAGE_GRANTED_OBJECTS);
		assert_int_equal(count_objects(&reply), BATCH);
		nr_objects += BATCH;
	}
	size_t nr_runs = reply.u.granted_objects.nr_runs;
	memcpy(runs, reply.u.granted_objects.runs, nr_runs * sizeof(runs[0]));
	assert_int_equal(count_active("come and go"), nr_objects);
	request = make_free(pool, cache, runs, nr_runs);
	peer_call(&watcher, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	assert_int_equal(count_active("come and go"), nr_objects - BATCH);
	request.id = 0;
	peer_call(&watcher, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_INVALID);
	assert_non_null(strstr(reply.error, "is free already"));
}

/* Wrong frees, and all is as it was. */
static void test_objects_of_others_are_not_freed(void **state)
{
	struct message_run run, wrong[4];
	struct message request, reply;
	struct peer thief;

	(void)state;
	uint32_t pool = peer_open_pool(&watcher, "default");
	uint32_t cache = make_cache(&watcher, pool, "mine", 100, 0);
	uint32_t other = make_cache(&watcher, pool, "other", 100, 0);
	peer_hello(&thief, &server, "thief");
	assert_int_equal(peer_open_pool(&thief, "default"), pool);
	request = make_alloc(pool, cache, 10);
	peer_call(&watcher, &request, &reply);
	run = reply.u.granted_objects.runs[0];
	for (unsigned i = 0; i < 4; i++)
		wrong[i] = run;

	request = make_free(pool, cache, &run, 1);
	peer_call(&thief, &request, &reply);
	assert_non_null(strstr(reply.error, "is not this client's"));
	request = make_free(pool, MESSAGE_CACHE_ANY, &run, 1);
	peer_call(&thief, &request, &reply);
	assert_non_null(strstr(reply.error, "is not this client's"));
	request = make_free(pool, other, &run, 1);
	peer_call(&watcher, &request, &reply);
	assert_non_null(strstr(reply.error, "is of cache 'mine', not 'other'"));
	wrong[3].base += 4; /* the ones before are right, and named again */
	request = make_free(pool, cache, wrong, 4);
	peer_call(&watcher, &request, &reply);
	assert_non_null(strstr(reply.error, "twice"));
	wrong[0].base = UINT64_MAX;
	request = make_free(pool, cache, wrong, 1);
	peer_call(&watcher, &request, &reply);
	assert_non_null(strstr(reply.error, "not in the pool"));
	assert_int_equal(reply.status, MESSAGE_STATUS_INVALID);
	assert_int_equal(count_active("mine"), 10);
	request = make_free(pool, cache, &run, 1);
	peer_call(&watcher, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
	peer_close(&thief);
}

/* Deaths. */

struct holding {
	uint32_t nr_batches;
	uint32_t object_bytes;
};

static struct holding few = { 10, 200 }, million = { 512, 16 };

/* Takes objects of the cache "shared", tells that it has, and waits to be killed. */
static void hold_objects(int from_parent, int to_parent, void *data)
{
	const struct holding *holding = data;
	struct message request, reply;
	struct peer peer;
	char byte = '!';

	peer_hello(&peer, &server, "holder");
	uint32_t pool = peer_open_pool(&peer, "default");
	request = make_create(pool, "shared", holding->object_bytes, 0);
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(reply.type == MESSAGE_CACHE_OPENED);
	uint32_t cache = reply.u.cache_opened.cache;
	for (uint32_t i = 0; i < holding->nr_batches; i++) {
		request = make_alloc(pool, cache, BATCH);
		peer_call(&peer, &request, &reply);
		CHILD_CHECK(reply.type == MESSAGE_GRANTED_OBJECTS);
		CHILD_CHECK(count_objects(&reply) == BATCH);
	}
	child_put(to_parent, &byte, 1);
	child_get(from_parent, &byte, 1);
}

static void destroy_shared(uint32_t object_bytes)
{
	uint32_t pool = peer_open_pool(&watcher, "default");
	uint32_t cache = make_cache(&watcher, pool, "shared", object_bytes, 0);
	struct message request = make_destroy(pool, cache), reply;

	peer_call(&watcher, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);
}

static void test_objects_of_the_dead_go_back_one_by_one(void **state)
{
	uint64_t free_bytes = peer_pool_info(&watcher, "default").free_bytes;
	struct child one, two;
	char byte;

	(void)state;
	child_start(&one, (uid_t)-1, hold_objects, &few);
	child_start(&two, (uid_t)-1, hold_objects, &few);
	child_read(&one, &byte, 1);
	child_read(&two, &byte, 1);
	assert_int_equal(count_active("shared"), 20 * BATCH);
	child_kill(&one);
	await_active("shared", 10 * BATCH);
	peer_assert_check_clean(&watcher);
	child_kill(&two);
	await_active("shared", 0);
	destroy_shared(200);
	peer_await_free(&watcher, "default", free_bytes);
}

static void test_objects_a_million_go_back(void **state)
{
	uint64_t free_bytes = peer_pool_info(&watcher, "default").free_bytes;
	struct child child;
	char byte;

	(void)state;
	child_start(&child, (uid_t)-1, hold_objects, &million);
	child_read(&child, &byte, 1);
	assert_int_equal(count_active("shared"), 512 * BATCH);
	child_kill(&child);
	await_active("shared", 0);
	destroy_shared(16);
	peer_await_free(&watcher, "default", free_bytes);
}

/* Its socket hangs up and the process lives: what it holds may still be used. */
static void hang_up(int from_parent, int to_parent, void *data)
{
	struct message request, reply;
	struct peer peer;
	char byte = '!';

	(void)data;
	peer_hello(&peer, &server, "hangs up");
	uint32_t pool = peer_open_pool(&peer, "default");
	request = make_create(pool, "kept", 64, 0);
	peer_call(&peer, &request, &reply);
	request = make_alloc(pool, reply.u.cache_opened.cache, 5);
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(count_objects(&reply) == 5);
	peer_close(&peer);
	child_put(to_parent, &byte, 1);
	child_get(from_parent, &byte, 1);
}

static uint32_t count_quarantined(void)
{
	struct message request = { .type = MESSAGE_LIST_CLIENTS }, reply;
	uint32_t count = 0;

	peer_call(&watcher, &request, &reply);
	for (size_t i = 0; i < reply.u.client_list.nr_clients; i++) {
		const struct message_client_info *info = &reply.u.client_list.clients[i];

		if (info->state != MESSAGE_CLIENT_QUARANTINED)
			continue;
		assert_int_equal(info->held_bytes, 5 * 64);
		count++;
	}
	return count;
}

static void test_objects_are_held_as_long_as_the_process(void **state)
{
	struct child child;
	char byte;

	(void)state;
	child_start(&child, (uid_t)-1, hang_up, NULL);
	child_read(&child, &byte, 1);
	while (count_quarantined() == 0)
		;
	assert_int_equal(count_active("kept"), 5);
	child_write(&child, "x", 1);
	child_finish(&child);
	await_active("kept", 0);
}

/* Other users. */

#define SECRET_BYTES 192u
#define NR_SECRETS 64u

/* Object i of the first user's has i in all its bytes; those it got back from there have none. */
static void read_as_other(int from_parent, int to_parent, void *data)
{
	int fd = *(int *)data;
	unsigned char *base = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct message request, reply;
	uint64_t raw = 0, mask = 0;
	struct peer peer;

	(void)from_parent;
	CHILD_CHECK(base != MAP_FAILED);
	peer_hello(&peer, &server, "other");
	uint32_t pool = peer_open_pool(&peer, "default");
	request = make_create(pool, "secrets", SECRET_BYTES, MESSAGE_CACHE_CTOR);
	peer_call(&peer, &request, &reply);
	request = make_alloc(pool, reply.u.cache_opened.cache, NR_SECRETS / 2);
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(reply.type == MESSAGE_GRANTED_OBJECTS);
	CHILD_CHECK(count_objects(&reply) == NR_SECRETS / 2);
	for (size_t i = 0; i < reply.u.granted_objects.nr_runs; i++) {
		const struct message_run *run = &reply.u.granted_objects.runs[i];

		raw |= reply.u.granted_objects.nr_raw ? reply.u.granted_objects.raw[i] : 0;
		for (mask = run->mask; mask; mask &= mask - 1) {
			uint64_t object =
				run->base + (uint64_t)__builtin_ctzll(mask) * SECRET_BYTES;

			for (unsigned j = 0; j < SECRET_BYTES; j++)
				CHILD_CHECK(base[object + j] == 0);
		}
		CHILD_CHECK(!reply.u.granted_objects.nr_raw ||
			    reply.u.granted_objects.raw[i] == run->mask);
	}
	CHILD_CHECK(raw);
	child_put(to_parent, "!", 1);
	peer_close(&peer);
}

/* Half of a user's objects go and are another's: which reads nothing, and the rest stays. */
static void test_objects_show_nothing_of_another_user(void **state)
{
	int fd = daemon_open_segment(&server, "default");
	unsigned char *base = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct message request, reply;
	struct child child;
	char byte;

	(void)state;
	if (child_cannot_change_user())
		skip();
	assert_true(base != MAP_FAILED);
	uint32_t pool = peer_open_pool(&watcher, "default");
	uint32_t cache = make_cache(&watcher, pool, "secrets", SECRET_BYTES, MESSAGE_CACHE_CTOR);
	request = make_alloc(pool, cache, NR_SECRETS);
	peer_call(&watcher, &request, &reply);
	struct message_run run = reply.u.granted_objects.runs[0];
	assert_true(run.mask != 0);
	unsigned nr_objects = (unsigned)__builtin_popcountll(run.mask);
	unsigned char *objects = base + run.base;
	for (unsigned i = 0; i < nr_objects; i++)
		memset(objects + (size_t)i * SECRET_BYTES, (int)i + 1, SECRET_BYTES);
	struct message_run odd = { .base = run.base,
				   .mask = run.mask & UINT64_C(0xaaaaaaaaaaaaaaaa) };
	request = make_free(pool, cache, &odd, 1);
	peer_call(&watcher, &request, &reply);
	assert_int_equal(reply.status, MESSAGE_STATUS_OK);

	child_start(&child, CHILD_OTHER_UID, read_as_other, &fd);
	child_read(&child, &byte, 1);
	child_finish(&child);
	for (unsigned i = 0; i < nr_objects; i += 2)
		for (unsigned j = 0; j < SECRET_BYTES; j++)
			assert_int_equal(objects[(size_t)i * SECRET_BYTES + j], i + 1);
	munmap(base, POOL_BYTES);
	close(fd);
}

static void meet_the_limit(int from_parent, int to_parent, void *data)
{
	struct message request, reply;
	struct peer peer;

	(void)from_parent;
	(void)data;
	peer_hello(&peer, &server, "limited");
	uint32_t pool = peer_open_pool(&peer, "default");
	request = make_create(pool, "limited", 1000, 0);
	peer_call(&peer, &request, &reply);
	uint32_t cache = reply.u.cache_opened.cache;
	request = make_alloc(pool, cache, BATCH);
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(count_objects(&reply) == 102);
	request.id = 0;
	peer_call(&peer, &request, &reply);
	CHILD_CHECK(reply.status == MESSAGE_STATUS_LIMIT);
	CHILD_CHECK(strstr(reply.error, "limit user:65534 of pool 'default': 100 KiB max"));
	child_put(to_parent, "!", 1);
	peer_close(&peer);
}

static void test_objects_count_against_limits(void **state)
{
	struct child child;
	char byte;

	(void)state;
	if (child_cannot_change_user())
		skip();
	child_start(&child, CHILD_OTHER_UID, meet_the_limit, NULL);
	child_read(&child, &byte, 1);
	child_finish(&child);
	await_active("limited", 0);
}

/* The end of the memory. */

static void test_objects_of_a_full_pool_are_a_part_then_none(void **state)
{
	struct message request, reply;
	struct peer peer;
	unsigned nr_objects = 0;

	(void)state;
	peer_hello(&peer, &server, "greedy");
	uint32_t pool = peer_open_pool(&peer, "small");
	uint32_t cache = make_cache(&peer, pool, "greedy", 3000, 0);
	do {
		request = make_alloc(pool, cache, 100);
		request.u.alloc_objects.placement.high = true;
		peer_call(&peer, &request, &reply);
		nr_objects += reply.status ? 0 : count_objects(&reply);
	} while (reply.status == MESSAGE_STATUS_OK);
	assert_int_equal(reply.status, MESSAGE_STATUS_NO_MEMORY);
	assert_non_null(strstr(reply.error, "for more of cache 'greedy'"));
	assert_true(nr_objects > 650 && nr_objects <= 699);
	peer_assert_check_clean(&peer);
	peer_close(&peer); /* and what it held goes when this process ends */
}

/* Slabs of a movable cache lie in the contiguous area, and are shown to be in the way there. */
static void test_objects_are_in_the_way_as_slabs(void **state)
{
	struct message request = make_create(peer_open_pool(&watcher, "area"), "movable", 2048, 0);
	struct message reply;

	(void)state;
	request.u.create_cache.mobility = MESSAGE_MOVABLE;
	peer_call(&watcher, &request, &reply);
	assert_int_equal(reply.type, MESSAGE_CACHE_OPENED);
	uint32_t order = reply.u.cache_opened.slab_order;
	request = make_alloc(request.u.create_cache.pool, reply.u.cache_opened.cache, BATCH);
	peer_call(&watcher, &request, &reply);
	assert_int_equal(count_objects(&reply), BATCH);
	request.id = 0;
	peer_call(&watcher, &request, &reply);

	request = (struct message){ .type = MESSAGE_PLAN_CONTIGUOUS };
	request.u.plan_contiguous.pool = "area";
	request.u.plan_contiguous.order = 9;
	peer_call(&watcher, &request, &reply);
	assert_int_equal(reply.type, MESSAGE_CONTIGUOUS_PLAN);
	assert_true(reply.u.contiguous_plan.held_blocks > 0);
	assert_int_equal(reply.u.contiguous_plan.nr_blocks, reply.u.contiguous_plan.held_blocks);
	assert_int_equal(reply.u.contiguous_plan.held_pages,
			 reply.u.contiguous_plan.held_blocks << order);
	for (size_t i = 0; i < reply.u.contiguous_plan.nr_blocks; i++) {
		const struct message_block_info *block = &reply.u.contiguous_plan.blocks[i];

		assert_string_equal(block->cache, "movable");
		assert_int_equal(block->client, 0);
		assert_int_equal(block->objects, (PAGE_BYTES << order) / 2048);
		assert_true(block->held_objects > 0);
	}
}

/* Lists. */

static size_t count_slabs(void)
{
	struct message request = { .type = MESSAGE_LIST_BLOCKS }, reply;
	size_t nr_slabs = 0;

	request.u.list_blocks.pool = LONG_NAME;
	do {
		request.id = 0;
		peer_call(&watcher, &request, &reply);
		assert_int_equal(reply.type, MESSAGE_BLOCK_LIST);
		for (size_t i = 0; i < reply.u.block_list.nr_blocks; i++)
			assert_string_equal(reply.u.block_list.blocks[i].cache, LONG_NAME);
		nr_slabs += reply.u.block_list.nr_blocks;
		request.u.list_blocks.start = reply.u.block_list.next;
	} while (request.u.list_blocks.start);
	return nr_slabs;
}

static size_t count_caches(void)
{
	struct message request = { .type = MESSAGE_LIST_CACHES }, reply;
	size_t nr_caches = 0;

	request.u.list_caches.pool = LONG_NAME;
	do {
		request.id = 0;
		peer_call(&watcher, &request, &reply);
		assert_int_equal(reply.type, MESSAGE_CACHE_LIST);
		nr_caches += reply.u.cache_list.nr_caches;
		request.u.list_caches.start = reply.u.cache_list.next;
	} while (request.u.list_caches.start);
	return nr_caches;
}

static void test_objects_with_the_longest_names_are_listed(void **state)
{
	uint32_t pool = peer_open_pool(&watcher, LONG_NAME);
	uint32_t cache = make_cache(&watcher, pool, LONG_NAME, 16, MESSAGE_CACHE_MERGE);
	struct message request, reply;
	char name[] = LONG_NAME;

	(void)state;
	for (unsigned i = 0; i < 250; i++) {
		snprintf(name, sizeof(name), "%.*s%03u", MESSAGE_NAME_BYTES_MAX - 3, LONG_NAME, i);
		make_cache(&watcher, pool, name, 16, MESSAGE_CACHE_MERGE);
	}
	assert_int_equal(count_caches(), 251);
	for (unsigned i = 0; i < 100; i++) {
		request = make_alloc(pool, cache, BATCH);
		peer_call(&watcher, &request, &reply);
		assert_int_equal(count_objects(&reply), BATCH);
	}
	assert_int_equal(count_slabs(), 100 * BATCH * 16 / PAGE_BYTES);
}

/* Races. */

#define NR_ROUNDS 300u

/*
 * All do the same: make the cache, take some, free half, destroy it. What each is told must fit:
 * no handle is taken for a later cache's, and nothing is destroyed under a holder.
 */
static void fight(int from_parent, int to_parent, void *data)
{
	unsigned nr_destroyed = 0, nr_gone = 0;
	struct message request, reply;
	struct peer peer;

	(void)from_parent;
	(void)data;
	peer_hello(&peer, &server, "fighter");
	uint32_t pool = peer_open_pool(&peer, "default");
	for (unsigned i = 0; i < NR_ROUNDS; i++) {
		request = make_create(pool, "fought over", 128, 0);
		peer_call(&peer, &request, &reply);
		CHILD_CHECK(reply.type == MESSAGE_CACHE_OPENED);
		uint32_t cache = reply.u.cache_opened.cache;
		request = make_alloc(pool, cache, 3);
		peer_call(&peer, &request, &reply);
		if (reply.status == MESSAGE_STATUS_NOT_FOUND) {
			nr_gone++;
			continue;
		}
		CHILD_CHECK(reply.type == MESSAGE_GRANTED_OBJECTS && count_objects(&reply) == 3);
		struct message_run runs[3];
		size_t nr_runs = reply.u.granted_objects.nr_runs;
		memcpy(runs, reply.u.granted_objects.runs, nr_runs * sizeof(runs[0]));
		request = make_destroy(pool, cache);
		peer_call(&peer, &request, &reply);
		CHILD_CHECK(reply.status == MESSAGE_STATUS_BUSY);
		request = make_free(pool, cache, runs, nr_runs);
		peer_call(&peer, &request, &reply);
		CHILD_CHECK(reply.status == MESSAGE_STATUS_OK);
		request = make_destroy(pool, cache);
		peer_call(&peer, &request, &reply);
		nr_destroyed += reply.status == MESSAGE_STATUS_OK;
		CHILD_CHECK(reply.status == MESSAGE_STATUS_OK ||
			    reply.status == MESSAGE_STATUS_BUSY ||
			    reply.status == MESSAGE_STATUS_NOT_FOUND);
	}
	child_put(to_parent, &nr_destroyed, sizeof(nr_destroyed));
	child_put(to_parent, &nr_gone, sizeof(nr_gone));
	peer_close(&peer);
}

static void test_objects_keep_their_cache_from_being_destroyed(void **state)
{
	unsigned nr_destroyed, nr_gone, nr_destroyed_in_all = 0;
	struct child children[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		child_start(&children[i], (uid_t)-1, fight, NULL);
	for (unsigned i = 0; i < 3; i++) {
		child_read(&children[i], &nr_destroyed, sizeof(nr_destroyed));
		child_read(&children[i], &nr_gone, sizeof(nr_gone));
		child_finish(&children[i]);
		assert_true(nr_gone < NR_ROUNDS);
		nr_destroyed_in_all += nr_destroyed;
	}
	assert_true(nr_destroyed_in_all > 0);
	peer_assert_check_clean(&watcher);
}

#define OBJECTS_TEST(name) cmocka_unit_test_setup_teardown(name, watch, unwatch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OBJECTS_TEST(test_objects_come_and_go),
		OBJECTS_TEST(test_objects_of_others_are_not_freed),
		OBJECTS_TEST(test_objects_of_the_dead_go_back_one_by_one),
		OBJECTS_TEST(test_objects_a_million_go_back),
		OBJECTS_TEST(test_objects_are_held_as_long_as_the_process),
		OBJECTS_TEST(test_objects_show_nothing_of_another_user),
		OBJECTS_TEST(test_objects_count_against_limits),
		OBJECTS_TEST(test_objects_of_a_full_pool_are_a_part_then_none),
		OBJECTS_TEST(test_objects_are_in_the_way_as_slabs),
		OBJECTS_TEST(test_objects_with_the_longest_names_are_listed),
		OBJECTS_TEST(test_objects_keep_their_cache_from_being_destroyed),
	};

	return cmocka_run_group_tests_name("objects", tests, setup, daemon_teardown);
}
