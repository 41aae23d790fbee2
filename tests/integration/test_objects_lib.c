/* SPDX-License-Identifier: MIT */
/*
 * Objects of named caches, out of a real daemon and through the library: shared by processes, freed
 * by those alone who hold them, constructed once, and back when their holder dies.
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

#define POOL_BYTES (UINT64_C(64) << 20)
#define NR_PAGES (POOL_BYTES / PP_PAGE_SIZE)

static struct daemon server;

static int setup(void **state)
{
	daemon_start(&server, "topology = fake:1",
		     "[pool default]\nsize = 64M\n"
		     "[limit client:limited]\nmax = 1M\n");
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

/* All that there is, those of empty slabs among them, which go back when a request meets the end.
 */
static size_t take_all_pages(struct pp_pool *pool)
{
	void **pages = calloc(NR_PAGES + 1, sizeof(*pages));
	size_t nr_pages = 0;
	ssize_t nr_granted = 1;

	assert_non_null(pages);
	while (nr_granted > 0) {
		nr_granted = pp_alloc_bulk(pool, 0, PP_HIGH, pages, NR_PAGES + 1);
		nr_pages += nr_granted > 0 ? (size_t)nr_granted : 0;
	}
	assert_int_equal(nr_granted, -ENOMEM);
	free(pages);
	return nr_pages;
}

/* Whatever the test did, once its client is gone nothing is held. */
static int close_fixture(void **state)
{
	struct fixture *fixture = *state;

	pp_client_free(fixture->client);
	peer_await_clients(&fixture->peer, 1);
	peer_assert_check_clean(&fixture->peer);
	fixture->pool = daemon_open_pool(&server, "all", &fixture->client);
	assert_int_equal(take_all_pages(fixture->pool), NR_PAGES);
	pp_client_free(fixture->client);
	peer_finish(&fixture->peer, "default", POOL_BYTES);
	free(fixture);
	return 0;
}

/* A row knows who constructed it, and how often that happened in its life. */
struct row {
	uint64_t constructed_by; /* of the process that did */
	uint64_t key;
	uint64_t filler[4];
};

#define ROW_FREE UINT64_C(0x0ff) /* its key as the constructor leaves it */

static uint64_t *nr_constructed; /* in shared memory */
static uint64_t self;            /* who constructs here */

static void row_construct(void *object)
{
	struct row *row = object;

	row->constructed_by = self;
	row->key = ROW_FREE;
	__atomic_add_fetch(nr_constructed, 1, __ATOMIC_RELAXED);
}

static struct pp_cache_config rows_config(void)
{
	return (struct pp_cache_config){ .struct_size = sizeof(struct pp_cache_config),
					 .name = "rows",
					 .object_size = sizeof(struct row),
					 .ctor = row_construct };
}

static struct pp_cache *open_cache(struct pp_pool *pool, const struct pp_cache_config *config)
{
	struct pp_cache *cache = NULL;

	assert_int_equal(pp_cache_create(pool, config, &cache), 0);
	return cache;
}

static struct pp_cache *open_plain(struct pp_pool *pool, const char *name, size_t object_size)
{
	struct pp_cache_config config = { .struct_size = sizeof(config),
					  .name = name,
					  .object_size = object_size };

	return open_cache(pool, &config);
}

/* The counter is a page of the pool, which every process finds by its offset. */
static void count_constructions(struct pp_pool *pool, uint64_t who)
{
	nr_constructed = pp_alloc_pages(pool, 0, PP_ZERO);
	assert_non_null(nr_constructed);
	self = who;
}

static uint64_t held_bytes(struct pp_pool *pool)
{
	struct pp_pool_stat stat = { .struct_size = sizeof(stat) };

	assert_int_equal(pp_pool_stat(pool, &stat), 0);
	return stat.held_bytes;
}

/* Processes that are asked to do things, a letter each. */

#define NR_ROWS 3000u

struct rows {
	pp_offset counter;
	pp_offset offsets[NR_ROWS];
};

struct keeper {
	struct pp_client *client;
	struct pp_pool *pool;
	struct pp_cache *cache;
	void *objects[NR_ROWS]; /* its own */
	struct rows told;       /* and others' */
};

