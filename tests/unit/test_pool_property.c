/* SPDX-License-Identifier: MIT */

/*
 * Random requests to pools of several zones, beside a model of placement too simple to be wrong:
 * each zone is a number of free pages, and each block is placed on its own, in the first zone of
 * the first round in which it fits.
 *
 * All requests of a history are for one order, so that a zone with pages enough has a block too.
 * After each request the pool must have taken as many blocks from each zone as the model, have
 * counted and charged and lacked the same. PAGEPOOL_TEST_SEED repeats a run.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/pool.h"
#include "core/quota.h"
#include "core/zone.h"
#include "support/random.h"

#define NR_ZONES_MAX 7u
#define NR_SLOTS 6u
#define NR_LIMITS 3u
#define ZONE_PAGES_LOW 64u
#define ZONE_PAGES_HIGH 1024u
#define BATCH_MAX 300u
#define NR_HISTORIES 60u
#define NR_OPERATIONS 2000u
#define PAGES(n) ((n)*PAGE_BYTES)

struct block {
	uint64_t address;
	unsigned slot;
};

struct limit {
	uint64_t min, max;
	unsigned slots; /* as bits */
};

struct model {
	unsigned nr_zones, order;
	struct zone zones[NR_ZONES_MAX];
	void *ledgers[NR_ZONES_MAX], *indices[NR_ZONES_MAX];
	struct quota quota;
	void *quota_memory;
	struct pool pool;

	uint8_t distances[NR_ZONES_MAX * NR_ZONES_MAX];
	int64_t nr_free[NR_ZONES_MAX];
	struct zone_watermarks marks[NR_ZONES_MAX];
	struct limit limits[NR_LIMITS];
	int64_t held[NR_SLOTS];
	unsigned turn;
	struct pool_zone_counters counters[NR_ZONES_MAX];
	struct pool_policy_counters policies[POOL_NR_POLICIES];
	struct block blocks[NR_ZONES_MAX * ZONE_PAGES_HIGH];
	size_t nr_blocks;
};

/* One request, as the model serves it. */
struct trial {
	const struct pool_request *request;
	unsigned meant;  /* the zone of the share */
	int first_short; /* zone, or -1 */
	size_t granted;
	size_t from[NR_ZONES_MAX];
};

static struct random chance;

static int64_t block_pages(const struct model *model)
{
	return INT64_C(1) << model->order;
}

/* Placement. */

/* The n-th nearest zone to `from`, found by counting those before it. */
static unsigned nth_zone(const struct model *model, unsigned from, unsigned n)
{
	for (unsigned zone = 0; zone < model->nr_zones; zone++) {
		unsigned nr_before = 0;

		for (unsigned i = 0; i < model->nr_zones; i++) {
			unsigned d = i == from ? 0 : model->distances[from * model->nr_zones + i];
			unsigned at =
				zone == from ? 0 : model->distances[from * model->nr_zones + zone];
			unsigned turn_i = (i + model->nr_zones - from) % model->nr_zones;
			unsigned turn_at = (zone + model->nr_zones - from) % model->nr_zones;

			nr_before += d < at || (d == at && turn_i < turn_at);
		}
		if (nr_before == n)
			return zone;
	}
	fail();
	return 0;
}

static int model_fits(const struct model *model, unsigned zone, int64_t mark)
{
	return model->nr_free[zone] - block_pages(model) >= mark;
}

/* The zone that serves the next block, or -1. */
static int model_choose(const struct model *model, const struct trial *trial)
{
	const struct pool_request *request = trial->request;
	unsigned zones[NR_ZONES_MAX], nr_zones = 0;

	for (unsigned i = 0; i < model->nr_zones; i++) {
		unsigned zone = nth_zone(model, trial->meant, i);

		if (request->allowed >> zone & 1)
			zones[nr_zones++] = zone;
	}
	for (unsigned i = 0; i < nr_zones; i++)
		if (model_fits(model, zones[i], model->marks[zones[i]].low))
			return (int)zones[i];
	if (model_fits(model, trial->meant, model->marks[trial->meant].min))
		return (int)trial->meant;
	for (unsigned i = 0; i < nr_zones; i++)
		if ((request->is_high || request->policy != POOL_PREFERRED) &&
		    model_fits(model, zones[i], model->marks[zones[i]].min))
			return (int)zones[i];
	for (unsigned i = 0; i < nr_zones; i++)
		if (request->is_high && model_fits(model, zones[i], 0))
			return (int)zones[i];
	return -1;
}

