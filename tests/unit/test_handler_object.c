/* SPDX-License-Identifier: MIT */
/* Requests for objects: what is told, who may free what, and what another user gets to see. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/pool_object.h"
#include "core/zone.h"
#include "service/backing.h"
#include "support/backing_fixture.h"
#include "support/service_fixture.h"

static int setup(void **state)
{
	*state = fixture_new(SERVICE_COMMIT_TOUCH); /* all grants are told at once */
	return 0;
}

static int setup_waiting(void **state)
{
	*state = fixture_new(SERVICE_COMMIT_GRANT); /* the first of a chunk waits for its memory */
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct zone_cache_stat stat_cache(struct fixture *fixture, uint32_t cache)
{
	const struct pool *core = &fixture->service.pools.pools[0].core;
	struct zone_cache_stat stat;

	pool_stat_cache(core, cache_number(core->caches, cache), &stat);
	return stat;
}

/* Grants so many and returns the first run, which must be all of it. */
static struct message_run take_run(struct fixture_client *client, uint32_t pool, uint32_t cache,
				   uint32_t count)
{
	struct message request = fixture_alloc_objects(pool, cache, count);
	const struct message *reply = fixture_call(client, &request);

	assert_int_equal(fixture_count_objects(reply), count);
	assert_int_equal(reply->u.granted_objects.nr_runs, 1);
	return reply->u.granted_objects.runs[0];
}

static void test_object_batches_come_and_go(void **state)
{
	static const uint32_t sizes[] = { 16, 40, 100, 1000, 4096, 5000, 65536 };
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	char name[16];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(name, sizeof(name), "of %u", sizes[i]);
		uint32_t cache = fixture_make_cache(client, pool, name, sizes[i], 0);
		uint32_t stride_bytes = client->reply.u.cache_opened.stride_bytes;
		uint32_t count = sizes[i] > 10000 ? 60 : 300;
		struct message request = fixture_alloc_objects(pool, cache, count);
		const struct message *reply = fixture_call(client, &request);

		assert_int_equal(fixture_count_objects(reply), count);
		assert_int_equal(reply->u.granted_objects.nr_raw, 0); /* without a constructor */
		assert_int_equal(fixture_held_bytes(client), count * stride_bytes);
		assert_int_equal(stat_cache(*state, cache).objects_active, count);
		request = fixture_free_objects(pool, cache, client->runs,
					       reply->u.granted_objects.nr_runs);
		assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
		assert_int_equal(fixture_held_bytes(client), 0);
	}
	fixture_client_free(client);
}

static void test_object_memory_for_words_is_there_before_they_are(void **state)
{
	struct fixture *fixture = *state;
	const struct pools_zone *zones = fixture->service.pools.pools[0].zones;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request =
		fixture_alloc_objects(pool, fixture_make_cache(client, pool, "x", 64, 0), 10);
	unsigned nr_replies = client->nr_replies;

	assert_int_equal(zone_slab_room(zones[0].zone), 0);
	/* One zone a round. */
	assert_int_equal(fixture_serve(client, &request), SESSION_MORE);
	assert_int_equal(client->nr_replies, nr_replies);
	assert_int_equal(zone_slab_room(zones[0].zone), SLAB_ROOM_UNITS);
	assert_int_equal(zone_slab_room(zones[1].zone), 0);
	assert_int_equal(fixture_serve(client, &request), SESSION_NEXT);
	assert_int_equal(fixture_count_objects(&client->reply), 10);
	assert_int_equal(zone_slab_room(zones[1].zone), SLAB_ROOM_UNITS);
	fixture_client_free(client);
}

static void test_object_bound_to_a_node_needs_room_there_alone(void **state)
{
	struct fixture *fixture = *state;
	const struct pools_zone *zones = fixture->service.pools.pools[0].zones;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request =
		fixture_alloc_objects(pool, fixture_make_cache(client, pool, "x", 64, 0), 10);

	request.u.alloc_objects.placement.policy = MESSAGE_POLICY_BIND;
	request.u.alloc_objects.placement.node = 1;
	assert_int_equal(fixture_serve(client, &request), SESSION_NEXT);
	assert_int_equal(fixture_count_objects(&client->reply), 10);
	assert_int_equal(page_address_zone(client->runs[0].base >> PAGE_SHIFT), 1);
	assert_int_equal(zone_slab_room(zones[0].zone), 0);
	request.u.alloc_objects.placement.node = 7;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "no node 7");
	fixture_client_free(client);
}

