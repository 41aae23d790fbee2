/* SPDX-License-Identifier: MIT */
/*
 * Pages out of a real daemon: filled, freed in any order, refused where they must be, and the same
 * bytes in every process.
 */

#include <errno.h>
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

#define POOL_BYTES (64u << 20)
#define NR_PAGES (POOL_BYTES / PP_PAGE_SIZE)
#define TOP_ORDER 14u /* the whole pool */

static struct daemon server;

static int setup(void **state)
{
	daemon_start(&server, "topology = fake:1",
		     "[pool default]\nsize = 64M\n"
		     "[pool two]\nsize = 8M\nmax_order = 9\n");
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
	fixture->client = daemon_connect(&server, "test");
	assert_int_equal(pp_pool_open(fixture->client, NULL, 0, &fixture->pool), 0);
	peer_hello(&fixture->peer, &server, "watcher");
	*state = fixture;
	return 0;
}

/* Whatever the test did, once its client is gone the pool is one free block again. */
static int close_fixture(void **state)
{
	struct fixture *fixture = *state;
	struct message_pool_info info;

	pp_client_free(fixture->client);
	info = peer_pool_info(&fixture->peer, "default");
	assert_int_equal(info.free_bytes, POOL_BYTES);
	assert_int_equal(info.zones[0].free_blocks[TOP_ORDER], 1);
	peer_assert_check_clean(&fixture->peer);
	peer_close(&fixture->peer);
	free(fixture);
	return 0;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void shuffle(void **addrs, size_t count)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;

	for (size_t i = count - 1; i > 0; i--) {
		size_t j = next_random(&seed) % (i + 1);
		void *swap = addrs[i];

		addrs[i] = addrs[j];
		addrs[j] = swap;
	}
}

static void test_pages_fill_one_by_one_and_free_in_random_order(void **state)
{
	struct fixture *fixture = *state;
	void **addrs = calloc(NR_PAGES, sizeof(*addrs));

	assert_non_null(addrs);
	for (size_t i = 0; i < NR_PAGES; i++) {
		addrs[i] = pp_alloc_pages(fixture->pool, 0, PP_HIGH);
		assert_non_null(addrs[i]);
		*(size_t *)addrs[i] = i;
	}
	errno = 0;
	assert_null(pp_alloc_pages(fixture->pool, 0, PP_HIGH));
	assert_int_equal(errno, ENOMEM);
	for (size_t i = 0; i < NR_PAGES; i++)
		assert_int_equal(*(size_t *)addrs[i], i);
	shuffle(addrs, NR_PAGES);
	for (size_t i = 0; i < NR_PAGES; i++)
		assert_int_equal(pp_free_pages(fixture->pool, addrs[i], 0), 0);
	assert_int_equal(peer_pool_info(&fixture->peer, "default").zones[0].free_blocks[TOP_ORDER],
			 1);
	free(addrs);
}

static void test_pages_bulk_grants_what_there_is(void **state)
{
	struct fixture *fixture = *state;
	void **addrs = calloc(NR_PAGES + 5000, sizeof(*addrs));

	assert_non_null(addrs);
	assert_int_equal(pp_alloc_bulk(fixture->pool, 0, PP_HIGH, addrs, NR_PAGES + 5000),
			 NR_PAGES);
	assert_int_equal(pp_alloc_bulk(fixture->pool, 0, PP_HIGH, addrs, 1), -ENOMEM);
	shuffle(addrs, NR_PAGES);
	assert_int_equal(pp_free_bulk(fixture->pool, 0, addrs, NR_PAGES), 0);
	free(addrs);
}

