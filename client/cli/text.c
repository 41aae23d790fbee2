/* SPDX-License-Identifier: MIT */
/*
 * Strings from others.
 *
 * A client names itself as it likes, and whoever runs pagepoolctl may be root. The protocol lets no
 * control characters through; what is left are characters that this terminal's locale does not
 * know, and those that take no place and still change what is seen: marks that turn the direction
 * of text, joiners, invisible letters. So a character is shown only when it takes a column of its
 * own in the user's locale. Everything else becomes \xNN, controls included, since an error may
 * quote the command line, which no protocol has checked. The escape is unambiguous: a backslash is
 * doubled.
 */

#include "cli/text.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

/* Bytes of the character at text, and whether it may be shown. Bad bytes count one by one. */
static size_t next_character(const char *text, size_t left, bool *ret_visible)
{
	mbstate_t state = { 0 };
	wchar_t wide = 0;
	size_t n = mbrtowc(&wide, text, left, &state);

	if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
		*ret_visible = false;
		return 1;
	}
	*ret_visible = iswprint((wint_t)wide) && wcwidth(wide) >= 1;
	return n;
}

void text_escape(const char *text, char *ret, size_t size_bytes)
{
	size_t left = strlen(text), used = 0, n;
	char piece[4 * MB_LEN_MAX + 1]; /* \xNN for each byte of a character */
	bool visible;

	for (; left > 0; text += n, left -= n) {
		size_t length = 0;

		n = next_character(text, left, &visible);
		if (visible && *text == '\\')
			length = (size_t)sprintf(piece, "\\\\");
		else if (visible)
			length = (size_t)sprintf(piece, "%.*s", (int)n, text);
		else
			for (size_t i = 0; i < n; i++)
				length += (size_t)sprintf(piece + length, "\\x%02x",
							  (unsigned char)text[i]);
		if (used + length >= size_bytes)
			break;
		memcpy(ret + used, piece, length);
		used += length;
	}
	ret[used] = '\0';
}
