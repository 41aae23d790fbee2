/* SPDX-License-Identifier: MIT */
/*
 * Log lines as the journal gets them. The journal is a socket at a fixed path, so a child makes one
 * there in a mount namespace of its own.
 */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/log.h"
#include "support/child.h"

#define ENTRY_BYTES 4096u

/* -1 when this process may not. */
static int make_journal(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX,
					     .sun_path = "/run/systemd/journal/socket" };
	char stream[64];
	struct stat st;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/run", "tmpfs", 0, NULL) < 0)
		return -1;
	CHILD_CHECK(mkdir("/run/systemd", 0700) == 0);
	CHILD_CHECK(mkdir("/run/systemd/journal", 0700) == 0);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHILD_CHECK(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	CHILD_CHECK(fstat(STDERR_FILENO, &st) == 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	CHILD_CHECK(setenv("JOURNAL_STREAM", stream, 1) == 0);
	return fd;
}

/* Tells the parent each entry that the journal has got, filled up with zeros. */
static void log_and_tell(int from_parent, int to_parent, void *data)
{
	static const char *const fields[] = { "PAGEPOOL_CACHE=two\nlines", "PAGEPOOL_BYTE=-3",
					      NULL };
	int journal = make_journal();

	(void)from_parent;
	(void)data;
	child_put(to_parent, &journal, sizeof(journal));
	if (journal < 0)
		return;
	log_set_level(LOG_INFO);
	log_info("%d pools", 3);
	log_print_caused_with(LOG_ERR, fields, "object %d", 4);
	for (unsigned i = 0; i < 2; i++) {
		char entry[ENTRY_BYTES] = "";

		CHILD_CHECK(recv(journal, entry, sizeof(entry) - 1, MSG_DONTWAIT) > 0);
		child_put(to_parent, entry, sizeof(entry));
	}
}

static void assert_has(const char entry[ENTRY_BYTES], const char *text)
{
	if (!memmem(entry, ENTRY_BYTES, text, strlen(text)))
		fail_msg("'%s' is not there", text);
}

static void test_log_journal_gets_fields(void **state)
{
	struct child child;
	char entry[ENTRY_BYTES];
	int journal;

	(void)state;
	child_start(&child, (uid_t)-1, log_and_tell, NULL);
	child_read(&child, &journal, sizeof(journal));
	if (journal < 0) {
		child_finish(&child);
		print_message("skipped: no mount namespace of its own for this user\n");
		skip();
	}
	child_read(&child, entry, sizeof(entry));
	assert_has(entry, "MESSAGE=3 pools\n");
	assert_has(entry, "PRIORITY=6\n");
	assert_has(entry, "SYSLOG_IDENTIFIER=pagepoold\n");
	child_read(&child, entry, sizeof(entry));
	assert_has(entry, "MESSAGE=object 4\n");
	assert_has(entry, "PRIORITY=3\n");
	assert_has(entry, "PAGEPOOL_BYTE=-3\n");
	/* With its size in front of it: it can't pass for another field. */
	assert_has(entry, "PAGEPOOL_CACHE\n");
	child_finish(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_journal_gets_fields),
	};

	return cmocka_run_group_tests_name("log_journal", tests, NULL, NULL);
}
