/* SPDX-License-Identifier: MIT */
#pragma once

/* A table of caches on memory of its own. */

#include <stdint.h>

#include "core/cache.h"

#define CACHE_FIXTURE_CACHES (CACHE_NR_GENERAL + 8u)

struct cache_fixture {
	struct cache_record ledger[CACHE_FIXTURE_CACHES] __attribute__((aligned(64)));
	struct cache_layout layouts[CACHE_FIXTURE_CACHES + 1] __attribute__((aligned(64)));
	struct cache_table table;
};

/* For cmocka: the fixture, with the general caches alone, is *state. There is one. */
int cache_fixture_setup(void **state);

/* Opens the table of the ledger as it is, as the next daemon would. */
int cache_fixture_open(struct cache_fixture *fixture, unsigned general_flags);
void cache_fixture_reopen(struct cache_fixture *fixture);

void cache_fixture_assert_valid(const struct cache_fixture *fixture);

struct cache_config cache_fixture_config(const char *name, uint32_t object_bytes, unsigned flags);

/* Returns the number; the table is valid then. */
uint32_t cache_fixture_add(struct cache_fixture *fixture, const char *name, uint32_t object_bytes,
			   unsigned flags);
void cache_fixture_remove(struct cache_fixture *fixture, uint32_t number);
