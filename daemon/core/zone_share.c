/* SPDX-License-Identifier: MIT */

/*
 * Blocks with several holders: who comes, who goes, and what the ledger says in between.
 *
 * A block has the word of its only holder, or is shared by two or more, and then its word names
 * their records (share.h). A shared block is never freed: when one holder is left it is his alone
 * again, and his free is a free like any other. So free pages, the index and the common paths know
 * nothing of sharing, and a record is in use no longer than it has something to say.
 *
 * Every change is one store:
 *
 *   the block is shared          the word: it names a record that has both holders
 *   a holder comes               a free entry; or the word: it names a record that has the new
 *                                holder and names the record that was first before
 *   a holder goes                his entry: zero
 *   ... the last of a record     what named the record: it names the next one
 *   ... the last but one of all  the word: the other's entry
 *   a batch free marks a hold    the entry's kind, and back
 *
 * Whatever is written to a record before it is named does not count, and what it says after it was
 * named does not either: an unnamed record need not be cleaned, and a death between two stores
 * leaves the block as before or as after.
 *
 * Each holder counts the block in full among the pages it holds. What a zone has granted and freed
 * counts it once.
 *
 * The dead leave shared blocks before those that they hold alone (zone_walk.c): when two die at
 * once, what the first leaves to the second is found by the second's walk over the words, which
 * begins only when nothing more can be left to it.
 */

#include <assert.h>

#include "core/ledger.h"
#include "core/share.h"
#include "core/zone.h"
#include "core/zone_share.h"

#define RECORD_WORDS (sizeof(struct share_record) / sizeof(uint32_t))

/* Mobility and order: what all words and entries of a block have in common. */
#define BLOCK_MASK ((1u << WORD_SLOT_SHIFT) - 1)

