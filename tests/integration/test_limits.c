/* SPDX-License-Identifier: MIT */
/*
 * Several users and client names at one daemon, under several limits each: who is refused what, in
 * which words, and that the figures are exact whatever becomes of the clients.
 */

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/daemon.h"

#define POOL_PAGES 2048u
#define OTHER_PAGES 1024u
#define USER_PAGES 512u
#define GREEDY_PAGES 256u
#define CAREFUL_PAGES 256u
#define GROUP_PAGES 16u
#define SMALL_PAGES 8u
#define GROUP 4242
#define NR_LIMITS 6u

static const char sections[] = "[pool default]\naccess = uid:0 uid:65534\nsize = 8M\n"
			       "watermark = 4K 8K 12K\n"
			       "[pool other]\naccess = uid:0\nsize = 4M\n"
			       "[limit uid:65534]\nmax = 2M\n"
			       "[limit gid:65534]\nmax = 75%\n"
			       "[limit gid:4242]\nmax = 64K\n"
			       "[limit client:greedy]\nmax = 1M\n"
			       "[limit client:careful]\nmin = 12.5%\n"
			       "[limit client:greedy]\npool = other\nmax = 32K\n";

static struct daemon server;
static struct peer watcher;

static int setup(void **state)
{
	*state = NULL;
	if (geteuid() == 0) {
		daemon_start(&server, "topology = fake:2\n", sections);
		*state = &server;
	}
	return 0;
}

/* The list of limits as the daemon gives it. */

struct figures {
	uint64_t used_pages, refused;
	uint32_t clients;
};

static struct figures figures_of(const char *pool, const char *kind, const char *name)
{
	struct message request = { .type = MESSAGE_LIST_LIMITS }, reply;

	peer_call(&watcher, &request, &reply);
	assert_int_equal(reply.type, MESSAGE_LIMIT_LIST);
	assert_int_equal(reply.u.limit_list.nr_limits, NR_LIMITS);
	assert_int_equal(reply.u.limit_list.next, 0);
	for (size_t i = 0; i < NR_LIMITS; i++) {
		const struct message_limit_info *info = &reply.u.limit_list.limits[i];

		if (strcmp(info->pool, pool) == 0 && strcmp(info->kind, kind) == 0 &&
		    strcmp(info->name, name) == 0)
			return (struct figures){ .used_pages = info->used_bytes / PP_PAGE_SIZE,
						 .refused = info->refused,
						 .clients = info->clients };
	}
	fail_msg("there is no limit %s:%s of pool %s", kind, name, pool);
	abort(); /* fail_msg() does not return */
}

static void assert_used(const char *kind, const char *name, uint64_t nr_pages, uint32_t nr_clients)
{
	struct figures figures = figures_of("default", kind, name);

	assert_int_equal(figures.used_pages, nr_pages);
	assert_int_equal(figures.clients, nr_clients);
}

static int watch(void **state)
{
	(void)state;
	if (geteuid() == 0)
		peer_hello(&watcher, &server, "watcher");
	return 0;
}

/* Everything has come back, and no limit counts what is not there. */
static int unwatch(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return 0;
	peer_await_clients(&watcher, 1);
	peer_await_free(&watcher, "default", POOL_PAGES * PP_PAGE_SIZE * 2);
	peer_await_free(&watcher, "other", OTHER_PAGES * PP_PAGE_SIZE * 2);
	assert_used("user", "65534", 0, 0);
	assert_used("group", "65534", 0, 0);
	assert_used("group", "4242", 0, 0);
	assert_used("client", "greedy", 0, 0);
	assert_used("client", "careful", 0, 0);
	peer_assert_check_clean(&watcher);
	peer_close(&watcher);
	return 0;
}

/* Agents: clients in processes of their own that do as they are told. */

struct agent_config {
	const char *name, *pool;
	gid_t group; /* a supplementary one; 0: none */
};

enum agent_verb { AGENT_TAKE, AGENT_GIVE_BACK, AGENT_END };

struct agent_order {
	enum agent_verb verb;
	uint32_t nr_pages;
};

