/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* How many descriptors this process has open: the same before and after, or something leaks. */
unsigned open_fds_count(void);

/* True, and says so as a skip, when the kernel would not learn of a RLIMIT_NOFILE set here. */
bool open_fds_cannot_be_limited(void);
