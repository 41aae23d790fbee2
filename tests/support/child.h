/* SPDX-License-Identifier: MIT */
#pragma once

/* Processes that a test starts, talks to over pipes, and ends. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

/* In a child cmocka's asserts have nobody to tell: say it and end. */
#define CHILD_CHECK(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: in a child: %s\n", __FILE__, __LINE__,             \
				#condition);                                                       \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

struct child {
	pid_t pid;
	int to;   /* the child reads it as `from_parent` */
	int from; /* the child writes it as `to_parent` */
};

typedef void (*child_fn)(int from_parent, int to_parent, void *data);

/* Runs fn in a new process, which then ends with status 0, as `uid` unless it is -1. */
void child_start(struct child *child, uid_t uid, child_fn fn, void *data);
/* Reads exactly size bytes from the child; fails the test when it ends before. */
void child_read(const struct child *child, void *ret, size_t size_bytes);
void child_write(const struct child *child, const void *bytes, size_t size_bytes);
/* Waits for the end and fails the test unless it is with status 0. */
void child_finish(struct child *child);
/* kill -9, and waits until it is gone. */
void child_kill(struct child *child);

/* For the child: whole reads and writes, or it ends. */
void child_get(int fd, void *ret, size_t size_bytes);
void child_put(int fd, const void *bytes, size_t size_bytes);

/* True, and says so as a skip, when this process can't become other users. */
bool child_cannot_change_user(void);

#define CHILD_OTHER_UID 65534u
