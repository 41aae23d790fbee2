/* SPDX-License-Identifier: MIT */
/*
 * A buddy allocator with linked lists, as Knuth (The Art of Computer Programming, volume 1, 2.5)
 * tells it and as kernels have it.
 *
 * Free blocks of an order form a list, last in, first out; a block is taken from the smallest order
 * that has one, its upper halves go to the lists below; a free looks at its buddy and merges as
 * long as that is free too. All of it is O(orders). What it costs is memory traffic: each step
 * writes the neighbours in a list, which lie anywhere.
 *
 * To be a fair peer it keeps the same word of who owns a block as a zone's ledger does, and checks
 * it on free with one compare, on the cache line that it writes anyway. A free block's head has a
 * word of a kind that ledgers do not use, so that a buddy is recognised by one compare as well.
 */

#include "bench/list_buddy.h"

#include <assert.h>

static uint32_t free_word(unsigned order)
{
	return UINT32_C(7) << WORD_KIND_SHIFT | order;
}

static void push(struct list_buddy *list, uint32_t pfn, unsigned order)
{
	struct list_buddy_page *page = &list->pages[pfn];
	uint32_t head = list->heads[order];

	page->next = head;
	page->prev = PAGE_NONE;
	page->word = free_word(order);
	if (head != PAGE_NONE)
		list->pages[head].prev = pfn;
	list->heads[order] = pfn;
	list->nonempty |= 1u << order;
	list->nr_free[order]++;
}

static void unlink_block(struct list_buddy *list, uint32_t pfn, unsigned order)
{
	struct list_buddy_page *page = &list->pages[pfn];

	if (page->next != PAGE_NONE)
		list->pages[page->next].prev = page->prev;
	if (page->prev != PAGE_NONE)
		list->pages[page->prev].next = page->next;
	else
		list->heads[order] = page->next;
	if (list->heads[order] == PAGE_NONE)
		list->nonempty &= ~(1u << order);
	page->word = 0;
	list->nr_free[order]--;
}

void list_buddy_init(struct list_buddy *list, uint32_t nr_pages, unsigned max_order,
		     struct list_buddy_page *pages)
{
	uint32_t block_pages = 1u << max_order;

	assert(max_order <= PAGE_ORDER_MAX && nr_pages % block_pages == 0);
	*list = (struct list_buddy){ .pages = pages, .nr_pages = nr_pages, .max_order = max_order };
	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
		list->heads[order] = PAGE_NONE;
	/* Downwards, so that the lowest block is granted first. */
	for (uint32_t pfn = nr_pages; pfn > 0; pfn -= block_pages)
		push(list, pfn - block_pages, max_order);
}

static inline int alloc(struct list_buddy *list, unsigned order, struct word_owner owner,
			uint32_t *ret_pfn)
{
	uint32_t fits = list->nonempty >> order;
	unsigned at;
	uint32_t pfn;

	if (!fits)
		return -1;
	at = order + (unsigned)__builtin_ctz(fits);
	pfn = list->heads[at];
	unlink_block(list, pfn, at);
	while (at > order) {
		at--;
		push(list, pfn + (1u << at), at);
	}
	list->pages[pfn].word = word_make(WORD_PAGE, owner, order);
	*ret_pfn = pfn;
	return 0;
}

static inline int free_block(struct list_buddy *list, uint32_t pfn, unsigned order, unsigned slot)
{
	const uint32_t tag_mask = (WORD_NR_TAGS - 1) << WORD_TAG_SHIFT;
	struct word_owner owner = { .slot = (uint16_t)slot };

	if (pfn >= list->nr_pages ||
	    (list->pages[pfn].word & ~tag_mask) != word_make(WORD_PAGE, owner, order))
		return -1;
	list->pages[pfn].word = 0;
	while (order < list->max_order) {
		uint32_t buddy = pfn ^ (1u << order);

		if (list->pages[buddy].word != free_word(order))
			break;
		unlink_block(list, buddy, order);
		pfn &= ~(1u << order);
		order++;
	}
	push(list, pfn, order);
	return 0;
}

int list_buddy_alloc(struct list_buddy *list, unsigned order, struct word_owner owner,
		     uint32_t *ret_pfn)
{
	return alloc(list, order, owner, ret_pfn);
}

int list_buddy_free(struct list_buddy *list, uint32_t pfn, unsigned order, unsigned slot)
{
	return free_block(list, pfn, order, slot);
}

unsigned list_buddy_alloc_bulk(struct list_buddy *list, unsigned count, struct word_owner owner,
			       uint32_t *ret_pfns)
{
	unsigned i = 0;

	while (i < count && alloc(list, 0, owner, &ret_pfns[i]) == 0)
		i++;
	return i;
}

unsigned list_buddy_free_bulk(struct list_buddy *list, unsigned count, unsigned slot,
			      const uint32_t *pfns)
{
	unsigned i = 0;

	while (i < count && free_block(list, pfns[i], 0, slot) == 0)
		i++;
	return i;
}

uint64_t list_buddy_nr_free_pages(const struct list_buddy *list)
{
	uint64_t nr_pages = 0;

	for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
		nr_pages += list->nr_free[order] << order;
	return nr_pages;
}
