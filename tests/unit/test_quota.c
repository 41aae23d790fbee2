/* SPDX-License-Identifier: MIT */

/*
 * Limits on what slots hold: what each mark does, how several limits go together, and a hundred
 * thousand random steps beside a model that keeps nothing but masks and counts and adds up anew
 * each time. PAGEPOOL_TEST_SEED repeats a run.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/quota.h"
#include "support/random.h"

#define NR_SLOTS 24u
#define NR_STEPS 100000u
#define POOL_BYTES 4096u
#define NONE QUOTA_NO_MAX
#define BIT(i) (UINT64_C(1) << (i))

struct fixture {
	struct quota quota;
	void *memory;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->memory = malloc(quota_bytes(NR_SLOTS));
	assert_non_null(fixture->memory);
	memset(fixture->memory, 0xa5, quota_bytes(NR_SLOTS));
	quota_init(&fixture->quota, NR_SLOTS, fixture->memory);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	free(fixture->memory);
	free(fixture);
	return 0;
}

static void assert_sound(const struct quota *quota)
{
	const char *what = "";
	int limit = -2;

	if (quota_validate(quota, &limit, &what))
		fail_msg("limit %d: %s", limit, what);
}

static void test_quota_without_limits_gives_what_is_free(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	assert_true(quota_room(quota, 1, 100) == 100);
	quota_charge(quota, 1, 60);
	assert_true(quota_room(quota, 1, 40) == 40);
	assert_int_equal(quota_level(quota, 1), QUOTA_LEVEL_NONE);
	assert_true(quota_refuse(quota, 1, 41, 40) == 0);
	quota_uncharge(quota, 1, 60);
	assert_sound(quota);
}

static void test_quota_max_is_hard(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	quota_set(quota, 3, 0, 0, 10, 10);
	quota_join(quota, 1, BIT(3), 0);
	quota_join(quota, 2, BIT(3), 0);
	assert_true(quota_room(quota, 1, 100) == 10);
	assert_true(quota_room(quota, 1, 4) == 4);
	quota_charge(quota, 1, 7);
	/* All under it share it. */
	assert_true(quota_room(quota, 2, 100) == 3);
	quota_charge(quota, 2, 3);
	assert_true(quota_room(quota, 1, 100) == 0);
	assert_true(quota_room(quota, 5, 100) == 100);
	assert_true(quota->limits[3].used == 10);
	assert_sound(quota);
	quota_uncharge(quota, 1, 7);
	assert_true(quota_room(quota, 2, 100) == 7);
	assert_sound(quota);
}

static void test_quota_tightest_of_several_counts(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	quota_set(quota, 0, 0, 0, 20, 20);  /* the user */
	quota_set(quota, 63, 0, 0, 30, 30); /* its group */
	quota_join(quota, 1, BIT(0) | BIT(63), 0);
	quota_join(quota, 2, BIT(63), 0);
	assert_true(quota_room(quota, 1, 100) == 20);
	quota_charge(quota, 2, 15);
	assert_true(quota_room(quota, 1, 100) == 15);
	quota_charge(quota, 1, 15);
	assert_true(quota->limits[0].used == 15);
	assert_true(quota->limits[63].used == 30);
	assert_true(quota_refuse(quota, 1, 1, 100) == BIT(63));
	assert_true(quota_refuse(quota, 1, 6, 100) == (BIT(0) | BIT(63)));
	assert_true(quota->limits[0].nr_refused == 1);
	assert_true(quota->limits[63].nr_refused == 2);
	assert_sound(quota);
}

static void test_quota_min_is_kept_from_others(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	/* Whether or not anybody is there to use it. */
	quota_set(quota, 1, 40, 40, NONE, NONE);
	assert_true(quota_room(quota, 2, 100) == 60);
	quota_join(quota, 1, BIT(1), 0);
	assert_true(quota_room(quota, 1, 100) == 100);
	assert_true(quota_room(quota, 2, 100) == 60);
	/* What is used is not reserved a second time. */
	quota_charge(quota, 1, 30);
	assert_true(quota_room(quota, 2, 70) == 60);
	quota_charge(quota, 1, 20);
	assert_true(quota_room(quota, 2, 50) == 50);
	quota_charge(quota, 2, 50);
	/* And is again as soon as it is back. */
	quota_uncharge(quota, 1, 50);
	assert_true(quota_room(quota, 2, 50) == 10);
	assert_true(quota_room(quota, 1, 50) == 50);
	assert_sound(quota);
}