/* What is kept below min is for requests that say so. */
static void test_pages_below_the_min_watermark_are_kept(void **state)
{
	struct fixture *fixture = *state;
	size_t nr_kept =
		peer_pool_info(&fixture->peer, "default").zones[0].min_bytes / PP_PAGE_SIZE;
	void **addrs = calloc(NR_PAGES, sizeof(*addrs));

	assert_non_null(addrs);
	assert_int_not_equal(nr_kept, 0);
	assert_int_equal(pp_alloc_bulk(fixture->pool, 0, 0, addrs, NR_PAGES), NR_PAGES - nr_kept);
	assert_int_equal(peer_pool_info(&fixture->peer, "default").zones[0].pressure,
			 MESSAGE_PRESSURE_MIN);
	errno = 0;
	assert_null(pp_alloc_pages(fixture->pool, 0, 0));
	assert_int_equal(errno, ENOMEM);
	assert_null(pp_alloc_exact(fixture->pool, PP_PAGE_SIZE, 0));
	assert_int_equal(pp_alloc_bulk(fixture->pool, 0, PP_HIGH, addrs, NR_PAGES), nr_kept);
	assert_null(pp_alloc_pages(fixture->pool, 0, PP_HIGH));
	free(addrs);
}

static void test_pages_every_order_is_aligned_and_whole(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned order = 0; order <= TOP_ORDER; order++) {
		size_t size = (size_t)PP_PAGE_SIZE << order;
		char *block = pp_alloc_pages(fixture->pool, order, PP_ZERO | PP_HIGH);

		assert_non_null(block);
		assert_int_equal(pp_to_offset(fixture->pool, block) % size, 0);
		assert_int_equal(block[0], 0);
		assert_int_equal(block[size - 1], 0);
		memset(block, 0x5a, size);
		assert_int_equal(pp_free_pages(fixture->pool, block, order), 0);
	}
	errno = 0;
	assert_null(pp_alloc_pages(fixture->pool, TOP_ORDER + 1, 0));
	assert_int_equal(errno, EINVAL);
}

static void test_pages_exact_gives_the_tail_back(void **state)
{
	struct fixture *fixture = *state;
	void *three = pp_alloc_exact(fixture->pool, 3 * PP_PAGE_SIZE, 0);
	void *odd = pp_alloc_exact(fixture->pool, 5000001, 0);
	uint64_t held = 3 * PP_PAGE_SIZE +
			(5000001 + PP_PAGE_SIZE - 1) / PP_PAGE_SIZE * (uint64_t)PP_PAGE_SIZE;

	assert_non_null(three);
	assert_non_null(odd);
	memset(three, 1, 3 * PP_PAGE_SIZE);
	memset(odd, 2, 5000001);
	assert_int_equal(peer_pool_info(&fixture->peer, "default").free_bytes, POOL_BYTES - held);
	assert_int_equal(pp_free_exact(fixture->pool, three, 4 * PP_PAGE_SIZE), -EINVAL);
	assert_int_equal(pp_free_exact(fixture->pool, odd, 5000001), 0);
	assert_int_equal(pp_free_exact(fixture->pool, odd, 5000001), -EINVAL);
	assert_int_equal(pp_free_exact(fixture->pool, three, 3 * PP_PAGE_SIZE), 0);
}

