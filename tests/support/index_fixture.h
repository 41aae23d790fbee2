/* SPDX-License-Identifier: MIT */
#pragma once

/* An index with its memory, and short ways to bring it into a state. */

#include <stdint.h>

#include "core/index.h"

struct index_fixture {
	struct index index;
	void *memory;
};

/* Nothing of it is free, or all. */
void index_fixture_init(struct index_fixture *fixture, uint32_t nr_pages);
void index_fixture_init_free(struct index_fixture *fixture, uint32_t nr_pages);
void index_fixture_deinit(struct index_fixture *fixture);

/* Gives single pages that are held, from start up to end. */
void index_fixture_give(struct index_fixture *fixture, uint32_t start, uint32_t end);

/* That index_validate() finds nothing wrong; says what if it does. */
void index_fixture_assert_valid(const struct index *index);

/* Counts all of it, at once. */
void index_fixture_count(const struct index *index, struct index_counts *ret);

/* That all pages are free, in the blocks that their number falls into. */
void index_fixture_assert_all_free(const struct index *index);
