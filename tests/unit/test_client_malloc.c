/* SPDX-License-Identifier: MIT */
/*
 * pp_malloc() beside a daemon that hands out whatever is next: which cache a size leads to, what is
 * freed how, and which addresses are none of its. The daemon here believes everything, so what the
 * library refuses, it refuses on its own.
 */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/random.h"
#include "support/scripted.h"

#define ZONE_BYTES (UINT64_C(64) << 20)
#define SLAB_ORDER 5u /* large enough for an object of each class */
#define SLAB_BYTES (4096u << SLAB_ORDER)
#define CLASSES_MAX 256u
#define FIRST_CACHE 100u /* class i is the cache of this number more */

/* What the daemon gives out, and what it was asked last; read by the test between its calls. */
struct shop {
	struct message_cache_info classes[CLASSES_MAX];
	unsigned nr_classes;
	uint64_t next_object[CLASSES_MAX]; /* in a slab, or at its end */
	uint64_t next_page;
	unsigned nr_tables;   /* that were asked for */
	uint64_t nr_requests; /* about memory */
	enum message_type last_type;
	uint32_t last_cache, last_pages;
	uint64_t last_offset;
	enum message_status refuse; /* frees with this */
};

static void shop_add_class(struct shop *shop, uint32_t object_bytes)
{
	shop->classes[shop->nr_classes] =
		(struct message_cache_info){ .cache = FIRST_CACHE + shop->nr_classes,
					     .object_bytes = object_bytes,
					     .stride_bytes = (object_bytes + 15) / 16 * 16,
					     .slab_order = SLAB_ORDER };
	shop->nr_classes++;
}

/* Four a doubling, as the real one has them. */
static struct shop shop_make(void)
{
	struct shop shop = { 0 };

	for (uint32_t bytes = 16; bytes <= 64; bytes += 16)
		shop_add_class(&shop, bytes);
	for (uint32_t power = 64; power < 32768; power *= 2)
		for (uint32_t quarter = 1; quarter <= 4; quarter++)
			shop_add_class(&shop, power + power / 4 * quarter);
	return shop;
}

static uint64_t shop_take_pages(struct shop *shop, uint32_t nr_pages, uint32_t align_pages)
{
	uint64_t page = (shop->next_page + align_pages - 1) / align_pages * align_pages;

	shop->next_page = page + nr_pages;
	SCRIPT_CHECK(shop->next_page <= ZONE_BYTES / 4096);
	return page;
}

static void shop_alloc_object(struct scripted *daemon, struct shop *shop,
			      const struct message *request)
{
	unsigned class = request->u.alloc_objects.cache - FIRST_CACHE;
	struct message_run run = { 0, 1 };
	uint64_t *next;

	SCRIPT_CHECK(class < shop->nr_classes && request->u.alloc_objects.count == 1);
	next = &shop->next_object[class];
	if (*next % SLAB_BYTES == 0 ||
	    *next % SLAB_BYTES + shop->classes[class].stride_bytes > SLAB_BYTES)
		*next = shop_take_pages(shop, 1u << SLAB_ORDER, 1u << SLAB_ORDER) * 4096;
	run.base = shop->last_offset = *next;
	*next += shop->classes[class].stride_bytes;
	shop->last_cache = request->u.alloc_objects.cache;
	scripted_grant_objects(daemon, request->id, &run, 1, NULL, 0);
}

static void shop_alloc_exact(struct scripted *daemon, struct shop *shop,
			     const struct message *request)
{
	struct message reply = { .id = request->id, .type = MESSAGE_GRANTED_EXACT, .error = "" };

	shop->last_pages = request->u.alloc_exact.nr_pages;
	reply.u.granted_exact.page = shop_take_pages(shop, shop->last_pages, 1);
	scripted_reply(daemon, &reply, NULL, 0);
}

static void shop_tell_table(struct scripted *daemon, struct shop *shop,
			    const struct message *request)
{
	struct message reply = { .id = request->id, .type = MESSAGE_CACHE_TABLE, .error = "" };

	SCRIPT_CHECK(request->u.general_caches.pool == 4);
	shop->nr_tables++;
	reply.u.cache_table.caches = shop->classes;
	reply.u.cache_table.nr_caches = shop->nr_classes;
	scripted_reply(daemon, &reply, NULL, 0);
}

