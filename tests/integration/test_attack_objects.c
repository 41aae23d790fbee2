/* SPDX-License-Identifier: MIT */
/*
 * Clients that lie about objects, write where they may not, and die at any moment. Whatever they
 * do, what was granted is its holder's, and what they held is free again when they are gone.
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/page.h"
#include "support/child.h"
#include "support/daemon.h"
#include "support/random.h"

#define BATCH MESSAGE_BATCH_BLOCKS_MAX
#define ZONE_BYTES (UINT64_C(16) << 20)
#define POOL_BYTES (2 * ZONE_BYTES)

static const char sections[] = "[pool default]\nsize = 16M\n";

static struct daemon server;
static struct peer watcher;
static uint32_t pool; /* as the watcher has it open */

static int setup(void **state)
{
	daemon_start(&server, "topology = fake:2", sections);
	*state = &server;
	return 0;
}

static int watch(void **state)
{
	(void)state;
	peer_hello(&watcher, &server, "watcher");
	pool = peer_open_pool(&watcher, "default");
	return 0;
}

static void say_goodbye(struct peer *peer)
{
	struct message request = { .type = MESSAGE_GOODBYE }, reply;

	peer_call(peer, &request, &reply);
	peer_close(peer);
}

/* Nobody holds anything: all pages are there when empty slabs have been given back. */
static int unwatch(void **state)
{
	struct message request = { .type = MESSAGE_ALLOC }, reply;

	(void)state;
	say_goodbye(&watcher);
	watch(state);
	peer_await_clients(&watcher, 1);
	request.u.alloc.pool = pool;
	request.u.alloc.order = 12;
	request.u.alloc.count = BATCH;
	request.u.alloc.placement.high = true;
	peer_call(&watcher, &request, &reply);
	assert_int_equal(reply.type, MESSAGE_GRANTED);
	assert_int_equal(peer_pool_info(&watcher, "default").free_bytes, 0);
	say_goodbye(&watcher);
	peer_hello(&watcher, &server, "checker");
	peer_finish(&watcher, "default", POOL_BYTES);
	return 0;
}

/* Requests. */

static uint32_t make_cache(struct peer *peer, const char *name, uint32_t object_bytes,
			   uint32_t flags)
{
	struct message request = { .type = MESSAGE_CREATE_CACHE }, reply;

	request.u.create_cache.pool = pool;
	request.u.create_cache.name = name;
	request.u.create_cache.object_bytes = object_bytes;
	request.u.create_cache.flags = flags;
	peer_call(peer, &request, &reply);
	assert_int_equal(reply.type, MESSAGE_CACHE_OPENED);
	return reply.u.cache_opened.cache;
}

static enum message_status destroy_cache(struct peer *peer, uint32_t cache)
{
	struct message request = { .type = MESSAGE_DESTROY_CACHE }, reply;

	request.u.destroy_cache.pool = pool;
	request.u.destroy_cache.cache = cache;
	peer_call(peer, &request, &reply);
	return reply.status;
}

/* Objects of one grant. */
struct objects {
	struct message_run runs[BATCH];
	size_t nr_runs;
};

/* Takes up to `count`; returns how many. */
static unsigned take(struct peer *peer, uint32_t cache, uint32_t count, bool is_high,
		     struct objects *ret)
{
	struct message request = { .type = MESSAGE_ALLOC_OBJECTS }, reply;
	unsigned nr_objects = 0;

	request.u.alloc_objects.pool = pool;
	request.u.alloc_objects.cache = cache;
	request.u.alloc_objects.count = count;
	request.u.alloc_objects.placement.high = is_high;
	peer_call(peer, &request, &reply);
	ret->nr_runs = reply.type == MESSAGE_GRANTED_OBJECTS ? reply.u.granted_objects.nr_runs : 0;
	for (size_t i = 0; i < ret->nr_runs; i++) {
		ret->runs[i] = reply.u.granted_objects.runs[i];
		nr_objects += (unsigned)__builtin_popcountll(ret->runs[i].mask);
	}
	return nr_objects;
}

