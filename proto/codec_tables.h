/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a request and a reply can hold: codec_requests.c and codec_replies.c say it, codec.c does
 * by it. Private to the codec.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/convert.h"
#include "proto/message.h"

struct codec_body {
	enum message_type type;
	uint32_t tag; /* in the oneof */
	struct convert_table table;
	size_t plain; /* what the table's offsets count from, in struct message */
};

/* What every request, or every reply, has around its body. */
struct codec_envelope {
	struct convert_table table;
	size_t tag, body; /* offsets of the oneof in the generated struct */
	const struct codec_body *bodies;
	size_t nr_bodies;
	bool is_request;
};

extern const struct codec_envelope codec_request_envelope;
extern const struct codec_envelope codec_reply_envelope;
