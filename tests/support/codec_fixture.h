/* SPDX-License-Identifier: MIT */
#pragma once

/* Messages into bytes and back, by their type alone: whether it is a request's or a reply's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/message.h"

/* What is encoded below, and where decoded messages lie until the next one. */
extern uint8_t frame_bytes[FRAME_BYTES_MAX];
extern struct codec_arena frame_arena;

/* For cmocka, around a group: makes the arena. */
int codec_fixture_setup(void **state);
int codec_fixture_teardown(void **state);

bool codec_fixture_is_request(enum message_type type);
/* What the codec's function for this side says. */
ptrdiff_t codec_fixture_encode(const struct message *message, uint8_t *buf, size_t size_bytes);
int codec_fixture_decode(enum message_type type, const uint8_t *from, size_t size_bytes,
			 struct message *ret, const char **ret_why);

/* Encodes and expects the decoder's refusal, which is returned. */
const char *codec_fixture_refusal(const struct message *message);
/* Encodes and decodes; fails the test when it is refused. */
void codec_fixture_assert_taken(const struct message *message, struct message *ret);
