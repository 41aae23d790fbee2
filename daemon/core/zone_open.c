/* SPDX-License-Identifier: MIT */

/*
 * Opening a zone is recovering it: index, sums, groups, holes and what drains are made from the
 * ledger's words, and a fresh zone is the one whose words are zero.
 *
 * One pass over the words, a pageblock at a time, in address order. Most runs of 64 words are
 * alike, all zero or single pages of one holder, with free ones between them or not, and are told
 * by sums that compilers do with vectors; of the others the heads are picked out and looked at one
 * by one. Each is doubted: a word that no zone would have stored, or a block that overlaps another,
 * is damage, and then nothing of the ledger is believed or changed.
 *
 * A pageblock that holds single blocks goes to the group that has most of its pages. Which group it
 * was of before is forgotten; that is a matter of taste, not of truth.
 *
 * A batch free that a death cut in two has left blocks marked (zone_free.c). They were not free
 * yet, and are held as before: the marks are undone when all else is found sound.
 */

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/ledger.h"
#include "core/source.h"
#include "core/zone.h"
#include "core/zone_slab.h"

#define ZONE_INDEX_MAX 256u /* in a page address */
#define PAGEBLOCK_PAGES INDEX_PAGEBLOCK_PAGES
#define PAGEBLOCK_LEAVES INDEX_PAGEBLOCK_LEAVES

/* Shapes. */

static size_t round_up(size_t size_bytes, size_t multiple)
{
	return (size_bytes + multiple - 1) / multiple * multiple;
}

static uint32_t capacity_of(const struct zone_config *config)
{
	return config->capacity_pages ? config->capacity_pages : config->nr_pages;
}

static size_t words_end(const struct zone_config *config)
{
	return LEDGER_HEADER_BYTES + share_ledger_bytes(config->nr_shares) +
	       round_up(capacity_of(config), LEAF_UNITS) * sizeof(uint32_t);
}

/* Whole leaves, so that the words of one can be read without a look at where the zone ends. */
size_t zone_ledger_bytes(const struct zone_config *config)
{
	return words_end(config) + slab_ledger_bytes(config->nr_slab_units);
}

static size_t holders_bytes(const struct zone_config *config)
{
	return round_up(config->nr_slots * sizeof(struct zone_holder), 64);
}

static size_t object_holders_bytes(const struct zone_config *config)
{
	return config->nr_slab_units
		       ? round_up(config->nr_slots * sizeof(struct zone_object_holder), 64)
		       : 0;
}

static size_t slabs_bytes(const struct zone_config *config)
{
	return slab_index_bytes(config->nr_slab_units,
				config->nr_slab_units ? config->caches->nr_caches : 0);
}

static size_t contiguous_bytes(const struct zone_config *config)
{
	return config->contiguous_pages ? index_bytes(config->contiguous_pages) : 0;
}

size_t zone_index_bytes(const struct zone_config *config)
{
	return index_bytes(capacity_of(config)) + contiguous_bytes(config) + holders_bytes(config) +
	       warm_bytes() + share_index_bytes(config->nr_shares, config->nr_slots) +
	       object_holders_bytes(config) + slabs_bytes(config);
}

static bool is_shape_possible(const struct zone_config *config)
{
	return config->index < ZONE_INDEX_MAX && config->nr_pages >= 1 &&
	       config->nr_pages <= capacity_of(config) && capacity_of(config) <= ZONE_PAGES_MAX &&
	       config->contiguous_pages <= config->nr_pages &&
	       config->contiguous_pages % PAGEBLOCK_PAGES == 0 &&
	       config->max_order <= PAGE_ORDER_MAX && config->nr_slots >= 1 &&
	       config->nr_slots <= WORD_NR_SLOTS && config->nr_shares <= WORD_NR_SHARES &&
	       config->nr_slab_units <= SLAB_UNITS_MAX &&
	       config->nr_slab_units % SLAB_ROOM_UNITS == 0 &&
	       (config->caches || !config->nr_slab_units);
}

static unsigned clip_order(uint32_t nr_pages, unsigned max_order)
{
	unsigned largest = page_order_within(nr_pages);

	return max_order < largest ? max_order : largest;
}