static void keeper_connect(struct keeper *keeper)
{
	struct pp_client_config client_config = { .struct_size = sizeof(client_config),
						  .socket = server.socket,
						  .name = "keeper" };
	struct pp_cache_config config = rows_config();

	CHILD_CHECK(pp_client_new(&keeper->client, &client_config) == 0);
	CHILD_CHECK(pp_pool_open(keeper->client, NULL, 0, &keeper->pool) == 0);
	CHILD_CHECK(pp_cache_create(keeper->pool, &config, &keeper->cache) == 0);
}

/* Rows come as the constructor made them, whoever ran it. */
static void keeper_alloc(struct keeper *keeper, int to_parent)
{
	CHILD_CHECK(pp_cache_alloc_bulk(keeper->cache, 0, keeper->objects, NR_ROWS) == NR_ROWS);
	for (size_t i = 0; i < NR_ROWS; i++) {
		struct row *row = keeper->objects[i];

		CHILD_CHECK(row->constructed_by != 0 && row->key == ROW_FREE);
		row->key = self;
		keeper->told.offsets[i] = pp_to_offset(keeper->pool, row);
	}
	child_put(to_parent, &keeper->told, sizeof(keeper->told));
}

/* Others' rows: can be read and written, and not be freed. */
static void keeper_visit(struct keeper *keeper, int to_parent)
{
	for (size_t i = 0; i < NR_ROWS; i++) {
		struct row *row = pp_from_offset(keeper->pool, keeper->told.offsets[i]);

		CHILD_CHECK(row);
		row->key++;
		CHILD_CHECK(i % 100 || pp_cache_free(keeper->cache, row) == -EINVAL);
	}
	child_put(to_parent, "v", 1);
}

static void keeper_free(struct keeper *keeper, int to_parent)
{
	for (size_t i = 0; i < NR_ROWS; i++)
		((struct row *)keeper->objects[i])->key = ROW_FREE;
	CHILD_CHECK(pp_cache_free_bulk(keeper->cache, keeper->objects, NR_ROWS) == 0);
	child_put(to_parent, "f", 1);
}

static void run_keeper(int from_parent, int to_parent, void *data)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	char what;

	self = *(const uint64_t *)data;
	CHILD_CHECK(keeper);
	keeper_connect(keeper);
	for (child_get(from_parent, &what, 1); what != 'q'; child_get(from_parent, &what, 1)) {
		child_get(from_parent, &keeper->told, sizeof(keeper->told));
		nr_constructed = pp_from_offset(keeper->pool, keeper->told.counter);
		if (what == 'a')
			keeper_alloc(keeper, to_parent);
		else if (what == 'v')
			keeper_visit(keeper, to_parent);
		else
			keeper_free(keeper, to_parent);
	}
	pp_client_free(keeper->client);
	free(keeper);
}

static void keeper_start(struct child *child, uint64_t who)
{
	child_start(child, (uid_t)-1, run_keeper, &who);
}

static void ask(struct child *child, char what, struct rows *rows)
{
	char answer;

	child_write(child, &what, 1);
	child_write(child, rows, sizeof(*rows));
	if (what == 'a')
		child_read(child, rows, sizeof(*rows));
	else
		child_read(child, &answer, 1);
}

static void keeper_quit(struct child *child)
{
	child_write(child, "q", 1);
	child_finish(child);
}

/* Sharing. */

static void test_objects_are_shared_by_three_processes(void **state)
{
	struct fixture *fixture = *state;
	struct pp_cache_config config = rows_config();
	struct rows *of_one = calloc(1, sizeof(*of_one)), *of_two = calloc(1, sizeof(*of_two));
	struct pp_cache *cache = open_cache(fixture->pool, &config);
	struct child one, two;

	assert_true(of_one && of_two);
	count_constructions(fixture->pool, 1);
	of_one->counter = of_two->counter = pp_to_offset(fixture->pool, nr_constructed);
	keeper_start(&one, 100);
	keeper_start(&two, 200);
	ask(&one, 'a', of_one);
	ask(&two, 'a', of_two);
	assert_int_equal(*nr_constructed, 2 * NR_ROWS);
	ask(&one, 'v', of_two);
	ask(&two, 'v', of_one);
	for (size_t i = 0; i < NR_ROWS; i++) {
		struct row *row = pp_from_offset(fixture->pool, of_one->offsets[i]);

		assert_int_equal(row->key, 101);
		assert_int_equal(row->constructed_by, 100);
		row = pp_from_offset(fixture->pool, of_two->offsets[i]);
		assert_int_equal(row->key, 201);
	}
	assert_int_equal(held_bytes(fixture->pool), PP_PAGE_SIZE); /* the counter */
	assert_int_equal(pp_cache_destroy(cache), -EBUSY);
	keeper_quit(&one);
	assert_int_equal(pp_cache_destroy(cache), -EBUSY);
	keeper_quit(&two);
	assert_int_equal(pp_cache_destroy(cache), 0);
	free(of_one);
	free(of_two);
}

