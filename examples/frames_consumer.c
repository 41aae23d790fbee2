/* SPDX-License-Identifier: MIT */
/*
 * The other end of frames_producer: maps the pool on its own, for reading only, verifies each frame
 * where it lies, and passes its offset back. Says how fast that went. The exit status is 0 when
 * every frame came and was right.
 */

#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>

#include "examples/frame.h"

#define PROGRAM "frames_consumer"

struct consumer {
	struct pp_pool *pool;
	uint64_t nr_frames; /* that came */
	uint64_t nr_wrong;
	double start_s; /* when the first came */
};

static int usage(void)
{
	fprintf(stderr, "usage: " PROGRAM " [--pool NAME] <passed-on >returned\n");
	return 2;
}

static bool frame_is_right(struct consumer *consumer, uint64_t sequence, pp_offset offset,
			   uint64_t checksum)
{
	const uint64_t *words = pp_from_offset(consumer->pool, offset);

	return words && offset % FRAME_BYTES == 0 && sequence == consumer->nr_frames &&
	       frame_checksum(words) == checksum;
}

static int take_frame(struct consumer *consumer)
{
	uint64_t sequence, offset, checksum;

	if (scanf("%" SCNu64 " %" SCNx64 " %" SCNx64, &sequence, &offset, &checksum) != 3)
		return -1;
	if (consumer->nr_frames == 0)
		consumer->start_s = frame_now_s();
	if (!frame_is_right(consumer, sequence, offset, checksum)) {
		fprintf(stderr, PROGRAM ": frame %" PRIu64 " at %#" PRIx64 " is not right\n",
			sequence, offset);
		consumer->nr_wrong++;
	}
	consumer->nr_frames++;
	printf("%" PRIx64 "\n", offset);
	return fflush(stdout);
}

/* Until the producer says that it was all. 0 when that is what came. */
static int consume(struct consumer *consumer)
{
	uint64_t nr_frames;
	char word[8];

	while (scanf("%7s", word) == 1) {
		if (strcmp(word, "end") == 0)
			return scanf("%" SCNu64, &nr_frames) == 1 &&
					       nr_frames == consumer->nr_frames
				       ? 0
				       : -1;
		if (strcmp(word, "frame") != 0 || take_frame(consumer) != 0)
			return -1;
	}
	return -1;
}

static void report(const struct consumer *consumer)
{
	double seconds = frame_now_s() - consumer->start_s;
	double bytes = (double)consumer->nr_frames * (double)FRAME_BYTES;

	if (consumer->nr_frames == 0)
		return;
	fprintf(stderr,
		"%" PRIu64 " frames of %zu MiB in %.2f s: %.0f frames/s, %.2f GB/s, %" PRIu64
		" wrong, none copied\n",
		consumer->nr_frames, FRAME_BYTES >> 20, seconds,
		(double)consumer->nr_frames / seconds, bytes / seconds * 1e-9, consumer->nr_wrong);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "pool", required_argument, NULL, 'p' }, { 0 } };
	struct consumer consumer = { 0 };
	const char *pool_name = "default";
	struct pp_client *client;
	int option, error;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'p')
			return usage();
		pool_name = optarg;
	}
	if (optind < argc)
		return usage();
	client = frame_connect(PROGRAM, pool_name, PP_POOL_READONLY, &consumer.pool);
	error = consume(&consumer);
	if (error)
		fprintf(stderr, PROGRAM ": the producer has ended early\n");
	report(&consumer);
	pp_client_free(client);
	return error || consumer.nr_wrong > 0 ? 1 : 0;
}
