/* SPDX-License-Identifier: MIT */

/*
 * The table of a pool's caches.
 *
 * A record is either a cache, which is its own target, or a name for one, whose target is that
 * cache. So a name is resolved in one step, and no chain can grow. A cache that is left by its own
 * name while others still stand for it stays as CACHE_NAMELESS, until the last of them goes.
 *
 * What is stored, and what a kill in between leaves:
 *
 *   making      The fields, then the state. Cut: the record is free still. Its generation may have
 *               grown; a number that is skipped harms nobody.
 *   unmaking    One state. Only the last name for a nameless cache takes two stores: the name's
 *               state first, then the cache's. Cut: a nameless cache that no name stands for, and
 *               without slabs, as whoever unmakes a name has given them back before. Opening the
 *               table frees it. The other way round a name would be left whose target is free, and
 *               that is damage.
 *
 * What is always true of records in use, and is checked before a table is believed: a name is
 * there, ends, and is that of no other name; a layout can be computed; the target is its own target
 * and in use; a name for another cache is alike and of a kind that may be merged; the first
 * CACHE_NR_GENERAL records are the general caches. A free record may hold anything: only its
 * generation means something, and it may be any number.
 *
 * Names are searched one by one: they are looked up when a process opens a cache, not when it
 * allocates from it.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/cache.h"

#define GENERATION_MASK (UINT32_MAX >> CACHE_NUMBER_BITS)
#define GENERAL_BYTES_MIN 16u
#define GENERAL_A_DOUBLING 4u

_Static_assert(1u << CACHE_NUMBER_BITS == CACHES_MAX, "a handle has room for any number");

static size_t round_up(size_t size_bytes)
{
	return (size_bytes + 63) & ~(size_t)63;
}

size_t cache_ledger_bytes(uint32_t nr_caches)
{
	return round_up(nr_caches * sizeof(struct cache_record));
}

size_t cache_index_bytes(uint32_t nr_caches)
{
	return round_up(nr_caches * sizeof(struct cache_layout));
}

/* The fence keeps what is stored next, into a record that is free now, behind the state. */
static void store_state(struct cache_record *record, enum cache_state state)
{
	__atomic_store_n(&record->state, (uint32_t)state, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static uint32_t general_bytes(uint32_t number)
{
	uint32_t doubling = number / GENERAL_A_DOUBLING, step = number % GENERAL_A_DOUBLING + 1;

	/* 16, 32, 48, 64, then four steps from each power of two to the next. */
	return doubling ? (GENERAL_A_DOUBLING + step) * (GENERAL_BYTES_MIN / 2 << doubling)
			: step * GENERAL_BYTES_MIN;
}

/* Appends a number to a name that has room for it. */
static void append_number(char *name, uint32_t number)
{
	char digits[10];
	size_t nr_digits = 0, length = strlen(name);

	do {
		digits[nr_digits++] = (char)('0' + number % 10);
	} while (number /= 10);
	while (nr_digits)
		name[length++] = digits[--nr_digits];
	name[length] = '\0';
}

/*
 * What a general cache is made of. A power of two is aligned to itself, as far as an alignment can
 * be asked for; beyond that the layout sees to it.
 */
static struct cache_config general_config(uint32_t number, unsigned flags,
					  char name[CACHE_NAME_BYTES_MAX + 1])
{
	uint32_t bytes = general_bytes(number), align = GENERAL_BYTES_MIN;

	if (!(bytes & (bytes - 1)))
		align = bytes < CACHE_ALIGN_MAX ? bytes : CACHE_ALIGN_MAX;
	memcpy(name, CACHE_GENERAL_PREFIX, sizeof(CACHE_GENERAL_PREFIX));
	append_number(name, bytes);
	return (struct cache_config){ .name = name,
				      .object_bytes = bytes,
				      .align = align,
				      .flags = flags,
				      .mobility = MOBILITY_UNMOVABLE };
}

static struct cache_config record_config(const struct cache_record *record)
{
	return (struct cache_config){ .name = record->name,
				      .object_bytes = record->object_bytes,
				      .align = record->align,
				      .flags = record->flags,
				      .mobility = (enum mobility)record->mobility };
}

/* But for the name. */
static bool is_alike(const struct cache_config *a, const struct cache_config *b)
{
	uint32_t a_align = a->align ? a->align : CACHE_ALIGN_MIN;
	uint32_t b_align = b->align ? b->align : CACHE_ALIGN_MIN;

	return a->object_bytes == b->object_bytes && a_align == b_align &&
	       a->mobility == b->mobility && !((a->flags ^ b->flags) & ~(unsigned)CACHE_MERGE);
}

static bool may_merge(uint32_t target, const struct cache_config *config)
{
	return target >= CACHE_NR_GENERAL && config->flags & CACHE_MERGE &&
	       !(config->flags & (CACHE_CTOR | CACHE_DEBUG));
}

/* Whether a record is a name for the cache, `but` aside. */
static bool has_other_name(const struct cache_table *table, uint32_t target, uint32_t but)
{
	for (uint32_t i = 0; i < table->nr_caches; i++)
		if (i != but && table->records[i].state == CACHE_NAMED &&
		    table->records[i].target == target)
			return true;
	return false;
}

uint32_t cache_table_find(const struct cache_table *table, const char *name)
{
	for (uint32_t i = 0; i < table->nr_caches; i++)
		if (table->records[i].state == CACHE_NAMED &&
		    strcmp(table->records[i].name, name) == 0)
			return i;
	return CACHES_MAX;
}

/* What can't be true of a general cache, whose flags are those of when it was made. Or NULL. */
static const char *check_general(const struct cache_record *record, uint32_t number)
{
	struct cache_config config = record_config(record), general;
	char name[CACHE_NAME_BYTES_MAX + 1];

	general = general_config(number, record->flags & CACHE_DEBUG, name);
	if (record->state != CACHE_NAMED || record->target != number ||
	    record->flags & ~(unsigned)CACHE_DEBUG || strcmp(config.name, general.name) != 0 ||
	    !is_alike(&config, &general))
		return "a general cache is another";
	return NULL;
}

/* What can't be true of a record by itself. */
static const char *check_record(const struct cache_record *record, uint32_t number)
{
	struct cache_config config = record_config(record);
	struct cache_layout layout;

	if (record->state > CACHE_NAMELESS)
		return "a cache is in no known state";
	if (record->generation > GENERATION_MASK)
		return "a generation has too many bits";
	if (!record->name[0] || !memchr(record->name, '\0', sizeof(record->name)))
		return "a name is empty or does not end";
	if (!record->align || record->mobility >= NR_MOBILITIES || cache_lay_out(&config, &layout))
		return "objects can't be laid out";
	return number < CACHE_NR_GENERAL ? check_general(record, number) : NULL;
}

/* What can't be true beside the others, of which each by itself may still be anything. */
static const char *check_target(const struct cache_table *table, uint32_t number)
{
	const struct cache_record *record = &table->records[number], *target;
	struct cache_config config = record_config(record), other;

	if (record->target == number)
		return NULL;
	if (record->state == CACHE_NAMELESS || !cache_has_slabs(table, record->target))
		return "a target is no cache";
	target = &table->records[record->target];
	other = record_config(target);
	return may_merge(record->target, &config) && is_alike(&config, &other)
		       ? NULL
		       : "a target is not alike";
}

static const char *check_cache(const struct cache_table *table, uint32_t number)
{
	const struct cache_record *record = &table->records[number];
	const char *what = check_record(record, number);

	if (what)
		return what;
	for (uint32_t i = 0; i < number; i++)
		if (record->state == CACHE_NAMED && table->records[i].state == CACHE_NAMED &&
		    strcmp(table->records[i].name, record->name) == 0)
			return "two caches have one name";
	return check_target(table, number);
}

/* What can't be true of a record that is in use, the first such; or NULL. A static string. */
static const char *check_records(const struct cache_table *table, uint32_t *ret_number)
{
	for (uint32_t i = 0; i < table->nr_caches; i++) {
		const char *what = NULL;

		if (table->records[i].state != CACHE_FREE)
			what = check_cache(table, i);
		if (!what)
			continue;
		*ret_number = i;
		return what;
	}
	return NULL;
}

static void derive_layout(struct cache_table *table, uint32_t number)
{
	struct cache_config config = record_config(&table->records[number]);
	int r = cache_lay_out(&config, &table->layouts[number]);

	assert(r == 0);
	(void)r;
}

/* The record is free, and the config one that can be. */
static void make(struct cache_table *table, uint32_t number, uint32_t target,
		 const struct cache_config *config)
{
	struct cache_record *record = &table->records[number];
	size_t length = strlen(config->name);

	assert(record->state == CACHE_FREE && length && length <= CACHE_NAME_BYTES_MAX);
	record->generation = (record->generation + 1) & GENERATION_MASK;
	record->target = target;
	record->object_bytes = config->object_bytes;
	record->align = config->align ? config->align : CACHE_ALIGN_MIN;
	record->flags = config->flags;
	record->mobility = config->mobility;
	memset(record->reserved, 0, sizeof(record->reserved));
	memset(record->name, 0, sizeof(record->name));
	memcpy(record->name, config->name, length);
	store_state(record, CACHE_NAMED);
	derive_layout(table, number);
	table->nr_used++;
}

/* Takes in what is in use, and frees the caches whose last name went when a daemon was killed. */
static void load(struct cache_table *table)
{
	for (uint32_t i = 0; i < table->nr_caches; i++) {
		struct cache_record *record = &table->records[i];

		if (record->state == CACHE_NAMELESS && !has_other_name(table, i, i))
			store_state(record, CACHE_FREE);
		if (record->state == CACHE_FREE)
			continue;
		derive_layout(table, i);
		table->nr_used += record->state == CACHE_NAMED;
	}
}

int cache_table_open(struct cache_table *table, uint32_t nr_caches, unsigned general_flags,
		     void *ledger, void *index, uint32_t *ret_number)
{
	struct cache_table opened = { .records = ledger, .layouts = index, .nr_caches = nr_caches };
	char name[CACHE_NAME_BYTES_MAX + 1];

	if (nr_caches < CACHE_NR_GENERAL || nr_caches > CACHES_MAX ||
	    general_flags & ~(unsigned)CACHE_DEBUG)
		return -EINVAL;
	if (check_records(&opened, ret_number))
		return CACHE_E_DAMAGED;
	load(&opened);
	for (uint32_t i = 0; i < CACHE_NR_GENERAL; i++) {
		struct cache_config config = general_config(i, general_flags, name);

		if (opened.records[i].state == CACHE_FREE)
			make(&opened, i, i, &config);
	}
	*table = opened;
	return 0;
}

/* What the new cache may be a name for, or CACHES_MAX. */
static uint32_t find_alike(const struct cache_table *table, const struct cache_config *config)
{
	for (uint32_t i = 0; i < table->nr_caches; i++) {
		struct cache_config other = record_config(&table->records[i]);

		if (table->records[i].state == CACHE_NAMED && may_merge(i, config) &&
		    is_alike(config, &other))
			return table->records[i].target;
	}
	return CACHES_MAX;
}

static uint32_t find_free(const struct cache_table *table)
{
	for (uint32_t i = CACHE_NR_GENERAL; i < table->nr_caches; i++)
		if (table->records[i].state == CACHE_FREE)
			return i;
	return CACHES_MAX;
}

/* Names like those of the general caches would be taken for them. */
static bool is_name(const char *name)
{
	size_t length = strnlen(name, CACHE_NAME_BYTES_MAX + 1);

	return length && length <= CACHE_NAME_BYTES_MAX &&
	       strncmp(name, CACHE_GENERAL_PREFIX, strlen(CACHE_GENERAL_PREFIX)) != 0;
}

int cache_table_add(struct cache_table *table, const struct cache_config *config,
		    uint32_t *ret_number)
{
	struct cache_layout layout;
	uint32_t number, target;

	if (!is_name(config->name) || cache_lay_out(config, &layout))
		return -EINVAL;
	number = cache_table_find(table, config->name);
	if (number < CACHES_MAX) {
		struct cache_config made = record_config(&table->records[number]);

		if (!is_alike(config, &made))
			return CACHE_E_EXISTS;
		*ret_number = number;
		return 0;
	}
	number = find_free(table);
	if (number == CACHES_MAX)
		return CACHE_E_FULL;
	target = find_alike(table, config);
	make(table, number, target < CACHES_MAX ? target : number, config);
	*ret_number = number;
	return 0;
}

uint32_t cache_table_name(const struct cache_table *table, uint32_t cache)
{
	uint32_t number = 0;

	if (table->records[cache].state == CACHE_NAMED)
		return cache;
	while (table->records[number].state != CACHE_NAMED ||
	       table->records[number].target != cache)
		number++;
	return number;
}

bool cache_table_is_last(const struct cache_table *table, uint32_t number)
{
	return !has_other_name(table, cache_target(table, number), number);
}

void cache_table_remove(struct cache_table *table, uint32_t number)
{
	uint32_t target = cache_target(table, number);
	bool is_last = cache_table_is_last(table, number);

	assert(number >= CACHE_NR_GENERAL && number < table->nr_caches);
	assert(table->records[number].state == CACHE_NAMED);
	store_state(&table->records[number],
		    number == target && !is_last ? CACHE_NAMELESS : CACHE_FREE);
	if (number != target && is_last)
		store_state(&table->records[target], CACHE_FREE);
	table->nr_used--;
}

static bool is_layout(const struct cache_layout *layout, const struct cache_config *config)
{
	struct cache_layout other;

	return cache_lay_out(config, &other) == 0 && other.object_bytes == layout->object_bytes &&
	       other.stride_bytes == layout->stride_bytes &&
	       other.first_bytes == layout->first_bytes && other.order == layout->order &&
	       other.nr_objects == layout->nr_objects && other.nr_words == layout->nr_words &&
	       other.nr_colours == layout->nr_colours &&
	       other.colour_bytes == layout->colour_bytes &&
	       other.waste_bytes == layout->waste_bytes && other.flags == layout->flags &&
	       other.mobility == layout->mobility && other.reciprocal == layout->reciprocal;
}

const char *cache_table_validate(const struct cache_table *table)
{
	uint32_t nr_used = 0, number;
	const char *what = check_records(table, &number);

	for (uint32_t i = 0; i < table->nr_caches && !what; i++) {
		const struct cache_record *record = &table->records[i];
		struct cache_config config = record_config(record);

		nr_used += record->state == CACHE_NAMED;
		if (record->state == CACHE_FREE)
			what = i < CACHE_NR_GENERAL ? "a general cache is missing" : NULL;
		else if (record->state == CACHE_NAMELESS && !has_other_name(table, i, i))
			what = "a cache has no name left";
		else if (!is_layout(&table->layouts[i], &config))
			what = "a layout is not that of its record";
	}
	if (!what && nr_used != table->nr_used)
		what = "the number of names is wrong";
	return what;
}
