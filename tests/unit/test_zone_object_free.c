/* SPDX-License-Identifier: MIT */

/* Freeing objects: all of a batch or none, who may, and what is remembered of it. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ledger.h"
#include "core/zone.h"
#include "core/zone_object.h"
#include "support/objects.h"
#include "support/zone_fixture.h"

static struct objects objects, others;

static struct object_run run_at(uint64_t offset, uint64_t mask)
{
	return (struct object_run){ .base = offset, .mask = mask };
}

static uint64_t offset_of(uint64_t pfn)
{
	return ((uint64_t)ZONE_FIXTURE_INDEX << PAGE_ZONE_SHIFT | pfn) << PAGE_SHIFT;
}

/* Batches. */

/* In any order, by runs that start anywhere and have gaps. */
static void test_zone_object_frees_batches_over_slabs(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t stride = objects_layout(fixture, 0)->stride_bytes;

	objects_grant(fixture, 0, 600, FIRST, &objects);
	others.nr_runs = 0;
	for (size_t i = objects.nr_runs; i-- > 0;) {
		uint64_t base = objects.runs[i].base, mask = objects.runs[i].mask;

		if (mask >> 40)
			others.runs[others.nr_runs++] = run_at(base + 40 * stride, mask >> 40);
		others.runs[others.nr_runs++] = run_at(base + 8 * stride, mask >> 8 & 0x55555555);
		others.runs[others.nr_runs++] = run_at(base, mask & 0xff);
		others.runs[others.nr_runs++] = run_at(base + 9 * stride, mask >> 9 & 0x55555555);
		others.runs[others.nr_runs++] = run_at(base + 123, 0);
	}
	objects_give(fixture, ZONE_CACHE_ANY, FIRST, &others);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 0);
	assert_int_equal(objects_stat(fixture, 0).slabs_empty, 3);
	assert_int_equal(objects_stat(fixture, 0).objects_total, 768);
}

static void test_zone_object_frees_of_any_cache_at_once(void **state)
{
	struct zone_fixture *fixture = *state;
	size_t nr_runs = 0;

	for (uint32_t cache = 0; cache < CACHE_NR_GENERAL; cache++) {
		objects_grant(fixture, cache, 3, FIRST, &objects);
		for (size_t i = 0; i < objects.nr_runs; i++)
			others.runs[nr_runs++] = objects.runs[i];
	}
	others.nr_runs = nr_runs;
	assert_int_equal(objects_count(&others), 3 * CACHE_NR_GENERAL);
	objects_give(fixture, ZONE_CACHE_ANY, FIRST, &others);
	assert_int_equal(zone_held_object_bytes(&fixture->zone, FIRST), 0);
}

/* What is marked is held until all are free, to whoever looks; a check finds the marks. */
static void test_zone_object_leaves_in_two_rounds(void **state)
{
	struct zone_fixture *fixture = *state;
	const struct zone_leaver leaver = objects_leaver(FIRST);
	struct zone *zone = &fixture->zone;
	struct zone_fault fault = { .pfn = 99999 };
	struct object_run run;
	uint32_t cursor = 0;
	uint8_t *saved;
	uint64_t bytes = 0;
	unsigned at;

	objects_grant(fixture, 0, 10, FIRST, &objects);
	run = run_at(objects.runs[0].base, 0x2a);
	saved = zone_fixture_save(fixture);
	assert_int_equal(zone_leave_objects(zone, 0, FIRST, &run, &bytes, &at), 0);
	assert_int_equal(bytes, 3 * 16);
	assert_int_equal(zone_held_objects(zone, FIRST), 10);
	assert_int_equal(zone_check(zone, OBJECTS_PAGES, &cursor, &fault), -EUCLEAN);
	assert_int_equal(fault.pfn, page_address_pfn(run.base >> PAGE_SHIFT));
	assert_true(objects_get(fixture, run.base + 16).is_held);
	assert_int_equal(objects_get(fixture, run.base + 16).holder, FIRST);
	assert_int_equal(zone_leave_objects(zone, 0, FIRST, &run, &bytes, &at), ZONE_E_TWICE);
	assert_int_equal(at, 1);
	zone_cancel_objects(zone, &run);
	zone_fixture_assert_saved(fixture, saved);
	assert_int_equal(zone_leave_objects(zone, 0, FIRST, &run, &bytes, &at), 0);
	zone_finish_objects(zone, &leaver, &run);
	assert_int_equal(zone_held_objects(zone, FIRST), 7);
	assert_int_equal(zone_held_object_bytes(zone, FIRST), 7 * 16);
	zone_fixture_assert_sound(fixture);
}

