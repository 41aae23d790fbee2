/* SPDX-License-Identifier: MIT */
/*
 * Access lists: who may, by uid and gid.
 *
 * Names become numbers when a list is parsed, since looking one up may ask a server on the network
 * and would stall the loop; a later change of the name's number needs a reload. What a peer is
 * comes from the kernel (SO_PEERCRED, SO_PEERGROUPS) as it was at connect(): the process can't
 * change it afterwards, nor lie about it.
 */

#include "service/access.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ACCESS_NAME_BYTES_MAX 256u         /* LOGIN_NAME_MAX with its NUL */
#define ACCESS_LOOKUP_BYTES_MAX (1u << 20) /* of a user's or group's entry, members and all */

/* Both kinds of look-up as one: 0 with *ret_id, or a negative errno. */
static int lookup(bool is_group, const char *name, char *buf, size_t size, unsigned *ret_id)
{
	struct passwd pwd, *user = NULL;
	struct group grp, *group = NULL;
	int error;

	if (is_group)
		error = getgrnam_r(name, &grp, buf, size, &group);
	else
		error = getpwnam_r(name, &pwd, buf, size, &user);
	if (error == ERANGE || error == ENOMEM || error == EINTR)
		return -error;
	if (!user && !group)
		return -ENOENT;
	*ret_id = is_group ? group->gr_gid : user->pw_uid;
	return 0;
}

static int lookup_name(bool is_group, const char *name, unsigned *ret_id)
{
	for (size_t size = 1024; size <= ACCESS_LOOKUP_BYTES_MAX; size *= 2) {
		char *buf = malloc(size);
		int error;

		if (!buf)
			return -ENOMEM;
		error = lookup(is_group, name, buf, size, ret_id);
		free(buf);
		if (error != -ERANGE)
			return error;
	}
	return -ERANGE;
}

/* The largest id means "none" to the kernel and is nobody's. */
static int parse_id(const char *text, unsigned *ret_id)
{
	uint64_t id = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		id = id * 10 + (uint64_t)(*text - '0');
		if (id >= UINT32_MAX)
			return -EINVAL;
	}
	*ret_id = (unsigned)id;
	return 0;
}

static int parse_word(const char *word, struct access_entry *ret)
{
	static const struct {
		const char *prefix;
		bool is_group, by_name;
	} kinds[] = {
		{ "user:", false, true },
		{ "group:", true, true },
		{ "uid:", false, false },
		{ "gid:", true, false },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t size = strlen(kinds[i].prefix);
		const char *value = word + size;

		if (strncmp(word, kinds[i].prefix, size) != 0)
			continue;
		if (!*value)
			return -EINVAL;
		ret->is_group = kinds[i].is_group;
		return kinds[i].by_name ? lookup_name(ret->is_group, value, &ret->id)
					: parse_id(value, &ret->id);
	}
	return -EINVAL;
}

static int list_add(struct access_list *list, struct access_entry entry)
{
	if (list->nr_entries == ACCESS_ENTRIES_MAX)
		return -E2BIG;
	list->entries[list->nr_entries++] = entry;
	return 0;
}

static int parse_and_add(struct access_list *list, const char *text, size_t size)
{
	char word[ACCESS_NAME_BYTES_MAX];
	struct access_entry entry = { 0 };
	int error;

	if (size >= sizeof(word))
		return -EINVAL;
	memcpy(word, text, size);
	word[size] = '\0';
	error = parse_word(word, &entry);
	return error ? error : list_add(list, entry);
}

int access_list_parse(struct access_list *list, const char *text, const char **ret_word,
		      size_t *ret_size)
{
	struct access_list parsed = *list;

	for (;;) {
		size_t size;
		int error;

		text += strspn(text, " \t");
		size = strcspn(text, " \t");
		if (size == 0)
			break;
		error = parse_and_add(&parsed, text, size);
		if (error) {
			*ret_word = text;
			*ret_size = size;
			return error;
		}
		text += size;
	}
	*list = parsed;
	return 0;
}

int access_list_add_uid(struct access_list *list, uid_t uid)
{
	return list_add(list, (struct access_entry){ .is_group = false, .id = uid });
}

bool access_peer_is_in_group(const struct access_peer *peer, gid_t gid)
{
	if (peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->nr_groups; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}

bool access_list_allows(const struct access_list *list, const struct access_peer *peer)
{
	for (size_t i = 0; i < list->nr_entries; i++) {
		const struct access_entry *entry = &list->entries[i];

		if (entry->is_group ? access_peer_is_in_group(peer, entry->id) : entry->id == peer->uid)
			return true;
	}
	return false;
}

/* The kernel answers ERANGE and the size it wants; the groups can't change in between. */
static int read_groups(struct access_peer *peer, int fd)
{
	socklen_t size = 32 * sizeof(gid_t);

	for (;;) {
		gid_t *groups = realloc(peer->groups, size);

		if (!groups)
			return -ENOMEM;
		peer->groups = groups;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
			break;
		if (errno != ERANGE)
			return -errno;
		if (size > ACCESS_GROUPS_MAX * sizeof(gid_t))
			return -E2BIG;
	}
	peer->nr_groups = size / sizeof(gid_t);
	return 0;
}

int access_peer_init(struct access_peer *peer, int fd)
{
	struct access_peer read = { 0 };
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int error;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	read.pid = cred.pid;
	read.uid = cred.uid;
	read.gid = cred.gid;
	error = read_groups(&read, fd);
	if (error) {
		access_peer_deinit(&read);
		return error;
	}
	*peer = read;
	return 0;
}

void access_peer_deinit(struct access_peer *peer)
{
	free(peer->groups);
	*peer = (struct access_peer){ 0 };
}
