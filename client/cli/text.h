/* SPDX-License-Identifier: MIT */
#pragma once

/* Strings from others, made fit for a terminal. */

#include <stddef.h>

/* Enough for MESSAGE_TEXT_BYTES_MAX when every byte is escaped. */
#define TEXT_BYTES_MAX 4096u

/*
 * Writes text with everything that is not plainly visible in this locale as \xNN, a backslash as
 * two. Always ends ret with a NUL; what does not fit is cut off, never within an escape.
 */
void text_escape(const char *text, char *ret, size_t size_bytes);
