/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people say them: at most five characters for a size, two units for a time.
 *
 * Sizes are cut, never rounded up: what is shown as free is there, and a size without a decimal
 * below 100 is exact ("12G" is 12 GiB to the byte, "12.0G" a little more).
 */

#include "cli/human.h"

#include <stdio.h>

const char *human_size(uint64_t size_bytes, char ret[HUMAN_BYTES_MAX])
{
	static const char units[] = "KMGTPE";
	unsigned shift = 0;
	uint64_t whole, rest;

	while (shift < 60 && size_bytes >> shift >= 1024)
		shift += 10;
	whole = size_bytes >> shift;
	rest = size_bytes & ((UINT64_C(1) << shift) - 1);
	if (shift == 0)
		snprintf(ret, HUMAN_BYTES_MAX, "%u", (unsigned)whole);
	else if (rest == 0 || whole >= 100)
		snprintf(ret, HUMAN_BYTES_MAX, "%u%c", (unsigned)whole, units[shift / 10 - 1]);
	else /* ten times the rest needs four bits more than the 60 it may have: it fits */
		snprintf(ret, HUMAN_BYTES_MAX, "%u.%u%c", (unsigned)whole,
			 (unsigned)(rest * 10 >> shift), units[shift / 10 - 1]);
	return ret;
}

const char *human_duration(uint64_t duration_s, char ret[HUMAN_BYTES_MAX])
{
	uint64_t minutes = duration_s / 60, hours = minutes / 60, days = hours / 24;

	if (days > 0)
		snprintf(ret, HUMAN_BYTES_MAX, "%llud%uh", (unsigned long long)days,
			 (unsigned)(hours % 24));
	else if (hours > 0)
		snprintf(ret, HUMAN_BYTES_MAX, "%uh%um", (unsigned)hours, (unsigned)(minutes % 60));
	else if (minutes > 0)
		snprintf(ret, HUMAN_BYTES_MAX, "%um%us", (unsigned)minutes,
			 (unsigned)(duration_s % 60));
	else
		snprintf(ret, HUMAN_BYTES_MAX, "%us", (unsigned)duration_s);
	return ret;
}