static void test_object_without_room_for_its_word_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct pools_pool *pools_pool = &fixture->service.pools.pools[0];
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message request =
		fixture_alloc_objects(pool, fixture_make_cache(client, pool, "x", 64, 0), 10);
	uint32_t nr_units = pools_pool->zones[0].zone->slabs.nr_units;

	for (unsigned i = 0; i < 2; i++) /* as if all of it were in use */
		pools_pool->zones[i].zone->slabs.nr_units = 0;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NO_MEMORY,
			       "the ledger of pool 'default' has no room for more objects");
	for (unsigned i = 0; i < 2; i++)
		pools_pool->zones[i].zone->slabs.nr_units = nr_units;
	assert_int_equal(fixture_count_objects(fixture_call(client, &request)), 10);
	fixture_client_free(client);
}

static void test_object_batch_in_part_is_a_success(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 65536, 0);
	struct message request = fixture_alloc_objects(pool, cache, MESSAGE_BATCH_BLOCKS_MAX);

	assert_int_equal(fixture_count_objects(fixture_call(client, &request)),
			 2 * FIXTURE_ZONE_PAGES / 16);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NO_MEMORY,
			       "pool 'default' has no free block of order");
	assert_non_null(strstr(client->error, "for more of cache 'x'"));
	fixture_client_free(client);
}

static void test_object_requests_that_make_no_sense_are_refused(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *reader = fixture_client_greeted(*state, FIXTURE_UID_READER);
	uint32_t pool = fixture_open(client, FIXTURE_POOL_READ, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 64, 0);
	struct message request = fixture_alloc_objects(pool, cache, 0);
	const struct message_run run = { .mask = 1 };

	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "no object");
	request = fixture_alloc_objects(pool, cache, MESSAGE_BATCH_BLOCKS_MAX + 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_LIMIT, "2048");
	request = fixture_alloc_objects(pool, cache + 1, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND,
			       "no such cache");
	request = fixture_alloc_objects(pool, MESSAGE_CACHE_ANY, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_NOT_FOUND,
			       "no such cache");
	request = fixture_alloc_objects(pool, cache, 1);
	fixture_assert_refused(fixture_call(reader, &request), MESSAGE_STATUS_NOT_FOUND,
			       "not open");
	request.u.alloc_objects.pool = fixture_open(reader, FIXTURE_POOL_READ, true);
	fixture_assert_refused(fixture_call(reader, &request), MESSAGE_STATUS_ACCESS, "reading");
	request = fixture_free_objects(request.u.alloc_objects.pool, cache, &run, 1);
	fixture_assert_refused(fixture_call(reader, &request), MESSAGE_STATUS_ACCESS, "reading");
	fixture_client_free(reader);
	fixture_client_free(client);
}

/* Frees one object, which must be refused with these words. */
static void assert_not_freed(struct fixture_client *client, uint32_t pool, uint32_t cache,
			     uint64_t offset, const char *format)
{
	const struct message_run run = { .base = offset, .mask = 1 };
	struct message request = fixture_free_objects(pool, cache, &run, 1);
	char words[128];

	snprintf(words, sizeof(words), format, (unsigned long)offset);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, words);
}

