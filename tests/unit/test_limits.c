/* SPDX-License-Identifier: MIT */
/* Which limits a client falls under, what they count, what they say, and replacing them. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/service_fixture.h"

#define PAGES(n) ((uint64_t)(n)*4096)
#define POOL_PAGES (2 * FIXTURE_ZONE_PAGES)
#define GROUP 700u
#define GROUP_OTHER 701u

static int setup(void **state)
{
	*state = fixture_new(SERVICE_COMMIT_TOUCH);
	return 0;
}

/* What is counted is what is held, of every slot and by every limit. */
static void assert_exact(const struct fixture *fixture, unsigned pool)
{
	const struct quota *quota = &fixture->service.limits.pool[pool].quota;
	const struct pool *core = &fixture->service.pools.pools[pool].core;
	const char *what = "";
	int limit = -1;

	if (quota_validate(quota, &limit, &what))
		fail_msg("pool %u limit %d: %s", pool, limit, what);
	for (unsigned slot = 1; slot < CLIENTS_NR_SLOTS; slot++)
		assert_int_equal(quota->slots[slot].nr_bytes, pool_held_bytes(core, slot));
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < fixture->service.limits.nr_pools; i++)
		assert_exact(fixture, i);
	fixture_free(fixture);
	return 0;
}

static struct service_limit_config limit_on(enum service_limit_kind kind, unsigned id,
					    const char *name, uint64_t max_pages)
{
	struct service_limit_config limit = { .kind = kind, .id = id, .pool = FIXTURE_POOL };

	snprintf(limit.name, sizeof(limit.name), "%s", name);
	limit.max.bytes = PAGES(max_pages);
	return limit;
}

static struct service_limit_config limit_on_user(unsigned uid, uint64_t max_pages)
{
	return limit_on(SERVICE_LIMIT_USER, uid, uid == FIXTURE_UID ? "camera" : "other",
			max_pages);
}

static void apply(struct fixture *fixture, struct service_limit_config *limits, size_t nr_limits)
{
	struct service_config config = fixture->config;

	config.limits = limits;
	config.nr_limits = nr_limits;
	limits_apply(&fixture->service.limits, &config, &fixture->service.clients);
}

static struct fixture_client *client_called(struct fixture *fixture, uid_t uid, gid_t *groups,
					    size_t nr_groups, const char *name)
{
	struct fixture_client *client = fixture_client_new(fixture, uid);
	struct message hello = { .type = MESSAGE_HELLO };

	client->client.peer.credentials.gid = GROUP;
	client->client.peer.credentials.groups = groups;
	client->client.peer.credentials.nr_groups = nr_groups;
	hello.u.hello.version_min = MESSAGE_VERSION_MIN;
	hello.u.hello.version_max = MESSAGE_VERSION;
	hello.u.hello.name = name;
	assert_int_equal(fixture_call(client, &hello)->type, MESSAGE_WELCOME);
	return client;
}

static const struct message *try_take(struct fixture_client *client, unsigned order, uint32_t count)
{
	struct message request = { .type = MESSAGE_ALLOC };

	request.u.alloc.pool = fixture_open(client, FIXTURE_POOL, false);
	request.u.alloc.order = order;
	request.u.alloc.count = count;
	return fixture_call(client, &request);
}

static void take(struct fixture_client *client, unsigned order, uint32_t count)
{
	assert_int_equal(try_take(client, order, count)->status, MESSAGE_STATUS_OK);
}

/* The list as a client sees it. Valid until its next request. */
static const struct message_limit_info *list(struct fixture_client *client, size_t nr_expected)
{
	struct message request = { .type = MESSAGE_LIST_LIMITS };
	const struct message *reply = fixture_call(client, &request);

	assert_int_equal(reply->type, MESSAGE_LIMIT_LIST);
	assert_int_equal(reply->u.limit_list.nr_limits, nr_expected);
	assert_int_equal(reply->u.limit_list.next, 0);
	return reply->u.limit_list.limits;
}

