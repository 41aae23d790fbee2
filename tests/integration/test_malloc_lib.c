/* SPDX-License-Identifier: MIT */
/*
 * pp_malloc() out of a real daemon: random sizes with their contents, what is wasted, and frees
 * that are none of the caller's.
 */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/daemon.h"
#include "support/random.h"

#define POOL_BYTES (UINT64_C(128) << 20)

static struct daemon server;

static int setup(void **state)
{
	daemon_start(&server, "topology = fake:1",
		     "[pool default]\nsize = 128M\n"
		     "[pool checked]\nsize = 8M\ndebug_objects = yes\n");
	*state = &server;
	return 0;
}

struct fixture {
	struct pp_client *client;
	struct pp_pool *pool;
	struct peer peer; /* looks at the pool from outside */
};

static int open_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->pool = daemon_open_pool(&server, "test", &fixture->client);
	peer_hello(&fixture->peer, &server, "watcher");
	*state = fixture;
	return 0;
}

static uint64_t held_bytes(struct pp_pool *pool)
{
	struct pp_pool_stat stat = { .struct_size = sizeof(stat) };

	assert_int_equal(pp_pool_stat(pool, &stat), 0);
	return stat.held_bytes;
}

/* All that there is, to make the caches give their empty slabs back. */
static void squeeze(struct pp_pool *pool)
{
	const size_t nr_pages = POOL_BYTES / PP_PAGE_SIZE + 1;
	void **pages = calloc(nr_pages, sizeof(*pages));
	ssize_t nr_granted = 1;

	assert_non_null(pages);
	while (nr_granted > 0)
		nr_granted = pp_alloc_bulk(pool, 0, PP_HIGH, pages, nr_pages);
	assert_int_equal(nr_granted, -ENOMEM);
	free(pages);
}

/* The fixture's client holds nothing when its test is done; after a squeeze the pool is whole. */
static int close_fixture(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(held_bytes(fixture->pool), 0);
	squeeze(fixture->pool);
	pp_client_free(fixture->client);
	peer_finish(&fixture->peer, "default", POOL_BYTES);
	free(fixture);
	return 0;
}

/* Contents. */

#define NR_PIECES 3000u

struct piece {
	uint8_t *addr;
	size_t size_bytes;
	uint8_t filler;
};

static size_t random_size(struct random *random)
{
	/* Each power of two as often as the next; now and then more than an object can have. */
	return random_below(random,
			    1u << (random_once_in(random, 50) ? 18 : random_below(random, 14)));
}

static void piece_fill(struct piece *piece, struct pp_pool *pool, struct random *random)
{
	piece->size_bytes = random_size(random);
	piece->filler = (uint8_t)random_next(random);
	piece->addr = pp_malloc(pool, piece->size_bytes, 0);
	assert_non_null(piece->addr);
	assert_true(pp_usable_size(pool, piece->addr) >= piece->size_bytes);
	assert_true((uintptr_t)piece->addr % 16 == 0);
	memset(piece->addr, piece->filler, piece->size_bytes);
}

static void piece_free(struct piece *piece, struct pp_pool *pool)
{
	for (size_t i = 0; i < piece->size_bytes; i++)
		if (piece->addr[i] != piece->filler)
			fail_msg("byte %zu of %zu is another's", i, piece->size_bytes);
	assert_int_equal(pp_free(pool, piece->addr), 0);
	piece->addr = NULL;
}

static void test_malloc_random_sizes_keep_their_contents(void **state)
{
	struct fixture *fixture = *state;
	struct piece *pieces = calloc(NR_PIECES, sizeof(*pieces));
	struct random random = random_from_environment();

	assert_non_null(pieces);
	for (unsigned i = 0; i < 10 * NR_PIECES; i++) {
		struct piece *piece = &pieces[random_below(&random, NR_PIECES)];

		if (piece->addr)
			piece_free(piece, fixture->pool);
		else
			piece_fill(piece, fixture->pool, &random);
	}
	peer_assert_check_clean(&fixture->peer);
	for (unsigned i = 0; i < NR_PIECES; i++)
		if (pieces[i].addr)
			piece_free(&pieces[i], fixture->pool);
	free(pieces);
}

static void test_malloc_powers_of_two_are_aligned_to_themselves(void **state)
{
	struct fixture *fixture = *state;

	for (size_t size = 1; size <= (size_t)1 << 21; size *= 2) {
		size_t align = size < 16 ? 16 : size;
		void *addrs[5];

		for (unsigned i = 0; i < 5; i++) {
			addrs[i] = pp_malloc(fixture->pool, size, 0);
			assert_non_null(addrs[i]);
			assert_int_equal(pp_to_offset(fixture->pool, addrs[i]) % align, 0);
			assert_int_equal(pp_usable_size(fixture->pool, addrs[i]),
					 size < 16 ? 16 : size);
		}
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(pp_free(fixture->pool, addrs[i]), 0);
	}
}

/* Waste. */

#define NR_WASTED 20000u

