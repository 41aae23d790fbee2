/* SPDX-License-Identifier: MIT */
#pragma once

/* Numbers as people say them. */

#include <stddef.h>
#include <stdint.h>

#define HUMAN_BYTES_MAX 32u

/* "0", "512", "4K", "12.5G". Returns ret. */
const char *human_size(uint64_t size_bytes, char ret[HUMAN_BYTES_MAX]);

/* The two largest units: "45s", "12m30s", "3h5m", "12d4h". Returns ret. */
const char *human_duration(uint64_t duration_s, char ret[HUMAN_BYTES_MAX]);