static void test_limits_cover_users_groups_and_names(void **state)
{
	gid_t groups[] = { 5, GROUP_OTHER };
	struct fixture_client *both = client_called(*state, FIXTURE_UID, groups, 2, "left");
	struct fixture_client *one = client_called(*state, FIXTURE_UID_READER, NULL, 0, "right");
	struct service_limit_config limits[] = {
		limit_on_user(FIXTURE_UID, 9),
		limit_on_user(77, 9),
		limit_on(SERVICE_LIMIT_GROUP, GROUP, "primary", 9),
		limit_on(SERVICE_LIMIT_GROUP, GROUP_OTHER, "supplementary", 9),
		limit_on(SERVICE_LIMIT_GROUP, FIXTURE_UID, "a group, not a user", 9),
		limit_on(SERVICE_LIMIT_CLIENT, 0, "left", 9),
		limit_on(SERVICE_LIMIT_CLIENT, 0, "lef", 9),
	};
	static const unsigned nr_clients[] = { 1, 0, 2, 1, 0, 1, 0 };
	static const char *const kinds[] = { "user",  "user",   "group", "group",
					     "group", "client", "client" };
	const struct message_limit_info *infos;

	apply(*state, limits, 7);
	infos = list(one, 7);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(infos[i].clients, nr_clients[i]);
		assert_string_equal(infos[i].kind, kinds[i]);
		assert_string_equal(infos[i].name, limits[i].name);
		assert_string_equal(infos[i].pool, FIXTURE_POOL);
	}
	/* Those that come later are put under them too. */
	struct fixture_client *later = client_called(*state, FIXTURE_UID, groups, 1, "left");
	infos = list(later, 7);
	assert_int_equal(infos[0].clients, 2);
	assert_int_equal(infos[2].clients, 3);
	assert_int_equal(infos[3].clients, 1);
	assert_int_equal(infos[5].clients, 2);
	fixture_client_free(later);
	assert_int_equal(list(one, 7)[2].clients, 2);
	fixture_client_free(both);
	fixture_client_free(one);
}

static void test_limits_count_what_is_held_and_end_with_it(void **state)
{
	struct service_limit_config limits[] = {
		limit_on_user(FIXTURE_UID, 64),
		limit_on(SERVICE_LIMIT_GROUP, GROUP, "all", 100),
	};
	struct fixture_client *first, *second;
	const struct message_limit_info *infos;

	apply(*state, limits, 2);
	first = client_called(*state, FIXTURE_UID, NULL, 0, "");
	second = client_called(*state, FIXTURE_UID_READER, NULL, 0, "");
	take(first, 2, 8);
	take(second, 0, 5);
	infos = list(second, 2);
	assert_int_equal(infos[0].used_bytes, PAGES(32));
	assert_int_equal(infos[0].max_bytes, PAGES(64));
	assert_int_equal(infos[1].used_bytes, PAGES(37));
	fixture_client_free(first);
	infos = list(second, 2);
	assert_int_equal(infos[0].used_bytes, 0);
	assert_int_equal(infos[0].clients, 0);
	assert_int_equal(infos[1].used_bytes, PAGES(5));
	fixture_client_free(second);
}

static void test_limits_max_refuses_by_name(void **state)
{
	struct service_limit_config limit = limit_on_user(FIXTURE_UID, 512);
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message exact = { .type = MESSAGE_ALLOC_EXACT };

	apply(*state, &limit, 1);
	take(client, 0, 511);
	fixture_assert_refused(try_take(client, 1, 1), MESSAGE_STATUS_LIMIT,
			       "limit user:camera of pool 'default': 2 MiB max, 1.99 MiB used");
	exact.u.alloc_exact.pool = fixture_open(client, FIXTURE_POOL, false);
	exact.u.alloc_exact.nr_pages = 3;
	fixture_assert_refused(fixture_call(client, &exact), MESSAGE_STATUS_LIMIT, "user:camera");
	assert_int_equal(fixture_held_pages(client), 511);
	/* A batch is served as far as it goes. */
	take(client, 0, 10);
	assert_int_equal(fixture_held_pages(client), 512);
	fixture_assert_refused(try_take(client, 0, 1), MESSAGE_STATUS_LIMIT, "2 MiB used");
	assert_int_equal(list(client, 1)[0].refused, 4); /* one of them in part */
	fixture_client_free(client);
}

