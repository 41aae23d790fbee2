/* SPDX-License-Identifier: MIT */

/*
 * Granting pages. The index (index.c) says which pages are free, the ledger (word.h) who holds
 * the others; a zone keeps the two in step. What takes pages out of the free is here; zone_free.c
 * brings them back, zone_walk.c goes through what is held, zone_check.c doubts all of it.
 *
 * Order of stores: a grant takes the block out of the index, then stores its word, and is made by
 * that store. The index dies with the process, so only the order of the ledger's words counts, and
 * it counts where one grant has several words: the tails first, the head last, so that a head is
 * proof of the whole.
 *
 * Beside the words a zone counts the pages that each slot holds, and keeps a bitmap of the regions
 * of 1 GiB in which the slot was ever granted something. A client's death then costs a look at
 * those regions alone, and ends as soon as the count is zero.
 *
 * Invariants (zone_validate() proves them): each page is free in the index, or of exactly one block
 * in the ledger; free, held and hole pages add up to the zone; every block's region bit is set.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/ledger.h"
#include "core/zone.h"

#define ZONE_INDEX_MAX 256u /* in a page address */

static size_t round_up(size_t size_bytes, size_t multiple)
{
	return (size_bytes + multiple - 1) / multiple * multiple;
}

/* Whole leaves, so that the words of one can be read without a look at where the zone ends. */
size_t zone_ledger_bytes(const struct zone_config *config)
{
	return round_up(config->nr_pages, LEAF_UNITS) * sizeof(uint32_t);
}

static size_t holders_bytes(const struct zone_config *config)
{
	return round_up(config->nr_slots * sizeof(struct zone_holder), 64);
}

static uint32_t region_words(uint32_t nr_pages)
{
	return (uint32_t)(round_up(nr_pages, UINT32_C(64) << LEDGER_REGION_ORDER) /
			  (UINT32_C(64) << LEDGER_REGION_ORDER));
}

static size_t regions_bytes(const struct zone_config *config)
{
	return round_up(config->nr_slots * sizeof(uint64_t) * region_words(config->nr_pages), 64);
}

size_t zone_index_bytes(const struct zone_config *config)
{
	return index_bytes(config->nr_pages, config->max_order) + holders_bytes(config) +
	       regions_bytes(config);
}

static bool is_shape_possible(const struct zone_config *config)
{
	return config->index < ZONE_INDEX_MAX && config->nr_pages >= 1 &&
	       config->nr_pages <= ZONE_PAGES_MAX && config->max_order <= PAGE_ORDER_MAX &&
	       config->nr_slots >= 1 && config->nr_slots <= WORD_NR_SLOTS;
}

int zone_init(struct zone *zone, const struct zone_config *config, void *ledger, void *index)
{
	uint8_t *memory = index;

	if (!is_shape_possible(config))
		return -EINVAL;
	*zone = (struct zone){
		.words = ledger,
		.region_words = region_words(config->nr_pages),
		.nr_slots = config->nr_slots,
		.index_in_pool = config->index,
	};
	index_init(&zone->index, config->nr_pages, config->max_order, memory);
	memory += index_bytes(config->nr_pages, config->max_order);
	zone->holders = memset(memory, 0, holders_bytes(config));
	memory += holders_bytes(config);
	zone->regions = memset(memory, 0, regions_bytes(config));
	return 0;
}

/* Granting. */

static int grant_failed(struct zone *zone)
{
	zone->counters.failures++;
	return ZONE_E_FULL;
}

static void assert_owner(const struct zone *zone, struct word_owner owner)
{
	assert(owner.slot < zone->nr_slots);
	assert(owner.tag < WORD_NR_TAGS);
	(void)zone;
	(void)owner;
}

static __attribute__((noinline)) int alloc_any(struct zone *zone, unsigned order,
					       struct word_owner owner, uint32_t *ret_pfn)
{
	uint32_t pfn = PAGE_NONE;

	if (order <= zone->index.max_order)
		pfn = index_take(&zone->index, order);
	if (pfn == PAGE_NONE)
		return grant_failed(zone);
	ledger_grant(zone, pfn, order, owner);
	*ret_pfn = pfn;
	return 0;
}

/* The commonest request, a page out of the open leaf, is served without a call. */
int zone_alloc(struct zone *zone, unsigned order, struct word_owner owner, uint32_t *ret_pfn)
{
	assert_owner(zone, owner);
	if (order == 0) {
		uint32_t pfn = index_take_open_page(&zone->index);

		if (pfn != PAGE_NONE) {
			ledger_grant(zone, pfn, 0, owner);
			*ret_pfn = pfn;
			return 0;
		}
	}
	return alloc_any(zone, order, owner, ret_pfn);
}

/* Stores the same word for many single pages of a leaf; returns how many. */
static uint32_t store_words(uint32_t *words, uint64_t mask, uint32_t word)
{
	uint32_t n = 0;

	if (mask == LEAF_FULL) {
		for (unsigned i = 0; i < LEAF_UNITS; i++)
			words[i] = word;
		return LEAF_UNITS;
	}
	for (; mask; mask &= mask - 1, n++)
		words[__builtin_ctzll(mask)] = word;
	return n;
}

/* A leaf's worth of pages at a time. */
static size_t alloc_bulk_pages(struct zone *zone, size_t count, struct word_owner owner,
			       struct page_run *runs, size_t *nr_runs)
{
	size_t granted = 0;
	uint32_t base, n;
	uint64_t mask;

	while (granted < count) {
		mask = index_take_pages(&zone->index, count - granted, &base);
		if (!mask)
			break;
		n = store_words(zone->words + base, mask, word_make(WORD_PAGE, owner, 0));
		ledger_account(zone, base, owner.slot, n, n);
		runs[(*nr_runs)++] =
			(struct page_run){ .base = page_address(zone->index_in_pool, base),
					   .mask = mask };
		granted += n;
	}
	return granted;
}

