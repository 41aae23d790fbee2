/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * From a request to its handler and from the handler's reply to the client: a table by message type
 * and the rules that hold for all of it.
 */

#include "proto/frame.h"
#include "service/session.h"

struct client;
struct message;
struct service;

#define DISPATCH_TEXT_BYTES 256u

/* What a handler works with, for one request. */
struct call {
	struct service *service;
	struct client *client;
	int fds[FRAME_FDS_MAX]; /* put there by the handler: go with the reply, then are closed */
	unsigned nr_fds;
	char text[DISPATCH_TEXT_BYTES]; /* where reply->error may point */
};

enum dispatch_result {
	DISPATCH_REPLY, /* *reply is to be sent now */
	DISPATCH_LATER, /* by client_later_end(), or when the client is swept */
	DISPATCH_MORE,  /* done in part: serve it again in the next round */
	DISPATCH_AGAIN  /* nothing was done: serve it again when a later one is done */
};

/* *reply comes with the request's id and as a success without a body. */
typedef enum dispatch_result (*dispatch_fn)(struct call *call, const struct message *request,
					    struct message *reply);

/* Serves one request. */
enum session_verdict dispatch_request(struct service *service, struct client *client,
				      const struct message *request);