static void model_count(struct model *model, const struct trial *trial, unsigned zone)
{
	const struct pool_request *request = trial->request;

	if (zone == trial->meant) {
		model->counters[zone].hit++;
		model->counters[zone].interleave += request->policy == POOL_INTERLEAVE;
	} else {
		model->counters[zone].miss++;
		model->counters[trial->meant].foreign++;
	}
	model->counters[zone].local += request->local == zone;
	model->counters[zone].other += request->local != zone;
	model->policies[request->policy].granted++;
}

/* Places so many blocks, meant for one zone. */
static void model_place(struct model *model, struct trial *trial, unsigned meant, size_t count)
{
	trial->meant = meant;
	if (trial->first_short < 0 &&
	    model->nr_free[meant] - block_pages(model) * (int64_t)count <
		    (int64_t)model->marks[meant].low &&
	    count > 0)
		trial->first_short = (int)meant;
	for (; count > 0; count--) {
		int zone = model_choose(model, trial);

		if (zone < 0)
			return;
		model->nr_free[zone] -= block_pages(model);
		model->held[trial->request->owner.slot] += block_pages(model);
		model_count(model, trial, (unsigned)zone);
		trial->from[zone]++;
		trial->granted++;
	}
}

static void model_interleave(struct model *model, struct trial *trial, size_t count)
{
	size_t shares[64] = { 0 };
	unsigned turns[64], nr_turns = 0, zone = model->turn;

	for (unsigned i = 0; i < 64; i++, zone = (zone + 1) % 64)
		if (zone < model->nr_zones && trial->request->allowed >> zone & 1)
			turns[nr_turns++] = zone;
	for (size_t i = 0; i < count; i++)
		shares[i % nr_turns]++;
	if (count % nr_turns)
		model->turn = (turns[count % nr_turns - 1] + 1) % 64;
	for (unsigned i = 0; i < nr_turns; i++)
		if (shares[i])
			model_place(model, trial, turns[i], shares[i]);
}

/* Limits. */

static int64_t model_used(const struct model *model, unsigned limit)
{
	int64_t nr_pages = 0;

	for (unsigned slot = 0; slot < NR_SLOTS; slot++)
		if (model->limits[limit].slots >> slot & 1)
			nr_pages += model->held[slot];
	return nr_pages;
}

static int64_t at_least_0(int64_t n)
{
	return n > 0 ? n : 0;
}

/* What a slot may take, by its own limits and by what others have reserved. */
struct allowance {
	int64_t left, unreserved, nr_free;
};

static struct allowance model_allowance(const struct model *model, unsigned slot)
{
	struct allowance allowance = { .left = INT64_MAX };

	for (unsigned zone = 0; zone < model->nr_zones; zone++)
		allowance.nr_free += model->nr_free[zone];
	allowance.unreserved = allowance.nr_free;
	for (unsigned i = 0; i < NR_LIMITS; i++) {
		const struct limit *limit = &model->limits[i];
		int64_t left = at_least_0((int64_t)limit->max - model_used(model, i));

		if (!(limit->slots >> slot & 1))
			allowance.unreserved -=
				at_least_0((int64_t)limit->min - model_used(model, i));
		else if (left < allowance.left)
			allowance.left = left;
	}
	allowance.unreserved = at_least_0(allowance.unreserved);
	return allowance;
}