/* Of sizes from 16 bytes to 8 KiB: in objects that are larger than asked, and in pages. */
static void test_malloc_wastes_little(void **state)
{
	struct fixture *fixture = *state;
	struct random random = random_from_environment();
	void **addrs = calloc(NR_WASTED, sizeof(*addrs));
	uint64_t free_bytes, asked = 0, usable = 0, taken;

	assert_non_null(addrs);
	free_bytes = peer_pool_info(&fixture->peer, "default").free_bytes;
	for (unsigned i = 0; i < NR_WASTED; i++) {
		size_t size = 16 + random_below(&random, 8192 - 16 + 1);

		addrs[i] = pp_malloc(fixture->pool, size, 0);
		assert_non_null(addrs[i]);
		asked += size;
		usable += pp_usable_size(fixture->pool, addrs[i]);
	}
	taken = free_bytes - peer_pool_info(&fixture->peer, "default").free_bytes;
	print_message("%u sizes of 16 bytes to 8 KiB: %.1f MiB asked for, objects %.2f %% more, "
		      "pages %.2f %% more\n",
		      NR_WASTED, (double)asked / (1 << 20),
		      100.0 * (double)(usable - asked) / (double)asked,
		      100.0 * (double)(taken - asked) / (double)asked);
	assert_int_equal(held_bytes(fixture->pool), usable);
	assert_true(usable - asked <= asked * 12 / 100);
	assert_true(taken - asked <= asked * 16 / 100);
	for (unsigned i = 0; i < NR_WASTED; i++)
		assert_int_equal(pp_free(fixture->pool, addrs[i]), 0);
	free(addrs);
}

/* Frees that are refused. */

static void test_malloc_wrong_frees_change_nothing(void **state)
{
	static const size_t sizes[] = { 1, 100, 5000, 32768, 32769, 1000000 };
	struct fixture *fixture = *state;
	struct pp_pool *pool = fixture->pool, *other_pool;
	struct pp_client *other;
	char *local = malloc(1), *page = pp_alloc_pages(pool, 0, 0);

	other_pool = daemon_open_pool(&server, "other", &other);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *addr = pp_malloc(pool, sizes[i], 0), *theirs;
		uint64_t held = held_bytes(pool);

		assert_non_null(addr);
		for (size_t byte = 1; byte < sizes[i]; byte += 1 + sizes[i] / 100)
			assert_int_equal(pp_free(pool, addr + byte), -EINVAL);
		assert_int_equal(pp_free(pool, local), -EINVAL);
		assert_int_equal(pp_free(pool, page), -EINVAL);
		/* In another process's eyes, also when it has had something of the kind there. */
		theirs = pp_from_offset(other_pool, pp_to_offset(pool, addr));
		assert_int_equal(pp_free(other_pool, theirs), -EINVAL);
		assert_non_null(pp_malloc(other_pool, sizes[i], 0));
		assert_int_equal(pp_free(other_pool, theirs), -EINVAL);
		assert_int_equal(held_bytes(pool), held);
		assert_int_equal(pp_free(pool, addr), 0);
		assert_int_equal(pp_free(pool, addr), -EINVAL);
	}
	assert_int_equal(held_bytes(pool), PP_PAGE_SIZE);
	assert_int_equal(pp_free_pages(pool, page, 0), 0);
	pp_client_free(other);
	free(local);
}

/* Where slabs and blocks of pp_malloc()'s were, other things come to lie. */
static void test_malloc_leaves_to_others_what_is_not_its_own_any_more(void **state)
{
	struct fixture *fixture = *state;
	struct pp_pool *pool = fixture->pool;
	const size_t count = POOL_BYTES / PP_PAGE_SIZE + 1;
	void **addrs = calloc(count, sizeof(*addrs));
	struct pp_cache_config config = { .struct_size = sizeof(config),
					  .name = "elsewhere",
					  .object_size = 100 };
	struct pp_cache *cache;
	ssize_t nr_granted;

	assert_non_null(addrs);
	for (size_t i = 0; i < 2000; i++)
		addrs[i] = pp_malloc(pool, i % 4 ? 2000 : 50000, 0);
	for (size_t i = 0; i < 2000; i++)
		assert_int_equal(pp_free(pool, addrs[i]), 0);
	/* Every page of the pool, so also all that those were in. */
	nr_granted = pp_alloc_bulk(pool, 0, PP_HIGH, addrs, count);
	assert_true(nr_granted > 0);
	for (size_t i = 0; i < (size_t)nr_granted; i++) {
		assert_int_equal(pp_free(pool, addrs[i]), -EINVAL);
		assert_int_equal(pp_usable_size(pool, addrs[i]), 0);
	}
	assert_int_equal(pp_free_bulk(pool, 0, addrs, (size_t)nr_granted), 0);

	assert_int_equal(pp_cache_create(pool, &config, &cache), 0);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, addrs, 2000), 2000);
	for (size_t i = 0; i < 2000; i++)
		assert_int_equal(pp_free(pool, addrs[i]), -EINVAL);
	assert_int_equal(pp_cache_free_bulk(cache, addrs, 2000), 0);
	assert_int_equal(pp_cache_destroy(cache), 0);
	free(addrs);
}

/* The end. */