static void test_object_free_names_what_is_wrong(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *thief = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 64, 0);
	uint32_t other = fixture_make_cache(client, pool, "y", 64, 0);
	struct message_run run = take_run(client, pool, cache, 3);
	struct message page = { .type = MESSAGE_ALLOC, .u.alloc = { .pool = pool, .count = 1 } };
	const uint64_t first = run.base;

	fixture_open(thief, FIXTURE_POOL, false);
	assert_not_freed(thief, pool, cache, first, "at offset 0x%lx is not this client's");
	assert_not_freed(client, pool, other, first, "offset 0x%lx is of cache 'x', not 'y'");
	assert_not_freed(client, pool, cache, first + 8, "no object starts at offset 0x%lx");
	assert_not_freed(client, pool, cache, first + UINT64_C(3) * 64, "0x%lx is free already");
	assert_not_freed(client, pool, cache, UINT64_MAX - 63, "offset 0x%lx is not in the pool");
	uint64_t block = fixture_call(client, &page)->u.granted.runs[0].base << PAGE_SHIFT;
	assert_not_freed(client, pool, cache, block, "no object starts at offset 0x%lx");

	const struct message_run twice[] = { run, { .base = first + 64, .mask = 1 } };
	struct message request = fixture_free_objects(pool, cache, twice, 2);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "twice");
	run.mask = 0;
	request = fixture_free_objects(pool, cache, &run, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID, "no object");
	assert_int_equal(stat_cache(*state, cache).objects_active, 3);
	run.mask = 7;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	assert_int_equal(stat_cache(*state, cache).objects_active, 0);
	fixture_client_free(client);
	fixture_client_free(thief);
}

/* Half of a run is another's: none of it goes. */
static void test_object_free_is_all_or_none(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 64, 0);
	struct message_run run = take_run(client, pool, cache, 4);

	fixture_open(other, FIXTURE_POOL, false);
	take_run(other, pool, cache, 4);
	run.mask = 0xff;
	struct message request = fixture_free_objects(pool, cache, &run, 1);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "not this client's");
	assert_int_equal(stat_cache(*state, cache).objects_active, 8);
	run.mask = 0xf;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	fixture_client_free(client);
	fixture_client_free(other);
}

static void test_object_free_of_too_many_is_refused(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 64, 0);
	struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX / 64 + 1];
	const uint64_t raw[2] = { 1, 1 };
	const size_t nr_runs = sizeof(runs) / sizeof(runs[0]);

	for (size_t i = 0; i < nr_runs; i++)
		runs[i] = (struct message_run){ .mask = UINT64_MAX };
	struct message request = fixture_free_objects(pool, cache, runs, nr_runs);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_LIMIT, "2048");
	request = fixture_free_objects(pool, cache, runs, 1);
	request.u.free_objects.raw = raw;
	request.u.free_objects.nr_raw = 2;
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_INVALID,
			       "2 masks of raw objects for 1 runs");
	fixture_client_free(client);
}

static void test_object_free_of_any_cache(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	struct message_run runs[] = {
		take_run(client, pool, fixture_make_cache(client, pool, "x", 64, 0), 3),
		take_run(client, pool, fixture_make_cache(client, pool, "y", 3000, 0), 2),
	};
	struct message request = fixture_free_objects(pool, MESSAGE_CACHE_ANY, runs, 2);

	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_held_bytes(client), 0);
	fixture_client_free(client);
}

static void test_object_free_remembers_who_had_it(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	const struct zone *zone = fixture->service.pools.pools[0].zones[0].zone;
	struct slot *slot = &fixture->service.clients.slots.slots[client->client.slot];
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 64, 0);
	const struct message_run run = take_run(client, pool, cache, 1);
	struct message request = fixture_free_objects(pool, cache, &run, 1);
	struct zone_object object;
	struct zone_slab slab;
	uint32_t i;

	slot->generation = 3 * WORD_NR_TAGS + 77;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	assert_true(zone_find_object(zone, run.base, &slab, &i));
	zone_get_object(zone, &slab, i, &object);
	assert_false(object.is_held);
	assert_true(object.has_previous);
	assert_int_equal(object.previous.slot, client->client.slot);
	assert_int_equal(object.previous.generation, 77);
	fixture_client_free(client);
}

/* Constructed objects. */

