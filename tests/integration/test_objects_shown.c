/* SPDX-License-Identifier: MIT */
/*
 * What pagepoolctl shows of the objects of a real daemon: caches, slabs, who holds how much of
 * them, and who wrote where nobody may.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "pagepool.h"
#include "support/daemon.h"
#include "support/pagepoolctl.h"

#define OBJECT_BYTES 56u
#define RED_BYTE 0xcc    /* around objects that are held */
#define POISON_BYTE 0x6b /* in free ones */

static struct daemon server;
static struct peer watcher;

/* Two clients of one pool, each with a handle for the same cache. */
static struct user {
	struct pp_client *client;
	struct pp_pool *pool;
	struct pp_cache *cache;
} first, second;

static int setup(void **state)
{
	setenv("LC_ALL", "C", 1);
	daemon_start(&server, "topology = fake:1",
		     "[pool default]\nsize = 16M\n\n"
		     "[pool watched]\nsize = 16M\ndebug_objects = yes\n");
	*state = &server;
	return 0;
}

static int open_cache(struct pp_pool *pool, const char *name, size_t object_size, unsigned flags,
		      struct pp_cache **ret)
{
	const struct pp_cache_config config = { .struct_size = sizeof(config),
						.name = name,
						.object_size = object_size,
						.flags = flags };

	return pp_cache_create(pool, &config, ret);
}

static void start_user(struct user *user, const char *name, const char *pool)
{
	user->client = daemon_connect(&server, name);
	assert_int_equal(pp_pool_open(user->client, pool, 0, &user->pool), 0);
	assert_int_equal(open_cache(user->pool, "tile", OBJECT_BYTES, 0, &user->cache), 0);
}

static int start_users(const char *pool)
{
	start_user(&first, "first", pool);
	start_user(&second, "second", pool);
	peer_hello(&watcher, &server, "watcher");
	return 0;
}

static int start_plain(void **state)
{
	(void)state;
	return start_users("default");
}

static int start_watched(void **state)
{
	(void)state;
	return start_users("watched");
}

/* What the users hold goes back with them, and the cache stays for the next test. */
static int stop_users(void **state)
{
	(void)state;
	first.client = pp_client_free(first.client);
	second.client = pp_client_free(second.client);
	peer_await_clients(&watcher, 1);
	peer_assert_check_clean(&watcher);
	peer_close(&watcher);
	return 0;
}

/* The first element of a list of an answer that has this word under the key; NULL for none. */
static json_t *find(json_t *answer, const char *list, const char *key, const char *word)
{
	json_t *element;
	size_t index;

	json_array_foreach(json_object_get(answer, list), index, element)
	{
		if (strcmp(json_string_value(json_object_get(element, key)), word) == 0)
			return element;
	}
	return NULL;
}

static json_int_t number_of(const json_t *object, const char *key)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	return json_integer_value(json_object_get(object, key));
}

static json_int_t id_of(const char *name)
{
	json_t *answer = pagepoolctl_run_json(0, server.socket, "clients --json");
	json_t *client = find(answer, "clients", "name", name);
	json_int_t id;

	assert_non_null(client);
	id = number_of(client, "id");
	json_decref(answer);
	return id;
}

/* A cache's row, for the caller to release; NULL when it is not shown. */
static json_t *cache_row(const char *name)
{
	json_t *answer = pagepoolctl_run_json(0, server.socket, "slabinfo --pool default --json");
	json_t *row = json_incref(find(answer, "caches", "name", name));

	json_decref(answer);
	return row;
}

static void assert_cache(const char *name, json_int_t nr_active, json_int_t nr_slabs)
{
	json_t *row = cache_row(name);

	assert_non_null(row);
	assert_number(row, "objects_active", nr_active);
	assert_number(row, "objects_total", nr_slabs * number_of(row, "objects_per_slab"));
	assert_int_equal(number_of(row, "slabs_full") + number_of(row, "slabs_partial") +
				 number_of(row, "slabs_empty"),
			 nr_slabs);
	assert_number(row, "memory_bytes", nr_slabs * PP_PAGE_SIZE << number_of(row, "slab_order"));
	json_decref(row);
}

