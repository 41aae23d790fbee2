/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One of the two page allocators under the same workloads: a zone, or the list that it is measured
 * against. Both are called through one predicted branch, which costs both the same.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/list_buddy.h"
#include "core/zone.h"

/* Every block is granted to this client. */
#define SUBJECT_SLOT 7u

struct subject {
	bool is_list;
	uint32_t nr_pages;
	unsigned max_order;
	union {
		struct zone zone;
		struct list_buddy list;
	} u;
	void *table; /* a word or an entry a page */
	size_t table_bytes;
	void *index; /* NULL for the list: it has none */
	size_t index_bytes;
};

/*
 * Maps the memory of an allocator of nr_pages pages, none of it touched, and makes it ready: all
 * pages free, in blocks of the largest order there is. 0 or a negative errno.
 */
int subject_init(struct subject *subject, bool is_list, uint32_t nr_pages);
void subject_deinit(struct subject *subject);

/* All free again, with this top order; afterwards all of the memory has been touched. */
void subject_reset(struct subject *subject, unsigned max_order);

double subject_metadata_bytes_per_page(const struct subject *subject);
uint64_t subject_nr_free_pages(const struct subject *subject);

static inline int subject_alloc(struct subject *subject, unsigned order, uint32_t *ret_pfn)
{
	struct word_owner owner = { .slot = SUBJECT_SLOT, .tag = 1 };

	if (subject->is_list)
		return list_buddy_alloc(&subject->u.list, order, owner, ret_pfn);
	return zone_alloc(&subject->u.zone, order, owner, ret_pfn);
}

static inline int subject_free(struct subject *subject, uint32_t pfn, unsigned order)
{
	if (subject->is_list)
		return list_buddy_free(&subject->u.list, pfn, order, SUBJECT_SLOT);
	return zone_free(&subject->u.zone, pfn, order, SUBJECT_SLOT);
}
