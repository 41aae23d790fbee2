/* SPDX-License-Identifier: MIT */

/*
 * Client slots. See slots.h for what a slot promises to a reader of the ledger; here is how: the
 * fields are stored before the state that makes them count, with release order, so that a daemon
 * killed in between leaves a slot that is still free, or still dying. The generation changes before
 * the slot becomes free; one that was left twice because of a crash skips a number, which harms
 * nobody.
 *
 * A slot that was left is the last to be taken again: the search goes round the table.
 */

#include <assert.h>
#include <errno.h>

#include "core/slots.h"

static void store_state(struct slot *slot, enum slot_state state)
{
	__atomic_store_n(&slot->state, (uint32_t)state, __ATOMIC_RELEASE);
}

int slot_table_open(struct slot_table *table, unsigned nr_slots, void *ledger)
{
	const struct slot *slots = ledger;
	unsigned nr_used = 0;

	if (nr_slots < 2 || nr_slots > WORD_NR_SLOTS)
		return -EINVAL;
	for (unsigned i = 0; i < nr_slots; i++) {
		if (slots[i].state > SLOT_DYING || (i == WORD_SLOT_DAEMON && slots[i].state))
			return SLOT_E_DAMAGED;
		nr_used += slots[i].state != SLOT_FREE;
	}
	*table = (struct slot_table){
		.slots = ledger, .nr_slots = nr_slots, .nr_used = nr_used, .next = 1
	};
	return 0;
}

int slot_table_take(struct slot_table *table, int32_t pid, uint32_t uid, uint64_t start_time,
		    unsigned *ret_slot)
{
	struct slot *slot;

	if (table->nr_used == table->nr_slots - 1)
		return SLOT_E_FULL;
	while (table->slots[table->next].state != SLOT_FREE)
		table->next = table->next + 1 < table->nr_slots ? table->next + 1 : 1;
	slot = &table->slots[table->next];
	slot->pid = pid;
	slot->uid = uid;
	slot->start_time = start_time;
	store_state(slot, SLOT_LIVE);
	*ret_slot = table->next;
	table->next = table->next + 1 < table->nr_slots ? table->next + 1 : 1;
	table->nr_used++;
	return 0;
}

void slot_table_set_state(struct slot_table *table, unsigned slot, enum slot_state state)
{
	enum slot_state old;

	assert(slot > WORD_SLOT_DAEMON && slot < table->nr_slots);
	old = (enum slot_state)table->slots[slot].state;
	assert((state == SLOT_QUARANTINED && old == SLOT_LIVE) ||
	       (state == SLOT_DYING && (old == SLOT_LIVE || old == SLOT_QUARANTINED)));
	(void)old;
	store_state(&table->slots[slot], state);
}

void slot_table_leave(struct slot_table *table, unsigned slot)
{
	assert(slot > WORD_SLOT_DAEMON && slot < table->nr_slots);
	assert(table->slots[slot].state == SLOT_DYING);
	table->slots[slot].generation++;
	store_state(&table->slots[slot], SLOT_FREE);
	table->nr_used--;
}