static enum message_status give_runs(struct peer *peer, uint32_t cache,
				     const struct message_run *runs, size_t nr_runs)
{
	struct message request = { .type = MESSAGE_FREE_OBJECTS }, reply;

	request.u.free_objects.pool = pool;
	request.u.free_objects.cache = cache;
	request.u.free_objects.runs = runs;
	request.u.free_objects.nr_runs = nr_runs;
	peer_call(peer, &request, &reply);
	return reply.status;
}

static enum message_status give(struct peer *peer, uint32_t cache, const struct objects *objects)
{
	return give_runs(peer, cache, objects->runs, objects->nr_runs);
}

/* Lies. */

/* A run that is like this one; it may happen to be another that is held. */
static struct message_run spoil(struct random *random, struct message_run run)
{
	switch (random_below(random, 7)) {
	case 0:
		run.base = random_next(random);
		break;
	case 1:
		run.base = UINT64_MAX - random_below(random, 8192);
		break;
	case 2:
		run.base ^= UINT64_C(1) << random_below(random, 64);
		break;
	case 3:
		run.base += 1 + random_below(random, 15);
		break;
	case 4: /* of the slab behind it too */
		run.base += UINT64_C(63) * 64;
		run.mask = UINT64_MAX;
		break;
	case 5:
		run.base = random_below(random, ZONE_BYTES);
		break;
	case 6: /* the other zone */
		run.base += page_address(1, 0) << PAGE_SHIFT;
		break;
	}
	return run;
}

/* The watcher holds everything there is of the cache; a thief names it in every way. */
static void test_attack_objects_no_lie_frees_what_is_held(void **state)
{
	static struct objects held;
	struct random random = random_from(1);
	struct peer thief;

	(void)state;
	uint32_t cache = make_cache(&watcher, "held", 64, 0);
	assert_int_equal(take(&watcher, cache, BATCH, false, &held), BATCH);
	peer_hello(&thief, &server, "thief");
	assert_int_equal(peer_open_pool(&thief, "default"), pool);
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t handle = MESSAGE_CACHE_ANY;
		struct message_run run, both[2];

		both[0] = held.runs[random_below(&random, (uint32_t)held.nr_runs)];
		both[1] = both[0];
		run = spoil(&random, both[0]);
		if (i % 3)
			handle = i % 3 == 1 ? cache : (uint32_t)random_next(&random);
		assert_int_not_equal(give_runs(&thief, handle, &run, 1), MESSAGE_STATUS_OK);
		/* Nor does its holder free it twice at once. */
		assert_int_not_equal(give_runs(&watcher, handle, both, 2), MESSAGE_STATUS_OK);
	}
	assert_int_equal(destroy_cache(&thief, cache), MESSAGE_STATUS_BUSY);
	say_goodbye(&thief);
	assert_int_equal(give(&watcher, cache, &held), MESSAGE_STATUS_OK);
	assert_int_equal(destroy_cache(&watcher, cache), MESSAGE_STATUS_OK);
}

/* A handle is of one name, once; the objects are the cache's as long as it has a name. */
static void test_attack_objects_old_handles_of_merged_names(void **state)
{
	static struct objects objects;

	(void)state;
	uint32_t first = make_cache(&watcher, "first", 96, MESSAGE_CACHE_MERGE);
	uint32_t second = make_cache(&watcher, "second", 96, MESSAGE_CACHE_MERGE);
	assert_int_equal(take(&watcher, first, 100, false, &objects), 100);
	assert_int_equal(destroy_cache(&watcher, first), MESSAGE_STATUS_OK);
	uint32_t alone = make_cache(&watcher, "first", 96, 0); /* not to be merged this time */
	assert_int_not_equal(alone, first);
	assert_int_equal(give(&watcher, first, &objects), MESSAGE_STATUS_NOT_FOUND);
	assert_int_equal(destroy_cache(&watcher, first), MESSAGE_STATUS_NOT_FOUND);
	assert_int_equal(give(&watcher, alone, &objects), MESSAGE_STATUS_INVALID);
	assert_int_equal(destroy_cache(&watcher, alone), MESSAGE_STATUS_OK);
	assert_int_equal(destroy_cache(&watcher, second), MESSAGE_STATUS_BUSY);
	assert_int_equal(give(&watcher, second, &objects), MESSAGE_STATUS_OK);
	assert_int_equal(destroy_cache(&watcher, second), MESSAGE_STATUS_OK);
}

