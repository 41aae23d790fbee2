/* SPDX-License-Identifier: MIT */
/*
 * Objects of debug caches as they change hands: what is written around and into them, what is found
 * broken, and who is named for it.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/zone.h"
#include "service/backing.h"
#include "service/log.h"
#include "support/debug_fixture.h"
#include "support/log_capture.h"

#define BEFORE (-1)
#define BEHIND ((int)DEBUG_OBJECT_BYTES)

static const struct object_image fresh = { OBJECT_RED_HELD, OBJECT_FRESH };
static const struct object_image held = { OBJECT_RED_HELD, OBJECT_ANY };
static const struct object_image freed = { OBJECT_RED_FREE, OBJECT_POISON };

static struct debug_fixture debug;
static struct log_capture capture;

static int setup(void **state)
{
	(void)state;
	debug_fixture_start(&debug, 0);
	return 0;
}

static int setup_constructed(void **state)
{
	(void)state;
	debug_fixture_start(&debug, MESSAGE_CACHE_CTOR);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	debug_fixture_end(&debug);
	return 0;
}

static struct message_run take(struct fixture_client *client, uint32_t count)
{
	return debug_fixture_take(&debug, client, count);
}

static const struct message *give(struct fixture_client *client, struct message_run run)
{
	return debug_fixture_give(&debug, client, run);
}

static unsigned char *object(struct message_run run, unsigned i)
{
	return debug_fixture_object(&debug, run, i);
}

/* All of them. */
static bool are(struct message_run run, struct object_image image)
{
	for (uint64_t mask = run.mask; mask; mask &= mask - 1)
		if (!debug_fixture_is(&debug, run, (unsigned)__builtin_ctzll(mask), image))
			return false;
	return true;
}

static uint64_t held_objects(const struct fixture_client *client)
{
	return fixture_held_bytes(client) / debug.stride_bytes;
}

/* The log said it of this object, byte, and these two parties. */
static void assert_told(const char *when, uint64_t offset, int at, const char *parties)
{
	const char *text = log_capture_end(&capture);
	char head[128];

	snprintf(head, sizeof(head),
		 "object check %s: pool 'default' cache 'frames' object 0x%" PRIx64 ": byte %d, ",
		 when, offset, at);
	if (!strstr(text, head) || !strstr(text, parties))
		fail_msg("'%s' does not say '%s' and '%s'", text, head, parties);
}

static void assert_nothing_told(void)
{
	assert_string_equal(log_capture_end(&capture), "");
}

static const char *party(char ret[80], const struct fixture_client *client)
{
	snprintf(ret, 80, "client %u 'fixture' (pid %d)", client->client.slot, (int)getpid());
	return ret;
}

static void test_object_check_marks_what_changes_hands(void **state)
{
	(void)state;
	log_capture_start(&capture);
	const struct message_run run = take(debug.alice, 28);
	assert_true(are(run, fresh));
	for (unsigned i = 0; i < 28; i++)
		memset(object(run, i), (int)i, DEBUG_OBJECT_BYTES);
	assert_true(are(run, held));
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	assert_true(are(run, freed));
	assert_int_equal(held_objects(debug.alice), 0);
	const struct message_run again = take(debug.bob, 28);
	assert_int_equal(again.base, run.base);
	assert_true(are(again, fresh));
	assert_nothing_told();
}

/* One byte too far, on either side: the free is refused and changes nothing. */
static void test_object_check_refuses_a_free_with_a_broken_red_zone(void **state)
{
	static const int places[] = { BEFORE, -(int)CACHE_RED_BYTES, BEHIND, BEHIND + 15 };
	const struct message_run run = take(debug.alice, 3);
	char text[160];

	(void)state;
	memset(object(run, 1), 'a', DEBUG_OBJECT_BYTES);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		object(run, 1)[places[i]] = 0x41;
		log_capture_start(&capture);
		snprintf(text, sizeof(text),
			 "byte %d, red zone %s the object, is 0x41 and not 0xcc; it is held by "
			 "client %u 'fixture'",
			 places[i], places[i] < 0 ? "before" : "behind", debug.alice->client.slot);
		fixture_assert_refused(give(debug.alice, run), MESSAGE_STATUS_CORRUPT, text);
		assert_told("at a free", run.base + debug.stride_bytes, places[i],
			    ", before by nobody");
		assert_int_equal(held_objects(debug.alice), 3);
		assert_int_equal(object(run, 1)[0], 'a');
		assert_true(debug_fixture_is(&debug, run, 0, fresh));
		object(run, 1)[places[i]] = OBJECT_RED_HELD;
	}
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	assert_true(are(run, freed));
}

