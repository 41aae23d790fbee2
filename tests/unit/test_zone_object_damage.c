/* SPDX-License-Identifier: MIT */

/* Which slabs and objects in a ledger are not believed; such a ledger is left alone. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "support/objects.h"
#include "support/random.h"
#include "support/zone_fixture.h"

static struct objects objects;

static uint32_t pfn_of(const struct object_run *run)
{
	return (uint32_t)page_address_pfn(run->base >> PAGE_SHIFT);
}

/* The words of the slab that a run lies in; the run starts with its first object. */
static uint32_t *words_of(const struct zone_fixture *fixture, const struct object_run *run)
{
	struct zone_slab slab;

	assert_true(zone_find_slab(&fixture->zone, pfn_of(run), &slab));
	return slab_words(&fixture->zone.slabs, slab.number);
}

static void assert_damaged(struct zone_fixture *fixture, uint32_t pfn, const char *what)
{
	uint8_t *saved = zone_fixture_save(fixture);
	struct zone_fault fault = { .pfn = 99999, .what = "nothing" };

	assert_int_equal(zone_fixture_open(fixture, &fault), ZONE_E_DAMAGED);
	zone_fixture_assert_saved(fixture, saved);
	assert_string_equal(fault.what, what);
	assert_int_equal(fault.pfn, pfn);
}

/* Damages a field for as long as it takes to look. */
#define assert_field_damaged(fixture, field, value, pfn, reason)                                   \
	do {                                                                                       \
		const __typeof__(field) saved = (field);                                           \
		(field) = (value);                                                                 \
		assert_damaged(fixture, pfn, reason);                                              \
		(field) = saved;                                                                   \
	} while (0)

static void test_zone_object_open_doubts_pages_of_slabs(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t large = objects_cache(fixture, 5000, 0), pfn, number, *word, order;

	order = objects_layout(fixture, large)->order;
	objects_grant(fixture, large, 3, FIRST, &objects);
	pfn = pfn_of(&objects.runs[0]) & ~((1u << order) - 1);
	word = &fixture->words[pfn];
	number = word_share(*word);
	assert_field_damaged(fixture, *word, word_make_slab(OBJECTS_UNITS, 0, order), pfn,
			     "a slab's number is that of none");
	assert_field_damaged(fixture, *word, word_make_slab(WORD_NR_SHARES - 1, 0, order), pfn,
			     "a slab's number is that of none");
	assert_field_damaged(fixture, *word, word_make_slab(number + 1, 0, order), pfn,
			     "a slab is of no cache");
	for (unsigned wrong = 0; wrong < 12; wrong++)
		if (wrong != order)
			assert_field_damaged(fixture, *word, word_make_slab(number, 0, wrong), pfn,
					     "a slab is not of its cache's order");
	assert_field_damaged(fixture, *word, word_make_slab(number, 3, order), pfn,
			     "a block is of no known mobility");
	assert_field_damaged(fixture, *word, word_make_slab(number, 0, 13), pfn,
			     "a block is larger than the largest order");
	assert_field_damaged(fixture, fixture->words[pfn + 1], word_make_slab(number, 0, order),
			     pfn + 1, "a block starts within another");
	assert_field_damaged(fixture, fixture->words[2049], word_make_slab(number, 0, order), 2049,
			     "a block is not aligned to its order");
	zone_fixture_reopen(fixture);
}

static void test_zone_object_open_doubts_slabs_that_overlap(void **state)
{
	struct zone_fixture *fixture = *state;
	const char *what = "the words of two slabs overlap";
	uint32_t first, second, number, *word;

	objects_grant(fixture, 0, 300, FIRST, &objects);
	first = pfn_of(&objects.runs[0]);
	second = pfn_of(&objects.runs[4]);
	assert_true(first < second);
	word = &fixture->words[second];
	number = word_share(fixture->words[first]);
	assert_field_damaged(fixture, *word, word_make_slab(number, 0, 0), second, what);
	fixture->zone.slabs.owners[number + 4] = 1;
	assert_field_damaged(fixture, *word, word_make_slab(number + 4, 0, 0), second, what);
	fixture->zone.slabs.owners[OBJECTS_UNITS - 8] = 1;
	assert_field_damaged(fixture, *word, word_make_slab(OBJECTS_UNITS - 8, 0, 0), second,
			     "a slab's number is that of none");
	/* Of two that name one, it is the later that is doubted, wherever it lies. */
	assert_field_damaged(fixture, fixture->words[4000], word_make_slab(number, 0, 0), 4000,
			     what);
	zone_fixture_reopen(fixture);
}