/* All zones are gone through twice, first down to low and then to the end: twice as many parts. */
static void test_attack_objects_of_more_parts_than_zones(void **state)
{
	static struct objects objects;
	struct daemon many;
	struct peer peer;

	(void)state;
	daemon_start(&many, "topology = fake:64", "[pool default]\nsize = 2M\n");
	peer_hello(&peer, &many, "greedy");
	assert_int_equal(peer_open_pool(&peer, "default"), pool);
	uint32_t cache = make_cache(&peer, "large", 256 * 1024, 0);
	assert_int_equal(take(&peer, cache, BATCH, true, &objects), 64 * 8);
	assert_int_equal(give(&peer, cache, &objects), MESSAGE_STATUS_OK);
	peer_assert_check_clean(&peer);
	peer_close(&peer);
	daemon_stop(&many);
}

/* Writing where one may not. */

/* Fills all of both zones with one byte, as any client of the pool can. */
static void scribble(int byte)
{
	struct message request = { .type = MESSAGE_POOL_OPEN }, reply;
	int fds[FRAME_FDS_MAX];
	struct peer peer;

	peer_hello(&peer, &server, "scribbler");
	request.u.pool_open.name = "default";
	peer_call(&peer, &request, &reply);
	assert_int_equal(frame_reader_take_fds(&peer.reader, fds), 2);
	for (unsigned i = 0; i < 2; i++) {
		void *memory = mmap(NULL, ZONE_BYTES, PROT_WRITE, MAP_SHARED, fds[i], 0);

		assert_ptr_not_equal(memory, MAP_FAILED);
		memset(memory, byte, ZONE_BYTES);
		munmap(memory, ZONE_BYTES);
		close(fds[i]);
	}
	say_goodbye(&peer);
}

static void test_attack_objects_scribbles_mean_nothing(void **state)
{
	static struct objects plain, constructed, more;

	(void)state;
	uint32_t cache = make_cache(&watcher, "plain", 200, 0);
	uint32_t ctor = make_cache(&watcher, "constructed", 200, MESSAGE_CACHE_CTOR);
	assert_int_equal(take(&watcher, cache, BATCH, false, &plain), BATCH);
	assert_int_equal(take(&watcher, ctor, BATCH, false, &constructed), BATCH);
	scribble(0xff);
	assert_int_equal(give(&watcher, cache, &plain), MESSAGE_STATUS_OK);
	scribble(0x01);
	assert_int_equal(take(&watcher, cache, BATCH, false, &more), BATCH);
	assert_int_equal(give(&watcher, ctor, &constructed), MESSAGE_STATUS_OK);
	assert_int_equal(give(&watcher, cache, &more), MESSAGE_STATUS_OK);
	peer_assert_check_clean(&watcher);
	assert_int_equal(destroy_cache(&watcher, cache), MESSAGE_STATUS_OK);
	assert_int_equal(destroy_cache(&watcher, ctor), MESSAGE_STATUS_OK);
}