/* Through many hands, and constructed by the first alone. Every slab keeps half of its objects. */
static void test_objects_are_constructed_once(void **state)
{
	struct fixture *fixture = *state;
	struct pp_cache_config config = rows_config();
	struct rows *rows = calloc(1, sizeof(*rows));
	struct pp_cache *cache = open_cache(fixture->pool, &config);
	struct child children[2];
	void *objects[2 * NR_ROWS], *some[NR_ROWS];

	assert_non_null(rows);
	count_constructions(fixture->pool, 1);
	rows->counter = pp_to_offset(fixture->pool, nr_constructed);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 2 * NR_ROWS), 2 * NR_ROWS);
	for (size_t i = 0; i < NR_ROWS; i++)
		some[i] = objects[2 * i];
	assert_int_equal(pp_cache_free_bulk(cache, some, NR_ROWS), 0);
	keeper_start(&children[0], 100);
	keeper_start(&children[1], 200);
	for (unsigned round = 0; round < 10; round++) {
		ask(&children[round & 1], 'a', rows);
		ask(&children[round & 1], 'f', rows);
		assert_int_equal(pp_cache_alloc_bulk(cache, 0, some, NR_ROWS), NR_ROWS);
		for (size_t i = 0; i < NR_ROWS; i++) {
			assert_int_equal(((struct row *)some[i])->constructed_by, 1);
			assert_int_equal(((struct row *)some[i])->key, ROW_FREE);
		}
		assert_int_equal(pp_cache_free_bulk(cache, some, NR_ROWS), 0);
	}
	assert_int_equal(*nr_constructed, 2 * NR_ROWS);
	keeper_quit(&children[0]);
	keeper_quit(&children[1]);
	for (size_t i = 0; i < NR_ROWS; i++)
		assert_int_equal(pp_cache_free(cache, objects[2 * i + 1]), 0);
	assert_int_equal(pp_cache_destroy(cache), 0);
	free(rows);
}

/* Deaths. */

static void test_objects_of_the_dead_are_constructed_anew(void **state)
{
	struct fixture *fixture = *state;
	struct pp_cache_config config = rows_config();
	struct rows *rows = calloc(1, sizeof(*rows));
	struct pp_cache *cache = open_cache(fixture->pool, &config);
	uint64_t free_bytes;
	struct child child;
	void *anchor, *objects[NR_ROWS];

	assert_non_null(rows);
	count_constructions(fixture->pool, 1);
	rows->counter = pp_to_offset(fixture->pool, nr_constructed);
	anchor = pp_cache_alloc(cache, 0);
	assert_non_null(anchor);
	assert_int_equal(pp_cache_shrink(cache), 0);
	free_bytes = peer_pool_info(&fixture->peer, "default").free_bytes;
	keeper_start(&child, 100);
	ask(&child, 'a', rows);
	child_kill(&child);
	peer_await_clients(&fixture->peer, 2);
	assert_int_equal(pp_cache_shrink(cache), 0);
	assert_int_equal(peer_pool_info(&fixture->peer, "default").free_bytes, free_bytes);

	*nr_constructed = 0;
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, NR_ROWS), NR_ROWS);
	assert_int_equal(*nr_constructed, NR_ROWS);
	for (size_t i = 0; i < NR_ROWS; i++)
		assert_int_equal(((struct row *)objects[i])->constructed_by, 1);
	assert_int_equal(pp_cache_free_bulk(cache, objects, NR_ROWS), 0);
	assert_int_equal(pp_cache_free(cache, anchor), 0);
	assert_int_equal(pp_cache_destroy(cache), 0);
	free(rows);
}

/* Tells that it is within its first construction, and never comes out of it. */
static int within_construction;

static void construct_for_ever(void *object)
{
	char nothing;

	((struct row *)object)->constructed_by = 66;
	child_put(within_construction, "!", 1);
	child_get(STDIN_FILENO, &nothing, 1); /* dup of a pipe that nobody writes to */
	CHILD_CHECK(false);
}