static void shop_take_note(struct shop *shop, const struct message *request)
{
	shop->nr_requests++;
	shop->last_type = request->type;
	if (request->type == MESSAGE_FREE_OBJECTS) {
		SCRIPT_CHECK(request->u.free_objects.nr_runs == 1);
		SCRIPT_CHECK(request->u.free_objects.runs[0].mask == 1);
		shop->last_cache = request->u.free_objects.cache;
		shop->last_offset = request->u.free_objects.runs[0].base;
	} else if (request->type == MESSAGE_FREE_EXACT) {
		shop->last_pages = request->u.free_exact.nr_pages;
		shop->last_offset = request->u.free_exact.page * 4096;
	}
}

static void script_shop(struct scripted *daemon, void *data)
{
	struct shop *shop = data;
	struct message request;

	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	while (scripted_receive(daemon, &request)) {
		if (request.type == MESSAGE_GENERAL_CACHES) {
			shop_tell_table(daemon, shop, &request);
			continue;
		}
		shop_take_note(shop, &request);
		if (request.type == MESSAGE_ALLOC_OBJECTS)
			shop_alloc_object(daemon, shop, &request);
		else if (request.type == MESSAGE_ALLOC_EXACT)
			shop_alloc_exact(daemon, shop, &request);
		else if (request.type == MESSAGE_ALLOC)
			scripted_grant(daemon, request.id,
				       shop_take_pages(shop, 1u << request.u.alloc.order,
						       1u << request.u.alloc.order),
				       1);
		else if (request.type == MESSAGE_GOODBYE || request.type == MESSAGE_POOL_CLOSE)
			scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
		else
			scripted_reply_status(daemon, request.id, shop->refuse);
	}
}

/* Sizes. */

static void test_malloc_sizes_lead_to_the_next_cache(void **state)
{
	struct shop shop = shop_make();
	struct scripted_fixture fixture;
	unsigned class = 0;

	(void)state;
	scripted_fixture_open(&fixture, script_shop, &shop);
	for (size_t size = 0; size <= 32768; size += size < 300 || size % 256 >= 254 ? 1 : 127) {
		void *addr = pp_malloc(fixture.pool, size, 0);

		assert_non_null(addr);
		while (shop.classes[class].object_bytes < size)
			class ++;
		assert_int_equal(shop.last_type, MESSAGE_ALLOC_OBJECTS);
		assert_int_equal(shop.last_cache, FIRST_CACHE + class);
		assert_int_equal(pp_to_offset(fixture.pool, addr), shop.last_offset);
		assert_int_equal(pp_usable_size(fixture.pool, addr),
				 shop.classes[class].object_bytes);
	}
	assert_int_equal(class, shop.nr_classes - 1);
	assert_int_equal(shop.nr_tables, 1);
	scripted_fixture_close(&fixture);
}

