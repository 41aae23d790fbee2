/* SPDX-License-Identifier: MIT */
/* Access lists, and what the kernel says of a peer. */

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "service/access.h"
#include "support/child.h"

static int parse(struct access_list *list, const char *text)
{
	const char *word = NULL;
	size_t size = 0;

	return access_list_parse(list, text, &word, &size);
}

static void assert_refused(const char *text, int error, const char *offender)
{
	struct access_list list = { .nr_entries = 1, .entries = { { false, 42 } } };
	const char *word = NULL;
	size_t size = 0;

	assert_int_equal(access_list_parse(&list, text, &word, &size), error);
	assert_int_equal(size, strlen(offender));
	assert_memory_equal(word, offender, size);
	assert_true(word >= text && word < text + strlen(text));
	assert_int_equal(list.nr_entries, 1);
	assert_int_equal(list.entries[0].id, 42);
}

static void test_access_parse_takes_every_form(void **state)
{
	struct access_list list = { 0 };

	(void)state;
	assert_int_equal(parse(&list, "  user:root group:root\tuid:1000 gid:4294967294 "), 0);
	assert_int_equal(list.nr_entries, 4);
	assert_false(list.entries[0].is_group);
	assert_int_equal(list.entries[0].id, 0);
	assert_true(list.entries[1].is_group);
	assert_int_equal(list.entries[1].id, 0);
	assert_false(list.entries[2].is_group);
	assert_int_equal(list.entries[2].id, 1000);
	assert_true(list.entries[3].is_group);
	assert_int_equal(list.entries[3].id, 4294967294u);
}

static void test_access_parse_appends(void **state)
{
	struct access_list list = { 0 };

	(void)state;
	assert_int_equal(parse(&list, "uid:1"), 0);
	assert_int_equal(parse(&list, ""), 0);
	assert_int_equal(parse(&list, "uid:2"), 0);
	assert_int_equal(list.nr_entries, 2);
	assert_int_equal(list.entries[1].id, 2);
}

static void test_access_parse_refuses_malformed_words(void **state)
{
	(void)state;
	assert_refused("uid:1 root", -EINVAL, "root");
	assert_refused("usr:root", -EINVAL, "usr:root");
	assert_refused("user:", -EINVAL, "user:");
	assert_refused("uid: 5", -EINVAL, "uid:");
	assert_refused("uid:-1", -EINVAL, "uid:-1");
	assert_refused("uid:5x", -EINVAL, "uid:5x");
	assert_refused("gid:0x10", -EINVAL, "gid:0x10");
	assert_refused("uid:4294967295", -EINVAL, "uid:4294967295");
	assert_refused("uid:99999999999999999999", -EINVAL, "uid:99999999999999999999");
}

static void test_access_parse_refuses_overlong_names(void **state)
{
	char text[600];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "user:", 5);
	assert_refused(text, -EINVAL, text);
}

static void test_access_parse_names_who_does_not_exist(void **state)
{
	(void)state;
	assert_refused("uid:1 user:no-such-user uid:2", -ENOENT, "user:no-such-user");
	assert_refused("group:no-such-group", -ENOENT, "group:no-such-group");
}

static void test_access_parse_has_a_limit(void **state)
{
	struct access_list list = { 0 };
	char word[16];

	(void)state;
	for (unsigned i = 0; i < ACCESS_ENTRIES_MAX; i++) {
		snprintf(word, sizeof(word), "uid:%u", i);
		assert_int_equal(parse(&list, word), 0);
	}
	assert_int_equal(parse(&list, "uid:7"), -E2BIG);
	assert_int_equal(access_list_add_uid(&list, 7), -E2BIG);
	assert_int_equal(list.nr_entries, ACCESS_ENTRIES_MAX);
}