static void test_objects_shown_by_cache(void **state)
{
	json_t *row = cache_row("tile");
	json_int_t per_slab;
	void *objects[512];
	size_t count;

	(void)state;
	assert_non_null(row);
	assert_word(row, "pool", "default");
	assert_number(row, "object_size", OBJECT_BYTES);
	assert_number(row, "align", 8);
	assert_word(row, "mobility", "unmovable");
	assert_true(json_is_null(json_object_get(row, "merged_into")));
	per_slab = number_of(row, "objects_per_slab");
	json_decref(row);
	count = (size_t)per_slab + 1;
	assert_true(count <= sizeof(objects) / sizeof(objects[0]));

	assert_int_equal(pp_cache_alloc_bulk(first.cache, 0, objects, count), count);
	assert_cache("tile", (json_int_t)count, 2);
	assert_int_equal(pp_cache_free_bulk(first.cache, objects, count), 0);
	assert_cache("tile", 0, 2);
	assert_int_equal(pp_cache_shrink(second.cache), 0);
	assert_cache("tile", 0, 0);
}

static void test_objects_shown_under_all_names(void **state)
{
	struct pp_cache *one, *other;
	json_t *row;

	(void)state;
	assert_int_equal(open_cache(first.pool, "one", 100, PP_CACHE_MERGE, &one), 0);
	assert_int_equal(open_cache(second.pool, "other", 100, PP_CACHE_MERGE, &other), 0);
	assert_non_null(pp_cache_alloc(one, 0));
	assert_non_null(pp_cache_alloc(other, 0));
	assert_cache("one", 2, 1);
	assert_cache("other", 2, 1);
	row = cache_row("other");
	assert_word(row, "merged_into", "one");
	json_decref(row);
}

static void test_objects_shown_of_general_caches_in_use(void **state)
{
	void *addr;

	(void)state;
	assert_null(cache_row("malloc-96"));
	addr = pp_malloc(first.pool, 90, 0);
	assert_non_null(addr);
	assert_cache("malloc-96", 1, 1);
	assert_int_equal(pp_free(first.pool, addr), 0);
	assert_cache("malloc-96", 0, 1);
}

/* The one slab of the cache, among all blocks or those of a client. */
static void assert_slab(const char *client, json_int_t nr_held)
{
	char words[96];
	json_t *answer, *slab;

	snprintf(words, sizeof(words), "blocks --pool default --json");
	if (client)
		snprintf(words, sizeof(words), "blocks --json --client %lld",
			 (long long)id_of(client));
	answer = pagepoolctl_run_json(0, server.socket, words);
	slab = find(answer, "blocks", "cache", "tile");
	assert_non_null(slab);
	assert_word(slab, "kind", "slab");
	assert_number(slab, "client", 0);
	assert_number(slab, "objects_held", nr_held);
	assert_true(number_of(slab, "objects") >= nr_held);
	json_decref(answer);
}

static void test_objects_shown_by_slab_and_holder(void **state)
{
	json_t *answer, *row = cache_row("tile");
	json_int_t stride_bytes = number_of(row, "stride_bytes");
	void *objects[5];

	(void)state;
	json_decref(row);
	assert_int_equal(pp_cache_alloc_bulk(first.cache, 0, objects, 5), 5);
	assert_non_null(pp_cache_alloc(second.cache, 0));
	assert_slab(NULL, 6);
	assert_slab("first", 5);
	assert_slab("second", 1);
	answer = pagepoolctl_run_json(0, server.socket, "clients --json");
	assert_number(find(answer, "clients", "name", "first"), "held_bytes", 5 * stride_bytes);
	json_decref(answer);
}

static void assert_finds_nothing(void)
{
	json_t *answer = pagepoolctl_run_json(0, server.socket, "check --objects --json");

	assert_true(number_of(answer, "objects") > 0);
	assert_int_equal(json_array_size(json_object_get(answer, "faults")), 0);
	json_decref(answer);
}

/* The only fault there is, for the caller to release. */
static json_t *find_fault(const unsigned char *object, json_int_t at, json_int_t expected)
{
	json_t *answer =
		pagepoolctl_run_json(1, server.socket, "check --objects --pool watched --json");
	json_t *fault = json_incref(json_array_get(json_object_get(answer, "faults"), 0));

	assert_int_equal(json_array_size(json_object_get(answer, "faults")), 1);
	json_decref(answer);
	assert_word(fault, "pool", "watched");
	assert_word(fault, "cache", "tile");
	assert_number(fault, "object", (long long)pp_to_offset(first.pool, object));
	assert_number(fault, "at", at);
	assert_number(fault, "expected", expected);
	assert_number(fault, "found", object[at]);
	return fault;
}