static void run_endless_constructor(int from_parent, int to_parent, void *data)
{
	struct pp_cache_config config = rows_config();
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	(void)data;
	CHILD_CHECK(keeper && dup2(from_parent, STDIN_FILENO) == STDIN_FILENO);
	within_construction = to_parent;
	keeper_connect(keeper);
	config.ctor = construct_for_ever;
	CHILD_CHECK(pp_cache_create(keeper->pool, &config, &keeper->cache) == 0);
	pp_cache_alloc_bulk(keeper->cache, 0, keeper->objects, NR_ROWS);
}

/* It was granted all of them and has constructed not one. */
static void test_objects_whose_client_dies_within_its_constructor_are_raw(void **state)
{
	struct fixture *fixture = *state;
	struct pp_cache_config config = rows_config();
	struct pp_cache *cache = open_cache(fixture->pool, &config);
	void *objects[NR_ROWS];
	struct child child;
	char byte;

	count_constructions(fixture->pool, 1);
	child_start(&child, (uid_t)-1, run_endless_constructor, NULL);
	child_read(&child, &byte, 1);
	assert_int_equal(pp_cache_destroy(cache), -EBUSY);
	child_kill(&child);
	peer_await_clients(&fixture->peer, 2);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, NR_ROWS), NR_ROWS);
	assert_int_equal(*nr_constructed, NR_ROWS);
	for (size_t i = 0; i < NR_ROWS; i++)
		assert_int_equal(((struct row *)objects[i])->constructed_by, 1);
	assert_int_equal(pp_cache_free_bulk(cache, objects, NR_ROWS), 0);
	assert_int_equal(pp_cache_destroy(cache), 0);
}

/* Frees that are refused. */

static void test_objects_wrong_frees_change_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct pp_pool *pool = fixture->pool, *other_pool;
	struct pp_cache *cache = open_plain(pool, "one", 100);
	struct pp_cache *wrong = open_plain(pool, "two", 100), *theirs;
	struct pp_client *other;
	char *objects[3], *page = pp_alloc_pages(pool, 0, 0);
	uint64_t held;

	other_pool = daemon_open_pool(&server, "other", &other);
	theirs = open_plain(other_pool, "one", 100);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, (void **)objects, 3), 3);
	held = held_bytes(pool);
	for (unsigned i = 0; i < 3; i++)
		memset(objects[i], (int)i, 100);

	assert_int_equal(pp_cache_free(wrong, objects[0]), -EINVAL);
	for (unsigned byte = 1; byte < 100; byte++)
		assert_int_equal(pp_cache_free(cache, objects[0] + byte), -EINVAL);
	assert_int_equal(pp_cache_free(cache, page), -EINVAL);
	assert_int_equal(pp_free(pool, objects[0]), -EINVAL);
	assert_int_equal(pp_free_pages(pool, objects[0] - (uintptr_t)objects[0] % PP_PAGE_SIZE, 0),
			 -EINVAL);
	assert_int_equal(
		pp_cache_free(theirs, pp_from_offset(other_pool, pp_to_offset(pool, objects[0]))),
		-EINVAL);
	{
		/* A batch of which one is wrong. */
		void *twice[] = { objects[0], objects[1], objects[0] };
		void *interior[] = { objects[0], objects[1], objects[2] + 8 };

		assert_int_equal(pp_cache_free_bulk(cache, twice, 3), -EINVAL);
		assert_int_equal(pp_cache_free_bulk(cache, interior, 3), -EINVAL);
	}
	assert_int_equal(held_bytes(pool), held);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned byte = 0; byte < 100; byte++)
			assert_int_equal(objects[i][byte], i);
	peer_assert_check_clean(&fixture->peer);

	assert_int_equal(pp_cache_free(cache, objects[1]), 0);
	assert_int_equal(pp_cache_free(cache, objects[1]), -EINVAL);
	assert_int_equal(pp_cache_free_bulk(cache, (void **)objects, 3), -EINVAL);
	assert_int_equal(pp_cache_free(cache, objects[0]), 0);
	assert_int_equal(pp_cache_free(cache, objects[2]), 0);
	assert_int_equal(held_bytes(pool), PP_PAGE_SIZE);
	pp_client_free(other);
	assert_int_equal(pp_cache_destroy(cache), 0);
	assert_int_equal(pp_cache_destroy(wrong), 0);
}

/* Exhaustion. */

