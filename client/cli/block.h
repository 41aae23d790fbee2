/* SPDX-License-Identifier: MIT */
#pragma once

/* How an allocated block is shown. */

#include <stddef.h>

#include <jansson.h>

#include "cli/table.h"
#include "proto/message.h"

#define BLOCK_NR_COLUMNS 9u

extern const struct table_column block_columns[BLOCK_NR_COLUMNS];

/* The wire tells pages: the zone in bits 44 and up. An offset is the same in bytes. */
uint64_t block_offset(uint64_t page);

void block_add_row(struct table *table, const struct message_block_info *block);
/* NULL: out of memory. */
json_t *block_document(const struct message_block_info *block);