/* A slab with all words marked, and one that goes when its last object does. */
static void test_zone_object_frees_a_slab_whole(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t nr_objects = objects_layout(fixture, 39)->nr_objects;
	uint64_t nr_free = zone_nr_free(&fixture->zone);

	for (unsigned i = 0; i < 2; i++) {
		objects_grant(fixture, 39, nr_objects * 9, FIRST, &objects);
		objects_give(fixture, 39, FIRST, &objects);
		zone_shrink_cache(&fixture->zone, 39);
		assert_int_equal(zone_nr_free(&fixture->zone), nr_free);
		assert_int_equal(objects_stat(fixture, 39).objects_total, 0);
	}
}

/* Refusals. In each case nothing changes, and it is told which object it is about. */

static void assert_run_refused(struct zone_fixture *fixture, uint32_t cache, uint64_t offset,
			       uint64_t mask, int error, unsigned bit)
{
	const struct object_run run = run_at(offset, mask);

	objects_assert_refused(fixture, cache, FIRST, &run, 1, error, 0, bit);
}

static void test_zone_object_refuses_what_others_hold(void **state)
{
	struct zone_fixture *fixture = *state;
	uint64_t base;

	objects_grant(fixture, 0, 5, FIRST, &objects);
	base = objects.runs[0].base;
	objects_grant(fixture, 0, 1, SECOND, &others);
	assert_int_equal(others.runs[0].base, base);
	assert_int_equal(others.runs[0].mask, 0x20);
	objects_grant(fixture, 0, 4, FIRST, &objects);
	assert_run_refused(fixture, 0, base, 0x3ff, ZONE_E_NOT_HELD, 5);
	assert_run_refused(fixture, 0, base, 0x20, ZONE_E_NOT_HELD, 5);
	assert_run_refused(fixture, ZONE_CACHE_ANY, base + 2 * 16, 0xff, ZONE_E_NOT_HELD, 3);
	objects_give_one(fixture, base + 5 * 16, SECOND);
	assert_run_refused(fixture, 0, base, 0x3ff, ZONE_E_NOT_HEAD, 5);
	objects_give_one(fixture, base + 9 * 16, FIRST);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 8);
}

static void test_zone_object_refuses_what_is_free(void **state)
{
	struct zone_fixture *fixture = *state;
	uint64_t offset = objects_grant_one(fixture, 3, FIRST);

	assert_run_refused(fixture, 3, offset, 2, ZONE_E_NOT_HEAD, 1);
	assert_run_refused(fixture, 3, offset, 3, ZONE_E_NOT_HEAD, 1);
	objects_give_one(fixture, offset, FIRST);
	assert_run_refused(fixture, 3, offset, 1, ZONE_E_NOT_HEAD, 0);
	zone_shrink_cache(&fixture->zone, 3);
	assert_run_refused(fixture, 3, offset, 1, ZONE_E_NOT_OBJECT, 0);
}

/* The second mention is refused, be it the same run, or another that meets it in one object. */
static void test_zone_object_refuses_what_a_batch_names_twice(void **state)
{
	struct zone_fixture *fixture = *state;
	struct object_run runs[3];

	objects_grant(fixture, 0, 64, FIRST, &objects);
	runs[0] = run_at(objects.runs[0].base, 0xf0f);
	runs[1] = run_at(objects.runs[0].base + 4 * 16, 0xf);
	runs[2] = runs[0];
	objects_assert_refused(fixture, 0, FIRST, runs, 3, ZONE_E_TWICE, 2, 0);
	runs[1].mask = 0x30;
	objects_assert_refused(fixture, 0, FIRST, runs, 2, ZONE_E_TWICE, 1, 4);
	others.runs[0] = runs[0];
	others.runs[1] = run_at(runs[1].base, 0xf);
	others.nr_runs = 2;
	objects_give(fixture, 0, FIRST, &others);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 52);
}

