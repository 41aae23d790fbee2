/* SPDX-License-Identifier: MIT */
/* The request that looks at all objects of debug caches: in parts, and only at what can be known.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/log.h"
#include "support/debug_fixture.h"

#define BEHIND ((int)DEBUG_OBJECT_BYTES)

static struct debug_fixture debug;

static int setup(void **state)
{
	(void)state;
	debug_fixture_start(&debug, 0);
	log_set_level(LOG_CRIT); /* faults are told to the log, too */
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	debug_fixture_end(&debug);
	return 0;
}

static struct message make_check(const char *pool, uint64_t start)
{
	struct message request = { .type = MESSAGE_CHECK_OBJECTS };

	request.u.check_objects.pool = pool;
	request.u.check_objects.start = start;
	return request;
}

/* What all parts together say. */
struct checked {
	uint64_t nr_objects;
	unsigned nr_parts, nr_faults;
	struct message_object_fault faults[256]; /* their strings are borrowed */
};

static const struct checked *check(const char *pool)
{
	static struct checked checked;
	uint64_t start = 0;

	checked = (struct checked){ 0 };
	do {
		struct message request = make_check(pool, start);
		const struct message *reply = fixture_call(debug.bob, &request);

		assert_int_equal(reply->status, MESSAGE_STATUS_OK);
		assert_int_equal(reply->type, MESSAGE_OBJECT_FAULTS);
		size_t nr_faults = reply->u.object_faults.nr_faults;
		assert_true(nr_faults <= MESSAGE_FAULTS_MAX);
		assert_true(checked.nr_faults + nr_faults <= 256);
		if (nr_faults)
			memcpy(&checked.faults[checked.nr_faults], reply->u.object_faults.faults,
			       nr_faults * sizeof(checked.faults[0]));
		checked.nr_faults += (unsigned)nr_faults;
		checked.nr_objects += reply->u.object_faults.objects;
		checked.nr_parts++;
		start = reply->u.object_faults.next;
	} while (start);
	return &checked;
}

static void assert_fault(const struct message_object_fault *fault, uint64_t object, int at,
			 uint32_t expected, uint32_t found)
{
	assert_string_equal(fault->pool, FIXTURE_POOL);
	assert_string_equal(fault->cache, "frames");
	assert_int_equal(fault->object, object);
	assert_int_equal(fault->at, at);
	assert_int_equal(fault->expected, expected);
	assert_int_equal(fault->found, found);
}

static void assert_party(const struct message_party *party, const struct fixture_client *client)
{
	assert_int_equal(party->client, client->client.slot);
	assert_int_equal(party->pid, getpid());
	assert_string_equal(party->name, "fixture");
	assert_false(party->gone);
}

static void test_check_objects_looks_at_what_is_known(void **state)
{
	(void)state;
	assert_int_equal(check("")->nr_objects, 0);
	const struct message_run run = debug_fixture_take(&debug, debug.alice, 20);
	assert_int_equal(check("")->nr_objects, 20);
	const struct message_run some = { run.base, 0xff };
	debug_fixture_give(&debug, debug.alice, some);
	assert_int_equal(check("")->nr_objects, 20); /* the free ones have poison */
	assert_int_equal(check("")->nr_faults, 0);
	assert_int_equal(check(FIXTURE_POOL)->nr_objects, 20);
	assert_int_equal(check(FIXTURE_POOL_READ)->nr_objects, 0);
	/* What its holder took along is in no known state. */
	fixture_client_free(debug.alice);
	debug.alice = NULL;
	assert_int_equal(check("")->nr_objects, 8);
	assert_int_equal(check("")->nr_faults, 0);
}

static void test_check_objects_names_both_parties(void **state)
{
	(void)state;
	struct message_run run = debug_fixture_take(&debug, debug.alice, 3);
	debug_fixture_give(&debug, debug.alice, run);
	debug_fixture_take(&debug, debug.bob, 1);
	debug_fixture_object(&debug, run, 0)[BEHIND] = 1;
	debug_fixture_object(&debug, run, 2)[7] = 2;
	const struct checked *checked = check("");
	assert_int_equal(checked->nr_objects, 3);
	assert_int_equal(checked->nr_faults, 2);
	const struct message_object_fault *fault = checked->faults;
	assert_fault(&fault[0], run.base, BEHIND, OBJECT_RED_HELD, 1);
	assert_string_equal(fault[0].what, "red zone behind the object");
	assert_party(&fault[0].holder, debug.bob);
	assert_party(&fault[0].previous, debug.alice);
	assert_fault(&fault[1], run.base + UINT64_C(2) * debug.stride_bytes, 7, OBJECT_POISON, 2);
	assert_string_equal(fault[1].what, "poison in the free object");
	assert_int_equal(fault[1].holder.client, 0);
	assert_party(&fault[1].previous, debug.alice);
	/* Looking mends nothing. */
	assert_int_equal(check("")->nr_faults, 2);
}