struct agent_answer {
	enum message_status status;
	uint32_t nr_pages;
	char error[256];
};

static uint32_t count_pages(const struct message *granted)
{
	uint32_t nr_pages = 0;

	for (size_t i = 0; i < granted->u.granted.nr_runs; i++)
		nr_pages += (uint32_t)__builtin_popcountll(granted->u.granted.runs[i].mask);
	return nr_pages;
}

/* Takes single pages, and keeps in mind those taken last. */
static void agent_take(struct peer *peer, uint32_t pool, uint32_t count, struct message *last,
		       struct agent_answer *answer)
{
	static struct message_run runs[MESSAGE_BATCH_BLOCKS_MAX];
	struct message request = { .type = MESSAGE_ALLOC }, reply;

	request.u.alloc.pool = pool;
	request.u.alloc.count = count;
	request.u.alloc.placement.high = true;
	peer_call(peer, &request, &reply);
	answer->status = reply.status;
	snprintf(answer->error, sizeof(answer->error), "%s", reply.error);
	if (reply.type != MESSAGE_GRANTED)
		return;
	answer->nr_pages = count_pages(&reply);
	memcpy(runs, reply.u.granted.runs, reply.u.granted.nr_runs * sizeof(*runs));
	last->u.free.pool = pool;
	last->u.free.runs = runs;
	last->u.free.nr_runs = reply.u.granted.nr_runs;
}

static void agent(int from_parent, int to_parent, void *data)
{
	const struct agent_config *config = data;
	struct message last = { .type = MESSAGE_FREE }, reply;
	struct agent_order order;
	struct peer peer;
	uint32_t pool;

	if (config->group)
		CHILD_CHECK(setgroups(1, &config->group) == 0);
	peer_hello(&peer, &server, config->name);
	pool = peer_open_pool(&peer, config->pool ? config->pool : "default");
	for (;;) {
		struct agent_answer answer = { 0 };

		child_get(from_parent, &order, sizeof(order));
		if (order.verb == AGENT_END)
			break;
		if (order.verb == AGENT_TAKE) {
			agent_take(&peer, pool, order.nr_pages, &last, &answer);
		} else {
			last.id = 0;
			peer_call(&peer, &last, &reply);
			answer.status = reply.status;
		}
		child_put(to_parent, &answer, sizeof(answer));
	}
	peer_close(&peer);
}

static void agent_start(struct child *child, uid_t uid, const struct agent_config *config)
{
	child_start(child, uid, agent, (void *)config);
}

static struct agent_answer tell(const struct child *child, enum agent_verb verb, uint32_t nr_pages)
{
	const struct agent_order order = { verb, nr_pages };
	struct agent_answer answer;

	child_write(child, &order, sizeof(order));
	child_read(child, &answer, sizeof(answer));
	return answer;
}

static void agent_finish(struct child *child)
{
	const struct agent_order order = { AGENT_END, 0 };

	child_write(child, &order, sizeof(order));
	child_finish(child);
}

static void assert_takes(const struct child *child, uint32_t nr_pages, uint32_t nr_granted)
{
	struct agent_answer answer = tell(child, AGENT_TAKE, nr_pages);

	if (answer.status != MESSAGE_STATUS_OK)
		fail_msg("%s", answer.error);
	assert_int_equal(answer.nr_pages, nr_granted);
}

static void assert_refused(const struct child *child, enum message_status status, const char *text)
{
	struct agent_answer answer = tell(child, AGENT_TAKE, 1);

	assert_int_equal(answer.status, status);
	assert_string_equal(answer.error, text);
}