static void test_object_check_tells_of_the_first_broken_objects(void **state)
{
	const struct message_run run = take(debug.alice, 24);
	const char *text;

	(void)state;
	for (unsigned i = 0; i < 24; i += 2)
		object(run, i)[BEHIND] = 0;
	log_capture_start(&capture);
	fixture_assert_refused(give(debug.alice, run), MESSAGE_STATUS_CORRUPT, "byte 100");
	text = log_capture_end(&capture);
	for (unsigned i = 0; i < 8; i++) {
		text = strstr(text, "object check at a free: pool");
		assert_non_null(text);
		text++;
	}
	assert_null(strstr(text, "object check at a free: pool"));
	assert_non_null(strstr(text, "object check at a free: at least 4 more objects are broken"));
	for (unsigned i = 0; i < 24; i += 2)
		object(run, i)[BEHIND] = OBJECT_RED_HELD;
}

/* Whoever had it may still write to it. */
static void test_object_check_names_both_parties_at_a_free(void **state)
{
	char alice[80], bob[80], text[256];

	(void)state;
	assert_int_equal(give(debug.alice, take(debug.alice, 1))->status, MESSAGE_STATUS_OK);
	const struct message_run run = take(debug.bob, 1);
	object(run, 0)[BEHIND + 3] ^= 1;
	log_capture_start(&capture);
	fixture_assert_refused(give(debug.bob, run), MESSAGE_STATUS_CORRUPT, "byte 103");
	snprintf(text, sizeof(text), "held by %s, before by %s", party(bob, debug.bob),
		 party(alice, debug.alice));
	assert_told("at a free", run.base, BEHIND + 3, text);
	object(run, 0)[BEHIND + 3] ^= 1;
}

static void test_object_check_finds_use_after_free_at_the_next_grant(void **state)
{
	static const int places[] = { BEFORE, 0, 57, DEBUG_OBJECT_BYTES - 1, BEHIND };
	char alice[80], bob[80], text[256];

	(void)state;
	snprintf(text, sizeof(text), "held by %s, before by %s", party(bob, debug.bob),
		 party(alice, debug.alice));
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		const struct message_run run = take(debug.alice, 1);

		assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
		object(run, 0)[places[i]] = 0x11;
		log_capture_start(&capture);
		/* The new holder did nothing wrong: it gets it, mended. */
		assert_int_equal(take(debug.bob, 1).base, run.base);
		assert_told("at a grant", run.base, places[i], text);
		assert_true(are(run, fresh));
		assert_int_equal(give(debug.bob, run)->status, MESSAGE_STATUS_OK);
	}
}

static void test_object_check_finds_it_whatever_user_comes_next(void **state)
{
	struct fixture_client *other = fixture_client_greeted(debug.fixture, FIXTURE_UID_READER);
	const struct message_run run = take(debug.alice, 2);

	(void)state;
	fixture_open(other, FIXTURE_POOL, false);
	memset(object(run, 0), 's', DEBUG_OBJECT_BYTES);
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	object(run, 1)[5] = 's';
	log_capture_start(&capture);
	const struct message_run theirs = take(other, 2);
	assert_int_equal(theirs.base, run.base);
	assert_told("at a grant", run.base + debug.stride_bytes, 5, "before by client");
	assert_true(are(theirs, fresh)); /* and nothing of another user's is left in it */
	fixture_client_free(other);
}