static void test_malloc_until_there_is_no_more(void **state)
{
	struct fixture *fixture = *state;
	const size_t count = POOL_BYTES / 10240 + 1000;
	void **addrs = calloc(count, sizeof(*addrs));
	size_t nr_addrs = 0;

	assert_non_null(addrs);
	while (nr_addrs < count && (addrs[nr_addrs] = pp_malloc(fixture->pool, 10240, PP_HIGH)))
		nr_addrs++;
	assert_int_equal(errno, ENOMEM);
	assert_in_range(nr_addrs, POOL_BYTES / 10240 * 95 / 100, POOL_BYTES / 10240);
	for (size_t i = 0; i < nr_addrs; i++)
		assert_int_equal(pp_free(fixture->pool, addrs[i]), 0);
	free(addrs);
}

static void run_hoarder(int from_parent, int to_parent, void *data)
{
	struct pp_client_config config = { .struct_size = sizeof(config), .socket = server.socket };
	struct pp_client *client;
	struct pp_pool *pool;
	char byte;

	(void)data;
	CHILD_CHECK(pp_client_new(&client, &config) == 0);
	CHILD_CHECK(pp_pool_open(client, NULL, 0, &pool) == 0);
	for (size_t size = 1; size < 100000; size += 1 + size / 10)
		CHILD_CHECK(pp_malloc(pool, size, 0));
	child_put(to_parent, "!", 1);
	child_get(from_parent, &byte, 1);
}

/* The teardown finds the pool whole. */
static void test_malloc_of_the_dead_goes_back(void **state)
{
	struct fixture *fixture = *state;
	struct child child;
	char byte;

	child_start(&child, (uid_t)-1, run_hoarder, NULL);
	child_read(&child, &byte, 1);
	assert_true(peer_pool_info(&fixture->peer, "default").free_bytes < POOL_BYTES - 500000);
	child_kill(&child);
	peer_await_clients(&fixture->peer, 2);
}

static void test_malloc_in_a_pool_that_debugs(void **state)
{
	struct fixture *fixture = *state;
	struct pp_pool *pool;

	assert_int_equal(pp_pool_open(fixture->client, "checked", 0, &pool), 0);
	for (size_t size = 1; size <= 32768; size *= 2) {
		size_t align = size < 16 ? 16 : size < 4096 ? size : 4096;
		char *addr = pp_malloc(pool, size, PP_ZERO), kept;

		assert_non_null(addr);
		assert_int_equal(pp_to_offset(pool, addr) % align, 0);
		assert_int_equal(pp_usable_size(pool, addr), size < 16 ? 16 : size);
		kept = addr[-1];
		addr[-1] = 1;
		assert_int_equal(pp_free(pool, addr), -EUCLEAN);
		addr[-1] = kept;
		assert_int_equal(pp_free(pool, addr), 0);
	}
	assert_null(pp_pool_close(pool));
}

/* Threads. */

#define NR_THREADS 4u

struct worker {
	pthread_t thread;
	struct pp_pool *pool;
	uint64_t seed;
	unsigned nr_failed;
};

static void *run_worker(void *data)
{
	struct worker *worker = data;
	struct random random = random_from(worker->seed);
	struct {
		uint64_t *addr;
		uint64_t stamp;
	} held[50] = { 0 };

	for (unsigned i = 0; i < 2000; i++) {
		unsigned at = random_below(&random, 50);

		if (held[at].addr) {
			worker->nr_failed += *held[at].addr != held[at].stamp ||
					     pp_free(worker->pool, held[at].addr) != 0;
			held[at].addr = NULL;
			continue;
		}
		held[at].addr = pp_malloc(worker->pool, 8 + random_size(&random), 0);
		held[at].stamp = random_next(&random);
		worker->nr_failed += !held[at].addr;
		if (held[at].addr)
			*held[at].addr = held[at].stamp;
	}
	for (unsigned i = 0; i < 50; i++)
		if (held[i].addr)
			worker->nr_failed += pp_free(worker->pool, held[i].addr) != 0;
	return NULL;
}

static void test_malloc_is_for_all_threads(void **state)
{
	struct fixture *fixture = *state;
	struct worker workers[NR_THREADS] = { 0 };

	for (unsigned i = 0; i < NR_THREADS; i++) {
		workers[i].pool = fixture->pool;
		workers[i].seed = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].nr_failed, 0);
	}
}

int main(void)
{
#define MALLOC_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
	const struct CMUnitTest tests[] = {
		MALLOC_TEST(test_malloc_random_sizes_keep_their_contents),
		MALLOC_TEST(test_malloc_powers_of_two_are_aligned_to_themselves),
		MALLOC_TEST(test_malloc_wastes_little),
		MALLOC_TEST(test_malloc_wrong_frees_change_nothing),
		MALLOC_TEST(test_malloc_leaves_to_others_what_is_not_its_own_any_more),
		MALLOC_TEST(test_malloc_until_there_is_no_more),
		MALLOC_TEST(test_malloc_of_the_dead_goes_back),
		MALLOC_TEST(test_malloc_in_a_pool_that_debugs),
		MALLOC_TEST(test_malloc_is_for_all_threads),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
