/* SPDX-License-Identifier: MIT */
#pragma once

/* Which strings may travel: see text.c. */

#include <stdbool.h>
#include <stddef.h>

/* At most max_bytes of valid UTF-8 without control characters. */
bool text_is_printable(const char *text, size_t max_bytes);