static void test_zone_object_open_doubts_caches(void **state)
{
	struct zone_fixture *fixture = *state;
	const char *what = "a slab is of no cache";
	uint32_t cache = objects_cache(fixture, 100, 0), pfn, number;
	uint16_t *owner;

	objects_grant(fixture, cache, 3, FIRST, &objects);
	pfn = pfn_of(&objects.runs[0]);
	number = word_share(fixture->words[pfn]);
	owner = &fixture->zone.slabs.owners[number];
	assert_field_damaged(fixture, *owner, 0, pfn, what);
	assert_field_damaged(fixture, *owner, (uint16_t)(cache + 2), pfn, what);
	assert_field_damaged(fixture, *owner, ZONE_FIXTURE_CACHES + 1, pfn, what);
	assert_field_damaged(fixture, *owner, UINT16_MAX, pfn, what);
	/* One with slabs of another order. */
	assert_field_damaged(fixture, *owner, 40, pfn, "a slab is not of its cache's order");
	zone_fixture_reopen(fixture);
	objects_give(fixture, cache, FIRST, &objects);
	zone_shrink_cache(&fixture->zone, cache);
	cache_table_remove(&fixture->caches, cache);
	zone_fixture_reopen(fixture);
}

static void test_zone_object_open_doubts_words_of_objects(void **state)
{
	const struct word_owner nobody = { .slot = ZONE_FIXTURE_SLOTS };
	struct zone_fixture *fixture = *state;
	uint32_t pfn, *words;

	objects_grant(fixture, 0, 100, FIRST, &objects);
	pfn = pfn_of(&objects.runs[0]);
	words = words_of(fixture, &objects.runs[0]);
	for (uint32_t i = 0; i < 256; i += 51) {
		for (unsigned kind = WORD_SLAB; kind < 8; kind++)
			if (kind != WORD_LEAVING)
				assert_field_damaged(fixture, words[i],
						     word_make(kind, objects_owner(FIRST), 0), pfn,
						     "an object is of no known kind");
		assert_field_damaged(fixture, words[i], word_make(WORD_PAGE, nobody, 0), pfn,
				     "an object's holder is no slot");
		assert_field_damaged(fixture, words[i], word_make(WORD_LEAVING, nobody, 0), pfn,
				     "an object's holder is no slot");
		assert_field_damaged(fixture, words[i],
				     word_make(WORD_PAGE, objects_owner(FIRST), 1), pfn,
				     "an object's word can't be one");
		assert_field_damaged(fixture, words[i], 2u << WORD_MOBILITY_SHIFT, pfn,
				     "an object's word can't be one");
		assert_field_damaged(fixture, words[i], 1, pfn, "an object's word can't be one");
	}
	zone_fixture_reopen(fixture);
}

/* Marks are undone only when all else is sound: here a page behind the marks is not. */
static void test_zone_object_open_leaves_damage_alone(void **state)
{
	struct zone_fixture *fixture = *state;
	uint64_t bytes;
	unsigned at;

	objects_grant(fixture, 0, 10, FIRST, &objects);
	assert_int_equal(
		zone_leave_objects(&fixture->zone, 0, FIRST, &objects.runs[0], &bytes, &at), 0);
	fixture->words[4001] = word_make(WORD_SCRUB, objects_owner(FIRST), 0);
	assert_damaged(fixture, 4001, "a block is of no known kind");
}

static void test_zone_object_open_doubts_shapes(void **state)
{
	struct zone_fixture *fixture = *state;
	struct zone_config config = fixture->config;
	struct zone_fault fault = { .what = "" };
	struct zone zone;

	config.nr_slab_units = SLAB_ROOM_UNITS + 1;
	assert_int_equal(zone_open(&zone, &config, NULL, NULL, &fault), -EINVAL);
	config.nr_slab_units = SLAB_UNITS_MAX + SLAB_ROOM_UNITS;
	assert_int_equal(zone_open(&zone, &config, NULL, NULL, &fault), -EINVAL);
	config.nr_slab_units = SLAB_ROOM_UNITS;
	config.caches = NULL;
	assert_int_equal(zone_open(&zone, &config, NULL, NULL, &fault), -EINVAL);
	zone_fixture_header(fixture)->nr_slab_units = 0;
	assert_damaged(fixture, 0, "the ledger is of another shape");
	zone_fixture_header(fixture)->nr_slab_units = 2 * SLAB_ROOM_UNITS;
	assert_damaged(fixture, 0, "the ledger is of another shape");
}

