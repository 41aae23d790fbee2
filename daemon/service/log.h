/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Log lines: to the journal with fields when standard error is the journal, else to standard error.
 * Never waits for a reader of standard error: a line that does not fit is dropped, and the next one
 * that does tells how many were. Thread-safe.
 */

#include <syslog.h>

void log_set_level(int level); /* syslog's: what is less urgent is dropped */
void log_print(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line that a client can cause as often as it likes: so many a second, the others are lost. */
void log_print_caused(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * The same with up to LOG_FIELDS_MAX further fields for the journal, each as "NAME=value", then
 * NULL. Elsewhere the line is all that is seen.
 */
#define LOG_FIELDS_MAX 16u
void log_print_caused_with(int level, const char *const *fields, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_print(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_print(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)
