/* SPDX-License-Identifier: MIT */
#pragma once

/* Which zones are short: from the demands that the core returns with each request. */

#include "proto/message.h"

struct pool_demand;
struct pools_pool;
struct pools_zone;

/* Keeps what a request found lacking with the zone that lacked it, and tells the log of the first.
 */
void pressure_note(struct pools_pool *pool, const struct pool_demand *demand);

/* How a zone that is in use stands now. */
enum message_pressure pressure_of(const struct pools_zone *zone);
