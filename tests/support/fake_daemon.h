/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A daemon that says what a test wants it to say, over a real socket: for clients whose answers
 * must be hostile, broken, or the same each time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/message.h"

struct fake_reply {
	struct message message; /* id filled in, status OK, no body */
	const void *bytes;      /* sent in place of the message if not NULL */
	size_t size_bytes;
	bool hang_up; /* no reply: close the connection */
};

/*
 * Answers one request; hello and goodbye only come here when the daemon was started with
 * `answers_hello` false, they get a plain welcome otherwise. Runs in the daemon's process.
 */
typedef void (*fake_answer_fn)(const struct message *request, struct fake_reply *ret_reply);

struct fake_daemon {
	pid_t pid;
	char folder[64];
	char socket[96];
};

#define FAKE_DAEMON_VERSION "9.8.7"

/* Listens when this returns. Serves one connection after the other until it is stopped. */
void fake_daemon_start(struct fake_daemon *daemon, fake_answer_fn answer, bool answers_hello);
void fake_daemon_stop(struct fake_daemon *daemon);