/* Of so many blocks those that may be granted. */
static size_t allowed_blocks(const struct model *model, struct allowance allowance, size_t count)
{
	int64_t room =
		allowance.left < allowance.unreserved ? allowance.left : allowance.unreserved;

	room /= block_pages(model);
	return room < (int64_t)count ? (size_t)room : count;
}

/* Do limits stand in the way of one block more than these, rather than the want of free pages? */
static int is_limited(const struct model *model, struct allowance allowance, size_t allowed)
{
	int64_t wanted = (int64_t)(allowed + 1) * block_pages(model);

	return wanted > allowance.left ||
	       (wanted <= allowance.nr_free && wanted > allowance.unreserved);
}

static void assert_demand(const struct model *model, const struct trial *trial, size_t missing,
			  int limited, const struct pool_demand *demand)
{
	int64_t nr_pages = (int64_t)missing * block_pages(model);
	unsigned zone = trial->first_short < 0 ? trial->meant : (unsigned)trial->first_short;
	enum pool_level level = missing ? POOL_DEMAND_MIN : POOL_DEMAND_LOW;

	if (limited)
		level = POOL_DEMAND_LIMIT;
	else if (missing || trial->first_short >= 0)
		nr_pages = at_least_0(nr_pages + (int64_t)model->marks[zone].high -
				      model->nr_free[zone]);
	if (nr_pages == 0)
		level = POOL_DEMAND_NONE;
	assert_int_equal(demand->level, level);
	assert_int_equal(demand->limits != 0, limited);
	if (level == POOL_DEMAND_NONE)
		return;
	assert_int_equal(demand->zone, zone);
	assert_int_equal(demand->nr_pages, nr_pages);
	assert_int_equal(demand->order, model->order);
}

/* Operations. */

static struct pool_request random_request(const struct model *model)
{
	unsigned zone = random_below(&chance, model->nr_zones);
	struct pool_request request = {
		.policy = (enum pool_policy)random_below(&chance, POOL_NR_POLICIES),
		.preferred = zone,
		.local = random_below(&chance, 2) ? zone : random_below(&chance, model->nr_zones),
		.allowed = UINT64_MAX,
		.is_high = random_below(&chance, 4) == 0,
		.owner = { .slot = 1 + random_below(&chance, NR_SLOTS - 1) },
	};

	if (request.policy == POOL_BIND)
		request.allowed = UINT64_C(1) << zone;
	else if (request.policy != POOL_PREFERRED && random_below(&chance, 3))
		request.allowed = 1 + random_below(&chance, (1u << model->nr_zones) - 1);
	return request;
}

static unsigned meant_zone(const struct model *model, const struct pool_request *request)
{
	unsigned n = 0;

	while (!(request->allowed >> nth_zone(model, request->preferred, n) & 1))
		n++;
	return nth_zone(model, request->preferred, n);
}

static void keep_blocks(struct model *model, const struct page_run *runs, size_t nr_runs,
			unsigned slot, size_t from[NR_ZONES_MAX])
{
	for (size_t i = 0; i < nr_runs; i++)
		for (uint64_t mask = runs[i].mask; mask; mask &= mask - 1) {
			uint64_t n = (uint64_t)__builtin_ctzll(mask);

			model->blocks[model->nr_blocks++] =
				(struct block){ .address = runs[i].base + (n << model->order),
						.slot = slot };
			from[page_address_zone(runs[i].base)]++;
		}
}

/* The runs of a zone follow each other. */
static void assert_gathered(const struct page_run *runs, size_t nr_runs)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < nr_runs; i++) {
		unsigned zone = page_address_zone(runs[i].base);

		if (i > 0 && page_address_zone(runs[i - 1].base) == zone)
			continue;
		assert_false(seen >> zone & 1);
		seen |= UINT64_C(1) << zone;
	}
}

