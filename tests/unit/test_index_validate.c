/* SPDX-License-Identifier: MIT */

/* That index_validate() notices damage: every single bit that means something, flipped. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/index.h"
#include "core/leaf.h"
#include "support/index_fixture.h"

/* Each bit of `mask` at a word, in turn; each is mended before the next. */
static void flip_word(const struct index *index, uint64_t *word, uint64_t mask)
{
	for (; mask; mask &= mask - 1) {
		*word ^= mask & -mask;
		assert_non_null(index_validate(index));
		*word ^= mask & -mask;
	}
}

static void flip_byte(const struct index *index, uint8_t *byte)
{
	for (unsigned bit = 0; bit < 8; bit++) {
		*byte ^= (uint8_t)(1u << bit);
		assert_non_null(index_validate(index));
		*byte ^= (uint8_t)(1u << bit);
	}
}

static void flip_classes(const struct index *index, struct index_classes *classes, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		for (unsigned class = 0; class < INDEX_NR_CLASSES; class += 1)
			flip_word(index, &classes[i].of[class], UINT64_MAX);
}

static void flip_files(const struct index *index, struct index_level *level)
{
	for (uint32_t i = 0; i < (level->nr_leaves + 63) / 64; i++) {
		uint64_t leaves = leaf_between(i * 64, 0, level->nr_leaves);

		flip_classes(index, &level->files[i].leaves, 1);
		for (unsigned n = 0; n < INDEX_NR_GROUPS - 1; n++)
			flip_word(index, &level->files[i].groups[n], leaves);
	}
}

static void flip_summaries(const struct index *index, struct index_level *level, unsigned group)
{
	flip_classes(index, level->sums[group], (level->nr_leaves + 4095) / 4096);
	flip_classes(index, level->tops[group], level->nr_tops);
}

static void flip_level(struct index *index, unsigned i)
{
	struct index_level *level = &index->levels[i];

	for (uint32_t leaf = 0; leaf < level->nr_leaves; leaf++) {
		flip_word(index, &level->leaves[leaf], UINT64_MAX);
		flip_byte(index, &level->leaf_classes[leaf]);
	}
	flip_files(index, level);
	for (unsigned group = 0; group < INDEX_NR_GROUPS; group++) {
		flip_byte(index, &level->classes[group]);
		/* The upper levels have no groups. */
		if (i < 2 || group == 0)
			flip_summaries(index, level, group);
	}
}

static void flip_everything(struct index *index)
{
	index_fixture_assert_valid(index);
	for (unsigned i = 0; i < INDEX_NR_LEVELS; i++)
		flip_level(index, i);
	for (unsigned bit = 0; bit < 32; bit++) {
		index->nr_free ^= UINT32_C(1) << bit;
		assert_non_null(index_validate(index));
		index->nr_free ^= UINT32_C(1) << bit;
	}
	index_fixture_assert_valid(index);
}

static void test_index_validate_notices_damage_when_free(void **state)
{
	static const uint32_t sizes[] = { 1, 64, 100, 512, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct index_fixture fixture;

		index_fixture_init_free(&fixture, sizes[i]);
		flip_everything(&fixture.index);
		index_fixture_deinit(&fixture);
	}
}

static void test_index_validate_notices_damage_when_held(void **state)
{
	struct index_fixture fixture;

	(void)state;
	index_fixture_init(&fixture, 700);
	flip_everything(&fixture.index);
	index_fixture_deinit(&fixture);
}

/* Leaves of all classes in pageblocks of all groups, and pageblocks free and held as a whole. */
static void test_index_validate_notices_damage_in_a_mess(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;

	(void)state;
	index_fixture_init_free(&fixture, 9 * 512 + 200);
	for (unsigned group = 0; group < INDEX_NR_GROUPS; group++) {
		for (unsigned order = 0; order < INDEX_PAGEBLOCK_ORDER; order++)
			index_take(index, order, (enum mobility)group);
		for (unsigned i = 0; i < 40; i++)
			index_take(index, 0, (enum mobility)group);
	}
	index_take(index, 10, MOBILITY_MOVABLE);
	flip_everything(index);
	index_fixture_deinit(&fixture);
}

/* A leaf's class that falls due elsewhere: summaries have words that are nobody's. */
static void test_index_validate_notices_damage_in_second_summary(void **state)
{
	struct index_fixture fixture;
	struct index *index = &fixture.index;
	struct index_level *level = &index->levels[0];

	(void)state;
	index_fixture_init_free(&fixture, 4096 * 64 * 3);
	for (uint32_t i = 0; i < 3; i++)
		index_claim(index, i * 4096 * 64 + 5, 0, MOBILITY_MOVABLE);
	index_fixture_assert_valid(index);
	for (uint32_t i = 0; i < 3; i++) {
		struct index_classes *sum = &level->sums[MOBILITY_MOVABLE][i];

		for (unsigned bit = 0; bit < 64; bit += 9) {
			flip_word(index, &sum->of[LEAF_ORDER_MAX], UINT64_C(1) << bit);
			flip_word(index, &level->tops[MOBILITY_MOVABLE][0].of[bit % 6],
				  UINT64_C(1) << bit);
		}
	}
	index_fixture_deinit(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_validate_notices_damage_when_free),
		cmocka_unit_test(test_index_validate_notices_damage_when_held),
		cmocka_unit_test(test_index_validate_notices_damage_in_a_mess),
		cmocka_unit_test(test_index_validate_notices_damage_in_second_summary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
