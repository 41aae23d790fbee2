/* SPDX-License-Identifier: MIT */
/*
 * Amounts of memory as text.
 *
 * Only what can be meant one way is read: no sign, no space inside, no fraction but of a percent,
 * no unit but the four. Percents become hundredths of a percent, so that nothing is rounded.
 */

#include "service/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PERMYRIAD_MAX 10000u

static const char units[] = "KMGT";

static int parse_number(const char **text, uint64_t *ret)
{
	const char *digit = *text;
	uint64_t value = 0;

	for (; *digit >= '0' && *digit <= '9'; digit++)
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*digit - '0'), &value))
			return -ERANGE;
	if (digit == *text)
		return -EINVAL;
	*text = digit;
	*ret = value;
	return 0;
}

/* "", ".5" or ".25" after the whole percents: hundredths. */
static int parse_hundredths(const char **text, unsigned *ret)
{
	const char *digit = *text;
	unsigned value = 0, nr_digits = 0;

	if (*digit == '.') {
		for (digit++; *digit >= '0' && *digit <= '9'; digit++, nr_digits++)
			value = value * 10 + (unsigned)(*digit - '0');
		if (nr_digits == 0 || nr_digits > 2)
			return -EINVAL;
		if (nr_digits == 1)
			value *= 10;
	}
	*text = digit;
	*ret = value;
	return 0;
}

static int parse_percent(uint64_t whole, const char *rest, struct service_size *ret)
{
	unsigned hundredths;

	if (parse_hundredths(&rest, &hundredths) < 0 || strcmp(rest, "%") != 0)
		return -EINVAL;
	if (whole > 100 || whole * 100 + hundredths > PERMYRIAD_MAX)
		return -ERANGE;
	if (whole * 100 + hundredths == 0)
		return -EINVAL;
	*ret = (struct service_size){ .permyriad = (unsigned)whole * 100 + hundredths };
	return 0;
}

int size_parse(const char *text, struct service_size *ret)
{
	const char *unit;
	uint64_t value;
	int error;

	error = parse_number(&text, &value);
	if (error)
		return error;
	if (*text == '%' || *text == '.')
		return parse_percent(value, text, ret);
	if (*text) {
		unit = strchr(units, *text);
		if (!unit || text[1])
			return -EINVAL;
		if (__builtin_mul_overflow(value, UINT64_C(1024) << 10 * (unit - units), &value))
			return -ERANGE;
	}
	*ret = (struct service_size){ .bytes = value };
	return 0;
}

uint64_t size_resolve(const struct service_size *size, uint64_t whole_bytes)
{
	if (!size->permyriad)
		return size->bytes;
	/* In two steps, as the product may be too large. */
	return whole_bytes / PERMYRIAD_MAX * size->permyriad +
	       whole_bytes % PERMYRIAD_MAX * size->permyriad / PERMYRIAD_MAX;
}

const char *size_format(const struct service_size *size, char text[SIZE_TEXT_BYTES_MAX])
{
	char unit[2] = "";
	uint64_t value = size->bytes;

	if (size->permyriad) {
		snprintf(text, SIZE_TEXT_BYTES_MAX, "%u.%02u%%", size->permyriad / 100,
			 size->permyriad % 100);
		return text;
	}
	for (const char *next = units; *next && value && value % 1024 == 0; next++) {
		value /= 1024;
		unit[0] = *next;
	}
	snprintf(text, SIZE_TEXT_BYTES_MAX, "%" PRIu64 "%s", value, unit);
	return text;
}
