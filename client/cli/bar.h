/* SPDX-License-Identifier: MIT */
#pragma once

/* How full something is, drawn. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BAR_CELLS 12u
#define BAR_BYTES_MAX 64u /* BAR_CELLS characters of three bytes, frame, percentage, NUL */

/* "[####........]  35%", or with block characters. Returns ret. */
const char *bar_draw(uint64_t used, uint64_t total, bool utf8, char ret[BAR_BYTES_MAX]);
