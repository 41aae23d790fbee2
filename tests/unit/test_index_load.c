/* SPDX-License-Identifier: MIT */

/*
 * Loading an index, against one that was brought into the same state by giving all pages and
 * claiming what is held. The two must be the same to the last bit: an index follows from what is
 * free, what is held as one, and the groups.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/index.h"
#include "core/leaf.h"
#include "support/index_fixture.h"
#include "support/index_model.h"
#include "support/random.h"

static const uint32_t sizes[] = { 1,    63,   64,   65,    511,   512,    513,
				  1024, 4097, 5000, 32769, 70000, 300001, (UINT32_C(1) << 21) + 5 };

#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static uint32_t nr_pageblocks(const struct index_model *model)
{
	return (model->nr_pages - 1) / INDEX_PAGEBLOCK_PAGES + 1;
}

/* The largest order of a block that starts here and fits, up to order_max. */
static unsigned fitting_order(const struct index_model *model, uint32_t pfn, unsigned order_max)
{
	unsigned order = order_max;

	while (pfn & ((UINT32_C(1) << order) - 1) || UINT32_C(1) << order > model->nr_pages - pfn)
		order--;
	return order;
}

/* Holds blocks of orders up to order_max; about one in `nr_free` + 1 is held, the others are free.
 */
static void hold_some(struct index_model *model, struct random *random, unsigned order_max,
		      unsigned nr_free)
{
	for (uint32_t pfn = 0; pfn < model->nr_pages;) {
		unsigned order = fitting_order(model, pfn, random_below(random, order_max + 1));

		if (random_once_in(random, nr_free + 1))
			index_model_hold(model, pfn, order, random_below(random, INDEX_NR_GROUPS));
		pfn += UINT32_C(1) << order;
	}
}

static uint32_t next_held(const struct index_model *model, uint32_t pfn)
{
	uint32_t held;

	if (pfn >= model->nr_pages || !index_model_find_held(model, pfn, &held) || held < pfn)
		return PAGE_NONE;
	return held;
}

static void give_and_claim(const struct index_model *model, struct index_fixture *fixture)
{
	index_fixture_init_free(fixture, model->nr_pages);
	for (uint32_t pfn = 0; (pfn = next_held(model, pfn)) != PAGE_NONE;
	     pfn += UINT32_C(1) << model->orders[pfn])
		index_claim(&fixture->index, pfn, model->orders[pfn],
			    (enum mobility)model->groups[pfn / INDEX_PAGEBLOCK_PAGES]);
}

/* What index_load() is to be told of 64 pages: bits of those that are free, or are held as one. */
static uint64_t leaf_told(const struct index_model *model, uint32_t base)
{
	if (base >= model->nr_pages)
		return 0;
	for (unsigned order = 6; order < INDEX_PAGEBLOCK_ORDER; order++) {
		uint32_t head = base & ~((UINT32_C(1) << order) - 1);

		if (model->heads[head / 64] >> head % 64 & 1 && model->orders[head] >= order)
			return LEAF_FULL;
	}
	return model->free[base / LEAF_UNITS];
}

static void load_pageblock(const struct index_model *model, struct index *index, uint32_t pageblock)
{
	uint64_t leaves[INDEX_PAGEBLOCK_LEAVES];
	unsigned whole = 0;

	for (uint32_t i = 0; i < INDEX_PAGEBLOCK_LEAVES; i++) {
		uint32_t base = pageblock * INDEX_PAGEBLOCK_PAGES + i * LEAF_UNITS;

		leaves[i] = leaf_told(model, base);
		if (index_model_is_free(model, base, 6))
			whole |= 1u << i;
	}
	if (index_model_pageblock(model, pageblock) == INDEX_PAGEBLOCK_HELD)
		whole = 0xff;
	index_load(index, pageblock, leaves, whole, (enum mobility)model->groups[pageblock]);
}

/* Pageblocks in an order of their own: `stride` has no divisor in common with their number. */
static void load(const struct index_model *model, struct index_fixture *fixture, uint32_t stride)
{
	const uint32_t nr = nr_pageblocks(model);

	index_fixture_init(fixture, model->nr_pages);
	for (uint32_t i = 0; i < nr; i++)
		load_pageblock(model, &fixture->index, (uint32_t)((uint64_t)i * stride % nr));
	index_load_end(&fixture->index);
	for (uint32_t pfn = 0; (pfn = next_held(model, pfn)) != PAGE_NONE;
	     pfn += UINT32_C(1) << model->orders[pfn])
		if (model->orders[pfn] >= INDEX_PAGEBLOCK_ORDER)
			index_claim(&fixture->index, pfn, model->orders[pfn], MOBILITY_UNMOVABLE);
}

