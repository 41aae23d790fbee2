/* SPDX-License-Identifier: MIT */

/*
 * The table of share records, and the way along them. share.h tells what a record is.
 *
 * Records that were given back are taken again first, from a list through the index memory; those
 * that were never named since the table was opened come after them, in order. So opening a table
 * costs nothing that its size would tell, and who goes through what is named need not go further
 * than the records ever touched.
 */

#include <assert.h>

#include "core/share.h"

static size_t round_up(size_t size_bytes)
{
	return (size_bytes + 63) & ~(size_t)63;
}

static size_t unnamed_bytes(uint32_t nr_records)
{
	return round_up(nr_records * sizeof(uint32_t));
}

size_t share_index_bytes(uint32_t nr_records, unsigned nr_slots)
{
	if (!nr_records)
		return 0;
	return unnamed_bytes(nr_records) + round_up(nr_slots * sizeof(uint32_t));
}

void share_table_init(struct share_table *table, uint32_t nr_records, void *records, void *index)
{
	*table = (struct share_table){
		.records = records,
		.nr_records = nr_records,
		.unnamed = index,
		.nr_blocks = (uint32_t *)((uint8_t *)index + unnamed_bytes(nr_records)),
	};
}

bool share_take(struct share_table *table, uint32_t *ret_number)
{
	uint32_t number = table->first_unnamed;

	if (table->nr_named == table->nr_records)
		return false;
	if (number) {
		number--;
		table->first_unnamed = table->unnamed[number];
	} else {
		number = table->nr_touched++;
	}
	table->unnamed[number] = SHARE_NAMED;
	table->nr_named++;
	*ret_number = number;
	return true;
}

static void list_unnamed(struct share_table *table, uint32_t number)
{
	table->unnamed[number] = table->first_unnamed;
	table->first_unnamed = number + 1;
}

void share_give(struct share_table *table, uint32_t number)
{
	assert(share_is_named(table, number));
	list_unnamed(table, number);
	table->nr_named--;
}

void share_load(struct share_table *table, uint32_t number)
{
	assert(!share_is_named(table, number));
	table->unnamed[number] = SHARE_NAMED;
	table->nr_named++;
	if (number >= table->nr_touched)
		table->nr_touched = number + 1;
}

void share_load_end(struct share_table *table)
{
	for (uint32_t number = table->nr_touched; number-- > 0;)
		if (!share_is_named(table, number))
			list_unnamed(table, number);
}

uint32_t *share_next(const struct share_table *table, struct share_walk *walk)
{
	for (;;) {
		struct share_record *record = &table->records[walk->number];

		while (walk->entry < SHARE_HOLDERS)
			if (record->holders[walk->entry++])
				return &record->holders[walk->entry - 1];
		if (record->next == SHARE_NONE)
			return NULL;
		*walk = (struct share_walk){ .number = record->next - 1 };
	}
}

uint32_t *share_find(const struct share_table *table, uint32_t word, unsigned slot)
{
	struct share_walk walk = share_walk(word);
	uint32_t *entry = share_next(table, &walk);

	while (entry && word_slot(*entry) != slot)
		entry = share_next(table, &walk);
	return entry;
}