static void test_objects_bulk_grants_what_there_is(void **state)
{
	const size_t count = POOL_BYTES / 1024 + 1000;
	struct fixture *fixture = *state;
	struct pp_cache *cache = open_plain(fixture->pool, "kilo", 1024);
	void **objects = calloc(count, sizeof(*objects)), *one;
	ssize_t nr_granted;

	assert_non_null(objects);
	nr_granted = pp_cache_alloc_bulk(cache, PP_HIGH, objects, count);
	print_message("%zd objects of 1 KiB out of a pool of 64 MiB\n", nr_granted);
	assert_in_range(nr_granted, POOL_BYTES / 1024 * 95 / 100, POOL_BYTES / 1024);
	assert_int_equal(held_bytes(fixture->pool), (uint64_t)nr_granted * 1024);
	assert_int_equal(pp_cache_alloc_bulk(cache, PP_HIGH, objects + nr_granted, 1), -ENOMEM);
	assert_null(pp_cache_alloc(cache, PP_HIGH));
	assert_int_equal(errno, ENOMEM);
	/* Each can be had once. */
	assert_int_equal(pp_cache_free(cache, objects[777]), 0);
	one = pp_cache_alloc(cache, PP_HIGH);
	assert_ptr_equal(one, objects[777]);
	assert_int_equal(pp_cache_free_bulk(cache, objects, (size_t)nr_granted), 0);
	assert_int_equal(held_bytes(fixture->pool), 0);
	assert_int_equal(pp_cache_destroy(cache), 0);
	free(objects);
}

static void test_objects_count_against_limits(void **state)
{
	struct fixture *fixture = *state;
	struct pp_client *limited;
	struct pp_pool *pool = daemon_open_pool(&server, "limited", &limited);
	struct pp_cache *cache = open_plain(pool, "kilo", 1024);
	void *objects[2000];

	(void)fixture;
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 2000), 1024);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects + 1024, 1), -EDQUOT);
	assert_null(pp_malloc(pool, 16, 0));
	assert_int_equal(errno, EDQUOT);
	assert_int_equal(pp_cache_free_bulk(cache, objects, 1024), 0);
	assert_non_null(pp_malloc(pool, 16, 0));
	assert_int_equal(pp_cache_destroy(cache), 0);
	pp_client_free(limited);
}

/* Names. */

static void test_objects_caches_are_known_by_name(void **state)
{
	struct fixture *fixture = *state;
	struct pp_client *other;
	struct pp_pool *other_pool = daemon_open_pool(&server, "other", &other);
	struct pp_cache *cache = open_plain(fixture->pool, "named", 40), *again;
	struct pp_cache *theirs = open_plain(other_pool, "named", 40), *odd = NULL;
	struct pp_cache_config config = rows_config();

	config.name = "named";
	assert_int_equal(pp_cache_create(fixture->pool, &config, &odd), -EEXIST);
	config.object_size = 40; /* and with a constructor */
	assert_int_equal(pp_cache_create(fixture->pool, &config, &odd), -EEXIST);
	config.ctor = NULL;
	config.align = 64;
	assert_int_equal(pp_cache_create(fixture->pool, &config, &odd), -EEXIST);
	config.align = 8; /* as by default */
	config.flags = PP_CACHE_MERGE;
	assert_int_equal(pp_cache_create(fixture->pool, &config, &again), 0);
	assert_null(odd);
	assert_null(pp_cache_close(again));

	/* A name that is made again is another cache. */
	assert_int_equal(pp_cache_destroy(cache), 0);
	assert_null(pp_cache_alloc(theirs, 0));
	assert_int_equal(errno, ENOENT);
	cache = open_plain(fixture->pool, "named", 40);
	assert_null(pp_cache_alloc(theirs, 0));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(pp_cache_shrink(theirs), -ENOENT);
	assert_int_equal(pp_cache_destroy(theirs), -ENOENT);
	pp_client_free(other);
	assert_int_equal(pp_cache_destroy(cache), 0);
}

