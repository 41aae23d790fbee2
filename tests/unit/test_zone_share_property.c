/* SPDX-License-Identifier: MIT */

/*
 * Random grants, shares, frees and deaths beside a model too simple to be wrong: for each block of
 * a zone its order and the set of its holders, one bit a slot.
 *
 * After each operation the zone must have answered as the model does; every so often all of it is
 * compared, and the zone is opened anew from its ledger. PAGEPOOL_TEST_SEED repeats a run.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/zone.h"
#include "support/random.h"
#include "support/zone_fixture.h"

#define NR_PAGES 600u
#define MAX_ORDER 5u
#define NR_SLOTS 49u
#define NR_SHARES 40u
#define NR_OPERATIONS 200000u
#define COMPARE_EVERY 64u
#define REOPEN_EVERY 512u

struct model {
	struct zone_fixture *fixture;
	uint64_t holders[NR_PAGES]; /* of the block that starts there; 0: none does */
	unsigned orders[NR_PAGES];
	uint32_t nr_free;
	uint32_t nr_refused; /* for want of a record */
	unsigned crowd;      /* slots that are used for the time being */
};

static struct random chance;

static unsigned random_slot(const struct model *model)
{
	return 1 + random_below(&chance, model->crowd);
}

static uint64_t bit(unsigned slot)
{
	return UINT64_C(1) << slot;
}

static struct word_owner owner_of(unsigned slot)
{
	return (struct word_owner){ .slot = (uint16_t)slot,
				    .tag = (uint16_t)(slot * 3),
				    .mobility = (uint8_t)random_below(&chance, NR_MOBILITIES) };
}

/* Some block; shared ones more often than others. PAGE_NONE if there is none. */
static uint32_t random_block(const struct model *model)
{
	uint32_t at = random_below(&chance, NR_PAGES), found = PAGE_NONE;

	for (uint32_t i = 0; i < NR_PAGES; i++, at = (at + 1) % NR_PAGES) {
		if (!model->holders[at])
			continue;
		found = at;
		if (model->holders[at] & (model->holders[at] - 1) || random_below(&chance, 8) == 0)
			break;
	}
	return found;
}

static unsigned random_holder(const struct model *model, uint32_t pfn)
{
	uint64_t holders = model->holders[pfn];

	for (uint32_t skip = random_below(&chance, (uint32_t)__builtin_popcountll(holders)); skip;
	     skip--)
		holders &= holders - 1;
	return (unsigned)__builtin_ctzll(holders);
}

static void model_leave(struct model *model, uint32_t pfn, unsigned slot)
{
	assert_true(model->holders[pfn] & bit(slot));
	model->holders[pfn] &= ~bit(slot);
	if (!model->holders[pfn])
		model->nr_free += 1u << model->orders[pfn];
}

/* Operations. */

static void do_alloc(struct model *model)
{
	unsigned order = random_below(&chance, MAX_ORDER + 1), slot = random_slot(model);
	uint32_t pfn;

	if (zone_alloc(&model->fixture->zone, order, owner_of(slot), &pfn))
		return;
	assert_int_equal(model->holders[pfn], 0);
	model->holders[pfn] = bit(slot);
	model->orders[pfn] = order;
	model->nr_free -= 1u << order;
}

static void do_share(struct model *model)
{
	struct zone *zone = &model->fixture->zone;
	uint32_t pfn = random_block(model);
	unsigned slot = random_slot(model), other = random_slot(model);
	int expected = 0, r;

	if (pfn == PAGE_NONE)
		return;
	if (random_below(&chance, 8))
		slot = random_holder(model, pfn);
	if (!(model->holders[pfn] & bit(slot)))
		expected = ZONE_E_NOT_HELD;
	else if (model->holders[pfn] & bit(other))
		expected = ZONE_E_HELD;
	r = zone_share(zone, pfn, model->orders[pfn], slot, owner_of(other));
	if (!expected && r == ZONE_E_SHARES) {
		assert_int_equal(zone_nr_shares(zone), NR_SHARES);
		model->nr_refused++;
		return;
	}
	assert_int_equal(r, expected);
	if (!r)
		model->holders[pfn] |= bit(other);
}

static void do_free(struct model *model)
{
	uint32_t pfn = random_block(model);
	unsigned slot = random_slot(model), order;
	int expected = 0;

	if (pfn == PAGE_NONE)
		return;
	if (random_below(&chance, 8))
		slot = random_holder(model, pfn);
	order = model->orders[pfn];
	if (random_below(&chance, 20) == 0 && order) {
		order--;
		expected = ZONE_E_ORDER;
	} else if (!(model->holders[pfn] & bit(slot))) {
		expected = ZONE_E_NOT_HELD;
	}
	assert_int_equal(zone_free(&model->fixture->zone, pfn, order, slot), expected);
	if (!expected)
		model_leave(model, pfn, slot);
}