static void test_malloc_large_sizes_are_pages(void **state)
{
	struct shop shop = shop_make();
	struct scripted_fixture fixture;
	char *one, *two;

	(void)state;
	scripted_fixture_open(&fixture, script_shop, &shop);
	one = pp_malloc(fixture.pool, 32769, 0);
	assert_int_equal(shop.last_type, MESSAGE_ALLOC_EXACT);
	assert_int_equal(shop.last_pages, 9);
	two = pp_malloc(fixture.pool, 10u << 20, PP_MOVABLE | PP_HIGH);
	assert_int_equal(shop.last_pages, (10u << 20) / 4096);
	assert_int_equal(pp_usable_size(fixture.pool, one), 9 * 4096);
	assert_int_equal(pp_usable_size(fixture.pool, two), 10u << 20);
	assert_int_equal(pp_usable_size(fixture.pool, one + 1), 0);
	assert_int_equal(pp_usable_size(fixture.pool, one + 4096), 0);
	assert_int_equal(pp_free(fixture.pool, one), 0);
	assert_int_equal(shop.last_type, MESSAGE_FREE_EXACT);
	assert_int_equal(shop.last_pages, 9);
	assert_int_equal(shop.last_offset, pp_to_offset(fixture.pool, one));
	assert_null(pp_malloc(fixture.pool, ((size_t)1 << 30) + 1, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(pp_malloc(fixture.pool, SIZE_MAX, 0));
	assert_int_equal(errno, EINVAL);
	scripted_fixture_close(&fixture);
}

static void test_malloc_zero_means_zeros(void **state)
{
	struct shop shop = shop_make();
	struct scripted_fixture fixture;
	uint8_t *bytes;

	(void)state;
	scripted_fixture_open(&fixture, script_shop, &shop);
	memset(pp_from_offset(fixture.pool, 0), 0xaa, 4 * SLAB_BYTES);
	bytes = pp_malloc(fixture.pool, 100, PP_ZERO);
	for (size_t i = 0; i < 112; i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(bytes[112], 0xaa);
	bytes = pp_malloc(fixture.pool, 40000, PP_ZERO);
	for (size_t i = 0; i < 10 * 4096; i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(bytes[10 * 4096], 0xaa);
	scripted_fixture_close(&fixture);
}

/* Sizes that are no multiples of 16, and a largest one far below 32 KiB. */
static void test_malloc_serves_from_whatever_caches_there_are(void **state)
{
	struct shop shop = { 0 };
	struct scripted_fixture fixture;

	(void)state;
	shop_add_class(&shop, 10);
	shop_add_class(&shop, 24);
	shop_add_class(&shop, 100);
	shop_add_class(&shop, 1000);
	scripted_fixture_open(&fixture, script_shop, &shop);
	for (size_t size = 0; size <= 1100; size++) {
		void *addr = pp_malloc(fixture.pool, size, 0);

		assert_non_null(addr);
		assert_true(pp_usable_size(fixture.pool, addr) >= size);
		if (size <= 96)
			assert_true(pp_usable_size(fixture.pool, addr) <= 100);
		assert_int_equal(shop.last_type,
				 size <= 992 ? MESSAGE_ALLOC_OBJECTS : MESSAGE_ALLOC_EXACT);
	}
	scripted_fixture_close(&fixture);

	/* One that is of no use. */
	shop = (struct shop){ 0 };
	shop_add_class(&shop, 8);
	scripted_fixture_open(&fixture, script_shop, &shop);
	assert_non_null(pp_malloc(fixture.pool, 0, 0));
	assert_int_equal(shop.last_type, MESSAGE_ALLOC_EXACT);
	scripted_fixture_close(&fixture);
}

static void script_table(struct scripted *daemon, void *data)
{
	struct message request;

	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_GENERAL_CACHES, &request);
	shop_tell_table(daemon, data, &request);
	scripted_expect_end(daemon);
}

static void test_malloc_tables_that_lie_end_the_connection(void **state)
{
	struct shop shops[4] = { 0 };

	(void)state;
	/* The first is empty. */
	shop_add_class(&shops[1], 32);
	shop_add_class(&shops[1], 16);
	shop_add_class(&shops[2], 32);
	shop_add_class(&shops[2], 32);
	shop_add_class(&shops[3], 16);
	shops[3].classes[0].stride_bytes = 8;
	for (size_t i = 0; i < sizeof(shops) / sizeof(shops[0]); i++) {
		struct scripted_fixture fixture;

		scripted_fixture_open(&fixture, script_table, &shops[i]);
		assert_null(pp_malloc(fixture.pool, 1, 0));
		assert_int_equal(errno, EPROTO);
		assert_null(pp_malloc(fixture.pool, 100000, 0));
		assert_int_equal(errno, EPROTO);
		assert_int_equal(pp_usable_size(fixture.pool, pp_from_offset(fixture.pool, 0)), 0);
		scripted_fixture_close(&fixture);
	}
}

static void script_refuse(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_expect(daemon, MESSAGE_GENERAL_CACHES, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_UNSUPPORTED);
	/* It is asked again: nothing is known yet. */
	scripted_expect(daemon, MESSAGE_GENERAL_CACHES, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_NO_MEMORY);
	scripted_goodbye(daemon);
}

static void test_malloc_says_why_there_are_no_caches(void **state)
{
	struct scripted_fixture fixture;

	(void)state;
	scripted_fixture_open(&fixture, script_refuse, NULL);
	assert_null(pp_malloc(fixture.pool, 1, 0));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_null(pp_malloc(fixture.pool, 1, 0));
	assert_int_equal(errno, ENOMEM);
	scripted_fixture_close(&fixture);
}

/* Frees. */

static void test_malloc_free_asks_for_what_was_granted(void **state)
{
	struct shop shop = shop_make();
	struct scripted_fixture fixture;
	char *addr;

	(void)state;
	scripted_fixture_open(&fixture, script_shop, &shop);
	assert_non_null(pp_malloc(fixture.pool, 5000, 0));
	addr = pp_malloc(fixture.pool, 5000, 0); /* in the middle of a page */
	assert_int_equal(pp_free(fixture.pool, addr), 0);
	assert_int_equal(shop.last_type, MESSAGE_FREE_OBJECTS);
	assert_int_equal(shop.last_offset, pp_to_offset(fixture.pool, addr));
	assert_int_equal(shop.classes[shop.last_cache - FIRST_CACHE].object_bytes, 5120);
	/* Whether it is free already is the daemon's to say. */
	shop.refuse = MESSAGE_STATUS_INVALID;
	assert_int_equal(pp_free(fixture.pool, addr), -EINVAL);
	shop.refuse = MESSAGE_STATUS_CORRUPT;
	assert_int_equal(pp_free(fixture.pool, addr), -EUCLEAN);
	scripted_fixture_close(&fixture);
}

static void test_malloc_frees_of_anything_else_cost_no_round_trip(void **state)
{
	struct shop shop = shop_make();
	struct scripted_fixture fixture;
	char *page, *large, *small;
	uint64_t nr_requests;

	(void)state;
	scripted_fixture_open(&fixture, script_shop, &shop);
	page = pp_alloc_pages(fixture.pool, 0, 0);
	assert_int_equal(pp_free(fixture.pool, page), -EINVAL); /* before there is any table */
	small = pp_malloc(fixture.pool, 1, 0);
	large = pp_malloc(fixture.pool, 100000, 0);
	assert_non_null(small);
	nr_requests = shop.nr_requests;
	assert_int_equal(pp_free(fixture.pool, NULL), 0);
	assert_int_equal(pp_usable_size(fixture.pool, NULL), 0);
	assert_int_equal(pp_free(NULL, small), -EINVAL);
	assert_int_equal(pp_usable_size(NULL, small), 0);
	assert_int_equal(pp_free(fixture.pool, &fixture), -EINVAL);
	assert_int_equal(pp_usable_size(fixture.pool, &fixture), 0);
	assert_int_equal(pp_free(fixture.pool, page), -EINVAL);
	assert_int_equal(pp_usable_size(fixture.pool, page), 0);
	assert_int_equal(pp_free(fixture.pool, large + 16), -EINVAL);
	assert_int_equal(pp_free(fixture.pool, large + 4096), -EINVAL);
	assert_int_equal(pp_free(fixture.pool, small - 16), -EINVAL);
	assert_null(pp_malloc(NULL, 1, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(pp_malloc(fixture.pool, 1, PP_MOVABLE | PP_RECLAIMABLE));
	assert_null(pp_malloc(fixture.pool, 1, PP_CACHE_DEBUG));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(shop.nr_requests, nr_requests);
	scripted_fixture_close(&fixture);
}

/* What was pp_malloc()'s once and is granted as pages is not any more. */
static void test_malloc_does_not_free_pages_where_its_own_were(void **state)
{
	struct shop shop = shop_make();
	struct scripted_fixture fixture;
	void *large, *small, *pages[3];
	uint64_t nr_requests;

	(void)state;
	scripted_fixture_open(&fixture, script_shop, &shop);
	small = pp_malloc(fixture.pool, 32768, 0);
	assert_int_equal(pp_free(fixture.pool, small), 0);
	large = pp_malloc(fixture.pool, 32768 + 1, 0);
	assert_int_equal(pp_free(fixture.pool, large), 0);
	shop.next_page = pp_to_offset(fixture.pool, small) / 4096;
	pages[0] = pp_alloc_pages(fixture.pool, 3, 0);
	assert_ptr_equal(pages[0], small);
	shop.next_page = pp_to_offset(fixture.pool, large) / 4096;
	pages[1] = pp_alloc_exact(fixture.pool, 9 * 4096, 0);
	assert_ptr_equal(pages[1], large);
	nr_requests = shop.nr_requests;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pp_free(fixture.pool, pages[i]), -EINVAL);
		assert_int_equal(pp_usable_size(fixture.pool, pages[i]), 0);
	}
	assert_int_equal(shop.nr_requests, nr_requests);
	/* And the other way round. */
	shop.next_page = pp_to_offset(fixture.pool, pages[1]) / 4096;
	assert_ptr_equal(pp_malloc(fixture.pool, 50000, 0), large);
	assert_int_equal(pp_free(fixture.pool, large), 0);
	assert_int_equal(shop.last_pages, 13);
	scripted_fixture_close(&fixture);
}

static void script_read_only(struct scripted *daemon, void *data)
{
	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, 1u << 20);
	scripted_goodbye(daemon);
}

static void test_malloc_of_a_pool_for_reading_is_refused(void **state)
{
	struct scripted_fixture fixture;
	char *addr;

	(void)state;
	scripted_fixture_connect(&fixture, script_read_only, NULL);
	assert_int_equal(pp_pool_open(fixture.client, NULL, PP_POOL_READONLY, &fixture.pool), 0);
	addr = pp_from_offset(fixture.pool, 0);
	assert_null(pp_malloc(fixture.pool, 1, 0));
	assert_int_equal(errno, EACCES);
	assert_int_equal(pp_free(fixture.pool, addr), -EACCES);
	assert_int_equal(pp_usable_size(fixture.pool, addr), 0);
	scripted_fixture_close(&fixture);
}

/* Threads. */

#define NR_THREADS 4u
#define NR_ROUNDS 300u

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	struct pp_pool *pool;
	uint64_t seed;
	unsigned nr_failed;
};

static void *run_worker(void *data)
{
	struct worker *worker = data;
	struct random random = random_from(worker->seed);

	pthread_barrier_wait(worker->start);
	for (unsigned i = 0; i < NR_ROUNDS; i++) {
		size_t size = random_below(&random, random_once_in(&random, 8) ? 50000 : 500);
		void *addr = pp_malloc(worker->pool, size, PP_ZERO);
		void *page = random_once_in(&random, 8) ? pp_alloc_pages(worker->pool, 0, 0) : NULL;

		worker->nr_failed += !addr || pp_usable_size(worker->pool, addr) < size ||
				     pp_free(worker->pool, addr) != 0 ||
				     (page && pp_free(worker->pool, page) != -EINVAL);
	}
	return NULL;
}

/* They all come first, so the caches may be asked for more than once, and are used once. */
static void test_malloc_is_for_all_threads(void **state)
{
	struct worker workers[NR_THREADS] = { 0 };
	struct shop shop = shop_make();
	struct scripted_fixture fixture;
	pthread_barrier_t start;

	(void)state;
	scripted_fixture_open(&fixture, script_shop, &shop);
	assert_int_equal(pthread_barrier_init(&start, NULL, NR_THREADS), 0);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		workers[i].start = &start;
		workers[i].pool = fixture.pool;
		workers[i].seed = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].nr_failed, 0);
	}
	pthread_barrier_destroy(&start);
	scripted_fixture_close(&fixture);
	assert_in_range(shop.nr_tables, 1, NR_THREADS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_malloc_sizes_lead_to_the_next_cache),
		cmocka_unit_test(test_malloc_large_sizes_are_pages),
		cmocka_unit_test(test_malloc_zero_means_zeros),
		cmocka_unit_test(test_malloc_serves_from_whatever_caches_there_are),
		cmocka_unit_test(test_malloc_tables_that_lie_end_the_connection),
		cmocka_unit_test(test_malloc_says_why_there_are_no_caches),
		cmocka_unit_test(test_malloc_free_asks_for_what_was_granted),
		cmocka_unit_test(test_malloc_frees_of_anything_else_cost_no_round_trip),
		cmocka_unit_test(test_malloc_does_not_free_pages_where_its_own_were),
		cmocka_unit_test(test_malloc_of_a_pool_for_reading_is_refused),
		cmocka_unit_test(test_malloc_is_for_all_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
