/* SPDX-License-Identifier: MIT */
#include "support/log_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

void log_capture_start(struct log_capture *capture)
{
	capture->file = tmpfile();
	assert_non_null(capture->file);
	capture->saved = dup(STDERR_FILENO);
	dup2(fileno(capture->file), STDERR_FILENO);
}

const char *log_capture_end(struct log_capture *capture)
{
	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	rewind(capture->file);
	capture->text[fread(capture->text, 1, sizeof(capture->text) - 1, capture->file)] = '\0';
	fclose(capture->file);
	return capture->text;
}