static void test_pages_wrong_frees_change_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct pp_client *other = daemon_connect(&server, "other");
	struct pp_pool *other_pool;
	char *block = pp_alloc_pages(fixture->pool, 2, 0);
	char *local = malloc(PP_PAGE_SIZE);
	pp_offset offset = pp_to_offset(fixture->pool, block);
	uint64_t free_bytes = peer_pool_info(&fixture->peer, "default").free_bytes;

	assert_non_null(block);
	assert_non_null(local);
	assert_int_equal(pp_pool_open(other, "default", 0, &other_pool), 0);
	assert_int_equal(pp_free_pages(fixture->pool, block, 1), -EINVAL);
	assert_int_equal(pp_free_pages(fixture->pool, block, 3), -EINVAL);
	assert_int_equal(pp_free_pages(fixture->pool, block, 99), -EINVAL);
	assert_int_equal(pp_free_pages(fixture->pool, block + 1, 2), -EINVAL);
	assert_int_equal(pp_free_pages(fixture->pool, block + PP_PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(pp_free_pages(fixture->pool, block + 4 * PP_PAGE_SIZE, 2), -EINVAL);
	assert_int_equal(pp_free_pages(fixture->pool, NULL, 0), -EINVAL);
	assert_int_equal(pp_free_pages(fixture->pool, local, 0), -EINVAL);
	assert_int_equal(pp_free_pages(other_pool, pp_from_offset(other_pool, offset), 2), -EINVAL);
	assert_int_equal(peer_pool_info(&fixture->peer, "default").free_bytes, free_bytes);
	assert_int_equal(pp_free_pages(fixture->pool, block, 2), 0);
	assert_int_equal(pp_free_pages(fixture->pool, block, 2), -EINVAL);
	pp_client_free(other);
	free(local);
}

static void test_pages_bulk_free_is_all_or_nothing(void **state)
{
	struct fixture *fixture = *state;
	void *addrs[64], *wrong[65];

	assert_int_equal(pp_alloc_bulk(fixture->pool, 0, 0, addrs, 64), 64);
	memcpy(wrong, addrs, sizeof(addrs));
	wrong[64] = addrs[10]; /* twice */
	assert_int_equal(pp_free_bulk(fixture->pool, 0, wrong, 65), -EINVAL);
	wrong[64] = (char *)addrs[63] + (1 << 20); /* free already */
	assert_int_equal(pp_free_bulk(fixture->pool, 0, wrong, 65), -EINVAL);
	assert_int_equal(peer_pool_info(&fixture->peer, "default").free_bytes,
			 POOL_BYTES - sizeof(addrs) / sizeof(addrs[0]) * PP_PAGE_SIZE);
	assert_int_equal(pp_free_bulk(fixture->pool, 0, addrs, 64), 0);
	assert_int_equal(pp_free_bulk(fixture->pool, 0, addrs, 64), -EINVAL);
}

static void test_pages_offsets_lead_back(void **state)
{
	struct fixture *fixture = *state;
	char *block = pp_alloc_pages(fixture->pool, 3, 0);
	pp_offset offset = pp_to_offset(fixture->pool, block);

	assert_ptr_equal(pp_from_offset(fixture->pool, offset), block);
	assert_ptr_equal(pp_from_offset(fixture->pool, offset + 100), block + 100);
	errno = 0;
	assert_true(pp_to_offset(fixture->pool, &offset) == PP_OFFSET_INVALID);
	assert_int_equal(errno, EINVAL);
	errno = 0;
	/* Beyond what the zone may ever grow to. */
	assert_null(pp_from_offset(fixture->pool, UINT64_C(1) << 55));
	assert_int_equal(errno, EINVAL);
	assert_null(
		pp_from_offset(fixture->pool, UINT64_C(1) << 56)); /* a zone that is not there */
	assert_int_equal(pp_free_pages(fixture->pool, block, 3), 0);
}

/* A process that never met the other: opens the pool on its own and answers offset by offset. */
static void reader(int from_parent, int to_parent, void *data)
{
	struct pp_client *client = NULL;
	struct pp_client_config config = { .struct_size = sizeof(config), .socket = server.socket };
	struct pp_pool *pool;
	pp_offset offset;
	const char *text;

	(void)data;
	CHILD_CHECK(pp_client_new(&client, &config) == 0);
	CHILD_CHECK(pp_pool_open(client, "default", 0, &pool) == 0);
	child_get(from_parent, &offset, sizeof(offset));
	text = pp_from_offset(pool, offset);
	CHILD_CHECK(text && strcmp(text, "seen by all") == 0);
	strcpy((char *)pp_from_offset(pool, offset + 100), "and answered");
	child_put(to_parent, "!", 1);
	pp_client_free(client);
}

static void test_pages_are_the_same_bytes_in_two_processes(void **state)
{
	struct fixture *fixture = *state;
	struct child child;
	char *block = pp_alloc_pages(fixture->pool, 0, 0), done;
	pp_offset offset = pp_to_offset(fixture->pool, block);

	strcpy(block, "seen by all");
	child_start(&child, (uid_t)-1, reader, NULL);
	child_write(&child, &offset, sizeof(offset));
	child_read(&child, &done, 1);
	child_finish(&child);
	assert_string_equal(block + 100, "and answered");
	assert_int_equal(pp_free_pages(fixture->pool, block, 0), 0);
}

static void test_pages_pool_is_opened_once_and_counted(void **state)
{
	struct fixture *fixture = *state;
	struct pp_pool *again, *two;
	struct pp_pool_stat stat = { .struct_size = sizeof(stat) };

	assert_int_equal(pp_pool_open(fixture->client, "default", 0, &again), 0);
	assert_ptr_equal(again, fixture->pool);
	assert_null(pp_pool_close(again));
	assert_int_equal(pp_pool_stat(fixture->pool, &stat), 0);
	assert_int_equal(stat.size_bytes, POOL_BYTES);
	assert_int_equal(stat.max_order, TOP_ORDER);
	assert_int_equal(pp_pool_open(fixture->client, "no such pool", 0, &two), -ENOENT);
	assert_int_equal(pp_pool_open(fixture->client, "two", 0, &two), 0);
	assert_null(pp_pool_close(two));
	assert_null(pp_pool_close(NULL));
}

static void test_pages_max_order_of_a_pool_holds(void **state)
{
	struct fixture *fixture = *state;
	struct pp_pool *two;
	struct pp_pool_stat stat = { .struct_size = sizeof(stat) };
	void *blocks[5];

	assert_int_equal(pp_pool_open(fixture->client, "two", 0, &two), 0);
	assert_int_equal(pp_pool_stat(two, &stat), 0);
	assert_int_equal(stat.max_order, 9);
	assert_null(pp_alloc_pages(two, 10, 0));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(pp_alloc_bulk(two, 9, PP_HIGH, blocks, 5), 4);
	assert_int_equal(pp_free_bulk(two, 9, blocks, 4), 0);
	assert_int_equal(peer_pool_info(&fixture->peer, "two").zones[0].free_blocks[9], 4);
}

static void test_pages_stat_counts_what_is_held(void **state)
{
	struct fixture *fixture = *state;
	struct pp_pool_stat stat = { .struct_size = sizeof(stat) };
	void *block = pp_alloc_pages(fixture->pool, 5, 0);

	assert_int_equal(pp_pool_stat(fixture->pool, &stat), 0);
	assert_int_equal(stat.held_bytes, 32 * PP_PAGE_SIZE);
	assert_int_equal(stat.free_bytes, POOL_BYTES - 32 * PP_PAGE_SIZE);
	assert_true(stat.committed_bytes >= 32 * PP_PAGE_SIZE);
	assert_int_equal(pp_free_pages(fixture->pool, block, 5), 0);
}

int main(void)
{
#define PAGES_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
	const struct CMUnitTest tests[] = {
		PAGES_TEST(test_pages_fill_one_by_one_and_free_in_random_order),
		PAGES_TEST(test_pages_bulk_grants_what_there_is),
		PAGES_TEST(test_pages_below_the_min_watermark_are_kept),
		PAGES_TEST(test_pages_every_order_is_aligned_and_whole),
		PAGES_TEST(test_pages_exact_gives_the_tail_back),
		PAGES_TEST(test_pages_wrong_frees_change_nothing),
		PAGES_TEST(test_pages_bulk_free_is_all_or_nothing),
		PAGES_TEST(test_pages_offsets_lead_back),
		PAGES_TEST(test_pages_are_the_same_bytes_in_two_processes),
		PAGES_TEST(test_pages_pool_is_opened_once_and_counted),
		PAGES_TEST(test_pages_max_order_of_a_pool_holds),
		PAGES_TEST(test_pages_stat_counts_what_is_held),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
