/* SPDX-License-Identifier: MIT */
#pragma once

/* How many descriptors this process has open: the same before and after, or something leaks. */
unsigned open_fds_count(void);