static void take_blocks(struct model *model)
{
	struct pool_request request = random_request(model);
	struct trial trial = { .request = &request, .first_short = -1 };
	size_t count = 1 + random_below(&chance, random_below(&chance, 3) ? 20 : BATCH_MAX);
	struct allowance allowance = model_allowance(model, request.owner.slot);
	size_t allowed = allowed_blocks(model, allowance, count);
	size_t nr_runs = 0, from[NR_ZONES_MAX] = { 0 };
	struct page_run runs[BATCH_MAX + 20];
	struct pool_demand demand;

	trial.meant = meant_zone(model, &request);
	if (request.policy == POOL_INTERLEAVE)
		model_interleave(model, &trial, allowed);
	else
		model_place(model, &trial, trial.meant, allowed);
	model->policies[request.policy].failed += trial.granted < count;

	assert_int_equal(pool_alloc_bulk(&model->pool, &request, model->order, count, runs,
					 &nr_runs, &demand),
			 trial.granted);
	keep_blocks(model, runs, nr_runs, request.owner.slot, from);
	assert_memory_equal(from, trial.from, sizeof(from));
	assert_gathered(runs, nr_runs);
	assert_demand(model, &trial, count - trial.granted,
		      allowed < count && trial.granted == allowed &&
			      is_limited(model, allowance, allowed),
		      &demand);
}

static void forget_block(struct model *model, size_t i)
{
	unsigned zone = page_address_zone(model->blocks[i].address);

	model->nr_free[zone] += block_pages(model);
	model->held[model->blocks[i].slot] -= block_pages(model);
	model->blocks[i] = model->blocks[--model->nr_blocks];
}

static void free_blocks(struct model *model)
{
	for (unsigned n = random_below(&chance, 60); n > 0 && model->nr_blocks > 0; n--) {
		size_t i = random_below(&chance, (uint32_t)model->nr_blocks);
		struct page_run run = { .base = model->blocks[i].address, .mask = 1 };

		assert_int_equal(
			pool_free_bulk(&model->pool, model->order, model->blocks[i].slot, &run, 1),
			0);
		forget_block(model, i);
	}
}

static void release_slot(struct model *model)
{
	unsigned slot = 1 + random_below(&chance, NR_SLOTS - 1);

	for (unsigned zone = 0; zone < model->nr_zones; zone++) {
		uint32_t cursor = 0;

		while (!pool_release(&model->pool, zone, slot, 128, &cursor))
			;
	}
	for (size_t i = model->nr_blocks; i-- > 0;)
		if (model->blocks[i].slot == slot)
			forget_block(model, i);
}

static void change_marks(struct model *model)
{
	unsigned zone = random_below(&chance, model->nr_zones);
	struct zone_watermarks marks = { .min = random_below(&chance, 40) };

	marks.low = marks.min + random_below(&chance, 40);
	marks.high = marks.low + random_below(&chance, 40);
	model->marks[zone] = marks;
	zone_set_watermarks(&model->zones[zone], &marks);
}

static void change_limit(struct model *model)
{
	unsigned i = random_below(&chance, NR_LIMITS);
	struct limit *limit = &model->limits[i];

	limit->min = random_below(&chance, 3) ? 0 : random_below(&chance, 200);
	limit->max = limit->min + random_below(&chance, 3000);
	quota_set(&model->quota, i, PAGES(limit->min), PAGES(limit->min), PAGES(limit->max),
		  PAGES(limit->max));
}

static void assert_same(const struct model *model)
{
	struct zone_fault fault = { .what = "" };
	unsigned zone = 0;
	const char *what = "";
	int limit = 0;

	if (pool_validate(&model->pool, &zone, &fault))
		fail_msg("zone %u, page %u: %s", zone, fault.pfn, fault.what);
	if (quota_validate(&model->quota, &limit, &what))
		fail_msg("limit %d: %s", limit, what);
	for (unsigned i = 0; i < model->nr_zones; i++)
		assert_int_equal(zone_nr_free(&model->zones[i]), model->nr_free[i]);
	for (unsigned i = 0; i < NR_LIMITS; i++)
		assert_int_equal(model->quota.limits[i].used, PAGES(model_used(model, i)));
	assert_memory_equal(model->pool.counters, model->counters, sizeof(model->counters));
	assert_memory_equal(model->pool.policies, model->policies, sizeof(model->policies));
}

