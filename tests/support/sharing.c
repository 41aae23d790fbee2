/* SPDX-License-Identifier: MIT */

/* Each holder's tag follows from its slot, so that a test can tell whose it should be. */

#include "support/sharing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct word_owner sharing_owner(unsigned slot)
{
	return (struct word_owner){ .slot = (uint16_t)slot,
				    .tag = (uint16_t)(slot * 7 % WORD_NR_TAGS),
				    .mobility = MOBILITY_MOVABLE };
}

struct zone_fixture *sharing_fixture_new(uint32_t nr_shares)
{
	const struct zone_config config = { .index = 3,
					    .nr_pages = ZONE_FIXTURE_PAGES,
					    .max_order = 12,
					    .nr_slots = SHARING_NR_SLOTS,
					    .nr_shares = nr_shares };

	return zone_fixture_new(&config);
}

int sharing_setup(void **state)
{
	*state = sharing_fixture_new(SHARING_NR_RECORDS);
	return 0;
}

uint32_t sharing_grant(struct zone_fixture *fixture, unsigned order)
{
	return zone_fixture_grant(fixture, order, sharing_owner(FIRST));
}

void sharing_add(struct zone_fixture *fixture, uint32_t pfn, unsigned order, unsigned slot,
		 unsigned other)
{
	assert_int_equal(zone_share(&fixture->zone, pfn, order, slot, sharing_owner(other)), 0);
}

uint32_t sharing_grant_pair(struct zone_fixture *fixture, unsigned order)
{
	uint32_t pfn = sharing_grant(fixture, order);

	sharing_add(fixture, pfn, order, FIRST, SECOND);
	return pfn;
}

uint32_t sharing_nr_holders(struct zone_fixture *fixture, uint32_t pfn)
{
	struct word_owner owner;
	uint32_t cursor = 0, nr = 0;

	while (zone_next_holder(&fixture->zone, pfn, &cursor, &owner))
		nr++;
	return nr;
}

uint32_t sharing_grant_many(struct zone_fixture *fixture)
{
	uint32_t pfn = zone_fixture_grant(fixture, 1, sharing_owner(1));

	for (unsigned slot = 2; slot <= SHARING_MANY; slot++) {
		sharing_add(fixture, pfn, 1, slot - 1, slot);
		assert_int_equal(zone_nr_shares(&fixture->zone),
				 (slot + SHARE_HOLDERS - 1) / SHARE_HOLDERS);
	}
	zone_fixture_assert_sound(fixture);
	zone_fixture_reopen(fixture);
	assert_int_equal(sharing_nr_holders(fixture, pfn), SHARING_MANY);
	return pfn;
}

struct page_run sharing_grant_run(struct zone_fixture *fixture)
{
	struct page_run runs[SHARING_NR_BLOCKS];
	size_t nr_runs = 0;

	assert_int_equal(zone_alloc_bulk(&fixture->zone, 1, SHARING_NR_BLOCKS, sharing_owner(FIRST),
					 runs, &nr_runs),
			 SHARING_NR_BLOCKS);
	assert_int_equal(nr_runs, 1);
	for (unsigned i = 0; i < SHARING_NR_BLOCKS; i += 3)
		sharing_add(fixture, (uint32_t)page_address_pfn(runs[0].base) + 2 * i, 1, FIRST,
			    SECOND);
	return runs[0];
}

struct page_run sharing_part(struct page_run run, uint64_t mask)
{
	return (struct page_run){ run.base, run.mask & mask };
}
