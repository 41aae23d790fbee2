/* SPDX-License-Identifier: MIT */
/*
 * The service manager's side: readiness, status, patience, and the socket it may have opened for
 * us. libsystemd does nothing where NOTIFY_SOCKET or LISTEN_FDS is not set, so no caller has to
 * know whether there is a manager. What can't be told is not worth failing for.
 */

#include "service/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define NOTIFY_STATUS_BYTES_MAX 256u

void notify_ready(void)
{
	sd_notify(0, "READY=1");
}

/* The time lets the manager tell this reload from an earlier one. */
void notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void notify_status(const char *format, ...)
{
	char status[NOTIFY_STATUS_BYTES_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(status, sizeof(status), format, args);
	va_end(args);
	sd_notifyf(0, "STATUS=%s", status);
}

void notify_extend_timeout(uint64_t timeout_ms)
{
	sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, timeout_ms * 1000);
}

int notify_listen_fd(void)
{
	int nr_fds = sd_listen_fds(1);

	if (nr_fds < 0)
		return nr_fds;
	if (nr_fds == 0)
		return -ENOENT;
	if (nr_fds != 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0)
		return -EINVAL;
	/* It comes as a blocking one, and the first accept() too many would stop the loop for good.
	 */
	if (fcntl(SD_LISTEN_FDS_START, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return SD_LISTEN_FDS_START;
}
