/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The sealed memfd behind a zone: made with room to grow, bound, mapped; committed, zeroed and
 * given back by byte range.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_NAME_BYTES_MAX 127u

struct segment {
	char name[SEGMENT_NAME_BYTES_MAX + 1];
	int fd;
	unsigned char *base;     /* mapped once, never touched directly */
	uint64_t capacity_bytes; /* of the memfd and of our mapping, for good */
	uint64_t page_bytes;
	int host_node; /* bound to; -1: not bound */
};

/*
 * Creates, seals, maps and binds; commits nothing, but huge pages are reserved for the first
 * size_bytes. name, capacity_bytes, page_bytes and host_node of *segment are set by the caller. A
 * negative errno has been logged.
 */
int segment_init(struct segment *segment, uint64_t size_bytes);
void segment_deinit(struct segment *segment);

/* All for helper threads. 0, -ENOMEM when there is no memory, or another negative errno. */
int segment_commit(const struct segment *segment, uint64_t offset, uint64_t size_bytes);
int segment_zero(const struct segment *segment, uint64_t offset, uint64_t size_bytes);
/* The same, but takes no memory for pages that are not there. */
int segment_zero_sparse(const struct segment *segment, uint64_t offset, uint64_t size_bytes);
/* Reads bytes, zeros where nothing is backed, and writes them. */
int segment_read(const struct segment *segment, uint64_t offset, void *data, size_t size_bytes);
int segment_write(const struct segment *segment, uint64_t offset, const void *data,
		  size_t size_bytes);
/*
 * Makes sure of huge pages for a range that has none reserved; nothing to do for small ones. A
 * negative errno has been logged with how many are missing.
 */
int segment_reserve(const struct segment *segment, uint64_t offset, uint64_t size_bytes);
/*
 * Gives a range's memory, and what is reserved for it, back to the host; it reads as zeros then. A
 * client can make this wait for ever, so not on a thread that others need.
 */
int segment_punch(const struct segment *segment, uint64_t offset, uint64_t size_bytes);

/* A new open file description; the caller closes it. -errno on failure. */
int segment_open_fd(const struct segment *segment, bool read_only);

/* What the kernel says is backed. */
uint64_t segment_backed_bytes(const struct segment *segment);
