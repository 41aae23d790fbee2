/* SPDX-License-Identifier: MIT */
#pragma once

/* The replies' half of random messages. For random_message.c. */

struct any;
struct message;

/* Fills the body that ret->type says. */
void random_reply(struct any *m, struct message *ret);
