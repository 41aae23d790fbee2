/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Buffers of one size for readers and writers. Thread-safe.
 *
 * Most peers are silent most of the time, so whoever has nothing in its buffer gives it away: to a
 * process-wide spare of its kind, from which the next one that has something to say takes it. A
 * busy process pays an atomic exchange a message instead of malloc, a silent peer costs no buffer.
 */

#include <stdint.h>

#include "proto/frame.h"

#define BUFFER_BYTES (FRAME_HEADER_BYTES + FRAME_BYTES_MAX)

/* A request is often still in a reader's buffer when its reply is in a writer's. */
enum buffer_kind { BUFFER_READ, BUFFER_WRITE, BUFFER_NR_KINDS };

/* NULL when memory is short. */
uint8_t *buffer_take(enum buffer_kind kind);
/* The buffer may also be free()d. */
void buffer_give(enum buffer_kind kind, uint8_t *buf);