/* Adds a block to the last of the runs from `first` on if it is near enough, else to a new one. */
static void append_block(uint64_t address, unsigned order, struct page_run *runs, size_t first,
			 size_t *nr_runs)
{
	uint64_t base = address & ~((UINT64_C(64) << order) - 1);

	if (*nr_runs == first || runs[*nr_runs - 1].base != base)
		runs[(*nr_runs)++] = (struct page_run){ .base = base };
	runs[*nr_runs - 1].mask |= UINT64_C(1) << ((address - base) >> order);
}

static size_t alloc_bulk_blocks(struct zone *zone, unsigned order, size_t count,
				struct word_owner owner, struct page_run *runs, size_t *nr_runs)
{
	size_t granted = 0, first = *nr_runs;

	for (; granted < count; granted++) {
		uint32_t pfn = index_take(&zone->index, order);

		if (pfn == PAGE_NONE)
			break;
		ledger_grant(zone, pfn, order, owner);
		append_block(page_address(zone->index_in_pool, pfn), order, runs, first, nr_runs);
	}
	return granted;
}

size_t zone_alloc_bulk(struct zone *zone, unsigned order, size_t count, struct word_owner owner,
		       struct page_run *runs, size_t *nr_runs)
{
	size_t granted = 0;

	assert_owner(zone, owner);
	if (order == 0)
		granted = alloc_bulk_pages(zone, count, owner, runs, nr_runs);
	else if (order <= zone->index.max_order)
		granted = alloc_bulk_blocks(zone, order, count, owner, runs, nr_runs);
	/* The words may have been stored in any order, but before whatever tells of them. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	if (granted < count)
		grant_failed(zone);
	return granted;
}

int zone_alloc_exact(struct zone *zone, uint32_t nr_pages, struct word_owner owner,
		     uint32_t *ret_pfn)
{
	uint32_t pfn, behind = nr_pages;

	assert_owner(zone, owner);
	if (nr_pages == 0 || nr_pages > UINT32_C(1) << zone->index.max_order)
		return grant_failed(zone);
	pfn = index_take_exact(&zone->index, nr_pages);
	if (pfn == PAGE_NONE)
		return grant_failed(zone);
	for (uint32_t rest = nr_pages; rest; rest &= rest - 1) {
		unsigned last = (unsigned)__builtin_ctz(rest);

		behind -= UINT32_C(1) << last;
		ledger_grant(zone, pfn + behind, last, owner);
	}
	*ret_pfn = pfn;
	return 0;
}

/* Holes. */

/* The pages of a range that lie in the leaf at `base`. */
static uint64_t range_in_leaf(uint32_t base, uint32_t start, uint32_t end)
{
	uint64_t mask = LEAF_FULL;

	if (start > base)
		mask &= LEAF_FULL << (start - base);
	if (end - base < LEAF_UNITS)
		mask &= (UINT64_C(1) << (end - base)) - 1;
	return mask;
}

static bool is_range_free(const struct zone *zone, uint32_t start, uint32_t end)
{
	for (uint32_t base = start - start % LEAF_UNITS; base < end; base += LEAF_UNITS)
		if (range_in_leaf(base, start, end) & ~index_free_pages(&zone->index, base))
			return false;
	return true;
}

/* The largest block that starts at `start` and ends by `end`. */
static unsigned first_order(uint32_t start, uint32_t end, unsigned max_order)
{
	unsigned order = 31u - (unsigned)__builtin_clz(end - start);

	if (start && (unsigned)__builtin_ctz(start) < order)
		order = (unsigned)__builtin_ctz(start);
	return order < max_order ? order : max_order;
}

int zone_mark_hole(struct zone *zone, uint32_t pfn, uint32_t nr_pages)
{
	const struct word_owner owner = { .slot = WORD_SLOT_DAEMON };
	uint32_t end = pfn + nr_pages;

	if (nr_pages == 0 || pfn >= zone->index.nr_pages || nr_pages > zone->index.nr_pages - pfn)
		return ZONE_E_RANGE;
	if (!is_range_free(zone, pfn, end))
		return ZONE_E_NOT_HEAD;
	while (pfn < end) {
		unsigned order = first_order(pfn, end, zone->index.max_order);

		index_claim(&zone->index, pfn, order);
		ledger_store(zone, pfn, word_make(WORD_HOLE, owner, order));
		pfn += UINT32_C(1) << order;
	}
	zone->nr_holes += nr_pages;
	return 0;
}

/* Sizes and counts. */

uint32_t zone_nr_pages(const struct zone *zone)
{
	return zone->index.nr_pages;
}

uint32_t zone_nr_free(const struct zone *zone)
{
	return zone->index.nr_free;
}

uint32_t zone_nr_holes(const struct zone *zone)
{
	return zone->nr_holes;
}

unsigned zone_max_order(const struct zone *zone)
{
	return zone->index.max_order;
}

uint64_t zone_held_pages(const struct zone *zone, unsigned slot)
{
	assert(slot < zone->nr_slots);
	return zone->holders[slot].nr_pages;
}

const struct zone_counters *zone_counters(const struct zone *zone)
{
	return &zone->counters;
}

bool zone_count_free(const struct zone *zone, uint32_t max_pages, uint32_t *cursor,
		     uint64_t nr_blocks[PAGE_NR_ORDERS])
{
	return index_count(&zone->index, max_pages / LEAF_UNITS + 1, cursor, nr_blocks);
}

int zone_largest_free(const struct zone *zone)
{
	return index_largest(&zone->index);
}
