/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Client slots: the ledger's record of who the clients are. A ledger word names its holder by slot.
 *
 * One table a daemon, in a ledger memory of its own, 64 bytes a slot. A slot's state is the last
 * word stored when it is taken and when it is left, so that a reader of the ledger finds it either
 * whole or free. A slot is free again only after everything its client held has been swept, with
 * the next generation. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/word.h"

enum slot_state {
	SLOT_FREE = 0,
	SLOT_LIVE,        /* a session is connected */
	SLOT_QUARANTINED, /* the socket hung up, the process lives: it may still use its blocks */
	SLOT_DYING        /* the process has ended or said goodbye: being swept */
};

struct slot {
	uint32_t state; /* enum slot_state */
	uint32_t generation;
	int32_t pid;
	uint32_t uid;
	uint64_t start_time; /* of the process, as /proc/PID/stat gives it; 0 unknown */
	uint64_t reserved[5];
};

_Static_assert(sizeof(struct slot) == 64, "a slot is one cache line");

struct slot_table {
	struct slot *slots; /* borrowed ledger memory; slots[0] is the daemon's and never given */
	unsigned nr_slots;
	unsigned nr_used;
	unsigned next; /* where a search starts: a slot rests before it is used again */
};

enum slot_error {
	SLOT_E_FULL = 1,
	SLOT_E_DAMAGED /* a slot's state is none */
};

/*
 * Opens a table. `ledger`: 64-byte aligned, nr_slots * 64 bytes, zeroed for a fresh table; nr_slots
 * 2 .. WORD_NR_SLOTS. Of a used one all slots are as they were: those that are DYING still have to
 * be swept. 0, -EINVAL, or SLOT_E_DAMAGED.
 */
int slot_table_open(struct slot_table *table, unsigned nr_slots, void *ledger);

/* Takes a slot in state SLOT_LIVE. 0 or SLOT_E_FULL. */
int slot_table_take(struct slot_table *table, int32_t pid, uint32_t uid, uint64_t start_time,
		    unsigned *ret_slot);

/* LIVE -> QUARANTINED, LIVE or QUARANTINED -> DYING. Any other change is our bug (assert). */
void slot_table_set_state(struct slot_table *table, unsigned slot, enum slot_state state);

/* DYING -> FREE, with the next generation. Call it when nothing is held any more. */
void slot_table_leave(struct slot_table *table, unsigned slot);
