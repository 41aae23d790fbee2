/* SPDX-License-Identifier: MIT */
#pragma once

/* Messages with random contents in every field. */

#include <stdint.h>

#include "proto/message.h"

struct codec_arena;

/*
 * A request or reply of this type, valid for the codec; what it points to lies in the arena, which
 * is used from its start. Advances *seed.
 */
void random_message(uint64_t *seed, enum message_type type, struct codec_arena *arena,
		    struct message *ret);
