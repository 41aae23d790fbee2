/* SPDX-License-Identifier: MIT */
#pragma once

/* Structs of the public header carry their size first, so that they can grow. */

#include <stddef.h>

/*
 * Copies a caller's struct, of whatever version, over our defaults: what it does not have stays as
 * it is in `to`, which has known_bytes. 0; -EINVAL for a size that is none, -E2BIG when it asks for
 * something that we do not know.
 */
int ppc_struct_take(void *to, size_t known_bytes, const void *from);

/* Copies ours to the caller's struct, of whatever version: what we do not know becomes zero. */
void ppc_struct_give(void *to, const void *from, size_t known_bytes);