static void test_quota_refusal_names_whose_reserve_it_was(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	quota_set(quota, 1, 40, 40, NONE, NONE);
	quota_set(quota, 2, 0, 0, 1000, 1000);
	quota_set(quota, 7, 5, 5, NONE, NONE);
	quota_join(quota, 2, BIT(2), 0);
	assert_true(quota_refuse(quota, 2, 56, 100) == (BIT(1) | BIT(7)));
	/* That is not there is nobody's fault. */
	assert_true(quota_refuse(quota, 2, 101, 100) == 0);
	/* Its own max goes first. */
	assert_true(quota_refuse(quota, 2, 1001, 5000) == BIT(2));
	assert_true(quota->limits[1].nr_refused == 1);
	assert_true(quota->limits[7].nr_refused == 1);
	assert_true(quota->limits[2].nr_refused == 1);
}

static void test_quota_minima_beyond_the_pool_leave_nothing_to_others(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	quota_set(quota, 0, 60, 60, NONE, NONE);
	quota_set(quota, 1, 60, 60, NONE, NONE);
	quota_join(quota, 1, BIT(0), 0);
	quota_join(quota, 2, BIT(1), 0);
	assert_true(quota_room(quota, 1, 100) == 40);
	assert_true(quota_room(quota, 3, 100) == 0);
	quota_charge(quota, 1, 40);
	assert_true(quota_room(quota, 2, 60) == 40);
	assert_sound(quota);
}

/* Also where the sum of all minima says nothing: it is more than what is free. */
static void test_quota_charges_all_or_nothing(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	quota_set(quota, 0, 60, 60, NONE, NONE);
	quota_set(quota, 1, 0, 0, 30, 30);
	quota_join(quota, 1, BIT(0), 50);
	quota_join(quota, 2, BIT(1), 0);
	assert_true(quota_try_charge(quota, 2, 20, 50));
	assert_false(quota_try_charge(quota, 2, 21, 30)); /* 10 are reserved, and max is 30 */
	assert_false(quota_try_charge(quota, 2, 11, 100));
	assert_true(quota->slots[2].nr_bytes == 20);
	assert_true(quota->limits[1].used == 20);
	assert_true(quota_try_charge(quota, 2, 10, 30));
	assert_false(quota_try_charge(quota, 1, 21, 20));
	assert_true(quota_try_charge(quota, 1, 20, 20));
	assert_true(quota->limits[0].used == 70);
	assert_true(quota->limits[1].nr_refused == 0); /* that is quota_refuse() */
	assert_sound(quota);
}

static void test_quota_levels_follow_the_worst_limit(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	quota_set(quota, 0, 0, 5, 10, 20);
	quota_set(quota, 1, 0, 0, 12, NONE);
	quota_join(quota, 1, BIT(0) | BIT(1), 0);
	quota_join(quota, 2, BIT(1), 0);
	quota_charge(quota, 1, 10);
	assert_int_equal(quota_level(quota, 1), QUOTA_LEVEL_NONE);
	quota_charge(quota, 2, 3);
	assert_int_equal(quota_level(quota, 1), QUOTA_LEVEL_HIGH);
	quota_charge(quota, 1, 10);
	assert_int_equal(quota_level(quota, 1), QUOTA_LEVEL_MAX);
	assert_int_equal(quota_level(quota, 2), QUOTA_LEVEL_HIGH);
	assert_int_equal(quota_level(quota, 3), QUOTA_LEVEL_NONE);
}

static void test_quota_join_charges_what_is_held(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	quota_set(quota, 0, 0, 0, 50, 50);
	quota_set(quota, 1, 8, 8, NONE, NONE);
	quota_join(quota, 1, BIT(0), 30);
	assert_true(quota->limits[0].used == 30);
	assert_int_equal(quota->limits[0].nr_slots, 1);
	/* To other limits, and to a count that is another by now. */
	quota_join(quota, 1, BIT(1), 33);
	assert_true(quota->limits[0].used == 0);
	assert_int_equal(quota->limits[0].nr_slots, 0);
	assert_true(quota->limits[1].used == 33);
	assert_sound(quota);
	quota_leave(quota, 1);
	assert_true(quota->limits[1].used == 0);
	assert_int_equal(quota->limits[1].nr_slots, 0);
	assert_true(quota_room(quota, 1, 100) == 92);
	assert_sound(quota);
}

static void test_quota_max_below_what_is_used_only_stops_growth(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	quota_set(quota, 0, 0, 0, 50, 50);
	quota_join(quota, 1, BIT(0), 40);
	quota_set(quota, 0, 0, 0, 10, 10);
	assert_true(quota->limits[0].used == 40);
	assert_true(quota_room(quota, 1, 100) == 0);
	quota_uncharge(quota, 1, 31);
	assert_true(quota_room(quota, 1, 100) == 1);
	assert_sound(quota);
}