static void store(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static uint32_t nr_pages_of(uint32_t word)
{
	return UINT32_C(1) << word_order(word);
}

int zone_share_check_held(const struct zone *zone, uint32_t pfn, unsigned order, unsigned slot)
{
	uint32_t word = zone->words[pfn];

	if (word_kind(word) == WORD_SHARED && word_order(word) == order) {
		const uint32_t *entry = share_find(&zone->shares, word, slot);

		word = entry ? *entry : word;
	}
	return ledger_is_held(word, slot, order) ? 0 : (int)ledger_refusal(word, order);
}

/* Coming. */

/* Of a block that somebody holds. */
static bool is_holder(const struct zone *zone, uint32_t word, unsigned slot)
{
	if (word_kind(word) == WORD_SHARED)
		return share_find(&zone->shares, word, slot) != NULL;
	return word_slot(word) == slot;
}

static uint32_t *find_free_entry(const struct share_table *shares, uint32_t word)
{
	for (uint32_t number = word_share(word);;) {
		struct share_record *record = &shares->records[number];

		for (unsigned i = 0; i < SHARE_HOLDERS; i++)
			if (!record->holders[i])
				return &record->holders[i];
		if (record->next == SHARE_NONE)
			return NULL;
		number = record->next - 1;
	}
}

/* A record with up to two entries, before all others of the block. */
static int name_record(struct zone *zone, uint32_t pfn, uint32_t next, uint32_t entry,
		       uint32_t other)
{
	struct share_record *record;
	uint32_t number;

	if (!share_take(&zone->shares, &number))
		return ZONE_E_SHARES;
	/* The store that ended the record's last name comes before those to it. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	record = &zone->shares.records[number];
	record->pfn = pfn;
	record->next = next;
	record->holders[0] = entry;
	record->holders[1] = other;
	for (unsigned i = 2; i < SHARE_HOLDERS; i++)
		record->holders[i] = 0;
	ledger_store(zone, pfn, word_make_shared(entry, number));
	return 0;
}

static int add_holder(struct zone *zone, uint32_t pfn, uint32_t entry)
{
	uint32_t word = zone->words[pfn], *free;
	int r;

	if (word_kind(word) == WORD_PAGE) {
		r = name_record(zone, pfn, SHARE_NONE, word, entry);
		if (!r)
			zone->shares.nr_blocks[word_slot(word)]++;
		return r;
	}
	free = find_free_entry(&zone->shares, word);
	if (!free)
		return name_record(zone, pfn, word_share(word) + 1, entry, 0);
	store(free, entry);
	return 0;
}

int zone_share(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot,
	       struct word_owner other)
{
	int r = ledger_check_range(zone, pfn, UINT64_C(1) << order % PAGE_NR_ORDERS, order);

	assert(slot < zone->nr_slots && other.slot < zone->nr_slots);
	if (!r)
		r = zone_share_check_held(zone, pfn, order, slot);
	if (r)
		return r;
	if (is_holder(zone, zone->words[pfn], other.slot))
		return ZONE_E_HELD;
	other.mobility = word_mobility(zone->words[pfn]);
	r = add_holder(zone, pfn, word_make(WORD_PAGE, other, order));
	if (r)
		return r;
	zone->shares.nr_blocks[other.slot]++;
	ledger_hold(zone, pfn, other.slot, UINT32_C(1) << order);
	return 0;
}

/* Going. */

/* Where a holder's entry is among the others. */
struct place {
	uint32_t *name;  /* what names its record; NULL: the word */
	uint32_t number; /* of its record */
	unsigned entry;
	unsigned nr_beside; /* others in the same record */
	uint32_t nr_looked; /* records, to find it */
	uint32_t nr_others; /* at least two, or exactly that many */
	uint32_t other;     /* an entry of one of them */
};

static struct place find_place(const struct share_table *shares, uint32_t word, unsigned slot)
{
	struct place place = { .number = shares->nr_records };
	uint32_t *name = NULL;

	for (uint32_t next = word_share(word) + 1; next != SHARE_NONE; next = *name) {
		struct share_record *record = &shares->records[next - 1];
		unsigned nr_others = 0, found = SHARE_HOLDERS;

		for (unsigned i = 0; i < SHARE_HOLDERS; i++) {
			if (!record->holders[i])
				continue;
			if (word_slot(record->holders[i]) == slot) {
				found = i;
				continue;
			}
			place.other = record->holders[i];
			nr_others++;
		}
		place.nr_looked++;
		place.nr_others += nr_others;
		if (found < SHARE_HOLDERS) {
			place.name = name;
			place.number = next - 1;
			place.entry = found;
			place.nr_beside = nr_others;
		}
		if (place.number < shares->nr_records && place.nr_others > 1)
			break;
		name = &record->next;
	}
	assert(place.number < shares->nr_records && place.nr_others);
	return place;
}

/* The block is its last holder's alone. */
static void end_sharing(struct zone *zone, uint32_t pfn, uint32_t last)
{
	uint32_t next = word_share(zone->words[pfn]) + 1;

	assert(word_kind(last) == WORD_PAGE);
	ledger_store(zone, pfn, last);
	zone->shares.nr_blocks[word_slot(last)]--;
	while (next != SHARE_NONE) {
		uint32_t number = next - 1;

		next = zone->shares.records[number].next;
		share_give(&zone->shares, number);
	}
}

/* There is a next record, or one before it: others hold the block. */
static void unname_record(struct zone *zone, uint32_t pfn, const struct place *place)
{
	uint32_t next = zone->shares.records[place->number].next;

	if (place->name)
		store(place->name, next);
	else
		ledger_store(zone, pfn, word_make_shared(zone->words[pfn], next - 1));
	share_give(&zone->shares, place->number);
}

/* Returns how many records it had to look at. */
static uint32_t leave(struct zone *zone, uint32_t pfn, unsigned slot)
{
	struct share_table *shares = &zone->shares;
	uint32_t word = zone->words[pfn];
	struct place place = find_place(shares, word, slot);

	if (place.nr_others == 1)
		end_sharing(zone, pfn, place.other);
	else if (!place.nr_beside)
		unname_record(zone, pfn, &place);
	else
		store(&shares->records[place.number].holders[place.entry], 0);
	shares->nr_blocks[slot]--;
	zone->holders[slot].nr_pages -= nr_pages_of(word);
	return place.nr_looked;
}

void zone_share_leave(struct zone *zone, uint32_t pfn, unsigned slot)
{
	leave(zone, pfn, slot);
}

int zone_share_mark(struct zone *zone, uint32_t pfn, unsigned order, unsigned slot)
{
	int r = zone_share_check_held(zone, pfn, order, slot);
	uint32_t *entry;

	if (r)
		return r;
	entry = share_find(&zone->shares, zone->words[pfn], slot);
	store(entry, *entry ^ LEDGER_LEAVING);
	return 0;
}

void zone_share_unmark(struct zone *zone, uint32_t pfn)
{
	struct share_walk walk = share_walk(zone->words[pfn]);
	uint32_t *entry;

	while ((entry = share_next(&zone->shares, &walk)))
		if (word_kind(*entry) == WORD_LEAVING)
			store(entry, *entry ^ LEDGER_LEAVING);
}

bool zone_share_release(struct zone *zone, unsigned slot, uint32_t max_words, uint32_t *cursor,
			uint32_t *looked)
{
	struct share_table *shares = &zone->shares;
	uint32_t number = *cursor;

	for (; number < shares->nr_touched && shares->nr_blocks[slot]; number++) {
		const struct share_record *record = &shares->records[number];

		if (*looked >= max_words) {
			*cursor = number;
			return false;
		}
		*looked += RECORD_WORDS;
		for (unsigned i = 0; share_is_named(shares, number) && i < SHARE_HOLDERS; i++)
			if (record->holders[i] && word_slot(record->holders[i]) == slot) {
				*looked += (leave(zone, record->pfn, slot) - 1) * RECORD_WORDS;
				break;
			}
	}
	*cursor = shares->nr_records;
	return true;
}

/* Looking. */

#define CURSOR_ENTRIES 16u /* in a cursor: 1 + the number of a record times so many + an entry */

static bool next_sharer(const struct zone *zone, uint32_t pfn, uint32_t *cursor, uint32_t *ret_word)
{
	const struct share_table *shares = &zone->shares;
	struct share_walk walk = share_walk(zone->words[pfn]);
	const uint32_t *entry;

	if (*cursor) {
		walk.number = (*cursor - 1) / CURSOR_ENTRIES;
		walk.entry = (*cursor - 1) % CURSOR_ENTRIES;
	}
	if (walk.number >= shares->nr_records || !share_is_named(shares, walk.number) ||
	    shares->records[walk.number].pfn != pfn)
		return false;
	entry = share_next(shares, &walk);
	if (!entry)
		return false;
	*ret_word = *entry;
	*cursor = walk.number * CURSOR_ENTRIES + walk.entry + 1;
	return true;
}

bool zone_next_holder(const struct zone *zone, uint32_t pfn, uint32_t *cursor,
		      struct word_owner *ret)
{
	uint32_t word = pfn < zone->capacity ? zone->words[pfn] : 0;

	if (!word)
		return false;
	if (word_kind(word) != WORD_SHARED) {
		if (*cursor)
			return false;
		*cursor = 1;
	} else if (!next_sharer(zone, pfn, cursor, &word)) {
		return false;
	}
	*ret = word_owner(word);
	if (word_kind(word) == WORD_SLAB)
		ret->slot = WORD_SLOT_DAEMON;
	return true;
}

uint32_t zone_nr_shares(const struct zone *zone)
{
	return zone->shares.nr_named;
}

/* Doubting. */

/* In zone_holder.nr_counted: a holder of this block, and met already. */
#define COUNTED_HERE UINT32_MAX

static const char *check_entry(const struct zone *zone, uint32_t word, uint32_t entry)
{
	struct zone_holder *holder;

	if (word_kind(entry) != WORD_PAGE && word_kind(entry) != WORD_LEAVING)
		return "a hold of a shared block is of no known kind";
	if ((entry ^ word) & BLOCK_MASK)
		return "a hold of a shared block is that of another block";
	if (word_slot(entry) >= zone->nr_slots)
		return "a shared block's holder is no slot";
	holder = &zone->holders[word_slot(entry)];
	if (holder->nr_counted == COUNTED_HERE)
		return "a shared block has a holder twice";
	holder->nr_counted = COUNTED_HERE;
	return NULL;
}

/* Ends, also when records name each other in a circle: no holder is met twice. */
static const char *check_records(const struct zone *zone, uint32_t pfn, uint32_t word,
				 uint32_t *ret_nr_holders)
{
	const struct share_table *shares = &zone->shares;
	const char *what;

	for (uint32_t next = word_share(word) + 1; next != SHARE_NONE;) {
		const struct share_record *record;
		uint32_t nr_before = *ret_nr_holders;

		if (next > shares->nr_records)
			return "a share record is none of the table";
		record = &shares->records[next - 1];
		if (record->pfn != pfn)
			return "a share record is that of another block";
		for (unsigned i = 0; i < SHARE_HOLDERS; i++) {
			if (!record->holders[i])
				continue;
			what = check_entry(zone, word, record->holders[i]);
			if (what)
				return what;
			++*ret_nr_holders;
		}
		if (*ret_nr_holders == nr_before)
			return "a share record has no holder";
		next = record->next;
	}
	return *ret_nr_holders < 2 ? "a shared block has one holder" : NULL;
}

const char *zone_share_check_word(const struct zone *zone, uint32_t pfn, uint32_t word)
{
	struct share_walk walk = share_walk(word);
	uint32_t nr_holders = 0;
	const char *what = check_records(zone, pfn, word, &nr_holders);

	while (nr_holders-- > 0)
		zone->holders[word_slot(*share_next(&zone->shares, &walk))].nr_counted = 0;
	return what;
}

const char *zone_share_check(const struct zone *zone, uint32_t pfn)
{
	struct share_walk walk = share_walk(zone->words[pfn]);
	const uint32_t *entry;

	while ((entry = share_next(&zone->shares, &walk))) {
		if (!share_is_named(&zone->shares, walk.number))
			return "a share record of a block is not in use";
		if (word_kind(*entry) == WORD_LEAVING)
			return "a batch free was left half done";
	}
	return NULL;
}

/* Each named record belongs to a block, and what is not named is listed. */
static const char *check_table(const struct share_table *shares, uint32_t nr_found)
{
	uint32_t nr_listed = 0;

	if (nr_found != shares->nr_named)
		return "a share record is in use that no block has";
	for (uint32_t next = shares->first_unnamed; next && nr_listed < shares->nr_touched;
	     next = shares->unnamed[next - 1])
		nr_listed++;
	if (nr_listed + nr_found != shares->nr_touched)
		return "a share record is lost";
	return NULL;
}

/* The entries in named records, which are blocks' if check_table() agrees. */
static const char *check_counts(const struct zone *zone)
{
	const struct share_table *shares = &zone->shares;

	for (unsigned slot = 0; slot < zone->nr_slots; slot++)
		zone->holders[slot].nr_counted = 0;
	for (uint32_t number = 0; number < shares->nr_touched; number++)
		for (unsigned i = 0; share_is_named(shares, number) && i < SHARE_HOLDERS; i++) {
			uint32_t entry = shares->records[number].holders[i];

			if (entry)
				zone->holders[word_slot(entry)].nr_counted++;
		}
	for (unsigned slot = 0; slot < zone->nr_slots; slot++)
		if (zone->holders[slot].nr_counted != shares->nr_blocks[slot])
			return "what a slot shares adds up to another sum";
	return NULL;
}

const char *zone_share_validate(const struct zone *zone)
{
	const struct share_table *shares = &zone->shares;
	struct zone_block block;
	uint32_t cursor = 0, nr_found = 0;
	const char *what;

	while (zone_next_block(zone, -1, ZONE_PAGES_MAX, &cursor, &block)) {
		uint32_t next = word_share(zone->words[block.pfn]) + 1;

		for (; block.kind == WORD_SHARED && next != SHARE_NONE; nr_found++)
			next = shares->records[next - 1].next;
	}
	what = check_table(shares, nr_found);
	return what || !shares->nr_records ? what : check_counts(zone);
}

/* Recovering. */

bool zone_share_recover(struct zone *zone, uint32_t pfn, uint32_t word)
{
	struct share_table *shares = &zone->shares;
	struct share_walk walk = share_walk(word);
	const uint32_t *entry;
	bool has_marks = false;

	for (uint32_t next = walk.number + 1; next != SHARE_NONE;) {
		share_load(shares, next - 1);
		next = shares->records[next - 1].next;
	}
	while ((entry = share_next(shares, &walk))) {
		ledger_hold(zone, pfn, word_slot(*entry), nr_pages_of(word));
		shares->nr_blocks[word_slot(*entry)]++;
		has_marks |= word_kind(*entry) == WORD_LEAVING;
	}
	return has_marks;
}
