/* SPDX-License-Identifier: MIT */
#pragma once

#include "proto/message.h"

/* What a caller is told when the daemon refuses a request: a negative errno. */
int ppc_status_to_errno(enum message_status status, enum message_type request);