static void assert_same(const struct index_fixture *a, const struct index_fixture *b)
{
	assert_int_equal(a->index.nr_free, b->index.nr_free);
	for (unsigned i = 0; i < INDEX_NR_LEVELS; i++)
		assert_memory_equal(a->index.levels[i].classes, b->index.levels[i].classes,
				    sizeof(a->index.levels[i].classes));
	assert_memory_equal(a->memory, b->memory, index_bytes(a->index.nr_pages));
}

static void compare(const struct index_model *model)
{
	struct index_fixture given, loaded;

	give_and_claim(model, &given);
	index_model_assert_agrees(model, &given.index);
	/* A prime, and larger than the number of pageblocks. */
	load(model, &loaded, 1000003);
	index_model_assert_agrees(model, &loaded.index);
	assert_same(&given, &loaded);
	index_fixture_deinit(&given);
	index_fixture_deinit(&loaded);
}

static void test_index_load_agrees_with_gives(void **state)
{
	struct random random = random_from(3);

	(void)state;
	for (size_t i = 0; i < NR_SIZES; i++)
		for (unsigned nr_free = 0; nr_free < 64; nr_free = nr_free * 4 + 1) {
			static const unsigned orders[] = { 0, 5, 9, PAGE_ORDER_MAX };
			struct index_model model;

			for (unsigned n = 0; n < 4; n++) {
				index_model_init(&model, sizes[i]);
				hold_some(&model, &random, orders[n], nr_free);
				compare(&model);
				index_model_deinit(&model);
			}
		}
}

static void test_index_load_takes_all_free(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_SIZES; i++) {
		struct index_model model;

		index_model_init(&model, sizes[i]);
		compare(&model);
		index_model_deinit(&model);
	}
}

/* What is not told has nothing free. */
static void test_index_load_leaves_out_what_is_not_told(void **state)
{
	const uint64_t leaves[INDEX_PAGEBLOCK_LEAVES] = { [2] = 0xf0, [7] = LEAF_FULL };
	struct index_fixture fixture;

	(void)state;
	index_fixture_init(&fixture, 100000);
	index_load(&fixture.index, 77, leaves, 0x80, MOBILITY_RECLAIMABLE);
	index_load_end(&fixture.index);
	index_fixture_assert_valid(&fixture.index);
	assert_int_equal(fixture.index.nr_free, 68);
	assert_int_equal(index_pageblock(&fixture.index, 77), INDEX_PAGEBLOCK_RECLAIMABLE);
	assert_int_equal(index_pageblock(&fixture.index, 76), INDEX_PAGEBLOCK_UNMOVABLE);
	assert_int_equal(index_take(&fixture.index, 0, MOBILITY_UNMOVABLE), PAGE_NONE);
	assert_int_equal(index_take(&fixture.index, 2, MOBILITY_RECLAIMABLE), 77 * 512 + 132);
	assert_int_equal(index_take(&fixture.index, 2, MOBILITY_RECLAIMABLE), 77 * 512 + 448);
	index_fixture_deinit(&fixture);
}

/* A loaded index goes on as the other would. */
static void test_index_load_serves_the_same_blocks(void **state)
{
	struct random random = random_from(5);
	struct index_fixture given, loaded;
	struct index_model model;

	(void)state;
	index_model_init(&model, 100003);
	hold_some(&model, &random, 12, 2);
	give_and_claim(&model, &given);
	load(&model, &loaded, 1);
	for (unsigned i = 0; i < 30000; i++) {
		unsigned order = random_below(&random, 4);
		enum mobility group = (enum mobility)random_below(&random, INDEX_NR_GROUPS);
		uint32_t pfn = index_take(&given.index, order, group);

		assert_int_equal(index_take(&loaded.index, order, group), pfn);
		if (pfn == PAGE_NONE)
			assert_int_equal(index_steal(&given.index, order, group),
					 index_steal(&loaded.index, order, group));
	}
	assert_same(&given, &loaded);
	index_fixture_deinit(&given);
	index_fixture_deinit(&loaded);
	index_model_deinit(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_load_agrees_with_gives),
		cmocka_unit_test(test_index_load_takes_all_free),
		cmocka_unit_test(test_index_load_leaves_out_what_is_not_told),
		cmocka_unit_test(test_index_load_serves_the_same_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
