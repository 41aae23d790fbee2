/* SPDX-License-Identifier: MIT */
#pragma once

/* Points in time up to which something is waited for, in milliseconds of the monotonic clock. */

#include <stdbool.h>
#include <stdint.h>

#define PPC_DEADLINE_NEVER INT64_MAX

/* -1: never; 0: over already. Else never early, and late by a step of the clock at most. */
int64_t ppc_deadline_after(int timeout_ms);
bool ppc_deadline_is_over(int64_t deadline_ms);
/* As poll() wants it: -1 for ever. */
int ppc_deadline_remaining_ms(int64_t deadline_ms);