/* Objects count as blocks do: a ledger that has words of them, but no header, was never made. */
static void test_zone_object_open_doubts_words_without_a_header(void **state)
{
	struct zone_fixture *fixture = *state;

	objects_grant(fixture, 0, 256, FIRST, &objects);
	fixture->words[pfn_of(&objects.runs[0])] = 0;
	zone_fixture_header(fixture)->magic = 0;
	assert_damaged(fixture, 0, "this is no ledger");
}

/*
 * Whatever stands in a ledger: it is refused and left alone, or is a sound zone. A seed repeats a
 * run.
 */
static struct random chance;

static void damage(struct zone_fixture *fixture)
{
	struct slab_table *slabs = &fixture->zone.slabs;
	uint32_t pfn = random_below(&chance, 80), unit = random_below(&chance, 200);
	uint32_t *word = &slabs->words[unit * SLAB_UNIT_WORDS + random_below(&chance, 16)];

	switch (random_below(&chance, 6)) {
	case 0:
		fixture->words[pfn] ^= UINT32_C(1) << random_below(&chance, 32);
		break;
	case 1:
		fixture->words[pfn] =
			word_make_slab(random_below(&chance, 300), 0, random_below(&chance, 4));
		break;
	case 2:
		slabs->owners[unit] = (uint16_t)random_below(&chance, 45);
		break;
	case 3:
		*word ^= UINT32_C(1) << random_below(&chance, 32);
		break;
	case 4:
		*word = (uint32_t)random_next(&chance);
		break;
	default:
		memset(&slabs->words[unit * SLAB_UNIT_WORDS], (int)random_below(&chance, 256), 64);
	}
}

/* A slab of each of a few caches, some objects of them held by two, and pages between. */
static struct zone_fixture *damageable_new(void)
{
	struct zone_fixture *fixture = objects_fixture_new(500, 0, 0, OBJECTS_UNITS);
	const uint32_t caches[] = { 0,
				    3,
				    12,
				    objects_cache(fixture, 100, CACHE_CTOR),
				    objects_cache(fixture, 50, CACHE_DEBUG),
				    objects_cache(fixture, 3000, CACHE_DEBUG | CACHE_CTOR) };

	for (unsigned i = 0; i < 24; i++) {
		objects_grant(fixture, caches[i % 6], 10 + i, i % 4 < 2 ? FIRST : SECOND, &objects);
		if (i % 5 == 4)
			objects_give(fixture, caches[i % 6], i % 4 < 2 ? FIRST : SECOND, &objects);
		zone_fixture_grant(fixture, i % 2, objects_owner(THIRD));
	}
	return fixture;
}

static void test_zone_object_open_survives_any_ledger(void **state)
{
	struct zone_fixture *fixture = damageable_new();
	size_t size_bytes = zone_ledger_bytes(&fixture->config);
	uint8_t *good = zone_fixture_save(fixture);
	unsigned nr_damaged = 0, nr_rounds = 4000;

	(void)state;
	chance = random_from_environment();
	for (unsigned i = 0; i < nr_rounds; i++) {
		struct zone_fault fault = { .what = NULL };
		uint8_t *bad;

		memcpy(fixture->ledger, good, size_bytes);
		damage(fixture);
		bad = zone_fixture_save(fixture);
		if (zone_fixture_open(fixture, &fault)) {
			zone_fixture_assert_saved(fixture, bad);
			assert_non_null(fault.what);
			nr_damaged++;
		} else {
			zone_fixture_assert_sound(fixture);
			free(bad);
		}
	}
	assert_in_range(nr_damaged, nr_rounds / 5, nr_rounds - 1);
	free(good);
	zone_fixture_free(fixture);
}

#define open_test(name) cmocka_unit_test_setup_teardown(name, objects_setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		open_test(test_zone_object_open_doubts_pages_of_slabs),
		open_test(test_zone_object_open_doubts_slabs_that_overlap),
		open_test(test_zone_object_open_doubts_caches),
		open_test(test_zone_object_open_doubts_words_of_objects),
		open_test(test_zone_object_open_leaves_damage_alone),
		open_test(test_zone_object_open_doubts_shapes),
		open_test(test_zone_object_open_doubts_words_without_a_header),
		cmocka_unit_test(test_zone_object_open_survives_any_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