/* At most 64 regions, each of 1 GiB at least. */
static unsigned region_order(uint32_t capacity)
{
	unsigned order = PAGE_ORDER_MAX;

	while ((capacity - 1) >> order >= 64)
		order++;
	return order;
}

static void zone_lay_out(struct zone *zone, const struct zone_config *config, void *ledger,
			 void *index)
{
	uint8_t *memory = index, *records = (uint8_t *)ledger + LEDGER_HEADER_BYTES;

	*zone = (struct zone){
		.header = ledger,
		.words = (uint32_t *)(records + share_ledger_bytes(config->nr_shares)),
		.capacity = capacity_of(config),
		.nr_contiguous = config->contiguous_pages,
		.nr_slots = config->nr_slots,
		.region_order = region_order(capacity_of(config)),
		.index_in_pool = config->index,
	};
	index_init(&zone->index, zone->capacity, memory);
	memory += index_bytes(zone->capacity);
	if (zone->nr_contiguous)
		index_init(&zone->contiguous, zone->nr_contiguous, memory);
	memory += contiguous_bytes(config);
	zone->holders = (struct zone_holder *)memory;
	memory += holders_bytes(config);
	warm_init(&zone->warm, memory);
	memory += warm_bytes();
	share_table_init(&zone->shares, config->nr_shares, records, memory);
	memory += share_index_bytes(config->nr_shares, config->nr_slots);
	if (config->nr_slab_units)
		zone->object_holders = (struct zone_object_holder *)memory;
	memory += object_holders_bytes(config);
	slab_table_init(&zone->slabs, config->caches, config->nr_slab_units,
			(uint8_t *)ledger + words_end(config), memory);
}

/* Headers. */

static void header_format(struct ledger_header *header, const struct zone_config *config)
{
	*header = (struct ledger_header){
		.version = LEDGER_VERSION,
		.index_in_pool = config->index,
		.capacity = capacity_of(config),
		.nr_contiguous = config->contiguous_pages,
		.max_order = clip_order(capacity_of(config), config->max_order),
		.nr_pages = config->nr_pages,
		.end = config->nr_pages,
		.nr_shares = config->nr_shares,
		.nr_slab_units = config->nr_slab_units,
	};
	__atomic_store_n(&header->magic, LEDGER_MAGIC, __ATOMIC_RELEASE);
}

/*
 * Without a magic a ledger is fresh, and all zero; or making it was cut short, and all else is
 * zero. That is looked at in this case alone: reading memory that is zero would make pages of it.
 */
static bool is_ledger_fresh(const struct ledger_header *header, const struct zone_config *config)
{
	static const struct ledger_header none;
	const uint64_t *rest = (const uint64_t *)((const uint8_t *)header + LEDGER_HEADER_BYTES);
	const size_t nr = (zone_ledger_bytes(config) - LEDGER_HEADER_BYTES) / sizeof(*rest);

	if (header->magic)
		return false;
	if (memcmp(header, &none, sizeof(none)) == 0)
		return true;
	for (size_t i = 0; i < nr; i++)
		if (rest[i])
			return false;
	return true;
}

static const char *check_header(const struct ledger_header *header,
				const struct zone_config *config)
{
	if (header->magic != LEDGER_MAGIC)
		return "this is no ledger";
	if (header->version != LEDGER_VERSION)
		return "the ledger is of another version";
	if (header->index_in_pool != config->index)
		return "the ledger is that of another zone";
	if (header->capacity != capacity_of(config) ||
	    header->nr_contiguous != config->contiguous_pages ||
	    header->nr_shares != config->nr_shares ||
	    header->nr_slab_units != config->nr_slab_units)
		return "the ledger is of another shape";
	if (header->nr_pages < 1 || header->nr_pages < header->nr_contiguous ||
	    header->nr_pages > header->end || header->end > header->capacity ||
	    header->max_order > clip_order(header->capacity, PAGE_ORDER_MAX))
		return "the ledger's header can't be true";
	return NULL;
}

/* Words. */

struct scan {
	struct zone *zone;
	uint32_t covered;                    /* where the last large block ends */
	uint32_t group_pages[NR_MOBILITIES]; /* held in this pageblock */
	bool has_marks;
	bool has_large; /* a block of a whole pageblock or more */
	struct zone_fault *fault;
};

