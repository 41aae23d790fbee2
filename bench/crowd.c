/* SPDX-License-Identifier: MIT */
/*
 * Clients that hold all of a zone, or a part of it.
 *
 * Most are given pages by the batch, as the library asks for them, so that a client's pages lie
 * together; what is worse can be had too. Holders are changed in the ledger itself, as nobody could
 * ask for it: the zone has to be recovered then, which is what this is for.
 */

#include "bench/crowd.h"

#include <assert.h>

#include "bench/core.h"
#include "bench/measure.h"

#define RANDOM_SEED UINT64_C(7)
#define READ_WORDS 64u

unsigned crowd_in_turn(uint32_t n, uint64_t *random)
{
	(void)random;
	return 1 + n % CROWD_CLIENTS;
}

void crowd_grant_batches(struct subject *subject, crowd_choose_fn choose)
{
	struct page_run runs[CORE_BATCH_PAGES];
	uint64_t random = RANDOM_SEED;

	for (uint32_t n = 0; subject_nr_free_pages(subject); n++) {
		struct word_owner owner = { .slot = choose(n, &random), .tag = n % WORD_NR_TAGS };
		size_t nr_runs = 0;

		zone_alloc_bulk(&subject->u.zone, 0, CORE_BATCH_PAGES, owner, runs, &nr_runs);
	}
}

void crowd_grant_pages(struct subject *subject, crowd_choose_fn choose)
{
	uint64_t random = RANDOM_SEED;
	uint32_t pfn;

	for (uint32_t n = 0; subject_nr_free_pages(subject); n++) {
		struct word_owner owner = { .slot = choose(n, &random), .tag = n % WORD_NR_TAGS };

		zone_alloc(&subject->u.zone, 0, owner, &pfn);
	}
}

void crowd_free(struct subject *subject, uint32_t first, unsigned percent)
{
	uint64_t random = RANDOM_SEED;
	struct zone_block block;
	uint32_t cursor = first;

	while (zone_next_block(&subject->u.zone, -1, UINT32_MAX, &cursor, &block)) {
		if (measure_random_below(&random, 100) < percent)
			zone_free(&subject->u.zone, block.pfn, 0, block.owner.slot);
	}
}

void crowd_mix(struct subject *subject)
{
	uint64_t random = RANDOM_SEED;
	struct zone_block block;
	uint32_t cursor = 0;

	while (zone_next_block(&subject->u.zone, -1, UINT32_MAX, &cursor, &block)) {
		block.owner.slot = 1 + measure_random_below(&random, CROWD_CLIENTS);
		subject->u.zone.words[block.pfn] = word_make(block.kind, block.owner, block.order);
	}
}

/* As plain as a compiler needs it to make vectors of it. */
static uint32_t sum(const uint32_t *words, const uint32_t *end)
{
	uint32_t total = 0;

	for (; words < end; words += READ_WORDS)
		for (unsigned i = 0; i < READ_WORDS; i++)
			total += words[i];
	return total;
}

uint64_t crowd_read(const struct subject *subject)
{
	const uint32_t *words = subject->u.zone.words;
	volatile uint32_t result;
	uint64_t started;

	assert(subject->nr_pages % READ_WORDS == 0);
	started = measure_cpu_ns();
	result = sum(words, words + subject->nr_pages);
	started = measure_cpu_ns() - started;
	(void)result;
	return started;
}
