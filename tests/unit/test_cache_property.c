/* SPDX-License-Identifier: MIT */

/* Long random histories of a table of caches, beside a simple account of its names. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/cache.h"
#include "support/cache_fixture.h"
#include "support/random.h"

#define NR_NAMES 12u /* more than there are records for */
#define NR_STEPS 20000u

/* What the table must know of a name. */
struct known {
	bool is_used;
	uint32_t number, handle;
	char name[8];
	struct cache_config config;
};

static bool is_known_alike(const struct known *known, const struct cache_config *config)
{
	return known->is_used && known->config.object_bytes == config->object_bytes &&
	       known->config.mobility == config->mobility &&
	       !((known->config.flags ^ config->flags) & (CACHE_CTOR | CACHE_DEBUG));
}

static void assert_known(struct cache_fixture *fixture, const struct known known[NR_NAMES])
{
	uint32_t nr_used = CACHE_NR_GENERAL;

	cache_fixture_assert_valid(fixture);
	for (unsigned i = 0; i < NR_NAMES; i++) {
		uint32_t number = cache_table_find(&fixture->table, known[i].name);

		assert_int_equal(number, known[i].is_used ? known[i].number : CACHES_MAX);
		if (known[i].handle)
			assert_int_equal(cache_number(&fixture->table, known[i].handle), number);
		nr_used += known[i].is_used;
	}
	assert_int_equal(fixture->table.nr_used, nr_used);
}

static void add_random(struct cache_fixture *fixture, struct random *random,
		       struct known known[NR_NAMES], unsigned i)
{
	static const unsigned flags[] = {
		0, CACHE_MERGE, CACHE_MERGE, CACHE_MERGE, CACHE_CTOR | CACHE_MERGE, CACHE_DEBUG
	};
	struct cache_config config = cache_fixture_config(
		known[i].name, 100 + random_below(random, 2), flags[random_below(random, 6)]);
	bool may_merge = config.flags == CACHE_MERGE, has_alike = false;
	uint32_t number = CACHES_MAX;
	int r;

	config.mobility = random_once_in(random, 4) ? MOBILITY_MOVABLE : MOBILITY_UNMOVABLE;
	for (unsigned k = 0; k < NR_NAMES; k++)
		has_alike |= k != i && is_known_alike(&known[k], &config);
	r = cache_table_add(&fixture->table, &config, &number);
	if (known[i].is_used) {
		assert_int_equal(r, is_known_alike(&known[i], &config) ? 0 : CACHE_E_EXISTS);
		assert_int_equal(number, r ? CACHES_MAX : known[i].number);
		return;
	}
	if (r) {
		assert_int_equal(r, CACHE_E_FULL);
		for (uint32_t k = CACHE_NR_GENERAL; k < CACHE_FIXTURE_CACHES; k++)
			assert_int_not_equal(fixture->table.records[k].state, CACHE_FREE);
		return;
	}
	assert_int_equal(cache_target(&fixture->table, number) != number, may_merge && has_alike);
	known[i].is_used = true;
	known[i].number = number;
	known[i].handle = cache_handle(&fixture->table, number);
	known[i].config = config;
}

static void remove_random(struct cache_fixture *fixture, struct known known[NR_NAMES], unsigned i)
{
	uint32_t target = cache_target(&fixture->table, known[i].number);
	bool is_last = true;

	for (unsigned k = 0; k < NR_NAMES; k++)
		if (k != i && known[k].is_used &&
		    cache_target(&fixture->table, known[k].number) == target)
			is_last = false;
	assert_int_equal(cache_table_is_last(&fixture->table, known[i].number), is_last);
	cache_table_remove(&fixture->table, known[i].number);
	assert_int_equal(cache_has_slabs(&fixture->table, target), !is_last);
	known[i].is_used = false;
}

static void test_cache_is_what_a_long_history_made_of_it(void **state)
{
	struct cache_fixture *fixture = *state;
	struct random random = random_from_environment();
	struct known known[NR_NAMES] = { 0 };

	for (unsigned i = 0; i < NR_NAMES; i++)
		snprintf(known[i].name, sizeof(known[i].name), "name %u", i);
	for (unsigned step = 0; step < NR_STEPS; step++) {
		unsigned i = random_below(&random, NR_NAMES);

		if (known[i].is_used && random_once_in(&random, 2))
			remove_random(fixture, known, i);
		else
			add_random(fixture, &random, known, i);
		if (random_once_in(&random, 10))
			cache_fixture_reopen(fixture);
		assert_known(fixture, known);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cache_is_what_a_long_history_made_of_it,
				       cache_fixture_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
