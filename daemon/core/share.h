/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Share records: who holds a block that has several holders.
 *
 * The word of a shared block has no room for a second slot, so it names a record; a record may name
 * a further one. Together they have an entry for each holder, which is the ledger word that the
 * block would have if this holder were its only one: making it so is storing the entry as the word.
 * An entry of kind WORD_LEAVING is a hold that a batch free names; zero is no entry.
 *
 * The records are ledger. What a record that nobody names says does not count; which those are is
 * derived. Knows nothing of zones. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/word.h"

#define SHARE_HOLDERS 14u      /* of a record */
#define SHARE_NONE 0u          /* no further record */
#define SHARE_NAMED UINT32_MAX /* in share_table.unnamed */

struct share_record {
	uint32_t pfn;                    /* of the block */
	uint32_t next;                   /* 1 + the number of a further record, or SHARE_NONE */
	uint32_t holders[SHARE_HOLDERS]; /* entries */
};

_Static_assert(sizeof(struct share_record) == 64, "a record is one cache line");

struct share_table {
	struct share_record *records; /* borrowed ledger memory */
	uint32_t nr_records;
	uint32_t nr_named;
	/* Derived. */
	uint32_t nr_touched;    /* no record from there on was named since the table was opened */
	uint32_t first_unnamed; /* below that: 1 + a record's number, or 0 */
	uint32_t *unnamed;      /* by record: the next one that is not named, or SHARE_NAMED */
	uint32_t *nr_blocks;    /* by slot: of the shared blocks that it holds */
};

static inline size_t share_ledger_bytes(uint32_t nr_records)
{
	return nr_records * sizeof(struct share_record);
}

/* Bytes of the index memory that a table needs, a multiple of 64; none for no records. */
size_t share_index_bytes(uint32_t nr_records, unsigned nr_slots);

/* `records` is ledger, 64-byte aligned; `index` is 64-byte aligned and zeroed. */
void share_table_init(struct share_table *table, uint32_t nr_records, void *records, void *index);

/* A record that nobody names, to be written and then named; false when there is none left. */
bool share_take(struct share_table *table, uint32_t *ret_number);

/* The record is not named any more. */
void share_give(struct share_table *table, uint32_t number);

/*
 * Recovery: a record is found to be named, which it was not before. share_load_end() must follow
 * when all are found.
 */
void share_load(struct share_table *table, uint32_t number);
void share_load_end(struct share_table *table);

static inline bool share_is_named(const struct share_table *table, uint32_t number)
{
	return table->unnamed[number] == SHARE_NAMED;
}

/* A walk over the entries of a shared block. */
struct share_walk {
	uint32_t number; /* of the record */
	unsigned entry;  /* where to go on */
};

static inline struct share_walk share_walk(uint32_t word)
{
	return (struct share_walk){ .number = word_share(word) };
}

/* The next entry, of the record walk->number; NULL at the end. */
uint32_t *share_next(const struct share_table *table, struct share_walk *walk);

/* The entry of a slot, or NULL. */
uint32_t *share_find(const struct share_table *table, uint32_t word, unsigned slot);