static void test_limits_min_refuses_others_and_says_whose_it_is(void **state)
{
	struct service_limit_config limit = limit_on_user(FIXTURE_UID, 0);
	struct fixture_client *other = fixture_client_greeted(*state, FIXTURE_UID_READER);
	struct fixture_client *client;

	limit.min.bytes = PAGES(512);
	apply(*state, &limit, 1);
	take(other, 0, POOL_PAGES);
	assert_int_equal(fixture_held_pages(other), POOL_PAGES - 512);
	fixture_assert_refused(try_take(other, 0, 1), MESSAGE_STATUS_NO_MEMORY,
			       "what is free is reserved: limit user:camera of pool 'default': "
			       "2 MiB min, 0 KiB used");
	client = fixture_client_greeted(*state, FIXTURE_UID);
	take(client, 0, POOL_PAGES);
	assert_int_equal(fixture_held_pages(client), 512);
	/* Now it is full, and nobody's fault. */
	fixture_assert_refused(try_take(client, 0, 1), MESSAGE_STATUS_NO_MEMORY, "no free block");
	fixture_assert_refused(try_take(other, 0, 1), MESSAGE_STATUS_NO_MEMORY, "no free block");
	fixture_client_free(client);
	fixture_client_free(other);
}

/* It is decided once: with thousands of clients that takes as long as all else that is done. */
static void test_limits_apply_of_the_same_ones_decides_nothing_anew(void **state)
{
	struct service_limit_config limit = limit_on_user(FIXTURE_UID, 64);
	struct fixture_client *client = client_called(*state, FIXTURE_UID, NULL, 0, "");
	const struct message_limit_info *infos;

	apply(*state, &limit, 1);
	take(client, 0, 60);
	client->client.peer.credentials.uid = FIXTURE_UID_READER; /* to tell if it is looked at */
	limit.max.bytes = PAGES(62);
	apply(*state, &limit, 1);
	infos = list(client, 1);
	assert_int_equal(infos[0].clients, 1);
	assert_int_equal(infos[0].used_bytes, PAGES(60));
	assert_int_equal(infos[0].max_bytes, PAGES(62));
	client->client.peer.credentials.uid = FIXTURE_UID;
	fixture_client_free(client);
}

static void test_limits_apply_charges_what_is_held_already(void **state)
{
	struct service_limit_config limits[] = {
		limit_on_user(FIXTURE_UID, 64),
		limit_on(SERVICE_LIMIT_GROUP, GROUP, "all", 100),
		limit_on_user(FIXTURE_UID_READER, 10),
	};
	struct fixture_client *client = client_called(*state, FIXTURE_UID, NULL, 0, "");
	const struct message_limit_info *infos;

	take(client, 0, 60);
	apply(*state, limits, 2);
	assert_exact(*state, 0);
	infos = list(client, 2);
	assert_int_equal(infos[0].used_bytes, PAGES(60));
	assert_int_equal(infos[1].used_bytes, PAGES(60));
	fixture_assert_refused(try_take(client, 3, 1), MESSAGE_STATUS_LIMIT, "camera");
	/* One goes, one stays with its count of refusals, one comes in the place that is free. */
	limits[0].max.bytes = PAGES(50);
	limits[1] = limits[2];
	apply(*state, limits, 2);
	infos = list(client, 2);
	assert_string_equal(infos[0].name, "camera");
	assert_int_equal(infos[0].refused, 1);
	assert_int_equal(infos[0].used_bytes, PAGES(60));
	assert_int_equal(infos[0].max_bytes, PAGES(50));
	assert_string_equal(infos[1].name, "other");
	assert_int_equal(infos[1].used_bytes, 0);
	assert_int_equal(infos[1].refused, 0);
	fixture_assert_refused(try_take(client, 0, 1), MESSAGE_STATUS_LIMIT, "camera");
	apply(*state, NULL, 0);
	list(client, 0);
	take(client, 0, 100);
	fixture_client_free(client);
}

/* An object counts with its stride, before and after there is a limit. */
static void test_limits_count_objects_in_bytes(void **state)
{
	struct service_limit_config limits[] = { limit_on_user(FIXTURE_UID, 2) };
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	uint32_t pool = fixture_open(client, FIXTURE_POOL, false);
	uint32_t cache = fixture_make_cache(client, pool, "x", 97, 0); /* takes 104 */
	struct message request = fixture_alloc_objects(pool, cache, 30);

	assert_int_equal(fixture_count_objects(fixture_call(client, &request)), 30);
	apply(*state, limits, 1);
	assert_int_equal(list(client, 1)->used_bytes, 30 * 104);
	assert_exact(*state, 0);
	request = fixture_alloc_objects(pool, cache, 100);
	assert_int_equal(fixture_count_objects(fixture_call(client, &request)), 48);
	assert_int_equal(list(client, 1)->used_bytes, 78 * 104);
	fixture_assert_refused(fixture_call(client, &request), MESSAGE_STATUS_LIMIT,
			       "limit user:camera of pool 'default': 8 KiB max, 7.92 KiB used");
	fixture_assert_refused(try_take(client, 0, 1), MESSAGE_STATUS_LIMIT, "7.92 KiB used");
	fixture_client_free(client);
}

