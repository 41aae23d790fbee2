/* SPDX-License-Identifier: MIT */

/*
 * Where the words of slabs lie: stretches of free units, with boundary tags.
 *
 * Slabs need 1 to SLAB_ROOMY_UNITS - 1 units, those of one cache always as many, and what is given
 * back is soon taken again by the same cache. So a free stretch is listed by how long it is,
 * exactly when it is short, and the shortest that is long enough is taken from its start: nothing
 * is searched, and little is left between slabs. A buddy would leave three units of eight beside
 * each slab of five.
 *
 * The first unit of a free stretch says how long it is and where the list goes on, the last says
 * how long it is; a bitmap says which units are free. So what is given back finds its neighbours
 * and is one with them again (boundary tags: Knuth, The Art of Computer Programming 1, 2.5; lists
 * by size: Bonwick and Adams, "Magazines and Vmem", 2001). All this lies in the records of slabs,
 * in those that belong to no slab.
 */

#include "core/slab_units.h"

#include <assert.h>

#include "core/leaf.h"

static uint64_t *map_word(const struct slab_table *table, uint32_t unit)
{
	return &table->free_units[unit / 64];
}

static bool is_free(const struct slab_table *table, uint32_t unit)
{
	return unit < table->nr_room && *map_word(table, unit) >> unit % 64 & 1;
}

/* Calls for a word of the map at a time: the bits of units first .. end - 1 that it has. */
#define FOR_EACH_MAP_WORD(at, mask, first, end)                                                    \
	for (uint32_t at = (first) - (first) % 64; at < (end); at += 64)                           \
		for (uint64_t mask = leaf_between(at, (first), (end)); mask; mask = 0)

static void set_free(struct slab_table *table, uint32_t first, uint32_t end)
{
	FOR_EACH_MAP_WORD(at, mask, first, end)
	*map_word(table, at) |= mask;
}

static void set_taken(struct slab_table *table, uint32_t first, uint32_t end)
{
	FOR_EACH_MAP_WORD(at, mask, first, end)
	*map_word(table, at) &= ~mask;
}

/* Stretches. */

static unsigned list_of(uint32_t nr_units)
{
	return (nr_units < SLAB_ROOMY_UNITS ? nr_units : SLAB_ROOMY_UNITS) - 1;
}

static void list_stretch(struct slab_table *table, uint32_t first, uint32_t nr_units)
{
	unsigned list = list_of(nr_units);
	struct slab *stretch = &table->slabs[first];

	table->slabs[first + nr_units - 1].nr_units = nr_units;
	stretch->nr_units = nr_units;
	stretch->prev = SLAB_NONE;
	stretch->next = table->stretches >> list & 1 ? table->stretch_heads[list] : SLAB_NONE;
	if (stretch->next != SLAB_NONE)
		table->slabs[stretch->next].prev = first;
	table->stretch_heads[list] = first;
	table->stretches |= UINT64_C(1) << list;
	if (nr_units >= SLAB_ROOMY_UNITS)
		table->nr_roomy += nr_units;
}

static void unlist_stretch(struct slab_table *table, uint32_t first)
{
	const struct slab *stretch = &table->slabs[first];
	unsigned list = list_of(stretch->nr_units);

	if (stretch->next != SLAB_NONE)
		table->slabs[stretch->next].prev = stretch->prev;
	if (stretch->prev != SLAB_NONE)
		table->slabs[stretch->prev].next = stretch->next;
	else if (stretch->next != SLAB_NONE)
		table->stretch_heads[list] = stretch->next;
	else
		table->stretches &= ~(UINT64_C(1) << list);
	if (stretch->nr_units >= SLAB_ROOMY_UNITS)
		table->nr_roomy -= stretch->nr_units;
}

uint32_t slab_units_take(struct slab_table *table, uint32_t nr_units)
{
	uint64_t lists = table->stretches & UINT64_MAX << list_of(nr_units);
	uint32_t first, left;

	assert(nr_units < SLAB_ROOMY_UNITS);
	if (!lists)
		return SLAB_NONE;
	first = table->stretch_heads[__builtin_ctzll(lists)];
	left = table->slabs[first].nr_units - nr_units;
	unlist_stretch(table, first);
	set_taken(table, first, first + nr_units);
	if (left)
		list_stretch(table, first + nr_units, left);
	return first;
}

void slab_units_give(struct slab_table *table, uint32_t first, uint32_t nr_units)
{
	uint32_t end = first + nr_units;

	set_free(table, first, end);
	if (first && is_free(table, first - 1)) {
		first -= table->slabs[first - 1].nr_units;
		unlist_stretch(table, first);
	}
	if (is_free(table, end)) {
		uint32_t behind = table->slabs[end].nr_units;

		unlist_stretch(table, end);
		end += behind;
	}
	list_stretch(table, first, end - first);
}

/* Recovery. */

void slab_units_extend(struct slab_table *table)
{
	set_free(table, table->nr_room, table->nr_room + SLAB_ROOM_UNITS);
	table->nr_room += SLAB_ROOM_UNITS;
}

bool slab_units_claim(struct slab_table *table, uint32_t first, uint32_t nr_units)
{
	FOR_EACH_MAP_WORD(at, mask, first, first + nr_units)
	if (mask & ~*map_word(table, at))
		return false;
	set_taken(table, first, first + nr_units);
	return true;
}

/* Where the stretch that is free, or is not, ends that this unit is of. */
static uint32_t end_of(const struct slab_table *table, uint32_t unit, bool free)
{
	const uint64_t flip = free ? UINT64_MAX : 0;

	while (unit < table->nr_room) {
		uint64_t others = (*map_word(table, unit) ^ flip) >> unit % 64;

		if (others)
			return unit + (uint32_t)__builtin_ctzll(others);
		unit += 64 - unit % 64;
	}
	return table->nr_room;
}

void slab_units_load_end(struct slab_table *table)
{
	uint32_t first = end_of(table, 0, false);

	while (first < table->nr_room) {
		uint32_t end = end_of(table, first, true);

		list_stretch(table, first, end - first);
		first = end_of(table, end, false);
	}
}

const char *slab_units_check(const struct slab_table *table, uint32_t *ret_nr_free)
{
	uint32_t first = end_of(table, 0, false), nr_roomy = 0, nr_listed = 0, nr_found = 0;

	*ret_nr_free = 0;
	for (; first < table->nr_room; nr_found++) {
		uint32_t end = end_of(table, first, true), nr_units = end - first;

		if (table->slabs[first].nr_units != nr_units ||
		    table->slabs[end - 1].nr_units != nr_units)
			return "a stretch of free units has another length";
		*ret_nr_free += nr_units;
		nr_roomy += nr_units >= SLAB_ROOMY_UNITS ? nr_units : 0;
		first = end_of(table, end, false);
	}
	for (uint64_t lists = table->stretches; lists; lists &= lists - 1) {
		unsigned list = (unsigned)__builtin_ctzll(lists);
		uint32_t at = table->stretch_heads[list], prev = SLAB_NONE;

		for (; at != SLAB_NONE; prev = at, at = table->slabs[at].next, nr_listed++)
			if (!is_free(table, at) || table->slabs[at].prev != prev ||
			    list_of(table->slabs[at].nr_units) != list)
				return "a list of free units is broken";
	}
	if (nr_listed != nr_found || nr_roomy != table->nr_roomy)
		return "free units are on no list";
	return NULL;
}
