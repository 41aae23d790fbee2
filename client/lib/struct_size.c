/* SPDX-License-Identifier: MIT */
/*
 * A program and the library may be built against different headers. Fields are only ever added at
 * the end and zero is always the default, so the shorter of the two structs is the start of the
 * longer one: a caller's older struct has defaults where it ends, and a newer one is the same as
 * ours as long as what it has beyond is zero.
 */

#include "lib/struct_size.h"

#include <errno.h>
#include <string.h>

/* The size that the caller noted at the start of the struct. */
static size_t struct_size(const void *caller)
{
	size_t size_bytes;

	memcpy(&size_bytes, caller, sizeof(size_bytes));
	return size_bytes;
}

int ppc_struct_take(void *to, size_t known_bytes, const void *from)
{
	size_t size_bytes = struct_size(from);

	if (size_bytes < sizeof(size_bytes))
		return -EINVAL;
	for (size_t i = known_bytes; i < size_bytes; i++) {
		if (((const char *)from)[i] != 0)
			return -E2BIG;
	}
	memcpy(to, from, size_bytes < known_bytes ? size_bytes : known_bytes);
	return 0;
}

void ppc_struct_give(void *to, const void *from, size_t known_bytes)
{
	size_t size_bytes = struct_size(to);
	size_t shared_bytes = size_bytes < known_bytes ? size_bytes : known_bytes;

	memcpy(to, from, shared_bytes);
	memset((char *)to + shared_bytes, 0, size_bytes - shared_bytes);
	memcpy(to, &size_bytes, sizeof(size_bytes));
}
