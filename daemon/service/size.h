/* SPDX-License-Identifier: MIT */
#pragma once

/* Amounts of memory as people write them: 512M, 64G, 10%, 4096. */

#include <stddef.h>
#include <stdint.h>

#include "service/service.h"

#define SIZE_TEXT_BYTES_MAX 32u

/*
 * A number with K, M, G or T (powers of 1024) or nothing for bytes, or a part of the whole with up
 * to two decimals, 0.01% to 100%. Zero is a size of no bytes. 0, -EINVAL, or -ERANGE when it is
 * too large.
 */
int size_parse(const char *text, struct service_size *ret);

/* In bytes; `whole_bytes` is what it may be a part of. */
uint64_t size_resolve(const struct service_size *size, uint64_t whole_bytes);

/* Writes it as size_parse() reads it, in the largest unit that is exact. Returns `text`. */
const char *size_format(const struct service_size *size, char text[SIZE_TEXT_BYTES_MAX]);