static void test_access_allows_by_uid_gid_and_group(void **state)
{
	gid_t groups[] = { 20, 30 };
	const struct access_peer peer = {
		.uid = 1000, .gid = 10, .groups = groups, .nr_groups = 2
	};
	static const struct {
		const char *list;
		bool is_allowed;
	} cases[] = {
		{ "", false },
		{ "uid:1000", true },
		{ "uid:1001", false },
		{ "gid:1000", false },
		{ "uid:10", false },
		{ "gid:10", true },
		{ "gid:30", true },
		{ "uid:1 gid:2 gid:20", true },
		{ "uid:0 gid:0", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct access_list list = { 0 };

		assert_int_equal(parse(&list, cases[i].list), 0);
		assert_int_equal(access_list_allows(&list, &peer), cases[i].is_allowed);
	}
}

static void test_access_root_is_not_special(void **state)
{
	const struct access_peer root = { .uid = 0, .gid = 0 };
	struct access_list list = { 0 };

	(void)state;
	assert_int_equal(access_list_add_uid(&list, 1000), 0);
	assert_false(access_list_allows(&list, &root));
}

static void test_access_peer_is_who_the_kernel_says(void **state)
{
	struct access_peer peer;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(access_peer_init(&peer, pair[0]), 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.gid, getegid());
	assert_int_equal(peer.nr_groups, getgroups(0, NULL));
	access_peer_deinit(&peer);
	assert_null(peer.groups);
	close(pair[0]);
	close(pair[1]);
}

static void test_access_peer_refuses_what_is_no_socket(void **state)
{
	struct access_peer peer = { .uid = 77 };
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(access_peer_init(&peer, fds[0]), -ENOTSOCK);
	assert_int_equal(peer.uid, 77);
	close(fds[0]);
	close(fds[1]);
}

/* Becomes a user with many groups, connects to itself and looks. */
static void look_at_many_groups(int from_parent, int to_parent, void *data)
{
	static gid_t groups[ACCESS_GROUPS_MAX + 1];
	size_t nr_groups = *(size_t *)data;
	struct access_peer peer = { 0 };
	struct access_list last = { .nr_entries = 1 };
	int pair[2], error;

	(void)from_parent;
	for (size_t i = 0; i < nr_groups; i++)
		groups[i] = (gid_t)(5000 + i);
	CHILD_CHECK(setgroups(nr_groups, groups) == 0);
	CHILD_CHECK(setgid(5) == 0 && setuid(CHILD_OTHER_UID) == 0);
	CHILD_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	error = access_peer_init(&peer, pair[0]);
	if (nr_groups <= ACCESS_GROUPS_MAX) {
		CHILD_CHECK(error == 0 && peer.nr_groups == nr_groups);
		CHILD_CHECK(peer.uid == CHILD_OTHER_UID && peer.gid == 5);
		last.entries[0] = (struct access_entry){ true, (unsigned)(5000 + nr_groups - 1) };
		CHILD_CHECK(access_list_allows(&last, &peer));
	} else {
		CHILD_CHECK(error == -E2BIG && !peer.groups);
	}
	access_peer_deinit(&peer);
	child_put(to_parent, "!", 1);
}

static void check_groups(size_t nr_groups)
{
	struct child child;
	char byte;

	child_start(&child, (uid_t)-1, look_at_many_groups, &nr_groups);
	child_read(&child, &byte, 1);
	child_finish(&child);
	assert_int_equal(byte, '!');
}

static void test_access_peer_may_have_many_groups(void **state)
{
	(void)state;
	if (child_cannot_change_user())
		skip();
	check_groups(1);
	check_groups(33); /* more than fit at first */
	check_groups(ACCESS_GROUPS_MAX);
}

static void test_access_peer_groups_have_a_limit(void **state)
{
	(void)state;
	if (child_cannot_change_user())
		skip();
	check_groups(ACCESS_GROUPS_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_access_parse_takes_every_form),
		cmocka_unit_test(test_access_parse_appends),
		cmocka_unit_test(test_access_parse_refuses_malformed_words),
		cmocka_unit_test(test_access_parse_refuses_overlong_names),
		cmocka_unit_test(test_access_parse_names_who_does_not_exist),
		cmocka_unit_test(test_access_parse_has_a_limit),
		cmocka_unit_test(test_access_allows_by_uid_gid_and_group),
		cmocka_unit_test(test_access_root_is_not_special),
		cmocka_unit_test(test_access_peer_is_who_the_kernel_says),
		cmocka_unit_test(test_access_peer_refuses_what_is_no_socket),
		cmocka_unit_test(test_access_peer_may_have_many_groups),
		cmocka_unit_test(test_access_peer_groups_have_a_limit),
	};

	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
