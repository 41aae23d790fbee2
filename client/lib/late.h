/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Replies that come after their caller gave up: what they granted must go back.
 */

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"

/* What must be remembered of an abandoned request. */
struct ppc_late {
	enum message_type type; /* of the request */
	uint32_t pool;
	uint32_t order;    /* MESSAGE_ALLOC */
	uint32_t nr_pages; /* MESSAGE_ALLOC_EXACT */
};

void ppc_late_init(struct ppc_late *late, const struct message *request);

/* Its reply may still grant something from this pool. */
bool ppc_late_may_grant(const struct ppc_late *late, uint32_t pool);

/*
 * Makes the request that undoes what the reply to an abandoned request did; it points into the
 * reply, and its id is the caller's to fill in. False when there is nothing to undo, or for a
 * reply that is none to that request.
 */
bool ppc_late_undo(const struct ppc_late *late, const struct message *reply,
		   struct message *ret_undo);