static int fault(struct scan *scan, uint32_t pfn, const char *what)
{
	*scan->fault = (struct zone_fault){ .pfn = pfn, .what = what };
	return ZONE_E_DAMAGED;
}

static int check_block(struct scan *scan, uint32_t pfn, uint32_t word)
{
	const struct zone *zone = scan->zone;
	const char *what = ledger_check_word(zone, pfn, word);
	uint32_t end = pfn + (UINT32_C(1) << word_order(word) % PAGE_NR_ORDERS);

	if (!what && pfn < zone->nr_contiguous && end > zone->nr_contiguous)
		what = "a block reaches out of the contiguous area";
	return what ? fault(scan, pfn, what) : 0;
}

static void count_pages(struct scan *scan, uint32_t pfn, uint32_t word, uint32_t nr_pages)
{
	struct zone *zone = scan->zone;
	uint32_t inside = pfn < zone->edge ? zone->edge - pfn : 0;

	if (nr_pages > inside)
		zone->nr_draining += nr_pages - inside;
	if (word_kind(word) == WORD_HOLE) {
		zone->nr_holes += nr_pages;
		return;
	}
	zone->nr_recovered += nr_pages;
	scan->group_pages[word_mobility(word)] += nr_pages;
	if (word_kind(word) == WORD_SHARED) {
		scan->has_marks |= zone_share_recover(zone, pfn, word);
		return;
	}
	if (word_kind(word) == WORD_SLAB) {
		ledger_hold(zone, pfn, WORD_SLOT_DAEMON, nr_pages);
		return;
	}
	ledger_hold(zone, pfn, word_slot(word), nr_pages);
	scan->has_marks |= word_kind(word) == WORD_LEAVING;
}

/* A block of any kind and size. */
static int scan_block(struct scan *scan, uint32_t pfn, uint32_t word)
{
	int r = check_block(scan, pfn, word);

	if (r)
		return r;
	if (word_kind(word) == WORD_SLAB) {
		const char *what = zone_object_recover(scan->zone, pfn, word, &scan->has_marks);

		if (what)
			return fault(scan, pfn, what);
	}
	count_pages(scan, pfn, word, UINT32_C(1) << word_order(word));
	if (word_order(word) > LEDGER_LEAF_ORDER)
		scan->covered = pfn + (UINT32_C(1) << word_order(word));
	scan->has_large |= word_order(word) >= INDEX_PAGEBLOCK_ORDER;
	return 0;
}

/* How many orders the plain blocks of a leaf may have: none if it reaches beyond the edge. */
static unsigned nr_plain_orders(const struct zone *zone, uint32_t base)
{
	if (base + LEAF_UNITS > zone->edge)
		return 0;
	return zone->max_order < LEAF_ORDER_MAX ? zone->max_order + 1 : LEAF_ORDER_MAX + 1;
}

/* What nearly all words are, and then without doubt. */
static inline bool is_plain(uint32_t word, unsigned i, unsigned nr_orders, uint32_t nr_slots)
{
	unsigned order = word_order(word);

	return word_kind(word) == WORD_PAGE && order < nr_orders && !(i & ((1u << order) - 1)) &&
	       word_slot(word) < nr_slots && word_mobility(word) < NR_MOBILITIES;
}

static void count_plain(struct scan *scan, const uint32_t nr_pages[NR_MOBILITIES])
{
	for (unsigned mobility = 0; mobility < NR_MOBILITIES; mobility++) {
		scan->group_pages[mobility] += nr_pages[mobility];
		scan->zone->nr_recovered += nr_pages[mobility];
	}
}

