/* SPDX-License-Identifier: MIT */
#include "support/huge_pages.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "service/hostmem.h"

#define HUGE_BYTES (UINT64_C(2) << 20)

static bool write_number(const char *path, uint64_t number)
{
	FILE *file = fopen(path, "we");
	bool is_written = file && fprintf(file, "%" PRIu64, number) > 0;

	return file && fclose(file) == 0 && is_written;
}

bool huge_pages_reserve(uint64_t nr_pages, uint64_t *ret_before)
{
	struct hostmem_huge huge;

	if (hostmem_huge_pages(-1, HUGE_BYTES, &huge) < 0) {
		print_message("skipped: this kernel has no huge pages of 2 MiB\n");
		return false;
	}
	*ret_before = huge.nr_total;
	if (huge.nr_available < nr_pages) {
		if (!write_number(huge.path, huge.nr_total + nr_pages - huge.nr_available) ||
		    hostmem_huge_pages(-1, HUGE_BYTES, &huge) < 0 || huge.nr_available < nr_pages) {
			print_message("skipped: can't get %" PRIu64 " huge pages\n", nr_pages);
			write_number(huge.path, *ret_before);
			return false;
		}
	}
	return true;
}

void huge_pages_release(uint64_t before)
{
	struct hostmem_huge huge;

	if (hostmem_huge_pages(-1, HUGE_BYTES, &huge) == 0 && huge.nr_total != before)
		write_number(huge.path, before);
}
