/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Who may do something: a list of uids and gids, held against what the kernel says of a peer
 * (SO_PEERCRED, SO_PEERGROUPS). Names are looked up when the list is parsed, never on a request.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACCESS_ENTRIES_MAX 64u
#define ACCESS_GROUPS_MAX 1024u

struct access_entry {
	bool is_group;
	unsigned id;
};

struct access_list {
	struct access_entry entries[ACCESS_ENTRIES_MAX];
	size_t nr_entries;
};

/* What the kernel says of the process that connected. */
struct access_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary; owned */
	size_t nr_groups;
};

/*
 * Appends what "user:NAME group:NAME uid:N gid:N" (separated by spaces) names.
 * 0, -EINVAL for a malformed word or number, -ENOENT for a name that does not exist, -E2BIG; then
 * *ret_word is the offending word within text and *ret_size its length.
 */
int access_list_parse(struct access_list *list, const char *text, const char **ret_word,
		      size_t *ret_size);
int access_list_add_uid(struct access_list *list, uid_t uid);
/* As its primary group or a supplementary one. */
bool access_peer_is_in_group(const struct access_peer *peer, gid_t gid);
bool access_list_allows(const struct access_list *list, const struct access_peer *peer);

/* Reads the credentials of a connected Unix socket's peer. 0 or a negative errno. */
int access_peer_init(struct access_peer *peer, int fd);
void access_peer_deinit(struct access_peer *peer);
