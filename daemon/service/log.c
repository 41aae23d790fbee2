/* SPDX-License-Identifier: MIT */
/*
 * Log lines.
 *
 * Whether standard error is the journal is asked once: systemd tells its device and inode in
 * JOURNAL_STREAM, so that a daemon whose output was redirected elsewhere is not fooled. To the
 * journal a line goes with its priority as a field; anywhere else it is one write() of one line,
 * so that lines of several threads never mix.
 *
 * The loop logs, and clients can cause lines, so a reader that does not read must not stop us. A
 * line goes only when poll() has room for it: a pipe that has any takes a whole page, which is more
 * than a line, and no other thread of ours writes in between. What does not go is counted, and told
 * in front of the next line that does. The journal is trusted to take what comes: it drops by a
 * limit of its own. A terminal is, too: it belongs to whoever started the daemon.
 *
 * Lines that clients can cause at will are paid from a bucket that fills slowly, so that a flood
 * neither fills the disk nor hides everything else.
 */

#include "service/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
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
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#define LOG_PREFIX "pagepoold: "
#define LOG_MESSAGE "MESSAGE="   /* instead of it, to the journal */
#define LOG_LINE_BYTES_MAX 1024u /* prefix and newline included; what is longer is cut */

/* Lines that clients cause: so many at once, and one more each so many milliseconds. */
#define LOG_CAUSED_BURST 64
#define LOG_CAUSED_MS 100

_Static_assert(LOG_LINE_BYTES_MAX <= PIPE_BUF, "a pipe takes a line whole or not at all");

static atomic_int max_level = LOG_INFO;
static pthread_once_t detect_once = PTHREAD_ONCE_INIT;
static bool to_journal;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of writing, and of these */
static uint64_t nr_lost;                                 /* since the last line that went */
static int64_t bucket_full_at_ms;

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

/* Takes a line's price out of the bucket; false when it is empty. */
static bool pay(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	/* An empty bucket is full in the future; a full one was so in the past. */
	int64_t full_at_ms = bucket_full_at_ms > now_ms ? bucket_full_at_ms : now_ms;
	if (full_at_ms - now_ms > (LOG_CAUSED_BURST - 1) * LOG_CAUSED_MS)
		return false;
	bucket_full_at_ms = full_at_ms + LOG_CAUSED_MS;
	return true;
}

/* True when all of it went. */
static bool write_line(const char *line, size_t size)
{
	struct pollfd pollfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n;

	if (poll(&pollfd, 1, 0) != 1 || !(pollfd.revents & POLLOUT))
		return false;
	do
		n = write(STDERR_FILENO, line, size);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)size;
}

/* `message` is the line as a field. True when the journal has taken it. */
static bool send_fields(int level, const char *message, const char *const *fields)
{
	char priority[32];
	const char *const own[] = { message, priority, "SYSLOG_IDENTIFIER=pagepoold" };
	struct iovec all[LOG_FIELDS_MAX + 3];
	int count;

	snprintf(priority, sizeof(priority), "PRIORITY=%i", level);
	for (count = 0; count < 3; count++)
		all[count] = (struct iovec){ (void *)own[count], strlen(own[count]) };
	for (; fields && *fields && count < (int)LOG_FIELDS_MAX + 3; fields++)
		all[count++] = (struct iovec){ (void *)*fields, strlen(*fields) };
	return sd_journal_sendv(all, count) >= 0;
}

static bool put_line(int level, const char *const *fields, const char *format, va_list args)
{
	const char *prefix = to_journal ? LOG_MESSAGE : LOG_PREFIX;
	char line[LOG_LINE_BYTES_MAX];
	char *text = stpcpy(line, prefix);
	size_t room = sizeof(line) - strlen(prefix) - 1; /* keeps a byte for the newline */
	int told = 0;

	if (nr_lost)
		told = snprintf(text, room, "(%" PRIu64 " lines were lost) ", nr_lost);
	vsnprintf(text + told, room - (size_t)told, format, args);
	if (to_journal)
		return send_fields(level, line, fields);

	size_t size = strlen(line);
	line[size] = '\n';
	return write_line(line, size + 1);
}

static void print(int level, bool is_caused, const char *const *fields, const char *format,
		  va_list args)
{
	int saved_errno = errno;

	if (level > atomic_load_explicit(&max_level, memory_order_relaxed))
		return;
	pthread_once(&detect_once, detect_journal);
	pthread_mutex_lock(&lock);
	if ((!is_caused || pay()) && put_line(level, fields, format, args))
		nr_lost = 0;
	else
		nr_lost++;
	pthread_mutex_unlock(&lock);
	errno = saved_errno;
}

void log_print(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(level, false, NULL, format, args);
	va_end(args);
}

void log_print_caused(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(level, true, NULL, format, args);
	va_end(args);
}

void log_print_caused_with(int level, const char *const *fields, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(level, true, fields, format, args);
	va_end(args);
}
