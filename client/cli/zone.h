/* SPDX-License-Identifier: MIT */
#pragma once

/* What several commands tell about a zone. */

#include <jansson.h>

#include "proto/message.h"

/* "none", "low" or "min". */
const char *zone_pressure(enum message_pressure pressure);
/* Of a status: the orders that its pools can have blocks of. The others need no column. */
unsigned zone_count_orders(const struct message *status);
/* Sizes, watermarks, pressure, damage and free blocks, under the keys of `status`. NULL: out of
 * memory. */
json_t *zone_document(const struct message_zone_info *zone);
