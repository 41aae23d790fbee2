/* SPDX-License-Identifier: MIT */
/* Counted from /proc; the folder's own entries and the descriptor that reads it are in each time.
 */

#include "support/open_fds.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

unsigned open_fds_count(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned nr_fds = 0;

	assert_non_null(folder);
	while (readdir(folder))
		nr_fds++;
	closedir(folder);
	return nr_fds;
}

bool open_fds_cannot_be_limited(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (!preload || !strstr(preload, "vgpreload"))
		return false;
	print_message("skipped: valgrind keeps RLIMIT_NOFILE from the kernel\n");
	return true;
}
