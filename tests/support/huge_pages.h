/* SPDX-License-Identifier: MIT */
#pragma once

/* Huge pages of 2 MiB for a test, from the host's own. */

#include <stdbool.h>
#include <stdint.h>

/* Makes sure that so many are free, or says why not. */
bool huge_pages_reserve(uint64_t nr_pages, uint64_t *ret_before);
/* Gives the host back what it had before. */
void huge_pages_release(uint64_t before);