static void assert_party(const json_t *fault, const char *role, const char *name)
{
	const json_t *party = json_object_get(fault, role);

	assert_word(party, "name", name);
	assert_number(party, "client", id_of(name));
	assert_number(party, "pid", getpid());
	assert_true(json_is_false(json_object_get(party, "gone")));
}

static void test_objects_shown_with_a_red_zone_that_was_written_to(void **state)
{
	unsigned char *object = pp_cache_alloc(first.cache, 0);
	static const int places[] = { -1, OBJECT_BYTES };
	json_t *fault;

	(void)state;
	assert_non_null(object);
	assert_finds_nothing();
	for (unsigned i = 0; i < 2; i++) {
		object[places[i]] = 0x41;
		fault = find_fault(object, places[i], RED_BYTE);
		assert_party(fault, "holder", "first");
		assert_true(json_is_null(json_object_get(fault, "previous")));
		json_decref(fault);
		assert_int_equal(pp_cache_free(first.cache, object), -EUCLEAN);
		object[places[i]] = RED_BYTE;
		assert_finds_nothing();
	}
	assert_int_equal(pp_cache_free(first.cache, object), 0);
}

static void test_objects_shown_with_poison_that_was_written_to(void **state)
{
	unsigned char *object = pp_cache_alloc(second.cache, 0);
	json_t *fault;

	(void)state;
	assert_non_null(object);
	assert_int_equal(pp_cache_free(second.cache, object), 0);
	assert_finds_nothing();
	object = pp_from_offset(first.pool, pp_to_offset(second.pool, object));
	object[7] = 1;
	fault = find_fault(object, 7, POISON_BYTE);
	assert_true(json_is_null(json_object_get(fault, "holder")));
	assert_party(fault, "previous", "second");
	json_decref(fault);

	/* Who is gone is not confused with who comes in its place. */
	second.client = pp_client_free(second.client);
	peer_await_clients(&watcher, 2);
	fault = find_fault(object, 7, POISON_BYTE);
	assert_true(json_is_true(json_object_get(json_object_get(fault, "previous"), "gone")));
	assert_word(json_object_get(fault, "previous"), "name", "");
	json_decref(fault);
	object[7] = POISON_BYTE;
	assert_finds_nothing();
}

static void test_objects_shown_to_people(void **state)
{
	unsigned char *object = pp_cache_alloc(first.cache, 0);
	struct run_result result;

	(void)state;
	assert_non_null(object);
	pagepoolctl_run(&result, server.socket, "slabinfo --pool watched");
	assert_int_equal(result.exit_status, 0);
	assert_contains(result.out, "\nwatched tile ");
	assert_contains(result.out, " debug\n");
	run_result_deinit(&result);
	object[-3] = 0;
	pagepoolctl_run(&result, server.socket, "check --objects");
	object[-3] = RED_BYTE;
	assert_int_equal(result.exit_status, 1);
	assert_contains(result.out, "Pool watched, cache tile, object 0x");
	assert_contains(result.out, ": red zone before the object\n"
				    "  byte -3: expected cc, found 00\n"
				    "  held by client ");
	assert_contains(result.out, ", first, pid ");
	run_result_deinit(&result);
}

static void test_objects_shown_of_no_pool(void **state)
{
	static const char *const commands[] = { "slabinfo --pool other",
						"check --objects --pool other" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct run_result result;

		pagepoolctl_run(&result, server.socket, commands[i]);
		assert_int_equal(result.exit_status, 1);
		assert_contains(result.err, "there is no pool 'other'");
		run_result_deinit(&result);
	}
}

int main(void)
{
#define PLAIN_TEST(name) cmocka_unit_test_setup_teardown(name, start_plain, stop_users)
#define WATCHED_TEST(name) cmocka_unit_test_setup_teardown(name, start_watched, stop_users)
	const struct CMUnitTest tests[] = {
		PLAIN_TEST(test_objects_shown_by_cache),
		PLAIN_TEST(test_objects_shown_under_all_names),
		PLAIN_TEST(test_objects_shown_of_general_caches_in_use),
		PLAIN_TEST(test_objects_shown_by_slab_and_holder),
		WATCHED_TEST(test_objects_shown_with_a_red_zone_that_was_written_to),
		WATCHED_TEST(test_objects_shown_with_poison_that_was_written_to),
		WATCHED_TEST(test_objects_shown_to_people),
		PLAIN_TEST(test_objects_shown_of_no_pool),
	};

	return cmocka_run_group_tests(tests, setup, daemon_teardown);
}