/* They can't be freed one by one any more, but with their holder. */
static void test_attack_objects_scribbled_red_zones_go_with_their_holder(void **state)
{
	static struct objects objects;
	struct peer peer;

	(void)state;
	uint32_t cache = make_cache(&watcher, "debug", 100, MESSAGE_CACHE_DEBUG);
	peer_hello(&peer, &server, "holder");
	assert_int_equal(peer_open_pool(&peer, "default"), pool);
	assert_int_equal(take(&peer, cache, BATCH, false, &objects), BATCH);
	scribble(0x55);
	assert_int_equal(give(&peer, cache, &objects), MESSAGE_STATUS_CORRUPT);
	assert_int_equal(destroy_cache(&watcher, cache), MESSAGE_STATUS_BUSY);
	say_goodbye(&peer);
	assert_int_equal(take(&watcher, cache, BATCH, false, &objects), BATCH);
	assert_int_equal(give(&watcher, cache, &objects), MESSAGE_STATUS_OK);
	assert_int_equal(destroy_cache(&watcher, cache), MESSAGE_STATUS_OK);
}

/* Dying. */

static const struct {
	const char *name;
	uint32_t object_bytes, flags;
} kinds[] = {
	{ "storm-64", 64, 0 },
	{ "storm-ctor", 500, MESSAGE_CACHE_CTOR },
	{ "storm-debug", 100, MESSAGE_CACHE_DEBUG },
	{ "storm-large", 100000, MESSAGE_CACHE_MERGE },
};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Takes and gives until it is killed. What it was granted must be its own to free. */
static void churn(int from_parent, int to_parent, void *data)
{
	static struct objects held[NR_KINDS];
	uint32_t caches[NR_KINDS];
	struct random random = random_from((uintptr_t)data);
	struct peer peer;

	(void)from_parent;
	peer_hello(&peer, &server, "churn");
	CHILD_CHECK(peer_open_pool(&peer, "default") == pool);
	for (size_t i = 0; i < NR_KINDS; i++)
		caches[i] = make_cache(&peer, kinds[i].name, kinds[i].object_bytes, kinds[i].flags);
	child_put(to_parent, "!", 1);
	for (;;) {
		size_t i = random_below(&random, NR_KINDS);
		enum message_status status = MESSAGE_STATUS_OK;

		if (held[i].nr_runs)
			status = give(&peer, caches[i], &held[i]);
		CHILD_CHECK(status == MESSAGE_STATUS_OK);
		take(&peer, caches[i], 1 + random_below(&random, BATCH), false, &held[i]);
	}
}

#define CHURNERS 4u
#define CHURN_KILLS 60u

static void test_attack_objects_killed_at_any_moment(void **state)
{
	struct child children[CHURNERS];
	struct random random = random_from(7);
	char byte;

	(void)state;
	for (unsigned i = 0; i < CHURN_KILLS + CHURNERS; i++) {
		struct child *child = &children[i % CHURNERS];

		if (i >= CHURNERS) {
			/* Some turns of the daemon's loop later, each in another place. */
			for (uint32_t n = random_below(&random, 40); n; n--)
				peer_pool_info(&watcher, "default");
			child_kill(child);
		}
		child_start(child, (uid_t)-1, churn, (void *)(uintptr_t)(i + 1));
		child_read(child, &byte, 1);
	}
	peer_assert_check_clean(&watcher);
	for (unsigned i = 0; i < CHURNERS; i++)
		child_kill(&children[i]);
	peer_await_clients(&watcher, 1);
	for (size_t i = 0; i < NR_KINDS; i++) {
		uint32_t cache =
			make_cache(&watcher, kinds[i].name, kinds[i].object_bytes, kinds[i].flags);

		assert_int_equal(destroy_cache(&watcher, cache), MESSAGE_STATUS_OK);
	}
	peer_await_free(&watcher, "default", POOL_BYTES);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, watch, unwatch)
	const struct CMUnitTest tests[] = {
		TEST(test_attack_objects_no_lie_frees_what_is_held),
		TEST(test_attack_objects_old_handles_of_merged_names),
		TEST(test_attack_objects_of_more_parts_than_zones),
		TEST(test_attack_objects_scribbles_mean_nothing),
		TEST(test_attack_objects_scribbled_red_zones_go_with_their_holder),
		TEST(test_attack_objects_killed_at_any_moment),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
