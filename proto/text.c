/* SPDX-License-Identifier: MIT */
/*
 * Strings of peers end up in logs and on terminals, so they are checked once, where they come in:
 * valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF) without the
 * control characters C0, DEL and C1, which terminals obey. Whoever holds a decoded message may
 * print its strings as they are.
 *
 * Not by the locale's functions: the daemon's locale is not the peer's.
 */

#include "proto/text.h"

#include <stdint.h>

static bool is_continuation(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

/*
 * The second byte of a long sequence has a narrower range after some first bytes: that excludes
 * overlong forms (e0, f0), surrogates (ed), what is above U+10FFFF (f4), and C1 controls (c2).
 */
static bool is_second(uint8_t first, uint8_t second)
{
	switch (first) {
	case 0xc2:
	case 0xe0:
		return second >= 0xa0 && second < 0xc0;
	case 0xed:
		return second >= 0x80 && second < 0xa0;
	case 0xf0:
		return second >= 0x90 && second < 0xc0;
	case 0xf4:
		return second >= 0x80 && second < 0x90;
	default:
		return is_continuation(second);
	}
}

/* Length of the printable character at s, 0 when there is none. Never reads past a NUL. */
static size_t character_bytes(const uint8_t *s)
{
	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] < 0xc2 || s[0] > 0xf4 || !is_second(s[0], s[1]))
		return 0;
	if (s[0] < 0xe0)
		return 2;
	if (!is_continuation(s[2]))
		return 0;
	if (s[0] < 0xf0)
		return 3;
	return is_continuation(s[3]) ? 4 : 0;
}

bool text_is_printable(const char *text, size_t max_bytes)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t length = 0;

	while (s[length] != '\0') {
		size_t n = character_bytes(s + length);

		if (n == 0 || length + n > max_bytes)
			return false;
		length += n;
	}
	return true;
}
