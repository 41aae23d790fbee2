/* SPDX-License-Identifier: MIT */
#pragma once

/* Zones with share records, and blocks in them that have several holders. */

#include <stdint.h>

#include "core/zone.h"
#include "support/zone_fixture.h"

#define SHARING_NR_SLOTS 130u
#define SHARING_NR_RECORDS 32u
#define SHARING_MANY 100u /* holders of one block */

/* Slots of holders; sharing_owner() says what stands for one. */
#define FIRST 7u
#define SECOND 8u
#define THIRD 9u

struct word_owner sharing_owner(unsigned slot);

/* A zone of ZONE_FIXTURE_PAGES; zone_fixture_free() frees it. */
struct zone_fixture *sharing_fixture_new(uint32_t nr_shares);
/* For cmocka, with SHARING_NR_RECORDS; zone_fixture_teardown() goes with it. */
int sharing_setup(void **state);

/* A block of the first holder alone. */
uint32_t sharing_grant(struct zone_fixture *fixture, unsigned order);
/* One holder lets another in. */
void sharing_add(struct zone_fixture *fixture, uint32_t pfn, unsigned order, unsigned slot,
		 unsigned other);
/* A block of the first and the second. */
uint32_t sharing_grant_pair(struct zone_fixture *fixture, unsigned order);
/* A block of order 1 of the slots 1 .. SHARING_MANY. */
uint32_t sharing_grant_many(struct zone_fixture *fixture);
uint32_t sharing_nr_holders(struct zone_fixture *fixture, uint32_t pfn);

/* So many blocks of order 1 in one run, the first holder's; these of them are the second's too. */
#define SHARING_NR_BLOCKS 24u
#define SHARING_SHARED_BLOCKS UINT64_C(0x249249) /* every third */
struct page_run sharing_grant_run(struct zone_fixture *fixture);
/* Those blocks of a run that are in the mask. */
struct page_run sharing_part(struct page_run run, uint64_t mask);