/* The user of a slot that is gone is not mistaken for the one that has it now. */
static void test_object_check_blames_nobody_for_who_is_gone(void **state)
{
	struct slot_table *slots = &debug.fixture->service.clients.slots;
	unsigned slot = debug.alice->client.slot;
	struct message_run run = take(debug.alice, 2);
	char text[160];

	(void)state;
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	fixture_client_free(debug.alice);
	debug.alice = NULL;
	object(run, 0)[9] = 1;
	log_capture_start(&capture);
	run = take(debug.bob, 1);
	snprintf(text, sizeof(text), "before by client %u (pid %d), which is gone", slot,
		 (int)getpid());
	assert_told("at a grant", run.base, 9, text);

	slots->next = slot; /* its turn again */
	debug.alice = fixture_client_greeted(debug.fixture, FIXTURE_UID);
	assert_int_equal(debug.alice->client.slot, slot);
	object(run, 1)[9] = 1;
	log_capture_start(&capture);
	run = take(debug.bob, 1);
	snprintf(text, sizeof(text), "before by client %u, which is gone", slot);
	assert_told("at a grant", run.base + debug.stride_bytes, 9, text);
}

static void punch(uint64_t offset, uint64_t size_bytes)
{
	const struct pools_zone *zone = &debug.fixture->service.pools.pools[0].zones[0];
	int fd = backing_open_fd(zone->backing, false);

	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				   (off_t)size_bytes),
			 0);
	close(fd);
}

static void test_object_check_takes_holes_for_zeros(void **state)
{
	struct message_run run = take(debug.alice, 28);
	uint64_t page = run.base & ~(PAGE_BYTES - 1);

	(void)state;
	punch(page, PAGE_BYTES);
	log_capture_start(&capture);
	fixture_assert_refused(give(debug.alice, run), MESSAGE_STATUS_CORRUPT, "is 0x00");
	assert_told("at a free", run.base, -(int)CACHE_RED_BYTES, "held by");
	for (unsigned i = 0; i < 28; i++)
		memset(object(run, i) - CACHE_RED_BYTES, OBJECT_RED_HELD, debug.stride_bytes);
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	punch(page, PAGE_BYTES);
	log_capture_start(&capture);
	run = take(debug.bob, 28);
	assert_told("at a grant", run.base, -(int)CACHE_RED_BYTES, "before by");
	assert_true(are(run, fresh));
}

/* What died with its holder is in no known state. */
static void test_object_check_asks_nothing_of_what_was_left_behind(void **state)
{
	struct message_run run = take(debug.alice, 12);

	(void)state;
	memset(object(run, 0) - CACHE_RED_BYTES, 0, 12 * (size_t)debug.stride_bytes);
	fixture_client_free(debug.alice);
	debug.alice = NULL;
	log_capture_start(&capture);
	assert_int_equal(take(debug.bob, 12).base, run.base);
	assert_nothing_told();
	assert_true(are(run, fresh));
}

/* Nor of what was taken back before anybody was told. */
static void test_object_check_asks_nothing_of_what_was_never_told(void **state)
{
	struct message alloc = fixture_alloc_objects(debug.pool, debug.cache, 12);
	const struct message_run run = take(debug.alice, 12);
	const client_send_fn send = debug.alice->client.send;

	(void)state;
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_serve(debug.alice, &alloc), SESSION_NEXT);
	debug.alice->client.send = NULL; /* as if the connection had ended */
	log_capture_start(&capture);
	assert_int_equal(take(debug.bob, 12).mask, run.mask << 12); /* those behind it */
	assert_int_equal(held_objects(debug.alice), 0);
	assert_int_equal(take(debug.bob, 12).base, run.base);
	assert_nothing_told();
	debug.alice->client.send = send;
}

/* A constructed object is that also after a grant that nobody was told of. */
static void test_object_check_keeps_what_was_never_told_constructed(void **state)
{
	struct message alloc = fixture_alloc_objects(debug.pool, debug.cache, 12);
	const struct message_run run = take(debug.alice, 12);
	const client_send_fn send = debug.alice->client.send;

	(void)state;
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_serve(debug.alice, &alloc), SESSION_NEXT);
	debug.alice->client.send = NULL; /* as if the connection had ended */
	take(debug.bob, 1);
	assert_int_equal(held_objects(debug.alice), 0);
	log_capture_start(&capture);
	assert_int_equal(take(debug.bob, 12).base, run.base);
	assert_int_equal(debug.bob->reply.u.granted_objects.nr_raw, 0);
	assert_nothing_told();
	debug.alice->client.send = send;
}

