/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A configuration that was read again: what differs from the one in use, and what of that can
 * change while the daemon runs.
 */

#include <stdarg.h>
#include <stddef.h>

struct service;
struct service_config;

#define RELOAD_LINES_MAX 100u      /* more are in the log alone */
#define RELOAD_LINE_BYTES_MAX 512u /* with its NUL; so all fit one reply */

/* What a reload has to say, for people. Starts as { 0 }. */
struct reload_lines {
	char *lines[RELOAD_LINES_MAX]; /* owned */
	size_t nr_lines;
	size_t nr_errors; /* of them, and the first: */
	const char *first_error;
};

void reload_lines_deinit(struct reload_lines *lines);

/* Adds a line, and logs it at syslog's `level`. */
void reload_say(struct reload_lines *lines, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Applies what can change now and names the rest. All of it is checked first: on -EINVAL or -ENOMEM
 * nothing has changed, and the lines say why. What `fresh` owns and the service needs is exchanged
 * for what the service had; the caller frees `fresh` either way.
 */
int reload_apply(struct service *service, struct service_config *fresh, struct reload_lines *lines);
