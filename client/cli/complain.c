/* SPDX-License-Identifier: MIT */
/*
 * Errors for people. They may quote what a client or the daemon said, so the whole line is made
 * harmless to a terminal here, once, and no caller has to think of it.
 */

#include "cli/complain.h"

#include <stdarg.h>
#include <stdio.h>

#include "cli/text.h"

void complain(const char *format, ...)
{
	char line[TEXT_BYTES_MAX], escaped[TEXT_BYTES_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	text_escape(line, escaped, sizeof(escaped));
	fprintf(stderr, "pagepoolctl: %s\n", escaped);
}
