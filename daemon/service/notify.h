/* SPDX-License-Identifier: MIT */
#pragma once

/* What the daemon tells and takes from its service manager; without one, all of it does nothing. */

#include <stdint.h>

void notify_ready(void);
/* Until notify_ready(). */
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Start-up takes longer: do not give up on us for this long. */
void notify_extend_timeout(uint64_t timeout_ms);
/*
 * The inherited listening socket, made non-blocking; -ENOENT when there is none, -EINVAL when what
 * there is is not one listening Unix stream socket.
 */
int notify_listen_fd(void);
