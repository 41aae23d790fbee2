/* SPDX-License-Identifier: MIT */
#pragma once

/* What is written to standard error between two calls, as text. */

#include <stdio.h>

#define LOG_CAPTURE_BYTES 8192u

struct log_capture {
	FILE *file;
	int saved;
	char text[LOG_CAPTURE_BYTES]; /* when it has ended; cut when there is more */
};

void log_capture_start(struct log_capture *capture);
/* Returns the text. */
const char *log_capture_end(struct log_capture *capture);
