/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A zone full of many clients' blocks, for what is done by reading its ledger; and the plainest
 * reading of that ledger, for a measure of it.
 */

#include <stdint.h>

#include "bench/subject.h"

/* The clients' slots are 1 .. CROWD_CLIENTS; none of them holds anything in a new zone. */
#define CROWD_CLIENTS 1000u

/* Who gets a batch or a page that comes n-th: a slot. */
typedef unsigned (*crowd_choose_fn)(uint32_t n, uint64_t *random);

/* One after the other, and then the first again. */
unsigned crowd_in_turn(uint32_t n, uint64_t *random);

/* Grants all free pages as single pages: by the batch of CORE_BATCH_PAGES, or one by one. */
void crowd_grant_batches(struct subject *subject, crowd_choose_fn choose);
void crowd_grant_pages(struct subject *subject, crowd_choose_fn choose);

/* Frees single pages, every one of them with a chance of `percent`, from this page on. */
void crowd_free(struct subject *subject, uint32_t first, unsigned percent);

/* Each block, whoever holds it, goes to a client drawn at random. The zone must be recovered. */
void crowd_mix(struct subject *subject);

/* Adds up the ledger's words; returns the CPU time that it took, in ns. */
uint64_t crowd_read(const struct subject *subject);
