/* SPDX-License-Identifier: MIT */
/*
 * One end of a video pipeline: fills frames of 2 MiB in shared pages and passes their offsets on.
 *
 *   mkfifo back; frames_producer <back | frames_consumer >back
 *
 * Only a line of text a frame goes through the pipe. A frame is filled again when its offset has
 * come back, so a fixed set of blocks carries any number of frames.
 */

#include <getopt.h>
#include <inttypes.h>

#include "examples/frame.h"

#define NR_FRAMES_DEFAULT 600u
#define NR_BLOCKS 64u
#define PROGRAM "frames_producer"

struct producer {
	struct pp_pool *pool;
	void *blocks[NR_BLOCKS];
	size_t nr_blocks;
	void *idle[NR_BLOCKS]; /* those that no frame is in */
	size_t nr_idle;
};

static int usage(void)
{
	fprintf(stderr, "usage: " PROGRAM " [--frames N] [--pool NAME] <returned >passed-on\n");
	return 2;
}

/* Waits for an offset to come back. 0, or -1 when the consumer has gone or talks nonsense. */
static int take_back(struct producer *producer)
{
	uint64_t offset;
	void *block;

	if (scanf("%" SCNx64, &offset) != 1) {
		fprintf(stderr, PROGRAM ": the consumer has ended early\n");
		return -1;
	}
	block = pp_from_offset(producer->pool, offset);
	if (!block || producer->nr_idle == producer->nr_blocks) {
		fprintf(stderr, PROGRAM ": no frame of ours is at %#" PRIx64 "\n", offset);
		return -1;
	}
	producer->idle[producer->nr_idle++] = block;
	return 0;
}

static int pass_on(struct producer *producer, uint64_t sequence)
{
	void *block = producer->idle[--producer->nr_idle];
	uint64_t checksum = frame_fill(block, sequence);

	printf("frame %" PRIu64 " %" PRIx64 " %" PRIx64 "\n", sequence,
	       pp_to_offset(producer->pool, block), checksum);
	return fflush(stdout);
}

static int produce(struct producer *producer, uint64_t nr_frames)
{
	for (uint64_t sequence = 0; sequence < nr_frames; sequence++) {
		if (producer->nr_idle == 0 && take_back(producer) < 0)
			return -1;
		if (pass_on(producer, sequence) != 0)
			return -1;
	}
	printf("end %" PRIu64 "\n", nr_frames);
	fflush(stdout);
	while (producer->nr_idle < producer->nr_blocks) {
		if (take_back(producer) < 0)
			return -1;
	}
	return 0;
}

static int run(struct producer *producer, uint64_t nr_frames)
{
	ssize_t nr_blocks =
		pp_alloc_bulk(producer->pool, FRAME_ORDER, 0, producer->blocks, NR_BLOCKS);
	int error;

	if (nr_blocks < 0) {
		fprintf(stderr, PROGRAM ": the pool has no block of 2 MiB: %s\n",
			strerror((int)-nr_blocks));
		return -1;
	}
	producer->nr_blocks = producer->nr_idle = (size_t)nr_blocks;
	memcpy(producer->idle, producer->blocks, sizeof(producer->idle));
	error = produce(producer, nr_frames);
	if (pp_free_bulk(producer->pool, FRAME_ORDER, producer->blocks, producer->nr_blocks) < 0) {
		fprintf(stderr, PROGRAM ": can't give the blocks back\n");
		error = -1;
	}
	return error;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "frames", required_argument, NULL, 'f' },
						 { "pool", required_argument, NULL, 'p' },
						 { 0 } };
	uint64_t nr_frames = NR_FRAMES_DEFAULT;
	const char *pool_name = "default";
	struct producer producer = { 0 };
	struct pp_client *client;
	char *end;
	int option, error;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p') {
			pool_name = optarg;
		} else if (option == 'f') {
			nr_frames = strtoull(optarg, &end, 10);
			if (end == optarg || *end != '\0')
				return usage();
		} else {
			return usage();
		}
	}
	if (optind < argc)
		return usage();
	client = frame_connect(PROGRAM, pool_name, 0, &producer.pool);
	error = run(&producer, nr_frames);
	pp_client_free(client);
	return error ? 1 : 0;
}
