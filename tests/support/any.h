/* SPDX-License-Identifier: MIT */
#pragma once

/* Random values for the fields of messages, and memory for what they point to. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codec_arena;
struct message_run;

struct any {
	uint64_t *seed;            /* advances */
	struct codec_arena *arena; /* a test's; aborts when it is too small */
};

uint64_t any_bits(struct any *m);
uint64_t any_below(struct any *m, uint64_t n);
/* Of any length in bits: varints have as many sizes. */
uint64_t any_u64(struct any *m);
uint32_t any_u32(struct any *m);
bool any_bool(struct any *m);
/* Often few, at times as many as may be. */
size_t any_count(struct any *m, size_t max);

void *any_room(struct any *m, size_t size_bytes);
/* Of up to so many bytes, printable. */
const char *any_text(struct any *m, size_t max_bytes);
const char *any_name(struct any *m);
const struct message_run *any_runs(struct any *m, size_t *ret_nr);
/* As many as there are runs, or none. */
const uint64_t *any_masks(struct any *m, size_t nr_runs, size_t *ret_nr);