static void test_quota_cleared_limits_are_forgotten(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;

	quota_set(quota, 0, 10, 10, 10, 10);
	quota_set(quota, 1, 0, 0, 90, 90);
	quota_join(quota, 1, BIT(0) | BIT(1), 10);
	quota_join(quota, 2, 0, 0);
	assert_true(quota_refuse(quota, 1, 1, 100) == BIT(0));
	quota_clear(quota, 0);
	assert_true(quota_room(quota, 1, 100) == 80);
	assert_true(quota_room(quota, 2, 100) == 100);
	assert_sound(quota);
	/* In its place another may come, which starts from nothing. */
	quota_set(quota, 0, 0, 0, 5, 5);
	assert_true(quota->limits[0].nr_refused == 0);
	assert_true(quota_room(quota, 1, 100) == 80);
	quota_clear(quota, 63);
	assert_sound(quota);
}

static void test_quota_validate_finds_what_is_wrong(void **state)
{
	struct quota *quota = &((struct fixture *)*state)->quota;
	const char *what;
	int limit;

	quota_set(quota, 4, 10, 10, NONE, NONE);
	quota_join(quota, 1, BIT(4), 3);
	quota->limits[4].used++;
	quota->minima--;
	assert_int_equal(quota_validate(quota, &limit, &what), -EUCLEAN);
	assert_int_equal(limit, 4);
	quota->limits[4].used--;
	assert_int_equal(quota_validate(quota, &limit, &what), -EUCLEAN);
	assert_int_equal(limit, -1);
	quota->minima++;
	quota->slots[2].mask = BIT(9);
	assert_int_equal(quota_validate(quota, &limit, &what), -EUCLEAN);
	assert_int_equal(limit, 9);
	quota->slots[2].mask = 0;
	assert_sound(quota);
}

/* The model: who is under what and holds how much. Everything else is added up when asked for. */

struct model {
	struct quota_limit limits[QUOTA_LIMITS_MAX]; /* the marks, and nr_refused */
	bool is_set[QUOTA_LIMITS_MAX];
	bool is_under[NR_SLOTS][QUOTA_LIMITS_MAX];
	uint64_t held[NR_SLOTS];
	uint64_t nr_free;
};

static struct random chance;

static uint64_t model_used(const struct model *model, unsigned limit)
{
	uint64_t used = 0;

	for (unsigned slot = 0; slot < NR_SLOTS; slot++)
		used += model->is_under[slot][limit] ? model->held[slot] : 0;
	return used;
}

/* By trial: the largest number of bytes after which no max is passed and every reserve is there. */
static uint64_t model_room(const struct model *model, unsigned slot)
{
	uint64_t room = model->nr_free, reserved = 0;

	for (unsigned i = 0; i < QUOTA_LIMITS_MAX; i++) {
		const struct quota_limit *limit = &model->limits[i];
		uint64_t used = model_used(model, i);

		if (!model->is_set[i])
			continue;
		if (!model->is_under[slot][i])
			reserved += used < limit->min ? limit->min - used : 0;
		else if (used >= limit->max)
			room = 0;
		else if (room > limit->max - used)
			room = limit->max - used;
	}
	if (reserved >= model->nr_free)
		return 0;
	return room < model->nr_free - reserved ? room : model->nr_free - reserved;
}

static void model_compare(const struct model *model, const struct quota *quota)
{
	for (unsigned i = 0; i < QUOTA_LIMITS_MAX; i++)
		if (model->is_set[i])
			assert_true(quota->limits[i].used == model_used(model, i));
	for (unsigned slot = 0; slot < NR_SLOTS; slot++)
		assert_true(quota_room(quota, slot, model->nr_free) == model_room(model, slot));
	assert_sound(quota);
}

static void step_set(struct model *model, struct quota *quota)
{
	unsigned i = random_below(&chance, QUOTA_LIMITS_MAX);
	struct quota_limit *limit = &model->limits[i];

	limit->min = random_below(&chance, 3) ? 0 : random_below(&chance, POOL_BYTES / 16);
	limit->low = limit->min + random_below(&chance, 100);
	limit->high = limit->low + random_below(&chance, POOL_BYTES / 8);
	limit->max = random_below(&chance, 3) ? limit->high + random_below(&chance, POOL_BYTES / 8)
					      : NONE;
	model->is_set[i] = true;
	quota_set(quota, i, limit->min, limit->low, limit->high, limit->max);
}

