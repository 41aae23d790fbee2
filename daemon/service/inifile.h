/* SPDX-License-Identifier: MIT */
#pragma once

/* An INI file, line by line, with the line numbers that inih keeps to itself. */

#define INIFILE_LINE_BYTES_MAX 198u /* without its newline; inih's buffer has 200 */

/* All strings are the reader's and live until the call returns. */
struct inifile_events {
	void (*section)(void *data, unsigned line, const char *heading); /* without the brackets */
	void (*key)(void *data, unsigned line, const char *key, const char *value);
	void (*error)(void *data, unsigned line, const char *what);
};

/* Reads it all, past errors. 0, or a negative errno when it can't be opened or read. */
int inifile_read(const char *path, const struct inifile_events *events, void *data);
