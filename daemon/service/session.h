/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A session: one connection as bytes. It turns what comes into requests and replies into what goes,
 * and bounds both: how much waits to be sent, how many requests wait for their reply, how long an
 * unfinished frame, a reader that does not read or a missing hello is borne.
 *
 * It knows nothing of what requests mean; its owner serves them and is told when it is over.
 */

#include <stdbool.h>
#include <stdint.h>

struct codec_arena;
struct loop;
struct message;
struct session;

#define SESSION_HELLO_MS 5000u  /* from the connection to hello */
#define SESSION_FRAME_MS 10000u /* from a frame's first byte to its last */
#define SESSION_STALL_MS 10000u /* without the peer reading any of what waits for it */

enum session_verdict {
	SESSION_NEXT, /* served */
	SESSION_MORE, /* served in part: others have their turn, then give it again */
	SESSION_AGAIN /* not served: give it again after the next session_release() */
};

struct session_owner {
	/* Serves one request, which is valid until it returns. */
	enum session_verdict (*serve)(void *data, const struct message *request);
	/*
	 * The connection is over: `why` is a static string for the log, NULL for a hang-up or a
	 * finish. The owner frees the session, in here or later.
	 */
	void (*closed)(void *data, const char *why);
	void *data;
};

/*
 * Takes the socket (non-blocking, closed by session_free()), also on failure. `arena` is borrowed
 * and may serve all sessions of the loop. 0 or a negative errno.
 */
int session_new(struct loop *loop, int fd, struct codec_arena *arena,
		const struct session_owner *owner, struct session **ret);
/* Not from within owner.serve(). Accepts NULL. Returns NULL. */
struct session *session_free(struct session *session);

/*
 * Queues a reply or event, and sends it at once or, while requests are being served, together with
 * the replies to all that came with them. Descriptors are duplicated. 0 or a negative errno; on an
 * error the connection ends soon, through owner.closed().
 */
int session_send(struct session *session, const struct message *reply, const int *fds,
		 unsigned nr_fds);

/* Descriptors queued or sent that the peer has perhaps not received: 0 once it has read all. */
unsigned session_unread_fds(struct session *session);
/* Sends what the kernel refused for a while. For the owner's timer. */
void session_retry(struct session *session);

/* A request's reply will come later; too many of them and no more is read until some came. */
void session_hold(struct session *session);
void session_release(struct session *session);

/* Hello has been said: its time limit is over. */
void session_welcome(struct session *session);
/* Reads no further request. */
void session_stop(struct session *session);
/* Ends the connection, through owner.closed(), when what is queued has been sent. */
void session_finish(struct session *session);

/* Why the connection must end by now, as a static string, or NULL. For the owner's timer. */
const char *session_overdue(const struct session *session, uint64_t now_ms);