/* Histories. */

static void model_zone_init(struct model *model, unsigned i)
{
	uint32_t nr_pages =
		ZONE_PAGES_LOW + random_below(&chance, ZONE_PAGES_HIGH - ZONE_PAGES_LOW);
	struct zone_config config = { .index = i, .max_order = 18, .nr_slots = NR_SLOTS };
	struct zone_fault fault;

	config.nr_pages = nr_pages - nr_pages % (1u << model->order);
	model->nr_free[i] = config.nr_pages;
	model->ledgers[i] = aligned_alloc(64, zone_ledger_bytes(&config));
	model->indices[i] = aligned_alloc(64, zone_index_bytes(&config));
	assert_true(model->ledgers[i] && model->indices[i]);
	memset(model->ledgers[i], 0, zone_ledger_bytes(&config));
	memset(model->indices[i], 0, zone_index_bytes(&config));
	assert_int_equal(
		zone_open(&model->zones[i], &config, model->ledgers[i], model->indices[i], &fault),
		0);
}

static void model_quota_init(struct model *model)
{
	model->quota_memory = malloc(quota_bytes(NR_SLOTS));
	assert_non_null(model->quota_memory);
	quota_init(&model->quota, NR_SLOTS, model->quota_memory);
	for (unsigned i = 0; i < NR_LIMITS; i++) {
		model->limits[i] =
			(struct limit){ .max = UINT32_MAX, .slots = random_below(&chance, 64) };
		quota_set(&model->quota, i, 0, 0, PAGES(UINT32_MAX), PAGES(UINT32_MAX));
	}
	for (unsigned slot = 0; slot < NR_SLOTS; slot++) {
		uint64_t mask = 0;

		for (unsigned i = 0; i < NR_LIMITS; i++)
			mask |= (uint64_t)(model->limits[i].slots >> slot & 1) << i;
		quota_join(&model->quota, slot, mask, 0);
	}
	model->pool.quota = &model->quota;
}

static struct model *model_new(void)
{
	struct model *model = calloc(1, sizeof(*model));
	struct zone *zones[NR_ZONES_MAX];

	assert_non_null(model);
	model->nr_zones = 1 + random_below(&chance, NR_ZONES_MAX);
	model->order = random_below(&chance, 4);
	for (unsigned i = 0; i < model->nr_zones; i++) {
		model_zone_init(model, i);
		zones[i] = &model->zones[i];
	}
	for (unsigned i = 0; i < model->nr_zones * model->nr_zones; i++)
		model->distances[i] = (uint8_t)(10 * (1 + random_below(&chance, 3)));
	assert_int_equal(pool_init(&model->pool, zones, model->nr_zones, model->distances), 0);
	model_quota_init(model);
	return model;
}

static void model_free(struct model *model)
{
	for (unsigned i = 0; i < model->nr_zones; i++) {
		free(model->ledgers[i]);
		free(model->indices[i]);
	}
	free(model->quota_memory);
	free(model);
}

static void play_history(void)
{
	struct model *model = model_new();

	for (unsigned i = 0; i < NR_OPERATIONS; i++) {
		unsigned dice = random_below(&chance, 100);

		if (dice < 50)
			take_blocks(model);
		else if (dice < 93)
			free_blocks(model);
		else if (dice < 96)
			change_marks(model);
		else if (dice < 99)
			change_limit(model);
		else
			release_slot(model);
		if (i % 16 == 0)
			assert_same(model);
	}
	assert_same(model);
	model_free(model);
}

static void test_pool_places_as_the_model_does(void **state)
{
	(void)state;
	chance = random_from_environment();
	for (unsigned i = 0; i < NR_HISTORIES; i++)
		play_history();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_pool_places_as_the_model_does) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