static void test_check_objects_does_not_name_successors(void **state)
{
	struct slot_table *slots = &debug.fixture->service.clients.slots;
	unsigned slot = debug.alice->client.slot;
	struct message_run run = debug_fixture_take(&debug, debug.alice, 1);

	(void)state;
	debug_fixture_give(&debug, debug.alice, run);
	debug_fixture_object(&debug, run, 0)[0] = 1;
	fixture_client_free(debug.alice);
	debug.alice = NULL;
	const struct message_party *previous = &check("")->faults[0].previous;
	assert_int_equal(previous->client, slot);
	assert_int_equal(previous->pid, getpid());
	assert_true(previous->gone);
	slots->next = slot; /* its turn again */
	debug.alice = fixture_client_greeted(debug.fixture, FIXTURE_UID);
	assert_int_equal(debug.alice->client.slot, slot);
	previous = &check("")->faults[0].previous;
	assert_int_equal(previous->client, slot);
	assert_int_equal(previous->pid, 0);
	assert_string_equal(previous->name, "");
	assert_true(previous->gone);
}

static void test_check_objects_tells_each_fault_once(void **state)
{
	struct message request =
		fixture_alloc_objects(debug.pool, debug.cache, MESSAGE_BATCH_BLOCKS_MAX);
	unsigned nr_broken = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fixture_count_objects(fixture_call(debug.alice, &request)),
				 MESSAGE_BATCH_BLOCKS_MAX);
		for (size_t j = 0; j < debug.alice->reply.u.granted_objects.nr_runs;
		     j++, nr_broken++)
			debug_fixture_object(
				&debug, debug.alice->runs[j],
				(unsigned)__builtin_ctzll(debug.alice->runs[j].mask))[BEHIND] = 0;
	}
	assert_true(nr_broken > MESSAGE_FAULTS_MAX);
	const struct checked *checked = check("");
	assert_int_equal(checked->nr_objects, 2 * MESSAGE_BATCH_BLOCKS_MAX);
	assert_int_equal(checked->nr_faults, nr_broken);
	assert_true(checked->nr_parts > 3);
	for (unsigned i = 1; i < nr_broken; i++)
		assert_true(checked->faults[i - 1].object < checked->faults[i].object);
}

static void test_check_objects_takes_large_ones_a_few_at_a_time(void **state)
{
	uint32_t cache =
		fixture_make_cache(debug.alice, debug.pool, "large", 400000, MESSAGE_CACHE_DEBUG);
	struct message request = fixture_alloc_objects(debug.pool, cache, 4);

	(void)state;
	assert_int_equal(fixture_count_objects(fixture_call(debug.alice, &request)), 4);
	debug.base[debug.alice->runs[0].base + 400000] = 0;
	const struct checked *checked = check("");
	assert_int_equal(checked->nr_objects, 4);
	assert_int_equal(checked->nr_faults, 1);
	assert_int_equal(checked->faults[0].at, 400000);
	assert_true(checked->nr_parts > 2);
}

/* Many slabs that are none of its business, and blocks of pages. */
static void test_check_objects_passes_by_what_is_not_to_be_looked_at(void **state)
{
	uint32_t plain = fixture_make_cache(debug.alice, debug.pool, "plain", 4096, 0);
	struct message request = fixture_alloc_objects(debug.pool, plain, 800);
	struct message pages = { .type = MESSAGE_ALLOC,
				 .u.alloc = { .pool = debug.pool, .count = 200 } };

	(void)state;
	debug_fixture_take(&debug, debug.alice, 5);
	assert_int_equal(fixture_count_objects(fixture_call(debug.alice, &request)), 800);
	assert_int_equal(fixture_call(debug.alice, &pages)->status, MESSAGE_STATUS_OK);
	debug_fixture_take(&debug, debug.alice, 5);
	assert_int_equal(check("")->nr_objects, 10);
	assert_int_equal(check("")->nr_faults, 0);
}

