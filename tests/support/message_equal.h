/* SPDX-License-Identifier: MIT */
#pragma once

/* Whether two messages are the same, in every field. */

#include <stdbool.h>

struct message;

bool message_is_equal(const struct message *a, const struct message *b);