static void test_zone_object_refuses_the_wrong_cache(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t alike = objects_cache(fixture, 64, CACHE_CTOR), other = 3, larger = 10;
	uint64_t offset = objects_grant_one(fixture, alike, FIRST);
	uint64_t at = objects_grant_one(fixture, larger, FIRST);

	assert_int_equal(objects_layout(fixture, other)->object_bytes, 64);
	assert_run_refused(fixture, other, offset, 1, ZONE_E_CACHE, 0);
	assert_run_refused(fixture, larger, offset, 1, ZONE_E_CACHE, 0);
	assert_run_refused(fixture, other, at, 4, ZONE_E_CACHE, 2);
	/* Also where no object starts. */
	assert_run_refused(fixture, other, offset + 1, 1, ZONE_E_CACHE, 0);
	objects_give_one(fixture, offset, FIRST);
	objects_give_one(fixture, at, FIRST);
}

/* Every byte of a slab but the first of an object, of a plain cache and of one with red zones. */
static void assert_interior_refused(struct zone_fixture *fixture, uint32_t cache, unsigned bit)
{
	const struct cache_layout *layout = objects_layout(fixture, cache);
	uint64_t slab, first, bytes = PAGE_BYTES << layout->order;

	objects_grant(fixture, cache, layout->nr_objects, FIRST, &objects);
	first = objects.runs[0].base;
	slab = first & ~(bytes - 1);
	for (uint64_t at = slab; at < slab + bytes; at += at % 512 == 511 ? 480 : 1) {
		uint32_t cell = (uint32_t)((at - first) / layout->stride_bytes);

		if (at >= first && (at - first) % layout->stride_bytes == 0 &&
		    cell < layout->nr_objects)
			continue;
		assert_run_refused(fixture, cache, at, UINT64_C(1) << bit, ZONE_E_NOT_OBJECT, bit);
	}
	objects_give(fixture, cache, FIRST, &objects);
}

static void test_zone_object_refuses_interior_pointers(void **state)
{
	struct zone_fixture *fixture = *state;

	assert_interior_refused(fixture, 0, 0);
	assert_interior_refused(fixture, objects_cache(fixture, 100, 0), 3);
	assert_interior_refused(fixture, objects_cache(fixture, 100, CACHE_DEBUG), 0);
}

/* The last object that it names is behind the slab's end, even if all others are held. */
static void test_zone_object_refuses_runs_across_the_end_of_a_slab(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cache = objects_cache(fixture, 100, 0);
	const struct cache_layout *layout = objects_layout(fixture, cache);
	uint64_t last;

	objects_grant(fixture, cache, 2 * layout->nr_objects, FIRST, &objects);
	last = objects.runs[0].base + (layout->nr_objects - 1) * layout->stride_bytes;
	assert_run_refused(fixture, cache, last, 3, ZONE_E_NOT_OBJECT, 1);
	assert_run_refused(fixture, cache, last, UINT64_MAX, ZONE_E_NOT_OBJECT, 63);
	assert_run_refused(fixture, ZONE_CACHE_ANY, last - layout->stride_bytes, 5,
			   ZONE_E_NOT_OBJECT, 2);
	assert_run_refused(fixture, ZONE_CACHE_ANY, last, UINT64_C(1) << 63, ZONE_E_NOT_OBJECT, 63);
	objects_give(fixture, cache, FIRST, &objects);
}

static void test_zone_object_refuses_offsets_of_no_slab(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t page = zone_fixture_grant(fixture, 3, objects_owner(FIRST));
	uint64_t offset = objects_grant_one(fixture, 0, FIRST);

	for (unsigned any = 0; any < 2; any++) {
		uint32_t cache = any ? ZONE_CACHE_ANY : 0;

		assert_run_refused(fixture, cache, offset_of(page), 1, ZONE_E_NOT_OBJECT, 0);
		assert_run_refused(fixture, cache, offset_of(page + 7), 2, ZONE_E_NOT_OBJECT, 1);
		assert_run_refused(fixture, cache, offset_of(4000), 1, ZONE_E_NOT_OBJECT, 0);
		assert_run_refused(fixture, cache, offset_of(OBJECTS_PAGES - 1), 1,
				   ZONE_E_NOT_OBJECT, 0);
		assert_run_refused(fixture, cache, offset_of(OBJECTS_PAGES), 1, ZONE_E_RANGE, 0);
		assert_run_refused(fixture, cache, offset_of(UINT64_C(1) << 32), 1, ZONE_E_RANGE,
				   0);
		assert_run_refused(fixture, cache, offset_of((UINT64_C(1) << 44) - 1), 8,
				   ZONE_E_RANGE, 3);
		assert_run_refused(fixture, cache, offset - (PAGE_BYTES << PAGE_ZONE_SHIFT), 1,
				   ZONE_E_RANGE, 0);
		assert_run_refused(fixture, cache, 0, 1, ZONE_E_RANGE, 0);
		assert_run_refused(fixture, cache, UINT64_MAX, 1, ZONE_E_RANGE, 0);
	}
	objects_give_one(fixture, offset, FIRST);
}