static void test_objects_of_any_size_are_aligned_and_apart(void **state)
{
	static const struct {
		size_t size, align;
	} kinds[] = {
		{ 1, 0 },       { 8, 8 },      { 24, 16 },       { 100, 64 },
		{ 4096, 4096 }, { 5000, 128 }, { 100000, 4096 }, { (size_t)2 << 20, 0 },
		{ 4097, 4096 },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pp_cache_config config = { .struct_size = sizeof(config),
						  .name = "of a size",
						  .object_size = kinds[i].size,
						  .align = kinds[i].align };
		struct pp_cache *cache = open_cache(fixture->pool, &config);
		uint8_t *objects[8];

		assert_int_equal(pp_cache_alloc_bulk(cache, PP_ZERO, (void **)objects, 8), 8);
		for (unsigned j = 0; j < 8; j++) {
			assert_int_equal((uintptr_t)objects[j] % (kinds[i].align + !kinds[i].align),
					 0);
			assert_int_equal(objects[j][0] | objects[j][kinds[i].size - 1], 0);
			memset(objects[j], (int)j + 1, kinds[i].size);
		}
		for (unsigned j = 0; j < 8; j++) {
			assert_int_equal(objects[j][0], j + 1);
			assert_int_equal(objects[j][kinds[i].size - 1], j + 1);
		}
		assert_int_equal(pp_cache_free_bulk(cache, (void **)objects, 8), 0);
		assert_int_equal(pp_cache_destroy(cache), 0);
	}
}

/* Threads. */

#define NR_THREADS 4u
#define NR_ROUNDS 400u
#define NR_HELD 100u

struct worker {
	pthread_t thread;
	struct pp_cache *cache;
	uint64_t number;
	unsigned nr_failed;
};

static unsigned worker_refill(struct worker *worker, struct row **rows, size_t count)
{
	unsigned nr_failed =
		pp_cache_alloc_bulk(worker->cache, 0, (void **)rows, count) != (ssize_t)count;

	for (size_t i = 0; i < count && !nr_failed; i++) {
		nr_failed += rows[i]->key != ROW_FREE;
		rows[i]->key = worker->number;
	}
	return nr_failed;
}

/* Nobody else's number is ever found in what a thread holds. */
static void *run_worker(void *data)
{
	struct worker *worker = data;
	struct random random = random_from(worker->number);
	struct row *rows[NR_HELD];
	size_t nr_held = 0;

	for (unsigned round = 0; round < NR_ROUNDS && !worker->nr_failed; round++) {
		size_t left = random_below(&random, NR_HELD);

		if (left > nr_held) {
			worker->nr_failed += worker_refill(worker, rows + nr_held, left - nr_held);
		} else if (left < nr_held) {
			for (size_t i = left; i < nr_held; i++) {
				worker->nr_failed += rows[i]->key != worker->number;
				rows[i]->key = ROW_FREE;
			}
			worker->nr_failed += pp_cache_free_bulk(worker->cache, (void **)rows + left,
								nr_held - left) != 0;
		}
		nr_held = left;
	}
	return NULL;
}

static void test_objects_are_for_all_threads(void **state)
{
	struct fixture *fixture = *state;
	struct pp_cache_config config = rows_config();
	struct pp_cache *cache = open_cache(fixture->pool, &config);
	struct worker workers[NR_THREADS] = { 0 };

	count_constructions(fixture->pool, 1);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		workers[i].cache = cache;
		workers[i].number = 1000 + i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].nr_failed, 0);
	}
	/* What they still hold goes with the client; the cache stays and is the next one's. */
	assert_int_equal(pp_cache_destroy(cache), -EBUSY);
}

static void test_objects_cache_outlives_who_made_it(void **state)
{
	struct fixture *fixture = *state;
	struct pp_cache_config config = rows_config();
	struct pp_cache *cache;

	config.object_size++;
	assert_int_equal(pp_cache_create(fixture->pool, &config, &cache), -EEXIST);
	config.object_size--;
	cache = open_cache(fixture->pool, &config);
	assert_int_equal(pp_cache_destroy(cache), 0);
	config.object_size++;
	cache = open_cache(fixture->pool, &config);
	assert_int_equal(pp_cache_destroy(cache), 0);
}

int main(void)
{
#define OBJECTS_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
	const struct CMUnitTest tests[] = {
		OBJECTS_TEST(test_objects_are_shared_by_three_processes),
		OBJECTS_TEST(test_objects_are_constructed_once),
		OBJECTS_TEST(test_objects_of_the_dead_are_constructed_anew),
		OBJECTS_TEST(test_objects_whose_client_dies_within_its_constructor_are_raw),
		OBJECTS_TEST(test_objects_wrong_frees_change_nothing),
		OBJECTS_TEST(test_objects_bulk_grants_what_there_is),
		OBJECTS_TEST(test_objects_count_against_limits),
		OBJECTS_TEST(test_objects_caches_are_known_by_name),
		OBJECTS_TEST(test_objects_of_any_size_are_aligned_and_apart),
		OBJECTS_TEST(test_objects_are_for_all_threads),
		OBJECTS_TEST(test_objects_cache_outlives_who_made_it),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