static void test_limits_max_holds_for_all_of_a_user(void **state)
{
	const struct agent_config config = { .name = "plain" };
	struct child one, two, root;
	uint64_t refused;

	(void)state;
	if (child_cannot_change_user())
		skip();
	refused = figures_of("default", "user", "65534").refused;
	agent_start(&one, CHILD_OTHER_UID, &config);
	agent_start(&two, CHILD_OTHER_UID, &config);
	agent_start(&root, (uid_t)-1, &config);
	assert_takes(&one, 300, 300);
	assert_takes(&two, 300, USER_PAGES - 300);
	assert_refused(&two, MESSAGE_STATUS_LIMIT,
		       "limit user:65534 of pool 'default': 2 MiB max, 2 MiB used");
	assert_refused(&one, MESSAGE_STATUS_LIMIT,
		       "limit user:65534 of pool 'default': 2 MiB max, 2 MiB used");
	assert_takes(&root, 1000, 1000);
	assert_used("user", "65534", USER_PAGES, 2);
	assert_used("group", "65534", USER_PAGES, 2);
	assert_used("client", "greedy", 0, 0);
	assert_int_equal(figures_of("default", "user", "65534").refused, refused + 3);
	/* What one gives back the other may have. */
	assert_int_equal(tell(&one, AGENT_GIVE_BACK, 0).status, MESSAGE_STATUS_OK);
	assert_used("user", "65534", USER_PAGES - 300, 2);
	assert_takes(&two, 301, 300);
	agent_finish(&one);
	agent_finish(&two);
	agent_finish(&root);
}

static void test_limits_name_is_a_label_that_anybody_may_claim(void **state)
{
	const struct agent_config greedy = { .name = "greedy" }, plain = { .name = "greed" };
	struct child root, nobody, other;

	(void)state;
	if (child_cannot_change_user())
		skip();
	agent_start(&root, (uid_t)-1, &greedy);
	agent_start(&nobody, CHILD_OTHER_UID, &greedy);
	agent_start(&other, (uid_t)-1, &plain);
	assert_takes(&root, 200, 200);
	assert_takes(&nobody, 200, GREEDY_PAGES - 200);
	/* Of its two limits the fuller one is in the way. */
	assert_refused(&nobody, MESSAGE_STATUS_LIMIT,
		       "limit client:greedy of pool 'default': 1 MiB max, 1 MiB used");
	assert_takes(&other, 300, 300);
	assert_used("client", "greedy", GREEDY_PAGES, 2);
	assert_used("user", "65534", GREEDY_PAGES - 200, 1);
	agent_finish(&root);
	agent_finish(&nobody);
	agent_finish(&other);
}

static void test_limits_min_is_there_when_it_is_wanted(void **state)
{
	const struct agent_config hog_config = { .name = "hog" },
				  careful_config = { "careful", NULL, 0 };
	const uint32_t nr_pages = 2 * POOL_PAGES; /* on two nodes */
	const uint32_t reserved = 2 * CAREFUL_PAGES;
	struct child hog, careful;

	(void)state;
	if (child_cannot_change_user())
		skip();
	agent_start(&hog, (uid_t)-1, &hog_config);
	assert_takes(&hog, 2000, 2000);
	assert_takes(&hog, 2000, nr_pages - reserved - 2000);
	assert_refused(&hog, MESSAGE_STATUS_NO_MEMORY,
		       "what is free is reserved: limit client:careful of pool 'default': "
		       "2 MiB min, 0 KiB used");
	agent_start(&careful, CHILD_OTHER_UID, &careful_config);
	assert_takes(&careful, 100, 100);
	/* What it has taken out of its reserve is no more for others than what it has not. */
	assert_refused(&hog, MESSAGE_STATUS_NO_MEMORY,
		       "what is free is reserved: limit client:careful of pool 'default': "
		       "2 MiB min, 400 KiB used");
	assert_takes(&careful, reserved, reserved - 100);
	assert_used("client", "careful", reserved, 1);
	agent_finish(&careful);
	peer_await_clients(&watcher, 2);
	assert_refused(&hog, MESSAGE_STATUS_NO_MEMORY,
		       "what is free is reserved: limit client:careful of pool 'default': "
		       "2 MiB min, 0 KiB used");
	agent_finish(&hog);
}