static void test_object_check_knows_objects_of_any_alignment(void **state)
{
	static const uint32_t aligns[] = { 8, 16, 64, 256, 4096 };
	struct fixture_client *alice = debug.alice;
	char name[16], text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(aligns) / sizeof(*aligns); i++) {
		struct message request = { .type = MESSAGE_CREATE_CACHE };

		snprintf(name, sizeof(name), "of %u", aligns[i]);
		request.u.create_cache.pool = debug.pool;
		request.u.create_cache.name = name;
		request.u.create_cache.object_bytes = 20;
		request.u.create_cache.align = aligns[i];
		request.u.create_cache.flags = MESSAGE_CACHE_DEBUG;
		uint32_t cache = fixture_call(alice, &request)->u.cache_opened.cache;
		request = fixture_alloc_objects(debug.pool, cache, 1);
		uint64_t offset = fixture_call(alice, &request)->u.granted_objects.runs[0].base;
		assert_int_equal(offset % aligns[i], 0);
		request = fixture_free_objects(debug.pool, cache, alice->runs, 1);
		debug.base[offset + 20] ^= 1;
		snprintf(text, sizeof(text), "object 0x%" PRIx64 ": byte 20", offset);
		fixture_assert_refused(fixture_call(alice, &request), MESSAGE_STATUS_CORRUPT, text);
		debug.base[offset + 20] ^= 1;
		assert_int_equal(fixture_call(alice, &request)->status, MESSAGE_STATUS_OK);
	}
}

/* A free that the core refuses is refused as ever, and no byte is touched. */
static void test_object_check_leaves_what_is_not_to_be_freed(void **state)
{
	const struct message_run run = take(debug.alice, 4);
	struct message_run other = run;

	(void)state;
	fixture_assert_refused(give(debug.bob, run), MESSAGE_STATUS_INVALID, "not this client's");
	other.base += 8;
	fixture_assert_refused(give(debug.alice, other), MESSAGE_STATUS_INVALID,
			       "no object starts");
	other = run;
	other.mask = 0x1f;
	fixture_assert_refused(give(debug.alice, other), MESSAGE_STATUS_INVALID, "free already");
	assert_true(are(run, fresh));
	assert_int_equal(held_objects(debug.alice), 4);
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	fixture_assert_refused(give(debug.alice, run), MESSAGE_STATUS_INVALID, "free already");
	assert_true(are(run, freed));
}

/* Of several caches at once, with and without red zones. */
static void test_object_check_takes_runs_of_any_cache(void **state)
{
	struct fixture_client *alice = debug.alice;
	uint32_t plain = fixture_make_cache(alice, debug.pool, "plain", 64, 0);
	struct message alloc = fixture_alloc_objects(debug.pool, plain, 5);
	const struct message_run runs[] = {
		take(alice, 3), fixture_call(alice, &alloc)->u.granted_objects.runs[0]
	};
	struct message request = fixture_free_objects(debug.pool, MESSAGE_CACHE_ANY, runs, 2);
	unsigned char *other = debug.base + runs[1].base;

	(void)state;
	memset(other, 'x', UINT64_C(5) * 64);
	object(runs[0], 2)[BEHIND] = 0;
	fixture_assert_refused(fixture_call(alice, &request), MESSAGE_STATUS_CORRUPT, "byte 100");
	assert_true(fixture_held_bytes(alice) > UINT64_C(5) * 64);
	object(runs[0], 2)[BEHIND] = OBJECT_RED_HELD;
	assert_int_equal(fixture_call(alice, &request)->status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_held_bytes(alice), 0);
	assert_true(are(runs[0], freed));
	assert_int_equal(other[0], 'x');
}