/* Blocks of all sizes. *ret_free are the pages that are in none of them. */
static int scan_heads(struct scan *scan, uint32_t base, uint64_t *ret_free)
{
	const struct zone *zone = scan->zone;
	const uint32_t *words = zone->words + base, nr_slots = zone->nr_slots;
	const uint64_t region = ledger_region_bit(zone, base);
	const unsigned nr_orders = nr_plain_orders(zone, base);
	struct zone_holder *holders = zone->holders;
	uint32_t nr_pages[NR_MOBILITIES] = { 0 };
	uint64_t held = 0;

	for (uint64_t heads = ~ledger_find(words, UINT32_MAX, 0); heads; heads &= heads - 1) {
		unsigned i = (unsigned)__builtin_ctzll(heads);
		uint32_t word = words[i];
		unsigned order = word_order(word);

		if (held >> i & 1)
			return fault(scan, base + i, "a block starts within another");
		if (is_plain(word, i, nr_orders, nr_slots)) {
			holders[word_slot(word)].nr_pages += 1u << order;
			holders[word_slot(word)].regions |= region;
			nr_pages[word_mobility(word)] += 1u << order;
		} else if (scan_block(scan, base + i, word)) {
			return ZONE_E_DAMAGED;
		}
		held |= leaf_mask(i, order < LEDGER_LEAF_ORDER ? order : LEDGER_LEAF_ORDER);
	}
	count_plain(scan, nr_pages);
	*ret_free = ~held;
	return 0;
}

/* In which bits a leaf's words are not all like the first. */
static uint32_t find_differing(const uint32_t *words)
{
	uint32_t differing = 0;

	/* Opening a zone that is full or empty is hardly more than this. */
#pragma GCC unroll 16
	for (unsigned i = 0; i < LEAF_UNITS; i++)
		differing |= words[i] ^ words[0];
	return differing;
}

/* The word that all blocks of a leaf have, but for the tag; 0 if they are not alike. */
static uint32_t find_common(const uint32_t *words)
{
	uint32_t any = 0, all = UINT32_MAX;

	for (unsigned i = 0; i < LEAF_UNITS; i++) {
		any |= words[i];
		all &= words[i] | -(uint32_t)(words[i] == 0);
	}
	return (any ^ all) & ~LEDGER_TAG_MASK ? 0 : any;
}

/* One leaf. *ret_free are its free pages, those beyond the edge too. */
static int scan_leaf(struct scan *scan, uint32_t base, uint64_t *ret_free)
{
	struct zone *zone = scan->zone;
	const uint32_t *words = zone->words + base;
	uint32_t differing = find_differing(words), common = words[0], nr_pages = LEAF_UNITS;
	uint64_t held = LEAF_FULL;

	if (!(differing | common)) {
		*ret_free = base < scan->covered ? 0 : LEAF_FULL;
		return 0;
	}
	if (base < scan->covered)
		return fault(scan,
			     base + (uint32_t)__builtin_ctzll(~ledger_find(words, UINT32_MAX, 0)),
			     "a block starts within another");
	if (word_order(differing | common))
		return scan_heads(scan, base, ret_free);
	if (differing & ~LEDGER_TAG_MASK) {
		common = find_common(words);
		held = common ? ~ledger_find(words, UINT32_MAX, 0) : 0;
		nr_pages = (uint32_t)__builtin_popcountll(held);
	}
	if (!is_plain(common, 0, nr_plain_orders(zone, base), zone->nr_slots))
		return scan_heads(scan, base, ret_free);
	ledger_hold(zone, base, word_slot(common), nr_pages);
	scan->group_pages[word_mobility(common)] += nr_pages;
	zone->nr_recovered += nr_pages;
	*ret_free = ~held;
	return 0;
}

static enum mobility most_pages(const struct scan *scan)
{
	enum mobility most = MOBILITY_UNMOVABLE;

	for (unsigned mobility = 1; mobility < NR_MOBILITIES; mobility++)
		if (scan->group_pages[mobility] > scan->group_pages[most])
			most = (enum mobility)mobility;
	return most;
}

/* Blocks of whole pageblocks are loaded as free, and claimed at the end. */
static int scan_pageblock(struct scan *scan, uint32_t pageblock, uint32_t end)
{
	struct zone *zone = scan->zone;
	uint32_t first = pageblock * PAGEBLOCK_PAGES;
	uint64_t leaves[PAGEBLOCK_LEAVES] = { 0 };
	bool was_covered = first < scan->covered;
	unsigned whole = 0;

	memset(scan->group_pages, 0, sizeof(scan->group_pages));
	for (unsigned i = 0; i < PAGEBLOCK_LEAVES && first + i * LEAF_UNITS < end; i++) {
		uint32_t base = first + i * LEAF_UNITS, word = zone->words[base];
		int r = scan_leaf(scan, base, &leaves[i]);

		if (r)
			return r;
		leaves[i] &= leaf_between(base, 0, zone->edge);
		whole |= (unsigned)(leaves[i] == LEAF_FULL) << i;
		/* Held as one: what is below a large block is all ones. */
		if (base < scan->covered || (word && word_order(word) >= LEDGER_LEAF_ORDER))
			leaves[i] = LEAF_FULL;
	}
	if (was_covered || word_order(zone->words[first]) >= INDEX_PAGEBLOCK_ORDER)
		whole = 0xff;
	index_load(source_index(zone, first), pageblock, leaves, whole, most_pages(scan));
	return 0;
}