static void test_limits_parts_are_of_the_pool(void **state)
{
	struct service_limit_config limits[] = { limit_on_user(FIXTURE_UID, 0),
						 limit_on_user(77, 0) };
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	const struct message_limit_info *infos;

	limits[0].min.permyriad = 1000;
	limits[0].max.permyriad = 5000;
	limits[1].high.permyriad = 1; /* less than a page */
	apply(*state, limits, 2);
	infos = list(client, 2);
	assert_int_equal(infos[0].min_bytes, PAGES(POOL_PAGES / 10));
	assert_int_equal(infos[0].low_bytes, PAGES(POOL_PAGES / 10));
	assert_int_equal(infos[0].high_bytes, 0);
	assert_int_equal(infos[0].max_bytes, PAGES(POOL_PAGES / 2));
	assert_int_equal(infos[1].high_bytes, PAGES(1));
	assert_int_equal(infos[1].max_bytes, 0);
	take(client, 0, POOL_PAGES);
	assert_int_equal(fixture_held_pages(client), POOL_PAGES / 2);
	fixture_client_free(client);
}

static void test_limits_of_one_pool_leave_the_others_alone(void **state)
{
	struct service_limit_config limits[] = { limit_on_user(FIXTURE_UID, 1),
						 limit_on_user(FIXTURE_UID, 2),
						 limit_on_user(FIXTURE_UID, 3) };
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);
	struct message request = { .type = MESSAGE_LIST_LIMITS };
	const struct message *reply;

	strcpy(limits[0].pool, FIXTURE_POOL_READ);
	strcpy(limits[2].pool, "not here yet");
	apply(*state, limits, 3);
	take(client, 0, 10);
	assert_int_equal(fixture_held_pages(client), 2);
	reply = fixture_call(client, &request);
	assert_int_equal(reply->u.limit_list.nr_limits, 2);
	assert_int_equal(reply->u.limit_list.limits[0].used_bytes, PAGES(2));
	assert_string_equal(reply->u.limit_list.limits[1].pool, FIXTURE_POOL_READ);
	assert_int_equal(reply->u.limit_list.limits[1].used_bytes, 0);
	/* From anywhere on, and beyond the end. */
	request.u.list_limits.start = 1;
	assert_int_equal(fixture_call(client, &request)->u.limit_list.nr_limits, 1);
	request.u.list_limits.start = UINT64_MAX;
	assert_int_equal(fixture_call(client, &request)->u.limit_list.nr_limits, 0);
	fixture_client_free(client);
}

static void test_limits_a_pool_may_have_them_all(void **state)
{
	static struct service_limit_config limits[SERVICE_POOL_LIMITS_MAX];
	struct fixture_client *client = fixture_client_greeted(*state, FIXTURE_UID);

	for (unsigned i = 0; i < SERVICE_POOL_LIMITS_MAX; i++)
		limits[i] = limit_on_user(i, 7);
	apply(*state, limits, SERVICE_POOL_LIMITS_MAX);
	list(client, SERVICE_POOL_LIMITS_MAX);
	/* All of them change places with others. */
	for (unsigned i = 0; i < SERVICE_POOL_LIMITS_MAX; i++)
		limits[i].id = FIXTURE_UID + i;
	apply(*state, limits, SERVICE_POOL_LIMITS_MAX);
	list(client, SERVICE_POOL_LIMITS_MAX);
	take(client, 0, 8);
	assert_int_equal(fixture_held_pages(client), 7);
	fixture_client_free(client);
}

#define limits_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		limits_test(test_limits_cover_users_groups_and_names),
		limits_test(test_limits_count_what_is_held_and_end_with_it),
		limits_test(test_limits_max_refuses_by_name),
		limits_test(test_limits_min_refuses_others_and_says_whose_it_is),
		limits_test(test_limits_apply_of_the_same_ones_decides_nothing_anew),
		limits_test(test_limits_apply_charges_what_is_held_already),
		limits_test(test_limits_count_objects_in_bytes),
		limits_test(test_limits_parts_are_of_the_pool),
		limits_test(test_limits_of_one_pool_leave_the_others_alone),
		limits_test(test_limits_a_pool_may_have_them_all),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