/* Of a run of 64 places, all blocks of an order that a slot holds; now and then one that is not. */
static void do_free_bulk(struct model *model)
{
	uint32_t first = random_block(model);
	struct page_run run = { 0 };
	bool is_wrong = false;
	unsigned order, slot;
	int r;

	if (first == PAGE_NONE)
		return;
	order = model->orders[first];
	slot = random_holder(model, first);
	run.base = page_address(model->fixture->config.index, first);
	for (uint32_t i = 0; i < 64 && first + ((i + 1) << order) <= NR_PAGES; i++) {
		uint32_t pfn = first + (i << order);
		bool is_held = model->holders[pfn] & bit(slot) && model->orders[pfn] == order;

		if (is_held ? random_below(&chance, 4) == 0 : random_below(&chance, 200) != 0)
			continue;
		run.mask |= UINT64_C(1) << i;
		is_wrong |= !is_held;
	}
	r = zone_free_bulk(&model->fixture->zone, order, slot, &run, 1);
	assert_int_equal(r != 0, is_wrong);
	for (uint64_t mask = r ? 0 : run.mask; mask; mask &= mask - 1)
		model_leave(model, first + ((uint32_t)__builtin_ctzll(mask) << order), slot);
}

static void do_release(struct model *model)
{
	unsigned slot = random_slot(model);
	uint32_t cursor = 0, max_pages = 1 + random_below(&chance, NR_PAGES);

	while (!zone_release(&model->fixture->zone, slot, max_pages, &cursor))
		;
	for (uint32_t pfn = 0; pfn < NR_PAGES; pfn++)
		if (model->holders[pfn] & bit(slot))
			model_leave(model, pfn, slot);
}

/* Comparing. */

static uint64_t holders_of(const struct model *model, uint32_t pfn)
{
	uint64_t holders = 0;
	uint32_t cursor = 0;
	struct word_owner owner;

	while (zone_next_holder(&model->fixture->zone, pfn, &cursor, &owner)) {
		assert_false(holders & bit(owner.slot));
		assert_int_equal(owner.tag, owner.slot * 3);
		holders |= bit(owner.slot);
	}
	return holders;
}

static void compare(const struct model *model)
{
	struct zone *zone = &model->fixture->zone;
	uint64_t held[NR_SLOTS] = { 0 };

	zone_fixture_assert_sound(model->fixture);
	for (uint32_t pfn = 0; pfn < NR_PAGES; pfn++) {
		assert_int_equal(holders_of(model, pfn), model->holders[pfn]);
		for (unsigned slot = 0; slot < NR_SLOTS; slot++)
			if (model->holders[pfn] & bit(slot))
				held[slot] += UINT64_C(1) << model->orders[pfn];
	}
	for (unsigned slot = 0; slot < NR_SLOTS; slot++)
		assert_int_equal(zone_held_pages(zone, slot), held[slot]);
	assert_int_equal(zone_nr_free(zone), model->nr_free);
}

static void operate(struct model *model)
{
	uint32_t dice = random_below(&chance, 100);

	if (dice < 25)
		do_alloc(model);
	else if (dice < 70)
		do_share(model);
	else if (dice < 95)
		do_free(model);
	else if (dice < 98)
		do_free_bulk(model);
	else
		do_release(model);
}

static void test_zone_share_does_as_the_model(void **state)
{
	const struct zone_config config = { .index = 6,
					    .nr_pages = NR_PAGES,
					    .max_order = MAX_ORDER,
					    .nr_slots = NR_SLOTS,
					    .nr_shares = NR_SHARES };
	struct model model = { .nr_free = NR_PAGES };

	(void)state;
	chance = random_from_environment();
	model.fixture = zone_fixture_new(&config);
	for (uint32_t i = 0; i < NR_OPERATIONS; i++) {
		if (i % 2048 == 0)
			model.crowd = 2 + random_below(&chance, NR_SLOTS - 2);
		operate(&model);
		if (i % COMPARE_EVERY == 0)
			compare(&model);
		if (i % REOPEN_EVERY == 0)
			zone_fixture_reopen(model.fixture);
	}
	assert_true(model.nr_refused > 0);
	zone_fixture_free(model.fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone_share_does_as_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