static void test_limits_are_free_again_when_a_client_is_killed(void **state)
{
	const struct agent_config greedy = { .name = "greedy" };
	struct child nobody, root;

	(void)state;
	if (child_cannot_change_user())
		skip();
	agent_start(&nobody, CHILD_OTHER_UID, &greedy);
	agent_start(&root, (uid_t)-1, &greedy);
	assert_takes(&nobody, 100, 100);
	assert_takes(&nobody, 77, 77);
	assert_int_equal(tell(&nobody, AGENT_GIVE_BACK, 0).status, MESSAGE_STATUS_OK);
	assert_takes(&root, 156, 156);
	assert_used("client", "greedy", GREEDY_PAGES, 2);
	assert_used("user", "65534", 100, 1);
	child_kill(&nobody);
	peer_await_clients(&watcher, 2);
	assert_used("client", "greedy", 156, 1);
	assert_used("user", "65534", 0, 0);
	assert_used("group", "65534", 0, 0);
	assert_takes(&root, 1000, 100);
	agent_finish(&root);
}

static void test_limits_of_supplementary_groups_hold(void **state)
{
	const struct agent_config config = { .name = "member", .group = GROUP };
	struct child member;

	(void)state;
	if (child_cannot_change_user())
		skip();
	agent_start(&member, (uid_t)-1, &config);
	assert_takes(&member, 100, GROUP_PAGES);
	assert_refused(&member, MESSAGE_STATUS_LIMIT,
		       "limit group:4242 of pool 'default': 64 KiB max, 64 KiB used");
	assert_used("group", "4242", GROUP_PAGES, 1);
	agent_finish(&member);
}

static void test_limits_of_two_pools_count_apart(void **state)
{
	const struct agent_config here = { .name = "greedy" }, there = { "greedy", "other", 0 };
	struct child one, two;

	(void)state;
	if (child_cannot_change_user())
		skip();
	agent_start(&one, (uid_t)-1, &here);
	agent_start(&two, (uid_t)-1, &there);
	assert_takes(&one, 100, 100);
	assert_takes(&two, 100, SMALL_PAGES);
	assert_refused(&two, MESSAGE_STATUS_LIMIT,
		       "limit client:greedy of pool 'other': 32 KiB max, 32 KiB used");
	assert_used("client", "greedy", 100, 2);
	assert_int_equal(figures_of("other", "client", "greedy").used_pages, SMALL_PAGES);
	agent_finish(&one);
	agent_finish(&two);
}

/* Through the library: a limit of one's own is another error than a pool that has no more. */
static void test_limits_have_an_error_of_their_own(void **state)
{
	struct pp_client *client;
	struct pp_pool *pool;
	void *addrs[GREEDY_PAGES];

	(void)state;
	if (child_cannot_change_user())
		skip();
	client = daemon_connect(&server, "greedy");
	assert_int_equal(pp_pool_open(client, NULL, 0, &pool), 0);
	assert_int_equal(pp_alloc_bulk(pool, 0, 0, addrs, GREEDY_PAGES), GREEDY_PAGES);
	assert_null(pp_alloc_pages(pool, 0, 0));
	assert_int_equal(errno, EDQUOT);
	assert_null(pp_alloc_exact(pool, 3 * PP_PAGE_SIZE, 0));
	assert_int_equal(errno, EDQUOT);
	assert_int_equal(pp_free_pages(pool, addrs[0], 0), 0);
	assert_non_null(pp_alloc_pages(pool, 0, 0));
	pp_client_free(client);
}

#define LIMITS_TEST(function) cmocka_unit_test_setup_teardown(function, watch, unwatch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIMITS_TEST(test_limits_max_holds_for_all_of_a_user),
		LIMITS_TEST(test_limits_name_is_a_label_that_anybody_may_claim),
		LIMITS_TEST(test_limits_min_is_there_when_it_is_wanted),
		LIMITS_TEST(test_limits_are_free_again_when_a_client_is_killed),
		LIMITS_TEST(test_limits_of_supplementary_groups_hold),
		LIMITS_TEST(test_limits_of_two_pools_count_apart),
		LIMITS_TEST(test_limits_have_an_error_of_their_own),
	};

	return cmocka_run_group_tests_name("limits", tests, setup, daemon_teardown);
}