/* Visits the words at which blocks of whole pageblocks can start. */
static void claim_large(struct zone *zone, uint32_t end)
{
	for (uint32_t pfn = 0; pfn < end; pfn += PAGEBLOCK_PAGES) {
		uint32_t word = zone->words[pfn];

		if (word_order(word) >= INDEX_PAGEBLOCK_ORDER)
			index_claim(source_index(zone, pfn), pfn, word_order(word),
				    word_mobility(word));
	}
}

static void undo_marks(struct zone *zone, uint32_t end)
{
	for (uint32_t pfn = 0; pfn < end; pfn++) {
		if (word_kind(zone->words[pfn]) == WORD_LEAVING)
			ledger_store(zone, pfn, zone->words[pfn] ^ LEDGER_LEAVING);
		if (word_kind(zone->words[pfn]) == WORD_SHARED)
			zone_share_unmark(zone, pfn);
		if (word_kind(zone->words[pfn]) == WORD_SLAB)
			zone_object_unmark(zone, zone->words[pfn]);
	}
}

static int recover(struct zone *zone, struct zone_fault *ret)
{
	struct scan scan = { .zone = zone, .fault = ret };
	const uint32_t end = zone->header->end;

	for (uint32_t pageblock = 0; pageblock <= (end - 1) / PAGEBLOCK_PAGES; pageblock++) {
		int r = scan_pageblock(&scan, pageblock, end);

		if (r)
			return r;
	}
	index_load_end(&zone->index);
	if (zone->nr_contiguous)
		index_load_end(&zone->contiguous);
	if (scan.has_large)
		claim_large(zone, end);
	share_load_end(&zone->shares);
	slab_load_end(&zone->slabs);
	if (scan.has_marks)
		undo_marks(zone, end);
	return 0;
}

/* Nothing is read: the words are zero. */
static void load_fresh(struct zone *zone)
{
	for (uint32_t first = 0; first < zone->edge; first += PAGEBLOCK_PAGES) {
		uint64_t leaves[PAGEBLOCK_LEAVES];
		unsigned whole = 0;

		for (unsigned i = 0; i < PAGEBLOCK_LEAVES; i++) {
			leaves[i] = leaf_between(first + i * LEAF_UNITS, 0, zone->edge);
			whole |= (unsigned)(leaves[i] == LEAF_FULL) << i;
		}
		index_load(source_index(zone, first), first / PAGEBLOCK_PAGES, leaves, whole,
			   MOBILITY_UNMOVABLE);
	}
	index_load_end(&zone->index);
	if (zone->nr_contiguous)
		index_load_end(&zone->contiguous);
}

int zone_open(struct zone *zone, const struct zone_config *config, void *ledger, void *index,
	      struct zone_fault *ret)
{
	struct ledger_header *header = ledger;
	bool is_fresh;
	const char *what;

	if (!is_shape_possible(config))
		return -EINVAL;
	is_fresh = is_ledger_fresh(header, config);
	if (is_fresh)
		header_format(header, config);
	what = check_header(header, config);
	if (what) {
		*ret = (struct zone_fault){ .what = what };
		return ZONE_E_DAMAGED;
	}
	zone_lay_out(zone, config, ledger, index);
	zone->max_order = header->max_order;
	zone->nr_pages = zone->edge = header->nr_pages;
	if (is_fresh)
		load_fresh(zone);
	else if (recover(zone, ret))
		return ZONE_E_DAMAGED;
	source_set_limit(zone);
	zone_object_move_edge(zone, zone->edge, header->end);
	return 0;
}
