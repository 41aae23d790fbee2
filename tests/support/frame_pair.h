/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A frame writer and a frame reader at the two ends of a socket pair. Contents of messages follow
 * from a mark, so that a frame can be known again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

#define FRAME_PAIR_LIMIT_BYTES (256u * 1024u) /* of the writer */
#define FRAME_PAIR_NR_FILES 4

struct frame_pair {
	int sender, receiver; /* a socket pair */
	struct frame_writer writer;
	struct frame_reader reader;
	int files[FRAME_PAIR_NR_FILES]; /* distinct files to pass on */
	unsigned nr_fds_before;
};

void frame_pair_init(struct frame_pair *pair, bool want_fds);
/* Fails the test when a descriptor is left open that was not there before. */
void frame_pair_deinit(struct frame_pair *pair);

/* Byte i of a message that is marked so. */
uint8_t frame_pair_content(unsigned mark, size_t i);

/* Queues a message. Returns what frame_writer_commit() did, -ENOBUFS without room. */
int frame_pair_try_queue(struct frame_pair *pair, unsigned mark, size_t size_bytes, const int *fds,
			 unsigned nr_fds);
/* The same without descriptors; it must work. */
void frame_pair_queue(struct frame_pair *pair, unsigned mark, size_t size_bytes);
/* Sends everything. */
void frame_pair_flush(struct frame_pair *pair);
/* Receives what there is: the number of bytes, or -EAGAIN. Anything else fails the test. */
ptrdiff_t frame_pair_fill(struct frame_pair *pair);

/* Takes the next frame, which must be this one. False when there is none yet. */
bool frame_pair_next_is(struct frame_pair *pair, unsigned mark, size_t want_bytes);
void frame_pair_assert_no_next(struct frame_pair *pair);

/* Takes the descriptors of the last frame: these files, in this order, which close on exec. */
void frame_pair_assert_took(struct frame_pair *pair, const int *files, unsigned nr);