static void test_object_is_raw_until_it_was_constructed(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 64, MESSAGE_CACHE_CTOR);
	struct message alloc = fixture_alloc_objects(pool, cache, 4);
	const uint64_t raw = 0x2;

	const struct message *reply = fixture_call(client, &alloc);
	assert_int_equal(reply->u.granted_objects.nr_raw, 1);
	assert_int_equal(reply->u.granted_objects.raw[0], 0xf);
	const struct message_run run = reply->u.granted_objects.runs[0];
	struct message request = fixture_free_objects(pool, cache, &run, 1);
	request.u.free_objects.raw = &raw;
	request.u.free_objects.nr_raw = 1;
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);

	reply = fixture_call(client, &alloc);
	assert_int_equal(reply->u.granted_objects.runs[0].mask, 0xf);
	assert_int_equal(reply->u.granted_objects.nr_raw, 1);
	assert_int_equal(reply->u.granted_objects.raw[0], 0x2);
	request.u.free_objects.nr_raw = 0; /* all are constructed by now */
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_call(client, &alloc)->u.granted_objects.nr_raw, 0);
	fixture_client_free(client);

	/* It died with them: who knows in what state they are? */
	client = fixture_client_greeted(*state, FIXTURE_UID);
	fixture_open(client, FIXTURE_POOL, false);
	assert_int_equal(fixture_call(client, &alloc)->u.granted_objects.raw[0], 0xf);
	fixture_client_free(client);
}

/* Other users. */

static unsigned char *map_zone(struct fixture *fixture)
{
	const struct backing *backing = fixture->service.pools.pools[0].zones[0].backing;
	int fd = backing_open_fd(backing, false);

	assert_true(fd >= 0);
	void *base =
		mmap(NULL, backing_size_bytes(backing), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(base != MAP_FAILED);
	close(fd);
	return base;
}

static void unmap_zone(struct fixture *fixture, unsigned char *base)
{
	const struct backing *backing = fixture->service.pools.pools[0].zones[0].backing;

	munmap(base, backing_size_bytes(backing));
}

#define STRIDE_BYTES 200u

/* Objects 0 to 3 are the first user's; 1 goes, and is granted to the second. */
static void test_object_is_cleared_for_another_user(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *client = fixture_client_greeted(fixture, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(fixture, FIXTURE_UID_READER);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache =
		fixture_make_cache(client, pool, "x", STRIDE_BYTES - 3, MESSAGE_CACHE_CTOR);
	const struct message_run run = take_run(client, pool, cache, 4);
	const struct message_run second = { .base = run.base, .mask = 2 };
	struct message request = fixture_free_objects(pool, cache, &second, 1);
	unsigned char *base = map_zone(fixture), *objects = base + run.base;

	fixture_open(other, FIXTURE_POOL, false);
	memset(objects, 'a', 4 * STRIDE_BYTES);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);
	request = fixture_alloc_objects(pool, cache, 1);
	/* For its own user it stays what it was, though some are free for which it wouldn't. */
	assert_int_equal(fixture_call(client, &request)->u.granted_objects.runs[0].mask, 2);
	assert_int_equal(client->reply.u.granted_objects.nr_raw, 0);
	assert_true(is_filled_with(objects, 'a', 4 * STRIDE_BYTES));
	request = fixture_free_objects(pool, cache, &second, 1);
	assert_int_equal(fixture_call(client, &request)->status, MESSAGE_STATUS_OK);

	request = fixture_alloc_objects(pool, cache, 1);
	const struct message *reply = fixture_call(other, &request);
	assert_int_equal(reply->u.granted_objects.runs[0].base, run.base);
	assert_int_equal(reply->u.granted_objects.runs[0].mask, 2);
	assert_int_equal(reply->u.granted_objects.raw[0], 2);
	assert_true(is_filled_with(objects, 'a', STRIDE_BYTES));
	assert_true(is_filled_with(objects + STRIDE_BYTES, 0, STRIDE_BYTES));
	assert_true(is_filled_with(objects + 2 * STRIDE_BYTES, 'a', 2 * STRIDE_BYTES));
	unmap_zone(fixture, base);
	fixture_client_free(other);
	fixture_client_free(client);
}

/* Memory that is not there yet. */

static void test_object_waits_for_its_memory(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 64, MESSAGE_CACHE_CTOR);
	struct message request = fixture_alloc_objects(pool, cache, 100);
	const struct message_run guess = { .base = 0, .mask = 1 };
	struct message request_free = fixture_free_objects(pool, cache, &guess, 1);
	unsigned nr_replies = client->nr_replies;

	while (fixture_serve(client, &request) == SESSION_MORE)
		;
	assert_int_equal(client->nr_replies, nr_replies);
	assert_int_equal(fixture_held_bytes(client), 6400);
	assert_int_equal(fixture_serve(client, &request_free), SESSION_AGAIN);
	fixture_await(client, nr_replies + 1);
	assert_int_equal(client->reply.id, request.id);
	assert_int_equal(fixture_count_objects(&client->reply), 100);
	assert_int_equal(client->reply.u.granted_objects.nr_raw,
			 client->reply.u.granted_objects.nr_runs);

	client->nr_wanted = 0; /* the chunk is there now */
	assert_int_equal(fixture_serve(client, &request), SESSION_NEXT);
	assert_int_equal(client->nr_replies, nr_replies + 2);
	fixture_client_free(client);
}

