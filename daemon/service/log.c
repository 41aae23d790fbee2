/* SPDX-License-Identifier: MIT */
/*
 * Log lines.
 *
 * Whether standard error is the journal is asked once: systemd tells its device and inode in
 * JOURNAL_STREAM, so that a daemon whose output was redirected elsewhere is not fooled. To the
 * journal a line goes with its priority as a field; anywhere else it is one write() of one line,
 * so that lines of several threads never mix.
 */

#include "service/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define LOG_PREFIX "pagepoold: "
#define LOG_LINE_BYTES_MAX 1024u /* prefix and newline included; what is longer is cut */

static atomic_int max_level = LOG_INFO;
static pthread_once_t detect_once = PTHREAD_ONCE_INIT;
static bool to_journal;

static void detect_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%ju:%ju", &device, &inode) != 2)
		return;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	to_journal = st.st_dev == device && st.st_ino == inode;
}

void log_set_level(int level)
{
	atomic_store_explicit(&max_level, level, memory_order_relaxed);
}

static void write_line(const char *line, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, line, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* nowhere left to say so */
		line += n;
		size -= (size_t)n;
	}
}

void log_print(int level, const char *format, ...)
{
	char line[LOG_LINE_BYTES_MAX] = LOG_PREFIX;
	char *text = line + sizeof(LOG_PREFIX) - 1;
	size_t room = sizeof(line) - sizeof(LOG_PREFIX); /* keeps a byte for the newline */
	int saved_errno = errno;
	va_list args;

	if (level > atomic_load_explicit(&max_level, memory_order_relaxed))
		return;
	va_start(args, format);
	vsnprintf(text, room, format, args);
	va_end(args);
	pthread_once(&detect_once, detect_journal);
	if (to_journal) {
		sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", level,
				"SYSLOG_IDENTIFIER=pagepoold", NULL);
	} else {
		size_t size = strlen(line);

		line[size] = '\n';
		write_line(line, size + 1);
	}
	errno = saved_errno;
}