static void step_clear(struct model *model, struct quota *quota)
{
	unsigned i = random_below(&chance, QUOTA_LIMITS_MAX);

	model->is_set[i] = false;
	for (unsigned slot = 0; slot < NR_SLOTS; slot++)
		model->is_under[slot][i] = false;
	quota_clear(quota, i);
}

static void step_join(struct model *model, struct quota *quota, unsigned slot)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < QUOTA_LIMITS_MAX; i++) {
		model->is_under[slot][i] = model->is_set[i] && random_below(&chance, 8) == 0;
		mask |= model->is_under[slot][i] ? BIT(i) : 0;
	}
	quota_join(quota, slot, mask, model->held[slot]);
}

static void step_leave(struct model *model, struct quota *quota, unsigned slot)
{
	memset(model->is_under[slot], 0, sizeof(model->is_under[slot]));
	model->nr_free += model->held[slot];
	model->held[slot] = 0;
	quota_leave(quota, slot);
}

static void step_take(struct model *model, struct quota *quota, unsigned slot)
{
	uint64_t want = 1 + random_below(&chance, POOL_BYTES / 8);
	uint64_t room = quota_room(quota, slot, model->nr_free);

	assert_true(room == model_room(model, slot));
	if (want > room) {
		/* Somebody is to blame unless the pool itself has too little. */
		uint64_t blamed = quota_refuse(quota, slot, want, model->nr_free);

		assert_true(blamed || want > model->nr_free);
		assert_false(quota_try_charge(quota, slot, want, model->nr_free));
		want = room;
	}
	assert_true(quota_try_charge(quota, slot, want, model->nr_free));
	model->held[slot] += want;
	model->nr_free -= want;
}

static void step_give_back(struct model *model, struct quota *quota, unsigned slot)
{
	uint64_t nr_bytes = random_below(&chance, (uint32_t)model->held[slot] + 1);

	quota_uncharge(quota, slot, nr_bytes);
	model->held[slot] -= nr_bytes;
	model->nr_free += nr_bytes;
}

static void step(struct model *model, struct quota *quota)
{
	unsigned slot = 1 + random_below(&chance, NR_SLOTS - 1);

	switch (random_below(&chance, 16)) {
	case 0:
		step_set(model, quota);
		break;
	case 1:
		step_clear(model, quota);
		break;
	case 2:
		step_join(model, quota, slot);
		break;
	case 3:
		step_leave(model, quota, slot);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
		step_give_back(model, quota, slot);
		break;
	default:
		step_take(model, quota, slot);
		break;
	}
}

/* What a recovery does: of what was counted nothing is left but the masks and the bytes held. */
static void rebuild(const struct model *model, struct quota *quota, void *memory)
{
	uint64_t masks[NR_SLOTS];

	for (unsigned slot = 0; slot < NR_SLOTS; slot++)
		masks[slot] = quota->slots[slot].mask;
	memset(memory, 0xff, quota_bytes(NR_SLOTS));
	quota_init(quota, NR_SLOTS, memory);
	for (unsigned i = 0; i < QUOTA_LIMITS_MAX; i++)
		if (model->is_set[i])
			quota_set(quota, i, model->limits[i].min, model->limits[i].low,
				  model->limits[i].high, model->limits[i].max);
	for (unsigned slot = 0; slot < NR_SLOTS; slot++)
		quota_join(quota, slot, masks[slot], model->held[slot]);
}

static void test_quota_does_as_the_model(void **state)
{
	static struct model model;
	struct fixture *fixture = *state;

	chance = random_from_environment();
	model = (struct model){ .nr_free = POOL_BYTES };
	for (unsigned i = 0; i < NR_STEPS; i++) {
		step(&model, &fixture->quota);
		if (i % 64 == 0)
			model_compare(&model, &fixture->quota);
		if (i % 4096 == 0) {
			rebuild(&model, &fixture->quota, fixture->memory);
			model_compare(&model, &fixture->quota);
		}
	}
}

#define quota_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		quota_test(test_quota_without_limits_gives_what_is_free),
		quota_test(test_quota_max_is_hard),
		quota_test(test_quota_tightest_of_several_counts),
		quota_test(test_quota_min_is_kept_from_others),
		quota_test(test_quota_refusal_names_whose_reserve_it_was),
		quota_test(test_quota_minima_beyond_the_pool_leave_nothing_to_others),
		quota_test(test_quota_charges_all_or_nothing),
		quota_test(test_quota_levels_follow_the_worst_limit),
		quota_test(test_quota_join_charges_what_is_held),
		quota_test(test_quota_max_below_what_is_used_only_stops_growth),
		quota_test(test_quota_cleared_limits_are_forgotten),
		quota_test(test_quota_validate_finds_what_is_wrong),
		quota_test(test_quota_does_as_the_model),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