/* Who names nothing frees nothing, wherever it points. */
static void test_zone_object_frees_nothing_at_all(void **state)
{
	struct zone_fixture *fixture = *state;
	uint8_t *saved = zone_fixture_save(fixture);

	others.runs[0] = run_at(0, 0);
	others.runs[1] = run_at(UINT64_MAX, 0);
	others.runs[2] = run_at(5, 0);
	others.nr_runs = 3;
	objects_give(fixture, 0, FIRST, &others);
	zone_expect_slab(&fixture->zone, &others.runs[1]);
	zone_expect_objects(&fixture->zone, 0, &others.runs[1]);
	zone_fixture_assert_saved(fixture, saved);
}

/* One that is wrong keeps all runs before it and behind it. */
static void test_zone_object_refuses_a_batch_as_a_whole(void **state)
{
	struct zone_fixture *fixture = *state;

	objects_grant(fixture, 0, 700, FIRST, &objects);
	objects_give_one(fixture, objects.runs[6].base + 16, FIRST);
	objects_assert_refused(fixture, 0, FIRST, objects.runs, objects.nr_runs, ZONE_E_NOT_HEAD, 6,
			       1);
	objects_assert_refused(fixture, 0, SECOND, objects.runs, objects.nr_runs, ZONE_E_NOT_HELD,
			       0, 0);
	objects_assert_refused(fixture, 1, FIRST, objects.runs, objects.nr_runs, ZONE_E_CACHE, 0,
			       0);
	objects.runs[6].mask ^= 2;
	objects_give(fixture, 0, FIRST, &objects);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 0);
}

/* The daemon's pages are no client's, and a page's free is not for objects. */
static void test_zone_object_slab_is_no_block_of_its_holders(void **state)
{
	struct zone_fixture *fixture = *state;
	uint64_t offset = objects_grant_one(fixture, 0, FIRST);
	uint32_t pfn = (uint32_t)page_address_pfn(offset >> PAGE_SHIFT);
	const struct page_run run = { page_address(ZONE_FIXTURE_INDEX, pfn), 1 };
	uint8_t *saved = zone_fixture_save(fixture);

	for (unsigned slot = 0; slot < ZONE_FIXTURE_SLOTS; slot++) {
		assert_int_equal(zone_free(&fixture->zone, pfn, 0, slot), ZONE_E_NOT_HELD);
		assert_int_equal(zone_free_exact(&fixture->zone, pfn, 1, slot), ZONE_E_NOT_HELD);
		assert_int_equal(zone_free_bulk(&fixture->zone, 0, slot, &run, 1), ZONE_E_NOT_HELD);
		assert_int_equal(zone_share(&fixture->zone, pfn, 0, slot, objects_owner(SECOND)),
				 ZONE_E_NOT_HELD);
	}
	assert_int_equal(zone_mark_hole(&fixture->zone, pfn, 1), ZONE_E_NOT_HEAD);
	zone_fixture_assert_saved(fixture, saved);
	zone_fixture_assert_sound(fixture);
}

/* Constructed or raw. */

/* Which of the 20 objects from base on are constructed. */
static uint64_t constructed(const struct zone_fixture *fixture, uint64_t base, uint32_t cache)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < 20; i++)
		mask |= (uint64_t)objects_get(
				fixture,
				base + (uint64_t)i * objects_layout(fixture, cache)->stride_bytes)
				.is_constructed
			<< i;
	return mask;
}