/* More than lie in one slab, some of them broken in one go. */
static void test_object_check_takes_whole_batches(void **state)
{
	struct fixture_client *alice = debug.alice;
	struct message request =
		fixture_alloc_objects(debug.pool, debug.cache, MESSAGE_BATCH_BLOCKS_MAX);

	(void)state;
	assert_int_equal(fixture_count_objects(fixture_call(alice, &request)),
			 MESSAGE_BATCH_BLOCKS_MAX);
	size_t nr_runs = alice->reply.u.granted_objects.nr_runs;
	for (size_t i = 0; i < nr_runs; i++)
		assert_true(are(alice->runs[i], fresh));
	request = fixture_free_objects(debug.pool, debug.cache, alice->runs, nr_runs);
	object(alice->runs[nr_runs - 1], 0)[BEHIND] = 0;
	fixture_assert_refused(fixture_call(alice, &request), MESSAGE_STATUS_CORRUPT, "byte 100");
	for (size_t i = 0; i < nr_runs - 1; i++)
		assert_true(are(alice->runs[i], fresh));
	object(alice->runs[nr_runs - 1], 0)[BEHIND] = OBJECT_RED_HELD;
	assert_int_equal(fixture_call(alice, &request)->status, MESSAGE_STATUS_OK);
	for (size_t i = 0; i < nr_runs; i++)
		assert_true(are(alice->runs[i], freed));
	assert_int_equal(held_objects(alice), 0);
}

/* Until its free is done, nothing of the client's is freed. */
static void test_object_check_holds_up_other_frees_meanwhile(void **state)
{
	const struct message_run run = take(debug.alice, 2);
	const struct message_run first = { run.base, 1 }, second = { run.base, 2 };
	struct message one = fixture_free_objects(debug.pool, debug.cache, &first, 1);
	struct message two = fixture_free_objects(debug.pool, debug.cache, &second, 1);
	unsigned nr_replies = debug.alice->nr_replies;

	(void)state;
	assert_int_equal(fixture_serve(debug.alice, &one), SESSION_NEXT);
	assert_int_equal(debug.alice->nr_replies, nr_replies);
	assert_int_equal(fixture_serve(debug.alice, &two), SESSION_AGAIN);
	fixture_await(debug.alice, nr_replies + 1);
	assert_int_equal(debug.alice->reply.status, MESSAGE_STATUS_OK);
	assert_int_equal(fixture_call(debug.alice, &two)->status, MESSAGE_STATUS_OK);
	assert_int_equal(held_objects(debug.alice), 0);
}

/* Goodbye comes while a free is on its way. */
static void test_object_check_lets_a_client_go_when_its_free_is_done(void **state)
{
	const struct message_run run = take(debug.alice, 24);
	struct message request = fixture_free_objects(debug.pool, debug.cache, &run, 1);

	(void)state;
	assert_int_equal(fixture_serve(debug.alice, &request), SESSION_NEXT);
	struct message goodbye = { .type = MESSAGE_GOODBYE };
	unsigned nr_replies = debug.alice->nr_replies;
	assert_int_equal(fixture_serve(debug.alice, &goodbye), SESSION_NEXT);
	fixture_await(debug.alice, nr_replies + 2);
	assert_int_equal(debug.alice->reply.status, MESSAGE_STATUS_OK);
	log_capture_start(&capture);
	assert_int_equal(take(debug.bob, 24).base, run.base);
	assert_nothing_told();
}

static void test_object_check_keeps_constructed_objects(void **state)
{
	const struct message_run run = take(debug.alice, 8);

	(void)state;
	assert_int_equal(debug.alice->reply.u.granted_objects.nr_raw, 1);
	assert_true(are(run, fresh));
	for (unsigned i = 0; i < 8; i++)
		memset(object(run, i), 'c', DEBUG_OBJECT_BYTES); /* the constructor */
	log_capture_start(&capture);
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	assert_true(are(run, (struct object_image){ OBJECT_RED_FREE, 'c' }));
	take(debug.bob, 8);
	assert_int_equal(debug.bob->reply.u.granted_objects.nr_raw, 0);
	assert_true(are(run, (struct object_image){ OBJECT_RED_HELD, 'c' }));
	assert_nothing_told();
	/* Its red zones are looked at like all others'. */
	object(run, 4)[BEFORE] = 0;
	fixture_assert_refused(give(debug.bob, run), MESSAGE_STATUS_CORRUPT, "byte -1");
	object(run, 4)[BEFORE] = OBJECT_RED_HELD;
	assert_int_equal(give(debug.bob, run)->status, MESSAGE_STATUS_OK);
	object(run, 2)[BEHIND] = 0;
	log_capture_start(&capture);
	take(debug.alice, 8);
	assert_told("at a grant", run.base + UINT64_C(2) * debug.stride_bytes, BEHIND, "before by");
	assert_true(are(run, (struct object_image){ OBJECT_RED_HELD, 'c' }));
}

