/* SPDX-License-Identifier: MIT */
#pragma once

/* "pagepoolctl: ..." and a newline on standard error; control characters are escaped. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
