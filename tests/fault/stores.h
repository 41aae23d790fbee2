/* SPDX-License-Identifier: MIT */
#pragma once

/* Sees every store that code compiled with -fsanitize=thread makes to a memory. See stores.c. */

#include <stdbool.h>
#include <stddef.h>

struct trail;

/* False in a build that is for the thread sanitizer itself: then nothing is seen. */
bool stores_are_seen(void);

/* From now on stores to the memory go to the trail, which is the caller's. */
void stores_watch(void *memory, size_t size_bytes, struct trail *trail);
void stores_unwatch(void);
