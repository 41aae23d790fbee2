/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The baseline: the textbook buddy allocator, free blocks on doubly linked lists that run through
 * an array of 16 bytes a page. It grants and checks what a zone does, at the same calls.
 */

#include <stdint.h>

#include "core/page.h"
#include "core/word.h"

struct list_buddy_page {
	uint32_t next, prev; /* pfn within the list of its order, or PAGE_NONE */
	uint32_t word;       /* of an allocated block's head as in a ledger, or of a free block's */
	uint32_t spare;      /* a power of two is what makes an index a shift */
};

struct list_buddy {
	struct list_buddy_page *pages; /* borrowed */
	uint32_t nr_pages;
	unsigned max_order;
	uint32_t nonempty; /* bit i: the list of order i has a block */
	uint32_t heads[PAGE_NR_ORDERS];
	uint64_t nr_free[PAGE_NR_ORDERS]; /* blocks */
};

/* nr_pages: a multiple of the largest block. `pages`: zeroed, nr_pages of them. */
void list_buddy_init(struct list_buddy *list, uint32_t nr_pages, unsigned max_order,
		     struct list_buddy_page *pages);

/* 0, or -1 when no block is large enough. */
int list_buddy_alloc(struct list_buddy *list, unsigned order, struct word_owner owner,
		     uint32_t *ret_pfn);

/* 0, or -1 and nothing happens when `slot` holds no block of that order there. */
int list_buddy_free(struct list_buddy *list, uint32_t pfn, unsigned order, unsigned slot);

/*
 * The same for many single pages. There is no better way than one after the other, but no call a
 * page is needed. Returns how many were granted or freed before the first that could not be.
 */
unsigned list_buddy_alloc_bulk(struct list_buddy *list, unsigned count, struct word_owner owner,
			       uint32_t *ret_pfns);
unsigned list_buddy_free_bulk(struct list_buddy *list, unsigned count, unsigned slot,
			      const uint32_t *pfns);

uint64_t list_buddy_nr_free_pages(const struct list_buddy *list);