static void test_object_that_nobody_waits_for_goes_back(void **state)
{
	struct fixture *fixture = *state;
	struct fixture_client *gone = fixture_client_greeted(fixture, FIXTURE_UID);
	struct fixture_client *other = fixture_client_greeted(fixture, FIXTURE_UID);
	client_send_fn send = gone->client.send;
	uint32_t pool = fixture_open(gone, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(gone, pool, "x", 64, 0);
	struct message request = fixture_alloc_objects(pool, cache, 100);

	fixture_open(other, FIXTURE_POOL, false);
	while (fixture_serve(gone, &request) == SESSION_MORE)
		;
	assert_int_equal(stat_cache(fixture, cache).objects_active, 100);
	gone->client.send = NULL;                        /* the connection is over */
	request = fixture_alloc_objects(pool, cache, 1); /* of the same chunk: done after it */
	assert_int_equal(fixture_count_objects(fixture_call(other, &request)), 1);
	assert_int_equal(fixture_held_bytes(gone), 0);
	assert_int_equal(stat_cache(fixture, cache).objects_active, 1);
	gone->client.send = send;
	fixture_client_free(gone);
	fixture_client_free(other);
}

static void test_object_that_waits_holds_back_the_sweep(void **state)
{
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 64, 0);
	struct message alloc = fixture_alloc_objects(pool, cache, 5);
	struct message goodbye = { .type = MESSAGE_GOODBYE };
	unsigned nr_replies = client->nr_replies;

	while (fixture_serve(client, &alloc) == SESSION_MORE)
		;
	fixture_serve(client, &goodbye);
	assert_int_equal(client->client.state, CLIENT_DYING);
	assert_int_equal(stat_cache(*state, cache).objects_active, 5);
	fixture_await(client, nr_replies + 2); /* the grant, then the answer to goodbye */
	assert_int_equal(stat_cache(*state, cache).objects_active, 0);
	assert_int_equal(client->client.state, CLIENT_SWEPT);
	fixture_client_free(client);
}

#define OBJECT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OBJECT_WAITING_TEST(name) cmocka_unit_test_setup_teardown(name, setup_waiting, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OBJECT_TEST(test_object_batches_come_and_go),
		OBJECT_TEST(test_object_memory_for_words_is_there_before_they_are),
		OBJECT_TEST(test_object_bound_to_a_node_needs_room_there_alone),
		OBJECT_TEST(test_object_without_room_for_its_word_is_refused),
		OBJECT_TEST(test_object_batch_in_part_is_a_success),
		OBJECT_TEST(test_object_requests_that_make_no_sense_are_refused),
		OBJECT_TEST(test_object_free_names_what_is_wrong),
		OBJECT_TEST(test_object_free_is_all_or_none),
		OBJECT_TEST(test_object_free_of_too_many_is_refused),
		OBJECT_TEST(test_object_free_of_any_cache),
		OBJECT_TEST(test_object_free_remembers_who_had_it),
		OBJECT_TEST(test_object_is_raw_until_it_was_constructed),
		OBJECT_TEST(test_object_is_cleared_for_another_user),
		OBJECT_WAITING_TEST(test_object_waits_for_its_memory),
		OBJECT_WAITING_TEST(test_object_that_nobody_waits_for_goes_back),
		OBJECT_WAITING_TEST(test_object_that_waits_holds_back_the_sweep),
	};

	return cmocka_run_group_tests_name("handler_object", tests, NULL, NULL);
}
