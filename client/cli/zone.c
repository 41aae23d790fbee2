/* SPDX-License-Identifier: MIT */
/* What several commands tell about a zone: one set of words and keys for all of them. */

#include "cli/zone.h"

#include "cli/document.h"

const char *zone_pressure(enum message_pressure pressure)
{
	static const char *const words[MESSAGE_NR_PRESSURES] = { [MESSAGE_PRESSURE_NONE] = "none",
								 [MESSAGE_PRESSURE_LOW] = "low",
								 [MESSAGE_PRESSURE_MIN] = "min" };

	return (unsigned)pressure < MESSAGE_NR_PRESSURES ? words[pressure] : "unknown";
}

unsigned zone_count_orders(const struct message *status)
{
	unsigned nr_orders = 1;

	for (size_t i = 0; i < status->u.status_info.nr_pools; i++)
		if (status->u.status_info.pools[i].max_order >= nr_orders)
			nr_orders = status->u.status_info.pools[i].max_order + 1;
	return nr_orders < MESSAGE_NR_ORDERS ? nr_orders : MESSAGE_NR_ORDERS;
}

json_t *zone_document(const struct message_zone_info *zone)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}, s:s, s:s, s:o}", "node",
			 (json_int_t)zone->node, "size_bytes", document_number(zone->size_bytes),
			 "free_bytes", document_number(zone->free_bytes), "committed_bytes",
			 document_number(zone->committed_bytes), "draining_bytes",
			 document_number(zone->draining_bytes), "watermark", "min_bytes",
			 document_number(zone->min_bytes), "low_bytes",
			 document_number(zone->low_bytes), "high_bytes",
			 document_number(zone->high_bytes), "pressure",
			 zone_pressure(zone->pressure), "damage", zone->damage, "free_blocks",
			 document_numbers(zone->free_blocks, MESSAGE_NR_ORDERS));
}