/* Granted by the core, and not marked yet as its memory is still to come. */
static void test_check_objects_says_nothing_of_what_is_on_its_way(void **state)
{
	struct message alloc = fixture_alloc_objects(debug.pool, debug.cache, 20);
	struct message request = make_check("", 0);
	unsigned nr_replies = debug.alice->nr_replies;
	enum session_verdict verdict;

	(void)state;
	do
		verdict = fixture_serve(debug.alice, &alloc);
	while (verdict == SESSION_MORE);
	assert_int_equal(debug.alice->client.nr_grants, 1);
	const struct message *reply = fixture_call(debug.bob, &request);
	assert_int_equal(reply->u.object_faults.objects, 20);
	assert_int_equal(reply->u.object_faults.nr_faults, 0);
	fixture_await(debug.alice, nr_replies + 1);
	assert_int_equal(check("")->nr_faults, 0);
}

/* Nor of what lies where objects were, if that is found out too late. */
static void test_check_objects_says_nothing_of_memory_of_others(void **state)
{
	const struct message_run run = debug_fixture_take(&debug, debug.alice, 20);
	struct message shrink = { .type = MESSAGE_SHRINK_CACHE,
				  .u.shrink_cache = { debug.pool, debug.cache } };
	struct message request = make_check("", 0);
	unsigned nr_replies = debug.bob->nr_replies;

	(void)state;
	debug_fixture_give(&debug, debug.alice, run);
	memset(debug_fixture_object(&debug, run, 0), 'x', PAGE_BYTES / 2);
	assert_int_equal(fixture_serve(debug.bob, &request), SESSION_NEXT);
	assert_true(debug.bob->client.has_check);
	assert_int_equal(fixture_serve(debug.alice, &shrink), SESSION_NEXT);
	assert_int_equal(debug.alice->reply.u.cache_shrunk.pages, 1);
	fixture_await(debug.bob, nr_replies + 1);
	assert_int_equal(debug.bob->reply.u.object_faults.objects, 20);
	assert_int_equal(debug.bob->reply.u.object_faults.nr_faults, 0);
}

static void test_check_objects_runs_once_a_client(void **state)
{
	struct message request = make_check("", 0), ledgers = { .type = MESSAGE_CHECK };
	unsigned nr_replies = debug.bob->nr_replies;

	(void)state;
	debug_fixture_take(&debug, debug.alice, 20);
	assert_int_equal(fixture_serve(debug.bob, &request), SESSION_NEXT);
	assert_int_equal(debug.bob->nr_replies, nr_replies);
	assert_int_equal(fixture_serve(debug.bob, &request), SESSION_NEXT);
	fixture_assert_refused(&debug.bob->reply, MESSAGE_STATUS_LIMIT, "running already");
	assert_int_equal(fixture_serve(debug.bob, &ledgers), SESSION_NEXT);
	fixture_assert_refused(&debug.bob->reply, MESSAGE_STATUS_LIMIT, "running already");
	fixture_await(debug.bob, nr_replies + 3);
	assert_int_equal(debug.bob->reply.status, MESSAGE_STATUS_OK);
	assert_int_equal(check("")->nr_objects, 20);
}

static void test_check_objects_takes_any_cursor(void **state)
{
	static const uint64_t starts[] = { UINT64_MAX,         UINT64_C(1) << 63,
					   UINT64_C(63) << 48, (UINT64_C(1) << 48) - 1,
					   UINT64_C(1) << 56,  PAGE_BYTES + 5 };

	(void)state;
	debug_fixture_take(&debug, debug.alice, 20);
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		struct message request = make_check("", starts[i]);
		const struct message *reply = fixture_call(debug.bob, &request);

		assert_int_equal(reply->status, MESSAGE_STATUS_OK);
		assert_int_equal(reply->u.object_faults.objects, 0);
	}
	struct message request = make_check("nowhere", 0);
	fixture_assert_refused(fixture_call(debug.bob, &request), MESSAGE_STATUS_NOT_FOUND,
			       "no pool 'nowhere'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_check_objects_looks_at_what_is_known),
		TEST(test_check_objects_names_both_parties),
		TEST(test_check_objects_does_not_name_successors),
		TEST(test_check_objects_tells_each_fault_once),
		TEST(test_check_objects_takes_large_ones_a_few_at_a_time),
		TEST(test_check_objects_passes_by_what_is_not_to_be_looked_at),
		TEST(test_check_objects_says_nothing_of_what_is_on_its_way),
		TEST(test_check_objects_says_nothing_of_memory_of_others),
		TEST(test_check_objects_runs_once_a_client),
		TEST(test_check_objects_takes_any_cursor),
	};

	return cmocka_run_group_tests_name("handler_check_objects", tests, NULL, NULL);
}