static void test_zone_object_is_raw_until_it_was_constructed(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cache = objects_cache(fixture, 100, CACHE_CTOR);
	uint64_t base;

	assert_int_equal(objects_layout(fixture, cache)->nr_objects, 39);
	objects_grant(fixture, cache, 39, FIRST, &objects);
	base = objects.runs[0].base;
	assert_int_equal(objects.runs[0].raw, objects.runs[0].mask);
	assert_int_equal(constructed(fixture, base, cache), 0);
	/* Ten of them come back as they were granted; of those that they have not granted none. */
	others.nr_runs = 1;
	others.runs[0] = (struct object_run){ base, 0xfffff, UINT64_MAX << 10 };
	objects_give(fixture, cache, FIRST, &others);
	assert_int_equal(constructed(fixture, base, cache), 0x3ff);
	objects_grant(fixture, cache, 20, SECOND, &objects);
	assert_int_equal(objects.runs[0].mask, 0xfffff);
	assert_int_equal(objects.runs[0].raw, 0xffc00);
	/* What was constructed when it was granted is raw when who had it says so. */
	objects.runs[0].raw = UINT64_MAX << 5;
	objects_give(fixture, cache, SECOND, &objects);
	assert_int_equal(constructed(fixture, base, cache), 0x1f);
	objects_grant(fixture, cache, 20, SECOND, &objects);
	objects.runs[0].raw = 0;
	objects_give(fixture, cache, SECOND, &objects);
	assert_int_equal(constructed(fixture, base, cache), 0xfffff);
}

static void test_zone_object_is_raw_when_it_was_cleared(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cache = objects_cache(fixture, 100, CACHE_CTOR | CACHE_DEBUG);
	struct object_run cleared;

	objects_grant(fixture, cache, 20, FIRST, &objects);
	objects.runs[0].raw = 0;
	objects_give(fixture, cache, FIRST, &objects);
	objects_grant(fixture, cache, 20, FIRST, &objects);
	assert_int_equal(objects.runs[0].raw, 0);
	cleared = run_at(objects.runs[0].base, 0xff);
	zone_forget_constructed(&fixture->zone, &cleared);
	zone_fixture_assert_sound(fixture);
	assert_int_equal(zone_held_objects(&fixture->zone, FIRST), 20);
	objects.runs[0].raw = 0xf;
	objects_give(fixture, cache, FIRST, &objects);
	objects_grant(fixture, cache, 20, FIRST, &objects);
	assert_int_equal(objects.runs[0].raw, 0xf);
}

static void test_zone_object_is_raw_when_its_slab_is_new(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cache = objects_cache(fixture, 100, CACHE_CTOR);

	objects_grant(fixture, cache, 39, FIRST, &objects);
	objects.runs[0].raw = 0;
	objects_give(fixture, cache, FIRST, &objects);
	assert_int_equal(zone_shrink_cache(&fixture->zone, cache), 1);
	objects_grant(fixture, cache, 39, FIRST, &objects);
	assert_int_equal(objects.runs[0].raw, objects.runs[0].mask);
}

/* There nobody asks, and nothing is remembered. */
static void test_zone_object_is_never_raw_without_a_constructor(void **state)
{
	struct zone_fixture *fixture = *state;
	const uint32_t caches[] = { 0, objects_cache(fixture, 100, CACHE_DEBUG) };

	for (unsigned i = 0; i < 2; i++)
		for (unsigned round = 0; round < 3; round++) {
			objects_grant(fixture, caches[i], 30, FIRST, &objects);
			assert_int_equal(objects.runs[0].raw, 0);
			objects.runs[0].raw = round == 1 ? UINT64_MAX : 0;
			objects_give(fixture, caches[i], FIRST, &objects);
			assert_int_equal(constructed(fixture, objects.runs[0].base, caches[i]), 0);
		}
}

/* Who had it before. */

static void assert_previous(const struct zone_fixture *fixture, uint64_t offset, bool is_known,
			    unsigned slot)
{
	struct zone_object object = objects_get(fixture, offset);

	assert_int_equal(object.has_previous, is_known);
	if (!is_known)
		return;
	assert_int_equal(object.previous.slot, slot);
	assert_int_equal(object.previous.generation, objects_leaver(slot).generation);
}

