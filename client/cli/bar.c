/* SPDX-License-Identifier: MIT */
/*
 * Usage bars. With UTF-8 a cell is drawn in eighths, else as '#' or '.'. The two ends tell the
 * truth: a bar is empty only when nothing is used, full (and 100 %) only when all is.
 */

#include "cli/bar.h"

#include <stdio.h>
#include <string.h>

#define EIGHTHS 8u

/* used of total, as steps of 0..max. */
static unsigned scale(uint64_t used, uint64_t total, unsigned max)
{
	if (total == 0)
		return 0;
	if (used >= total)
		return max;
	return (unsigned)((unsigned __int128)used * max / total);
}

static unsigned filled(uint64_t used, uint64_t total, unsigned max)
{
	unsigned n = scale(used, total, max);

	return n == 0 && used > 0 && total > 0 ? 1 : n;
}

static void draw_blocks(unsigned eighths, char *ret)
{
	/* U+258F, one eighth, to U+2588, the full block; U+2591, light shade, for nothing. */
	for (unsigned cell = 0; cell < BAR_CELLS; cell++) {
		unsigned here = eighths > EIGHTHS ? EIGHTHS : eighths;

		memcpy(ret, here > 0 ? "\xe2\x96\x88" : "\xe2\x96\x91", 3);
		if (here > 0)
			ret[2] = (char)(0x90 - here);
		ret += 3;
		eighths -= here;
	}
	*ret = '\0';
}

const char *bar_draw(uint64_t used, uint64_t total, bool utf8, char ret[BAR_BYTES_MAX])
{
	unsigned percent = scale(used, total, 100);
	char cells[3 * BAR_CELLS + 1];

	if (utf8) {
		draw_blocks(filled(used, total, BAR_CELLS * EIGHTHS), cells);
		snprintf(ret, BAR_BYTES_MAX, "%s %3u%%", cells, percent);
	} else {
		unsigned n = filled(used, total, BAR_CELLS);

		memset(cells, '#', n);
		memset(cells + n, '.', BAR_CELLS - n);
		cells[BAR_CELLS] = '\0';
		snprintf(ret, BAR_BYTES_MAX, "[%s] %3u%%", cells, percent);
	}
	return ret;
}
