/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The arena's one operation. What comes out is aligned for any type and not zeroed; NULL when it
 * does not fit, which the arena remembers, so that "no memory" can be told from "malformed" after
 * a library has made one error of both. Nothing is given back before the next use of the arena.
 */

#include <stdalign.h>
#include <stddef.h>

#include "proto/codec.h"

static inline void arena_init(struct codec_arena *arena, void *memory, size_t size_bytes)
{
	*arena = (struct codec_arena){ .memory = memory, .size_bytes = size_bytes };
}

static inline void *arena_alloc(struct codec_arena *arena, size_t size_bytes)
{
	/* used_bytes is always aligned, so the padding is that of this allocation alone. */
	size_t left = arena->size_bytes - arena->used_bytes;
	size_t padding = -size_bytes % alignof(max_align_t);
	void *memory = (char *)arena->memory + arena->used_bytes;

	if (size_bytes > left || padding > left - size_bytes) {
		arena->is_exhausted = true;
		return NULL;
	}
	arena->used_bytes += size_bytes + padding;
	return memory;
}