static void test_zone_object_remembers_who_had_it(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t debug = objects_cache(fixture, 100, CACHE_DEBUG);

	for (unsigned is_debug = 0; is_debug < 2; is_debug++) {
		uint32_t cache = is_debug ? debug : 0;
		uint64_t offset = objects_grant_one(fixture, cache, FIRST);

		assert_previous(fixture, offset, false, 0);
		objects_give_one(fixture, offset, FIRST);
		assert_previous(fixture, offset, true, FIRST);
		assert_int_equal(objects_grant_one(fixture, cache, SECOND), offset);
		assert_previous(fixture, offset, is_debug, FIRST);
		objects_give_one(fixture, offset, SECOND);
		assert_previous(fixture, offset, true, SECOND);
		zone_fixture_reopen(fixture);
		assert_previous(fixture, offset, true, SECOND);
		assert_int_equal(objects_grant_one(fixture, cache, SECOND), offset);
		zone_fixture_reopen(fixture);
		assert_previous(fixture, offset, is_debug, SECOND);
	}
}

/* A generation is kept modulo what a word has room for. */
static void test_zone_object_remembers_generations(void **state)
{
	struct zone_fixture *fixture = *state;
	const struct zone_leaver leaver = { .slot = FIRST, .generation = WORD_NR_TAGS - 1 };
	uint64_t offset = objects_grant_one(fixture, 0, FIRST), bytes;
	const struct object_run run = run_at(offset, 1);
	struct zone_object object;
	unsigned at;

	assert_int_equal(zone_leave_objects(&fixture->zone, 0, FIRST, &run, &bytes, &at), 0);
	zone_finish_objects(&fixture->zone, &leaver, &run);
	object = objects_get(fixture, offset);
	assert_false(object.is_held);
	assert_int_equal(object.previous.slot, FIRST);
	assert_int_equal(object.previous.generation, WORD_NR_TAGS - 1);
}

/* What was granted too late, and goes back untold of, is as it was; but who had it is forgotten. */
static void test_zone_object_forgets_who_was_not_told(void **state)
{
	struct zone_fixture *fixture = *state;
	uint32_t cache = objects_cache(fixture, 100, CACHE_CTOR | CACHE_DEBUG);
	const struct zone_leaver leaver = { .slot = SECOND, .generation = 9, .is_untold = true };
	struct zone_object object;
	uint64_t bytes;
	unsigned at;

	objects_grant(fixture, cache, 8, FIRST, &objects);
	objects.runs[0].raw = 0xf0;
	objects_give(fixture, cache, FIRST, &objects);
	objects_grant(fixture, cache, 8, SECOND, &objects);
	assert_int_equal(objects.runs[0].raw, 0xf0);
	assert_int_equal(
		zone_leave_objects(&fixture->zone, cache, SECOND, &objects.runs[0], &bytes, &at),
		0);
	zone_finish_objects(&fixture->zone, &leaver, &objects.runs[0]);
	zone_fixture_reopen(fixture);
	object = objects_get(fixture, objects.runs[0].base);
	assert_true(!object.is_held && object.is_constructed && !object.has_previous);
	objects_grant(fixture, cache, 8, FIRST, &objects);
	assert_int_equal(objects.runs[0].raw, 0xf0);
	assert_false(objects_get(fixture, objects.runs[0].base).has_previous);
}

#define free_test(name) cmocka_unit_test_setup_teardown(name, objects_setup, zone_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		free_test(test_zone_object_frees_batches_over_slabs),
		free_test(test_zone_object_frees_of_any_cache_at_once),
		free_test(test_zone_object_leaves_in_two_rounds),
		free_test(test_zone_object_frees_a_slab_whole),
		free_test(test_zone_object_refuses_what_others_hold),
		free_test(test_zone_object_refuses_what_is_free),
		free_test(test_zone_object_refuses_what_a_batch_names_twice),
		free_test(test_zone_object_refuses_the_wrong_cache),
		free_test(test_zone_object_refuses_interior_pointers),
		free_test(test_zone_object_refuses_runs_across_the_end_of_a_slab),
		free_test(test_zone_object_refuses_offsets_of_no_slab),
		free_test(test_zone_object_frees_nothing_at_all),
		free_test(test_zone_object_refuses_a_batch_as_a_whole),
		free_test(test_zone_object_slab_is_no_block_of_its_holders),
		free_test(test_zone_object_is_raw_until_it_was_constructed),
		free_test(test_zone_object_is_raw_when_it_was_cleared),
		free_test(test_zone_object_is_raw_when_its_slab_is_new),
		free_test(test_zone_object_is_never_raw_without_a_constructor),
		free_test(test_zone_object_remembers_who_had_it),
		free_test(test_zone_object_remembers_generations),
		free_test(test_zone_object_forgets_who_was_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