/* For another user they are cleared, which is nobody's fault. */
static void test_object_check_expects_constructed_objects_to_be_cleared(void **state)
{
	struct fixture_client *other = fixture_client_greeted(debug.fixture, FIXTURE_UID_READER);
	const struct message_run run = take(debug.alice, 8);

	(void)state;
	fixture_open(other, FIXTURE_POOL, false);
	for (unsigned i = 0; i < 8; i++)
		memset(object(run, i), 'c', DEBUG_OBJECT_BYTES);
	assert_int_equal(give(debug.alice, run)->status, MESSAGE_STATUS_OK);
	log_capture_start(&capture);
	take(other, 8);
	assert_int_equal(other->reply.u.granted_objects.nr_raw, 1);
	assert_int_equal(other->raw[0], run.mask);
	assert_nothing_told();
	assert_true(are(run, fresh));
	fixture_client_free(other);
}

/* What is on its way costs memory, so there are few of one client. And all of it may end there. */
static void test_object_check_has_few_grants_of_a_client_on_their_way(void **state)
{
	struct message alloc = fixture_alloc_objects(debug.pool, debug.cache, 1000);
	uint32_t plain = fixture_make_cache(debug.alice, debug.pool, "plain", 64, 0);
	struct message other = fixture_alloc_objects(debug.pool, plain, 10);

	(void)state;
	take(debug.alice, 1);
	for (unsigned i = 0; i < OBJECT_CHECK_GRANTS_MAX; i++)
		assert_int_equal(fixture_serve(debug.alice, &alloc), SESSION_NEXT);
	assert_int_equal(debug.alice->client.nr_grants, OBJECT_CHECK_GRANTS_MAX);
	assert_int_equal(fixture_serve(debug.alice, &alloc), SESSION_AGAIN);
	assert_int_equal(held_objects(debug.alice), OBJECT_CHECK_GRANTS_MAX * 1000 + 1);
	assert_int_equal(fixture_serve(debug.alice, &other), SESSION_NEXT);
	assert_int_equal(debug.alice->client.nr_grants, OBJECT_CHECK_GRANTS_MAX);
	debug.alice->client.state = CLIENT_SWEPT; /* not to be waited for */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_CONSTRUCTED(name) cmocka_unit_test_setup_teardown(name, setup_constructed, teardown)
		TEST(test_object_check_marks_what_changes_hands),
		TEST(test_object_check_refuses_a_free_with_a_broken_red_zone),
		TEST(test_object_check_tells_of_the_first_broken_objects),
		TEST(test_object_check_names_both_parties_at_a_free),
		TEST(test_object_check_finds_use_after_free_at_the_next_grant),
		TEST(test_object_check_finds_it_whatever_user_comes_next),
		TEST(test_object_check_blames_nobody_for_who_is_gone),
		TEST(test_object_check_takes_holes_for_zeros),
		TEST(test_object_check_asks_nothing_of_what_was_left_behind),
		TEST(test_object_check_asks_nothing_of_what_was_never_told),
		TEST_CONSTRUCTED(test_object_check_keeps_what_was_never_told_constructed),
		TEST(test_object_check_knows_objects_of_any_alignment),
		TEST(test_object_check_leaves_what_is_not_to_be_freed),
		TEST(test_object_check_takes_runs_of_any_cache),
		TEST(test_object_check_takes_whole_batches),
		TEST(test_object_check_holds_up_other_frees_meanwhile),
		TEST(test_object_check_lets_a_client_go_when_its_free_is_done),
		TEST_CONSTRUCTED(test_object_check_keeps_constructed_objects),
		TEST_CONSTRUCTED(test_object_check_expects_constructed_objects_to_be_cleared),
		TEST(test_object_check_has_few_grants_of_a_client_on_their_way),
	};

	return cmocka_run_group_tests_name("object_check", tests, NULL, NULL);
}
