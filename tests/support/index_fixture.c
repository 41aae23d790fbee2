/* SPDX-License-Identifier: MIT */

/* The memory is of the very size that is asked for, so that ASan sees what lies beyond. */

#include "support/index_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/leaf.h"

void index_fixture_assert_valid(const struct index *index)
{
	const char *what = index_validate(index);

	if (what)
		fail_msg("%s", what);
}

void index_fixture_init(struct index_fixture *fixture, uint32_t nr_pages)
{
	size_t size_bytes = index_bytes(nr_pages);

	assert_int_equal(size_bytes % 64, 0);
	fixture->memory = aligned_alloc(64, size_bytes);
	assert_non_null(fixture->memory);
	memset(fixture->memory, 0, size_bytes);
	index_init(&fixture->index, nr_pages, fixture->memory);
	index_fixture_assert_valid(&fixture->index);
}

void index_fixture_init_free(struct index_fixture *fixture, uint32_t nr_pages)
{
	index_fixture_init(fixture, nr_pages);
	index_fixture_give(fixture, 0, nr_pages);
	index_fixture_assert_valid(&fixture->index);
	assert_int_equal(fixture->index.nr_free, nr_pages);
}

void index_fixture_deinit(struct index_fixture *fixture)
{
	free(fixture->memory);
}

void index_fixture_give(struct index_fixture *fixture, uint32_t start, uint32_t end)
{
	for (uint32_t base = start & ~(LEAF_UNITS - 1); base < end; base += LEAF_UNITS)
		index_give_pages(&fixture->index, base, leaf_between(base, start, end));
}

void index_fixture_count(const struct index *index, struct index_counts *ret)
{
	uint32_t cursor = 0;

	memset(ret, 0, sizeof(*ret));
	assert_true(index_count(index, 0, index->nr_pages, UINT32_MAX, &cursor, ret));
}

void index_fixture_assert_all_free(const struct index *index)
{
	struct index_counts counts;
	uint64_t blocks[PAGE_NR_ORDERS] = { 0 };

	index_fixture_assert_valid(index);
	assert_int_equal(index->nr_free, index->nr_pages);
	index_fixture_count(index, &counts);
	for (unsigned kind = 0; kind < INDEX_NR_PAGEBLOCKS; kind++)
		for (unsigned order = 0; order < PAGE_NR_ORDERS; order++)
			blocks[order] += counts.blocks[kind][order];
	for (unsigned order = 0; order < PAGE_ORDER_MAX; order++)
		assert_int_equal(blocks[order], index->nr_pages >> order & 1);
	assert_int_equal(blocks[PAGE_ORDER_MAX], index->nr_pages >> PAGE_ORDER_MAX);
}
